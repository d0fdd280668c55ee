"""`promptctl copy`, `rename`, `activate`, `deactivate`, `deprecate` and `delete`: the life of a prompt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import tell, warn
from promptctl.cli.proposing import WriteOptions, offer, tell_notes

if TYPE_CHECKING:
    from promptctl import Retired, Workspace

Prompt = Annotated[str, argument("ID", "The prompt's id.", completes="ref")]


def copy(
    context: typer.Context,
    ref: options.Ref,
    new_id: Annotated[str, argument("ID", "The copy's id: its path below prompts/.")],
    wanted: WriteOptions,
) -> None:
    """Copy a prompt's file, as it was at any version, to a new id. No file is overwritten."""
    workspace = options.workspace_of(context)
    copied = workspace.life.copy(ref, new_id)
    for path in copied.differing:
        warn(f"{path} is not what it was at {copied.source.version.display}: the copy reads it as it is now")
    offer(workspace, copied.proposal, wanted, copied.as_dict)
    for change in () if wanted.as_json else copied.rewritten:
        tell(f"  {change}")


def rename(
    context: typer.Context,
    old: Prompt,
    new: Annotated[str, argument("NEW", "Its new id: its path below prompts/.")],
    *,
    wanted: WriteOptions,
) -> None:
    """Rename a prompt, with everything that names it. Versions, labels, totals and rules follow.

    A partial or a schema, given by its path, is moved with every reference to it.
    """
    workspace = options.workspace_of(context)
    renamed = workspace.life.rename(old, new)
    tell_notes(renamed.notes)
    offer(workspace, renamed.proposal, wanted, renamed.as_dict)


def activate(
    context: typer.Context,
    prompt: Prompt,
    wanted: WriteOptions,
) -> None:
    """Let a prompt run again that was deprecated or inactive."""
    _retire(context, lambda workspace: workspace.life.activate(prompt), wanted)


def deactivate(
    context: typer.Context,
    prompt: Prompt,
    wanted: WriteOptions,
) -> None:
    """Let a prompt refuse to run. It can still be shown and rendered, and run at an older version."""
    _retire(context, lambda workspace: workspace.life.deactivate(prompt), wanted)


def deprecate(
    context: typer.Context,
    prompt: Prompt,
    use: Annotated[
        str | None, option("--use", "ID", "The prompt to use in its place, which warnings name.", completes="ref")
    ] = None,
    *,
    wanted: WriteOptions,
) -> None:
    """Let a prompt warn whenever it runs, and name the one to use in its place."""
    _retire(context, lambda workspace: workspace.life.deprecate(prompt, use), wanted)


def delete(
    context: typer.Context,
    prompt: Prompt,
    force: Annotated[
        bool, option("--force", "Even if a label names a version of it: the label is removed first.")
    ] = False,
    reason: Annotated[str, option("--reason", "TEXT", "Why, for the history of the labels that are removed.")] = "",
    *,
    wanted: WriteOptions,
) -> None:
    """Delete a prompt, the datasets that test it alone, and the rules that name it. Its history stays in Git."""
    workspace = options.workspace_of(context)
    deleted = workspace.life.delete(prompt, reason=reason, is_forced=force)
    for dataset in deleted.datasets:
        warn(f"{dataset} tests it alone, and goes with it")
    for label in deleted.labels:
        warn(f"{label} is removed first, for everybody: callers of it get an error at once")
    tell_notes(deleted.notes)
    offer(workspace, deleted.proposal, wanted, deleted.as_dict, partial(workspace.life.write, deleted))


def _retire(context: typer.Context, change: Callable[[Workspace], Retired], wanted: WriteOptions) -> None:
    workspace = options.workspace_of(context)
    retired = change(workspace)
    tell_notes(retired.notes)
    offer(workspace, retired.proposal, wanted, retired.as_dict)
