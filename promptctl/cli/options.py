"""Arguments and options that several commands share, so that they read the same everywhere; and groups of options."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_type_hints

import typer

from promptctl.cli.output import warn
from promptctl.cli.waiting import Waiting, Words
from promptctl.reports.wording import NANO
from promptctl.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from promptctl import Limits, Version
    from promptctl.workspace.completion import Word


_WAITING = "promptctl.waiting"


def completing(kind: Word) -> Callable[[typer.Context, str], list[str]]:
    """Return what completes words of a kind; outside a workspace, and in a broken one, there are none."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        # An option that still lacks its value keeps the library from reading the arguments before it.
        from promptctl.cli.completing import offered

        words = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()
        return offered({name: at for name, at in ctx.find_root().params.items() if at}, kind, incomplete, words)

    return complete


complete_ref = completing("ref")


def ref_argument(text: str, metavar: str = "REF", *, kind: Word = "ref") -> Any:
    """Return the argument that is a ref, explained by this text."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=completing(kind))


def option(kind: Word, *names: str, metavar: str, text: str) -> Any:
    """Return the option of these names whose values a shell completes, explained by this text."""
    return typer.Option(*names, metavar=metavar, help=text, autocompletion=completing(kind))


def model_option(text: str) -> Any:
    """Return the option that names models, explained by this text."""
    return option("model", "-m", "--model", metavar="MODEL", text=text)


def dataset_option(text: str) -> Any:
    """Return the option that names datasets, explained by this text."""
    return option("dataset", "-d", "--dataset", metavar="FILE", text=text)


def a_number(given: float | None) -> float | None:
    """Return the number given to an option; refuse `nan` and `inf`, which pass every bound and keep none."""
    if given is not None and not math.isfinite(given):
        raise typer.BadParameter(f"{given} is no number to compare with")
    return given


Ref = Annotated[
    str,
    ref_argument("A prompt's id; after it, if wanted, @ and a label, a version (v7) or any Git revision."),
]
Label = Annotated[
    str,
    typer.Argument(
        metavar="PROMPT@LABEL", help="A label of a prompt: support/triage@production.", autocompletion=complete_ref
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; recorded with the move.")]
EventReason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; on record with the event.")]
WriteNothing = Annotated[bool, typer.Option("--dry-run", help="Write nothing; show what would change.")]
AskNothing = Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost; ask nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Write; without it a terminal is asked.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with stable keys.")]

DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET", help="Its path, or its name below datasets/.", autocompletion=completing("dataset")
    ),
]
PromptName = Annotated[
    str | None,
    option("ref", "--prompt", metavar="ID", text="Only this prompt's; * and ? match any text."),
]
PromptNames = Annotated[
    list[str],
    option("ref", "--prompt", metavar="ID", text="Only this prompt's; * and ? match any text. Repeatable."),
]
CallSource = Annotated[
    Literal["app", "api", "run", "eval", "all"],
    typer.Option("--source", help="Only calls made from there; app is every call but those of evaluations."),
]
Limit = Annotated[int, typer.Option("-n", "--limit", min=1, metavar="N", help="At most so many, the newest.")]
Parameters = Annotated[
    list[str],
    typer.Option("-p", "--param", metavar="NAME=VALUE", help="A parameter of the model, as JSON or text. Repeatable."),
]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", min=0.0, metavar="USD", help="Stop before more is spent in all.", callback=a_number),
]
Record = Annotated[
    bool, typer.Option("--record", help="Also write the reply to datasets/recordings/, for replay/MODEL.")
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first case that does not pass.")]
UntilDecided = Annotated[
    bool, typer.Option("--until-decided", help="Ask no more once no answer still to come could change the verdict.")
]
Sequential = Annotated[
    bool,
    typer.Option("--sequential", help="Compare case by case as answers come, and stop when that decides; sooner."),
]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Run `python:` assertions. Only if you trust whoever wrote them.")
]
LeaveOutCode = Annotated[
    bool, typer.Option("--leave-out-code", help="Check everything but `python:` assertions, and say what was left out.")
]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """Options that give a prompt its inputs."""

    heading: ClassVar[str] = "Inputs"
    pairs: Annotated[
        list[str],
        option("input", "-i", "--input", metavar="NAME=VALUE", text="An input, read by its declared type. Repeatable."),
    ] = field(default_factory=list)
    files: Annotated[
        list[str],
        option(
            "input",
            *("-I", "--input-file"),
            metavar="NAME=PATH",
            text="An input read from a file, or from - . Repeatable.",
        ),
    ] = field(default_factory=list)
    document: Annotated[
        str | None,
        typer.Option("--inputs", metavar="FILE", help="Many inputs: a YAML or JSON mapping; - reads stdin."),
    ] = None


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """Options for the models that answer, and the source of their replies."""

    heading: ClassVar[str] = "Models and replies"
    models: Annotated[
        list[str],
        model_option("Ask this model instead. Repeatable: each in turn."),
    ] = field(default_factory=list)
    replies: Annotated[
        Literal["ask", "cache", "record", "refresh", "replay"],
        typer.Option(
            "--replies",
            help="Ask the model each time; take what the cache has; the same, written to datasets/recordings/ too; "
            "ask each time and write; or answer from recordings alone, free and offline.",
        ),
    ] = "cache"


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Options for the model that grades replies, unless an assertion or the judge's prompt names one."""

    judge: Annotated[str | None, option("model", "--judge", metavar="MODEL", text="The model that grades.")] = None
    judge_parameters: Annotated[
        list[str],
        typer.Option(
            "--judge-param", metavar="NAME=VALUE", help="A parameter of the judge; null leaves it out. Repeatable."
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BoundOptions:
    """Options that bound what a command asks and spends."""

    heading: ClassVar[str] = "Limits"
    concurrency: Annotated[
        int, typer.Option("-j", "--concurrency", min=1, max=2000, metavar="N", help="Requests at once.")
    ] = 16
    case_timeout: Annotated[
        float, typer.Option("--case-timeout", min=0.1, metavar="SECONDS", help="For one case.", callback=a_number)
    ] = 300.0
    max_cost: MaxCost = None

    def limits(self, *, fails_fast: bool = False) -> Limits:
        """Return the bounds as a session takes them."""
        from promptctl import Limits

        return Limits(
            concurrency=self.concurrency,
            case_timeout_s=self.case_timeout,
            max_cost_nano_usd=None if self.max_cost is None else round(self.max_cost * NANO),
            fails_fast=fails_fast,
        )


@dataclass(frozen=True, slots=True)
class GateOptions:
    """Options that say which difference between two evaluations fails; without one, `gate:` in promptctl.yaml does."""

    heading: ClassVar[str] = "Gate"
    gate: Annotated[
        Literal["worse", "noninferior", "strict"] | None,
        typer.Option(
            "--gate",
            help="What fails: a proven loss; also no proof of no loss; also any confirmed regression. Default: worse.",
        ),
    ] = None
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="The largest loss that --gate noninferior lets pass. Default: 0.05.",
            callback=a_number,
        ),
    ] = None
    min_effect: Annotated[
        float | None,
        typer.Option(
            "--min-effect",
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="A smaller difference is neither worse nor better.",
            callback=a_number,
        ),
    ] = None
    metrics: Annotated[
        list[str],
        typer.Option(
            "--metric", metavar="NAME", help="Judge this metric, not the passing cases (`passed`) alone. Repeatable."
        ),
    ] = field(default_factory=list)
    max_cost_increase: Annotated[
        float | None,
        typer.Option(
            "--max-cost-increase",
            min=0.0,
            metavar="SHARE",
            help="Fail where a reply costs more by this share (0.1 is ten per cent), beyond chance.",
            callback=a_number,
        ),
    ] = None
    max_token_increase: Annotated[
        float | None,
        typer.Option(
            "--max-token-increase",
            min=0.0,
            metavar="SHARE",
            help="Fail where a reply takes more tokens by this share, beyond chance.",
            callback=a_number,
        ),
    ] = None

    @property
    def rule(self) -> dict[str, Any]:
        """The fields of the rule that were given."""
        given = {**asdict(self), "metrics": tuple(self.metrics) or None}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class AskingGateOptions(GateOptions):
    """The options of a gate whose command can ask flipped cases again."""

    reruns: Annotated[
        int | None,
        typer.Option(
            "--reruns",
            min=0,
            max=100,
            metavar="N",
            help="Fresh pairs that each flipped case is asked for; 0 judges by first answers alone. Default: 5.",
        ),
    ] = None


