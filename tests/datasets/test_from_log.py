"""The worst calls of the log as cases of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptctl import CaseSample, CasesFromLog, DatasetNotFound, Filter, UsageError, WorkspaceError
from promptctl.errors import PromptctlError
from tests.evaluation_lab import Lab

DATASET = "prompts: [triage]\ncases:\n  # by hand\n  - {id: one, inputs: {ticket: known}, expected: a}\n"


def take(
    lab: Lab,
    name: str = "x",
    condition: str | None = "<0.5",
    prompt: str | None = None,
    *,
    is_dry_run: bool = False,
    status: Any = None,
    **options: Any,
) -> CasesFromLog:
    """Return the cases, written unless it is a dry run."""
    with lab.open() as workspace:
        wanted = Filter(feedback=condition, prompt=prompt, status=status)
        found = workspace.datasets.from_log(name, wanted, CaseSample(**options))
        if not is_dry_run:
            workspace.write(found.proposal)
        return found


def score(lab: Lab, ticket: str, score: float | None, expected: Any = None, **options: Any) -> str:
    """Run the prompt and give feedback; the id of the case that would come of it."""
    with lab.open() as workspace:
        id_ = workspace.run("triage", {"ticket": ticket}, **options).id
        workspace.feedback(id_, score=score, expected=expected, by="ada")
        return f"from-{id_[-8:]}"


def test_the_worst_become_cases_and_what_is_left_out_says_why(lab: Lab) -> None:
    file = lab.write("datasets/x.yaml", DATASET)
    bad = score(lab, "bad", 0.2, expected={"label": "billing"})
    worst = score(lab, "worst", 0, expected="better")
    score(lab, "good", 0.9, expected="x")
    score(lab, "worst", 0.1, expected="later")
    score(lab, "known", 0.1, expected="x")
    score(lab, "nobody said", 0.3)
    score(lab, "numbers alone", 0.4, log="metadata")

    before = file.read_text()
    assert take(lab, is_dry_run=True).added == (found := take(lab)).added
    assert [(each.score, each.case_id) for each in found.added] == [(0, worst), (0.2, bad)]
    assert [each.left_out for each in found.left_out] == [
        f"case {worst} has the same inputs",
        "case one has the same inputs",
        "nobody said what was expected, and the dataset has no assertion by default",
        "the log kept no inputs: its rule is not `content: full`",
    ]
    assert file.read_text().startswith(before)
    with lab.open() as workspace:
        cases = {case.id: case for case in workspace.datasets.cases("x").cases}
        assert (dict(cases[worst].inputs), cases[worst].expected) == ({"ticket": "worst"}, "better")
        assert cases[bad].expected == {"label": "billing"}
        assert workspace.validate().problems == ()

    again = take(lab)
    assert (again.added, {each.left_out for each in again.left_out} >= {"it is a case already"}) == ((), True)


def test_a_correction_that_is_no_data_is_text_and_stops_no_other_case(lab: Lab) -> None:
    lab.write("datasets/block.yaml", DATASET)
    lab.write("datasets/lines.yaml", "prompts: [triage]\ncases: lines.jsonl\n")
    lab.write("datasets/lines.jsonl", '{"id": "one", "inputs": {"ticket": "known"}, "expected": "a"}\n')
    odd = [
        "[" * 60_000,
        "[" * 500 + "]" * 500,
        '"\\ud800"',
        '{"a": NaN}',
        "[1e999]",
        "a\u2028b\x85\x7f\ufeff",
        '{"b": 1}',
    ]
    ids = [score(lab, f"ticket {number}", 0, expected=text) for number, text in enumerate(odd)]
    for name in ("block", "lines"):
        found = take(lab, name)
        assert ({each.case_id for each in found.added}, found.left_out) == ({*ids}, ())
    later = score(lab, "later", 0, expected="fine")
    for name in ("block", "lines"):
        assert [each.case_id for each in take(lab, name).added] == [later]
        with lab.open() as workspace:
            cases = {case.id: case.expected for case in workspace.datasets.cases(name).cases}
        assert [cases[id_] for id_ in (*ids, later)] == [*odd[:-1], {"b": 1}, "fine"]


def test_a_call_whose_inputs_no_file_holds_is_left_out_alone(lab: Lab) -> None:
    lab.write("datasets/x.yaml", DATASET)
    score(lab, "half \ud800", 0, expected="x")
    whole = score(lab, "whole", 0.1, expected="x")
    found = take(lab)
    assert [each.case_id for each in found.added] == [whole]
    assert [each.left_out for each in found.left_out] == [
        "the case does not fit: it has half a character, a number that is none, or too many levels"
    ]


def test_a_limit_takes_the_worst_and_says_how_many_further_ones_there_are(lab: Lab) -> None:
    defaults = "defaults: {assert: [{type: contains, value: o}]}\n"
    lab.write("datasets/x.yaml", f"prompts: [triage]\n{defaults}cases:\n  - {{id: one, inputs: {{ticket: a}}}}\n")
    names = [score(lab, f"t{number}", number / 10) for number in (3, 1, 2)]
    found = take(lab, condition="feedback<=0.3", limit=2, tags=("heard",))
    assert [each.case_id for each in found.added] == [names[1], names[2]]
    assert found.further == 1
    with lab.open() as workspace:
        assert workspace.datasets.cases("x").cases[-1].tags == ("heard",)


def test_a_dataset_that_is_not_there_begins_for_the_prompt_that_is_named(lab: Lab) -> None:
    case = score(lab, "bad", 0, expected="good")
    with pytest.raises(DatasetNotFound) as missing:
        take(lab, "support/worst")
    assert "--prompt" in str(missing.value.hint)
    found = take(lab, "support/worst", prompt="triage")
    assert (found.path, [each.case_id for each in found.added]) == ("datasets/support/worst.yaml", [case])
    with lab.open() as workspace:
        assert workspace.datasets.check("support/worst").problems == ()
    assert take(lab, "lines.jsonl", prompt="triage", is_dry_run=True).added


def test_adding_one_call_to_a_dataset_that_is_not_there_says_how_to_begin_it(lab: Lab) -> None:
    with lab.open() as workspace, pytest.raises(DatasetNotFound) as missing:
        workspace.datasets.add("worst", "01234567")
    assert "promptctl dataset from-log worst --prompt ID" in str(missing.value.hint)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "recordings/x.jsonl", "a b", ""])
def test_a_name_that_no_dataset_can_have_is_refused(lab: Lab, name: str) -> None:
    score(lab, "bad", 0, expected="good")
    with pytest.raises(PromptctlError):
        take(lab, name, prompt="triage")
    assert not (lab.root / "datasets").exists()


def test_a_new_dataset_is_not_written_through_a_link(lab: Lab, tmp_path: Path) -> None:
    score(lab, "bad", 0, expected="good")
    outside = tmp_path / "outside"
    outside.mkdir()
    (lab.root / "datasets").symlink_to(outside)
    with pytest.raises(WorkspaceError, match="symbolic link"):
        take(lab, prompt="triage")
    assert list(outside.iterdir()) == []


def test_cases_are_added_to_lines_too_and_secrets_and_sensitive_inputs_stay_out(lab: Lab) -> None:
    lab.write("datasets/x.jsonl", '{"id": "one", "inputs": {"ticket": "a"}, "expected": "a"}\n')
    secret = score(lab, "key sk-proj-0123456789abcdefghij", 0.1, expected="none")
    score(lab, "bad", 0, expected="good")
    marked = "inputs: {ticket: {type: string, sensitive: true}}\nmessages: [{role: user, content: '{{ ticket }}'}]\n"
    lab.write("prompts/triage.prompt.yaml", marked)
    score(lab, "hidden", 0)
    found = take(lab, "x.jsonl", prompt="triage")
    assert [each.left_out for each in found.left_out] == ["the log never had its sensitive inputs"]
    assert [each.case_id for each in found.added if each.is_redacted] == [secret]
    assert "[redacted]" in lab.warnings[-1]
    assert len((lab.root / "datasets/x.jsonl").read_text().splitlines()) == 3


def test_the_worst_need_a_condition_and_an_order_is_one_that_there_is(lab: Lab) -> None:
    lab.write("datasets/x.yaml", DATASET)
    with lab.open() as workspace:
        with pytest.raises(UsageError) as refused:
            workspace.datasets.from_log("x", Filter(), CaseSample(order="worst"))
        assert refused.value.hint == '--feedback "<0.5"'
        with pytest.raises(UsageError) as refused:
            workspace.datasets.from_log("x", Filter(), CaseSample(order="longst"))  # type: ignore[arg-type]
        assert "`longest`" in str(refused.value.hint)


TOPICS = ["invoice", "password", "shipping", "refund", "address", "login", "export", "language", "seats", "theme"]


def said(lab: Lab, *tickets: str) -> None:
    with lab.open() as workspace:
        for ticket in tickets:
            workspace.run("triage", {"ticket": ticket})


def taken(lab: Lab, **options: Any) -> list[str]:
    """Return the tickets that would become cases, in order."""
    found = take(lab, condition=None, is_dry_run=True, expects_reply=True, **options)
    with lab.open() as workspace:
        given = [workspace.log.execution(each.execution).inputs for each in found.added]
    return [each["ticket"] for each in given if each]


def test_a_random_sample_is_the_same_each_time_and_its_replies_are_what_is_expected(lab: Lab) -> None:
    lab.write("datasets/x.yaml", DATASET)
    said(lab, *TOPICS)
    first = taken(lab, limit=4, seed=1)
    assert first == taken(lab, limit=4, seed=1)
    assert len(first) == 4
    assert any(set(first) != set(taken(lab, limit=4, seed=seed)) for seed in range(2, 12))
    assert take(lab, condition=None, limit=4).further == 0  # all were looked at, and nothing decides one
    found = take(lab, condition=None, limit=2, expects_reply=True, tags=("seen",))
    assert found.further == 8
    with lab.open() as workspace:
        added = workspace.datasets.cases("x").cases[1:]
        assert [case.tags for case in added] == [("seen",)] * 2
        assert all(case.expected is not None and case.assertions[0].type == "equals" for case in added)


def test_calls_are_chosen_by_length_time_and_status(lab: Lab) -> None:
    lab.write("datasets/x.yaml", DATASET)
    said(lab, "two words here", "one", "the longest of all of them by far it is")
    assert taken(lab, limit=1, order="longest") == ["the longest of all of them by far it is"]
    assert taken(lab, limit=1, order="shortest") == ["one"]
    assert taken(lab, order="newest")[-1] == "two words here"
    assert taken(lab, status="error") == []
    score(lab, "numbers alone", 1, log="metadata")
    assert taken(lab, limit=1, order="shortest") == ["one"]


def test_novel_calls_are_unlike_the_cases_and_each_other(lab: Lab) -> None:
    lab.write("datasets/x.yaml", DATASET.replace("known", "my order did not come"))
    said(lab, "my order did come", "my order did not come at all", "Wo ist die Rechnung?", "a dark theme", "my order")
    assert set(taken(lab, limit=2, order="novel")) == {"Wo ist die Rechnung?", "a dark theme"}
    new = take(lab, "new", condition=None, prompt="triage", order="novel", limit=1, expects_reply=True)
    assert (len(new.added), new.path) == (1, "datasets/new.yaml")


def test_what_is_like_a_case_that_is_there_is_left_out_whatever_its_defaults(lab: Lab) -> None:
    text = "I was charged twice for my order of last week."
    lab.write(
        "prompts/triage.prompt.yaml",
        "model: echo/echo\ninputs: {ticket: {type: string}, tone: {type: string, default: kind}}\n"
        "messages: [{role: user, content: '{{ ticket }}'}]\n",
    )
    lab.write("datasets/x.yaml", DATASET.replace("known", text))
    said(lab, text, text + "!", "Nobody can tell me where my invoice of May is.", "Something else")
    said(lab, "Nobody can tell me where my invoice of May is!")
    found = take(lab, condition=None, expects_reply=True, order="newest")
    like_first, like_one = f"it is like case {found.calls[0].case_id}", "it is like case one"
    assert [each.left_out for each in found.calls] == [None, None, like_first, like_one, like_one]
