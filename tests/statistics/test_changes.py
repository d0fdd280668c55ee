"""A share in two stretches of time: exact where each is independent, and careful where they come in bursts."""

from __future__ import annotations

import random
from math import comb

import pytest

from promptctl.statistics.changes import change_p, fisher_tail


def by_hand(more: int, of: int, others: int, of_others: int) -> float:
    marked, total = more + others, of + of_others
    ways = [comb(marked, k) * comb(total - marked, of - k) for k in range(more, min(marked, of) + 1)]
    return sum(ways) / comb(total, of)


def test_the_tail_is_that_of_the_hypergeometric_distribution() -> None:
    chance = random.Random(2)
    for _ in range(300):
        of, of_others = chance.randrange(1, 40), chance.randrange(1, 40)
        more, others = chance.randrange(of + 1), chance.randrange(of_others + 1)
        is_more = more * of_others > others * of
        expected = by_hand(more, of, others, of_others) if is_more else 1.0
        assert fisher_tail(more, of, others, of_others) == pytest.approx(expected, rel=1e-9)


def test_a_change_of_millions_of_calls_is_told_in_no_time() -> None:
    assert change_p([(1_000_000, 10_000)], [(1_000_000, 20_000)]) < 1e-100
    assert change_p([(0, 0)], [(5, 5)]) == 1.0
    assert change_p([(100, 0)] * 3, [(100, 0)] * 3) == 1.0
    assert change_p([(1_000_000, 20_000)], [(1_000_000, 10_000)]) < 1e-100


def test_an_equal_share_is_called_a_change_no_more_often_than_said() -> None:
    chance = random.Random(7)

    def half() -> list[tuple[int, int]]:
        return [(40, sum(chance.random() < 0.05 for _ in range(40))) for _ in range(7)]

    assert sum(change_p(half(), half()) <= 0.05 for _ in range(400)) <= 0.05 * 400


def test_failures_that_come_in_bursts_count_as_fewer() -> None:
    steady, bursts = [(100, 2)] * 7, [(100, 0)] * 6 + [(100, 40)]

    assert change_p(steady, [(100, 8)] * 7) < 1e-6
    assert change_p(steady, bursts) > 0.05
