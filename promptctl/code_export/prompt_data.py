"""The data of a prompt for JavaScript: its messages as programs, its inputs, and everything else that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from promptctl.code_export.expressions import constant_problem
from promptctl.code_export.program import PlaceOf, Programs, lines_of
from promptctl.errors import Problem
from promptctl.files.names import PLACEHOLDER
from promptctl.prompts.prompt import MISSING, Message, Placeholder, Prompt


def data_of(prompt: Prompt, version: int | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return the data that `prompt` of the renderer takes, and what of the prompt lies outside of the subset."""
    made = _Data(prompt)
    data = {
        "id": prompt.id,
        "version": version,
        "digest": prompt.digest,
        "model": prompt.model,
        "parameters": dict(prompt.parameters),
        "tools": [dict(tool) for tool in prompt.tools],
        "responseFormat": prompt.declared_response_format,
        "inputs": made.inputs(),
        "messages": [made.message(each) for each in prompt.messages],
    }
    return data, made.programs.problems


class _Data:
    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._own = prompt.path.removeprefix(f"{prompt.base}/")
        self.programs = Programs(prompt.partials, prompt.base)

    def inputs(self) -> list[dict[str, Any]]:
        """Return the inputs in their order; one without a default has no such key."""
        made = []
        for each in self._prompt.inputs.values():
            declared: dict[str, Any] = {"name": each.name, "required": each.is_required}
            if each.default is not MISSING:
                declared["default"] = each.default
                if problem := constant_problem(each.default):
                    message = f"the default of `{each.name}` has {problem} and so cannot be exported"
                    hint = "write it as a text, or as a whole number"
                    self.programs.problems.append(Problem(message, each.place, hint, "outside-subset"))
            made.append(declared)
        return made

    def message(self, message: Message | Placeholder) -> dict[str, Any]:
        """Return a message: its role, its content or parts, and further keys of the protocol."""
        if isinstance(message, Placeholder):
            return {"placeholder": message.input}
        made: dict[str, Any] = {"role": message.role}
        if isinstance(message.content, str):
            made["content"] = self._filled(message.content, message.place_of)
        else:
            made["parts"] = [
                {
                    "when": part.get("when"),
                    "part": self._filled(
                        {key: value for key, value in part.items() if key != "when"},
                        partial(message.place_of, part=number if number < len(message.part_places) else None),
                    ),
                }
                for number, part in enumerate(message.content)
            ]
        return {**made, "extra": dict(message.extra)}

    def _filled(self, value: Any, place_of: PlaceOf) -> list[Any]:
        """Return a value whose texts are templates: by its type, a name that leads a list."""
        if isinstance(value, Mapping):
            return ["mapping", [[key, self._filled(each, place_of)] for key, each in value.items()]]
        if isinstance(value, list | tuple):
            return ["list", [self._filled(each, place_of) for each in value]]
        if not isinstance(value, str):
            return ["value", value]
        if self._prompt.engine == "jinja2":
            return ["text", self.programs.program(value, self._own, place_of)]
        if self._prompt.engine == "simple":
            return ["simple", PLACEHOLDER.split(value)]
        return ["text", lines_of(value)]
