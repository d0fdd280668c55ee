"""One metric on both sides of a comparison: its difference, how sure that is, and how it was found."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from promptctl.statistics.bootstrap import RESAMPLES
from promptctl.statistics.intervals import Interval, cluster_totals, influences, skewness_of, standard_error, tango
from promptctl.statistics.noninferiority import is_loss_ruled_out
from promptctl.statistics.paired import PairedTest, mcnemar
from promptctl.statistics.scores import score_test

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Procedure:
    """The procedure of a comparison, fixed before any result is seen.

    `alpha` is the level of one-sided tests, which `comparisons` share that are made together; `confidence` that of the
    intervals shown. The same seed gives the same numbers to the last digit.
    """

    alpha: float = ALPHA
    confidence: float = 0.95
    resamples: int = RESAMPLES
    seed: str = ""
    comparisons: int = 1

    @property
    def level(self) -> float:
        """The level of one comparison: its share of alpha."""
        return self.alpha / self.comparisons


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric, paired by case; a repeated case counts once, with its mean. Higher is better.

    `n` cases have a value on both sides, `missing` on one side only. `units` are the clusters they form (n if there are
    none). `improved` and `regressed` count cases. `interval` is at the procedure's confidence, `tolerance` at
    1 − 2·alpha. `test` has raw p-values; Holm's correction is the verdict's. Of scores `skewness` is that of the units'
    differences, and no two differ by more than `spread`. `same_as` names an earlier metric with the very same values,
    so that one question is not asked twice.
    """

    name: str
    n: int
    missing: int
    units: int
    improved: int
    regressed: int
    base_mean: float
    head_mean: float
    difference: float
    interval: Interval
    tolerance: Interval
    standard_error: float
    test: PairedTest
    is_binary: bool
    skewness: float = 0.0
    spread: float = 1.0
    same_as: str | None = None

    def rules_out(self, margin: float) -> bool:
        """Return True if a true loss of `margin` or more is ruled out, at the procedure's alpha.

        Of passes by the exact test and by Tango's interval, of scores by the tolerance interval.
        """
        if not self.is_binary:
            return self.tolerance.low > -margin
        return is_loss_ruled_out(self.improved, self.regressed, self.n, margin, (1 - self.tolerance.confidence) / 2)


def compare_metric(
    name: str,
    base: Sequence[float],
    head: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    procedure: Procedure,
    missing: int = 0,
) -> MetricComparison:
    """Compare one metric's values, paired by position; at least one pair, finite numbers.

    Passes and failures, each case its own cluster: McNemar and Tango. Anything else, of cases or clusters:
    `score_test`. If nothing differs every p-value is 1.
    """
    n = len(base)
    # Rounding what binary floating point leaves of 0.9 − 0.8 makes equal differences equal.
    differences = [round(after - before, 12) for before, after in zip(base, head, strict=True)]
    improved, regressed = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    totals = cluster_totals(differences, clusters)
    is_binary = len(totals) == n and all(value in (0, 1) for value in (*base, *head))
    levels = (procedure.confidence, 1 - 2 * procedure.alpha)
    values = influences(differences, clusters)
    spread = max(1.0, max(*base, *head) - min(*base, *head))
    if is_binary:
        test = mcnemar(improved, regressed)
        interval, tolerance = (tango(improved, regressed, n, confidence) for confidence in levels)
    else:
        seed = f"{procedure.seed}:{name}"
        test, (interval, tolerance) = score_test(
            values, levels, spread=spread, resamples=procedure.resamples, seed=seed
        )
    return MetricComparison(
        name=name,
        n=n,
        missing=missing,
        units=len(totals),
        improved=improved,
        regressed=regressed,
        base_mean=math.fsum(base) / n,
        head_mean=math.fsum(head) / n,
        difference=math.fsum(differences) / n,
        interval=interval,
        tolerance=tolerance,
        standard_error=standard_error(differences, clusters) or 0.0,
        test=test,
        is_binary=is_binary,
        skewness=skewness_of(values),
        spread=spread,
    )