def tell_unknown(version: Version) -> None:
    """Warn if this clone cannot know a version's number, with the command that finds out."""
    if version.note and "?" in version.display:
        warn(f"the version is not known: {version.note}")


def workspace_of(context: typer.Context, *, asks: bool = False, on_warning: Callable[[str], None] = warn) -> Workspace:
    """Open the workspace of a command; at the command's end it is closed, and its notices are printed.

    Until the command prints something, a line says that it waits. With `asks`, Git may ask for a password meanwhile.
    """
    begin_waiting(context, "asking Git" if asks else "reading the workspace", is_still=asks)
    workspace = open_workspace(
        context.obj,
        snapshot=context.find_root().params.get("snapshot"),
        on_warning=on_warning,
        is_interactive=sys.stdin is not None and sys.stdin.isatty(),
        refresh_s=0,  # a command sees what is there
    )

    def finish() -> None:
        for notice in workspace.notices:
            warn(notice)
        workspace.close()

    context.call_on_close(finish)
    return workspace


def begin_waiting(context: typer.Context, text: Words, *, is_still: bool = False) -> None:
    """Say what the command waits for from now on."""
    end_waiting(context)
    waiting = context.meta[_WAITING] = Waiting(text, is_still=is_still)
    context.call_on_close(waiting.end)
    waiting.begin()


def end_waiting(context: typer.Context) -> None:
    """Say nothing of it any more: the command reads from the terminal, or shows its own progress."""
    if _WAITING in context.meta:
        context.meta.pop(_WAITING).end()


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose dataclass parameters are read from the command line field by field.

    A field is declared like a parameter of a command: `Annotated[type, typer.Option(…)] = default`. The class's
    `heading` is above its options in the help.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def ungrouped(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        command(**given)

    ungrouped.__name__, ungrouped.__doc__ = command.__name__, command.__doc__
    ungrouped.__annotations__ = {each.name: each.annotation for each in parameters}
    ungrouped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return ungrouped


def _parameters(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(each.name, Parameter.KEYWORD_ONLY, default=_default(each), annotation=_below(group, hints[each.name]))
        for each in fields(group)
    ]


def _below(group: Any, annotation: Any) -> Any:
    """Return an option's declaration with the heading of its group in the help."""
    declared = copy(annotation.__metadata__[0])  # several groups may share one option
    declared.rich_help_panel = getattr(group, "heading", None)
    return Annotated[annotation.__origin__, declared]


def _default(given: Field[Any]) -> Any:
    if given.default_factory is not MISSING:
        return given.default_factory()
    return Parameter.empty if given.default is MISSING else given.default
