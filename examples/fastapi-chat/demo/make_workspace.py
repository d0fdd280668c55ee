"""Makes the Git repository that the chat's prompts live in: two versions of each prompt, and two labels.

python -m demo.make_workspace data/prompts
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import promptctl

PROMPTS = ("tutor/video", "tutor/quiz")
RULES = "prompts/tutor/house-rules.j2"


def make_workspace(folder: Path) -> None:
    """Make it, unless the folder is there already."""
    if folder.exists():
        print(f"{folder} is there already: nothing to do")
        return
    made = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(Path(__file__).parent / "workspace", made)
    _fill(made)
    made.rename(folder)
    print(f"made {folder}: {', '.join(PROMPTS)}, each with v1 at @production and v2 at @kinder")


def _fill(folder: Path) -> None:
    _git(folder, "init", "--quiet", "--initial-branch=main")
    if subprocess.run(["git", "config", "user.email"], cwd=folder, capture_output=True).returncode != 0:
        _git(folder, "config", "user.name", "Chat Example")
        _git(folder, "config", "user.email", "chat@example.com")
    _commit(folder, "Add the tutor's prompts")
    rules = folder / RULES
    rules.write_text(rules.read_text().replace("Be brief", "Begin with a word of encouragement. Be brief"))
    _commit(folder, "Let the tutor be kinder")
    with promptctl.open_workspace(folder) as workspace:
        for prompt in PROMPTS:
            workspace.labels.set(f"{prompt}@production", "v1")
            workspace.labels.set(f"{prompt}@kinder", "v2")


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", ".")
    _git(folder, "-c", "commit.gpgSign=false", "commit", "--quiet", f"--message={message}")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


if __name__ == "__main__":
    make_workspace(Path(sys.argv[1]))
