"""Cases in CSV: a header of input names and reserved columns, then one case in each record."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from promptctl.datasets.expected_cells import read_expected_cell
from promptctl.datasets.lines import MAX_LINE_BYTES, read_lines
from promptctl.datasets.rows import Row, checked
from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.merges import conflicts, is_marker, merge_problem
from promptctl.files.names import did_you_mean
from promptctl.files.tree import Tree

# Names with two underscores are promptfoo's, and `__cluster` is of their kind.
MAGIC = ("__expected", "__metric", "__threshold", "__cluster", "__description", "__metadata:…")
INPUT_PREFIX = "inputs."
FILES_PREFIX = "files."

# What may separate cells, as it is written in a file of ours; the comma where a header has none.
_DELIMITERS = {",": ",", ";": ";", "\t": "\\t", "|": "|"}
# Before the header, with the delimiter behind it.
_EXCELS_LINE = "sep="
_EXPECTED = re.compile(r"__expected\d*")
_METADATA = re.compile(r"__metadata:(\w+)(\[\])?")
_SHARE = re.compile(r"\d*\.?\d+(?:[eE][+-]?\d+)?")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


def read_csv(tree: Tree, path: str, delimiter: str | None = None) -> Iterator[Row | Problem]:
    """Yield each case of the file, or the problem of its record, with the line on which the record begins.

    Without a delimiter it is the one that the header has most of, and a warning if that is no comma. Raises
    `InvalidFiles` if the file cannot be read any further, a bad header included.
    """
    columns: _Columns | None = None
    given = delimiter or _sniffed(tree, path)
    if given not in (delimiter, ","):
        shown = "tab" if given == "\t" else given
        hint = f'say so with `delimiter: "{_DELIMITERS[given]}"` beside `cases:`, or save the file with commas'
        yield Problem(f"the cells are read as separated by `{shown}`", Place(path, 1), hint, "delimiter", "warning")
    for line, cells in _records(tree, path, given):
        if columns is None and cells[0].startswith(_EXCELS_LINE):
            continue
        if columns is None:
            columns = _read_header(cells, Place(path, line))
        else:
            yield from checked(_row(columns, cells, Place(path, line)))


def _sniffed(tree: Tree, path: str) -> str:
    """Return the delimiter that the first line has most of outside of quotes."""
    header = re.sub(r'"[^"]*"', "", next(read_lines(tree, path), ""))
    return max(_DELIMITERS, key=header.count)


def _records(tree: Tree, path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of a CSV file, each with the line it begins on; blank lines are passed over."""
    first = 1
    size = 0
    opening = ""

    def lines() -> Iterator[str]:
        nonlocal size, opening
        for line in read_lines(tree, path):
            opening = opening if size else line
            size += len(line)
            if size > MAX_LINE_BYTES:
                message = f"the record that begins here is longer than {MAX_LINE_BYTES >> 20} MiB"
                hint = "look for a quote that is never closed"
                raise InvalidFiles([Problem(message, Place(path, first), hint, "line-too-long")])
            yield line

    # A longer field is refused above; the library's own limit, 128 KiB, is the process's.
    merges: set[int] | None = None
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    reader = csv.reader(lines(), strict=True, delimiter=delimiter)
    try:
        for cells in reader:
            # In a cell in quotes such a line is text.
            if is_marker(opening):
                if merges is None:
                    merges = {line for line, indent in conflicts(read_lines(tree, path)) if not indent}
                if first in merges:
                    raise InvalidFiles([merge_problem(Place(path, first, 1))])
            if cells:
                yield first, cells
            first, size = reader.line_num + 1, 0
    except csv.Error as error:
        raise InvalidFiles([_unreadable(error, Place(path, first))]) from None


def _unreadable(error: csv.Error, place: Place) -> Problem:
    said = str(error)
    if "unexpected end of data" in said:
        return Problem("a quote that opens in this record is never closed", place, 'close it with "', "open-quote")
    if "new-line character" in said:
        message = "the record holds a carriage return outside quotes"
        return Problem(message, place, "end lines with LF or CRLF", "bad-line-end")
    hint = 'put a cell that holds a quote in quotes, and double the quotes within it: "say ""hi"""'
    return Problem(f"the record is not CSV: {said}", place, hint, "not-csv")


@dataclass(slots=True)
class _Columns:
    """The meaning of each cell of a record: an input, an assertion, or a key of the case or its metadata."""

    count: int
    inputs: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=dict)
    assertions: list[int] = field(default_factory=list)
    metadata: dict[str, tuple[int, Callable[[str], Any]]] = field(default_factory=dict)


