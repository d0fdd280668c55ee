from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from promptctl.errors import InputError, Place
from promptctl.prompts.inputs import InputCheck, parse_input, read_inputs
from promptctl.prompts.prompt import Input, Placeholder, Prompt
from promptctl.schemas.json_schema import Allowance
from tests.prompts.conftest import MakePrompt
from tests.schemas.hostile import slow

TICKET = {
    "ticket": Input("ticket", {"type": "string"}, place=Place("prompts/a.prompt.yaml", 4)),
    "product": Input("product", {"type": "string"}, default="Acme", is_required=False),
    "tone": Input("tone", {"enum": ["kind", "curt"]}, is_required=False),
    "priority": Input("priority", {"type": "integer", "minimum": 1}, default=1, is_required=False),
}


def fill_and_check(prompt: Prompt, given: dict[str, Any]) -> dict[str, Any]:
    return InputCheck(prompt).fill(given).values


class TestFilling:
    def test_all_inputs_of_one_render_are_checked_in_the_time_of_one(
        self, make_prompt: MakePrompt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("promptctl.prompts.inputs.Allowance", lambda _: Allowance(0.2))
        inputs = {f"i{n}": Input(f"i{n}", slow(), default="x", is_required=False) for n in range(40)}
        begun = time.process_time()
        with pytest.raises(InputError, match="takes too long"):
            fill_and_check(make_prompt(inputs=inputs), {f"i{n}": "x" for n in range(20)})
        assert time.process_time() - begun < 3

    def test_defaults_are_filled_in_and_optional_inputs_stay_out(self, make_prompt: MakePrompt) -> None:
        values = fill_and_check(make_prompt(inputs=TICKET), {"priority": 2, "ticket": "x"})
        assert values == {"ticket": "x", "product": "Acme", "priority": 2}
        assert list(values) == ["ticket", "product", "priority"]

    def test_every_problem_is_told_at_once(self, make_prompt: MakePrompt) -> None:
        with pytest.raises(InputError) as caught:
            fill_and_check(make_prompt(inputs=TICKET), {"tickets": "x", "tone": "rude", "priority": 0})
        message = caught.value.message
        for words in (
            "`ticket` is missing",
            "`tone` must be `kind` or `curt`, not `rude`",
            "`priority` must be at least 1, not 0",
            "`tickets` is not an input (did you mean `ticket`?)",
        ):
            assert words in message
        assert caught.value.names == ("ticket", "tone", "priority", "tickets")
        assert caught.value.missing == ("ticket",)
        assert str(caught.value.hint).startswith("its inputs are ticket, ")

    def test_a_name_that_is_no_text_is_not_an_input(self, make_prompt: MakePrompt) -> None:
        given: dict[Any, Any] = {1: "x", ("a",): "y", None: "z"}
        with pytest.raises(InputError, match="`1` is not an input; `\\('a',\\)` is not an input") as caught:
            fill_and_check(make_prompt("hello"), given)
        assert caught.value.names == ("1", "('a',)", "None")
        assert caught.value.hint == "leave out 1, ('a',), None; this prompt has no inputs"

    def test_one_problem_has_the_place_of_its_input(self, make_prompt: MakePrompt) -> None:
        with pytest.raises(InputError) as caught:
            fill_and_check(make_prompt(inputs=TICKET), {})
        assert caught.value.place == Place("prompts/a.prompt.yaml", 4)

    def test_a_prompt_without_inputs_says_so(self, make_prompt: MakePrompt) -> None:
        with pytest.raises(InputError) as caught:
            fill_and_check(make_prompt("hello"), {"x": 1})
        assert caught.value.hint == "leave out x; this prompt has no inputs"

    def test_null_is_a_value(self, make_prompt: MakePrompt) -> None:
        inputs = {"image": Input("image", {"type": ["string", "null"]}, default="x", is_required=False)}
        assert fill_and_check(make_prompt(inputs=inputs), {"image": None}) == {"image": None}
        with pytest.raises(InputError, match="must be text, not null"):
            fill_and_check(make_prompt(inputs=TICKET), {"ticket": None})

    def test_what_json_cannot_hold_is_refused(self, make_prompt: MakePrompt) -> None:
        with pytest.raises(InputError, match="`when` cannot be an input: datetime"):
            fill_and_check(make_prompt(inputs={"when": {}}), {"when": dt.datetime.now(dt.UTC)})

    def test_a_default_is_not_shared_with_the_caller(self, make_prompt: MakePrompt) -> None:
        prompt = make_prompt(inputs={"history": Input("history", {"type": "array"}, default=[], is_required=False)})
        fill_and_check(prompt, {})["history"].append("changed")
        assert fill_and_check(prompt, {}) == {"history": []}

    def test_very_many_problems_are_counted_not_listed(self, make_prompt: MakePrompt) -> None:
        prompt = make_prompt(inputs={f"name{number}": {} for number in range(500)})
        with pytest.raises(InputError) as caught:
            fill_and_check(prompt, {f"other{number}": 1 for number in range(500)})
        assert "and 988 more" in caught.value.message
        assert len(str(caught.value)) < 3000


class TestSecrets:
    @pytest.mark.parametrize(
        ("name", "schema"),
        [
            ("api_key", {"enum": ["a"]}),
            ("token", {"type": "integer"}),
            ("pin", {"enum": ["a"], "writeOnly": True}),
            ("pin", {"type": "integer", "format": "password"}),
            ("password", {"anyOf": [{"const": "a"}, {"minLength": 99}]}),
        ],
    )
    def test_a_value_that_may_be_secret_is_never_shown(
        self, make_prompt: MakePrompt, name: str, schema: dict[str, Any]
    ) -> None:
        with pytest.raises(InputError) as caught:
            fill_and_check(make_prompt(inputs={name: schema}), {name: "hunter2"})
        assert "hunter2" not in str(caught.value)

    def test_a_long_value_is_never_shown(self, make_prompt: MakePrompt) -> None:
        value = "a long text " * 50
        with pytest.raises(InputError) as caught:
            fill_and_check(make_prompt(inputs={"x": {"enum": ["a"]}}), {"x": value})
        assert "a long text" not in str(caught.value)
        assert "must be `a`, not a text of 600 characters" in str(caught.value)


class TestParsing:
    @pytest.mark.parametrize(
        ("schema", "text", "value"),
        [
            ({"type": "string"}, " 007 ", " 007 "),
            ({"type": "string"}, "null", "null"),
            ({}, "12", "12"),
            ({"type": "integer"}, "-12", -12),
            ({"type": "number"}, "3", 3),
            ({"type": "number"}, "-.5e2", -50.0),
            ({"type": "boolean"}, "true", True),
            ({"type": "boolean"}, "False", False),
            ({"type": "null"}, "null", None),
            ({"type": "array"}, '["a", {"b": 1}]', ["a", {"b": 1}]),
            ({"type": "array"}, "[a, no, 1]", ["a", "no", 1]),
            ({"type": "array"}, "- a\n- b: 1\n", ["a", {"b": 1}]),
            ({"type": "object"}, '{"a": [1.5, null]}', {"a": [1.5, None]}),
            ({"type": "object"}, "{a: 1, b: {c: d}}", {"a": 1, "b": {"c": "d"}}),
            ({"type": ["integer", "string"]}, "5", 5),
            ({"type": ["integer", "string"]}, "five", "five"),
            ({"type": ["null", "string"]}, "null", None),
            ({"type": ["string", "null"]}, "null", "null"),
            ({"anyOf": [{"type": "array"}, {"type": "boolean"}]}, "true", True),
            ({"enum": [1, 2, "all"]}, "2", 2),
            ({"enum": [1, 2, "all"]}, "all", "all"),
            ({"const": True}, "true", True),
            ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, "1.5", 1.5),
        ],
    )
    def test_text_is_read_by_the_declared_type(self, schema: dict[str, Any], text: str, value: Any) -> None:
        read = parse_input(Input("x", schema), text)
        assert read == value
        assert type(read) is type(value)

    @pytest.mark.parametrize(
        ("type_", "text", "words"),
        [
            ("integer", "1.5", "a whole number"),
            ("integer", "1_000", "a whole number"),
            ("integer", "", "a whole number"),
            ("integer", "9" * 5000, "a whole number"),
            ("number", "nan", "a number"),
            ("number", "1e999", "a number"),
            ("boolean", "yes", "true or false"),
            ("array", "a,b", "a list"),
            ("array", '{"a": 1}', "a list"),
            ("array", "[NaN]", "a list"),
            ("array", "[" * 100_000, "a list"),
            ("array", "[&a 1, *a]", "a list"),
            ("object", "[1]", "a mapping"),
        ],
    )
    def test_text_that_is_not_of_the_type_is_refused_with_an_example(self, type_: str, text: str, words: str) -> None:
        with pytest.raises(InputError, match=f"input `x` is {words}") as caught:
            parse_input(Input("x", {"type": type_}), text)
        assert "-i x=" in str(caught.value.hint)
        assert caught.value.names == ("x",)

    def test_text_that_is_no_list_of_messages_is_refused_with_messages_as_the_example(
        self, make_prompt: MakePrompt
    ) -> None:
        array = {"type": "array"}
        prompt = make_prompt(Placeholder("history"), inputs={"history": array, "rows": array})
        for name, example in (("history", '[{"role": "user", "content": "Hello"}]'), ("rows", '["one", "two"]')):
            with pytest.raises(InputError) as caught:
                read_inputs(prompt, {name: "Hello"})
            assert caught.value.hint == f"for example -i {name}='{example}'"
