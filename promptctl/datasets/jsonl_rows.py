"""Cases in JSON Lines: one JSON object on each line."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

from promptctl.datasets.lines import read_lines
from promptctl.datasets.rows import Row, checked
from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.merges import is_marker, merge_problem
from promptctl.files.tree import Tree

MAX_DEPTH = 64


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
        data = _DECODER.decode(line)
        if not isinstance(data, dict):
            raise _BadLine("the line is no JSON object", 'write a case as {"id": …, "inputs": {…}}', "not-an-object")
        if line.count("[") + line.count("{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
            raise RecursionError
        if "\\ud" in line.lower() and _has_lone_surrogate(data):
            message = "the line holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
            raise _BadLine(message, "write the character itself", "lone-surrogate")
    except json.JSONDecodeError as error:
        hint = "each line holds one whole JSON object" if error.pos else 'each line holds a JSON object: {"id": …}'
        return Problem(f"the line is not JSON: {error.msg}", replace(place, column=error.colno), hint, "not-json")
    except _BadLine as error:
        return Problem(str(error), place, error.hint, error.code)
    except ValueError:
        return Problem("the line holds a number of too many digits", place, "put it in quotes", "not-json")
    except RecursionError:
        message = f"the line is nested more than {MAX_DEPTH} levels deep"
        return Problem(message, place, "give deep data as JSON in a text", "too-deep")
    return Row(data, place, size=len(line))


class _BadLine(Exception):
    def __init__(self, message: str, hint: str, code: str = "not-json") -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values; a key that is given twice would silently lose a value."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _BadLine(f"the key `{twice}` is given twice in one object", "remove one of them", "duplicate-key")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise _BadLine(f"{name} is not JSON", "write null, or leave the value out")


def _finite(number: str) -> float:
    read = float(number)
    if math.isinf(read):
        raise _BadLine(f"the number {number} is too large to be read", "write a smaller one, or put it in quotes")
    return read


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _depth(data: Any) -> int:
    deepest, level = 0, [data]
    while level:
        deepest += 1
        values = [value for item in level for value in (item.values() if isinstance(item, dict) else item)]
        level = [value for value in values if isinstance(value, (dict, list))]
    return deepest


def _has_lone_surrogate(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
