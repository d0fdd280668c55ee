"""One evaluation as it stands in the log, begun, finished, or read back, in numbers counted from its results.

Passed, failed and errors are three things.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from promptctl.errors import LogError
from promptctl.evaluations.counts import Counts, JudgedRates, Mean, rounded
from promptctl.evaluations.outcomes import CaseResults, case_results
from promptctl.files.wording import count, percent
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultRow, StopReason, Totals
from promptctl.log.store import Store
from promptctl.statistics.bootstrap import quantile

EvaluationVerdict = Literal["passed", "failed", "incomplete"]
MOST_LISTED = 1000


@dataclass(slots=True)
class Summary:
    """The totals of one evaluation, over cases; repeats are reduced first.

    `expected_cases` is how many were to be evaluated; a case counts once it has all its repeats. If it `is_decided`,
    it failed whatever the cases never run come to. Costs are nano-USD:
    `cost` what was spent, `full_cost` what the replies cost when they were paid for, `unknown_costs` how many of them
    nobody knows that of. Of K repeats of a case at least one passed in `any_passed` cases, all in `all_passed`; `flaky`
    cases have the number of repeats that passed. `judged` are the rates of judges. Cases that are expected
    to fail are counted by themselves. Lists of case ids are cut after 1,000; the counts never are.
    """

    expected_cases: int
    repeats: int = 1
    at_least: int | None = None
    is_decided: bool = False
    counts: Counts = field(default_factory=Counts)
    by_tag: dict[str, Counts] = field(default_factory=dict)
    by_assertion: dict[str, Counts] = field(default_factory=dict)
    metrics: dict[str, Mean] = field(default_factory=dict)
    score: Mean = field(default_factory=Mean)
    latencies_ms: array[float] = field(default_factory=lambda: array("d"))
    failing: list[str] = field(default_factory=list)
    errored: list[str] = field(default_factory=list)
    flaky: dict[str, int] = field(default_factory=dict)
    must_pass_failed: list[str] = field(default_factory=list)
    must_pass_failures: int = 0
    xfailed: list[str] = field(default_factory=list)
    xpassed: list[str] = field(default_factory=list)
    xpassed_strictly: list[str] = field(default_factory=list)
    expected_failures: int = 0
    judges: set[str] = field(default_factory=set)
    judged: JudgedRates = field(default_factory=JudgedRates)
    error_types: dict[str, int] = field(default_factory=dict)
    reply_sources: dict[str, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    full_cost_nano_usd: int = 0
    unknown_costs: int = 0
    unpriced: int = 0
    open_cost_nano_usd: int = 0
    open_unpriced: int = 0
    any_passed: int = 0
    all_passed: int = 0

    def add(self, case: CaseResults) -> None:
        """Count one case."""
        for row in case.rows:
            self._add_row(row)
        if len(case.rows) < self.repeats:
            return
        outcome = case.outcome
        status = outcome.status
        if outcome.is_xfail and status != "error":
            self.expected_failures += 1
            _list(self.xfailed if status == "failed" else self.xpassed, outcome.case_id)
            if status == "passed" and case.is_xfail_strict:
                _list(self.xpassed_strictly, outcome.case_id)
            return
        self.counts.add(status, outcome.cluster)
        for tag in case.tags:
            self.by_tag.setdefault(tag, Counts()).add(status, outcome.cluster)
        for name, value in outcome.scores.items():
            self.metrics.setdefault(name, Mean()).add(value)
        if outcome.score is not None:
            self.score.add(outcome.score)
        if status == "failed":
            _list(self.failing, outcome.case_id)
        elif status == "error":
            _list(self.errored, outcome.case_id)
        if outcome.is_flaky and len(self.flaky) < MOST_LISTED:
            self.flaky[outcome.case_id] = outcome.passes
        if case.must_pass and status == "failed":
            self.must_pass_failures += 1
            _list(self.must_pass_failed, outcome.case_id)
        self.any_passed += outcome.passes > 0
        self.all_passed += outcome.passes == self.repeats

    def add_open(self, costs: Iterable[int | None]) -> None:
        """Count what cases have cost that a limit left without a result; None is unknown."""
        for cost in costs:
            self.cost_nano_usd += cost or 0
            self.open_cost_nano_usd += cost or 0
            self.unpriced += cost is None
            self.open_unpriced += cost is None

    def _add_row(self, row: ResultRow) -> None:
        detail = row.detail
        self.input_tokens += detail.tokens[0] or 0
        self.output_tokens += detail.tokens[1] or 0
        if row.cost_nano_usd is None:
            self.unpriced += 1
        else:
            self.cost_nano_usd += row.cost_nano_usd
        self.full_cost_nano_usd += detail.full_cost_nano_usd or 0
        is_unknown = detail.has_call and detail.full_cost_nano_usd is None
        self.unknown_costs += is_unknown and row.output is not None
        # A reply out of a recording took no time of its own.
        if row.latency_ms is not None and row.reply_source != "replay":
            self.latencies_ms.append(row.latency_ms)
        if row.status == "error":
            name = row.error_type or "error"
            self.error_types[name] = self.error_types.get(name, 0) + 1
        source = row.reply_source or "none"
        self.reply_sources[source] = self.reply_sources.get(source, 0) + 1
        # Repeats of a case stand or fall together too.
        group = detail.cluster or (row.case_id if self.repeats > 1 else None)
        for graded in detail.assertions:
            passed = graded.get("passed")
            status = "error" if passed is None else ("passed" if passed else "failed")
            self.by_assertion.setdefault(graded["type"], Counts()).add(status, group)
            for each in _by_models(graded):
                self.judges.add(each["judge"])
                self.judged.add(each, group)

    @property
    def undecided(self) -> str:
        """The reasons why judges decided nothing, as words for people; empty if every one decided."""
        return self.judged.undecided

    @property
    def never_run(self) -> int:
        """Cases that were not run, or not as often as they should have been."""
        return max(0, self.expected_cases - self.counts.cases - self.expected_failures)

    @property
    def is_unfinished(self) -> bool:
        """True if a case was not run."""
        return self.never_run > 0

    @property
    def requests_saved(self) -> int:
        """Results that were never asked for."""
        return self.expected_cases * self.repeats - sum(self.reply_sources.values())

    def verdict(self, min_pass: float) -> tuple[EvaluationVerdict, str]:
        """Return the verdict, and the reason in a sentence; with why judges decided nothing, if they did not."""
        verdict, reason = self._verdict(min_pass)
        return verdict, f"{reason}; {self.undecided}" if self.undecided else reason

    def _verdict(self, min_pass: float) -> tuple[EvaluationVerdict, str]:
        """Return the verdict by the cases.

        Failed below `min_pass` of all cases, or if a `must_pass` case failed. Errors and cases never run count as
        not passed only once they cannot change that; else they leave it incomplete.
        """
        total = self.counts.cases + self.never_run
        unknown = self.counts.errors + self.never_run
        if self.xpassed_strictly:
            named = _first(self.xpassed_strictly, len(self.xpassed_strictly))
            return "failed", f"{count(len(self.xpassed_strictly), 'case')} that `xfail` expects to fail passed: {named}"
        if total == 0 and self.expected_failures:
            return "passed", "every case is expected to fail"
        if total == 0:
            return "incomplete", "no case was evaluated"
        if self.must_pass_failures:
            named = _first(self.must_pass_failed, self.must_pass_failures)
            return "failed", f"{count(self.must_pass_failures, 'case')} that must pass failed: {named}"
        best = (self.counts.passed + unknown) / total
        if self.counts.failed and best < min_pass:
            passed = f"{_share(self.counts.passed, total)} passed"
            if self.is_decided and self.never_run:
                passed = f"{_share(self.counts.passed + unknown, total)} at most could pass"
            return "failed", f"{passed}, below the {100 * min_pass:g}% asked for"
        if unknown:
            parts = []
            if self.counts.errors:
                parts.append(f"{self.counts.errors:,} could not be graded")
            if self.never_run:
                parts.append(f"{self.never_run:,} were not run")
            return "incomplete", f"of {count(total, 'case')} {' and '.join(parts)}"
        return "passed", f"{_share(self.counts.passed, total)} passed"

    def totals(self, min_pass: float, stopped: StopReason | None = None) -> Totals:
        """Return the counts as the log keeps them, with the verdict; `stopped` says what ended it early."""
        n = self.counts.cases
        verdict, reason = self.verdict(min_pass)
        # With k of k repeats the unbiased estimates of pass@k and pass^k come to plain shares.
        is_repeated = self.repeats > 1 and n > 0
        return Totals(
            **self.counts.as_dict(),
            expected_cases=self.expected_cases,
            never_run=self.never_run,
            repeats=self.repeats,
            at_least=(self.at_least or self.repeats) if is_repeated else None,
            pass_at_k=rounded(self.any_passed / n) if is_repeated else None,
            pass_hat_k=rounded(self.all_passed / n) if is_repeated else None,
            score=rounded(self.score.value),
            metrics={name: rounded(mean.value) for name, mean in sorted(self.metrics.items())},
            by_tag={name: counts.as_dict() for name, counts in sorted(self.by_tag.items())},
            by_assertion={name: counts.as_dict() for name, counts in sorted(self.by_assertion.items())},
            judges=tuple(sorted(self.judges)),
            judged=self.judged.as_data(),
            cost_nano_usd=self.cost_nano_usd,
            full_cost_nano_usd=None if self.unknown_costs else self.full_cost_nano_usd,
            unpriced=self.unpriced,
            open_cost_nano_usd=self.open_cost_nano_usd,
            open_unpriced=self.open_unpriced,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            p50_latency_ms=_quantile(self.latencies_ms, 0.5),
            p95_latency_ms=_quantile(self.latencies_ms, 0.95),
            reply_sources=dict(sorted(self.reply_sources.items())),
            error_types=dict(sorted(self.error_types.items())),
            failing=tuple(self.failing),
            errored=tuple(self.errored),
            flaky=tuple(self.flaky),
            must_pass_failed=tuple(self.must_pass_failed),
            xfailed=tuple(self.xfailed),
            xpassed=tuple(self.xpassed),
            verdict=verdict,
            reason=reason,
            requests_saved=self.requests_saved if stopped == "decided" else 0,
            stopped=stopped,
        )


def summarise(spec: EvaluationSpec, cases: Iterable[CaseResults], *, is_decided: bool = False) -> Summary:
    """Count the cases of an evaluation."""
    judged = JudgedRates(spec.calibrations)
    summary = Summary(spec.cases, spec.repeats, spec.at_least, is_decided, judged=judged)
    for case in cases:
        summary.add(case)
    return summary


def _by_models(graded: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield an assertion if a model judged it, or those of its set."""
    if graded.get("judge"):
        yield graded
    for part in graded.get("parts", ()):
        yield from _by_models(part)


