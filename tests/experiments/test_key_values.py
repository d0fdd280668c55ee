"""One value for each key, fixed at a moment, in the order of these moments."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime

import pytest

from promptctl.experiments.key_values import by_key, values_of
from promptctl.log.arm_calls import ArmCall
from tests.experiments.experiment_calls import at, call

LATE = at(10**8)


def test_a_key_is_on_the_arm_of_its_first_call() -> None:
    keyed = by_key(
        [
            call("kind", "a", 5),
            call("control", "a", 9),
            call("control", "b", 1),
            call(None, "c", 2),
            call("kind", None, 3),
        ]
    )
    assert keyed.arms == {"a": "kind", "b": "control"}
    assert [len(calls) for calls in keyed.calls.values()] == [1, 1]
    assert (keyed.moved, keyed.fallbacks, keyed.keyless) == (1, 1, 1)


def test_without_a_window_the_first_scored_call_counts_and_in_the_order_of_scores() -> None:
    late = call("kind", "a", 0, 1.0)
    late = replace(late, scored_at={"resolved": at(900)})
    keyed = by_key([late, call("kind", "a", 10, 0.0), call("control", "b", 20, 1.0), call("control", "c", 1)])
    assert values_of(keyed, "feedback", "resolved", window_s=None, now=LATE) == [("kind", 0.0), ("control", 1.0)]
    assert values_of(keyed, "feedback", "resolved", window_s=None, now=at(75)) == [("kind", 0.0)]


@pytest.mark.parametrize(
    ("kind", "of", "value"), [("errors", "rate", 1.0), ("cost", "mean", 7.0), ("latency", "mean", 5.0)]
)
def test_the_first_call_that_has_one(kind: str, of: str, value: float) -> None:
    found = [
        call("kind", "a", 0, status="blocked", cost_nano_usd=None, latency_ms=None),
        call("kind", "a", 1, status="error", cost_nano_usd=3, latency_ms=9.0),
        call("kind", "a", 2, cost_nano_usd=7, latency_ms=5.0),
    ]
    assert values_of(by_key(found), kind, of, window_s=None, now=LATE) == [("kind", value)]  # type: ignore[arg-type]


def test_with_a_window_the_mean_counts_when_it_is_over() -> None:
    found = [
        call("kind", "a", 0, 1.0),
        call("kind", "a", 1800, 0.0),
        call("kind", "a", 3590, 1.0),
        call("kind", "a", 4000, 1.0),
    ]
    keyed = by_key(found)
    assert values_of(keyed, "feedback", "resolved", window_s=3600, now=at(3599)) == []
    # The third call's score came after the end, the fourth call did.
    assert values_of(keyed, "feedback", "resolved", window_s=3600, now=at(3600)) == [("kind", 0.5)]
    assert values_of(keyed, "errors", "rate", window_s=3600, now=at(10**6)) == [("kind", 0.0)]


@pytest.mark.parametrize("window_s", [None, 600.0])
@pytest.mark.parametrize(
    ("kind", "of"), [("feedback", "resolved"), ("errors", "rate"), ("cost", "mean"), ("latency", "p95")]
)
def test_a_later_look_only_adds_values(window_s: float | None, kind: str, of: str) -> None:
    """What a look at any time rests on: what was counted keeps its place and its value, whatever comes."""
    rng = random.Random(f"{window_s} {kind}")
    found = []
    for number in range(200):
        key, seconds, ms = rng.randrange(90), rng.uniform(0, 3000), rng.expovariate(1 / 60_000)
        score = rng.random() if rng.random() < 0.5 else None
        arm = ("kind", "control")[key % 2]
        each = call(arm, f"k{key}", seconds, score, cost_nano_usd=number, latency_ms=ms)
        waited = ms / 1000 + rng.expovariate(1 / 400)
        found.append(replace(each, scored_at={name: at(seconds + waited) for name in each.scores}))
    seen: list[tuple[str, float]] = []
    for look in range(0, 6000, 200):
        now = at(look)
        values = values_of(by_key(_known(found, now)), kind, of, window_s=window_s, now=now)  # type: ignore[arg-type]
        assert values[: len(seen)] == seen
        seen = values
    assert len(seen) > 30


def _known(found: list[ArmCall], now: str) -> list[ArmCall]:
    """Return the calls as the log had them at a time."""
    return [
        replace(
            each,
            scores={name: score for name, score in each.scores.items() if each.scored_at[name] <= now},
            scored_at={name: moment for name, moment in each.scored_at.items() if moment <= now},
        )
        for each in found
        if each.started_at <= now and (each.latency_ms or 0) / 1000 <= (_seconds(now) - _seconds(each.started_at))
    ]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
