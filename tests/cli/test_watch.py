"""`promptctl eval --watch`."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptctl import EvaluationWatch
from tests.cli.conftest import TRIAGE, Cli, commit, git, write

CASES = "prompts: [triage]\ncases: [{id: a, inputs: {ticket: x}, assert: [{type: contains, value: x}]}]\n"


@pytest.fixture
def saves(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let each wait end with one of these saves; after the last one somebody presses Ctrl-C."""
    write(workspace, "datasets/triage.yaml", CASES)
    monkeypatch.chdir(workspace)

    def plan(*texts: str) -> None:
        left: Iterator[str] = iter(texts)
        wait = EvaluationWatch.wait

        def save(watch: EvaluationWatch) -> list[str]:
            text = next(left, None)
            if text is None:
                raise KeyboardInterrupt
            write(workspace, "prompts/triage.prompt.yaml", text)
            return wait(watch)

        monkeypatch.setattr(EvaluationWatch, "wait", save)
        monkeypatch.setattr("promptctl.workspace.watching._STILL_S", 0.0)

    return plan


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ((), 0),
        ((TRIAGE.replace("{{ ticket }}", "y"),), 1),
        ((TRIAGE.replace("{{ ticket }}", "y"), TRIAGE), 0),
        ((TRIAGE + "tags: [x\n",), 3),
        ((TRIAGE + "tags: [x\n", TRIAGE + "tags: [x]\n"), 0),
    ],
)
def test_it_ends_as_the_last_evaluation_did(
    cli: Cli, saves: Callable[..., None], texts: tuple[str, ...], code: int
) -> None:
    saves(*texts)
    ran = cli("eval", "triage", "--watch")
    assert ran.exit_code == code, ran.err
    assert ran.err.count("watching 3 files; Ctrl-C ends") == len(texts) + 1
    assert ran.err.count("  prompts/triage.prompt.yaml\n") == len(texts)
    if code == 3:
        assert "error: prompts/triage.prompt.yaml:" in ran.err
    if "[x]" in "".join(texts):
        assert "nothing that is evaluated was changed" in ran.err


def test_what_no_save_mends_ends_it(cli: Cli, saves: Callable[..., None], workspace: Path) -> None:
    saves()
    write(workspace, "prompts/untested.prompt.yaml", TRIAGE)
    for arguments, code, words in (
        (["nope"], 3, "there is no prompt `nope`"),
        (["untested"], 3, "no dataset tests untested"),
        (["triage", "--case", "nope"], 3, "nope"),
        (["triage", "--dataset", "nope"], 3, "nope"),
    ):
        ran = cli("eval", *arguments, "--watch")
        assert (ran.exit_code, words in ran.err, "watching" in ran.err) == (code, True, False), ran.err


def test_reports_hold_the_newest_of_all(cli: Cli, saves: Callable[..., None], workspace: Path) -> None:
    write(workspace, "prompts/other.prompt.yaml", "messages: [{role: user, content: x}]\n")
    write(
        workspace, "datasets/other.yaml", "prompts: [other]\ncases: [{id: a, assert: [{type: contains, value: x}]}]\n"
    )
    saves(TRIAGE.replace("{{ ticket }}", "y"))
    ran = cli("eval", "--all", "--watch", "--json", "-o", "r.json")
    report: Any = json.loads((workspace / "r.json").read_text())
    assert [(each["prompt"], each["verdict"]) for each in report["evaluations"]] == [
        ("other", "passed"),
        ("triage", "failed"),
    ]
    first, end = json.JSONDecoder().raw_decode(ran.out)
    second = json.loads(ran.out[end:])
    assert ([each["prompt"] for each in first], [each["prompt"] for each in second]) == (
        ["other", "triage"],
        ["triage"],
    )


