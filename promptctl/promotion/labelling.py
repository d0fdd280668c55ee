"""The labels of a workspace: moved by its rules, told with their history, fetched, pushed, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, LabelRefused, Problem, RevisionNotFound, UsageError
from promptctl.files.names import PROMPTS
from promptctl.files.tree import MAX_BYTES
from promptctl.formats.settings_file import LabelSettings
from promptctl.labels.reading import Fetched, History, Labels, Listing, LiveAt
from promptctl.labels.remote import remote_names
from promptctl.promotion.moves import Mover, MoveRequest, MoveResult, candidate_of
from promptctl.promotion.rules import check_name
from promptctl.prompts.loading import closure_of, prompt_paths
from promptctl.versions.committed_settings import committed_settings
from promptctl.versions.former_ids import former_ids, labels_here
from promptctl.versions.refs import Ref, parse_ref

if TYPE_CHECKING:
    from datetime import datetime

    from promptctl.context import Context
    from promptctl.files.sources import Cache
    from promptctl.git.repository import Git
    from promptctl.labels.push import Pushed
    from promptctl.promotion.rules import Proof
    from promptctl.versions.resolving import Resolved

_LEAST_OF_A_COMMIT = 4
_PROMPTS_FOLDER = re.compile(rf"(?:^|/)({PROMPTS}/)")


@dataclass(frozen=True, slots=True)
class LabelName:
    """A label of one prompt, as people write it: `support/triage@production`."""

    prompt: str
    label: str

    def __str__(self) -> str:
        return f"{self.prompt}@{self.label}"


class Labelling:
    """Moves and reads labels. A label is named as `support/triage@production`.

    Where `promptctl.yaml` names a remote, whatever changes or audits labels asks it first. What a person should know
    besides goes to the workspace's warnings. Outside Git everything raises `GitError`.
    """

    def __init__(self, parts: Context) -> None:
        self._parts = parts
        self._repository = parts.repository
        self._parsed: Cache = {}

    def set(self, name: str, version: str | None = None, *, reason: str = "") -> MoveResult:
        """Let a label name a version (`v7`, a revision, another label), HEAD's where none is given.

        Raises `LabelRefused` where a rule of `promptctl.yaml`, as the default branch has it, or the remote stops it:
        then nothing has changed.
        """
        label = parse_label(name)
        git = self._git
        ref = Ref(label.prompt, version)
        if version is not None:
            ref = parse_ref(f"{label.prompt}@{version.removeprefix('@')}")
        resolved = self._repository.resolve(ref)
        request = MoveRequest(
            label=label.label,
            target=candidate_of(resolved.prompt, resolved.version),
            reason=reason,
            formerly=former_ids(self._repository, label.prompt),
            is_by_number=ref.number is not None,
        )
        return self._told(Mover(git, self._rules(), _Proof(self._parts, resolved)).set(request))

    def rollback(self, name: str, to: str | None = None, *, reason: str = "") -> MoveResult:
        """Let a label name again what it named before, or the version `to` (`v5`, a commit) that it once named."""
        label = self._known(name)
        former = former_ids(self._repository, label.prompt)
        event = None if to is None else self._event_of(label, to, former)
        mover = Mover(self._git, self._rules())

        def move() -> MoveResult:
            return mover.rollback(label.prompt, label.label, reason=reason, formerly=former, to=event)

        return self._told(self._existing(label, move))

    def remove(self, name: str, *, reason: str = "") -> MoveResult:
        """Let a label name nothing from now on; its history stays."""
        label = self._known(name)
        former = former_ids(self._repository, label.prompt)
        mover = Mover(self._git, self._rules())

        def move() -> MoveResult:
            return mover.remove(label.prompt, label.label, reason=reason, formerly=former)

        return self._told(self._existing(label, move))

    def all(self, prompt: str | None = None) -> Listing:
        """Where every label stands, those of one prompt if wanted; removed ones are there too."""
        if prompt is not None:
            self._check_prompt(prompt)
        self._refresh()
        found = self.here()
        if prompt is None:
            return found
        return Listing({key: state for key, state in found.states.items() if key[0] == prompt}, found.problems)

    def log(self, name: str) -> History:
        """Every move of a label, oldest first; those under the prompt's earlier ids too."""
        label = self._known(name)
        self._refresh()
        return self._labels.log(label.prompt, label.label, former_ids(self._repository, label.prompt))

    def at(self, name: str, moment: datetime) -> LiveAt:
        """What a label named at a time (with a time zone)."""
        label = self._known(name)
        self._refresh()
        return self._labels.at(label.prompt, label.label, moment, former_ids(self._repository, label.prompt))

    def fetch(self, remote: str | None = None) -> Fetched:
        """Bring every label of the remote that `promptctl.yaml` names, or of another configured one."""
        return self._labels.fetch(remote)

    def push(self, remote: str | None = None) -> Pushed:
        """Publish the moves that no remote has yet; those that came too late are undone here, and said."""
        from promptctl.labels.push import push_labels

        name = remote or self._settings.remote
        if name is None:
            raise GitError(
                "promptctl.yaml names no remote for labels",
                hint="name one: promptctl label push --remote origin, or `labels: {remote: origin}` in promptctl.yaml",
            )
        return push_labels(self._git, name)

    def verify(self) -> list[Problem]:
        """Everything that is wrong with the labels here, and with those of the remote."""
        self._refresh()
        return self._labels.verify(self._digest_of)

    def here(self) -> Listing:
        """Where every label stands as far as this clone knows; nothing is asked of a remote."""
        return labels_here(self._repository)

    @property
    def has_remote(self) -> bool:
        """Whether there is a remote that moves could be pushed to."""
        return self._settings.remote is not None or bool(remote_names(self._git))

    def close(self) -> None:
        """End Git's process; the next use starts another."""
        git = self.__dict__.get("_git")
        if git is not None:
            git.close()

    @cached_property
    def _git(self) -> Git:
        git = self._repository.git
        if git is None:
            raise GitError(
                "labels are Git tags, and the workspace is not in a Git repository",
                hint="git init && git add . && git commit -m 'Add prompts'",
            )
        if not self._parts.is_interactive:
            return git
        from promptctl.git.repository import Git

        return Git.open(self._parts.root, is_interactive=True) or git

    @property
    def _settings(self) -> LabelSettings:
        """The labels' settings that hold here, for whoever only reads."""
        try:
            committed = committed_settings(self._repository)
        except HistoryIncomplete:
            committed = None
        return (committed or self._parts.settings).labels

    @property
    def _labels(self) -> Labels:
        return Labels(self._git, self._settings.remote)

    def _rules(self) -> LabelSettings:
        """The rules for a move, as the default branch has them now; those of the work tree until it has any."""
        known = committed_settings(self._repository)
        if known is not None and known.labels.remote is not None:
            known = committed_settings(self._repository, is_fresh=True)
        return (known or self._parts.settings).labels

    def _refresh(self) -> None:
        note = self._labels.refresh()
        if note:
            self._parts.warn(note)

    def _known(self, name: str) -> LabelName:
        label = parse_label(name)
        self._check_prompt(label.prompt)
        return label

    def _check_prompt(self, prompt: str) -> None:
        """Raise `PromptNotFound` where there is no such prompt and never was; a deleted one still has its labels."""
        if prompt in prompt_paths(self._repository.work_tree):
            return
        if any(id_ == prompt for id_, _ in self._labels.all().states):
            return
        self._repository.versions_of(prompt)

    def _existing(self, label: LabelName, move: Callable[[], MoveResult]) -> MoveResult:
        """The move; where there is no such label, the error that names the nearest."""
        try:
            return move()
        except RevisionNotFound as error:
            former = former_ids(self._repository, label.prompt)
            raise self._labels.unknown(label.prompt, label.label, former) from error

    def _event_of(self, label: LabelName, to: str, former: Sequence[str]) -> int:
        """The number of the last event that named the version `to`."""
        wanted = to.removeprefix("@")
        events = [event for event in self._labels.log(label.prompt, label.label, former).events if event.is_live]
        for event in reversed(events):
            is_commit = len(wanted) >= _LEAST_OF_A_COMMIT and event.commit.startswith(wanted)
            if is_commit or event.version == wanted:
                return event.n
        named = ", ".join(dict.fromkeys(event.version for event in events))
        raise LabelRefused(
            f"{label} never named {wanted}; it named {named}", hint=f"promptctl label set {label} {wanted}"
        )

    def _told(self, result: MoveResult) -> MoveResult:
        if result.note:
            self._parts.warn(result.note)
        return result

    def _digest_of(self, commit: str, path: str) -> str | None:
        """The digest of a file of a commit, whichever workspace of the repository it belongs to."""
        prefix = self._git.prefix
        if not path.startswith(f"{prefix}{PROMPTS}/"):
            found = _PROMPTS_FOLDER.search(path)
            prefix = path[: found.start(1)] if found else ""
        tree = _Blobs(self._git, commit, prefix)
        return closure_of(tree, path.removeprefix(prefix), cache=self._parsed).digest


