"""Labels, moved: set, rolled back, removed. Every move is one more event; nothing that is there is ever changed.

With a remote, the remote decides: the event is pushed as an object, on the condition that the event before it is the
last one there, and becomes a tag here only when the remote has taken it. So whoever loses a race has nothing to clean
up. Without a remote the tag is made here and marked as not yet pushed; `labels/push.py` publishes those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from promptctl.errors import GitError, LabelRefused, PromptctlError, RevisionNotFound, UsageError
from promptctl.files.names import PROMPTS
from promptctl.formats.settings_file import LabelSettings
from promptctl.git.repository import Git
from promptctl.labels.chains import (
    LabelState,
    LabelTags,
    Unasked,
    history,
    last_state,
    living_workspace,
    recorded_otherwise,
)
from promptctl.labels.reading import Labels
from promptctl.labels.remote import Fetched, Remote, RemoteUnreachable, short
from promptctl.labels.signers import has_signature, is_signing, unsigned
from promptctl.labels.tags import MAX_REF_BYTES, PREFIX, Candidate, EventName, LabelEvent, LabelName, one_line
from promptctl.labels.trust import LabelTrust, marker
from promptctl.labels.writing import Draft, append
from promptctl.promotion import rules
from promptctl.promotion.rules import FindProof
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import Version


@dataclass(frozen=True, slots=True)
class MoveResult:
    """The result of a move: the label's last event now, and the one before.

    `is_moved` is False if the label named that version already: then there is no new event. `is_pushed` says that the
    remote has it. `note` is what a person should know besides.
    """

    event: LabelEvent
    before: LabelEvent | None
    is_moved: bool
    is_pushed: bool
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the label's last event JSON-able, with what the move was; `before` only if it was one."""
        before = self.before.as_dict() if self.before and self.is_moved else None
        return {**self.event.as_dict(), "moved": self.is_moved, "pushed": self.is_pushed, "before": before}


def candidate_of(prompt: Prompt, version: Version, prefix: str = "") -> Candidate:
    """Return the version of a prompt as labels take it. Raises `LabelRefused` if it is not committed.

    `prefix` is the way from the repository's root to the workspace: `""` or `apps/bot/`.
    """
    if version.commit is None or version.is_dirty:
        raise LabelRefused(
            f"`{prompt.id}` as it is in the work tree is in no commit: a label names committed versions",
            hint=version.note or f"commit {prompt.path}, or name a version",
        )
    # People read `v7 (3f2a9c1)` and `v9 (= v7)`; the event holds commit and digest anyway.
    within = "" if prompt.path.startswith(f"{PROMPTS}/") else prefix.rstrip("/") or "."
    return Candidate(version.commit, version.display.split(" ")[0], prompt.digest, prefix + prompt.path, within)


