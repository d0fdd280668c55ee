"""`promptctl log search`, `export`, `prune` and `backup`: what the log holds, found, taken out, cut back, copied."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl import Retention, parse_moment
from promptctl.cli import options
from promptctl.cli.call_filter import FilterOptions
from promptctl.cli.commands import argument, option
from promptctl.cli.output import (
    format_id,
    format_moment,
    format_version,
    say,
    say_json,
    say_json_text,
    tell,
    tell_hint,
    time_heading,
    told_moment,
    warn,
)
from promptctl.cli.tables import say_table
from promptctl.errors import LogError, UsageError, printable, quote
from promptctl.reports.wording import count, format_bytes

if TYPE_CHECKING:
    from promptctl import FoundCall

_STDOUT = Path("-")

Status = Annotated[
    Literal["ok", "error", "invalid_output", "blocked", "cancelled"] | None,
    option("--status", "Only executions that ended so."),
]


def export_calls(
    context: typer.Context,
    output: Annotated[
        Path, options.output_option("A .jsonl, .csv or .parquet file, in the format of its name; - prints JSON lines.")
    ],
    filters: FilterOptions,
    status: Status = None,
    content: Annotated[bool, option("--content", "Also inputs, messages and replies that are kept.")] = False,
) -> None:
    """Write executions to a file for other programs, newest first, with the keys of `log list --json`."""
    from promptctl.reports.call_export import check_export_path, json_lines

    if output != _STDOUT:
        check_export_path(output)
    log = options.workspace_of(context).log
    wanted = replace(filters.filter, status=status)
    if output == _STDOUT:
        rows = (each.as_row(with_content=content) for each in log.executions(wanted, with_content=content))
        for line in json_lines(rows):
            say_json_text(line.removesuffix("\n"))
        return
    number = log.export(output, wanted, with_content=content)
    tell(f"written  {output} ({count(number, 'execution')})")


def search_calls(
    context: typer.Context,
    words: Annotated[
        list[str], argument("TEXT...", "Words that a call must all have; begin*; '\"a phrase\"'. Case is ignored.")
    ],
    filters: FilterOptions,
    status: Status = None,
    limit: options.Limit = 20,
    scan: Annotated[bool, option("--scan", "Make and use no index: read every content that is kept.")] = False,
    as_json: options.Json = False,
) -> None:
    """Find calls by words in their inputs, messages, replies and tool calls, as far as those are kept; newest first.

    The first search makes an index beside the log, for its owner alone; the next ones add what is new.
    """
    workspace = options.workspace_of(context)
    found = workspace.log.search(" ".join(words), replace(filters.filter, status=status, limit=limit), is_scan=scan)
    if as_json:
        say_json([each.as_dict() for each in found])
        return
    if not found:
        filters.tell_nothing(workspace, "kept content")
        last = words[-1].split()[-1]
        if not last.endswith(("*", '"')) and not workspace.log.is_new:
            tell_hint(f"words are whole: `{printable(last)}*` finds longer ones too")
        return
    time = time_heading("Time", (each.execution.started_at for each in found))
    columns = [time, "Prompt", "Version", "Found in", "Text", "Id"]
    say_table(columns, map(_found, found), texts=["Text"], spare=["Version", time])


def _found(found: FoundCall) -> tuple[Any, ...]:
    call = found.execution
    return (
        format_moment(call.started_at),
        call.prompt + (f"@{call.label}" if call.label else ""),
        format_version(call.version_display),
        found.found_in.replace("_", " "),
        f"{found.before}«{found.match}»{found.after}".strip(),
        format_id(call.id),
    )


def prune_log(
    context: typer.Context,
    content_older: Annotated[
        str | None, option("--content-older", "WHEN", "Delete contents of calls before then: an age (7d) or a date.")
    ] = None,
    rows_older: Annotated[
        str | None, option("--rows-older", "WHEN", "Delete whole rows of calls before then; their totals stay.")
    ] = None,
    prompt: options.PromptName = None,
    reason: options.EventReason = None,
    dry_run: Annotated[bool, option("--dry-run", "Delete nothing; say exactly what would go.")] = False,
    as_json: options.Json = False,
) -> None:
    """Delete old contents and rows, and give their space back. Totals stay, and so do results of evaluations."""
    if content_older is None and rows_older is None:
        raise UsageError(
            "nothing to prune: give --content-older, --rows-older or both",
            hint="promptctl log prune --content-older 7d --rows-older 180d --dry-run",
        )
    only = options.one_prompt(prompt)
    content_before, rows_before = (age and parse_moment(age, zone=None) for age in (content_older, rows_older))
    retention = Retention(content_before=content_before, rows_before=rows_before, prompt=only or "*")
    log = options.workspace_of(context).log
    pruned = log.prune(retention, is_dry_run=dry_run, reason=reason)
    freed = None
    if not dry_run:
        try:
            freed = log.vacuum()
        except LogError as error:
            warn(f"the space is not given back yet: {error.message}", "the next log prune does it")
    if as_json:
        numbers = {name: getattr(pruned, name) for name in ("rows", "contents", "latest_calls", "feedback")}
        texts = {"texts": pruned.payloads, "text_bytes": pruned.payload_bytes, "freed_bytes": freed}
        moments = {"content_before": content_before, "rows_before": rows_before}
        say_json({"dry_run": dry_run, "prompt": only, **moments, **numbers, **texts})
        return
    done = "would be deleted" if dry_run else "deleted"
    if rows_before:
        say(f"{count(pruned.rows, 'row')} of calls before {told_moment(rows_before)} {done}; totals stay")
    if content_before:
        calls, latest = count(pruned.contents, "call"), count(pruned.latest_calls, "latest call")
        say(f"contents of {calls} and of {latest} before {told_moment(content_before)} {done}")
    say(f"{count(pruned.payloads, 'stored text')} {done} with them: {format_bytes(pruned.payload_bytes)}")
    if pruned.feedback:
        say(f"{count(pruned.feedback, 'piece')} of feedback {done} with them")
    if freed:
        say(f"the log is {format_bytes(freed)} smaller")
    if rows_before and not content_before:
        tell("latest calls keep their contents: --content-older deletes those")


def back_up_log(
    context: typer.Context,
    file: Annotated[Path, argument("FILE", "A new file; one that is there is refused.")],
    reason: options.EventReason = None,
    as_json: options.Json = False,
) -> None:
    """Copy the log as of now to a new file, also while calls are made, and check the copy."""
    log = options.workspace_of(context).log
    log.back_up(file, reason=reason)
    size = file.stat().st_size
    if as_json:
        say_json({"file": str(file), "bytes": size})
    else:
        tell(f"written  {file} ({format_bytes(size)}, checked)")


def write_metadata(
    context: typer.Context,
    output: Annotated[Path, options.output_option("A .json file; - prints it.")] = _STDOUT,
    database: Annotated[
        str | None, option("--database", "NAME", "Of a copy of the log: its file's name, without .db.")
    ] = None,
) -> None:
    """Write the metadata with which Datasette shows the log: titles, columns, and questions to ask."""
    from promptctl.reports.datasette import datasette_metadata, write_datasette_metadata

    log = options.workspace_of(context).log.file
    name = database or log.stem
    if output == _STDOUT:
        say_json(datasette_metadata(name))
        return
    if output.suffix != ".json":
        raise UsageError(
            f"`{printable(str(output))}` is no .json file", hint="promptctl log datasette -o metadata.json"
        )
    write_datasette_metadata(output, name)
    shown = quote(os.path.relpath(log)) if database is None else f"-i {quote(database)}.db"
    tell(f"written  {output}; show the log with: datasette {shown} -m {quote(str(output))}")
