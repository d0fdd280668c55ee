"""Another repository at one commit, as the files that prompts could be taken from; and what a ref names there."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from promptctl.context import Context
from promptctl.errors import GitError, Place, RevisionNotFound, UsageError, WorkspaceError, printable
from promptctl.files.names import DEFAULT_PLACES, PROMPT_SUFFIXES, SETTINGS, PromptPlaces, did_you_mean
from promptctl.files.strangers import unsafe
from promptctl.files.tree import LFS_POINTER, MAX_BYTES, is_lfs_pointer, places_in
from promptctl.files.wording import name_some
from promptctl.files.yaml_reader import read_yaml
from promptctl.git.objects import is_object_id
from promptctl.git.outside import OutsideRepository
from promptctl.git.trees import kind_of
from promptctl.labels.tags import PREFIX, parse_name
from promptctl.vendoring.address import LibraryAddress, check_ref
from promptctl.vendoring.lock import Vendored

MAX_ROWS_BYTES = 64 << 20
_MOST_GLOBS = 1_000
_LONGEST_GLOB = 200  # no id is as long
TAG, _BRANCH, PEELED = "refs/tags/", "refs/heads/", "^{}"


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit, and by which reference it was found (`refs/tags/v1.2`); None for one that was named by its id.

    `asked` is the ref as it was asked for; without one, the name of the branch that HEAD stands for.
    """

    asked: str
    name: str | None
    commit: str

    @property
    def is_tag(self) -> bool:
        """True for a tag, which is never to move."""
        return self.name is not None and self.name.startswith(TAG)

    def __str__(self) -> str:
        return self.commit[:12] if self.name is None else f"{self.asked} ({self.commit[:12]})"


def asking(parts: Context, address: LibraryAddress) -> OutsideRepository:
    """Return a repository of others, to be opened for the time of one command."""
    return OutsideRepository(address.asked, address.url, parts.environ, is_interactive=parts.is_interactive)


def rewritten(name: str, locked: Vendored, commit: str) -> GitError:
    """Return the error for a tag that was moved after it was locked, with both commits."""
    return GitError(
        f"the tag {locked.ref} of {locked.url} was rewritten: it named {locked.commit}, and names {commit} now",
        hint=f"ask its owners; to take the new one all the same: promptctl update {name}@{commit}",
    )


def find_revision(outside: OutsideRepository, ref: str | None) -> Revision:
    """Ask a repository what a ref names; without one, its default branch. Raises `RevisionNotFound`."""
    if ref is not None and is_object_id(ref):
        return Revision(ref, None, ref)
    names = outside.refs(*_patterns(ref))
    shown = outside.shown
    if ref is None:
        head = names.get("HEAD", "")
        if head not in names:
            raise RevisionNotFound(
                f"{shown} has no default branch", hint="name a tag or a branch after the path: @main"
            )
        check_ref(head.removeprefix(_BRANCH))
        return Revision(head.removeprefix(_BRANCH), head, names[head])
    wanted = [ref] if ref.startswith("refs/") else [f"{TAG}{ref}", f"{_BRANCH}{ref}"]
    found = [name for name in wanted if name in names]
    if len(found) > 1:
        raise UsageError(f"{shown} has a tag and a branch `{ref}`", hint=f"write one of them in full: @{found[0]}")
    if found:
        return Revision(ref, found[0], names.get(found[0] + PEELED, names[found[0]]))
    names = outside.refs(f"{TAG}*", f"{_BRANCH}*")
    moves = sorted((move.prompt, move.n, name) for name in names if (move := parse_name(name)) and move.label == ref)
    last = {prompt: names.get(name + PEELED, names[name]) for prompt, _, name in moves}
    known = [name.removeprefix(TAG).removeprefix(_BRANCH) for name in names if not name.startswith(PREFIX)]
    hint = did_you_mean(ref, [name for name in known if not name.endswith(PEELED)])
    if last or re.fullmatch("v[0-9]+", ref):
        told = ["labels and versions of another repository cannot be named: take a tag, a branch or a commit"]
        # Only the tag's object, which is not fetched, says if its last move set the label or removed it.
        moved = name_some([f"{id_} is {commit}" for id_, commit in last.items()])
        told += [f"`{ref}` of {moved}, unless it was removed"] if last else []
        hint = "; ".join((*told, hint) if hint else told)
    if not hint and re.fullmatch(r"[0-9a-f]{4,63}", ref):
        hint = "write the id of a commit in full: a part of one cannot be asked for"
    raise RevisionNotFound(
        f"{shown} has no tag and no branch `{printable(ref)}`", hint=hint or "git ls-remote shows what it has"
    )


def _patterns(ref: str | None) -> list[str]:
    """Return the names to ask a repository for, to learn what a ref names."""
    if ref is None:
        return ["HEAD"]
    names = [ref] if ref.startswith("refs/") else [f"{TAG}{ref}", f"{_BRANCH}{ref}"]
    return [each + end for each in names for end in ("", PEELED)]


