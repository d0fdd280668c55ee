"""The digest names a version for good: what changes it, what does not, and its value for prompts of every kind."""

from __future__ import annotations

import hashlib

import pytest

from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import closure_of, load_prompt
from tests.prompts.workspaces import TRIAGE, TRIAGE_SCHEMA, one, tree_with

PATH = "prompts/support/triage.prompt.yaml"
SCHEMA = "prompts/support/triage.schema.yaml"
PARTIAL = "prompts/support/tone.j2"


def digest_with(**changes: str | bytes) -> str:
    paths = {"prompt": PATH, "schema": SCHEMA, "partial": PARTIAL}
    return load_prompt(tree_with({paths[name]: text for name, text in changes.items()}), "support/triage").digest


BEFORE = digest_with()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("You triage", "You sort"),
        ("role: system", "role: developer"),
        ("  - placeholder: history\n", ""),
        ("model: openai/gpt-4o-mini", "model: openai/gpt-4o"),
        ("model: openai/gpt-4o-mini\n", ""),
        ("temperature: 0", "temperature: 0.1"),
        (", max_tokens: 400", ""),
        ("default: Acme", "default: Globex"),
        ("required: false", "required: true"),
        ("{type: string, description: Raw ticket text}", "{type: string, maxLength: 9}"),
        ("retries: 2", "retries: 1"),
        ("retries: 2", "retries: 2\n  strict: true"),
        ("retries: 2", "retries: 2\n  name: triage"),
        ("tools: []", "tools: [{type: function, function: {name: lookup}}]"),
    ],
)
def test_what_decides_behaviour_changes_it(old: str, new: str) -> None:
    assert TRIAGE.count(old) == 1
    assert digest_with(prompt=TRIAGE.replace(old, new)) != BEFORE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: Support triage", "name: Tickets"),
        ("description: Classify an inbound ticket and draft a reply.\n", ""),
        ("status: active", "status: deprecated"),
        ("formerly: [triage]", "formerly: []"),
        ("tags: [support]", "tags: [a, b]"),
        ("owner: support", "owner: somebody"),
        ("description: Raw ticket text", "title: T, examples: [x]"),
        ("{temperature: 0, max_tokens: 400}", "{max_tokens: 400, temperature: 0.0} # a comment"),
        ("  product: {type: string, default: Acme}\n", "  product: {default: 'Acme', type: string}\n"),
        ("template: jinja2\n", ""),
        ("tools: []\n", ""),
        ("retries: 2", "name: output\n  strict: false\n  retries: 2"),
        ("    content: |\n      {{ ticket }}\n", '    content: "{{ ticket }}\\n"\n'),
    ],
)
def test_what_the_model_never_sees_does_not(old: str, new: str) -> None:
    assert TRIAGE.count(old) == 1
    assert digest_with(prompt=TRIAGE.replace(old, new)) == BEFORE


def test_files_that_are_pulled_in_change_it() -> None:
    assert digest_with(partial="Always promise a refund.\n") != BEFORE
    assert digest_with(schema=TRIAGE_SCHEMA.replace("maxLength: 600", "maxLength: 500")) != BEFORE


def test_the_order_of_an_output_schemas_keys_steers_the_model_and_changes_it() -> None:
    label = "  label: {enum: [billing, bug, other]}\n"
    swapped = TRIAGE_SCHEMA.replace(label, "") + label
    assert digest_with(schema=swapped) != BEFORE


def test_line_ends_and_byte_order_marks_do_not() -> None:
    crlf = {name: text.replace("\n", "\r\n") for name, text in (("prompt", TRIAGE), ("schema", TRIAGE_SCHEMA))}
    assert digest_with(**crlf, partial=b"\xef\xbb\xbfNever promise a refund.\r\n") == BEFORE


def test_where_a_schema_is_written_does_not() -> None:
    inline = "{" + ", ".join(line for line in TRIAGE_SCHEMA.splitlines()[1:5]) + ", properties: {"
    inline += ", ".join(line.strip() for line in TRIAGE_SCHEMA.splitlines()[6:]) + "}}"
    assert digest_with(prompt=TRIAGE.replace("{$ref: support/triage.schema.yaml}", inline)) == BEFORE
    json_text = '{"title":"triage","type":"object","additionalProperties":false,"required":["label","reply"],'
    json_text += '"properties":{"label":{"enum":["billing","bug","other"]},"reply":{"type":"string","maxLength":600}}}'
    moved = tree_with({
        PATH: TRIAGE.replace("support/triage.schema.yaml", "./x.schema.json"),
        "prompts/support/x.schema.json": json_text,
    })  # fmt: skip
    assert load_prompt(moved, "support/triage").digest == BEFORE


def test_a_prompts_place_in_the_workspace_does_not() -> None:
    moved = tree_with({PATH: None, "prompts/other/name.prompt.yml": TRIAGE})
    assert load_prompt(moved, "other/name").digest == BEFORE