class Mover:
    """Moves labels by the workspace's settings.

    Every method raises `LabelRefused` if a rule, a race or a broken chain stops the move; nothing has changed then.
    """

    def __init__(self, git: Git, settings: LabelSettings, trust: LabelTrust, unasked: Unasked | None = None) -> None:
        self._git = git
        self._settings = settings
        self._trust = trust
        self._unasked = unasked
        self._fetched: Fetched | None = None

    @cached_property
    def _remote(self) -> Remote | None:
        return Remote(self._git, self._trust.remote) if self._trust.remote else None

    def fetch(self) -> None:
        """Bring the remote's labels here, for what the caller looks up for one move. A move alone does it itself."""
        if self._remote is not None:
            try:
                self._fetched = self._remote.fetch()
            except RemoteUnreachable as error:
                raise LabelRefused(f"no label was moved: {error.message}", hint=error.hint) from error

    def set(
        self,
        label: LabelName,
        target: Candidate,
        find_proof: FindProof | None = None,
        *,
        reason: str = "",
        evidence: str = "",
        is_by_number: bool = False,
        seen: LabelEvent | None = None,
    ) -> MoveResult:
        """Let a label name a version. No event is made if it names that version already.

        `find_proof` looks up what `evaluation: passed` wants; `evidence` is put before that. `is_by_number` says that
        the person named the version by its number, and so could mean what once had it. `seen` is the last event that
        the caller knows of, if the move holds only as long as there is no later one.
        """
        rules.check_name(label.label)
        rules.check_is_allowed(self._settings, label.label)
        before = self._state(label)
        if before is None:
            rules.check_is_no_branch(self._git, label.label)
            self._check_new_name(label)
        elif _names(before, target) and self._is_signed(before):
            was = before.version
            note = None if was == target.version else f"{target.version} was {was} when {label} was set to it"
            return replace(_unmoved(before), note=note)
        if seen is not None and (before is None or before.event.oid != seen.oid):
            raise LabelRefused(f"{label} was moved meanwhile, after {seen.name}", hint=f"promptctl label log {label}")
        if is_by_number:
            self._check_number(label, target)
        reason = one_line(reason)
        evaluation = "; ".join(filter(None, (evidence, self._check_rules(label, target, reason, find_proof))))
        self._check_target(label, target)
        return self._append(before, Draft("set", label, target, reason, one_line(evaluation)))

    def rollback(self, label: LabelName, *, reason: str = "", to: LabelEvent | None = None) -> MoveResult:
        """Let a label name the version again that it named before; after a removal, the one that was removed.

        `to` is an earlier event, whose version is meant. A second rollback goes one version further back. `after` and
        `evaluation` are not asked again of a version that was live under this label.
        """
        before = self._existing(label)
        reason = self._checked_reason(label, reason)
        goal = to or _version_before(history(self._git, self._trust, label, self._unasked).events)
        if goal is None:
            raise LabelRefused(
                f"`{label}` has named no version before {before.version}", hint=f"promptctl label log {label}"
            )
        target = _candidate(goal)
        if _names(before, target):
            return _unmoved(before)
        return self._append(before, Draft("rollback", label, target, reason, goal.evaluation))

    def remove(self, label: LabelName, *, reason: str = "") -> MoveResult:
        """Let a label name nothing from now on, under the prompt's earlier ids too. Its history stays."""
        before = self._existing(label)
        reason = self._checked_reason(label, reason)
        result = _unmoved(before)
        if before.is_live:
            result = self._append(before, Draft("remove", label, _candidate(before.event), reason))
        notes = [result.note, *(self._remove_earlier(LabelName(id_, label.label), reason) for id_ in label.formerly)]
        return replace(result, note="; ".join(filter(None, notes)) or None)

    def _remove_earlier(self, label: LabelName, reason: str) -> str | None:
        """Remove a label under an earlier id, which a checkout from before the rename goes by; return why it is not.

        It would also come back once the prompt is deleted, as nothing says then that the id was its own.
        """
        try:
            state = last_state(self._git, replace(self._trust, signers=None), label)
            if state is not None and state.is_live and living_workspace(self._git, state.event) is None:
                return self._append(state, Draft("remove", label, _candidate(state.event), reason)).note
        except PromptctlError as error:
            return f"{label}, from before the rename, is not removed: {error.message}"
        return None

    # --- what must hold first --------------------------------------------------------------------------------------

    def _state(self, label: LabelName) -> LabelState | None:
        """Return the label's state, after asking the remote."""
        if self._fetched is None:
            self.fetch()
        if self._remote is not None and self._fetched is not None:
            self._check_conflicts(self._remote, self._fetched, label)
        try:
            before = last_state(self._git, replace(self._trust, signers=None), label)
        except GitError as error:
            raise LabelRefused(f"{label} was not moved: {error.message}", hint=error.hint) from error
        other = living_workspace(self._git, before.event) if before is not None else None
        if other is not None:
            raise LabelRefused(
                f"the labels of `{label.prompt}` belong to the prompt of the same id in the workspace {other}",
                hint="give one of the two prompts a different id: labels are named by id in the whole repository",
            )
        if self._remote is not None and before is not None and before.is_unpushed:
            raise _not_pushed(str(label), self._remote)
        return before

    def _is_signed(self, state: LabelState) -> bool:
        """Return True if the event counts; one whose signature does not is followed by one whose does.

        If Git signs, so is one without a signature: labels are signed before `signed: required` asks for it.
        """
        if self._trust.signers is None and is_signing(self._git):
            return has_signature(self._git.objects.read(state.event.oid))
        return not unsigned(self._git, self._trust, [(state.event.oid, state.event.address)])

    def _existing(self, label: LabelName) -> LabelState:
        state = self._state(label)
        if state is None:
            raise Labels(self._git, self._trust).unknown(label)
        return state

    def _check_conflicts(self, remote: Remote, fetched: Fetched, label: LabelName) -> None:
        """Raise `LabelRefused` if a tag of the label differs between here and the remote, or could not be fetched."""
        for ref, words in fetched.refused.items():
            if ref.rpartition("/")[0] in label.chains:
                words = f"no label was moved: the tag {short(ref)} of {remote.name} could not be stored here: {words}"
                raise LabelRefused(words, hint="promptctl label fetch")
        for conflict in fetched.conflicts:
            chain = conflict.ref.rpartition("/")[0]
            if chain in label.chains:
                if self._git.refs(marker(conflict.ref)):
                    raise _not_pushed(chain.removeprefix(PREFIX), remote)
                raise LabelRefused(
                    f"no label was moved: the tag {short(conflict.ref)} is {conflict.there[:12]} at {remote.name}, "
                    f"but {conflict.here[:12]} here",
                    hint="promptctl label verify",
                )

    def _check_new_name(self, label: LabelName) -> None:
        """Raise `UsageError` if a new label's tags are too long for Git, `LabelRefused` if they differ by case."""
        name = EventName(label.prompt, label.label, 1)
        if len(name.ref) + 8 > MAX_REF_BYTES:
            raise UsageError(f"the tag {short(name.ref)} would be too long a name for Git")
        for chain in LabelTags.read(self._git, self._trust).chains:
            if chain != name.chain and chain.casefold() == name.chain.casefold():
                raise LabelRefused(
                    f"{short(name.chain)} differs from the label {short(chain)} by upper and lower case alone",
                    hint="rename one of the prompts: some file systems cannot hold both",
                )

    def _check_rules(self, label: LabelName, target: Candidate, reason: str, find_proof: FindProof | None) -> str:
        """Return the evaluation that proves the version; raises `LabelRefused` with what the rules object to."""
        rule = rules.rule_of(self._settings, label.label)
        problems = rules.reason_problems(rule, label.label, reason)
        if rule.after is not None:
            earlier = last_state(self._git, self._trust, replace(label, label=rule.after))
            problems += rules.after_problems(rule, label, target, earlier)
        evaluation, unproven = rules.evaluation_problems(rule, label, target, find_proof)
        if problems + unproven:
            raise rules.refuse(label, problems + unproven)
        return evaluation

    def _checked_reason(self, label: LabelName, reason: str) -> str:
        reason = one_line(reason)
        problems = rules.reason_problems(rules.rule_of(self._settings, label.label), label.label, reason)
        if problems:
            raise rules.refuse(label, problems)
        return reason

    def _check_number(self, label: LabelName, target: Candidate) -> None:
        number = target.version.removeprefix("v")
        if not number.isdecimal():
            return
        earlier = recorded_otherwise(self._git, self._trust, label.prompt, int(number), target.digest)
        if earlier is not None:
            raise LabelRefused(
                f"{target.version} of `{label.prompt}` is {target.commit[:12]} today, but {earlier.name} recorded "
                f"{earlier.commit[:12]} as {earlier.version}: the default branch was rewritten, and numbers changed",
                hint=f"name the commit: promptctl label set {label} {target.commit[:12]}",
            )

    def _check_target(self, label: LabelName, target: Candidate) -> None:
        """Raise `LabelRefused` unless the commit holds this workspace's prompt and is on a branch of the remote.

        Raises `RevisionNotFound` if there is no such commit here.
        """
        commit = self._git.objects.read(target.commit, max_bytes=0)
        if commit is None or commit.kind != "commit":
            raise RevisionNotFound(f"{target.commit} is no commit of this repository")
        if self._git.objects.read(f"{target.commit}:{target.path}", max_bytes=0) is None:
            raise LabelRefused(f"the commit {target.commit[:12]} has no file {target.path}")
        if self._remote is not None and self._remote.off_branches([target.commit]):
            name = self._remote.name
            contains = ["--count=1", "--format=%(refname:short)", f"--contains={target.commit}", "refs/heads"]
            branch = self._git.run(["for-each-ref", *contains]).text
            raise LabelRefused(
                f"{label} was not moved: {target.commit[:12]} is on no branch of {name}",
                hint=f"git push {name} {branch or f'{target.commit}:refs/heads/BRANCH'}",
            )

    def _append(self, before: LabelState | None, draft: Draft) -> MoveResult:
        event, note = append(self._git, self._remote, self._trust, before, draft)
        is_pushed = self._remote is not None
        return MoveResult(event, before.event if before else None, is_moved=True, is_pushed=is_pushed, note=note)


