"""From an evaluation's results in the log to one outcome for each case, its repeats reduced; streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from promptctl.evaluations.case_outcomes import CaseOutcome, reduce_repeats
from promptctl.log.results import ResultRow


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
