"""From a ref to the prompt it names and which version that is."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.errors import (
    GitError,
    HistoryIncomplete,
    InvalidFiles,
    LabelRefused,
    PromptNotFound,
    RevisionNotFound,
    WorkspaceError,
)
from promptctl.files.names import LOCK, did_you_mean
from promptctl.git.trees import IN_SUBMODULE, CommitTree, blob_of
from promptctl.prompts.loading import load_prompt, no_such_prompt, path_in, prompt_paths
from promptctl.versions.line import unshallow_hint
from promptctl.versions.moment import NOT_IN_GIT, Moment
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, Version, note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from promptctl.labels.lock import LockedLabel, LockHere
    from promptctl.labels.tags import LabelName
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.index_store import IndexStore, VersionRow

_SHORT = 7
_COUNTED_BACK = re.compile(r"(.+?)(?:[~^][0-9]*)+\Z")


class Resolver:
    """Resolves refs at one moment. With `is_numbered` False the index is left alone: commits stand for numbers.

    Of a commit that is more than `most_beyond` beyond the line no number is known.
    """

    def __init__(self, moment: Moment, *, is_numbered: bool = True, most_beyond: int | None = None) -> None:
        self._moment = moment
        self._is_numbered = is_numbered
        self._most_beyond = most_beyond

    def resolve(self, ref: Ref) -> PromptAtVersion:
        """Return the prompt and version that `ref` names; see `Repository.resolve`."""
        if ref.at is None:
            return self._in_work_tree(ref)
        if not self._moment.is_versioned:
            known = prompt_paths(self._moment.work_tree)
            if ref.prompt not in known:
                raise no_such_prompt(ref.prompt, known, self._moment.work_tree.places)
            hint = f"write {ref.prompt} for the files as they are, or put the workspace under Git: git init"
            raise GitError(f"`{ref}` names a version, and {NOT_IN_GIT}", hint=hint)
        if ref.number is not None:
            return self._at_number(ref, ref.number)
        return self._at_label(ref, ref.label) or self._at_commit(ref, self._commit_of(ref, ref.at))

    def _in_work_tree(self, ref: Ref) -> PromptAtVersion:
        try:
            prompt = load_prompt(self._moment.work_tree, ref.prompt)
        except PromptNotFound as error:
            if (today := self._today(ref)) == ref.prompt:
                raise
            raise PromptNotFound(error.message, hint=f"it is named `{today}` now") from error
        version = Version(prompt.digest)
        if self._moment.is_versioned:
            committed, is_clean = self._committed(prompt)
            if not is_clean and (inside := self._moment.work_tree.repository_inside(prompt.path)):
                version = Version(prompt.digest, display="v?", note=in_submodule(inside))
                return PromptAtVersion(ref, prompt, version, self._moment.work_tree)
            version = Version(prompt.digest, self._moment.head, not is_clean)
            version = self._numbered(prompt, version, committed)
        return PromptAtVersion(ref, prompt, version, self._moment.work_tree)

    def _today(self, ref: Ref) -> str:
        """Return the id that a prompt has in the work tree, if it is named by one that it had before."""
        from promptctl.versions.former_ids import id_of_today

        return id_of_today(self._moment, ref.prompt)

    def _earlier_ids(self, ref: Ref) -> tuple[str, ...]:
        from promptctl.versions.former_ids import earlier_ids

        return tuple(earlier_ids(self._moment, ref.prompt))

    def _committed(self, prompt: Prompt) -> tuple[str | None, bool]:
        """Return the prompt's digest at HEAD, None if it is not there or unsound; and True if nothing here differs."""
        if self._moment.head is None:
            return None, False
        tree, here = self._moment.tree_at(self._moment.head), self._moment.work_tree
        # The same bytes have the same digest; HEAD's prompt need not be read to know it.
        if all((blob := tree.blob(path)) and blob == blob_of(here, path, like=blob) for path in prompt.closure):
            return prompt.digest, True
        try:
            digest = load_prompt(tree, prompt.id).digest
        except PromptNotFound:
            former = next((id_ for id_ in prompt.formerly[::-1] if path_in(tree, id_)), None)
            return (self._committed(replace(prompt, id=former))[0] if former else None), False
        except WorkspaceError:
            digest = None
        # What Git calls clean is clean, whatever its filters made of the text.
        is_clean = digest == prompt.digest or all(
            tree.blob(path) == self._moment.blobs_here.get(path) for path in prompt.closure
        )
        return digest, is_clean

    def _at_label(self, ref: Ref, label: str | None) -> PromptAtVersion | None:
        """Return the version that a label names; None if that is no label of the prompt, under no id it ever had."""
        if label is None:
            return None
        today = self._today(ref)
        if today != ref.prompt:  # the label is moved under that id alone
            return self._at_label(replace(ref, prompt=today), label)
        from promptctl.labels.tags import LabelName

        state = self._moment.label(LabelName(ref.prompt, label))
        former = self._earlier_ids(ref) if state is None else ()
        if former:
            state = self._moment.label(LabelName(ref.prompt, label, former))
        if state is None:
            lock = self._moment.lock
            if lock is not None and (locked := lock.labels.get(str(ref))) is not None:
                self._moment.taken_from_lock.add(str(ref))
                commit = _commit_by_lock(self._moment, ref, lock, locked)
                where = f"{LOCK} of commit {lock.commit[:7]}"
                self._moment.notify(f"labels are read from {where}: this clone has no tags of labels")
                return self._at_commit(ref, commit, label=label)
            self._refuse_unknown(LabelName(ref.prompt, label, former))
            return None
        found = self._at_commit(ref, state.commit, label=label, folder=state.event.workspace)
        _refuse_other_digest(found, state.digest)
        return found

    def _refuse_unknown(self, name: LabelName) -> None:
        """Raise `HistoryIncomplete` if there are tags of a label that this clone cannot know to be of its remote."""
        if self._moment.label_trust.remote is None:
            return
        from promptctl.labels.chains import LabelTags

        if LabelTags.read(self._moment.git, self._moment.label_trust, name).strays:
            error = self._moment.unknown_labels()
            if error is not None:
                raise error

    def _at_number(self, ref: Ref, number: int) -> PromptAtVersion:
        from promptctl.versions.numbering import shown

        found = self._moment.ask(lambda store: _version(store, [self._moment.id_on_line(store, ref.prompt)], number))
        if found is None:
            ids: Sequence[str] = [ref.prompt, *self._earlier_ids(ref)]
            found = self._moment.ask(lambda store: _version(store, ids, number))
        if found is None:
            raise self._moment.ask(lambda store: self._no_such_number(ref, ids, store))
        row, commit = found
        tree = self._moment.tree_at(commit)
        prompt = self._load_at(replace(ref, prompt=tree.places.id(row.path) or ref.prompt), tree)
        version = Version(prompt.digest, commit, number=number, display=shown(row, commit))
        return PromptAtVersion(ref, self._named(prompt, ref), version, tree)

    def _no_such_number(self, ref: Ref, ids: Iterable[str], store: IndexStore) -> WorkspaceError:
        numbers = [row.number for id_ in ids for row in store.versions(id_)]
        known = {*store.ids(), *prompt_paths(self._moment.work_tree)}
        if ref.prompt not in known:
            return no_such_prompt(ref.prompt, known, self._moment.work_tree.places)
        hint = f"a branch or tag of that name is reached by {ref.prompt}@refs/heads/{ref.at} or @refs/tags/{ref.at}"
        has = "it has no numbered version yet"
        if numbers:
            has = f"its versions are v1 to v{max(numbers)}" if max(numbers) > 1 else "its only version is v1"
        else:
            tip = self._moment.line.tip
            try:
                load_prompt(self._moment.tree_at(tip), ref.prompt)
            except InvalidFiles as error:
                has += f", and cannot be read in commit {tip[:_SHORT]}: {error.problems[0]}"
                hint = error.problems[0].hint or hint
            except PromptNotFound:
                pass
        return RevisionNotFound(f"`{ref.prompt}` has no version {ref.at}: {has}", hint=hint)

    def _at_commit(
        self, ref: Ref, commit: str, *, label: str | None = None, folder: str | None = None
    ) -> PromptAtVersion:
        tree = self._moment.tree_at(commit, folder)
        prompt = self._load_at(ref, tree)
        version = self._numbered(prompt, Version(prompt.digest, commit, label=label), prompt.digest)
        return PromptAtVersion(ref, prompt, version, tree)

    def _load_at(self, ref: Ref, tree: CommitTree) -> Prompt:
        """Return the prompt at a commit, read under the id it had then, named by the id it has today."""
        short = tree.commit[:_SHORT]
        where = f"in commit {short}" if ref.at == tree.commit else f"at `{ref.at}` (commit {short})"
        try:
            return load_prompt(tree, ref.prompt)
        except PromptNotFound as error:
            for former in self._earlier_ids(ref):
                try:
                    return self._named(load_prompt(tree, former), ref)
                except PromptNotFound:
                    continue
            raise PromptNotFound(f"there is no prompt `{ref.prompt}` {where}", hint=error.hint) from error
        except InvalidFiles as error:
            problems = [replace(problem, message=f"{problem.message} ({where})") for problem in error.problems]
            raise InvalidFiles(problems) from error

    def _named(self, prompt: Prompt, ref: Ref) -> Prompt:
        """Return a prompt as it was under an earlier id, by its id of today: rules of the earlier ones still hold."""
        if prompt.id == ref.prompt:
            return prompt
        return replace(prompt, id=ref.prompt, formerly=self._earlier_ids(ref)[::-1])

    def _numbered(self, prompt: Prompt, version: Version, committed: str | None) -> Version:
        """Return the version with its number, or with the reason why it has none. Never fails for want of a number."""
        dirty = "+dirty" if version.is_dirty else ""
        if not self._is_numbered:
            return replace(version, display=(version.commit or "")[:_SHORT] + dirty)
        from promptctl.versions.numbering import UNKNOWN, Content, Numbered

        def name(store: IndexStore) -> Numbered:
            on_line = self._moment.id_on_line(store, prompt.id, prompt.formerly, version.commit)
            ids = dict.fromkeys((prompt.id, *prompt.formerly[::-1], on_line))
            content = Content(tuple(ids), on_line, version.commit, committed, version.is_dirty)
            return self._moment.numbering.name(store, content, self._most_beyond)

        try:
            named = self._moment.ask(name)
        except GitError as error:
            return replace(version, display=(UNKNOWN if version.commit else "v0") + dirty, note=note(error))
        return replace(version, number=named.number, display=named.display)

    def _commit_of(self, ref: Ref, revision: str) -> str:
        try:
            return self._moment.commit_of(revision)
        except RevisionNotFound as error:
            if self._moment.is_shallow:
                self._refuse_beyond_history(revision)
            hint = error.hint or self._nearest_name(ref.prompt, revision)
            message = f"`{revision}` is no label of `{ref.prompt}` and no revision of this repository"
            raise RevisionNotFound(message, hint=hint) from error

    def _refuse_beyond_history(self, revision: str) -> None:
        """Raise `HistoryIncomplete` if a shallow clone lacks the commit that a revision counts back to."""
        start = _COUNTED_BACK.match(revision)
        if start is None:
            return
        try:
            self._moment.commit_of(start[1])
        except RevisionNotFound:
            return
        try:
            hint = unshallow_hint(self._moment.line.remote)
        except GitError:
            hint = "git fetch --unshallow"
        message = f"this clone is shallow: its history of `{start[1]}` does not reach back to `{revision}`"
        raise HistoryIncomplete(message, hint=hint)

    def _nearest_name(self, prompt: str, typed: str) -> str:
        labels = self._moment.label_tags.labels_of(prompt)
        if meant := did_you_mean(typed, [*labels, *self._moment.branches], f"{prompt}@{{}}"):
            return meant
        here = f"its labels here: {', '.join(labels)}; " if labels else ""
        remote = self._moment.git.usual_remote()
        if remote is None:
            return f"{here}a label is set with: promptctl label set {prompt}@LABEL"
        earlier = f"; those from before a rename with: {unshallow_hint(remote)}" if self._moment.is_shallow else ""
        return f"{here}labels set elsewhere come with: promptctl label fetch{earlier}"


