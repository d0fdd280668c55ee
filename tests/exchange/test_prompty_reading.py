"""What becomes of the parts of a Prompty file that its vectors do not show."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import Source
from promptctl.exchange.prompty.reading import read as read_prompty
from promptctl.git.trees import WorkTree
from tests.exchange.conftest import read, refused, rendered, said, source

VERSION_1 = """\
---
name: Support triage
authors: [Ada]
tags: [support, support]
version: "1.2"
model:
  api: chat
  configuration:
    type: azure_openai
    azure_endpoint: ${env:ENDPOINT}
    azure_deployment: gpt-4o
    api_key: sk-not-for-anyone
  parameters:
    max_tokens: 300
    response_format: {type: json_object}
    api_key: sk-not-for-anyone
    seed: ${env:SEED:7}
inputs:
  ticket: {type: string}
  limit: {type: int}
sample: {ticket: Paid twice., limit: 3, unused: x}
template: jinja2
---
system:
Triage. At most {{ limit }}.
{% for item in chat_history %}
{{item.role}}:
{{item.content}}
{% endfor %}
# user:
{{ticket}}
"""
GIF = b"GIF89a" + bytes(10)


def test_a_file_of_version_1_becomes_a_prompt_and_its_sample_a_case() -> None:
    contents = read("old/triage.prompty", VERSION_1, "prompty")
    [draft], [dataset] = contents.prompts, contents.datasets
    assert draft.wish == dataset.wish == "triage"
    assert {key: draft.data[key] for key in ("name", "model", "parameters", "response_format", "tags")} == {
        "name": "Support triage",
        "model": "azure/gpt-4o",
        "parameters": {"max_tokens": 300, "seed": 7},
        "response_format": {"type": "json_object"},
        "tags": ["support"],
    }
    assert draft.data["metadata"] == {"authors": ["Ada"], "version": "1.2"}
    assert dataset.data["cases"] == [{"id": "sample", "inputs": {"ticket": "Paid twice.", "limit": 3}}]
    assert dataset.data["defaults"] == {"assert": [{"type": "is-json"}]}
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    assert rendered(contents, {"ticket": "x", "limit": 2, "chat_history": history}) == [
        {"role": "system", "content": "Triage. At most 2.\n"},
        *history,
        {"role": "user", "content": "x"},
    ]


def test_no_key_and_no_address_is_used_or_shown() -> None:
    contents = read("triage.prompty", VERSION_1, "prompty")
    everything = json.dumps([contents.prompts[0].data, [each.as_dict() for each in contents.notes]])
    assert "sk-not-for-anyone" not in everything
    notes = said(contents)
    assert any(each.startswith("dropped `model.configuration.api_key`") for each in notes)
    assert any("from the variable ENDPOINT" in each for each in notes)
    assert "dropped `model.parameters.api_key`: is named like a key, which no prompt file may hold" in notes


def test_every_part_of_the_header_has_a_note() -> None:
    contents = read("triage.prompty", VERSION_1, "prompty")
    noted = {each.part for each in contents.notes}
    keys = {
        "name",
        "authors",
        "tags",
        "version",
        "sample",
        "template",
        "inputs.ticket",
        "inputs.limit",
        "sample.unused",
    }
    below = {f"model.parameters.{key}" for key in ("max_tokens", "response_format", "api_key", "seed")}
    assert keys | below | {"model.api", "model.configuration.azure_deployment"} <= noted
    assert [each.place.line for each in contents.notes if each.place] == sorted(
        each.place.line or 0 for each in contents.notes if each.place
    )


def test_files_are_put_in_from_the_imported_folder_only(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "tools.json").write_text(json.dumps({"q": {"kind": "integer", "default": 3}}))
    (tmp_path / "secret.json").write_text('{"q": "secret"}')
    (tmp_path / "in" / "link.json").symlink_to(tmp_path / "secret.json")

    def inputs(reference: str) -> Any:
        text = f"---\ninputs: {reference}\n---\nsystem:\n{{{{ q }}}}"
        return read_prompty(Source("x.prompty", text.encode(), WorkTree(tmp_path / "in"))).prompts[0].data["inputs"]

    assert inputs("${file:tools.json}") == {"q": {"type": "integer", "default": 3}}
    for reference in (
        "${file:../secret.json}",
        f"${{file:{tmp_path}/secret.json}}",
        "${file:link.json}",
        "${file:no.json}",
    ):
        with pytest.raises(InvalidFiles):
            inputs(reference)


def test_files_that_name_each_other_in_a_circle_are_refused() -> None:
    [problem] = refused(
        "x.prompty", "---\ninputs: ${file:a.json}\n---\nHi", "prompty", a_dot_json='{"q": "${file:a.json}"}'
    )
    assert "in a circle" in problem.message
    assert problem.place is not None
    assert problem.place.line == 2


BASE = """\
---
name: Shared
authors: [Ada]
model:
  api: chat
  configuration: {type: azure_openai, azure_deployment: gpt-4o}
  parameters: {temperature: 0.2, max_tokens: 100}
