"""A workspace's history: prompts by any ref, their versions and numbers. It also stands for a workspace outside Git."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from promptctl.errors import GitError, HistoryIncomplete, PromptNotFound, WorkspaceError
from promptctl.files.names import prompt_id
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.versions.refs import Ref, parse_ref
from promptctl.versions.resolving import Resolved, Resolver, nearest_prompt, note
from promptctl.versions.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from promptctl.git.repository import Git
    from promptctl.versions.history import VersionEntry
    from promptctl.versions.index import Index
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.line import Line
    from promptctl.versions.overview import PromptNumber

_INDEX_FILE = "index/versions.db"
_TREES_KEPT = 8
_NOT_IN_GIT = "the workspace is not in a Git repository"

_Answer = TypeVar("_Answer")


class Repository:
    """The history around a workspace. Safe to share between threads; it sees what other processes do to the repository.

    `work_tree` is the workspace on disk.
    """

    def __init__(self, root: Path, branch: str | None, remote: str | None, cache_dir: Path | None) -> None:
        self.root = root
        self.work_tree = WorkTree(root)
        self._branch = branch
        self._remote = remote
        self._cache_dir = cache_dir
        self._trees: OrderedDict[str, CommitTree] = OrderedDict()
        self._lock = threading.RLock()
        self._is_fresh = False

    @classmethod
    def open(
        cls,
        root: Path,
        settings_branch: str | None = None,
        remote: str | None = None,
        cache_dir: Path | None = None,
    ) -> Repository:
        """The repository around the workspace at `root`; nothing is asked of Git yet.

        `settings_branch` and `remote` are what `promptctl.yaml` names. The index is kept below `cache_dir`, and only
        in memory where that is None.
        """
        return cls(root, settings_branch, remote, cache_dir)

    @cached_property
    def git(self) -> Git | None:
        """Git in the workspace; None outside a work tree. Raises `GitError` where Git is missing or refuses."""
        from promptctl.git.repository import Git

        self._is_fresh = True
        return Git.open(self.root)

    @property
    def is_versioned(self) -> bool:
        """Whether the workspace lies in a Git work tree."""
        return self.git is not None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should be told: version numbers that changed because the line was rewritten."""
        return tuple(self._index.notices) if "_index" in self.__dict__ else ()

    def resolve(self, ref: Ref | str, *, is_numbered: bool = True) -> Resolved:
        """The prompt that a ref names, with its version.

        With `is_numbered` False the version has neither number nor display, and the index is not opened. Raises
        `PromptNotFound`, `InvalidFiles`, `RevisionNotFound`, and `HistoryIncomplete` where this clone cannot know a
        `@v7`; that a number cannot be known for what is named otherwise is no error: it is said in `Version.note`.
        """
        ref = parse_ref(ref) if isinstance(ref, str) else ref
        git = self._git_now()
        if git is not None:
            return Resolver(self, git, is_numbered=is_numbered).resolve(ref)
        if ref.at is not None:
            hint = f"write {ref.prompt} for the files as they are, or put the workspace under Git: git init"
            raise GitError(f"{ref} names a version, and {_NOT_IN_GIT}", hint=hint)
        prompt = load_prompt(self.work_tree, ref.prompt)
        return Resolved(prompt, Version(prompt.digest), self.work_tree)

    def versions_of(self, prompt: str) -> list[VersionEntry]:
        """Every numbered version of a prompt, oldest first; empty where none of it is on the line yet.

        Raises `HistoryIncomplete` where this clone does not hold the whole line, and `PromptNotFound` where there is
        no such prompt and never was.
        """
        git = self._git_now()
        if git is None:
            return []
        from promptctl.versions.history import entries

        def ask(store: IndexStore) -> list[VersionEntry] | list[str]:
            rows = store.versions(prompt)
            return entries(git.objects, rows, store.commits_at([row.position for row in rows])) if rows else store.ids()

        found = self.ask(ask)
        versions = [entry for entry in found if not isinstance(entry, str)]
        if not versions and prompt not in found:
            here = prompt_paths(self.work_tree)
            if prompt not in here:
                ids = {*here, *(id_ for id_ in found if isinstance(id_, str))}
                raise PromptNotFound(f"there is no prompt {prompt}", hint=nearest_prompt(prompt, ids))
        return versions

    def numbers(self) -> dict[str, PromptNumber]:
        """What each prompt of the work tree is called, by id, sorted; empty outside Git."""
        git = self._git_now()
        if git is None:
            return {}
        from promptctl.versions.overview import number_all, unknown

        try:
            return self.ask(lambda store: number_all(git, store, self.work_tree))
        except HistoryIncomplete as error:
            return unknown(self.work_tree, note(error), has_commit=git.head is not None)

    def former_ids(self, prompt: str) -> tuple[str, ...]:
        """The ids that a prompt had before, latest first: by its `formerly`, and by renames on the line."""
        found: list[str] = []
        with suppress(WorkspaceError):  # it need not be in the work tree, nor sound there
            found += reversed(load_prompt(self.work_tree, prompt).formerly)
        if self.git is not None:
            with suppress(HistoryIncomplete):
                rows = self.ask(lambda store: store.versions(prompt))
                found += [prompt_id(row.path) or "" for row in reversed(rows)]
        return tuple(id_ for id_ in dict.fromkeys(found) if id_ and id_ != prompt)

    def line(self) -> Line:
        """The default branch that versions are numbered on. Raises `HistoryIncomplete` where it is not known."""
        if self.git is None:
            raise GitError(_NOT_IN_GIT, hint="git init")
        from promptctl.versions.line import find_line

        return find_line(self.git, self._branch, self._remote)

    def tree_at(self, commit: str) -> CommitTree:
        """The workspace at a commit, given by its full id."""
        with self._lock:
            git = self.git
            if git is None:
                raise GitError(_NOT_IN_GIT, hint="git init")
            tree = self._trees.pop(commit, None) or CommitTree(git, commit, git.prefix)
            self._trees[commit] = tree
            if len(self._trees) > _TREES_KEPT:
                self._trees.popitem(last=False)
            return tree

    def ask(self, question: Callable[[IndexStore], _Answer]) -> _Answer:
        """What `question` reads from the index of versions, which is brought up to the tip of the line before.

        Raises `HistoryIncomplete` where this clone does not hold the whole line.
        """
        line = self.line()
        with self._lock:
            return self._index.ask(line, question)

    def close(self) -> None:
        """Close the index and end Git's process; the next use opens them again."""
        with self._lock:
            if "_index" in self.__dict__:
                self._index.close()
            git = self.__dict__.get("git")
            if git is not None:
                git.close()

    @cached_property
    def _index(self) -> Index:
        from promptctl.versions.index import Index

        assert self.git is not None
        return Index(self.git, self._cache_dir / _INDEX_FILE if self._cache_dir is not None else None)

    def _git_now(self) -> Git | None:
        """Git, knowing where HEAD is now."""
        with self._lock:
            git = self.git
            if git is not None and not self._is_fresh:
                git.look_again()
            self._is_fresh = False
            return git
