"""How often the gate fails a pull request that changed nothing, and how often one that broke something.

Simulated through the product's own functions, as `eval --against` goes: both sides are evaluated and compared, flipped
cases are asked again on both sides as `flips.to_ask` says, and the gate decides. Each case passes with a chance of its
own: flaky cases with one drawn uniformly (or all with one half: coins), all others always, unless they are broken.
Prints one table; exits 1 where a target is missed:

    unchanged prompts are called worse in at most 2.5 % of comparisons (5 % where flaky cases are coins), and fail at
    most 5 % of commands that compare 20 of them; one broken case is found in 98 % of comparisons, 4 lost and 1 gained
    and 6 lost and 1 gained of 20 in 99 %; 50 lost and 200 gained of 400 are better, with the fifty named; a loss of
    the margin is ruled out for at most 7 % of prompts that lost just that, 0.05 of a score, however skewed; a case that
    must pass, and is as flaky as before, fails at most 1 % of comparisons, and one that broke 99 %; commands over 8 and
    20 unchanged prompts, tested together besides, fail at most 5 %, and over 8 that are a little worse each 45 %

    python benchmarks/gate_error_rate.py [--trials 1000]
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.flips import MOST_TIMES, Findings, to_ask, weigh
from promptctl.comparisons.gates import decide
from promptctl.comparisons.must_pass import check_must_pass
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.together import ComparisonGroup, JointTest
from promptctl.comparisons.verdicts import Verdict, flips_of, judge, steps_of
from promptctl.evaluations.outcomes import CaseOutcome, CasePair, CaseResults
from promptctl.statistics.metric import Procedure

Target = Callable[["Row"], bool]
GATES = {gate: GateRule(gate=gate) for gate in ("worse", "noninferior", "strict")}


@dataclass(frozen=True)
class Scenario:
    """`n` cases, a share `flaky` of them; `lost` fail on head and `gained` on base, always; `tries` comparisons.

    With `fall`, every case passes with that chance on base and on head; with `hard`, one more, which must pass. With
    `loss`, all cases pass, and a metric falls by what it draws. `tries` comparisons are made in one command, or, with
    `until_passed`, one after another until one passes. With `weaker` there are so many cases in each comparison of the
    command that always pass on base, and half of the time on head; if it `is_joint`, all are tested together besides.
    """

    name: str
    n: int
    flaky: float = 0.0
    is_coin: bool = False
    lost: int = 0
    gained: int = 0
    fall: tuple[float, float] | None = None
    hard: tuple[float, float] | None = None
    loss: Callable[[random.Random], float] | None = None
    tries: int = 1
    until_passed: bool = False
    weaker: int | None = None
    is_joint: bool = False
    reruns: int = GateRule().reruns
    target: Target | None = None


@dataclass(frozen=True)
class Row:
    """Shares of the trials, and the mean number of requests that asking again took."""

    worse: float
    better: float
    failed: dict[str, float]
    named: float
    loss_ruled_out: float
    requests: float


def _at_most(share: float) -> Target:
    return lambda row: row.worse <= share


def _finds(share: float) -> Target:
    return lambda row: row.worse >= share


def _unchanged() -> Iterator[Scenario]:
    for is_coin in (False, True):
        for n in (20, 50, 200, 1000):
            for flaky in (0.1, 0.3):
                name = f"n={n:<5}nothing changed, {flaky:.0%} {'coins' if is_coin else 'flaky'}"
                yield Scenario(name, n, flaky, is_coin, target=_at_most(0.05 if is_coin else 0.025))


def _broken() -> Iterator[Scenario]:
    for n in (20, 50, 200, 1000):
        for flaky in (0.1, 0.3):
            yield Scenario(f"n={n:<5}1 broken, {flaky:.0%} flaky", n, flaky, lost=1, target=_finds(0.98))
    for lost in (3, 4, 6):
        for flaky in (0.1, 0.3):
            name = f"n=20   {lost} broken, 1 gained, {flaky:.0%} flaky"
            yield Scenario(name, 20, flaky, lost=lost, gained=1, target=_finds(0.99))
    for n in (200, 1000):
        yield Scenario(f"n={n:<5}10 broken, 30% flaky", n, 0.3, lost=10, target=_finds(0.99))
    is_better: Target = lambda row: row.better == row.named == 1  # noqa: E731 - a name for one use
    yield Scenario("n=400  50 broken, 200 gained", 400, lost=50, gained=200, target=is_better)
    for n in (50, 200):
        for fall in ((0.95, 0.85), (0.7, 0.6)):
            yield Scenario(f"n={n:<5}each case from {fall[0]:.0%} to {fall[1]:.0%}", n, fall=fall)


def _commands() -> Iterator[Scenario]:
    fails_seldom: Target = lambda row: row.failed["worse"] <= 0.05  # noqa: E731
    for n in (50, 200):
        name = f"n={n:<5}20 unchanged in one command, 30% flaky"
        yield Scenario(name, n, 0.3, tries=20, weaker=0, is_joint=True, target=fails_seldom)
    yield Scenario("n=50   3 broken in one of 20, 30% flaky", 50, 0.3, lost=3, tries=20)
    fails_mostly: Target = lambda row: row.failed["worse"] >= 0.45  # noqa: E731
    for tries, weaker, target in ((8, 0, fails_seldom), (20, 0, fails_seldom), (8, 2, fails_mostly)):
        for flaky in (0.1, 0.3):
            alone = Scenario("", 20, flaky, tries=tries, weaker=weaker)
            name = f"n=20   {tries} {'weaker' if weaker else 'unchanged'}, {flaky:.0%} flaky"
            yield replace(alone, name=f"{name}, each by itself")
            yield replace(alone, name=f"{name}, and together", is_joint=True, target=target)
    for reruns in (0, 3, 8):
        yield Scenario(f"n=200  nothing changed, 30% flaky, --reruns {reruns}", 200, 0.3, reruns=reruns)
        yield Scenario(f"n=200  1 broken, 30% flaky, --reruns {reruns}", 200, 0.3, lost=1, reruns=reruns)
    for tries in (3, 10):
        yield Scenario(
            f"n=200  1 broken, run until it passes, {tries}×", 200, 0.3, lost=1, tries=tries, until_passed=True
        )
    for n in (60, 150, 400):
        for name, loss in _SKEWED.items():
            ruled_out: Target = lambda row: row.loss_ruled_out <= 0.07  # noqa: E731
            yield Scenario(f"n={n:<5}-0.05, {name}", n, loss=loss, target=ruled_out)


def _hard() -> Iterator[Scenario]:
    seldom: Target = lambda row: row.failed["worse"] <= 0.01  # noqa: E731
    always: Target = lambda row: row.failed["worse"] >= 0.99  # noqa: E731
    for n in (11, 199):
        for before, after in ((0.95, 0.95), (0.8, 0.8), (0.5, 0.5), (1.0, 0.5), (1.0, 0.2), (1.0, 0.0)):
            target = seldom if before == after else None if after else always
            name = f"n={n + 1:<5}must pass, from {before:.0%} to {after:.0%}"
            yield Scenario(name, n, hard=(before, after), target=target)


_SKEWED: dict[str, Callable[[random.Random], float]] = {
    "a little each": lambda rng: rng.expovariate(20),
    "1 of 5": lambda rng: rng.expovariate(4) if rng.random() < 0.2 else 0.0,
    "1 of 20": lambda rng: 1.0 if rng.random() < 0.05 else 0.0,
}


def main() -> int:
    """Run every scenario and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    started = time.perf_counter()
    columns = ("worse", "better", *(f"fails {gate}" for gate in GATES), "named", "requests")
    print(f"{f'shares of {trials} trials':52}" + "".join(f"{name:>18}" for name in columns))
    missed = []
    for scenario in (*_unchanged(), *_broken(), *_commands(), *_hard()):
        row = run(scenario, trials)
        shares = [row.worse, row.better, *row.failed.values(), row.named]
        line = "".join(f"{share:18.3f}" for share in shares) + f"{row.requests:18.0f}"
        if scenario.loss is not None:
            line = f"{'loss ruled out':>36}{row.loss_ruled_out:18.3f}"
        print(f"{scenario.name:52}{line}", flush=True)
        if scenario.target and not scenario.target(row):
            missed.append(scenario.name)
    print(f"\n{time.perf_counter() - started:.0f} s; " + (f"MISSED: {', '.join(missed)}" if missed else "targets held"))
    return 1 if missed else 0


