"""How long `promptctl import` takes over many foreign files, as a whole process.

    python benchmarks/importing.py [--files 1000] [--versions 10000] [--rounds 3]

Markdown, LangChain and Semantic Kernel files by turns, of 1.5 kB each; and a Langfuse export with every version of 200
prompts, of 1 kB each, which become commits, and a label for each prompt. Exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import Target, Work, run_in_turns

PROMPTCTL = (sys.executable, "-m", "promptctl")
IN_DESK = (
    "import os; os.chdir('desk'); os.environ.update(GIT_COMMITTER_NAME='Ada', GIT_COMMITTER_EMAIL='ada@example.com'); "
    "from promptctl.cli.program import main; main()"
)
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


def version(number: int, count: int) -> dict[str, object]:
    """One of `count` versions of 200 prompts, as Langfuse gives it; the newest of each prompt is in production."""
    prompt, text = number % 200, LINES[:900] + f"Version {number // 200}."
    return {
        "name": f"team{prompt % 20}/p{prompt}", "version": number // 200 + 1, "type": "chat",
        "prompt": [{"role": "system", "content": text}, {"role": "user", "content": "{{question}}"}],
        "config": {"model": "gpt-4o", "temperature": 0.5}, "tags": ["team"], "createdBy": f"u{number % 7}",
        "labels": ["production", "latest"] if number >= count - 200 else [], "commitMessage": f"Change {number}",
        "createdAt": f"2025-{1 + number * 11 // count:02d}-{1 + number % 28:02d}T10:00:00.000Z",
    }  # fmt: skip


def begin(root: Path) -> None:
    """Begin the repository of the history anew."""
    shutil.rmtree(root / "desk", ignore_errors=True)
    desk = root / "desk"
    subprocess.run(["git", "init", "--quiet", desk], check=True)
    (desk / "promptctl.yaml").write_text("model: echo/echo\n")
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    subprocess.run(["git", "-C", desk, "add", "promptctl.yaml"], check=True)
    subprocess.run(["git", "-C", desk, *name, "commit", "--quiet", "-m", "Begin"], check=True)


def is_whole(root: Path, count: int) -> bool:
    """True where every version is a commit."""
    counted = subprocess.run(
        ["git", "-C", root / "desk", "rev-list", "--count", "HEAD"], capture_output=True, check=True
    )
    return int(counted.stdout) == count + 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--versions", type=int, default=10_000)
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
        exported = (json.dumps(version(number, given.versions)) + "\n" for number in range(given.versions))
        (root / "langfuse.jsonl").write_text("".join(exported))
        history = Work(
            f"import, {given.versions:,} versions to commits",
            (sys.executable, "-c", IN_DESK, "import", "../langfuse.jsonl", "--yes", "--json"),
            root,
            Target(cpu_s=30.0),
            before=lambda: begin(root),
            after=lambda: is_whole(root, given.versions),
        )
        works = [Work(f"import, {given.files:,} files", command, root, Target(5.0)), history]
        return run_in_turns(works, given.rounds)


if __name__ == "__main__":
    sys.exit(main())
