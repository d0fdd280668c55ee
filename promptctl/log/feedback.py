"""Feedback on calls, as values: scores, comments and corrections of people, and conditions on scores."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from promptctl.errors import UsageError, printable
from promptctl.files.plain import Measure, plain
from promptctl.log.stamps import is_id, is_stored

DEFAULT_NAME = "feedback"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,199}")
_CONDITION = re.compile(r"\s*(?P<name>[^\s<>=!]*)\s*(?:(?P<comparison><=|>=|==|!=|<|>|=)\s*(?P<score>\S+)\s*)?")
_EXAMPLE = "write <0.5, or helpful<0.5 for the scores of one name"
_NAME_HINT = "a name is at most 200 lower-case letters, digits, - and _, and begins with a letter: helpful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One person's feedback on a call: a row of `feedback`, which is never changed.

    An id of an execution names its call, so feedback on any attempt is the call's. `score` is 0 to 1. `expected` is a
    correction: the reply that should have come, as text or JSON text. Of one call, name and person (`by`, None for
    somebody unnamed) the newest score counts, and so does the newest comment and correction.
    """

    id: str
    execution_id: str
    call_id: str
    name: str = DEFAULT_NAME
    score: float | None = None
    comment: str | None = None
    expected: str | None = None
    by: str | None = None
    created_at: str

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        same = {name: getattr(self, name) for name in ("name", "score", "comment", "expected", "by", "created_at")}
        return {"feedback": self.id, "execution": self.execution_id, **same}


class ScoreCondition(NamedTuple):
    """A condition on the scores of a call: those of one name or of any; without a comparison, that there is one."""

    name: str | None
    comparison: str | None = None
    score: float | None = None


class Scores(NamedTuple):
    """The scores of one name over calls: how many calls have one, and their sum."""

    calls: int
    total: float

    @property
    def mean(self) -> float:
        """Mean over the calls."""
        return self.total / self.calls

    def plus(self, other: Scores) -> Scores:
        """Return the scores of both."""
        return Scores(self.calls + other.calls, self.total + other.total)


def check_name(name: object) -> str:
    """Return a name of feedback. Raises `UsageError` for what is none."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise UsageError(f"`{printable(str(name))}` cannot name feedback", hint=_NAME_HINT)


def check_score(score: object) -> float:
    """Return a score as a number. Raises `UsageError` for anything but a number from 0 to 1."""
    try:
        number = math.nan if isinstance(score, bool | str) else float(score)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if 0 <= number <= 1:
        return number + 0.0  # -0.0 is 0
    raise UsageError(f"a score is a number from 0 to 1, not {printable(str(score))}")


def fault_of(given: Feedback) -> str | None:
    """Return why no promptctl could have written a row of feedback; None if one could have."""
    texts = (given.comment, given.expected, given.by)
    try:
        check_name(given.name)
        check_score(0 if given.score is None else given.score)
    except UsageError as error:
        return error.message
    if not is_id(given.id):
        return "its id is none of promptctl's"
    if not is_stored(given.created_at):
        return f"{printable(repr(given.created_at))} is no time"
    return None if all(each is None or isinstance(each, str) for each in texts) else "its words are no text"


def parse_condition(text: str) -> ScoreCondition:
    """Return the condition that a text such as `<0.5`, `helpful>=0.8` or `helpful` names. Raises `UsageError`.

    >>> parse_condition("helpful <= .5")
    ScoreCondition(name='helpful', comparison='<=', score=0.5)
    """
    match = _CONDITION.fullmatch(text)
    if match is None or not (match["name"] or match["comparison"]):
        raise UsageError(f"`{printable(text)}` is no condition on feedback", hint=_EXAMPLE)
    name = check_name(match["name"]) if match["name"] else None
    if match["comparison"] is None:
        return ScoreCondition(name)
    try:
        score = check_score(float(match["score"]))
    except (UsageError, ValueError):
        message = f"`{printable(text)}` compares with {printable(match['score'])}; a score is a number from 0 to 1"
        raise UsageError(message, hint=_EXAMPLE) from None
    return ScoreCondition(name, "=" if match["comparison"] == "==" else match["comparison"], score)


def scores_of(given: Iterable[Feedback]) -> dict[str, float]:
    """Return a call's score under each name, the mean over people; `given` is all that it has, oldest first."""
    return means_of((each.name, each.by, each.score) for each in given if each.score is not None)


def means_of(given: Iterable[tuple[str, str | None, float]]) -> dict[str, float]:
    """Return the mean over people of each name, out of a call's names, people and scores, oldest first."""
    newest = {(name, by): score for name, by, score in given}
    named: dict[str, list[float]] = {}
    for (name, _), score in newest.items():
        named.setdefault(name, []).append(score)
    return {name: sum(scores) / len(scores) for name, scores in sorted(named.items())}


def as_expected(text: str) -> Any:
    """Return a correction, or a reply, as a case expects it: as data if it is JSON that a file can hold, else as text.

    >>> as_expected('{"label": "billing"}'), as_expected("[NaN]")
    ({'label': 'billing'}, '[NaN]')
    """
    try:
        data = plain(json.loads(text), Measure())
        json.dumps(data, ensure_ascii=False).encode()  # a lone surrogate is JSON, and no text
    except (ValueError, RecursionError):
        return text
    return data
