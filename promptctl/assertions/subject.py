"""What is graded: one reply, and what was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from promptctl.assertions.outcome import Unmet
from promptctl.prompts.prompt import MISSING


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_UNREAD = object()


@dataclass(slots=True)
class Subject:
    """One reply to be graded.

    `expected` is MISSING where the case has none. `latency_ms`, `cost_nano_usd` and `finish_reason` are None where
    they are not known; for a reply taken from the cache they are those of the call that made it. `output_schema` is
    the prompt's. `variables` are further names for templated values; the inputs stand above them.
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
    _parsed: Any = field(default=_UNREAD, init=False, repr=False, compare=False)
    _stripped: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def stripped(self) -> str:
        """The text without the whitespace around it."""
        if self._stripped is None:
            self._stripped = self.text.strip()
        return self._stripped

    @property
    def parsed(self) -> Any:
        """The text read as JSON, once. Raises `Unmet` where it is not JSON; NaN and Infinity are not."""
        if self._parsed is _UNREAD:
            try:
                self._parsed = read_json(self.text)
            except (ValueError, RecursionError) as error:
                self._parsed = Unmet(f"the reply is not JSON: {describe_json_error(error)}", self.text)
        if isinstance(self._parsed, Unmet):
            raise Unmet(self._parsed.reason, self._parsed.got)
        return self._parsed

    def context(self) -> dict[str, Any]:
        """What a templated value may name: the inputs, `expected` where the case has it, and `output`.

        `output` is the parsed reply where it is a JSON object or list, else its text.
        """
        names = {**self.variables, **self.inputs, "output": self._output()}
        names.pop("expected", None)
        if self.expected is not MISSING:
            names["expected"] = self.expected
        return names

    def _output(self) -> Any:
        if self.stripped[:1] not in ("{", "["):
            return self.text
        try:
            return self.parsed
        except Unmet:
            return self.text


def read_json(text: str) -> Any:
    """A text read as JSON, in which NaN and Infinity are not. Raises `ValueError` and `RecursionError`."""
    return _DECODER.decode(text)


def describe_json_error(error: Exception) -> str:
    """Why a text is not JSON, in a few words with the place in the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
