"""Evidence of discordant pairs that holds at any time: of cases lost and won, looked at one after another."""

from __future__ import annotations

import math
from typing import Literal

from promptctl.statistics.distributions import exponential, incomplete_beta


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
