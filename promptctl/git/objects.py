"""The objects of a repository, read through one lasting `git cat-file --batch`."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from promptctl.errors import GitError, HistoryIncomplete
from promptctl.git.commands import REFETCH, Commands

# Requests written before the first answer is read: their bytes must fit into the smallest pipe buffer (16 KiB), or
# both sides would wait for each other.
_REQUESTS_AT_ONCE = 128
_REQUEST_BYTES = 120
# Of an object that is read with no bound of its own, such as a folder's or a tag's.
_MOST_BYTES = 128 << 20
# So much is read, and dropped if it is more than is wanted, sooner than a new process begins.
_SOON_READ = 1 << 20
# Larger blobs Git hands over in pieces, instead of holding them.
_STREAMED = "core.bigFileThreshold=1m"

Ahead = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class GitObject:
    """One object: what was asked for, its id, its kind (`blob`, `tree`, `commit`, `tag`), its size in bytes, its bytes.

    `data` is None if the object is larger than the reader wanted.
    """

    name: str
    id: str
    kind: str
    size: int
    data: bytes | None


class FolderEntry(NamedTuple):
    """The mode, in octal, and the object of what a folder has under one name."""

    mode: str
    id: str


class _Stopped(Exception):
    """The process ended before it answered for `name`; `words` is what it said."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(name, words)
        self.name = name
        self.words = words


