"""Every format's reader on files that nobody wrote for it: it gives contents or says why not, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.formats import FORMATS, ForeignFormat
from tests.exchange.conftest import source

READ = [each for each in FORMATS if each.reads]
PATHS = ("x.yaml", "x.json", "x.jsonl", "x.md", "x.prompt", "x.prompty", "config.json")
WORDS = (
    "---\n", "\n", "  ", "- ", ": ", "model: m\n", "name: n\n", "messages:\n", "prompts: [a]\n", "tests: [",
    "{", "}", "[", "]", "{{", "}}", "{{#if x}}", "{{/if}}", "{% if x %}", "{% endif %}", "{{>p}}", "{x}",
    "$x", "${env:A}", "role: user\n", "content: 1\n", "inputs: {a: ", "template: |\n", "_type: chat\n",
    "template: 3\n", '"lc": 1,', "type: text\n", "version: 2\n", "system:\n", "user:\n", "text: {a\n",
    "input_variables: [{}]\n", "null", "true", "-1", '"', "'", "#", "é", "\t", "config: []\n",
    "input: {schema: {a?: string}}\n", "output: 5\n", "tools: x\n", "labels: {}\n", "jsonSchema: '{'\n",
    "testData: 1\n",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)
# Shapes of JSON that are nearly right: known keys with values of any kind.
KEYS = (
    "name", "type", "prompt", "version", "labels", "config", "messages", "role", "content", "template", "_type", "lc",
    "id", "kwargs", "input_variables", "tags", "examples", "input", "ideal", "execution_settings", "prompts", "tests",
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-1, 3), st.sampled_from(["chat", "text", "x", "{{a}}", "{a", "user"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=8,
)


@pytest.mark.parametrize("format_", READ, ids=lambda format_: format_.name)
@settings(max_examples=60)
@given(path=st.sampled_from(PATHS), text=TEXTS)
def test_any_text_is_read_or_refused(format_: ForeignFormat, path: str, text: str) -> None:
    _try(format_, path, text)


@pytest.mark.parametrize("format_", READ, ids=lambda format_: format_.name)
@settings(max_examples=60)
@given(path=st.sampled_from(PATHS), data=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_any_json_is_read_or_refused(format_: ForeignFormat, path: str, data: dict[str, object]) -> None:
    _try(format_, path, json.dumps(data))


@pytest.mark.parametrize("format_", READ, ids=lambda format_: format_.name)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{{" * 50_000,
        "{{#if a}}" * 5_000,
        "{% if a %}" * 5_000,
        "---\na: &a [*a]\n---\nx",
        f"{{{{#ifEquals a.[{'9' * 5_000}] {'9' * 5_000}}}}}{{{{/ifEquals}}}}",
        "\x00",
        "- " * 9_000,
    ],
)
def test_what_is_deep_or_long_ends(format_: ForeignFormat, text: str) -> None:
    for path in ("x.yaml", "x.prompt", "x.jsonl"):
        _try(format_, path, text)


@pytest.mark.parametrize("format_", READ, ids=lambda format_: format_.name)
@pytest.mark.parametrize("text", ["[]", "5", '"x"', "null"])
def test_data_that_is_no_mapping_is_read_or_refused(format_: ForeignFormat, text: str) -> None:
    for path in ("x.yaml", "x.json", "x.jsonl"):
        _try(format_, path, text)


def test_what_is_no_text_is_refused() -> None:
    for format_ in READ:
        with pytest.raises(InvalidFiles):
            format_.reader().read(source("x.yaml", b"\xff\xfe\x00"))


def _try(format_: ForeignFormat, path: str, text: str) -> None:
    found = source(path, text)
    assert format_.reader().is_one(found) in (True, False)
    found_problems: tuple[Problem, ...] = ()
    try:
        notes = format_.reader().read(found).notes
    except InvalidFiles as error:
        notes, found_problems = (), tuple(error.problems)
    assert all(str(note) for note in notes)
    assert all(each.message and each.place for each in found_problems)
