"""Tables: aligned for a person, a row taking several lines on a narrow terminal; tab-separated in a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from promptctl.cli.output import is_terminal, say, styled, visible

_GAP = 2
_INDENT = 4
# The room that a text at the end of a row needs; it is wrapped to what is left of the line.
_LEAST_TEXT = 20
_ENDLESS = 1_000_000


class Styled(NamedTuple):
    """A cell that a terminal shows in a style."""

    text: str
    style: dict[str, Any]


def say_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Print a table; in a pipe tab-separated with a header line, never cut. `right` names the columns of numbers."""
    if is_terminal():
        heads = [Styled(column, {"bold": True}) for column in columns]
        sides = [column in right for column in columns]
        say_aligned([heads, *rows], sides, width=shutil.get_terminal_size().columns)
        return
    for row in ([column.lower() for column in columns], *rows):
        say("\t".join(_text(value) for value in row))


def say_aligned(
    rows: Sequence[Sequence[Any]], sides: Sequence[bool], *, width: int = _ENDLESS, widest: int = _ENDLESS
) -> None:
    """Print rows in columns, of which those of true `sides` are aligned on the right.

    A text in the last column is wrapped to what is left of the `width`, a cell of more than `widest` columns within
    its column, and columns that do not fit go on below.
    """
    cell_len: Callable[[str], int] = len
    if is_terminal():
        from rich.cells import cell_len

    def wrap(text: str, room: int) -> list[str]:
        if cell_len(text) <= room:
            return [text]
        return textwrap.wrap(text, room, break_long_words=widest < _ENDLESS)

    def pad(text: str, room: int, value: Any, *, is_right: bool) -> str:
        space = " " * (room - cell_len(text))
        shown = styled(text, sys.stdout, **value.style) if isinstance(value, Styled) and text else text
        return space + shown if is_right else shown + space

    table = [[visible(_text(value)) for value in row] for row in rows]
    widths = [min(max(map(cell_len, column)), widest) for column in zip(*table, strict=True)]
    layout = list(_layout(widths, width, ends_in_text=not sides[-1]))
    for row, cells in zip(rows, table, strict=True):
        for number, line in enumerate(layout):
            wrapped = [wrap(cells[at], room) for at, room in line]
            for texts in zip_longest(*wrapped, fillvalue=""):
                padded = [
                    pad(text, room, row[at], is_right=sides[at]) for text, (at, room) in zip(texts, line, strict=True)
                ]
                say((" " * _INDENT if number else "") + (" " * _GAP).join(padded).rstrip())


def _layout(widths: Sequence[int], most: int, *, ends_in_text: bool) -> Iterator[list[tuple[int, int]]]:
    """Yield the columns on each line of a row, with their widths; one that is too wide by itself is alone."""
    line: list[tuple[int, int]] = []
    used = 0
    for at, width in enumerate(widths):
        is_text = ends_in_text and at == len(widths) - 1
        needed = min(width, _LEAST_TEXT) if is_text else width
        if line and used + needed > most:
            yield line
            line, used = [], _INDENT
        line.append((at, min(width, most - used) if is_text else width))
        used += width + _GAP
    yield line


def _text(value: Any) -> str:
    """Return a cell's text on one line."""
    text = value.text if isinstance(value, Styled) else "-" if value is None else str(value)
    return text.replace("\t", " ").replace("\n", " ")
