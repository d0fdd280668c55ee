"""`promptctl run` in a workspace with budgets: refused calls, and dry runs that say what would be reserved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write

BUDGETS = """\
model: echo/echo
budgets:
  - name: team
    per: day
    limit: {calls: 1}
  - name: tokens
    each: user
    limit: {tokens: 1000}
    warn_at: 0.001
"""


@pytest.fixture
def budgeted(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("promptctl.calls.budgets.utc_now", lambda: "2026-05-03T12:00:00.000Z")
    write(workspace, "promptctl.yaml", BUDGETS)
    return workspace


@pytest.mark.usefixtures("budgeted")
def test_a_call_that_a_budget_does_not_admit_ends_with_5_and_is_a_row(cli: Cli) -> None:
    first = cli("run", "triage", "-i", "ticket=Help!", "--user", "ada")
    assert (first.exit_code, first.out) == (0, "Help!\n")
    assert "warning: budget `tokens` of ada has spent 14 of 1,000 tokens" in first.err
    for options in ([], ["--stream"], ["--json"]):
        ran = cli("run", "triage", "-i", "ticket=Help!", "--user", "ada", *options)
        assert ran.exit_code == 5
        assert "error: promptctl.yaml:3:5: budget `team` admits no more: it has spent 1 of 1 call a day, and" in ran.err
        assert "; its window ends 2026-05-04 00:00 UTC" in ran.err
        assert "hint: wait until the window ends, or raise `limit` of `team` in promptctl.yaml" in ran.err
        if options == ["--json"]:
            assert (ran.json["status"], ran.json["error_type"]) == ("blocked", "BudgetReached")
    assert [each["status"] for each in cli("log", "list", "--json").json] == ["blocked"] * 3 + ["ok"]


@pytest.mark.usefixtures("budgeted")
def test_a_dry_run_says_what_would_be_reserved_by_which_rules_and_does_nothing(cli: Cli) -> None:
    found = cli("run", "triage", "-i", "ticket=Help!", "--dry-run", "--user", "ada", "--json").json
    assert (found["prompt"], found["model"], found["admitted"]) == ("triage", "echo/echo", True)
    team, tokens = found["budgets"]
    assert (team["budget"], team["place"], team["limit"], team["would_reserve"]) == ("team", "promptctl.yaml:3:5", 1, 1)
    assert (tokens["key"], tokens["would_reserve"]) == ("ada", found["input_tokens"] + found["output_tokens"])
    assert cli("log", "list", "--json").json == []
    cli("run", "triage", "-i", "ticket=Help!")
    full = cli("run", "triage", "-i", "ticket=Help!", "--dry-run")
    assert (full.exit_code, full.out.splitlines()[-2].split("\t")[:4]) == (0, ["team", "-", "1 call", "1 call"])
    assert "it would be refused: promptctl.yaml:3:5: budget `team` admits no more" in full.err
    assert cli("run", "triage", "--dry-run").exit_code == 2
    assert len(cli("log", "list", "--json").json) == 1


@pytest.mark.usefixtures("workspace")
def test_a_dry_run_without_budgets_says_the_worst_case(cli: Cli) -> None:
    found = cli("run", "triage", "-i", "ticket=Help!", "--dry-run")
    assert found.out.splitlines()[0].split("\t") == [
        "prompt",
        "version",
        "model",
        "tokens in",
        "tokens out",
        "cost at most",
    ]
    assert "no budget would reserve anything for it" in found.err
