"""Arguments and options that several commands share, so that they read the same everywhere; and what was given."""

from __future__ import annotations

import errno
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from promptctl.cli.commands import argument, option
from promptctl.cli.output import tell, warn
from promptctl.cli.waiting import Waiting, Words
from promptctl.errors import UsageError, printable
from promptctl.reports.wording import NANO
from promptctl.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from promptctl import Limits, PromptAtVersion, Version


_WAITING = "promptctl.waiting"
MAX_BYTES = 16 * 1024 * 1024
_MOST_TEXT = 256 * 1024


def model_option(text: str) -> Any:
    """Return the option that names models, explained by this text."""
    return option("-m", "--model", "MODEL", text, completes="model")


def dataset_option(text: str) -> Any:
    """Return the option that names datasets, explained by this text."""
    return option("-d", "--dataset", "FILE", text, completes="dataset")


def output_option(text: str) -> Any:
    """Return the option that names files to write, explained by this text."""
    return option("-o", "--output", "FILE", text)


def share_option(name: str, text: str, *, least: float = 0.0, most: float | None = 1.0) -> Any:
    """Return the option of this name that is a share, explained by this text."""
    return option(name, "SHARE", text, min=least, max=most, callback=a_number)


def a_number(given: float | None) -> float | None:
    """Return the number given to an option; refuse `nan` and `inf`, which pass every bound and keep none."""
    if given is not None and not math.isfinite(given):
        raise typer.BadParameter(f"{given} is no number to compare with")
    return given


def _a_limit(given: int) -> int:
    """Return the number given, or if that is less the most rows that a filter counts, which are all."""
    return min(given, 10**18 - 1)


Ref = Annotated[
    str,
    argument(
        "REF", "A prompt's id; after it, if wanted, @ and a label, a version (v7) or any Git revision.", completes="ref"
    ),
]
Label = Annotated[str, argument("PROMPT@LABEL", "A label of a prompt: support/triage@production.", completes="ref")]
Reason = Annotated[str, option("--reason", "TEXT", "Why; recorded with the move.")]
EventReason = Annotated[str | None, option("--reason", "TEXT", "Why; on record with the event.")]
WriteNothing = Annotated[bool, option("--dry-run", "Write nothing; show what would change.")]
AskNothing = Annotated[bool, option("--dry-run", "Say what it would ask and cost; ask nothing.")]
Yes = Annotated[bool, option("--yes", "Write; without it a terminal is asked.")]
Json = Annotated[bool, option("--json", "Print one JSON document with stable keys.")]

Paths = Annotated[list[Path] | None, argument("[PATHS]...", "Files or folders; the whole workspace by default.")]
DatasetName = Annotated[str, argument("DATASET", "Its path, or its name below datasets/.", completes="dataset")]
PromptName = Annotated[
    list[str] | None, option("--prompt", "ID", "Only this prompt's; * and ? match any text. Once.", completes="ref")
]
PromptNames = Annotated[
    list[str], option("--prompt", "ID", "Only this prompt's; * and ? match any text. Repeatable.", completes="ref")
]
CallSource = Annotated[
    Literal["app", "api", "run", "eval", "all"],
    option("--source", "Only calls made from there; app is every call but those of evaluations."),
]
Port = Annotated[int, option("--port", "N", "Listen on this port; 0 takes a free one.", min=0, max=65535)]
Seed = Annotated[int, option("--seed", "N", "Draws the same sample each time.")]
Limit = Annotated[int, option("-n", "--limit", "N", "At most so many, the newest.", min=1, callback=_a_limit)]
Parameters = Annotated[
    list[str], option("-p", "--param", "NAME=VALUE", "A parameter of the model, as JSON or text. Repeatable.")
]
MaxCost = Annotated[
    float | None, option("--max-cost", "USD", "Stop before more is spent in all.", min=0.0, max=1e9, callback=a_number)
]
Record = Annotated[bool, option("--record", "Also write the reply to datasets/recordings/, for replay/MODEL.")]
FailFast = Annotated[bool, option("--fail-fast", "Stop at the first case that does not pass.")]
UntilDecided = Annotated[
    bool, option("--until-decided", "Ask no more once no answer still to come could change the verdict.")
]
Sequential = Annotated[
    bool, option("--sequential", "Compare case by case as answers come, and stop when that decides; sooner.")
]
AllowCode = Annotated[bool, option("--allow-code", "Run `python:` assertions. Only if you trust whoever wrote them.")]


