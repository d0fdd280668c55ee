"""A workspace's history: prompts by any ref, their versions and numbers. Also for a workspace outside Git."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from promptctl.errors import HistoryIncomplete, WorkspaceNotFound
from promptctl.files.names import SETTINGS
from promptctl.git.repository import Git, is_bare_folder
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.prompts.loading import no_such_prompt, path_in, prompt_paths
from promptctl.versions.moment import Moment
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, note, parse_ref
from promptctl.versions.resolving import Resolver

if TYPE_CHECKING:
    from pathlib import Path

    from promptctl.formats.settings_file import Settings
    from promptctl.versions.history import VersionEntry
    from promptctl.versions.index import Index
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.overview import PromptNumber


class Repository:
    """The history around a workspace. Threads may share it; it sees what other processes do to the repository.

    `branch` and `remote` are what `promptctl.yaml` names. The index is kept below `cache_dir`, or in memory if that is
    None. Nothing is asked of Git before it is needed.
    """

    def __init__(
        self, root: Path, branch: str | None = None, remote: str | None = None, cache_dir: Path | None = None
    ) -> None:
        self.root = root
        self.is_bare = is_bare_folder(root)
        self._disk = WorkTree(root)
        self._branch = branch
        self._remote = remote
        self._cache_dir = cache_dir
        self._lock = threading.RLock()
        self._is_fresh = False
        self._git: Git | None = None
        self._kept_index: Index | None = None

    @property
    def git(self) -> Git | None:
        """Git in the workspace; None outside a work tree. Raises `GitError` if Git is missing or refuses."""
        if self._git is None:  # looked for again each time: it may be made while the workspace is open
            self._git = Git.open(self.root)
            self._is_fresh = True
        return self._git

    @property
    def work_tree(self) -> CommitTree | WorkTree:
        """The workspace on disk; in a bare repository, as the tip of the default branch has it now."""
        return self.now().work_tree if self.is_bare else self._disk

    def settings_of_bare(self) -> Settings:
        """Return the settings of a bare repository: those of its default branch. Raises `WorkspaceNotFound`."""
        committed = self.now().committed
        if committed is None:
            words = f"the default branch of the bare repository {self.root} has no {SETTINGS}"
            raise WorkspaceNotFound(words, hint="make a workspace in a clone: promptctl init, commit and push")
        return committed.settings

    @property
    def notices(self) -> tuple[str, ...]:
        """News for users: version numbers that changed because the line was rewritten."""
        return tuple(self._kept_index.notices) if self._kept_index is not None else ()

    def now(self) -> Moment:
        """Return the repository as it is now, to resolve many refs by it. HEAD is read here, the rest on first use."""
        with self._lock:
            if self.git is not None and not self._is_fresh:
                self.git.look_again()
            self._is_fresh = False
            return Moment(self._disk, self._index, self._branch, self._remote)

    def resolve(
        self,
        ref: Ref | str,
        *,
        is_numbered: bool = True,
        most_beyond: int | None = None,
        moment: Moment | None = None,
    ) -> PromptAtVersion:
        """Return the prompt that a ref names, with its version, as of `moment`, by default now.

        With `is_numbered` False the index is not opened, and versions are called by their commit. The number of changed
        versions beyond the line is counted over `most_beyond` commits at most: no number is known after more. Raises
        `PromptNotFound`, `InvalidFiles`, `RevisionNotFound`, and `HistoryIncomplete` if this clone cannot know a
        `@v7`. A number that cannot be known of anything else is no error: `Version.note` says why.
        """
        parsed = ref if isinstance(ref, Ref) else parse_ref(ref)
        return Resolver(moment or self.now(), is_numbered=is_numbered, most_beyond=most_beyond).resolve(parsed)

    def id_of_today(self, prompt: str) -> str:
        """Return the id that a prompt has today, by one that it had before. Git is asked only if it was renamed."""
        if path_in(self.work_tree, prompt) is not None:
            return prompt
        from promptctl.versions.former_ids import id_of_today

        return id_of_today(self.now(), prompt)

    def versions_of(
        self, prompt: str, moment: Moment | None = None, at: PromptAtVersion | None = None
    ) -> list[VersionEntry]:
        """Return every numbered version of a prompt, oldest first; none if nothing of it is on the line yet.

        The prompt is that of the work tree, or the one `at` a version, which only a branch may have under its id.

        Raises `HistoryIncomplete` if this clone does not hold the whole line, and `PromptNotFound` if there is no such
        prompt and never was.
        """
        moment = moment or self.now()
        if not moment.is_versioned:
            return []
        from promptctl.versions.history import numbered_versions

        def ask(store: IndexStore) -> tuple[list[VersionEntry], list[str]]:
            beside = () if at is None else (at.prompt.formerly, at.version.commit)
            return numbered_versions(moment.git.objects, store, moment.id_on_line(store, prompt, *beside)), store.ids()

        versions, ids = moment.ask(ask)
        if not versions and prompt not in ids and at is None:
            here = prompt_paths(self.work_tree)
            if prompt not in here:
                raise no_such_prompt(prompt, {*here, *ids}, self.work_tree.places)
        return versions

    def numbers_by_digest(self, prompt: str, moment: Moment) -> dict[str, int]:
        """Return the number of each version of a prompt by its digest; empty outside Git.

        Raises `HistoryIncomplete` if this clone does not hold the whole line.
        """
        if not moment.is_versioned:
            return {}
        rows = moment.ask(lambda store: store.versions(moment.id_on_line(store, prompt)))
        return {row.digest: row.number for row in rows}

    def numbers(self, moment: Moment | None = None) -> dict[str, PromptNumber]:
        """Return the number of each prompt of the work tree by id, sorted; empty outside Git."""
        moment = moment or self.now()
        if not moment.is_versioned:
            return {}
        from promptctl.versions.overview import number_all, unknown

        try:
            return moment.ask(lambda store: number_all(moment, store))
        except HistoryIncomplete as error:
            return unknown(moment, note(error))

    def tree_at(self, commit: str) -> CommitTree:
        """Return the workspace at a commit, given by its full id. Raises `GitError` outside Git."""
        with self._lock:
            return Moment(self._disk, self._index).tree_at(commit)

    def close(self) -> None:
        """Close the index and end Git's process; the next use opens them again."""
        with self._lock:
            if self._kept_index is not None:
                self._kept_index.close()
            if self._git is not None:
                self._git.close()

    @property
    def _index(self) -> Index | None:
        git = self.git
        if self._kept_index is None and git is not None:
            from promptctl.git.kept_trees import CommitTrees
            from promptctl.versions.index import Index
            from promptctl.versions.index_store import INDEX_FILE

            file = self._cache_dir / INDEX_FILE if self._cache_dir is not None else None
            self._kept_index = Index(git, CommitTrees(git), file)
        return self._kept_index
