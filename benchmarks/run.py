"""Runs every benchmark of this folder, one after another: `make bench`. Exits 1 where any target is missed.

python benchmarks/run.py [NAME ...]        such as: startup versions log evaluate gate_error_rate
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SUITES = (
    "startup",
    "versions",
    "snapshot",
    "running",
    "lint",
    "importing",
    "log",
    "budgets",
    "evaluate",
    "calls",
    "chat",
    "serve",
    "gate_error_rate",
)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    missed = []
    for name in names or SUITES:
        print(f"\n== {name} ==", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")]).returncode != 0:
            missed.append(name)
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nevery target was reached")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
