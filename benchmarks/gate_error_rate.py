"""How often each gate fails a pull request that changed nothing, and how often one that broke something.

Simulated: of n cases a tenth are coin flips, which pass half of the time whatever the prompt; the rest pass on base.
Head is the same prompt (`no change`), or a share of the steady cases now fails. Every flipped case is run again three
times on each side, as `--against` does. Prints one table; exits 1 where a target is missed:

    the default gate fails at most 5 % of unchanged prompts (n = 100, 200, 500) and at least 95 % of those that lost
    10 points of 200 cases; a loss of the margin is ruled out for at most 7 % of prompts that lost just that, 0.05 of
    a score, however skewed the losses are

In these last rows every case passes on both sides, and its score falls by 0.05 on average, with noise: by a little in
each case (exponentially), by a quarter in one case of five, by all in one case of twenty.

    python benchmarks/gate_error_rate.py [--trials 2000]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.confirmation import Confirmed, Rerun, confirm
from promptctl.comparisons.gates import decide
from promptctl.comparisons.verdicts import GateRule, Verdict, judge
from promptctl.evaluations.case_outcomes import CaseOutcome, CaseStatus, reduce_repeats
from promptctl.statistics.metric import Procedure

COIN_FLIPS = 0.1
Check = Callable[[Comparison, Verdict], bool]
GATES = {gate: GateRule(gate=gate) for gate in ("worse", "noninferior", "strict")}


@dataclass(frozen=True)
class Scenario:
    """`n` cases, of which `broken` (a share) really fail on head; `is_scored` adds a metric that only has noise.

    With `loss`, all cases pass, and the metric falls by what it draws.
    """

    name: str
    n: int
    broken: float = 0.0
    repeats: int = 1
    is_scored: bool = False
    loss: Callable[[random.Random], float] | None = None
    target: Callable[[float], bool] | None = None
    check: str = "gate worse"


SKEWED: dict[str, Callable[[random.Random], float]] = {
    "a little each": lambda rng: rng.expovariate(20),
    "1 of 5": lambda rng: rng.expovariate(4) if rng.random() < 0.2 else 0.0,
    "1 of 20": lambda rng: 1.0 if rng.random() < 0.05 else 0.0,
}
SCENARIOS = (
    Scenario("n=10   no change", 10),
    Scenario("n=20   no change", 20),
    Scenario("n=20   1 case broken", 20, broken=0.05),
    Scenario("n=20   3 cases broken", 20, broken=0.15),
    Scenario("n=50   no change", 50),
    Scenario("n=50   -10 points", 50, broken=0.1),
    Scenario("n=100  no change", 100, target=lambda share: share <= 0.05),
    Scenario("n=100  -10 points", 100, broken=0.1),
    Scenario("n=200  no change", 200, target=lambda share: share <= 0.05),
    Scenario("n=200  -10 points", 200, broken=0.1, target=lambda share: share >= 0.95),
    Scenario("n=500  no change", 500, target=lambda share: share <= 0.05),
    Scenario("n=500  -5 points", 500, broken=0.05),
    Scenario("n=100  no change, 3 repeats", 100, repeats=3),
    Scenario("n=100  -10 points, 3 repeats", 100, broken=0.1, repeats=3),
    Scenario("n=100  no change, 2 metrics", 100, is_scored=True),
    Scenario("n=200  -10 points, 2 metrics", 200, broken=0.1, is_scored=True),
    *(
        Scenario(f"n={n:<4} -0.05, {name}", n, loss=loss, target=lambda share: share <= 0.07, check="loss ruled out")
        for n in (60, 150, 400)
        for name, loss in SKEWED.items()
    ),
)
CHECKS: dict[str, Check] = {
    "any new failure": lambda comparison, _verdict: bool(comparison.regressed),
    "rate dropped": lambda comparison, _verdict: _lost(comparison) > 0,
    "dropped > 2 pp": lambda comparison, _verdict: _lost(comparison) > 0.02 * comparison.n,
    "gate worse": lambda _comparison, verdict: not decide(verdict, GATES["worse"]).is_passed,
    "of it by reruns": lambda _comparison, verdict: verdict.kind == "worse" and "run again" in verdict.reason,
    "gate noninferior": lambda _comparison, verdict: not decide(verdict, GATES["noninferior"]).is_passed,
    "gate strict": lambda _comparison, verdict: not decide(verdict, GATES["strict"]).is_passed,
    "loss ruled out": lambda _comparison, verdict: all(metric.is_noninferior for metric in verdict.metrics),
    "said better": lambda _comparison, verdict: verdict.kind == "better",
}


def main() -> int:
    """Run every scenario and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    started = time.perf_counter()
    print(f"share of {trials} trials in which the rule failed the change\n")
    print(f"{'':30}" + "".join(f"{name:>17}" for name in CHECKS))
    missed = []
    for scenario in SCENARIOS:
        shares = run(scenario, trials)
        print(f"{scenario.name:30}" + "".join(f"{shares[name]:17.3f}" for name in CHECKS), flush=True)
        if scenario.target and not scenario.target(shares[scenario.check]):
            missed.append(scenario.name)
    print(f"\n{time.perf_counter() - started:.0f} s; " + (f"MISSED: {', '.join(missed)}" if missed else "targets held"))
    return 1 if missed else 0


