"""The two places a workspace is read from: the work tree on disk, and one commit."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from promptctl.errors import Place, WorkspaceError, printable
from promptctl.files.tree import MAX_BYTES

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from promptctl.git.repository import Git

_REGULAR = ("100644", "100755", "100664")
_LINK = "120000"
_SUBMODULE = "160000"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LFS_POINTER_BYTES = 1024
_TREES_KEPT = 8


class WorkTree:
    """The files on disk, as they are now.

    Like a commit's tree it knows no links: what it reads, Git would store.
    """

    commit: str | None = None

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `promptctl.files.tree.Tree.read`."""
        with self._opened(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            data = b"" if size > max_bytes else opened.read(max_bytes + 1)
        if max(size, len(data)) > max_bytes:  # it may have grown while it was read
            raise _too_large(path, max(size, len(data)), max_bytes)
        return check_content(path, data)

    def open(self, path: str) -> BinaryIO:
        """Return the file as a stream; see `promptctl.files.tree.StreamedTree.open`."""
        return _checked(path, self._opened(path))

    def _opened(self, path: str) -> io.BufferedReader:
        file = self.root.joinpath(*_segments(path))
        if os.path.realpath(file) != str(file):
            raise _refused(path, "is reached through a symbolic link", "put the file itself there")
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for its other end.
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise FileNotFoundError(path) from None
            raise _refused(path, f"cannot be read ({error.strerror})") from error
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise FileNotFoundError(path) if stat.S_ISDIR(mode) else _refused(path, "is not a regular file")
        return os.fdopen(descriptor, "rb")

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted; the insides of `.git` and of linked folders are left out."""
        top = self.root.joinpath(*_segments(prefix.rstrip("/"))) if prefix.strip("/") else self.root
        if os.path.realpath(top) != str(top):
            raise _refused(prefix, "is reached through a symbolic link", "put the folder itself there")
        return sorted(start + name for start, _, files in self._folders(top) for name in files)

    def links(self, folder: str) -> list[str]:
        """Return every link at or below a top-level folder, whatever it leads to, sorted."""
        if (self.root / folder).is_symlink():
            return [folder]
        walked = self._folders(self.root / folder)
        paths = [start + name for start, folders, files in walked for name in (*folders, *files)]
        return sorted(path for path in paths if (self.root / path).is_symlink())

    def _folders(self, top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        """Walk as `os.walk` does, with paths from the root on and without `.git`: each begins as its files' do."""
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != ".git"]
            below = os.path.relpath(folder, self.root)
            yield "" if below == "." else below.replace(os.sep, "/") + "/", folders, files


