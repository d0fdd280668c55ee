"""Prompts linted from memory, on a day that is always the same."""

from __future__ import annotations

from datetime import date
from textwrap import dedent

from promptctl.errors import Problem
from promptctl.files.tree import MemoryTree
from promptctl.formats.settings_file import read_settings
from promptctl.linting.linting import LintReport, lint_workspace

DAY = date(2026, 11, 29)


def report(text: str, settings: str = "", today: date = DAY, paths: tuple[str, ...] = (), **files: str) -> LintReport:
    """The report on `prompts/p.prompt.yaml` and other files below prompts/, `a__b_yaml` for a/b.yaml."""
    tree = {f"prompts/{_path(name)}": dedent(content) for name, content in files.items()}
    tree |= {"prompts/p.prompt.yaml": dedent(text), "promptctl.yaml": dedent(settings)}
    return lint_workspace(MemoryTree(tree), read_settings(dedent(settings).encode()), paths, today=today)


def found(text: str, settings: str = "", **files: str) -> list[Problem]:
    """What is found in the prompt, and in the partials that it includes."""
    return list(report(text, settings, DAY, ("prompts/p.prompt.yaml",), **files).findings)


def codes(text: str, settings: str = "", **files: str) -> list[str]:
    return [each.code for each in found(text, settings, **files)]


def user(content: str, *more: str, inputs: str = "{}") -> str:
    """A prompt of one user's message; its text begins on line 5."""
    return message("user", content, *more, inputs=inputs)


def system(content: str, *more: str, inputs: str = "{}") -> str:
    return message("system", content, *more, inputs=inputs)


def message(role: str, content: str, *more: str, inputs: str = "{}") -> str:
    body = "".join(f"      {line}\n" if line else "\n" for line in content.split("\n"))
    return f"inputs: {inputs}\nmessages:\n  - role: {role}\n    content: |\n{body}" + "".join(
        f"{each}\n" for each in more
    )


def _path(name: str) -> str:
    stem, _, suffix = name.replace("__", "/").rpartition("_")
    return f"{stem}.schema.{suffix}" if suffix == "yaml" else f"{stem}.{suffix}"
