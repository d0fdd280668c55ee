"""`promptctl generate`: a new prompt with its first dataset, as a model writes them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.estimate_output import say_dry_run
from promptctl.cli.output import tell, tell_problems
from promptctl.cli.proposing import AskingOptions, WriteOptions, offer
from promptctl.cli.run import summarise
from promptctl.cli.waiting import loading
from promptctl.errors import UsageError

if TYPE_CHECKING:
    from promptctl import GenerateOptions, NewPrompt, Workspace, WritingOptions

EXAMPLES = """\
  promptctl generate support/triage --describe "Sort tickets: billing, bug"
  promptctl generate support/triage --describe "…" --context docs/products.md
  promptctl generate support/reply --from support/triage --describe "Answer"
"""
# A context of one word that looks like the path of a file.
_LIKE_A_PATH = re.compile(r"\S*(/\S+|\.[A-Za-z0-9]{1,5})")

NewId = Annotated[str, argument("ID", "The new prompt's id: its path below prompts/.")]
Describe = Annotated[str, option("--describe", "TEXT", "What the prompt is to do.")]


@dataclass(frozen=True, slots=True)
class FormOptions:
    """Options for what the prompt must have."""

    heading: ClassVar[str] = "The new prompt"
    inputs: Annotated[
        list[str], option("--input", "NAME:TYPE", "An input it must have; a text without a type. Repeatable.")
    ] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BriefOptions:
    """Options for what the model should know."""

    heading: ClassVar[str] = "What the model is told"
    about: Annotated[list[str], option("--context", "TEXT|FILE", "What else it should know. Repeatable.")] = field(
        default_factory=list
    )
    examples: Annotated[
        list[str], option("--example", "FILE", "An input and the reply that is wanted. Repeatable.")
    ] = field(default_factory=list)
    base: Annotated[str | None, option("--from", "REF", "Begin with this prompt.", completes="ref")] = None


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """Options for the model that writes, and what it may cost."""

    heading: ClassVar[str] = "The model that writes"
    model: Annotated[str | None, options.model_option("Ask this model instead of the workspace's.")] = None
    parameters: options.Parameters = field(default_factory=list)
    max_cost: options.MaxCost = None
    record: options.Record = False

    def asked(self) -> WritingOptions:
        """Return what a method that asks the model takes of them."""
        return {
            "model": self.model,
            "parameters": options.read_pairs(self.parameters, "--param"),
            "max_cost": self.max_cost,
            "record": self.record,
            "source": "run",
            "on_retry": tell,
        }


def generate(
    context: typer.Context,
    new_id: NewId,
    describe: Describe,
    form: FormOptions,
    brief: BriefOptions,
    writer: WriterOptions,
    wanted: AskingOptions,
) -> None:
    """Let a model write a prompt and its first dataset: a diff, which is written once that is wanted."""
    workspace = options.workspace_of(context)
    told = [_text_or_file(each) for each in brief.about]
    examples = [options.read_text(path, "--example") for path in brief.examples]
    asked: GenerateOptions = {
        "context": told,
        "examples": examples,
        "inputs": named(form.inputs),
        "base": brief.base,
        **writer.asked(),
    }
    if wanted.dry_run:
        say_dry_run(workspace.authoring.estimate_generation(new_id, describe, **asked), as_json=wanted.as_json)
        return
    options.begin_waiting(context, lambda: loading() or "a model is writing the prompt")
    made = workspace.generate(new_id, describe, **asked)
    options.end_waiting(context)
    offer_new(workspace, made, wanted, asks_again=True)


def offer_new(workspace: Workspace, made: NewPrompt, wanted: WriteOptions, *, asks_again: bool = False) -> None:
    """Show a new prompt, and write it if that is wanted."""
    written = offer(workspace, made.proposal, wanted, made.as_dict, asks_again=asks_again)
    tell_problems(made.warnings)
    if made.execution is not None:
        summarise(made.execution)
    if written:
        files = "both files" if len(made.proposal.changes) > 1 else made.dataset
        tell(f"next: read {files}, then promptctl eval {made.prompt}")


def named(texts: list[str]) -> dict[str, str]:
    """Return `name:type` as a mapping; a name that is given twice is refused."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, type_ = text.partition(":")
        if name in found:
            raise UsageError(f"the input `{name}` is named twice", hint="name it once")
        found[name] = type_
    return found


def _text_or_file(given: str) -> str:
    """Return a text, or that of the file it names. Raises `UsageError` for what looks like a path to no file."""
    if os.path.exists(given):  # noqa: PTH110 - a text can be too long for a name
        return options.read_text(given, "--context")
    if _LIKE_A_PATH.fullmatch(given):
        raise UsageError(f"there is no file `{given}`", hint="a text of more than one word is taken as it stands")
    return given
