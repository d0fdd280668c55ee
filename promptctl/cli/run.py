"""`promptctl run`: render a prompt, ask its model, and record every attempt."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import option, refuse_given
from promptctl.cli.output import is_terminal, say, say_json, say_piece, styled, tell, warn
from promptctl.cli.waiting import loading
from promptctl.errors import CheckFailed, InvalidOutput, PromptctlError, UsageError
from promptctl.reports.wording import advice_on, format_cost, format_latency, format_tokens

if TYPE_CHECKING:
    from promptctl import Execution, PromptAtVersion, RunOptions, Workspace

EXAMPLES = """\
  promptctl run support/triage -i ticket="I was charged twice"
  promptctl run support/triage@production -I ticket=ticket.txt --user u17
  promptctl run support/triage -m openai/gpt-4o-mini -p temperature=0 --json
"""


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """Options that are recorded with a call, and say how."""

    heading: ClassVar[str] = "Recorded with the call"
    user: Annotated[str | None, option("--user", "NAME", "Who the call is for; recorded only.")] = None
    session: Annotated[str | None, option("--session", "NAME", "The conversation it is part of; recorded only.")] = None
    content_type: Annotated[
        str | None, option("--content-type", "TYPE", "What kind of content it is about; recorded only.")
    ] = None
    meta: Annotated[list[str], option("--meta", "NAME=VALUE", "Free metadata; recorded only. Repeatable.")] = field(
        default_factory=list
    )
    log: Annotated[
        Literal["full", "metadata", "off"] | None,
        option("--log", "What the log keeps of this call; wins over the workspace's rules."),
    ] = None


@dataclass(frozen=True, slots=True)
class ExperimentOptions:
    """Options of a call that takes part in an experiment."""

    heading: ClassVar[str] = "Experiment"
    experiment: Annotated[
        str | None,
        option("--experiment", "NAME", "Ask the version that this experiment gives the key.", completes="experiment"),
    ] = None
    key: Annotated[str | None, option("--key", "KEY", "What it draws by. Default: the user or the session.")] = None


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options that say which model answers."""

    heading: ClassVar[str] = "Model"
    model: Annotated[str | None, options.model_option("Ask this model instead of the prompt's.")] = None
    parameters: options.Parameters = field(default_factory=list)


