"""One case as its file has it: plain data with its place; and the assertions that a dataset's data hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.formats.dataset_file import DatasetFile
from promptctl.formats.schemas import structure_of

Key = str | int


@dataclass(frozen=True, slots=True)
class Row:
    """One case of sound shape, before defaults, matrix and preparation; or the defaults themselves.

    `data` has a case's keys (`id, inputs, expected, assert, …`), and for GitHub's rows `variables`. `file` is the YAML
    file that it is at `keys` in; None for a row of any other file, of which only the line is known. `is_text` says that
    the inputs are cells of a table, to be read by the types that the prompt declares. `size` is how many characters it
    takes in its file.
    """

    data: Mapping[str, Any]
    place: Place
    file: DatasetFile | None = None
    keys: tuple[Key, ...] = ()
    is_text: bool = False
    size: int = 0

    def locate(self, *keys: Key) -> Place:
        """Return the place of the value at these keys."""
        return self.place if self.file is None else self.file.document.place(*self.keys, *keys)

    def locate_key(self, *keys: Key) -> Place:
        """Return the place of the last of these keys."""
        return self.place if self.file is None else self.file.document.key_place(*self.keys, *keys)

    def as_written(self, key: str, names: Collection[str]) -> Mapping[str, Any]:
        """Return the `inputs` or `matrix` with numbers under these names as they are written; empty if not known."""
        return {} if self.file is None else self.file.as_written((*self.keys, key), names)


def written_assertions(data: Any, keys: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], dict[str, Any]]]:
    """Yield each assertion that plain data of a dataset, or of one case, holds, with the keys that lead there.

    The assertions of a set come after it. Data of a different shape, as of a file that nobody checked, holds none.

    >>> [*written_assertions({"cases": [{"assert": [{"type": "is-json"}]}]})]
    [(('cases', 0, 'assert', 0), {'type': 'is-json'})]
    """
    if not isinstance(data, Mapping):
        return
    for index, assertion in enumerate(_listed(data.get("assert"))):
        if isinstance(assertion, dict):
            yield (*keys, "assert", index), assertion
            yield from written_assertions(assertion, (*keys, "assert", index))
    yield from written_assertions(data.get("defaults"), (*keys, "defaults"))
    for index, case in enumerate(_listed(data.get("cases"))):
        yield from written_assertions(case, (*keys, "cases", index))


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def checked(row: Row | Problem) -> Iterable[Row | Problem]:
    """Return the row if its data has the shape of a case, or else what is wrong with it.

    For files of one case to a line; there an id may be left out, and is then derived from the content.
    """
    if isinstance(row, Problem):
        return (row,)
    data = row.data if "id" in row.data else {"id": "derived", **row.data}
    return structure_of("dataset", "case").check_data(data, row.place) or (row,)
