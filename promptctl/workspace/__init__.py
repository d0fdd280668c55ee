"""The Python API: opens or makes a workspace, and does what commands do; each method returns plain records."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

from promptctl.context import Context
from promptctl.errors import UsageError, WorkspaceNotFound, printable
from promptctl.files.names import TELEMETRY_VARIABLE
from promptctl.files.wording import shown
from promptctl.git.repository import find_root as find_root
from promptctl.workspace.evaluating import Evaluating

if TYPE_CHECKING:
    from promptctl.adoption.adopting import Adoption
    from promptctl.authoring.drafting import NewPrompt
    from promptctl.calls.call import Call, Piece
    from promptctl.calls.dry_run import DryRun
    from promptctl.calls.loop import LoopThread
    from promptctl.calls.plain import PlainOptions
    from promptctl.calls.prepare import Asked, RunOptions
    from promptctl.calls.runner import Prepare, Runners
    from promptctl.catalogue.blamed import Blame
    from promptctl.catalogue.copying import Copied
    from promptctl.catalogue.difference import Difference
    from promptctl.catalogue.formatting import FormatReport
    from promptctl.catalogue.listing import PromptFilter, PromptSummary
    from promptctl.catalogue.page import Page
    from promptctl.catalogue.standing import Standing
    from promptctl.datasets.validation import ValidationReport
    from promptctl.files.proposal import Proposal
    from promptctl.linting.linting import LintOptions, LintReport
    from promptctl.log.feedback import Feedback
    from promptctl.log.records import Execution
    from promptctl.promotion.labelling import Labelling
    from promptctl.telemetry.switch import Telemetry
    from promptctl.versions.history import VersionEntry
    from promptctl.versions.prompt_at_version import PromptAtVersion
    from promptctl.workspace.authoring import Authoring, GenerateOptions
    from promptctl.workspace.budgets import Budgets
    from promptctl.workspace.completion import Word
    from promptctl.workspace.costs import Costs
    from promptctl.workspace.dashboards import Dashboards
    from promptctl.workspace.datasets import Datasets
    from promptctl.workspace.exchange import Exchange
    from promptctl.workspace.experiments import Experiments
    from promptctl.workspace.feedback import FeedbackOptions
    from promptctl.workspace.judges import Judges
    from promptctl.workspace.life import Life
    from promptctl.workspace.log import Log
    from promptctl.workspace.results import Results
    from promptctl.workspace.snapshots import Snapshots
    from promptctl.workspace.vendoring import Vendoring


def open_workspace(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    snapshot: str | os.PathLike[str] | None = None,
    on_warning: Callable[[str], None] | None = None,
    is_interactive: bool = False,
    refresh_s: float = 30.0,
    telemetry: bool | Telemetry | None = None,
) -> Workspace:
    """Open the workspace that `path` (default: the current folder) is in or below, or that a bare repository has.

    With `snapshot`, a file that `promptctl snapshot write` wrote, that file is the workspace: neither `path` nor Git is
    looked at, and what needs files or history is refused.

    Keys, `PROMPTCTL_STATE` and `PROMPTCTL_TELEMETRY` are read from `environ`, the process's own by default; nothing
    else of it is used, but for the `OTEL_*` variables of what is sent by OpenTelemetry.
    Warnings, such as a deprecated prompt or a log that cannot be written, go to `on_warning`, by default to the logger
    `promptctl`. With `is_interactive`, Git may ask for a password on the terminal if labels need the remote.

    Calls and `prompt` keep the refs that they have resolved: a label that was moved elsewhere is seen within
    `refresh_s` seconds, while files of the work tree are looked at each time. With 0 nothing is kept.

    With `telemetry` the OpenTelemetry that the application has set up is told of calls, evaluations and feedback;
    `Telemetry` says more, and False nothing, whatever the environment says. See docs/telemetry.md.

    Raises `WorkspaceNotFound` if that is not there or there is no `promptctl.yaml` here or above, `InvalidFiles` if it
    is wrong, and `WorkspaceError` for a snapshot that was changed after it was written.
    """
    if not isinstance(refresh_s, int | float) or not 0 <= refresh_s <= 1_000_000:
        raise UsageError(f"`refresh_s` is a number of seconds from 0 to 1,000,000, not {shown(refresh_s)}")
    on_warning = on_warning or logging.getLogger("promptctl").warning
    if snapshot is not None:
        from promptctl.workspace.snapshots import SnapshotContext, refusing

        environ = os.environ if environ is None else environ
        return _telling(refusing(Workspace)(SnapshotContext(snapshot, environ, on_warning)), telemetry)
    start, environ = starting_point(path, environ)
    context = Context(find_root(start), environ, on_warning, is_interactive=is_interactive)
    context.start, context.refresh_s = start, refresh_s
    if context.is_bare:
        with closing(context):
            _ = context.settings  # its default branch may have none, or several workspaces
    return _telling(Workspace(context), telemetry)


def _telling(workspace: Workspace, telemetry: bool | Telemetry | None) -> Workspace:
    """Return the workspace, whose calls OpenTelemetry is told of if the argument or the environment asks for it."""
    if telemetry is not None or workspace.context.environ.get(TELEMETRY_VARIABLE):
        from promptctl.telemetry.emitting import emitter_of

        workspace.context.telemetry = emitter_of(workspace.context, telemetry)
    return workspace


def starting_point(
    path: str | os.PathLike[str] | None, environ: Mapping[str, str] | None
) -> tuple[Path, Mapping[str, str]]:
    """Return the place that a workspace is looked for from, and its environment: the process's own by default.

    Raises `WorkspaceNotFound` if the place is not there.
    """
    try:
        start = Path("." if path is None else path).absolute()
    except FileNotFoundError as error:
        raise WorkspaceNotFound("the current folder was deleted", hint="change to a folder that is there") from error
    if not start.exists():
        raise WorkspaceNotFound(f"there is no folder {printable(str(start))}")
    return start, os.environ if environ is None else environ


def _part(module: str, about: str, *fields: str) -> Any:
    """Return a part of a workspace, made when it is asked for of its context and of fields of the workspace."""

    def made(workspace: Workspace) -> Any:
        part = getattr(import_module(f"promptctl.workspace.{module}"), module.capitalize())
        return part(workspace.context, *(getattr(workspace, field) for field in fields))

    return property(made, doc=about)


class Workspace(Evaluating):
    """A folder with a `promptctl.yaml`: its prompts, their versions, the models, and the log of every call.

    Threads, event loops and forked children may share it. Each method sees files, labels and history as they are when
    it is called, but for calls and `prompt` (see `open_workspace`); the log, the settings and connections are kept.
    Close it, or use it as a context manager.
    """

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def _runners(self) -> Runners:
        from promptctl.calls.runner import Runners

        made = Runners(self.context)
        made.under_way.end_with(self, self.context)
        return made

    def _waiting(self, instead: str) -> LoopThread:
        """Return the loop's thread, to wait for. Raises `UsageError` in a running loop, which that would stop."""
        _ = self._runners  # made first: what is left of calls is recorded after those of the loop were cancelled
        return self._loop.unless_one_runs(instead)

    def preload(self, *refs: str) -> None:
        """Make ready for calls of these refs: resolve and compile them, import what asks their models.

        Without a ref, import LiteLLM, which takes 2 s. Raises what resolving a ref raises.
        """
        from promptctl.calls.prepare import preload

        preload(self.context.for_call(), refs)

    @property
    def root(self) -> Path:
        """The folder that holds `promptctl.yaml`."""
        return self.context.root

    @property
    def notices(self) -> tuple[str, ...]:
        """News for users: version numbers that changed, and how many secrets were hidden in what was written."""
        context = self.context
        history = context.repository.notices if context.has_made("repository") else ()
        hidden = context.redactor.news if context.has_made("redactor") else None
        return (*history, hidden) if hidden else history

    @cached_property
    def labels(self) -> Labelling:
        """The prompts' labels: moved by the workspace's rules, and shown with their history."""
        from promptctl.promotion.labelling import Labelling

        return Labelling(self.context)

    snapshots: Snapshots = _part("snapshots", "Files with the prompts of labels, for a process without Git.", "labels")
    authoring: Authoring = _part("authoring", "Prompts and changes of them, proposed by a model or a form.", "_waiting")
    judges: Judges = _part("judges", "The judges, and people who label replies in their place.", "_waiting")
    log: Log = _part("log", "The log of all calls: what ran, its answer, its cost.")
    costs: Costs = _part("costs", "The costs of calls.")
    dashboard: Dashboards = _part("dashboards", "The dashboard over the log, the labels and the evaluations; call it.")
    budgets: Budgets = _part("budgets", "The rules of spending, with what is spent of each.")
    experiments: Experiments = _part("experiments", "Versions of a prompt compared on live calls.")
    exchange: Exchange = _part("exchange", "Prompts moved in from other tools, and out to them.")
    vendoring: Vendoring = _part("vendoring", "Prompts of other repositories, and what is offered to others.")
    results: Results = _part("results", "Evaluations of the past.")
    datasets: Datasets = _part("datasets", "The cases that prompts are evaluated on.")
    life: Life = _part("life", "The life of prompts: renamed, deprecated, deleted, with all that names them.")

    def standing(self) -> Standing:
        """Return where the workspace stands: what was changed, is behind, failed, was spent; and the next commands."""
        from promptctl.catalogue.survey import survey
        from promptctl.workspace.vendoring import vendored_from

        parts = self.context.fresh()
        return replace(survey(parts), vendored=len(vendored_from(parts.repository.work_tree)))

    def prompts(self, wanted: PromptFilter | None = None) -> list[PromptSummary]:
        """Return the work tree's prompts, sorted by id, with their versions and labels; all, or those of the filter.

        One whose file is wrong is there with its problem.
        """
        from promptctl.catalogue.listing import list_prompts, warned_of_sparse_checkout
        from promptctl.prompts.loading import warn_of_wrongly_named
        from promptctl.workspace.vendoring import vendored_from

        parts = warned_of_sparse_checkout(self.context)
        tree = parts.repository.work_tree
        found = list_prompts(parts, wanted, warn_of_wrongly_named(tree, parts.warn))
        origins = vendored_from(tree)
        return [replace(each, vendored_from=origins[each.id]) if each.id in origins else each for each in found]

    def suggest(self, wanted: PromptFilter) -> list[tuple[str, str]]:
        """Return fields of a filter that means no prompt, each with the value that may have been meant."""
        from promptctl.catalogue.listing import suggestions

        return list(suggestions(self.context.fresh(), wanted))

    def prompt(self, ref: str) -> PromptAtVersion:
        """Return the prompt that a ref names: `support/triage`, or with `@label`, `@v7` or `@<revision>` after it.

        Raises `PromptNotFound`, `RevisionNotFound` or `InvalidFiles`.
        """
        return self.context.for_call().prompt(ref)

    def page(self, ref: str, at: str | None = None) -> Page:
        """Return everything about the prompt that a ref names: version, labels, datasets, totals and latest call.

        With a time, or an age such as `7d`: of what its label, or without one the default branch, named then.
        """
        from promptctl.catalogue.page import page
        from promptctl.workspace.vendoring import vendored_from

        parts = self.context.fresh()
        found = page(parts, ref, at, lambda moment, moves: self.labels.unasked(moment, moves))
        origins = {} if at else vendored_from(parts.repository.work_tree)
        return replace(found, vendored_from=origins.get(found.prompt.id))

    def history(self, ref: str) -> list[VersionEntry]:
        """Return every version of a prompt, newest first, or those up to the one that the ref names."""
        from promptctl.catalogue.history import history

        return history(self.context.fresh(), ref)

    def blame(self, wanted: str) -> Blame:
        """Return who made each line of what a model saw, by a ref or an execution's id, and who put it live."""
        from promptctl.catalogue.blame import blame

        return blame(self.context.fresh(), wanted, lambda moment, moves: self.labels.unasked(moment, moves))

    def diff(self, old: str, new: str | None = None) -> Difference:
        """Return what differs from one ref to another, and who breaks.

        Without `new`, the work tree is compared; with a bare prompt, with what is committed.
        """
        from promptctl.catalogue.difference import compare

        return compare(self.context.fresh(), old, new)

    def copy(self, ref: str, new_id: str) -> Copied:
        """Write the file of the prompt that a ref names, at any version, under a new id. Nothing is overwritten."""
        self.write((copied := self.life.copy(ref, new_id)).proposal)
        return copied

    def generate(self, prompt_id: str, describe: str, **options: Unpack[GenerateOptions]) -> NewPrompt:
        """Return a new prompt and its first dataset as a model writes them from a description; nothing is written.

        Each reply is checked as a file, rendered with its own cases and linted, and asked for again with what is wrong.
        Raises `UsageError` for an order that no prompt could meet, `InvalidOutput` if no reply could be used, and
        `ModelError`, `BudgetReached` and `CostLimitReached` as any call does.
        """
        return self.authoring.generate(prompt_id, describe, **options)

    async def agenerate(self, prompt_id: str, describe: str, **options: Unpack[GenerateOptions]) -> NewPrompt:
        """`generate`, awaited."""
        return await self.authoring.agenerate(prompt_id, describe, **options)

    def adopt(self, paths: Sequence[str | os.PathLike[str]], workspace: str | None = None) -> Adoption:
        """Return the prompts that are hard-coded in the Python code at or below the paths, and write nothing.

        The result's `proposal` has their files and the changed code, which asks for the same messages as before.
        `workspace` is `module:name` of the workspace that the program has open; by default each changed file opens its
        own. Raises `UsageError` for a path that is not there, and if LibCST is not installed.
        """
        from promptctl.adoption.adopting import adopt

        return adopt(self.context.fresh(), paths, workspace)

    def write(self, proposal: Proposal) -> None:
        """Write proposed files, all or none. Raises `WorkspaceError` if one was changed since they were proposed."""
        tree, _ = self.context.work_tree_for("writing files"), self.context.state_folder  # that of a branch is refused
        proposal.write(tree.root)

    def complete(self, start: str, kind: Word = "ref", refs: Sequence[str] = ()) -> list[str]:
        """Return the words of a kind that begin so. Refs are prompt ids, after an `@` with labels and versions.

        `refs` are those that the command names already: inputs, tags and cases are of their prompts.
        """
        from promptctl.workspace.completion import candidates

        return [word for word in candidates(self.context.fresh(), kind, refs, start) if word.startswith(start)]

    def validate(self, paths: Sequence[str | os.PathLike[str]] = ()) -> ValidationReport:
        """Return every problem of every file, or of the files at or below `paths` (relative to the current folder).

        Raises `UsageError` for a path that names no file of the workspace.
        """
        from promptctl.experiments.checking import validate

        return validate(self.context.fresh(), [self.context.inside(path) for path in paths])

    def lint(self, paths: Sequence[str | os.PathLike[str]] = (), **options: Unpack[LintOptions]) -> LintReport:
        """Return what is risky or poor style in every prompt, or in the files at or below `paths`.

        `select` and `ignore` name rules by their codes (docs/lint.md). The report's `proposal` has the files mended, as
        far as that is safe; `write` writes them. Raises `UsageError` for a path or a rule that there is not.
        """
        from promptctl.linting.linting import lint_workspace

        tree, settings = self.context.repository.work_tree, self.context.settings
        return lint_workspace(tree, settings, [self.context.inside(path) for path in paths], **options)

    def format(self, paths: Sequence[str | os.PathLike[str]] = (), *, is_check: bool = False) -> FormatReport:
        """Format prompts, datasets and settings, all or those at or below `paths`; with `is_check` nothing is written.

        Raises `UsageError` for a path that names no such file.
        """
        from promptctl.catalogue.formatting import format_files

        tree, _ = self.context.work_tree_for("formatting"), self.context.state_folder  # that of a branch is refused
        return format_files(tree, [self.context.inside(path) for path in paths], is_check=is_check)

    def run(self, ref: Asked, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]) -> Execution:
        """Render the prompt, ask its model, validate the reply, record every attempt; give the last one.

        In the place of a ref stands what `prompt` returned, too: then nothing is resolved again. Raises `InputError` or
        `RenderError` before anything is sent, `ModelError` when the provider failed for good, `InvalidOutput` when the
        reply never fitted the output schema; each carries the record as `.execution`.
        """
        return self._waiting("arun").run(self.arun(ref, inputs, **options))

    def dry_run(self, ref: Asked, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]) -> DryRun:
        """Return what such a call could cost at most, and what each budget would reserve for it; nothing is asked.

        Raises what `run` raises before it asks, but records nothing.
        """
        from promptctl.calls.dry_run import dry_run

        context = self.context.for_call()
        return dry_run(context, _calls(context, ref, inputs, options, is_dry_run=True)[0])

    async def arun(
        self, ref: Asked, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> Execution:
        """`run`, awaited."""
        return await self._runners.run(options, lambda context: _calls(context, ref, inputs, options))

    def stream(
        self, ref: Asked, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> Iterator[Piece]:
        """Yield the call as it arrives: the chat message's metadata first, then pieces of text, last the `Execution`.

        Raises what `run` raises. Closing the iterator early cancels the call.
        """
        return self._waiting("astream").iterate(self.astream(ref, inputs, **options), self)

    def astream(
        self, ref: Asked, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> AsyncGenerator[Piece, None]:
        """`stream`, as an `AsyncGenerator` of `collections.abc`."""
        return self._stream(options, lambda context: _calls(context, ref, inputs, options))

    def call(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[PlainOptions]) -> Execution:
        """Ask a model with messages of no prompt file; logged, priced and ruled as the prompt that `prompt_type` names.

        Raises what `run` raises.
        """
        return self._waiting("acall").run(self.acall(messages, **options))

    async def acall(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[PlainOptions]) -> Execution:
        """`call`, awaited."""
        from promptctl.calls.plain import prepare_plain

        return await self._runners.run(options, lambda context: prepare_plain(context, messages, options))

    def stream_call(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[PlainOptions]) -> Iterator[Piece]:
        """Yield such a call as it arrives, as `stream` does."""
        return self._waiting("astream_call").iterate(self.astream_call(messages, **options), self)

    def astream_call(
        self, messages: Sequence[Mapping[str, Any]], **options: Unpack[PlainOptions]
    ) -> AsyncGenerator[Piece, None]:
        """`stream_call`, as an `AsyncGenerator` of `collections.abc`."""
        from promptctl.calls.plain import prepare_plain

        return self._stream(options, lambda context: prepare_plain(context, messages, options))

    def _stream(self, options: RunOptions, prepare: Prepare) -> AsyncGenerator[Piece, None]:
        from promptctl.calls.open_stream import OpenStream

        return OpenStream(self._pieces(options, prepare), self.context)

    async def _pieces(self, options: RunOptions, prepare: Prepare) -> AsyncGenerator[Piece, None]:
        async with aclosing(await self._runners.stream(options, prepare)) as pieces:  # which is not dropped meanwhile
            async for piece in pieces:
                yield piece

    def feedback(self, execution: str, **given: Unpack[FeedbackOptions]) -> Feedback:
        """Append one person's feedback on a call to the log, by the id of an execution, and return what it kept.

        Raises `UsageError` for a score outside 0 to 1 or none, and `LogError` for a call that is not in the log.
        """
        from promptctl.workspace.feedback import give_feedback

        return give_feedback(self.context, execution, **given)

    async def afeedback(self, execution: str, **given: Unpack[FeedbackOptions]) -> Feedback:
        """`feedback`, awaited: the log is written by a thread."""
        import asyncio

        return await asyncio.to_thread(self.feedback, execution, **given)

    def close(self) -> None:
        """Close connections and the log. The workspace can be used again afterwards."""
        if "_loop" in self.__dict__:
            self._loop.let_go(self.context)
        if "_runners" in self.__dict__:
            self._runners.under_way.cancel_left()
        if "labels" in self.__dict__:
            self.labels.close()
        self.context.close()
        if self.context.telemetry is not None:
            self.context.telemetry.close()

    async def aclose(self) -> None:
        """`close`, for a workspace used with `arun` and `astream` in the running event loop; its calls go on there."""
        if self.context.has_made("gateway"):
            await self.context.gateway.close()
        if self.context.telemetry is not None:
            await self.context.telemetry.aclose()
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: connections, locks and threads are of this process."""
        raise UsageError(
            "a workspace cannot be sent to a different process",
            hint="open one in each process: promptctl.open_workspace(…); what its methods return can be sent",
        )

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Workspace:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _calls(
    context: Context,
    asked: Asked,
    inputs: Mapping[str, Any] | None,
    options: RunOptions,
    *,
    is_dry_run: bool = False,
) -> list[Call]:
    """Return the call that a ref or an experiment means, with its fallbacks."""
    if options.get("experiment") is not None:
        from promptctl.experiments.drawing import prepare_drawn

        return prepare_drawn(context, asked, inputs, options, is_dry_run=is_dry_run)
    from promptctl.calls.prepare import prepare_all

    return prepare_all(context, asked, inputs, options, is_dry_run=is_dry_run)
