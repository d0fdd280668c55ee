"""Gives feedback on a logged call: a score, a comment, a correction."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal, TypedDict

from promptctl.context import Context
from promptctl.errors import LogError, UsageError
from promptctl.files.wording import shown
from promptctl.log.feedback import DEFAULT_NAME, Feedback, check_name, check_score
from promptctl.log.masking import allowed
from promptctl.log.records import Execution
from promptctl.log.stamps import new_id, utc_now

_WHOLE_ID = 36
_MOST_BYTES = 64 * 1024
_MOST_OF_A_PERSON = 200
_THUMBS = {"up": 1.0, "down": 0.0}
_NOT_HERE = "the log of the machine that made the call has it (promptctl log merge FILE), unless it was pruned, or its \
log rule is `active: false`"


class FeedbackOptions(TypedDict, total=False):
    """Parts of one person's feedback on a call; at least one of score, thumb, comment and correction is given.

    `score` is 0 to 1; a `thumb` is 1 or 0. `name` says what is scored, such as `helpful`. `expected` is the reply that
    should have come, as text or as data. `by` names the person: the newest of each person counts.
    """

    score: float | None
    thumb: Literal["up", "down"] | None
    name: str
    comment: str | None
    expected: Any
    by: str | None


def give_feedback(
    context: Context,
    execution: str,
    *,
    score: float | None = None,
    thumb: str | None = None,
    name: str = DEFAULT_NAME,
    comment: str | None = None,
    expected: Any = None,
    by: str | None = None,
) -> Feedback:
    """Append feedback to the log, and return what it kept. Raises `UsageError` and `LogError`; then nothing is kept."""
    given = Feedback(
        id=new_id(),
        execution_id=_id(execution),
        call_id="",
        name=check_name(name),
        score=_score(score, thumb),
        comment=_text("comment", comment),
        expected=_correction(expected),
        by=_text("person", by),
        created_at=utc_now(),
    )
    if given.score is None and given.comment is None and given.expected is None:
        raise UsageError("no feedback is given", hint="give a score, a thumb, a comment or what was expected")
    found = _execution(context, given.execution_id)
    may_keep, why = allowed(replace(given, execution_id=found.id, call_id=found.call_id), found, context.state_folder)
    if why is not None and may_keep.score is None:
        raise LogError(f"no comment and no correction is kept: {why}", hint="a score is kept in any case")
    kept = context.log.add_feedback(may_keep)
    if why is not None:
        context.warn(f"only the score is kept: {why}")
    if context.telemetry is not None:
        context.telemetry.scored(kept)
    return kept


def _id(execution: object) -> str:
    # Ids come from browsers: the end of one, which people type, would score the call of anybody who is met by chance.
    if isinstance(execution, str) and len(execution.strip()) == _WHOLE_ID:
        return execution.strip()
    hint = "a chat message's `meta` has it as `execution_id`; one without it cannot be scored"
    raise UsageError(f"{shown(execution)} is no whole id of an execution", hint=hint)


def _score(score: object, thumb: str | None) -> float | None:
    if thumb is None:
        return None if score is None else check_score(score)
    if score is not None:
        raise UsageError("a score and a thumb are two scores", hint="give one of them")
    if thumb not in _THUMBS:
        raise UsageError(f"a thumb is `up` or `down`, not {shown(thumb)}")
    return _THUMBS[thumb]


def _text(what: str, given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise UsageError(f"a {what} is a text, not {shown(given)}")
    text = (given and given.strip()) or None
    if text is not None and what == "person" and len(text) > _MOST_OF_A_PERSON:
        raise UsageError(f"a person's name is at most {_MOST_OF_A_PERSON} characters, and this one is {len(text):,}")
    return _bounded(what, text)


def _correction(expected: Any) -> str | None:
    if expected is None or isinstance(expected, str):
        return _bounded("correction", expected or None)
    try:
        text = json.dumps(expected, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"what was expected is neither text nor JSON ({error})") from error
    return _bounded("correction", text)


def _bounded(what: str, text: str | None) -> str | None:
    size = len((text or "").encode("utf-8", "replace"))
    if size > _MOST_BYTES:
        raise UsageError(f"a {what} is at most 64 KiB, and this one is {size:,} bytes")
    return text


def _execution(context: Context, wanted: str) -> Execution:
    try:
        return context.log.execution(wanted, with_feedback=False)
    except LogError as error:
        if (error.hint or "").startswith("see the ids"):
            error.hint = _NOT_HERE
        raise
