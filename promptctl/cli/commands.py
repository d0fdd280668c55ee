"""Commands as typer has none: imported when called, with options in groups and spellings that it does not know.

The spellings are earlier ones, which work until 1.0, and options without their value. Arguments and options are declared
as the help lists them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from importlib import import_module
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_type_hints

import typer
from typer._click import exceptions  # typer itself exports none that all of them share
from typer.core import TyperCommand, TyperGroup

from promptctl.errors import UsageError

if TYPE_CHECKING:
    from promptctl.workspace.completion import Word

F = TypeVar("F", bound=Callable[..., Any])
REPLIES = {
    "--no-cache": "--replies=ask",
    "--record": "--replies=record",
    "--replay": "--replies=replay",
    "--no-cache --record": "--replies=refresh",
}
VALUE_OPTIONAL = frozenset({"--against"})
"""Options that may stand without a value, which typer has no way to say."""
_MAY_BE_EMPTY = VALUE_OPTIONAL | {"--expected"}
_RESUMING = ("--resume", "--retry-errors")

_OTHERS = "Options"
WAY = f"{__name__}.way"
"""Where a context's `meta` has the folder that -C named, by the way that leads there."""


def option(*declared: str, completes: Word | None = None, **more: Any) -> Any:
    """Return an option, declared as the help lists it: its names, the name of a value unless it has none, and the text."""
    *names, text = declared
    metavar = None if names[-1].startswith("-") else names.pop()
    return typer.Option(*names, metavar=metavar, help=text, autocompletion=completes and completing(completes), **more)


def argument(metavar: str, text: str, *, completes: Word | None = None, **more: Any) -> Any:
    """Return an argument, declared as the help lists it."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=completes and completing(completes), **more)


def completing(kind: Word) -> Callable[[typer.Context, str], list[str]]:
    """Return what completes words of a kind; outside a workspace, and in a broken one, there are none."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        # An option that still lacks its value keeps the library from reading the arguments before it.
        from promptctl.cli.completing import offered

        words = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()
        return offered({name: at for name, at in ctx.find_root().params.items() if at}, kind, incomplete, words)

    return complete


class _InPlace:
    """A command or group whose every wrong argument is said to be its own: the library does not of a missing value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises `UsageError` for an option whose value is empty, as an unset variable leaves it."""
        for at in () if ctx.resilient_parsing else _option_places(self, args):  # of words to complete, nothing is said
            name, *value = args[at].split("=", 1)
            if name in _with_value(self) - _MAY_BE_EMPTY and (value or args[at + 1 : at + 2]) == [""]:
                raise UsageError(f"{name} is empty", hint="give it a value, or leave it out")
        try:
            found: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except exceptions.UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        return found


class HelpfulCommand(_InPlace, TyperCommand):
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


class SpelledCommand(HelpfulCommand):
    """A command that also takes the `earlier` spellings of its options."""

    earlier: ClassVar[Mapping[str, str]] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with each earlier spelling as it is spelled today."""
        return super().parse_args(ctx, _today(self, args))


class ResumeCommand(HelpfulCommand):
    """A command that goes on with what was begun, and so refuses options that say what to begin."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises `UsageError` for an option of `eval` that could change nothing any more."""
        begun = ctx.parent.command.get_command(ctx.parent, "eval")
        own = {name for param in self.params for name in param.opts}
        known = {name for param in begun.params for name in param.opts if name.startswith("-")} | {*begun.earlier}
        for at in _option_places(begun, args):
            name = args[at].partition("=")[0]
            if name in known - own:
                raise UsageError(
                    f"{name} cannot be given with `eval resume`",
                    hint="it goes on with what the evaluation was begun with; to change that, give its command again",
                )
        return super().parse_args(ctx, args)


def spelled(earlier: Mapping[str, str]) -> type[SpelledCommand]:
    """Return the class of a command whose options had these spellings, each with what it is today."""
    return type("SpelledCommand", (SpelledCommand,), {"earlier": earlier})


def resumed(evaluate: Any, args: Sequence[str]) -> list[str]:
    """Return the arguments of `eval`, as those of `eval resume` if they have `--resume` or `--retry-errors`."""
    places = _option_places(evaluate, args)
    given = [at for at in places if args[at] in _RESUMING]
    if not given or args[0] == "resume":
        return list(args)
    return ["resume", *(text for at, text in enumerate(args) if not (at in given and text == "--resume"))]


class _Group(_InPlace, TyperGroup):
    """A group of commands, as the library reads it."""


