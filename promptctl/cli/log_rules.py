"""`promptctl log rules`: which rule holds for each prompt, what its calls cost, and how to change the rule."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option, refuse_before
from promptctl.cli.output import format_moment, left_to_show, say, say_json, tell, time_heading, warn
from promptctl.cli.proposing import say_patch
from promptctl.cli.tables import say_table
from promptctl.errors import UsageError
from promptctl.reports.wording import count, format_cost, format_count, format_spent

if TYPE_CHECKING:
    from promptctl import RuledPrompt

app = Group("What is kept of each prompt's calls, and by which rule.", no_args_is_help=False)

_Order = Literal["prompt", "calls", "cost", "average", "last"]
_ORDERS: Mapping[_Order, Callable[[RuledPrompt], Any]] = {
    "calls": lambda row: row.totals.calls,
    "cost": lambda row: row.totals.cost_nano_usd or 0,
    "average": lambda row: row.totals.average_cost_nano_usd or 0,
    "last": lambda row: row.totals.last_at,
}


@app.callback(invoke_without_command=True)
def list_rules(
    context: typer.Context,
    kept: Annotated[
        Literal["full", "metadata", "off"] | None,
        option("--kept", "Only prompts of which so much is kept; off: no row."),
    ] = None,
    rule: Annotated[str | None, option("--rule", "GLOB", "Only prompts for which the rule of this glob holds.")] = None,
    search: Annotated[
        str | None, option("--search", "TEXT", "Only prompts with this in id, name, description or tags.")
    ] = None,
    sort: Annotated[_Order, option("--sort", "By which column; numbers and times from the top.")] = "prompt",
    source: options.CallSource = "app",
    as_json: options.Json = False,
) -> None:
    """List every prompt that is in the files or was ever called: its rule, where that stands, and its totals."""
    if context.invoked_subcommand is not None:
        refuse_before(context, context.invoked_subcommand)
        return
    log = options.workspace_of(context).log
    rows = log.rules(kept=kept, rule=rule, search=search, source=None if source == "all" else source)
    if sort != "prompt":
        rows.sort(key=_ORDERS[sort], reverse=True)
    nothing = "no prompt matches" if kept or rule or search else "no prompt yet: promptctl init"
    if not left_to_show(rows, nothing, as_json=as_json):
        return
    numbers = ["Calls", "Cost", "Average"]
    last_call = time_heading("Last call", (row.totals.last_at for row in rows))
    columns = ["Prompt", "Keeps", "Rule", "Line", *numbers, last_call]
    say_table(columns, map(_cells, rows), right=numbers, texts=["Prompt", "Rule"], spare=["Average", last_call, "Line"])
    if without := sum(not row.has_file for row in rows):
        tell(f"* {count(without, 'prompt')} without a file in this work tree")


@app.command("set")
def set_rules(
    context: typer.Context,
    words: Annotated[list[str], argument("GLOB... KEY=VALUE...", 'Which prompts, and what: "extract/*" content=full')],
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Set the rule of each glob in promptctl.yaml: content=full|metadata, active=true|false. Comments stay."""
    globs = [word for word in words if "=" not in word]
    given = options.named_once([word for word in words if "=" in word], "log rules set")
    if not globs or not given:
        raise UsageError(
            f"nothing to set: {'no glob' if not globs else 'no KEY=VALUE'} is given",
            hint='promptctl log rules set "extract/*" content=full',
        )
    change = options.workspace_of(context).log.set_rules(globs, given, is_dry_run=dry_run)
    for glob, hint in change.unmatched.items():
        warn(f"`{glob}` means no prompt of the files or the log", hint or None)
    if as_json:
        say_json(change.as_dict())
        return
    sides = change.old.splitlines(), change.new.splitlines()
    say_patch([*difflib.unified_diff(*sides, lineterm="", n=1)][2:])
    for prompt, (before, after) in change.changed.items():
        say(f"{prompt}  {before} → {after}")
    for prompt, rule in change.overruled.items():
        tell(f"{prompt} goes on by a later rule: {rule.place}: `{rule.prompts}` keeps {rule.kept}")
    if change.old == change.new:
        tell("nothing to change")
    else:
        tell(f"{count(len(change.changed), 'prompt')} {'would change' if dry_run else 'changed'}")


@app.command("export")
def export_rules(
    context: typer.Context,
    output: Annotated[
        Path | None, options.output_option("Write it there: .yaml or .csv. Else YAML is printed.")
    ] = None,
) -> None:
    """Write the table of rules and totals, for a spreadsheet or a script."""
    from promptctl.reports.tables import RULES, check_suffix, rules_as_yaml, write_rules

    if output is not None:
        check_suffix(output, RULES)
    rows = options.workspace_of(context).log.rules()
    if output is None:
        say(rules_as_yaml(rows).rstrip("\n"))
    else:
        write_rules(rows, output)
        tell(f"written  {output}")


def _cells(row: RuledPrompt) -> Sequence[Any]:
    totals, rule = row.totals, row.rule
    called = totals.calls > 0
    average = totals.average_cost_nano_usd
    return (
        row.prompt + ("" if row.has_file else " *"),
        rule.kept,
        rule.prompts if rule.place else "built in",
        rule.place.line if rule.place else "-",
        format_count(totals.calls),
        format_spent(totals) if called else "-",
        format_cost(average) if called else "-",
        format_moment(totals.last_at) if called else "-",
    )
