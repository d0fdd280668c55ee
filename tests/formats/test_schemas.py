from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from promptctl.errors import Place
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.schemas import KINDS, Kind, load_schema, schema_text, structure_of
from promptctl.schemas.structure import Structure

PROMPT = """
name: Support triage
description: Classify an inbound ticket and draft a reply.
status: active
formerly: [triage]
tags: [support]
model: openai/gpt-4o-mini
parameters: {temperature: 0, max_tokens: 400, stop: [END], extra_body: {top_a: 0.1}}
inputs:
  ticket: {type: string, description: Raw ticket text}
  product: {type: string, default: Acme}
  tone: {type: string, required: false}
  history: {type: array, default: []}
  screenshot: {type: [string, "null"], format: uri, default: null}
  order: {type: object, required: [id], properties: {id: {type: integer}}}
template: jinja2
messages:
  - role: system
    content: |
      You triage tickets for {{ product }}.
  - placeholder: history
  - {role: assistant, tool_calls: [{id: a, type: function, function: {name: lookup, arguments: "{}"}}]}
  - {role: tool, tool_call_id: a, content: found}
  - role: user
    name: customer
    content:
      - {type: text, text: "{{ ticket }}"}
      - {type: image_url, when: screenshot, image_url: {url: "{{ screenshot }}", detail: low}}
      - {type: input_audio, input_audio: {data: "{{ ticket }}", format: wav}}
      - {type: file, file: {file_id: "{{ ticket }}"}}
output:
  schema: {$ref: support/triage.schema.yaml}
  retries: 2
  strict: true
  name: triage
tools:
  - type: function
    function: {name: lookup, description: Looks an order up., parameters: {type: object}, strict: false}
  - $ref: tools/lookup.yaml
  - type: web_search_preview
    search_context_size: low
metadata: {owner: support, content_type: text}
"""

DATASET = """
name: Tickets
prompts: [support/triage]
description: Hand-checked tickets.
tags: [smoke]
min_pass: 0.9
defaults:
  inputs: {product: Acme}
  assert: [{type: is-json}]
  tags: [all]
cases:
  - id: double-charge
    description: Charged twice.
    tags: [smoke]
    inputs: {ticket: I was charged twice on 3 May.}
    matrix: {tone: [kind, formal]}
    expected: {label: billing}
    assert:
      - {type: equals, path: $.label, value: "{{ expected.label }}", weight: 2, metric: label}
      - {type: not-contains-any, value: [refund, money back]}
      - {type: latency, threshold: 2000}
      - {type: llm-rubric, value: Is it kind?, threshold: 0.7, model: openai/gpt-4o, prompt: judges/kind}
      - {type: classify, choices: [kind, rude], value: kind, question: How is it?}
      - {type: factuality, value: Charged once., accept: [same, subset]}
      - {type: assert-set, threshold: 0.5, assert: [{type: icontains, value: a}, {type: icontains, value: b}]}
    threshold: 0.8
    must_pass: true
    cluster: customer-7
    output: '{"label": "billing"}'
    metadata: {source: ZD-1182}
"""

SETTINGS = """
model: openai/gpt-4o-mini
models:
  "openai/*": {timeout_s: 60, max_attempts: 3}
  "local/*":
    api_base: http://127.0.0.1:8000/v1
    api_key_env: LOCAL_KEY
    headers: {X-Org: acme}
    lane: direct
    supports_schema: false
    parameters: {temperature: 0}
branch: main
labels:
  remote: origin
  staging:
  production: {after: staging, evaluation: passed, dataset: support/smoke.yaml, reason: required}
log:
  - {prompts: "*", content: full}
  - {prompts: "secret/*", content: metadata, active: false}
budgets: []
prices: {"local/*": {input: 0, output: 0.5, cached_input: 0}}
"""

GITHUB = """
name: Text summarizer
description: Summarizes input text
model: openai/gpt-4o-mini
modelParameters: {temperature: 0.5, maxTokens: 100, top_p: 1}
responseFormat: json_schema
jsonSchema: '{"name": "x", "schema": {"type": "object"}}'
messages:
  - {role: system, content: You summarize.}
  - {role: user, content: "Summarize: {{input}}"}
testData:
  - {input: The quick brown fox, expected: Fox}
evaluators:
  - {name: has fox, string: {contains: fox}}
  - {name: similar, uses: github/similarity}
  - name: judge
    llm: {modelId: openai/gpt-4o, prompt: "Rate {{completion}}", systemPrompt: x, choices: [{choice: "1", score: 0}]}
"""