class Group(typer.Typer):
    """A group of commands, whose parameters may be groups of options, too."""

    def __init__(self, about: str, *, no_args_is_help: bool = True) -> None:
        super().__init__(help=about, cls=_Group, no_args_is_help=no_args_is_help, rich_markup_mode=None)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Add a command of this name."""

        def add(command: F) -> F:
            typer.Typer.command(self, name, cls=HelpfulCommand, **settings)(grouped(command))
            return command

        return add


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
        alone.command(self.name, cls=self.kind or spelled(self.earlier), epilog=examples)(grouped(found))
        return typer.main.get_command(alone)


class LazyGroup(_InPlace, TyperGroup):
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


def _today(command: SpelledCommand, args: Sequence[str]) -> list[str]:
    written = list(args)
    renamed = {now.partition("=")[0] for now in command.earlier.values()}
    given: dict[str, str] = {}
    for at in _option_places(command, args):
        text = f"{args[at]}=" if _is_alone(args, at) else args[at]
        written[at] = command.earlier.get(text, text)
        option = written[at].partition("=")[0]
        if option in renamed and (other := given.setdefault(option, text)) != text:
            both = command.earlier.get(" ".join(sorted((other, text))))
            if both is None:
                raise UsageError(f"{other} and {text} cannot be given together", hint=f"give {option} alone")
            written[at] = both  # of an option given twice, the later counts
    return written


def _with_value(command: Any) -> set[str]:
    options = (param for param in command.params if param.param_type_name == "option" and not param.is_flag)
    return {name for param in options for name in param.opts}


def _is_alone(args: Sequence[str], at: int) -> bool:
    """Return True for an option that may stand without a value, and does."""
    return args[at] in VALUE_OPTIONAL and (at + 1 == len(args) or args[at + 1].startswith("-"))


def _option_places(command: Any, args: Sequence[str]) -> Iterator[int]:
    """Yield the positions of a command's options; a value that looks like one is none, nor is what follows a subcommand."""
    with_value, at = _with_value(command), 0
    while at < len(args) and args[at] != "--":
        if args[at].startswith("-"):
            yield at
        elif not command.allow_interspersed_args:
            return
        at += 2 if args[at] in with_value and not _is_alone(args, at) else 1


def refuse_given(context: typer.Context, names: Iterable[str], why: str, hint: str | None = None) -> None:
    """Raise `UsageError` for the first of these parameters that the command line gives, as `--option why`."""
    for each in context.command.params:
        source = context.get_parameter_source(each.name or "")
        if (each.name or "") in names and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{max(each.opts, key=len)} {why}", hint=hint)


def way_here() -> str:
    """Return the current folder as a shell was led to it, with the links on the way."""
    told = os.environ.get("PWD", "")
    is_here = os.path.isabs(told) and os.path.exists(told) and os.path.samefile(told, os.curdir)  # noqa: PTH110, PTH117, PTH121
    return told if is_here else os.getcwd()  # noqa: PTH109


def names_in(*groups: Any) -> list[str]:
    """Return the names of the parameters of groups of options."""
    return [each.name for group in groups for each in fields(group)]


def refuse_before(context: typer.Context, subcommand: str) -> None:
    """Raise `UsageError` for an option of a group that is a command itself, before the name of a different one."""
    names = [each.name for each in context.command.params if each.name]
    hint = f"{context.command_path} {subcommand} --help"
    refuse_given(context, names, f"is before `{subcommand}`, which takes its options after its name", hint)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose dataclass parameters are read from the command line field by field.

    A field is declared like a parameter of a command: `Annotated[type, option(…)] = default`. The class's
    `heading` is above its options in the help.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    if not groups:
        return command
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def ungrouped(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        command(**given)

    ungrouped.__name__, ungrouped.__doc__ = command.__name__, command.__doc__
    ungrouped.__annotations__ = {each.name: each.annotation for each in parameters}
    ungrouped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return ungrouped


def _parameters(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(each.name, Parameter.KEYWORD_ONLY, default=_default(each), annotation=_below(group, hints[each.name]))
        for each in fields(group)
    ]


def _below(group: Any, annotation: Any) -> Any:
    """Return an option's declaration with the heading of its group in the help."""
    declared = copy(annotation.__metadata__[0])  # several groups may share one option
    declared.rich_help_panel = getattr(group, "heading", None)
    return Annotated[annotation.__origin__, declared]


def _default(given: Field[Any]) -> Any:
    if given.default_factory is not MISSING:
        return given.default_factory()
    return Parameter.empty if given.default is MISSING else given.default
