"""Strict YAML 1.2 with places: bytes to plain data, and where in the file each value stands."""

from __future__ import annotations

from typing import Any

from promptctl.errors import Place


class Document:
    """Plain data (dict, list, str, int, float, bool, None) read from one file, and where each value stands."""

    __slots__ = ("data", "path")

    def __init__(self, data: Any, path: str) -> None:
        self.data = data
        self.path = path

    def place(self, *keys: str | int) -> Place:
        """Where the value at `keys` begins, or its nearest ancestor that is there."""
        return Place(self.path)

    def key_place(self, *keys: str | int) -> Place:
        """Where the key of the value at `keys` begins."""
        return Place(self.path)

    def text_place(self, *keys: str | int) -> Place:
        """Where the text of the scalar at `keys` begins: for a literal block, the line after `|`."""
        return Place(self.path)


def read_yaml(data: bytes, path: str) -> Document:
    """Read one strict YAML document. Raises `InvalidFiles`."""
    raise NotImplementedError
