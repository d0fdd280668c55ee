# ruff: noqa: E501 (texts that are short stand side by side)
"""Texts that end a comment, a text or a line somewhere, or look like code; and prompts made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from promptctl.files.tree import MemoryTree
from promptctl.prompts.prompt import Output, Prompt
from promptctl.prompts.rendering import Renderer
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, Version
from tests.code_export.prompts import prompt_of

HOSTILE = (
    "*/", "/*", "//", "`", "${globalThis.broken = 1}", "\u2028", "\u2029", "\\", '"', "'", '"""', "'''", "\n", "\r", "\x85",
    "\u202e", "__proto__", "</script>", "<!--", "constructor", "]});globalThis.broken = 1;([{", "é😀", "1", "\x00", "\x7f",
    "#", "{", "}", "import os", "\\N{BEL}", "\\u0022", "\f",
)  # fmt: skip
_chars = st.characters(exclude_categories=("Cs", "Cn"))
texts = st.lists(st.sampled_from(HOSTILE) | st.text(_chars, max_size=3), max_size=5).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from((0.5, -1e-9)) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
_PLAIN: tuple[dict[str, Any], ...] = (
    {},
    {"type": "string"},
    {"type": ["integer", "null"]},
    {"type": "boolean"},
    {"$ref": "#"},
)
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.sampled_from(_PLAIN) | st.builds(lambda enum: {"enum": enum}, st.lists(values, min_size=1, max_size=3)),
    lambda inner: (
        st.builds(
            lambda properties, about, more: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[:1],
                "additionalProperties": more,
                "description": about,
            },
            st.dictionaries(texts, inner, max_size=3),
            texts,
            st.booleans() | inner,
        )
        | st.builds(lambda items, about: {"type": "array", "items": items, "description": about}, inner, texts)
        | st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=5,
)
names = st.sampled_from(
    ("a", "from", "class", "constructor", "a.b", "a-b", "1", "__proto__", "workspace", "self", "Any")
)

# Names of definitions, from which names of types are made that languages have themselves.
_DEFINED = (
    "none", "true", "any", "literal", "typed-dict", "unpack", "sequence", "record", "prompt", "inputs", "output", "1",
    "workspace", "*/", "", "type", "given message", "é",
)  # fmt: skip


@st.composite
def defining(draw: st.DrawFn) -> dict[str, Any]:
    """A schema of a reply whose definitions have such names."""
    names = draw(st.lists(st.sampled_from(_DEFINED), min_size=1, max_size=4, unique=True))
    properties = {name: {"$ref": "#/$defs/" + name.replace("/", "~1")} for name in names}
    return {"type": "object", "properties": properties, "$defs": {name: draw(schemas) for name in names}}


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """A prompt of hostile texts wherever a text can be, all of whose inputs have defaults."""
    inputs = {
        name: {**draw(schemas), "default": draw(values), "description": draw(texts)}
        for name in draw(st.lists(names, unique=True, max_size=3))
    }
    return prompt_of(
        draw(texts) + "".join(f"{{{{{name}}}}}" for name in inputs) + draw(texts),
        inputs,
        engine=draw(st.sampled_from(("simple", "none"))),
        id=draw(st.sampled_from(("t", "a/b-c/d.e", "class/import", "1/2"))),
        name=draw(texts),
        description=draw(texts),
        model=draw(texts),
        parameters=draw(st.dictionaries(texts, values, max_size=2)),
        tools=tuple(draw(st.lists(st.dictionaries(texts, values, max_size=2), max_size=2))),
        output=Output(schema=draw(st.none() | schemas | defining())),
    )


def at(prompt: Prompt) -> PromptAtVersion:
    """A prompt of no workspace, to be exported."""
    return PromptAtVersion(Ref(prompt.id), prompt, Version(prompt.digest), MemoryTree({}))


def rendered(prompt: Prompt) -> list[dict[str, Any]]:
    """The messages of a prompt with its defaults, whether they fit their schemas or not."""
    inputs = {name: replace(each, schema={}) for name, each in prompt.inputs.items()}
    return list(Renderer(replace(prompt, inputs=inputs)).render({}).messages)