def run(scenario: Scenario, trials: int) -> Row:
    """Make so many commands up, and count what the gate says of them."""
    rng = random.Random(f"gate-error-rate:{scenario.name}")
    worse = better = named = ruled_out = requests = 0
    failed = dict.fromkeys(GATES, 0.0)
    for trial in range(trials):
        fails: dict[str, float] = dict.fromkeys(GATES, False)
        if scenario.weaker is not None:
            found, is_worse_together, asked = command(scenario, rng)
            held = any(each.confirmed.regressions for each in found)
            worse += sum(each.direction < 0 for each in found)
            better += sum(each.direction > 0 for each in found)
            is_failed = is_worse_together or any(each.direction < 0 for each in found)
            fails |= {"worse": is_failed, "noninferior": math.nan, "strict": is_failed or held}
            failed = {gate: count + fails[gate] for gate, count in failed.items()}
            requests += asked
            continue
        for at in range(scenario.tries):
            lost = 0 if at and not scenario.until_passed else scenario.lost
            verdict, asked, hard = compare(scenario, lost, rng, seed=f"{trial}:{at}")
            now = {gate: not (decide(verdict, rule).is_passed and hard(rule)) for gate, rule in GATES.items()}
            combine = all if scenario.until_passed else any
            fails = {gate: combine((now[gate], fails[gate])) if at else now[gate] for gate in GATES}
            worse += verdict.kind == "worse"
            better += verdict.kind == "better"
            named += len(verdict.confirmed.regressions) >= lost
            ruled_out += all(metric.is_noninferior for metric in verdict.metrics)
            requests += asked
        for gate in GATES:
            failed[gate] += fails[gate]
    made = trials * scenario.tries
    return Row(
        worse=worse / made,
        better=better / made,
        failed={gate: count / trials for gate, count in failed.items()},
        named=named / made,
        loss_ruled_out=ruled_out / made,
        requests=requests / made,
    )


