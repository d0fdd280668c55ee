"""A test of the split between arms that may be looked at after every assignment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptctl.statistics.distributions import exponential

# How sure the mixture is that a wrong split is near the right one: of 50:50 it expects about 45:55.
_CONCENTRATION = 100.0


def split_e_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the evidence that arms were not drawn with these shares; above 1/α at any time with chance α at most.

    It needs only the counts: the order of assignments says nothing more.
    Formula: the Dirichlet-multinomial likelihood of the counts, with the parameters 100·θ, over the multinomial one
    with the shares θ: Γ(A)/Γ(A+n) · Π Γ(a_i+n_i)/(Γ(a_i)·θ_i^n_i).
    Source: Lindon and Malek 2022, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 35.
    """
    whole = math.fsum(shares)
    log_e = math.lgamma(_CONCENTRATION) - math.lgamma(_CONCENTRATION + sum(counts))
    for count, share in zip(counts, shares, strict=True):
        if share <= 0:
            if count:
                return math.inf
            continue
        prior = _CONCENTRATION * share / whole
        log_e += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share / whole)
    return exponential(log_e)
