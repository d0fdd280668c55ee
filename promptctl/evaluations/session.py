"""The one thing of a command that asks models and spends money."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, zip_longest

from promptctl.calls.call import Call
from promptctl.calls.runner import runner_of
from promptctl.context import Context
from promptctl.errors import BudgetReached, CostLimitReached, Incomplete, ModelError
from promptctl.evaluations.claims import claimed
from promptctl.evaluations.evaluation import Evaluation, finish
from promptctl.evaluations.evaluator import Evaluator
from promptctl.evaluations.gateways import Gateways
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.progress import Progress
from promptctl.evaluations.recorder import BatchRecorder
from promptctl.evaluations.request import Limits
from promptctl.evaluations.until import Gathering, Until, until_of
from promptctl.log.records import Execution
from promptctl.log.results import EvaluationRow, ResultRow, StopReason
from promptctl.log.store import LogWarning
from promptctl.models.recordings import check_folder

OnProgress = Callable[["Plan", Progress], None]


@dataclass(slots=True)
class _Run:
    """An evaluation under way: `done` has (case, repeat) of earlier results that stay, `left` counts those to come.

    It has `ended` once it is decided, or a model that it needs has refused what it would refuse each time, or a budget.
    `open_costs` are what cases have cost that were left open.
    """

    plan: Plan
    row: EvaluationRow
    done: set[tuple[str, int]]
    left: int
    cases: Gathering
    until: Until | None = None
    ended: StopReason | None = None
    open_costs: list[int | None] = field(default_factory=list)
    found: Evaluation | None = None

    def needs(self, model: str) -> bool:
        """Return True if the model answers or judges."""
        return model in (self.plan.target.model, self.plan.spec.judge_model)


# The evaluation that a request is for.
_RUN: ContextVar[_Run | None] = ContextVar("run", default=None)
_Work = Iterator[tuple[_Run, Callable[[], Awaitable["ResultRow"]]]]


class Session:
    """Does plans: takes the cases of all of them through one pool, so that small evaluations use all connections too.

    It owns the gateways with the account of money, the recorder and the claims, and is the one that can be stopped. Use
    it as an asynchronous context manager; `run` may be called again, and what it spends counts together. Every result
    is in the log before the case's place is taken by the next.
    """

    def __init__(self, context: Context, limits: Limits | None = None, on_progress: OnProgress | None = None) -> None:
        self.stopped: StopReason | None = None
        self._context = context
        self._limits = limits or Limits()
        self._on_progress = on_progress or (lambda _plan, _progress: None)
        self._gateways = Gateways(context, self._limits, self._give_up)
        self._runs: list[_Run] = []
        self._is_asking = False
        self._told: set[str] = set()
        self._refusing: set[str] = set()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._gateways.cached.close()

    @property
    def spent_nano_usd(self) -> int:
        """Money that was spent of the bound; 0 without one."""
        return 0 if self._gateways.account is None else self._gateways.account.spent_nano_usd

    def stop(self, reason: StopReason = "interrupted") -> None:
        """Finish and save what is under way, and begin nothing more. Safe to call from another thread."""
        if reason == "interrupted" and (self._runs or self._is_asking):
            self._context.warn("finishing and saving what is under way; interrupt again to stop at once")
        self.stopped = self.stopped or reason

    async def run(self, plans: Sequence[Plan], untils: Iterable[Until | None] = ()) -> list[Evaluation]:
        """Do the plans; return an evaluation for each, in their order, whole or not.

        `untils` say of each side of a comparison when it is decided. All are in the log before the first request, so
        that a killed process leaves nothing that cannot be resumed. What stops one stops all, except for a model that
        refuses: it stops those that need it. Cancelling ends at once and keeps what is finished. Raises `InvalidFiles`,
        and begins nothing, if recordings are needed and their folder is a link.
        """
        if any(plan.spec.replies in ("record", "replay") for plan in plans):
            check_folder(self._context.recordings_folder)
        for model in {plan.target.model for plan in plans if plan.is_asked}:
            self._gateways.router.preload(model)
        with claimed(self._context.state_folder, [plan.spec.group or "" for plan in plans]):
            self._runs = self._begin(plans, untils)
            try:
                recorder = BatchRecorder(self._context.log, "metadata", self._heed, self._context.settlements)
                async with recorder as self._recorder:
                    await self._work_through()
            except BaseException as error:
                self.stopped = self.stopped or "interrupted"
                if isinstance(error, asyncio.CancelledError):
                    self._say_how_to_go_on()
                raise
            finally:
                self._gateways.cache.flush()
                evaluations, self._runs = [self._finish(run) for run in self._runs], []
        return evaluations

    async def ask(self, call: Call) -> Execution | None:
        """Make one call beside the plans: of the same cache, limits and account. Returns None if these do not admit it.

        Raises what `Runner.run` raises. A reply is kept at once, so that a killed process need not ask for it again.
        """
        runner = runner_of(self._context, self._gateways.cached)
        self._is_asking = True
        try:
            return await runner.run(call)
        except Incomplete as unsent:
            self._heed_unsent([], unsent)
            self.stop("budget" if isinstance(unsent, BudgetReached) else "refused")
            return None
        finally:
            self._is_asking = False
            self._gateways.cache.flush()

    def _begin(self, plans: Sequence[Plan], untils: Iterable[Until | None]) -> list[_Run]:
        rows = [plan.resumes or plan.row() for plan in plans]
        if new := [row for plan, row in zip(plans, rows, strict=True) if plan.resumes is None]:
            self._context.log.begin_evaluation(*new)
        return [self._run_of(*each) for each in zip_longest(plans, rows, untils)]

    def _run_of(self, plan: Plan, row: EvaluationRow, until: Until | None) -> _Run:
        log = self._context.log
        run = _Run(plan, row, set(), plan.results, Gathering(plan.spec), until or until_of(plan))
        if plan.resumes is not None:
            log.update_evaluation(row.id, status="running", totals=row.totals)
            for result in log.results(row.id, statuses=("passed", "failed")):
                run.done.add((result.case_id, result.repeat))
                self._heed_result(run, result)
        run.left -= len(run.done)
        if any(map(run.needs, self._refusing)):
            run.ended = "refused"
        return run

    async def _work_through(self) -> None:
        carried, left = sum(len(run.done) for run in self._runs), sum(run.left for run in self._runs)
        progress = Progress(
            carried + left, carried, len(self._runs), load=self._gateways.load, account=self._gateways.account
        )
        work = self._work()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._limits.concurrency, max(1, left))):
                    group.create_task(self._take(work, progress))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def _work(self) -> _Work:
        """Yield the cases of all runs that have no result yet, errors among them.

        Both sides of a comparison in turn: whichever was asked first would meet a server at another load.
        """
        for _, sides in groupby(self._runs, key=lambda run: run.plan.spec.comparison or run.row.id):
            for items in zip_longest(*map(self._work_of, sides)):
                yield from (item for item in items if item is not None)

    def _work_of(self, run: _Run) -> _Work:
        plan, timeout_s = run.plan, self._limits.case_timeout_s
        evaluator = Evaluator(self._context, plan, self._gateways.of(plan), self._recorder, run.row.id, timeout_s)
        cases = plan.cases(self._context)
        ordered = enumerate(cases) if run.until is None else run.until.order(plan, cases)
        for position, case in ordered:
            for repeat in range(1, plan.spec.repeats + 1):
                if run.ended:
                    return
                if (case.id, repeat) not in run.done:
                    yield run, partial(evaluator.evaluate, position, case, repeat)

    async def _take(self, work: _Work, progress: Progress) -> None:
        while self.stopped is None and (taken := next(work, None)) is not None:
            await self._do(*taken, progress)

    async def _do(self, run: _Run, evaluate: Callable[[], Awaitable[ResultRow]], progress: Progress) -> None:
        if self.stopped is not None or run.ended:
            return
        progress.under_way += 1
        _RUN.set(run)
        try:
            result = await evaluate()
        except Incomplete as unsent:  # the case stays open
            run.open_costs.append(unsent.spent_nano_usd)
            self._heed_unsent([run], unsent)
            return
        finally:
            progress.under_way -= 1
        await self._recorder.finish(result)
        if self._context.telemetry is not None:
            self._context.telemetry.graded(result)
        progress.add(result)
        self._on_progress(run.plan, progress)
        if self._limits.fails_fast and result.status != "passed":
            self.stop("fail-fast")
        run.left -= 1
        self._heed_result(run, result)
        if not run.left:
            self._finish(run)

    def _heed_result(self, run: _Run, result: ResultRow) -> None:
        """Begin nothing more of what the result decides; what is under way is finished and kept."""
        case = run.cases.add(result) if run.until is not None else None
        if case is not None and run.until is not None and run.until.heed(run.plan, case):
            for each in [run, *self._runs]:
                if each.until is run.until:
                    each.ended = each.ended or "decided"

    def _heed_unsent(self, runs: Sequence[_Run], unsent: Incomplete) -> None:
        """Stop at the limit on the cost; else begin nothing more here: a budget or a judge's model has refused."""
        if isinstance(unsent, BudgetReached):
            self._refuse(runs, "budget")
            self._tell_once(unsent.budget, str(unsent), unsent.hint)
        elif isinstance(unsent, CostLimitReached):
            self.stop("max-cost")
            self._tell_once("cost", unsent.message, unsent.hint)
        else:
            self._refuse(runs)

    def _tell_once(self, about: str, words: str, hint: str | None = None) -> None:
        if about not in self._told:
            self._told.add(about)
            self._context.warn(f"{words}; {hint}" if hint else words)

    def _finish(self, run: _Run) -> Evaluation:
        if run.found is None:
            ended = run.ended or self.stopped
            run.found = finish(self._context.log, run.row, ended, self._context.warn, run.open_costs)
        return run.found

    def _give_up(self, model: str, error: ModelError) -> None:
        """Begin nothing more that needs the model: what refuses this request would refuse each."""
        if self.stopped is None and model not in self._refusing:
            words = f"stopped, since no other request would fare better: {error.message}"
            self._context.warn(f"{words}; {error.hint}" if error.hint else words)
        self._refusing.add(model)
        asking = _RUN.get()
        self._refuse([run for run in self._runs if run is asking or run.needs(model)])

    def _refuse(self, runs: Iterable[_Run], reason: StopReason = "refused") -> None:
        for run in runs:
            run.ended = run.ended or reason
        if all(run.ended for run in self._runs if run.found is None):
            self.stop(reason)

    def _heed(self, warning: LogWarning) -> None:
        """Report once what the log did not simply take; unless it is merely locked, spend no more."""
        self._tell_once(warning.reason, str(warning))
        if warning.has_new_log:
            for run in self._runs:
                if run.found is None:
                    self._context.log.begin_evaluation(run.row)
        elif warning.reason != "locked":
            self.stop("log")

    def _say_how_to_go_on(self) -> None:
        found = [each for each in map(self._finish, self._runs) if each.summary.is_unfinished]
        left = [each.row for each in found if each.row.spec.side != "trial"]
        if any(row.spec.needs_its_comparison for row in left):
            self._context.warn("stopped at once; the same command goes on, and asks for nothing that was answered")
        elif left:
            only = f" {left[0].id[-8:]}" if len(left) == 1 else ""
            bound = " --max-cost USD" if self.stopped == "max-cost" else ""
            self._context.warn(f"stopped at once; go on with: promptctl eval resume{only}{bound}")
