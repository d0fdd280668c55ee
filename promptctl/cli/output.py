"""How everything is printed: data on stdout, words on stderr; colour on a terminal only."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TextIO

import typer

from promptctl.errors import InvalidFiles, Problem, PromptctlError

if TYPE_CHECKING:
    from rich.console import Console

NANO = 1_000_000_000

# What would make a terminal do something, or show text in another order than it is in. Colours as `styled` sets them
# stay, which also lets text from outside be coloured, but not hidden.
_CONTROL = re.compile(
    "\x1b(?!\\[(?:[012]|3[0-7]|9[0-7])m)|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def uses_colour(stream: TextIO) -> bool:
    """True on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, stream: TextIO, **style: Any) -> str:
    """The text with its style where the stream shows colour."""
    return typer.style(text, **style) if uses_colour(stream) else text


def console() -> Console:
    """A rich console on stdout; only for a terminal, since its import costs."""
    from rich.console import Console

    return Console(no_color=not uses_colour(sys.stdout), highlight=False, soft_wrap=False)


def is_terminal() -> bool:
    """True where stdout is a terminal and so for a person's eyes."""
    return sys.stdout.isatty()


def say(text: str = "") -> None:
    """A line of data on stdout."""
    sys.stdout.write(_printable(text, sys.stdout) + "\n")


def say_piece(text: str) -> None:
    """A piece of a line on stdout, at once."""
    sys.stdout.write(_printable(text, sys.stdout))
    sys.stdout.flush()


def say_json(data: Any) -> None:
    """One JSON document on stdout: keys in their documented order, text readable."""
    say(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def tell(text: str) -> None:
    """A line of words on stderr. Where it cannot be written, the exit code says what is left to say."""
    with suppress(OSError):
        sys.stderr.write(_printable(text, sys.stderr) + "\n")


def warn(message: str, hint: str | None = None) -> None:
    """A warning on stderr, with what to do about it."""
    tell(styled("warning: ", sys.stderr, fg="yellow", bold=True) + message)
    if hint:
        tell(f"  {styled('hint:', sys.stderr, fg='cyan')} {hint}")


def tell_error(error: PromptctlError) -> None:
    """What happened, where, and what to do next, on stderr. All problems of files, not the first alone."""
    if isinstance(error, InvalidFiles):
        for problem in error.problems:
            tell_problem(problem)
        return
    where = styled(f"{error.place}: ", sys.stderr, bold=True) if error.place else ""
    tell(styled("error: ", sys.stderr, fg="red", bold=True) + where + error.message)
    if error.hint:
        _tell_hint(error.hint)


def tell_problem(problem: Problem) -> None:
    """One problem of a file on stderr, as `error: file:line:column: what` and the next step below it."""
    colour = "red" if problem.severity == "error" else "yellow"
    where = styled(f"{problem.place}: ", sys.stderr, bold=True) if problem.place else ""
    tell(styled(f"{problem.severity}: ", sys.stderr, fg=colour, bold=True) + where + problem.message)
    if problem.hint:
        _tell_hint(problem.hint)


def say_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = (), whole: Sequence[str] = ()
) -> None:
    """A table: drawn on a terminal; tab-separated with a header line, never cut, in a pipe.

    `right` names the columns whose values are numbers, `whole` those whose values are kept on one line.
    """
    if not is_terminal():
        say("\t".join(column.lower() for column in columns))
        for row in rows:
            say("\t".join(_cell(value).replace("\t", " ").replace("\n", " ") for value in row))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        side: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, justify=side, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else Text(visible(_cell(value))) for value in row))
    console().print(table)


def visible(text: str) -> str:
    """Text from files and commits as a terminal may show it: a control character in it stays a character."""
    if not is_terminal() or all(character.isprintable() or character in "\n\t" for character in text):
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def format_cost(cost_nano_usd: int | None) -> str:
    """Nano-USD as dollars with the digits that matter; `-` where unknown, which is not the same as nothing."""
    if cost_nano_usd is None:
        return "-"
    dollars = cost_nano_usd / NANO
    if cost_nano_usd == 0:
        return "$0"
    if dollars >= 1:
        return f"${dollars:,.2f}"
    whole, _, digits = f"{dollars:.{6 if dollars >= 0.0001 else 9}f}".partition(".")
    return f"${whole}.{digits.rstrip('0'):0<2}"


def format_latency(latency_ms: float | None) -> str:
    """Milliseconds as a person reads them."""
    if latency_ms is None:
        return "-"
    return f"{latency_ms / 1000:.2f} s" if latency_ms >= 1000 else f"{latency_ms:.0f} ms"


def format_count(number: int | None) -> str:
    """A whole number with thousands apart; `-` where unknown."""
    return "-" if number is None else f"{number:,}"


def format_id(id_: str) -> str:
    """An id as a table shows it: whole in a pipe, on a terminal its ending, which is the part that differs."""
    return id_[-8:] if is_terminal() else id_


def format_tokens(sent: int | None, received: int | None) -> str:
    """Tokens of the request and of the reply; `-` where neither is known."""
    return "-" if sent is None and received is None else f"{format_count(sent)}+{format_count(received)}"


def without_nulls(data: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping without its None values, for a short listing."""
    return {key: value for key, value in data.items() if value is not None}


def _tell_hint(hint: str) -> None:
    first, *rest = hint.splitlines()
    tell(f"  {styled('hint:', sys.stderr, fg='cyan')} {first}")
    for line in rest:
        tell(f"        {line}")


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


def _printable(text: str, stream: TextIO) -> str:
    """The text as the stream can write it: what its encoding lacks is shown as an escape, never an error.

    So is what would command a terminal: messages and replies come from outside. Words are for people also in a pipe,
    such as the log of a CI; data stays as it is there.
    """
    if stream.isatty() or stream is sys.stderr:
        text = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
