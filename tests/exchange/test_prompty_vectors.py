"""The public vectors of Prompty: what its files mean, and what they are once they are imported.

Prompty has 180. The 75 of what a file says, and of what it prints, run here; those that come out differently are
listed below, each with the reason. The others are of what a runtime does with it: requests to providers, their replies
and lists of models, streams, loops of agents and their tools. They concern no file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import InputError, InvalidFiles, UsageError
from promptctl.exchange.drafts import ForeignContents, Source
from promptctl.exchange.importing import found_files
from promptctl.exchange.prompty.reading import read as read_prompty
from promptctl.files.tree import MemoryTree
from promptctl.files.yaml_writing import yaml_text
from promptctl.formats.formatting import file_of
from promptctl.prompts.inputs import InputCheck
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import Prompt
from tests.exchange.conftest import rendered, said

VECTORS: dict[str, Any] = json.loads(Path("tests/fixtures/prompty/vectors.json").read_text())
NOT_SENT = "an address and a key are no part of a prompt, so the connection is left out, and the environment never read"
HARMLESS = "a value that looks like a role is text, and harmless: nothing has to be refused"
NO_CHAT = "the file asks for no reply of a chat"
DIFFERENT = {
    "missing_variable_renders_empty": "an input that a message prints must be given, or have a default",
    "env_resolution": NOT_SENT,
    "env_default": NOT_SENT,
    "env_missing_error": NOT_SENT,
    "file_resolution": NOT_SENT,
    "file_reference_in_tree_allowed": NOT_SENT,
    "connection_types_load": NOT_SENT,
    "embedding_load": NO_CHAT,
    "image_apitype_load": NO_CHAT,
    "template_string_invalid": "a template named by a text is of version 1, which is imported too",
    "tools_mcp_load": "a server that promptctl does not call is left out, by its name",
    "tools_openapi_load": "a service that promptctl does not call is left out, by its name",
    "tools_custom_load": "a tool whose meaning a program gives is left out, by its name",
    "role_with_multiple_unquoted_attributes": "a message has a name, and no attributes of other names",
    "strict_forged_boundary_throws": HARMLESS,
    "strict_multiline_boundary_throws": HARMLESS,
}


def vectors(stage: str) -> list[Any]:
    return [pytest.param(each, id=each["name"]) for each in VECTORS[stage]]


def imported(text: str, files: dict[str, str] | None = None, folder: str = "") -> ForeignContents:
    path = f"{folder}it.prompty"
    return read_prompty(Source(path, text.encode(), MemoryTree({**(files or {}), path: text})))


def prompt_of(contents: ForeignContents) -> Prompt:
    path = "prompts/it.prompt.yaml"
    return load_prompt(MemoryTree({path: file_of(path, contents.prompts[0].data, "prompt")}), "it")


def header(**keys: Any) -> str:
    return f"---\n{yaml_text(keys)}---\n"


def test_every_exception_is_a_vector_and_is_listed_once() -> None:
    names = {each["name"] for stage in ("render", "parse", "load", "render_segments") for each in VECTORS[stage]}
    assert set(DIFFERENT) <= names
    assert "MIT" in VECTORS["licence"]


@pytest.mark.parametrize("vector", vectors("render"))
def test_a_template_prints_what_prompty_prints(vector: Any) -> None:
    given, template = vector["input"]["inputs"], vector["input"]["template"]
    threads = [name for name, value in given.items() if isinstance(value, dict) and value.get("_kind") == "thread"]
    keys = {"template": {"format": {"kind": vector["input"]["engine"]}, "parser": {"kind": "prompty"}}}
    inputs = [{"name": name, "kind": "thread"} for name in threads]
    contents = imported(header(**keys, **({"inputs": inputs} if inputs else {})) + template)
    given = {name: value["messages"] if name in threads else value for name, value in given.items()}
    if vector["name"] in DIFFERENT:
        with pytest.raises(InputError):
            rendered(contents, given)
        return
    found = rendered(contents, given)
    if threads:
        [before, *thread, after] = found
        assert thread == given[threads[0]]
        pattern = vector["expected"]["nonce_pattern"]
        text = f"system:\n{before['content']}\n\n__PROMPTY_THREAD_01234567_{threads[0]}__\n\nuser:\n{after['content']}"
        assert re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text)
        return
    if not template.startswith("system:"):
        assert found == [{"role": "system", "content": vector["expected"]["rendered"]}]
    else:
        assert "\n\n".join(f"{each['role']}:\n{each['content']}" for each in found) == vector["expected"]["rendered"]


@pytest.mark.parametrize("vector", vectors("parse"))
def test_a_body_is_cut_into_the_messages_of_prompty(vector: Any) -> None:
    threads = vector["input"].get("thread_inputs", {})
    body = re.sub(r"__PROMPTY_THREAD_[0-9a-f]+_(\w+)__", r"{{\1}}", vector["input"]["rendered"])
    inputs = [{"name": name, "kind": "thread"} for name in threads]
    contents = imported((header(inputs=inputs) if inputs else "") + body)
    given = {name: [_plain(each) for each in messages] for name, messages in threads.items()}
    expected = [_plain(each) for each in vector["expected"]["messages"]]
    if vector["name"] in DIFFERENT:
        assert "dropped `user[id]`: is an attribute that no message has here" in said(contents)
        expected = [{key: value for key, value in each.items() if key != "id"} for each in expected]
    assert rendered(contents, given) == expected


def _plain(message: Any) -> dict[str, Any]:
    [part] = message["content"]
    return {"role": message["role"], "content": part["value"], **message.get("metadata", {})}


@pytest.mark.parametrize("vector", vectors("render_segments"))
def test_no_value_begins_a_message(vector: Any) -> None:
    given = vector["input"]["inputs"]
    found = rendered(imported(vector["input"]["template"]), given)
    assert [each["role"] for each in found] in (["system", "user"], ["user"])
    assert found[-1]["content"] == given["q"]
    if vector["name"] in DIFFERENT:
        assert vector["expected"] == {"error": "StrictViolation"}
    else:
        segments = vector["expected"]["segments"]
        assert [each["text"] for each in segments if each["kind"] == "interp"] == [given["q"]]


def loaded(given: Any) -> ForeignContents:
    text = VECTORS["fixtures"].get(given.get("fixture")) or given.get("frontmatter_raw")
    text = text or header(**given["frontmatter"]) + "Hello"
    folder = f"{given['agent_subdir']}/" if "agent_subdir" in given else ""
    files = {f"{folder}{path}": json.dumps(data) for path, data in given.get("files", {}).items()}
    files = {path.replace("app/../", ""): data for path, data in files.items()}
    if folder and "../" in json.dumps(given["frontmatter"]):
        folder = ""  # what is imported is the folder that the file lies in
    return imported(text, files, folder)


@pytest.mark.parametrize("vector", vectors("load"))
def test_a_file_is_read_as_prompty_reads_it(vector: Any, tmp_path: Path) -> None:
    given, expected, name = vector["input"], vector["expected"], vector["name"]
    if name == "missing_file_error":
        with pytest.raises(UsageError, match=r"there is no file or folder `nonexistent\.prompty`"):
            found_files([given["fixture"]], tmp_path)
        return
    is_refused = "error" in expected and "inputs" not in given and name not in DIFFERENT
    if is_refused or DIFFERENT.get(name) == NO_CHAT:
        with pytest.raises(InvalidFiles):
            loaded(given)
        return
    contents = loaded(given)
    prompt, data = prompt_of(contents), contents.prompts[0].data
    _check_about(expected, data, contents, name)
    for each in expected.get("inputs") or ():
        assert data["inputs"][each["name"]]["type"] == each["kind"]
        assert data["inputs"][each["name"]]["default"] == each["default"]
    if "instructions" in expected:
        assert data["messages"] == prompt_of_body(expected["instructions"])
    if "validated_inputs" in expected:
        assert InputCheck(prompt).fill(given["inputs"]).values == expected["validated_inputs"]
    elif "error_field" in expected:
        with pytest.raises(InputError) as caught:
            InputCheck(prompt).fill(given["inputs"])
        assert caught.value.names == (expected["error_field"],)


def prompt_of_body(body: str) -> Any:
    return imported(body).prompts[0].data["messages"]


def _check_about(expected: Any, data: Any, contents: ForeignContents, name: str) -> None:
    if "name" in expected:
        assert data["name"] == expected["name"]
    for key in ("description", "metadata"):
        if key in expected:
            assert data[key] == expected[key]
    model = expected.get("model") or {}
    if "id" in model:
        assert data["model"] == (f"{model['provider']}/" if "provider" in model else "") + model["id"]
    for option, value in model.get("options", {}).items():
        assert data["parameters"][{"maxOutputTokens": "max_tokens"}.get(option, option)] == value
    if "connection" in model:
        everything = json.dumps([data, *said(contents)])
        secrets = [value for key, value in model["connection"].items() if key in ("endpoint", "apiKey")]
        assert not [each for each in secrets if each in everything]
        assert any(note.startswith("dropped `model.connection") for note in said(contents))
    for tool in expected.get("tools") or ():
        if name in DIFFERENT:
            assert any(f"the tool `{tool['name']}`" in note and "dropped" in note for note in said(contents))
            assert "tools" not in data
            continue
        [function] = [each["function"] for each in data["tools"]]
        bound = set(tool["bindings"])
        assert function["name"] == tool["name"]
        assert function["description"] == tool["description"]
        assert function["strict"] is tool["strict"]
        assert set(function["parameters"]["properties"]) == {each["name"] for each in tool["parameters"]} - bound
    for each in expected.get("outputs") or ():
        schema = data["output"]["schema"]
        assert schema["properties"][each["name"]] == {"type": each["kind"], "description": each["description"]}
        assert each["name"] in schema["required"]
