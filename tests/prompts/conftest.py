"""Prompts made by hand, for the tests of rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from promptctl.errors import Place
from promptctl.prompts.prompt import Engine, Input, Message, Placeholder, Prompt, Rendered
from promptctl.prompts.rendering import Renderer
from promptctl.templates.limits import RenderLimits

PATH = "prompts/support/triage.prompt.yaml"

MakePrompt = Callable[..., Prompt]


def user(text: str, line: int = 10) -> Message:
    """A user message whose text begins in that line of the prompt's file."""
    return Message("user", text, Place(PATH, line))


def render(prompt: Prompt, inputs: Mapping[str, Any], *, limits: RenderLimits | None = None) -> Rendered:
    """Render a prompt once."""
    return Renderer(prompt).render(inputs, limits=limits or RenderLimits())


@pytest.fixture
def make_prompt() -> MakePrompt:
    """A prompt of the messages given; a string is a user message. Inputs are `Input`s or schemas, by name."""

    def make(
        *messages: Message | Placeholder | str,
        inputs: Mapping[str, Any] | None = None,
        engine: Engine = "jinja2",
        partials: Mapping[str, str] | None = None,
    ) -> Prompt:
        declared = {
            name: schema if isinstance(schema, Input) else Input(name, schema)
            for name, schema in (inputs or {}).items()
        }
        return Prompt(
            id="support/triage",
            path=PATH,
            digest="1:0",
            name="Triage",
            messages=tuple(user(each) if isinstance(each, str) else each for each in messages),
            inputs=declared,
            engine=engine,
            partials=partials or {},
        )

    return make
