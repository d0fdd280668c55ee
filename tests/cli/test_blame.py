"""`promptctl blame`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import TRIAGE, Cli, commit, git, write


@pytest.fixture
def here(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace)
    return workspace


def test_lines_stand_beside_those_who_made_them(here: Path, cli: Cli) -> None:
    first = git(here, "rev-parse", "--short=7", "HEAD")
    write(here, "prompts/triage.prompt.yaml", TRIAGE.replace("You triage", "We triage"))
    git(here, "config", "user.name", "Evil\x1b[31m \u202eName")
    second = commit(here, "Say\x1b]0;owned\x07 we")[:7]
    ran = cli("blame", "triage")
    assert ran.exit_code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == f"triage  v2 ({second})"
    assert lines[1] == "live       no label named this version so far"
    [message] = [line for line in lines if "We triage" in line]
    assert message.startswith(second)
    assert message.endswith('10 │ We triage tickets for {{ product }}. Be {{ tone | default("kind") }}.')
    [user] = [line for line in lines if "{{ ticket }}" in line]
    assert user.startswith(first)
    assert f"product  system   its default ({first})  Acme" in ran.out
    assert lines.index("Commits") > lines.index("Inputs")


def test_a_call_is_named_by_the_end_of_its_id(here: Path, cli: Cli) -> None:
    cli("label", "set", "triage@production", "--reason", "Fewer wrong labels")
    cli("run", "triage@production", "-i", "ticket=I was charged twice")
    [call] = cli("log", "list", "--json").json
    ran = cli("blame", call["execution"][-8:])
    assert ran.exit_code == 0, ran.err
    assert ran.out.startswith("triage@production  v1 (")
    assert "by Test Author (set v1): Fewer wrong labels" in ran.out
    assert "the call               I was charged" in ran.out
    document = cli("blame", call["execution"], "--json").json
    assert document["execution"] == call["execution"]
    assert document["inputs"][0] == {
        "name": "ticket",
        "origin": "call",
        "kept": True,
        "value": "I was charged twice",
        "used_in": ["user"],
        "default_line": None,
        "default_commit": None,
    }
    assert document["moves"][0]["asked"] is True
    assert document["commits"][0]["subject"] == "Add triage"


@pytest.mark.usefixtures("here")
def test_what_there_is_not_is_said(cli: Cli) -> None:
    ran = cli("blame", "triagee")
    assert ran.exit_code == 3
    assert "did you mean `triage`?" in ran.err
    assert cli("blame").exit_code == 2


def test_pages_are_as_wide_as_the_terminal(here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        here, "prompts/triage.prompt.yaml", TRIAGE.replace("You triage", "界" * 90 + " " + "word " * 40 + "You triage")
    )
    commit(here, "Say a lot: " + "subject " * 20)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        out = cli("blame", "triage").out
        from rich.cells import cell_len

        assert max(map(cell_len, out.splitlines())) <= width
    monkeypatch.setenv("COLUMNS", "9")
    assert cli("blame", "triage").exit_code == 0
