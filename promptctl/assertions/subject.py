"""The subject of grading: one reply, and the request it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Unmet
from promptctl.models.reading import describe_json_error, read_data
from promptctl.prompts.prompt import MISSING


@dataclass
class Subject:
    """One reply to be graded.

    `expected` is MISSING if the case has none. `latency_ms`, `cost_nano_usd` and `finish_reason` are None if they are
    not known; for a reply taken from the cache they are those of the call that made it. `output_schema` is the
    prompt's. `variables` are further names for templated values; the inputs stand above them. `fault` says why the
    reply is not whole. `effort` is the account that its assertions share.
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
    fault: str | None = None
    effort: Effort = field(default_factory=Effort)

    @cached_property
    def stripped(self) -> str:
        """The text without the whitespace around it."""
        return self.text.strip()

    @cached_property
    def _read(self) -> tuple[Any, str]:
        """The text read as JSON, and why it is not JSON; empty if it is."""
        try:
            return read_data(self.text), ""
        except (ValueError, RecursionError) as error:
            return None, f"the reply is not JSON: {describe_json_error(error)}"

    @property
    def parsed(self) -> Any:
        """The text read as data, once. Raises `Unmet` if it is not JSON."""
        parsed, fault = self._read
        if fault:
            raise Unmet(fault, self.text)
        return parsed

    def context(self) -> dict[str, Any]:
        """Return what a templated value may name: the inputs, `expected` if the case has it, and `output`.

        `output` is the parsed reply if it is a JSON object or list, else its text.
        """
        parsed = self._read[0]
        names = {**self.variables, **self.inputs, "output": parsed if isinstance(parsed, dict | list) else self.text}
        names.pop("expected", None)
        if self.expected is not MISSING:
            names["expected"] = self.expected
        return names