GITHUB = """\
name: Summarizer
model: openai/gpt-4o-mini
modelParameters: {temperature: 0.5, maxTokens: 100}
messages:
  - {role: system, content: Be brief.}
  - {role: user, content: "Sum up {{input}}"}
testData:
  - {input: a, expected: b}
"""


def test_tests_within_a_github_file_do_not() -> None:
    before = load_prompt(one(GITHUB), "p").digest
    assert load_prompt(one(GITHUB.replace("{input: a, expected: b}", "{other: a}")), "p").digest == before
    assert load_prompt(one(GITHUB.replace("maxTokens", "max_tokens")), "p").digest == before
    assert load_prompt(one(GITHUB.replace("0.5", "0.6")), "p").digest != before


GOLDEN: dict[str, tuple[MemoryTree, str, str]] = {
    "the whole of a native prompt": (
        tree_with({}),
        PATH,
        "1:6d2b8107784eae03a5815848a68de862fa67dc3063cd9ac229a73cd25d902324",
    ),
    "the least there can be": (
        one("messages: [{role: user, content: Hi}]"),
        "prompts/p.prompt.yaml",
        "1:f0f94577d6f4b4d1b1e84c916b8ee143f748117caa4c206a4df0dc41764ac43d",
    ),
    "github's dialect": (
        one(
            GITHUB
            + "responseFormat: json_schema\n"
            + 'jsonSchema: \'{"name": "s", "strict": true, "schema": {"type": "object"}}\'\n'
        ),
        "prompts/p.prompt.yaml",
        "1:d3d77af3701985970b5ab00e325235604789477c12737f367b08c608cdd5363b",
    ),
    "every kind of message and tool, and text beyond ASCII": (
        one(
            """\
template: simple
parameters:
  {stop: ["\\u2028", "é"], temperature: 1.0, top_p: 0.95, seed: 12345678901234567890, logit_bias: {"50256": -1e2}}
inputs:
  shot: {type: [string, "null"], default: null}
  order: {type: object, required: [id], properties: {id: {type: integer, description: kept}}}
messages:
  - {role: assistant, tool_calls: [{id: a, type: function, function: {name: f, arguments: "{}"}}]}
  - {role: tool, tool_call_id: a, content: "\\U0001F600 😀 \\t"}
  - role: user
    content:
      - {type: text, text: "{{order}}"}
      - {type: image_url, when: shot, image_url: {url: "{{shot}}"}}
tools:
  - {type: function, function: {name: f, parameters: {type: object, properties: {b: {type: string}, a: {const: 1.0}}}}}
  - {type: web_search, depth: 2.50}
response_format: {type: json_object}
"""
        ),
        "prompts/p.prompt.yaml",
        "1:9886561e8bd1e76cfc861a43bd9a258a62e727209c1e472e30c7b39b20668f71",
    ),
    "schemas that refer to each other": (
        one(
            "messages: [{role: user, content: Hi}]\noutput: {schema: {$ref: a.schema.yaml}}\n"
            "inputs: {x: {$ref: 'b.schema.yaml#/$defs/leaf', default: 1}}\n",
            a_schema_yaml="$id: x\ntype: object\nproperties:\n  next: {$ref: '#'}\n  b: {$ref: ./b.schema.yaml}\n"
            "  leaf: {$ref: 'b.schema.yaml#/$defs/leaf'}\n$defs: {b: {}}\n",
            b_schema_yaml="type: object\nproperties: {a: {$ref: a.schema.yaml}, l: {$ref: '#/$defs/leaf'}}\n"
            "$defs: {leaf: {type: integer}}\n",
        ),
        "prompts/p.prompt.yaml",
        "1:fd403ef6bd8a65373d9212181589ef823b53b9a63acb85081baab8bc93b8b419",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_digests_stay_what_they_are(name: str) -> None:
    """A change here renumbers the versions of every prompt there is: it needs another scheme, never another vector."""
    tree, path, wanted = GOLDEN[name]
    assert closure_of(tree, path).digest == wanted
    assert closure_of(tree, path, cache={}).digest == wanted


def test_what_is_hashed_is_canonical_json_of_what_is_declared() -> None:
    tree, path = (
        one(
            "messages: [{role: user, content: é}]\ninputs: {b: {type: string, title: B}, a: {default: 1.0}}\n",
        ),
        "prompts/p.prompt.yaml",
    )
    text = (
        '{"inputs":{"a":{"default":1,"schema":{}},"b":{"schema":{"type":"string"}}},'
        '"messages":[{"content":"é","role":"user"}],"template":"jinja2"}'
    )
    assert closure_of(tree, path).digest == f"1:{hashlib.sha256(text.encode()).hexdigest()}"
