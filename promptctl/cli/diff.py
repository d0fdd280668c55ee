"""`promptctl diff`: what differs between two versions of a prompt, and who breaks."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.diff_output import say_difference
from promptctl.cli.output import say_json


def diff(
    context: typer.Context,
    old: Annotated[str, options.ref_argument("The old version; a bare prompt means the committed one.")],
    new: Annotated[
        str | None,
        options.ref_argument("The new version, the work tree by default; @v7 is one of the same prompt.", "[REF2]"),
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 1 if anything differs.")] = False,
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
