"""`promptctl adopt`: prompts that are hard-coded in a program, as files, and the calls that take their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import tell, tell_wrapped
from promptctl.cli.proposing import WriteOptions, offer
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import AdoptedPrompt, Adoption


@dataclass(frozen=True, slots=True)
class AdoptionOptions(WriteOptions):
    """Options of the command: what is proposed is code, too, so it may be said plainly that it is written."""

    yes: Annotated[bool, option("--yes", "--write", "Write; without it a terminal is asked.")] = False


EXAMPLES = """\
  promptctl adopt app --dry-run
  promptctl adopt app/support.py --write
  promptctl adopt app --import app.prompts:workspace
"""


def adopt(
    context: typer.Context,
    paths: Annotated[list[str], argument("PATH...", "Files or folders of Python, TypeScript or JavaScript.")],
    workspace_name: Annotated[
        str | None,
        option(
            "--import",
            "MODULE:NAME",
            "The workspace that your program has open. Without it each changed file opens its own.",
        ),
    ] = None,
    *,
    wanted: AdoptionOptions,
) -> None:
    """Find prompts that are hard-coded in a program, and propose their files and the calls that take their place.

    The new calls send the same messages as the old ones; those of TypeScript and JavaScript are shown, not written. What
    cannot be followed with certainty is listed and stays.
    """
    workspace = options.workspace_of(context)
    found = workspace.adopt(paths, workspace_name)
    if not wanted.as_json:
        for each in found.prompts:
            _tell_prompt(each)
        _tell_left(found)
    offer(workspace, found.proposal, wanted, found.as_dict)


def _tell_prompt(adopted: AdoptedPrompt) -> None:
    prompt = adopted.prompt
    tell(f"{adopted.id}  {prompt.place}  {prompt.what}")
    for note in prompt.notes:
        tell_wrapped(f"note: {note}", "  ")
    if prompt.rewrite is None:
        tell_wrapped(f"the call stays, for you to change: {prompt.why}", "  ")
        for line in adopted.call.split("\n"):
            tell(f"    {line}")


def _tell_left(found: Adoption) -> None:
    for each in found.left:
        tell_wrapped(f"left  {each}", "")
        if each.hint:
            tell_wrapped(each.hint, "  ")
    shown = f"{count(len(found.prompts), 'prompt')} found in {count(found.files, 'file')}"
    tell(f"{shown}: {count(found.rewritten, 'call')} changed, {count(len(found.left), 'place')} left as they are")
