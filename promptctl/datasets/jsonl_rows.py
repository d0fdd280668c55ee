"""Cases in JSON Lines: one JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from promptctl.datasets.lines import read_lines
from promptctl.datasets.rows import Row, checked
from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.merges import is_marker, merge_problem
from promptctl.files.strict_json import BadJson, strict_json
from promptctl.files.tree import Tree


def read_jsonl(tree: Tree, path: str) -> Iterator[Row | Problem]:
    """Yield each case of the file, or what is wrong with its line, its shape included; see `read_objects`."""
    for row in read_objects(tree, path):
        yield from checked(row)


def read_objects(tree: Tree, path: str) -> Iterator[Row | Problem]:
    """Yield each JSON object of the file, or what is wrong with its line; blank lines are passed over.

    Raises `InvalidFiles` if the file cannot be read any further.
    """
    for number, line in enumerate(read_lines(tree, path), 1):
        if is_marker(line):
            raise InvalidFiles([merge_problem(Place(path, number, 1))])
        if not line.isspace():
            yield _row(line, Place(path, number))


def _row(line: str, place: Place) -> Row | Problem:
    try:
        data = strict_json(line)
    except json.JSONDecodeError as error:
        hint = "each line holds one whole JSON object" if error.pos else 'each line holds a JSON object: {"id": …}'
        return Problem(f"the line is not JSON: {error.msg}", replace(place, column=error.colno), hint, "not-json")
    except BadJson as error:
        return Problem(f"the line cannot be read: {error}", place, error.hint, error.code)
    except ValueError:
        return Problem("the line holds a number of too many digits", place, "put it in quotes", "not-json")
    if not isinstance(data, dict):
        hint = 'write a case as {"id": …, "inputs": {…}}'
        return Problem("the line is no JSON object", place, hint, "not-an-object")
    return Row(data, place, size=len(line))
