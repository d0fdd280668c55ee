"""Tests of a paired difference: McNemar's for passes and failures, sign flips for scores."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import getitem
from typing import TYPE_CHECKING

from promptctl.statistics.distributions import binomial_tail
from promptctl.statistics.intervals import cluster_totals

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

EXACT_FLIPS = 20
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The p-values of one paired test. `p_worse` speaks for head being worse, `p_better` for its being better."""

    p_worse: float
    p_better: float
    p_two_sided: float
    method: str


def mcnemar(improved: int, regressed: int) -> PairedTest:
    """McNemar's exact test, one-sided both ways and two-sided; 1 if no case flipped.

    Formula, m = b+c: two-sided min(1, 2·Σ_{i≤min(b,c)} C(m,i)/2^m); worse Σ_{i≥c} C(m,i)/2^m; better Σ_{i≥b}.
    Source: McNemar 1947, Psychometrika 12:153; the exact conditional form as in Fagerland, Lydersen and Laake 2013,
    BMC Medical Research Methodology 13:91.
    """
    flipped = improved + regressed
    return PairedTest(
        p_worse=binomial_tail(regressed, flipped),
        p_better=binomial_tail(improved, flipped),
        p_two_sided=min(1.0, 2 * binomial_tail(max(improved, regressed), flipped)),
        method="mcnemar-exact",
    )


def sign_flip(
    differences: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: str = "",
) -> PairedTest:
    """The sign-flip permutation test of paired score differences; whole clusters flip together.

    Under no difference each sign is as likely as its reverse. Up to 20 non-zero differences every one of the 2^m
    flips counts; beyond, `resamples` random ones from `seed`, with p = (r+1)/(B+1). A flip counts whose sum is as far
    out as the observed one, ties included; zero differences change nothing and are left out.
    Source: Fisher 1935, The Design of Experiments, section 21; Phipson and Smyth 2010, Statistical Applications in
    Genetics and Molecular Biology 9:39 for the +1.
    """
    moved = [total for total, _size in cluster_totals(differences, clusters) if total]
    observed = math.fsum(moved)
    # Sums that are equal but for the order of addition are ties.
    slack = 1e-11 * math.fsum(map(abs, moved))
    if len(moved) <= EXACT_FLIPS:
        return _all_flips(moved, observed, slack)
    return _random_flips(moved, observed, slack, resamples, seed)


def _all_flips(moved: list[float], observed: float, slack: float) -> PairedTest:
    """Count over all 2^m flips, met in the middle: each sum of one half against the sorted sums of the other."""
    half = len(moved) // 2
    left, right = _signed_sums(moved[:half]), sorted(_signed_sums(moved[half:]))
    flips = len(left) * len(right)

    def at_least(bound: float) -> int:
        return sum(len(right) - bisect_left(right, bound - part) for part in left)

    def at_most(bound: float) -> int:
        return sum(bisect_right(right, bound - part) for part in left)

    # The two tails meet only where nothing is out of the ordinary: then every flip counts, once.
    out = abs(observed) - slack
    two_sided = flips if out <= 0 else at_least(out) + at_most(-out)
    return PairedTest(
        p_worse=at_most(observed + slack) / flips,
        p_better=at_least(observed - slack) / flips,
        p_two_sided=two_sided / flips,
        method="sign-flip-exact",
    )


def _signed_sums(values: list[float]) -> list[float]:
    sums = [0.0]
    for value in values:
        sums = [part + sign for part in sums for sign in (value, -value)]
    return sums


def _random_flips(moved: list[float], observed: float, slack: float, resamples: int, seed: str) -> PairedTest:
    """Count over random flips: one random byte picks the signs of eight differences from a table of their sums."""
    tables = [_signed_sums(moved[start : start + 8]) for start in range(0, len(moved), 8)]
    # The last table may be short: repeated to 256 entries, each of its sums stays equally likely.
    tables[-1] *= 256 // len(tables[-1])
    draw = random.Random(f"sign-flip:{seed}").randbytes  # noqa: S311 - a reproducible resample, not a secret
    worse = better = far = 0
    for _ in range(resamples):
        total = sum(map(getitem, tables, draw(len(tables))))
        worse += total <= observed + slack
        better += total >= observed - slack
        far += abs(total) >= abs(observed) - slack
    return PairedTest(
        p_worse=(worse + 1) / (resamples + 1),
        p_better=(better + 1) / (resamples + 1),
        p_two_sided=(far + 1) / (resamples + 1),
        method="sign-flip-random",
    )