sample: {q: Why?, tone: kind}
---
"""
CHILD = """\
---
base: base.prompty
authors: [Bob]
model: {parameters: {temperature: 0.9}}
sample: {q: How?}
---
system:
{{q}}{{tone}}
"""


def test_a_base_gives_what_a_file_does_not_say() -> None:
    contents = read("x.prompty", CHILD, "prompty", base_dot_prompty=BASE)
    [draft], [dataset] = contents.prompts, contents.datasets
    assert {key: draft.data[key] for key in ("name", "model", "parameters", "metadata")} == {
        "name": "Shared",
        "model": "azure/gpt-4o",
        "parameters": {"temperature": 0.9, "max_tokens": 100},
        "metadata": {"authors": ["Ada", "Bob"]},
    }
    assert dataset.data["cases"] == [{"id": "sample", "inputs": {"q": "How?", "tone": "kind"}}]
    words = "gives `name`, `authors`, `model`, `sample` as far as this file does not say them"
    assert f"changed `base`: {words}" in said(contents)


@pytest.mark.parametrize(("body", "is_part"), [("", True), ("Hi {{q}}", False)])
def test_a_base_is_a_prompt_of_its_own_if_it_has_messages(body: str, is_part: bool) -> None:
    found = source("x.prompty", CHILD, base_dot_prompty=BASE + body)
    read_prompty(found)
    assert found.named == ({"base.prompty"} if is_part else set())


def test_bases_in_a_circle_or_elsewhere_are_refused() -> None:
    [problem] = refused("x.prompty", CHILD, "prompty", base_dot_prompty=BASE.replace("name", "base: x.prompty\nname"))
    assert "in a circle" in problem.message
    for path, words in (("../b.prompty", "does not lie in the folder"), ("no.prompty", "there is no file")):
        [problem] = refused("x.prompty", CHILD.replace("base.prompty", path), "prompty")
        assert words in problem.message
        assert problem.place is not None
        assert problem.place.line == 2


def test_the_environment_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "from the environment")
    text = "---\nname: ${env:NAME}\ndescription: ${env:NAME:as written}\nmodel: ${env:NAME}\n---\nHi"
    contents = read("x.prompty", text, "prompty")
    assert {key: contents.prompts[0].data.get(key) for key in ("name", "description", "model")} == {
        "name": None,
        "description": "as written",
        "model": None,
    }
    assert any("dropped `name`: Prompty reads it from the variable NAME" in each for each in said(contents))


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("---\nname: x\n", "the header has no end", 1),
        ("---\n- a\n---\nHi", "the header is no mapping", 2),
        ("---\nname: x\n---\n", "the file has no messages below its header", 4),
        (
            "---\nname: x\n---\nsystem:\n\n{% if a %}\nuser:\nHi\n{% endif %}",
            "a block of the template ends in a different message",
            6,
        ),
        ("---\nname: x\n---\nsystem:\nHi\n{% include 'x' %}", "the template includes a file", 6),
        ("---\nname: x\n---\n{% extends 'x' %}", "a prompt's template has no extends", 4),
        ("---\nname: x\nmodel: {apiType: embedding}\n---\nHi", "`model.apiType` is `embedding`", 3),
        ("---\nname: x\ntemplate: {format: {kind: liquid}}\n---\nHi", "`template.format` names `liquid`", 3),
        ("---\nname: x\ninputs: 3\n---\nHi", "`inputs` is no list or mapping", 3),
        ("---\nname: x\ninputs: [{kind: string}]\n---\nHi", "`inputs` has an item without a name", 3),
        ("---\ntemplate: {format: {kind: mustache}}\n---\nHi {{#a}}", "the section `a` has no end", 4),
        ("---\ntemplate: {format: {kind: mustache}}\n---\n\nHi {{> a}}", "the template includes a file", 5),
    ],
)
def test_what_is_refused_is_said_with_its_line(text: str, message: str, line: int) -> None:
    [problem] = refused("x.prompty", text, "prompty")
    assert problem.message.startswith(message)
    assert problem.place is not None
    assert problem.place.line == line


def test_inputs_that_may_be_left_out() -> None:
    text = """\
