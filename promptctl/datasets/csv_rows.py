"""Cases as the records of a CSV file, with columns of promptfoo's names besides those of inputs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

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
    columns: list[_Column] | None = None
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


class _Column(NamedTuple):
    """The meaning of a cell: the key of the case, or of one of its `inputs`, `files` or `metadata`, that it gives.

    An empty cell says nothing, unless it is an input's.
    """

    group: str
    key: str
    read: Callable[[str], Any] = str


def _read_header(cells: Sequence[str], place: Place) -> list[_Column]:
    """Return the columns that the header names. Raises `InvalidFiles` with everything wrong with it."""
    columns: list[_Column] = []
    problems: list[Problem] = []
    names, keys = set[str](), set[tuple[str, str]]()
    for index, name in enumerate(map(str.strip, cells)):
        column, again = _column(name), "remove or rename one"
        if not name:
            message, hint = f"column {index + 1} of the header has no name", "the first line holds the inputs' names"
            problems.append(Problem(message, place, hint, "bad-header"))
        elif column is None:
            hint = did_you_mean(name, MAGIC) or f"known are {', '.join(MAGIC)}"
            if name.startswith("expected."):
                hint = 'give the object as JSON in the column `expected`: "{""label"": ""billing""}"'
            problems.append(Problem(f"`{name}` is no column that promptctl knows", place, hint, "unknown-column"))
        elif name in names:
            problems.append(Problem(f"the column `{name}` is given twice", place, again, "bad-header"))
        elif column[:2] in keys:
            what = "input" if column.group == "inputs" else f"{column.group} key"
            problems.append(Problem(f"the {what} `{column.key}` is given twice", place, again, "bad-header"))
        else:
            columns.append(column)
            keys.add(column[:2])
        names.add(name)
    if problems:
        raise InvalidFiles(problems)
    return columns


def _column(name: str) -> _Column | None:
    """Return the column of that name; None for an unknown one of promptfoo's kind, or for a part of `expected`."""
    if name in _FIELDS:
        return _Column("case", *_FIELDS[name])
    if _EXPECTED.fullmatch(name):
        return _Column("assert", name, read_expected_cell)
    if metadata := _METADATA.fullmatch(name):
        return _Column("metadata", metadata[1], _parts if metadata[2] else str)
    if name == "__description":
        return _Column("metadata", "description")
    if name.startswith(FILES_PREFIX):
        return _Column("files", name.removeprefix(FILES_PREFIX), str.strip)
    return None if name.startswith(("__", "expected.")) else _Column("inputs", name.removeprefix(INPUT_PREFIX))


def _row(columns: Sequence[_Column], cells: Sequence[str], place: Place) -> Row | Problem:
    if len(cells) != len(columns):
        message = f"the record has {len(cells)} cell{'s' * (len(cells) != 1)} and the header {len(columns)}"
        return Problem(
            message, place, 'put a cell that holds a delimiter or a line end in quotes: "a, b"', "ragged-row"
        )
    try:
        data = _case(columns, cells)
    except ValueError as error:
        return Problem(str(error), place, None, "bad-cell")
    return Row(data, place, is_text=True, size=sum(map(len, cells)))


def _case(columns: Sequence[_Column], cells: Sequence[str]) -> dict[str, Any]:
    """Return the record with a case's keys. Raises `ValueError`."""
    found: dict[str, dict[str, Any]] = {"case": {}, "inputs": {}, "files": {}, "assert": {}, "metadata": {}}
    for (group, key, read), cell in zip(columns, cells, strict=True):
        if group == "inputs" or cell.strip():
            found[group][key] = read(cell)
    data, assertions = found.pop("case"), found.pop("assert").values()
    metric = {"metric": data.pop("metric")} if "metric" in data else {}
    if assertions:
        data["assert"] = [{**assertion, **metric} for assertion in assertions]
    return data | {group: given for group, given in found.items() if given or group == "inputs"}


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
    "__metric": ("metric", str.strip),
}
