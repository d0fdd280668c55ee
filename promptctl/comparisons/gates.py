"""Decisions on whether results are good enough: of a comparison, and of a single run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from promptctl.comparisons.comparison import UsageChange
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict
from promptctl.errors import CHECK_FAILED, INCOMPLETE, MODEL, OK, WORKSPACE
from promptctl.evaluations.outcomes import CaseOutcome
from promptctl.files.wording import count, name_some, percent
from promptctl.statistics.scores import FEWEST_TO_RESAMPLE


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict on whether something is good enough: the exit code it calls for, and why, in plain sentences."""

    exit_code: int
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, exit_code: int, reason: str) -> Self:
        """Return a decision with one reason."""
        return cls(exit_code, (reason,))

    @property
    def reason(self) -> str:
        """The reasons as one text."""
        return " ".join(self.reasons)

    def about(self, name: str) -> Self:
        """Return the same decision, its reasons said of something by name."""
        return type(self)(self.exit_code, (f"{name}: {self.reason}",))

    @property
    def is_passed(self) -> bool:
        """True if the exit code is 0."""
        return self.exit_code == OK


def decide(verdict: Verdict, rule: GateRule | None = None, usage: Sequence[UsageChange] = ()) -> Decision:
    """Return the decision of the rule's gate on a verdict: exit code 0, 1 (not good) or 5 (incomplete).

    `usage` is what a reply costs and holds on either side, for rules that bound its increase.
    """
    rule = rule or GateRule()
    if verdict.kind == "worse":
        return Decision.of(CHECK_FAILED, verdict.reason)
    if rule.gate == "strict" and verdict.confirmed.regressions:
        held = verdict.confirmed.regressions
        there = f"there {'is' if len(held) == 1 else 'are'} {len(held)}: {name_some(held)}"
        return Decision.of(CHECK_FAILED, f"The strict gate allows no confirmed regression, and {there}.")
    limits = {"cost_nano_usd": rule.max_cost_increase, "tokens": rule.max_token_increase}
    increases = [_decide_increase(each, limit) for each in usage if (limit := limits.get(each.name)) is not None]
    if verdict.kind == "incomplete":
        return strictest([Decision.of(INCOMPLETE, verdict.reason), *increases])
    if rule.gate == "noninferior" and not verdict.is_noninferior:
        return Decision.of(CHECK_FAILED, f"The noninferior gate asks for proof of no loss. {verdict.reason}")
    return strictest([Decision.of(OK, verdict.reason), *increases])


def _decide_increase(usage: UsageChange, limit: float) -> Decision:
    """Return the decision on a cost or a number of tokens: it fails if the whole interval is above the limit."""
    name = {"cost_nano_usd": "The cost", "tokens": "The number of tokens"}[usage.name]
    before, after = usage.sides
    if usage.known and before == after:
        return Decision(OK)
    if usage.interval is None or usage.change is None:
        why = "too uncertain to be judged, as a few replies make up most of it"
        if usage.known < FEWEST_TO_RESAMPLE:
            why = f"known of {count(usage.known, 'case')} only" if usage.known else "unknown"
        return Decision.of(INCOMPLETE, f"{name} of a reply is {why}, and may grow by {percent(limit)} at most.")
    low, high = percent(usage.interval.low), percent(usage.interval.high)
    grew = f"{name} of a reply changed by {percent(usage.change)} (interval {low} to {high})"
    if usage.interval.low > limit:
        return Decision.of(CHECK_FAILED, f"{grew}, more than the {percent(limit)} allowed.")
    return Decision(OK)


def check_passes(
    outcomes: Sequence[CaseOutcome], *, min_pass: float | None = None, must_pass: Sequence[str] = ()
) -> Decision:
    """The hard checks of one run, with no statistics: the share that must pass, and the cases that must.

    Shares are over all cases, errors included. If a share is asked for, errors are incomplete (5) unless so much
    failed that they could make up for it no more (1). Without `min_pass` only the cases that must pass are looked at.
    """
    if not outcomes:
        return Decision.of(INCOMPLETE, "There are no cases, so nothing was checked.")
    statuses = {outcome.case_id: outcome.status for outcome in outcomes}
    failed = [case_id for case_id in must_pass if statuses.get(case_id) == "failed"]
    unknown = [case_id for case_id in must_pass if statuses.get(case_id, "error") == "error"]
    if failed:
        return Decision.of(CHECK_FAILED, f"{count(len(failed), 'case')} that must pass failed: {name_some(failed)}.")
    passed = sum(outcome.status == "passed" for outcome in outcomes)
    errors = sum(outcome.status == "error" for outcome in outcomes)
    n = len(outcomes)
    share = f"{passed:,} of {count(n, 'case')} passed ({percent(passed / n)})"
    # A share such as 0.9 of 10 cases is 9 of them, whatever binary floating point makes of the product.
    wanted = 0.0 if min_pass is None else min_pass * n - 1e-9
    if min_pass is not None and passed + errors < wanted:
        return Decision.of(CHECK_FAILED, f"{share}, fewer than the {percent(min_pass)} asked for.")
    if unknown:
        return Decision.of(
            INCOMPLETE, f"{count(len(unknown), 'case')} that must pass got no result: {name_some(unknown)}."
        )
    if min_pass is not None and errors and passed < wanted:
        left_open = f"{count(errors, 'error')} left open what the rest would have been"
        return Decision.of(INCOMPLETE, f"{share}, and {left_open}.")
    return Decision.of(OK, f"{share}.")


_STRICTEST_FIRST = (CHECK_FAILED, WORKSPACE, MODEL, INCOMPLETE, OK)


def strictest(decisions: Sequence[Decision]) -> Decision:
    """Return several decisions as one: the worst exit code, with the reasons of those that call for it.

    A failed check comes before wrong files, models, what is incomplete, and what passed.
    """
    code = next((code for code in _STRICTEST_FIRST if any(each.exit_code == code for each in decisions)), OK)
    reasons = dict.fromkeys(reason for each in decisions if each.exit_code == code for reason in each.reasons)
    return Decision(code, tuple(reasons))
