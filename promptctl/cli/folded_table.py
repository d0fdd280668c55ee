"""A table whose rows take several lines where the terminal is too narrow for one: no cell is broken within a word."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from promptctl.cli.output import is_terminal, say, say_table, styled, visible

_GAP = 2
_INDENT = 4


def say_folded_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """The same table as `say_table` prints, as long as it fits; `right` names the columns whose values are numbers."""
    if not is_terminal():
        say_table(columns, rows, right=right)
        return
    from rich.cells import cell_len

    cells = [["-" if value is None else visible(str(value)) for value in row] for row in rows]
    widths = [max(cell_len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    lines = list(_lines(widths, shutil.get_terminal_size().columns))

    def say_row(texts: Sequence[str], **style: Any) -> None:
        for number, line in enumerate(lines):
            shown = []
            for at in line:
                space = " " * (widths[at] - cell_len(texts[at]))
                text = styled(texts[at], sys.stdout, **style)
                shown.append(space + text if columns[at] in right else text + space)
            say((" " * _INDENT if number else "") + (" " * _GAP).join(shown).rstrip())

    say_row(columns, bold=True)
    for row in cells:
        say_row(row)


def _lines(widths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Which columns stand on each line of a row; one that is too wide by itself stands alone."""
    line: list[int] = []
    used = 0
    for at, width in enumerate(widths):
        if line and used + _GAP + width > most:
            yield line
            line, used = [], _INDENT - _GAP
        used += width + (_GAP if line or used else 0)
        line.append(at)
    yield line
