"""One reply graded by all of a case's assertions: passed, failed or error, with a score, metrics and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptctl.assertions.assertion import Subject, grade
from promptctl.assertions.judge import Judge
from promptctl.assertions.outcome import Graded, why_undecided
from promptctl.assertions.weighing import Status, mean_score, total_cost, weigh
from promptctl.datasets.cases import Case

# The error of a case that only judges would decide, none of which may.
UNCALIBRATED = "Uncalibrated"
# What these want is in the reply, or in how it ended.
_WANTING = frozenset({"equals", "finish-reason", "is-refusal"})


@dataclass(frozen=True, slots=True)
class Score:
    """Grade of one reply to a case.

    `score` is the weighted mean of its assertions' scores from 0 to 1, None if none could be graded. `metrics` are
    the mean scores of the assertions that name one, without judges that may not decide. `reason` says why it failed or
    could not be graded. `cost_nano_usd` is what judging cost, None if a price is unknown.
    """

    status: Status
    score: float | None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    graded: tuple[Graded, ...] = ()
    cost_nano_usd: int | None = 0

    @property
    def error_type(self) -> str | None:
        """The name of the error of a reply that could not be graded, or of which no judge may decide."""
        if self.status != "error":
            return None
        return "Ungraded" if why_undecided(self.graded) is None else UNCALIBRATED


def subject_of(case: Case, text: str) -> Subject:
    """Return a reply to a case, ready to be graded."""
    return Subject(text, inputs=case.inputs, expected=case.expected, variables=case.variables)


async def score_case(case: Case, subject: Subject, judge: Judge | None = None) -> Score:
    """Grade a reply with a case's assertions; judges are asked one after another.

    A judge's call that fails is that assertion's error. What must stop the evaluation passes through. A reply that is
    not whole fails, since what is not there would pass many an assertion; unless the case wants just such a reply.
    """
    if subject.fault is not None and not await _is_wanted(case, subject):
        return failed_score(case, subject.fault)
    graded = tuple([await grade(assertion, subject, judge) for assertion in case.assertions])
    weighed = weigh(graded, case.threshold)
    return Score(weighed.status, weighed.score, weighed.reason, _metrics(graded), graded, total_cost(graded))


def failed_score(case: Case, reason: str) -> Score:
    """The score of a reply that fails ungraded, as one that does not fit the output schema: its metrics are 0 too."""
    metrics = {own.metric: 0.0 for own in case.all_assertions if own.metric is not None}
    return Score("failed", 0.0, reason, metrics)


def error_score(reason: str, *, cost_nano_usd: int | None = 0) -> Score:
    """The score of a case that has no reply to grade, or whose grading broke off at that cost."""
    return Score("error", None, reason, cost_nano_usd=cost_nano_usd)


async def _is_wanted(case: Case, subject: Subject) -> bool:
    """Return True if the reply passes one of the assertions that no other reply would pass by what it lacks."""
    wanting = [own for own in case.all_assertions if own.type in _WANTING]
    return any([(await grade(own, subject)).outcome.passed for own in wanting])


def _metrics(graded: tuple[Graded, ...]) -> dict[str, float]:
    by_name: dict[str, list[Graded]] = {}
    for part in _all_parts(graded):
        if part.metric is not None and part.undecided is None:
            by_name.setdefault(part.metric, []).append(part)
    means = {name: mean_score(parts) for name, parts in by_name.items()}
    return {name: mean for name, mean in means.items() if mean is not None}


def _all_parts(graded: Sequence[Graded]) -> list[Graded]:
    """Every assertion, those of sets included."""
    return [each for part in graded for each in (part, *_all_parts(part.outcome.parts))]
