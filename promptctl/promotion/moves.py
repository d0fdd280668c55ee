"""Labels, moved: set, rolled back, removed. Every move is one more event; nothing that is there is ever changed.

With a remote, the remote decides: the event is pushed as an object, on the condition that the event before it is the
last one there, and becomes a tag here only when the remote has taken it. So whoever loses a race has nothing to clean
up. Without a remote the tag is made here and marked as not yet pushed; `label_push.py` publishes those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import GitError, LabelRefused, RevisionNotFound, UsageError
from promptctl.labels.chains import LabelState, history, last_state, marker, recorded_otherwise
from promptctl.labels.remote import Remote, RemoteUnreachable, short
from promptctl.labels.tags import MAX_REF_BYTES, PREFIX, Candidate, EventName, LabelEvent, chain_prefix, one_line
from promptctl.labels.writing import Draft, append
from promptctl.promotion import rules
from promptctl.promotion.rules import FindEvaluation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.formats.settings_file import LabelSettings
    from promptctl.git.repository import Git
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.version import Version


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """A wish to move one label to one version, of a prompt that may have had earlier ids.

    `is_by_number` says that the person named the version by its number, and so could mean what once had that number.
    """

    label: str
    target: Candidate
    reason: str = ""
    formerly: Sequence[str] = ()
    is_by_number: bool = False


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What a move did: the label's last event now, and the one before.

    `is_moved` is False where the label named that version already: then there is no new event. `is_pushed` says
    whether the remote has it. `note` is what a person should know besides.
    """

    event: LabelEvent
    before: LabelEvent | None
    is_moved: bool
    is_pushed: bool
    note: str | None = None


def candidate_of(prompt: Prompt, version: Version) -> Candidate:
    """The version of a prompt as labels take it. Raises `LabelRefused` where it is not committed."""
    if version.commit is None or version.is_dirty:
        raise LabelRefused(
            f"{prompt.id} as it is in the work tree is in no commit: a label names committed versions",
            hint=f"commit {prompt.path}, or name a version",
        )
    # People read `v7 (3f2a9c1)` and `v9 (= v7)`; the event holds commit and digest anyway.
    return Candidate(prompt.id, version.commit, version.display.split(" ")[0], prompt.digest, prompt.path)


