"""Which event of a label was in force at a given time, told from clocks that may be wrong.

The numbers order the events; each date is what one machine's clock said. A date that contradicts the order is not
believed: the largest set of events whose dates agree with their numbers is, and the others lie somewhere between
their neighbours in that set.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from promptctl.versions.label_tags import LabelEvent


@dataclass(frozen=True, slots=True)
class LiveAt:
    """What a label named at a time: the last event by then, None before the first.

    `doubtful` are events that may have come before that time too, as their clocks contradict their order.
    """

    event: LabelEvent | None
    doubtful: tuple[LabelEvent, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether the label named a version then."""
        return self.event is not None and self.event.is_live


def live_at(events: Sequence[LabelEvent], moment: datetime) -> LiveAt:
    """The event in force at `moment` (with a time zone), of events in their order."""
    believed = _believed([event.date.timestamp() for event in events])
    last = max((index for index in believed if events[index].date <= moment), default=-1)
    following = next((index for index in believed if index > last), len(events))
    return LiveAt(events[last] if last >= 0 else None, tuple(events[last + 1 : following]))


def _believed(dates: Sequence[float]) -> list[int]:
    """The indexes of a longest run of dates, gaps allowed, that never goes back."""
    ends: list[int] = []
    last: list[float] = []
    before: list[int] = []
    for index, date in enumerate(dates):
        at = bisect_right(last, date)
        before.append(ends[at - 1] if at else -1)
        ends[at : at + 1] = [index]
        last[at : at + 1] = [date]
    chosen: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chosen.append(index)
        index = before[index]
    return chosen[::-1]
