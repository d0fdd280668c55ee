"""How fast `promptctl eval` and `promptctl run` are, as whole processes, beside the peers that are installed.

    python benchmarks/evaluate.py [--rounds 5] [--only NAME ...] [--peers FOLDER]

Each command is a new process against a local server that answers after 50 ms; every record is in the log and the JSON
report written when it ends. Commands take turns, and the median of the rounds is shown: wall seconds, CPU seconds
(user and system, children included) and peak memory. Exits 1 where a target is missed.

Peers do the same in turn with it where they are found in `--peers`; `benchmarks/peers.py` says how to set them up.
"""

from __future__ import annotations

import argparse
import compileall
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_server import model_server
from peers import Case, peer_works
from processes import Target, Work, run_in_turns

import promptctl

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


def workspace(folder: Path, url: str, cases: int) -> Path:
    """A workspace of one prompt with so many cases, each of which passes."""
    root = folder / f"{cases}-cases"
    (root / "prompts").mkdir(parents=True)
    (root / "datasets").mkdir()
    (root / "promptctl.yaml").write_text(SETTINGS.format(url=url))
    (root / "prompts/triage.prompt.yaml").write_text(PROMPT)
    (root / "datasets/triage.yaml").write_text("prompts: [triage]\ncases: ./triage.jsonl\n")
    with (root / "datasets/triage.jsonl").open("w") as file:
        for number, (ticket, name) in enumerate(tickets(cases)):
            check = [{"type": "contains", "value": name}]
            file.write(json.dumps({"id": f"case-{number:06d}", "inputs": {"ticket": ticket}, "assert": check}) + "\n")
    return root


def tickets(count: int) -> Iterator[Case]:
    """So many tickets, each with the id that the reply must hold."""
    for number in range(count):
        name = f"INV-{number:06d}"
        yield f"Classify ticket number {number}: the invoice {name} is overdue, please answer with its id.", name


@dataclass(frozen=True)
class Evaluated:
    """A workspace of so many cases, to be evaluated in different ways."""

    root: Path
    cases: int

    def work(self, name: str, target: Target, *options: str, environ: tuple[tuple[str, str], ...] = ()) -> Work:
        """Evaluate all of it, without anything that was there before."""
        return Work(name, self._command("--no-cache", *options), self.root, target, self._forget, self._passed, environ)

    def cached(self, name: str, target: Target, *options: str) -> Work:
        """Evaluate it again, when every reply is in the cache."""
        return Work(name, self._command(*options), self.root, target, self._fill_cache, self._passed)

    def _command(self, *options: str) -> list[str]:
        return [*PROMPTCTL, "eval", "triage", "-o", "report.json", *options]

    def _forget(self) -> None:
        for file in (self.root / ".promptctl").glob("*.db*"):
            file.unlink()

    def _fill_cache(self) -> None:
        if not (self.root / ".promptctl/cache.db").exists():
            subprocess.run(self._command("-j", "200"), cwd=self.root, check=True, capture_output=True)

    def _passed(self) -> bool:
        report = json.loads((self.root / "report.json").read_text())
        return [each["passed"] for each in report["evaluations"]] == [self.cases]


def works(folder: Path, url: str) -> list[Work]:
    """Everything of promptctl that is measured."""
    small, large, huge = (Evaluated(workspace(folder, url, cases), cases) for cases in (1_000, 10_000, 100_000))
    once = [*PROMPTCTL, "run", "triage", "-i", "ticket=Hello"]
    through_litellm = ("-j", "50", "-m", "openai/gpt-4o-mini")
    key = (("BENCH_KEY", "sk-none"),)
    return [
        Work("run, once", once, small.root, Target(0.45, None, 60)),
        small.work("1,000 cases, 50 connections", Target(1.8, 1.2, 80), "-j", "50"),
        large.work("10,000 cases, 50 connections", Target(12, 8, 100), "-j", "50"),
        large.work("10,000 cases, 500 connections", Target(5, 5, 120), "-j", "500"),
        small.work("1,000 cases, through LiteLLM", Target(5.5, 5, 230), *through_litellm, environ=key),
        small.cached("1,000 cache hits", Target(0.8), "-j", "50"),
        large.work("10,000 cases, echo model", Target(), "-m", "echo/echo"),
        huge.work("100,000 cases, echo model", Target(), "-m", "echo/echo"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only works whose name holds one of these")
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache" / "promptctl-peers")
    given = parser.parse_args()
    compileall.compile_dir(str(Path(promptctl.__file__).parent), quiet=2)  # as an installed package is
    with tempfile.TemporaryDirectory(prefix="promptctl-bench-") as name, model_server(LATENCY_MS) as url:
        everything = [*works(Path(name), url), *peer_works(given.peers, Path(name), url, tickets)]
        wanted = [work for work in everything if not given.only or any(text in work.name for text in given.only)]
        return int(run_in_turns(wanted, given.rounds) > 0)


if __name__ == "__main__":
    sys.exit(main())
