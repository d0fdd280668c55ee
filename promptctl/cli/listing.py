"""`promptctl list`: the prompts of the workspace, with their versions and labels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from promptctl.catalogue.listing import PromptFilter, PromptSummary
from promptctl.cli import options
from promptctl.cli.output import is_terminal, say_json, say_table, styled, tell, visible, warn
from promptctl.files.names import did_you_mean
from promptctl.workspace import Workspace


def list_prompts(
    context: typer.Context,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Only prompts with this tag. Repeatable.")
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="Only where id, name, description or a tag has it.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="LABEL", help="Only prompts that have this label.")
    ] = None,
    status: Annotated[
        Literal["active", "deprecated", "inactive"] | None, typer.Option("--status", help="Only of this status.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="Only prompts that run on this model; * and ? match any text."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="Only prompts of this provider's models.")
    ] = None,
    uses: Annotated[
        str | None, typer.Option("--uses", metavar="PATH", help="Only prompts that pull in this partial or schema.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the prompts of the workspace with their versions and labels."""
    workspace = options.workspace_of(context)
    wanted = PromptFilter(
        tags=tuple(tags or ()),
        search=search,
        label=label,
        status=status,
        model=model,
        provider=provider,
        uses=uses,
    )
    found = workspace.prompts(wanted)
    for note in dict.fromkeys(each.version.note for each in found if each.version and each.version.note):
        warn(f"versions are not known: {note}")
    if as_json:
        say_json([each.as_dict() for each in found])
    elif found:
        _say(found)
    elif wanted == PromptFilter():
        tell("no prompts yet: write one to prompts/<id>.prompt.yaml")
    else:
        tell("no prompt matches")
        _tell_nearest(workspace, wanted)


def _say(found: Sequence[PromptSummary]) -> None:
    if not is_terminal():
        columns = ["Prompt", "Version", "Labels", "Model", "Status", "Name"]
        say_table(columns, [_row(each) for each in found])
        return
    columns = ["Prompt", "Version", "Labels", "Model", "Name"]
    say_table(columns, [_terminal_row(each) for each in found], whole=["Prompt", "Version"])


def _row(found: PromptSummary) -> tuple[Any, ...]:
    return (
        found.id,
        found.version.display if found.version else "unversioned",
        ", ".join(f"{state.label}={state.version}" for state in found.labels) or None,
        found.model,
        found.prompt.status if found.prompt else "invalid",
        found.prompt.name if found.prompt else None,
    )


def _terminal_row(found: PromptSummary) -> tuple[Any, ...]:
    from rich.text import Text

    prompt = found.prompt
    name = Text(visible(prompt.name) if prompt else "invalid: see promptctl validate", style="" if prompt else "red")
    if prompt is not None and prompt.status != "active":
        name.append(f" ({prompt.status})", style="yellow")
    version = found.version.display.partition(" (")[0] if found.version else "-"
    labels = Text(", ").join(Text(f"{state.label} {state.version}", style="green") for state in found.labels)
    return found.id, version, labels, found.model or "-", name


def _tell_nearest(workspace: Workspace, wanted: PromptFilter) -> None:
    """What a filter that matched nothing may have meant."""
    everything = workspace.prompts()
    known: dict[str, set[str]] = {
        "label": {state.label for each in everything for state in each.labels},
        "model": {each.model for each in everything if each.model},
        "provider": {each.provider for each in everything if each.provider},
        "tag": {tag for each in everything if each.prompt for tag in each.prompt.tags},
    }
    asked = [("tag", tag) for tag in wanted.tags]
    asked += [(name, value) for name in ("label", "model", "provider") if (value := getattr(wanted, name)) is not None]
    for name, value in asked:
        meant = did_you_mean(value, sorted(known[name]), f"--{name} {{}}")
        if value not in known[name] and meant:
            tell(f"  {styled('hint:', sys.stderr, fg='cyan')} {meant}")
