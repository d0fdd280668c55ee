"""Measures whole processes in turns: wall and CPU seconds, peak memory, beside what must be reached."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a process took, its children included: wall and CPU seconds, MiB at its peak (of the largest process)."""

    wall_s: float
    cpu_s: float
    peak_mib: float

    @classmethod
    def median(cls, costs: Sequence[Cost]) -> Cost:
        """The median of each number by itself."""
        return cls(*(statistics.median(getattr(each, name) for each in costs) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class Target:
    """What must be reached; None is not asked for."""

    wall_s: float | None = None
    cpu_s: float | None = None
    peak_mib: float | None = None

    def is_met_by(self, cost: Cost) -> bool:
        wanted = ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        return all(most is None or getattr(cost, name) <= most for name, most in wanted)

    def __str__(self) -> str:
        numbers = ((self.wall_s, "s"), (self.cpu_s, "s CPU"), (self.peak_mib, "MiB"))
        return ", ".join(f"{wanted:g} {unit}" for wanted, unit in numbers if wanted is not None)


@dataclass(frozen=True)
class Work:
    """One thing to measure: the command, where, and what must be reached.

    `before` and `after` are not measured; `after` gives True where what the command was to do is done.
    """

    name: str
    command: Sequence[str]
    folder: Path
    target: Target = Target()
    before: Callable[[], object] = lambda: None
    after: Callable[[], bool] = lambda: True
    environ: tuple[tuple[str, str], ...] = ()


def measured(work: Work) -> Cost:
    """Run the work once in a new process. Exits, with what it said, where it fails or has not done it."""
    work.before()
    environ = {**os.environ, "NO_COLOR": "1", **dict(work.environ)}
    with (work.folder / "said.txt").open("wb") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            work.command, cwd=work.folder, env=environ, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not _holds(work.after):
        words = (work.folder / "said.txt").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{work.name} ended with {process.returncode}:\n{words}")
    return Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _holds(claim: Callable[[], bool]) -> bool:
    """Whether it is true, asked in a child: the system counts this process's own peak as that of those it starts."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if claim() else 1)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def run_in_turns(works: Sequence[Work], rounds: int) -> int:
    """Measure each work once a round, print the medians, and give how many targets were missed."""
    turns = [[measured(work) for work in works] for _ in range(rounds)]
    width = max((len(work.name) for work in works), default=0) + 2
    print(f"{'work':<{width}}{'wall s':>8}{'CPU s':>8}{'MiB':>6}   target")
    missed = 0
    for work, costs in zip(works, zip(*turns, strict=True), strict=True):
        cost = Cost.median(costs)
        is_met = work.target.is_met_by(cost)
        missed += not is_met
        row = f"{work.name:<{width}}{cost.wall_s:>8.2f}{cost.cpu_s:>8.2f}{cost.peak_mib:>6.0f}   {work.target}"
        print(row.rstrip() + ("" if is_met else "   MISSED"))
    return missed
