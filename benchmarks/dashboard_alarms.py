"""How often a dashboard says that something changed, where nothing did and where a version fails more often.

Simulated through the product's own `shifts`, over two weeks of 80 calls a day of each prompt. Where nothing changed,
1 % of pages may say that something did: days that are bad by themselves are true, and do not count. A version that
fails 7 % of its calls in the middle of the last week, after 0.8 %, is to be told with its name.
Prints one table; exits 1 where a target is missed.

    python benchmarks/dashboard_alarms.py [--pages 500]
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

from tests.dashboard.test_shifts import Draw, Level, a_page, changes, in_bursts, is_seen, steady


def uneven(chance: random.Random, _prompt: int, _day: float) -> Level:
    """Fail on each day as often as it comes: 5 % on average, mostly between 1 % and 12 %."""
    return Level(failing=chance.betavariate(2, 38), latency_ms=400 * chance.lognormvariate(0, 0.1))


def rare(_chance: random.Random, _prompt: int, _day: float) -> Level:
    return Level(failing=0.008)


Page = Callable[[int], bool]


def alarm(draw: Draw, prompts: int, moved: int) -> Page:
    return lambda seed: bool(changes(a_page(seed, draw, prompts, 80, moves=10.5, moved=moved)))


ROWS: tuple[tuple[str, Page, float, float], ...] = (
    *(
        (f"{name}, {prompts} prompts, {moved} moved", alarm(draw, prompts, moved), 0.0, most)
        for name, draw, most in (
            ("10 % fail", steady, 0.02),
            ("0.8 % fail", rare, 0.02),
            ("bursts: 30 % fail on one day in ten", in_bursts, 0.02),
            ("uneven days", uneven, 1.0),
        )
        for prompts, moved in ((20, 0), (20, 20))
    ),
    ("0.8 % to 7 % since a move, 20 prompts, 1 moved", lambda seed: is_seen(seed), 0.85, 1.0),
    ("0.8 % to 7 % since a move, 20 prompts, 20 moved", lambda seed: is_seen(seed, moved=20), 0.7, 1.0),
)


def main() -> int:
    """Make so many pages of each row up, and print the share that says something changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    given = parser.parse_args()
    missed = []
    for name, page, least, most in ROWS:
        if given.only in name:
            share = sum(page(seed) for seed in range(given.pages)) / given.pages
            print(f"{name:60}{share:8.1%}", flush=True)
            if not least <= share <= most:
                missed.append(name)
    print(f"MISSED: {', '.join(missed)}" if missed else "targets held")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
