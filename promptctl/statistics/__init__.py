"""The statistics of one run and of two: plain functions on plain numbers, on the standard library alone.

    distributions   quantiles of the normal and of Student's t, the binomial's tail
    intervals       Wilson, Tango, Student's t (cluster-robust; for skewed values), and what holds where nothing varied
    paired          McNemar's test and the sign-flip permutation test
    bootstrap       the paired bootstrap of cases or whole clusters, studentized
    multiplicity    Holm's correction over metrics
    repeats         pass@k, pass^k, m of K
    planning        the smallest difference that could be seen, and the cases it would take
    metric          one metric on both sides of a comparison, with all of the above

Everywhere `improved` counts pairs that failed on base and pass on head (the table's b), `regressed` the reverse (c),
and a difference is head minus base, so that below zero is worse. `n` is the number of cases, never of repeats.
"""

from __future__ import annotations

from promptctl.statistics.bootstrap import bootstrap_t, quantile, studentized_interval
from promptctl.statistics.distributions import binomial_tail, normal_quantile, t_cdf, t_quantile
from promptctl.statistics.intervals import (
    Interval,
    cluster_totals,
    influences,
    mean_interval,
    skewed_interval,
    standard_error,
    tango,
    unvaried_interval,
    wilson,
)
from promptctl.statistics.metric import MetricComparison, Procedure, compare_metric
from promptctl.statistics.multiplicity import holm
from promptctl.statistics.paired import PairedTest, mcnemar, mcnemar_mid_p, sign_flip
from promptctl.statistics.planning import (
    cases_for_difference,
    cases_for_drop,
    detectable_difference,
    detectable_drop,
    difference_deviation,
    drop_power,
)
from promptctl.statistics.repeats import is_passed, pass_at_k, pass_hat_k

__all__ = [
    "Interval",
    "MetricComparison",
    "PairedTest",
    "Procedure",
    "binomial_tail",
    "bootstrap_t",
    "cases_for_difference",
    "cases_for_drop",
    "cluster_totals",
    "compare_metric",
    "detectable_difference",
    "detectable_drop",
    "difference_deviation",
    "drop_power",
    "holm",
    "influences",
    "is_passed",
    "mcnemar",
    "mcnemar_mid_p",
    "mean_interval",
    "normal_quantile",
    "pass_at_k",
    "pass_hat_k",
    "quantile",
    "sign_flip",
    "skewed_interval",
    "standard_error",
    "studentized_interval",
    "t_cdf",
    "t_quantile",
    "tango",
    "unvaried_interval",
    "wilson",
]
