"""The one thing of a command that asks models and spends money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from promptctl.assertions.embedding import Embedder
from promptctl.assertions.judges import find_judge
from promptctl.assertions.judging import RunnerJudge
from promptctl.calls.call import CallOptions, Target
from promptctl.calls.runner import Runner
from promptctl.calls.target import make_target
from promptctl.datasets.cases import Case
from promptctl.evaluations.account import Account
from promptctl.evaluations.cache import CachedGateway, ReplyCache
from promptctl.evaluations.claims import claimed
from promptctl.evaluations.evaluation import Evaluation, finish
from promptctl.evaluations.evaluator import Evaluator, Work, pending
from promptctl.evaluations.limiter import LimitedGateway
from promptctl.evaluations.planning import OpenDatasets
from promptctl.evaluations.progress import Progress
from promptctl.evaluations.recorder import BatchRecorder
from promptctl.evaluations.request import Limits
from promptctl.log.results import StopReason
from promptctl.prompts.rendering import Renderer

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.plan import Plan
    from promptctl.log.results import EvaluationRow, Replies
    from promptctl.log.store import LogWarning
    from promptctl.models.gateway import Gateway
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import Version

OnProgress = Callable[["Plan", Progress], None]


@dataclass(slots=True)
class _Run:
    """An evaluation under way."""

    plan: Plan
    row: EvaluationRow
    done: set[tuple[str, int]]
    evaluator: Evaluator | None = None
    under_way: int = 0
    is_drawn: bool = False
    found: Evaluation | None = None


class Session:
    """Does plans: takes the cases of all of them through one pool, so that small evaluations use all connections too.

    It owns the router, the cache, the limiters, the recorder, the claims, the judges and the account of money, and is
    the one that can be stopped. Use it as an asynchronous context manager; `run` may be called again, and what
    it spends counts together. Every result is in the log before the case's place is taken by the next.
    """

    def __init__(self, context: Context, limits: Limits | None = None, on_progress: OnProgress | None = None) -> None:
        self.stopped: StopReason | None = None
        self._context = context
        self._limits = limits or Limits()
        self._on_progress = on_progress or (lambda _plan, _progress: None)
        self._account = Account(self._limits.max_cost_nano_usd)
        self._router = context.router(self._limits.concurrency)
        self._limited: Gateway = LimitedGateway(self._router, self._limits.concurrency)
        self._cache: ReplyCache | None = None
        self._cached: Gateway | None = None
        self._preloaded: set[str] = set()
        self._judges: dict[str, tuple[Prompt, Version, Renderer]] = {}
        self._recorder: BatchRecorder
        self._runs: list[_Run] = []
        self._is_running = False
        self._told: set[str] = set()

    @property
    def spent_nano_usd(self) -> int:
        """Cost of everything that the session asked for so far; replies without a price are not in it."""
        return self._account.spent_nano_usd

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cache is not None:
            self._cache.close()
        await self._router.close()

    def stop(self, reason: StopReason = "interrupted") -> None:
        """Finish and save what is under way, and begin nothing more. Safe to call from another thread."""
        if reason == "interrupted" and self._is_running:
            self._context.warn("finishing and saving what is under way; interrupt again to stop at once")
        self.stopped = self.stopped or reason

    async def run(self, plans: Sequence[Plan]) -> list[Evaluation]:
        """Do the plans; return an evaluation for each, in their order, whole or not.

        All are in the log before the first request, so that a killed process leaves nothing that cannot be resumed.
        What stops one stops all. Cancelling ends at once and keeps what is finished.
        """
        log, groups = self._context.log, [plan.spec.group or "" for plan in plans]
        with claimed(self._context.state_folder, groups):
            self._runs = [self._begin(plan) for plan in plans]
            carried = sum(len(run.done) for run in self._runs)
            progress = Progress(sum(plan.results for plan in plans), carried, len(plans))
            self._is_running = True
            try:
                async with BatchRecorder(log, "metadata", self._heed) as self._recorder:
                    await self._work_through(progress)
            except asyncio.CancelledError:
                self._finish_all("interrupted")
                self._say_how_to_go_on()
                raise
            finally:
                self._is_running = False
                if self._cache is not None:
                    self._cache.flush()
                self._finish_all(self.stopped or "interrupted")
        return [run.found for run in self._runs if run.found is not None]

    def _begin(self, plan: Plan) -> _Run:
        log = self._context.log
        if plan.resumes is None:
            row = plan.row()
            log.begin_evaluation(row)
            return _Run(plan, row, set())
        log.update_evaluation(plan.resumes.id, status="running", totals=plan.resumes.totals)
        return _Run(
            plan,
            plan.resumes,
            {(row.case_id, row.repeat) for row in log.results(plan.resumes.id, statuses=("passed", "failed"))},
        )

    async def _work_through(self, progress: Progress) -> None:
        work = self._work()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._limits.concurrency, max(1, progress.total - progress.carried))):
                    group.create_task(self._take(work, progress))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def _work(self) -> Iterator[tuple[_Run, tuple[int, Case, int]]]:
        """The cases of all runs that have no result yet, errors among them."""
        for run in self._runs:
            for item in self._pending(run):
                run.under_way += 1
                yield run, item
            run.is_drawn = True
            self._finish_if_done(run)

    def _pending(self, run: _Run) -> Work:
        plan = run.plan
        cases = self._context.shared(OpenDatasets).of(plan).cases(plan.target.prompt)
        run.evaluator = self._evaluator(run)
        return pending(plan.chosen.of(cases), plan.spec.repeats, run.done)

    async def _take(self, work: Iterator[tuple[_Run, tuple[int, Case, int]]], progress: Progress) -> None:
        while self.stopped is None:
            taken = next(work, None)
            if taken is None:
                return
            run, item = taken
            if not self._account.admits(run.row.id):
                run.under_way -= 1
                self.stop("max-cost")
                return
            assert run.evaluator is not None
            progress.under_way += 1
            result = await run.evaluator.evaluate(*item)
            await self._recorder.finish(result)
            progress.under_way -= 1
            run.under_way -= 1
            self._account.settle(run.row.id, result.cost_nano_usd)
            progress.add(result)
            self._on_progress(run.plan, progress)
            if self._limits.fails_fast and result.status != "passed":
                self.stop("fail-fast")
            self._finish_if_done(run)

    def _finish_if_done(self, run: _Run) -> None:
        if run.is_drawn and not run.under_way and self.stopped is None:
            self._finish(run, None)

    def _finish_all(self, stopped: StopReason | None) -> None:
        for run in self._runs:
            if run.found is None:
                self._finish(run, stopped)

    def _finish(self, run: _Run, stopped: StopReason | None) -> None:
        run.found = finish(self._context.log, run.row, stopped, self._context.warn)
        run.evaluator = None

    def _evaluator(self, run: _Run) -> Evaluator:
        plan, context = run.plan, self._context
        prompt = plan.target.prompt.id
        on_reply = context.reply_recording(prompt) if plan.spec.replies == "record" else None
        gateway = self._gateway(plan.spec.replies)
        if plan.is_asked and plan.target.model not in self._preloaded:
            self._preloaded.add(plan.target.model)
            self._router.preload(plan.target.model)
        options = CallOptions(source="eval", evaluation_id=run.row.id, log=context.recorder.content_for(prompt))
        runner = Runner(gateway, self._recorder, on_reply=on_reply)
        judge = RunnerJudge(
            self._judge,
            runner,
            Embedder(gateway, self._recorder, on_reply),
            lambda judged, version, model: self._judge_target(plan, judged, version, model),
            model=plan.spec.judge or context.settings.model,
            options=options,
        )
        return Evaluator(plan, runner, judge, options, self._limits.case_timeout_s)

    def _gateway(self, replies: Replies) -> Gateway:
        if replies == "replay":
            return self._recorded
        if replies == "ask":
            return self._limited
        if self._cached is None:
            context = self._context
            self._cache = ReplyCache(context.state_folder / "cache.db", context.warn, context.redactor)
            self._cached = CachedGateway(self._limited, self._cache)
        return self._cached

    @cached_property
    def _recorded(self) -> Gateway:
        from promptctl.models.replay import Replay

        return Replay(self._context.recordings_folder)

    def _judge(self, prompt_id: str) -> tuple[Prompt, Version, Renderer]:
        """A judge's prompt, looked up and compiled once: all of its verdicts are of one version."""
        if prompt_id not in self._judges:
            prompt, version = find_judge(self._context, prompt_id)
            self._judges[prompt_id] = prompt, version, Renderer(prompt)
        return self._judges[prompt_id]

    def _judge_target(self, plan: Plan, prompt: Prompt, version: Version, model: str) -> Target:
        return make_target(self._context, prompt, version, model, needs_key=plan.spec.replies != "replay")

    def _heed(self, warning: LogWarning) -> None:
        """Report once what the log did not simply take; unless it is merely locked, spend no more."""
        if warning.reason not in self._told:
            self._told.add(warning.reason)
            self._context.warn(str(warning))
        if warning.has_new_log:
            for run in self._runs:
                if run.found is None:
                    self._context.log.begin_evaluation(run.row)
        elif warning.reason != "locked":
            self.stop("log")

    def _say_how_to_go_on(self) -> None:
        left = [run.row.id for run in self._runs if run.found is not None and run.found.summary.is_unfinished]
        if left:
            only = f" {left[0][-8:]}" if len(left) == 1 else ""
            self._context.warn(f"stopped at once; go on with: promptctl eval resume{only}")
