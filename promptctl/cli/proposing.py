"""Shows proposed changes of files as a diff, and writes them once that is wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from promptctl.cli import options
from promptctl.cli.output import is_terminal, say, say_exactly, say_json, styled, tell, visible

if TYPE_CHECKING:
    from promptctl import Proposal, Workspace

_HEADS = ("diff ", "--- ", "+++ ", "rename ", "new file", "deleted file")
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of a command that proposes changes of files."""

    yes: options.Yes = False
    dry_run: options.WriteNothing = False
    as_json: options.Json = False


@dataclass(frozen=True, slots=True)
class AskingOptions(WriteOptions):
    """Options of a command that asks a model for what it proposes: a dry run asks nothing, and so has no changes."""

    dry_run: options.AskNothing = False


def offer(
    workspace: Workspace,
    proposal: Proposal,
    wanted: WriteOptions,
    document: Callable[[], Mapping[str, Any]] | None = None,
    write: Callable[[], None] | None = None,
    *,
    asks_again: bool = False,
) -> bool:
    """Print the diff on stdout, and write the files if `wanted` says so, or a person at the terminal; True if written.

    As JSON, what is printed is the `document`, made after that, with the keys `changes`, `diff` and `written` added;
    then no question is asked. An empty proposal has no diff. `write` is called to write them, by default
    `workspace.write`. A command of which `--yes` would ask the model anew `asks_again`.
    """
    is_wanted = wanted.yes and not wanted.dry_run
    write = write or partial(workspace.write, proposal)
    if wanted.as_json and document is not None:
        if is_wanted:
            write()
        changes = [change.as_dict() for change in proposal.changes]
        written = is_wanted and not proposal.is_empty
        say_json({**document(), "changes": changes, "diff": proposal.diff(), "written": written})
        return written
    if proposal.is_empty:
        return False
    say_patch(_diff_to_show(proposal).removesuffix("\n").split("\n"))
    sys.stdout.flush()
    again = "git apply takes what is printed; --yes asks the model again, for something new"
    usual = "--yes writes it, and git apply takes what is printed"
    if not is_decided(wanted, "Write this?", again if asks_again else usual):
        return False
    write()
    for change in proposal.changes:
        source = f" from {change.moved_from}" if change.moved_from else ""
        tell(f"{'written' if change.action != 'deleted' else 'deleted'}  {change.path}{source}")
    return True


def is_decided(wanted: WriteOptions, question: str, way: str) -> bool:
    """Return True if `wanted` says that what is shown is made, or a person who is asked; else say that nothing was.

    Where nobody can be asked, the `way` to it is said.
    """
    if wanted.yes and not wanted.dry_run:
        return True
    is_asked = not wanted.dry_run and is_at_terminal()
    if is_asked and typer.confirm(question, err=True):
        return True
    tell("nothing was written" + ("" if is_asked or wanted.dry_run else f": {way}"))
    return False


def tell_notes(notes: Iterable[str]) -> None:
    """Print notes on what is proposed, a line each."""
    for note in notes:
        tell(f"note: {note}")


def say_patch(lines: Iterable[str]) -> None:
    """Print a patch: to a person in colour and with escapes for what nobody sees, to `git apply` byte for byte."""
    for line in lines:
        if not is_terminal():
            say_exactly(line)
        elif line.startswith(_HEADS):
            say(styled(visible(line), sys.stdout, bold=True))
        else:
            say(styled(visible(line), sys.stdout, fg=_COLOURS.get(line[:1])))


def _diff_to_show(proposal: Proposal) -> str:
    """Return the diff; a person at the terminal is not shown the lock beside the files that it is of."""
    shown = [change for change in proposal.changes if change.path != "promptctl.lock.yaml"]
    if shown and len(shown) < len(proposal.changes) and sys.stdout.isatty():
        return f"{replace(proposal, changes=tuple(shown)).diff()}and promptctl.lock.yaml"
    return proposal.diff()


def is_at_terminal() -> bool:
    """Return True if a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
