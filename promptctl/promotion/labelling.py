"""The labels of a workspace: moved by its rules, shown with their history, fetched, pushed, checked."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from promptctl.errors import HistoryIncomplete, InvalidFiles, LabelRefused, Place, Problem, UsageError, WorkspaceError
from promptctl.files.names import LOCK, SETTINGS, did_you_mean
from promptctl.files.writing import replace_file
from promptctl.git.repository import Git
from promptctl.labels.reading import Labels
from promptctl.labels.remote import Fetched, remote_meant
from promptctl.labels.tags import LabelEvent, LabelName
from promptctl.log.stamps import refuse_to_come, utc_text
from promptctl.promotion.moves import Mover, MoveResult, candidate_of
from promptctl.promotion.rules import Proof, check_name
from promptctl.prompts.loading import prompt_paths
from promptctl.versions.committed_settings import Committed, committed_settings
from promptctl.versions.former_ids import check_has_labels, former_ids, id_of_today, labels_elsewhere, labels_here
from promptctl.versions.prompt_at_version import Ref, note, parse_ref

if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from datetime import datetime
    from pathlib import Path

    from promptctl.context import Context
    from promptctl.labels.chains import History, Listing, Unasked
    from promptctl.labels.lock import LockedLabel
    from promptctl.labels.push import Pushed
    from promptctl.labels.times import LiveAt
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.moment import Moment

_LEAST_OF_A_COMMIT = 4


@dataclass(frozen=True, slots=True)
class Locked:
    """The labels that were written to the lock; if not `is_new`, it said the same before."""

    file: Path
    labels: tuple[LockedLabel, ...]
    is_new: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"file": self.file.name, "written": self.is_new, "labels": [each.as_dict() for each in self.labels]}


class Labelling:
    """Moves and reads labels. A label is named as `support/triage@production`.

    If `promptctl.yaml` names a remote, what changes or audits labels asks it first. Notes for people go to the
    workspace's warnings. Outside Git everything raises `GitError`.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: Moment | None = None

    def set(
        self,
        name: str,
        version: str | None = None,
        *,
        reason: str = "",
        evidence: str = "",
        seen: LabelEvent | None = None,
    ) -> MoveResult:
        """Let a label name a version (`v7`, a revision, another label), HEAD's if none is given.

        `evidence` stands in the event before that of evaluations, and takes the place of none that a rule asks for.
        With `seen` the label is moved only if that is its last event still, once the remote was asked.
        Raises `LabelRefused` if a rule of `promptctl.yaml`, as the default branch has it, or the remote stops it: then
        nothing has changed.
        """
        label, mover, moment, known = self._mover(name, reason)
        ref = Ref(label.prompt) if version is None else parse_ref(f"{label.prompt}@{_at(name, version)}")
        try:
            found = self._context.repository.resolve(ref, moment=moment)
        except InvalidFiles as error:
            if version is not None:
                raise
            also = f"or name what is committed: promptctl label set {label} HEAD"
            hints = [replace(each, hint="; ".join(filter(None, (each.hint, also)))) for each in error.problems]
            raise InvalidFiles(hints) from error
        if version is None and not found.version.is_dirty:
            # A label names what is committed, which Git's filters may have changed here.
            found = self._context.repository.resolve(replace(ref, at=found.version.commit), moment=moment)
        target = candidate_of(found.prompt, found.version, moment.git.prefix)
        proof = partial(self._proof, found.prompt, moment, known)
        by_number = ref.number is not None
        moved = self._warned(
            mover.set(label, target, proof, reason=reason, evidence=evidence, is_by_number=by_number, seen=seen)
        )
        if moved.before is None:
            used = {each[1] for each in labels_here(moment).states if each != (label.prompt, label.label)}
            if label.label not in used and (meant := did_you_mean(label.label, used)):
                self._context.warn(f"`{label.label}` is a new label; {meant} Then: promptctl label remove {label}")
        return moved

    def rollback(self, name: str, to: str | None = None, *, reason: str = "") -> MoveResult:
        """Let a label name again what it named before, or the version `to` (`v5`, a commit) that it once named."""
        label, mover, moment, _ = self._mover(name, reason)
        self._check_prompt(label.prompt, moment)
        event = None if to is None else self._event_of(label, _at(name, to), moment)
        return self._warned(mover.rollback(label, reason=reason, to=event))

    def remove(self, name: str, *, reason: str = "") -> MoveResult:
        """Let a label name nothing from now on; its history stays."""
        label, mover, moment, _ = self._mover(name, reason)
        self._check_prompt(label.prompt, moment)
        return self._warned(mover.remove(label, reason=reason))

    def all(self, prompt: str | None = None) -> Listing:
        """Return the state of every label, or of those of one prompt; removed ones are there too."""
        moment = self._refreshed()
        found = labels_here(moment)
        if error := labels_elsewhere(moment):
            self._context.warn(note(error))
        if prompt is None:
            return found
        self._check_prompt(prompt, moment)
        return replace(found, states={key: state for key, state in found.states.items() if key[0] == prompt})

    def log(self, name: str) -> History:
        """Return every move of a label, oldest first; those under the prompt's earlier ids too."""
        label, labels = self._known(name)
        return labels.log(label)

    def log_here(self, name: str) -> History:
        """Return what `log` does as far as this clone knows; nothing is asked of a remote."""
        moment = self._now()
        return self._labels(moment).log(self._label(name, moment))

    def at(self, name: str, time: datetime) -> LiveAt:
        """Return what a label named at a time (with a time zone). Raises `UsageError` for one still to come."""
        refuse_to_come(utc_text(time))
        label, labels = self._known(name)
        return labels.at(label, time)

    def unasked(self, moment: Moment, moves: Sequence[LabelEvent]) -> Set[str]:
        """Return the tag objects of those moves that were made when no signature was asked for."""
        return _unasked(moment)(moves)

    def fetch(self, remote: str | None = None) -> Fetched:
        """Bring every label of the remote that `promptctl.yaml` names, or of a different configured one."""
        return self._labels(self._now()).fetch(remote)

    def push(self, remote: str | None = None) -> Pushed:
        """Publish the moves that no remote has yet; those that came too late are undone here, and reported."""
        from promptctl.labels.push import push_labels

        named = remote or self._now().label_trust.remote
        return push_labels(self._git, remote_meant(self._git, named, "promptctl label push"))

    def verify(self) -> list[Problem]:
        """Return everything that is wrong with the labels here, and with those of the remote."""
        from promptctl.promotion.audit import check_moves

        moment = self._refreshed()
        found = self._labels(moment).verify()
        problems = found.problems + check_moves(moment, found.events, self._context.log)
        return problems + self._lock_problems(moment)

    def lock(self) -> Locked:
        """Write `promptctl.lock.yaml`: what each label names now, for pull requests and for clones without tags.

        Raises `WorkspaceError` in a bare repository, or if it cannot be written.
        """
        from promptctl.labels.lock import locked, with_labels

        self._context.work_tree_for("a lock of the labels")
        found = self.all()
        if not found.states:
            hint = "promptctl label fetch, or promptctl label set PROMPT@production"
            raise HistoryIncomplete(f"this clone knows no label: {LOCK} was not written", hint=hint)
        for problem in found.problems:
            self._context.warn(f"a label does not count: {problem.message}")
        labels = locked(found.states.values())
        file = self._context.root / LOCK
        before = file.read_bytes() if file.is_file() else None
        data = with_labels(before, labels)
        is_new = before != data
        if is_new:
            replace_file(file, [data])
        return Locked(file, tuple(labels.values()), is_new)

    def check_lock(self) -> list[Problem]:
        """Return where `promptctl.lock.yaml` differs from the labels; a missing one is a problem too."""
        return self._lock_problems(self._refreshed(), is_required=True)

    def _lock_problems(self, moment: Moment, *, is_required: bool = False) -> list[Problem]:
        from promptctl.labels.lock import MAX_LOCK, compare_lock, locked, read_lock

        try:
            lock = read_lock(self._context.repository.work_tree.read(LOCK, max_bytes=MAX_LOCK))
        except FileNotFoundError:
            missing = Problem(f"there is no {LOCK}", Place(LOCK), "promptctl label lock", "lock-missing")
            return [missing] if is_required else []
        except InvalidFiles as error:
            return list(error.problems)
        if (here := moment.lock) is not None and here.labels:
            words = f"this clone has no tags of labels to compare {LOCK} with"
            raise HistoryIncomplete(words, hint="promptctl label fetch")
        return compare_lock(lock, locked(labels_here(moment).states.values()))

    def here(self) -> Listing:
        """Return the state of every label as far as this clone knows; nothing is asked of a remote."""
        return labels_here(self._now())

    def shown(self, event: LabelEvent) -> str:
        """Return the version of a move as it is shown everywhere, and the label's commit where that is another one.

        It is called as it was when labels were last looked at.
        """
        shown, moment = event.version, self._seen or self._now()
        with suppress(WorkspaceError):  # of a prompt that has another id by now, say
            found = self._context.repository.resolve(Ref(event.prompt, event.commit), moment=moment).version
            shown = found.display if found.display.split(" ")[0] == event.version else shown
        return shown if event.commit[:7] in shown else f"{shown} at {event.commit[:7]}"

    @property
    def has_remote(self) -> bool:
        """True if there is a remote that moves could be pushed to."""
        return bool(self._git.remotes())

    def close(self) -> None:
        """End Git's process; the next use starts a new one."""
        git = self.__dict__.get("_git")
        if git is not None:
            git.close()

    # --- what each of them needs -------------------------------------------------------------------------------------

    def _now(self) -> Moment:
        """Return this moment. Raises `GitError` outside Git."""
        self._seen = moment = self._context.fresh().now()
        check_has_labels(moment)
        moment.is_for_labels = True
        return moment

    @cached_property
    def _git(self) -> Git:
        root, is_interactive = self._context.root, self._context.is_interactive
        return (Git.open(root, is_interactive=True) if is_interactive else None) or (self._seen or self._now()).git

    def _labels(self, moment: Moment) -> Labels:
        return Labels(self._git, moment.label_trust, _unasked(moment))

    def _refreshed(self) -> Moment:
        """Return this moment after the remote was asked for its labels."""
        moment = self._now()
        self._refresh(moment)
        return moment

    def _refresh(self, moment: Moment) -> None:
        note = self._labels(moment).refresh()
        if note:
            self._context.warn(note)
        moment.forget_labels()

    def _mover(self, name: str, reason: str) -> tuple[LabelName, Mover, Moment, Committed | None]:
        """Return a label, a mover for one move of it, and the moment after the remote was asked for its labels.

        The mover has the rules that the default branch has now, and the work tree's until it has any. What the branch
        has is returned too. Raises `UsageError` for a reason that holds a secret.
        """
        check_reason(self._context, reason)
        moment = self._now()
        label = self._label(name, moment)
        known = moment.committed
        if known is not None and known.settings.labels.remote is not None:
            known = committed_settings(moment.git, moment.trusted_line, is_fresh=True)
        settings = known.settings if known is not None else self._context.settings
        trust = known.trust if known is not None else moment.label_trust
        mover = Mover(self._git, settings.labels, trust, _unasked(moment))
        mover.fetch()
        moment.forget_labels()
        return label, mover, moment, known

    def _proof(self, prompt: Prompt, moment: Moment, known: Committed | None, dataset: str | None) -> Proof:
        """Return the evaluation that `evaluation: passed` asks for, of one version, by settings that hold for all."""
        from promptctl.datasets.index import DatasetIndex
        from promptctl.git.tree_changes import CleanTree
        from promptctl.promotion.proof import find_proof

        here, head = moment.work_tree, moment.head
        committed = here if head is None else CleanTree(moment.tree_at(head), here)
        limits = self._context.settings.limits
        indexes = DatasetIndex(committed, limits=limits), DatasetIndex(here, limits=limits)
        tree = here if head is None else moment.tree_at(head)
        settings = known.settings if known is not None else self._context.settings
        trusted = moment.tree_at(known.commit) if known is not None else tree
        with closing(self._context.at(tree, settings, trusted, needs_keys=False)) as context:
            found = find_proof(context, *indexes, prompt, dataset)
        if found.line or found.hint:
            return found
        # What counts by the settings here alone would be made again in vain.
        own = self._context.settings
        with closing(self._context.at(here, own, here, needs_keys=False)) as context:
            by_own = find_proof(context, *indexes, prompt, dataset)
        if not by_own.line:
            return found
        line, made = known.trust.line if known is not None else "HEAD", by_own.line.partition(" ")[0]
        what = SETTINGS if own != settings else "the judges' prompts"
        return Proof(
            missing=f"the passing one here ({made[-8:]}) was made with other settings than {line}'s",
            hint=f"bring {what} as here to {line} (commit and push), or undo the change: git diff {line}",
        )

    def _warned(self, result: MoveResult) -> MoveResult:
        if result.note:
            self._context.warn(result.note)
        return result

    def _label(self, name: str, moment: Moment) -> LabelName:
        """Return the label of this name, by its prompt's id of today, with the earlier ones. Raises `UsageError`."""
        ref = parse_ref(name)
        if ref.at is None:
            raise UsageError(f"`{name}` names no label", hint=f"write {name}@production, or a different label after @")
        check_name(ref.at)
        prompt = id_of_today(moment, ref.prompt)
        return LabelName(prompt, ref.at, former_ids(moment, prompt))

    def _event_of(self, label: LabelName, wanted: str, moment: Moment) -> LabelEvent:
        """Return the last event that named a version, given by its number or the beginning of its commit.

        Raises `LabelRefused` if none did, and `RevisionNotFound` if there is no such version at all.
        """
        events = [event for event in self._labels(moment).log(label).events if event.is_live]
        for event in reversed(events):
            is_commit = len(wanted) >= _LEAST_OF_A_COMMIT and event.commit.startswith(wanted)
            if is_commit or event.version == wanted:
                return event
        self._context.repository.resolve(parse_ref(f"{label.prompt}@{wanted}"), moment=moment)
        named = ", ".join(dict.fromkeys(event.version for event in events))
        raise LabelRefused(
            f"`{label}` never named {wanted}; it named {named}", hint=f"promptctl label set {label} {wanted}"
        )

    def _known(self, name: str) -> tuple[LabelName, Labels]:
        """Return a label of a prompt that there is or was, and the labels after the remote was asked."""
        moment = self._now()
        label = self._label(name, moment)
        self._refresh(moment)
        self._check_prompt(label.prompt, moment)
        return label, self._labels(moment)

    def _check_prompt(self, prompt: str, moment: Moment) -> None:
        """Raise `PromptNotFound` if there is no such prompt and never was; a deleted one still has its labels."""
        if prompt not in prompt_paths(moment.work_tree) and not moment.label_tags.labels_of(prompt):
            self._context.repository.versions_of(prompt, moment)


def _at(name: str, version: str) -> str:
    """Return a version of the prompt of the label `name` without the prompt, which it may be written with."""
    return version.removeprefix(f"{name.partition('@')[0]}@").removeprefix("@")


def check_reason(context: Context, reason: str) -> None:
    """Raise `UsageError` for a reason that holds a secret: it goes into Git, where nothing erases it."""
    if context.redactor.holds_secret(reason):
        raise UsageError("the reason holds a secret: nothing was done", hint="say it without: it is kept in Git")


def _unasked(moment: Moment) -> Unasked:
    def unasked_of(events: Sequence[LabelEvent]) -> set[str]:
        from promptctl.promotion.audit import unasked

        return unasked(moment, events)

    return unasked_of
