"""`promptctl rename`, `activate`, `deactivate`, `deprecate` and `delete`: the life of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.output import tell, warn
from promptctl.cli.proposing import offer

if TYPE_CHECKING:
    from promptctl import Retired

Prompt = Annotated[str, typer.Argument(metavar="ID", help="The prompt's id.", autocompletion=options.complete_ref)]


def rename(
    context: typer.Context,
    old: Prompt,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new id: its path below prompts/.")],
    yes: options.Yes = False,
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Rename a prompt, with everything that names it. Versions, labels, totals and rules follow.

    A partial or a schema, given by its path, is moved with every reference to it.
    """
    workspace = options.workspace_of(context)
    renamed = workspace.life.rename(old, new)
    _say_notes(renamed.notes)
    document = renamed.as_dict() if as_json else None
    offer(workspace, renamed.proposal, yes=yes, dry_run=dry_run, document=document)


def activate(
    context: typer.Context,
    prompt: Prompt,
    yes: options.Yes = False,
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Let a prompt run again that was deprecated or inactive."""
    _offer(context, options.workspace_of(context).life.activate(prompt), (yes, dry_run, as_json))


def deactivate(
    context: typer.Context,
    prompt: Prompt,
    yes: options.Yes = False,
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Let a prompt refuse to run. It can still be shown and rendered, and run at an older version."""
    _offer(context, options.workspace_of(context).life.deactivate(prompt), (yes, dry_run, as_json))


def deprecate(
    context: typer.Context,
    prompt: Prompt,
    use: Annotated[
        str | None,
        typer.Option(
            "--use",
            metavar="ID",
            help="The prompt to use in its place, which warnings name.",
            autocompletion=options.complete_ref,
        ),
    ] = None,
    yes: options.Yes = False,
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Let a prompt warn whenever it runs, and name the one to use in its place."""
    _offer(context, options.workspace_of(context).life.deprecate(prompt, use), (yes, dry_run, as_json))


def delete(
    context: typer.Context,
    prompt: Prompt,
    force: Annotated[
        bool, typer.Option("--force", help="Even if a label names a version of it: the label is removed first.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, for the history of the labels that are removed.")
    ] = "",
    yes: options.Yes = False,
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Delete a prompt, the datasets that test it alone, and the rules that name it. Its history stays in Git."""
    workspace = options.workspace_of(context)
    deleted = workspace.life.delete(prompt, reason=reason, is_forced=force)
    for dataset in deleted.datasets:
        warn(f"{dataset} tests it alone, and goes with it")
    for label in deleted.labels:
        warn(f"{label} is removed first, for everybody: callers of it get an error at once")
    _say_notes(deleted.notes)
    document = deleted.as_dict() if as_json else None

    def write() -> None:
        workspace.life.write(deleted)

    offer(workspace, deleted.proposal, yes=yes, dry_run=dry_run, document=document, write=write)


def _offer(context: typer.Context, retired: Retired, wanted: tuple[bool, bool, bool]) -> None:
    yes, dry_run, as_json = wanted
    _say_notes(retired.notes)
    document = retired.as_dict() if as_json else None
    offer(options.workspace_of(context), retired.proposal, yes=yes, dry_run=dry_run, document=document)


def _say_notes(notes: Sequence[str]) -> None:
    for note in notes:
        tell(f"note: {note}")
