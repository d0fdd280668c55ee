"""How often intervals hold the truth, and tests err where nothing changed, through the product's own functions.

    python benchmarks/interval_coverage.py [trials]

Prints five tables: paired pass rates (Tango, 95 %), paired scores of mean zero (the share called worse or
better at a one-sided 5 %), ratios of cost and latency of heavy tails (95 %), wrong and right verdicts on unpaired costs
(95 %), pass rates of clustered cases (95 %).
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable

from promptctl.statistics.intervals import Interval, clustered_rate, tango, wilson
from promptctl.statistics.ratios import ratio_of_means, ratio_of_medians, ratio_of_unpaired_means
from promptctl.statistics.scores import score_test

SIZES = (5, 10, 20, 50, 200)


def main(trials: int) -> None:
    """Print every table."""
    pass_rates(trials)
    scores(trials)
    ratios(trials)
    unpaired(trials)
    clusters(trials)


def pass_rates(trials: int) -> None:
    """Coverage for a difference of paired pass rates: `flipping` of all cases, of which the rest gains."""
    print("| cases | regress, improve | Tango |\n|---|---|---|")
    for n in SIZES[1:]:
        for lost, gained in ((0.02, 0.02), (0.1, 0.05), (0.3, 0.1)):
            rng = random.Random(f"{n} {lost}")
            hits = 0
            for _ in range(trials):
                draws = [rng.random() for _ in range(n)]
                c, b = sum(draw < lost for draw in draws), sum(lost <= draw < lost + gained for draw in draws)
                hits += holds(tango(b, c, n), gained - lost)
            print(f"| {n} | {lost:.2f}, {gained:.2f} | {hits / trials:.3f} |")


def holds(interval: Interval, truth: float) -> bool:
    """Return True if the truth lies within."""
    return interval.low <= truth <= interval.high


DIFFERENCES: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda rng: rng.gauss(0, 0.1),
    "exponential": lambda rng: max(-1.0, 0.2 - rng.expovariate(5)),
    "1 in 50 loses all": lambda rng: -1.0 if rng.random() < 0.02 else 0.02 / 0.98 + rng.gauss(0, 0.01),
    "1 in 10 loses all": lambda rng: -1.0 if rng.random() < 0.1 else 0.1 / 0.9 + rng.gauss(0, 0.03),
    "most keep all": lambda rng: 0.05 - rng.betavariate(0.2, 3.8),
}


def scores(trials: int) -> None:
    """Share of trials called worse, and better, where the mean difference is zero."""
    print("\n| cases | differences | worse | better |\n|---|---|---|---|")
    for n in SIZES:
        for name, draw in DIFFERENCES.items():
            rng = random.Random(f"{n} {name}")
            worse = better = 0
            for _ in range(trials):
                test, _ = score_test([draw(rng) for _ in range(n)], [0.95], resamples=499, seed=str(rng.random()))
                worse += test.p_worse < 0.05
                better += test.p_better < 0.05
            print(f"| {n} | {name} | {worse / trials:.3f} | {better / trials:.3f} |")


def ratios(trials: int) -> None:
    """Coverage for ratios of lognormal values, of those intervals that are printed, and the share printed."""
    print("\n| cases | deviation of logs, correlation | means printed | covered | medians covered |")
    print("|---|---|---|---|---|")
    for n in SIZES[2:]:
        for deviation in (0.5, 1.0, 1.5, 2.0):
            for common in (0.0, 0.8):
                rng = random.Random(f"{n} {deviation} {common}")
                printed = [0, 0]
                hits = [0, 0]
                for _ in range(trials):
                    shared = [rng.gauss(0, math.sqrt(common)) for _ in range(n)]
                    base, head = (
                        [math.exp(deviation * (at + rng.gauss(0, math.sqrt(1 - common)))) for at in shared]
                        for _ in range(2)
                    )
                    for at, interval in enumerate((ratio_of_means(base, head), ratio_of_medians(base, head))):
                        printed[at] += interval is not None
                        hits[at] += interval is not None and holds(interval, 1.0)
                means = f"{hits[0] / printed[0]:.3f}" if printed[0] else "-"
                share, medians = printed[0] / trials, hits[1] / trials
                print(f"| {n} | {deviation}, {common} | {share:.3f} | {means} | {medians:.3f} |")


COSTS: dict[str, Callable[[random.Random], float]] = {
    "1 in 100 at 100 times": lambda rng: rng.uniform(0.8, 1.2) * (100 if rng.random() < 0.01 else 1),
    "1 in 50 at 50 times": lambda rng: rng.uniform(0.8, 1.2) * (50 if rng.random() < 0.02 else 1),
    "1 in 20 at 20 times": lambda rng: rng.uniform(0.8, 1.2) * (20 if rng.random() < 0.05 else 1),
    "lognormal, 0.5": lambda rng: rng.lognormvariate(0, 0.5),
    "lognormal, 1": lambda rng: rng.lognormvariate(0, 1),
    "lognormal, 2": lambda rng: rng.lognormvariate(0, 2),
}


def unpaired(trials: int) -> None:
    """Share of verdicts on costs of one distribution, of those with an interval, and where head's are 20 % less."""
    print("\n| calls | costs | intervals | verdicts on equal costs | on 20 % less |\n|---|---|---|---|---|")
    for sizes in ((10, 10), (20, 20), (50, 50), (500, 500), (20, 500), (500, 20), (50, 1000)):
        for name, draw in COSTS.items():
            rng = random.Random(f"{sizes} {name}")
            printed = wrong = right = 0
            for _ in range(trials):
                base, head = ([draw(rng) for _ in range(n)] for n in sizes)
                interval = ratio_of_unpaired_means(base, head)
                printed += interval is not None
                wrong += interval is not None and not holds(interval, 1.0)
                right += interval is not None and 0.8 * interval.high < 1
            shares = f"{wrong / printed:.3f} | {right / printed:.3f}" if printed else "- | -"
            print(f"| {sizes[0]}, {sizes[1]} | {name} | {printed / trials:.3f} | {shares} |")


def clusters(trials: int) -> None:
    """Coverage for a pass rate of clusters of 1 to 15 cases whose own rates vary, with `correlation` within."""
    print("\n| clusters | rate, correlation | of clusters | Wilson |\n|---|---|---|---|")
    for count in (5, 10, 20, 40):
        for rate in (0.5, 0.9):
            for correlation in (0.05, 0.3, 0.9):
                rng = random.Random(f"{count} {rate} {correlation}")
                scale = (1 - correlation) / correlation
                hits = [0, 0]
                for _ in range(trials):
                    found = []
                    for _ in range(count):
                        own, size = rng.betavariate(rate * scale, (1 - rate) * scale), rng.randint(1, 15)
                        found.append((sum(rng.random() < own for _ in range(size)), size))
                    passed, n = (sum(column) for column in zip(*found, strict=True))
                    for at, interval in enumerate((clustered_rate(found), wilson(passed, n))):
                        hits[at] += holds(interval, rate)
                print(f"| {count} | {rate}, {correlation} | {hits[0] / trials:.3f} | {hits[1] / trials:.3f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
