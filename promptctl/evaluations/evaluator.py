"""Evaluates one case of one plan: asks, grades, and makes the result. One bad case never ends an evaluation."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptctl.assertions.effort import Effort, Total
from promptctl.assertions.judging import Embedder, RunnerJudge
from promptctl.calls.account import spent
from promptctl.calls.call import Call, CallOptions, masking
from promptctl.calls.recording import reply_recording
from promptctl.calls.runner import Recorder, Runner
from promptctl.context import Context
from promptctl.datasets.cases import Case
from promptctl.errors import (
    ContentFiltered,
    Incomplete,
    InputError,
    InvalidOutput,
    ModelError,
    ModelTimeout,
    PromptctlError,
    RenderError,
)
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.cache import CachedGateway
from promptctl.evaluations.limiter import DEADLINE
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.rules import licences_of
from promptctl.evaluations.scoring import Score, error_score, failed_score, score_case, subject_of
from promptctl.log.records import Execution
from promptctl.log.results import ResultDetail, ResultRow
from promptctl.models.gateway import Gateway
from promptctl.models.reading import FILTERED
from promptctl.prompts.prompt import MISSING


class Crashed(PromptctlError):
    """A fault of our own or of a library, as one case's error: it must not take the others with it."""


class Evaluator:
    """Evaluates the cases of one plan; its prompt's templates are compiled once.

    `evaluation` is the id that each call is recorded with. `case_timeout_s` bounds a case with its retries and judges,
    in seconds.
    """

    def __init__(
        self,
        context: Context,
        plan: Plan,
        gateway: Gateway,
        recorder: Recorder,
        evaluation: str,
        case_timeout_s: float,
    ) -> None:
        prompt, replies = plan.target.prompt.id, plan.spec.replies
        needs_key = replies != "replay"
        licences = (
            licences_of(context, plan.spec, plan.calibrated, needs_key=needs_key)
            if plan.spec.judge_model is not None
            else None
        )
        on_reply = reply_recording(context, prompt) if replies in ("record", "refresh") else None
        self._context = context
        self._target = plan.target
        self._asker = Asker(context, plan)
        self._runner = Runner(gateway, recorder, on_reply=on_reply, watch=context.telemetry)
        self._judge = RunnerJudge(
            context,
            self._runner,
            Embedder(gateway, recorder, on_reply, context.telemetry),
            default_model=plan.spec.judge,
            parameters=plan.spec.judge_parameters,
            needs_key=needs_key,
            licences=None if licences is None else licences.of,
            is_repeated=plan.spec.side == "calibration",
            forget=gateway.forget if isinstance(gateway, CachedGateway) else None,
        )
        kept = context.recorder.content_for(prompt)
        self._options = CallOptions(source="eval", evaluation_id=evaluation, log=kept)
        self._case_timeout_s = case_timeout_s
        self._grading_s = context.settings.limits.grading_s
        self._grading = Total(self._grading_s)

    async def evaluate(self, position: int, case: Case, repeat: int) -> ResultRow:
        """Return the result of a case at one repeat (from 1); `position` is its place in the dataset.

        Raises only what must end the whole evaluation.
        """
        options = replace(self._options, case_id=case.id, repeat=repeat)
        options = masking(self._context, self._target.prompt, self._asker.inputs_of(case), options)
        execution: Execution | None = None
        error: PromptctlError | None = None
        score: Score | None = None
        judging_nano_usd: int | None = 0
        try:
            async with asyncio.timeout(self._case_timeout_s) as deadline:
                DEADLINE.set(deadline)
                if case.output is None:
                    execution, error = await self._asked(case, options)
                score = await self._score(case, execution, error, options)
        except (ModelError, InputError, RenderError) as failed:
            execution, error = failed.execution, failed
        except Incomplete as unsent:
            costs = [spent(unsent.execution, unsent), 0 if execution is None else spent(execution, None)]
            unsent.spent_nano_usd = None if None in costs else sum(filter(None, costs))
            raise
        except PromptctlError:
            raise
        except TimeoutError as late:
            # What was cancelled says of what it had failed before; see `Runner.run`.
            notes = getattr(late.__cause__, "__notes__", ())
            error = ModelTimeout("; ".join([f"the case took longer than {self._case_timeout_s:g} s", *notes]))
            # After the reply it is the judges that took too long, and nobody can say what they cost.
            judging_nano_usd = 0 if execution is None else None
        except Exception as bug:
            error = _crash(bug)
        if score is None:
            score = error_score(error.message if error else "", cost_nano_usd=judging_nano_usd)
        error = error if score.status != "passed" else None
        return result_of(case, position, options, self._asker.inputs_of(case), execution, error, score)

    async def _asked(self, case: Case, options: CallOptions) -> tuple[Execution, PromptctlError | None]:
        """Return the call's record, and the error of a reply that can be graded all the same."""
        try:
            rendered, request = self._asker.ask(case, options.repeat or 1, hide=options.mask)
            return await self._runner.run(Call(self._target, rendered, request, options)), None
        except (InvalidOutput, ContentFiltered) as gradable:
            return gradable.execution, gradable

    async def _score(
        self, case: Case, execution: Execution | None, error: PromptctlError | None, options: CallOptions
    ) -> Score:
        schema = self._target.prompt.output.schema
        effort = Effort(self._grading_s, self._grading)
        if isinstance(error, InvalidOutput) and error.problems:
            return failed_score(case, error.message)
        if execution is None:
            subject = subject_of(case, case.output or "", output_schema=schema, effort=effort)
        else:
            subject = subject_of(
                case,
                execution.reply or "",
                inputs=execution.inputs,
                tool_calls=execution.tool_calls,
                latency_ms=execution.latency_ms,
                cost_nano_usd=full_cost(execution),
                finish_reason=FILTERED if isinstance(error, ContentFiltered) else execution.finish_reason,
                output_schema=schema,
                fault=error.message if error is not None else execution.error_message,
                effort=effort,
            )
        return await score_case(case, subject, replace(self._judge, options=options))


