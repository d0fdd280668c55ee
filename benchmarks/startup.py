"""How fast commands start, as whole processes: wall and CPU seconds, peak memory, beside `llm` where it is installed.

    python benchmarks/startup.py [--rounds 7] [--llm COMMAND]

Commands take turns; the median of the rounds is shown. Exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import promptctl

PROMPTCTL = (sys.executable, "-m", "promptctl")


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    arguments: tuple[str, ...]
    wall_s: float | None = None
    peak_mib: float | None = None


COMMANDS = (
    Command("python -c pass", (sys.executable, "-c", "pass")),
    Command("--help", (*PROMPTCTL, "--help"), 0.25, 45),
    Command("list", (*PROMPTCTL, "list"), 0.25, 45),
    Command("render", (*PROMPTCTL, "render", "welcome", "-i", "name=Ada"), 0.25, 45),
    Command("log list", (*PROMPTCTL, "log", "list"), 0.25, 45),
    Command("run, echo/echo", (*PROMPTCTL, "run", "welcome", "-i", "name=Ada"), 0.35, 55),
)


def measure(arguments: tuple[str, ...], folder: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def prepare(folder: Path) -> None:
    """A workspace with one commit and a few logged calls; compiled modules, as an installed package has them."""
    compileall.compile_dir(str(Path(promptctl.__file__).parent), quiet=2)
    for arguments in (
        [*PROMPTCTL, "init"],
        ["git", "add", "--all"],
        ["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "-m", "Begin"],
        [*PROMPTCTL, "run", "welcome", "-i", "name=Ada"],
    ):
        subprocess.run(arguments, cwd=folder, check=True, capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--llm", default=shutil.which("llm"), help="the command of the peer `llm`, if there is one")
    options = parser.parse_args()
    commands = list(COMMANDS)
    if options.llm:
        commands += [Command("llm --help", (options.llm, "--help")), Command("llm logs", (options.llm, "logs", "path"))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        found: dict[str, list[tuple[float, float, float]]] = {command.name: [] for command in commands}
        for _ in range(options.rounds + 1):
            for command in commands:
                found[command.name].append(measure(command.arguments, folder))
    is_missed = False
    print(f"{'command':18} {'wall s':>8} {'CPU s':>8} {'MiB':>7}   target")
    for command in commands:
        wall, cpu, peak = (statistics.median(values) for values in zip(*found[command.name][1:], strict=True))
        target = ""
        if command.wall_s is not None and command.peak_mib is not None:
            missed = wall > command.wall_s or peak > command.peak_mib
            is_missed |= missed
            target = f"{command.wall_s} s, {command.peak_mib} MiB{'  MISSED' if missed else ''}"
        print(f"{command.name:18} {wall:8.3f} {cpu:8.3f} {peak:7.1f}   {target}")
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
