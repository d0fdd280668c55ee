"""`promptctl budget`: what is spent and left, what happened at the limits, and enabling again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import promptctl
from promptctl.log.budgets import Charge, Reservation, Settlement
from promptctl.log.stamps import new_id, utc_now
from promptctl.log.windows import window_of
from tests.cli.conftest import Cli, commit, git, write
from tests.json_schemas import fits
from tests.webhook import SECRET, Hook

SETTINGS = """\
model: echo/echo
budgets:
  - name: extraction
    prompts: ["tri*", "gone"]
    each: user
    per: month
    timezone: Europe/Berlin
    limit: {usd: 5.00}
    warn_at: 0.8
    webhook_env: SPEND_HOOK
  - name: monthly
    limit: {calls: 3}
    then: disable
    per: month
    sources: [api]
  - {name: each-call, limit: {tokens: 1000}, per: call, then: disable}
  - {name: watch, limit: {calls: 1}, then: warn}
"""
USD = 1_000_000_000


@pytest.fixture
def desk(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace)
    write(workspace, "promptctl.yaml", SETTINGS)
    return workspace


def spend(name: str, key: str | None, reserved: int, spent: int | None, already: int = 0) -> None:
    """Reserve so much of a budget, and let it be spent; with None it stays reserved, if it is admitted."""
    with promptctl.open_workspace() as workspace:
        log, rules = workspace.context.log, workspace.context.settings.budgets
        rule = next(rule for rule in rules if rule.name == name)
        now, execution = utc_now(), new_id()
        charge = Charge(rule, key, window_of(now, rule.per, rule.timezone), reserved, already)
        log.reserve(Reservation(execution, now, "me", "9999", (charge,), rules))
        if spent is not None:
            log.settle(Settlement(execution, {rule.unit: spent}))


@pytest.fixture
def spent(desk: Path) -> None:
    """`alice` near her limit, `bob` over his, `monthly` and `each-call` disabled, `watch` over its limit."""
    spend("extraction", "alice", 4 * USD, 4 * USD)
    spend("extraction", "alice", USD // 2, None)
    spend("extraction", "bob", 5 * USD, 6 * USD)
    spend("extraction", None, USD, 0)
    spend("monthly", None, 3, 3)
    spend("monthly", None, 1, None)
    spend("each-call", None, 500, None, already=501)
    spend("watch", None, 2, 2)


def listed(cli: Cli) -> dict[str, Any]:
    document = cli("budget", "list", "--json").json
    fits("budget list", document)
    return {row["budget"]: row for row in document}


@pytest.mark.usefixtures("desk")
def test_what_requests_that_never_told_their_cost_count_is_told(cli: Cli) -> None:
    with promptctl.open_workspace() as workspace:
        log, rule = workspace.context.log, workspace.context.settings.budgets[1]
        now, execution = utc_now(), new_id()
        charges = (Charge(rule, None, window_of(now, rule.per, rule.timezone), 2),)
        log.reserve(Reservation(execution, now, "me", "9999", charges, (rule,)))
        log.settle(Settlement(execution, {"calls": None}))
    shown = cli("budget", "show", "monthly").out
    assert "spent      2 calls, 2 calls of it by requests that never told their cost\n" in shown
    assert "left       1 call\n" in shown


@pytest.mark.usefixtures("spent")
def test_the_list_says_what_is_spent_and_why_calls_are_refused(cli: Cli) -> None:
    rows = listed(cli)
    assert {name: (row["state"], row["reason"]) for name, row in rows.items()} == {
        "extraction": ("blocked", "bob: $6 of $5 spent"),
        "monthly": ("disabled", "the limit of 3 calls was reached"),
        "each-call": ("disabled", "the limit of 1,000 tokens was reached"),
        "watch": ("exceeded", "2 of 1 call spent"),
    }
    top = rows["extraction"]
    assert (top["account"], top["spent"], top["reserved"], top["left"]) == ("bob", 6 * USD, 0, -USD)
    assert (top["account_count"], top["unit"], top["rule_place"]) == (3, "nano_usd", "promptctl.yaml:3:5")
    ran = cli("budget", "list")
    lines = ran.out.splitlines()
    assert lines[0].split("\t") == [
        "budget", "highest account", "state", "limit", "spent", "reserved", "left", "ends", "rule",
    ]  # fmt: skip
    assert lines[1].split("\t")[:7] == ["extraction", "bob", "blocked", "$5", "$6", "$0", "-$1"]
    assert "extraction is blocked: bob: $6 of $5 spent; until " in ran.err
    assert (
        "monthly is disabled: the limit of 3 calls was reached; promptctl budget enable monthly --reason TEXT"
        in ran.err
    )


@pytest.mark.usefixtures("spent")
def test_a_page_names_the_highest_accounts_and_the_prompts(cli: Cli) -> None:
    page = cli("budget", "show", "extraction", "--json").json
    fits("budget show", page)
    assert (page["prompts"], page["covers"]["prompts"], page["covers"]["users"]) == (["triage"], ["tri*", "gone"], [])
    accounts = [(row["account"], row["state"], row["spent"], row["reserved"]) for row in page["accounts"]]
    assert accounts == [("bob", "blocked", 6 * USD, 0), ("alice", "warned", 4 * USD, USD // 2), (None, "ok", 0, 0)]
    out = cli("budget", "show", "extraction").out
    assert "extraction  $5 a month (Europe/Berlin) for each user" in out
    for row in (r"bob +blocked +\$6 ", r"\(no user\) +ok +\$0 "):
        assert re.search(rf"(?m)^ *{row}", out)
    for line in ("warns at   80%", "prompts    tri*, gone: triage", "webhook    the address in SPEND_HOOK"):
        assert line in out.splitlines()
    assert [line.split()[:2] for line in out.splitlines()[-3:]] == [
        ["bob", "blocked"],
        ["alice", "warned"],
        ["(no", "user)"],
    ]
    assert "sources    api" in cli("budget", "show", "monthly").out


@pytest.mark.usefixtures("spent")
def test_the_history_says_what_happened_newest_first(cli: Cli) -> None:
    events = cli("budget", "history", "--json").json
    fits("budget history", events)
    assert [(each["budget"], each["account"], each["kind"], each["webhook"]) for each in events] == [
        ("watch", None, "exceeded", None),
        ("each-call", None, "disabled", None),
        ("monthly", None, "disabled", None),
        ("extraction", "bob", "warned", "due"),
        ("extraction", "alice", "warned", "due"),
    ]
    assert [each["account"] for each in cli("budget", "history", "extraction", "-n", "1", "--json").json] == ["bob"]
    assert "extraction\talice\twarned\t$4\t$5\t-\tdue" in cli("budget", "history").out


@pytest.mark.usefixtures("spent")
def test_what_is_disabled_is_enabled_with_a_reason(cli: Cli) -> None:
    ran = cli("budget", "enable", "monthly", "--reason", "The loop is mended")
    assert (ran.exit_code, ran.out) == (0, "monthly  enabled: its whole limit counts from now on\n")
    assert listed(cli)["monthly"]["state"] == "ok"
    (event,) = cli("budget", "history", "monthly", "-n", "1", "--json").json
    assert (event["kind"], event["reason"], event["spent"]) == ("enabled", "The loop is mended", 3)
    again = cli("budget", "enable", "monthly", "--reason", "x")
    assert (again.exit_code, again.err) == (
        3, "error: the budget `monthly` is not disabled\n  hint: its state: promptctl budget show monthly\n",
    )  # fmt: skip
    fits("budget enable", cli("budget", "enable", "each-call", "--reason", "x", "--json").json)
    assert cli("budget", "enable", "each-call", "--reason", " ").exit_code == 2
    assert cli("budget", "enable", "each-call").exit_code == 2
    other = cli("budget", "enable", "extraction", "--account", "alice", "--reason", "x")
    assert "the budget `extraction` of `alice` is not disabled" in other.err


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    "words", [["show", "extracton"], ["history", "extracton"], ["enable", "extracton", "--reason", "x"]]
)
def test_an_unknown_name_is_an_error_with_the_nearest(cli: Cli, words: list[str]) -> None:
    ran = cli("budget", *words)
    assert (ran.exit_code, ran.err) == (3, "error: no budget `extracton`\n  hint: did you mean `extraction`?\n")


def test_a_budget_that_left_the_file_is_known_by_its_history(desk: Path, cli: Cli) -> None:
    spend("monthly", None, 3, 3)
    spend("monthly", None, 1, None)
    write(desk, "promptctl.yaml", "model: echo/echo\n")
    assert cli("budget", "history", "monthly").exit_code == 0
    ran = cli("budget", "show", "monthly")
    assert (ran.exit_code, ran.err.splitlines()) == (
        3,
        [
            "error: the budget `monthly` is not in promptctl.yaml any more",
            "  hint: what happened to it: promptctl budget history monthly",
        ],
    )
    assert cli("budget", "enable", "monthly", "--reason", "x").exit_code == 0


def test_a_new_workspace_has_nothing_to_show(desk: Path, cli: Cli) -> None:
    assert {row["state"] for row in listed(cli).values()} == {"ok"}
    assert cli("budget", "history").err == "nothing happened yet\n"
    assert cli("budget", "enable", "monthly", "--reason", "x").exit_code == 3
    write(desk, "promptctl.yaml", "model: echo/echo\n")
    assert cli("budget", "list").err == "no budget yet: write one under `budgets` in promptctl.yaml\n"
    assert cli("budget", "list", "--json").json == []
    assert "`budgets` of promptctl.yaml has none" in cli("budget", "show", "other").err
    assert not (desk / ".git/promptctl/log.db").exists()


def test_without_a_budget_the_log_is_not_looked_at(desk: Path, cli: Cli) -> None:
    write(desk, "promptctl.yaml", "model: echo/echo\n")
    write(desk, ".git/promptctl/log.db", "no log")
    ran = cli("budget", "list", "--json")
    assert (ran.exit_code, ran.json) == (0, [])


def test_a_rule_that_is_new_counts_the_calls_before_it(desk: Path, cli: Cli) -> None:
    write(desk, "promptctl.yaml", "model: echo/echo\n")
    for _ in range(2):
        assert cli("run", "triage", "-i", "ticket=x").exit_code == 0
    write(desk, "promptctl.yaml", "model: echo/echo\nbudgets: [{name: a, limit: {calls: 9}, per: month}]\n")
    (row,) = cli("budget", "list", "--json").json
    assert (row["spent"], row["left"]) == (2, 7)
    with promptctl.open_workspace() as workspace:
        assert workspace.context.log.budget_accounts() == [], "looking changes nothing"


def test_a_limit_that_was_raised_holds_at_once(desk: Path, cli: Cli) -> None:
    spend("watch", None, 2, 2)
    write(desk, "promptctl.yaml", SETTINGS.replace("watch, limit: {calls: 1}", "watch, limit: {calls: 10}"))
    row = listed(cli)["watch"]
    assert (row["state"], row["spent"], row["left"]) == ("ok", 2, 8)


def test_a_branch_under_review_sends_nothing_elsewhere(
    tmp_path: Path, hook: Hook, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOK", hook.url)
    monkeypatch.setenv("OTHER", f"{hook.url}/elsewhere")
    settings = "model: echo/echo\nbudgets: [{name: team, limit: {calls: 4}, warn_at: 0.25, webhook_env: HOOK}]\n"
    prompt = "messages: [{role: user, content: Hi}]\n"
    write(tmp_path, "promptctl.yaml", settings)
    write(tmp_path, "prompts/greet.prompt.yaml", prompt)
    write(tmp_path, "datasets/greet.yaml", "prompts: [greet]\ncases: [{id: a, expected: Hi}]\n")
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "Begin")
    git(tmp_path, "checkout", "-q", "-b", "hostile")
    hostile = settings.replace("HOOK", "OTHER").replace("name: team", "name: theirs").replace("calls: 4", "calls: 1")
    write(tmp_path, "promptctl.yaml", hostile)
    write(tmp_path, "prompts/greet.prompt.yaml", prompt.replace("Hi", "Ho"))
    commit(tmp_path, "Change")
    cli("review", "main")
    assert {(path, body["budget"]) for path, _, body in hook.got} == {(f"/{SECRET}", "team")}
    assert cli("budget", "history", "--json").json[0]["budget"] == "team"
