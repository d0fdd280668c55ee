"""How long `promptctl import` takes over many foreign files, as a whole process.

    python benchmarks/importing.py [--files 1000] [--rounds 3]

Markdown, LangChain and Semantic Kernel files by turns, of 1.5 kB each. Exits 1 where the target is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import Target, Work, run_in_turns

PROMPTCTL = (sys.executable, "-m", "promptctl")
LINES = "A line of a prompt as they are, with words.\n" * 30


def foreign_file(number: int) -> tuple[str, str]:
    """The ending and the text of a file."""
    text = f"Number {number}.\n{LINES}"
    if number % 3 == 0:
        return "md", f"---\ntitle: P{number}\nmodel: m\nvariables: {{tone: How}}\n---\n{text}Be {{{{tone}}}}.\n"
    if number % 3 == 1:
        return "json", json.dumps({"_type": "prompt", "input_variables": ["x"], "template": text + "About {x}."})
    body = "".join(f"  {line}\n" for line in text.splitlines())
    variables = "input_variables: [{name: x, is_required: true}]\n"
    return "yaml", f"name: P{number}\ntemplate: |\n{body}  About {{{{$x}}}}.\n{variables}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        (root / "promptctl.yaml").write_text("model: echo/echo\n")
        for number in range(given.files):
            ending, text = foreign_file(number)
            file = root / f"old/team{number % 20}/p{number}.{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        command = (*PROMPTCTL, "import", "old", "--json")
        return run_in_turns([Work(f"import, {given.files:,} files", command, root, Target(5.0))], given.rounds)


if __name__ == "__main__":
    sys.exit(main())
