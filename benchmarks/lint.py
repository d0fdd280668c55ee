"""How long `promptctl lint` and `validate` take over many prompts, as whole processes in turns.

    python benchmarks/lint.py [--prompts 1000] [--rounds 5]

Exits 1 where the target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from make_repository import prompt_file, prompt_path
from processes import Target, Work, run_in_turns

PROMPTCTL = (sys.executable, "-m", "promptctl")
SCHEMA = "type: object\nadditionalProperties: false\nrequired: [label]\nproperties:\n  label: {enum: [a, b]}\n"
TONE = "{% if tone is defined %}Be {{ tone }}.{% else %}Be kind.{% endif %}\n"


def write(folder: Path, prompts: int) -> None:
    """A workspace like that of `make_repository`, without its history."""
    files = {prompt_path(number): prompt_file(number, number % 7) for number in range(prompts)}
    files |= {f"prompts/shared/tone{number}.j2": TONE for number in range(50)}
    files |= {"prompts/shared/answer.schema.yaml": SCHEMA, "promptctl.yaml": "model: echo/echo\n"}
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.prompts)
        works = [
            Work(
                f"{name}, {given.prompts:,} prompts",
                (*PROMPTCTL, name),
                Path(folder),
                Target(3.0 if name == "lint" else None),
            )
            for name in ("lint", "validate")
        ]
        return run_in_turns(works, given.rounds)


if __name__ == "__main__":
    sys.exit(main())
