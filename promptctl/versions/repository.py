"""A workspace's history: prompts by any ref, their versions and numbers. It also stands for a workspace outside Git."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from promptctl.errors import (
    GitError,
    HistoryIncomplete,
    InvalidFiles,
    PromptNotFound,
    RevisionNotFound,
    WorkspaceError,
)
from promptctl.formats.names import nearest, prompt_id
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.versions.refs import Ref, parse_ref
from promptctl.versions.trees import CommitTree, WorkTree, blob_id
from promptctl.versions.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from promptctl.prompts.prompt import Prompt
    from promptctl.prompts.tree import Tree
    from promptctl.versions.commits import CommitInfo
    from promptctl.versions.git import Git
    from promptctl.versions.index import Index
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.line import Line
    from promptctl.versions.lineage import VersionRow
    from promptctl.versions.overview import PromptNumber

_INDEX_FILE = "index/versions.db"
_TREES_KEPT = 8


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a ref names: the prompt with its closure, which version that is, and the tree both were read from."""

    prompt: Prompt
    version: Version
    tree: Tree


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One numbered version in a prompt's history.

    `commit` is where it began on the default branch; author, date (ISO 8601) and subject are that commit's. `path` is
    the prompt's file then; `same_as` the latest earlier version of the same digest.
    """

    number: int
    commit: str
    digest: str
    author: str
    date: str
    subject: str
    same_as: int | None
    path: str


class Repository:
    """The history around a workspace. Safe to share between threads; it sees what other processes do to the repository.

    `notices` collects what a user should be told: version numbers that changed because the line was rewritten.
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
        from promptctl.versions.git import Git

        self._is_fresh = True
        return Git.open(self.root)

    @property
    def is_versioned(self) -> bool:
        """Whether the workspace lies in a Git work tree."""
        return self.git is not None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should be told, in the order it happened."""
        return tuple(self._index.notices) if "_index" in self.__dict__ else ()

    def resolve(self, ref: Ref | str, *, is_numbered: bool = True) -> Resolved:
        """The prompt that a ref names, with its version.

        With `is_numbered` False the version has no number and the index is not opened. Raises `PromptNotFound`,
        `InvalidFiles`, `RevisionNotFound`, and `HistoryIncomplete` where this clone cannot know a `@v7`.
        """
        ref = parse_ref(ref) if isinstance(ref, str) else ref
        git = self._git_now()
        if ref.at is None:
            return self._in_work_tree(ref, git, is_numbered=is_numbered)
        if git is None:
            raise GitError(
                f"{ref} names a version, and the workspace is not in a Git repository",
                hint=f"write {ref.prompt} for the files as they are, or put the workspace under Git: git init",
            )
        if ref.number is not None:
            return self._at_number(ref, ref.number, git)
        former: tuple[str, ...] = ()
        if ref.label is not None:
            from promptctl.versions.labels import current

            state = current(git, ref.prompt, ref.label)
            if state is None:
                former = self._former_ids(ref.prompt, git)
                state = current(git, ref.prompt, ref.label, former) if former else None
            if state is not None:
                found = self._at_commit(ref, git, state.commit, label=ref.label, is_numbered=is_numbered)
                _refuse_other_digest(found, state.digest)
                return found
        commit = self._commit_of(ref, git)
        return self._at_commit(ref, git, commit, is_numbered=is_numbered)

    def versions_of(self, prompt: str) -> list[VersionEntry]:
        """Every numbered version of a prompt, oldest first; empty where none of it is on the line yet.

        Raises `HistoryIncomplete` where this clone does not hold the whole line, and `PromptNotFound` where there is
        no such prompt and never was.
        """
        git = self._git_now()
        if git is None:
            return []
        from promptctl.versions.commits import read_commits

        with self._current_index(git) as store:
            rows = store.versions(prompt)
            commits = store.commits_at([row.position for row in rows])
            known = [] if rows else store.ids()
        if not rows and prompt not in known:
            self._refuse_unknown(prompt, known)
        about = read_commits(git.objects, list(commits.values()))
        return [_entry(row, commits[row.position], about[commits[row.position]]) for row in rows]

    def numbers(self) -> dict[str, PromptNumber]:
        """What each prompt of the work tree is called, by id, sorted; empty outside Git."""
        git = self._git_now()
        if git is None:
            return {}
        from promptctl.versions.overview import number_all, unknown

        try:
            with self._current_index(git) as store:
                return number_all(git, store, self.work_tree)
        except HistoryIncomplete as error:
            return unknown(self.work_tree, _note(error), has_commit=git.head is not None)

    def former_ids(self, prompt: str) -> tuple[str, ...]:
        """The ids that a prompt had before, latest first: by its `formerly`, and by renames on the line."""
        return self._former_ids(prompt, self._git_now())

    def line(self) -> Line:
        """The default branch that versions are numbered on. Raises `HistoryIncomplete` where it is not known."""
        git = self._git_now()
        if git is None:
            raise GitError("the workspace is not in a Git repository", hint="git init")
        from promptctl.versions.line import find_line

        return find_line(git, self._branch, self._remote)

    def tree_at(self, commit: str) -> CommitTree:
        """The workspace at a commit, given by its full id."""
        git = self.git
        assert git is not None
        with self._lock:
            tree = self._trees.pop(commit, None) or CommitTree(git, commit, git.prefix)
            self._trees[commit] = tree
            if len(self._trees) > _TREES_KEPT:
                self._trees.popitem(last=False)
        return tree

    def close(self) -> None:
        """Close the index and end Git's process; the next use opens them again."""
        with self._lock:
            if "_index" in self.__dict__:
                self._index.close()
            if self.__dict__.get("git") is not None:
                self.__dict__["git"].close()

    @cached_property
    def _index(self) -> Index:
        from promptctl.versions.index import Index

        assert self.git is not None
        return Index(self.git, self._cache_dir / _INDEX_FILE if self._cache_dir is not None else None)

    @contextmanager
    def _current_index(self, git: Git) -> Iterator[IndexStore]:
        from promptctl.versions.line import find_line

        line = find_line(git, self._branch, self._remote)
        with self._lock:
            yield self._index.current(line)

    def _former_ids(self, prompt: str, git: Git | None) -> tuple[str, ...]:
        found: list[str] = []
        with suppress(WorkspaceError):  # it need not be in the work tree, nor sound there
            found += reversed(load_prompt(self.work_tree, prompt).formerly)
        if git is not None:
            with suppress(HistoryIncomplete), self._current_index(git) as store:
                found += [prompt_id(row.path) or "" for row in reversed(store.versions(prompt))]
        return tuple(id_ for id_ in dict.fromkeys(found) if id_ and id_ != prompt)

    def _git_now(self) -> Git | None:
        """Git, knowing where HEAD is now."""
        with self._lock:
            git = self.git
            if git is not None and not self._is_fresh:
                git.look_again()
            self._is_fresh = False
            return git

    def _in_work_tree(self, ref: Ref, git: Git | None, *, is_numbered: bool) -> Resolved:
        prompt = load_prompt(self.work_tree, ref.prompt)
        if git is None:
            return Resolved(prompt, Version(prompt.digest), self.work_tree)
        committed = self._committed_digest(git.head, prompt)
        version = Version(prompt.digest, git.head, committed != prompt.digest, display="")
        if is_numbered:
            version = self._numbered(git, prompt, version, committed)
        return Resolved(prompt, version, self.work_tree)

    def _committed_digest(self, head: str | None, prompt: Prompt) -> str | None:
        """The prompt's digest at HEAD; None where it is not there, or unsound there."""
        if head is None:
            return None
        tree = self.tree_at(head)
        if all(self._is_as_committed(path, tree) for path in prompt.closure):
            return prompt.digest
        try:
            return load_prompt(tree, prompt.id).digest
        except WorkspaceError:
            return None

    def _is_as_committed(self, path: str, tree: CommitTree) -> bool:
        blob = tree.blob(path)
        try:
            return blob is not None and blob == blob_id(self.work_tree.read(path), like=blob)
        except (OSError, WorkspaceError):
            return False

    def _at_number(self, ref: Ref, number: int, git: Git) -> Resolved:
        from promptctl.versions.numbering import shown

        with self._current_index(git) as store:
            ids = [ref.prompt] if store.versions(ref.prompt) else [ref.prompt, *self._former_ids(ref.prompt, git)]
            row = next(filter(None, (store.version(id_, number) for id_ in ids)), None)
            if row is None:
                raise self._no_such_number(ref, [row.number for id_ in ids for row in store.versions(id_)], store.ids())
            commit = store.commits_at([row.position])[row.position]
        tree = self.tree_at(commit)
        prompt = self._load_at(Ref(prompt_id(row.path) or ref.prompt, ref.at), git, tree)
        version = Version(prompt.digest, commit, number=number, display=shown(row, commit))
        return Resolved(replace(prompt, id=ref.prompt), version, tree)

    def _no_such_number(self, ref: Ref, numbers: list[int], ids: list[str]) -> GitError:
        if not numbers and ref.prompt not in ids and ref.prompt not in prompt_paths(self.work_tree):
            return RevisionNotFound(f"there is no prompt {ref.prompt}", hint=_did_you_mean(ref.prompt, ids))
        known = f"its versions are v1 to v{max(numbers)}" if numbers else "it has no numbered version yet"
        name = f"a branch or tag of that name is reached by {ref.prompt}@refs/heads/{ref.at} or @refs/tags/{ref.at}"
        return RevisionNotFound(f"{ref.prompt} has no version {ref.at}: {known}", hint=name)

    def _at_commit(
        self, ref: Ref, git: Git, commit: str, *, label: str | None = None, is_numbered: bool = True
    ) -> Resolved:
        tree = self.tree_at(commit)
        prompt = self._load_at(ref, git, tree)
        version = Version(prompt.digest, commit, label=label, display="")
        if is_numbered:
            version = self._numbered(git, prompt, version, prompt.digest)
        return Resolved(prompt, version, tree)

    def _load_at(self, ref: Ref, git: Git, tree: CommitTree) -> Prompt:
        """The prompt at a commit, under the id it had then where it had another; its id is today's."""
        where = f"at {ref.at} (commit {tree.commit[:7]})" if ref.at != tree.commit else f"in commit {tree.commit[:7]}"
        try:
            return load_prompt(tree, ref.prompt)
        except PromptNotFound as error:
            for former in self._former_ids(ref.prompt, git):
                try:
                    return replace(load_prompt(tree, former), id=ref.prompt)
                except PromptNotFound:
                    continue
            raise PromptNotFound(f"there is no prompt {ref.prompt} {where}", hint=error.hint) from error
        except InvalidFiles as error:
            problems = [replace(problem, message=f"{problem.message} ({where})") for problem in error.problems]
            raise InvalidFiles(problems) from error

    def _numbered(self, git: Git, prompt: Prompt, version: Version, committed: str | None) -> Version:
        """The version with its number, or with the reason why it has none. Never fails for want of a number."""
        from promptctl.versions.numbering import UNKNOWN, Numbering

        try:
            with self._current_index(git) as store:
                numbering = Numbering(git, store)
                if version.is_dirty or version.commit is None:
                    named = numbering.dirty(prompt.id, version.commit, committed, prompt.formerly)
                else:
                    named = numbering.at(prompt.id, version.commit, version.digest, prompt.formerly)
        except GitError as error:
            display = "v0+dirty" if version.commit is None else UNKNOWN + ("+dirty" if version.is_dirty else "")
            return replace(version, display=display, note=_note(error))
        return replace(version, number=named.number, display=named.display)

    def _commit_of(self, ref: Ref, git: Git) -> str:
        assert ref.at is not None
        try:
            return git.commit_of(ref.at)
        except RevisionNotFound as error:
            pattern = f"refs/tags/prompt/{ref.prompt}@*/*"
            refs = git.refs(pattern, "refs/heads", "refs/remotes")
            labels = list(dict.fromkeys(name.name.split("@")[1].split("/")[0] for name in refs if "@" in name.name))
            branches = [name.name.split("/", 2)[2] for name in refs if name.name.startswith(("refs/heads", "refs/rem"))]
            near = nearest(ref.at, [*labels, *branches])
            if error.hint:
                hint = error.hint
            elif near:
                hint = f"did you mean {' or '.join(f'{ref.prompt}@{name}' for name in near)}?"
            else:
                here = f"its labels here: {', '.join(labels)}; " if labels else ""
                hint = f"{here}labels set elsewhere come with: promptctl label fetch"
            raise RevisionNotFound(
                f"{ref.at!r} is no label of {ref.prompt} and no revision of this repository",
                hint=hint,
            ) from error

    def _refuse_unknown(self, prompt: str, ids: list[str]) -> None:
        here = prompt_paths(self.work_tree)
        if prompt not in here:
            raise PromptNotFound(f"there is no prompt {prompt}", hint=_did_you_mean(prompt, {*ids, *here}))


def _refuse_other_digest(found: Resolved, digest: str) -> None:
    """A label says which content it was put on; another scheme of digests says nothing about this one."""
    ours = found.prompt.digest
    if ours.split(":")[0] == digest.split(":")[0] and ours != digest:
        label, commit = found.version.label, (found.version.commit or "")[:7]
        raise GitError(
            f"the label {label} of {found.prompt.id} was put on digest {digest[:14]}…, and commit {commit} holds "
            f"{ours[:14]}…: its tag was not written by promptctl, or was forged",
            hint="see what happened with: promptctl label verify",
        )


def _entry(row: VersionRow, commit: str, info: CommitInfo) -> VersionEntry:
    return VersionEntry(row.number, commit, row.digest, info.author, info.date, info.subject, row.same_as, row.path)


def _note(error: GitError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    near = nearest(name, sorted(names))
    return f"did you mean {' or '.join(near)}?" if near else "promptctl list shows every prompt"
