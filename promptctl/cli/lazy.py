"""A group of commands, each imported when it is called, so that none pays for what others need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from promptctl.cli.spellings import resumed, spelled


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, its place in `promptctl.cli` (`module:name`), the line that lists it, under which heading.

    Its name may be of two words. `earlier` are spellings that its options had. A module's `EXAMPLES` end its help.
    """

    name: str
    where: str
    help: str
    heading: str = "Commands"
    earlier: Mapping[str, str] = field(default_factory=dict)
    kind: type[TyperCommand] | None = None

    def load(self) -> Any:
        """Return the command itself; a `typer.Typer` becomes a group of its own."""
        module, _, attribute = self.where.partition(":")
        home = import_module(f"promptctl.cli.{module}")
        found = getattr(home, attribute)
        # `\b` keeps the lines as they are written.
        examples = f"\b\nExamples:\n{home.EXAMPLES}" if hasattr(home, "EXAMPLES") else None
        if isinstance(found, typer.Typer):
            group: Any = typer.main.get_group(found)
            group.name, group.epilog = self.name, examples
            return group
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(self.name, cls=self.kind or spelled(self.earlier), epilog=examples)(found)
        return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """Lists its commands from `table`, and loads one when it is asked for."""

    table: ClassVar[tuple[Command, ...]] = ()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
        """Return the commands' names, in the table's order."""
        return [command.name for command in self.table]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the library's signature
        """Return the command of that name; None if there is none."""
        known = self.__dict__.setdefault("_loaded", {})
        if cmd_name not in known:
            command = next((command for command in self.table if command.name == cmd_name), None)
            if command is None:
                return None
            known[cmd_name] = command.load()
        return known[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments begin with, which may be of two words."""
        if args[0] == "eval":
            args = ["eval", *resumed(self.get_command(ctx, "eval"), args[1:])]
        name = " ".join(args[:2])
        if len(args) > 1 and name in self.list_commands(ctx):
            return name, self.get_command(ctx, name), args[2:]
        self.commands: Any = dict.fromkeys(self.list_commands(ctx))  # names for the library's suggestions
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the library's signature
        """Write the list in `--help`, without loading any of them."""
        width = max(len(command.name) for command in self.table)
        for heading in dict.fromkeys(command.heading for command in self.table):
            with formatter.section(heading):
                of_it = (command for command in self.table if command.heading == heading)
                formatter.write_dl([(command.name.ljust(width), command.help) for command in of_it])
