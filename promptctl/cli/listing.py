"""`promptctl list`: the prompts of the workspace."""

from __future__ import annotations

import typer

from promptctl.cli import options
from promptctl.cli.output import say_json, say_table, tell


def list_prompts(context: typer.Context, as_json: options.Json = False) -> None:
    """List the prompts of the workspace."""
    workspace = options.workspace_of(context)
    prompts = workspace.prompts()
    if as_json:
        say_json(
            [
                {"prompt": each.id, "name": each.name, "description": each.description, "path": each.path}
                for each in prompts
            ]
        )
    elif prompts:
        say_table(["Prompt", "Name"], [(each.id, each.name) for each in prompts])
    else:
        tell("no prompts yet: write one to prompts/<id>.prompt.yaml")
