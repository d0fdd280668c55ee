"""Sets of files of one moment: a commit's, or the work tree's. The seam between prompts and Git."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from promptctl.errors import GitError, UsageError, WorkspaceError
from promptctl.files.names import DEFAULT_PLACES, SETTINGS, PromptPlaces

MAX_BYTES = 1 << 20

TICK_NS = 1_000_000_000
_MOST_KEPT, _MOST_KEPT_BYTES = 10_000, 8 << 10

LFS_POINTER = "is a Git LFS pointer, not the file"
LFS_POINTER_BYTES = 1024
_LFS_BEGINNING = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(data: bytes) -> bool:
    """Return True for what Git LFS keeps in a commit instead of a file; `data` is the file's bytes, or its first."""
    return len(data) < LFS_POINTER_BYTES and data.startswith(_LFS_BEGINNING)


class NotRegular(OSError):
    """Something that is no file to be read: a pipe, a device, a socket."""


def open_file(file: str | Path, *, follows_links: bool = False) -> io.BufferedReader:
    """Open a file of this machine. Whatever is no regular file is refused before a byte of it is read, as `OSError`.

    It is what was opened that is looked at, so that nothing can take its place in between. Without O_NONBLOCK, opening
    a named pipe would wait for its other end.
    """
    no_link = 0 if follows_links else os.O_NOFOLLOW
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | no_link)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    raise NotRegular(errno.EINVAL, "it is not a regular file")


def read_file(file: Path, max_bytes: int = MAX_BYTES, *, follows_links: bool = False) -> bytes:
    """Return the bytes of a file of this machine, whose kind and size are known before it is read; raises `OSError`."""
    with open_file(file, follows_links=follows_links) as opened:
        size = os.fstat(opened.fileno()).st_size
        data = b"" if size > max_bytes else opened.read(max_bytes + 1)
    if max(size, len(data)) > max_bytes:  # it may have grown while it was read
        raise OSError(errno.EFBIG, f"it has {max(size, len(data)):,} bytes; at most {max_bytes:,} are read")
    return data


FileStamp = tuple[int, int, int]


def file_stamp(path: str | Path) -> FileStamp | None:
    """Return what differs once a file or folder was changed, whatever its times are set to; None if it is not there."""
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116 - a Path takes as long again to make
    except OSError:
        return None


def stamp_of(found: os.stat_result) -> FileStamp:
    """Return the stamp of a file that was looked at."""
    return found.st_ctime_ns, found.st_size, found.st_ino


class KeptFiles:
    """The bytes of small files of a folder, each until it is written or a link leads to it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._kept: dict[str, tuple[FileStamp, bytes]] = {}

    def look_up(self, path: str) -> bytes | None:
        """Return the bytes of a file; None if they are not kept, or not what is there now."""
        kept = self._kept.get(path)
        if kept is None:
            return None
        file = self._root
        try:
            for name in path.split("/"):
                file = f"{file}/{name}"
                found = os.lstat(file)
                if stat.S_ISLNK(found.st_mode):
                    return None
        except OSError:
            return None
        return kept[1] if kept[0] == stamp_of(found) else None

    def put(self, path: str, found: os.stat_result, data: bytes) -> None:
        """Keep the bytes that were read of an open file, unless they are many or it was written a moment ago.

        What is written within one tick of the clock can have the same stamp.
        """
        if (
            len(data) <= _MOST_KEPT_BYTES
            and len(self._kept) < _MOST_KEPT
            and found.st_ctime_ns < time.time_ns() - TICK_NS
        ):
            self._kept[path] = stamp_of(found), data


def path_inside(root: Path, path: str | os.PathLike[str]) -> str:
    """Return a path of this machine relative to the workspace at `root`, with `/`; the root itself is empty."""
    absolute, top = (Path(os.path.normpath(each)) for each in (Path.cwd() / path, root))
    if not absolute.is_relative_to(top):
        raise UsageError(f"`{path}` is not in the workspace {root}")
    found = absolute.relative_to(top).as_posix()
    return "" if found == "." else found


class Tree(Protocol):
    """A read-only set of files, all of one moment. Paths are relative to the workspace's root, with `/`.

    Implementations: `promptctl.git.trees.WorkTree` and `CommitTree`; `MemoryTree` for tests and checks of text.
    """

    @property
    def commit(self) -> str | None:
        """The full commit id read from; None for the work tree."""

    @property
    def places(self) -> PromptPlaces:
        """The places of its prompts, as its own `promptctl.yaml` says; see `places_of`."""

    def read(self, path: str, *, max_bytes: int = ...) -> bytes:
        """Return the file's bytes, as stored; at most `max_bytes`, 1 MiB if nothing else is asked for.

        Raises `FileNotFoundError` if there is no such file, and `WorkspaceError` if the path leaves the
        workspace (`..`, absolute, through a link), is not a regular file, or is too large to be one of ours.
        """

    def paths(self, prefix: str) -> Iterable[str]:
        """Return every file below `prefix` (a folder such as `prompts`), sorted; none if there is no such folder."""


@runtime_checkable
class StreamedTree(Tree, Protocol):
    """A tree that can also give a file piece by piece, for those that are larger than memory should hold."""

    def open(self, path: str) -> BinaryIO:
        """Return the file's bytes as a stream, for the caller to close. Raises what `read` does, but for the size."""


