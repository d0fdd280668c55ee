"""Trend of a prompt on one dataset, version by version, from the evaluations of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from promptctl.context import Context
from promptctl.datasets.index import dataset_index
from promptctl.errors import HistoryIncomplete, UsageError
from promptctl.evaluations.outcomes import CaseOutcome, case_results, ways_between
from promptctl.files.names import did_you_mean
from promptctl.files.plain import bare_keys
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.statistics.paired import mcnemar
from promptctl.versions.former_ids import former_ids
from promptctl.versions.prompt_at_version import parse_ref

_SIGNIFICANT = 0.05
_MOST_BEFORE, _MOST_VERSIONS = 200, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendRow:
    """One version of a prompt, by its newest whole evaluation.

    `version` is None for what is not on the default branch. `change` from the version before, on the same cases, is
    `better`, `worse` or `noise`, which chance explains; None if there is nothing to compare with, and where no results
    are read. `cost_nano_usd` is what its replies cost when they were paid for. With `has_same_cases` False the dataset
    had different cases then: the row is no measure for the others.
    """

    version: int | None
    version_display: str
    digest: str
    evaluation: str
    started_at: str
    cases: int
    passed: int
    failed: int
    errors: int
    pass_rate: float | None
    low: float | None
    high: float | None
    score: float | None
    cost_nano_usd: int | None
    p50_latency_ms: float | None
    has_same_cases: bool
    change: Literal["better", "worse", "noise"] | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """The versions of a prompt on one dataset with one model, oldest first; what has no number comes last, by time."""

    prompt: str
    dataset: str
    model: str
    rows: tuple[TrendRow, ...]

    @property
    def line(self) -> Sequence[TrendRow]:
        """The rows of versions on the default branch's line; all if none is."""
        return [row for row in self.rows if row.version is not None] or self.rows

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return asdict(self, dict_factory=bare_keys)


def trend(context: Context, ref: str, dataset: str | None = None, model: str | None = None) -> Trend:
    """Follow a prompt under every id it had, up to the version that the ref names.

    `dataset` and `model` are, if None, those of the newest evaluation. Raises `PromptNotFound` for a prompt that never
    was, and `UsageError` if no whole evaluation of that is in the log.
    """
    parsed = parse_ref(ref)
    prompt, log = parsed.prompt, context.log
    until = context.prompt(ref).version.digest if parsed.at is not None else None
    path = None if dataset is None else dataset_index(context).named(dataset, context.inside)
    whole = _whole_evaluations(context, prompt)
    if not whole:
        with suppress(HistoryIncomplete):
            if not log.evaluations(prompt=prompt, limit=1):
                context.repository.versions_of(prompt, context.now())
        raise UsageError(f"`{prompt}` has no finished evaluation", hint=f"promptctl eval {prompt}")
    path = path or whole[0].spec.dataset
    on_it = [row for row in whole if row.spec.dataset == path]
    if not on_it:
        hint = did_you_mean(path, sorted({row.spec.dataset for row in whole})) or None
        raise UsageError(f"`{prompt}` was never evaluated on `{path}`", hint=hint)
    model = model or on_it[0].model
    by_it = [row for row in on_it if row.model == model]
    if not by_it:
        others = sorted({row.model for row in on_it})
        raise UsageError(
            f"`{prompt}` was never evaluated with `{model}` on `{path}`",
            hint=did_you_mean(model, others) or f"it was with {', '.join(others)}",
        )
    rows = trend_rows(context, prompt, by_it, on_unknown=context.warn)
    return Trend(prompt, path, model, tuple(_with_changes(log, _until(rows, until), by_it)))


def trend_of(context: Context, row: EvaluationRow) -> list[TrendRow]:
    """Return the trend at the time of an evaluation, on the same cases and with the same model, without changes."""
    prompt = context.repository.id_of_today(row.prompt)
    before = [
        each
        for each in _whole_evaluations(context, prompt, limit=_MOST_BEFORE)
        if each.started_at <= row.started_at
        and each.model == row.model
        and each.spec.dataset_digest == row.spec.dataset_digest
    ]
    return trend_rows(context, prompt, before, most=_MOST_VERSIONS)