def test_a_report_that_cannot_be_written_ends_nothing(
    cli: Cli, saves: Callable[..., None], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    saves(TRIAGE.replace("{{ ticket }}", "x {{ ticket }}"))
    with monkeypatch.context() as unwritable:
        unwritable.setattr("tempfile.mkstemp", refuses)
        ran = cli("eval", "triage", "--watch", "-o", "r.json")
    assert ran.exit_code == 3
    assert ran.err.count("error: cannot write r.json: Permission denied") == 2
    assert ran.err.count("watching 3 files") == 2


@pytest.fixture
def base(workspace: Path, saves: Callable[..., None]) -> None:
    """Commit a prompt with eight cases that pass."""
    cases = [f"{{id: {n}, inputs: {{ticket: x{n}}}, assert: [{{type: contains, value: x{n}}}]}}" for n in "abcdefgh"]
    write(workspace, "datasets/triage.yaml", f"prompts: [triage]\ncases: [{', '.join(cases)}]\n")
    write(workspace, "prompts/triage.prompt.yaml", TRIAGE)
    git(workspace, "init", "--quiet", "--initial-branch", "main")
    commit(workspace, "Begin")


BROKEN = TRIAGE.replace("{{ ticket }}", "y")


@pytest.mark.usefixtures("base")
def test_each_round_compares_with_the_base(cli: Cli, saves: Callable[..., None], workspace: Path) -> None:
    saves(BROKEN, TRIAGE + "tags: [x\n", BROKEN, TRIAGE)
    ran = cli("eval", "triage", "--watch", "--against", "-o", "r.json")
    assert ran.exit_code == 0, ran.err
    rounds = [line for line in ran.out.splitlines() if ": promptctl compare " in line]
    assert len(rounds) == 3
    assert ran.err.count("compared with @main\n") == 1
    assert ran.out.count("➖ triage: Inconclusive: 8 of 8 cases pass, as before.") == 2
    assert ran.out.count("❌ triage: Worse: 0 of 8 cases pass, 8 did.") == 1
    assert ran.err.count("nothing that is evaluated was changed") == 1, "after the file was mended"
    [newest] = json.loads((workspace / "r.json").read_text())["comparisons"]
    shown = cli("compare", *rounds[-1].split()[-2:], "--json").json[0]
    assert (newest["head"]["evaluation"], newest["verdict"]) == (shown["head"]["evaluation"], "inconclusive")


@pytest.mark.usefixtures("base")
def test_each_round_of_comparisons_is_a_document(cli: Cli, saves: Callable[..., None]) -> None:
    saves(BROKEN)
    ran = cli("eval", "triage", "--watch", "--against", "@main", "--json")
    first, end = json.JSONDecoder().raw_decode(ran.out)
    [second] = json.loads(ran.out[end:])
    assert (ran.exit_code, first[0]["verdict"], second["verdict"]) == (1, "inconclusive", "worse")


def test_a_base_that_is_not_there_ends_it(cli: Cli, saves: Callable[..., None], workspace: Path) -> None:
    git(workspace, "init", "--quiet", "--initial-branch", "main")
    commit(workspace, "Begin")
    saves()
    for asked, code, words in (
        (["--against", "@nope"], 3, "`nope` is no label"),
        (["--against", "--fail-fast"], 2, "--fail-fast would leave too little to compare"),
    ):
        ran = cli("eval", "triage", "--watch", *asked)
        assert (ran.exit_code, words in ran.err, "watching" in ran.err) == (code, True, False), ran.err


def test_it_does_not_go_with_what_names_changes_itself(cli: Cli, tmp_path: Path) -> None:
    for option in (["--changed-since", "HEAD"], ["--failed"], ["--dry-run"]):
        ran = cli("eval", "triage", "--watch", *option)
        assert (ran.exit_code, f"{option[0]} and --watch cannot be given together" in ran.err) == (2, True)
    assert cli("eval", "triage", "--watch").exit_code == 3, "there is no workspace"
    assert list(tmp_path.iterdir()) == []
