"""First answers looked at one case after another, in an order drawn beforehand, so that any look may be the last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.datasets.selection import drawn_rank
from promptctl.evaluations.case_outcomes import can_gain, can_lose
from promptctl.statistics.discordant import discordant_e_value

if TYPE_CHECKING:
    from promptctl.evaluations.case_outcomes import CasePair, CaseStatus


@dataclass(slots=True)
class CaseSequence:
    """An e-process over the cases that flip: what it came to, and which way (-1 worse, 1 better) it decided first.

    It decides at `level`, one-sided either way, once the difference is `min_effect` of the cases seen. `decided_at` are
    the numbers of cases seen, lost and gained then, and `decided_p` is what it went by. `p_worse` and `p_better` are
    one over the largest e-value so far, and may be read at any time. A case without a grade counts against either
    claim: of `lost` and `gained` the first number is of cases graded, the second holds those that could have been.
    """

    level: float
    min_effect: float = 0.0
    seen: int = 0
    lost: tuple[int, int] = (0, 0)
    gained: tuple[int, int] = (0, 0)
    p_worse: float = 1.0
    p_better: float = 1.0
    direction: int = 0
    decided_at: tuple[int, int, int] = (0, 0, 0)
    decided_p: float = 1.0

    def add(self, base: CaseStatus, head: CaseStatus) -> None:
        """Look at the next case."""
        self.seen += 1
        is_lost, is_gained = (base, head) == ("passed", "failed"), (base, head) == ("failed", "passed")
        self.lost = self.lost[0] + is_lost, self.lost[1] + can_lose(base, head)
        self.gained = self.gained[0] + is_gained, self.gained[1] + can_gain(base, head)
        if is_lost:
            self.p_worse = min(self.p_worse, 1 / discordant_e_value(self.lost[0], self.gained[1], "losses"))
        if is_gained:
            self.p_better = min(self.p_better, 1 / discordant_e_value(self.lost[1], self.gained[0], "wins"))
        share = (self.gained[0] - self.lost[0]) / self.seen
        for way, p in ((-1, self.p_worse), (1, self.p_better)):
            if not self.direction and p <= self.level and round(way * share - self.min_effect, 12) >= 0:
                self.direction, self.decided_p = way, p
                self.decided_at = self.seen, self.lost[0], self.gained[0]


def sequence_of(pairs: Iterable[CasePair], seed: int, level: float, min_effect: float) -> CaseSequence:
    """Look at all of these pairs in the order of the seed."""
    found = CaseSequence(level, min_effect)
    for pair in sorted(pairs, key=lambda pair: drawn_rank(seed, pair.case_id)):
        found.add(pair.base.status, pair.head.status)
    return found
