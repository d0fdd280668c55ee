"""Two evaluations side by side, with what the difference means."""

from __future__ import annotations

from dataclasses import dataclass

from promptctl.evaluations.comparison import Comparison
from promptctl.evaluations.confirmation import Rerun
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.gates import Decision
from promptctl.evaluations.reasons import count
from promptctl.evaluations.verdicts import GateRule, Verdict


@dataclass(frozen=True, slots=True)
class Compared:
    """Two evaluations side by side, what the difference means, and whether it is good enough.

    `note` says what a reader must know of how it was made: replies that could not be asked for again, say.
    """

    base: Evaluation
    head: Evaluation
    comparison: Comparison
    verdict: Verdict
    decision: Decision
    rule: GateRule
    note: str | None = None
    reruns: tuple[Rerun, ...] = ()

    @property
    def warning(self) -> str | None:
        """What the gate let pass and a reader must not overlook: regressions that held on fresh replies."""
        held = self.verdict.confirmed.regressions
        if not held or not self.decision.is_passed or self.rule.gate == "strict":
            return None
        return f"{count(len(held), 'confirmed regression')}; --gate strict would fail"
