"""The signature of a prompt: the shapes of its inputs, as one mapping, and of its reply."""

from __future__ import annotations

import json

from promptctl.code_export.shapes import ANY, Field, Keys, ListOf, Plain, Shape, Shapes
from promptctl.prompts.prompt import MISSING, Input, Placeholder, Prompt


def signature_of(prompt: Prompt, shapes: Shapes) -> tuple[Keys, Shape]:
    """Return the shapes of the inputs and of the reply: text, where there is no output schema."""
    lists = {each.input for each in prompt.messages if isinstance(each, Placeholder)}
    fields = [_field(each, shapes, is_list=each.name in lists) for each in prompt.inputs.values()]
    schema = prompt.output.schema
    return Keys(tuple(fields)), Plain("string") if schema is None else shapes.of(schema)


def _field(declared: Input, shapes: Shapes, *, is_list: bool) -> Field:
    shape = shapes.of(declared.schema)
    if is_list and (shape == ANY or (isinstance(shape, ListOf) and shape.item in (ANY, Keys(rest=ANY)))):
        shape = ListOf(Plain("message"))
    default = None if declared.default is MISSING else json.dumps(declared.default, ensure_ascii=False)
    return Field(declared.name, shape, declared.is_required, declared.description, default)
