"""`promptctl log`: what ran, what it answered, what it cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from promptctl import CallTotals, Execution
from promptctl.cli import log_care, log_evidence, log_rules, options
from promptctl.cli.call_filter import BY_HELP, FilterOptions, dimensions, say_totals
from promptctl.cli.commands import Group, argument, option, refuse_given
from promptctl.cli.output import format_id, format_moment, format_version, say, say_json, styled, tell, time_heading
from promptctl.cli.page_layout import say_fact
from promptctl.cli.tables import say_table
from promptctl.cli.text_difference import shortened
from promptctl.errors import LogError, printable
from promptctl.reports.wording import as_text, format_cost, format_latency, format_tokens

app = Group("What ran, what it answered, what it cost.")
app.add_typer(log_rules.app, name="rules")

_REPLY_WIDTH = 80


@app.command("list")
def list_executions(
    context: typer.Context,
    filters: FilterOptions,
    status: log_care.Status = None,
    limit: options.Limit = 20,
    content: Annotated[
        bool, option("--content", "With --json: also inputs, messages and replies that are kept.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List executions, newest first: one line for each attempt of a call."""
    if not as_json:
        refuse_given(context, ["content"], "goes with --json", "promptctl log show ID shows one call whole")
    workspace = options.workspace_of(context)
    wanted = replace(filters.filter, status=status, limit=limit)
    found = list(workspace.log.executions(wanted, with_content=content or not as_json))
    if as_json:
        say_json([each.as_row(with_content=content) for each in found])
        return
    if not found:
        filters.tell_nothing(workspace, "execution")
        return
    numbers = ["Tokens", "Cost", "Latency"]
    time = time_heading("Time", (each.started_at for each in found))
    columns = [time, "Prompt", "Version", "Model", "Status", *numbers, "Id", "Reply"]
    rows = [_row(each) for each in found]
    if any(each.feedback for each in found):
        columns.append("Feedback")
        rows = [(*row, _scores(each.scores)) for row, each in zip(rows, found, strict=True)]
    texts = ["Model", "Status", "Reply", "Feedback"]
    say_table(columns, rows, right=numbers, texts=texts, spare=["Latency", "Tokens"])


@app.command("show")
def show_execution(
    context: typer.Context,
    wanted: Annotated[str, argument("ID", "An execution's id, its beginning or its end.", completes="execution")],
    as_json: options.Json = False,
) -> None:
    """Show one execution whole: what was sent, what came back, what it cost."""
    _say_execution(options.workspace_of(context).log.execution(wanted), as_json=as_json)


@app.command("latest")
def show_latest(context: typer.Context, ref: options.Ref, as_json: options.Json = False) -> None:
    """Show a prompt's last call whole, whatever the log rules keep; after @ that of a version, as far as it is kept."""
    log = options.workspace_of(context).log
    found = log.latest_call(ref)
    if found is None:
        prompt, _, version = ref.partition("@")
        has_others = version and log.latest_call(prompt) is not None
        hint = (
            f"promptctl log latest {printable(prompt)}" if has_others else f"promptctl run {printable(ref)} makes one"
        )
        raise LogError(f"no call of {printable(ref)} yet", hint=hint)
    _say_execution(found, as_json=as_json)


def _say_execution(found: Execution, *, as_json: bool) -> None:
    if as_json:
        say_json(found.as_dict())
        return
    for key, value in found.as_dict().items():
        if key not in ("inputs", "messages", "reply", "tool_calls", "reasoning", "feedback") and value not in (
            None,
            {},
            [],
        ):
            say_fact(key, as_text(value), room=19)
    _show_content(found)
    _show_feedback(found)


@app.command("stats")
def show_stats(
    context: typer.Context,
    filters: FilterOptions,
    by: Annotated[list[str] | None, option("--by", "NAMES", f"{BY_HELP} Default: prompt,version.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show calls, cost, tokens and latency, by prompt and version or as --by says, with their total."""
    groups = dimensions(by or ["prompt", "version"])
    workspace = options.workspace_of(context)
    rows = workspace.log.totals(filters.filter, list(groups.values()))
    if as_json:
        say_json([row.as_dict() for row in rows])
        return
    without_row = workspace.log.without_row(filters.filter, list(groups.values()))
    if not rows:
        filters.tell_nothing(workspace, "call")
        filters.tell_left_out(None, without_row, groups)
        return
    total = CallTotals()
    for row in rows:
        total.add(row)
    last_call = time_heading("Last call", (row.last_at for row in rows))
    scores = {"Feedback": _means} if total.feedback else {}
    say_totals(
        groups,
        rows,
        total,
        ("Calls", "Failed", "Tokens", "Cost", "Average", "p50", "p95"),
        {last_call: lambda row: format_moment(row.last_at), **scores},
        texts=list(scores) if len(total.feedback) > 1 else [],
        spare=["p95", "Average", last_call, "p50", "Failed"],
    )
    of_evaluations = workspace.log.totals(replace(filters.filter, source="eval"), ()) if filters.source == "app" else []
    filters.tell_left_out(next(iter(of_evaluations), None), without_row, groups)


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
        shortened((found.reply or found.error_message or "").strip(), width=_REPLY_WIDTH),
    )


def _scores(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {score:.3g}" for name, score in scores.items())


def _means(row: CallTotals) -> str:
    """Return the mean score under each name, with the number of calls that have one."""
    return ", ".join(f"{name} {found.mean:.2f} ({found.calls})" for name, found in sorted(row.feedback.items()))


def _show_content(found: Execution) -> None:
    if found.messages is None:
        why = (
            "its contents were pruned" if found.kept_content == "pruned" else "its log rule or the call itself said so"
        )
        tell(f"\nonly the numbers of this call are kept; {why}")
        return
    for message in found.messages:
        _show_part(f"{message.get('role')}", as_text(message.get("content")))
    if found.reasoning is not None:
        _show_part("reasoning", found.reasoning)
    if found.reply is not None:
        _show_part("reply", found.reply)
    for call in found.tool_calls:
        _show_part("tool call", json.dumps(call, ensure_ascii=False))


def _show_feedback(found: Execution) -> None:
    if not found.feedback:
        return
    say()
    say(styled("── feedback ──", sys.stdout, bold=True))
    time = time_heading("Time", (each.created_at for each in found.feedback))
    rows = [
        (format_moment(each.created_at), each.name, as_text(each.score), each.by, each.comment, each.expected)
        for each in found.feedback
    ]
    say_table(
        [time, "Name", "Score", "By", "Comment", "Expected"], rows, right=["Score"], texts=["Comment", "Expected"]
    )


def _show_part(title: str, text: str) -> None:
    say()
    say(styled(f"── {title} ──", sys.stdout, bold=True))
    say(text.rstrip("\n"))


app.command("search")(log_care.search_calls)
app.command("export")(log_care.export_calls)
app.command("datasette")(log_care.write_metadata)
app.command("prune")(log_care.prune_log)
app.command("backup")(log_care.back_up_log)
app.command("verify")(log_evidence.verify_log)
app.command("redact")(log_evidence.redact_log)
app.command("merge")(log_evidence.merge_logs)
