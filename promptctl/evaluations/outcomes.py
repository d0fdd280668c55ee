"""Outcomes of cases: one for each case and side, its repeats reduced; streamed from the results in the log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

from promptctl.errors import ContentFiltered, InputError, RenderError, RenderLimitExceeded, RequestRejected
from promptctl.log.results import ResultRow

CaseStatus = Literal["passed", "failed", "error"]

# Not errors of the account, of recordings or of judges: these may pass, and leave many cases without a result.
_LASTING = {each.__name__ for each in (RequestRejected, ContentFiltered, InputError, RenderError, RenderLimitExceeded)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """Outcome of one case on one side, its repeats already reduced (see `reduce_repeats`).

    `status` is `error` if there is no graded reply: the model failed, the judge's reply was off the menu, or the
    case was never run. `passes` of `repeats` graded repeats passed; `replies` are all repeats, also those without a
    grade, and what costs and tokens are of. `score` and `scores` (by metric) are means over
    the repeats, higher is better. `cost_nano_usd` is what the replies cost when they were paid for, also where they
    come from a cache: otherwise a cached side would look free. `tokens` counts input and output. None is unknown.
    `cluster` names the group of cases that stand or fall together (a document, a user). A case that `is_xfail` is
    expected to fail. `undecided` says of each assertion whose judge decided nothing why, None if nothing was graded.
    `row` is the result that the output is of.
    """

    case_id: str
    content_hash: str
    status: CaseStatus
    score: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    passes: int = 0
    repeats: int = 1
    replies: int = 1
    is_flaky: bool = False
    cost_nano_usd: int | None = None
    latency_ms: float | None = None
    tokens: int | None = None
    output: str | None = None
    cluster: str | None = None
    is_xfail: bool = False
    undecided: Mapping[str, str] | None = None
    row: ResultRow | None = field(default=None, compare=False, repr=False)

    @property
    def pass_share(self) -> float:
        """The share of graded repeats that passed; with one repeat 0 or 1, by the status."""
        return self.passes / self.repeats if self.repeats > 1 else float(self.status == "passed")


@dataclass(frozen=True, slots=True)
class CasePair:
    """The same case, with the same content, on both sides."""

    base: CaseOutcome
    head: CaseOutcome

    @property
    def case_id(self) -> str:
        """The case's id, the same on both sides."""
        return self.head.case_id

    @property
    def is_graded(self) -> bool:
        """True if both sides passed or failed, so that the pair counts in the tests."""
        return "error" not in (self.base.status, self.head.status)

    @property
    def is_alike(self) -> bool:
        """True if neither side has a result, for the same reason, and neither would have one if it were asked again."""
        both = [side.row for side in (self.base, self.head)]
        errors = {row.error_type if row and row.status == "error" else None for row in both}
        return len(errors) == 1 and errors <= _LASTING

    @property
    def why_apart(self) -> str | None:
        """The reason why the grades do not compare: a judge decided on one side alone; None if they do."""
        before, after = self.base.undecided, self.head.undecided
        if before is None or after is None or before.keys() == after.keys():
            return None
        name = next(name for name in (*before, *after) if (name in before) != (name in after))
        return f"before, {before[name]}" if name in before else f"after, {after[name]}"

    @property
    def ungraded(self) -> CasePair:
        """The pair without its grades."""
        return CasePair(replace(self.base, status="error"), replace(self.head, status="error"))

    @property
    def way(self) -> int:
        """-1 if the case passed on base and failed on head, 1 the other way round, 0 if it did not flip."""
        return {("passed", "failed"): -1, ("failed", "passed"): 1}.get((self.base.status, self.head.status), 0)


def ways_between(base: Mapping[str, CaseOutcome], head: Mapping[str, CaseOutcome]) -> list[int]:
    """Return the way of each case that both runs have with the same content, and that the same judges decided."""
    pairs = (CasePair(base[id_], head[id_]) for id_ in base.keys() & head.keys())
    return [each.way for each in pairs if each.base.content_hash == each.head.content_hash and each.why_apart is None]


def can_lose(base: CaseStatus, head: CaseStatus) -> bool:
    """Return True if the case was lost from base to head, or may have been where an `error` hides what it came to."""
    return base != "failed" and head != "passed"


def can_gain(base: CaseStatus, head: CaseStatus) -> bool:
    """Return True if the case was gained from base to head, or may have been."""
    return base != "passed" and head != "failed"


