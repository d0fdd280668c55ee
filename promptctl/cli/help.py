"""`promptctl help` and `promptctl version`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from promptctl import __version__
from promptctl.cli.commands import argument
from promptctl.cli.output import say
from promptctl.errors import UsageError, printable


def show_help(
    context: typer.Context,
    words: Annotated[list[str] | None, argument("[COMMAND]...", "The command: `label set`.")] = None,
) -> None:
    """Show what a command does, with its arguments, options and examples."""
    command: Any = context.find_root().command
    about: Any = context.find_root()
    left = list(words or ())
    while left and hasattr(command, "resolve_command"):
        name, command, left = command.resolve_command(about, left)
        about = type(about)(command, info_name=name, parent=about)
    if left:
        raise UsageError(
            f"`{about.command_path}` has no command `{printable(left[0])}`", hint=f"{about.command_path} --help"
        )
    say(command.get_help(about))


def show_version() -> None:
    """Print the version."""
    say(f"promptctl {__version__}")
