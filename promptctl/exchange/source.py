"""One file of another tool, and the files beside it that it may name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError, printable

if TYPE_CHECKING:
    from promptctl.files.document import Document
    from promptctl.files.tree import Tree

MAX_BYTES = 16 << 20


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

    def place(self, line: int | None = None, column: int | None = None) -> Place:
        """Return a place in this file."""
        return Place(self.shown, line, column)

    def refuse(
        self, message: str, line: int | None = None, hint: str | None = None, code: str = "not-imported"
    ) -> InvalidFiles:
        """Return the error of a file that is not imported, to be raised."""
        return InvalidFiles([Problem(message, self.place(line), hint, code)])

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