class Objects:
    """Reads objects by id or by `<commit>:<path>`; threads may share it.

    In a partial clone, what is not here is fetched in one request from the remote that promised it.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._process: Any = None
        self._process_id = 0
        self._inherited: list[Any] = []
        self._end: weakref.finalize[..., Objects] | None = None
        self._lock = threading.RLock()  # what is read ahead may have to be looked up first

    def read(self, name: str, *, max_bytes: int | None = None, ahead: Ahead = tuple) -> GitObject | None:
        """Return one object; None if there is none of that name.

        `ahead` returns ids that will be asked for next: a partial clone that has to fetch this one fetches them too.
        """
        return self.read_all([name], max_bytes=max_bytes, ahead=ahead)[0]

    def read_all(
        self, names: Iterable[str], *, max_bytes: int | None = None, ahead: Ahead = tuple
    ) -> list[GitObject | None]:
        """Return the objects of `names`, in their order; None for each that is not in the repository.

        Raises `HistoryIncomplete` if a partial clone lacks one and its remote does not send it.
        """
        names = list(names)
        found: list[GitObject | None] = []
        lacking = None
        with self._lock:
            while len(found) < len(names):
                try:
                    for answer in self._answers(names[len(found) :], max_bytes):
                        found.append(answer)  # noqa: PERF402 - what came before a stop is kept
                except _Stopped as stop:
                    # Git ends at the first object that a partial clone lacks, instead of saying "missing".
                    if lacking == stop.name or not is_object_id(stop.name):
                        raise _damaged(stop) from stop
                    lacking = stop.name
                    self._fetch(names[len(found) :], ahead, stop)
        return found

    def close(self) -> None:
        """End the process; the next read starts a new one."""
        with self._lock:
            self._stop()

    def _answers(self, names: Sequence[str], max_bytes: int | None) -> Iterator[GitObject | None]:
        if any("\n" in name for name in names):
            raise GitError("a line break cannot be part of a Git name")
        if self._process is not None and self._process_id != os.getpid():  # in a forked child it is the parent's
            self._inherited.append(self._process)
            self._process = self._end = None
        if self._process is None or self._process.poll() is not None:
            self._process_id = os.getpid()
            self._process = self._commands.start(["-c", _STREAMED, "cat-file", "--batch"], has_input=True)
            # Held by the process alone, this ends it in order even if the object is collected in a reference cycle.
            self._end = weakref.finalize(self, _end, self._process)
        is_whole = False
        try:
            waiting = iter(names)
            while batch := list(_batch(waiting)):
                self._ask(batch)
                for name in batch:
                    answer = self._answer(name, max_bytes)
                    yield answer
                    if answer is not None and answer.data is None and answer.size > _SOON_READ:
                        return  # its bytes are not read, be they a gigabyte: what follows is asked of a new process
            is_whole = True
        finally:
            if not is_whole:  # an answer left unread would be taken for the next one's
                self._stop()

    def _ask(self, names: Sequence[str]) -> None:
        try:
            self._process.stdin.write("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
            self._process.stdin.flush()
        except BrokenPipeError:  # reading the answers shows why it ended
            return

    def _answer(self, name: str, max_bytes: int | None) -> GitObject | None:
        stdout = self._process.stdout
        header = stdout.readline()
        if not header:
            raise _Stopped(name, self._process.stderr.read().decode("utf-8", "replace").strip())
        fields = header.split()
        if len(fields) != 3 or not fields[-1].isdigit():  # "missing", "ambiguous"
            return None
        size = int(fields[2])
        data, is_wanted = None, size <= (_MOST_BYTES if max_bytes is None else max_bytes)
        if is_wanted or size <= _SOON_READ:
            data = stdout.read(size)
            if not stdout.read(1) or len(data) < size:
                raise _Stopped(name, self._process.stderr.read().decode("utf-8", "replace").strip())
        return GitObject(name, fields[0].decode(), fields[1].decode(), size, data if is_wanted else None)

    def _fetch(self, names: Sequence[str], ahead: Ahead, stop: _Stopped) -> None:
        """Fetch objects that a partial clone left out; a whole clone has stopped for a different reason."""
        promisors = self._commands.run(
            ["config", "--get-regexp", r"^remote\..*\.promisor$", "true"], check=False
        ).lines()
        if not promisors:
            raise _damaged(stop)
        remote = promisors[0].rsplit(" ", 1)[0].removeprefix("remote.").removesuffix(".promisor")
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none")
        from promptctl.counting import counting

        with counting(f"fetching contents from {remote}"):
            ids = dict.fromkeys((*names, *ahead()))
            output = self._commands.run(
                ["-c", "fetch.negotiationAlgorithm=noop", "fetch", *quiet, "--stdin", "--end-of-options", remote],
                input="".join(f"{id_}\n" for id_ in ids if is_object_id(id_)).encode(),
                check=False,
            )
        if output.status != 0:
            words = output.stderr.strip().splitlines()
            raise HistoryIncomplete(
                f"this partial clone lacks file contents, and {remote} did not send them: {words[0] if words else ''}",
                hint=f"git fetch --refetch --no-filter {remote}",
            )

    def _stop(self) -> None:
        self._process = None
        if self._end is not None:
            self._end()


def _damaged(stop: _Stopped) -> GitError:
    return GitError(f"Git stopped while reading {stop.name}", hint="\n".join([*stop.words.splitlines(), REFETCH]))


def _end(process: Any) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        try:
            stream.close()
        except OSError:  # it has ended already, with requests unread
            continue
    process.proc.wait()


def _batch(names: Iterator[str]) -> Iterator[str]:
    """Yield the next few names: many ids, or fewer if they are long paths."""
    budget = _REQUESTS_AT_ONCE * _REQUEST_BYTES
    for name in islice(names, _REQUESTS_AT_ONCE):
        yield name
        budget -= 4 * len(name)
        if budget <= 0:
            return


def is_object_id(text: str) -> bool:
    """Return True for a full object id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits."""
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def folder_entries(tree: bytes, id_bytes: int) -> dict[str, FolderEntry]:
    """Read a tree object: `<mode> <name>`, a null byte and the bytes of an id, again and again."""
    found: dict[str, FolderEntry] = {}
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        at = end + 1 + id_bytes
        found[name.decode("utf-8", "surrogateescape")] = FolderEntry(mode.decode(), tree[end + 1 : at].hex())
    return found
