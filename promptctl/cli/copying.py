"""`promptctl copy`: a prompt, at any version, under a new id."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument
from promptctl.cli.output import tell, warn
from promptctl.cli.proposing import WriteOptions, offer


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
