"""The parts of a page on a terminal: headings, facts, small tables, texts and templates."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from promptctl.cli.output import columns as terminal_columns
from promptctl.cli.output import say, styled, visible
from promptctl.cli.tables import Styled, say_aligned

_NAME_WIDTH = 11
_WIDEST, _NARROWEST = 120, 24
_STYLES: dict[str, dict[str, Any]] = {"{{": {"fg": "cyan"}, "{%": {"fg": "magenta"}, "{#": {"dim": True}}
_MARKS = {"jinja2": {"{{": "}}", "{%": "%}", "{#": "#}"}, "simple": {"{{": "}}"}}


def page_width() -> int | None:
    """Return the columns of a page: the terminal's, but no more than can be read, and room for something; else None."""
    width = terminal_columns(sys.stdout)
    return None if width is None else max(min(width, _WIDEST), _NARROWEST)


def say_heading(text: str) -> None:
    """Print the line above a part of the page."""
    say()
    say(styled(text, sys.stdout, bold=True))


def say_fact(name: str, text: str | None, *, room: int = _NAME_WIDTH, **style: Any) -> None:
    """Print a fact after its name, which has so much room, wrapped on a terminal; print nothing without a text."""
    if not text:
        return
    lines = [visible(text)]
    if width := page_width():
        lines = textwrap.wrap(lines[0], width - room, break_on_hyphens=False) or [""]
    head = styled(name.ljust(room), sys.stdout, dim=True)
    for line in lines:
        say(head + (styled(line, sys.stdout, **style) if style else line))
        head = " " * room


def say_columns(columns: Sequence[str], rows: Sequence[Sequence[str]], *, wraps_last: bool = False) -> None:
    """Print a small table within the page: aligned, on a terminal with long cells wrapped, or those of the last alone."""
    heads: list[Sequence[Any]] = [[Styled(column, {"dim": True}) for column in columns]]
    table = heads + [[" ".join(value.split()) for value in row] for row in rows]
    width = page_width()
    sides = [False] * len(columns)
    if width is None:
        say_aligned(table, sides)
    else:
        say_aligned(table, sides, width=width, wraps_all=not wraps_last)


def say_text(text: str, *, most_lines: int | None = None, indent: str = "") -> bool:
    """Print a text of several lines, cut after `most_lines`; return True if it was cut."""
    lines = visible(text).rstrip("\n").split("\n")
    for line in lines[:most_lines]:
        say(f"{indent}{line}" if line else "")
    return most_lines is not None and len(lines) > most_lines


def template(text: str, engine: str) -> str:
    """Return a message's text with the marks of its template in colour."""
    text, pieces, at = visible(text), [], 0
    ends = dict(_MARKS.get(engine, {}))
    while ends and (mark := re.compile("|".join(map(re.escape, ends))).search(text, at)):
        end = text.find(ends[mark[0]], mark.end())
        if end < 0:  # nor has any later mark of its kind an end
            del ends[mark[0]]
            continue
        pieces.append(text[at : mark.start()])
        at = end + 2
        # Line by line, so that a pager or a cut keeps the colour where it belongs.
        lines = text[mark.start() : at].split("\n")
        pieces.append("\n".join(styled(line, sys.stdout, **_STYLES[mark[0]]) for line in lines))
    return "".join(pieces) + text[at:]
