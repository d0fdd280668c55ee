"""The Python API: opens a workspace and wires its parts together, each on first use."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from promptctl.errors import (
    InputError,
    ModelConfigurationError,
    PromptInactive,
    RenderError,
    UsageError,
    WorkspaceError,
    WorkspaceNotFound,
)
from promptctl.formats.settings_file import Settings, read_settings
from promptctl.log.records import Content, Source
from promptctl.prompt_at_version import PromptAtVersion
from promptctl.prompts.prompt import Prompt
from promptctl.scaffold import STATE_IGNORE
from promptctl.versions.refs import parse_ref

if TYPE_CHECKING:
    from promptctl.catalogue.copying import Copied
    from promptctl.catalogue.difference import Difference
    from promptctl.catalogue.history import HistoryRow
    from promptctl.catalogue.labelling import Labelling
    from promptctl.catalogue.listing import PromptFilter, PromptSummary
    from promptctl.catalogue.page import Page
    from promptctl.evaluating import EvaluationRequest
    from promptctl.evaluations.compared import Compared
    from promptctl.evaluations.evaluation import Evaluation, Plan
    from promptctl.evaluations.evaluator import Progress
    from promptctl.evaluations.validation import ValidationReport
    from promptctl.evaluations.verdicts import GateRule
    from promptctl.executions.call import Call, CallOptions
    from promptctl.executions.loop import LoopThread
    from promptctl.executions.recorder import LogRecorder
    from promptctl.executions.runner import Runner
    from promptctl.log.records import Execution
    from promptctl.log.results import EvaluationRow
    from promptctl.log.store import Log
    from promptctl.models.gateway import Reply, Request
    from promptctl.models.router import Router
    from promptctl.prompts.tree import Tree
    from promptctl.versions.repository import Repository

SETTINGS_FILE = "promptctl.yaml"
STATE_FOLDER = ".promptctl"
RECORDINGS_FOLDER = "datasets/recordings"


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
        if (candidate / SETTINGS_FILE).is_file():
            return candidate
    raise WorkspaceNotFound(
        f"there is no {SETTINGS_FILE} in {folder} or any folder above it",
        hint="make a workspace here with: promptctl init",
    )


class RunOptions(TypedDict, total=False):
    """What a call may be given beside its ref and inputs.

    `model` and `parameters` override the prompt's own. `user`, `session`, `content_type` and `metadata` are recorded
    with the call. `log` (`full`, `metadata`, `off`) wins over the workspace's log rules. `record` writes each reply
    to `datasets/recordings/`, from where `replay/<model>` answers. `source` is `api` unless the command line calls.
    """

    model: str | None
    parameters: Mapping[str, Any] | None
    user: str | None
    session: str | None
    content_type: str | None
    metadata: Mapping[str, Any] | None
    log: Content | None
    record: bool
    source: Source


class Workspace:
    """A folder with a `promptctl.yaml`: its prompts, their versions, the models, and the log of every call.

    Safe to share between threads and between tasks of one event loop. Close it, or use it as a context manager, to
    close its connections.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        on_warning: Callable[[str], None],
        *,
        is_interactive: bool = False,
    ) -> None:
        self.root = root
        self.environ = environ
        self.warn = on_warning
        self.is_interactive = is_interactive

    @cached_property
    def settings(self) -> Settings:
        """What `promptctl.yaml` says."""
        return read_settings((self.root / SETTINGS_FILE).read_bytes(), SETTINGS_FILE)

    @cached_property
    def state_folder(self) -> Path:
        """`.promptctl/`, with the log, the caches and its own .gitignore; made here where it can be made."""
        folder = self.root / STATE_FOLDER
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            with (folder / ".gitignore").open("x", encoding="utf-8") as file:
                file.write(STATE_IGNORE)
        return folder

    @cached_property
    def recordings_folder(self) -> Path:
        """Where recorded replies are: `replay/<model>` and `eval --replay` answer from it."""
        return self.root / RECORDINGS_FOLDER

    def at(self, tree: Tree, settings: Settings, recordings: Path | None = None) -> Workspace:
        """This workspace with the datasets of another tree and with other settings; to be closed on its own.

        Nothing of `promptctl.yaml` as it stands on disk is read. Calls go to the same log.
        """
        other = Workspace(self.root, self.environ, self.warn)
        other.settings, other.tree = settings, tree
        if recordings is not None:
            other.recordings_folder = recordings
        return other

    def recording_file(self, prompt_id: str) -> Path:
        """The file that a prompt's replies are recorded in."""
        return self.recordings_folder / (prompt_id.replace("/", "--") + ".jsonl")

    @cached_property
    def repository(self) -> Repository:
        """The Git repository around the workspace; it also stands for a workspace outside Git."""
        from promptctl.versions.repository import Repository

        return Repository.open(
            self.root,
            settings_branch=self.settings.branch,
            remote=self.settings.labels.remote,
            cache_dir=self.state_folder,
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should be told of the history: version numbers that changed as the branch was rewritten."""
        return self.repository.notices if "repository" in self.__dict__ else ()

    @cached_property
    def tree(self) -> Tree:
        """Where datasets and judges are read from: the work tree, unless the workspace is seen at another moment."""
        return self.repository.work_tree

    @cached_property
    def log(self) -> Log:
        """The execution log at `.promptctl/log.db`."""
        from promptctl.log.redaction import Redactor, secrets_of
        from promptctl.log.store import Log

        named = [rule.api_key_env for rule in self.settings.models if rule.api_key_env]
        keys = [self.environ[name] for name in named if self.environ.get(name)]
        return Log(self.state_folder / "log.db", redactor=Redactor([*secrets_of(self.environ), *keys]))

    @cached_property
    def gateway(self) -> Router:
        """The way to every model."""
        from promptctl.models.router import Router

        return Router(self.settings, self.environ, recordings=self.recordings_folder)

    @cached_property
    def recorder(self) -> LogRecorder:
        """Writes each attempt to the log by the workspace's rules."""
        from promptctl.executions.recorder import LogRecorder

        return LogRecorder(self.log, self.settings, self.warn)

    @cached_property
    def _runner(self) -> Runner:
        from promptctl.executions.runner import Runner

        return Runner(self.gateway, self.recorder)

    @cached_property
    def _loop(self) -> LoopThread:
        from promptctl.executions.loop import LoopThread

        return LoopThread()

    def prompt_ids(self) -> tuple[str, ...]:
        """The ids of the work tree's prompts, sorted."""
        from promptctl.prompts.loading import prompt_paths

        return tuple(prompt_paths(self.repository.work_tree))

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
        """Earlier prompt ids in the log and the ids of today, as `promptctl.log.queries.Filter` takes them."""
        from promptctl.catalogue.renames import logged_renames

        return logged_renames(self)

    @cached_property
    def labels(self) -> Labelling:
        """The prompts' labels: moved by the workspace's rules, and told with their history."""
        from promptctl.catalogue.labelling import Labelling

        return Labelling(self)

    def validate(self, paths: Sequence[str | os.PathLike[str]] = ()) -> ValidationReport:
        """Every problem of every file, or of the files at or below `paths` (relative to the current folder).

        Raises `UsageError` for a path that names no file of the workspace.
        """
        from promptctl.evaluations.validation import validate_workspace

        wanted = [self.inside(path) for path in paths]
        return validate_workspace(self.repository.work_tree, wanted)

    def prompt(self, ref: str) -> PromptAtVersion:
        """The prompt that a ref names: `support/triage`, or with `@label`, `@v7` or `@<revision>` behind it.

        Raises `PromptNotFound`, `RevisionNotFound` or `InvalidFiles`.
        """
        parsed = parse_ref(ref)
        resolved = self.repository.resolve(parsed)
        return PromptAtVersion(parsed, resolved.prompt, resolved.version, resolved.tree, self.settings.model)

    def run(self, ref: str, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]) -> Execution:
        """Render the prompt, ask its model, validate the reply, record every attempt; give the last one.

        Raises `InputError` or `RenderError` before anything is sent, `ModelError` when the provider failed for good,
        `InvalidOutput` when the reply never fitted the output schema; each carries the record as `.execution`.
        """
        return self._loop.run(self.arun(ref, inputs, **options))

    async def arun(self, ref: str, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]) -> Execution:
        """`run`, awaited."""
        call = self._prepare(ref, inputs or {}, options)
        return await self._runner_for(call, is_recording=options.get("record", False)).run(call)

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
        call = self._prepare(ref, inputs or {}, options)
        stream = self._runner_for(call, is_recording=options.get("record", False)).stream(call)
        try:
            async for item in stream:
                yield item
        finally:
            await stream.aclose()

    def tested_prompts(self) -> list[str]:
        """The ids of the prompts that have a dataset, sorted."""
        from promptctl.evaluations.finding import tested_prompts

        return list(tested_prompts(self.repository.work_tree))

    def evaluate(
        self,
        request: EvaluationRequest,
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Evaluation]:
        """Evaluate prompts over their datasets; every result is in the log before the next case is taken.

        Everything is read and checked before anything is sent. Ctrl-C finishes what is under way and saves it; a
        second one stops at once. Raises what `Evaluating.plans` raises.
        """
        from promptctl.evaluating import Evaluating

        evaluating = Evaluating(self, request)
        plans = [(plan, None) for plan in evaluating.plans()]
        return self._loop.run(evaluating.run(plans, on_progress), on_interrupt=evaluating.stop)

    def resume(
        self,
        rows: Sequence[EvaluationRow],
        request: EvaluationRequest,
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Evaluation]:
        """Take evaluations of the log up again: what has a result is not asked again, errors are."""
        from promptctl.evaluating import Evaluating

        evaluating = Evaluating(self, request)
        plans = [(evaluating.resumed(row), row) for row in rows]
        return self._loop.run(evaluating.run(plans, on_progress), on_interrupt=evaluating.stop)

    def evaluate_against(
        self,
        request: EvaluationRequest,
        base: str,
        rule: GateRule,
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Compared]:
        """Evaluate prompts beside an earlier version of them over the same cases; see `Comparing.against`."""
        from promptctl.comparing import Comparing

        comparing = Comparing(self, rule)
        return self._loop.run(comparing.against(request, base, on_progress), on_interrupt=comparing.stop)

    def compare(self, base_id: str, head_id: str, rule: GateRule) -> Compared:
        """Compare two evaluations of the log; nothing is asked of a model."""
        from promptctl.comparing import Comparing

        return Comparing(self, rule).of_log(base_id, head_id)

    def inside(self, path: str | os.PathLike[str]) -> str:
        """The path relative to the workspace, with `/`; the root itself is empty."""
        absolute = Path(os.path.normpath(Path.cwd() / path))
        root = Path(os.path.normpath(self.root))
        if not absolute.is_relative_to(root):
            raise UsageError(f"{path} is not in the workspace {self.root}")
        inside = absolute.relative_to(root).as_posix()
        return "" if inside == "." else inside

    def close(self) -> None:
        """Close connections and the log. The workspace can be used again afterwards."""
        parts = self.__dict__
        if "_loop" in parts:
            if "gateway" in parts:
                self._loop.run(self.gateway.close())
            self._loop.close()
        if "log" in parts:
            self.log.close()
        if "labels" in parts:
            self.labels.close()
        if "repository" in parts:
            self.repository.close()

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

    def _prepare(self, ref: str, inputs: Mapping[str, Any], options: RunOptions) -> Call:
        """The call, ready to be made; a refusal is recorded before it is raised."""
        from promptctl.executions.attempts import refused
        from promptctl.executions.call import Call, build_request

        at_version = self.prompt(ref)
        prompt, version = at_version.prompt, at_version.version
        model = options.get("model") or at_version.model
        recorded = _call_options(options)
        try:
            if model is None:
                raise ModelConfigurationError(
                    f"{prompt.id} names no model, and {SETTINGS_FILE} has no default",
                    hint=f"add `model: …` to {SETTINGS_FILE}, or give --model",
                )
            self._check_status(prompt)
            settings = self.gateway.settings_of(model)
            self.gateway.preload(model)
            rendered = at_version.render(inputs).rendered
        except (InputError, RenderError, PromptInactive, ModelConfigurationError) as error:
            error.execution = refused(prompt, version, model or "", inputs, error, recorded)
            self.recorder.save_now(error.execution, recorded.log)
            raise
        parameters = {**settings.parameters, **prompt.parameters, **(options.get("parameters") or {})}
        request = build_request(prompt, rendered, model, parameters, timeout_s=settings.timeout_s)
        return Call(prompt, version, rendered, request, settings.provider, settings.retry, recorded)

    def _check_status(self, prompt: Prompt) -> None:
        if prompt.status == "inactive":
            raise PromptInactive(
                f"{prompt.id} is inactive and refuses to run",
                hint=f"set `status: active` in {prompt.path}, or run an older version: {prompt.id}@<revision>",
            )
        if prompt.status == "deprecated":
            self.warn(f"{prompt.id} is deprecated")

    def _runner_for(self, call: Call, *, is_recording: bool) -> Runner:
        if not is_recording:
            return self._runner
        from promptctl.executions.runner import Runner
        from promptctl.models.replay import Recording

        recording = Recording(self.recording_file(call.prompt.id), call.prompt.id)

        def record(request: Request, reply: Reply) -> None:
            """A reply that is paid for reaches the caller, whatever becomes of its recording."""
            try:
                recording.add(request, reply)
            except WorkspaceError as error:
                self.warn(f"the reply was not recorded: {error}")

        return Runner(self.gateway, self.recorder, on_reply=record)


def _call_options(options: RunOptions) -> CallOptions:
    from promptctl.executions.call import CallOptions

    return CallOptions(
        source=options.get("source", "api"),
        user=options.get("user"),
        session=options.get("session"),
        content_type=options.get("content_type"),
        metadata=options.get("metadata") or {},
        log=options.get("log"),
    )
