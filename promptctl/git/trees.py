"""The two places a workspace is read from: the work tree on disk, and one commit."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from promptctl.errors import GitError, Place, WorkspaceError, printable
from promptctl.files.names import DEFAULT_PLACES, SETTINGS, PromptPlaces
from promptctl.files.tree import (
    LFS_POINTER,
    LFS_POINTER_BYTES,
    MAX_BYTES,
    FileStamp,
    KeptFiles,
    NotRegular,
    file_stamp,
    is_lfs_pointer,
    open_file,
    places_of,
)
from promptctl.files.wording import count
from promptctl.git.commands import REFETCH
from promptctl.git.objects import FolderEntry, folder_entries

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator, MutableMapping, Sequence

    from promptctl.files.tree import Tree
    from promptctl.git.repository import Git

_REGULAR = ("100644", "100755", "100664")
_FOLDER = "40000"
_SUBMODULE = "160000"
_KINDS = {"120000": "a symbolic link", _SUBMODULE: "a submodule"}
_CHECK_OUT = "this is a sparse checkout; git sparse-checkout add FOLDER brings more"
IN_SUBMODULE = "versions and labels of its prompts are counted in its own repository"
_SPLIT = 'split it: texts into partials ({% include "name.j2" %}), cases into rows of their own (cases: name.jsonl)'
_READ_BYTES = 1 << 20
# Beyond any file that is read: a sparse one of terabytes takes no space on the disk.
_MOST_HASHED = 1 << 30


def left_out(tree: Tree, is_meant: Callable[[str], object], noun: str) -> str | None:
    """Say how many files of a kind a sparse checkout left out, and how to bring them; None if it left out none."""
    number = sum(map(bool, map(is_meant, tree.not_checked_out()))) if isinstance(tree, WorkTree) else 0
    return f"{count(number, noun)} {'is' if number == 1 else 'are'} not checked out: {_CHECK_OUT}" if number else None


class WorkTree:
    """The files on disk, as they are now.

    Like a commit's tree it knows no links: what it reads, Git would store.
    """

    commit: str | None = None

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._git: Path | None = None
        self._left_out: tuple[int, dict[str, str]] | None = None
        self._settings = f"{self.root}/{SETTINGS}"
        self._places: tuple[FileStamp | None, PromptPlaces] | None = None
        self._kept = KeptFiles(str(self.root))

    @property
    def places(self) -> PromptPlaces:
        """The places of its prompts, as `promptctl.yaml` says now."""
        stamp = file_stamp(self._settings)
        if self._places is None or self._places[0] != stamp:
            self._places = stamp, places_of(self)
        return self._places[1]

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `promptctl.files.tree.Tree.read`.

        Those of a small file are kept: a process that lives on looks at thousands again and again.
        """
        kept = self._kept.look_up(path)
        if kept is not None and len(kept) <= max_bytes:
            return kept
        with self.open_stored(path) as opened:
            found = os.fstat(opened.fileno())
            data = b"" if found.st_size > max_bytes else opened.read(max_bytes + 1)
        if max(found.st_size, len(data)) > max_bytes:  # it may have grown while it was read
            raise _too_large(path, max(found.st_size, len(data)), max_bytes)
        data = check_content(path, data)
        self._kept.put(path, found, data)
        return data

    def open(self, path: str) -> BinaryIO:
        """Return the file as a stream; see `promptctl.files.tree.StreamedTree.open`."""
        return _checked(path, self.open_stored(path))

    def open_stored(self, path: str) -> io.BufferedReader:
        """Return the file as a stream of the bytes that are there, also those of a Git LFS pointer."""
        file, segments = str(self.root), _segments(path)
        try:
            for name in segments:
                file = f"{file}/{name}"
                if stat.S_ISLNK(os.lstat(file).st_mode):
                    raise _refused(path, "is reached through a symbolic link", "put the file itself there")
            return open_file(file)
        except NotRegular:
            raise _refused(path, "is not a regular file") from None
        except IsADirectoryError:
            raise FileNotFoundError(path) from None
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                if path in self.not_checked_out():
                    raise _refused(path, "is not checked out", _CHECK_OUT) from None
                raise FileNotFoundError(path) from None
            raise _refused(path, f"cannot be read ({error.strerror})") from error

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted; the insides of `.git` and of linked folders are left out."""
        top = self.root.joinpath(*_segments(prefix.rstrip("/"))) if prefix.strip("/") else self.root
        if os.path.realpath(top) != str(top):
            raise _refused(prefix, "is reached through a symbolic link", "put the folder itself there")
        return sorted(start + name for start, _, files in self._folders(top) for name in files)

    def repository_inside(self, path: str) -> str | None:
        """Return the folder of the submodule, or of any repository inside this one, that a file lies in; None if none.

        Git keeps no such file: it belongs to a commit of its own repository.
        """
        folders = path.split("/")[:-1]
        inside = ("/".join(folders[:depth]) for depth in range(1, len(folders) + 1))
        return next((folder for folder in inside if os.path.lexists(self.root / folder / ".git")), None)

    def not_checked_out(self) -> dict[str, str]:
        """Return the blob id of each file that Git knows and a sparse checkout left out, by path."""
        from promptctl.git.repository import git_folder, sparse_state

        self._git = self._git or git_folder(self.root)
        state = sparse_state(self._git) if self._git is not None else None
        if state is None:
            return {}
        from promptctl.git.index import left_out

        if self._left_out is None or self._left_out[0] != state:
            self._left_out = state, left_out(self.root)
        return self._left_out[1]

    def top_files(self) -> list[str]:
        """Return the files at the top; see `promptctl.files.tree.ListedTree.top_files`."""
        with os.scandir(self.root) as entries:
            return sorted(each.name for each in entries if not each.is_dir(follow_symlinks=False))

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
    """The files of one commit, read folder by folder and each once, in a fraction of a millisecond.

    `prefix` is the workspace's path below the repository's root (`""` or `apps/bot/`), by default that of `git`.
    Files are looked for in `recent` by blob id, and put there.
    """

    def __init__(
        self, git: Git, commit: str, prefix: str | None = None, *, recent: MutableMapping[str, bytes] | None = None
    ) -> None:
        self.commit: str = commit
        self.git = git
        self._prefix = git.prefix if prefix is None else prefix
        self._folders: dict[str, dict[str, FolderEntry]] = {}
        self._recent = recent

    @cached_property
    def places(self) -> PromptPlaces:
        """The places of its prompts, as its `promptctl.yaml` says."""
        return places_of(self)

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `promptctl.files.tree.Tree.read`."""
        id_ = self._file(path)
        kept = self._recent.get(id_) if self._recent is not None else None
        if kept is not None and len(kept) <= max_bytes:
            return kept
        found = self.git.objects.read(id_, max_bytes=max_bytes, ahead=lambda: self._ahead(path))
        if found is None:
            raise _refused(path, f"is damaged: object {id_} is not in the repository", REFETCH)
        if found.data is None:
            raise _too_large(path, found.size, max_bytes)
        data = check_content(path, found.data)
        if self._recent is not None:
            self._recent[id_] = data
        return data

    def open(self, path: str) -> BinaryIO:
        """Open the file as a stream; see `promptctl.files.tree.StreamedTree.open`."""
        from promptctl.git.blob_stream import open_blob

        return _checked(path, open_blob(self.git, self._file(path)))

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted."""
        below = "/".join(_segments(prefix.rstrip("/"))) if prefix.strip("/") else ""
        entry = self._entry(below)
        if entry is not None and entry.mode not in (*_REGULAR, _FOLDER):
            raise _refused(below, f"is {kind_of(entry.mode)} in commit {self.commit[:7]}")
        return sorted(path for path, _ in self._below(below))

    def from_root(self, path: str) -> str:
        """Return the path from the repository's root of one from the workspace's."""
        return self._prefix + path

    def blob(self, path: str) -> str | None:
        """Return the blob id of one regular file; None if there is none."""
        entry = self._entry("/".join(_segments(path)))
        return entry.id if entry is not None and entry.mode in _REGULAR else None

    def blobs(self, folder: str) -> dict[str, str]:
        """Return the blob id of each regular file below a folder, by path."""
        return {path: entry.id for path, entry in self._below(folder) if entry.mode in _REGULAR}

    def prompt_blobs(self, places: PromptPlaces | None = None) -> dict[str, str]:
        """Return the blob id of each regular file in its places of prompts, or in other ones, by path."""
        places = places or self.places
        found = {path: id_ for folder in places.folders for path, id_ in self.blobs(folder).items()}
        top = ((name, entry) for name, entry in self._top().items() if name.endswith(places.top))
        return found | {name: entry.id for name, entry in top if entry.mode in _REGULAR}

    def top_files(self) -> list[str]:
        """Return the files at the top; see `promptctl.files.tree.ListedTree.top_files`."""
        return sorted(name for name, entry in self._top().items() if entry.mode != _FOLDER)

    def _top(self) -> dict[str, FolderEntry]:
        return self._contents([self._prefix.rstrip("/")])[0]

    def repository_inside(self, path: str) -> None:
        """Return None; see `WorkTree.repository_inside`."""

    def not_checked_out(self) -> dict[str, str]:
        """Return nothing; see `WorkTree.not_checked_out`."""
        return {}

    def links(self, folder: str) -> dict[str, str]:
        """Return the object id of each link and submodule at or below a folder, by path."""
        top = self._entry(folder)
        entries = [*self._below(folder), *([(folder, top)] if top is not None and top.mode != _FOLDER else [])]
        return {path: entry.id for path, entry in entries if entry.mode not in _REGULAR}

    def _file(self, path: str) -> str:
        """Return the blob id of a file that can be read."""
        segments = _segments(path)
        for upto in range(1, len(segments) + 1):
            parent = "/".join(segments[:upto])
            entry = self._entry(parent)
            if entry is None:
                break
            if entry.mode in _REGULAR:
                if parent == path:
                    return entry.id
                break
            if entry.mode != _FOLDER:
                kind = f"{kind_of(entry.mode)} in commit {self.commit[:7]}"
                hint = IN_SUBMODULE if entry.mode == _SUBMODULE else None
                raise _refused(path, f"is {kind}" if parent == path else f"lies in {parent}, {kind}", hint)
        raise FileNotFoundError(path)

    def _ahead(self, path: str) -> list[str]:
        """Return what a partial clone that has to fetch a file fetches with it: files named next are there too."""
        if path == SETTINGS:  # it is read to know where prompts are
            return list(self.prompt_blobs(DEFAULT_PLACES).values())
        return list(self.prompt_blobs().values()) if self.places.folder_of(path) is not None else []

    def _below(self, folder: str) -> list[tuple[str, FolderEntry]]:
        """Return everything below a folder that is no folder itself, with its path; unsorted."""
        found: list[tuple[str, FolderEntry]] = []
        folders = [(self._prefix + folder).rstrip("/")]
        while folders:
            entries = [
                (f"{parent}/{name}" if parent else name, entry)
                for parent, content in zip(folders, self._contents(folders), strict=True)
                for name, entry in content.items()
            ]
            found += [(path[len(self._prefix) :], entry) for path, entry in entries if entry.mode != _FOLDER]
            folders = [path for path, entry in entries if entry.mode == _FOLDER]
        return found

    def _entry(self, path: str) -> FolderEntry | None:
        return self._entry_at(self._prefix + path) if path else None

    # --- from here on, paths are relative to the repository's root -----------------------------------------------

    def _entry_at(self, path: str) -> FolderEntry | None:
        parent, _, name = path.rpartition("/")
        return self._contents([parent])[0].get(name)

    def _contents(self, folders: Sequence[str]) -> list[dict[str, FolderEntry]]:
        """Return the entries of folders by name; those that were not read yet are read together."""
        ids = {folder: self._tree_id(folder) for folder in folders if folder not in self._folders}
        wanted = [id_ for id_ in ids.values() if id_ is not None]
        trees = dict(zip(wanted, self.git.objects.read_all(wanted), strict=True))
        for folder, id_ in ids.items():
            tree = trees[id_] if id_ is not None else None
            if id_ is not None and (tree is None or tree.data is None):
                raise GitError(f"commit {self.commit[:7]} is damaged: object {id_} is missing", hint=REFETCH)
            try:
                self.keep_folder(folder, tree.data or b"" if tree is not None else b"")
            except ValueError as error:
                message = f"commit {self.commit[:7]} is damaged: object {id_} is no tree"
                raise GitError(message, hint=REFETCH) from error
        return [self._folders[folder] for folder in folders]

    def kept_folder(self, folder: str) -> dict[str, FolderEntry] | None:
        """Return the entries of a folder that was read before; None if it was not."""
        return self._folders.get(folder)

    def keep_folder(self, folder: str, data: bytes) -> dict[str, FolderEntry]:
        """Keep a folder, given as the bytes of its tree object; return its entries. Raises `ValueError` if damaged."""
        found = self._folders[folder] = folder_entries(data, len(self.commit) // 2)
        return found

    def _tree_id(self, folder: str) -> str | None:
        """Return the tree object of a folder; None if there is no such folder."""
        if folder:
            entry = self._entry_at(folder)
            return entry.id if entry is not None and entry.mode == _FOLDER else None
        commit = self.git.objects.read(self.commit)
        if commit is None or commit.data is None or commit.kind != "commit":
            raise GitError(f"commit {self.commit} is not in the repository", hint=REFETCH)
        return commit.data[5 : 5 + len(self.commit)].decode()  # after the word `tree`


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
    if is_lfs_pointer(data):
        raise _refused(path, LFS_POINTER, "keep it in Git itself, or run git lfs pull")
    return data


def _checked(path: str, opened: io.BufferedReader) -> BinaryIO:
    """Return the stream, or close it if it begins as a Git LFS pointer does."""
    try:
        check_content(path, opened.peek(LFS_POINTER_BYTES))
    except BaseException:
        opened.close()
        raise
    return opened


def kind_of(mode: str) -> str | None:
    """Return what stands under a mode of a tree, in words; None for a regular file."""
    return None if mode in _REGULAR else _KINDS.get(mode, "not a regular file")


def _refused(path: str, why: str, hint: str | None = None) -> WorkspaceError:
    if path.isprintable():
        return WorkspaceError(f"the file {why}", place=Place(path), hint=hint)
    return WorkspaceError(f"the file `{printable(path)}` {why}", hint=hint)


def _too_large(path: str, size: int, max_bytes: int) -> WorkspaceError:
    return _refused(path, f"has {size:,} bytes; at most {max_bytes:,} are read", _SPLIT)


def blob_of(tree: CommitTree | WorkTree, path: str, like: str) -> str | None:
    """Return the blob id that a file's bytes have, in the hash that the id `like` is in; None if there is no file.

    One that cannot be read, or has over 1 GiB, has an id that no blob has.
    """
    if isinstance(tree, CommitTree):
        return tree.blob(path)
    if (kept := tree._kept.look_up(path)) is not None:
        return blob_id(kept, like)
    new = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    try:
        with tree.open_stored(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size > _MOST_HASHED:
                return ""
            made = new(b"blob %d\0" % size, usedforsecurity=False)
            while part := opened.read(_READ_BYTES):
                made.update(part)
    except FileNotFoundError:
        return None
    except (OSError, WorkspaceError):
        return ""
    return made.hexdigest()
