"""One case asked several times: what its repeats say together. n stays the number of cases."""

from __future__ import annotations

import math


def pass_at_k(repeats: int, passes: int, k: int) -> float:
    """The chance that at least one of k answers passes, estimated from `passes` of `repeats`; unbiased.

    Formula: 1 − C(n−s,k)/C(n,k).
    Source: Chen et al. 2021, "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374), equation 1.
    """
    _check(repeats, passes, k)
    return 1 - math.comb(repeats - passes, k) / math.comb(repeats, k)


def pass_hat_k(repeats: int, passes: int, k: int) -> float:
    """The chance that all of k answers pass (pass^k), estimated from `passes` of `repeats`; unbiased.

    Formula: C(s,k)/C(n,k).
    Source: Yao et al. 2024, "τ-bench" (arXiv 2406.12045).
    """
    _check(repeats, passes, k)
    return math.comb(passes, k) / math.comb(repeats, k)


def is_passed(passes: int, missing: int, at_least: int) -> bool | None:
    """Return True if a case passes by m of K, m fixed beforehand; None if missing repeats could still decide it."""
    if passes >= at_least:
        return True
    return None if passes + missing >= at_least else False


def _check(repeats: int, passes: int, k: int) -> None:
    if not (0 <= passes <= repeats and 1 <= k <= repeats):
        raise ValueError(f"cannot compute the chance for {k} answers from {passes} passes in {repeats} repeats")
