"""Files of a YAML header between lines of `---` and a text below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from promptctl.errors import InvalidFiles, Place
from promptctl.exchange.source import Source
from promptctl.files.document import Document
from promptctl.files.yaml_reader import read_yaml

_HEADER = re.compile(r"---[ \t]*\n((?:(?!---[ \t]*$).*\n)*?)---[ \t]*(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A header's document, with places in the whole file, and the text below with the line that it begins on."""

    document: Document
    body: str
    body_line: int

    @property
    def data(self) -> dict[str, Any]:
        """The header's keys; none if it is empty or no mapping."""
        return self.document.data if isinstance(self.document.data, dict) else {}

    def place(self, *keys: str | int) -> Place:
        """Return the place of a key of the header."""
        return self.document.key_place(*keys)


def has_header(text: str) -> bool:
    """Return True if a text begins with a header."""
    return _HEADER.match(text) is not None


def front_matter(source: Source) -> FrontMatter | None:
    """Return the parts of a file that begins with a header, None for any other. Raises `InvalidFiles` for bad YAML."""
    found = _HEADER.match(source.text)
    if found is None:
        return None
    # The line of the first `---` stays as an empty one, so that the places are those of the file.
    document = read_yaml(f"\n{found[1]}".encode(), source.shown)
    if document.data is not None and not isinstance(document.data, dict):
        raise source.refuse("the header between the lines of `---` is no mapping", 2, "write `key: value` lines")
    return FrontMatter(document, source.text[found.end() :], found[0].count("\n") + 1)


def header_of(source: Source) -> dict[str, Any]:
    """Return the keys of a file's header; none if it has no header, or one that cannot be read."""
    try:
        found = front_matter(source)
    except InvalidFiles:
        return {}
    return {} if found is None else found.data
