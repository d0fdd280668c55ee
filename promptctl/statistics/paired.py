"""Tests of paired passes and failures: McNemar's, and evidence that holds at any time, of one case after another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from promptctl.statistics.distributions import binomial_tail, exponential, incomplete_beta


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The p-values of one paired test. `p_worse` speaks for head being worse, `p_better` for its being better."""

    p_worse: float
    p_better: float

    @property
    def p_two_sided(self) -> float:
        """The p-value of a difference either way."""
        return min(1.0, 2 * min(self.p_worse, self.p_better))


def mcnemar(improved: int, regressed: int) -> PairedTest:
    """McNemar's exact test, one-sided both ways and two-sided; 1 if no case flipped.

    Formula, m = b+c: two-sided min(1, 2·Σ_{i≤min(b,c)} C(m,i)/2^m); worse Σ_{i≥c} C(m,i)/2^m; better Σ_{i≥b}.
    Source: McNemar 1947, Psychometrika 12:153; the exact conditional form as in Fagerland, Lydersen and Laake 2013,
    BMC Medical Research Methodology 13:91.
    """
    flipped = improved + regressed
    return PairedTest(p_worse=binomial_tail(regressed, flipped), p_better=binomial_tail(improved, flipped))


def discordant_e_value(losses: int, wins: int, side: Literal["two", "losses", "wins"] = "two") -> float:
    """Return the e-value against "as many pairs are lost as won"; `side` "losses" speaks for more of those alone.

    Formula: E = 2^(b+c)·B(b+½, c+½)/B(½, ½), the likelihood ratio with Jeffreys' prior on the share of losses; of one
    side with the half of the prior on that side, 2·E·P(share > ½). In an order of pairs that is fixed beforehand it
    ever reaches 1/α with probability α at most. Infinite where it would overflow.
    Source: Ville 1939; for the mixture Robbins 1970, Annals of Mathematical Statistics 41:1397.
    """
    log = (losses + wins) * math.log(2) - math.log(math.pi) - math.lgamma(losses + wins + 1)
    log += math.lgamma(losses + 0.5) + math.lgamma(wins + 0.5)
    if side != "two":
        more, fewer = (losses, wins) if side == "losses" else (wins, losses)
        share = 2 * incomplete_beta(fewer + 0.5, more + 0.5, 0.5, 0.5)
        log = log + math.log(share) if share else -math.inf
    return exponential(log)
