from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles, Place
from promptctl.formats.budget_rules import BudgetRule, amount_words
from promptctl.formats.settings_file import read_settings

WHOLE = """\
budgets_without_log: open
budgets:
  - name: extraction
    prompts: ["extract/*"]
    labels: [production]
    models: ["openai/*"]
    users: [ada]
    sources: [api, eval]
    each: user
    per: day
    timezone: Europe/Berlin
    limit: {usd: 5.00}
    warn_at: 80%
    then: disable
    unpriced: allow
    webhook_env: ALERTS_URL
  - {name: requests, limit: {calls: 3}, then: warn}
"""


def rules(text: str) -> tuple[BudgetRule, ...]:
    return read_settings(text.encode()).budgets


def test_everything_that_a_budget_can_say() -> None:
    settings = read_settings(WHOLE.encode())
    assert settings.budgets_without_log == "open"
    first, second = settings.budgets
    assert first == BudgetRule(
        "extraction",
        "usd",
        5_000_000_000,
        prompts=("extract/*",),
        labels=("production",),
        models=("openai/*",),
        users=("ada",),
        sources=("api", "eval"),
        each="user",
        per="day",
        timezone="Europe/Berlin",
        warn_at=0.8,
        then="disable",
        unpriced="allow",
        webhook_env="ALERTS_URL",
    )
    assert (first.place, first.terms) == (Place("promptctl.yaml", 3, 5), "$5 a day (Europe/Berlin) for each user")
    assert second == BudgetRule("requests", "calls", 3, then="warn", unpriced="allow")
    assert (second.is_hard, second.terms) == (False, "3 calls in total")


@pytest.mark.parametrize(
    ("rule", "said", "hint"),
    [
        ("{name: a}", "1:11: `budgets[0]` has no `limit`", "add `limit`"),
        ("{limit: {usd: 1}}", "1:11: `budgets[0]` has no `name`", "add `name`"),
        ("{name: a, limit: {usd: five}}", "1:34: `budgets[0].limit.usd` must be a number", "without quotes"),
        ("{name: a, limit: {usd: -1}}", "1:34: `budgets[0].limit.usd` must be at least 0", ""),
        ("{name: a, limit: {usd: 0.0000000001}}", "1:34: a limit below $0.000000001", "raise `usd`"),
        ("{name: a, limit: {calls: 1.5}}", "1:36: `budgets[0].limit.calls` must be a whole number", ""),
        ("{name: a, limit: {usd: 1, calls: 1}}", "1:28: `budgets[0].limit` has 2", "write two budgets"),
        ("{name: a, limit: {requests: 1}}", "1:29: unknown key `requests`", "use `calls`"),
        ("{name: a, limit: {calls: 1}, per: dya}", "1:45: `budgets[0].per` must be", "did you mean `day`?"),
        ("{name: a, limit: {calls: 1}, promts: [b]}", "1:40: unknown key `promts`", "did you mean `prompts`?"),
        ("{name: a, limit: {calls: 1}, prompts: b/*}", "1:49: `budgets[0].prompts` must be a list", "write `[b/*]`"),
        ("{name: a, limit: {calls: 1}, then: disabled}", "1:46: `budgets[0].then` must be", "did you mean `disable`?"),
        ("{name: a, limit: {calls: 1}, sources: [evl]}", "1:50: `budgets[0].sources[0]`", "did you mean `eval`?"),
        ("{name: a, limit: {calls: 1}, warn_at: 80}", "1:49: `budgets[0].warn_at` must be at most 1", "a share"),
        ("{name: a, limit: {calls: 1}, webhook: 'http://x'}", "1:40: unknown key `webhook`", "use webhook_env"),
        ("{name: a, limit: {calls: 1}, webhook_env: 'http://x'}", "1:53: `budgets[0].webhook_env`", "variable"),
        ("{name: a, limit: {calls: 1}, timezone: Europe/Berln}", "1:50: `Europe/Berln` is not", "`Europe/Berlin`?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(rule: str, said: str, hint: str) -> None:
    with pytest.raises(InvalidFiles) as caught:
        rules(f"budgets: [{rule}]")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"promptctl.yaml:{said}")
    assert hint in (problem.hint or "")


def test_a_name_is_given_once() -> None:
    with pytest.raises(InvalidFiles, match="2:9: two budgets have the name `a`"):
        rules(
            "budgets: [{name: a, limit: {calls: 1}},\n {name: a, limit: {usd: 1}}]".replace(
                " {name: a, ", " {name: a, "
            )
        )


def test_globs_mean_only_calls_that_name_something() -> None:
    rule = BudgetRule("a", "calls", 1, labels=("prod*",), models=("openai/*",))
    assert rule.matches(("p",), "run", "production", None, ("gpt-4o", "openai/gpt-4o"))
    assert not rule.matches(("p",), "run", None, None, ("openai/gpt-4o",))
    assert not rule.matches(("p",), "run", "production", None, ("local/m",))
    assert BudgetRule("a", "calls", 1).matches(("p",), "run", None, None, ("m",))


@pytest.mark.parametrize(
    ("unit", "amount", "words"),
    [
        ("usd", 0, "$0"),
        ("usd", 1_000_000_000_000, "$1,000"),
        ("usd", 40_000, "$0.00004"),
        ("calls", 1, "1 call"),
        ("tokens", 1_200, "1,200 tokens"),
    ],
)
def test_amounts_are_said_with_their_unit(unit: str, amount: int, words: str) -> None:
    assert amount_words(unit, amount) == words