def one_prompt(given: Sequence[str] | None) -> str | None:
    """Return the prompt that a command is limited to; None without one. Raises `UsageError` for two."""
    if given and len(given) > 1:
        names = " and ".join(f"`{printable(each)}`" for each in given[:2])
        raise UsageError(
            f"--prompt is given twice, with {names}", hint="give it once; a glob names several: 'support/*'"
        )
    return given[0] if given else None


@dataclass(frozen=True, slots=True)
class InputOptions:
    """Options that give a prompt its inputs."""

    heading: ClassVar[str] = "Inputs"
    pairs: Annotated[
        list[str],
        option("-i", "--input", "NAME=VALUE", "An input, read by its declared type. Repeatable.", completes="input"),
    ] = field(default_factory=list)
    files: Annotated[
        list[str],
        option(
            "-I", "--input-file", "NAME=PATH", "An input read from a file, or from - . Repeatable.", completes="input"
        ),
    ] = field(default_factory=list)
    document: Annotated[
        str | None, option("--inputs", "FILE", "Many inputs: a YAML or JSON mapping; - reads stdin.")
    ] = None

    def read(self, prompt: PromptAtVersion) -> dict[str, Any]:
        """Return all inputs that were given. `--inputs` is overridden by `-i` and `-I`; `-` is standard input.

        A file gives its text, or if it is an image, a sound or a PDF, its data URL. Raises `UsageError` for a name that
        is given twice or a file that cannot be read.
        """
        stdin_used_by: list[str] = []
        document = None if self.document is None else _read_file(self.document, stdin_used_by, "--inputs")
        texts: dict[str, str | bytes] = {}
        for flag, text in (*(("-i", pair) for pair in self.pairs), *(("-I", file) for file in self.files)):
            name, value = _split(text, flag)
            if name in texts:
                raise UsageError(f"input `{name}` is given twice", hint="give it once, with -i or with -I")
            texts[name] = value if flag == "-i" else _read_file(value, stdin_used_by, f"-I {name}")
        values = prompt.read_inputs(texts, document, "standard input" if self.document == "-" else self.document or "")
        for name, file in texts.items():
            value = values[name]
            if isinstance(file, str) or not isinstance(value, str) or file[:5] == b"data:":
                continue
            if value.startswith("data:"):
                tell(f"{name} is sent as a data URL: {value[5:].partition(';')[0]}, {len(file):,} bytes")
        return values


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """Options for the models that answer, and the source of their replies."""

    heading: ClassVar[str] = "Models and replies"
    models: Annotated[list[str], model_option("Ask this model instead. Repeatable: each in turn.")] = field(
        default_factory=list
    )
    replies: Annotated[
        Literal["ask", "cache", "record", "refresh", "replay"],
        option(
            "--replies",
            "Ask the model each time; take what the cache has; the same, written to datasets/recordings/ too; "
            "ask each time and write; or answer from recordings alone, free and offline.",
        ),
    ] = "cache"


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Options for the model that grades replies, unless an assertion or the judge's prompt names one."""

    judge: Annotated[str | None, option("--judge", "MODEL", "The model that grades.", completes="model")] = None
    judge_parameters: Annotated[
        list[str], option("--judge-param", "NAME=VALUE", "A parameter of the judge; null leaves it out. Repeatable.")
    ] = field(default_factory=list)

    @property
    def asked(self) -> dict[str, Any]:
        """The fields of a request that they are."""
        parameters = read_pairs(self.judge_parameters, "--judge-param")
        return {"judge": self.judge or None, "judge_parameters": parameters}


@dataclass(frozen=True, slots=True)
class CodeOptions:
    """Options for assertions that run a workspace's own code."""

    allow_code: AllowCode = False
    leave_out_code: Annotated[
        bool, option("--leave-out-code", "Check everything but `python:` assertions, and say what was left out.")
    ] = False

    @property
    def asked(self) -> dict[str, Any]:
        """The fields of a request that they are. Raises `UsageError` for both."""
        if self.allow_code and self.leave_out_code:
            raise UsageError("--allow-code and --leave-out-code cannot be given together")
        return {"allows_code": self.allow_code, "leaves_out_code": self.leave_out_code}


