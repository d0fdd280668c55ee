"""A file of another tool, and the prompts and datasets that its reader makes of it, with notes on each part.

These do not have their paths in a workspace yet.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError, printable
from promptctl.files.document import Document, Key
from promptctl.files.strict_json import strict_json
from promptctl.files.tree import Tree
from promptctl.templates import BadTemplate

MAX_BYTES = 16 << 20
# Passes any reply that says something: what a case has for which nothing is known that decides it.
NOT_BLANK: Mapping[str, Any] = {"type": "regex", "value": r"\S"}
LONGEST_CASE_ID = 190

Fate = Literal["kept", "changed", "dropped"]
FATES: tuple[Fate, ...] = ("kept", "changed", "dropped")


@dataclass
class Together:
    """All files of one import, each read anew when it is asked for: a folder may hold more than fits into memory.

    `known` is what readers remember of them.
    """

    files: list[Callable[[], Source]] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A foreign file. `path` is relative to `tree`, which is all that an import reads; `prefix` leads there for people.

    `named` collects the paths of files that were read as part of others: they are not imported by themselves.
    `together` are all files of the same import, this one among them; None for a file that is read alone.
    Lines end with `\\n` in `text`, whatever the file has, and a byte order mark is left out.
    """

    path: str
    data: bytes
    tree: Tree = field(repr=False, compare=False)
    prefix: str = ""
    named: set[str] = field(default_factory=set, repr=False, compare=False)
    together: Together | None = field(default=None, repr=False, compare=False)

    @property
    def shown(self) -> str:
        """The path as people typed it."""
        return self.prefix + self.path

    @property
    def stem(self) -> str:
        """The file's name without its folder and its ending."""
        return posixpath.basename(self.path).lstrip(".").partition(".")[0] or posixpath.basename(self.path)

    @cached_property
    def text(self) -> str:
        """The file's text. Raises `InvalidFiles` if it is not UTF-8."""
        try:
            return self.data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = self.data[: error.start].count(b"\n") + 1
            hint = "save it as UTF-8"
            raise InvalidFiles([Problem("the file is not UTF-8 text", self.place(line), hint, "not-utf-8")]) from None

    @cached_property
    def line_starts(self) -> list[int]:
        """The character at which each line of the text begins."""
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    @cached_property
    def document(self) -> Document:
        """The file as YAML, of which JSON is a part, with its anchors and merge keys written out.

        Parts of the data may be shared: nothing is changed in place. Raises `InvalidFiles`.
        """
        from promptctl.files.foreign_yaml import read_foreign_yaml

        return read_foreign_yaml(self.data, self.shown)

    @property
    def mapping(self) -> Mapping[str, Any]:
        """The file's keys and values; none if it is not YAML, or no mapping. Never an error."""
        try:
            data = self.document.data
        except InvalidFiles:
            return {}
        return data if isinstance(data, dict) else {}

    def json(self, hint: str | None = None, what: str = "this JSON cannot be read") -> Any:
        """Return the file as JSON. Raises `InvalidFiles`, which begins with `what`."""
        try:
            return strict_json(self.text)
        except ValueError as error:
            raise self.refuse(f"{what}: {error}", getattr(error, "lineno", 1), hint) from None

    def json_lines(self) -> Iterator[tuple[int, Any, str | None]]:
        """Yield the number of each line that is not blank, with its value, or with why it has none."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.strip():
                try:
                    yield number, strict_json(line), None
                except ValueError as error:
                    yield number, None, getattr(error, "msg", str(error))

    def csv_records(self, delimiter: str = ",", *, is_strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        """Yield each record that is not blank, with the line it begins on. Raises `InvalidFiles`."""
        csv.field_size_limit(max(csv.field_size_limit(), len(self.text) + 1))
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=delimiter, strict=is_strict)
        start = 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield start, cells
                start = reader.line_num + 1
        except csv.Error as error:
            raise self.refuse(f"the file is not CSV: {error}", start) from None

    def place(self, line: int | None = None, column: int | None = None) -> Place:
        """Return a place in this file."""
        return Place(self.shown, line, column)

    def refuse(
        self, message: str, line: int | None = None, hint: str | None = None, code: str = "not-imported"
    ) -> InvalidFiles:
        """Return the error of a file that is not imported, to be raised."""
        return InvalidFiles([Problem(message, self.place(line), hint, code)])

    def refuse_half_a_character(self) -> InvalidFiles:
        """Return the error of a file with a text that is none: JSON can say half of a pair of surrogates."""
        hint = "write the whole character, or take the escape out"
        return self.refuse("a text has half a character, as \\ud83d alone is", 1, hint, "not-text")

    def place_of_tag(self, name: str) -> Place | None:
        """Return the first line of the file, read again, that includes a file by this name; None if none says it so."""
        try:
            text = self.tree.read(self.path, max_bytes=MAX_BYTES).decode("utf-8", "replace")
        except (OSError, WorkspaceError):
            return None
        lines = enumerate(text.split("\n"), 1)
        return next((self.place(number) for number, line in lines if name in line and "{%" in line), None)

    def beside(self, reference: str, line: int | None = None) -> Source:
        """Return a file that this one names, by its path from here.

        Raises `InvalidFiles` if there is none, or if it does not lie in the folder that is imported: `..` beyond it,
        absolute paths and links are refused, so that a file from elsewhere cannot bring in others of this machine.
        """
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), reference))
        if any(part.startswith(".") and part != ".." for part in path.split("/")):
            message = f"`{printable(reference)}` is a hidden file, such as those with keys: it is not read"
            raise self.refuse(message, line, "give the file a name without a dot before it", "hidden-path")
        if path.startswith(("/", "../")) or path == "..":
            message = f"`{printable(reference)}` does not lie in the folder that is imported"
            hint = "copy it beside this file" if reference.startswith("/") else "import the folder that holds both"
            raise self.refuse(message, line, hint, "outside-path")
        try:
            found = Source(path, self.tree.read(path, max_bytes=MAX_BYTES), self.tree, self.prefix, self.named)
        except FileNotFoundError:
            message = f"there is no file `{printable(self.prefix + path)}`"
            raise self.refuse(message, line, "put it there, or import the folder that holds both", "no-file") from None
        except WorkspaceError as error:
            raise self.refuse(error.message, line, error.hint, "no-file") from None
        self.named.add(path)
        return found


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
        where = {"path": place.path or None, "line": place.line, "column": place.column}
        return {"fate": self.fate, "part": self.part, **where, "message": self.message, "hint": self.hint}


def by_line(notes: Iterable[ImportNote]) -> tuple[ImportNote, ...]:
    """Return notes in the order of the file's lines."""
    return tuple(sorted(notes, key=lambda note: (note.place.line or 0) if note.place else 0))


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


