"""Experiments and their calls, as a report reads them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from promptctl.experiments.report import ExperimentReport, report
from promptctl.formats.experiment_rules import Arm, Experiment, Guard, Primary
from promptctl.log.arm_calls import ArmCall

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
RESOLVED = Primary("feedback", "resolved", "higher", 0.1)
GUARDS = (Guard("cost", "mean", 0.2), Guard("errors", "rate", 0.02), Guard("latency", "p95", 0.5))


def experiment(shares: Mapping[str, float] | None = None, **changes: Any) -> Experiment:
    """Return an experiment of two arms, `control` and `kind`, or of the arms given."""
    shares = shares or {"control": 50, "kind": 50}
    arms = tuple(Arm(name, f"@{name}", share, 0, 0) for name, share in shares.items())
    plain = Experiment(name="tone", prompt="support/triage", arms=arms, primary=RESOLVED)
    return replace(plain, **changes)


def at(seconds: float) -> str:
    """Return a time as the log writes it, so many seconds after the experiment began."""
    return (BEGUN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def call(arm: str | None, key: str | None, seconds: float, score: float | None = None, **changes: Any) -> ArmCall:
    """Return a call that cost and took something, and was scored a minute later if it was."""
    given: dict[str, Any] = {
        "digest": f"1:{arm}",
        "version": 3,
        "status": "ok",
        "cost_nano_usd": 1000,
        "latency_ms": 300.0,
        "scores": {} if score is None else {"resolved": score},
        "scored_at": {} if score is None else {"resolved": at(seconds + 60)},
    }
    return ArmCall(arm=arm, arm_key=key, started_at=at(seconds), **(given | changes))


def calls(
    rates: Mapping[str, float], keys: int, seed: str = "", *, each: int = 1, answered: Mapping[str, float] | None = None
) -> Iterator[ArmCall]:
    """Yield calls of keys drawn to arms alike, which are scored 1 with each arm's rate, or not answered."""
    rng = random.Random(f"calls:{seed}")
    for number in range(keys):
        arm = rng.choice(list(rates))
        answers = (answered or {}).get(arm, 1.0)
        for again in range(each):
            score = float(rng.random() < rates[arm]) if rng.random() < answers else None
            yield call(
                arm,
                f"k{number}",
                10 * number + again,
                score,
                cost_nano_usd=round(rng.lognormvariate(7, 0.5)),
                latency_ms=rng.lognormvariate(6, 0.4),
            )


def judged(found: Iterator[ArmCall] | list[ArmCall], **changes: Any) -> ExperimentReport:
    """Return the report of calls in an experiment of two arms, long after them."""
    return report(experiment(**changes), found, at(10**8))
