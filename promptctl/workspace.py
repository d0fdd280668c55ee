"""The Python API: opens a workspace and wires its parts together, each on first use."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from promptctl.errors import InputError, ModelConfigurationError, PromptInactive, RenderError, WorkspaceNotFound
from promptctl.formats.settings_file import Settings, read_settings
from promptctl.log.records import Content, Source
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.prompts.tree import Tree
from promptctl.versions.refs import Ref, parse_ref
from promptctl.versions.version import Version

if TYPE_CHECKING:
    from promptctl.executions.call import Call, CallOptions
    from promptctl.executions.loop import LoopThread
    from promptctl.executions.recorder import LogRecorder
    from promptctl.executions.runner import Runner
    from promptctl.log.records import Execution
    from promptctl.log.store import Log
    from promptctl.models.router import Router
    from promptctl.prompts.rendering import Renderer
    from promptctl.versions.repository import Repository

SETTINGS_FILE = "promptctl.yaml"
STATE_FOLDER = ".promptctl"
RECORDINGS_FOLDER = "datasets/recordings"


def open_workspace(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    on_warning: Callable[[str], None] | None = None,
) -> Workspace:
    """Open the workspace that `path` (default: the current folder) is in or below.

    `environ` is where keys are read from, the process's own by default; nothing else of it is used. Warnings, such as
    a deprecated prompt or a log that cannot be written, go to `on_warning`, by default to the logger `promptctl`.

    Raises `WorkspaceNotFound` where there is no `promptctl.yaml` here or above, and `InvalidFiles` where it is wrong.
    """
    start = Path(path) if path is not None else Path.cwd()
    return Workspace(
        find_root(start),
        os.environ if environ is None else environ,
        on_warning or logging.getLogger("promptctl").warning,
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


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt rendered with its inputs: exactly what `run` would send. `as_dict()` is what `render --json` prints."""

    prompt: Prompt
    version: Version
    rendered: Rendered
    model: str | None

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """The messages as they are sent, in the chat-completions protocol's shape."""
        return self.rendered.messages

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return {
            "prompt": self.prompt.id,
            "version": self.version.number,
            "commit": self.version.commit,
            "dirty": self.version.is_dirty,
            "digest": self.version.digest,
            "label": self.version.label,
            "model": self.model,
            "parameters": dict(self.prompt.parameters),
            "messages": list(self.messages),
            "tools": [dict(tool) for tool in self.prompt.tools],
            "response_format": self.prompt.declared_response_format,
        }


class PromptAtVersion:
    """One prompt as it was at one version, or as it is in the work tree. Rendering it again and again is cheap."""

    def __init__(self, workspace: Workspace, ref: Ref, prompt: Prompt, version: Version, tree: Tree) -> None:
        self.ref = ref
        self.prompt = prompt
        self.version = version
        self.tree = tree
        self._workspace = workspace

    @cached_property
    def model(self) -> str | None:
        """The model that would run: the prompt's own, or the workspace's default; None where neither names one."""
        return self.prompt.model or self._workspace.settings.model

    @cached_property
    def _renderer(self) -> Renderer:
        from promptctl.prompts.rendering import Renderer

        return Renderer(self.prompt)

    def render(self, inputs: Mapping[str, Any] | None = None) -> RenderedPrompt:
        """The messages for these inputs.

        Raises `InputError` for inputs that are missing, not declared or not of their schema, and `RenderError`
        where the template fails.
        """
        return RenderedPrompt(self.prompt, self.version, self._renderer.render(inputs or {}), self.model)


class Workspace:
    """A folder with a `promptctl.yaml`: its prompts, their versions, the models, and the log of every call.

    Safe to share between threads and between tasks of one event loop. Close it, or use it as a context manager, to
    close its connections.
    """

    def __init__(self, root: Path, environ: Mapping[str, str], on_warning: Callable[[str], None]) -> None:
        self.root = root
        self.environ = environ
        self._on_warning = on_warning

    @cached_property
    def settings(self) -> Settings:
        """What `promptctl.yaml` says."""
        return read_settings((self.root / SETTINGS_FILE).read_bytes(), SETTINGS_FILE)

    @cached_property
    def repository(self) -> Repository:
        """The Git repository around the workspace; it also stands for a workspace outside Git."""
        from promptctl.versions.repository import Repository

        return Repository.open(
            self.root,
            settings_branch=self.settings.branch,
            remote=self.settings.labels.remote,
            cache_dir=self.root / STATE_FOLDER,
        )

    @cached_property
    def log(self) -> Log:
        """The execution log at `.promptctl/log.db`."""
        from promptctl.log.redaction import Redactor, secrets_of
        from promptctl.log.store import Log

        return Log(self.root / STATE_FOLDER / "log.db", redactor=Redactor(secrets_of(self.environ)))

    @cached_property
    def gateway(self) -> Router:
        """The way to every model."""
        from promptctl.models.router import Router

        return Router(self.settings, self.environ, recordings=self.root / RECORDINGS_FOLDER)

    @cached_property
    def recorder(self) -> LogRecorder:
        """Writes each attempt to the log by the workspace's rules."""
        from promptctl.executions.recorder import LogRecorder

        return LogRecorder(self.log, self.settings, self._on_warning)

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

    def prompts(self) -> list[PromptSummary]:
        """The work tree's prompts, sorted by id; one whose file is wrong is there with its problem."""
        from promptctl.prompts.loading import load_prompt

        tree = self.repository.work_tree
        summaries = []
        for prompt_id in self.prompt_ids():
            try:
                summaries.append(PromptSummary(prompt_id, load_prompt(tree, prompt_id), None))
            except InvalidFiles as error:
                summaries.append(PromptSummary(prompt_id, None, error))
        return summaries

    def validate(self, paths: Sequence[Path] = ()) -> Report:
        """Every problem of every file, or of the files at or below `paths` (relative to the current folder)."""
        from promptctl.prompts.checking import check_workspace

        return check_workspace(self.repository.work_tree, [self._relative(path) for path in paths])

    def prompt(self, ref: str) -> PromptAtVersion:
        """The prompt that a ref names: `support/triage`, or with `@label`, `@v7` or `@<revision>` behind it.

        Raises `PromptNotFound`, `RevisionNotFound` or `InvalidFiles`.
        """
        parsed = parse_ref(ref)
        resolved = self.repository.resolve(parsed)
        return PromptAtVersion(self, parsed, resolved.prompt, resolved.version, resolved.tree)

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

    def close(self) -> None:
        """Close connections and the log. The workspace can be used again afterwards."""
        parts = self.__dict__
        if "_loop" in parts:
            if "gateway" in parts:
                self._loop.run(self.gateway.close())
            self._loop.close()
        if "log" in parts:
            self.log.close()
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
            self.gateway.preload(model)
            rendered = at_version.render(inputs).rendered
            settings = self.gateway.settings_of(model)
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
            self._on_warning(f"{prompt.id} is deprecated")

    def _runner_for(self, call: Call, *, is_recording: bool) -> Runner:
        if not is_recording:
            return self._runner
        from promptctl.executions.runner import Runner
        from promptctl.models.replay import Recording

        file = self.root / RECORDINGS_FOLDER / (call.prompt.id.replace("/", "--") + ".jsonl")
        return Runner(self.gateway, self.recorder, on_reply=Recording(file, call.prompt.id).add)


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
