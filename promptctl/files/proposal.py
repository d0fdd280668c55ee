"""Changes of files that are proposed, shown as a diff, and then written: all of them, or none."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from promptctl.errors import Place, WorkspaceError
from promptctl.files.tree import Overlay, Tree, read_file
from promptctl.files.wording import alike_until
from promptctl.files.writing import replace_file

_MAX_BYTES = 1 << 30
_CONTEXT = 3  # lines
_NO_END = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A file's bytes before and after, each None where there is no such file; `path` is relative to the workspace.

    With `moved_from`, the file at that path goes away, and `before` are its bytes.
    """

    path: str
    before: bytes | None
    after: bytes | None
    moved_from: str | None = None

    @property
    def action(self) -> str:
        """The fate of the file: `created`, `changed`, `deleted` or `renamed`."""
        if self.moved_from is not None:
            return "renamed"
        return "created" if self.before is None else "deleted" if self.after is None else "changed"

    def as_dict(self) -> dict[str, str | None]:
        """Return a JSON object with stable keys."""
        return {"path": self.path, "action": self.action, "moved_from": self.moved_from}


@dataclass(frozen=True, slots=True)
class Proposal:
    """Files as they would be. Nothing is written before `write`. What would change nothing is left out."""

    changes: tuple[FileEdit, ...] = ()

    def __post_init__(self) -> None:
        changes = (change for change in self.changes if change.moved_from is not None or change.before != change.after)
        object.__setattr__(self, "changes", tuple(changes))

    @property
    def is_empty(self) -> bool:
        """True if nothing would change."""
        return not self.changes

    def over(self, tree: Tree) -> Tree:
        """Return the tree as it would be, to check the files in before they are written."""
        files = {change.moved_from: None for change in self.changes if change.moved_from is not None}
        return Overlay(tree, {**files, **{change.path: change.after for change in self.changes}})

    def diff(self) -> str:
        """Return the changes as a patch that `git apply` takes in the workspace's folder."""
        return "".join(part for change in self.changes for part in _patch(change))

    def check(self, root: Path) -> None:
        """Raise `WorkspaceError` if a file is not as it was when this was proposed, or is reached through a link."""
        top = Path(os.path.realpath(root))
        for change in self.changes:
            _check(top, change)

    def write(self, root: Path) -> None:
        """Write every file, in the workspace at `root`.

        Raises `WorkspaceError` as `check` does, and if a file cannot be written; then the files are as they were.
        """
        self.check(root)
        top = Path(os.path.realpath(root))
        done: list[FileEdit] = []
        try:
            for change in self.changes:
                done.append(change)
                _put(top, change.path, change.after, is_new=change.before is None or change.moved_from is not None)
                if change.moved_from is not None:
                    _put(top, change.moved_from, None)
        except BaseException:
            for change in reversed(done):
                _take_back(top, change)
            raise


def change_of(tree: Tree, path: str, after: bytes | None) -> FileEdit:
    """Return the change of a file from what the tree has to `after`."""
    try:
        return FileEdit(path, tree.read(path, max_bytes=_MAX_BYTES), after)
    except FileNotFoundError:
        return FileEdit(path, None, after)


def _check(top: Path, change: FileEdit) -> None:
    old = change.moved_from or change.path
    if _now(top, old) != change.before:
        message = "is there by now" if change.before is None else "was changed meanwhile"
        raise WorkspaceError(
            f"nothing was written: `{old}` {message}", place=Place(old), hint="look at it, and ask again"
        )
    if change.moved_from is not None and _now(top, change.path) is not None:
        raise WorkspaceError(f"nothing was written: `{change.path}` is there already", hint="choose a different name")


