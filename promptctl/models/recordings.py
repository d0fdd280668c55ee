"""Recorded replies in a folder, found by the digest of their request, and added to without losing or doubling one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.merges import is_marker, merge_problem
from promptctl.files.names import DATASETS, RECORDINGS
from promptctl.files.plain import utc
from promptctl.files.tree import LFS_POINTER, LFS_POINTER_BYTES, is_lfs_pointer, open_file, read_file
from promptctl.files.writing import descriptor_of, wait_for_lock
from promptctl.models.gateway import Reply, Request
from promptctl.models.recorded_reply import (
    Entry,
    Located,
    Redact,
    as_it_is,
    digest_for,
    earlier_digests_for,
    entry_of,
    read_handwritten,
    read_line,
    said,
)

if TYPE_CHECKING:
    from promptctl.models.nearest import NearestRecordings

# How our own lines begin: enough to know where a reply is without parsing all of them.
_LINE_START = re.compile(rb'\{"request": ?"([0-9a-f]{64})"')
_OFFSET_BITS = 44
LONGEST_LINE = 16 * 1024 * 1024


def _now() -> datetime:
    return datetime.now(UTC)


class RecordedReplies:
    """The recordings in one folder. Memory holds only the digests and where each reply is; the last one wins.

    Files are read in the order of their names, and again when they have changed and a reply is not found.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        # Where a line begins: number of the file and offset in one integer; a reply written by hand is here whole.
        self._found: dict[bytes, int | Entry] = {}
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._models: tuple[str, ...] | None = None
        self._nearest: NearestRecordings | None = None

    def __len__(self) -> int:
        return len(self._found)

    def find_for(self, request: Request) -> Entry | None:
        """Return the recording of a request, however it is asked. Raises `InvalidFiles` as `find` does."""
        digests = chain([digest_for(request)], earlier_digests_for(request))
        return next((entry for digest in digests if (entry := self.find(digest)) is not None), None)

    def find(self, digest: str) -> Entry | None:
        """Return the recording of the request with this digest. Raises `InvalidFiles` for files that cannot be read."""
        entry = self._look_up(digest)
        if entry is None:
            self.refresh()
            entry = self._look_up(digest)
        return entry

    def refresh(self) -> None:
        """Read the files again if any has changed. Raises `InvalidFiles` for files that cannot be read."""
        if self._stamp != (stamp := self._current_stamp()):
            self._index()
            self._stamp = stamp

    @property
    def models(self) -> tuple[str, ...]:
        """The models of which there are replies, the one with most of them first; reads all files, once."""
        if self._models is None:
            counts = Counter(entry["model"] for file in self._list() for entry in entries_of(file))
            self._models = tuple(model for model, _ in counts.most_common())
        return self._models

    def nearest(self, asked: Entry) -> tuple[Place, Entry] | None:
        """Return the recording of the most similar request, and where it is; None if none keeps what was asked."""
        if self._nearest is None:
            from promptctl.models.nearest import NearestRecordings

            files = list(self._files)
            self._nearest = NearestRecordings(lambda: chain.from_iterable(map(located_in, files)))
        found = self._nearest.find(asked)
        return None if found is None else (Place(found[0].path, found[0].line), found[1])

    def replies_to(self, prompt_ids: Collection[str]) -> Iterator[str]:
        """Yield the replies that were recorded for these prompts; reads all files. Raises `InvalidFiles`."""
        entries = (entry for file in self._list() for entry in entries_of(file))
        yield from (entry["reply"] for entry in entries if entry.get("prompt") in prompt_ids and entry.get("reply"))

    def _look_up(self, digest: str) -> Entry | None:
        found = self._found.get(_key(digest))
        if not isinstance(found, int):
            return found
        file, offset = self._files[found >> _OFFSET_BITS], found & ((1 << _OFFSET_BITS) - 1)
        with open_file(file) as opened:
            opened.seek(offset)
            line = opened.readline(LONGEST_LINE)
        entry, problems = read_line(line, place_in(file))
        if problems and self._stamp == self._current_stamp():
            number = next((number for start, number, _ in lines_of(file) if start == offset), None)
            raise InvalidFiles(read_line(line, place_in(file, number))[1])
        return entry if entry is not None and entry["request"] == digest else None

    def _index(self) -> None:
        self._files, self._found, self._models, self._nearest = self._list(), {}, None, None
        problems = [problem for number, file in enumerate(self._files) for problem in self._index_file(number, file)]
        if problems:
            raise InvalidFiles(problems)

    def _index_file(self, number: int, file: Path) -> list[Problem]:
        if file.suffix != ".jsonl":
            entries, problems = read_handwritten(whole_file(file), str(place_in(file)))
            self._found.update((_key(entry["request"]), entry) for entry in entries)
            return problems
        problems = []
        with open_file(file) as opened:
            if is_lfs_pointer(opened.read(LFS_POINTER_BYTES)):
                return [
                    Problem(f"the file {LFS_POINTER}", Place(str(place_in(file))), "run git lfs pull", "unreadable")
                ]
        for offset, line_number, line in lines_of(file):
            start = _LINE_START.match(line)
            if start is not None and line.endswith(b"}\n"):
                digest = start[1].decode()
            elif is_marker(line.decode("utf-8", "replace")):
                return [merge_problem(Place(str(place_in(file)), line_number, 1))]
            else:
                entry, wrong = read_line(line, place_in(file, line_number))
                problems += wrong
                if entry is None:
                    continue
                digest = entry["request"]
            self._found[_key(digest)] = number << _OFFSET_BITS | offset
        return problems

    def _list(self) -> list[Path]:
        check_folder(self._folder)
        if not self._folder.is_dir():
            return []
        found = (file for file in self._folder.iterdir() if file.suffix in {".jsonl", ".yaml", ".yml"})
        # A link could lead out of the workspace.
        return sorted(file for file in found if file.is_file() and not file.is_symlink())

    def _current_stamp(self) -> tuple[tuple[str, int, int], ...]:
        stats = [(file.name, file.stat()) for file in self._list()]
        return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


