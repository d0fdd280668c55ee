"""Reads a reply as the prompt's output schema asks: parse, validate, and say what to mend."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from promptctl.prompts.prompt import Output
from promptctl.schemas.json_schema import Validator

_FENCED = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A reply after checking: the parsed value, or the problems that it has (never both)."""

    value: Any = None
    problems: tuple[str, ...] = ()


class OutputCheck:
    """Checks replies against one prompt's output; made once, used for every reply."""

    def __init__(self, output: Output) -> None:
        self._validator = Validator(output.schema) if output.schema is not None else None

    @property
    def is_needed(self) -> bool:
        """True where the prompt has an output schema."""
        return self._validator is not None

    def check(self, text: str) -> Checked:
        """The reply as data. A reply wrapped whole in one ``` fence is read without it; nothing else is repaired."""
        if self._validator is None:
            return Checked()
        fenced = _FENCED.match(text)
        try:
            value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant)
        except ValueError as error:
            return Checked(problems=(f"not JSON: {error}",))
        except RecursionError:
            return Checked(problems=("not JSON: nested too deeply",))
        problems = tuple(self._validator.problems(value))
        return Checked(problems=problems) if problems else Checked(value=value)


def correction(problems: tuple[str, ...]) -> str:
    """The message that asks the model to mend its reply."""
    listed = "\n".join(f"- {problem}" for problem in problems[:_SHOWN_PROBLEMS])
    more = len(problems) - _SHOWN_PROBLEMS
    rest = f"\n- and {more} more" if more > 0 else ""
    return (
        f"Your reply does not fit the required JSON Schema:\n{listed}{rest}\n"
        "Reply again with the corrected JSON value only, without any text around it."
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
