"""Help that teaches: commands and options under headings, with examples that are right."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from typing import Any

import pytest
import typer

import promptctl
from promptctl.cli.main import COMMANDS, app
from tests.cli.conftest import Cli


def options_of(command: Any) -> set[str]:
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts)}


def test_commands_are_listed_under_headings(cli: Cli) -> None:
    words = cli("--help").out
    headings = [line for line in words.splitlines() if re.fullmatch(r"\S.*:", line)]
    assert headings == ["Options:", *(f"{name}:" for name in dict.fromkeys(each.heading for each in COMMANDS))]
    assert all(re.search(rf"^  {command.name}  ", words, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize(
    ("command", "headings"),
    [
        ("run", ["Arguments", "Inputs", "Model", "Recorded with the call", "Experiment", "Options"]),
        ("eval", ["Arguments", "Prompts and datasets", "Models and replies", "Cases", "Passing", "Limits", "Gate"]),
        ("log list", ["Which calls", "Options"]),
        ("list", ["Options"]),
    ],
)
def test_options_that_belong_together_are_under_a_heading(cli: Cli, command: str, headings: list[str]) -> None:
    words = cli(*command.split(), "--help").out
    assert [line[:-1] for line in words.splitlines() if re.fullmatch(r"\S.*:", line)][: len(headings)] == headings
    found: Any = typer.main.get_command(app)
    for name in command.split():
        found = found.get_command(None, name)
    missing = {option for option in options_of(found) if option.startswith("--") and option not in words}
    assert missing == set()


@pytest.mark.parametrize("command", ["eval", "run", "review", "label"])
def test_examples_are_commands_that_exist(cli: Cli, command: str) -> None:
    module = next(each for each in COMMANDS if each.name == command).where.partition(":")[0]
    lines = import_module(f"promptctl.cli.{module}").EXAMPLES.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line in cli(command, "--help").out.replace("\n    ", "\n  ")
        _, *words = shlex.split(line)
        found: Any = typer.main.get_command(app)
        while hasattr(found, "get_command"):
            found = found.get_command(None, words.pop(0))
        assert {word for word in words if word.startswith("-")} <= options_of(found)


@pytest.mark.parametrize("command", ["", "eval", "eval resume", "label", "label set", "log list"])
def test_help_is_a_command_too(cli: Cli, command: str) -> None:
    asked = cli("help", *command.split())
    assert (asked.exit_code, asked.out) == (0, cli(*command.split(), "--help").out)


def test_help_of_a_command_that_is_none_names_the_nearest(cli: Cli) -> None:
    wrong = cli("help", "evl")
    assert (wrong.exit_code, "did you mean `eval`?" in wrong.err) == (2, True)


def test_the_version_is_a_command_too(cli: Cli) -> None:
    assert cli("version").out == cli("--version").out == f"promptctl {promptctl.__version__}\n"