class Recording:
    """Adds the replies of one prompt to a JSONL file, from which `replay/<model>` answers.

    Several processes may add to one file at once: each line is whole, and none is doubled if the file system has locks.
    Raises `InvalidFiles` if the file's folder is a link.
    """

    def __init__(
        self, path: Path, prompt: str | None = None, *, now: Callable[[], datetime] = _now, redact: Redact = as_it_is
    ) -> None:
        check_folder(path.parent)
        self._redact = redact
        self._path = path
        self._prompt = prompt
        self._now = now
        self._said: dict[bytes, bytes] = {}
        self._read: tuple[int, int] = (0, 0)

    def add(self, request: Request, reply: Reply, note: str | None = None) -> bool:
        """Record the reply; False if the file's last one for the same request says the same, or it was replayed.

        Raises `WorkspaceError` if the file cannot be written; it is then as it was.
        """
        if reply.source == "replay":
            return False
        moment = utc(self._now())
        entry = entry_of(request, reply, moment, self._prompt, note, self._redact)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            check_folder(self._path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            with descriptor_of(self._path, flags, 0o666) as descriptor:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file")
                return self._add_locked(descriptor, entry)
        except OSError as error:
            raise WorkspaceError(
                f"the reply could not be recorded: {error.strerror or error}", place=place_in(self._path)
            ) from error

    def _add_locked(self, descriptor: int, entry: Entry) -> bool:
        wait_for_lock(descriptor)
        ends_in_newline = self._catch_up(descriptor)
        key, what = _key(entry["request"]), _fingerprint(entry)
        if self._said.get(key) == what:
            return False
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, line if ends_in_newline else b"\n" + line)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        self._said[key] = what
        self._read = (os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size)
        return True

    def _catch_up(self, descriptor: int) -> bool:
        """Read what was added to the file since it was last read; return True if its last line is ended."""
        stat = os.fstat(descriptor)
        inode, offset = self._read
        if inode != stat.st_ino or offset > stat.st_size:
            self._said.clear()
            offset = 0
        ends_in_newline = True
        with os.fdopen(os.dup(descriptor), "rb") as opened:
            opened.seek(offset)
            for line in iter(lambda: opened.readline(LONGEST_LINE), b""):
                ends_in_newline = line.endswith(b"\n")
                entry, _ = read_line(line, place_in(self._path))
                if entry is not None:
                    self._said[_key(entry["request"])] = _fingerprint(entry)
        self._read = (stat.st_ino, stat.st_size)
        return ends_in_newline


def _write_all(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _key(digest: str) -> bytes:
    """Half of a digest tells requests apart; the whole of it is compared when the reply is read."""
    return bytes.fromhex(digest[:32])


def _fingerprint(entry: Entry) -> bytes:
    return hashlib.blake2b(said(entry).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def check_folder(folder: Path) -> None:
    """Raise `InvalidFiles` if the folder, or `datasets/` above it, is a link: it could lead out of the workspace."""
    if folder.is_symlink() or (folder.parent.name == DATASETS and folder.parent.is_symlink()):
        message, hint = "the folder is reached through a symbolic link", "put the folder itself there"
        raise InvalidFiles([Problem(message, Place(RECORDINGS), hint, "unreadable")])


def entries_of(file: Path) -> Iterator[Entry]:
    """Yield the sound recordings of a file."""
    return (entry for _, entry in located_in(file))


def located_in(file: Path) -> Iterator[tuple[Located, Entry]]:
    """Yield the sound recordings of a file, each with its place and how to read it again."""
    place = place_in(file)
    if file.suffix != ".jsonl":
        for entry in read_handwritten(whole_file(file), str(place))[0]:
            yield Located(place.path, None, partial(as_it_is, entry)), entry
        return
    for offset, number, line in lines_of(file):
        found = read_line(line, place)[0]
        if found is not None:
            yield Located(place.path, number, partial(_read_at, file, offset)), found


def _read_at(file: Path, offset: int) -> Entry | None:
    with suppress(OSError), open_file(file) as opened:
        opened.seek(offset)
        return read_line(opened.readline(LONGEST_LINE), place_in(file))[0]
    return None


def whole_file(file: Path) -> bytes:
    """Return the content of a file that is written by hand. Raises `InvalidFiles`."""
    try:
        return read_file(file)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise InvalidFiles([Problem(message, Place(str(place_in(file))), "split it", "unreadable")]) from error


def lines_of(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield offset, number and bytes of each line that is not blank. One that is too long is cut, and so not whole."""
    offset = number = 0
    with open_file(file) as opened:
        while line := opened.readline(LONGEST_LINE):
            number += 1
            start, last = offset, line
            offset += len(line)
            while not last.endswith(b"\n") and (last := opened.readline(LONGEST_LINE)):
                offset += len(last)
            if not line.isspace():
                yield start, number, line


def place_in(file: Path, line: int | None = None) -> Place:
    """Return the place of a file of recordings, or of a line in it, as people know it."""
    return Place(f"{RECORDINGS}/{file.name}", line)
