"""Shows an evaluation: its progress while it runs, then its totals, and why each failing case failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

import typer

from promptctl.cli.options import begin_waiting, end_waiting
from promptctl.cli.output import flat, format_id, format_version, is_terminal, say, say_json, styled, tell, wrapped
from promptctl.cli.tables import say_table
from promptctl.cli.text_difference import difference_lines, shortened
from promptctl.cli.waiting import MovingLine, Part, loading, time_left
from promptctl.errors import InputError, RenderError, RenderLimitExceeded, quote
from promptctl.reports.rows import STOPPED, dataset_name, evaluation_head, evaluation_name
from promptctl.reports.wording import (
    as_text,
    assertion_name,
    count,
    format_cost,
    format_count,
    format_latency,
    format_range,
    format_share,
    format_spent,
    judged_rates,
    name_some,
    percent,
)

if TYPE_CHECKING:
    from promptctl import CaseResults, Counts, Evaluation, Plan, Progress, Workspace

MOST_SHOWN = 10
MOST_GROUPS = 20
MOST_FLAKY = 20
_TOTALS = (
    "Prompt", "Version", "Model", "Dataset", "Cases", "Passed", "Failed", "Errors", "Rate", "95 %", "Cost", "p50", "Id",
)  # fmt: skip
_COLOURS = {"passed": "green", "failed": "red", "incomplete": "yellow", "error": "yellow"}


class EvaluationProgress:
    """A line about a running evaluation: on a terminal it moves from the start, elsewhere there is one every ten seconds."""

    def __init__(self, context: typer.Context) -> None:
        self._context = context
        self._name = "evaluating"
        self._step = ""
        self._progress: Progress | None = None
        self._began = 0.0

    def __enter__(self) -> EvaluationProgress:
        begin_waiting(self._context, self._line)
        return self

    def __exit__(self, *_: object) -> None:
        end_waiting(self._context)

    def begin_step(self, step: str) -> None:
        """Call by this name what comes from now on."""
        self._step = self._name = step
        self._progress = None

    def __call__(self, plan: Plan, progress: Progress) -> None:
        """Show how far it is; called after each result."""
        if progress is not self._progress:
            name = plan.target.prompt.id if progress.evaluations == 1 else f"{progress.evaluations} evaluations"
            self._name = self._step or name
            self._progress, self._began = progress, time.monotonic()

    def _line(self) -> str | MovingLine:
        progress = self._progress
        if progress is None:
            return loading() or self._name
        done, total, load = progress.carried + progress.done, progress.total, progress.load
        parts = [
            Part(f"{done:,} of {count(total, 'case')}", 0),
            Part(f"{progress.passed:,} passed", 2, "green"),
            Part(f"{progress.failed:,} failed", 1, "red" if progress.failed else None),
        ]
        if progress.errors:
            parts.append(Part(count(progress.errors, "error"), 1, "yellow"))
        spent = format_spent(progress)
        if progress.account is not None:
            spent = f"{format_cost(progress.account.spent_nano_usd)} of {format_cost(progress.account.max_nano_usd)}"
        seconds = time.monotonic() - self._began
        left = time_left(progress.done, total - progress.carried, seconds)
        parts += [*left, Part(spent, 4)]
        if load.held_back:
            parts.append(Part(f"{load.held_back:,} held back by a rate limit", 3, "yellow"))
        if left:
            parts.append(Part(f"{progress.done / seconds:,.1f}/s", 6))
        if load.in_flight:
            parts.append(Part(f"{load.in_flight:,} in flight", 7))
        return MovingLine(self._name, parts, done / total if total else None)


def say_evaluations(
    workspace: Workspace, found: Sequence[Evaluation], *, as_json: bool, is_whole: bool = False
) -> None:
    """Print evaluations: totals on stdout; the first failing cases, and the verdict, as words on stderr.

    A command that is there to show them `is_whole`: then all that failed and the verdict are data, too.
    """
    if as_json:
        say_json([evaluation_head(each) for each in found])
        return
    _say_totals(found)
    stream = sys.stdout if is_whole else sys.stderr
    passed = 0
    left = [each for each in found if _can_go_on(each)]
    for each in found:
        has_passed = each.verdict == "passed" and each.stopped in (None, "decided")
        passed += has_passed
        is_one_of_many = len(found) > 1 and has_passed
        if len(found) > 1 and (not is_one_of_many or _wrong(each)):
            _write(f"\n{styled(f'── {evaluation_name(each, found)}', stream, bold=True)}", stream)
        if is_terminal() and not is_one_of_many:
            _say_groups(each)
        _say_repeats(each)
        _tell_failures(workspace, each, None if is_whole else MOST_SHOWN, stream)
        if not is_one_of_many:
            _tell_verdict(each, _resuming([each] if is_whole else left), stream)
    if len(found) > 1 and passed:
        word = styled("passed", stream, fg=_COLOURS["passed"], bold=True)
        _write(f"\n{word}: {passed} of {len(found)} evaluations", stream)


def _write(text: str, stream: TextIO) -> None:
    """Print a line, below an empty one if it begins with a line's end."""
    words = say if stream is sys.stdout else tell
    line = text.removeprefix("\n")
    if line != text:
        words("")
    told = line.lstrip(" ")
    for part in wrapped(told, " " * (len(line) - len(told)), stream):
        words(part)