def in_submodule(folder: str) -> str:
    """Return the reason why a prompt in a submodule has no number here."""
    return f"{folder} is a submodule: {IN_SUBMODULE}"


def _commit_by_lock(moment: Moment, ref: Ref, lock: LockHere, label: LockedLabel) -> str:
    """Return a commit here that holds the content which the lock says a label names: its own, or a newer one.

    Raises `HistoryIncomplete` if there is none or the lock is not believed, and `LabelRefused` if the commit holds
    different content.
    """
    if lock.doubt:
        words = f"what {label.name} names is not known in this clone, which has no tags of labels: {lock.doubt}"
        raise HistoryIncomplete(words, hint="promptctl label fetch")
    has_commit = moment.git.objects.read(label.commit, max_bytes=0) is not None
    for commit in (label.commit,) if has_commit else (lock.commit, moment.head or lock.commit):
        with suppress(PromptNotFound, InvalidFiles):
            if load_prompt(moment.tree_at(commit), ref.prompt).digest == label.digest:
                return commit
    if has_commit:
        words = f"{LOCK} says that {label.name} has digest {label.digest[:14]}…, and commit {label.commit[:7]} has not"
        raise LabelRefused(words, hint="see what its tag says: promptctl label fetch && promptctl label verify")
    remote = moment.git.usual_remote() or "origin"
    words = f"{label.name} is {label.shown} by {LOCK}, and this clone does not have that commit"
    raise HistoryIncomplete(words, hint=f"git fetch --depth 1 {remote} {label.commit}")


def _version(store: IndexStore, ids: Iterable[str], number: int) -> tuple[VersionRow, str] | None:
    row = next((row for id_ in ids if (row := store.version(id_, number)) is not None), None)
    return None if row is None else (row, store.commits_at([row.position])[row.position])


def _refuse_other_digest(found: PromptAtVersion, digest: str) -> None:
    """Raise `LabelRefused` if a label was put on different content. Different schemes of digests are not compared."""
    ours = found.prompt.digest
    if ours.split(":")[0] == digest.split(":")[0] and ours != digest:
        label, commit = found.version.label, (found.version.commit or "")[:_SHORT]
        raise LabelRefused(
            f"the label `{label}` of `{found.prompt.id}` was put on digest {digest[:14]}…, and commit {commit} holds "
            f"{ours[:14]}…: its tag was not written by promptctl, or was forged",
            hint="see what happened with: promptctl label verify",
        )
