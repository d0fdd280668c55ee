"""The reference of every command, `docs/cli.md`, from the commands themselves: `python -m tests.docs_reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

INTRODUCTION = """\
# Commands

Every command with its arguments and options, as `--help` prints them. Written by `make docs`; a test holds it
to the commands.

Exit codes: 0 ok · 1 checks failed · 2 wrong usage · 3 the files or the workspace · 4 the model or its provider ·
5 incomplete, can be resumed · 70 a bug · 130 interrupted · 141 the reader of our output went away.
"""
_WIDTH = 100


def reference() -> str:
    """Return the whole page as Markdown."""
    from promptctl.cli.main import app

    root: Any = typer.main.get_command(app)
    sections = [f"## {path}\n\n```text\n{text}\n```\n" for path, text in _commands(root, "promptctl", None)]
    return INTRODUCTION + "\n" + "\n".join(sections)


def _commands(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(name, ["--help"], parent=parent, resilient_parsing=True)
    context.terminal_width = context.max_content_width = _WIDTH
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    for below in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _commands(command.get_command(context, below), below, context)


if __name__ == "__main__":
    (Path(__file__).parent.parent / "docs/cli.md").write_text(reference(), encoding="utf-8")
