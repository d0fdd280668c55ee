"""How many requests `eval --until-decided` and `--sequential` save, and whether they ever say something else.

Simulated through the product's own functions: `deciding.Foregone` and `deciding.InSequence` take the answers one by one
as `eval --against` does, and `verdicts.judge` says what the whole run and the one that ended early come to, flipped
cases asked again in both. Each case passes with a chance of its own: flaky cases with one drawn uniformly; of the
others a share fails on both sides, a share breaks on head (or is mended by it), and all others pass. With `errors` that
share of first answers, on either side, comes to nothing.
Prints one table; exits 1 where a target is missed:

    --until-decided never comes to a verdict that the whole run does not, and saves 30 % of the requests at least where
    head is 20 points worse and base is to be asked too; --sequential saves 60 % there, and calls unchanged prompts
    worse in at most 2.5 % of comparisons, better in as few

    python benchmarks/early_decisions.py [--trials 1000] [--only "n=200  20 points worse"]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.deciding import Foregone, InSequence
from promptctl.comparisons.flips import sequence_of, to_ask, weigh
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import VerdictKind, flips_of, judge, steps_of
from promptctl.datasets.selection import drawn_rank
from promptctl.evaluations.outcomes import CaseOutcome, CaseStatus
from promptctl.statistics.metric import Procedure

RULE = GateRule()
Target = Callable[["Row"], bool]


@dataclass(frozen=True)
class Scenario:
    """`n` cases: a share `flaky`, a share `failing` on both sides, a share `fall` lost on head (gained below zero)."""

    name: str
    n: int
    fall: float = 0.0
    flaky: float = 0.1
    failing: float = 0.05
    errors: float = 0.0
    knows_base: bool = False
    is_sequential: bool = False
    target: Target = lambda _row: True


@dataclass(frozen=True)
class Row:
    """Shares of the trials; `saved` is of the requests of the whole run's first answers."""

    worse: float
    better: float
    early: float
    other: float
    saved: float


@dataclass(frozen=True)
class Answers:
    """The chances of each case on both sides, by id, and what each said first."""

    base: dict[str, float]
    head: dict[str, float]
    bases: dict[str, CaseStatus]
    heads: dict[str, CaseStatus]


def _scenarios() -> Iterator[Scenario]:
    for n in (50, 100, 200, 500):
        for fall, name in ((0.2, "20 points worse"), (0.0, "unchanged"), (-0.2, "20 points better")):
            is_enough = fall > 0 and n >= 200
            yield Scenario(f"n={n:<5}{name}", n, fall, target=_never_other(0.3 if is_enough else 0.0))
            known = _never_other(0.3 if fall > 0 and n >= 100 else 0.0)
            yield Scenario(f"n={n:<5}{name}, base known", n, fall, knows_base=True, target=known)
            erring = f"n={n:<5}{name}, 1 % errors"
            yield Scenario(erring, n, fall, errors=0.01, target=_never_other(0.0))
            target = _saves(0.6) if is_enough else _alarms_seldom if not fall else _any
            yield Scenario(f"n={n:<5}{name}, --sequential", n, fall, is_sequential=True, target=target)


def _never_other(saved: float) -> Target:
    return lambda row: row.other == 0 and row.saved >= saved


def _saves(saved: float) -> Target:
    return lambda row: row.saved >= saved


def _alarms_seldom(row: Row) -> bool:
    return max(row.worse, row.better) <= 0.025


def _any(_row: Row) -> bool:
    return True


