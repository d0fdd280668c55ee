"""Corrections for several questions: asked at once, or one after another of the same data."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given: the chance of any false alarm over all metrics stays below α.

    Formula: p₍ᵢ₎·(m−i+1) over the sorted p-values, as a running maximum, at most 1.
    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, p_values[position] * (len(p_values) - rank)))
        adjusted[position] = highest
    return adjusted


def spent(alpha: float, look: int) -> float:
    """Return the share of alpha that the test at the given look at the same data may take, counted from 1.

    However many looks follow, the chance of any false alarm stays below alpha.
    Formula: 4α/(k(k+1)(k+2)); by Bonferroni, as Σ 1/(k(k+1)(k+2)) = 1/4. Two thirds of it are for the first look.
    """
    return 4 * alpha / (look * (look + 1) * (look + 2))
