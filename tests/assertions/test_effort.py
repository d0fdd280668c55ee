"""What grading one reply may take: one budget for all assertions of a case, and excerpts of what they compared."""

import asyncio
import json
import time
from typing import Any

import pytest

from promptctl.assertions.assertion import Assertion, Subject, grade
from promptctl.assertions.effort import EXCERPT, MAX_FOUND, Effort, Total
from promptctl.assertions.outcome import Graded, Ungraded
from tests.assertions.helpers import prepared
from tests.schemas.hostile import slow


def all_graded(specs: list[dict[str, Any]], subject: Subject) -> list[Graded]:
    made: list[Assertion] = [prepared(spec) for spec in specs]
    return [asyncio.run(grade(each, subject)) for each in made]


def test_all_assertions_of_a_case_share_one_budget_of_time() -> None:
    slow = "{% for i in range(99999) %}{% for k in range(99999) %}{% endfor %}{% endfor %}"
    subject = Subject("a", effort=Effort(0.05))
    first, *others = all_graded(
        [
            {"type": "equals", "value": slow},
            {"type": "equals", "value": slow + " "},
            {"type": "contains", "value": "a"},
            {"type": "regex", "value": "a"},
        ],
        subject,
    )
    assert first.outcome.passed is None
    assert {each.outcome.reason for each in others} == {
        (
            "grading the case takes longer than 0.05 s of the processor; "
            "raise `limits: {grading_s: …}` in promptctl.yaml if it may"
        )
    }
    assert subject.effort.left_s <= 0


@pytest.mark.parametrize(
    "path",
    [
        f"$[{','.join('*' * 200)}][{','.join('*' * 200)}]",
        "$..*..*",
        "$[?count(@..*) > 0]",
        f"$[{','.join(['?@.x == 1'] * 90)}]",
        f"$[{','.join(['?1 == 2'] * 90)}]",
        "$[?@[?@[?@ == $]]]",
    ],
)
def test_what_paths_find_and_look_at_is_counted_for_the_whole_case(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.assertions.effort.MAX_FOUND", 5000)
    subject = Subject(json.dumps([[[n] * 5] * 5 for n in range(60)]))
    found = all_graded([{"type": "is-json", "path": path}] * 4, subject)
    assert found[-1].outcome.passed is None
    assert "find more than 5,000 values" in found[-1].outcome.reason
    assert MAX_FOUND > 5000


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "regex", "value": "(?:[ab]{0,1000}a)[ab]{1000}c"},
        {"type": "levenshtein", "value": "b" * 70_000},
        {"type": "is-json", "path": "$[?search(@, '(?:[ab]{0,1000}a)[ab]{1000}c')]"},
    ],
)
def test_what_cannot_be_interrupted_is_not_begun(spec: dict[str, Any]) -> None:
    subject = Subject(json.dumps(["ab" * 100_000]) if "path" in spec else "ab" * 100_000, effort=Effort(0.5))
    (found,) = all_graded([spec], subject)
    way_out = (
        "" if spec["type"] == "levenshtein" else ", or write `+` or `*` in its pattern for a count such as `{1,500}`"
    )
    assert found.outcome.reason == (
        "grading the case may take longer than 0.5 s of the processor; "
        f"raise `limits: {{grading_s: …}}` in promptctl.yaml if it may{way_out}"
    )


def test_a_result_keeps_excerpts_and_not_the_reply_again() -> None:
    reply = "x" * 1_000_000
    specs = [{"type": "contains", "value": f"y{n}" + "z" * 10_000} for n in range(100)]
    found = [each.as_data() for each in all_graded(specs, Subject(reply))]
    assert found[0]["got"].startswith("xxx")
    assert found[0]["got"].endswith("characters left out)")
    assert all(len(each["got"]) <= EXCERPT for each in found)
    assert len(json.dumps(found)) < 300_000
    (small,) = all_graded([{"type": "equals", "value": {"a": [1]}}], Subject('{"a": [2]}'))
    assert (small.outcome.expected, small.outcome.got) == ({"a": [1]}, {"a": [2]})


def test_excerpts_begin_shortly_before_the_first_difference_and_say_what_they_leave_out() -> None:
    same = "same line\n" * 10_000
    expected, got = Effort().excerpts(f"{same}wanted é{same}", f"{same}came {same}")
    for text, word in ((expected, "wanted é"), (got, "came")):
        assert text.startswith("(99,488 characters left out) …")
        assert word in text
        assert text.endswith(" characters left out)")
        assert len(text.encode()) <= EXCERPT
    expected, got = Effort().excerpts("short", {"long": ["é" * 5000]})
    assert expected == "short"
    assert got.startswith('{"long": ["é')
    assert len(got.encode()) <= EXCERPT


def test_a_reason_is_cut_too() -> None:
    found = all_graded([{"type": "contains-all", "value": [f"w{n}" for n in range(3000)]}], Subject("none"))
    assert found[0].outcome.reason.endswith('"w19" and 2,980 more')
    assert found[0].outcome.score == 0
    assert len(Effort().sentence("é" * 100_000).encode()) <= EXCERPT


def test_an_excerpt_of_anything_can_be_made() -> None:
    _, got = Effort().excerpts(None, "\ud800" * 5000)
    assert got.endswith("characters left out)")
    assert Effort().excerpts(1, 2.5) == (1, 2.5)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert Effort().excerpts("x", deep) == ("x", "(nested too deeply to be shown)")
    with pytest.raises(Ungraded), Effort(0.0) as effort:
        effort.tick()


def test_all_replies_of_an_evaluation_have_the_time_of_some_hard_ones_and_a_little_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.thread_time", lambda: now[0])
    total = Total(1.0)
    for _ in range(30):
        with Effort(1.0, total) as effort:
            now[0] += 0.99
            effort.tick()
    with Effort(1.0, total):
        now[0] += 10
    with Effort(1.0, total) as effort:
        now[0] += 0.006
        with pytest.raises(Ungraded, match=r"the evaluation's replies takes longer than 30 s .* raise `limits"):
            effort.tick()
    with Effort(1.0, total) as effort:
        now[0] += 0.004
        effort.tick()


def test_a_schema_takes_no_longer_than_the_case_has_left() -> None:
    subject = Subject(json.dumps("x"), effort=Effort(0.2))
    begun = time.process_time()
    found = all_graded([{"type": "json-schema", "value": slow()}] * 3, subject)
    assert not any(each.outcome.passed for each in found)
    assert time.process_time() - begun < 1.5
