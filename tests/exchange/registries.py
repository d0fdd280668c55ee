"""What the tests of both registries share: files that they read, prompts that they write, and prompts of any kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from promptctl import ExportRequest, open_workspace
from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import ForeignContents, Source
from promptctl.exchange.formats import format_of, named
from promptctl.files.yaml_writing import yaml_text
from promptctl.formats.formatting import file_of
from promptctl.git.trees import WorkTree


def source_of(*values: Any, text: str | None = None) -> Source:
    """A file of these JSON values, one a line."""
    lines = "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)
    return Source("export.jsonl", (lines if text is None else text).encode(), WorkTree(Path()))


def read(format_: str, *values: Any, text: str | None = None) -> ForeignContents:
    """What a format reads from a file, which it must know as its own."""
    source = source_of(*values, text=text)
    found = format_of(source)
    assert found is not None
    assert found.name == format_
    return found.reader().read(source)


def written(
    folder: Path, format_: str, data: Mapping[str, Any], id_: str = "support/triage"
) -> tuple[list[Any], list[str]]:
    """The JSON values of a prompt in a format, the partials first, and the parts that are lost."""
    file = folder / "prompts" / f"{id_}.prompt.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    (folder / "promptctl.yaml").write_text("model: echo/echo\n")
    file.write_text(yaml_text(data))
    with open_workspace(folder) as workspace:
        found = workspace.exchange.export(ExportRequest(refs=[id_], format=format_, allows_losses=True))
    values = [json.loads(text) for _, text in sorted(found.files.items(), key=lambda each: "partials/" not in each[0])]
    return values, [loss.part for loss in found.losses]


def again(folder: Path, format_: str, data: Mapping[str, Any], id_: str = "support/triage") -> ForeignContents:
    """What is read from a prompt that was written, from which nothing is lost."""
    values, losses = written(folder, format_, data, id_)
    assert losses == []
    source = source_of(*values)
    assert format_of(source) == named(format_)
    return named(format_).reader().read(source)


_names = st.sampled_from(["ticket", "name", "x1", "grn"])
_words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" \n{}%#\"'\\@|"), max_size=12
)
_pieces = st.lists(_words.map(lambda text: ("text", text)) | _names.map(lambda name: ("name", name)), max_size=4)


def _text(pieces: list[tuple[str, str]]) -> str:
    from promptctl.template_languages.jinja import jinja_text
    from promptctl.template_languages.pieces import TextPiece, VariablePiece

    return jinja_text(TextPiece(word) if kind == "text" else VariablePiece((word,)) for kind, word in pieces)


@st.composite
def prompts(draw: st.DrawFn, *, has_placeholders: bool = False) -> dict[str, Any]:
    """Data of prompt files of everything that a registry keeps."""
    data: dict[str, Any] = {}
    if tags := draw(st.lists(st.sampled_from(["a", "b c", "ü"]), unique=True, max_size=2)):
        data["tags"] = tags
    if draw(st.booleans()):
        data["model"] = draw(st.sampled_from(["openai/gpt-4o", "gpt-4o", "openrouter/meta/llama"]))
    if parameters := draw(_parameters):
        data["parameters"] = parameters
    messages: list[dict[str, Any]] = []
    inputs: dict[str, Any] = {}
    for pieces in draw(st.lists(_pieces, min_size=1, max_size=3)):
        if has_placeholders and draw(st.integers(0, 4)) == 0:
            messages.append({"placeholder": "history"})
            inputs["history"] = {"type": "array"}
        inputs |= {word: {} for kind, word in pieces if kind == "name"}
        messages.append({"role": draw(st.sampled_from(["system", "user", "assistant"])), "content": _text(pieces)})
    if inputs:
        data["inputs"] = inputs
    if inputs.keys() <= {"history"} and any("{% raw %}" in each.get("content", "") for each in messages):
        data["template"] = "none"
        for each in (message for message in messages if "content" in message):
            each["content"] = each["content"].replace("{% raw %}", "").replace("{% endraw %}", "")
    data["messages"] = messages
    if draw(st.booleans()):
        data["output"] = {"schema": draw(_schemas)}
    elif draw(st.booleans()):
        data["response_format"] = {"type": "json_object"}
    if draw(st.booleans()):
        function = {"name": "look_up", "description": "Looks it up.", "parameters": draw(_schemas)}
        data["tools"] = [{"type": "function", "function": function}]
    return data


_parameters = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 0.5, 1]),
        "max_tokens": st.integers(1, 999),
        "stop": st.lists(st.sampled_from(["END", "\n"]), min_size=1, max_size=2, unique=True),
        "seed": st.integers(0, 9),
    },
)
_schemas = st.sampled_from(
    [
        {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}, "required": ["label"]},
        {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "string"}}}},
    ]
)

_words_of_formats = st.sampled_from(
    ["name", "type", "role", "content", "user", "chat", "text", "placeholder", "key", "value", "model", "tools", "x",
     "response_format", "schema", "{{x}}", "{{#x}}", "{{/x}}", "{% if x %}", "latest", "v3", "\x00", "\u2028",
     "@@@langfusePrompt:name=a|version=1@@@", "mlflow.prompt.text", "2025-01-01"]
)  # fmt: skip
_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats(allow_nan=False) | _words_of_formats | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words_of_formats, inner, max_size=4),
    max_leaves=8,
)


def wild_objects(text: str, *keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that a registry almost gives: its keys with any values, and with a text under the key `text`."""
    wild = st.dictionaries(st.sampled_from(keys), _anything, max_size=5)
    texts = st.text() | st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": _anything}), max_size=2)
    return st.builds(lambda some, said: {"name": "a", **some, text: said}, wild, texts | _anything)


def reads_or_refuses(format_: str, value: dict[str, Any]) -> None:
    """Read an object, which ends in files of ours or in reasons."""
    source, reader = source_of(value), named(format_).reader()
    reader.is_one(source)
    with suppress(InvalidFiles):
        for draft in reader.read(source).prompts:
            file_of("prompts/a.prompt.yaml", draft.data, "prompt")
