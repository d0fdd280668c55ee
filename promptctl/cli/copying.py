"""`promptctl copy`: a prompt, at any version, under a new id."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.output import say, say_json, tell, warn
from promptctl.cli.proposing import WriteOptions, offer


def copy(
    context: typer.Context,
    ref: options.Ref,
    new_id: Annotated[str, typer.Argument(metavar="ID", help="The copy's id: its path below prompts/.")],
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Copy a prompt's file, as it was at any version, to a new id. No file is overwritten."""
    workspace = options.workspace_of(context)
    copied = workspace.life.copy(ref, new_id) if dry_run else workspace.copy(ref, new_id)
    for path in copied.differing:
        warn(f"{path} is not what it was at {copied.source.version.display}: the copy reads it as it is now")
    if as_json:
        say_json(copied.as_dict())
        return
    if dry_run:
        offer(workspace, copied.proposal, WriteOptions(dry_run=True))
    else:
        say(f"written  {copied.path}")
    for change in copied.rewritten:
        tell(f"  {change}")
