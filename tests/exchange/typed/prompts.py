"""Prompts of the tests: made of a template alone, with what both renderers say of one call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.errors import InputError, Problem, RenderError
from promptctl.exchange.typed.prompt_data import data_of
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


def vector(name: str, prompt: Prompt, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What our renderer makes of one call: the messages, null for an error."""
    data, problems = data_of(prompt, None)
    assert not problems, (name, [str(each) for each in problems])
    try:
        messages = [dict(each) for each in Renderer(prompt).render(inputs).messages]
    except (InputError, RenderError):
        messages = None
    made = {"name": name, "data": data, "inputs": dict(inputs), "messages": messages}
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def problems_of(template: str, partials: Mapping[str, str] | None = None) -> list[Problem]:
    """What of a template lies outside of the subset."""
    return data_of(prompt_of(template, {}, partials), None)[1]