def run(
    context: typer.Context,
    ref: options.Ref,
    inputs: options.InputOptions,
    asked: ModelOptions,
    about: RecordOptions,
    part: ExperimentOptions,
    stream: Annotated[
        bool | None,
        option(
            "--stream/--no-stream",
            "Print the reply as it arrives, or whole. Default: as it arrives, on a terminal and without a schema.",
        ),
    ] = None,
    record: options.Record = False,
    dry_run: Annotated[
        bool, option("--dry-run", "Say what it could cost and what budgets would reserve; ask nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Run a prompt: render it, ask the model, validate the reply, and record every attempt."""
    if stream and as_json:
        raise UsageError(
            "--stream and --json cannot be given together", hint="--json prints the whole reply at its end"
        )
    if part.experiment is None:
        refuse_given(context, ["key"], "is what an experiment draws by: give it with --experiment")
    if dry_run:
        names = ["record", "stream"] if stream else ["record"]
        refuse_given(context, names, "and --dry-run cannot be given together", "--dry-run asks nothing")
    arriving = _Arriving()
    workspace = options.workspace_of(context, on_warning=arriving.warn)
    wanted: RunOptions = {
        "model": asked.model,
        "parameters": options.read_pairs(asked.parameters, "--param"),
        "user": about.user,
        "session": about.session,
        "content_type": about.content_type,
        "metadata": options.read_pairs(about.meta, "--meta"),
        "log": about.log,
        "record": record,
        "source": "run",
        "on_retry": tell,
        "experiment": part.experiment,
        "key": part.key,
    }
    at_version = _drawn(workspace, ref, wanted) if part.experiment is not None else workspace.prompt(ref)
    options.tell_unknown(at_version.version)
    options.end_waiting(context)  # an input may come from the terminal
    given = inputs.read(at_version)
    meant = at_version if part.experiment is None else ref
    if dry_run:
        from promptctl.cli.estimate_output import say_dry_run

        say_dry_run(workspace.dry_run(meant, given, **wanted), as_json=as_json)
        return
    if stream is None:  # a reply that has to fit a schema can be asked for again only while nothing of it is printed
        stream = is_terminal() and not as_json and at_version.prompt.output.schema is None
    options.begin_waiting(context, lambda: loading() or f"asking {asked.model or at_version.model}")
    if stream:
        execution = arriving.print(workspace.stream(meant, given, **wanted))
    else:
        execution = _complete(workspace, meant, given, wanted, as_json=as_json)
    summarise(execution)
    if execution.cost_nano_usd is None and (later := workspace.costs.later_price(execution)):
        tell(f"no price holds yet: {later} begins after this call")
    if execution.status == "invalid_output":
        raise CheckFailed(execution.error_message or "the reply is not whole", hint=advice_on(execution))


def _drawn(workspace: Workspace, ref: str, wanted: RunOptions) -> PromptAtVersion:
    """Return the version of the arm that the call is drawn into, and let the call be drawn by the same key."""
    found = workspace.experiments.draw(ref, **wanted)
    wanted["key"] = found.key if found.key is not None else wanted.get("key")
    if found.why_not is not None:
        tell(f"no part in {wanted['experiment']}: {found.why_not}")
    return found.prompt


def _complete(
    workspace: Workspace, meant: str | PromptAtVersion, given: Mapping[str, Any], wanted: RunOptions, *, as_json: bool
) -> Execution:
    try:
        execution = workspace.run(meant, given, **wanted)
    except PromptctlError as error:
        from promptctl import Execution

        if isinstance(error.execution, Execution):
            if as_json:
                say_json(error.execution.as_dict())
            elif isinstance(error, InvalidOutput):
                say(error.execution.reply or "")
        raise
    if as_json:
        say_json(execution.as_dict())
    else:
        _say_reply(execution)
    return execution


class _Arriving:
    """Prints a reply as it arrives; a warning meanwhile begins a line of its own on a terminal."""

    def __init__(self) -> None:
        self._text = ""
        self._is_open = False

    def print(self, pieces: Iterator[dict[str, Any] | str | Execution]) -> Execution:
        """Print the pieces of text, and return the execution that ends the stream."""
        execution: Execution | None = None
        try:
            for piece in pieces:
                if isinstance(piece, str) and piece:
                    self._text = piece
                    self._is_open = not piece.endswith("\n")
                    say_piece(piece)
                elif not isinstance(piece, str | dict):
                    execution = piece
        finally:
            if self._is_open:
                say()
                self._is_open = False
        assert execution is not None, "a stream ends with its execution"
        if not self._text:
            _say_reply(execution)
        return execution

    def warn(self, message: str) -> None:
        """Print a warning."""
        if self._is_open and is_terminal():
            say()
            self._is_open = False
        warn(message)


def _say_reply(execution: Execution) -> None:
    if execution.reply:
        say(execution.reply.removesuffix("\n"))
    for call in execution.tool_calls:
        function = call.get("function", {})
        say(f"{function.get('name')}({function.get('arguments')})")


def summarise(execution: Execution) -> None:
    """Print a call on one line of stderr: prompt, version, model, tokens, cost, time and id."""
    tokens = format_tokens(execution.input_tokens, execution.output_tokens)
    parts = [
        execution.prompt,
        execution.version_display or "unversioned",
        execution.model,
        *([f"{execution.experiment}: {execution.arm or 'no arm'}"] if execution.experiment else []),
        "tokens unknown" if tokens == "-" else f"{tokens} tokens",
        format_cost(execution.cost_nano_usd) if execution.cost_nano_usd is not None else "cost unknown",
        format_latency(execution.latency_ms),
        execution.id,
    ]
    if execution.attempt > 1:
        parts.insert(3, f"attempt {execution.attempt}")
    tell(styled(" · ".join(parts), sys.stderr, dim=True))
