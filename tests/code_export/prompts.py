"""Prompts of the tests: made of a template alone, with what both renderers say of one call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.code_export.prompt_data import data_of
from promptctl.errors import InputError, Problem, RenderError
from promptctl.prompts.prompt import MISSING, Engine, Input, Message, Output, Placeholder, Prompt
from promptctl.prompts.rendering import Renderer

Said = str | Sequence[Message | Placeholder]


def prompt_of(
    said: Said,
    inputs: Mapping[str, Mapping[str, Any]],
    partials: Mapping[str, str] | None = None,
    engine: Engine = "jinja2",
    **more: Any,
) -> Prompt:
    """A prompt of one user's message, or of these; inputs as a prompt's file declares them."""
    declared = {
        name: Input(
            name,
            {key: value for key, value in given.items() if key not in ("default", "required")},
            given.get("default", MISSING),
            "default" not in given and given.get("required") is not False,
        )
        for name, given in inputs.items()
    }
    messages = (Message("user", said),) if isinstance(said, str) else tuple(said)
    given = {"id": "t", "path": "prompts/t.prompt.yaml", "digest": "1:0", "name": "T", "output": Output(), **more}
    return Prompt(messages=messages, inputs=declared, partials=partials or {}, engine=engine, **given)


class Vectors:
    """What our renderer makes of calls of one prompt; `data` is what the renderer for JavaScript takes."""

    def __init__(self, prompt: Prompt) -> None:
        self.data, problems = data_of(prompt, None)
        assert not problems, [str(each) for each in problems]
        try:
            self._renderer: Renderer | None = Renderer(prompt)
        except RenderError:
            self._renderer = None

    def messages(self, inputs: Mapping[str, Any]) -> list[Any] | None:
        """The messages, as JSON has them; None for an error."""
        try:
            rendered = self._renderer.render(inputs) if self._renderer else None
        except (InputError, RenderError):
            return None
        return None if rendered is None else json.loads(json.dumps(rendered.messages))


def problems_of(template: str, partials: Mapping[str, str] | None = None) -> list[Problem]:
    """What of a template lies outside of the subset."""
    return data_of(prompt_of(template, {}, partials), None)[1]
