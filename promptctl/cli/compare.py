"""`promptctl compare`: what the difference between two evaluations means."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl.cli import options
from promptctl.cli.comparison_output import say_comparisons
from promptctl.cli.options import grouped


@grouped
def compare(
    context: typer.Context,
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="An evaluation's id, its beginning or its end.",
            autocompletion=options.completing("evaluation"),
        ),
    ],
    head: Annotated[
        str,
        typer.Argument(
            metavar="HEAD", help="The evaluation that is judged.", autocompletion=options.completing("evaluation")
        ),
    ],
    gate: options.GateOptions,
    as_json: options.Json = False,
) -> None:
    """Compare two evaluations case by case: is the difference real, or noise? Exit code 1 if the gate fails."""
    workspace = options.workspace_of(context)
    found = workspace.compare(base, head, gate.rule)
    say_comparisons([found], as_json=as_json)
    raise typer.Exit(found.decision.exit_code)