def run(scenario: Scenario, trials: int) -> dict[str, float]:
    """The share of trials in which each check would have failed the change."""
    rng = random.Random(f"gate-error-rate:{scenario.name}")
    failed = dict.fromkeys(CHECKS, 0)
    for trial in range(trials):
        comparison, confirmed = simulate(scenario, rng, f"{trial}")
        verdict = judge(comparison, confirmed=confirmed)
        for name, check in CHECKS.items():
            failed[name] += check(comparison, verdict)
    return {name: count / trials for name, count in failed.items()}


def simulate(scenario: Scenario, rng: random.Random, seed: str) -> tuple[Comparison, Confirmed]:
    """One pull request: both sides run, compared, and what flipped run again."""
    if scenario.loss is not None:
        return _scored(scenario.n, scenario.loss, rng, seed), Confirmed()
    flips, broken = round(COIN_FLIPS * scenario.n), round(scenario.broken * scenario.n)
    base_chance = [0.5] * flips + [1.0] * (scenario.n - flips)
    head_chance = [0.5] * flips + [0.0] * broken + [1.0] * (scenario.n - flips - broken)
    # A thousand resamples are enough for a rate over thousands of trials; fewer than 20 flips are exact anyway.
    comparison = compare_outcomes(
        [_outcome(case, chance, scenario, rng) for case, chance in enumerate(base_chance)],
        [_outcome(case, chance, scenario, rng) for case, chance in enumerate(head_chance)],
        procedure=Procedure(resamples=1_000, seed=seed),
    )
    reruns = [
        Rerun(
            pair.case_id, _statuses(base_chance[int(pair.case_id)], rng), _statuses(head_chance[int(pair.case_id)], rng)
        )
        for pair in (*comparison.improved, *comparison.regressed)
    ]
    return comparison, confirm(comparison, reruns)


def _scored(n: int, loss: Callable[[random.Random], float], rng: random.Random, seed: str) -> Comparison:
    def side(lost: Callable[[], float]) -> list[CaseOutcome]:
        return [
            CaseOutcome(case_id=str(case), content_hash="", status="passed", scores={"tone": 1 - lost()})
            for case in range(n)
        ]

    return compare_outcomes(
        side(lambda: 0.0), side(lambda: loss(rng) + rng.gauss(0, 0.02)), procedure=Procedure(resamples=1_000, seed=seed)
    )


def _outcome(case: int, chance: float, scenario: Scenario, rng: random.Random) -> CaseOutcome:
    return reduce_repeats(
        [
            CaseOutcome(
                case_id=str(case),
                content_hash="",
                status=_status(chance, rng),
                scores={"tone": rng.gauss(0.7, 0.1)} if scenario.is_scored else {},
            )
            for _ in range(scenario.repeats)
        ]
    )


def _statuses(chance: float, rng: random.Random) -> tuple[CaseStatus, ...]:
    return tuple(_status(chance, rng) for _ in range(3))


def _status(chance: float, rng: random.Random) -> CaseStatus:
    return "passed" if rng.random() < chance else "failed"


def _lost(comparison: Comparison) -> int:
    return len(comparison.regressed) - len(comparison.improved)


if __name__ == "__main__":
    sys.exit(main())
