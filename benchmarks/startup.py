"""How fast commands start, as whole processes: wall and CPU seconds, peak memory, beside `llm` where it is installed.

    python benchmarks/startup.py [--rounds 7] [--llm COMMAND]

Commands take turns; the median of the rounds is shown. Exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import Target, Work, run_in_turns

import promptctl

PROMPTCTL = (sys.executable, "-m", "promptctl")


START = Target(0.25, peak_mib=45)


def completing(line: str) -> tuple[str, ...]:
    """The command that Bash gives to have the last word of a line completed."""
    words = ("_PROMPTCTL_COMPLETE=complete_bash", f"COMP_WORDS={line}", f"COMP_CWORD={line.count(' ')}")
    return ("env", *words, *PROMPTCTL)


SHELL = Target(cpu_s=0.15)
COMMANDS = (
    ("python -c pass", (sys.executable, "-c", "pass"), Target()),
    ("--help", (*PROMPTCTL, "--help"), START),
    ("list", (*PROMPTCTL, "list"), START),
    ("render", (*PROMPTCTL, "render", "welcome", "-i", "name=Ada"), START),
    ("log list", (*PROMPTCTL, "log", "list"), START),
    ("completing run wel", completing("promptctl run wel"), SHELL),
    ("completing run welcome@", completing("promptctl run welcome@"), SHELL),
    ("completing log show", completing("promptctl log show "), SHELL),
    ("run, echo/echo", (*PROMPTCTL, "run", "welcome", "-i", "name=Ada"), Target(0.35, peak_mib=55)),
)


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        works = [Work(name, command, folder, target) for name, command, target in COMMANDS]
        if given.llm:
            works += [Work("llm --help", (given.llm, "--help"), folder), Work("llm logs", (given.llm, "logs"), folder)]
        return int(run_in_turns(works, given.rounds) > 0)


if __name__ == "__main__":
    sys.exit(main())
