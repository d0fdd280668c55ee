"""Values of a promptfoo file with their places, whichever file they stand in, and the notes on what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.drafts import Fate, ImportNote, Source, collapsed
from promptctl.files.document import Document, Key


@dataclass(frozen=True)
class Spot:
    """A value, the file it stands in, and where: by its keys in a document, or by its line alone.

    `notes` are those of the whole import.
    """

    value: Any
    source: Source
    notes: list[ImportNote] = field(repr=False, compare=False)
    document: Document | None = None
    keys: tuple[Key, ...] = ()
    line: int | None = None

    @classmethod
    def of(cls, source: Source, notes: list[ImportNote]) -> Spot:
        """Return a whole YAML or JSON file. Raises `InvalidFiles`."""
        return cls(source.document.data, source, notes, source.document)

    @property
    def place(self) -> Place:
        """The beginning of the value, or of its key."""
        if self.document is None:
            return self.source.place(self.line)
        return self.document.key_place(*self.keys) if self.keys else self.document.place()

    def at(self, *keys: Key) -> Spot:
        """Return the value at the keys, which are there."""
        value = self.value
        for key in keys:
            value = value[key]
        return replace(self, value=value, keys=(*self.keys, *keys))

    def get(self, key: str) -> Spot | None:
        """Return the value of a key of a mapping; None if it is not there, or null."""
        return self.at(key) if isinstance(self.value, dict) and self.value.get(key) is not None else None

    def items(self) -> Iterator[Spot]:
        """Yield the items of a list; of anything else itself."""
        if isinstance(self.value, list):
            yield from (self.at(index) for index in range(len(self.value)))
        else:
            yield self

    def text_line(self, line: int) -> Place:
        """Return the place of a line of this text."""
        if self.document is None:
            return self.source.place((self.line or 1) + line - 1)
        return self.document.line_place(line, *self.keys)

    def note(self, fate: Fate, part: str, message: str, hint: str | None = None, line: int | None = None) -> None:
        """Add a note on this value, or on a line of this text."""
        place = self.place if line is None else self.text_line(line)
        self.notes.append(ImportNote(fate, part, message, place, hint))


def in_order(notes: Sequence[ImportNote]) -> tuple[ImportNote, ...]:
    """Return notes in the order of the files' lines; the same said of several parts is one, with their number."""
    return tuple(
        sorted(collapsed(notes), key=lambda each: (each.place.path, each.place.line or 0) if each.place else ("", 0))
    )
