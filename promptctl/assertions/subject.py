"""The subject of grading: one reply, and the request it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from promptctl.assertions.outcome import Unmet
from promptctl.prompts.prompt import MISSING


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


@dataclass
class Subject:
    """One reply to be graded.

    `expected` is MISSING if the case has none. `latency_ms`, `cost_nano_usd` and `finish_reason` are None if they are
    not known; for a reply taken from the cache they are those of the call that made it. `output_schema` is the
    prompt's. `variables` are further names for templated values; the inputs stand above them.
    """

    text: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Any = MISSING
    tool_calls: Sequence[Mapping[str, Any]] = ()
    latency_ms: float | None = None
    cost_nano_usd: int | None = None
    finish_reason: str | None = None
    output_schema: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def stripped(self) -> str:
        """The text without the whitespace around it."""
        return self.text.strip()

    @cached_property
    def _read(self) -> tuple[Any, str]:
        """The text read as JSON, and why it is not JSON; empty if it is."""
        try:
            return read_json(self.text), ""
        except (ValueError, RecursionError) as error:
            return None, f"the reply is not JSON: {describe_json_error(error)}"

    @property
    def parsed(self) -> Any:
        """The text read as JSON, once. Raises `Unmet` if it is not JSON; NaN and Infinity are not."""
        parsed, fault = self._read
        if fault:
            raise Unmet(fault, self.text)
        return parsed

    def context(self) -> dict[str, Any]:
        """Return what a templated value may name: the inputs, `expected` if the case has it, and `output`.

        `output` is the parsed reply if it is a JSON object or list, else its text.
        """
        is_data = self.stripped[:1] in ("{", "[") and not self._read[1]
        names = {**self.variables, **self.inputs, "output": self.parsed if is_data else self.text}
        names.pop("expected", None)
        if self.expected is not MISSING:
            names["expected"] = self.expected
        return names


def read_json(text: str) -> Any:
    """Read a text as JSON, in which NaN and Infinity are not. Raises `ValueError` and `RecursionError`."""
    return _DECODER.decode(text)


def describe_json_error(error: Exception) -> str:
    """Return why a text is not JSON, in a few words with the place in the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
