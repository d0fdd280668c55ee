"""How often `promptctl improve` calls a candidate better where there is nothing to find. Writes Markdown rows.

Each reply passes by chance, whatever the prompt says: the search is GEPA's own, the test that of the command. The last
rows are of candidates that are judged one after another on the same held-out cases.

    python -m benchmarks.improve_without_signal [SEARCHES]
"""

from __future__ import annotations

import random
import sys

from promptctl.authoring.improvement import Evidence
from promptctl.statistics.metric import ALPHA, Procedure, compare_metric
from promptctl.statistics.multiplicity import spent
from tests.authoring.test_improving import is_found


def main(searches: int) -> None:
    """Print a row for each share of replies that pass, with the share of searches that find something."""
    for rate in (0.2, 0.5, 0.8):
        shares = [
            sum(is_found(seed, rate, rounds=10, cases=cases) for seed in range(searches)) / searches
            for cases in (20, 60)
        ]
        print(f"| {rate:.0%} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    for looks in (1, 10, 20):
        shares = [sum(is_ever_better(seed, looks, cases) for seed in range(searches)) / searches for cases in (20, 60)]
        print(f"| {looks} | {' | '.join(f'{share:.1%}' for share in shares)} |")


def is_ever_better(seed: int, looks: int, cases: int) -> bool:
    """Judge so many candidates on the same cases, and the prompt once; True if any is called better."""
    draw = random.Random(seed)
    before = [float(draw.random() < 0.5) for _ in range(cases)]
    for look in range(1, looks + 1):
        after = [float(draw.random() < 0.5) for _ in range(cases)]
        metric = compare_metric("passed", before, after, procedure=Procedure(alpha=spent(ALPHA, look)))
        if Evidence.of(metric, look, ("", "")).is_improvement:
            return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