def trend_rows(
    context: Context,
    prompt: str,
    rows: Iterable[EvaluationRow],
    *,
    most: int | None = None,
    on_unknown: Callable[[str], None] | None = None,
) -> list[TrendRow]:
    """Return the newest evaluation of each version: by number, and what has none last, by time.

    `rows` are finished evaluations of all cases of a dataset, newest first; of so many versions at `most` is a row.
    `on_unknown` gets the reason why numbers cannot be known.
    """
    newest: dict[str, EvaluationRow] = {}
    for row in rows:
        newest.setdefault(row.digest, row)
    shown = list(newest.values())[:most]
    numbers: dict[str, int] = {}
    try:
        numbers = context.repository.numbers_by_digest(prompt, context.now())
    except HistoryIncomplete as error:
        if on_unknown is not None:
            on_unknown(f"version numbers are not known: {error.message}")
    cases = shown[0].spec.dataset_digest if shown else None
    found = [_trend_row(row, numbers.get(row.digest), row.spec.dataset_digest == cases) for row in shown]
    return sorted(found, key=lambda row: (row.version is None, row.version or 0, row.started_at))


def _with_changes(log: Store, rows: Sequence[TrendRow], of: Iterable[EvaluationRow]) -> Iterator[TrendRow]:
    """Yield the rows with the change of each version on the default branch from the one before."""
    needed = {evaluation.id: evaluation.spec.at_least for evaluation in of}
    before: dict[str, CaseOutcome] = {}
    for row in rows:
        if row.version is None or not row.has_same_cases:
            yield row
            continue
        after = {
            case.outcome.case_id: case.outcome
            for case in case_results(log.results(row.evaluation), needed[row.evaluation])
            if case.outcome.status != "error"
        }
        ways = ways_between(before, after)
        improved, regressed = ways.count(1), ways.count(-1)
        test = mcnemar(improved, regressed)
        change: Literal["better", "worse", "noise"] = "noise"
        if test.p_two_sided <= _SIGNIFICANT:
            change = "better" if improved > regressed else "worse"
        yield replace(row, change=change) if ways else row
        before = after


def _whole_evaluations(context: Context, prompt: str, limit: int | None = None) -> list[EvaluationRow]:
    """Finished evaluations of all cases of their dataset, newest first, under each id that the prompt had."""
    ids = (prompt, *former_ids(context.now(), prompt))
    found = [row for id_ in ids for row in context.log.evaluations(prompt=id_, status="finished", limit=limit)]
    return sorted((row for row in found if row.spec.is_whole), key=lambda row: (row.started_at, row.id), reverse=True)


def _until(rows: list[TrendRow], digest: str | None) -> list[TrendRow]:
    """The rows up to that of the digest that was asked for."""
    if digest is None:
        return rows
    for position, row in enumerate(rows):
        if row.digest == digest:
            return rows[: position + 1]
    raise UsageError("that version has no finished evaluation like the others", hint="leave out what stands after @")


def _trend_row(row: EvaluationRow, number: int | None, has_same_cases: bool) -> TrendRow:
    """Return one evaluation as a row of a trend."""
    totals = row.totals
    return TrendRow(
        version=number,
        version_display=f"v{number}" if number is not None else row.version_display or row.digest[:9],
        digest=row.digest,
        evaluation=row.id,
        started_at=row.started_at,
        cases=totals.cases,
        passed=totals.passed,
        failed=totals.failed,
        errors=totals.errors,
        pass_rate=totals.pass_rate,
        low=totals.low,
        high=totals.high,
        score=totals.score,
        cost_nano_usd=totals.full_cost_nano_usd,
        p50_latency_ms=totals.p50_latency_ms,
        has_same_cases=has_same_cases,
    )
