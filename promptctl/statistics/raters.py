"""Agreement of any number of raters, of whom not each rated everything: Krippendorff's α."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptctl.statistics.bootstrap import quantile
from promptctl.statistics.intervals import Interval, wilson

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's α of `units` things that at least two rated, with all their `ratings`.

    `observed` is the agreement of two ratings of one thing, `expected` that of any two. `value` and `interval` are None
    if all ratings are the same one: nothing is known then.
    """

    units: int
    ratings: int
    observed: float
    expected: float
    value: float | None
    interval: Interval | None


def krippendorff_alpha(
    units: Iterable[Sequence[str]], confidence: float = 0.95, *, resamples: int = RESAMPLES, seed: str = ""
) -> Alpha:
    """Krippendorff's α of nominal ratings; a unit has those of one thing, and a single rating says nothing.

    Formula: α = 1 − Dₒ/Dₑ, Dₒ = Σ_u Σ_{c≠k} n_uc·n_uk/(m_u − 1)/n, Dₑ = Σ_{c≠k} n_c·n_k/(n(n − 1)). The interval is
    the percentile one of a bootstrap of units, where a sample of one rating throughout counts as α = 1; if all agree
    it begins at 1 − (1 − l)/Dₑ, l the end of Wilson's interval of all units.
    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, https://repository.upenn.edu/asc_papers/43.
    """
    counts = [Counter(unit) for unit in units if len(unit) > 1]
    found = _alpha(counts, [1] * len(counts))
    if found.value is None:
        return found
    if found.observed == 1:
        low = 1 - (1 - wilson(len(counts), len(counts), confidence).low) / (1 - found.expected)
        interval = Interval(low, 1.0, confidence, "wilson")
    else:
        interval = _interval(counts, confidence, resamples, seed)
    return Alpha(found.units, found.ratings, found.observed, found.expected, found.value, interval)


def _alpha(patterns: Sequence[Counter[str]], times: Sequence[int]) -> Alpha:
    """Return α of patterns of ratings that came so many times."""
    totals: Counter[str] = Counter()
    disagreeing = 0.0
    for pattern, number in zip(patterns, times, strict=True):
        size = pattern.total()
        same = sum(count * count for count in pattern.values())
        disagreeing += number * (size * size - same) / (size - 1)
        for name, count in pattern.items():
            totals[name] += number * count
    n = totals.total()
    if not n:
        return Alpha(0, 0, 0.0, 0.0, None, None)
    expected = (n * n - math.fsum(count * count for count in totals.values())) / (n * (n - 1))
    observed = disagreeing / n
    value = None if expected == 0 else 1 - observed / expected
    return Alpha(sum(times), n, 1 - observed, 1 - expected, value, None)


def _interval(counts: Sequence[Counter[str]], confidence: float, resamples: int, seed: str) -> Interval:
    # Units of equal ratings are alike: few patterns, however many units.
    patterns = Counter(frozenset(count.items()) for count in counts)
    ordered = sorted(patterns, key=lambda pattern: sorted(pattern))
    made = [Counter(dict(pattern)) for pattern in ordered]
    weights = [patterns[pattern] for pattern in ordered]
    rng = random.Random(f"alpha:{seed}")  # noqa: S311 - a reproducible resample, not a secret
    values = []
    for _ in range(resamples):
        drawn = Counter(rng.choices(range(len(made)), weights, k=len(counts)))
        value = _alpha(made, [drawn[at] for at in range(len(made))]).value
        values.append(1.0 if value is None else value)
    values.sort()
    tail = (1 - confidence) / 2
    return Interval(quantile(values, tail), quantile(values, 1 - tail), confidence, "bootstrap")