def _wrong(found: Evaluation) -> int:
    return found.summary.counts.failed + found.summary.counts.errors


def _say_totals(found: Sequence[Evaluation]) -> None:
    """Print the totals; for a person without columns that say nothing."""
    rows = [_totals(each) for each in found]
    left_out: set[str] = set()
    if is_terminal():
        left_out = {"Cases", "p50"}
        if all(each.summary.counts.cases == each.summary.counts.passed for each in found):
            left_out |= {"Failed", "Errors"}
        if all(dataset_name(each).removesuffix(".yaml") == each.row.prompt for each in found):
            left_out.add("Dataset")
        rows = [row | {"Passed": f"{row['Passed']} of {row['Cases']}"} for row in rows]
    columns = [column for column in _TOTALS if column not in left_out]
    say_table(
        columns,
        [[row[column] for column in columns] for row in rows],
        right=_TOTALS[4:-1],
        texts=["Model", "Dataset"],
        spare=["Errors", "95 %"],
    )


def _totals(found: Evaluation) -> dict[str, Any]:
    """Return the totals of an evaluation by column."""
    row, summary, counts = found.row, found.summary, found.summary.counts
    data, is_graded = counts.as_dict(), counts.passed + counts.failed > 0
    reused = sum(summary.reply_sources.get(source, 0) for source in ("cache", "recorded", "replay"))
    values = (
        row.prompt,
        format_version(row.version_display),
        row.model,
        dataset_name(found),
        format_count(counts.cases),
        *map(format_count, (counts.passed, counts.failed, counts.errors)),
        format_share(counts.rate) if is_graded else "-",
        format_range(data["low"], data["high"]) if is_graded else "-",
        format_spent(summary) + (f" ({reused} reused)" if reused else ""),
        format_latency(found.totals.p50_latency_ms),
        format_id(row.id),
    )
    return dict(zip(_TOTALS, values, strict=True))


def _say_groups(found: Evaluation) -> None:
    """Print counts by tag (of many tags the weakest), by assertion and by metric."""
    summary = found.summary
    tags = sorted(summary.by_tag.items(), key=lambda each: (each[1].rate or 0.0, each[0]))[:MOST_GROUPS]
    rows: list[tuple[Any, ...]] = [("tag", name, *_counts(counts)) for name, counts in sorted(tags)]
    if len(summary.by_tag) > MOST_GROUPS:
        rows.append(("", f"… and {count(len(summary.by_tag) - MOST_GROUPS, 'tag')} that did no worse", *[""] * 3))
    rows += [("assertion", name, *_counts(counts)) for name, counts in sorted(summary.by_assertion.items())]
    if rows:
        say()
        say_table(["", "", "Passed", "Failed", "Errors"], rows, right=["Passed", "Failed", "Errors"])
    metrics = found.totals.metrics
    if metrics:
        say_table(["Metric", "Mean"], list(metrics.items()), right=["Mean"])


def _say_repeats(found: Evaluation) -> None:
    """Print how often repeats of a case agree."""
    summary = found.summary
    if summary.repeats > 1 and summary.counts.cases:
        data = found.totals
        shown = [f"{name} {passes} of {summary.repeats}" for name, passes in summary.flaky.items()][:MOST_FLAKY]
        flaky = ", ".join(shown) or "none"
        if len(summary.flaky) > MOST_FLAKY:
            flaky += f", … and {len(summary.flaky) - MOST_FLAKY} more"
        words = say if is_terminal() else tell
        some, every = percent(data.pass_at_k or 0.0, 1), percent(data.pass_hat_k or 0.0, 1)
        words(f"pass@{summary.repeats} {some} · pass^{summary.repeats} {every}")
        words(f"flaky: {flat(flaky)}")


def _counts(counts: Counts) -> tuple[int, int, int]:
    return counts.passed, counts.failed, counts.errors


def _tell_failures(workspace: Workspace, found: Evaluation, most: int | None, stream: TextIO) -> None:
    wrong = _wrong(found)
    if not wrong:
        return
    cases = workspace.results.cases(found.row.id)
    for case in islice((case for case in cases if case.outcome.status != "passed" and not case.is_expected), most):
        for line in failure_lines(case, stream):
            _write(line, stream)
    if most is not None and wrong > most:
        _write(f"\n… and {wrong - most} more: promptctl results show {found.row.id[-8:]}", stream)


