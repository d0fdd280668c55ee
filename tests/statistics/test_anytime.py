"""What may be looked at after every observation: exact martingales, published numbers, the oracle `ville`."""

from __future__ import annotations

import itertools
import math
import random
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from promptctl.statistics.rate_differences import difference_interval, estimated_difference, log_evidence
from promptctl.statistics.sequences import (
    FEWEST,
    mean_sequence,
    quantile_sequence,
    rate_sequence,
    ratio_sequence,
    widening,
)
from promptctl.statistics.split import split_e_value

P95_OF_LOGNORMAL = math.exp(1.6448536269514722)


@pytest.fixture(scope="module", name="ville")
def ville_() -> Any:
    """The oracle, which takes two seconds to load: in the process whose tests ask it alone."""
    return import_module("ville")


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("difference", [0.0, 0.2, -0.1])
@pytest.mark.parametrize("side", [1, -1])
def test_evidence_of_two_rates_is_a_fair_game_though_rates_drift(share: float, difference: float, side: int) -> None:
    control = (0.2, 0.7, 0.4, 0.15)
    mean = 0.0
    for path in itertools.product(itertools.product((True, False), (0.0, 1.0)), repeat=len(control)):
        chance = 1.0
        for rate, (is_on_arm, value) in zip(control, path, strict=True):
            rate_here = rate + difference * is_on_arm
            chance *= (share if is_on_arm else 1 - share) * (rate_here if value else 1 - rate_here)
        mean += chance * math.exp(log_evidence(list(path), share, 0.1, difference, side))
    assert mean == pytest.approx(1, abs=1e-12)


def test_evidence_of_scores_is_a_fair_game() -> None:
    """The arm draws 0.2 or 0.8 alike, control 0.5 at most times: one mean, different shapes."""
    arms = ((True, ((0.2, 0.5), (0.8, 0.5))), (False, ((0.5, 0.8), (0.0, 0.1), (1.0, 0.1))))
    draws = [(side, value, 0.5 * chance) for side, values in arms for value, chance in values]
    mean = sum(
        math.prod(chance for _side, _value, chance in path)
        * math.exp(log_evidence([(side, value) for side, value, _chance in path], 0.5, 0.1))
        for path in itertools.product(draws, repeat=4)
    )
    assert mean == pytest.approx(1, abs=1e-12)


def test_interval_of_two_rates_leaves_out_zero_exactly_if_the_evidence_does() -> None:
    rng, crossed = random.Random("zero"), set()
    values: list[tuple[bool, float]] = []
    for n in range(1, 401):
        is_on_arm = rng.random() < 0.5
        values.append((is_on_arm, float(rng.random() < (0.75 if is_on_arm else 0.5))))
        if n % 25 == 0:
            interval = difference_interval(values, 0.5, 0.1)
            is_found = log_evidence(values, 0.5, 0.1) >= math.log(40)
            assert (interval.low > 0) == is_found
            assert interval.low <= (estimated_difference(values) or 0.0) <= interval.high
            crossed.add(is_found)
    assert crossed == {True, False}


def test_interval_of_two_rates_beside_the_oracle(ville: Any) -> None:
    """`ville` bets on the same differences from the same draws; ours knows the size that matters, and is shorter."""
    rng = np.random.default_rng(7)
    on = rng.random(1_000) < 0.5
    y = (rng.random(1_000) < np.where(on, 0.6, 0.5)).astype(float)
    ours = difference_interval(list(zip(on.tolist(), y.tolist(), strict=True)), 0.5, 0.1)
    low, high = ville.BettingABTest(grid=800).fit(y, on).interval()
    assert low - 0.02 < ours.low < ours.high < high + 0.02
    assert ours.high - ours.low < high - low + 0.01


def test_ten_points_are_found_within_1_6_times_a_fixed_sample() -> None:
    rng, found, trials, fixed = random.Random("power"), 0, 40, 586
    for _ in range(trials):
        values = []
        for _ in range(round(1.6 * fixed)):
            is_on_arm = rng.random() < 0.5
            values.append((is_on_arm, float(rng.random() < (0.3 if is_on_arm else 0.2))))
        found += any(log_evidence(values[:n], 0.5, 0.1) >= math.log(40) for n in range(200, len(values) + 1, 123))
    assert found >= 0.75 * trials


def test_nothing_is_known_of_one_arm_alone() -> None:
    for values in ([], [(True, 1.0)] * 9, [(False, 0.0)] * 9):
        assert estimated_difference(values) is None
        assert difference_interval(values, 0.5, 0.1).low == -1
        assert difference_interval(values, 0.5, 0.1).high == 1


def test_differences_stay_within_one_and_take_long_sequences() -> None:
    all_alike = [(n % 2 == 0, 1.0) for n in range(1_500)]
    interval = difference_interval(all_alike, 0.5, 0.03)
    assert -0.04 < interval.low < 0 < interval.high < 0.04
    opposite = [(n % 2 == 0, float(n % 2 == 0)) for n in range(1_500)]
    interval = difference_interval(opposite, 0.5, 0.03)
    assert 0.9 < interval.low < interval.high == 1


@pytest.mark.parametrize(("total", "n"), [(30, 100), (0, 5), (5, 5), (1, 400)])
def test_rate_sequence_against_the_oracle(ville: Any, total: int, n: int) -> None:
    oracle = ville.BernoulliCS(intersect=False).fit([1] * total + [0] * (n - total)).interval()
    ours = rate_sequence(total, n)
    assert (ours.low, ours.high) == pytest.approx(oracle, abs=1e-9)


