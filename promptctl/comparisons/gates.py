"""Whether a result is good enough to go on: a comparison's gate, and the hard checks of a single run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.comparisons.verdicts import GateRule, Verdict
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.files.wording import count, name_some, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.evaluations.case_outcomes import CaseOutcome


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is good enough: the exit code it calls for (0, 1 or 5) and one plain sentence."""

    exit_code: int
    reason: str

    @property
    def is_passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == OK


def decide(verdict: Verdict, rule: GateRule | None = None) -> Decision:
    """Whether the rule's gate lets the verdict pass: exit code 0, 1 (not good) or 5 (cannot tell: incomplete)."""
    rule = rule or GateRule()
    if verdict.kind == "worse":
        return Decision(CHECK_FAILED, verdict.reason)
    if rule.gate == "strict" and verdict.confirmed.regressions:
        held = verdict.confirmed.regressions
        there = f"there {'is' if len(held) == 1 else 'are'} {len(held)}: {name_some(held)}"
        return Decision(CHECK_FAILED, f"The strict gate allows no confirmed regression, and {there}.")
    if verdict.kind == "incomplete":
        return Decision(INCOMPLETE, verdict.reason)
    if rule.gate == "noninferior" and not verdict.is_noninferior:
        return Decision(CHECK_FAILED, f"The noninferior gate asks for proof of no loss. {verdict.reason}")
    return Decision(OK, verdict.reason)


def check_passes(
    outcomes: Sequence[CaseOutcome], *, min_pass: float | None = None, must_pass: Sequence[str] = ()
) -> Decision:
    """The hard checks of one run, with no statistics: the share that must pass, and the cases that must.

    Shares are over all cases, errors included. Where a share is asked for, errors are incomplete (5) unless so much
    failed that they could make up for it no more (1). Without `min_pass` only the cases that must pass are looked at.
    """
    if not outcomes:
        return Decision(INCOMPLETE, "There are no cases, so nothing was checked.")
    statuses = {outcome.case_id: outcome.status for outcome in outcomes}
    failed = [case_id for case_id in must_pass if statuses.get(case_id) == "failed"]
    unknown = [case_id for case_id in must_pass if statuses.get(case_id, "error") == "error"]
    if failed:
        return Decision(CHECK_FAILED, f"{count(len(failed), 'case')} that must pass failed: {name_some(failed)}.")
    passed = sum(outcome.status == "passed" for outcome in outcomes)
    errors = sum(outcome.status == "error" for outcome in outcomes)
    n = len(outcomes)
    share = f"{passed} of {count(n, 'case')} passed ({percent(passed / n)})"
    # A share such as 0.9 of 10 cases is 9 of them, whatever binary floating point makes of the product.
    wanted = 0.0 if min_pass is None else min_pass * n - 1e-9
    if min_pass is not None and passed + errors < wanted:
        return Decision(CHECK_FAILED, f"{share}, fewer than the {percent(min_pass)} asked for.")
    if unknown:
        return Decision(
            INCOMPLETE, f"{count(len(unknown), 'case')} that must pass got no result: {name_some(unknown)}."
        )
    if min_pass is not None and errors:
        return Decision(INCOMPLETE, f"{share}, and {count(errors, 'error')} left open what the rest would have been.")
    return Decision(OK, f"{share}.")


def strictest(decisions: Sequence[Decision]) -> Decision:
    """Several decisions as one: failed before incomplete before passed, with the sentences of those that say so."""
    if not decisions:
        raise ValueError("no decisions to join")
    rank = {CHECK_FAILED: 2, INCOMPLETE: 1, OK: 0}
    exit_code = max((decision.exit_code for decision in decisions), key=rank.__getitem__)
    return Decision(exit_code, " ".join(d.reason for d in decisions if d.exit_code == exit_code))