EXAMPLES: dict[Kind, str] = {"prompt": PROMPT, "dataset": DATASET, "promptctl": SETTINGS, "github-prompt": GITHUB}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_every_key_is_sound(kind: Kind) -> None:
    document = read_yaml(EXAMPLES[kind].encode(), "f.yaml")
    assert structure_of(kind).check(document) == []
    Draft202012Validator(load_schema(kind)).validate(document.data)


@pytest.mark.parametrize("kind", KINDS)
def test_each_schema_is_a_schema_of_its_draft_complete_in_itself(kind: Kind) -> None:
    schema = load_schema(kind)
    Draft202012Validator.check_schema(schema)
    references = [each["$ref"] for _, each in _schemas(schema) if "$ref" in each]
    assert all(isinstance(_referred(reference, schema), dict) for reference in references)
    assert schema_text(kind).endswith("}\n")


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_that_people_write_are_described(kind: Kind) -> None:
    """Editors show the descriptions, the docs are made of them, and errors take their hints from them."""
    schema = load_schema(kind)
    bare = [
        f"{way}.{name}"
        for way, each in _schemas(schema)
        for name, value in each.get("properties", {}).items()
        if not _is_described(value, schema) and name not in _PLAIN
    ]
    assert bare == []


# Keys whose meaning is the protocol's, or is said by the key above them.
_PLAIN = frozenset((
    "minLength", "maxLength", "minimum", "maximum", "frequency_penalty", "presence_penalty", "repetition_penalty",
    "top_logprobs", "web_search_options", "prompt_cache_key", "function", "type", "temperature", "topP", "top_p",
    "maxTokens",
    "max_tokens", "maxCompletionTokens", "max_completion_tokens", "frequencyPenalty", "presencePenalty", "stop", "seed",
    "reasoningEffort", "reasoning_effort", "equals", "contains", "startsWith", "endsWith", "modelId", "prompt",
    "systemPrompt", "choices", "choice", "score", "role",
))  # fmt: skip


# For each pattern with an end, a text that fits it.
_FITTING = ("a", "-", "\t", "a.csv", "1h", "7d", "50%", "3pp", "2026-01-31", "a/b", "http://h/v1", "100", "0" * 64)


@pytest.mark.parametrize("kind", [*KINDS, "recording"])
def test_no_name_of_a_file_of_ours_ends_in_a_line_end(kind: Kind) -> None:
    """`$` of JSON Schema is the end of a text; that of Python's patterns is before a last line end too."""
    patterns = {each["pattern"] for _, each in _schemas(load_schema(kind)) if isinstance(each.get("pattern"), str)}
    ending = {each for each in patterns if each.endswith("$") and not each.endswith(r"\$")}
    assert ending
    for pattern in ending:
        fits = [text for text in _FITTING if _fits(pattern, text)] or [_forbidden(pattern)]
        assert [text for text in fits if _fits(pattern, f"{text}\n")] == [], pattern


def _fits(pattern: str, text: str) -> bool:
    return not Structure({"pattern": pattern}).check_data(text, Place("f.yaml"))


def _forbidden(pattern: str) -> str:
    """Return the header that the one pattern of a `not` is for."""
    assert _fits(pattern, "Host"), f"no text here fits {pattern}"
    return "Host"


def _is_described(value: Any, schema: Any) -> bool:
    if "$ref" in value and "description" not in value:
        value = _referred(value["$ref"], schema)
    return bool(value.get("description"))


def _referred(reference: str, schema: Any) -> Any:
    """Return what a reference within a schema means. Raises `KeyError` if that is nothing, or outside of it."""
    start, *keys = reference.split("/")
    if start != "#":
        raise KeyError(reference)
    return functools.reduce(operator.getitem, keys, schema)


def _schemas(schema: Any, way: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield way, schema
        for key in ("properties", "$defs"):
            for name, each in schema.get(key, {}).items():
                yield from _schemas(each, f"{way}.{name}")
        for key in ("items", "additionalProperties", "propertyNames", "not", "if", "then"):
            yield from _schemas(schema.get(key), f"{way}.{key}")
        for key in ("anyOf", "allOf"):
            for each in schema.get(key, ()):
                yield from _schemas(each, f"{way}.{key}")