class CommitTree:
    """The files of one commit. `prefix` is the workspace's path below the repository's root (`""` or `apps/bot/`).

    One `ls-tree` for each top-level folder that is asked for, on first use; then each file costs a fraction of a
    millisecond.
    """

    def __init__(self, git: Git, commit: str, prefix: str = "") -> None:
        self.commit: str = commit
        self._git = git
        self._prefix = prefix
        self._listings: dict[str, dict[str, tuple[str, str]]] = {}

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `promptctl.files.tree.Tree.read`."""
        listing = self._listing(_segments(path)[0])
        id_ = self._file(path, listing)
        # The rest of the prompts goes along when a partial clone has to fetch: what is named next lies there.
        ahead = [other for other_mode, other in listing.values() if other_mode in _REGULAR] if _is_text(path) else []
        found = self._git.objects.read(id_, max_bytes=max_bytes, ahead=ahead)
        if found is None:
            raise _refused(path, f"is damaged: object {id_} is not in the repository", "run git fsck")
        if found.data is None:
            raise _too_large(path, found.size, max_bytes)
        return check_content(path, found.data)

    def open(self, path: str) -> BinaryIO:
        """Return the file as a stream; see `promptctl.files.tree.StreamedTree.open`."""
        from promptctl.git.blob_stream import open_blob

        return _checked(path, open_blob(self._git, self._file(path, self._listing(_segments(path)[0]))))

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted."""
        if not prefix.strip("/"):
            return sorted(self._listing(""))
        below = "/".join(_segments(prefix.rstrip("/")))
        listing = self._listing(below.split("/", 1)[0])
        if below in listing and listing[below][0] not in _REGULAR:
            raise _refused(below, f"is {_kind(listing[below][0])} in commit {self.commit[:7]}")
        return sorted(path for path in listing if path.startswith(below + "/"))

    def blob(self, path: str) -> str | None:
        """Return the blob id of one regular file; None if there is none."""
        mode, id_ = self._listing(_segments(path)[0]).get(path, ("", ""))
        return id_ if mode in _REGULAR else None

    def blobs(self, folder: str) -> dict[str, str]:
        """Return the blob id of each regular file below a folder, by path."""
        listing = self._listing(folder.partition("/")[0]).items()
        return {path: id_ for path, (mode, id_) in listing if mode in _REGULAR and path.startswith(folder + "/")}

    def links(self, folder: str) -> dict[str, str]:
        """Return the object id of each link and submodule at or below a top-level folder, by path."""
        return {path: id_ for path, (mode, id_) in self._listing(folder).items() if mode not in _REGULAR}

    def _file(self, path: str, listing: dict[str, tuple[str, str]]) -> str:
        """Return the blob id of a file that can be read."""
        mode, id_ = listing.get(path, ("", ""))
        if mode in _REGULAR:
            return id_
        parent = path
        while parent:
            if parent in listing and listing[parent][0] not in _REGULAR:
                kind, where = _kind(listing[parent][0]), f"in commit {self.commit[:7]}"
                raise _refused(path, f"is {kind} {where}" if parent == path else f"lies in {parent}, {kind} {where}")
            parent = parent.rpartition("/")[0]
        raise FileNotFoundError(path)

    def _listing(self, top: str) -> dict[str, tuple[str, str]]:
        """Return mode and object id by path, for everything at or below one top-level name of the workspace."""
        if top not in self._listings:
            where = self._prefix + top
            output = self._git.run(
                ["ls-tree", "-r", "-z", "--full-tree", self.commit, *(["--", where] if where else [])]
            )
            listing: dict[str, tuple[str, str]] = {}
            for line in output.stdout.split(b"\0"):
                if line:
                    meta, _, name = line.partition(b"\t")
                    mode, _, id_ = meta.split(b" ")
                    listing[_text(name)[len(self._prefix) :]] = (mode.decode(), id_.decode())
            self._listings[top] = listing
        return self._listings[top]


class CommitTrees:
    """The trees of one repository's commits, the latest few kept. Threads may share it."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._kept: OrderedDict[str, CommitTree] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, commit: str) -> CommitTree:
        """Return the workspace at a commit, given by its full id."""
        with self._lock:
            tree = self._kept.pop(commit, None) or CommitTree(self._git, commit, self._git.prefix)
            self._kept[commit] = tree
            if len(self._kept) > _TREES_KEPT:
                self._kept.popitem(last=False)
            return tree


def blob_id(data: bytes, like: str) -> str:
    """Return the id that Git gives to a file of these bytes, in the hash that the id `like` is in."""
    new = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    return new(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _segments(path: str) -> list[str]:
    """Return the path's parts; a path that is not plainly one below the workspace is refused."""
    segments = path.split("/")
    if "\0" in path or any(segment in ("", ".", "..") for segment in segments):
        raise _refused(path, "does not lie in the workspace", "name a file below the workspace, without `..`")
    return segments


def check_content(path: str, data: bytes) -> bytes:
    """Return the file's bytes; a Git LFS pointer in its place is refused."""
    if len(data) < _LFS_POINTER_BYTES and data.startswith(_LFS_POINTER):
        raise _refused(path, "is a Git LFS pointer, not the file", "keep it in Git itself, or run git lfs pull")
    return data


def _checked(path: str, opened: io.BufferedReader) -> BinaryIO:
    """Return the stream, or close it if it begins as a Git LFS pointer does."""
    try:
        check_content(path, opened.peek(_LFS_POINTER_BYTES))
    except BaseException:
        opened.close()
        raise
    return opened


def _kind(mode: str) -> str:
    return {_LINK: "a symbolic link", _SUBMODULE: "a submodule"}.get(mode, "not a regular file")


def _is_text(path: str) -> bool:
    return path.startswith("prompts/")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _refused(path: str, why: str, hint: str | None = None) -> WorkspaceError:
    if path.isprintable():
        return WorkspaceError(f"the file {why}", place=Place(path), hint=hint)
    return WorkspaceError(f"the file `{printable(path)}` {why}", hint=hint)


def _too_large(path: str, size: int, max_bytes: int) -> WorkspaceError:
    return _refused(path, f"has {size:,} bytes; at most {max_bytes:,} are read", "split it")
