"""`promptctl new`: a new prompt with its first dataset, as a form to be filled in."""

from __future__ import annotations

import typer

from promptctl.cli import options
from promptctl.cli.generate import Describe, FormOptions, NewId, named, offer_new
from promptctl.cli.proposing import WriteOptions

EXAMPLES = """\
  promptctl new support/triage --input ticket --yes
  promptctl new support/triage --input ticket --input urgent:boolean
"""


def new(
    context: typer.Context,
    new_id: NewId,
    form: FormOptions,
    describe: Describe = "",
    *,
    wanted: WriteOptions,
) -> None:
    """Begin a prompt and its dataset as a form to be filled in: a diff, which is written once that is wanted.

    Of a prompt that is there and that no dataset tests, only the dataset.
    """
    workspace = options.workspace_of(context)
    made = workspace.authoring.new(new_id, describe, named(form.inputs))
    offer_new(workspace, made, wanted)
