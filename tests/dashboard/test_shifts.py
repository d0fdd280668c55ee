"""The time of late beside that before: what nothing changed raises no alarm, and what changed does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import pytest

from promptctl.dashboard.shifts import ALPHA, Move, Moves, Shift, Shifts, shifts, steps_by_prompt, windows_over
from promptctl.dashboard.time_axis import moment_text
from promptctl.log.call_cells import CallCells, CellKey, CellSums
from promptctl.log.call_totals import bucket

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2
WINDOWS = windows_over(NOON - 20 * DAY, NOON, NOON)
_POINTS = [NormalDist().inv_cdf((number + 0.5) / 64) for number in range(64)]


class Level(NamedTuple):
    """The share of calls that fail, and the middle latency and cost of the replies."""

    failing: float = 0.1
    latency_ms: float = 400
    cost: float = 20_000
    spread: float = 0.5


Draw = Callable[[random.Random, int, float], Level]
"""Draws the level of a prompt's calls on a day, counted from the first of two weeks."""


def a_page(
    seed: int, draw: Draw, prompts: int = 3, calls: int = 20, moves: float | None = None, moved: int | None = None
) -> Shifts:
    """Compare two weeks of calls, so many of each prompt on each day.

    From the day `moves` on the label of so many `moved` prompts names v3, and v2 before.
    """
    chance = random.Random(seed)
    cells: dict[str, dict[CellKey, CellSums]] = {}
    with_move = 0 if moves is None else prompts if moved is None else moved
    for number in range(14):
        of_day = cells.setdefault(moment_text(WINDOWS.earlier + number * DAY)[:10], {})
        for prompt in range(prompts):
            begun = moves if moves is not None and prompt < with_move else 14
            of_v3 = round(min(1, max(0, number + 1 - begun)) * calls)
            for version, n, day in (("v2", calls - of_v3, number), ("v3", of_v3, max(number, begun))):
                if n:
                    of_day |= cells_of(chance, draw(chance, prompt, day), n, f"p{prompt}", version)
    return compared(cells, {(f"p{each}", "production"): moved_to_v3(moves or 0) for each in range(with_move)})


def cells_of(chance: random.Random, level: Level, n: int, prompt: str, version: str) -> dict[CellKey, CellSums]:
    failed = sum(chance.random() < level.failing for _ in range(n))
    spent = (_drawn(chance, middle, level.spread, n - failed) for middle in (level.latency_ms, level.cost))
    key = CellKey(prompt, version, "production", "m", "api", "ok", False, "model", None, None)
    return {
        key: CellSums(n - failed, 0, 0, 0, round(level.cost * (n - failed)), n - failed, 0, *spent),
        key._replace(status="invalid_output", error="invalid_output"): CellSums(failed),
    }


def moved_to_v3(day: float) -> Moves:
    return [(WINDOWS.earlier - 30 * DAY, "v2"), (WINDOWS.earlier + day * DAY, "v3")]


def compared(cells: Mapping[str, Mapping[CellKey, CellSums]], named: Mapping[tuple[str, str], Moves]) -> Shifts:
    found = CallCells(step="day", cells=cells)
    before = steps_by_prompt(found, WINDOWS.earlier, WINDOWS.recent)
    return shifts(WINDOWS, before, steps_by_prompt(found, WINDOWS.recent, WINDOWS.end), named)


def _drawn(chance: random.Random, middle: float, spread: float, n: int) -> Counter[int]:
    return Counter(chance.choices(_buckets(middle, spread), k=n))


@cache
def _buckets(middle: float, spread: float) -> list[int]:
    return [bucket(middle * 2.718281828 ** (spread * point)) for point in _POINTS]


def changes(page: Shifts) -> list[Shift]:
    """Return what lasts, without single bad days: where calls fail in bursts these are true."""
    return [shift for shift in page.found if shift.at is None]


def steady(_chance: random.Random, _prompt: int, _day: float) -> Level:
    return Level()


def in_bursts(chance: random.Random, _prompt: int, _day: float) -> Level:
    """Fail nearly never, but for one day in ten."""
    return Level(failing=0.3 if chance.random() < 0.1 else 0.005)


@pytest.mark.parametrize("moves", [None, 10.5], ids=["no move", "moved"])
@pytest.mark.parametrize("draw", [steady, in_bursts])
def test_where_nothing_changed_pages_raise_an_alarm_no_more_often_than_said(draw: Draw, moves: float | None) -> None:
    alarms = sum(bool(changes(a_page(seed, draw, prompts=2, calls=40, moves=moves))) for seed in range(60))

    assert alarms <= 2  # of 60 pages at 1 % each, more would come up once in 300 times, and the seeds stay


def since(day: float, level: Level, before: Level) -> Draw:
    return lambda _chance, _prompt, now: level if now >= day else before