class Mover:
    """Moves labels by the workspace's settings. `find_evaluation` looks up the proof that `evaluation: passed` wants.

    Every method raises `LabelRefused` where a rule, a race or a broken chain stops the move; nothing has changed then.
    """

    def __init__(self, git: Git, settings: LabelSettings, find_evaluation: FindEvaluation | None = None) -> None:
        self._git = git
        self._settings = settings
        self._find_evaluation = find_evaluation

    def set(self, request: MoveRequest) -> MoveResult:
        """Let a label name a version. No event is made where it names that version already."""
        target, label = request.target, request.label
        rules.check_name(label)
        rules.check_is_allowed(self._settings, label)
        remote = self._remote()
        before = self._state(remote, target.prompt, label, request.formerly)
        if before is None:
            rules.check_is_no_branch(self._git, label)
            self._check_new_name(EventName(target.prompt, label, 1))
        elif before.is_live and (before.digest, before.version) == (target.digest, target.version):
            return MoveResult(before.event, before.event, is_moved=False, is_pushed=not before.is_unpushed)
        if request.is_by_number:
            self._check_number(target, label)
        path = self._git.prefix + target.path
        reason = one_line(request.reason)
        evaluation = self._check_rules(label, target, reason, request.formerly)
        self._check_target(target, path, before)
        if remote is not None and remote.off_branches([target.commit]):
            raise self._off_branch(remote, label, target)
        draft = Draft("set", target, path, reason, one_line(evaluation))
        return self._append(remote, before, label, draft)

    def rollback(
        self, prompt: str, label: str, *, reason: str = "", formerly: Sequence[str] = (), to: int | None = None
    ) -> MoveResult:
        """Let a label name the version again that it named before; after a removal, the one that was removed.

        `to` is the number of an earlier event, whose version is meant. A second rollback goes one version further
        back. `after` and `evaluation` are not asked again of a version that was live under this label.
        """
        remote = self._remote()
        before = self._existing(remote, prompt, label, formerly)
        reason = one_line(reason)
        self._check_reason(prompt, label, reason)
        events = history(self._git, prompt, label, formerly).events
        goal = _event_number(events, prompt, label, to) if to is not None else _version_before(events)
        if goal is None:
            raise LabelRefused(
                f"{prompt}@{label} has named no version before {before.version}",
                hint=f"promptctl label log {prompt}@{label}",
            )
        if before.is_live and (before.digest, before.version) == (goal.digest, goal.version):
            return MoveResult(before.event, before.event, is_moved=False, is_pushed=not before.is_unpushed)
        target = Candidate(prompt, goal.commit, goal.version, goal.digest, goal.path)
        return self._append(remote, before, label, Draft("rollback", target, goal.path, reason, goal.evaluation))

    def remove(self, prompt: str, label: str, *, reason: str = "", formerly: Sequence[str] = ()) -> MoveResult:
        """Let a label name nothing from now on. Its history stays."""
        remote = self._remote()
        before = self._existing(remote, prompt, label, formerly)
        reason = one_line(reason)
        self._check_reason(prompt, label, reason)
        if not before.is_live:
            return MoveResult(before.event, before.event, is_moved=False, is_pushed=not before.is_unpushed)
        target = Candidate(prompt, before.commit, before.version, before.digest, before.path)
        return self._append(remote, before, label, Draft("remove", target, before.path, reason))

    # --- what must hold first --------------------------------------------------------------------------------------

    def _remote(self) -> Remote | None:
        return Remote(self._git, self._settings.remote) if self._settings.remote else None

    def _state(self, remote: Remote | None, prompt: str, label: str, formerly: Sequence[str]) -> LabelState | None:
        """Where the label stands, after the remote was asked."""
        if remote is not None:
            self._fetch(remote, [chain_prefix(name, label) for name in (prompt, *formerly)])
        try:
            before = last_state(self._git, prompt, label, formerly)
        except GitError as error:
            raise LabelRefused(f"{prompt}@{label} was not moved: {error.message}", hint=error.hint) from error
        if remote is not None and before is not None and before.is_unpushed:
            raise _not_pushed(f"{prompt}@{label}", remote)
        return before

    def _existing(self, remote: Remote | None, prompt: str, label: str, formerly: Sequence[str]) -> LabelState:
        state = self._state(remote, prompt, label, formerly)
        if state is None:
            raise RevisionNotFound(f"{prompt} has no label {label!r}", hint="promptctl label list")
        return state

    def _fetch(self, remote: Remote, chains: Sequence[str]) -> None:
        try:
            fetched = remote.fetch()
        except RemoteUnreachable as error:
            raise LabelRefused(f"no label was moved: {error.message}", hint=error.hint) from error
        for conflict in fetched.conflicts:
            if conflict.ref.rpartition("/")[0] in chains:
                if self._git.refs(marker(conflict.ref)):
                    raise _not_pushed(short(conflict.ref.rpartition("/")[0]).removeprefix("prompt/"), remote)
                raise LabelRefused(
                    f"no label was moved: the tag {short(conflict.ref)} is {conflict.there[:12]} at {remote.name}, "
                    f"but {conflict.here[:12]} here",
                    hint="promptctl label verify",
                )

    def _check_new_name(self, name: EventName) -> None:
        """A new label's tags must fit Git's names, and must not differ from others by case alone."""
        if len(name.ref) + 8 > MAX_REF_BYTES:
            raise UsageError(f"the tag {short(name.ref)} would be too long a name for Git")
        prefix = chain_prefix(name.prompt, name.label)
        for ref in self._git.refs(PREFIX.rstrip("/")):
            chain = ref.name.rpartition("/")[0]
            if chain != prefix and chain.casefold() == prefix.casefold():
                raise LabelRefused(
                    f"{short(prefix)} differs from the label {short(chain)} by upper and lower case alone",
                    hint="rename one of the prompts: some file systems cannot hold both",
                )

    def _check_rules(self, label: str, target: Candidate, reason: str, formerly: Sequence[str]) -> str:
        """The evaluation that proves the version; raises `LabelRefused` with what the rules have against the move."""
        rule = rules.rule_of(self._settings, label)
        problems = rules.reason_problems(rule, label, reason)
        if rule.after is not None:
            earlier = last_state(self._git, target.prompt, rule.after, formerly)
            problems += rules.after_problems(rule, label, target, earlier)
        evaluation, unproven = rules.evaluation_problems(rule, label, target, self._find_evaluation)
        problems += unproven
        if problems:
            raise rules.refuse(label, target.prompt, problems)
        return evaluation

    def _check_reason(self, prompt: str, label: str, reason: str) -> None:
        problems = rules.reason_problems(rules.rule_of(self._settings, label), label, reason)
        if problems:
            raise rules.refuse(label, prompt, problems)

    def _check_number(self, target: Candidate, label: str) -> None:
        number = target.version.removeprefix("v")
        earlier = (
            recorded_otherwise(self._git, target.prompt, int(number), target.digest) if number.isdecimal() else None
        )
        if earlier is not None:
            raise LabelRefused(
                f"{target.version} of {target.prompt} is {target.commit[:12]} today, but {earlier.name} recorded "
                f"{earlier.commit[:12]} as {earlier.version}: the default branch was rewritten, and numbers changed",
                hint=f"name the commit: promptctl label set {target.prompt}@{label} {target.commit[:12]}",
            )

    def _check_target(self, target: Candidate, path: str, before: LabelState | None) -> None:
        commit = self._git.objects.read(target.commit, max_bytes=0)
        if commit is None or commit.kind != "commit":
            raise RevisionNotFound(f"{target.commit} is no commit of this repository")
        if self._git.objects.read(f"{target.commit}:{path}", max_bytes=0) is None:
            raise LabelRefused(f"the commit {target.commit[:12]} has no file {path}")
        other = _workspace_of(before.event) if before is not None else None
        if other is None or other == self._git.prefix:
            return
        if self._git.objects.read(f"{target.commit}:{other}promptctl.yaml", max_bytes=0) is not None:
            raise LabelRefused(
                f"the labels of {target.prompt} belong to the prompt of the same id in the workspace {other or '.'}",
                hint="give one of the two prompts another id: labels are named by id in the whole repository",
            )

    def _off_branch(self, remote: Remote, label: str, target: Candidate) -> LabelRefused:
        holds = self._git.run(["for-each-ref", "--count=1", "--format=%(refname:short)", f"--contains={target.commit}",
                               "refs/heads"]).text  # fmt: skip
        push = (
            f"git push {remote.name} {holds}" if holds else f"git push {remote.name} {target.commit}:refs/heads/BRANCH"
        )
        return LabelRefused(
            f"{target.prompt}@{label} was not moved: {target.commit[:12]} is on no branch of {remote.name}",
            hint=push,
        )

    def _append(self, remote: Remote | None, before: LabelState | None, label: str, draft: Draft) -> MoveResult:
        event, note = append(self._git, remote, before, label, draft)
        return MoveResult(
            event, before.event if before else None, is_moved=True, is_pushed=remote is not None, note=note
        )


