"""`promptctl log`: what ran, what it answered, what it cost."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl import Filter
from promptctl.cli import options
from promptctl.cli.options import grouped
from promptctl.cli.output import format_id, format_moment, format_version, say, say_json, styled, tell
from promptctl.cli.tables import say_table
from promptctl.reports.wording import as_text, format_cost, format_count, format_latency, format_spent, format_tokens

if TYPE_CHECKING:
    from promptctl import CallTotals, Execution

app = typer.Typer(help="What ran, what it answered, what it cost.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Options that choose among the executions of the log."""

    prompt: options.PromptName = None
    version: Annotated[
        str | None,
        typer.Option(
            "--version", metavar="VERSION", help="Only this version's: v7; of one prompt also a label or a revision."
        ),
    ] = None
    label: Annotated[
        str | None, typer.Option("--label", metavar="LABEL", help="Only calls that asked for this label.")
    ] = None
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only from then on: 90m, 24h, 7d, or 2026-01-31[T12:00]."),
    ] = None
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Only calls for this user.")] = None
    session: Annotated[str | None, typer.Option("--session", metavar="NAME", help="Only calls of this session.")] = None
    source: Annotated[
        Literal["run", "api", "eval"] | None, typer.Option("--source", help="Only calls made from there.")
    ] = None

    @property
    def filter(self) -> Filter:
        """The options as the log takes them."""
        return Filter(**{each.name: getattr(self, each.name) for each in fields(self)})


@app.command("list")
@grouped
def list_executions(
    context: typer.Context,
    filters: FilterOptions,
    status: Annotated[
        Literal["ok", "error", "invalid_output", "blocked", "cancelled"] | None,
        typer.Option("--status", help="Only executions that ended so."),
    ] = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List executions, newest first: one line for each attempt of a call."""
    workspace = options.workspace_of(context)
    found = workspace.log.executions(replace(filters.filter, status=status, limit=limit))
    if as_json:
        say_json([each.as_dict() for each in found])
        return
    rows = [_row(each) for each in found]
    if not rows:
        tell("no executions yet" if workspace.log.is_new else "no execution matches")
        return
    numbers = ["Tokens", "Cost", "Latency"]
    say_table(["Time", "Prompt", "Version", "Model", "Status", *numbers, "Id"], rows, right=numbers)


@app.command("show")
def show_execution(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="ID", help="An execution's id, its beginning or its end.")],
    as_json: options.Json = False,
) -> None:
    """Show one execution whole: what was sent, what came back, what it cost."""
    found = options.workspace_of(context).log.execution(wanted)
    if as_json:
        say_json(found.as_dict())
        return
    for key, value in found.as_dict().items():
        if key not in ("inputs", "messages", "reply", "tool_calls") and value not in (None, {}, []):
            say(f"{styled(key.ljust(18), sys.stdout, dim=True)} {as_text(value)}")
    _show_content(found)


@app.command("stats")
@grouped
def show_stats(context: typer.Context, filters: FilterOptions, as_json: options.Json = False) -> None:
    """Show calls, cost, tokens and latency by prompt and version."""
    workspace = options.workspace_of(context)
    rows = workspace.log.totals(filters.filter)
    if as_json:
        say_json([row.as_dict() for row in rows])
        return
    if not rows:
        tell("no calls yet" if workspace.log.is_new else "no call matches")
        return
    numbers = ["Calls", "Failed", "Tokens", "Cost", "Average", "p50", "p95"]
    say_table(["Prompt", "Version", *numbers, "Last call"], [_stats_row(row) for row in rows], right=numbers)


def _row(found: Execution) -> tuple[Any, ...]:
    return (
        format_moment(found.started_at),
        found.prompt + (f"@{found.label}" if found.label else ""),
        format_version(found.version_display),
        found.model,
        found.status,
        format_tokens(found.input_tokens, found.output_tokens),
        format_cost(found.cost_nano_usd),
        format_latency(found.latency_ms),
        format_id(found.id),
    )


def _stats_row(row: CallTotals) -> tuple[Any, ...]:
    average = row.average_cost_nano_usd
    return (
        row.prompt,
        format_version(row.version_display or "-"),
        format_count(row.calls),
        format_count(row.failed),
        format_tokens(row.input_tokens, row.output_tokens),
        format_spent(row.cost_nano_usd, row.unpriced),
        format_cost(round(average) if average is not None else None),
        format_latency(row.p50_latency_ms),
        format_latency(row.p95_latency_ms),
        format_moment(row.last_at),
    )


def _show_content(found: Execution) -> None:
    if found.messages is None:
        tell("\nonly the numbers of this call are kept; `log:` in promptctl.yaml says so")
        return
    for message in found.messages:
        _show_part(f"{message.get('role')}", as_text(message.get("content")))
    if found.reply is not None:
        _show_part("reply", found.reply)
    for call in found.tool_calls:
        _show_part("tool call", json.dumps(call, ensure_ascii=False))


def _show_part(title: str, text: str) -> None:
    say()
    say(styled(f"── {title} ──", sys.stdout, bold=True))
    say(text.rstrip("\n"))