def _candidate(event: LabelEvent) -> Candidate:
    return Candidate(event.commit, event.version, event.digest, event.path, event.within)


def _names(state: LabelState, target: Candidate) -> bool:
    return state.is_live and _is_same_version(state.event, target)


def _unmoved(state: LabelState) -> MoveResult:
    return MoveResult(state.event, state.event, is_moved=False, is_pushed=not state.is_unpushed)


def _not_pushed(chain: str, remote: Remote) -> LabelRefused:
    return LabelRefused(f"{chain} has moves that {remote.name} does not have", hint="promptctl label push")


def _version_before(events: Sequence[LabelEvent]) -> LabelEvent | None:
    """Return the event whose version a rollback restores; each rollback goes one version further back."""
    live: list[LabelEvent] = []
    for event in events:
        if event.action == "remove":
            continue
        known = [index for index, other in enumerate(live) if _is_same_version(other, event)]
        if event.action == "rollback" and known:
            del live[known[-1] + 1 :]
        elif live and live[-1].digest == event.digest:  # the same text, merged: nobody rolls back to it
            live[-1] = event
        else:
            live.append(event)
    if events and events[-1].action == "remove":
        return live[-1] if live else None
    return live[-2] if len(live) > 1 else None


def _is_same_version(event: LabelEvent, other: LabelEvent | Candidate) -> bool:
    """Return True if both name one version; a commit without a number may have got one in between."""
    is_same = event.version == other.version or event.commit == other.commit
    return event.digest == other.digest and is_same
