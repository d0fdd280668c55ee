"""`promptctl log rules` and `log latest`: what is kept of whose calls, and changing that."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Cli, write

RULES = """\
model: echo/echo
log:
  - {prompts: "*", content: full}  # all
  - {prompts: "hr/*", active: false}
"""


@pytest.fixture
def desk(workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`triage` called twice, `hr/pay` once, `hr/new` never, and `gone` once, whose file was removed then."""
    monkeypatch.chdir(workspace)
    write(workspace, "promptctl.yaml", RULES)
    for prompt in ("hr/pay", "hr/new", "gone"):
        write(workspace, f"prompts/{prompt}.prompt.yaml", f"messages: [{{role: user, content: Hello {prompt}}}]\n")
    for words in (["triage", "-i", "ticket=a"], ["triage", "-i", "ticket=b"], ["hr/pay"], ["gone"]):
        assert cli("run", *words).exit_code == 0
    (workspace / "prompts/gone.prompt.yaml").unlink()
    return workspace


@pytest.mark.usefixtures("desk")
def test_every_prompt_is_listed_with_its_rule_and_totals(cli: Cli) -> None:
    rows = {row["prompt"]: row for row in cli("log", "rules", "--json").json}
    keys = ("kept", "rule_place", "calls", "in_workspace")
    assert {name: tuple(row[key] for key in keys) for name, row in rows.items()} == {
        "gone": ("full", "promptctl.yaml:3:5", 1, False),
        "hr/new": ("off", "promptctl.yaml:4:5", 0, True),
        "hr/pay": ("off", "promptctl.yaml:4:5", 1, True),
        "triage": ("full", "promptctl.yaml:3:5", 2, True),
    }
    assert rows["hr/pay"]["cost_nano_usd"] == 0
    assert rows["hr/pay"]["last_call_at"] is not None, "totals are kept where no row is"
    assert rows["hr/new"]["last_call_at"] is None

    def listed(*words: str) -> list[str]:
        return [row["prompt"] for row in cli("log", "rules", *words, "--json").json]

    assert listed("--kept", "off") == ["hr/new", "hr/pay"]
    assert listed("--search", "PAY") == ["hr/pay"]
    assert listed("--search", "Support") == ["triage"], "in its name"
    assert listed("--rule", "hr/*") == ["hr/new", "hr/pay"]
    unknown = cli("log", "rules", "--rule", "hr*")
    assert (unknown.exit_code, unknown.err.splitlines()[-1]) == (3, "  hint: did you mean `hr/*`?")
    assert listed("--sort", "calls")[0] == "triage"
    assert listed("--sort", "last")[0] == "gone"
    assert cli("log", "rules").out.splitlines()[1].split("\t")[:4] == ["gone *", "full", "*", "3"]


def test_a_rule_is_set_and_what_it_changes_is_said(cli: Cli, desk: Path) -> None:
    settings = desk / "promptctl.yaml"
    dry = cli("log", "rules", "set", "triage", "hr/*", "active=true", "content=metadata", "--dry-run")
    assert dry.exit_code == 0
    assert "+  - {prompts: triage, active: true, content: metadata}" in dry.out
    assert settings.read_text() == RULES
    ran = cli("log", "rules", "set", "triage", "hr/*", "active=true", "content=metadata", "--json")
    assert ran.json["changed"] == [
        {"prompt": "hr/new", "before": "off", "after": "metadata"},
        {"prompt": "hr/pay", "before": "off", "after": "metadata"},
        {"prompt": "triage", "before": "full", "after": "metadata"},
    ]
    assert settings.read_text() == RULES.replace("active: false", "active: true, content: metadata") + (
        "  - {prompts: triage, active: true, content: metadata}\n"
    )
    again = cli("log", "rules", "set", "*", "active=false")
    assert "triage goes on by a later rule: promptctl.yaml:5:5: `triage` keeps metadata" in again.err
    assert cli("log", "rules", "set", "none/*", "active=false", "--json").json["overruled"] == []


@pytest.mark.usefixtures("desk")
def test_a_glob_that_means_no_prompt_is_said(cli: Cli) -> None:
    ran = cli("log", "rules", "set", "traige", "gone", "later/*", "content=full", "--json")
    assert (ran.exit_code, ran.json["edited"], ran.json["unmatched"]) == (0, True, ["traige", "later/*"])
    assert ran.err.splitlines() == [
        "warning: `traige` means no prompt of the files or the log",
        "  hint: did you mean `triage`?",
        "warning: `later/*` means no prompt of the files or the log",
    ]


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["*"], "no KEY=VALUE is given"),
        (["content=full"], "no glob is given"),
        (["*", "contnet=full"], "`contnet` is no key of a log rule\n  hint: did you mean `content`?"),
        (["*", "content=ful"], "`content` cannot be `ful`\n  hint: did you mean `full`?"),
        (["*", "active=yes"], "`active` cannot be `yes`\n  hint: active is true or false"),
        (["", "active=true"], "an empty glob"),
    ],
)
def test_a_rule_that_is_none_is_refused(cli: Cli, words: list[str], what: str) -> None:
    ran = cli("log", "rules", "set", *words)
    assert ran.exit_code == 2
    assert what in ran.err
    assert Path("promptctl.yaml").read_text() == RULES


def test_the_table_is_written_as_yaml_and_csv(cli: Cli, desk: Path) -> None:
    rows = cli("log", "rules", "--json").json
    assert yaml.safe_load(cli("log", "rules", "export").out) == rows
    assert cli("log", "rules", "export", "-o", "rules.CSV").exit_code == 0
    with (desk / "rules.CSV").open() as opened:
        assert [row["prompt"] for row in csv.DictReader(opened)] == [row["prompt"] for row in rows]
    assert cli("log", "rules", "export", "-o", "rules.txt").exit_code == 2


@pytest.mark.usefixtures("desk")
def test_the_last_call_is_shown_whole_whatever_the_rules_keep(cli: Cli) -> None:
    assert "Hello hr/pay" in cli("log", "latest", "hr/pay").out
    assert cli("log", "latest", "triage", "--json").json["inputs"]["ticket"] == "b"
    assert cli("log", "latest", "gone", "--json").json["reply"] == "Hello gone"
    never = cli("log", "latest", "hr/new")
    assert (never.exit_code, never.err.splitlines()[0]) == (3, "error: no call of hr/new yet")
    assert "promptctl run hr/new makes one" in never.err
    glob = cli("log", "latest", "hr/*")
    assert (glob.exit_code, "`hr/*` is a glob" in glob.err) == (2, True)
    unknown = cli("log", "latest", "triag")
    assert unknown.exit_code == 3
    assert "did you mean `triage`?" in unknown.err


@pytest.mark.usefixtures("workspace")
def test_before_the_first_call_there_are_rules_already(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    (row,) = cli("log", "rules", "--json").json
    assert (row["prompt"], row["kept"], row["calls"]) == ("triage", "full", 0)
    assert not (workspace / ".promptctl/log.db").exists()