@runtime_checkable
class ListedTree(Tree, Protocol):
    """A tree that can also list its top folder alone, for those whose other folders may be large."""

    def top_files(self) -> list[str]:
        """Return the files at the top, sorted."""


def places_of(tree: Tree) -> PromptPlaces:
    """Return the places of prompts that a tree's own `promptctl.yaml` names; `prompts/` if it names none."""
    try:
        data = tree.read(SETTINGS)
    except (FileNotFoundError, WorkspaceError) as error:
        if isinstance(error, GitError):
            raise
        return DEFAULT_PLACES
    return places_in(data)


def places_in(data: bytes) -> PromptPlaces:
    """Return the places of prompts that the bytes of a `promptctl.yaml` name."""
    if b"prompt_paths" not in data:  # most have none, and are not parsed for it
        return DEFAULT_PLACES
    from promptctl.files.prompt_places import read_places

    return read_places(data)


def prompt_files(tree: Tree, places: PromptPlaces | None = None) -> list[str]:
    """Return every file in the tree's places of prompts, or in other ones, sorted: prompts, schemas, partials, others.

    Raises `WorkspaceError` if one of the folders is reached through a link.
    """
    places = places or tree.places
    found = [path for folder in places.folders for path in tree.paths(folder)]
    if places.top and isinstance(tree, ListedTree):
        found += [path for path in tree.top_files() if path.endswith(places.top)]
    return sorted(found) if places is not DEFAULT_PLACES else found


def is_there(tree: Tree, path: str) -> bool:
    """Return True if the tree has something at the path, be it readable or not.

    Raises `GitError` if the tree itself cannot be read.
    """
    try:
        tree.read(path)
    except FileNotFoundError:
        return False
    except GitError:
        raise
    except WorkspaceError:
        return True
    return True


class MemoryTree:
    """A tree held in memory: path to text."""

    commit: str | None = None

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.places = places_in(self._files.get(SETTINGS, b""))

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:  # noqa: ARG002 (what is held was read whole)
        """Return the file's bytes; `FileNotFoundError` if there is none."""
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def open(self, path: str) -> BinaryIO:
        """Return the file's bytes as a stream."""
        return io.BytesIO(self.read(path))

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted."""
        below = prefix.rstrip("/") + "/" if prefix else ""
        return sorted(path for path in self._files if path.startswith(below))

    def top_files(self) -> list[str]:
        """Return the files at the top, sorted."""
        return sorted(path for path in self._files if "/" not in path)


class Overlay:
    """A tree with some files added, with other content, or taken away (None)."""

    commit: str | None = None

    def __init__(self, tree: Tree, files: Mapping[str, bytes | None]) -> None:
        self._tree = tree
        self._files = files
        self.places = places_of(self) if SETTINGS in files else tree.places

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `Tree.read`."""
        if path not in self._files:
            return self._tree.read(path, max_bytes=max_bytes)
        data = self._files[path]
        if data is None:
            raise FileNotFoundError(path)
        return data

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        return self._with(self._tree.paths(prefix), lambda path: path.startswith(start))

    def top_files(self) -> list[str]:
        """Return the files at the top, sorted."""
        found = self._tree.top_files() if isinstance(self._tree, ListedTree) else ()
        return self._with(found, lambda path: "/" not in path)

    def _with(self, found: Iterable[str], is_wanted: Callable[[str], bool]) -> list[str]:
        ours = {path for path, data in self._files.items() if data is not None and is_wanted(path)}
        return sorted({path for path in found if path not in self._files} | ours)
