"""The sentences of the first screen: which versions differ, by how much, and the command that goes on from there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptctl.dashboard.answers import AnswerItem, Gathered, is_anything_wrong, what_does_it_cost
from promptctl.dashboard.facts import NUMBERS, Fact
from promptctl.dashboard.shifts import Move, PromptSteps, Shift, Shifts
from tests.dashboard.test_shifts import WINDOWS

AT = WINDOWS.recent + 86_400
V3 = Move("production", "v3", "v2", AT, is_live=True)


def gathered(*shifts: Shift, after: dict[str, PromptSteps] | None = None) -> Gathered:
    return Gathered(
        windows=WINDOWS,
        before={},
        after=after or {},
        shifts=Shifts(shifts, (), 1, ()),
        marks=(),
        budgets=(),
        experiments=(),
        evaluations=(),
        unpriced={},
    )


def said(shift: Shift) -> AnswerItem:
    [item] = is_anything_wrong(gathered(shift)).items
    return item


def test_a_version_that_fails_more_often_leads_to_the_one_before() -> None:
    item = said(Shift("failures", "chat", 0.008, 0.07, 750, 340, 1e-9, move=V3))

    assert item.text == (
        "chat: 7.0% of 340 calls failed with v3, 0.8% of 750 with v2. production names v3 since 2024-09-29."
    )
    assert item.command == "promptctl label rollback chat@production --to v2"
    assert (item.level, item.kind, item.at) == ("alarm", "failures", "2024-09-29T00:00:00Z")


@pytest.mark.parametrize(
    ("shift", "text"),
    [
        (
            Shift("latency", "chat", 907, 1550, 750, 340, 1e-9, move=V3),
            "chat: slower: the middle reply took 1.55 s with v3, 907 ms with v2. production names v3 since 2024-09-29.",
        ),
        (
            Shift("invalid", "a", 0, 0.07, 75, 34, 1e-9, move=V3._replace(label="test", is_live=False)),
            "a: 7.0% of 34 calls had an invalid output with v3, 0.0% of 75 with v2. test named v3 from 2024-09-29 on.",
        ),
    ],
    ids=["slower", "no longer live"],
)
def test_what_is_no_reason_to_go_back_leads_to_what_differs(shift: Shift, text: str) -> None:
    item = said(shift)

    assert (item.level, item.text) == ("warning", text)
    assert item.command == f"promptctl diff {shift.prompt}@v2 @v3"


def test_what_no_label_explains_leads_to_the_calls() -> None:
    item = said(Shift("failures", "chat", 0.05, 0.3, 140, 140, 1e-9))

    assert item.text == "chat: 30.0% of 140 calls failed in the last 7 days, 5.0% of 140 before."
    assert item.command == "promptctl log list --prompt chat --status error"


def test_a_prompt_that_mostly_fails_is_told_once_and_first() -> None:
    shift = Shift("failures", "chat", 0.05, 0.8, 140, 6, 1e-9)
    found = replace(gathered(), shifts=Shifts((shift,), (("chat", 5, 6),), 1, ()), unpriced={"b/y": 1, "a/x": 2})

    answer = is_anything_wrong(found)

    assert (answer.state, answer.sentence) == ("alarm", f"{answer.items[0].text} And 1 more thing below.")
    assert [item.text for item in answer.items] == [
        "chat fails: 5 of 6 calls in the last 7 days.",
        "No price is known of 3 replies of a/x, b/y: true costs are higher.",
    ]


def test_a_refusal_does_not_make_those_free_that_never_told_their_cost() -> None:
    numbers = {"calls": 1, "attempts": 2, "errors": 2, "priced": 1}
    late = PromptSteps(Fact([numbers.get(name, 0) for name in NUMBERS]))

    answer = what_does_it_cost(gathered(after={"chat": late}))

    assert (answer.state, answer.sentence) == ("unknown", "No cost is known of 1 call in the last 7 days.")
