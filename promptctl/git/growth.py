"""Moves the current branch to commits on top of it, with the new files of theirs in the work tree and the index.

Whoever is killed in the middle leaves the branch where it was, and files that came too early; asked again, it takes
them as they are, and goes on. The order makes each stop harmless: first files, then the index, and last the branch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from promptctl.errors import GitError, Place, WorkspaceError
from promptctl.files.writing import replace_file, try_lock
from promptctl.git.commands import refusal
from promptctl.git.repository import Git
from promptctl.git.trees import CommitTree, blob_id

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
    folder = _git_folder(git)
    for name, what in _UNFINISHED.items():
        if (folder / name).exists():
            raise GitError(f"{what} is not finished here", hint="git status says how to finish it, or to give it up")
    if not ref.startswith("refs/heads/"):
        raise GitError("HEAD is on no branch, so there is none to put commits on", hint="git switch BRANCH")
    tip = next((found.object for found in git.refs(ref) if found.name == ref), None)
    return CurrentBranch(ref, tip)


def _git_folder(git: Git) -> Path:
    return Path(git.run(["rev-parse", "--absolute-git-dir"]).text)


@dataclass(frozen=True, slots=True)
class GrownFile:
    """A file as a branch is to have it, and the blobs that the branch and the index have there now; None for none.

    One that `is_written` is in the work tree already as it is to be, as after a killed process.
    """

    data: bytes
    before: str | None
    indexed: str | None
    is_written: bool


def grown_files(git: Git, branch: CurrentBranch, files: Mapping[str, bytes]) -> dict[str, GrownFile]:
    """Return files of the branch's next commits, by their paths from the root, with what is there now.

    Raises `WorkspaceError` for a path that the index or the work tree has neither as on the branch nor as it is to be.
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
        indexed = listed.get(path)
        if indexed != before and (indexed is None or indexed != blob_id(data, indexed)):
            raise _in_the_way(
                path, "is in the index, and not committed" if before is None else "is changed in the index"
            )
        now = _content(file)
        if now != data and not (_is_as_committed(now, before) if before else not os.path.lexists(file)):
            raise _in_the_way(path, "is in the work tree already" if before is None else "has uncommitted changes")
        found[path] = GrownFile(data, before, indexed, is_written=now == data)
    return found


def _between(file: Path, root: Path) -> Iterator[Path]:
    """Yield the folders that a file is in, up to one without the root."""
    return takewhile(lambda folder: folder != root, file.parents)


def _content(file: Path) -> bytes | None:
    """Return what a plain file holds; None if there is none."""
    with suppress(OSError):
        return None if file.is_symlink() else file.read_bytes()
    return None


def _is_as_committed(data: bytes | None, blob: str) -> bool:
    return data is not None and blob in (blob_id(data, blob), blob_id(data.replace(b"\r\n", b"\n"), blob))


def _in_the_way(path: str, where: str) -> WorkspaceError:
    return WorkspaceError(
        f"nothing was written: `{path}` {where}",
        place=Place(path),
        hint="commit it, or put it away; --into and --as choose different ids",
    )


def _indexed(git: Git) -> dict[str, str]:
    """Return the blob of each path in the index."""
    listed = git.run(["-C", str(git.root), "ls-files", "-z", "--stage"]).stdout.decode("utf-8", "surrogateescape")
    entries = (entry.partition("\t") for entry in filter(None, listed.split("\0")))
    return {path: told.split(" ")[1] for told, _, path in entries}


def grow(git: Git, branch: CurrentBranch, tip: str, files: Mapping[str, GrownFile], words: str) -> None:
    """Move the branch to `tip`, and put its files in the index and the work tree: all of it, or nothing.

    `files` are by their paths from the root; `words` are for the reflog. Raises `GitError` if the branch was moved
    meanwhile, or a different process is at it, and `WorkspaceError` if a file cannot be written; then everything is as
    it was.
    """
    blobs = {path: blob_id(each.data, tip) for path, each in files.items()}
    with (_git_folder(git) / "HEAD").open("rb") as head:
        if try_lock(head) is False:
            raise GitError("a different process is writing history here", hint="wait for it, and ask again")
        try:
            for path, each in files.items():
                if not each.is_written:
                    replace_file(git.root / path, [each.data], is_new=each.before is None)
            _put_in_index(git, blobs)
            _move(git, branch, tip, words)
        except BaseException:
            _take_back(git, files, blobs)
            raise


def _move(git: Git, branch: CurrentBranch, tip: str, words: str) -> None:
    before = branch.tip or "0" * len(tip)
    moved = git.run(["update-ref", "--no-deref", "-m", words, branch.ref, tip, before], check=False)
    if moved.status != 0:
        error = refusal(moved)
        hint = "a different commit came first: ask again" if "expected" in error.message else error.hint
        raise GitError(f"nothing was written: {branch.name} was not moved: {error.message}", hint=hint)


def _put_in_index(git: Git, blobs: Mapping[str, str | None]) -> None:
    """Put blobs in the index by their paths from the root; None takes a path out."""
    lines = [f"100644 {blob} 0\t{path}\0" if blob else f"0 {'0' * 40} 0\t{path}\0" for path, blob in blobs.items()]
    entries = "".join(lines).encode("utf-8", "surrogateescape")
    done = git.run(["update-index", "-z", "--index-info"], input=entries, check=False)
    if done.status != 0:
        error = refusal(done)
        raise GitError(f"nothing was written: the index was not changed: {error.message}", hint=error.hint)


def _take_back(git: Git, files: Mapping[str, GrownFile], blobs: Mapping[str, str]) -> None:
    """Put paths back as they were, in the index and the work tree, wherever they still are as they were put there."""
    listed = _indexed(git)
    with suppress(GitError):
        _put_in_index(git, {path: files[path].indexed for path, blob in blobs.items() if listed.get(path) == blob})
    for path, each in files.items():
        file = git.root / path
        with suppress(OSError, WorkspaceError):
            if each.is_written or _content(file) != each.data:
                continue
            if each.before is None:
                file.unlink()
                for folder in _between(file, git.root):
                    folder.rmdir()
            elif (found := git.objects.read(each.before)) is not None and found.data is not None:
                replace_file(file, [found.data])