---
inputs:
  - {name: printed, kind: string}
  - {name: tested, kind: string}
  - {name: list, kind: array, items: {kind: string}}
  - {name: number, kind: integer}
  - {name: guarded, kind: integer}
  - {name: said, kind: string, required: false}
---
{{ printed }}{% if tested %}{{ tested }}{% endif %}{% for x in list %}{{ x }}{% endfor %}
{% if number %}{{ number }}{% endif %}{{ guarded | default("-") }}{{ said }}{% if other %}!{% endif %}"""
    contents = read("x.prompty", text, "prompty")
    assert contents.prompts[0].data["inputs"] == {
        "printed": {"type": "string"},
        "tested": {"type": "string", "default": ""},
        "list": {"type": "array", "items": {"type": "string"}, "default": []},
        "number": {"type": ["integer", "null"], "default": None},
        "guarded": {"type": "integer", "required": False},
        "said": {"type": "string", "default": ""},
        "other": {"default": None},
    }
    assert rendered(contents, {"printed": "p"}) == [{"role": "system", "content": "p\n-"}]


def test_images_of_version_1_are_parts_of_the_message() -> None:
    text = "---\nauthors: [a]\n---\nuser:\nSee ![a](cat.gif) and ![b]({{ url }}).\n"
    found = Source("x.prompty", text.encode(), source("cat.gif", GIF).tree)
    [message] = rendered(read_prompty(found), {"url": "https://example.com/x.png"})
    assert message["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{base64.b64encode(GIF).decode()}"}},
        {"type": "text", "text": "and"},
        {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
        {"type": "text", "text": "."},
    ]


def test_messages_that_are_given_and_stand_nowhere_come_last() -> None:
    contents = read("x.prompty", "---\ninputs: [{name: t, kind: thread}]\n---\nsystem:\nHi", "prompty")
    given = [{"role": "user", "content": "Hello"}]
    assert rendered(contents, {"t": given}) == [{"role": "system", "content": "Hi"}, *given]


def test_a_file_that_is_all_yaml_has_its_body_in_it() -> None:
    contents = read("x.prompty", "name: x\nmodel: gpt-4o\ninstructions: |\n  system:\n  Hi {{ name }}\n", "prompty")
    assert rendered(contents, {"name": "Bo"}) == [{"role": "system", "content": "Hi Bo"}]
    assert [each.place.line for each in contents.notes if each.part == "system" and each.place] == [5]


def test_sections_of_mustache_know_the_kinds_of_the_inputs() -> None:
    text = """\
---
inputs:
  - name: orders
    kind: array
    items: {kind: object, properties: [{name: title, kind: string}]}
  - {name: shop, kind: object, properties: [{name: title, kind: string}]}
template: {format: {kind: mustache}, parser: {kind: prompty}}
---
system:
{{#shop}}
At {{title}}:
{{/shop}}
{{#orders}}
- {{title}} of {{shop.title}}
{{/orders}}
{{^orders}}
none
{{/orders}}
"""
    contents = read("x.prompty", text, "prompty")
    given: dict[str, Any] = {"orders": [{"title": "a"}, {"title": "b"}], "shop": {"title": "S"}}
    assert rendered(contents, given)[0]["content"].rstrip("\n") == "At S:\n- a of S\n- b of S"
    assert rendered(contents, {"orders": [], "shop": {"title": "S"}})[0]["content"].rstrip("\n") == "At S:\nnone"
