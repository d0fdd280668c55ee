"""`promptctl diff`: what differs between two versions of a prompt, and who breaks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import say, say_json, styled, visible
from promptctl.cli.page_layout import say_heading
from promptctl.reports.prompt_diff import DiffLine, diff_parts, version_names

if TYPE_CHECKING:
    from promptctl import Break, Difference, PromptDiff

_COLOURS = {"+": "green", "-": "red", "!": "yellow"}


def diff(
    context: typer.Context,
    old: Annotated[str, argument("REF", "The old version; a bare prompt means the committed one.", completes="ref")],
    new: Annotated[
        str | None,
        argument(
            "[REF2]", "The new version, the work tree by default; @v7 is one of the same prompt.", completes="ref"
        ),
    ] = None,
    exit_code: Annotated[bool, option("--exit-code", "End with 1 if anything differs.")] = False,
    as_json: options.Json = False,
) -> None:
    """Say what differs between two versions of a prompt, part by part, and whose code breaks."""
    difference = options.workspace_of(context).diff(old, new)
    if as_json:
        say_json(difference.as_dict())
    else:
        say_difference(difference)
    if exit_code and not difference.diff.is_empty:
        raise typer.Exit(errors.CHECK_FAILED)


def say_difference(found: Difference) -> None:
    """Print a whole difference; of equal versions, that they are equal."""
    diff = found.diff
    _say_sides(found)
    if diff.is_empty:
        say("no difference")
        return
    if diff.is_same_behaviour:
        say("same behaviour: only description and metadata differ")
    else:
        _say_breaks("callers", diff.breaks_callers)
        _say_breaks("consumers of replies", diff.breaks_consumers)
    say_parts(diff)


def say_parts(diff: PromptDiff) -> None:
    """Print every part that differs under its heading."""
    for title, lines in diff_parts(diff):
        say_heading(title)
        _say_lines(lines)


def say_changed_text(lines: Iterable[str]) -> None:
    """Print the lines of the hunks in which a text differs."""
    _say_lines(map(DiffLine, lines))


def _say_lines(lines: Iterable[DiffLine]) -> None:
    is_after_hunk = False
    for line in lines:
        if line.text.startswith("@@") and not line.sign:
            if is_after_hunk:
                say("    …")
        else:
            _say_line(line)
        is_after_hunk = not line.sign


def _say_line(line: DiffLine) -> None:
    text = f"{line.sign.replace('!', '~')} {line.text}" if line.sign else line.text
    indent = "    " if line.is_detail or not line.sign else "  "
    colour = _COLOURS.get(line.sign or line.text[:1])
    shown = f"{indent}{visible(text)}".rstrip()
    say(styled(shown, sys.stdout, fg=colour) if colour else shown)


def _say_sides(found: Difference) -> None:
    id_ = found.old.prompt.id
    whose = f"{id_}  " if id_ == found.new.prompt.id else ""
    say(styled(whose + " → ".join(version_names(found)), sys.stdout, bold=True))


def _say_breaks(whose: str, breaks: Sequence[Break]) -> None:
    if not breaks:
        say(styled(f"no break for {whose}", sys.stdout, fg="green"))
        return
    say(styled(f"breaks {whose}:", sys.stdout, fg="red", bold=True))
    for each in breaks:
        say(styled(f"  {each.what}: {visible(each.reason)}", sys.stdout, fg="red"))
