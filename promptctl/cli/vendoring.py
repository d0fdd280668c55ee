"""`promptctl add`, `update`, `remove`, `outdated` and `library`: prompts of other repositories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from promptctl import AddRequest
from promptctl.cli import options
from promptctl.cli.output import tell
from promptctl.cli.proposing import WriteOptions, offer
from promptctl.errors import UsageError


@options.grouped
def add(
    context: typer.Context,
    address: Annotated[
        str | None,
        typer.Argument(
            metavar="URL//PATH@REF",
            help="A repository; in it a prompt, a folder or a glob; a tag, a branch or a commit.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Its id here; of several prompts, the folder they get.")
    ] = None,
    without_datasets: Annotated[
        bool, typer.Option("--without-datasets", help="Leave out the datasets that test them.")
    ] = False,
    *,
    wanted: WriteOptions,
) -> None:
    """Take prompts of another repository, with all that they pull in and the datasets that test them.

    They are files like any other from then on. promptctl.lock.yaml says where they are from, at which commit.
    """
    if address is None:
        raise UsageError("name what to add", hint="promptctl add URL//PATH@REF")
    workspace = options.workspace_of(context)
    added = workspace.vendoring.add(AddRequest(address, name, with_datasets=not without_datasets))
    _say_notes(added.notes)
    offer(workspace, added.proposal, wanted, added.as_dict)


def _say_notes(notes: Sequence[str]) -> None:
    for note in notes:
        tell(f"note: {note}")
