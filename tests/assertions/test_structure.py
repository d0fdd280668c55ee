from __future__ import annotations

import json

import pytest

from promptctl.assertions.assertion import Subject
from tests.assertions.helpers import faults, graded, outcome_of, passes, prepared

SCHEMA = {"type": "object", "required": ["label"], "properties": {"label": {"enum": ["bug", "billing"]}}}


def test_is_json_takes_the_whole_reply_and_a_schema_if_there_is_one() -> None:
    assert passes("is-json", "[1, 2]")
    assert passes("is-json", "```json\n[1]\n```")
    assert not passes("is-json", "Here: [1]")
    assert passes("is-json", {"label": "bug"}, SCHEMA)
    assert not passes("is-json", {"label": "other"}, SCHEMA)
    assert passes("not-is-json", {"label": "other"}, SCHEMA)


def test_a_reply_that_is_no_json_is_what_the_negated_types_want() -> None:
    for type_ in ("is-json", "json-schema"):
        for reply in ("Hello!", "{", "NaN", "[" * 100_000):
            assert passes(type_, reply, SCHEMA) is False, (type_, reply)
            assert passes(f"not-{type_}", reply, SCHEMA) is True, (type_, reply)
        assert passes(f"not-{type_}", {"label": "bug"}, SCHEMA, path="$.lable") is False
    assert passes("not-is-json", "Hello!")
    assert passes("not-json-schema", "Hello!", subject={"output_schema": SCHEMA})


def test_is_json_reads_the_text_at_a_path() -> None:
    assert passes("is-json", {"arguments": '{"a": 1}'}, path="$.arguments")
    assert not passes("is-json", {"arguments": "{a: 1}"}, path="$.arguments")
    assert not passes("is-json", {"arguments": "NaN"}, path="$.arguments")


def test_json_schema_is_the_value_or_else_the_prompt_s_own() -> None:
    assert passes("json-schema", {"label": "bug"}, SCHEMA)
    outcome = graded("json-schema", {"label": "other"}, subject={"output_schema": SCHEMA})
    assert outcome.passed is False
    assert "label" in outcome.reason
    assert graded("json-schema", {"label": "bug"}, subject={"output_schema": SCHEMA}).passed


def test_without_any_schema_a_reply_is_ungraded_never_passed() -> None:
    assert graded("json-schema", {"label": "bug"}).passed is None
    assert graded("json-schema", {"label": "bug"}, subject={"expected": {"type": "object"}}).passed is None


def test_a_schema_can_stand_in_a_file_below_datasets() -> None:
    files = {"datasets/label.schema.yaml": json.dumps(SCHEMA)}
    assertion = prepared({"type": "json-schema", "value": {"$ref": "./label.schema.yaml"}}, files=files)
    assert outcome_of(assertion, Subject('{"label": "bug"}')).passed
    other = prepared(
        {"type": "json-schema", "value": {"$ref": "./label.schema.yaml"}},
        files={"datasets/label.schema.yaml": '{"type": "object"}'},
    )
    assert assertion.digest != other.digest


def test_a_schema_that_is_missing_or_leads_out_is_told_at_its_place() -> None:
    missing = faults({"type": "is-json", "value": {"$ref": "x.schema.yaml"}})[0]
    assert (missing.code, str(missing.place)) == ("missing-schema", "assert/0/value/$ref")
    assert faults({"type": "is-json", "value": {"$ref": "../prompts/x.yaml"}})[0].code == "bad-reference"


def test_a_schema_that_is_none_is_refused() -> None:
    assert faults({"type": "is-json", "value": {"type": "objekt"}})[0].code == "bad-value"
    assert faults({"type": "is-json", "value": "object"})[0].code == "bad-value"


def test_contains_json_finds_the_first_that_fits() -> None:
    reply = 'Here: {"label": "x"} and [oops] then ```{"label": "bug", "n": {"a": []}}``` done'
    assert graded("contains-json", reply, SCHEMA).got == {"label": "bug", "n": {"a": []}}
    assert passes("contains-json", "so: [1]")
    assert not passes("contains-json", "no { json [ here")


def test_contains_json_gives_up_on_endless_brackets() -> None:
    assert passes("contains-json", "[" * 200_000) is None
    assert passes("not-contains-json", "[" * 200_000) is None
    assert passes("contains-json", f"so: {'[' * 900}{']' * 900}") is None, "deeper than what keeps it can work with"
    assert passes("contains-json", f"so: {'[' * 100}{']' * 100}")
    assert passes("contains-json", f"[{'1' * 5_000}]") is None, "more digits than Python reads"


def test_contains_json_reads_a_reply_of_unended_lists_a_few_times_and_not_once_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []

    class Counting(json.JSONDecoder):
        def raw_decode(self, s: str, idx: int = 0) -> tuple[object, int]:
            read.append(len(s) - idx)
            return super().raw_decode(s, idx)

    monkeypatch.setattr(json, "JSONDecoder", Counting)
    for text in ("[1, " * 500 + "1, " * 300_000, '["[' + '",",[' * 500 + "1 " * 100_000, '["' + "[x" * 300_000):
        read.clear()
        assert passes("contains-json", text + "!") is False
        assert sum(read) < 4 * len(text)
    # The first list never ends, and what is whole within it is found all the same.
    found = graded("contains-json", '[1, [2, {"a": "]"}], {"b": [' + "1, " * 1000, {"type": "array", "minItems": 2})
    assert found.got == [2, {"a": "]"}]


def test_contains_json_finds_what_stands_after_many_brackets_of_prose() -> None:
    assert passes("contains-json", "see [the list] " * 2_000 + '{"a": 1}', {"type": "object"})
