"""Tables, aligned for a person or tab-separated in a pipe."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from promptctl.cli.output import columns as terminal_columns
from promptctl.cli.output import is_terminal, say, styled, visible

_GAP = 2
_INDENT = 4
# The room that a text needs to say anything; below it, texts go on a line of their own.
_LEAST_TEXT = 12
# Terminals of fewer columns show a row as a block of lines.
_LEAST_TABLE = 60
_ENDLESS = 1_000_000
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_Layout = Sequence[Sequence[tuple[int, int]]]
"""The columns on each line of a row, with their widths."""


class Styled(NamedTuple):
    """A cell that a terminal shows in a style."""

    text: str
    style: dict[str, Any]


def say_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    texts: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print a table; in a pipe tab-separated with a header line, never cut. `right` names the columns of numbers.

    Where a terminal is too narrow, the columns `texts` are cut to end in `…`, then have a line of their own; then
    those of `spare` are left out, the first first; below that, and on less than 60 columns, a row is a block of lines.
    """
    rows = list(rows)
    width = terminal_columns(sys.stdout)
    if width is None:
        for row in ([column.lower() for column in columns], *rows):
            say("\t".join(_text(value) for value in row))
        return
    table: list[Sequence[Any]] = [[Styled(column, {"bold": True}) for column in columns], *rows]
    widths = _widths(table)
    may_cut = [at for at, column in enumerate(columns) if column in texts]
    layout: _Layout | None = None
    for number in range(len(spare) + 1 if width >= _LEAST_TABLE else 0):
        shown = [at for at, column in enumerate(columns) if column not in spare[:number]]
        layout = layout or _ranked(shown, widths, may_cut, width)
    if layout is None:
        _say_records(columns, rows, texts, width)
    else:
        _say_rows(table, layout, [column in right for column in columns], lambda text, room: [cut(text, room)])


def say_aligned(
    rows: Sequence[Sequence[Any]], sides: Sequence[bool], *, width: int = _ENDLESS, wraps_all: bool = False
) -> None:
    """Print rows in columns, of which those of true `sides` are aligned on the right.

    A text in the last column is wrapped to what is left of the `width`, and if it `wraps_all`, the longest cells of
    any column. Columns that do not fit go on below.
    """

    def wrap(text: str, room: int) -> list[str]:
        if _cell_len()(text) <= room:
            return [text]
        return textwrap.wrap(text, room, break_long_words=wraps_all)

    widths = _narrowed(_widths(rows), width) if wraps_all else _widths(rows)
    _say_rows(rows, list(_folded(widths, width, ends_in_text=not sides[-1])), sides, wrap)


def _say_rows(
    rows: Sequence[Sequence[Any]], layout: _Layout, sides: Sequence[bool], fit: Callable[[str, int], list[str]]
) -> None:
    """Print rows as the layout says; `fit` makes the lines of a cell that its column has room for."""
    cell_len = _cell_len()

    def pad(text: str, room: int, value: Any, *, is_right: bool) -> str:
        space = " " * (room - cell_len(text))
        shown = styled(text, sys.stdout, **value.style) if isinstance(value, Styled) and text else text
        return space + shown if is_right else shown + space

    for row in rows:
        for number, line in enumerate(layout):
            fitted = [fit(_shown(row[at]), room) for at, room in line]
            for texts in zip_longest(*fitted, fillvalue=""):
                padded = [
                    pad(text, room, row[at], is_right=sides[at]) for text, (at, room) in zip(texts, line, strict=True)
                ]
                say((" " * _INDENT if number else "") + (" " * _GAP).join(padded).rstrip())


def _say_records(columns: Sequence[str], rows: Sequence[Sequence[Any]], texts: Sequence[str], width: int) -> None:
    """Print each row as a block of lines, one for each column that has a name, below what has none."""
    room = max((len(column) for column in columns), default=0) + _GAP
    for number, row in enumerate(rows):
        if number:
            say()
        heading = " ".join(_shown(value) for column, value in zip(columns, row, strict=True) if not column).strip()
        if heading:
            say(styled(heading, sys.stdout, bold=True))
        for column, value in zip(columns, row, strict=True):
            text = _shown(value)
            if not (column and text):
                continue
            shown = cut(text, max(width - room, _LEAST_TEXT)) if column in texts else text
            style = value.style if isinstance(value, Styled) else {}
            say(styled(column.ljust(room), sys.stdout, dim=True) + styled(shown, sys.stdout, **style))


def _cell_len() -> Callable[[str], int]:
    """Return what measures a text in columns; of a pipe nobody sees them."""
    if not is_terminal():
        return len
    from rich.cells import cell_len

    return cell_len


def cells(text: str) -> int:
    """Return the columns of the terminal that a text takes."""
    return _cell_len()(text)


def cut(text: str, room: int) -> str:
    """Return the text in at most so many columns of the terminal; what is left out is a `…`."""
    if _cell_len()(text) <= room:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, room - 1).rstrip() + "…"


def _widths(rows: Sequence[Sequence[Any]]) -> list[int]:
    return [max(map(_cell_len(), map(_shown, column))) for column in zip(*rows, strict=True)]


def _narrowed(widths: Sequence[int], width: int) -> list[int]:
    """Return the widths with the widest cut until all fit side by side, but to no less than an equal share."""
    room = width - _GAP * (len(widths) - 1)
    share = room // len(widths)
    fits = (most for most in range(max(widths), share, -1) if sum(min(each, most) for each in widths) <= room)
    widest = next(fits, share)
    return [min(each, widest) for each in widths]


def _ranked(shown: Sequence[int], widths: Sequence[int], may_cut: Collection[int], most: int) -> _Layout | None:
    """Return the columns on each line of a row, with their widths; None if those that may not be cut have no room.

    All are on one line if each text has room enough in what the others leave.
    """
    fixed = [(at, widths[at]) for at in shown if at not in may_cut]
    texts = [at for at in shown if at in may_cut]
    taken = sum(width for _, width in fixed) + _GAP * (len(fixed) - 1)
    left = most - taken - _GAP * len(texts)
    if left >= sum(min(widths[at], _LEAST_TEXT) for at in texts):
        return [sorted([*fixed, *_shared(texts, widths, left)])]
    if taken > most:
        return None
    return [fixed, sorted(_shared(texts, widths, most - _INDENT - _GAP * (len(texts) - 1)))]


def _shared(columns: Sequence[int], widths: Sequence[int], left: int) -> Iterator[tuple[int, int]]:
    """Yield the width of each column of those that share a room: the narrowest are served first."""
    for number, at in enumerate(sorted(columns, key=lambda at: widths[at])):
        room = min(widths[at], left // (len(columns) - number))
        left -= room
        yield at, room


def _folded(widths: Sequence[int], most: int, *, ends_in_text: bool) -> Iterator[list[tuple[int, int]]]:
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


def _shown(value: Any) -> str:
    return visible(_text(value))


def _text(value: Any) -> str:
    """Return a cell's text on one line."""
    text = value.text if isinstance(value, Styled) else "-" if value is None else str(value)
    return text if text.isprintable() else " ".join(text.replace("\t", " ").splitlines())


def bar(share: float, width: int = 20) -> str:
    """Return a share from 0 to 1 as a bar of so many columns.

    >>> bar(0.5)
    '██████████          '
    """
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)
