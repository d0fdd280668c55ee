"""`promptctl diff`: what differs between two versions of a prompt, and who breaks."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.diff_output import say_difference
from promptctl.cli.output import say_json


def diff(
    context: typer.Context,
    old: Annotated[str, argument("REF", "The old version; a bare prompt means the committed one.", completes="ref")],
    new: Annotated[
        str | None,
        argument(
            "[REF2]", "The new version, the work tree by default; @v7 is one of the same prompt.", completes="ref"
        ),
    ] = None,
    exit_code: Annotated[bool, option("--exit-code", "End with 1 if anything differs.")] = False,
    as_json: options.Json = False,
) -> None:
    """Say what differs between two versions of a prompt, part by part, and whose code breaks."""
    difference = options.workspace_of(context).diff(old, new)
    if as_json:
        say_json(difference.as_dict())
    else:
        say_difference(difference)
    if exit_code and not difference.diff.is_empty:
        raise typer.Exit(errors.CHECK_FAILED)
