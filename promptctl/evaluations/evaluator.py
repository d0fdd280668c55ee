"""Evaluates one prompt version over the cases of a dataset, many at a time, each result on disk before the next case.

One bad case never ends an evaluation. It ends early when it is asked to stop, when `--fail-fast` meets a failure or
when its money is spent; what was done is kept, and it can be resumed.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from promptctl.assertions.judging import RunnerJudge
from promptctl.calls.call import Call, CallOptions, Target
from promptctl.calls.runner import Runner
from promptctl.calls.spending import spent
from promptctl.datasets.cases import Case
from promptctl.errors import (
    InputError,
    InvalidOutput,
    ModelError,
    ModelTimeout,
    PromptctlError,
    RenderError,
)
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.limiter import DEADLINE
from promptctl.evaluations.recording import BatchRecorder
from promptctl.evaluations.scoring import Score, error_score, failed_score, score_case, score_case_judged, subject_of
from promptctl.log.records import Execution
from promptctl.log.results import ResultRow

StopReason = Literal["interrupted", "fail-fast", "max-cost", "log"]
Work = Iterator[tuple[int, Case, int]]


class Crashed(PromptctlError):
    """A fault of our own or of a library, as one case's error: it must not take the others with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of an evaluation.

    `case_timeout_s` covers a case with its retries and its judges, in seconds; not the wait for a place among the
    requests.
    """

    concurrency: int = 16
    case_timeout_s: float = 300.0
    max_cost_nano_usd: int | None = None
    fails_fast: bool = False

    def less(self, spent_nano_usd: int) -> Limits:
        """What is left of the bounds once so much has been spent."""
        if self.max_cost_nano_usd is None:
            return self
        return replace(self, max_cost_nano_usd=max(0, self.max_cost_nano_usd - spent_nano_usd))


@dataclass(slots=True)
class Progress:
    """How far an evaluation has come; counts of (case, repeat). `carried` were done before it was taken up again."""

    total: int
    carried: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    under_way: int = 0

    @property
    def done(self) -> int:
        """Results so far, in this run of it."""
        return self.passed + self.failed + self.errors

    def add(self, result: ResultRow) -> None:
        """Count a result."""
        if result.status == "passed":
            self.passed += 1
        elif result.status == "failed":
            self.failed += 1
        else:
            self.errors += 1
        if result.cost_nano_usd is None:
            self.unpriced += 1
        else:
            self.cost_nano_usd += result.cost_nano_usd


class Evaluator:
    """Runs the cases of one evaluation through one runner. `stop` may be called from any thread of the event loop."""

    def __init__(
        self,
        evaluation_id: str,
        target: Target,
        runner: Runner,
        recorder: BatchRecorder,
        judge: RunnerJudge,
        limits: Limits,
        *,
        drops_unknown_inputs: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.stopped: StopReason | None = None
        self._evaluation_id = evaluation_id
        self._target = target
        self._asker = Asker(target, drops_unknown_inputs=drops_unknown_inputs)
        self._runner = runner
        self._recorder = recorder
        self._judge = judge
        self._limits = limits
        self._on_progress = on_progress or (lambda _: None)

    def stop(self, reason: StopReason = "interrupted") -> None:
        """Take no further case; what is under way is finished and saved."""
        self.stopped = self.stopped or reason

    async def run(self, work: Work, progress: Progress) -> None:
        """Do all the work, or as much as is allowed. Cancelling ends at once, and keeps what is finished."""
        workers = min(self._limits.concurrency, max(1, progress.total - progress.carried))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(work, progress))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _work(self, work: Work, progress: Progress) -> None:
        while self.stopped is None:
            if self._is_spent(progress):
                self.stop("max-cost")
                return
            item = next(work, None)
            if item is None:
                return
            progress.under_way += 1
            result = await self._evaluate(*item)
            await self._recorder.finish(result)
            progress.under_way -= 1
            progress.add(result)
            self._on_progress(progress)
            if self._limits.fails_fast and result.status != "passed":
                self.stop("fail-fast")

    def _is_spent(self, progress: Progress) -> bool:
        """Whether one more case, at the average cost so far, would pass the limit together with those under way.

        A result of unknown cost is taken to have cost the average.
        """
        cap = self._limits.max_cost_nano_usd
        if cap is None:
            return False
        known = progress.done - progress.unpriced
        average = progress.cost_nano_usd / known if known else 0.0
        spent = progress.cost_nano_usd + average * progress.unpriced
        return spent >= cap or spent + average * (progress.under_way + 1) > cap

    async def _evaluate(self, position: int, case: Case, repeat: int) -> ResultRow:
        execution: Execution | None = None
        error: PromptctlError | None = None
        judging_nano_usd: int | None = 0
        try:
            async with asyncio.timeout(self._limits.case_timeout_s) as deadline:
                DEADLINE.set(deadline)
                if case.output is None:
                    execution = await self._runner.run(self._call(case, repeat))
                score = await self._score(case, repeat, execution)
        except InvalidOutput as invalid:
            execution, error = invalid.execution, invalid
            score = failed_score(invalid.message)
        except (ModelError, InputError, RenderError) as failed:
            execution, error = failed.execution, failed
        except PromptctlError:
            raise
        except TimeoutError as late:
            # What was cancelled says of what it had failed before; see `Runner.run`.
            notes = getattr(late.__cause__, "__notes__", ())
            error = ModelTimeout("; ".join([f"the case took longer than {self._limits.case_timeout_s:g} s", *notes]))
            # After the reply it is the judges that took too long, and nobody can say what they cost.
            judging_nano_usd = 0 if execution is None else None
        except Exception as bug:
            error = _crash(bug)
        if error is not None and not isinstance(error, InvalidOutput):
            score = error_score(error.message, cost_nano_usd=judging_nano_usd)
        return self._result(position, case, repeat, execution, score, error)

    async def _score(self, case: Case, repeat: int, execution: Execution | None) -> Score:
        schema = self._target.prompt.output.schema
        if execution is None:
            subject = subject_of(case, case.output or "", output_schema=schema)
        else:
            subject = subject_of(
                case,
                execution.reply or "",
                inputs=execution.inputs,
                tool_calls=execution.tool_calls,
                latency_ms=execution.latency_ms,
                cost_nano_usd=_full_cost(execution),
                finish_reason=execution.finish_reason,
                output_schema=schema,
            )
        if case.needs_judge:
            return await score_case_judged(case, subject, self._judge.of_case(case.id, repeat))
        return score_case(case, subject)

    def _call(self, case: Case, repeat: int) -> Call:
        target = self._target
        rendered, request = self._asker.ask(case, repeat)
        options = CallOptions(source="eval", evaluation_id=self._evaluation_id, case_id=case.id, repeat=repeat)
        return Call(target, rendered, request, options)

    def _result(
        self,
        position: int,
        case: Case,
        repeat: int,
        execution: Execution | None,
        score: Score,
        error: PromptctlError | None,
    ) -> ResultRow:
        detail = score.as_data() | {"tags": list(case.tags), "must_pass": case.must_pass, "cluster": case.cluster}
        if execution is not None:
            detail["tokens"] = [execution.input_tokens, execution.output_tokens]
            detail["full_cost_nano_usd"] = _full_cost(execution)
        cost = spent(execution, error)
        if cost is not None:
            cost = None if score.cost_nano_usd is None else cost + score.cost_nano_usd
        return ResultRow(
            evaluation_id=self._evaluation_id,
            case_id=case.id,
            repeat=repeat,
            position=position,
            case_digest=case.content_hash,
            status=score.status,
            score=score.score,
            scores=detail,
            output=execution.reply if execution else case.output,
            reply_source=_source(case, execution),
            cost_nano_usd=cost,
            latency_ms=execution.latency_ms if execution else None,
            execution_id=execution.id if execution else None,
            error_type=type(error).__name__ if error else ("Ungraded" if score.status == "error" else None),
            error_message=(error.message if error else score.reason) if score.status == "error" else None,
        )


def pending(cases: Iterator[Case], repeats: int, done: Collection[tuple[str, int]]) -> Work:
    """The work of an evaluation in the order of its dataset: position, case, repeat from 1; without what is done."""
    for position, case in enumerate(cases):
        for repeat in range(1, repeats + 1):
            if (case.id, repeat) not in done:
                yield position, case, repeat


def _source(case: Case, execution: Execution | None) -> str | None:
    """Where the reply came from; None where there is none."""
    if execution is None:
        return None if case.output is None else "dataset"
    return execution.reply_source if execution.reply is not None else None


def _crash(bug: Exception) -> Crashed:
    frame = traceback.extract_tb(bug.__traceback__)[-1]
    return Crashed(f"{type(bug).__name__}: {bug} (in {frame.name}, line {frame.lineno}); please report it")


def _full_cost(execution: Execution) -> int | None:
    """What the reply cost when it was paid for: a reused one without a price is no free one."""
    is_reused = execution.reply_source in ("cache", "replay")
    return execution.full_cost_nano_usd if is_reused else execution.cost_nano_usd