class NotesOn:
    """Reads a foreign file of YAML or JSON, or with such a `document` in it; `notes` say what became of the parts."""

    def __init__(self, source: Source, document: Document | None = None) -> None:
        self.source, self.document = source, document or source.document
        self.notes: list[ImportNote] = []

    def note(self, fate: Fate, message: str, *keys: Key, part: str | None = None, hint: str | None = None) -> None:
        """Add a note on the value at the keys, which are its name without a `part`."""
        name = ".".join(map(str, keys)) if part is None else part
        self.notes.append(ImportNote(fate, name, message, self.document.key_place(*keys), hint))

    def refusal(self, message: str, *keys: Key, hint: str | None, code: str = "unsupported-template") -> InvalidFiles:
        """Return the error of what stands at the keys, to be raised."""
        return self.source.refuse(message, self.document.key_place(*keys).line, hint, code)

    def refused_template(self, error: BadTemplate, *keys: Key) -> InvalidFiles:
        """Return the error of a line of the template at the keys, to be raised."""
        line = self.document.line_place(error.line, *keys).line
        return self.source.refuse(error.message, line, error.hint, "unsupported-template")


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """A version's place in the history that a registry kept: when it was made, by whom, why, and its labels there."""

    number: int
    created_at: datetime | None = None
    author: str | None = None
    message: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptDraft:
    """A prompt to be written: `data` are the keys of a native prompt file, in any order.

    `wish` is the id that its name or path asks for, such as `Support Triage`: the import makes an id of it. Includes
    and `$ref` in `data` name a `FileDraft` by its `path`. `registry` is set if the source holds several versions of it.
    `is_judge` is true for one that assertions of the same source ask: an id that is asked for is not for it.
    """

    wish: str
    data: Mapping[str, Any]
    place: Place | None = None
    registry: RegistryVersion | None = None
    is_judge: bool = False


@dataclass(frozen=True, slots=True)
class DatasetDraft:
    """A dataset to be written: `data` are the keys of a dataset file.

    `prompts` in it names `PromptDraft`s by their `wish`; the import puts their ids in place.
    """

    wish: str
    data: Mapping[str, Any]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A partial, a schema or a tool to be written below `prompts/`, at `path` if nothing else has it.

    With `is_name`, a path with folders is that of a name, and as a prompt's name not below the folder of its file.
    """

    path: str
    text: str
    place: Place | None = None
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class ForeignContents:
    """Everything that one foreign file holds, and what became of each of its parts.

    `are_files_given` says that it lists its `files` itself; otherwise its reader found them, as prompts include them.
    """

    prompts: tuple[PromptDraft, ...] = ()
    datasets: tuple[DatasetDraft, ...] = ()
    files: tuple[FileDraft, ...] = ()
    notes: tuple[ImportNote, ...] = ()
    are_files_given: bool = False
