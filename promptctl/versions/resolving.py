"""From a ref to the prompt it names and which version that is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, InvalidFiles, PromptNotFound, RevisionNotFound, WorkspaceError
from promptctl.files.names import did_you_mean, prompt_id
from promptctl.git.trees import CommitTree, blob_id
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.versions.line import unshallow_hint
from promptctl.versions.refs import Ref
from promptctl.versions.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from promptctl.files.tree import Tree
    from promptctl.git.repository import Git
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.lineage import VersionRow
    from promptctl.versions.numbering import Numbered
    from promptctl.versions.repository import Repository

_SHORT = 7
_COUNTED_BACK = re.compile(r"(.+?)(?:[~^][0-9]*)+\Z")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a ref names: the prompt with its closure, which version that is, and the tree both were read from."""

    prompt: Prompt
    version: Version
    tree: Tree


class Resolver:
    """Resolves refs in a repository, as it is at one moment. `is_numbered` False leaves the index alone."""

    def __init__(self, repository: Repository, git: Git, *, is_numbered: bool = True) -> None:
        self._repository = repository
        self._work_tree = repository.work_tree
        self._git = git
        self._is_numbered = is_numbered

    def resolve(self, ref: Ref) -> Resolved:
        """The prompt and version that `ref` names; see `Repository.resolve`."""
        if ref.at is None:
            return self._in_work_tree(ref)
        if ref.number is not None:
            return self._at_number(ref, ref.number)
        return self._at_label(ref, ref.label) or self._at_commit(ref, self._commit_of(ref, ref.at))

    def _in_work_tree(self, ref: Ref) -> Resolved:
        prompt = load_prompt(self._work_tree, ref.prompt)
        committed = self._committed_digest(prompt)
        version = Version(prompt.digest, self._git.head, committed != prompt.digest, display="")
        return Resolved(prompt, self._numbered(prompt, version, committed), self._work_tree)

    def _committed_digest(self, prompt: Prompt) -> str | None:
        """The prompt's digest at HEAD; None where it is not there, or unsound there."""
        if self._git.head is None:
            return None
        tree = self._repository.tree_at(self._git.head)
        # The same bytes have the same digest; HEAD's prompt need not be read to know it.
        if all(self._is_as_committed(path, tree) for path in prompt.closure):
            return prompt.digest
        try:
            return load_prompt(tree, prompt.id).digest
        except WorkspaceError:
            return None

    def _is_as_committed(self, path: str, tree: CommitTree) -> bool:
        blob = tree.blob(path)
        try:
            return blob is not None and blob == blob_id(self._work_tree.read(path), like=blob)
        except (OSError, WorkspaceError):
            return False

    def _at_label(self, ref: Ref, label: str | None) -> Resolved | None:
        """The version that a label names; None where that is no label of the prompt, under no id it ever had."""
        if label is None:
            return None
        from promptctl.labels.chains import current

        state = current(self._git, ref.prompt, label)
        if state is None:
            former = self._repository.former_ids(ref.prompt)
            state = current(self._git, ref.prompt, label, former) if former else None
        if state is None:
            return None
        found = self._at_commit(ref, state.commit, label=label)
        _refuse_other_digest(found, state.digest)
        return found

    def _at_number(self, ref: Ref, number: int) -> Resolved:
        from promptctl.versions.numbering import shown

        ids = [ref.prompt]
        found = self._repository.ask(lambda store: _version(store, ids, number))
        if found is None:
            ids += self._repository.former_ids(ref.prompt)
            found = self._repository.ask(lambda store: _version(store, ids, number)) if len(ids) > 1 else None
        if found is None:
            raise self._repository.ask(lambda store: self._no_such_number(ref, ids, store))
        row, commit = found
        tree = self._repository.tree_at(commit)
        prompt = self._load_at(Ref(prompt_id(row.path) or ref.prompt, ref.at), tree)
        version = Version(prompt.digest, commit, number=number, display=shown(row, commit))
        return Resolved(replace(prompt, id=ref.prompt), version, tree)

    def _no_such_number(self, ref: Ref, ids: Iterable[str], store: IndexStore) -> WorkspaceError:
        numbers = [row.number for id_ in ids for row in store.versions(id_)]
        known = {*store.ids(), *prompt_paths(self._work_tree)}
        if ref.prompt not in known:
            return PromptNotFound(f"there is no prompt {ref.prompt}", hint=nearest_prompt(ref.prompt, known))
        has = f"its versions are v1 to v{max(numbers)}" if numbers else "it has no numbered version yet"
        name = f"a branch or tag of that name is reached by {ref.prompt}@refs/heads/{ref.at} or @refs/tags/{ref.at}"
        return RevisionNotFound(f"{ref.prompt} has no version {ref.at}: {has}", hint=name)

    def _at_commit(self, ref: Ref, commit: str, *, label: str | None = None) -> Resolved:
        tree = self._repository.tree_at(commit)
        prompt = self._load_at(ref, tree)
        version = Version(prompt.digest, commit, label=label, display="")
        return Resolved(prompt, self._numbered(prompt, version, prompt.digest), tree)

    def _load_at(self, ref: Ref, tree: CommitTree) -> Prompt:
        """The prompt at a commit, read under the id it had then, named by the id it has today."""
        short = tree.commit[:_SHORT]
        where = f"in commit {short}" if ref.at == tree.commit else f"at {ref.at} (commit {short})"
        try:
            return load_prompt(tree, ref.prompt)
        except PromptNotFound as error:
            for former in self._repository.former_ids(ref.prompt):
                try:
                    return replace(load_prompt(tree, former), id=ref.prompt)
                except PromptNotFound:
                    continue
            raise PromptNotFound(f"there is no prompt {ref.prompt} {where}", hint=error.hint) from error
        except InvalidFiles as error:
            problems = [replace(problem, message=f"{problem.message} ({where})") for problem in error.problems]
            raise InvalidFiles(problems) from error

    def _numbered(self, prompt: Prompt, version: Version, committed: str | None) -> Version:
        """The version with its number, or with the reason why it has none. Never fails for want of a number."""
        if not self._is_numbered:
            return version
        from promptctl.versions.numbering import UNKNOWN, Numbering

        def name(store: IndexStore) -> Numbered:
            numbering = Numbering(self._git, store)
            if version.is_dirty or version.commit is None:
                return numbering.dirty(prompt.id, version.commit, committed, prompt.formerly)
            return numbering.at(prompt.id, version.commit, version.digest, prompt.formerly)

        try:
            named = self._repository.ask(name)
        except GitError as error:
            display = "v0+dirty" if version.commit is None else UNKNOWN + ("+dirty" if version.is_dirty else "")
            return replace(version, display=display, note=note(error))
        return replace(version, number=named.number, display=named.display)

    def _commit_of(self, ref: Ref, revision: str) -> str:
        try:
            return self._git.commit_of(revision)
        except RevisionNotFound as error:
            if self._git.is_shallow:
                self._refuse_beyond_history(revision)
            hint = error.hint or self._nearest_name(ref.prompt, revision)
            message = f"{revision!r} is no label of {ref.prompt} and no revision of this repository"
            raise RevisionNotFound(message, hint=hint) from error

    def _refuse_beyond_history(self, revision: str) -> None:
        """Raise `HistoryIncomplete` where a shallow clone lacks the commit that a revision counts back to."""
        start = _COUNTED_BACK.match(revision)
        if start is None:
            return
        try:
            self._git.commit_of(start[1])
        except RevisionNotFound:
            return
        try:
            hint = unshallow_hint(self._repository.line())
        except GitError:
            hint = "git fetch --unshallow"
        message = f"this clone is shallow: its history of {start[1]} does not reach back to {revision}"
        raise HistoryIncomplete(message, hint=hint)

    def _nearest_name(self, prompt: str, typed: str) -> str:
        refs = self._git.refs(f"refs/tags/prompt/{prompt}@*/*", "refs/heads", "refs/remotes")
        labels = list(dict.fromkeys(ref.name.split("@")[1].split("/")[0] for ref in refs if "/tags/" in ref.name))
        branches = [ref.name.split("/", 2)[2] for ref in refs if "/tags/" not in ref.name]
        if meant := did_you_mean(typed, [*labels, *branches], f"{prompt}@{{}}"):
            return meant
        here = f"its labels here: {', '.join(labels)}; " if labels else ""
        return f"{here}labels set elsewhere come with: promptctl label fetch"


def nearest_prompt(prompt: str, known: Iterable[str]) -> str:
    """Return the hint for a prompt that does not exist."""
    return did_you_mean(prompt, sorted(known)) or "promptctl list shows every prompt"


def note(error: GitError) -> str:
    """Why a number is not known, and the command that would tell, in one line."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _version(store: IndexStore, ids: Iterable[str], number: int) -> tuple[VersionRow, str] | None:
    row = next((row for id_ in ids if (row := store.version(id_, number)) is not None), None)
    return None if row is None else (row, store.commits_at([row.position])[row.position])


def _refuse_other_digest(found: Resolved, digest: str) -> None:
    """A label says which content it was put on; another scheme of digests says nothing about this one."""
    ours = found.prompt.digest
    if ours.split(":")[0] == digest.split(":")[0] and ours != digest:
        label, commit = found.version.label, (found.version.commit or "")[:_SHORT]
        raise GitError(
            f"the label {label} of {found.prompt.id} was put on digest {digest[:14]}…, and commit {commit} holds "
            f"{ours[:14]}…: its tag was not written by promptctl, or was forged",
            hint="see what happened with: promptctl label verify",
        )