def failure_lines(case: CaseResults, stream: TextIO) -> Iterator[str]:
    """Yield why a case did not pass: what was expected, what came, and the difference."""
    row = case.decisive
    mark = styled("✗ failed" if row.status == "failed" else "! error", stream, fg=_COLOURS[row.status], bold=True)
    repeats = f"  {case.passes}" if len(case.rows) > 1 else ""
    yield f"\n{mark}  {styled(flat(row.case_id), stream, bold=True)}{repeats}"
    assertions = row.detail.failed_assertions
    if inputs := row.detail.inputs:
        yield f"    input     {shortened(', '.join(f'{name}: {as_text(value)}' for name, value in inputs.items()))}"
    if row.error_message and not assertions:
        yield f"    error: {flat(row.error_message)}"
    if row.status == "failed" and not assertions:
        yield f"    reason: {flat(row.detail.reason)}"
    for graded in assertions:
        yield f"    {flat(assertion_name(graded))}: {flat(graded['reason'])}"
        if graded.get("expected") is not None:
            yield from (f"      {line}" for line in difference_lines(graded["expected"], graded.get("got")))
    if row.output is not None and not any(None not in (each.get("expected"), each.get("got")) for each in assertions):
        yield f"      reply     {shortened(row.output)}"
    if row.execution_id is not None:
        yield f"    call      promptctl log show {row.execution_id[-8:]}"


def _saved(found: Evaluation) -> str:
    """Say after how many cases it was decided, and what that saved."""
    summary = found.summary
    asked = f"{summary.expected_cases - summary.never_run:,} of {count(summary.expected_cases, 'case')}"
    return f"decided after {asked}: {count(summary.requests_saved, 'request')} saved"


def _resuming(left: Sequence[Evaluation]) -> str:
    """Return the command that goes on with all that a command left: it takes one id, and without any each of them."""
    if any(each.row.spec.needs_its_comparison for each in left):
        return "the same command, with --against"
    parts = ["promptctl eval resume", *(each.row.id[-8:] for each in left if len(left) == 1)]
    if not all(each.summary.is_unfinished for each in left):
        parts.append("--retry-errors")
    if any(each.stopped == "max-cost" for each in left):
        parts.append("--max-cost USD")
    return " ".join(parts)


def _can_go_on(found: Evaluation) -> bool:
    """Return True if `eval resume` takes it up without its id."""
    is_left = found.summary.is_unfinished or (found.summary.counts.errors > 0 and not _instead(found))
    return is_left and found.stopped != "decided"


_OF_FILES = {each.__name__ for each in (InputError, RenderError, RenderLimitExceeded)}


def _instead(found: Evaluation) -> tuple[str, str] | None:
    """Return what to do, and with which command, where the same replies would end in the same errors again."""
    kinds, anew = found.summary.error_types.keys(), f"promptctl eval {quote(found.row.spec.ref)}"
    if "ReplyNotRecorded" in kinds:
        return "record what is missing with", f"{anew} --replies record"
    if kinds <= _OF_FILES:  # the mended prompt or dataset is a different one, with which this evaluation cannot go on
        return "mend what each says, then", anew
    return ("calibrate, then", anew) if kinds == {"Uncalibrated"} else None  # once it is calibrated, others decide


def _tell_verdict(found: Evaluation, resuming: str, stream: TextIO) -> None:
    tell = partial(_write, stream=stream)
    word = styled(found.verdict, stream, fg=_COLOURS[found.verdict], bold=True)
    tell(f"\n{found.row.prompt}: {word}: {found.reason}")
    if judges := found.totals.judges:
        tell(f"  judged by {', '.join(judges)}")
    for rates in judged_rates(found.totals.judged):
        tell(f"  {rates}")
    if xfailed := found.totals.xfailed:
        tell(
            f"  {count(len(xfailed), 'case')} failed as expected, and {'is' if len(xfailed) == 1 else 'are'} not counted"
        )
    if xpassed := found.totals.xpassed:
        tell(f"  expected to fail, and passed: {name_some(xpassed)}; remove `xfail`")
    if found.stopped == "decided":
        is_alone = not found.row.spec.needs_its_comparison
        rest = f"; to ask the rest: promptctl eval resume {found.row.id[-8:]}" if is_alone else ""
        tell(f"  {_saved(found)}{rest}")
    elif found.stopped:
        tell(f"  {STOPPED[found.stopped]}; go on with: {resuming}")
    elif found.summary.is_unfinished:
        tell(f"  go on with: {resuming}")
    elif found.summary.counts.errors:
        kinds = ", ".join(f"{number} {name}" for name, number in sorted(found.summary.error_types.items()))
        # What was refused, or could not be graded, will be so again as long as nothing else is changed.
        is_asked = found.summary.error_types.keys() - {"Ungraded", "Uncalibrated", "AuthenticationFailed", "OutOfQuota"}
        again = "ask again with" if is_asked else "mend what each says, then"
        again, command = _instead(found) or (again, resuming)
        tell(f"  {kinds}; {again}: {command}")