def main() -> int:
    """Run every scenario and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    given = parser.parse_args()
    trials = given.trials
    started, missed = time.perf_counter(), []
    columns = ("worse", "better", "early", "other", "saved")
    print(f"{f'shares of {trials} trials':44}" + "".join(f"{name:>10}" for name in columns))
    for scenario in (each for each in _scenarios() if given.only in each.name):
        row = run(scenario, trials)
        print(f"{scenario.name:44}" + "".join(f"{getattr(row, name):10.3f}" for name in columns), flush=True)
        if not scenario.target(row):
            missed.append(scenario.name)
    print(f"\n{time.perf_counter() - started:.0f} s; " + (f"MISSED: {', '.join(missed)}" if missed else "targets held"))
    return 1 if missed else 0


def run(scenario: Scenario, trials: int) -> Row:
    """Make so many comparisons up, each once whole and once until it is decided."""
    rng = random.Random(f"early-decisions:{scenario.name}")
    worse = better = early = other = 0
    saved = 0.0
    for trial in range(trials):
        answers = make_up(scenario, rng)
        ended_with, share = ended(scenario, answers, rng, seed=trial)
        saved += share
        early += ended_with is not None
        kind = ended_with
        if ended_with is None or not scenario.is_sequential:
            kind = whole(answers, rng, trial if scenario.is_sequential else None)
        other += ended_with not in (None, kind)
        worse += kind == "worse"
        better += kind == "better"
    return Row(*(number / trials for number in (worse, better, early, other, saved)))


def make_up(scenario: Scenario, rng: random.Random) -> Answers:
    """Draw the chances of each case, and the first answers of both sides."""
    n = scenario.n
    flaky, failing, moved = (round(abs(share) * n) for share in (scenario.flaky, scenario.failing, scenario.fall))
    chances = [rng.random() for _ in range(flaky)]
    steady = n - flaky - failing - moved
    before, after = (1.0, 0.0) if scenario.fall > 0 else (0.0, 1.0)
    sides = [
        dict(zip(map(str, range(n)), [*chances, *[0.0] * failing, *[chance] * moved, *[1.0] * steady], strict=True))
        for chance in (before, after)
    ]
    bases, heads = ({id_: _answer(chance, rng, scenario.errors) for id_, chance in side.items()} for side in sides)
    return Answers(sides[0], sides[1], bases, heads)


def _answer(chance: float, rng: random.Random, errors: float) -> CaseStatus:
    if errors and rng.random() < errors:
        return "error"
    return "passed" if rng.random() < chance else "failed"


def ended(scenario: Scenario, answers: Answers, rng: random.Random, seed: int) -> tuple[VerdictKind | None, float]:
    """Ask until it is decided; return the verdict, None if it came to the end, and the share of requests saved."""
    steps = steps_of(Procedure(), RULE, is_sequential=scenario.is_sequential)
    asked = sorted(answers.bases, key=lambda id_: drawn_rank(seed, id_))
    n, heads = len(asked), dict[str, CaseStatus]()
    decided: Foregone | InSequence
    if scenario.is_sequential:
        decided, bases = InSequence(steps), dict[str, CaseStatus]()
    else:
        decided, bases = Foregone(steps), dict(answers.bases)
        asked.sort(key=lambda id_: bases[id_] == "passed")
    decided.begin(asked, bases)
    for number, id_ in enumerate(asked, start=1):
        bases[id_], heads[id_] = answers.bases[id_], answers.heads[id_]
        if decided.after(id_, bases, heads) and number < n:
            break
    if len(heads) == n:
        return None, 0.0
    sides = 2 if scenario.is_sequential or not scenario.knows_base else 1
    share = (n - len(heads)) * (2 if scenario.is_sequential else 1) / (sides * n)
    planned, left = (set[str](), n - len(heads)) if scenario.is_sequential else (bases.keys() - heads.keys(), 0)
    comparison = compare_outcomes(_outcomes(bases), _outcomes(heads), planned=planned, never_run=left, is_decided=True)
    return verdict(comparison, answers, rng, seed if scenario.is_sequential else None), share


def whole(answers: Answers, rng: random.Random, seed: int | None) -> VerdictKind:
    """Return the verdict of the whole run; with a `seed` its first step looks at one case after another."""
    return verdict(compare_outcomes(_outcomes(answers.bases), _outcomes(answers.heads)), answers, rng, seed)


def verdict(comparison: Comparison, answers: Answers, rng: random.Random, seed: int | None) -> VerdictKind:
    """Ask flipped cases again, and judge."""
    flips, steps = flips_of(comparison), steps_of(comparison.procedure, RULE, is_sequential=seed is not None)
    if seed is not None:
        pairs = (*comparison.improved, *comparison.regressed, *comparison.unchanged)
        flips = replace(flips, sequence=sequence_of(pairs, seed, steps.first_level, steps.min_effect))
    again: dict[str, list[int]] = {}
    for target in steps.targets(flips.n):
        for id_, times in to_ask(flips, again, steps, target).items():
            before, after = answers.base[id_], answers.head[id_]
            fresh = [(rng.random() < after) - (rng.random() < before) for _ in range(times)]
            again[id_] = [*again.get(id_, ()), *fresh]
    return judge(comparison, RULE, weigh(flips, again, steps)).kind


def _outcomes(statuses: Mapping[str, CaseStatus]) -> list[CaseOutcome]:
    return [CaseOutcome(case_id=id_, content_hash="", status=status) for id_, status in statuses.items()]


if __name__ == "__main__":
    sys.exit(main())
