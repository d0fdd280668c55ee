"""One evaluation from its beginning in the log to its verdict; also one that is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl._version import __version__
from promptctl.assertions.embedding import Embedder
from promptctl.assertions.judging import LoadJudge, MakeTarget, RunnerJudge
from promptctl.calls.call import Target
from promptctl.calls.runner import Runner
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.selection import Chosen
from promptctl.errors import LogError
from promptctl.evaluations.cache import CachedGateway, ReplyCache
from promptctl.evaluations.evaluator import Evaluator, Limits, Progress, StopReason, pending
from promptctl.evaluations.limiter import LimitedGateway, Limiter
from promptctl.evaluations.outcomes import case_results
from promptctl.evaluations.recording import BatchRecorder
from promptctl.evaluations.summary import Summary, Verdict, summarise
from promptctl.log.failures import LogWarning
from promptctl.log.ids import new_id
from promptctl.log.records import Content
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.log.times import utc_now
from promptctl.models.gateway import Gateway, Reply, Request


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
    """Where one evaluation runs: the log, the way to the models, and the bounds. `spent_nano_usd` is what it cost."""

    log: Store
    gateway: Gateway
    load_judge: LoadJudge
    make_target: MakeTarget
    on_warning: Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
    content: Content = "metadata"
    cache: ReplyCache | None = None
    judge_model: str | None = None
    on_reply: Callable[[Request, Reply], object] | None = None
    on_progress: Callable[[Progress], None] | None = None
    spent_nano_usd: int = 0
    _evaluator: Evaluator | None = None
    _stopped: StopReason | None = None
    _told: set[str] = field(default_factory=set)

    @property
    def is_stopped(self) -> bool:
        """Whether the evaluation was ended early, by whatever."""
        return self._evaluator is not None and self._evaluator.stopped is not None

    def stop(self, reason: StopReason = "interrupted") -> None:
        """Take no further case; safe to call from another thread."""
        self._stopped = reason
        if self._evaluator is not None:
            self._evaluator.stop(reason)

    async def evaluate(self, plan: Plan, row: EvaluationRow) -> Evaluation:
        """Run what the log has no result of yet, errors among them, of an evaluation that was begun."""
        done = {(each.case_id, each.repeat) for each in self.log.results(row.id, statuses=("passed", "failed"))}
        progress = Progress(plan.results, carried=len(done))
        stopped: StopReason | None = "interrupted"
        async with BatchRecorder(self.log, self.content, lambda warning: self._heed(warning, row)) as recorder:
            evaluator = self._evaluator = self._make_evaluator(row.id, plan, recorder)
            if self._stopped is not None:
                evaluator.stop(self._stopped)
            try:
                cases = plan.chosen.of(plan.dataset.cases(plan.target.prompt))
                await evaluator.run(pending(cases, plan.repeats, done), progress)
                stopped = evaluator.stopped
            finally:
                self.spent_nano_usd = progress.cost_nano_usd
                await recorder.close()
                if self.cache is not None:
                    self.cache.flush()
                finished = finish(self.log, row, stopped, self.on_warning)
        return finished

    def _heed(self, warning: LogWarning, row: EvaluationRow) -> None:
        """What the log did not simply take is told once; unless it is merely locked, no more is spent."""
        if warning.reason not in self._told:
            self._told.add(warning.reason)
            self.on_warning(str(warning))
        if warning.has_new_log:
            self.log.begin_evaluation(row)
        elif warning.reason != "locked":
            self.stop("log")

    def _make_evaluator(self, evaluation_id: str, plan: Plan, recorder: BatchRecorder) -> Evaluator:
        gateway: Gateway = LimitedGateway(self.gateway, Limiter(self.limits.concurrency))
        if self.cache is not None:
            gateway = CachedGateway(gateway, self.cache)
        runner = Runner(gateway, recorder, on_reply=self.on_reply)
        judge = RunnerJudge(
            self.load_judge,
            runner,
            Embedder(gateway, recorder, self.on_reply),
            self.make_target,
            model=self.judge_model,
            evaluation_id=evaluation_id,
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


def begin(log: Store, plan: Plan) -> EvaluationRow:
    """Add an evaluation to the log, before anything is spent on it. Raises `LogFailure`."""
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
            "drops_unknown_inputs": plan.drops_unknown_inputs,
        },
        tool_version=__version__,
    )
    log.begin_evaluation(row)
    return row


def finish(log: Store, row: EvaluationRow, stopped: StopReason | None, on_warning: Callable[[str], None]) -> Evaluation:
    """Count an evaluation and say in the log how it ended; what ended it early matters only where something is left.

    A log that cannot be read or written leaves it incomplete: what it did not take waits in files beside it.
    """
    try:
        summary = _summary(log, row)
        found = _judged(row, summary, stopped if summary.is_unfinished else None)
        totals = summary.as_dict() | {"verdict": found.verdict, "reason": found.reason, "stopped": found.stopped}
        status = "incomplete" if summary.is_unfinished else "finished"
        log.update_evaluation(row.id, status=status, totals=totals)
        return replace(found, row=log.evaluation(row.id))
    except LogError as error:
        on_warning(f"{error.message}; the evaluation can be resumed once the log can be written")
        summary = Summary(row.spec["cases"], row.spec["repeats"], row.spec["at_least"])
        return Evaluation(row, summary, "incomplete", "the log could not be written to its end", "log")


def load(log: Store, evaluation_id: str) -> Evaluation:
    """An evaluation out of the log, counted anew from its results."""
    row = log.evaluation(evaluation_id)
    return _judged(row, _summary(log, row), row.totals.get("stopped"))


def _summary(log: Store, row: EvaluationRow) -> Summary:
    spec = row.spec
    return summarise(
        case_results(log.results(row.id), spec.get("at_least")),
        expected_cases=spec.get("cases", 0),
        repeats=spec.get("repeats", 1),
        at_least=spec.get("at_least"),
    )


def _judged(row: EvaluationRow, summary: Summary, stopped: StopReason | None) -> Evaluation:
    verdict, reason = summary.verdict(float(row.spec.get("min_pass", 1.0)))
    return Evaluation(row, summary, verdict, reason, stopped)
