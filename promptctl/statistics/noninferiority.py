"""Non-inferiority of paired passes by an exact test: is a loss of the margin ruled out?"""

from __future__ import annotations

import math
from functools import lru_cache

from promptctl.statistics.distributions import normal_quantile, normal_tail
from promptctl.statistics.intervals import tango_score

# Beyond this many cases the score test's own p-value errs by less than a tenth of a point.
MOST_EXACT = 2_000
# Shares of flipping cases that are tried, evenly spaced in the arcsine of their roots, and steps towards the worst.
_SHARES = 64
_REFINEMENTS = 4
# The mass of a binomial beyond so many standard deviations, and two more, is left out.
_REACH = 6.5


def is_loss_ruled_out(improved: int, regressed: int, n: int, margin: float, alpha: float) -> bool:
    """Return True if both the exact test and Tango's interval of confidence 1 − 2α rule out a loss of the margin."""
    if tango_score(-margin, improved, regressed, n) <= normal_quantile(1 - alpha):
        return False
    return loss_p_value(improved, regressed, n, margin) < alpha


def loss_p_value(improved: int, regressed: int, n: int, margin: float) -> float:
    """The exact p-value of a true loss of `margin` or more of the pass rate, from the flips of n pairs.

    Tables are ordered by Tango's score statistic at −margin. The probability of one as far out is highest over the
    unknown share of cases that flip, from `margin` (no case gained) to 1, for a loss of just the margin: given m flips,
    binomial in n, the improved among them are binomial in m.
    Source: the unconditional test of Suissa and Shuster 1991, Biometrics 47:361, for a margin as in Hsueh, Liu and Chen
    2001, Biometrics 57:478.
    """
    if not 0 <= margin < 1:
        return 0.0 if margin >= 1 and regressed < n else 1.0
    score = tango_score(-margin, improved, regressed, n)
    if n > MOST_EXACT:
        return normal_tail(score)
    needed = _improved_needed(score, n, margin)

    def chance(angle: float) -> float:
        return _chance(needed, n, max(margin, math.sin(angle) ** 2), margin)

    low = math.asin(math.sqrt(margin))
    step = (math.pi / 2 - low) / _SHARES
    highest, worst = max((chance(low + position * step), low + position * step) for position in range(_SHARES + 1))
    for _ in range(_REFINEMENTS):
        step /= 2
        beside = (max(low, worst - step), min(math.pi / 2, worst + step))
        highest, worst = max([(highest, worst), *((chance(angle), angle) for angle in beside)])
    return min(1.0, highest)


def _improved_needed(score: float, n: int, margin: float) -> list[int]:
    """For each number of flips the fewest improved at which the score is as high; one more than the flips if none.

    One more flip takes none more improved, or one: the score rises with each improved and falls with each regressed.
    """
    reached = score - 1e-9
    needed, fewest = [], 0
    for flips in range(n + 1):
        if fewest <= flips and tango_score(-margin, fewest, flips - fewest, n) < reached:
            fewest += 1
        needed.append(fewest)
    return needed


def _chance(needed: list[int], n: int, share: float, margin: float) -> float:
    """The probability of as many improved as needed, if `share` of all cases flip at a loss of `margin`."""
    improving = (1 - margin / share) / 2 if share else 0.5
    reach = _REACH * math.sqrt(n * share * (1 - share)) + 2
    first, last = max(0, math.floor(n * share - reach)), min(n, math.ceil(n * share + reach))
    log = _log_factorials(n)
    flip, stay = _logs(share)
    gain, lose = _logs(improving)

    def mass(flips: int, improved: int) -> float:
        return math.exp(
            log[flips] - log[improved] - log[flips - improved] + improved * gain + (flips - improved) * lose
        )

    fewest = needed[first]
    upper = math.fsum(mass(first, improved) for improved in range(fewest, first + 1))
    total = 0.0
    for flips in range(first, last + 1):
        total += upper * math.exp(log[n] - log[flips] - log[n - flips] + flips * flip + (n - flips) * stay)
        if flips == last:
            break
        # From P(X ≥ k) of one number of flips to that of the next, by the mass at the edge.
        if needed[flips + 1] > fewest:
            upper -= (1 - improving) * mass(flips, fewest) if fewest <= flips else 0.0
            fewest += 1
        elif fewest:
            upper += improving * mass(flips, fewest - 1)
    return total


def _logs(probability: float) -> tuple[float, float]:
    """log p and log(1−p); of nothing a number so low that its power is none, and its power 0 is 1."""
    return (
        math.log(probability) if probability > 0 else -1e9,
        math.log1p(-probability) if probability < 1 else -1e9,
    )


@lru_cache(maxsize=8)
def _log_factorials(n: int) -> list[float]:
    return [math.lgamma(k + 1) for k in range(n + 1)]
