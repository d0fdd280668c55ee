"""Langfuse's versions of prompts as files of ours, and back."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings

from promptctl import ExportRequest, ImportRequest, open_workspace
from promptctl.errors import InvalidFiles
from promptctl.exchange.formats import format_of
from promptctl.files.yaml_writing import yaml_text
from promptctl.template_languages.double_braces import InputNames, double_brace_pieces
from tests.exchange.registries import again, prompts, read, reads_or_refuses, source_of, wild_objects, written

# As the server gives it: the database's row, with two keys of the handler's.
SERVED: dict[str, Any] = {
    "id": "cm7a1", "createdAt": "2025-03-02T10:00:00.000Z", "updatedAt": "2025-03-02T10:00:00.000Z",
    "projectId": "p1", "createdBy": "cl9", "prompt": "Hello {{ name }}", "name": "greet", "version": 1, "type": "text",
    "isActive": True, "config": {}, "tags": [], "labels": ["production", "latest"], "commitMessage": None,
    "resolutionGraph": None,
}  # fmt: skip


def served(prompt: Any = "Hello {{ name }}", **keys: Any) -> dict[str, Any]:
    return {**SERVED, "prompt": prompt, "type": "text" if isinstance(prompt, str) else "chat", **keys}


def fates(contents: Any, part: str) -> list[tuple[str, str]]:
    return [(note.fate, note.message) for note in contents.notes if note.part == part]


def test_a_text_prompt_becomes_a_message_of_the_user() -> None:
    contents = read("langfuse", served())
    [draft] = contents.prompts
    assert draft.data == {"inputs": {"name": {}}, "messages": [{"role": "user", "content": "Hello {{ name }}"}]}
    assert draft.wish == "greet"
    registry = draft.registry
    assert registry is not None
    assert (registry.number, registry.author, registry.labels) == (1, "cl9", ("production",))
    assert registry.created_at == datetime(2025, 3, 2, 10, tzinfo=UTC)
    assert fates(contents, "labels") == [
        ("dropped", "`latest` is the newest version by itself"),
        ("kept", "are labels: production"),
    ]


def test_a_chat_prompt_keeps_its_roles_placeholders_and_settings() -> None:
    schema = {"type": "object", "properties": {"label": {"type": "string"}}}
    config = {
        "model": "gpt-4o", "temperature": 0.2, "maxTokens": 90, "team": {"owner": "support"}, "temperature_max": 3,
        "response_format": {"type": "json_schema", "json_schema": {"name": "triage", "schema": schema, "strict": True}},
        "tools": [{"name": "look_up", "description": None, "parameters": {"type": "object"}}],
    }  # fmt: skip
    chat = [
        {"role": "system", "content": "Be kind.", "type": "chatmessage"},
        {"type": "placeholder", "name": "history"},
        {"role": "human", "content": '{"a": {"b": {{ticket}}}} {% if x %}'},
    ]
    contents = read("langfuse", served(chat, config=config, tags=["support"], labels=["team_a"]))
    [draft] = contents.prompts
    assert draft.data == {
        "tags": ["support"],
        "model": "gpt-4o",
        "parameters": {"temperature": 0.2, "max_tokens": 90},
        "inputs": {"history": {"type": "array"}, "ticket": {}},
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"placeholder": "history"},
            {"role": "user", "content": '{"a": {"b": {{ ticket }}{% raw %}}} {% if x %}{% endraw %}'},
        ],
        "output": {"schema": schema, "strict": True, "name": "triage"},
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}],
        "metadata": {"langfuse": {"config": {"team": {"owner": "support"}, "temperature_max": 3}}},
    }
    assert draft.registry is not None
    assert draft.registry.labels == ("team-a",)
    assert fates(contents, "config.maxTokens") == [("changed", "is written as `parameters.max_tokens`")]
    assert fates(contents, "prompt[2].role") == [("changed", "`human` is written as `user`")]
    assert all(note.place and note.place.line == 1 for note in contents.notes)


def test_every_part_of_the_object_has_a_fate() -> None:
    contents = read("langfuse", served(tags=["a"], config={"model": "m"}, commitMessage="First", novel=1))
    told = {note.part.partition(".")[0] for note in contents.notes}
    assert told == {*SERVED, "novel"} - {"name", "version", "type", "resolutionGraph"}
    assert fates(contents, "novel") == [("dropped", "nothing is known of it")]


@pytest.mark.parametrize(
    ("text", "content", "inputs"),
    [
        ("{{größe}} {{a-b}}", "{{ grosse }} {{ a_b }}", ["grosse", "a_b"]),
        ("{{user.name}}", "{{ user.name }}", ["user"]),
        ("{{{name}}}", "{{ name }}", ["name"]),
        ("{{loop}}", "{{ loop_ }}", ["loop_"]),
        ("{{ say what you want }} {{x}}", "{% raw %}{{ say what you want }} {% endraw %}{{ x }}", ["x"]),
        ("{{a-b}} {{a_b}}", "{{ a_b }} {{ a_b_2 }}", ["a_b", "a_b_2"]),
        ("}} {{ {{x}}", "{% raw %}}} {{ {% endraw %}{{ x }}", ["x"]),
    ],
)
def test_names_that_no_input_may_have_are_changed_and_said(text: str, content: str, inputs: list[str]) -> None:
    contents = read("langfuse", served(text))
    assert contents.prompts[0].data["messages"][0]["content"] == content
    assert list(contents.prompts[0].data["inputs"]) == inputs


def test_a_variable_behind_open_braces_is_said() -> None:
    contents = read("langfuse", served("{{ use this: {{x}}"))
    assert contents.prompts[0].data["messages"][0]["content"] == "{% raw %}{{ use this: {% endraw %}{{ x }}"
    assert any("it is text" in message for _, message in fates(contents, "prompt"))


def test_text_with_braces_and_no_variable_is_no_template() -> None:
    data = read("langfuse", served("Answer as {{}} or {%x%}")).prompts[0].data
    assert data == {"template": "none", "messages": [{"role": "user", "content": "Answer as {{}} or {%x%}"}]}


def test_sections_are_read_as_the_javascript_sdk_fills_them_in() -> None:
    contents = read("langfuse", served("Hi {{name}}.{{#urgent}} Be quick.{{/urgent}}{{^urgent}} Take care.{{/urgent}}"))
    data = contents.prompts[0].data
    assert data["inputs"] == {"name": {}, "urgent": {"required": False}}
    expected = "Hi {{ name }}.{% if urgent %} Be quick.{% else %} Take care.{% endif %}"
    assert data["messages"][0]["content"].replace("{% endif %}{% if not urgent %}", "{% else %}") == expected
    assert any("sections of Mustache" in message for _, message in fates(contents, "prompt"))


def test_a_note_that_holds_for_several_versions_is_said_once() -> None:
    contents = read("langfuse", *(served(version=number, labels=["latest"]) for number in (1, 2, 3)))
    assert fates(contents, "labels") == [("dropped", "`latest` is the newest version by itself (3 times)")]


def test_a_prompt_that_others_include_becomes_a_partial() -> None:
    tone = served("Be kind to {{ who }}.", name="parts/tone", version=3, labels=["production"])
    old = served("Be short.", name="parts/tone", version=1, labels=[])
    both = "@@@langfusePrompt:name=parts/tone|label=production@@@ @@@langfusePrompt:name=parts/tone|version=1@@@ {{x}}"
    contents = read("langfuse", old, tone, served([{"role": "system", "content": both}], name="triage"))
    assert {file.path: file.text for file in contents.files} == {
        "parts/tone.production.j2": "Be kind to {{ who }}.",
        "parts/tone.v1.j2": "Be short.",
    }
    [triage] = [draft for draft in contents.prompts if draft.wish == "triage"]
    content = '{% include "parts/tone.production.j2" %} {% include "parts/tone.v1.j2" %} {{ x }}'
    assert triage.data["messages"] == [{"role": "system", "content": content}]
    assert triage.data["inputs"] == {"who": {}, "x": {}}
    assert [draft.wish for draft in contents.prompts] == ["parts/tone", "parts/tone", "triage"]


def test_a_reference_that_the_server_would_leave_stays_text() -> None:
    text = "@@@langfusePrompt:label=x@@@ @@@langfusePrompt:name=a@@@ @@@langfusePrompt:"
    assert read("langfuse", served(text)).prompts[0].data["messages"][0]["content"] == text


def test_a_version_that_is_there_twice_is_read_once() -> None:
    assert len(read("langfuse", served(), served(updatedAt="2025-04-02T10:00:00.000Z")).prompts) == 1


@pytest.mark.parametrize(
    ("values", "message", "line"),
    [
        ([served([{"role": "critic", "content": "x"}])], "message 1 has the role `critic`", 1),
        ([served([])], "the prompt has no message", 1),
        ([served("{{#x}}a{{/y}}")], "sections of Mustache that cannot be read", 1),
        ([served("{{#x}}{{> y}}{{/x}}")], "a partial is included", 1),
        ([served([{"role": "user", "content": [{"type": "text"}]}])], "has no text as its content", 1),
        ([served(), served("other")], "version 1 of `greet` is there twice", 2),
        ([served(), served(config={"seed": 1})], "version 1 of `greet` is there twice", 2),
        (
            [
                *(served(f"@@@langfusePrompt:name=p{n + 1}|version=1@@@", name=f"p{n}") for n in range(6)),
                served(name="p6"),
            ],
            "references go deeper than 5 prompts",
            6,
        ),
        ([served("@@@langfusePrompt:name=tone|label=production@@@")], "label production of `tone`, which is not", 1),
        ([served("@@@langfusePrompt:name=greet|version=1@@@")], "lead in a circle", 1),
        (
            [
                served([{"role": "user", "content": "x"}], name="chat"),
                served("@@@langfusePrompt:name=chat|version=1@@@"),
            ],
            "only a text can be included",
            2,
        ),
        (
            [{"data": [{"name": "greet", "versions": [1], "lastConfig": {}}], "meta": {"page": 1}}],
            "the list of prompts",
            1,
        ),
    ],
)
def test_what_cannot_be_here_is_refused_by_name(values: list[Any], message: str, line: int) -> None:
    with pytest.raises(InvalidFiles) as refused:
        read("langfuse", *values)
    [problem] = refused.value.problems[:1]
    assert message in problem.message
    assert problem.place is not None
    assert problem.place.line == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"name": "a", "type": "text", "prompt": "x", "labels": []}, 7]', "this is no object"),
        ('{"name": "a", "type": "text", "prompt": "x", "labels": []}\n{"name": ', "this is no JSON"),
        ('{"name": "a", "type": "text", "prompt": "x", "labels": []}\n{"x": 1, "x": 2}', "the key `x` is there twice"),
        ('{"name": "a", "type": "text", "prompt": "x", "labels": []}\n' + "[" * 9999, "nested too deep"),
        ('{"name": "a", "type": "text", "prompt": "x", "config": NaN, "labels": []}', "NaN"),
        ('{"name": "a", "type": "text", "prompt": "\\ud800", "labels": []}', "half a character"),
        (f'{{"name": "a", "type": "text", "prompt": "{"x" * 1_100_000}"}}', "more than 1,048,576 characters"),
    ],
)
def test_json_that_is_none_is_refused(text: str, message: str) -> None:
    from promptctl.exchange.langfuse import read as read_langfuse

    with pytest.raises(InvalidFiles, match=message):
        read_langfuse(source_of(text=text))


def test_one_file_holds_any_number_of_values() -> None:
    one, two = served(), served("Hi {{ name }}", version=2, labels=[])
    pretty = json.dumps([one, two], indent=2)
    contents = read("langfuse", text=pretty)
    assert [draft.registry.number for draft in contents.prompts if draft.registry] == [1, 2]
    assert [draft.place.line for draft in contents.prompts if draft.place] == [2, 22]
    joined = json.dumps(one) + json.dumps(two)
    assert len(read("langfuse", text=joined).prompts) == 2
    assert len(read("langfuse", {"data": [one, two]}).prompts) == 2
    assert len(read("langfuse", {"prompts": [one, {"name": "b", "type": "text", "prompt": "x"}]}).prompts) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{", '{"name": "a"}', '{"prompt": {}, "name": 1}', "name: a\nprompt: b"]
)
def test_other_files_are_none_of_langfuses(text: str) -> None:
    found = format_of(source_of(text=text))
    assert found is None or found.name != "langfuse"


@given(prompts(has_placeholders=True))
@settings(max_examples=60)
def test_what_is_written_reads_as_the_same_prompt(data: dict[str, Any]) -> None:
    for message in data["messages"]:  # sections of Mustache are lost, which has a test of its own
        list(double_brace_pieces(message.get("content", ""), names := InputNames(has_triples=True)))
        assume(not names.sections)
    with tempfile.TemporaryDirectory() as folder:
        [draft] = again(Path(folder), "langfuse", data).prompts
    expected = {**data, "inputs": data.get("inputs")}
    found = {key: value for key, value in draft.data.items() if key != "metadata"}
    assert {**found, "inputs": found.get("inputs")} == expected
    assert draft.wish == "support/triage"


def test_includes_are_written_as_prompts_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "parts").mkdir(parents=True)
    (tmp_path / "prompts" / "parts" / "tone.j2").write_text("Be kind, {{ who }}.\n")
    (tmp_path / "prompts" / "support").mkdir()
    content = 'Hi. {% include "parts/tone.j2" %}'
    data = {"inputs": {"who": {}}, "messages": [{"role": "system", "content": content}]}
    values, losses = written(tmp_path, "langfuse", data)
    assert losses == []
    assert values == [
        {"name": "parts/tone", "type": "text", "prompt": "Be kind, {{who}}.\n", "labels": ["production"],
         "tags": ["partial"]},
        {"name": "support/triage", "type": "chat",
         "prompt": [{"role": "system", "content": "Hi. @@@langfusePrompt:name=parts/tone|label=production@@@"}],
         "labels": []},
    ]  # fmt: skip
    contents = read("langfuse", *values)
    assert [draft.data for draft in contents.prompts] == [data]
    assert [(file.path, file.text) for file in contents.files] == [("parts/tone.j2", "Be kind, {{ who }}.\n")]


def test_includes_are_found_from_the_file_that_has_them(tmp_path: Path) -> None:
    for path, text in {"support/tone.j2": 'Kind{% include "./end.j2" %}', "support/end.j2": "!"}.items():
        file = tmp_path / "prompts" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    data = {"messages": [{"role": "system", "content": '{% include "./tone.j2" %}'}]}
    values, losses = written(tmp_path, "langfuse", data)
    assert losses == []
    assert {value["name"]: value["prompt"] for value in values[:2]} == {
        "support/end": "!",
        "support/tone": "Kind@@@langfusePrompt:name=support/end|label=production@@@",
    }
    assert written(tmp_path, "mlflow", data)[0][0]["template"] == [{"role": "system", "content": "Kind!"}]


def test_what_langfuse_cannot_say_is_lost_by_name(tmp_path: Path) -> None:
    data = {
        "name": "Triage", "description": "Sorts.", "status": "deprecated", "formerly": ["old"],
        "inputs": {"a": {"type": "string"}, "b": {"required": False}, "c": {}},
        "messages": [
            {"role": "user", "content": "{% if a %}{{ b | upper }}{% endif %}{{ c }}"},
            {"role": "user", "content": [{"type": "text", "text": "Look: {{ b }}", "when": "b"},
                                         {"type": "image_url", "image_url": {"url": "{{ a }}"}}]},
            {"role": "assistant", "content": "x", "name": "bot"},
        ],
        "output": {"schema": {"type": "object"}, "retries": 2},
        "metadata": {"owner": "support"},
    }  # fmt: skip
    values, losses = written(tmp_path, "langfuse", data)
    assert losses == [
        "messages[0].content", "messages[1].content", "messages[2].name", "name", "description", "status", "formerly",
        "inputs.a", "inputs.b", "output.retries", "metadata.owner",
    ]  # fmt: skip
    assert values[0]["prompt"][1] == {"role": "user", "content": "Look: {{b}}"}


@given(wild_objects("prompt", *SERVED))
def test_anything_is_read_or_refused(value: dict[str, Any]) -> None:
    reads_or_refuses("langfuse", value)


@pytest.mark.parametrize("id_", ["it", "parts/it"])
def test_a_folder_of_exported_files_is_imported_together(id_: str, tmp_path: Path) -> None:
    files = {
        "prompts/parts/tone.j2": 'Be kind, {{ who }}. {% include "parts/rules.j2" %}',
        "prompts/parts/rules.j2": "Be brief about {{ what }}.",
        f"prompts/{id_}.prompt.yaml": yaml_text(
            {
                "inputs": {"who": {}, "what": {}},
                "messages": [{"role": "system", "content": 'Hi. {% include "parts/tone.j2" %}'}],
            }
        ),
    }
    for path, text in files.items():
        file = tmp_path / "given" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "empty").mkdir()
    for folder in ("given", "empty"):
        (tmp_path / folder / "promptctl.yaml").write_text("model: echo/echo\n")
    with open_workspace(tmp_path / "given") as workspace:
        workspace.exchange.export(ExportRequest(refs=[id_], format="langfuse")).write(tmp_path / "empty/out")
    with open_workspace(tmp_path / "empty") as workspace:
        report = workspace.exchange.import_files(ImportRequest(paths=[tmp_path / "empty/out"], latest=True))
        assert report.refused == ()
        workspace.write(report.proposal)
    for path, text in files.items():
        assert (tmp_path / "empty" / path).read_text().endswith(text)
