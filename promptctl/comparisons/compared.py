"""Two evaluations side by side, with what the difference means; and those that had nothing to be compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

from promptctl.comparisons.comparison import Comparison
from promptctl.comparisons.confirmation import Rerun
from promptctl.comparisons.gates import Decision, strictest
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.evaluation import Evaluation
from promptctl.files.wording import count


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
        """Regressions that held on fresh replies and that the gate let pass, as a warning; None without any."""
        held = self.verdict.confirmed.regressions
        if not held or not self.decision.is_passed or self.rule.gate == "strict":
            return None
        return f"{count(len(held), 'confirmed regression')}; --gate strict would fail"


@dataclass(frozen=True, slots=True)
class Against:
    """Prompts beside an earlier version of them; `alone` are those that were not there yet.

    `base` is the ref of the first of them that was compared with, such as `support/triage@main`.
    """

    compared: tuple[Compared, ...]
    alone: tuple[Evaluation, ...] = ()
    rule: GateRule = field(default_factory=GateRule)
    base: str | None = None

    @property
    def heads(self) -> list[Evaluation]:
        """The evaluations that are judged."""
        return [*(each.head for each in self.compared), *self.alone]

    @property
    def decision(self) -> Decision:
        """The decision on all of it."""
        decisions = [*(each.decision for each in self.compared), *map(decision_of, self.alone)]
        if not decisions:
            decisions.append(Decision.of(INCOMPLETE, "Not every prompt was evaluated."))
        return strictest(decisions)


def decision_of(found: Evaluation) -> Decision:
    """Return the decision on an evaluation by itself, by its own `min_pass` and `must_pass`."""
    codes = {"passed": OK, "failed": CHECK_FAILED, "incomplete": INCOMPLETE}
    return Decision.of(codes[found.verdict], f"{found.row.prompt}: {found.reason}.")
