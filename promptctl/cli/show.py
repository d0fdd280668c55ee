"""`promptctl show`: the page about one prompt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl import Placeholder, parse_moment
from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import flat, say, say_json, say_wrapped, styled, tell, told_moment, visible
from promptctl.cli.page_layout import page_width, say_columns, say_fact, say_heading, say_text, template
from promptctl.cli.render import role_heading
from promptctl.errors import InvalidFiles, UsageError
from promptctl.reports.asked import content_texts
from promptctl.reports.wording import as_text, format_cost, format_count, format_latency, format_spent, without_address

if TYPE_CHECKING:
    from promptctl import Execution, Message, Page, SharedFile, Workspace

_STATUS_COLOURS = {"deprecated": "yellow", "inactive": "red"}
_REPLY_LINES = 8


def show(
    context: typer.Context,
    ref: Annotated[
        str,
        argument(
            "REF",
            "A prompt's id; after it, if wanted, @ and a label, a version (v7) or any Git revision.",
            completes="shown",
        ),
    ],
    at: Annotated[
        str | None, option("--at", "TIME", "As its label named it then; without a label, the default branch.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show everything about a prompt: version, labels, inputs, messages, model, datasets, totals, latest call.

    Of a partial or a schema, by its path: the prompts that use it, and its text.
    """
    workspace = options.workspace_of(context)
    at = at and parse_moment(at, zone=None)
    if workspace.life.is_shared(ref):
        if at is not None:
            raise UsageError("--at is for a prompt", hint="git log -p shows what a file was")
        _show_file(workspace.life.shared_file(ref), as_json=as_json)
        return
    page = workspace.page(ref, at)
    options.tell_unknown(page.at_version.version)
    if as_json:
        say_json(page.as_dict())
        return
    _say_head(page)
    _say_facts(page)
    if page.at is None:
        _say_source(workspace, page.prompt.id)
    prompt = page.prompt
    if prompt.inputs:
        say_heading("Inputs")
        say_columns(["name", "type", "default", "description"], page.input_rows())
    if page.output_type is not None:
        _say_output(page)
    if prompt.tools:
        say_heading("Tools")
        say_columns(["tool", "description"], page.tool_rows())
    say_heading("Messages")
    for item in prompt.messages:
        _say_message(item, prompt.engine)
    if page.at is None and page.latest is not None:
        _say_latest(page.latest)


def _say_head(page: Page) -> None:
    prompt = page.prompt
    title = visible(flat(prompt.name))
    if prompt.name == prompt.id:
        say(styled(title, sys.stdout, bold=True))
    else:
        room = max((page_width() or 0) - len(title) - len(prompt.id), 2)
        say(styled(title, sys.stdout, bold=True) + " " * room + styled(prompt.id, sys.stdout, fg="blue"))
    if prompt.description:
        say_text(prompt.description)
    say()


def _show_file(found: SharedFile, *, as_json: bool) -> None:
    if as_json:
        say_json(found.as_dict())
        return
    say(styled(found.path, sys.stdout, bold=True))
    users = (
        f"{prompt} (through {', '.join(through)})" if through else prompt for prompt, through in found.users.items()
    )
    say_fact("used by", ", ".join(users) or "no prompt")
    say_fact("uses", ", ".join(found.named))
    say()
    say_text(found.text)


