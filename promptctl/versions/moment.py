"""A workspace and its repository at one moment: work tree, HEAD, the default branch's line, the index of versions."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from promptctl.errors import GitError, HistoryIncomplete, InvalidFiles, RevisionNotFound, quote
from promptctl.versions.line import Line, find_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from promptctl.git.repository import Git
    from promptctl.git.trees import CommitTree, WorkTree
    from promptctl.labels.chains import LabelState, LabelTags
    from promptctl.labels.lock import LockHere
    from promptctl.labels.tags import LabelName
    from promptctl.labels.trust import LabelTrust
    from promptctl.versions.committed_settings import Committed
    from promptctl.versions.index import Index
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.numbering import Numbering

NOT_IN_GIT = "the workspace is not in a Git repository"

_Answer = TypeVar("_Answer")


class Moment:
    """The repository as one command or one plan sees it, in one thread: what is asked of Git is asked once.

    However many refs are resolved, HEAD, the line and each revision are read once. A process that lives on takes a new
    moment for each of its requests, so that it sees new commits and labels. `head` is the full id of HEAD's commit,
    None if there is none. A workspace outside Git has a moment too, without history. If it `is_for_labels`, the work
    tree's settings do not say which branch versions are numbered on. In a bare repository the tip of the default branch
    is HEAD and the work tree. A snapshot, which has no labels to move, says so by its `refusal`. `taken_from_lock`
    are the refs that were resolved by `promptctl.lock.yaml`.
    """

    def __init__(
        self, disk: WorkTree, index: Index | None = None, branch: str | None = None, remote: str | None = None
    ) -> None:
        self.work_tree: CommitTree | WorkTree = disk
        self.is_versioned = index is not None
        self.head = index.git.head if index is not None else None
        self.is_shallow = index is not None and index.git.is_shallow
        self._index = index
        self._branch = branch
        self.remote_named_here = remote
        self._commits: dict[str, str | RevisionNotFound] = {}
        self._renames: dict[str, Mapping[str, str]] = {}
        self._labelled: str | None = None
        self._unknown: HistoryIncomplete | None = None
        self._is_settled = False
        self.refusal: GitError | None = None
        self.taken_from_lock: set[str] = set()
        self.is_for_labels = index is not None and index.git.is_bare
        if self.is_for_labels:
            self.head = self.line.tip
            self.work_tree = self.tree_at(self.head)

    @property
    def git(self) -> Git:
        """Git in the workspace. Raises `GitError` outside Git."""
        return self._history.git

    @cached_property
    def line(self) -> Line:
        """The default branch that versions are numbered on. Raises `HistoryIncomplete` if this clone lacks it."""
        if self.is_for_labels:
            return self.trusted_line
        if self._branch is None:
            with suppress(HistoryIncomplete):
                if self.remote_named_here in (None, self.usual_line.remote):
                    return self.usual_line
        return find_line(self.git, self._branch, self.remote_named_here)

    @cached_property
    def usual_line(self) -> Line:
        """The default branch if no settings say any other. Raises `HistoryIncomplete`."""
        return find_line(self.git)

    @cached_property
    def trusted_line(self) -> Line:
        """The default branch, whatever the work tree's settings say: that whose rules hold for labels.

        No branch makes itself the default branch. Raises `HistoryIncomplete` if nothing else says which it is.
        """
        from promptctl.versions.committed_settings import trusted_line

        try:
            usual = self.usual_line
        except HistoryIncomplete as error:
            if name := self.git.usual_remote():
                every = quote(
                    f"+refs/heads/*:refs/remotes/{name}/*"
                )  # a clone of one branch fetches no other by itself
                hint = f"git fetch {quote(name)} {every} && git remote set-head {quote(name)} --auto"
            elif self.git.refs("refs/heads/"):
                hint = "git branch --move BRANCH main"
            else:
                raise
            words = f"whose label rules hold is not known, as no branch names itself: {error.message}"
            raise HistoryIncomplete(words, hint=hint) from error
        return trusted_line(self.git, usual)

    @cached_property
    def committed(self) -> Committed | None:
        """The settings of the default branch, as far as it was fetched; None if it has none in any folder.

        Raises `HistoryIncomplete` if this clone does not have that branch, and what `committed_settings` raises.
        """
        from promptctl.versions.committed_settings import committed_settings

        return committed_settings(self.git, self.trusted_line)

    @cached_property
    def label_trust(self) -> LabelTrust:
        """The conditions under which a tag is an event of a label in this clone, for reading.

        It is what the default branch says. If that cannot be known, labels are those of the only remote, or of origin;
        settings that cannot be read are a notice of the index.
        """
        from promptctl.labels.trust import LabelTrust
        from promptctl.versions.committed_settings import trust_without_line

        try:
            found = self.committed
        except GitError as error:
            trust, why = trust_without_line(self.git), f"{error.message}; {error.hint}"
            if not isinstance(error, HistoryIncomplete) or not self.git.refs(*trust.places()):
                return trust
        except InvalidFiles as error:
            line = None
            with suppress(GitError):
                line = self.usual_line
            trust, why = trust_without_line(self.git, line), str(error.problems[0])
        else:
            return LabelTrust(self.remote_named_here) if found is None else found.trust
        words = f"labels are read as those of {trust.remote or 'this repository'}: {why}"
        self.notify(words)
        return trust

    @cached_property
    def numbering(self) -> Numbering:
        """Names for the versions that the index knows, and for those beyond it."""
        from promptctl.versions.numbering import Numbering

        return Numbering(self.git, self._history.trees)

    @cached_property
    def renames(self) -> Mapping[str, str]:
        """The ids that prompts had on the line, by those they have at HEAD or in the work tree: moved beside the line.

        Empty if the line is not known.
        """
        from promptctl.differences.renames import moved_files

        if self.head is None:
            return {}
        try:
            found = self._renames_at(self.head)
        except HistoryIncomplete:
            return {}
        head = self.tree_at(self.head)
        moved = moved_files(head.prompt_blobs(), self.blobs_here, head.places, self.work_tree.places)
        return {**found, **{id_: found.get(was, was) for id_, was in moved.items()}}

    def _renames_at(self, commit: str) -> Mapping[str, str]:
        """Return the ids that prompts had on the line, by those they have at a commit beside it."""
        from promptctl.differences.renames import renames_between

        if commit not in self._renames:
            self._renames[commit] = renames_between(self.tree_at(self.line.tip), self.tree_at(commit))
        return self._renames[commit]

    @cached_property
    def blobs_here(self) -> Mapping[str, str]:
        """The blob id of each file where the work tree has prompts, as Git would store it; empty without a commit."""
        from promptctl.git.tree_changes import prompt_blobs_of

        return prompt_blobs_of(self.work_tree, self.tree_at(self.head)) if self.head is not None else {}

    def id_on_line(
        self, store: IndexStore, prompt: str, formerly: Sequence[str] = (), commit: str | None = None
    ) -> str:
        """Return the id that a prompt's versions are numbered under: it may have been renamed beside the line.

        It is the prompt of the work tree, or of a `commit`. `formerly` are ids that a file of it elsewhere says it had,
        besides those that the one there says. It is the id that the line itself will follow once it has the rename; see
        `Lineages`.
        """
        if store.is_live(prompt):
            return prompt
        from promptctl.prompts.loading import declared_ids

        tree, renames, blobs = self.work_tree, self.renames, self.blobs_here
        if commit not in (None, self.head) and store.position_of(commit) is None:
            tree = self.tree_at(commit)
            renames = {**renames, **self._renames_at(commit)}
            blobs = tree.prompt_blobs()
        declared = dict.fromkeys((*declared_ids(tree, prompt), *formerly))
        moved = (renames.get(id_, id_) for id_ in (*declared, prompt))
        known = {id_: rows for id_ in (*declared, *moved) if id_ != prompt and (rows := store.versions(id_))}
        named = [id_ for id_ in known if id_ in declared and not self._is_still_there(store, id_, blobs)] or [
            id_ for id_ in known if id_ not in declared
        ]
        if not named:
            return prompt
        source = max(named, key=lambda id_: (store.is_live(id_), known[id_][-1].position))
        own = [row.digest for row in store.versions(prompt)]
        return source if own == [row.digest for row in known[source][: len(own)]] else prompt

    def _is_still_there(self, store: IndexStore, prompt: str, blobs: Mapping[str, str]) -> bool:
        """Return True if a prompt of the line has the same bytes among these: what says that it was that is a copy."""
        if not store.is_live(prompt):
            return False
        tip = self.tree_at(self.line.tip)
        paths = (path for path in tip.places.paths_of(prompt) if tip.blob(path) is not None)
        return any(blobs.get(path) == tip.blob(path) for path in paths)

    @cached_property
    def label_tags(self) -> LabelTags:
        """The tags of every label."""
        from promptctl.labels.chains import LabelTags

        return LabelTags.read(self.git, self.label_trust)

    def forget_labels(self) -> None:
        """Let the labels be read anew on their next use: some were fetched meanwhile."""
        self.__dict__.pop("label_tags", None)
        self.__dict__.pop("lock", None)

    @cached_property
    def lock(self) -> LockHere | None:
        """`promptctl.lock.yaml` for a clone that has no tags of labels to go by, if there is one; None for any other.

        It is that of the default branch as the remote has it. If that is not known, or moves have to be signed there,
        it is HEAD's, which is not believed: a branch must not say what labels name. Raises `InvalidFiles` if the
        default branch's is wrong.
        """
        tags = self.label_tags
        if self.head is None or tags.chains or tags.strays or tags.odd:
            return None
        from promptctl.files.names import LOCK
        from promptctl.labels.lock import MAX_LOCK, LockHere, read_lock
        from promptctl.labels.remote import last_fetch

        if any(last_fetch(self.git, remote) is not None for remote in self.git.remotes()):
            return None
        doubt = self._doubt_in_lock()
        commit = self.head if doubt else self.trusted_line.tip
        try:
            labels = read_lock(self.tree_at(commit).read(LOCK, max_bytes=MAX_LOCK))
        except FileNotFoundError:
            return None
        except InvalidFiles:
            if doubt:
                return None
            raise
        why = f"{LOCK} counts as the default branch has it at the remote; {doubt}" if doubt else ""
        return LockHere(labels, commit, why)

    def _doubt_in_lock(self) -> str:
        """Return the reason why no lock here says what labels name; empty if there is none."""
        try:
            line, committed = self.trusted_line, self.committed
        except GitError as error:
            return error.message
        except InvalidFiles as error:
            return str(error.problems[0])
        if line.remote is None and not self.git.is_bare:
            return f"{line.name} is a branch of this clone"
        if committed is None:
            return f"{line.name} has no settings"
        is_signed = committed.trust.signers is not None
        return f"moves have to be signed by the settings of {line.name}, and a file is not" if is_signed else ""

    def notify(self, words: str) -> None:
        """Let people know something of this clone, once."""
        if words not in self._history.notices:
            self._history.notices.append(words)

    @cached_property
    def branches(self) -> list[str]:
        """The names of the branches here and of the remotes: `main`, `origin/main`."""
        return [ref.name.split("/", 2)[2] for ref in self.git.refs("refs/heads", "refs/remotes")]

    def tree_at(self, commit: str, folder: str | None = None) -> CommitTree:
        """Return the workspace at a commit, given by its full id; `folder` is a different place where it was then."""
        return self._history.trees.at(commit, folder)

    def read_ahead(self, states: Sequence[LabelState]) -> None:
        """Read these labels, and the files of the prompts that they name, in one go; at most `TREES_KEPT`."""
        _ = self.label_tags
        self._history.trees.read_ahead([(self.tree_at(each.commit), each.event.path) for each in states])

    def commit_of(self, revision: str) -> str:
        """Return the full id of the commit that a revision names; see `Git.commit_of`."""
        if revision not in self._commits:
            try:
                self._commits[revision] = self.git.commit_of(revision)
            except RevisionNotFound as error:
                self._commits[revision] = error
        found = self._commits[revision]
        if isinstance(found, RevisionNotFound):
            raise found
        return found

    def label(self, name: LabelName) -> LabelState | None:
        """Return the state of a label; see `labels.chains.current`. Labels of many prompts are read all at once.

        Raises `RevisionNotFound` for a label of a different workspace of the repository.
        """
        from promptctl.labels.chains import current, refuse_other_workspace

        is_read = "label_tags" in self.__dict__ or self._labelled not in (None, name.prompt)
        self._labelled = name.prompt
        state = current(self.git, self.label_trust, name, self.label_tags if is_read else None)
        if state is not None:
            refuse_other_workspace(self.git, name, state.event)
        return state

    def unknown_labels(self) -> HistoryIncomplete | None:
        """Return the reason why this clone cannot know any label: none was ever fetched from the labels' remote."""
        from promptctl.labels.remote import last_fetch

        remote = self.label_trust.remote
        if remote is None:
            return None
        why = "promptctl has never fetched them from there"
        if last_fetch(self.git, remote) is not None:
            if not (self.git.is_bare and self.label_tags.strays) or self.label_tags.chains:
                return None
            why = "git fetch --prune removed what promptctl knew"  # as it does in a mirror
        words = f"the labels here are not known to be those of {remote}: {why}"
        return HistoryIncomplete(words, hint="promptctl label fetch")

    def ask(self, question: Callable[[IndexStore], _Answer]) -> _Answer:
        """Return what `question` reads from the index of versions, which is brought up to the tip of the line before.

        Raises `HistoryIncomplete` if this clone does not hold the whole line.
        """

        def settled(store: IndexStore) -> _Answer:
            self._is_settled = True
            return question(store)

        if self._unknown is not None:
            raise self._unknown
        try:
            return self._history.ask(self.line, settled, is_settled=self._is_settled)
        except HistoryIncomplete as error:
            if not self._is_settled:
                self._unknown = error
            raise

    @property
    def _history(self) -> Index:
        if self._index is None:
            raise GitError(NOT_IN_GIT, hint="git init")
        return self._index
