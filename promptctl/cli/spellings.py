"""Spellings that typer does not know: earlier ones, which work until 1.0, and options without their value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from promptctl.cli.help import HelpfulCommand
from promptctl.errors import UsageError

REPLIES = {
    "--no-cache": "--replies=ask",
    "--record": "--replies=record",
    "--replay": "--replies=replay",
    "--no-cache --record": "--replies=refresh",
}
VALUE_OPTIONAL = frozenset({"--against"})
"""Options that may stand without a value, which typer has no way to say."""
_RESUMING = ("--resume", "--retry-errors")


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


def _today(command: SpelledCommand, args: Sequence[str]) -> list[str]:
    args = written = _with_values(args)
    renamed = {now.partition("=")[0] for now in command.earlier.values()}
    given: dict[str, str] = {}
    for at in _option_places(command, args):
        text = args[at]
        written[at] = command.earlier.get(text, text)
        option = written[at].partition("=")[0]
        if option in renamed and (other := given.setdefault(option, text)) != text:
            both = command.earlier.get(" ".join(sorted((other, text))))
            if both is None:
                raise UsageError(f"{other} and {text} cannot be given together", hint=f"give {option} alone")
            written[at] = both  # of an option given twice, the later counts
    return written


def _with_values(args: Sequence[str]) -> list[str]:
    """Return the arguments with an empty value where an option stands without one."""
    following = [*args[1:], "--"]
    return [
        f"{text}=" if text in VALUE_OPTIONAL and after.startswith("-") else text
        for text, after in zip(args, following, strict=False)
    ]


def _option_places(command: Any, args: Sequence[str]) -> Iterator[int]:
    """Yield the positions of options among the arguments; a value that looks like an option is none."""
    with_value = {
        name
        for param in command.params
        if param.param_type_name == "option" and not param.is_flag
        for name in param.opts
    }
    at = 0
    while at < len(args) and args[at] != "--":
        if args[at].startswith("-"):
            yield at
        at += 2 if args[at] in with_value else 1