def _list(ids: list[str], case_id: str) -> None:
    if len(ids) < MOST_LISTED:
        ids.append(case_id)


def _first(ids: list[str], count: int) -> str:
    return ", ".join(ids[:5]) + (f" and {count - 5:,} more" if count > 5 else "")


def _share(passed: int, total: int) -> str:
    return f"{passed:,} of {count(total, 'case')} ({percent(passed / total, 1)})"


def _quantile(values: array[float], probability: float) -> float | None:
    return round(quantile(sorted(values), probability), 3) if values else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation of the log in numbers, with its verdict. `stopped` says what ended it early."""

    row: EvaluationRow
    summary: Summary
    totals: Totals
    verdict: EvaluationVerdict
    reason: str
    stopped: StopReason | None = None

    @property
    def min_pass(self) -> float:
        """The share of all cases that must pass."""
        return self.row.spec.min_pass


def finish(
    log: Store,
    row: EvaluationRow,
    stopped: StopReason | None,
    on_warning: Callable[[str], None],
    open_costs: Sequence[int | None] = (),
) -> Evaluation:
    """Count an evaluation and say in the log how it ended; what ended it early matters only if something is left.

    `open_costs` are what cases have cost that were left open since it was last begun.

    A log that cannot be read or written leaves it incomplete: what it did not take waits in files beside it.
    """
    try:
        summary = _summary(log, row, stopped, open_costs)
        found = _judged(row, summary, stopped if summary.is_unfinished else None)
        status = "incomplete" if summary.is_unfinished else "finished"
        log.update_evaluation(row.id, status=status, totals=found.totals)
        return replace(found, row=replace(row, status=status, totals=found.totals))
    except LogError as error:
        on_warning(f"{error.message}; the evaluation can be resumed once the log can be written")
        summary = Summary(row.spec.cases, row.spec.repeats, row.spec.at_least)
        return Evaluation(row, summary, Totals(), "incomplete", "the log could not be written to its end", "log")


def load(log: Store, row: EvaluationRow) -> Evaluation:
    """Return the evaluation of a row of the log, counted anew from its results."""
    stopped = row.totals.stopped
    return _judged(row, _summary(log, row, stopped), stopped)


def cases_of(log: Store, row: EvaluationRow) -> list[CaseResults]:
    """Return the cases of an evaluation that have all their repeats, in the order of its dataset."""
    cases = case_results(log.results(row.id), row.spec.at_least)
    return [case for case in cases if len(case.rows) >= row.spec.repeats]


def _summary(
    log: Store, row: EvaluationRow, stopped: StopReason | None, open_costs: Sequence[int | None] = ()
) -> Summary:
    spec, totals = row.spec, row.totals
    is_decided = stopped == "decided" and spec.side == "alone"
    summary = summarise(spec, case_results(log.results(row.id), spec.at_least), is_decided=is_decided)
    summary.add_open([totals.open_cost_nano_usd, *[None] * totals.open_unpriced, *open_costs])
    return summary


def _judged(row: EvaluationRow, summary: Summary, stopped: StopReason | None) -> Evaluation:
    verdict, reason = summary.verdict(row.spec.min_pass)
    if row.spec.code_left_out:
        reason += f"; {row.spec.code_left_out}"
    totals = summary.totals(row.spec.min_pass, stopped)
    totals = replace(totals, max_cost_nano_usd=row.totals.max_cost_nano_usd)
    return Evaluation(row, summary, totals, verdict, reason, stopped)
