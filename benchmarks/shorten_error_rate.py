"""How often `promptctl shorten` claims what is false: that a prompt loses less than the margin without some part.

Simulated through the product's own rules: each of twenty parts truly costs just the margin, once any of them is left
out. They are tried one after another on cases to choose by; the first that seems not to be needed is put to the test on
the held-out cases, and a test that passes is a false claim. Prints one table; exits 1 if more than 6 % of the searches
make one, where 5 % are allowed.

    python benchmarks/shorten_error_rate.py [--trials 3000]
"""

from __future__ import annotations

import argparse
import random
import sys
from functools import cache

from promptctl.authoring.shortening import seems_unneeded
from promptctl.statistics.metric import ALPHA
from promptctl.statistics.multiplicity import spent
from promptctl.statistics.noninferiority import is_loss_ruled_out

PARTS = 20
PASSING = 0.9
# Cases to choose by, held-out cases, the margin, and the share of cases whose answer is drawn anew each time.
SCENARIOS = ((40, 70, 0.05, 0.0), (40, 60, 0.1, 0.1), (40, 60, 0.1, 0.0), (100, 200, 0.05, 0.1), (20, 30, 0.15, 0.1))

is_ruled_out = cache(is_loss_ruled_out)


def flips(random_: random.Random, cases: int, loss: float, flaky: float) -> tuple[int, int]:
    """Return how many cases are gained and lost without a part that costs `loss` of all cases."""
    gained = lost = 0
    for _ in range(cases):
        before = random_.random() < PASSING
        after = random_.random() < PASSING if random_.random() < flaky else before
        if before and random_.random() < loss / PASSING:
            after = False
        gained += after and not before
        lost += before and not after
    return gained, lost


def claims_falsely(random_: random.Random, choosing: int, held_out: int, margin: float, flaky: float) -> bool:
    """Return True if one search proposes a prompt that truly loses the margin."""
    for _ in range(PARTS):
        gained, lost = flips(random_, choosing, margin, flaky)
        if seems_unneeded(lost, gained, choosing, margin):
            gained, lost = flips(random_, held_out, margin, flaky)
            return is_ruled_out(gained, lost, held_out, margin, spent(ALPHA, 1))
    return False


def main() -> int:
    """Simulate every scenario; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=3000)
    trials = parser.parse_args().trials
    print("| to choose by | held out | margin | flaky | false claims |\n|---|---|---|---|---|")
    worst = 0.0
    for scenario in SCENARIOS:
        random_ = random.Random(1)
        share = sum(claims_falsely(random_, *scenario) for _ in range(trials)) / trials
        worst = max(worst, share)
        print("|", *(f"{each} |" for each in scenario), f"{share:.3f} |")
    return int(worst > 0.06)


if __name__ == "__main__":
    sys.exit(main())