def _now(top: Path, path: str) -> bytes | None:
    """Return the bytes of a file of the workspace; None if there is none."""
    file = top / path
    parts = path.casefold().split("/")
    if os.path.normpath(path) != path or parts[0] in ("", ".", "..") or ".git" in parts:
        raise WorkspaceError(f"nothing was written: `{path}` does not lie in the workspace")
    if Path(os.path.realpath(file.parent)) != file.parent:
        raise WorkspaceError(
            f"nothing was written: `{path}` is reached through a symbolic link", hint="put the file itself there"
        )
    try:
        return read_file(file, _MAX_BYTES)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise WorkspaceError(f"nothing was written: `{path}` cannot be read ({error.strerror})") from error


def _put(top: Path, path: str, data: bytes | None, *, is_new: bool = False) -> None:
    file = top / path
    if data is not None:
        replace_file(file, [data], is_new=is_new)
        return
    try:
        file.unlink()
    except OSError as error:
        raise WorkspaceError(f"cannot remove {file}: {error.strerror}") from error
    with suppress(OSError):  # Git keeps no empty folder; the workspace's own are not its to remove
        for folder in takewhile(lambda folder: folder.parent != top and folder != top, file.parents):
            folder.rmdir()


def _take_back(top: Path, change: FileEdit) -> None:
    """Put a file back as it was, as well as that can be done."""
    with suppress(WorkspaceError):
        if change.moved_from is not None and _now(top, change.moved_from) is None and change.before is not None:
            _put(top, change.moved_from, change.before)
    with suppress(WorkspaceError):
        before = None if change.moved_from is not None else change.before
        now = _now(top, change.path)
        if now != before and now in (None, change.after):
            _put(top, change.path, before)


def _patch(change: FileEdit) -> Iterator[str]:
    """Yield a file's part of the patch."""
    old, new = change.moved_from or change.path, change.path
    yield f"diff --git {_quoted('a/' + old)} {_quoted('b/' + new)}\n"
    if change.moved_from is not None:
        yield f"rename from {_quoted(old)}\nrename to {_quoted(new)}\n"
    elif change.before is None:
        yield "new file mode 100644\n"
    elif change.after is None:
        yield "deleted file mode 100644\n"
    before, after = _lines(change.before), _lines(change.after)
    if before == after:
        return
    yield f"--- {'/dev/null' if change.before is None else _quoted('a/' + old)}\n"
    yield f"+++ {'/dev/null' if change.after is None else _quoted('b/' + new)}\n"
    for line in _hunks(before, after):
        yield line if line.endswith("\n") else f"{line}\n{_NO_END}"


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a unified diff, without its head."""
    for group in _Trimmed(before, after).get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, old, old_end, new, new_end in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[old:old_end])
                continue
            yield from (f"-{line}" for line in before[old:old_end])
            yield from (f"+{line}" for line in after[new:new_end])


class _Trimmed(difflib.SequenceMatcher[str]):
    """Finds what leads from one text to the other. Equal lines at both ends, of long files, are not searched."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        size, new_size, start = len(before), len(after), alike_until(before, after)
        end = alike_until(before[start:][::-1], after[start:][::-1])
        super().__init__(None, before[start : size - end], after[start : new_size - end])
        self._whole = [
            ("equal", 0, start, 0, start),
            *((tag, a + start, b + start, c + start, d + start) for tag, a, b, c, d in super().get_opcodes()),
            ("equal", size - end, size, new_size - end, new_size),
        ]

    def get_opcodes(self) -> list[Any]:
        return self._whole


def _range(start: int, stop: int) -> str:
    """Return lines as a hunk's head names them: of an empty range, the line before it."""
    return f"{start + (stop > start)},{stop - start}"


def _lines(data: bytes | None) -> list[str]:
    text = (data or b"").decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    return [*(line + "\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]


def _quoted(path: str) -> str:
    """Return a path as Git writes it in a patch."""
    if any(character < " " or character in '"\\\x7f' for character in path):
        escaped = "".join(
            f"\\{ord(each):03o}" if each < " " or each == "\x7f" else f"\\{each}" if each in '"\\' else each
            for each in path
        )
        return f'"{escaped}"'
    return path
