"""The rules of the house: which modules a command loads, which modules import which, and how they are named.

Start-up is paid at every call, so heavy libraries are loaded only when they are needed.
"""

from __future__ import annotations

import ast
import gc
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

import promptctl
from promptctl.comparisons.flips import ROUNDS
from tests.cli.conftest import TRIAGE, commit, git, write
from tests.openai_server import OpenAIServer

PACKAGE = Path(promptctl.__file__).parent
OWNERS: dict[str, set[str]] = {
    "git": {"git.commands"},
    "genson": {"schemas.from_values"},
    "jsonschema": {"schemas.library"},
    "referencing": {"schemas.library"},
    "litellm": {"models.litellm_lane", "models.litellm_library"},
    "tree_sitter": {"adoption.javascript.syntax"},
    "aiohttp": {"models.openai_lane", "browse.server", "loopback.connections", "serving.server"},
    "typer": {"cli"},
    "rich": {"cli"},
    "opentelemetry": {"telemetry.instruments", "telemetry.exporting"},
    "libcst": {"adoption.rewriting"},
    "rapidfuzz": {"assertions.text", "datasets.likeness", "files.names", "models.nearest"},
}
Node = TypeVar("Node", bound=ast.AST)
KINDS = (
    *(ast.Import, ast.ImportFrom, ast.Name, ast.Attribute),
    *(ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef),
)
PROBE = """
import sys
import typer
from promptctl.cli.boundary import run_program
from promptctl.cli.main import app
code = run_program(typer.main.get_command(app))
heavy = ("litellm", "aiohttp", "jsonschema", "pydantic", "openai", "git", "rich", "referencing", "asyncio")
heavy = (*heavy, "opentelemetry", "promptctl.telemetry")
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
        (["run", "triage", "-i", "ticket=x"], {"git", "asyncio"}),
        (["log", "list"], set()),
        (["log", "stats"], set()),
        (["validate"], {"git"}),
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments: list[str], allowed: set[str]) -> None:
    exit_code, heavy = loaded(*arguments)
    assert exit_code == 0
    assert heavy <= allowed


@cache
def modules() -> Mapping[str, ast.Module]:
    """Every module of the package by its dotted name below it, parsed."""
    files = {file.relative_to(PACKAGE): file for file in sorted(PACKAGE.rglob("*.py"))}
    with _nothing_to_collect():
        return {
            ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip("."): ast.parse(file.read_bytes())
            for path, file in files.items()
        }


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Make what stays to the end: the garbage collector passes over it neither here nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def imports() -> dict[str, set[str]]:
    """The modules of ours that each imports, for types and in functions too; a package counts with its module."""
    found: dict[str, set[str]] = {module: set() for module in modules()}
    for module, plain in definitions(ast.Import):
        found[module] |= {alias.name for alias in plain.names}
    for module, node in definitions(ast.ImportFrom):
        if node.module is not None:
            found[module] |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for module, names in found.items():
        ours = {name.removeprefix("promptctl").lstrip(".") for name in names if name.split(".")[0] == "promptctl"}
        found[module] = (ours & modules().keys()) - {module}
    return found


def place(module: str, node: ast.AST) -> str:
    return f"{module}:{getattr(node, 'lineno', 1)}"


def definitions(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    """Every node of that kind in the package, with its module; the kind is one of `KINDS`."""
    return ((module, node) for module, node in _nodes()[kind] if isinstance(node, kind))


@cache
def _nodes() -> dict[type[ast.AST], list[tuple[str, ast.AST]]]:
    found: dict[type[ast.AST], list[tuple[str, ast.AST]]] = {kind: [] for kind in KINDS}
    trees = modules()
    with _nothing_to_collect():
        for name, tree in trees.items():
            for node in ast.walk(tree):
                if type(node) in found:
                    found[type(node)].append((name, node))
    return found


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_known_in_one_place(library: str) -> None:
    names = [(module, alias.name) for module, node in definitions(ast.Import) for alias in node.names]
    names += [(module, node.module or "") for module, node in definitions(ast.ImportFrom) if node.level == 0]
    users = {module for module, name in names if name.split(".")[0] == library}
    assert {user for user in users if not any(f"{user}.".startswith(f"{owner}.") for owner in OWNERS[library])} == set()


def test_the_page_on_architecture_counts_what_is_there() -> None:
    page = " ".join((PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8").split())
    words = {2: "two", 3: "three", 4: "four", 5: "five"}
    assert f"aiohttp has {words[len(OWNERS['aiohttp'])]}" in page
    assert f"`replies: ask` and {words[ROUNDS]} repeats on each side" in page


def test_only_the_command_line_prints() -> None:
    offenders = [place(module, node) for module, node in definitions(ast.Name) if node.id == "print"]
    offenders += [place(module, node) for module, node in definitions(ast.Attribute) if node.attr == "argv"]
    assert [each for each in offenders if not each.startswith(("cli.", "__main__:"))] == []


def test_the_environment_is_read_in_one_place() -> None:
    """Git's and LiteLLM's modules only take variables out, or set them, around what is not ours."""
    allowed = {"workspace", "git.commands", "models.litellm_library", "models.tokens"}
    readers = {
        module
        for module, node in definitions(ast.Attribute)
        if node.attr in ("environ", "getenv") and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    assert {module for module in readers if not module.startswith("cli.")} <= allowed


def doors() -> dict[str, set[str]]:
    """The modules of each room that other rooms import, by the room's name; `__init__` is the room's own module."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, node in definitions(ast.ImportFrom):
        room, _, rest = (node.module or "").removeprefix("promptctl.").partition(".")
        if not (node.module or "").startswith("promptctl.") or room in (
            "errors",
            "context",
            "counting",
            module.split(".")[0],
        ):
            continue
        for alias in node.names:
            name = ".".join(part for part in (rest, alias.name) if part)
            found[room].add(name if f"{room}.{name}" in modules() else rest or "__init__")
    return found


