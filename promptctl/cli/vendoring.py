"""`promptctl add`, `update` and `remove`: prompts of other repositories."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from promptctl.cli import options
from promptctl.cli.checks import failure_as_dict, say_check
from promptctl.cli.commands import argument, option, refuse_given
from promptctl.cli.output import styled, tell, tell_error, warn
from promptctl.cli.proposing import WriteOptions, offer, tell_notes
from promptctl.errors import WORKSPACE, UsageError
from promptctl.reports.wording import count, name_some

if TYPE_CHECKING:
    from promptctl import SourceUpdate

EXAMPLES = """\
  promptctl add https://example.com/acme/prompts//support/triage@v1.2
  promptctl add '../acme-kit//support/*' --as desk --without-datasets
  promptctl add --verify --remote
  promptctl update acme-kit@v1.3 --yes
  promptctl remove acme-kit/support/triage
"""

Names = Annotated[
    list[str],
    argument("ID...", "Prompts of other repositories, or the names that the lock has of these.", completes="ref"),
]


def add(
    context: typer.Context,
    address: Annotated[
        str | None,
        argument(
            "URL//PATH@REF",
            "A Git repository; a prompt, folder or glob in it; a tag, branch or commit, by default its branch.",
        ),
    ] = None,
    name: Annotated[str | None, option("--as", "ID", "Its id here; of several prompts, the folder they get.")] = None,
    without_datasets: Annotated[bool, option("--without-datasets", "Leave out the datasets that test them.")] = False,
    verify: Annotated[
        bool,
        option("--verify", "Add nothing; compare files with the lock, offline. Exit code 1 if any differs."),
    ] = False,
    remote: Annotated[bool, option("--remote", "With --verify: compare the lock with its repositories, too.")] = False,
    *,
    wanted: WriteOptions,
) -> None:
    """Take prompts of another repository, with all that they pull in and the datasets that test them.

    They are files like any other from then on. promptctl.lock.yaml says where they are from, at which commit. One
    commit is fetched; nothing of that repository is run.
    """
    from promptctl import AddRequest

    workspace = options.workspace_of(context, asks=True)
    if verify:
        if address is not None:
            raise UsageError("--verify compares all that is in the lock", hint="promptctl add --verify")
        why = "and --verify cannot be given together"
        refuse_given(context, ["name", "without_datasets", "yes", "dry_run"], why, "--verify adds nothing")
        found = workspace.vendoring.verify(asks_remote=remote)
        about = f"{count(found.files, 'file')} of {count(found.sources, 'source')} compared with the lock: "
        say_check(found.problems, about=about, as_json=wanted.as_json, files=found.files, sources=found.sources)
        return
    refuse_given(context, ["remote"], "goes with --verify", "promptctl add --verify --remote")
    if address is None:
        raise UsageError("no repository is named", hint="promptctl add URL//PATH@REF")
    added = workspace.vendoring.add(AddRequest(address, name, with_datasets=not without_datasets))
    tell_notes(added.notes)
    offer(workspace, added.proposal, wanted, added.as_dict)
    if added.proposal.is_empty and not wanted.as_json:
        tell("nothing to write: all of it is here already")


def update(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        argument("[ID[@REF]]...", "What to update, all by default; with @REF, to that tag or commit.", completes="ref"),
    ] = None,
    ours: Annotated[bool, option("--ours", "Keep a file as it was edited here, where both sides changed it.")] = False,
    theirs: Annotated[
        bool, option("--theirs", "Take a file as its repository has it, where both sides changed it.")
    ] = False,
    *,
    wanted: WriteOptions,
) -> None:
    """Bring prompts of other repositories to what their refs name now. Edits that were made here are merged.

    A conflict is reported by file and line, and nothing is written. A tag that names a different commit than it did is
    an error. If one of several repositories cannot be taken, the others are, and the exit code is 3.
    """
    from promptctl import UpdateRequest

    if ours and theirs:
        raise UsageError("--ours and --theirs exclude each other", hint="choose one side")
    side: Literal["ours", "theirs"] | None = "ours" if ours else "theirs" if theirs else None
    workspace = options.workspace_of(context, asks=True)
    updated = workspace.vendoring.update(UpdateRequest(tuple(names or ()), side))
    for error in updated.failed:
        tell_error(error)
    if not wanted.as_json:
        if not updated.updates and not updated.failed:
            tell("nothing here is of another repository: promptctl add URL//PATH@REF")
        for each in updated.updates:
            _say_update(each)
    failed = failure_as_dict(updated.failed)["problems"]
    offer(workspace, updated.proposal, wanted, lambda: {**updated.as_dict(), "failed": failed})
    if updated.failed:
        raise typer.Exit(WORKSPACE)


def remove(context: typer.Context, names: Names, *, wanted: WriteOptions) -> None:
    """Take out prompts of other repositories, with the files that nothing else needs. Refuses if something needs them."""
    workspace = options.workspace_of(context)
    removed = workspace.vendoring.remove(*names)
    tell_notes(removed.notes)
    for path in removed.edited:
        warn(f"{path} was edited here: the edits go with it")
    offer(workspace, removed.proposal, wanted, removed.as_dict)


def _say_update(found: SourceUpdate) -> None:
    if found.is_current and found.before.ref == found.after.ref:
        restored = f"; as it is there again: {name_some(found.changed)}" if found.changed else ""
        newer = f"; {found.newer[0]} is newer: promptctl update {found.name}@{found.newer[0]}" if found.newer else ""
        tell(f"{found.name} is at {found.before.at} already{restored}{newer}")
        return
    tell(f"{found.name}: {found.before.at} → {found.after.at}")
    for id_, each in found.renamed.items():
        tell(f"{each} is {found.after.prompts[id_].id} there now, and stays {id_} here")
    if found.licence_change is not None:
        to_do = "read it" if found.after.licence else "ask its owners whether you may use it"
        warn(f"{found.licence_change}: {to_do}")
    if found.edited:
        tell(f"edited here, and kept: {name_some(found.edited)}")
        if gone := [path for path in found.edited if path not in found.after.files]:
            warn(f"{found.name} no longer has {name_some(gone)}: its prompts do not use what was edited there")
        for line in found.edits.splitlines():
            colour = {"+": "green", "-": "red"}.get(line[:1])
            tell("  " + (styled(line, sys.stderr, fg=colour) if colour else line))