def test_mean_sequence_against_the_oracle(ville: Any) -> None:
    values = np.random.default_rng(3).lognormal(0, 1, 5_000)
    oracle = ville.AsymptoticCS(t_opt=2_000, min_samples=FEWEST).fit(values).interval()
    ours = mean_sequence(values.tolist())
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx(oracle, rel=2e-3)
    assert mean_sequence(values[: FEWEST - 1].tolist()) is None
    assert mean_sequence(values[:FEWEST].tolist()) is not None
    assert widening(1e9) > widening(2_000) == pytest.approx(3.03, abs=0.02)


def test_quantile_sequence_covers_where_the_oracle_does_and_is_shorter(ville: Any) -> None:
    values = np.random.default_rng(4).lognormal(0, 1, 4_000)
    oracle = ville.QuantileCS(q=0.95, t_opt=2_000, intersect=False).fit(values).interval()
    ours = quantile_sequence(sorted(values.tolist()), 0.95)
    assert oracle[0] < ours.low < P95_OF_LOGNORMAL < ours.high < oracle[1]
    ties = quantile_sequence([5.0] * 1_000, 0.95)
    assert (ties.low, ties.high) == (5.0, math.inf) or (ties.low, ties.high) == (5.0, 5.0)
    few = quantile_sequence([1.0, 2.0, 3.0], 0.95)
    assert (few.low, few.high) == (-math.inf, math.inf)


def test_quantile_sequence_is_right_at_every_look() -> None:
    rng, wrong = random.Random("quantiles"), 0
    for _ in range(200):
        values: list[float] = []
        is_wrong = False
        for n in range(1, 401):
            values.append(rng.random())
            if n % 20 == 0:
                interval = quantile_sequence(sorted(values), 0.95)
                is_wrong |= not interval.low <= 0.95 <= interval.high
        wrong += is_wrong
    assert wrong <= 10


def test_ratio_sequence_needs_enough_of_both_sides_and_a_mean() -> None:
    values = [(n % 2 == 0, 1.0 + n % 3) for n in range(2 * FEWEST)]
    assert ratio_sequence(values[1:], 0.5) is None
    assert ratio_sequence(values, 0.5) is not None
    assert ratio_sequence([(side, 0.0) for side, _value in values], 0.5) is None


def test_an_arm_of_zeros_is_told_from_a_control_that_is_not_zero_by_chance() -> None:
    values = [(n % 2 == 0, 1.0 * (n % 2)) for n in range(4 * FEWEST)]
    interval = ratio_sequence(values, 0.5)
    assert interval is not None
    assert (interval.low, interval.high) == (0, 0)
    once = [(side, value if n == FEWEST + 1 else 0.0) for n, (side, value) in enumerate(values)]
    assert ratio_sequence(once, 0.5) is None


def test_ratio_sequence_has_no_unit_and_finds_the_ratio() -> None:
    rng = random.Random("ratios")
    sides = [rng.random() < 0.1 for _ in range(20_000)]
    values = [(side, rng.lognormvariate(0, 0.5) * (1.5 if side else 1)) for side in sides]
    interval = ratio_sequence(values, 0.1)
    other = ratio_sequence([(side, 1e9 * value) for side, value in values], 0.1)
    assert interval is not None
    assert other is not None
    assert 1.3 < interval.low < 1.5 < interval.high < 1.7
    assert (other.low, other.high) == pytest.approx((interval.low, interval.high))


def test_heavy_tails_and_an_uneven_split_make_no_false_alarm() -> None:
    """The asymptotic sequence alone alarms in 12 % of these experiments."""
    rng, alarms, trials = np.random.default_rng(5), 0, 30
    for _ in range(trials):
        on = (rng.random(3_000) < 0.1).tolist()
        values = list(zip(on, rng.lognormal(0, 1.5, 3_000).tolist(), strict=True))
        looks = [ratio_sequence(values[:n], 0.1) for n in range(1_000, 3_001, 500)]
        alarms += any(look is not None and not look.low <= 1 <= look.high for look in looks)
    assert alarms <= 2


def test_a_split_that_is_not_as_asked_is_found(ville: Any) -> None:
    assert split_e_value((), ()) == split_e_value((0, 0), (50, 50)) == pytest.approx(1)
    assert split_e_value((5_000, 5_000), (50, 50)) < 1
    assert split_e_value((900, 1_100), (50, 50)) > 100
    assert split_e_value((900, 100), (0.9, 0.1)) < 1 < 100 < split_e_value((850, 150), (0.9, 0.1))
    assert split_e_value((10_000, 0), (50, 50)) == split_e_value((10, 1), (100, 0)) == math.inf
    # A fair game: two arms are one coin, so that every split of five tosses can be written down.
    mean = sum(math.comb(5, k) * 0.3**k * 0.7 ** (5 - k) * split_e_value((k, 5 - k), (30, 70)) for k in range(6))
    assert mean == pytest.approx(1)
    oracle = ville.BernoulliTest(0.5, prior=(50, 50)).fit([1] * 9 + [0] * 4).e_values_[-1]
    assert split_e_value((9, 4), (1, 1)) == pytest.approx(oracle)
