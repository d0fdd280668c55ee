"""The texts of a prompt's messages as one reads them: pieces of constant text, and values."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

from promptctl.errors import Place
from promptctl.files.document import Document, Key
from promptctl.prompts.closure import Declared
from promptctl.prompts.variable_use import PlacedEvent
from promptctl.templates.events import Condition, Printed, Text, Use

VALUE = "\ufffc"
"""The character that stands for a value in a text."""

_MOST_PIECES = 20_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Constant text, or a value: then `inputs` are those whose text is in it, through the `filters`.

    `holds` are the tests under which it is sent.
    """

    text: str
    place: Place
    line: int
    holds: tuple[Condition, ...] = ()
    is_repeated: bool = False
    is_value: bool = False
    inputs: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()

    @property
    def is_always_sent(self) -> bool:
        """True if each call sends it, once."""
        return not self.holds and not self.is_repeated


@dataclass(frozen=True)
class MessageText:
    """One text of the messages with its partials. `keys` lead to it; `pieces` are in reading order.

    The role of a placeholder is `placeholder`, that of an image's or a file's address is `media`.
    """

    role: str
    keys: tuple[Key, ...]
    pieces: Sequence[Piece]
    document: Document

    @cached_property
    def flat(self) -> str:
        """The text with `VALUE` in the place of each value."""
        return "".join([VALUE if piece.is_value else piece.text for piece in self.pieces])

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((1 if piece.is_value else len(piece.text) for piece in self.pieces), initial=0))[:-1]

    def piece(self, offset: int) -> Piece:
        """Return the piece that holds a character of `flat`."""
        return self.pieces[bisect_right(self._starts, offset) - 1]

    def place(self, offset: int) -> Place:
        """Return the place of a character of `flat`."""
        index = bisect_right(self._starts, offset) - 1
        return self.place_in(self.pieces[index], offset - self._starts[index])

    def place_in(self, piece: Piece, offset: int) -> Place:
        """Return the place of a character of a piece's text."""
        more = piece.text.count("\n", 0, offset)
        if not more:
            return piece.place
        is_own = piece.place.path == self.document.path
        line = piece.line + more
        return self.document.line_place(line, *self.keys) if is_own else Place(piece.place.path, line)


def read_messages(declared: Declared, events: Sequence[PlacedEvent]) -> list[MessageText]:
    """Return the texts of a prompt's messages, out of all that its templates do."""
    texts: list[MessageText] = []
    messages, document = declared.file.data["messages"], declared.file.document
    for (message, part), group in groupby(events, key=lambda each: (each.message, each.part)):
        given = messages[message]
        keys: tuple[Key, ...] = ("messages", message, "content")
        role = given.get("role", "placeholder")
        if part is not None:
            keys = (*keys, part, "text")
            role = role if given["content"][part]["type"] == "text" else "media"
        pieces = [piece for each in group if (piece := _piece(each)) is not None][:_MOST_PIECES]
        if pieces:
            texts.append(MessageText(role, keys, pieces, document))
    return texts


def _piece(each: PlacedEvent) -> Piece | None:
    event = each.event
    if isinstance(event, Text):
        return Piece(event.text, each.place, event.line, event.holds, event.is_repeated)
    if isinstance(event, Printed):
        names = tuple(dict.fromkeys(source[0] for source in event.sources))
        return Piece("", each.place, event.line, event.holds, event.is_repeated, True, names, event.filters)  # noqa: FBT003
    if isinstance(event, Use) and event.act == "messages":
        return Piece("", each.place, event.line, is_value=True, inputs=event.path)
    return None
