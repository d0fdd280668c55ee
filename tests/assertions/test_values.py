from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from promptctl.assertions.assertion import InvalidTemplate, Subject, compile_value
from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Outcome
from tests.assertions.helpers import faults, outcome_of, prepared

CONTEXT = {"ticket": "charged twice", "expected": {"label": "bug", "n": 3, "tags": ["a"], "none": None}}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("{{ expected.n }}", 3),
        ("{{expected['label']}}\n", "bug"),
        ("{{ expected.tags[0] }}", "a"),
        ("{{ expected.tags }}", ["a"]),
        ("{{ expected.none }}", None),
        ("{{ expected.n + 1 }}", 4),
        ("{{ expected.tags | length > 0 }}", True),
        ("{{ expected.tags | length }} tags", "1 tags"),
        ("{{ expected.n }} {{ expected.n }}", "3 3"),
        ([1, "{{ expected.n }}", {"k": "{{ ticket }}"}], [1, 3, {"k": "charged twice"}]),
        ("{% if expected.n %}yes{% endif %}", "yes"),
        ("{% for n in range(expected.n) %}{{ loop.index }}{% endfor %}", "123"),
        ("{% raw %}{{ as it is }}{% endraw %}", "{{ as it is }}"),
    ],
)
def test_a_lone_expression_keeps_its_type_and_anything_else_is_text(written: Any, value: Any) -> None:
    assert compile_value(written).for_case(CONTEXT, Effort(), as_text=False) == value


def test_a_value_without_a_template_is_the_same_for_every_case() -> None:
    value = compile_value({"a": ["{x}", 1]})
    assert value.render is None
    assert value.constant == {"a": ["{x}", 1]}


def test_what_an_input_holds_is_never_a_template() -> None:
    assert compile_value("{{ ticket }}!").for_case({"ticket": "{{ 7 * 7 }}"}, Effort(), as_text=True) == "{{ 7 * 7 }}!"


@pytest.mark.parametrize("written", ["{{ a", "{% if %}", "{% include 'x.j2' %}", "{{ a | nosuchfilter }}"])
def test_a_broken_template_is_told_before_anything_runs(written: str) -> None:
    with pytest.raises(InvalidTemplate):
        compile_value(written)
    problem = faults({"type": "contains", "value": written})[0]
    assert (problem.code, str(problem.place)) == ("bad-template", "assert/0/value")


def graded(value: Any, *, type_: str = "equals", reply: str = "bug", **subject: Any) -> Outcome:
    return outcome_of(prepared({"type": type_, "value": value}), Subject(reply, **subject))


def test_a_template_reads_inputs_expected_and_the_reply_itself() -> None:
    assert graded("{{ expected.label }}", expected={"label": "bug"}).passed
    assert graded("{{ kind }}", inputs={"kind": "bug"}).passed
    assert graded("{{ output.a }}", type_="contains", reply='{"a": "x"}').passed
    assert graded("{{ output }}", reply="{not json").passed


@pytest.mark.parametrize("value", ["{{ expected.lable }}", "{{ nosuch }}", "{{ nosuch | upper }}", "{{ expected }}"])
def test_a_name_that_is_not_there_is_an_error_never_an_empty_text(value: str) -> None:
    subject: dict[str, Any] = {} if value == "{{ expected }}" else {"expected": {"label": "bug"}}
    outcome = graded(value, type_="not-contains", **subject)
    assert outcome.passed is None
    assert "rendered" in outcome.reason


def test_a_value_that_becomes_empty_for_a_case_is_an_error() -> None:
    outcome = graded("{{ expected.label }}", type_="contains", expected={"label": ""})
    assert outcome.passed is None
    assert "empty" in outcome.reason


def test_a_hostile_template_is_stopped() -> None:
    outcome = graded("{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}")
    assert outcome.passed is None


def test_constant_values_never_load_the_template_engine_or_other_libraries() -> None:
    code = """
import sys
from promptctl.evaluations import scoring
from promptctl.datasets import dataset as datasets
from promptctl.datasets import selection
from tests.assertions.helpers import passes
assert passes("equals", '{"a": 1}', 1, path="$.a") and passes("contains", "x", "x")
assert passes("json-schema", "1", {"type": "integer"})
heavy = {"jinja2", "jsonpath", "rapidfuzz", "jsonschema", "re2", "litellm", "aiohttp", "git", "sqlite3"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
