"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl.cli.output import warn
from promptctl.errors import PromptctlError
from promptctl.workspace import Workspace, open_workspace


def complete_ref(incomplete: str) -> list[str]:
    """Prompt ids that begin with what was typed; nothing outside a workspace."""
    try:
        with open_workspace(on_warning=lambda _: None) as workspace:
            return [prompt_id for prompt_id in workspace.prompt_ids() if prompt_id.startswith(incomplete)]
    except (PromptctlError, OSError):
        return []


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
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with stable keys.")]


def workspace_of(context: typer.Context) -> Workspace:
    """The workspace that the command works in; closed when the command ends."""
    workspace = open_workspace(context.obj, on_warning=warn)
    context.call_on_close(workspace.close)
    return workspace