def _not_pushed(chain: str, remote: Remote) -> LabelRefused:
    return LabelRefused(f"{chain} has moves that {remote.name} does not have", hint="promptctl label push")


def _event_number(events: Sequence[LabelEvent], prompt: str, label: str, n: int) -> LabelEvent:
    found = next((event for event in reversed(events) if event.n == n and event.is_live), None)
    if found is None:
        raise LabelRefused(
            f"{prompt}@{label} has no event {n} that named a version", hint=f"promptctl label log {prompt}@{label}"
        )
    return found


def _version_before(events: Sequence[LabelEvent]) -> LabelEvent | None:
    """The event whose version a rollback restores, as undoing does: each rollback goes one version further back."""
    live: list[LabelEvent] = []
    for event in events:
        if event.action == "remove":
            continue
        known = [index for index, other in enumerate(live) if _version(other) == _version(event)]
        if event.action == "rollback" and known:
            del live[known[-1] + 1 :]
        elif not live or _version(live[-1]) != _version(event):
            live.append(event)
    if events and events[-1].action == "remove":
        return live[-1] if live else None
    return live[-2] if len(live) > 1 else None


def _version(event: LabelEvent) -> tuple[str, str]:
    return event.digest, event.version


def _workspace_of(event: LabelEvent) -> str | None:
    """The folder of the workspace that an event's prompt was in, with its slash; None where the path does not tell."""
    below = event.path.rfind(f"prompts/{event.prompt}.prompt.")
    return event.path[:below] if below >= 0 else None
