"""Evaluates one case of one plan: asks and grades. One bad case never ends an evaluation."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import replace

from promptctl.assertions.assertion import Subject
from promptctl.assertions.effort import Effort, Total
from promptctl.assertions.judging import JudgeTerms, RunnerJudge
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
from promptctl.evaluations.case_result import full_cost, result_of
from promptctl.evaluations.limiter import DEADLINE
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.scoring import Score, error_score, failed_score, score_case, subject_of
from promptctl.log.records import Execution
from promptctl.log.results import ResultRow
from promptctl.models.gateway import Gateway
from promptctl.models.reading import FILTERED


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
        terms = JudgeTerms(context, plan.spec.judge, plan.spec.judge_parameters, needs_key=replies != "replay")
        licences = None
        if plan.spec.judge_model is not None:
            from promptctl.assertions.licences import Licences

            licences = Licences(terms, plan.calibrated).of
        on_reply = reply_recording(context, prompt) if replies in ("record", "refresh") else None
        self._context = context
        self._target = plan.target
        self._asker = Asker(context, plan)
        self._runner = Runner(gateway, recorder, on_reply=on_reply, watch=context.telemetry)
        self._judge = RunnerJudge(
            terms,
            self._runner,
            licences=licences,
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
        if isinstance(error, InvalidOutput) and error.problems:
            return failed_score(case, error.message)
        schema, effort = self._target.prompt.output.schema, Effort(self._grading_s, self._grading)
        if execution is None:
            subject = replace(subject_of(case, case.output or ""), output_schema=schema, effort=effort)
        else:
            subject = Subject(
                execution.reply or "",
                inputs=case.inputs if execution.inputs is None else execution.inputs,
                expected=case.expected,
                tool_calls=execution.tool_calls,
                latency_ms=execution.latency_ms,
                cost_nano_usd=full_cost(execution),
                finish_reason=FILTERED if isinstance(error, ContentFiltered) else execution.finish_reason,
                output_schema=schema,
                variables=case.variables,
                fault=error.message if error is not None else execution.error_message,
                effort=effort,
            )
        return await score_case(case, subject, replace(self._judge, options=options))


def _crash(bug: Exception) -> Crashed:
    frame = traceback.extract_tb(bug.__traceback__)[-1]
    return Crashed(f"{type(bug).__name__}: {bug} (in {frame.name}, line {frame.lineno}); please report it")
