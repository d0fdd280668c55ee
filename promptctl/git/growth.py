"""Moves the current branch to commits on top of it, with the new files of theirs in the work tree and the index.

Whoever is killed in the middle leaves the branch where it was, and a journal in Git's folder: with it, `settle` takes
back files that came too early. The order makes each stop harmless: first files, then the index, and last the branch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from promptctl.errors import GitError, Place, WorkspaceError
from promptctl.files.writing import replace_file, try_lock
from promptctl.git.commands import refusal
from promptctl.git.repository import Git
from promptctl.git.trees import CommitTree, blob_id

_JOURNAL = "promptctl-growth"
_UNFINISHED = {
    "MERGE_HEAD": "a merge", "CHERRY_PICK_HEAD": "a cherry-pick", "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase", "rebase-apply": "a rebase", "BISECT_LOG": "a bisection",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CurrentBranch:
    """The current branch by its full reference, and its commit; None if it has none yet."""

    ref: str
    tip: str | None

    @property
    def name(self) -> str:
        """The name that people use."""
        return self.ref.removeprefix("refs/heads/")


def current_branch(git: Git) -> CurrentBranch:
    """Return the branch that HEAD is on. Raises `GitError` if it is on none, or if a merge, say, is not finished."""
    ref = git.run(["symbolic-ref", "--quiet", "HEAD"], check=False).text
    folder = Path(git.run(["rev-parse", "--absolute-git-dir"]).text)
    for name, what in _UNFINISHED.items():
        if (folder / name).exists():
            raise GitError(f"{what} is not finished here", hint="git status says how to finish it, or to give it up")
    if not ref.startswith("refs/heads/"):
        raise GitError("HEAD is on no branch, so there is none to put commits on", hint="git switch BRANCH")
    tip = next((found.object for found in git.refs(ref) if found.name == ref), None)
    return CurrentBranch(ref, tip)


@dataclass(frozen=True, slots=True)
class GrownFile:
    """A file as a branch is to have it, and the blob that it has there now; None if it is new."""

    data: bytes
    before: str | None = None


def grown_files(git: Git, branch: CurrentBranch, files: Mapping[str, bytes]) -> dict[str, GrownFile]:
    """Return files of the branch's next commits, by their paths from the root, with what is there now.

    Raises `WorkspaceError` for a path that has something else in the index or the work tree than on the branch.
    """
    tree = CommitTree(git, branch.tip, "") if branch.tip is not None else None
    listed, found = _indexed(git), dict[str, GrownFile]()
    for path, data in files.items():
        before = tree.blob(path) if tree is not None else None
        if before is None and tree is not None and tree.links(path):
            raise _in_the_way(path, f"is no plain file on {branch.name}")
        file = git.root / path
        if Path(os.path.realpath(file.parent)) != file.parent:
            raise _in_the_way(path, "is reached through a symbolic link")
        if any((folder / ".git").exists() for folder in _between(file, git.root)):
            raise _in_the_way(path, "lies in a different repository")
        if listed.get(path, (None, ""))[0] != before:
            raise _in_the_way(
                path, "is in the index, and not committed" if before is None else "is changed in the index"
            )
        if not _is_as_committed(file, before):
            raise _in_the_way(path, "is in the work tree already" if before is None else "has uncommitted changes")
        found[path] = GrownFile(data, before)
    return found


def _between(file: Path, root: Path) -> Iterator[Path]:
    """Yield the folders that a file is in, up to one without the root."""
    return takewhile(lambda folder: folder != root, file.parents)


def _is_as_committed(file: Path, blob: str | None) -> bool:
    if blob is None:
        return not os.path.lexists(file)
    try:
        data = file.read_bytes()
    except OSError:
        return False
    return not file.is_symlink() and blob in (blob_id(data, blob), blob_id(data.replace(b"\r\n", b"\n"), blob))


def _in_the_way(path: str, where: str) -> WorkspaceError:
    return WorkspaceError(
        f"nothing was written: `{path}` {where}",
        place=Place(path),
        hint="commit it, or put it away; --into and --as choose different ids",
    )


def _indexed(git: Git) -> dict[str, tuple[str, str]]:
    """Return the blob and the mode of each path in the index."""
    listed = git.run(["-C", str(git.root), "ls-files", "-z", "--stage"]).stdout.decode("utf-8", "surrogateescape")
    found: dict[str, tuple[str, str]] = {}
    for entry in filter(None, listed.split("\0")):
        told, _, path = entry.partition("\t")
        mode, blob, _ = told.split(" ")
        found[path] = blob, mode
    return found


def grow(git: Git, branch: CurrentBranch, tip: str, files: Mapping[str, GrownFile], words: str) -> None:
    """Move the branch to `tip`, and put its files in the index and the work tree: all of it, or nothing.

    `files` are by their paths from the root; `words` are for the reflog. Raises `GitError` if the branch was moved
    meanwhile, and `WorkspaceError` if a file cannot be written; then everything is as it was.
    """
    ids = {path: (blob_id(each.data, tip), each.before) for path, each in files.items()}
    with _journal(git, {"branch": branch.ref, "before": branch.tip, "after": tip, "files": ids}):
        try:
            for path, each in files.items():
                replace_file(git.root / path, [each.data], is_new=each.before is None)
            _put_in_index(git, {path: after for path, (after, _) in ids.items()})
            _move(git, branch, tip, words)
        except BaseException:
            _take_back(git, ids)
            raise


def _move(git: Git, branch: CurrentBranch, tip: str, words: str) -> None:
    before = branch.tip or "0" * len(tip)
    moved = git.run(["update-ref", "--no-deref", "-m", words, branch.ref, tip, before], check=False)
    if moved.status != 0:
        error = refusal(moved)
        hint = "a different commit came first: ask again" if "expected" in error.message else error.hint
        raise GitError(f"nothing was written: {branch.name} was not moved: {error.message}", hint=hint)


def settle(git: Git) -> bool:
    """Take back what a killed process put down before its branch was moved; True if there was anything.

    Raises `GitError` if a process is at it right now.
    """
    file = _journal_file(git)
    try:
        opened = file.open("rb+")
    except FileNotFoundError:
        return False
    with opened:
        _lock(opened)
        try:
            found = json.loads(opened.read() or b"{}")
            files, ref, after = found.get("files", {}), found.get("branch"), found.get("after")
            now = next((each.object for each in git.refs(ref) if each.name == ref), None) if ref else None
            if files and now != after:
                _take_back(git, files)
            return bool(files) and now != after
        except (ValueError, AttributeError):  # it was killed while it wrote the journal: nothing was done yet
            return False
        finally:
            file.unlink(missing_ok=True)


@contextmanager
def _journal(git: Git, content: Mapping[str, Any]) -> Iterator[None]:
    file = _journal_file(git)
    with file.open("ab+") as opened:
        _lock(opened)
        try:
            opened.truncate(0)
            opened.write(json.dumps(content).encode())
            opened.flush()
            os.fsync(opened.fileno())
            yield
        finally:
            file.unlink(missing_ok=True)


def _journal_file(git: Git) -> Path:
    return Path(git.run(["rev-parse", "--absolute-git-dir"]).text) / _JOURNAL


def _lock(opened: BinaryIO) -> None:
    if try_lock(opened) is False:
        raise GitError("a different process is writing history here", hint="wait for it, and ask again")


def _put_in_index(git: Git, blobs: Mapping[str, str | None]) -> None:
    """Put blobs in the index by their paths from the root; None takes a path out."""
    lines = [f"100644 {blob} 0\t{path}\0" if blob else f"0 {'0' * 40} 0\t{path}\0" for path, blob in blobs.items()]
    entries = "".join(lines).encode("utf-8", "surrogateescape")
    done = git.run(["update-index", "-z", "--index-info"], input=entries, check=False)
    if done.status != 0:
        error = refusal(done)
        raise GitError(f"nothing was written: the index was not changed: {error.message}", hint=error.hint)


def _take_back(git: Git, blobs: Mapping[str, Sequence[str | None]]) -> None:
    """Put paths back as they were, in the index and the work tree, wherever they still are as they were put there."""
    listed = _indexed(git)
    changed = {path: before for path, (after, before) in blobs.items() if listed.get(path, ("", ""))[0] == after}
    if changed:
        with suppress(GitError):
            _put_in_index(git, changed)
    for path, (after, before) in blobs.items():
        file = git.root / path
        with suppress(OSError, WorkspaceError):
            if after is None or file.is_symlink() or blob_id(file.read_bytes(), after) != after:
                continue
            if before is None:
                file.unlink()
                _remove_empty(file.parent, git.root)
            elif (found := git.objects.read(before)) is not None and found.data is not None:
                replace_file(file, [found.data])


def _remove_empty(folder: Path, root: Path) -> None:
    for each in (folder, *folder.parents):
        if each == root:
            return
        each.rmdir()
