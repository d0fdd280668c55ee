"""All test vectors of Dotprompt's specification: each is imported, rendered, and compared with what it expects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptctl.exchange.dotprompt.picoschema import json_schema, picoschema
from promptctl.files.yaml_reader import read_yaml
from tests.exchange.conftest import read, refused, rendered, said

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures/dotprompt.json").read_text("utf-8"))["suites"]
TESTS = [
    pytest.param(file, suite, test, id=f"{file}/{suite['name']}: {test['desc']}")
    for file, suites in VECTORS.items()
    for suite in suites
    for test in suite["tests"]
]
# What our files cannot say, with the words in which an import says so.
REFUSED = {
    ("helpers/json", "basic"): "`this` means all inputs at once",
    ("helpers/json", "indented"): "`this` means all inputs at once",
    ("helpers/json", "indented_4_spaces"): "`this` means all inputs at once",
    ("helpers/json", "nested_objects"): "`this` means all inputs at once",
    ("helpers/json", "arrays"): "`this` means all inputs at once",
    ("helpers/json", "empty_values"): "`this` means all inputs at once",
    # A prompt here sends at least one message, and this one has none.
    ("metadata", "ext"): "there is no message",
}
NOTED = {
    ("helpers/section", "basic_section"): 'dropped `{{section "intro"}}`: marks a place that an application\'s code',
    ("helpers/section", "nested_sections"): 'dropped `{{section "inner"}}`: marks a place that an application\'s code',
    ("helpers/media", "basic"): "dropped `contentType=contentType`: a part says its kind in the file",
    ("helpers/media", "content_types"): "dropped `contentType=contentType`: a part says its kind",
    ("partials", "partial_with_license_header"): "dropped `{{!-- Copyright",
    (
        "metadata",
        "raw",
    ): "dropped `config.temperature`: has a value that it cannot have: `temperature` must be at most 2, not 3",
}
PICOSCHEMA = [pytest.param(suite, id=suite["name"]) for suite in VECTORS["picoschema"]]


def test_these_are_all_of_them() -> None:
    assert len(VECTORS) == 13
    assert len(TESTS) == 117
    assert len(PICOSCHEMA) == 19


@pytest.mark.parametrize(("file", "suite", "test"), [each for each in TESTS if each.values[0] != "picoschema"])
def test_a_vector_renders_as_dotprompt_has_it(file: str, suite: Mapping[str, Any], test: Mapping[str, Any]) -> None:
    partials = {**suite.get("partials", {}), **suite.get("resolverPartials", {})}
    beside = {f"_{name}_dot_prompt": text for name, text in partials.items()}
    if (file, suite["name"]) in REFUSED:
        (problem,) = refused("it.prompt", suite["template"], "dotprompt", **beside)
        assert REFUSED[file, suite["name"]] in problem.message
        return
    contents = read("it.prompt", suite["template"], "dotprompt", **beside)
    assert rendered(contents, _inputs(suite, test)) == _messages(test["expect"]["messages"])
    dropped = [note for note in said(contents) if note.startswith("dropped")]
    if (file, suite["name"]) in NOTED:
        assert any(NOTED[file, suite["name"]] in note for note in dropped)
    else:
        assert not dropped


@pytest.mark.parametrize("suite", PICOSCHEMA)
def test_picoschema_is_read_as_json_schema_and_written_back(suite: Mapping[str, Any]) -> None:
    header, _, _ = suite["template"].replace("\r\n", "\n").rpartition("---\n")
    for side in ("input", "output"):
        expected = suite["tests"][0]["expect"].get(side, {}).get("schema")
        if expected is None:
            continue
        named = suite.get("schemas", {})
        schema = _declared(header, side)
        assert json_schema(schema, named.__getitem__) == expected
        short = picoschema(expected)
        if suite["name"] == "inferred_json_schema_from_properties":
            assert short is None  # it allows other properties, which Picoschema says with a wildcard alone
        else:
            assert json_schema(short) == expected


@pytest.mark.parametrize("suite", PICOSCHEMA)
def test_a_prompt_imports_with_the_schema_of_its_output(suite: Mapping[str, Any]) -> None:
    if suite.get("schemas"):
        contents = read("it.prompt", suite["template"] + "Hello", "dotprompt")
        assert any("that is in an application's code" in note for note in said(contents))
        output = contents.prompts[0].data.get("output", {"schema": {"properties": {}}})
        any_value = {"foo": {}, "foo2": {"description": "this one is optional"}}
        assert output["schema"]["properties"] in ({}, any_value)
        return
    assert refused("it.prompt", suite["template"], "dotprompt")[0].message == "there is no message"
    contents = read("it.prompt", suite["template"] + "Hello", "dotprompt")
    assert contents.prompts[0].data["output"]["schema"] == suite["tests"][0]["expect"]["output"]["schema"]


def _declared(header: str, side: str) -> Any:
    return read_yaml(header.removeprefix("---\n").encode(), "it.prompt").data[side]["schema"]


def _inputs(suite: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    data = {**suite.get("data", {}), **test.get("data", {})}
    defaults = test.get("options", {}).get("input", {}).get("default", {})
    inputs = {**defaults, **data.get("input", {}), **data.get("context", {})}
    history = _messages(data.get("messages", []))
    return {**inputs, "history": history} if history else inputs


def _messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of a vector in the chat-completions protocol's shape, without marks for an application's code."""
    roles = {"model": "assistant"}
    return [{"role": roles.get(each["role"], each["role"]), "content": _content(each["content"])} for each in messages]


def _content(parts: list[dict[str, Any]]) -> Any:
    parts = [part for part in parts if "text" in part or "media" in part]
    if all("text" in part for part in parts):
        return "".join(part["text"] for part in parts)
    return [{"type": "image_url", "image_url": {"url": part["media"]["url"]}} for part in parts]