class _Blobs:
    """A commit's files, each asked for by its path: for many commits and few files of each."""

    def __init__(self, git: Git, commit: str, prefix: str) -> None:
        self.commit: str = commit
        self._git = git
        self._prefix = prefix

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        found = self._git.objects.read(f"{self.commit}:{self._prefix}{path}", max_bytes=max_bytes)
        if found is None or found.kind != "blob" or found.data is None:
            raise FileNotFoundError(path)
        return found.data

    def paths(self, prefix: str) -> list[str]:  # noqa: ARG002 - no file is looked for among others
        return []


class _Proof:
    """Finds the evaluation that `evaluation: passed` asks for, of one version."""

    def __init__(self, parts: Context, resolved: Resolved) -> None:
        self._parts = parts
        self._resolved = resolved

    def __call__(self, prompt: str, digest: str, dataset: str | None) -> Proof:  # noqa: ARG002 - one version's
        from promptctl.promotion.proof import Subject, Trees, find_proof

        parts = self._parts
        found = self._resolved.prompt
        model = found.model or parts.settings.model
        parameters = parts.settings.model_rule(model).parameters if model else {}
        subject = Subject(prompt=found, model=model, parameters=parameters)
        here = parts.repository.work_tree
        git = parts.repository.git
        committed = parts.repository.tree_at(git.head) if git is not None and git.head is not None else here
        return find_proof(parts.log, Trees(committed, here), subject, dataset)


def parse_label(name: str) -> LabelName:
    """Read a label's name as it was typed. Raises `UsageError`, which says what to type instead."""
    ref = parse_ref(name)
    if ref.at is None:
        raise UsageError(f"{name!r} names no label", hint=f"write {name}@production, or another label behind @")
    check_name(ref.at)
    return LabelName(ref.prompt, ref.at)
