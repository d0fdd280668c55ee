"""`promptctl feedback`: scores a logged call."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import say, say_json

_WHOLE_ID = 36


def give_feedback(
    context: typer.Context,
    execution: Annotated[
        str,
        argument(
            "EXECUTION",
            "An execution's id, its beginning or its end: `execution_id` in a chat message's metadata.",
            completes="execution",
        ),
    ],
    score: Annotated[float | None, option("--score", "0..1", "How good it was, from 0 to 1.")] = None,
    thumb: Annotated[Literal["up", "down"] | None, option("--thumb", "The score 1 or 0.", show_choices=True)] = None,
    name: Annotated[str, option("--name", "NAME", "What is scored: helpful, resolved.")] = "feedback",
    comment: Annotated[str | None, option("--comment", "TEXT", "What the person says.")] = None,
    expected: Annotated[
        str | None, option("--expected", "TEXT", "A correction: the reply that should have come.")
    ] = None,
    by: Annotated[str | None, option("--by", "NAME", "The person; the newest score of each one counts.")] = None,
    as_json: options.Json = False,
) -> None:
    """Score a logged call, with a comment or a correction; a later score of the same name and person replaces it."""
    workspace = options.workspace_of(context)
    if len(execution.strip()) < _WHOLE_ID:  # as people type it
        execution = workspace.log.execution(execution).id
    kept = workspace.feedback(execution, score=score, thumb=thumb, name=name, comment=comment, expected=expected, by=by)
    if as_json:
        say_json(kept.as_dict())
        return
    scored = "" if kept.score is None else f" {kept.score:g}"
    words = [word for word in ("comment", "expected") if getattr(kept, word) is not None]
    say(f"{kept.name}{scored}{''.join(f' +{word}' for word in words)} on {kept.execution_id}")
