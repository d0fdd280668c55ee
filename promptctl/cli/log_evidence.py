"""`promptctl log verify`: the log as evidence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.output import say, say_json, tell
from promptctl.errors import UsageError, printable
from promptctl.reports.wording import count

_HEAD = re.compile(r"\b[0-9a-f]{64}\b")
_HEAD_HINT = "a head is 64 characters of 0-9 and a-f, as promptctl log verify prints it"


def verify_log(
    context: typer.Context,
    head: Annotated[
        str | None,
        typer.Option(
            "--head", metavar="HASH|FILE", help="A head printed earlier, or a file with it: it must be in the chain."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check that no row was changed, cut off or slipped in, and that contents and totals fit; print the chain's head.

    The head is the evidence: whoever can write the file can make a new chain, but not one with a head that was
    committed before.
    """
    found = options.workspace_of(context).log.verify(None if head is None else _head(head))
    if as_json:
        say_json(found.as_dict())
    else:
        for problem in found.problems:
            say(f"{problem.kind}: {printable(problem.message)}")
        if found.left_out:
            say(f"… and {count(found.left_out, 'more problem')}")
        say(f"head: {found.head or 'none yet'}")
        parts = [count(found.rows, "row"), count(found.contents, "content"), count(len(found.events), "event")]
        tell(f"{', '.join(parts)}: {'nothing is wrong' if found.is_sound else 'not sound'}")
        if found.unchained:
            tell(f"{count(found.unchained, 'row')} from before the chain began: it does not cover them")
        if found.expected_link is not None:
            tell(f"the head that was asked for is link {found.expected_link} of {found.links}")
        if not found.is_sound:
            tell("  hint: keep this file as it is; compare it with a copy that promptctl log backup made")
    if not found.is_sound:
        raise typer.Exit(1)


def _head(given: str) -> str:
    """Return the head that is given, or that a file holds. Raises `UsageError` if there is none."""
    text = given
    try:
        if Path(given).is_file():
            text = Path(given).read_text("utf-8", "replace")
    except OSError:
        pass  # too long for a name
    found = _HEAD.search(text.lower())
    if found is None:
        raise UsageError(f"`{printable(given)}` is neither a head nor a file that holds one", hint=_HEAD_HINT)
    return found[0]