def test_a_room_is_entered_through_its_doors() -> None:
    """Whoever needs one more door, or one less, says so in the table of docs/architecture.md."""
    page = (PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| (`[^|]+`) \|$", page.partition("\n## The doors\n")[2], flags=re.MULTILINE)
    table = {room: set(re.findall(r"`([\w.]+)`", names)) for room, names in rows}
    assert {room: names for room, names in doors().items() if room != "cli"} == table


def test_no_circle_of_files_exists() -> None:
    left = imports()
    while left:
        imported = {name for names in left.values() for name in names}
        inner = {module: names & left.keys() for module, names in left.items() if module in imported}
        inner = {module: names for module, names in inner.items() if names}
        if inner == left:
            break
        left = inner
    assert sorted(left) == [], "these import each other"


def test_no_class_name_exists_twice() -> None:
    places = defaultdict(list)
    for module, node in definitions(ast.ClassDef):
        places[node.name].append(place(module, node))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize(("room", "below"), [("cli", ("browse", "serving", "loopback")), ("browse", ("loopback",))])
def test_what_people_see_knows_the_public_api_alone(room: str, below: tuple[str, ...]) -> None:
    offenders = []
    found: list[tuple[str, ast.Import | ast.ImportFrom]] = [*definitions(ast.Import), *definitions(ast.ImportFrom)]
    for module, node in found:
        if module.split(".")[0] != room:
            continue
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module == "promptctl":
            is_public = {alias.name for alias in node.names} <= {*promptctl.__all__, "errors"}
            names = [] if is_public else [f"promptctl.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            package, _, rest = name.partition(".")
            if package == "promptctl" and rest.partition(".")[0] not in (
                room,
                *below,
                "workspace",
                "reports",
                "errors",
            ):
                offenders.append(f"{module}: {name}")
    assert offenders == []


COUNT = """
import sys
import typer
from promptctl.cli.boundary import run_program
from promptctl.cli.main import app
code = run_program(typer.main.get_command(app))
ours = [name for name in sys.modules if name.startswith("promptctl.")]
unused = [name for name in ours if "budget" in name or name.endswith(("spending", "windows", "processes"))]
print("MODULES", code, len(ours), len(unused), file=sys.stderr)
"""


@pytest.mark.parametrize("model", ["echo/echo", "openai/gpt-4o-mini"])
def test_a_call_loads_few_modules_of_ours(model: str, tmp_path: Path) -> None:
    """Each one is found, read and run at every start: what one kind of call needs alone is loaded by it alone."""
    if model == "echo/echo":
        git(tmp_path, "init", "--quiet")
        commit(tmp_path, "Add triage")
        loaded("list")  # makes the index of versions
    with OpenAIServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", COUNT, "run", "triage", "-i", "ticket=x", "-m", model],
            env={**os.environ, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url},
            capture_output=True,
            text=True,
            check=True,
        )
    word, code, count, of_budgets = done.stderr.splitlines()[-1].split()
    assert (word, code, of_budgets) == ("MODULES", "0", "0"), done.stderr
    assert int(count) <= 90
