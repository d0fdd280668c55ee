"""What a command may load. Start-up is paid at every call, so heavy libraries are loaded only where they are needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import promptctl
from tests.cli.conftest import TRIAGE, write

PACKAGE = Path(promptctl.__file__).parent
OWNERS: dict[str, set[str]] = {
    "git": {"git/commands.py"},
    "jsonschema": set(),  # only tests compare with it
    "litellm": {"models/litellm_lane.py", "models/litellm_library.py"},
    "aiohttp": {"models/openai_lane.py"},
    "typer": {"cli"},
    "rich": {"cli"},
}
PROBE = """
import sys
import typer
from promptctl.cli.boundary import run_program
from promptctl.cli.main import app
code = run_program(typer.main.get_command(app))
heavy = ("litellm", "aiohttp", "jsonschema", "pydantic", "openai", "git", "rich", "referencing")
print("LOADED", code, *(name for name in heavy if name in sys.modules), file=sys.stderr)
"""


def loaded(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of `promptctl ARGUMENTS` in a process of its own, and the heavy libraries it loaded."""
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    last = done.stderr.splitlines()[-1].split()
    assert last[0] == "LOADED", done.stderr
    return int(last[1]), set(last[2:])


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/triage.prompt.yaml", TRIAGE)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["list"], {"git"}),
        (["render", "triage", "-i", "ticket=x"], {"git"}),
        (["run", "triage", "-i", "ticket=x"], {"git"}),
        (["log", "list"], set()),
        (["log", "stats"], set()),
        (["validate"], {"git"}),
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments: list[str], allowed: set[str]) -> None:
    exit_code, heavy = loaded(*arguments)
    assert exit_code == 0
    assert heavy <= allowed


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_known_in_one_place(library: str) -> None:
    users = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            if any(name.split(".")[0] == library for name in names):
                users.add(file.relative_to(PACKAGE).as_posix())
    assert {
        user for user in users if not any(user == owner or user.startswith(owner + "/") for owner in OWNERS[library])
    } == set()


def test_nothing_but_the_command_line_prints_or_reads_the_environment() -> None:
    offenders = []
    for file in PACKAGE.rglob("*.py"):
        place = file.relative_to(PACKAGE).as_posix()
        if place.startswith("cli/") or place == "__main__.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.Name) and node.id == "print") or (
                isinstance(node, ast.Attribute) and node.attr == "argv"
            ):
                offenders.append(f"{place}:{node.lineno}")
    assert offenders == []
