"""The moves of labels within a stretch of time, and the one in force at a given time, by clocks that may be wrong.

The numbers order the events; each date is what one machine's clock said. A date that contradicts the order is not
believed: the largest set of events whose dates agree with their numbers is, and the others lie somewhere between
their neighbours in that set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from promptctl.differences.ordering import longest_in_order
from promptctl.files.plain import record_data
from promptctl.git.commits import read_commits
from promptctl.git.repository import Git, GitRef
from promptctl.labels.chains import LabelTags, other_workspace, read_events
from promptctl.labels.tags import LabelEvent
from promptctl.labels.trust import LabelTrust


@dataclass(frozen=True, slots=True)
class LiveAt:
    """The version that a label named at a time: the last event by then, None before the first.

    `doubtful` are events that may have come before that time too, as their clocks contradict their order.
    """

    event: LabelEvent | None
    doubtful: tuple[LabelEvent, ...] = ()

    @property
    def is_live(self) -> bool:
        """True if the label named a version then."""
        return self.event is not None and self.event.is_live

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"live": self.is_live, **record_data(self)}


def live_at(events: Sequence[LabelEvent], moment: datetime) -> LiveAt:
    """Return the event in force at `moment` (with a time zone), of events in their order."""
    believed = longest_in_order([event.date.timestamp() for event in events])
    last = max((index for index in believed if events[index].date <= moment), default=-1)
    following = next((index for index in believed if index > last), len(events))
    return LiveAt(events[last] if last >= 0 else None, tuple(events[last + 1 : following]))


@dataclass(frozen=True, slots=True)
class LabelMove:
    """One move, with what the label named before it: a version as it was called then, None if it named nothing."""

    event: LabelEvent
    from_version: str | None = None


def moves_between(git: Git, trust: LabelTrust, base: str, head: str | None) -> list[LabelMove]:
    """Return every move recorded after the commit `base` was made, up to when `head` was; with None, up to now.

    As far as this clone has the labels, without those of other workspaces. Ordered by prompt, label and number: clocks
    may differ.
    """
    since, until = _made_at(git, base), None if head is None else _made_at(git, head)
    places = trust.places()
    listed = git.run(["for-each-ref", "--format=%(taggerdate:unix) %(objectname) %(refname)", *places])
    fields = [line.split(" ", 2) for line in listed.lines()]
    made = {id_: int(moment) for moment, id_, _ in fields if moment.isdecimal()}
    wanted = {id_ for id_, moment in made.items() if moment > since and (until is None or moment <= until)}
    chains = LabelTags((GitRef(ref, id_) for _, id_, ref in fields), trust).chains.values()
    tags = [tag for chain in chains for tag in chain.values()]
    read = read_events(git, [tag for tag in tags if tag.object in wanted], trust)
    events = [each for each in read if isinstance(each, LabelEvent) and other_workspace(git, each) is None]
    # After a rename that is the last event under the earlier id.
    previous = {each.previous for each in events}
    before = read_events(git, [tag for tag in tags if tag.object in previous], trust)
    versions = {each.oid: each.version for each in before if isinstance(each, LabelEvent) and each.is_live}
    moves = [LabelMove(each, versions.get(each.previous or "")) for each in events]
    return sorted(moves, key=lambda move: (move.event.prompt, move.event.label, move.event.n))


def _made_at(git: Git, commit: str) -> int:
    """Return the time when a commit was made, in seconds since 1970; 0 if it does not say."""
    found = read_commits(git.objects, [commit])
    return found[commit].committed_at if commit in found else 0
