"""The commits of a branch in order, and the files that each of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from promptctl.errors import HistoryIncomplete
from promptctl.git.repository import Git

ParentedCommit = tuple[str, str | None]
"""A commit's full id, and that of its first parent if it has one."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs. `before` and `after` are its blob ids, None if there is no such regular file."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One commit, and what it changed against its first parent."""

    commit: str
    changes: tuple[FileChange, ...]


def list_commits(git: Git, *args: str) -> list[ParentedCommit]:
    """List the commits that `git rev-list ARGS` lists: `--reverse`, `main`, `^v1`."""
    fields = [line.split(" ") for line in git.run(["rev-list", "--parents", *args, "--"]).lines()]
    return [(ids[0], ids[1] if len(ids) > 1 else None) for ids in fields]


def first_parents(git: Git, *args: str) -> list[ParentedCommit]:
    """List commits along first parents alone, newest first; see `list_commits`."""
    return list_commits(git, "--first-parent", *args)


def walk(git: Git, commits: Iterable[ParentedCommit], *pathspecs: str) -> Iterator[Step]:
    """Yield the commits that changed something at `pathspecs` of Git's own folder, in the order given.

    Raises `HistoryIncomplete` if a partial clone lacks the trees.
    """
    lines = "".join(f"{commit} {parent}\n" if parent else f"{commit}\n" for commit, parent in commits)
    args = ("diff-tree", "--stdin", "-r", "--raw", "-z", "--no-renames", "--root", "--no-abbrev", "--", *pathspecs)
    has_globs = any(each.startswith(":") for each in pathspecs)
    output = git.run(args, input=lines.encode(), check=False, has_globs=has_globs)
    if output.status != 0:
        words = output.stderr.strip().splitlines()
        raise HistoryIncomplete(
            f"the history cannot be walked: {words[-1] if words else 'Git gave no reason'}",
            hint="in a clone without trees: git fetch --refetch --filter=blob:none",
        )
    return _steps(output.stdout, len(git.prefix))


def apply(changes: Iterable[FileChange], files: dict[str, str]) -> None:
    """Bring `files`, path to blob id, to the state after these changes."""
    for change in changes:
        if change.after is None:
            files.pop(change.path, None)
        else:
            files[change.path] = change.after


def _steps(raw: bytes, prefix_length: int) -> Iterator[Step]:
    fields = iter(raw.decode("utf-8", "surrogateescape").split("\0"))
    commit, changes = "", []
    for field in fields:
        if field.startswith(":"):
            mode_before, mode_after, before, after, _ = field[1:].split(" ")
            path = next(fields)[prefix_length:]
            changes.append(FileChange(path, _regular(mode_before, before), _regular(mode_after, after)))
        else:  # the next commit, or the end
            if changes:
                yield Step(commit, tuple(changes))
            commit, changes = field, []


def _regular(mode: str, blob: str) -> str | None:
    return blob if mode.startswith("100") else None
