"""`promptctl schema infer`: the schemas of a prompt's inputs and output, as its templates and calls show them."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.output import flat, tell
from promptctl.cli.proposing import WriteOptions, offer
from promptctl.reports.wording import count

app = Group("Schemas of what prompts take and answer.")


@app.callback()
def schema() -> None:
    """Schemas of what prompts take and answer."""


@app.command("infer")
def infer(
    context: typer.Context,
    prompt: Annotated[str, argument("PROMPT", "A prompt's id: support/triage.", completes="ref")],
    templates_only: Annotated[
        bool, option("--templates-only", "Read no log, dataset or recording: types by use alone.")
    ] = False,
    *,
    wanted: WriteOptions,
) -> None:
    """Propose the schemas that a prompt's file lacks: of inputs as its templates use them, of replies in the log.

    What is declared stays as it is, comments too.
    """
    workspace = options.workspace_of(context)
    found = workspace.authoring.infer(prompt, uses_log=not templates_only)
    if not wanted.as_json:
        for note in found.notes:
            tell(flat(note))
        if found.proposal.is_empty:
            tell(f"nothing to add: every input of {flat(found.prompt)} that is used has its schema")
            return
        seen = [count(found.calls, "call"), count(found.cases, "case")]
        replies = f"; the output, from {count(found.replies, 'reply')}" if found.output else ""
        inputs = f"{count(len(found.inputs), 'input')}, from the templates, {' and '.join(seen)}"
        tell(inputs + replies)
    offer(workspace, found.proposal, wanted, found.as_dict)
