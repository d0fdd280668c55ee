"""One case as its file has it: plain data with the keys of a case, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from promptctl.assertions.preparing import Locate
from promptctl.errors import Place, Problem
from promptctl.formats.structure import structure_of

AsWritten = Callable[[Collection[str]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One case of sound shape, before defaults, matrix and preparation.

    `data` has a case's keys (`id, inputs, expected, assert, …`), and for GitHub's rows `variables`. `locate` gives the
    place of a value by the keys that lead to it from the case. `is_text` says that the inputs are cells of a table, to
    be read by the types that the prompt declares. `as_written` gives the inputs with the numbers of those names as the
    text they were written as, where the file can tell. `size` is how many characters it takes, in a file of rows.
    """

    data: Mapping[str, Any]
    place: Place
    locate: Locate
    is_text: bool = False
    as_written: AsWritten | None = None
    size: int = 0


def checked(row: Row) -> Iterable[Row | Problem]:
    """The row where its data has the shape of a case, else what is wrong with it.

    For files of one case to a line; there an id may be left out, and is then derived from the content.
    """
    data = row.data if "id" in row.data else {"id": "derived", **row.data}
    return structure_of("dataset", "case").check_data(data, row.place) or (row,)


def at(place: Place) -> Locate:
    """A `locate` for files that know a case's line and nothing finer."""
    return lambda *_keys: place
