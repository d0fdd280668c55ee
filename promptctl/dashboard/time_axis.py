"""The axis of time that every chart shares: buckets of one width, of UTC, from the first call to the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from promptctl.log.call_cells import LETTERS, Step

_HOUR, _DAY, _WEEK = 3600, 86_400, 7 * 86_400
_WIDTHS = {
    900: "15 minutes",
    _HOUR: "hour",
    2 * _HOUR: "2 hours",
    6 * _HOUR: "6 hours",
    _DAY: "day",
    2 * _DAY: "2 days",
    3 * _DAY: "3 days",
    7 * _DAY: "week",
    14 * _DAY: "2 weeks",
    28 * _DAY: "4 weeks",
    84 * _DAY: "12 weeks",
    364 * _DAY: "52 weeks",
}
_MONDAY = 4 * _DAY  # 5 January 1970 was one, and weeks begin there
_MOST_BUCKETS = 120
_QUARTERS_UP_TO, _HOURS_UP_TO = 2 * _DAY, 14 * _DAY


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Buckets of `width` seconds each, from the one that holds the first moment to the one that holds the last."""

    width: int
    first: int
    count: int

    @classmethod
    def over(cls, first: float, last: float, least: int) -> TimeAxis:
        """Return the axis of that width from the first to the last moment, in seconds."""
        return cls(least, 0, 0)._spanning(first, last)

    def wider(self) -> Iterator[TimeAxis]:
        """Yield the same stretch in fewer and fewer buckets, from as many as a chart can show."""
        for width in _WIDTHS:
            if width >= self.width:
                axis = replace(self, width=width)._spanning(self.first, self.end - 1)
                if axis.count <= _MOST_BUCKETS or width == max(_WIDTHS):
                    yield axis

    def merged(self, until: float) -> dict[str, str]:
        """Return the day in which each day before a moment may be counted: no chart of a long time tells them apart."""
        widest = min(next(self.wider()).width, 4 * _WEEK)
        if widest % _WEEK:  # fewer days are not cut by weeks
            return {}
        chart, first_of = replace(self, width=widest)._spanning(self.first, self.end - 1), dict[int, str]()
        days = [self.first + number * self.width for number in range(self.count)]
        return {
            (day := moment_text(at)[: LETTERS["day"]]): first_of.setdefault(chart.index(at), day)
            for at in days
            if at + self.width <= until
        }

    @property
    def end(self) -> int:
        """The moment at which the last bucket ends, in seconds."""
        return self.first + self.count * self.width

    @property
    def words(self) -> str:
        """Words for one bucket: `day`, `6 hours`."""
        return _WIDTHS[self.width]

    def index(self, moment: float) -> int:
        """Return the number of the bucket that holds a moment."""
        return int(moment - self.first) // self.width

    def starts(self) -> list[str]:
        """Return the beginning of each bucket."""
        return [moment_text(self.first + number * self.width) for number in range(self.count)]

    def _spanning(self, first: float, last: float) -> TimeAxis:
        offset = _MONDAY if self.width % (7 * _DAY) == 0 else 0
        begins = int(first - offset) // self.width * self.width + offset
        return replace(self, first=begins, count=int(last - begins) // self.width + 1)


def step_for(first: float, last: float) -> Step:
    """Return the step in which calls of such a stretch of time, in seconds, are counted."""
    if last - first <= _QUARTERS_UP_TO:
        return "quarter"
    return "hour" if last - first <= _HOURS_UP_TO else "day"


SECONDS = {"quarter": 900, "hour": _HOUR, "day": _DAY}


def seconds_of(moment: str) -> float:
    """Return a moment in ISO 8601, or the name of a step, in seconds since 1970; without a zone it is of UTC."""
    read = datetime.fromisoformat(moment)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def moment_text(seconds: float) -> str:
    """Return a moment in seconds as documents have it: `2026-05-03T09:30:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
