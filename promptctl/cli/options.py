"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli.output import warn
from promptctl.errors import PromptctlError
from promptctl.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from promptctl import Version


def complete_ref(incomplete: str) -> list[str]:
    """Prompt ids, and behind @ the prompt's labels, that begin with what was typed; nothing outside a workspace."""
    try:
        with open_workspace(on_warning=lambda _: None) as workspace:
            return workspace.complete(incomplete)
    except (PromptctlError, OSError):
        return []


def a_number(given: float | None) -> float | None:
    """The number given to an option; `nan` and `inf`, which pass every bound and keep none, are refused."""
    if given is not None and not math.isfinite(given):
        raise typer.BadParameter(f"{given} is no number to compare with")
    return given


Ref = Annotated[
    str,
    typer.Argument(
        metavar="REF",
        help="A prompt's id; behind it, if wanted, @ and a label, a version (v7) or any Git revision.",
        autocompletion=complete_ref,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("-i", "--input", metavar="NAME=VALUE", help="An input, read by its declared type. Repeatable."),
]
InputFiles = Annotated[
    list[str] | None,
    typer.Option("-I", "--input-file", metavar="NAME=PATH", help="An input read from a file, or from - . Repeatable."),
]
InputsFile = Annotated[
    str | None, typer.Option("--inputs", metavar="FILE", help="Many inputs: a YAML or JSON mapping; - reads stdin.")
]
Label = Annotated[
    str,
    typer.Argument(
        metavar="PROMPT@LABEL", help="A label of a prompt: support/triage@production.", autocompletion=complete_ref
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; recorded with the move.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with stable keys.")]


def tell_unknown(version: Version) -> None:
    """Warn where this clone cannot know a version's number, with the command that would tell."""
    if version.note and "?" in version.display:
        warn(f"the version is not known: {version.note}")


def workspace_of(context: typer.Context) -> Workspace:
    """The workspace that the command works in; when the command ends, it is closed, and what changed is told."""
    workspace = open_workspace(
        context.obj, on_warning=warn, is_interactive=sys.stdin is not None and sys.stdin.isatty()
    )

    def finish() -> None:
        for notice in workspace.notices:
            warn(notice)
        workspace.close()

    context.call_on_close(finish)
    return workspace