@dataclass(slots=True)
class LibraryTree:
    """The files of one workspace of a library, or of a repository that is no workspace. It is a `Tree`.

    `folder` is its path in the repository, empty or with a slash at its end. `refused` says by path why a file is not
    to be read: for its name, or as it is a link or a submodule.
    """

    library: Library
    folder: str
    places: PromptPlaces
    blobs: Mapping[str, str]
    refused: Mapping[str, str]
    commit: str | None = None
    _kept: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `promptctl.files.tree.Tree.read`."""
        for name in (path, *(path[:at] for at, each in enumerate(path) if each == "/")):
            if name in self.refused:
                raise WorkspaceError(f"the file {self.refused[name]}", place=self.place(path))
        if path not in self.blobs:
            raise FileNotFoundError(path)
        if path not in self._kept:
            found = self.library.outside.read(self.blobs[path], max_bytes)
            if isinstance(found, int):
                message = f"the file has {found:,} bytes; at most {max_bytes:,} are read"
                raise WorkspaceError(message, place=self.place(path))
            if is_lfs_pointer(found):
                raise WorkspaceError(f"the file {LFS_POINTER}", place=self.place(path), hint="it is not in Git itself")
            self._kept[path] = found
        return self._kept[path]

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted."""
        start = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        return sorted(path for path in self.blobs if path.startswith(start))

    def top_files(self) -> list[str]:
        """Return the files at the top, sorted."""
        return sorted(path for path in self.blobs if "/" not in path)

    def bring(self, paths: Iterable[str]) -> None:
        """Fetch the contents of files, in one request; those that are not there are left out."""
        self.library.outside.bring([self.blobs[path] for path in paths if path in self.blobs])

    def place(self, path: str) -> Place:
        """Return a file as people find it: by its path in the repository."""
        return Place(self.folder + path)

    def open(self, path: str) -> BinaryIO:
        """Return the file's bytes as a stream."""
        return io.BytesIO(self.read(path, max_bytes=MAX_ROWS_BYTES))


class Library:
    """A repository at one commit: which workspaces it has, and the tree of each. Contents are fetched when read."""

    def __init__(self, outside: OutsideRepository, url: str, revision: Revision) -> None:
        self.outside, self.url, self.revision = outside, url, revision
        outside.fetch(revision.commit, revision.name)
        self._blobs: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        for entry in outside.entries(revision.commit):
            name = entry.path.decode("utf-8", "surrogateescape")
            kind = kind_of(entry.mode)
            why = f"is {kind}" if kind is not None else unsafe(name)
            if why is None:
                self._blobs[name] = entry.id
            else:
                self._refused[name] = why

    @property
    def workspaces(self) -> list[str]:
        """The folders with a `promptctl.yaml`, each empty or with a slash at its end."""
        return sorted(path.removesuffix(SETTINGS) for path in self._blobs if f"/{path}".endswith(f"/{SETTINGS}"))

    def blob(self, path: str) -> str | None:
        """Return the blob of a file by its path in the repository; None if there is none that may be read."""
        return self._blobs.get(path)

    def paths(self) -> list[str]:
        """Return the paths of all files that may be read."""
        return sorted(self._blobs)

    def tree(self, folder: str = "", places: PromptPlaces | None = None) -> LibraryTree:
        """Return the workspace in a folder, with the places of prompts that it names, unless others are given."""
        size = len(folder)
        blobs = {path[size:]: id_ for path, id_ in self._blobs.items() if path.startswith(folder)}
        refused = {path[size:]: why for path, why in self._refused.items() if path.startswith(folder)}
        tree = LibraryTree(self, folder, DEFAULT_PLACES, blobs, refused, self.revision.commit)
        if places is None and SETTINGS in blobs:
            places = places_in(tree.read(SETTINGS))
        return replace(tree, places=places or DEFAULT_PLACES)


def share_of(tree: LibraryTree) -> tuple[str, ...] | None:
    """Return the globs of prompts that a workspace offers to others, as its settings say; None if they do not say.

    Raises `WorkspaceError` if they cannot be read: then nobody knows.
    """
    with suppress(FileNotFoundError):
        data = tree.read(SETTINGS)
        if b"share" not in data:
            return None
        try:
            document = read_yaml(data, tree.folder + SETTINGS)
            if not isinstance(document.data, dict) or "share" not in document.data:
                return None
            share = document.data["share"]
            if not isinstance(share, list):
                raise WorkspaceError("`share` is not a list", place=document.place("share"))
        except WorkspaceError as error:
            raise WorkspaceError(
                f"what is offered there is not known: {error.message}",
                place=error.place,
                hint="tell its owners: promptctl validate shows it",
            ) from error
        if len(share) > _MOST_GLOBS:
            message = f"its `share` has {len(share):,} globs; at most {_MOST_GLOBS:,} are read"
            raise WorkspaceError(message, place=tree.place(SETTINGS), hint="its owners can name folders: support/*")
        globs = tuple(each for each in share if isinstance(each, str))
        if (longest := max(map(len, globs), default=0)) > _LONGEST_GLOB:
            message = f"its `share` has a glob of {longest:,} characters; at most {_LONGEST_GLOB} are read"
            raise WorkspaceError(
                message, place=tree.place(SETTINGS), hint="no id is as long: its owners can shorten it"
            )
        return globs
    return None


def plain_places(paths: Iterable[str], wanted: str) -> PromptPlaces:
    """Return the places of prompts of a repository that is no workspace, of which `wanted` was named.

    They are the folder that is named or that of the file; for an id, `prompts/` if it has any, else the top.
    """
    known = list(paths)
    named = re.split(r"[*?\[]", wanted)[0].rpartition("/")[0] if re.search(r"[*?\[]", wanted) else wanted
    is_folder = any(path.startswith(f"{named}/") for path in known)
    is_usual = any(path.startswith("prompts/") and path.endswith(PROMPT_SUFFIXES) for path in known)
    is_there = named and (is_folder or named in known)
    if f"{named}/".startswith("prompts/") or (is_usual and not is_there):
        return DEFAULT_PLACES
    folder = named if is_folder else named.rpartition("/")[0]
    return PromptPlaces((folder,)) if is_there and folder else PromptPlaces((), PROMPT_SUFFIXES)
