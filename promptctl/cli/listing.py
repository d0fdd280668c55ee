"""`promptctl list`: the prompts of the workspace."""

from __future__ import annotations

from typing import Any

import typer

from promptctl.cli import options
from promptctl.cli.output import say_json, say_table, tell
from promptctl.workspace import PromptSummary


def list_prompts(context: typer.Context, as_json: options.Json = False) -> None:
    """List the prompts of the workspace."""
    workspace = options.workspace_of(context)
    prompts = workspace.prompts()
    if as_json:
        say_json([_as_dict(each) for each in prompts])
    elif prompts:
        say_table(["Prompt", "Name"], [(each.id, each.prompt.name if each.prompt else "(invalid)") for each in prompts])
    else:
        tell("no prompts yet: write one to prompts/<id>.prompt.yaml")


def _as_dict(summary: PromptSummary) -> dict[str, Any]:
    prompt = summary.prompt
    return {
        "prompt": summary.id,
        "name": prompt.name if prompt else None,
        "description": prompt.description if prompt else None,
        "path": prompt.path if prompt else None,
        "error": str(summary.error) if summary.error else None,
    }