FAILS = (Level(failing=0.3), Level(failing=0.05))
SLOW = (Level(failing=0, latency_ms=800), Level(failing=0))
DEAR = (Level(failing=0, cost=40_000), Level(failing=0))
EACH = pytest.mark.parametrize(
    ("levels", "measures"),
    [(FAILS, {"failures", "invalid"}), (SLOW, {"latency"}), (DEAR, {"cost"})],
    ids=["fails", "slow", "dear"],
)


@EACH
def test_what_changed_is_found(levels: tuple[Level, Level], measures: set[str]) -> None:
    found = a_page(3, since(7, *levels)).found

    assert {(shift.measure, shift.prompt) for shift in found} == {
        (each, f"p{n}") for n in range(3) for each in measures
    }
    assert all(shift.is_worse for shift in found)


@EACH
def test_what_a_version_changed_is_found_by_that_version(levels: tuple[Level, Level], measures: set[str]) -> None:
    found = a_page(3, since(10.5, *levels), moves=10.5).found

    at = WINDOWS.earlier + 10.5 * DAY
    assert {shift.move for shift in found} == {Move("production", "v3", "v2", at, is_live=True)}
    assert {(shift.measure, shift.prompt) for shift in found} == {
        (each, f"p{n}") for n in range(3) for each in measures
    }
    assert all(shift.is_worse for shift in found)


def test_few_failures_of_a_new_version_are_found_among_many_prompts() -> None:
    """One prompt of twenty gets worse in the middle of the last week; `benchmarks/dashboard_alarms.py` tries more."""
    seen = sum(is_seen(seed) for seed in range(12))

    assert seen >= 11


def is_seen(seed: int, moved: int = 1) -> bool:
    """Return True if p0 is told to fail 7 % of 80 calls a day since its label moved 3.5 days ago, after 0.8 %."""

    def worse(_chance: random.Random, prompt: int, day: float) -> Level:
        return Level(failing=0.07 if day >= 10.5 and not prompt else 0.008)

    found = a_page(seed, worse, prompts=20, calls=80, moves=10.5, moved=moved).found
    return any(shift.prompt == "p0" and shift.measure == "failures" and shift.move for shift in found)


def test_a_lasting_change_of_a_version_that_no_label_names_is_no_burst() -> None:
    chance = random.Random(3)
    cells: dict[str, dict[CellKey, CellSums]] = {}
    for number in range(14):
        version, failing = ("v3", 0.2) if number >= 10 else ("v2", 0.01)
        day = moment_text(WINDOWS.earlier + number * DAY)[:10]
        cells[day] = cells_of(chance, Level(failing=failing), 40, "p0", version)

    assert {shift.measure for shift in compared(cells, {}).found} == {"failures", "invalid"}


def test_the_version_before_one_with_few_calls_is_compared_and_the_newest_is_named() -> None:
    chance = random.Random(4)
    cells: dict[str, dict[CellKey, CellSums]] = {}
    for number in range(14):
        day = moment_text(WINDOWS.earlier + number * DAY)[:10]
        cells[day] = cells_of(chance, *((Level(0.4), 30, "p0", "v3") if number >= 10 else (Level(0), 30, "p0", "v2")))
    cells[day] |= cells_of(chance, Level(), 5, "p0", "v4")
    at = WINDOWS.earlier + 10 * DAY

    found = compared(cells, {("p0", "production"): [*moved_to_v3(10), (NOON - 600, "v4")]})
    back = compared(cells, {("p0", "production"): [*moved_to_v3(10), (NOON - 600, "v2")]})
    gone = compared(cells, {("p0", "production"): [*moved_to_v3(10), (NOON - 600, None)]})

    assert found.too_new == ("p0 v4",)
    assert found.found[0].move == gone.found[0].move == Move("production", "v3", "v2", at, is_live=False)
    assert back.found[0].move == Move("production", "v2", "v3", NOON - 600, is_live=True)
    assert not back.found[0].is_worse


def test_a_bad_day_is_found_by_its_day() -> None:
    def bad_day(_chance: random.Random, _prompt: int, day: float) -> Level:
        return Level(failing=0.6 if day == 13 else 0)

    bursts = [shift for shift in a_page(3, bad_day).found if shift.at is not None]

    assert {shift.at for shift in bursts} == {NOON // DAY * DAY}


def test_a_change_that_does_not_matter_is_not_told() -> None:
    found = a_page(1, since(7, Level(0, 105, 10_100, 0.01), Level(0, 100, 10_000, 0.01)))

    assert found.found == ()


def test_prompts_with_few_calls_are_named_and_not_judged() -> None:
    found = a_page(1, since(7, *FAILS), calls=2)

    assert found.thin == ("p0", "p1", "p2")
    assert found.found == ()


def test_a_prompt_that_mostly_fails_is_told_though_it_always_did() -> None:
    found = a_page(1, lambda _chance, _prompt, _day: Level(failing=1))

    assert [name for name, _, _ in found.failing] == ["p0", "p1", "p2"]


def test_the_bound_is_shared_by_all_comparisons() -> None:
    found = a_page(1, steady, moves=10)

    assert found.comparisons == 3 * (3 + 7 + 1 + 4) + 3
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
