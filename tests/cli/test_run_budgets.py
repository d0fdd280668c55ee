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
    assert (team["budget"], team["rule_place"], team["unit"]) == ("team", "promptctl.yaml:3:5", "calls")
    assert (team["limit"], team["left"], team["would_reserve"]) == (1, 1, 1)
    assert (tokens["account"], tokens["would_reserve"]) == ("ada", found["input_tokens"] + found["output_tokens"])
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


@pytest.mark.parametrize(
    ("rule", "fact"),
    [
        ("limit: {usd: 0.00007}, per: call", ("nano_usd", 70_000, None)),
        ("limit: {tokens: 9000}", ("tokens", 9000, None)),
    ],
)
def test_a_dry_run_has_the_keys_of_the_list(
    workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, rule: str, fact: tuple[str, int, None]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    settings = "model: openai/gpt-4o-mini\n"
    write(workspace, "promptctl.yaml", f"{settings}budgets: [{{name: a, {rule}}}]\n")
    (listed,) = cli("budget", "list", "--json").json
    (would,) = cli("run", "triage", "-i", "ticket=x", "--dry-run", "--json").json["budgets"]
    assert (would["unit"], would["limit"], would["window_end"]) == fact
    assert set(would) - set(listed) == {"would_reserve", "admitted"}
    assert {key: would[key] for key in set(would) & set(listed)} == {
        key: listed[key] for key in set(would) & set(listed)
    }


def test_a_limit_of_one_call_that_only_warns_warns_of_each_call_over_it(workspace: Path, cli: Cli) -> None:
    rule = "name: a, limit: {tokens: 12}, per: call, then: warn, warn_at: 50%"
    write(workspace, "promptctl.yaml", f"model: echo/echo\nbudgets: [{{{rule}}}]\n")
    for ticket, kinds in [("Help!", ["exceeded", "warned"]), ("x", ["warned"]), ("Help!", ["exceeded", "warned"])]:
        before = len(cli("budget", "history", "--json").json)
        ran = cli("run", "triage", "-i", f"ticket={ticket}")
        events = cli("budget", "history", "--json").json
        assert (ran.exit_code, [each["kind"] for each in events[: len(events) - before]]) == (0, kinds)
        assert ran.err.count("warning: budget `a` has spent ") == len(kinds)
    assert cli("budget", "list", "--json").json[0]["state"] == "ok"


def test_a_request_larger_than_the_whole_limit_disables_nothing(workspace: Path, cli: Cli) -> None:
    rule = "budgets: [{name: a, limit: {tokens: 10}, then: disable, each: user}]\n"
    write(workspace, "promptctl.yaml", f"model: echo/echo\n{rule}")
    for _ in range(2):
        ran = cli("run", "triage", "-i", "ticket=Help!", "--user", "o'ada")
        assert ran.exit_code == 5
        assert "budget `a` of user o'ada can never admit this request: " in ran.err
        assert "more than the whole limit of 10 tokens in total for each user" in ran.err
        assert "hint: lower `max_tokens`, or raise `limit` of `a` in promptctl.yaml" in ran.err
    assert [each["state"] for each in cli("budget", "list", "--json").json] == ["ok"]
    (event,) = cli("budget", "history", "--json").json
    assert (event["kind"], event["reason"].split(", ")[1]) == ("blocked", "more than the whole limit")
    write(workspace, "promptctl.yaml", f"model: echo/echo\n{rule.replace('10}', '180}')}")
    dry = cli("run", "triage", "-i", "ticket=Help!", "--user", "o'ada", "--dry-run")
    assert "is disabled now" not in dry.err
    while (ran := cli("run", "triage", "-i", "ticket=Help!", "--user", "o'ada")).exit_code == 0:
        dry = cli("run", "triage", "-i", "ticket=Help!", "--user", "o'ada", "--dry-run")
    assert "budget `a` of user o'ada would be disabled: it has spent " in dry.err
    assert """hint: enable it again: promptctl budget enable a --account 'o'"'"'ada' --reason TEXT""" in ran.err
    assert cli("budget", "list", "--json").json[0]["state"] == "disabled"
    write(workspace, "promptctl.yaml", f"model: echo/echo\n{rule.replace('disable', 'warn').replace('10}', '11}')}")
    (row,) = cli("budget", "list", "--json").json
    assert (row["state"], row["disabled_at"]) == ("exceeded", None)
    assert "disabled" not in cli("doctor").out
    assert cli("run", "triage", "-i", "ticket=Help!", "--user", "o'ada").exit_code == 0


@pytest.mark.parametrize("then", ["block", "disable"])
def test_a_log_begun_after_a_damaged_one_knows_that_it_does_not_know(workspace: Path, cli: Cli, then: str) -> None:
    settings = f"model: echo/echo\nbudgets: [{{name: a, limit: {{calls: 1}}, then: {then}}}]\n"
    write(workspace, "promptctl.yaml", settings)
    assert cli("run", "triage", "-i", "ticket=x").exit_code == 0
    (log,) = workspace.rglob("promptctl/log.db")
    log.write_bytes(b"garbage" * 1000)
    for _ in range(2):
        ran = cli("run", "triage", "-i", "ticket=x")
        (aside,) = log.parent.glob("log.damaged-*.db")
        assert ran.exit_code == 5
        assert f"budget `a` cannot be checked, so nothing was sent: the log was damaged and is now {aside}" in ran.err
        assert "promptctl log merge FILE; then, or without: promptctl budget enable a --reason TEXT" in ran.err
    assert "a refuses calls: what was spent before is not known" in cli("doctor").out
    (row,) = cli("budget", "list", "--json").json
    assert row["state"] == ("blocked" if then == "block" else "disabled")
    assert [each["kind"] for each in cli("budget", "history", "--json").json] == ["unknown"]
    write(workspace, "promptctl.yaml", f"{settings}budgets_without_log: open\n")
    assert cli("run", "triage", "-i", "ticket=x").exit_code == 0
    write(workspace, "promptctl.yaml", settings.replace("calls: 1", "calls: 2"))
    assert cli("run", "triage", "-i", "ticket=x").exit_code == 5
    assert cli("budget", "enable", "a", "--reason", "checked").exit_code == 0
    assert cli("budget", "enable", "a", "--reason", "checked").exit_code == 3
    assert [cli("run", "triage", "-i", "ticket=x").exit_code for _ in range(2)] == [0, 5]


def test_a_budget_that_only_warns_says_that_it_does_not_know_what_was_in_a_damaged_log(
    workspace: Path, cli: Cli
) -> None:
    settings = "model: echo/echo\nbudgets: [{name: a, limit: {calls: 2}, then: warn, per: month}]\n"
    write(workspace, "promptctl.yaml", settings)
    assert cli("run", "triage", "-i", "ticket=x").exit_code == 0
    (log,) = workspace.rglob("promptctl/log.db")
    assert cli("log", "backup", "backup.db").exit_code == 0
    log.write_bytes(b"garbage" * 1000)
    assert cli("run", "triage", "-i", "ticket=x").exit_code == 0
    (row,) = cli("budget", "list", "--json").json
    assert (row["state"], row["spent"]) == ("ok", 1)
    assert row["reason"].endswith("and what was spent before is not known")
    listed = cli("budget", "list")
    assert "a is ok: the log was damaged" in listed.err
    assert "; promptctl budget enable a --reason TEXT" in listed.err
    cli("run", "triage", "-i", "ticket=x")
    cli("run", "triage", "-i", "ticket=x")
    (row,) = cli("budget", "list", "--json").json
    assert row["state"] == "exceeded"
    assert row["reason"].startswith("3 of 2 calls spent; the log was damaged")
    assert cli("log", "merge", "backup.db").exit_code == 0
    enabled = cli("budget", "enable", "a", "--reason", "the backup is merged")
    assert (enabled.exit_code, "disabled" in enabled.out) == (0, False)
    cli("run", "triage", "-i", "ticket=x")
    (row,) = cli("budget", "list", "--json").json
    assert row["reason"] == "5 of 2 calls spent"


def test_a_request_of_more_tokens_than_a_number_holds_is_let_through_by_what_only_warns(
    workspace: Path, cli: Cli
) -> None:
    settings = """\
model: local/m
models: {"local/*": {api_base: "http://127.0.0.1:9/v1"}}
prices: {"local/*": {input: 1, output: 2}}
budgets: [{name: a, limit: {tokens: 900}, then: warn}, {name: b, limit: {usd: 1}, then: warn}]
"""
    write(workspace, "promptctl.yaml", settings)
    ran = cli("run", "triage", "-i", "ticket=x", "-p", f"max_tokens={10**30}", "--dry-run", "--json")
    assert (ran.exit_code, ran.json["admitted"]) == (0, True)
