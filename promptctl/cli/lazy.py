"""A group of commands that are imported when they are called, so that none pays for what another needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, where it is in `promptctl.cli` (`module:name`), and the line that lists it."""

    name: str
    where: str
    help: str

    def load(self) -> Any:
        """The command itself; a `typer.Typer` becomes a group of its own."""
        module, _, attribute = self.where.partition(":")
        found = getattr(import_module(f"promptctl.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            group: Any = typer.main.get_group(found)
            group.name = self.name
            return group
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(self.name)(found)
        return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """Lists its commands from `table`, and loads one when it is asked for."""

    table: ClassVar[tuple[Command, ...]] = ()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
        """The commands' names, in the table's order."""
        return [command.name for command in self.table]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the library's signature
        """The command of that name; None where there is none."""
        known = self.__dict__.setdefault("_loaded", {})
        if cmd_name not in known:
            command = next((command for command in self.table if command.name == cmd_name), None)
            if command is None:
                return None
            known[cmd_name] = command.load()
        return known[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the library's signature
        """The list in `--help`, without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.help) for command in self.table])
