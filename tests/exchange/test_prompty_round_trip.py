"""A prompt that Prompty can say, exported and imported again, is the same prompt."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.exchange.prompty.reading import read as read_prompty
from promptctl.exchange.prompty.writing import write as write_prompty
from promptctl.files.yaml_writing import yaml_text
from tests.exchange.conftest import source
from tests.exchange.drafted import to_write

NAMES = ("ticket", "product", "tone", "items", "user")
WORDS = st.text(
    st.one_of(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), st.sampled_from("{}%#-+: \n")),
    max_size=30,
)
WORD = st.text("abcdefgh -+:{}#'\"", min_size=1, max_size=12)
LINES = WORDS.filter(
    lambda text: (
        text == text.strip("\n")
        and "{{" not in text
        and "{%" not in text
        and "{#" not in text
        and not text.endswith("{")
    )
)


def _is_text(text: str) -> bool:
    from promptctl.exchange.prompty.body import is_role_line
    from promptctl.exchange.prompty.written_body import _OTHER_ENDS

    return not any(map(is_role_line, text.split("\n"))) and not _OTHER_ENDS.search(text)


@st.composite
def texts(draw: Any) -> str:
    """Text with variables, conditions, loops and the filters that every runtime has."""
    name = draw(st.sampled_from(NAMES))
    code = draw(st.sampled_from((
        "{{ %s }}", "{{%s}}", "{{ %s | upper }}", "{%% if %s %%}yes{%% else %%}no{%% endif %%}", "{{ %s.name }}",
        '{{ %s | default("x") }}', "{%% for i in %s %%}{{ i }}{{ loop.index }}{%% endfor %%}", "{# %s #}",
        '{%% if %s == "a" and not %s.b %%}1{%% elif %s > 3 %%}2{%% endif %%}',
    )))  # fmt: skip
    before, after = draw(LINES), draw(LINES)
    code = str(code.replace("%s", name).replace("%%", "%"))
    return f"{before}{code}{after}" if _is_text(f"{before}{code}{after}") else f"plain {code}"


PHOTOS: tuple[dict[str, Any], ...] = ({}, {"required": False}, {"description": "A photo."})
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.one_of(
        st.fixed_dictionaries(
            {"type": st.sampled_from(("string", "integer", "number", "boolean"))},
            optional={"description": WORD, "examples": st.just(["x"])},
        ),
        st.fixed_dictionaries({"type": st.just("string"), "enum": st.just(["a", "b"])}),
        st.fixed_dictionaries({"type": st.just("array"), "items": SCHEMAS}),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from(NAMES), SCHEMAS, min_size=1, max_size=2),
            }
        ),
        st.fixed_dictionaries({"type": st.just(["string", "null"])}),
        st.fixed_dictionaries({"anyOf": st.lists(SCHEMAS, min_size=1, max_size=2)}),
    )
)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as providers ask for it: each key required, no other allowed."""
    found: dict[str, Any] = dict(schema)
    if "properties" in schema:
        found["properties"] = {key: _closed(each) for key, each in schema["properties"].items()}
        found |= {"required": list(schema["properties"]), "additionalProperties": False}
    if "items" in schema:
        found["items"] = _closed(schema["items"])
    if "anyOf" in schema:
        found["anyOf"] = [_closed(each) for each in schema["anyOf"]]
    return found


