"""The layout of a page: facts with their names, small tables, templates with their marks in colour."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from promptctl.cli.output import is_terminal, say, styled, visible
from promptctl.cli.tables import Styled, say_aligned

_NAME_WIDTH = 11
_WIDEST, _NARROWEST = 120, 24
_JINJA = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)
_SIMPLE = re.compile(r"(\{\{.*?\}\})", re.DOTALL)
_STYLES: dict[str, dict[str, Any]] = {
    "{{": {"fg": "cyan"},
    "{%": {"fg": "magenta"},
    "{#": {"dim": True},
}


def page_width() -> int:
    """Return the width of a page in columns: the terminal's, but no more than can be read, and room for something."""
    return max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST)


def say_heading(text: str) -> None:
    """Print the line above a part of the page."""
    say()
    say(styled(text, sys.stdout, bold=True))


def say_fact(name: str, text: str | None, **style: Any) -> None:
    """Print a fact after its name, wrapped on a terminal; print nothing without a text."""
    if not text:
        return
    lines = [visible(text)]
    if is_terminal():
        lines = textwrap.wrap(lines[0], page_width() - _NAME_WIDTH, break_on_hyphens=False) or [""]
    head = styled(name.ljust(_NAME_WIDTH), sys.stdout, dim=True)
    for line in lines:
        say(head + (styled(line, sys.stdout, **style) if style else line))
        head = " " * _NAME_WIDTH


def say_columns(columns: Sequence[str], rows: Sequence[Sequence[str]], *, wraps_last: bool = False) -> None:
    """Print a small table within the page: aligned, on a terminal with long cells wrapped, or those of the last alone."""
    heads: list[Sequence[Any]] = [[Styled(column, {"dim": True}) for column in columns]]
    table = heads + [[" ".join(value.split()) for value in row] for row in rows]
    room = {"width": page_width()} | ({} if wraps_last else {"widest": page_width() // len(columns)})
    say_aligned(table, [False] * len(columns), **(room if is_terminal() else {}))


def say_text(text: str, *, most_lines: int | None = None, indent: str = "") -> bool:
    """Print a text of several lines, cut after `most_lines`; return True if it was cut."""
    lines = visible(text).rstrip("\n").split("\n")
    for line in lines[:most_lines]:
        say(f"{indent}{line}" if line else "")
    return most_lines is not None and len(lines) > most_lines


def template(text: str, engine: str) -> str:
    """Return a message's text with the marks of its template in colour."""
    text = visible(text)
    marks = {"jinja2": _JINJA, "simple": _SIMPLE}.get(engine)
    if marks is None:
        return text
    return "".join(_marked(part) for part in marks.split(text))


def _marked(part: str) -> str:
    style = _STYLES.get(part[:2])
    if style is None:
        return part
    # Line by line, so that a pager or a cut keeps the colour where it belongs.
    return "\n".join(styled(line, sys.stdout, **style) for line in part.split("\n"))
