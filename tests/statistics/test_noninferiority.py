"""The exact test of a loss: its size by enumeration, its order, and its closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.statistics.distributions import normal_quantile, normal_tail
from promptctl.statistics.intervals import tango_score
from promptctl.statistics.metric import Procedure, compare_metric
from promptctl.statistics.noninferiority import loss_p_value

steady = settings(derandomize=True, deadline=None, database=None, max_examples=60)


def passes(improved: int, regressed: int, n: int) -> tuple[list[float], list[float]]:
    base = [0.0] * improved + [1.0] * (n - improved)
    head = [1.0] * improved + [0.0] * regressed + [1.0] * (n - improved - regressed)
    return base, head


def is_ruled_out(improved: int, regressed: int, n: int, margin: float) -> bool:
    return compare_metric("passed", *passes(improved, regressed, n), procedure=Procedure()).rules_out(margin)


@pytest.mark.parametrize("n", [10, 52, 58, 59])
def test_nothing_flipped_says_what_the_cases_can(n: int) -> None:
    assert loss_p_value(0, 0, n, 0.05) == pytest.approx(0.95**n)
    assert is_ruled_out(0, 0, n, 0.05) == (0.95**n < 0.05)


def size(n: int, margin: float, shares: int, *, is_exact: bool) -> float:
    """The highest probability, over the share of flips, of ruling out a loss of the margin when there is one."""
    scores = {(b, c): tango_score(-margin, b, c, n) for b in range(n + 1) for c in range(n + 1 - b)}
    ordered = sorted(scores, key=scores.__getitem__)
    low, high = 0, len(ordered)
    while is_exact and low < high:
        middle = (low + high) // 2
        if loss_p_value(*ordered[middle], n, margin) < 0.05:
            high = middle
        else:
            low = middle + 1
    rejected = [table for table in ordered[low:] if scores[table] > normal_quantile(0.95)]
    log = [math.lgamma(k + 1) for k in range(n + 1)]
    worst = 0.0
    for position in range(shares + 1):
        flipping = margin + (1 - margin) * (position / shares) ** 3
        gained, lost = (flipping - margin) / 2, (flipping + margin) / 2
        logs = [math.log(max(share, 1e-300)) for share in (gained, lost, 1 - flipping)]
        chance = math.fsum(
            math.exp(log[n] - log[b] - log[c] - log[n - b - c] + b * logs[0] + c * logs[1] + (n - b - c) * logs[2])
            for b, c in rejected
        )
        worst = max(worst, chance)
    return worst


@pytest.mark.parametrize(("n", "margin"), [(10, 0.2), (31, 0.1), (52, 0.05), (70, 0.05)])
def test_a_loss_of_the_margin_is_ruled_out_at_most_as_often_as_said(n: int, margin: float) -> None:
    # At every n from 10 to 120 and margins of 2, 5, 10 and 20 points: 5.0 % at most, where Tango's interval has 11 %.
    assert size(n, margin, 60, is_exact=True) <= 0.05


def test_tangos_interval_alone_is_too_sure() -> None:
    assert size(52, 0.05, 20, is_exact=False) > 0.069


@steady
@given(st.integers(1, 70), st.integers(0, 70), st.integers(0, 70), st.sampled_from((0.02, 0.05, 0.1, 0.3)))
def test_one_more_loss_is_never_evidence_against_one(n: int, improved: int, regressed: int, margin: float) -> None:
    improved, regressed = min(improved, n), min(regressed, n - min(improved, n))
    p = loss_p_value(improved, regressed, n, margin)
    assert 0 <= p <= 1
    if improved + regressed < n:
        assert loss_p_value(improved, regressed + 1, n, margin) >= p - 1e-9
        assert loss_p_value(improved + 1, regressed, n, margin) <= p + 1e-9
    if regressed:
        assert loss_p_value(improved, regressed - 1, n, margin) <= p + 1e-9


def test_of_many_cases_the_score_test_serves_and_continues_the_exact_one() -> None:
    near, beyond = loss_p_value(20, 95, 2_000, 0.05), loss_p_value(20, 95, 2_001, 0.05)
    assert beyond == normal_tail(tango_score(-0.05, 20, 95, 2_001))
    assert near == pytest.approx(beyond, rel=0.1)


def test_margins_at_the_ends_are_answered() -> None:
    assert loss_p_value(0, 3, 10, 1.0) == 0.0
    assert loss_p_value(0, 10, 10, 1.0) == 1.0
    assert loss_p_value(0, 0, 10, 0.0) == pytest.approx(1.0)
    assert loss_p_value(9, 0, 10, 0.0) < 0.01
