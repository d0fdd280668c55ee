"""The moves of labels within a stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.versions.label_chains import read_events
from promptctl.versions.label_tags import PREFIX, LabelEvent, parse_name

if TYPE_CHECKING:
    from promptctl.versions.git import Git


@dataclass(frozen=True, slots=True)
class LabelMove:
    """One move, with what the label named before it: a version as it was called then, None where it named nothing."""

    event: LabelEvent
    from_version: str | None = None


def moves_between(git: Git, base: str, head: str | None) -> list[LabelMove]:
    """Every move recorded after the commit `base` was made, up to when `head` was; with None, up to now.

    As far as this clone has the labels. Ordered by prompt, label and number: clocks may differ.
    """
    refs = [ref for ref in git.refs(PREFIX.rstrip("/")) if parse_name(ref.name) is not None]
    if not refs:
        return []
    since, until = _made_at(git, base), None if head is None else _made_at(git, head)
    events = [event for event in read_events(git, refs) if isinstance(event, LabelEvent)]
    by_id = {event.oid: event for event in events}
    moves = []
    for event in sorted(events, key=lambda each: (each.prompt, each.label, each.n)):
        moment = int(event.date.timestamp())
        if moment > since and (until is None or moment <= until):
            before = by_id.get(event.previous or "")
            moves.append(LabelMove(event, before.version if before is not None and before.is_live else None))
    return moves


def _made_at(git: Git, commit: str) -> int:
    """When a commit was made, in seconds; 0 where it does not say."""
    found = git.objects.read(commit)
    header = found.data.partition(b"\n\n")[0] if found is not None and found.data is not None else b""
    for line in header.split(b"\n"):
        if line.startswith(b"committer "):
            seconds = line.rpartition(b"> ")[2].partition(b" ")[0]
            return int(seconds) if seconds.isdigit() else 0
    return 0