def reduce_repeats(repeats: Sequence[CaseOutcome], at_least: int | None = None) -> CaseOutcome:
    """One outcome of a case's repeats, one or more: passed when at least `at_least` of them passed (all, if not given).

    Errors are no failures: if they could still decide the case either way it is an `error`. Scores and latency are
    means over the repeats that have them, cost and tokens sums (None if one is unknown). The output is that of
    the first repeat whose status is the case's.
    """
    if len(repeats) == 1 and at_least in (None, 1) and _is_reduced(repeats[0]):
        return repeats[0]
    passes = sum(repeat.status == "passed" for repeat in repeats)
    missing = sum(repeat.status == "error" for repeat in repeats)
    needed = len(repeats) if at_least is None else at_least
    status: CaseStatus = "passed" if passes >= needed else "error" if passes + missing >= needed else "failed"
    graded = [repeat for repeat in repeats if repeat.status != "error"]
    undecided = [repeat.undecided for repeat in repeats if repeat.undecided is not None]
    names = sorted({name for repeat in graded for name in repeat.scores})
    return replace(
        next((repeat for repeat in repeats if repeat.status == status), repeats[0]),
        status=status,
        score=_mean([repeat.score for repeat in graded]),
        scores={
            name: mean for name in names if (mean := _mean([repeat.scores.get(name) for repeat in graded])) is not None
        },
        passes=passes,
        repeats=len(graded),
        replies=sum(repeat.replies for repeat in repeats),
        is_flaky=0 < passes < len(graded),
        cost_nano_usd=_sum([repeat.cost_nano_usd for repeat in repeats]),
        latency_ms=_mean([repeat.latency_ms for repeat in repeats]),
        tokens=_sum([repeat.tokens for repeat in repeats]),
        undecided={name: why for each in undecided for name, why in each.items()} if undecided else None,
    )


def _is_reduced(only: CaseOutcome) -> bool:
    return only.status != "error" and only.repeats == 1 and only.passes == (only.status == "passed")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


@dataclass(frozen=True, slots=True)
class CaseResults:
    """One case of an evaluation: its reduced outcome, and the row of each repeat."""

    outcome: CaseOutcome
    rows: tuple[ResultRow, ...]
    tags: tuple[str, ...] = ()
    must_pass: bool = False
    is_xfail_strict: bool = False

    @property
    def is_expected(self) -> bool:
        """True if the case failed, and is expected to."""
        return self.outcome.is_xfail and self.outcome.status == "failed"

    @property
    def decisive(self) -> ResultRow:
        """The first repeat that came to what the case came to: the one to show."""
        return next((row for row in self.rows if row.status == self.outcome.status), self.rows[0])

    @property
    def passes(self) -> str:
        """Number of repeats that passed, as text: `2 of 3 passed`."""
        return f"{self.outcome.passes} of {len(self.rows)} passed"


def case_results(rows: Iterable[ResultRow], at_least: int | None = None) -> Iterator[CaseResults]:
    """One for each case, in the order of the rows, which must keep the repeats of a case together.

    A case passes when `at_least` of its repeats passed; all, if that is not given.
    """
    for _, group in groupby(rows, key=attrgetter("position", "case_id")):
        repeats = tuple(group)
        detail = repeats[0].detail
        outcome = reduce_repeats([outcome_of(row) for row in repeats], at_least if len(repeats) > 1 else None)
        yield CaseResults(outcome, repeats, tuple(detail.tags), detail.must_pass, detail.is_xfail_strict)


def outcome_of(row: ResultRow) -> CaseOutcome:
    """Return the outcome of one repeat. A reply from a recording has no latency of its own."""
    detail = row.detail
    return CaseOutcome(
        case_id=row.case_id,
        content_hash=row.case_digest or "",
        status=row.status,
        score=row.score,
        scores=detail.metrics,
        passes=int(row.status == "passed"),
        cost_nano_usd=detail.full_cost_nano_usd if detail.has_call else row.cost_nano_usd,
        latency_ms=None if row.reply_source == "replay" else row.latency_ms,
        tokens=_total(detail.tokens),
        output=row.output,
        cluster=detail.cluster,
        is_xfail=detail.xfail is not None,
        undecided=dict(_undecided(detail.assertions)) if detail.assertions else None,
        row=row,
    )


def _undecided(assertions: Sequence[Mapping[str, Any]], within: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place of each assertion that would count if its judge might decide, with why it does not."""
    for at, graded in enumerate(assertions):
        if not graded.get("weight", 1.0):
            continue
        if parts := graded.get("parts"):
            yield from _undecided(parts, f"{within}{at}.")
        elif why := graded.get("undecided"):
            yield f"{within}{at}", why


def _total(tokens: Sequence[int | None]) -> int | None:
    known = [count for count in tokens if count is not None]
    return sum(known) if known and len(known) == len(tokens) else None
