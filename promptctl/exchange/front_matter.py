"""Front matter: a file's YAML between two lines of `---`, and the text below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from promptctl.errors import InvalidFiles, Place
from promptctl.exchange.drafts import Source
from promptctl.files.document import Document
from promptctl.files.yaml_reader import read_yaml

_FENCE = re.compile(r"---\s*\Z")


@dataclass(frozen=True)
class PromptText:
    """A file in its two parts. `matter` is None if there is no front matter; `line` is the body's first."""

    source: Source
    matter: Document | None
    body: str
    line: int

    @property
    def data(self) -> dict[str, Any]:
        """The keys of the front matter."""
        return self.matter.data or {} if self.matter else {}

    def place_of(self, line: int) -> Place:
        """Return the place of a line of the body."""
        return self.source.place(self.line + line - 1)

    def place(self, *keys: str | int) -> Place:
        """Return the place of a key of the front matter."""
        return self.matter.key_place(*keys) if self.matter else self.source.place(1)


def fences(text: str) -> tuple[int, int] | None:
    """Return the lines, from 0, that open and close the front matter; above it may be comments and empty lines."""
    lines = text.split("\n")
    for opening, line in enumerate(lines):
        if _FENCE.match(line):
            closing = (number for number, each in enumerate(lines) if number > opening + 1 and _FENCE.match(each))
            found = next(closing, None)
            return None if found is None else (opening, found)
        if line.strip() and not line.startswith("#"):
            return None
    return None


def prompt_text(source: Source) -> PromptText:
    """Return a file in its two parts. Raises `InvalidFiles` if the front matter is no YAML, or no mapping."""
    found = fences(source.text)
    if found is None:
        return PromptText(source, None, source.text, 1)
    opening, closing = found
    lines = source.text.split("\n")
    yaml = "\n" * (opening + 1) + "\n".join(lines[opening + 1 : closing])
    matter = read_yaml(yaml.encode(), source.shown)
    if matter.data is not None and not isinstance(matter.data, dict):
        raise source.refuse("the front matter is not a mapping", opening + 2, "write `key: value` lines there")
    below = "\n".join(lines[closing + 1 :])
    blank = len(below) - len(below.lstrip())
    return PromptText(source, matter, below.strip(), closing + 2 + below.count("\n", 0, blank))


def keys_of(source: Source) -> set[str]:
    """Return the keys of the front matter; none if there is none that can be read."""
    try:
        return set(prompt_text(source).data)
    except InvalidFiles:
        return set()
