"""The moves of labels within a stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.git.repository import GitRef
from promptctl.labels.chains import read_events
from promptctl.labels.tags import PREFIX, EventName, LabelEvent, parse_name

if TYPE_CHECKING:
    from promptctl.git.repository import Git


@dataclass(frozen=True, slots=True)
class LabelMove:
    """One move, with what the label named before it: a version as it was called then, None where it named nothing."""

    event: LabelEvent
    from_version: str | None = None


def moves_between(git: Git, base: str, head: str | None) -> list[LabelMove]:
    """Every move recorded after the commit `base` was made, up to when `head` was; with None, up to now.

    As far as this clone has the labels. Ordered by prompt, label and number: clocks may differ.
    """
    since, until = _made_at(git, base), None if head is None else _made_at(git, head)
    listed = git.run(["for-each-ref", "--format=%(taggerdate:unix) %(objectname) %(refname)", PREFIX.rstrip("/")])
    refs: dict[EventName, GitRef] = {}
    wanted: list[EventName] = []
    for line in listed.lines():
        moment, id_, ref = line.split(" ", 2)
        name = parse_name(ref)
        if name is None:
            continue
        refs[name] = GitRef(ref, id_)
        if moment.isdecimal() and int(moment) > since and (until is None or int(moment) <= until):
            wanted.append(name)
    before = {name: EventName(name.prompt, name.label, name.n - 1) for name in wanted}
    needed = [name for name in dict.fromkeys([*wanted, *before.values()]) if name in refs]
    found = dict(zip(needed, read_events(git, [refs[name] for name in needed]), strict=True))
    moves = []
    for name in sorted(wanted, key=lambda each: (each.prompt, each.label, each.n)):
        event, earlier = found[name], found.get(before[name])
        if isinstance(event, LabelEvent):
            is_live = isinstance(earlier, LabelEvent) and earlier.is_live
            moves.append(LabelMove(event, earlier.version if is_live and isinstance(earlier, LabelEvent) else None))
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
