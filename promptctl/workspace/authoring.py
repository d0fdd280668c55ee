"""Prompts that are proposed: written by a model, or as a form to be filled in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from promptctl.errors import UsageError
from promptctl.files.names import did_you_mean

if TYPE_CHECKING:
    from promptctl.authoring.author import AuthorOptions
    from promptctl.authoring.case_writing import WrittenCases
    from promptctl.authoring.drafting import Brief, NewPrompt
    from promptctl.authoring.improvement import Improvement, ImprovementRequest
    from promptctl.authoring.inferring import Inferred
    from promptctl.authoring.shortened import Shortened, ShorteningRequest
    from promptctl.calls.account import Account
    from promptctl.calls.dry_run import DryRun
    from promptctl.calls.loop import LoopThread
    from promptctl.context import Context
    from promptctl.datasets.adding import CaseFile
    from promptctl.evaluations.estimate import Estimate
    from promptctl.evaluations.session import OnProgress, Session
    from promptctl.log.records import Source
    from promptctl.prompts.prompt import Prompt

    Run = Callable[[Session, Callable[[str], object]], Coroutine[Any, Any, "T"]]

T = TypeVar("T")
_NANO = _MOST_USD = 1_000_000_000


class WritingOptions(TypedDict, total=False):
    """Options of the model that writes.

    `model` writes, with `parameters` over those of the prompt that asks it; at most `max_cost` US dollars are spent.
    `record` writes each reply to `datasets/recordings/`, from which `replay/<model>` answers. `source` is `api` unless
    the command line calls, and `on_retry` is told each time that the model is asked again.
    """

    model: str | None
    parameters: Mapping[str, Any]
    max_cost: float | None
    record: bool
    source: Source
    on_retry: Callable[[str], object]


class GenerateOptions(WritingOptions, total=False):
    """Options of a new prompt that a model writes.

    `context` is what else there is to know, `examples` are texts of inputs and wanted replies, `inputs` those that the
    prompt must have, name to type, and `base` the ref of a prompt to begin with.
    """

    context: str | Sequence[str]
    examples: Sequence[str]
    inputs: Mapping[str, str]
    base: str | None


class CaseWritingOptions(WritingOptions, total=False):
    """Options of cases that a model writes: `dataset` is the one that they are for."""

    dataset: str | None


class Authoring:
    """Proposes files, and writes none: each result has a `proposal`, which `Workspace.write` writes."""

    def __init__(self, context: Context, waiting: Callable[[str], LoopThread]) -> None:
        self._context = context
        self._waiting = waiting

    def new(self, prompt_id: str, describe: str = "", inputs: Mapping[str, str] | None = None) -> NewPrompt:
        """Return a new prompt and its dataset as a form to be filled in. See `Workspace.generate`.

        For a prompt that no dataset tests it is that of the dataset alone, if nothing is said of the prompt.
        """
        from promptctl.authoring.generating import new

        return new(self._context.fresh(), _brief(prompt_id, describe, inputs=inputs or {}))

    def generate(self, prompt_id: str, describe: str, **options: Unpack[GenerateOptions]) -> NewPrompt:
        """Return a new prompt and its dataset as a model writes them. See `Workspace.generate`."""
        return self._waiting("agenerate").run(self.agenerate(prompt_id, describe, **options))

    async def agenerate(self, prompt_id: str, describe: str, **options: Unpack[GenerateOptions]) -> NewPrompt:
        """`generate`, awaited."""
        from promptctl.authoring.generating import generate

        return await generate(*self._generating(prompt_id, describe, options))

    def estimate_generation(self, prompt_id: str, describe: str, **options: Unpack[GenerateOptions]) -> DryRun:
        """Return what `generate` would ask, and what that could cost at most; nothing is asked."""
        from promptctl.authoring.generating import estimate_generation

        return estimate_generation(*self._generating(prompt_id, describe, options))

    def _generating(
        self, prompt_id: str, describe: str, options: GenerateOptions
    ) -> tuple[Context, Brief, AuthorOptions]:
        asked = _author_options("generate", "a new prompt has", options, GenerateOptions)
        context = self._context.fresh()
        given = options.get("context", ())
        base = options.get("base")
        brief = _brief(
            prompt_id,
            describe,
            context=[given] if isinstance(given, str) else list(given),
            examples=list(options.get("examples", ())),
            inputs=options.get("inputs", {}),
            source=None if base is None else context.prompt(base),
        )
        return context, brief, asked

    def generate_cases(
        self, prompt_id: str, count: int = 20, kind: str = "diverse", **options: Unpack[CaseWritingOptions]
    ) -> WrittenCases:
        """Return cases of a kind that a model writes for a prompt: `diverse`, `edge`, `adversarial` or `injection`.

        They fit the prompt's inputs, are unlike those that are there, have the tags `generated` and of their kind, and
        are never held out. Raises `UsageError` for a prompt that several datasets test, if none is named.
        """
        return self._waiting("agenerate_cases").run(self.agenerate_cases(prompt_id, count, kind, **options))

    async def agenerate_cases(
        self, prompt_id: str, count: int = 20, kind: str = "diverse", **options: Unpack[CaseWritingOptions]
    ) -> WrittenCases:
        """`generate_cases`, awaited."""
        from promptctl.authoring.case_writing import write_cases

        return await write_cases(*self._writing_cases(prompt_id, count, kind, options))

    def estimate_cases(
        self, prompt_id: str, count: int = 20, kind: str = "diverse", **options: Unpack[CaseWritingOptions]
    ) -> DryRun:
        """Return what `generate_cases` would ask, and what that could cost at most; nothing is asked."""
        from promptctl.authoring.case_writing import estimate_cases

        return estimate_cases(*self._writing_cases(prompt_id, count, kind, options))

    def _writing_cases(
        self, prompt_id: str, count: int, kind: str, options: CaseWritingOptions
    ) -> tuple[Context, Prompt, CaseFile, str, int, AuthorOptions]:
        from promptctl.datasets.adding import CaseFile
        from promptctl.workspace.datasets import Datasets

        asked = _author_options("dataset generate", "written cases have", options, CaseWritingOptions)
        if count < 1:
            raise UsageError(f"{count} cases cannot be written: give a number from 1")
        if "@" in prompt_id:
            plain = prompt_id.partition("@")[0]
            raise UsageError(f"`{prompt_id}` is a version, and datasets test the work tree", hint=f"name it `{plain}`")
        context = self._context.fresh()
        context.work_tree_for("new cases")
        prompt = context.prompt(prompt_id).prompt
        path, new_for = Datasets(context).path_for(prompt.id, options.get("dataset"))
        file = CaseFile(context.root, path, context.settings.limits, new_for=new_for)
        return context, prompt, file, kind, count, asked

    def infer(self, ref: str, *, uses_log: bool = True) -> Inferred:
        """Return the schemas that a prompt's file in the work tree lacks: of its inputs, and of its replies.

        Nothing that is declared is changed. Without `uses_log` its templates alone are read. Raises `PromptNotFound`,
        `InvalidFiles` for a template that cannot be read, and `UsageError` for a version or a file of GitHub's.
        """
        from promptctl.authoring.inferring import infer

        return infer(self._context.fresh(), ref, uses_log=uses_log)

    def improve(
        self,
        request: ImprovementRequest,
        on_progress: OnProgress | None = None,
        on_step: Callable[[str], object] | None = None,
    ) -> Improvement:
        """Search for better texts of a prompt on one part of a dataset's cases, and judge the best on another.

        `on_step` is told each step that begins, `on_progress` each result. Ctrl-C ends the search, keeps the best so
        far, and saves what is under way; a second one stops at once. Doing the same again goes on: nothing that was
        answered is asked for again. Raises what planning an evaluation raises, and `ModelError` if no edit can be had.
        """
        run, session = self._improving(request, on_progress)
        return self._waiting("aimprove").run(_done(run, session, on_step), on_interrupt=session.stop)

    async def aimprove(
        self,
        request: ImprovementRequest,
        on_progress: OnProgress | None = None,
        on_step: Callable[[str], object] | None = None,
    ) -> Improvement:
        """`improve`, awaited."""
        return await _done(*self._improving(request, on_progress), on_step)

    def estimate_improvement(self, request: ImprovementRequest) -> list[Estimate]:
        """Return what `improve` would ask and cost at most: the search, judging, and the edits; no key is needed."""
        from promptctl.authoring.improving import Improving

        return Improving(self._context.fresh(), request, is_estimate=True).estimates()

    def _improving(
        self, request: ImprovementRequest, on_progress: OnProgress | None
    ) -> tuple[Run[Improvement], Session]:
        from promptctl.authoring.improving import Improving
        from promptctl.evaluations.session import Session

        context = self._context.fresh()
        return Improving(context, request).run, Session(context, request.limits, on_progress)

    def shorten(
        self,
        request: ShorteningRequest,
        on_progress: OnProgress | None = None,
        on_step: Callable[[str], object] | None = None,
    ) -> Shortened:
        """Leave out what a prompt does not need: one part at a time, proven on cases that chose nothing.

        `on_step` is told each part that is tried, `on_progress` each result. Ctrl-C finishes what is under way and
        keeps what is proven; a second one stops at once. Raises `WorkspaceError` for a dataset too small to prove
        anything on, and what planning an evaluation raises.
        """
        run, session = self._shortening(request, on_progress)
        return self._waiting("ashorten").run(_done(run, session, on_step), on_interrupt=session.stop)

    async def ashorten(
        self,
        request: ShorteningRequest,
        on_progress: OnProgress | None = None,
        on_step: Callable[[str], object] | None = None,
    ) -> Shortened:
        """`shorten`, awaited."""
        return await _done(*self._shortening(request, on_progress), on_step)

    def estimate_shortening(self, request: ShorteningRequest) -> list[Estimate]:
        """Return what `shorten` would ask and cost at most; no key is needed."""
        from promptctl.authoring.shortening import Shortening

        return Shortening(self._context.fresh(), request, is_estimate=True).estimates()

    def _shortening(self, request: ShorteningRequest, on_progress: OnProgress | None) -> tuple[Run[Shortened], Session]:
        from promptctl.authoring.shortening import Shortening
        from promptctl.evaluations.session import Session

        context = self._context.fresh()
        return Shortening(context, request).run, Session(context, request.limits, on_progress)


async def _done(run: Run[T], session: Session, on_step: Callable[[str], object] | None) -> T:
    """Do what is planned, in its session."""
    async with session:
        return await run(session, on_step or (lambda _step: None))


def _author_options(command: str, what: str, options: Mapping[str, Any], known: type) -> AuthorOptions:
    """Return the options of the calls of a command. Raises `UsageError` for one that it does not know."""
    from promptctl.authoring.author import AuthorOptions as Options

    for name in options:
        if name not in known.__annotations__:
            raise UsageError(f"{what} no option `{name}`", hint=did_you_mean(name, known.__annotations__) or None)
    return Options(
        command=command,
        model=options.get("model"),
        parameters=options.get("parameters", {}),
        account=_account_of(options.get("max_cost")),
        is_recorded=options.get("record", False),
        source=options.get("source", "api"),
        on_retry=options.get("on_retry"),
    )


def _account_of(max_cost: float | None) -> Account | None:
    """Return the account that so many US dollars are spent from; None without a bound. Raises `UsageError`."""
    if max_cost is None:
        return None
    if not 0 <= max_cost <= _MOST_USD:
        raise UsageError(f"`max_cost` is a number of US dollars from 0 to {_MOST_USD:,}, not {max_cost!r}")
    from promptctl.calls.account import Account

    return Account(round(max_cost * _NANO))


def _brief(prompt_id: str, describe: str, *, inputs: Mapping[str, str], **more: Any) -> Brief:
    from promptctl.authoring.drafting import Brief, read_inputs

    named = read_inputs([f"{name}:{type_}" for name, type_ in inputs.items()])
    return Brief(prompt_id=prompt_id, describe=describe, inputs=named, **more)
