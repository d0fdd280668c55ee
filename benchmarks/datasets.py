"""How long cases that are alike take to be found in a large dataset, as whole processes in turns.

    python benchmarks/datasets.py [--cases 10000] [--rounds 3]

Exits 1 where the target is missed, or where a pair that was planted is not found.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import Target, Work, run_in_turns

PROMPTCTL = (sys.executable, "-m", "promptctl")
PROMPT = "model: echo/echo\ninputs: {ticket: {type: string}}\nmessages: [{role: user, content: '{{ ticket }}'}]\n"


def write(folder: Path, cases: int) -> int:
    """A dataset of texts of 30 words, as frequent as words are; one in twenty is copied with a typo. Its copies."""
    drawn = random.Random(1)
    words = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(2, 9))) for _ in range(5000)]
    weights = [1 / (place + 1) for place in range(len(words))]
    copies = cases // 20
    texts = [" ".join(drawn.choices(words, weights, k=30)) for _ in range(cases - copies)]
    for text in texts[:copies]:
        at = drawn.randrange(len(text))
        texts.append(f"{text[:at]}x{text[at:]}")
    rows = ({"id": f"c{n}", "inputs": {"ticket": text}, "expected": "x"} for n, text in enumerate(texts))
    files = {
        "promptctl.yaml": "model: echo/echo\n",
        "prompts/triage.prompt.yaml": PROMPT,
        "datasets/big.yaml": "prompts: [triage]\ncases: ./rows.jsonl\n",
        "datasets/rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return copies


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = write(folder, given.cases)
        dedupe = (*PROMPTCTL, "dataset", "dedupe", "big")
        found = subprocess.run((*dedupe, "--json"), cwd=folder, capture_output=True, text=True, check=True)
        dropped = sum(each["dropped"] for each in json.loads(found.stdout)["duplicates"])
        print(f"{dropped:,} of {copies:,} copies found")
        works = [
            Work(f"dedupe, {given.cases:,} cases", dedupe, folder, Target(10.0)),
            Work(f"split, {given.cases:,} cases", (*PROMPTCTL, "dataset", "split", "big"), folder, Target(10.0)),
        ]
        return run_in_turns(works, given.rounds) or int(dropped < 0.99 * copies)


if __name__ == "__main__":
    sys.exit(main())
