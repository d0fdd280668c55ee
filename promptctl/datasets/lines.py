"""A file of cases, read line by line: never whole in memory, whatever its size or that of its lines; JSON Lines too."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from promptctl.datasets.rows import Row, checked
from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.merges import is_marker, merge_problem
from promptctl.files.strict_json import BadJson, strict_json
from promptctl.files.tree import StreamedTree, Tree

MAX_LINE_BYTES = 8 << 20
# For trees that only give whole files: what one of them may take in memory.
MAX_WHOLE_BYTES = 256 << 20

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE_AS_UTF8 = "save the file as UTF-8"


def open_file(tree: Tree, path: str) -> BinaryIO:
    """Return the file's bytes as a stream, or as one held whole if the tree cannot stream."""
    if isinstance(tree, StreamedTree):
        return tree.open(path)
    return io.BytesIO(tree.read(path, max_bytes=MAX_WHOLE_BYTES))


def read_lines(tree: Tree, path: str) -> Iterator[str]:
    """Yield each line of a UTF-8 file, with its line end, so that the n-th one given is line n.

    A byte-order mark is left out. Raises `InvalidFiles` at the line that is not UTF-8, holds a NUL or is too long.
    """
    with closing(open_file(tree, path)) as stream:
        number = 0
        while data := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                data = _without_mark(data, path)
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                raise InvalidFiles([_not_utf8(error, data, path, number)]) from None
            if len(data) > MAX_LINE_BYTES:
                raise InvalidFiles([_too_long(path, number)])
            if "\0" in text:
                raise InvalidFiles([_nul(path, number, text.index("\0") + 1)])
            yield text


def _without_mark(data: bytes, path: str) -> bytes:
    if data.startswith(_UTF16):
        message = "the file is UTF-16, not UTF-8"
        raise InvalidFiles([Problem(message, Place(path, 1, 1), _SAVE_AS_UTF8, "not-utf-8")])
    return data.removeprefix(codecs.BOM_UTF8)


def _not_utf8(error: UnicodeDecodeError, data: bytes, path: str, number: int) -> Problem:
    # The cap may have cut the line within a character.
    if len(data) > MAX_LINE_BYTES and error.end >= MAX_LINE_BYTES - 2:
        return _too_long(path, number)
    column = len(data[: error.start].decode()) + 1
    message = f"byte 0x{data[error.start]:02x} is not UTF-8"
    hint = f"{_SAVE_AS_UTF8}; it may be in Windows-1252 or Latin-1"
    return Problem(message, Place(path, number, column), hint, "not-utf-8")


def _too_long(path: str, number: int) -> Problem:
    message = f"the line is longer than {MAX_LINE_BYTES >> 20} MiB; nothing after it was read"
    return Problem(message, Place(path, number), "put one case on each line, and split it", "line-too-long")


def _nul(path: str, number: int, column: int) -> Problem:
    message = "the line holds a NUL character, as a binary file does"
    return Problem(message, Place(path, number, column), "save the file as plain UTF-8 text", "nul")


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
