"""The time of late beside that before: what nothing changed raises no alarm, and what changed does."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from promptctl.dashboard.shifts import ALPHA, Shift, Shifts, shifts, steps_by_prompt, windows_over
from promptctl.dashboard.time_axis import moment_text
from promptctl.log.call_cells import CallCells, CellKey, CellSums
from promptctl.log.call_totals import bucket

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2
Draw = Callable[[random.Random, bool], tuple[bool, float, int]]
"""Draws a call of late, or of before: if it fails, its latency and its cost."""


def a_page(seed: int, draw: Draw, prompts: int = 3, calls: int = 20, late: int = 7, moves: int | None = None) -> Shifts:
    """Compare two weeks of calls, so many of each prompt on each day.

    From the day `late` on they are drawn as late ones; each prompt's label moved on the day `moves`.
    """
    chance = random.Random(seed)
    cells: dict[str, dict[CellKey, CellSums]] = {}
    windows = windows_over(NOON - 20 * DAY, NOON, NOON)
    for number in range(14):
        at = windows.earlier + number * DAY
        of_day = cells.setdefault(moment_text(at)[:10], {})
        for prompt in range(prompts):
            for _ in range(calls):
                has_failed, latency, cost = draw(chance, number >= late)
                status = "error" if has_failed else "ok"
                key = CellKey(f"p{prompt}", "v1", None, "m", "api", status, False, "model", None, None)
                sums = of_day.setdefault(key, CellSums())
                sums.attempts += 1
                if not has_failed:
                    sums.add(CellSums(0, 0, 0, 0, cost, 1, 0, {bucket(latency): 1}, {bucket(cost): 1}))
    found = CallCells(step="day", cells=cells)
    before = steps_by_prompt(found, windows.earlier, windows.recent)
    moved = {} if moves is None else {f"p{each}": [windows.earlier + (moves + 0.4) * DAY] for each in range(prompts)}
    return shifts(before, steps_by_prompt(found, windows.recent, windows.end), moved)


def steady(chance: random.Random, _is_late: bool) -> tuple[bool, float, int]:
    return chance.random() < 0.1, chance.lognormvariate(6, 1), round(chance.lognormvariate(10, 1))


def test_where_nothing_changed_pages_raise_an_alarm_no_more_often_than_said() -> None:
    alarms = sum(bool(a_page(seed, steady, prompts=2, calls=12, moves=9).found) for seed in range(60))

    assert alarms <= 2  # of 60 pages at 1 % each, more would come up once in 300 times, and the seeds stay


def more_failures(chance: random.Random, is_late: bool) -> tuple[bool, float, int]:
    return chance.random() < (0.3 if is_late else 0.05), 100, 1000


def slower(chance: random.Random, is_late: bool) -> tuple[bool, float, int]:
    return False, chance.lognormvariate(6.7 if is_late else 6, 0.5), 1000


def dearer(chance: random.Random, is_late: bool) -> tuple[bool, float, int]:
    return False, 100, round(chance.lognormvariate(10.7 if is_late else 10, 0.5))


@pytest.mark.parametrize(
    ("draw", "measure"),
    [(more_failures, "failures"), (slower, "latency"), (dearer, "cost")],
    ids=["fails", "slow", "dear"],
)
def test_what_changed_is_found(draw: Draw, measure: str) -> None:
    found = a_page(1, draw)

    assert {(shift.measure, shift.prompt) for shift in found.found} == {(measure, f"p{n}") for n in range(3)}
    assert all(shift.is_worse for shift in found.found)


@pytest.mark.parametrize("draw", [more_failures, slower, dearer], ids=["fails", "slow", "dear"])
def test_what_changed_when_a_label_moved_is_found_from_that_day_on(draw: Draw) -> None:
    found = a_page(1, draw, late=10, moves=10).found

    assert [(shift.prompt, shift.since) for shift in found] == [
        (f"p{n}", NOON // DAY * DAY - 3 * DAY) for n in range(3)
    ]
    assert all(shift.is_worse for shift in found)


def test_a_bad_day_is_found_by_its_day() -> None:
    chance_of_day: list[float] = []

    def bad_day(chance: random.Random, _is_late: bool) -> tuple[bool, float, int]:
        chance_of_day.append(0)
        return len(chance_of_day) > 13 * 60 and chance.random() < 0.6, 100, 1000

    bursts = [shift for shift in a_page(3, bad_day).found if shift.at is not None]

    assert {shift.at for shift in bursts} == {NOON // DAY * DAY}


def test_a_change_that_does_not_matter_is_not_told() -> None:
    def hardly(chance: random.Random, is_late: bool) -> tuple[bool, float, int]:
        return False, 105 if is_late else 100, 1010 if is_late else 1000

    assert a_page(1, hardly).found == ()


def test_prompts_with_few_calls_are_named_and_not_judged() -> None:
    found = a_page(1, more_failures, calls=2)

    assert found.thin == ("p0", "p1", "p2")
    assert found.found == ()


def test_a_prompt_that_mostly_fails_is_told_though_it_always_did() -> None:
    found = a_page(1, lambda _chance, _is_late: (True, 1, 1))

    assert [name for name, _, _ in found.failing] == ["p0", "p1", "p2"]


def test_the_bound_is_shared_by_all_comparisons() -> None:
    found = a_page(1, steady)

    assert found.comparisons == 3 * (3 + 7 + 1) + 3  # invalid outputs of nobody are compared too
    assert all(isinstance(shift, Shift) and shift.p <= ALPHA for shift in found.found)


@pytest.mark.parametrize(
    ("age", "ago", "words", "days"),
    [
        (60, 0, "in the last 7 days", (7, 6.5)),
        (60, 30, "in the 7 days until", (7, 6.5)),
        (5, 0, "in the last 24 hours", (4, 23 / 24)),
        (0.1, 0, "since ", (0.05, 0.05)),
    ],
)
def test_the_windows_are_as_long_as_the_log_allows(
    age: float, ago: float, words: str, days: tuple[float, float]
) -> None:
    last = NOON - ago * DAY

    windows = windows_over(last - age * DAY, last, NOON)

    assert windows.words.startswith(words)
    found = ((windows.recent - windows.earlier) / DAY, (windows.end - windows.recent) / DAY)
    assert found == pytest.approx(days, abs=0.06)