def _say_facts(page: Page) -> None:
    prompt, at_version = page.prompt, page.at_version
    version, made = at_version.version, page.made
    asked = f", asked for as @{version.label}" if version.label else ""
    if page.at is not None:
        say_fact("at", _past(page), fg="green")
    say_fact("version", version.display + asked, bold=True)
    if made is not None:
        since = "since" if version.is_dirty else "made"
        who = without_address(made.author)
        say_fact(since, f"{made.commit[:7]} by {who}, {told_moment(made.utc_date)}: {made.subject}")
    if page.at is None:
        say_fact("labels", ", ".join(f"{state.label} {state.version}" for state in page.labels), fg="green")
    if prompt.status != "active":
        instead = f": use {prompt.successor}" if prompt.successor else ""
        say_fact("status", prompt.status + instead, fg=_STATUS_COLOURS.get(prompt.status), bold=True)
    say_fact("tags", ", ".join(prompt.tags))
    say_fact("formerly", ", ".join(prompt.formerly))
    say_fact("copied", f"from {prompt.copied_from}" if prompt.copied_from else None)
    if page.at is None:
        say_fact("copies", ", ".join(page.copies))
    parameters = "  ".join(f"{name}={as_text(value)}" for name, value in prompt.parameters.items())
    default = "" if prompt.model or at_version.model is None else " (the workspace's default)"
    say_fact("model", f"{at_version.model or 'none named'}{default}" + (f"  {parameters}" if parameters else ""))
    say_fact("includes", ", ".join(sorted(prompt.partials)))
    if prompt.output.schema is None and prompt.response_format is not None:
        say_fact("output", as_text(prompt.response_format))
    say_fact("metadata", "  ".join(f"{name}={as_text(value)}" for name, value in prompt.metadata.items()))
    if page.at is None:
        _say_today(page)
    say_fact("file", prompt.path)
    say_fact("digest", version.digest)


def _say_source(workspace: Workspace, prompt: str) -> None:
    """Say which repository a prompt is of, if it is one's of others; what is wrong with the lock, others say."""
    with suppress(InvalidFiles):
        if (source := workspace.vendoring.source_of(prompt)) is not None:
            say_fact("from", f"{source.url} at {source.at}")


def _say_today(page: Page) -> None:
    """Say what is of now, and so is left out below a time that is past."""
    say_fact("datasets", ", ".join(page.datasets) or "none")
    say_fact("named by", ", ".join(f"{each.words} ({each.place})" for each in page.named_by))
    if page.totals is not None:
        row = page.totals
        failed = f", {format_count(row.failed)} failed" if row.failed else ""
        cost = "cost unknown" if row.cost_nano_usd is None else format_spent(row)
        times = f"p50 {format_latency(row.p50_latency_ms)}, p95 {format_latency(row.p95_latency_ms)}"
        of = "this version" if page.asked else "all versions"
        say_fact("calls", f"{format_count(row.calls)}{failed}, {cost}, {times}; {of}, evaluations too")


def _past(page: Page) -> str:
    when = told_moment(page.at or "")
    if page.move is None:
        return f"{when}, on the default branch"
    event = page.move
    who, since = without_address(event.actor), told_moment(event.utc_date)
    return f"{when}: {event.label} since {since} by {who}" + (f": {event.reason}" if event.reason else "")


def _say_output(page: Page) -> None:
    output = page.prompt.output
    say_heading("Output")
    about = [output.schema_path or "JSON Schema in the file"]
    about += ["strict"] if output.is_strict else []
    about += [f"retried {output.retries}×"] if output.retries else []
    say(", ".join(about))
    rows = page.output_rows()
    if rows:
        say_columns(["property", "type", "given", "description"], rows)
    else:
        say(page.output_type or "")


def _say_message(item: Message | Placeholder, engine: str) -> None:
    if isinstance(item, Placeholder):
        say(role_heading(item.input, "messages given as this input"))
        say()
        return
    say(role_heading(item.role))
    for part in content_texts(item.content):
        say(template(part.rstrip("\n"), engine))
    for name, value in item.extra.items():
        say(f"[{name}: {as_text(value)}]")
    say()


def _say_latest(latest: Execution) -> None:
    asked = f" @{latest.label}" if latest.label else ""
    about: Sequence[str] = (
        told_moment(latest.started_at),
        (latest.version_display or "unversioned") + asked,
        latest.model,
        latest.status,
        format_latency(latest.latency_ms),
        format_cost(latest.cost_nano_usd) if latest.cost_nano_usd is not None else "cost unknown",
    )
    say(styled("Latest call", sys.stdout, bold=True))
    say_wrapped(visible(" · ".join(about)))
    is_cut = say_text(latest.reply or latest.error_message or "", most_lines=_REPLY_LINES, indent="  ")
    if is_cut:
        say("  …")
    tell(styled(f"  all of it: promptctl log show {latest.id[-8:]}", sys.stderr, dim=True))
