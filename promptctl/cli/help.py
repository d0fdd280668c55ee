"""`promptctl help` and `promptctl version`; and the help of each command, its options in groups."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from promptctl import __version__
from promptctl.cli.output import say
from promptctl.errors import UsageError, printable

_OTHERS = "Options"


class HelpfulCommand(TyperCommand):
    """A command whose help lists options that belong together under a heading of their own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options: those of a group together, all others last."""
        headings: dict[str, list[Any]] = {"Arguments": []}
        others = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            heading = getattr(param, "rich_help_panel", None)
            if record is None:
                continue
            if param.param_type_name == "argument":
                headings["Arguments"].append(record)
            elif heading is None:
                others.append(record)
            else:
                headings.setdefault(heading, []).append(record)
        for heading, records in {**headings, _OTHERS: others}.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def show_help(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...", help="The command: `label set`.")] = None,
) -> None:
    """Show what a command does, with its arguments, options and examples."""
    command: Any = context.find_root().command
    about: Any = context.find_root()
    left = list(words or ())
    while left:
        if not hasattr(command, "resolve_command"):
            break
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
