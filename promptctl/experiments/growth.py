"""The difference of each arm to control as it was known at several moments, while the calls came in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from promptctl.experiments.report import ExperimentReport, calls_of, report
from promptctl.log.store import Store

_POINTS = 12
_MOST_CALLS = 200_000  # of all points together: a report of so many takes about a second


def growth(log: Store, found: ExperimentReport) -> list[dict[str, Any]]:
    """Return points of each arm but control, oldest first, JSON-able: moment, values, difference with its interval.

    Each is what the report said then; the last is what it says now.
    """
    experiment = found.experiment
    if log.is_new or not found.calls or found.first_at is None or found.last_at is None:
        return []
    calls = calls_of(log, experiment, None if found.promotion is None else found.last_at + "~")
    unguarded = replace(experiment, guards=())  # no point shows what guards said, which takes most of the time
    points = min(_POINTS, 2 * _MOST_CALLS // max(1, len(calls)))
    grown = []
    for number in range(1, points):
        some = calls[: len(calls) * number // points]
        if some:
            grown.append((some[-1].started_at, report(unguarded, some, some[-1].started_at)))
    grown.append((found.last_at, found))
    return [
        {
            "at": at,
            "arm": arm.arm,
            "values": arm.values,
            "value": arm.difference.value,
            "low": arm.difference.low,
            "high": arm.difference.high,
        }
        for at, then in grown
        for arm in then.arms[1:]
        if arm.difference is not None
    ]
