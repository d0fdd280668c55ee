"""Checks a reply against the prompt's output schema, and asks the model to correct it."""

from __future__ import annotations

import json
import re
from typing import Any

from promptctl.schemas.json_schema import Validator

_FENCED = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_SHOWN_PROBLEMS = 5


def check_output(text: str, validator: Validator) -> tuple[Any, tuple[str, ...]]:
    """Return the reply as data and its problems; with problems, the data is None.

    A reply wrapped whole in one ``` fence is read without it; nothing else is repaired.
    """
    fenced = _FENCED.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant)
    except ValueError as error:
        return None, (f"not JSON: {error}",)
    except RecursionError:
        return None, ("not JSON: nested too deeply",)
    problems = tuple(validator.problems(value))
    return (None, problems) if problems else (value, ())


def correction(problems: tuple[str, ...]) -> str:
    """Return the message that asks the model to correct its reply."""
    listed = "\n".join(f"- {problem}" for problem in problems[:_SHOWN_PROBLEMS])
    more = len(problems) - _SHOWN_PROBLEMS
    rest = f"\n- and {more} more" if more > 0 else ""
    return (
        f"Your reply does not fit the required JSON Schema:\n{listed}{rest}\n"
        "Reply again with the corrected JSON value only, without any text around it."
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