def _read_header(cells: Sequence[str], place: Place) -> _Columns:
    """Return the columns that the header names. Raises `InvalidFiles` with everything wrong with it."""
    columns = _Columns(len(cells))
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, cell in enumerate(cells):
        name = cell.strip()
        problem = _column_problem(name, index, seen, place) or _add_column(columns, name, index, place)
        if problem is not None:
            problems.append(problem)
        seen.add(name)
    if problems:
        raise InvalidFiles(problems)
    return columns


def _column_problem(name: str, index: int, seen: set[str], place: Place) -> Problem | None:
    if not name:
        hint = "the first line holds the inputs' names"
        return Problem(f"column {index + 1} of the header has no name", place, hint, "bad-header")
    if name in seen:
        return Problem(f"the column `{name}` is given twice", place, "remove or rename one", "bad-header")
    return None


def _add_column(columns: _Columns, name: str, index: int, place: Place) -> Problem | None:
    metadata = _METADATA.fullmatch(name)
    if name in _FIELDS or name == "__metric":
        columns.fields[name] = index
    elif name == "__description":
        columns.metadata = {"description": (index, str), **columns.metadata}
    elif _EXPECTED.fullmatch(name):
        columns.assertions.append(index)
    elif metadata:
        columns.metadata[metadata.group(1)] = index, _parts if metadata.group(2) else str
    elif name.startswith(FILES_PREFIX):
        columns.files[name.removeprefix(FILES_PREFIX)] = index
    elif name.startswith("__"):
        hint = did_you_mean(name, MAGIC) or f"known are {', '.join(MAGIC)}"
        return Problem(f"`{name}` is no column that promptctl knows", place, hint, "unknown-column")
    else:
        input_ = name.removeprefix(INPUT_PREFIX)
        if input_ in columns.inputs:
            return Problem(f"the input `{input_}` is given twice", place, "remove or rename one", "bad-header")
        columns.inputs[input_] = index
    return None


def _row(columns: _Columns, cells: Sequence[str], place: Place) -> Row | Problem:
    if len(cells) != columns.count:
        message = f"the record has {len(cells)} cell{'s' * (len(cells) != 1)} and the header {columns.count}"
        return Problem(
            message, place, 'put a cell that holds a delimiter or a line end in quotes: "a, b"', "ragged-row"
        )
    try:
        data = _case(columns, cells)
    except ValueError as error:
        return Problem(str(error), place, None, "bad-cell")
    return Row(data, place, is_text=True, size=sum(map(len, cells)))


def _case(columns: _Columns, cells: Sequence[str]) -> dict[str, Any]:
    """Return the record with a case's keys; empty cells of reserved columns say nothing. Raises `ValueError`."""
    data: dict[str, Any] = {"inputs": {name: cells[index] for name, index in columns.inputs.items()}}
    files = {name: cells[index].strip() for name, index in columns.files.items() if cells[index].strip()}
    if files:
        data["files"] = files
    given = {name: cells[index] for name, index in columns.fields.items() if cells[index].strip()}
    metric = {"metric": given.pop("__metric").strip()} if "__metric" in given else {}
    for name, cell in given.items():
        key, read = _FIELDS[name]
        data[key] = read(cell)
    assertions = [read_expected_cell(cells[index]) for index in columns.assertions if cells[index].strip()]
    if assertions:
        data["assert"] = [{**assertion, **metric} for assertion in assertions]
    metadata = {key: read(cells[at]) for key, (at, read) in columns.metadata.items() if cells[at].strip()}
    if metadata:
        data["metadata"] = metadata
    return data


def _expected(cell: str) -> Any:
    """Read a JSON object or list if the cell is one, else its text."""
    if cell.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            return json.loads(cell)
    return cell


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",")]


def _truth(cell: str) -> bool:
    truth = _TRUTHS.get(cell.strip().lower())
    if truth is None:
        raise ValueError(f"must_pass is `{cell}`; write true or false")
    return truth


def _share(cell: str) -> float:
    share = float(cell) if _SHARE.fullmatch(cell.strip()) else -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"__threshold is `{cell}`; write a number from 0 to 1")
    return share


# The key of a case that each column of this name gives, and how its cell is read.
_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "id": ("id", str.strip),
    "expected": ("expected", _expected),
    "tags": ("tags", lambda cell: list(filter(None, _parts(cell)))),
    "must_pass": ("must_pass", _truth),
    "xfail": ("xfail", str.strip),
    "output": ("output", str),
    "__threshold": ("threshold", _share),
    "__cluster": ("cluster", str.strip),
}
