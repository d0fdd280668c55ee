"""The test of paired passes and failures: McNemar's."""

from __future__ import annotations

from dataclasses import dataclass

from promptctl.statistics.distributions import binomial_tail


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
