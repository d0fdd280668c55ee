"""Makes a new workspace: the first files, each written only where there is none yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import WorkspaceError
from promptctl.formats.schemas import KINDS, schema_text

SETTINGS = """\
# yaml-language-server: $schema=.promptctl/schemas/promptctl.schema.json
# What every key means: docs/files.md of promptctl, or hover over it in your editor.

# The model of prompts that name none. echo/echo needs no key and no network: it answers with what it was asked.
# A real one: openai/gpt-4o-mini (reads OPENAI_API_KEY), anthropic/claude-sonnet-4-5 (ANTHROPIC_API_KEY), …
model: echo/echo

# models:
#   "local/*": {api_base: "http://127.0.0.1:8000/v1"}

# This machine's log keeps inputs, messages and replies. Without this rule it keeps only their numbers.
log:
  - {prompts: "*", content: full}
"""

PROMPT = """\
# yaml-language-server: $schema=../.promptctl/schemas/prompt.schema.json
name: Welcome note
description: Write a short welcome note for a new member of the team.
inputs:
  name: {type: string, description: Whom to welcome}
  team: {type: string, description: The team they join, default: our team}
  tone: {type: string, description: How the note should sound, required: false}
messages:
  - role: system
    content: |
      You write welcome notes of at most three sentences.
      Be {{ tone | default("warm and plain") }}.
  - role: user
    content: |
      Welcome {{ name }} to {{ team }}.
"""

DATASET = """\
# yaml-language-server: $schema=../.promptctl/schemas/dataset.schema.json
prompts: [welcome]
description: The note names the person it welcomes.
cases:
  - id: names-the-person
    tags: [smoke]
    inputs: {name: Ada}
    assert:
      - {type: contains, value: "{{ name }}"}
  - id: names-the-team
    inputs: {name: Grace, team: the compiler group}
    assert:
      - {type: icontains, value: compiler}
"""

STATE_FOLDER = ".promptctl"
STATE_IGNORE = "*\n!.gitignore\n!schemas/\n!schemas/*.schema.json\n"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A new workspace: the files written, relative to the folder, and those that were there already.

    `is_new_repository` is True if a Git repository was made for it.
    """

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    is_new_repository: bool = False


def scaffold(folder: Path) -> Scaffold:
    """Make a workspace in `folder`, creating it where needed. A file that exists is never touched.

    An example prompt and its dataset are written only where the folder has no prompts yet.
    """
    files = {"promptctl.yaml": SETTINGS}
    if not any((folder / "prompts").rglob("*.prompt.y*ml")):
        files |= {"prompts/welcome.prompt.yaml": PROMPT, "datasets/welcome.yaml": DATASET}
    files |= {".promptctl/.gitignore": STATE_IGNORE}
    files |= {f".promptctl/schemas/{kind}.schema.json": schema_text(kind) for kind in KINDS}
    written: list[str] = []
    kept: list[str] = []
    for path, text in files.items():
        (written if _write(folder, path, text) else kept).append(path)
    return Scaffold(folder, tuple(written), tuple(kept))


def _write(folder: Path, path: str, text: str) -> bool:
    """Write the file whole or not at all; False where something is there already."""
    target = folder / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        if target.is_file():
            return False
        raise WorkspaceError(f"{target} is in the way", hint="move it, then run promptctl init again") from None
    except OSError as error:
        target_is_ours = target.is_file() and target.stat().st_size < len(text.encode())
        if target_is_ours:
            target.unlink(missing_ok=True)
        raise WorkspaceError(f"cannot write {target}: {error.strerror}") from error
    return True