def compare(
    scenario: Scenario, lost: int, rng: random.Random, seed: str
) -> tuple[Verdict, int, Callable[[GateRule], bool]]:
    """Make one comparison; return its verdict, the requests that asking again took, and if what must pass does."""
    # A thousand resamples are enough for a rate over thousands of trials.
    procedure = Procedure(resamples=1_000, seed=seed, comparisons=1 if scenario.until_passed else scenario.tries)
    if scenario.loss is not None:
        return (
            judge(_scored(scenario.n, scenario.loss, rng, procedure), GateRule(metrics=("tone",))),
            0,
            lambda _rule: True,
        )
    flaky = round(scenario.flaky * scenario.n)
    chances = [0.5 if scenario.is_coin else rng.random() for _ in range(flaky)]
    steady = scenario.n - flaky - lost - scenario.gained
    base = [*chances, *[1.0] * lost, *[0.0] * scenario.gained, *[1.0] * steady]
    head = [*chances, *[0.0] * lost, *[1.0] * scenario.gained, *[1.0] * steady]
    if scenario.fall:
        base, head = ([chance] * scenario.n for chance in scenario.fall)
    if scenario.hard:
        base, head = [*base, scenario.hard[0]], [*head, scenario.hard[1]]
    rule = GateRule(reruns=scenario.reruns)
    answers = _outcomes(base, rng), _outcomes(head, rng)
    comparison = compare_outcomes(*answers, procedure=procedure)
    flips, steps = flips_of(comparison), steps_of(comparison.procedure, rule)
    pairs: dict[str, list[int]] = {}
    requests = 0
    for target in steps.targets(flips.n):
        for id_, times in to_ask(flips, pairs, steps, target).items():
            before, after = base[int(id_)], head[int(id_)]
            fresh = [(rng.random() < after) - (rng.random() < before) for _ in range(times)]
            pairs[id_] = [*pairs.get(id_, ()), *fresh]
            requests += 2 * times
    unconfirmed = [id_ for id_, seen in pairs.items() if any(way >= 0 for way in seen)]
    heads = [CaseResults(each, (), must_pass=scenario.hard is not None) for each in answers[1][-1:]]
    verdict = judge(comparison, rule, weigh(flips, pairs, steps))
    return verdict, requests, lambda rule: check_must_pass(heads, comparison, unconfirmed, rule)[0].is_passed


