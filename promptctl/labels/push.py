"""Moves of labels that no remote has yet, published; those that came too late are undone here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.errors import Problem
from promptctl.files.plain import record_data
from promptctl.git.repository import Git, GitRef
from promptctl.labels.chains import LabelTags, history, read_events
from promptctl.labels.remote import Remote, words_of
from promptctl.labels.tags import PREFIX, LabelEvent, LabelName
from promptctl.labels.trust import UNPUSHED, LabelTrust, known, marker
from promptctl.labels.writing import update_refs


@dataclass(frozen=True, slots=True)
class Undone:
    """A move made here that came too late and was taken back, and the one that came first."""

    event: LabelEvent
    won: LabelEvent | None


@dataclass(slots=True)
class Pushed:
    """The outcome for the moves that the remote did not have."""

    remote: str
    events: list[LabelEvent] = field(default_factory=list)
    undone: list[Undone] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome JSON-able, with stable keys."""
        return {"pushed" if name == "events" else name: value for name, value in record_data(self).items()}


def push_labels(git: Git, name: str) -> Pushed:
    """Publish at the remote `name` every move that no remote has accepted yet.

    A chain that someone else has continued meanwhile is undone here, and what won is fetched. A chain that the remote
    refuses stays as it is. Raises `RemoteUnreachable`; what was published until then stays published.
    """
    remote = Remote(git, name)
    remote.fetch()
    push = _Push(git, remote)
    for chain in _in_order(_pending(git, LabelTrust(name))):
        push.chain(chain)
    if push.done.undone:
        remote.fetch()
    return push.done


class _Push:
    def __init__(self, git: Git, remote: Remote) -> None:
        self._git = git
        self._remote = remote
        self._trust = LabelTrust(remote.name)
        self._there = remote.tags()
        self.done = Pushed(remote.name)

    def chain(self, events: Sequence[LabelEvent]) -> None:
        """Publish the new events of one label, or undo those that came too late."""
        problem = None
        if not self._is_beaten(events):
            problem = self._publish([event for event in events if not self._is_there(event)], events[0])
            if problem is not None:
                self._there = self._remote.tags()
        for event in events:
            if self._is_there(event):
                self.done.events.append(event)
                kept = f"update {known(event.name.ref, self._remote.name)} {event.oid}"
                update_refs(self._git, [kept, f"delete {marker(event.name.ref)} {event.oid}"])
        rest = [event for event in events if not self._is_there(event)]
        if rest and self._is_beaten(events):
            self._undo(rest)
        elif problem is not None and rest:
            self.done.refused.append(problem)

    def _is_there(self, event: LabelEvent) -> bool:
        return self._there.get(event.name.ref) == event.oid

    def _is_beaten(self, events: Sequence[LabelEvent]) -> bool:
        """Return True if the remote has a different event instead of one of these, or of one they were built on."""
        undone = {other.event.oid for other in self.done.undone}
        return events[0].previous in undone or any(
            event.name.ref in self._there and not self._is_there(event) for event in events
        )

    def _publish(self, events: Sequence[LabelEvent], first: LabelEvent) -> Problem | None:
        if not events:
            return None
        label = LabelName(first.prompt, first.label)
        published = {event.commit for event in history(self._git, self._trust, label).events if self._is_there(event)}
        off = self._remote.off_branches(event.commit for event in events if event.commit not in published)
        if off:
            return Problem(
                f"{label} was not pushed: {off[0][:12]} is on no branch of {self._remote.name}",
                hint=f"git push {self._remote.name} {off[0]}:refs/heads/BRANCH",
                code="label-off-branch",
            )
        before = self._base(events[0])
        output = self._remote.push([GitRef(event.name.ref, event.oid) for event in events], before)
        if output.status == 0:
            self._there = {**self._there, **{event.name.ref: event.oid for event in events}}
            return None
        lost = [ref.name for ref in before if self._there.get(ref.name) != ref.object]
        words = f"it does not have {lost[0]} as it is here" if lost else words_of(output)
        return Problem(
            f"{label} was not pushed: {self._remote.name} refused: {words}",
            hint="promptctl label verify" if lost else None,
            code="label-not-pushed",
        )

    def _base(self, event: LabelEvent) -> list[GitRef]:
        """Return the tag that an event was built on, which the remote must have: of an earlier id after a rename."""
        chains = LabelTags.read(self._git, self._trust).chains.values()
        return [ref for chain in chains for ref in chain.values() if ref.object == event.previous][:1]

    def _undo(self, events: Sequence[LabelEvent]) -> None:
        commands = [f"delete {ref} {event.oid}" for event in events for ref in (event.name.ref, marker(event.name.ref))]
        output = update_refs(self._git, commands)
        if output.status != 0:
            words = f"{events[0].name} came too late and could not be taken back: {output.stderr.strip()}"
            self.done.refused.append(Problem(words, hint="promptctl label push", code="label-not-undone"))
            return
        for event in events:
            oid = self._there.get(event.name.ref)
            self.done.undone.append(Undone(event, self._remote.event(event.name.ref, oid) if oid else None))


def _pending(git: Git, trust: LabelTrust) -> list[list[LabelEvent]]:
    """Return the events that no remote has accepted yet, by label, in order. Removes markers without a tag."""
    tags = LabelTags.read(git, trust)
    here = {ref.name: ref.object for chain in tags.chains.values() for ref in chain.values()}
    marked = [GitRef(PREFIX + mark.removeprefix(UNPUSHED), oid) for mark, oid in tags.unpushed.items()]
    chains: dict[str, list[LabelEvent]] = {}
    for found, tag in zip(read_events(git, marked), marked, strict=True):
        if isinstance(found, LabelEvent) and here.get(tag.name) == tag.object:
            chains.setdefault(found.name.chain, []).append(found)
        else:
            update_refs(git, [f"delete {marker(tag.name)} {tag.object}"])
    return [sorted(chain, key=lambda event: event.n) for chain in chains.values()]


def _in_order(chains: list[list[LabelEvent]]) -> list[list[LabelEvent]]:
    """Return the chains, each after the one that it continues, as after a rename."""
    ordered: list[list[LabelEvent]] = []
    left = list(chains)
    while left:
        waiting = {event.oid for chain in left for event in chain}
        ready = [chain for chain in left if chain[0].previous not in waiting] or left
        ordered += ready
        left = [chain for chain in left if chain not in ready]
    return ordered
