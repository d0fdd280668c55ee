"""Recorded replies in a folder, found by the digest of their request, and added to without losing or doubling one."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.names import RECORDINGS
from promptctl.models.recorded_reply import Entry, read_handwritten, read_line, said

# How our own lines begin: enough to know where a reply is without parsing all of them.
_LINE_START = re.compile(rb'\{"request": ?"([0-9a-f]{64})"')
_LONGEST_LINE = 16 * 1024 * 1024
_OFFSET_BITS = 44


class RecordedReplies:
    """The recordings in one folder. In memory stand only the digests and where each reply is; the last one wins.

    Files are read in the order of their names, and again when they have changed and a reply is not found.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        self._places: dict[bytes, int] = {}
        self._handwritten: dict[bytes, Entry] = {}
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._models: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self._places) + len(self._handwritten)

    def find(self, digest: str) -> Entry | None:
        """The recording of the request with this digest. Raises `InvalidFiles` for files that cannot be read."""
        if self._stamp is None:
            self._index()
        found = self._look_up(digest)
        if found is None and self._stamp != self._current_stamp():
            self._index()
            found = self._look_up(digest)
        return found

    @property
    def models(self) -> tuple[str, ...]:
        """The models of which there are replies, the one with most of them first; reads all files, once."""
        if self._models is None:
            counts = Counter(entry["model"] for entry in self._entries())
            self._models = tuple(model for model, _ in counts.most_common())
        return self._models

    def problems(self) -> list[Problem]:
        """Everything that is wrong in the files, each with file and line; reads all of them."""
        found: list[Problem] = []
        for file in self._list():
            if file.suffix == ".jsonl":
                for _, number, line in _lines(file):
                    found += read_line(line, _place(file, number))[1]
            else:
                found += read_handwritten(file.read_bytes(), str(_place(file)))[1]
        return found

    def _look_up(self, digest: str) -> Entry | None:
        key = _key(digest)
        if key in self._handwritten:
            return self._handwritten[key]
        place = self._places.get(key)
        if place is None:
            return None
        file, offset = self._files[place >> _OFFSET_BITS], place & ((1 << _OFFSET_BITS) - 1)
        with file.open("rb") as opened:
            opened.seek(offset)
            line = opened.readline(_LONGEST_LINE)
        entry, problems = read_line(line, _place(file))
        if problems and self._stamp == self._current_stamp():
            number = next((number for start, number, _ in _lines(file) if start == offset), None)
            raise InvalidFiles(read_line(line, _place(file, number))[1])
        return entry if entry is not None and entry["request"] == digest else None

    def _index(self) -> None:
        stamp = self._current_stamp()
        self._models = None
        self._files, self._places, self._handwritten = self._list(), {}, {}
        problems: list[Problem] = []
        for position, file in enumerate(self._files):
            if file.suffix == ".jsonl":
                problems += self._index_lines(file, position << _OFFSET_BITS)
                continue
            entries, found = read_handwritten(file.read_bytes(), str(_place(file)))
            problems += found
            for entry in entries:
                self._places.pop(_key(entry["request"]), None)
                self._handwritten[_key(entry["request"])] = entry
        if problems:
            raise InvalidFiles(problems)
        self._stamp = stamp

    def _index_lines(self, file: Path, base: int) -> list[Problem]:
        problems: list[Problem] = []
        for offset, number, line in _lines(file):
            start = _LINE_START.match(line)
            if start is not None and line.endswith(b"}\n"):
                digest = start[1].decode()
            else:
                entry, found = read_line(line, _place(file, number))
                problems += found
                if entry is None:
                    continue
                digest = entry["request"]
            self._handwritten.pop(_key(digest), None)
            self._places[_key(digest)] = base | offset
        return problems

    def _entries(self) -> Iterator[Entry]:
        for file in self._list():
            if file.suffix == ".jsonl":
                for _, number, line in _lines(file):
                    entry = read_line(line, _place(file, number))[0]
                    if entry is not None:
                        yield entry
            else:
                yield from read_handwritten(file.read_bytes(), str(_place(file)))[0]

    def _list(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        found = (file for file in self._folder.iterdir() if file.suffix in {".jsonl", ".yaml", ".yml"})
        # A link could lead out of the workspace.
        return sorted(file for file in found if file.is_file() and not file.is_symlink())

    def _current_stamp(self) -> tuple[tuple[str, int, int], ...]:
        stats = [(file.name, file.stat()) for file in self._list()]
        return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


class RecordingFile:
    """A JSONL file of recordings that several processes may add to at once: each line is whole, none is doubled."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: dict[bytes, bytes] = {}
        self._read: tuple[int, int] = (0, 0)

    def add(self, entry: Entry) -> bool:
        """Append the recording; False where the file's last one for the same request says the same already.

        Raises `WorkspaceError` where the file cannot be written; it is then as it was.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
            try:
                return self._add_locked(descriptor, entry)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise WorkspaceError(
                f"the reply could not be recorded: {error.strerror or error}", place=_place(self._path)
            ) from error

    def _add_locked(self, descriptor: int, entry: Entry) -> bool:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
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
        """Learn what stands in the file since it was last read; True where its last line is ended."""
        stat = os.fstat(descriptor)
        inode, offset = self._read
        if inode != stat.st_ino or offset > stat.st_size:
            self._said.clear()
            offset = 0
        ends_in_newline = True
        with os.fdopen(os.dup(descriptor), "rb") as opened:
            opened.seek(offset)
            for line in iter(lambda: opened.readline(_LONGEST_LINE), b""):
                ends_in_newline = line.endswith(b"\n")
                entry, _ = read_line(line, _place(self._path))
                if entry is not None:
                    self._said[_key(entry["request"])] = _fingerprint(entry)
        self._read = (stat.st_ino, stat.st_size)
        return ends_in_newline


def _write_all(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _lines(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Offset, number and bytes of each line that is not blank. A line that is too long comes cut, and so not whole."""
    offset = number = 0
    with file.open("rb") as opened:
        while line := opened.readline(_LONGEST_LINE):
            number += 1
            start, last = offset, line
            offset += len(line)
            while not last.endswith(b"\n") and (last := opened.readline(_LONGEST_LINE)):
                offset += len(last)
            if not line.isspace():
                yield start, number, line


def _key(digest: str) -> bytes:
    """Half of a digest tells requests apart; the whole of it is compared when the reply is read."""
    return bytes.fromhex(digest[:32])


def _fingerprint(entry: Entry) -> bytes:
    return hashlib.blake2b(said(entry).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _place(file: Path, line: int | None = None) -> Place:
    return Place(f"{RECORDINGS}/{file.name}", line)
