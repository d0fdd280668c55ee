"""The value of each key of an experiment, and the moment at which it is fixed.

A report that is looked at every day stays true only if a value, once counted, stays what it is, and comes once. So a
user with forty calls is one value. Without a window it is that of the first call that has one; with a window it is the
mean of the calls within it, and counts from its end on. Values are in the order of the moments at which they are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from promptctl.formats.experiment_rules import OutcomeKind
from promptctl.log.arm_calls import ArmCall
from promptctl.log.records import WITH_REPLY
from promptctl.log.stamps import utc_text


@dataclass(frozen=True, slots=True)
class KeyedCalls:
    """Calls by key: of each key its arm and its calls there, oldest first.

    `moved` counts keys that were seen in a second arm, whose calls do not count; `fallbacks` calls with a key that got
    the control arm instead of theirs, `keyless` those without a key.
    """

    arms: Mapping[str, str]
    calls: Mapping[str, Sequence[ArmCall]]
    moved: int
    fallbacks: int
    keyless: int

    def count(self, arm: str) -> int:
        """Return the number of keys on an arm."""
        return sum(each == arm for each in self.arms.values())

    def of(self, arm: str) -> Iterator[ArmCall]:
        """Yield the calls of an arm."""
        return (call for key, calls in self.calls.items() if self.arms[key] == arm for call in calls)


def by_key(calls: Iterable[ArmCall]) -> KeyedCalls:
    """Return calls by key: a key belongs to the arm of its first call."""
    arms: dict[str, str] = {}
    of_key: dict[str, list[ArmCall]] = {}
    moved: set[str] = set()
    fallbacks = keyless = 0
    for call in sorted(calls, key=lambda each: each.started_at):
        if call.arm_key is None:
            keyless += 1
        elif call.arm is None:
            fallbacks += 1
        elif arms.setdefault(call.arm_key, call.arm) == call.arm:
            of_key.setdefault(call.arm_key, []).append(call)
        else:
            moved.add(call.arm_key)
    return KeyedCalls(arms, of_key, len(moved), fallbacks, keyless)


def values_of(
    keyed: KeyedCalls, kind: OutcomeKind, of: str, *, window_s: float | None, now: str
) -> list[tuple[str, float]]:
    """Return arm and value of each key whose value is fixed by `now`, in the order in which they were.

    A p95 is always of first calls: it is not of means.
    """
    fixed: list[tuple[str, str, float]] = []
    for key, calls in keyed.calls.items():
        if window_s is None or of == "p95":
            found = min(_valued(calls, kind, of), default=None)
        else:
            found = _mean_within(calls, kind, of, window_s, now)
        if found is not None and found[0] <= now:
            fixed.append((found[0], keyed.arms[key], found[1]))
    fixed.sort(key=lambda each: each[0])
    return [(arm, value) for _moment, arm, value in fixed]


def _mean_within(
    calls: Sequence[ArmCall], kind: OutcomeKind, of: str, window_s: float, now: str
) -> tuple[str, float] | None:
    """Return the end of a key's window and the mean of what is known by then; None before, and if nothing is."""
    end = _after(calls[0].started_at, window_s)
    if end > now:
        return None
    within = [call for call in calls if call.started_at < end]
    values = [value for moment, value in _valued(within, kind, of) if moment <= end]
    return (end, math.fsum(values) / len(values)) if values else None


def _valued(calls: Iterable[ArmCall], kind: OutcomeKind, of: str) -> Iterator[tuple[str, float]]:
    """Yield for each call with such a value the moment from which on it was known, and the value."""
    for call in calls:
        if kind == "feedback":
            if of in call.scores:
                yield call.scored_at[of], call.scores[of]
            continue
        value: float | None = None
        if kind == "errors":
            value = {"ok": 0.0, "invalid_output": 1.0, "error": 1.0}.get(call.status)
        elif call.status in WITH_REPLY:
            value = call.cost_nano_usd if kind == "cost" else call.latency_ms
        if value is not None:
            # The log has a call when it is over: a longer one may come after one that began later.
            yield _after(call.started_at, (call.latency_ms or 0.0) / 1000), float(value)


def _after(moment: str, seconds: float) -> str:
    return utc_text(datetime.fromisoformat(moment) + timedelta(seconds=seconds))