@st.composite
def prompts(draw: Any) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    inputs: dict[str, Any] = {}
    for role in draw(
        st.lists(
            st.sampled_from(("system", "user", "assistant", "developer", "given", "image")), min_size=1, max_size=4
        )
    ):
        if role == "given":
            inputs["history"] = draw(
                st.sampled_from(
                    (
                        {"type": "array", "default": []},
                        {"type": "array"},
                        {"type": "array", "description": "Earlier.", "required": False},
                    )
                )
            )
            messages.append({"placeholder": "history"})
        elif role == "image":
            inputs.setdefault("photo", {"type": "string", **draw(st.sampled_from(PHOTOS))})
            part = {"type": "image_url", "image_url": {"url": "{{ photo }}"}}
            part |= {"when": "photo"} if "required" in inputs["photo"] else {}
            messages.append({"role": "user", "content": [{"type": "text", "text": draw(texts())}, part]})
        else:
            messages.append({"role": role, "content": draw(st.one_of(texts(), st.just("Hello.\n\nYou: I am")))})
    for name in NAMES:
        if any(name in str(each) for each in messages):
            schema = draw(SCHEMAS)
            if draw(st.booleans()) and schema.get("type") == "string" and "enum" not in schema:
                schema = {**schema, "default": draw(WORD)}
            # Lists, mappings and truth values are printed in ways of their own.
            kind = schema.get("type")
            inputs[name] = schema if kind not in ("array", "object", "boolean") else {"type": "string"}
    data: dict[str, Any] = {"messages": messages, **({"inputs": inputs} if inputs else {})}
    rest: dict[str, Any] = draw(abouts())
    return data | rest


@st.composite
def abouts(draw: Any) -> dict[str, Any]:
    """Everything of a prompt apart from its messages and inputs."""
    data: dict[str, Any] = {}
    optional: dict[str, Any] = {
        "name": WORD.filter(lambda text: text != "it" and text.strip() == text),
        "description": st.sampled_from(("Says a --- b.", "What it is\nfor.", "+++")),
        "tags": st.just(["support", "a---b"]),
        "model": st.sampled_from(("openai/gpt-4o", "gpt-4o", "azure/mine", "anthropic/claude", "together_ai/me/x")),
        "metadata": st.just({"owner": "support", "nested": {"a": [1, None]}}),
        "parameters": st.fixed_dictionaries({}, optional={
            "temperature": st.just(0.5), "max_tokens": st.just(10), "stop": st.sampled_from((["a"], "a")),
            "max_completion_tokens": st.just(9), "extra_body": st.just({"x": 1}), "parallel_tool_calls": st.just(False),
            "reasoning_effort": st.just("low"), "seed": st.just(1), "top_k": st.just(2),
        }).filter(bool),
    }  # fmt: skip
    for key, values in optional.items():
        if draw(st.booleans()):
            data[key] = draw(values)
    if draw(st.booleans()):
        properties = {
            key: _closed(each)
            for key, each in draw(st.dictionaries(st.sampled_from(NAMES), SCHEMAS, min_size=1, max_size=2)).items()
        }
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        data["output"] = {"schema": schema, "strict": True}
    elif draw(st.booleans()):
        data["response_format"] = {"type": "json_object"}
    if draw(st.booleans()):
        parameters: dict[str, Any] = {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": draw(SCHEMAS)},
            "required": ["city"],
        }
        function: dict[str, Any] = {"name": "look_up", "parameters": parameters}
        if draw(st.booleans()):
            function |= {"strict": True, "description": "Looks it up."}
            parameters["additionalProperties"] = False
        data["tools"] = [{"type": "function", "function": function}]
    return data


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(data=prompts())
def test_what_prompty_can_say_comes_back(data: dict[str, Any]) -> None:
    written = write_prompty([to_write("it", {"prompts/it.prompt.yaml": yaml_text(data)})])
    assert [str(each) for each in written.losses] == []
    [(path, text)] = written.files.items()
    found = read_prompty(source(path, text))
    assert found.prompts[0].data == data


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=prompts())
def test_prompty_loads_what_is_exported(data: dict[str, Any]) -> None:
    runtime = pytest.importorskip("prompty")
    [text] = write_prompty([to_write("it", {"prompts/it.prompt.yaml": yaml_text(data)})]).files.values()
    with TemporaryDirectory() as folder:
        file = Path(folder, "it.prompty")
        file.write_bytes(text)
        agent = runtime.load(file)
    assert agent.instructions.strip()
    assert agent.description == data.get("description", agent.description)
    assert [each.name for each in agent.inputs or ()] == list(data.get("inputs", ()))
