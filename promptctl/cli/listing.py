"""`promptctl list`: the prompts of the workspace, with their versions and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from promptctl import Prompt, PromptFilter, PromptSummary
from promptctl.cli import options
from promptctl.cli.commands import option
from promptctl.cli.output import is_terminal, say_json, tell, tell_hint, tell_problems, warn
from promptctl.cli.tables import Styled, say_table
from promptctl.errors import WorkspaceError
from promptctl.reports.wording import count, name_some, without_commit


def list_prompts(
    context: typer.Context,
    tags: Annotated[
        list[str] | None, option("--tag", "TAG", "Only prompts with this tag. Repeatable.", completes="prompt_tag")
    ] = None,
    search: Annotated[
        str | None, option("--search", "TEXT", "Only prompts with this in id, name, description or a tag.")
    ] = None,
    label: Annotated[
        str | None, option("--label", "LABEL", "Only prompts that have this label.", completes="label")
    ] = None,
    status: Annotated[
        Literal["active", "deprecated", "inactive"] | None, option("--status", "Only of this status.")
    ] = None,
    model: Annotated[
        str | None, options.model_option("Only prompts that run on this model; * and ? match any text.")
    ] = None,
    provider: Annotated[str | None, option("--provider", "NAME", "Only prompts of this provider's models.")] = None,
    uses: Annotated[
        str | None, option("--uses", "PATH", "Only prompts that pull in this partial or schema.", completes="shared")
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
        if not workspace.context.prompts_not_checked_out():
            tell(f"no prompts yet: promptctl new ID begins one, {workspace.context.tree.places.new_path('ID')}")
        tell_problems(each for each in workspace.validate(()).problems if each.code == "prompt-elsewhere")
    else:
        tell("no prompt matches")
        for name, meant in workspace.suggest(wanted):
            tell_hint(f"did you mean `--{name} {meant}`?")
    if broken := [each.id for each in found if each.prompt is None]:
        hint = "promptctl validate says what is wrong"
        raise WorkspaceError(f"{count(len(broken), 'prompt')} cannot be loaded: {name_some(broken)}", hint=hint)


def _say(found: Sequence[PromptSummary]) -> None:
    if not is_terminal():
        columns = ["Prompt", "Version", "Labels", "Model", "Status", "Name", "From"]
        say_table(columns, [_row(each) for each in found])
        return
    columns = ["Prompt", "Version", "Labels", "Model", "Name"]
    columns += ["From"] if any(each.vendored_from for each in found) else []
    rows = [(*_terminal_row(each), each.vendored_from or "")[: len(columns)] for each in found]
    say_table(columns, rows, texts=["Labels", "Model", "Name", "From"])


def _row(found: PromptSummary) -> tuple[Any, ...]:
    return (
        found.id,
        found.version.display if found.version else "unversioned",
        ", ".join(f"{state.label}={state.version}" for state in found.labels) or None,
        found.model,
        _status(found.prompt) if found.prompt else "invalid",
        found.prompt.name if found.prompt else None,
        found.vendored_from,
    )


def _status(prompt: Prompt) -> str:
    return prompt.status + (f", use {prompt.successor}" if prompt.successor else "")


def _terminal_row(found: PromptSummary) -> tuple[Any, ...]:
    prompt = found.prompt
    if prompt is None:
        name: Any = Styled("invalid: see promptctl validate", {"fg": "red"})
    elif prompt.status != "active":
        name = Styled(f"{prompt.name} ({_status(prompt)})", {"fg": "yellow"})
    else:
        name = prompt.name
    version = without_commit(found.version.display) if found.version else "-"
    labels = ", ".join(f"{state.label} {state.version}" for state in found.labels)
    return found.id, version, Styled(labels, {"fg": "green"}), found.model or "-", name
