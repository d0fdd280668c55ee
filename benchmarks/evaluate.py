"""How fast `promptctl eval` and `promptctl run` are, as whole processes, beside the peers that are installed.

    python benchmarks/evaluate.py [--rounds 5] [--only NAME ...] [--peers FOLDER]

Each command is a new process against a local server that answers after 50 ms; every record is in the log and the JSON
report written when it ends. Commands take turns, and the median of the rounds is shown: wall seconds, CPU seconds
(user and system, children included) and peak memory. Exits 1 where a target is missed.

Peers are run where they are found: promptfoo as `node_modules/.bin/promptfoo` in `--peers`, pydantic-evals with openai
in this Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROMPTCTL = (sys.executable, "-m", "promptctl")
LATENCY_MS = 50
PROMPT = """\
inputs: {ticket: {type: string}}
model: local/gpt-4o-mini
parameters: {temperature: 0, max_tokens: 200}
messages:
  - role: system
    content: |
      You are a support bot. Quote the id of the ticket.
  - role: user
    content: |
      {{ ticket }}
"""
SETTINGS = """\
models:
  "local/*": {{api_base: "{url}", lane: direct}}
  "openai/*": {{api_base: "{url}", lane: litellm, api_key_env: BENCH_KEY}}
log:
  - {{prompts: "*", content: full}}
prices:
  local/gpt-4o-mini: {{input: 0.15, output: 0.6}}
"""


@dataclass(frozen=True)
class Cost:
    """What a process took: wall and CPU seconds, MiB at its peak."""

    wall_s: float
    cpu_s: float
    peak_mib: float

    def is_within(self, target: Target) -> bool:
        return all(
            wanted is None or found <= wanted
            for found, wanted in (
                (self.wall_s, target.wall_s),
                (self.cpu_s, target.cpu_s),
                (self.peak_mib, target.peak_mib),
            )
        )


@dataclass(frozen=True)
class Target:
    """What must be reached; None is not asked for."""

    wall_s: float | None = None
    cpu_s: float | None = None
    peak_mib: float | None = None


@dataclass(frozen=True)
class Work:
    """One thing to measure: the command, where, and what must be reached. `before` is done first, unmeasured."""

    name: str
    command: Sequence[str]
    folder: Path
    target: Target = Target()
    before: Callable[[], object] = lambda: None
    environ: tuple[tuple[str, str], ...] = ()


def measured(work: Work) -> Cost:
    """Run the work once in a new process."""
    work.before()
    environ = {**os.environ, "BENCH_KEY": "sk-none", "NO_COLOR": "1", **dict(work.environ)}
    with (work.folder / "said.txt").open("wb") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            work.command, cwd=work.folder, env=environ, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        words = (work.folder / "said.txt").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{work.name} ended with {process.returncode}:\n{words}")
    return Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@contextlib.contextmanager
def model_server(latency_ms: float) -> Iterator[str]:
    """A server that answers after so long; its API base."""
    command = [sys.executable, str(HERE / "model_server.py"), "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.terminate()


def workspace(folder: Path, url: str, cases: int) -> Path:
    """A workspace of one prompt with so many cases, each of which passes."""
    root = folder / f"{cases}-cases"
    (root / "prompts").mkdir(parents=True)
    (root / "datasets").mkdir()
    (root / "promptctl.yaml").write_text(SETTINGS.format(url=url))
    (root / "prompts/triage.prompt.yaml").write_text(PROMPT)
    (root / "datasets/triage.yaml").write_text("prompts: [triage]\ncases: ./triage.jsonl\n")
    with (root / "datasets/triage.jsonl").open("w") as file:
        for number in range(cases):
            name = f"INV-{number:06d}"
            ticket = f"Classify ticket number {number}: the invoice {name} is overdue, please answer with its id."
            check = [{"type": "contains", "value": name}]
            file.write(json.dumps({"id": f"case-{number:06d}", "inputs": {"ticket": ticket}, "assert": check}) + "\n")
    return root


def evaluation(root: Path, *options: str) -> list[str]:  # noqa: ARG001 - every work is prepared in its folder
    return [*PROMPTCTL, "eval", "triage", "-o", "report.json", *options]


def forget(root: Path) -> None:
    """Begin without a log, without a cache."""
    for file in (root / ".promptctl").glob("*.db*"):
        file.unlink()


def works(folder: Path, url: str) -> list[Work]:
    """Everything of promptctl that is measured."""
    small, large, huge = (workspace(folder, url, cases) for cases in (1_000, 10_000, 100_000))

    def begin(root: Path) -> Callable[[], None]:
        return lambda: forget(root)

    def answered_once() -> None:
        if not (small / ".promptctl/cache.db").exists():
            subprocess.run(evaluation(small, "-j", "200"), cwd=small, check=True, capture_output=True)

    fresh = "--no-cache"
    litellm = (*evaluation(small, fresh), "-j", "50", "-m", "openai/gpt-4o-mini")
    return [
        Work("run, once", [*PROMPTCTL, "run", "triage", "-i", "ticket=Hello"], small, Target(0.45, None, 60)),
        Work(
            "1,000 cases, 50 connections",
            evaluation(small, "-j", "50", fresh),
            small,
            Target(1.8, 1.2, 80),
            begin(small),
        ),
        Work(
            "10,000 cases, 50 connections",
            evaluation(large, "-j", "50", fresh),
            large,
            Target(12, 8, 100),
            begin(large),
        ),
        Work(
            "10,000 cases, 500 connections",
            evaluation(large, "-j", "500", fresh),
            large,
            Target(5, 5, 120),
            begin(large),
        ),
        Work("1,000 cases, through LiteLLM", litellm, small, Target(5.5, 5, 230), begin(small)),
        Work("1,000 cache hits", evaluation(small, "-j", "50"), small, Target(0.8), answered_once),
        Work("10,000 cases, echo model", evaluation(large, "-m", "echo/echo"), large, Target(), begin(large)),
        Work("100,000 cases, echo model", evaluation(huge, "-m", "echo/echo"), huge, Target(), begin(huge)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only works whose name holds one of these")
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache" / "promptctl-peers")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="promptctl-bench-") as name, model_server(LATENCY_MS) as url:
        wanted = [
            work for work in works(Path(name), url) if not given.only or any(text in work.name for text in given.only)
        ]
        turns = [[measured(work) for work in wanted] for _ in range(given.rounds)]
        print(f"{'work':<34}{'wall s':>8}{'CPU s':>8}{'MiB':>7}   target")
        for work, costs in zip(wanted, zip(*turns, strict=True), strict=True):
            parts = ("wall_s", "cpu_s", "peak_mib")
            median = Cost(*(statistics.median(getattr(each, part) for each in costs) for part in parts))
            print(f"{work.name:<34}{median.wall_s:>8.2f}{median.cpu_s:>8.2f}{median.peak_mib:>7.0f}   {work.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
