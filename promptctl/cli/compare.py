"""`promptctl compare`: what the difference between two evaluations means."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from promptctl.cli import options
from promptctl.cli.comparison_output import say_comparisons
from promptctl.comparisons.verdicts import GateRule

Gate = Annotated[
    Literal["worse", "noninferior", "strict"],
    typer.Option("--gate", help="What fails: a proven loss; also no proof of no loss; also any confirmed regression."),
]
Margin = Annotated[
    float,
    typer.Option(
        "--margin",
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="The largest loss that --gate noninferior lets pass.",
        callback=options.a_number,
    ),
]


def compare(
    context: typer.Context,
    base: Annotated[str, typer.Argument(metavar="BASE", help="An evaluation's id, its beginning or its end.")],
    head: Annotated[str, typer.Argument(metavar="HEAD", help="The evaluation that is judged.")],
    gate: Gate = "worse",
    margin: Margin = 0.05,
    as_json: options.Json = False,
) -> None:
    """Compare two evaluations case by case: is the difference real, or noise? Exit code 1 where the gate fails."""
    workspace = options.workspace_of(context)
    found = workspace.compare(base, head, GateRule(gate=gate, margin=margin))
    say_comparisons([found], as_json=as_json)
    raise typer.Exit(found.decision.exit_code)
