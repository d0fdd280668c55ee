"""The Python API: opens a workspace and wires its parts together, each on first use."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from promptctl.context import Context
from promptctl.errors import WorkspaceNotFound
from promptctl.files.names import SETTINGS

if TYPE_CHECKING:
    from promptctl.calls.call import Call
    from promptctl.calls.loop import LoopThread
    from promptctl.calls.prepare import RunOptions
    from promptctl.calls.runner import Runner
    from promptctl.catalogue.copying import Copied
    from promptctl.catalogue.difference import Difference
    from promptctl.catalogue.history import HistoryRow
    from promptctl.catalogue.listing import PromptFilter, PromptSummary
    from promptctl.catalogue.page import Page
    from promptctl.comparisons.compared import Against, Compared
    from promptctl.comparisons.verdicts import GateRule
    from promptctl.datasets.validation import ValidationReport
    from promptctl.evaluations.estimate import Estimate
    from promptctl.evaluations.evaluation import Evaluation
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest, Limits
    from promptctl.evaluations.session import OnProgress, Session
    from promptctl.log.records import Execution
    from promptctl.log.results import EvaluationRow
    from promptctl.promotion.labelling import Labelling
    from promptctl.reviews.measuring import ReviewRequest
    from promptctl.reviews.review import Review

T = TypeVar("T")


def open_workspace(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    on_warning: Callable[[str], None] | None = None,
    is_interactive: bool = False,
) -> Workspace:
    """Open the workspace that `path` (default: the current folder) is in or below.

    `environ` is where keys are read from, the process's own by default; nothing else of it is used. Warnings, such as
    a deprecated prompt or a log that cannot be written, go to `on_warning`, by default to the logger `promptctl`. With
    `is_interactive`, Git may ask for a password on the terminal where labels need the remote.

    Raises `WorkspaceNotFound` where there is no `promptctl.yaml` here or above, and `InvalidFiles` where it is wrong.
    """
    start = Path(path) if path is not None else Path.cwd()
    return Workspace(
        find_root(start),
        os.environ if environ is None else environ,
        on_warning or logging.getLogger("promptctl").warning,
        is_interactive=is_interactive,
    )


def find_root(start: Path) -> Path:
    """The nearest folder, from `start` upwards, that holds a `promptctl.yaml`."""
    folder = start.absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / SETTINGS).is_file():
            return candidate
    raise WorkspaceNotFound(
        f"there is no {SETTINGS} in {folder} or any folder above it",
        hint="make a workspace here with: promptctl init",
    )


class Workspace(Context):
    """A folder with a `promptctl.yaml`: its prompts, their versions, the models, and the log of every call.

    Safe to share between threads and between tasks of one event loop. Close it, or use it as a context manager, to
    close its connections.
    """

    @cached_property
    def _runner(self) -> Runner:
        from promptctl.calls.runner import Runner

        return Runner(self.gateway, self.recorder)

    @cached_property
    def _loop(self) -> LoopThread:
        from promptctl.calls.loop import LoopThread

        return LoopThread()

    def prompts(self, wanted: PromptFilter | None = None) -> list[PromptSummary]:
        """The work tree's prompts, sorted by id, with their versions and labels; all, or those that `wanted` means.

        One whose file is wrong is there with its problem.
        """
        from promptctl.catalogue.listing import list_prompts

        return list_prompts(self, wanted)

    def page(self, ref: str) -> Page:
        """Everything about the prompt that a ref names: its version, labels, datasets, totals and latest call."""
        from promptctl.catalogue.page import page

        return page(self, ref)

    def history(self, ref: str) -> list[HistoryRow]:
        """Every version of a prompt, newest first, or those up to the one that the ref names."""
        from promptctl.catalogue.history import history

        return history(self, ref)

    def diff(self, old: str, new: str | None = None) -> Difference:
        """What differs from one ref to another, and who breaks.

        Without `new`, to the work tree; from a bare prompt, what is committed is compared with it.
        """
        from promptctl.catalogue.difference import compare

        return compare(self, old, new)

    def copy(self, ref: str, new_id: str) -> Copied:
        """Write the file of the prompt that a ref names, at any version, under another id. Nothing is overwritten."""
        from promptctl.catalogue.copying import copy

        return copy(self, ref, new_id)

    def logged_renames(self) -> dict[str, str]:
        """Earlier prompt ids in the log and the ids of today, as `promptctl.log.filter.Filter` takes them."""
        from promptctl.versions.former_ids import logged_renames

        return logged_renames(self.log, self.repository)

    @cached_property
    def labels(self) -> Labelling:
        """The prompts' labels: moved by the workspace's rules, and told with their history."""
        from promptctl.promotion.labelling import Labelling

        return Labelling(self)

    def validate(self, paths: Sequence[str | os.PathLike[str]] = ()) -> ValidationReport:
        """Every problem of every file, or of the files at or below `paths` (relative to the current folder).

        Raises `UsageError` for a path that names no file of the workspace.
        """
        from promptctl.datasets.validation import validate_workspace

        wanted = [self.inside(path) for path in paths]
        return validate_workspace(self.repository.work_tree, wanted)

    def run(self, ref: str, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]) -> Execution:
        """Render the prompt, ask its model, validate the reply, record every attempt; give the last one.

        Raises `InputError` or `RenderError` before anything is sent, `ModelError` when the provider failed for good,
        `InvalidOutput` when the reply never fitted the output schema; each carries the record as `.execution`.
        """
        return self._loop.run(self.arun(ref, inputs, **options))

    async def arun(self, ref: str, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]) -> Execution:
        """`run`, awaited."""
        runner, call = self._prepared(ref, inputs, options)
        return await runner.run(call)

    def stream(
        self, ref: str, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> Iterator[dict[str, Any] | str | Execution]:
        """The call as it arrives: the chat message's metadata first, then pieces of text, last the `Execution`.

        Raises what `run` raises. Closing the iterator early cancels the call.
        """
        return self._loop.iterate(self.astream(ref, inputs, **options))

    async def astream(
        self, ref: str, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> AsyncGenerator[dict[str, Any] | str | Execution, None]:
        """`stream`, as an asynchronous generator."""
        runner, call = self._prepared(ref, inputs, options)
        stream = runner.stream(call)
        try:
            async for item in stream:
                yield item
        finally:
            await stream.aclose()

    def _prepared(self, ref: str, inputs: Mapping[str, Any] | None, options: RunOptions) -> tuple[Runner, Call]:
        from promptctl.calls.prepare import prepare
        from promptctl.calls.runner import Runner

        call = prepare(self, ref, inputs or {}, options)
        if not options.get("record"):
            return self._runner, call
        return Runner(self.gateway, self.recorder, on_reply=self.reply_recording(call.target.prompt.id)), call

    def tested_prompts(self) -> list[str]:
        """The ids of the prompts that have a dataset, sorted."""
        from promptctl.datasets.index import DatasetIndex

        return list(DatasetIndex(self.repository.work_tree).tested_prompts())

    def evaluate(self, request: EvaluationRequest, on_progress: OnProgress | None = None) -> list[Evaluation]:
        """Evaluate prompts over their datasets; every result is in the log before the next case is taken.

        Everything is read and checked before anything is sent. Ctrl-C finishes what is under way and saves it; a
        second one stops at once. Raises what `promptctl.evaluations.planning.plan` raises.
        """
        from promptctl.evaluations.planning import plan

        plans = plan(self, request)
        return self._in_session(self, request.limits, on_progress, lambda session: session.run(plans))

    def plan(self, request: EvaluationRequest) -> list[Plan]:
        """Return what `evaluate` would do, as data; everything is read and checked, nothing is asked."""
        from promptctl.evaluations.planning import plan

        return plan(self, request)

    def estimate(self, request: EvaluationRequest) -> list[Estimate]:
        """Return what `evaluate` would ask and cost, one estimate for each plan; no key is needed."""
        from promptctl.evaluations.estimate import estimate

        return [estimate(self, plan) for plan in self.plan(replace(request, is_estimate=True))]

    def resume(
        self,
        rows: Sequence[EvaluationRow],
        limits: Limits,
        *,
        allows_code: bool = False,
        on_progress: OnProgress | None = None,
    ) -> list[Evaluation]:
        """Take evaluations of the log up again: what has a result is not asked again, errors are."""
        from promptctl.evaluations.planning import replan

        plans = [replan(self, row, allows_code=allows_code) for row in rows]
        return self._in_session(self, limits, on_progress, lambda session: session.run(plans))

    def evaluate_against(
        self, request: EvaluationRequest, base: str, rule: GateRule, on_progress: OnProgress | None = None
    ) -> Against:
        """Evaluate prompts beside an earlier version of them over the same cases, and compare.

        `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref.
        """
        from promptctl.comparisons.comparing import evaluate_against, plan_against

        pairs = plan_against(self, request, base)
        return self._in_session(
            self,
            request.limits,
            on_progress,
            lambda session: evaluate_against(self, session, pairs, rule, request.min_pass),
        )

    def compare(self, base_id: str, head_id: str, rule: GateRule) -> Compared:
        """Compare two evaluations of the log; nothing is asked of a model."""
        from promptctl.comparisons.comparing import compare

        return compare(self.log, base_id, head_id, rule)

    def review(self, request: ReviewRequest, on_progress: OnProgress | None = None) -> Review:
        """Review what HEAD changed against BASE, and what that did to the results."""
        from promptctl.reviews.measuring import measure
        from promptctl.reviews.reviewing import prepared

        with prepared(self, request) as ready:
            measurements = self._in_session(
                ready.context,
                request.limits,
                on_progress,
                lambda session: measure(ready.context, session, ready.tasks, request.rule),
            )
            return ready.conclude(measurements)

    def _in_session(
        self,
        context: Context,
        limits: Limits,
        on_progress: OnProgress | None,
        work: Callable[[Session], Coroutine[Any, Any, T]],
    ) -> T:
        """Do the work in a session of its own, the only one of a command; the first Ctrl-C stops it gently."""
        from promptctl.evaluations.session import Session

        session = Session(context, limits, on_progress)

        async def run() -> T:
            async with session:
                return await work(session)

        return self._loop.run(run(), on_interrupt=session.stop)

    def close(self) -> None:
        """Close connections and the log. The workspace can be used again afterwards."""
        parts = self.__dict__
        if "_loop" in parts:
            if "gateway" in parts:
                self._loop.run(self.gateway.close())
            self._loop.close()
        if "labels" in parts:
            self.labels.close()
        super().close()

    async def aclose(self) -> None:
        """`close`, for a workspace used with `arun` and `astream` in the running event loop."""
        if "gateway" in self.__dict__:
            await self.gateway.close()
        self.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Workspace:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
