"""The contract of every `Store` for budgets: reserved all or none, settled with the row, told once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptctl.formats.budget_rules import BudgetRule
from promptctl.log.budgets import Admission, BudgetedCall, Charge, Reservation, Settlement
from promptctl.log.records import CostCorrection, Entry, Execution
from promptctl.log.stamps import new_id
from promptctl.log.store import Store
from promptctl.log.windows import window_of
from tests.log.test_store_contract import log

__all__ = ["log"]

NOON = "2026-05-03T12:00:00.000Z"
DAY = ("2026-05-03T00:00:00.000Z", "2026-05-04T00:00:00.000Z")
NEXT_DAY = (DAY[1], "2026-05-05T00:00:00.000Z")
RULE = BudgetRule("team", "calls", 3, per="day")
USD = BudgetRule("money", "usd", 1_000, per="day", warn_at=0.5)


def reserve(
    log: Store, *charges: Charge, execution: str | None = None, process: str = "me", **others: Any
) -> Admission:
    return log.reserve(Reservation(execution or new_id(), NOON, process, "2026-05-03T13:00:00.000Z", charges, **others))


def one(rule: BudgetRule = RULE, amount: int = 1, key: str | None = None, **others: Any) -> Charge:
    return Charge(rule, key, others.pop("window", DAY), amount, **others)


def made(**fields: Any) -> Execution:
    common: dict[str, Any] = {
        "id": new_id(), "call_id": new_id(), "started_at": NOON, "source": "api", "prompt": "p", "prompt_name": "P",
        "digest": "d", "model": "local/m", "provider": "local", "status": "ok", "cost_nano_usd": 100,
        "input_tokens": 5, "output_tokens": 2,
    }  # fmt: skip
    return Execution(**{**common, **fields})


def spend(log: Store, execution: str, usd: int | None = 100) -> Settlement:
    settlement = Settlement(execution, {"usd": usd, "calls": 1, "tokens": 7})
    assert log.append([Entry(made(id=execution), settlement=settlement)]) is None
    return settlement


def test_no_more_is_reserved_than_the_limit(log: Store) -> None:
    assert [bool(reserve(log, one()).refusals) for _ in range(5)] == [False, False, False, True, True]
    (account,) = log.budget_accounts()
    assert (account.reserved, account.spent, account.limit, account.left) == (3, 0, 3, 0)
    assert log.budget_events() == []  # what is reserved may still be given back


def test_all_budgets_admit_or_none_is_changed(log: Store) -> None:
    reserve(log, one(amount=3))
    found = reserve(log, one(USD, 10), one())
    assert [each.charge.rule.name for each in found.refusals] == ["team"]
    assert {each.budget: each.reserved for each in log.budget_accounts()} == {"money": 0, "team": 3}


def test_the_row_settles_what_was_reserved_for_it_once(log: Store) -> None:
    first, second = new_id(), new_id()
    reserve(log, one(USD, 400), one(), execution=first)
    reserve(log, one(USD, 400), execution=second)
    settlement = spend(log, first)
    assert spend(log, first).events == settlement.events == []
    assert {each.budget: (each.spent, each.reserved) for each in log.budget_accounts()} == {
        "money": (100, 400),
        "team": (1, 0),
    }
    told = spend(log, second, None).events
    assert [(each.kind, each.spent, each.limit, each.execution) for each in told] == [("warned", 500, 1_000, second)]
    (account,) = log.budget_accounts("money")
    assert (account.spent, account.kept, account.reserved, account.is_warned) == (500, 400, 0, True)
    reserve(log, one(USD, 100), execution=(third := new_id()))
    assert spend(log, third).events == []


def test_a_new_window_begins_with_nothing_spent_and_what_is_disabled_stays_so(log: Store) -> None:
    rule = replace(RULE, limit=1, then="disable")
    reserve(log, one(rule), execution=(first := new_id()))
    spend(log, first)
    found = reserve(log, one(rule))
    assert [each.kind for each in found.events] == ["disabled"]
    assert reserve(log, one(rule)).events == ()
    assert reserve(log, one(rule, window=NEXT_DAY)).refusals[0].account.disabled_at == NOON
    (enabled,) = log.enable_budget("team", "looked at it")
    assert (enabled.kind, enabled.reason) == ("enabled", "looked at it")
    assert log.enable_budget("team", "again") == []
    assert not reserve(log, one(rule, window=NEXT_DAY)).refusals
    assert [each.kind for each in log.budget_events("team")] == ["enabled", "disabled"]
    assert [each.kind for each in log.budget_events("team", limit=1)] == ["enabled"]


def test_what_is_enabled_has_its_whole_limit_in_the_same_window(log: Store) -> None:
    rule = replace(RULE, limit=1, then="disable", each="user")
    for user in ("ada", "bob"):
        reserve(log, one(rule, key=user), execution=(first := new_id()))
        spend(log, first)
        assert reserve(log, one(rule, key=user)).refusals
    assert [each.key for each in log.enable_budget("team", "checked", "ada")] == ["ada"]
    assert not reserve(log, one(rule, key="ada")).refusals
    assert reserve(log, one(rule, key="bob")).refusals


def test_a_budget_that_only_warns_lets_through_and_says_so_once(log: Store) -> None:
    rule = replace(USD, then="warn", limit=150, warn_at=None)
    told = []
    for each in (new_id(), new_id(), new_id()):
        assert not reserve(log, one(rule, 500), execution=each).refusals
        told += [event.kind for event in spend(log, each).events]
    assert told == ["exceeded"]


def test_a_raised_limit_holds_at_once_and_is_on_record(log: Store) -> None:
    rule = replace(RULE, limit=1)
    reserve(log, one(rule), rules=(rule,), execution=(first := new_id()))
    spend(log, first)
    assert [each.kind for each in reserve(log, one(rule), rules=(rule,)).events] == ["blocked"]
    more = replace(rule, limit=2)
    found = reserve(log, one(more), rules=(more,))
    assert not found.refusals
    assert [(each.kind, each.reason) for each in found.events] == [
        ("changed", "1 call a day, then block -> 2 calls a day, then block")
    ]
    assert reserve(log, one(replace(rule, limit=1)), rules=(more,)).events == ()  # it was told in this window


def test_a_limit_that_is_reached_is_told_also_after_a_request_that_was_too_large(log: Store) -> None:
    rule = replace(USD, warn_at=None)
    first, again = (reserve(log, one(rule, 5_000)).events for _ in range(2))
    assert (len(first), again) == (1, ())
    reserve(log, one(rule, 900), execution=(execution := new_id()))
    spend(log, execution, 900)
    told = [reserve(log, one(rule, amount)).events for amount in (500, 500, 5_000)]
    assert [[event.reason for event in events] for events in told] == [["a request of up to $0.0000005"], [], []]


def test_work_trees_with_different_limits_are_told_each_threshold_once(log: Store) -> None:
    low, high = replace(USD, limit=200), replace(USD, limit=400)
    kinds = []
    for rule in (low, high) * 4:
        found = reserve(log, one(rule, 100), rules=(rule,), execution=(each := new_id()))
        kinds += [(event.kind, event.limit) for event in found.events]
        if not found.refusals:
            kinds += [(event.kind, event.limit) for event in spend(log, each).events]
    assert kinds == [
        ("warned", 200), ("changed", None), ("warned", 400), ("changed", None), ("blocked", 200), ("blocked", 400),
    ]  # fmt: skip


def test_what_a_living_process_never_settles_counts_after_its_deadline(log: Store) -> None:
    reserve(log, one())
    late = "2026-05-03T13:00:00.001Z"
    (told,) = log.reserve(Reservation(new_id(), late, "me", late, (), is_alive=lambda *_: True)).events
    (account,) = log.budget_accounts()
    assert (told.kind, account.spent, account.kept, account.reserved) == ("expired", 1, 1, 0)


def test_what_a_killed_process_had_reserved_counts_and_is_told_once(log: Store) -> None:
    reserve(log, one(USD, 400), one(), process="gone")
    reserve(log, one(USD, 10), process="here")
    asked: list[tuple[str, str]] = []

    def is_alive(process: str, deadline: str) -> bool:
        asked.append((process, deadline))
        return process == "here"

    told = reserve(log, one(), process="here", is_alive=is_alive).events
    assert sorted(asked) == [("gone", "2026-05-03T13:00:00.000Z"), ("here", "2026-05-03T13:00:00.000Z")]
    assert [(each.kind, each.budget, each.reason) for each in told] == [
        ("expired", "money", "$0.0000004"),
        ("expired", "team", "1 call"),
    ]
    assert reserve(log, one(), process="here", is_alive=is_alive).events == ()
    accounts = {each.budget: (each.spent, each.kept, each.reserved) for each in log.budget_accounts()}
    assert accounts == {"money": (400, 400, 10), "team": (1, 1, 2)}


def test_an_account_begins_with_what_the_rows_of_its_window_spent(log: Store) -> None:
    rows = [
        made(user="ada"),
        made(user="ada", label="production"),
        made(user="ada", prompt="other"),
        made(user="bob"),
        made(user="ada", started_at="2026-05-02T23:59:59.999Z"),
        made(user="ada", status="blocked", cost_nano_usd=None),
        made(user="ada", reply_source="cache", cost_nano_usd=0),
    ]
    log.append([Entry(each) for each in rows])
    rule = BudgetRule("a", "usd", 10_000, prompts=("p",), models=("local/*",), each="user", per="day")
    assert reserve(log, one(rule, key="ada")).accounts[0].spent == 200
    assert reserve(log, one(replace(rule, name="b", each=None))).accounts[0].spent == 300
    assert reserve(log, one(replace(rule, name="c", unit="tokens"), key="bob")).accounts[0].spent == 7
    assert reserve(log, one(replace(rule, name="d", unit="calls", labels=("prod*",)), key="ada")).accounts[0].spent == 1


def test_what_was_spent_while_a_clock_was_ahead_is_not_of_the_window_of_now(log: Store) -> None:
    reserve(log, one(USD, 100, window=NEXT_DAY), execution=(ahead := new_id()))
    settlement = Settlement(ahead, {"usd": 100, "calls": 1, "tokens": 7})
    log.append([Entry(made(id=ahead, started_at="2026-05-04T12:00:00.000Z"), settlement=settlement)])
    assert reserve(log, one(USD, 100)).accounts[0].spent == 0
    assert (
        reserve(log, one(replace(USD, name="b", per="month"), window=("2026-05-01", "2026-06-01"))).accounts[0].spent
        == 100
    )


def test_an_account_begins_with_the_costs_that_hold(log: Store) -> None:
    dear, unpriced = made(cost_nano_usd=300), made(cost_nano_usd=None)
    log.append([Entry(dear), Entry(unpriced), Entry(made())])
    log.correct_costs(
        {
            dear.id: CostCorrection(NOON, 300, 200, "own"),
            unpriced.id: CostCorrection(NOON, None, 50, "own"),
        }
    )
    assert reserve(log, one(BudgetRule("a", "usd", 10_000, per="day"))).accounts[0].spent == 350


def asked(prompts: tuple[str, ...] = ("p",), user: str | None = None, at: str = NOON) -> BudgetedCall:
    keys = {"user": user, "prompt": prompts[0], "label": None, "session": None}
    return BudgetedCall(at, prompts, "api", ("local/m",), keys, {"usd": 400, "calls": 1, "tokens": None})


@pytest.mark.parametrize(
    ("changed", "spent", "reserved"),
    [
        ({"name": "other"}, 500, 400),
        ({"timezone": "Europe/Berlin"}, 500, 400),
        ({"per": "month"}, 500, 400),
        ({"each": "user"}, 0, 400),
        ({"prompts": ("q",)}, 500, 400),  # the account stays
        ({"prompts": ("q",), "name": "other"}, 0, 0),
        ({"prompts": ("p",), "name": "other"}, 0, 400),
        ({"unit": "calls"}, 0, 1),
    ],
)
def test_an_account_by_a_changed_rule_begins_with_what_is_known(
    log: Store, changed: dict[str, Any], spent: int, reserved: int
) -> None:
    reserve(log, one(USD, 500), execution=(first := new_id()), call=asked(user="ada"))
    reserve(log, one(USD, 400), execution=(open_ := new_id()), call=asked(user="ada"))
    log.settle(Settlement(first, {"usd": None, "calls": 1, "tokens": None}))  # without a row
    rule: BudgetRule = replace(USD, **changed)
    window = window_of(NOON, rule.per, rule.timezone)
    key = "ada" if rule.each else None
    (account,) = reserve(log, one(rule, 0, key, window=window), call=asked(user="ada")).accounts
    assert (account.spent, account.reserved) == (spent, reserved)
    log.settle(Settlement(open_, {"usd": 30, "calls": 1, "tokens": None}))
    accounts = log.budget_accounts(rule.name, window[0])
    (settled,) = [each for each in accounts if (each.unit, each.key) == (rule.unit, key)]
    told = {400: 30, 1: 1, 0: 0}[reserved]
    assert (settled.spent, settled.reserved) == (spent + told, 0)


def test_an_account_that_was_for_each_user_knows_all_of_them_once_it_is_for_all(log: Store) -> None:
    each = replace(USD, each="user")
    for user in ("ada", "bob", None):
        reserve(log, one(each, 100, user), execution=(one_of := new_id()), call=asked(user=user))
        log.settle(Settlement(one_of, {"usd": None}))
    assert [account.spent for account in reserve(log, one(USD, 0), call=asked()).accounts] == [300]


def test_a_renamed_prompt_keeps_its_account_and_what_is_disabled(log: Store) -> None:
    rule = replace(RULE, each="prompt", limit=1, then="disable", prompts=("p",))
    reserve(log, one(rule, key="p"), execution=(first := new_id()), call=asked())
    spend(log, first)
    assert reserve(log, one(rule, key="p"), call=asked()).refusals
    renamed = asked(("q", "p"))
    for window in (DAY, NEXT_DAY):
        (refusal,) = reserve(log, one(rule, key="q", window=window), call=renamed).refusals
        assert refusal.account.disabled_at == NOON


def test_rows_of_what_was_not_sent_are_no_calls(log: Store) -> None:
    lost = {"status": "error", "cost_nano_usd": None, "error_type": "ProviderUnreachable"}
    rows = [
        made(model="replay/local/m", status="error", error_type="RecordingMissing"),
        made(**lost, error_message="local/m was not reached: nothing listens at it"),
        made(**lost, error_message="the connection broke off"),
        made(**{**lost, "error_type": "ReplyNotRecorded"}),
        made(prompt="q"),
    ]
    log.append([Entry(each) for each in rows])
    rule = replace(RULE, prompts=("q",))
    assert [each.spent for each in reserve(log, one(), call=asked()).accounts] == [2]
    assert [each.spent for each in reserve(log, one(replace(rule, name="b")), call=asked(("r", "q"))).accounts] == [1]


def test_reserving_at_once_reserves_or_says_that_it_did_not(log: Store) -> None:
    found = log.reserve_at_once(Reservation(new_id(), NOON, "me", DAY[1], (one(amount=2),)))
    assert [each.reserved for each in log.budget_accounts()] == ([] if found is None else [2])


def test_a_dry_run_changes_nothing(log: Store) -> None:
    wanted = Reservation(new_id(), NOON, "me", NOON, (one(amount=2),))
    assert log.reserve(wanted, is_dry_run=True).accounts[0].left == 3
    assert log.reserve(replace(wanted, charges=(one(amount=4),)), is_dry_run=True).refusals
    assert (log.budget_accounts(), log.budget_events()) == ([], [])


def test_the_limit_of_one_call_has_no_account(log: Store) -> None:
    rule = BudgetRule("a", "tokens", 100, per="call", then="disable")
    window = (NOON, NOON)
    assert not reserve(log, one(rule, 60, window=window)).refusals
    found = reserve(log, one(rule, 60, window=window, already=60))
    assert [each.kind for each in found.events] == ["disabled"]
    assert [each.disabled_at for each in log.budget_accounts("a")] == [NOON]
    assert reserve(log, one(rule, 1, window=window)).refusals[0].account.disabled_at == NOON
    assert [each.kind for each in log.enable_budget("a", "seen")] == ["enabled"]
    assert not reserve(log, one(rule, 1, window=window)).refusals


def test_a_limit_of_one_call_is_passed_once_whatever_attempts_follow(log: Store) -> None:
    rule = BudgetRule("a", "tokens", 100, per="call", then="warn", warn_at=0.5, webhook_env="URL")
    first, second = (one(rule, 60, window=(NOON, NOON), already=already) for already in (0, 110))
    kinds = []
    for charge, spent in [(first, 40), (first, 110), (second, 170)]:
        settlement = Settlement(new_id(), {"tokens": spent - charge.already}, of_call=[(charge, spent)])
        log.settle(settlement)
        kinds.append([each.kind for each in settlement.events])
    assert kinds == [[], ["warned", "exceeded"], []]
    assert [each.webhook for each in log.budget_events()] == ["due", "due"]
    assert log.budget_accounts() == []


def test_a_webhook_is_one_processes_at_a_time_until_it_is_sent(log: Store) -> None:
    rule = replace(RULE, limit=0, webhook_env="URL")
    found = reserve(log, one(rule))
    assert ([each.webhook for each in found.events], found.has_due) == (["due"], True)
    assert log.claim_webhook(DAY[0], DAY[1]) is None  # a clock that was set back
    event = log.claim_webhook(NOON, "2026-05-03T12:00:10.000Z")
    assert event == found.events[0]
    assert log.claim_webhook(NOON, "2026-05-03T12:00:10.000Z") is None
    assert not reserve(log, one(rule)).has_due
    assert log.claim_webhook("2026-05-03T12:00:10.000Z", DAY[1]) == event  # of a process that was killed
    log.mark_webhook(event.id, "due", NOON)
    assert reserve(log, one(rule)).has_due
    log.mark_webhook(event.id, "sent", NOON)
    assert not reserve(log, one(rule)).has_due
    assert [each.webhook for each in log.budget_events()] == ["sent"]
