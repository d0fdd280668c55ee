"""Notes on what became of the parts of a foreign file, and losses of a prompt in a foreign format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptctl.errors import Place

Fate = Literal["kept", "changed", "dropped"]
FATES: tuple[Fate, ...] = ("kept", "changed", "dropped")


@dataclass(frozen=True, slots=True)
class ImportNote:
    """The fate of one part of a foreign file.

    `part` names it as the file does (`modelParameters.topP`); `message` says what became of it, as a clause without
    the part's name (`is written as parameters.top_p`); `hint` says what to do about something dropped.
    """

    fate: Fate
    part: str
    message: str
    place: Place | None = None
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.fate} `{self.part}`: {self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return a JSON object with stable keys."""
        place = self.place or Place("")
        return {
            "fate": self.fate,
            "part": self.part,
            "message": self.message,
            "path": place.path or None,
            "line": place.line,
            "column": place.column,
            "hint": self.hint,
        }


def counted(notes: Iterable[ImportNote]) -> dict[Fate, int]:
    """Return how many notes there are of each fate."""
    fates = [note.fate for note in notes]
    return {fate: fates.count(fate) for fate in FATES}


def collapsed(notes: Sequence[ImportNote]) -> tuple[ImportNote, ...]:
    """Return each note once, at its first place, with the number of parts that it holds for."""
    counts = Counter((note.fate, note.part, note.message) for note in notes)
    found: dict[tuple[Fate, str, str], ImportNote] = {}
    for note in notes:
        found.setdefault((note.fate, note.part, note.message), note)
    return tuple(
        replace(note, message=f"{note.message} ({counts[key]:,} times)") if counts[key] > 1 else note
        for key, note in found.items()
    )


@dataclass(frozen=True, slots=True)
class ExportLoss:
    """A part of a prompt or a dataset that a foreign format cannot say: its name, why, and its place in our file."""

    part: str
    message: str
    place: Place | None = None

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}`{self.part}` {self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return a JSON object with stable keys."""
        place = self.place or Place("")
        return {"part": self.part, "message": self.message, "path": place.path or None, "line": place.line}
