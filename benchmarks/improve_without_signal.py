"""How often `promptctl improve` calls a candidate better where there is nothing to find. Writes Markdown rows.

Each reply passes by chance, whatever the prompt says: the search is GEPA's own, the test that of the command.

    python -m benchmarks.improve_without_signal [SEARCHES]
"""

from __future__ import annotations

import sys

from tests.authoring.test_improving import is_found


def main(searches: int) -> None:
    """Print a row for each share of replies that pass, with the share of searches that find something."""
    for rate in (0.2, 0.5, 0.8):
        shares = [
            sum(is_found(seed, rate, rounds=10, cases=cases) for seed in range(searches)) / searches
            for cases in (20, 60)
        ]
        print(f"| {rate:.0%} | {' | '.join(f'{share:.1%}' for share in shares)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
