"""Intervals of ratios: of means as far as tails allow, of medians whatever they are."""

from __future__ import annotations

import math
import random
import time

import pytest

from promptctl.statistics.ratios import ratio_of_means, ratio_of_medians

Sides = tuple[list[float], list[float]]


def drawn(rng: random.Random, n: int, deviation: float, common: float) -> Sides:
    shared = [rng.gauss(0, math.sqrt(common)) for _ in range(n)]
    base, head = ([math.exp(deviation * (at + rng.gauss(0, math.sqrt(1 - common)))) for at in shared] for _ in range(2))
    return base, head


@pytest.mark.parametrize("common", [0.0, 0.8])
@pytest.mark.parametrize("deviation", [0.5, 1.5, 2.0])
@pytest.mark.parametrize("n", [20, 50, 200])
def test_ratios_of_lognormal_values_are_covered(n: int, deviation: float, common: float) -> None:
    """At least 93 % of those printed, in 2,000 trials of each; of 300 here no more miss than chance allows."""
    rng = random.Random(f"{n} {deviation} {common}")
    misses = [0, 0]
    for _ in range(300):
        base, head = drawn(rng, n, deviation, common)
        for at, interval in enumerate((ratio_of_means(base, head), ratio_of_medians(base, head))):
            misses[at] += interval is not None and not interval.low <= 1 <= interval.high
    assert max(misses) <= 32


def test_the_logarithm_of_a_ratio_of_means_is_jackknifed() -> None:
    base, head = [float(at) for at in range(10, 40)], [float(2 * at + at % 7) for at in range(10, 40)]
    interval = ratio_of_means(base, head)
    assert interval is not None
    left_out = [math.log((sum(head) - after) / (sum(base) - before)) for before, after in zip(base, head, strict=True)]
    mean = sum(left_out) / 30
    error = math.sqrt(29 / 30 * sum((each - mean) ** 2 for each in left_out))
    log_ratio = math.log(sum(head) / sum(base))
    # t with 29 degrees of freedom is 2.04523; the hull with the skewed interval is a little wider on one side.
    assert math.log(interval.low) <= log_ratio - 2.04523 * error + 1e-5
    assert math.log(interval.high) >= log_ratio + 2.04523 * error - 1e-5
    assert math.log(interval.high / interval.low) < 1.1 * 2 * 2.04523 * error


def test_ratios_turn_round_with_their_sides() -> None:
    base, head = drawn(random.Random(4), 40, 0.6, 0.3)
    for ratio in (ratio_of_means, ratio_of_medians):
        there, back = ratio(base, head), ratio(head, base)
        assert there is not None
        assert back is not None
        assert there.low == pytest.approx(1 / back.high)
        assert there.high == pytest.approx(1 / back.low)


def test_what_cannot_be_told_is_none() -> None:
    ones = [1.0] * 30
    for ratio in (ratio_of_means, ratio_of_medians):
        assert ratio(ones[:9], ones[:9]) is None
        assert ratio(ones, ones, ["a", "b", "c"] * 10) is None
        assert ratio([0.0] * 30, ones) is None
    assert ratio_of_means([0.0] * 29 + [5.0], ones) is None
    heavy = [10.0 ** (at % 8) for at in range(30)]
    assert ratio_of_means(heavy, ones) is None
    assert ratio_of_medians(heavy, ones) is not None


def test_ten_thousand_cases_take_no_time() -> None:
    base, head = drawn(random.Random(5), 10_000, 0.7, 0.5)
    started = time.process_time()
    assert ratio_of_means(base, head) is not None
    assert ratio_of_medians(base, head) is not None
    assert time.process_time() - started < 0.5
