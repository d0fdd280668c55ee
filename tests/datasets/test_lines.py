from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from promptctl.datasets.lines import MAX_LINE_BYTES, read_lines
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.names import DEFAULT_PLACES
from promptctl.files.tree import MemoryTree

PATH = "datasets/x.jsonl"


def problem_of(data: bytes) -> Problem:
    with pytest.raises(InvalidFiles) as caught:
        list(read_lines(MemoryTree({PATH: data}), PATH))
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_lines_keep_their_ends_and_lose_the_mark() -> None:
    data = "\ufeffa\r\nb\nü".encode()
    assert list(read_lines(MemoryTree({PATH: data}), PATH)) == ["a\r\n", "b\n", "ü"]


def test_invalid_utf8_is_told_with_line_and_column() -> None:
    problem = problem_of("eins\nzwölf".encode("latin-1"))
    assert str(problem.place) == f"{PATH}:2:3"
    assert problem.message == "byte 0xf6 is not UTF-8"


def test_utf16_and_binary_files_are_told_for_what_they_are() -> None:
    assert "UTF-16" in problem_of("a,b".encode("utf-16")).message
    assert (problem_of(b"ab\0c").code, str(problem_of(b"x\nab\0c").place)) == ("nul", f"{PATH}:2:3")


class EndlessTree:
    """A file of one line that never ends, of which only a little may be read."""

    commit = None
    places = DEFAULT_PLACES

    def __init__(self) -> None:
        self.given = 0

    def read(self, path: str, *, max_bytes: int = 0) -> bytes:
        raise AssertionError("the file was to be read whole")

    def paths(self, prefix: str) -> list[str]:
        return []

    def open(self, path: str) -> BinaryIO:
        tree = self

        class Endless(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
                tree.given += len(buffer)
                buffer[:] = b"\xc3\xbc" * (len(buffer) // 2) + b"x" * (len(buffer) % 2)
                return len(buffer)

        return io.BufferedReader(Endless())


def test_a_line_without_end_is_left_at_the_cap() -> None:
    tree = EndlessTree()
    with pytest.raises(InvalidFiles) as caught:
        next(iter(read_lines(tree, PATH)))
    assert caught.value.problems[0].code == "line-too-long"
    assert tree.given < 2 * MAX_LINE_BYTES


def test_a_tree_that_cannot_stream_is_read_whole() -> None:
    class WholeTree:
        commit = None
        places = DEFAULT_PLACES

        def read(self, path: str, *, max_bytes: int = 0) -> bytes:
            assert max_bytes > MAX_LINE_BYTES
            return b"a\nb"

        def paths(self, prefix: str) -> list[str]:
            return []

    assert list(read_lines(WholeTree(), PATH)) == ["a\n", "b"]
