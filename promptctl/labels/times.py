"""The event of a label in force at a given time, found from clocks that may be wrong.

The numbers order the events; each date is what one machine's clock said. A date that contradicts the order is not
believed: the largest set of events whose dates agree with their numbers is, and the others lie somewhere between
their neighbours in that set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.differences.ordering import longest_in_order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from promptctl.labels.tags import LabelEvent


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


def live_at(events: Sequence[LabelEvent], moment: datetime) -> LiveAt:
    """Return the event in force at `moment` (with a time zone), of events in their order."""
    believed = longest_in_order([event.date.timestamp() for event in events])
    last = max((index for index in believed if events[index].date <= moment), default=-1)
    following = next((index for index in believed if index > last), len(events))
    return LiveAt(events[last] if last >= 0 else None, tuple(events[last + 1 : following]))