def _crash(bug: Exception) -> Crashed:
    frame = traceback.extract_tb(bug.__traceback__)[-1]
    return Crashed(f"{type(bug).__name__}: {bug} (in {frame.name}, line {frame.lineno}); please report it")


# Characters of a case's inputs and `expected` that its result keeps: of one text, and of all. An item counts for some.
_LONGEST_KEPT = 20_000
_MOST_KEPT = 100_000
_ITEM = 4
_CUT = "… (cut)"


def result_of(
    case: Case,
    position: int,
    options: CallOptions,
    inputs: Mapping[str, Any],
    execution: Execution | None,
    error: PromptctlError | None,
    score: Score,
) -> ResultRow:
    """Return the result of the case at this place of its dataset; `inputs` are those of it that the prompt takes."""
    kept = _Kept()
    detail = ResultDetail(
        reason=score.reason,
        assertions=tuple([part.as_data() for part in score.graded]),
        metrics=score.metrics,
        tags=case.tags,
        must_pass=case.must_pass,
        xfail=case.xfail,
        is_xfail_strict=case.is_xfail_strict,
        cluster=case.cluster,
        tokens=(execution.input_tokens, execution.output_tokens) if execution is not None else (None, None),
        full_cost_nano_usd=full_cost(execution) if execution is not None else None,
        has_call=execution is not None,
        judge_cost_nano_usd=score.cost_nano_usd,
        inputs=kept.part(execution.inputs if execution and execution.inputs else inputs),
        expected=None if case.expected is MISSING else kept.part(case.expected),
    )
    cost = spent(execution, error)
    if cost is not None:
        cost = None if score.cost_nano_usd is None else cost + score.cost_nano_usd
    result = ResultRow(
        evaluation_id=options.evaluation_id or "",
        case_id=case.id,
        repeat=options.repeat or 1,
        position=position,
        case_digest=case.content_hash,
        status=score.status,
        score=score.score,
        detail=detail,
        output=execution.reply if execution else case.output,
        reply_source=_source(case, execution),
        cost_nano_usd=cost,
        latency_ms=execution.latency_ms if execution else None,
        execution_id=execution.id if execution else None,
        error_type=type(error).__name__ if error else score.error_type,
        error_message=(error.message if error else score.reason) if score.status == "error" else None,
    )
    return result if options.mask is None else options.mask.result(result)


def full_cost(execution: Execution) -> int | None:
    """Original cost of the reply; for cached or replayed replies the recorded one; None if unknown."""
    is_reused = execution.reply_source in ("cache", "replay")
    return execution.full_cost_nano_usd if is_reused else execution.cost_nano_usd


class _Kept:
    """The inputs of a case as its result keeps them: whole, but for the end of texts such as a picture's data."""

    def __init__(self) -> None:
        self._left = _MOST_KEPT

    def part(self, value: Any) -> Any:
        """Return a value as it is kept; when all of them are too large together, what comes last is left out."""
        if isinstance(value, str):
            most = max(0, min(_LONGEST_KEPT, self._left))
            self._left -= len(value)
            return value if len(value) <= most else value[:most] + _CUT
        self._left -= _ITEM
        if isinstance(value, Mapping):
            kept: dict[str, Any] = {}
            for name, each in value.items():
                if self._left <= len(name):
                    return {**kept, _CUT: f"{len(value) - len(kept):,} more"}
                self._left -= len(name)
                kept[name] = self.part(each)
            return kept
        if isinstance(value, list | tuple):
            items = [self.part(each) for each in value if self._left > 0]
            return items if len(items) == len(value) else [*items, _CUT]
        return value


def _source(case: Case, execution: Execution | None) -> str | None:
    """Return the source of the reply, or None if there is no reply."""
    if execution is None:
        return None if case.output is None else "dataset"
    return execution.reply_source if execution.reply is not None else None
