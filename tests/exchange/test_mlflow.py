"""MLflow's versions of prompts as files of ours, and back."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from promptctl import ExportRequest, open_workspace
from promptctl.errors import InvalidFiles
from tests.exchange.registries import again, prompts, read, reads_or_refuses, wild_objects, written

# What `dict(version)` has, in mlflow 3.17.
VERSION: dict[str, Any] = {
    "aliases": ["production"], "commit_message": "First", "creation_timestamp": 1_700_000_000_000,
    "description": "First",
    "is_text_prompt": True, "last_updated_timestamp": None, "model_config": None, "name": "greet",
    "response_format": None, "tags": {}, "template": "Hello {{ name }}", "uri": "prompts:/greet/1", "user_id": "u1",
    "variables": ["name"], "version": 1,
}  # fmt: skip


def version(template: Any = "Hello {{ name }}", **keys: Any) -> dict[str, Any]:
    return {**VERSION, "template": template, **keys}


def model_version(text: str, version: str = "1", **keys: Any) -> dict[str, Any]:
    """What the REST API of registered models gives."""
    tags = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": text, **keys.pop("tags", {})}
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    return {"name": "greet", "version": version, "creation_timestamp": 1_700_000_000_000, "tags": listed,
            "current_stage": "None", "status": "READY", "description": "First", **keys}  # fmt: skip


def test_a_version_of_the_python_api() -> None:
    config = {"provider": "openai", "model_name": "gpt-4o", "temperature": 0.2, "stop_sequences": ["x"], "odd": 2}
    contents = read("mlflow", version(model_config=config, response_format={"type": "object"}, tags={"team": "x"}))
    [draft] = contents.prompts
    assert draft.data == {
        "model": "openai/gpt-4o",
        "parameters": {"temperature": 0.2, "stop": ["x"]},
        "inputs": {"name": {}},
        "messages": [{"role": "user", "content": "Hello {{ name }}"}],
        "output": {"schema": {"type": "object"}},
        "metadata": {"team": "x", "mlflow": {"model_config": {"odd": 2}}},
    }
    registry = draft.registry
    assert registry is not None
    assert (registry.number, registry.author, registry.message, registry.labels) == (1, "u1", "First", ("production",))
    assert registry.created_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_tags_of_mlflows_own_are_no_metadata() -> None:
    contents = read("mlflow", version(tags={"_mlflow_experiment_ids": "1", "mlflow.prompt.run_ids": "a", "team": "x"}))
    assert contents.prompts[0].data["metadata"] == {"team": "x"}
    assert [note.part for note in contents.notes if note.fate == "dropped"] == [
        "tags._mlflow_experiment_ids",
        "tags.mlflow.prompt.run_ids",
    ]


def test_versions_of_the_rest_api_with_the_aliases_of_their_model() -> None:
    chat = json.dumps([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{ q }}"}])
    own = {"_mlflow_prompt_type": "chat", "_mlflow_prompt_model_config": '{"model_name": "m"}',
           "_mlflow_prompt_response_format": '{"type": "object"}'}  # fmt: skip
    model = {"registered_model": {"name": "greet", "aliases": [{"alias": "Prod_EU", "version": "2"},
                                  {"alias": "old", "version": "²"}], "tags": [],
                                  "latest_versions": []}}  # fmt: skip
    found = read("mlflow", {"model_versions": [model_version("Hi"), model_version(chat, "2", tags=own)]}, model)
    first, second = found.prompts
    assert first.data == {"messages": [{"role": "user", "content": "Hi"}]}
    assert second.data["model"] == "m"
    assert second.data["output"] == {"schema": {"type": "object"}}
    assert [each["role"] for each in second.data["messages"]] == ["system", "user"]
    assert second.registry is not None
    assert second.registry.labels == ("prod-eu",)


@pytest.mark.parametrize(
    ("template", "content", "inputs"),
    [
        ("{{ a.b }} {# c #}", "{{ a.b }}{% raw %} {# c #}{% endraw %}", {"a": {}}),
        ("{% if a %}{{ b }}{% endif %}\n", "{% if a %}{{ b }}{% endif %}", {"a": {"required": False}, "b": {}}),
        ("{{{a}}}", "{% raw %}{{% endraw %}{{ a }}}", {"a": {}}),
        ("{{ a | upper }}", "{% raw %}{{ a | upper }}{% endraw %}", None),
    ],
)
def test_jinja_is_what_mlflow_takes_for_it(template: str, content: str, inputs: Any) -> None:
    data = read("mlflow", version(template)).prompts[0].data
    assert data.get("inputs") == inputs
    if inputs is None:
        assert (data["template"], data["messages"][0]["content"]) == ("none", template)
    else:
        assert data["messages"][0]["content"] == content


def test_a_version_that_is_there_twice_is_read_once() -> None:
    assert len(read("mlflow", version(), version()).prompts) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([version([{"role": "critic", "content": "x"}])], "message 1 has the role `critic`"),
        ([version([])], "no text and no messages"),
        ([version([{"role": "user", "content": [{"type": "image_url"}]}])], "has no text as its content"),
        ([version("{% if %}x")], "the text is no template here"),
        ([version(), version("other")], "version 1 of `greet` is there twice, and differs"),
        ([version(), {"model_versions": [{"name": "model", "version": "1", "tags": []}]}], "it has no text"),
    ],
)
def test_what_cannot_be_here_is_refused_by_name(values: list[Any], message: str) -> None:
    with pytest.raises(InvalidFiles, match=message):
        read("mlflow", *values)


@given(prompts())
@settings(max_examples=60)
def test_what_is_written_reads_as_the_same_prompt(data: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _, losses = written(Path(folder), "mlflow", data)
        assert losses == []
        [draft] = again(Path(folder), "mlflow", data).prompts
    assert draft.wish == "support/triage"
    assert draft.data == data


@pytest.mark.parametrize("text", ["{{ a | upper }}", "{{ a.name }}", "{{ a * 2 }}", "{# why #}{{ a }}"])
def test_texts_that_mlflow_would_not_take_for_jinja_are_a_loss(text: str, tmp_path: Path) -> None:
    data = {"inputs": {"a": {}}, "messages": [{"role": "user", "content": f"Hello.\n{text}\n"}]}
    assert written(tmp_path, "mlflow", data)[1] == ["messages[0].content"]
    with open_workspace(tmp_path) as workspace:
        [loss] = workspace.exchange.export(ExportRequest(refs=["support/triage"], format="mlflow")).losses
    assert loss.place is not None
    assert loss.place.line == 7


def test_jinja_is_written_as_it_is_with_the_line_end_that_mlflow_leaves_out(tmp_path: Path) -> None:
    text = "{% set b = a * 2 %}{% for i in [1, 2] %}{{ b }}{# why #}{% endfor %}\n"
    data = {"inputs": {"a": {}}, "messages": [{"role": "user", "content": text}]}
    [value], losses = written(tmp_path, "mlflow", data)
    assert (value["template"], losses) == (f"{text}\n", [])
    assert again(tmp_path, "mlflow", data).prompts[0].data == data


def test_what_mlflow_cannot_say_is_lost_by_name(tmp_path: Path) -> None:
    data = {
        "description": "Sorts.",
        "inputs": {"history": {"type": "array"}, "a": {"default": "x"}},
        "messages": [{"placeholder": "history"}, {"role": "user", "content": "{{ a }}"}],
        "output": {"schema": {"type": "object"}, "strict": True},
        "metadata": {"owner": "support", "many": [1]},
    }
    values, losses = written(tmp_path, "mlflow", data)
    assert losses == ["messages[0]", "description", "inputs.a", "metadata.many", "output.strict"]
    assert values[0]["tags"] == {"owner": "support", "promptctl.id": "support/triage"}


@given(wild_objects("template", *VERSION))
def test_anything_is_read_or_refused(value: dict[str, Any]) -> None:
    reads_or_refuses("mlflow", value)