@dataclass(frozen=True, slots=True)
class BoundOptions:
    """Options that bound what a command asks and spends."""

    heading: ClassVar[str] = "Limits"
    concurrency: Annotated[int, option("-j", "--concurrency", "N", "Requests at once.", min=1, max=2000)] = 16
    case_timeout: Annotated[float, option("--case-timeout", "SECONDS", "For one case.", min=0.1, callback=a_number)] = (
        300.0
    )
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
        option(
            "--gate",
            "What fails: a proven loss; also no proof of no loss; also any confirmed regression. Default: worse.",
        ),
    ] = None
    margin: Annotated[
        float | None, share_option("--margin", "The largest loss that --gate noninferior lets pass. Default: 0.05.")
    ] = None
    min_effect: Annotated[
        float | None, share_option("--min-effect", "A smaller difference is neither worse nor better.")
    ] = None
    metrics: Annotated[
        list[str], option("--metric", "NAME", "Judge this metric, not the passing cases (`passed`) alone. Repeatable.")
    ] = field(default_factory=list)
    max_cost_increase: Annotated[
        float | None,
        share_option(
            "--max-cost-increase",
            "Fail where a reply costs more by this share (0.1 is ten per cent), beyond chance.",
            most=None,
        ),
    ] = None
    max_token_increase: Annotated[
        float | None,
        share_option(
            "--max-token-increase", "Fail where a reply takes more tokens by this share, beyond chance.", most=None
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
        option(
            "--reruns",
            "N",
            "Fresh pairs that each flipped case is asked for; 0 judges by first answers alone. Default: 5.",
            min=0,
            max=100,
        ),
    ] = None


def read_pairs(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """Read `k=v` options such as `--param` and `--meta`: a value that is JSON as that, any other as text."""
    import json

    result: dict[str, Any] = {}
    for name, value in named_once(pairs, option).items():
        try:
            result[name] = json.loads(value)
        except (ValueError, RecursionError):
            result[name] = value
        try:
            json.dumps(result[name], allow_nan=False)
        except ValueError as error:
            raise UsageError(f"{option} {printable(name)}: `{printable(value)}` is no number that JSON has") from error
    return result


def named_once(pairs: Sequence[str], option: str) -> dict[str, str]:
    """Return `k=v` options as a mapping. Raises `UsageError` for a name that is given twice."""
    result: dict[str, str] = {}
    for text in pairs:
        name, value = _split(text, option)
        if name in result:
            raise UsageError(f"{option} gives `{printable(name)}` twice", hint="give it once")
        result[name] = value
    return result


def read_text(path: str, option: str) -> str:
    """Return the text of a file that an option names. Raises `UsageError` for what is no text, or too long for one."""
    data = _read_file(path, [], option)
    if len(data) > _MOST_TEXT:
        raise UsageError(
            f"{option}: `{printable(path)}` is larger than {_MOST_TEXT >> 10} KiB", hint="give a part of it"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{option}: `{printable(path)}` is no text in UTF-8") from error


def _split(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        name = printable(text.strip("=")) or "name"
        hint = f"{option} {name}=…" + (f", or from a file: -I {name}=FILE" if option == "-i" else "")
        raise UsageError(f"{option} takes name=value, not `{printable(text)}`", hint=hint)
    return name, value


def _read_file(path: str, stdin_used_by: list[str], option: str) -> bytes:
    too_large = UsageError(f"{option}: `{printable(path)}` is larger than {MAX_BYTES >> 20} MiB")
    if path == "-":
        if stdin_used_by:
            raise UsageError(f"standard input is already read by {stdin_used_by[0]}; {option} cannot read it again")
        stdin_used_by.append(option)
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise too_large
        return data
    from promptctl.workspace.given_files import read_given  # few commands are given a file

    try:
        return read_given(Path(path), MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise too_large from error
        raise UsageError(f"{option}: cannot read `{printable(path)}`: {error.strerror}") from error


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