def command(scenario: Scenario, rng: random.Random) -> tuple[list[Findings], bool, int]:
    """Make the comparisons of one command; return what is found, if they are worse together, and the requests."""
    procedure = Procedure(resamples=1_000, comparisons=scenario.tries + scenario.is_joint)
    sides = [_Simulated(scenario, rng, procedure, name=f"prompt {at}") for at in range(scenario.tries)]
    rule, requests = GateRule(reruns=scenario.reruns), 0
    given: Any = sides
    tests = [JointTest(ComparisonGroup(tuple(range(len(sides)))), given, rule)] if scenario.is_joint else []
    for time_ in range(MOST_TIMES):
        besides = [test.wanted(time_) for test in tests]
        requests += sum(
            side.ask(time_, *(each.get(at, {}) for each in besides), rng=rng) for at, side in enumerate(sides)
        )
    return [side.findings for side in sides], any(test.verdict().kind == "worse" for test in tests), requests


class _Simulated:
    """One comparison of a command, with what a joint test reads of its sides and of its flipped cases."""

    def __init__(self, scenario: Scenario, rng: random.Random, procedure: Procedure, name: str) -> None:
        weaker, flaky = scenario.weaker or 0, round(scenario.flaky * scenario.n)
        chances = [rng.random() for _ in range(flaky)]
        steady = [1.0] * (scenario.n - flaky - weaker)
        self._chances = [*chances, *[1.0] * weaker, *steady], [*chances, *[0.5] * weaker, *steady]
        # No intervals, which the gate `worse` does not look at.
        found = list(map(CasePair, *(_outcomes(each, rng) for each in self._chances)))
        improved, regressed, unchanged = (tuple(pair for pair in found if pair.way == way) for way in (1, -1, 0))
        self.comparison = Comparison(procedure, improved, regressed, unchanged)
        self.flips, self.steps = flips_of(self.comparison), steps_of(procedure, GateRule(reruns=scenario.reruns))
        self.made_with_head = frozenset[str]()
        self.pairs: dict[str, list[int]] = {}
        row = SimpleNamespace(id=name, prompt=name, digest="", model="", spec=SimpleNamespace(dataset=""))
        self.base = self.head = SimpleNamespace(row=row)

    @property
    def findings(self) -> Findings:
        return weigh(self.flips, self.pairs, self.steps)

    def ask(self, time_: int, *besides: Mapping[str, int], rng: random.Random) -> int:
        """Ask for what the comparison wants at this time of asking, and what others want; return the requests."""
        targets = self.steps.targets(self.flips.n)
        wanted = [*besides, to_ask(self.flips, self.pairs, self.steps, targets[time_]) if time_ < len(targets) else {}]
        number = 0
        for id_ in sorted({id_ for each in wanted for id_ in each}):
            times, (before, after) = max(each.get(id_, 0) for each in wanted), (c[int(id_)] for c in self._chances)
            fresh = [(rng.random() < after) - (rng.random() < before) for _ in range(times)]
            self.pairs[id_] = [*self.pairs.get(id_, ()), *fresh]
            number += 2 * times
        return number


def _scored(n: int, loss: Callable[[random.Random], float], rng: random.Random, procedure: Procedure) -> Comparison:
    def side(lost: Callable[[], float]) -> list[CaseOutcome]:
        return [
            CaseOutcome(case_id=str(case), content_hash="", status="passed", scores={"tone": 1 - lost()})
            for case in range(n)
        ]

    return compare_outcomes(side(lambda: 0.0), side(lambda: loss(rng) + rng.gauss(0, 0.02)), procedure=procedure)


def _outcomes(chances: list[float], rng: random.Random) -> list[CaseOutcome]:
    return [
        CaseOutcome(case_id=str(case), content_hash="", status="passed" if rng.random() < chance else "failed")
        for case, chance in enumerate(chances)
    ]


if __name__ == "__main__":
    sys.exit(main())
