"""One evaluation from its beginning in the log to its verdict; also one that is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl._version import __version__
from promptctl.evaluations.cache import CachedGateway, ReplyCache
from promptctl.evaluations.datasets import Dataset
from promptctl.evaluations.evaluator import Evaluator, Limits, Progress, StopReason, pending
from promptctl.evaluations.judging import MakeTarget, RunnerJudge
from promptctl.evaluations.limiter import LimitedGateway, Limiter
from promptctl.evaluations.outcomes import case_results
from promptctl.evaluations.recording import BatchRecorder
from promptctl.evaluations.selection import Chosen
from promptctl.evaluations.summary import Summary, Verdict, summarise
from promptctl.evaluations.target import Target
from promptctl.executions.runner import Runner
from promptctl.log.evaluations import begin_evaluation, evaluation, results, scored_cases, update_evaluation
from promptctl.log.ids import new_id
from promptctl.log.records import Content
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Log
from promptctl.log.times import utc_now
from promptctl.models.gateway import Gateway, Reply, Request
from promptctl.prompts.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one evaluation does. `spec` is kept with it, so that it can be taken up again or looked at later.

    `drops_unknown_inputs` leaves out of a case what the prompt does not declare, so that an older version can be
    evaluated on the cases of a newer one.
    """

    target: Target
    dataset: Dataset
    chosen: Chosen
    min_pass: float
    repeats: int = 1
    at_least: int | None = None
    drops_unknown_inputs: bool = False
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> int:
        """How many results it has when it is complete."""
        return self.chosen.count * self.repeats


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation as it stands in the log, in numbers, with its verdict. `stopped` says what ended it early."""

    row: EvaluationRow
    summary: Summary
    verdict: Verdict
    reason: str
    stopped: StopReason | None = None

    @property
    def min_pass(self) -> float:
        """The share of all cases that must pass."""
        return float(self.row.spec.get("min_pass", 1.0))


@dataclass(kw_only=True)
class Bench:
    """Where evaluations run: the log, the way to the models, and the bounds. One evaluation at a time."""

    log: Log
    gateway: Gateway
    tree: Tree
    make_target: MakeTarget
    on_warning: Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
    content: Content = "metadata"
    cache: ReplyCache | None = None
    judge_model: str | None = None
    on_reply: Callable[[Request, Reply], object] | None = None
    on_progress: Callable[[Progress], None] | None = None
    _evaluator: Evaluator | None = None
    _stopped: StopReason | None = None

    def stop(self, reason: StopReason = "interrupted") -> None:
        """Take no further case; safe to call from another thread."""
        self._stopped = reason
        if self._evaluator is not None:
            self._evaluator.stop(reason)

    async def evaluate(self, plan: Plan, resumed: EvaluationRow | None = None) -> Evaluation:
        """Run the plan, or what is left of it where `resumed` is an evaluation in the log."""
        row = resumed or self._begin(plan)
        done = scored_cases(self.log, row.id) if resumed else set()
        progress = Progress(plan.results, carried=len(done))
        stopped: StopReason | None = "interrupted"
        async with BatchRecorder(self.log, self.content, self.on_warning) as recorder:
            evaluator = self._evaluator = self._make_evaluator(row.id, plan, recorder)
            if self._stopped is not None:
                evaluator.stop(self._stopped)
            try:
                cases = plan.chosen.of(plan.dataset.cases(plan.target.prompt))
                await evaluator.run(pending(cases, plan.repeats, done), progress)
                stopped = evaluator.stopped
            finally:
                await recorder.close()
                if self.cache is not None:
                    self.cache.flush()
                finished = self._finish(row.id, stopped)
        return finished

    def _begin(self, plan: Plan) -> EvaluationRow:
        target = plan.target
        version = target.version
        row = EvaluationRow(
            id=new_id(),
            started_at=utc_now(),
            prompt=target.prompt.id,
            digest=version.digest,
            model=target.model,
            version=version.number,
            version_display=version.display,
            commit=version.commit,
            is_dirty=version.is_dirty,
            label=version.label,
            spec={
                **plan.spec,
                "dataset": plan.dataset.header.path,
                "dataset_digest": plan.dataset.digest,
                "cases": plan.chosen.count,
                "repeats": plan.repeats,
                "at_least": plan.at_least,
                "min_pass": plan.min_pass,
                "parameters": dict(target.parameters),
            },
            tool_version=__version__,
        )
        begin_evaluation(self.log, row)
        return row

    def _make_evaluator(self, evaluation_id: str, plan: Plan, recorder: BatchRecorder) -> Evaluator:
        gateway: Gateway = LimitedGateway(self.gateway, Limiter(self.limits.concurrency))
        if self.cache is not None:
            gateway = CachedGateway(gateway, self.cache)
        runner = Runner(gateway, recorder, on_reply=self.on_reply)
        judge = RunnerJudge(
            self.tree, runner, gateway, self.make_target, model=self.judge_model, evaluation_id=evaluation_id
        )
        return Evaluator(
            evaluation_id,
            plan.target,
            runner,
            recorder,
            judge,
            self.limits,
            drops_unknown_inputs=plan.drops_unknown_inputs,
            on_progress=self.on_progress,
        )

    def _finish(self, evaluation_id: str, stopped: StopReason | None) -> Evaluation:
        found = load(self.log, evaluation_id, stopped)
        totals = found.summary.as_dict() | {"verdict": found.verdict, "reason": found.reason, "stopped": stopped}
        update_evaluation(
            self.log, evaluation_id, status="incomplete" if found.summary.never_run else "finished", totals=totals
        )
        return found


def load(log: Log, evaluation_id: str, stopped: StopReason | None = None) -> Evaluation:
    """An evaluation out of the log, counted anew from its results."""
    row = evaluation(log, evaluation_id)
    spec = row.spec
    summary = summarise(
        case_results(results(log, row.id), spec.get("at_least")),
        expected_cases=spec.get("cases", 0),
        repeats=spec.get("repeats", 1),
        at_least=spec.get("at_least"),
    )
    verdict, reason = summary.verdict(float(spec.get("min_pass", 1.0)))
    return Evaluation(row, summary, verdict, reason, stopped or row.totals.get("stopped"))
