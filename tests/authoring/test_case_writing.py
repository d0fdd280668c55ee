"""Cases as a model writes them: checked, unlike those that are there, and told nothing of what is held out."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from promptctl import EvaluationRequest, InvalidFiles, InvalidOutput, ModelError, Selection, UsageError, WrittenCases
from promptctl.datasets.splitting import HELD_OUT, TRAIN, Split
from promptctl.errors import DatasetNotFound, ModelConfigurationError, PromptNotFound, WorkspaceError
from tests.evaluation_lab import Lab
from tests.openai_server import failure, reply

WORDS = ("apple", "bread", "cheese", "dates", "eggs", "figs", "grapes", "honey", "ice", "jam", "kale", "lemon", "mint")
HEAD = "prompts: [triage]\ncases:\n"


def ticket(n: int) -> str:
    return " ".join(random.Random(n).sample(WORDS, 7))


def written(*numbers: int, **keys: Any) -> str:
    cases = [
        {"id": f"Case {n}", "about": "Tries it.", "inputs": {"ticket": ticket(n)}, "expected": "x", **keys}
        for n in numbers
    ]
    return json.dumps({"cases": cases})


def generate(lab: Lab, *replies: Any, count: int = 3, kind: str = "edge", **options: Any) -> WrittenCases:
    lab.server.script(*(reply(each) if isinstance(each, str) else each for each in replies))
    with lab.open() as workspace:
        return workspace.authoring.generate_cases("triage", count, kind, **options)


def sent(lab: Lab) -> list[str]:
    """Everything that the model was sent, one text a request."""
    return [json.dumps(each.body, ensure_ascii=False) for each in lab.server.requests if each.body]


def ids(found: WrittenCases) -> list[str]:
    return [str(each["id"]) for each in found.cases]


def test_cases_are_marked_and_added_and_nothing_is_written_before(lab: Lab) -> None:
    file = lab.write(
        "datasets/x.yaml",
        HEAD + "  # by hand\n  - {id: case-1, inputs: {ticket: a}, expected: x}\n",
    )
    before = file.read_text()
    found = generate(lab, written(0, 1, 2))
    assert ids(found) == ["case-0", "case-1-2", "case-2"]
    assert (found.path, found.alike, found.stopped, file.read_text()) == ("datasets/x.yaml", 0, None, before)
    with lab.open() as workspace:
        workspace.write(found.proposal)
        assert file.read_text().startswith(before)
        cases = workspace.datasets.cases("x").cases
        assert cases[1].tags == ("generated", "edge")
        assert cases[1].metadata["description"] == "Tries it."
        assert workspace.validate().problems == ()
        assert {row.call_metadata["command"] for row in workspace.log.executions()} == {"dataset generate"}


def test_a_dataset_begins_where_none_tests_the_prompt(lab: Lab) -> None:
    found = generate(lab, written(0, 1, 2))
    assert found.proposal.changes[0].as_dict()["action"] == "created"
    assert found.path == "datasets/triage.yaml"
    with lab.open() as workspace:
        workspace.write(found.proposal)
        assert workspace.datasets.check("triage").problems == ()


def test_cases_beside_a_header_in_json_lines_are_added_there(lab: Lab) -> None:
    lab.write("datasets/x.yaml", "prompts: [triage]\ncases: ./x.jsonl\n")
    rows = lab.write("datasets/x.jsonl", '{"id": "a", "inputs": {"ticket": "a"}, "expected": "x"}')
    found = generate(lab, written(4), count=1, dataset="x.yaml")
    with lab.open() as workspace:
        workspace.write(found.proposal)
    assert [json.loads(line)["id"] for line in rows.read_text().splitlines()] == ["a", "case-4"]


def test_values_of_sensitive_inputs_reach_neither_the_writer_nor_the_log(lab: Lab) -> None:
    prompt = (lab.root / "prompts/triage.prompt.yaml").read_text()
    lab.write(
        "prompts/triage.prompt.yaml",
        prompt.replace("inputs:", "inputs:\n  ssn: {type: string, default: none, sensitive: true}", 1),
    )
    inputs = [{"ticket": f"{ticket(n)} of 123-45-6{n:03}", "ssn": f"123-45-6{n:03}"} for n in range(30)]
    lab.cases(*({"id": f"c{n}", "inputs": each, "expected": "x"} for n, each in enumerate(inputs)), split={"seed": 3})
    generate(lab, written(40, 41, 42))
    (text,) = sent(lab)
    assert "[sensitive" in text
    assert "123-45-6" not in text
    with lab.open() as workspace:
        (row,) = workspace.log.executions()
        assert "123-45-6" not in json.dumps([row.inputs, row.messages], default=str)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"inputs": {"ticket": "a", "tikket": "a"}}, "did you mean `ticket`?"),
        ({"inputs": {"ticket": 3}}, "ticket"),
        ({"inputs": {}}, "does not give `ticket`"),
        ({"inputs": {"ticket": "a\u001b[2J"}}, "control character U+001B"),
        ({"assert": [{"type": "contains", "value": "{{ nobody }}"}]}, "nobody"),
        ({"assert": [{"type": "regex", "value": "("}]}, "regex"),
    ],
)
def test_what_does_not_fit_is_asked_for_again_and_the_rest_is_kept(lab: Lab, bad: dict[str, Any], told: str) -> None:
    mixed = json.loads(written(0, 1, 2))
    mixed["cases"][1] |= bad
    found = generate(lab, json.dumps(mixed), written(5))
    assert ids(found) == ["case-0", "case-2", "case-5"]
    assert told in sent(lab)[1]
    assert "reply with the corrected cases alone" in sent(lab)[1]


def test_a_case_that_nothing_decides_is_asked_for_again_unless_the_defaults_do(lab: Lab) -> None:
    cases = {"cases": [{"id": "a", "about": "b", "inputs": {"ticket": "c"}}]}
    assert ids(generate(lab, json.dumps(cases), written(1), count=1)) == ["case-1"]
    assert "it says neither `expected` nor `assert`" in sent(lab)[1]
    lab.cases({"id": "z", "inputs": {"ticket": "z"}}, defaults={"assert": [{"type": "is-json"}]})
    assert ids(generate(lab, json.dumps(cases), count=1)) == ["a"]


def test_what_is_like_a_case_that_is_there_or_another_is_left_out(lab: Lab) -> None:
    lab.cases({"id": "there", "inputs": {"ticket": ticket(0) + "!"}, "expected": "x"})
    same = json.loads(written(1, 0, 2))
    same["cases"].append({**same["cases"][0], "id": "again", "inputs": {"ticket": ticket(1).upper()}})
    found = generate(lab, json.dumps(same), written(3))
    assert (ids(found), found.alike) == (["case-1", "case-2", "case-3"], 2)
    assert '"count": 1' in sent(lab)[1] or "Write 1 cases" in sent(lab)[1]


def test_many_are_asked_for_in_several_calls_that_know_what_was_written(lab: Lab) -> None:
    found = generate(lab, written(*range(10)), written(*range(10, 14)), count=14)
    assert len(found.cases) == 14
    assert "Write 10 cases" in sent(lab)[0]
    assert "Write 4 cases" in sent(lab)[1]
    assert ticket(3) in sent(lab)[1]


def test_nothing_of_a_case_that_is_not_to_learn_from_reaches_the_model(lab: Lab) -> None:
    names = [f"secret-{n}" for n in range(30)]
    cases = [
        {"id": name, "inputs": {"ticket": f"{name} {ticket(n)}"}, "expected": f"answer-{name}", "tags": [f"tag-{name}"]}
        for n, name in enumerate(names)
    ]
    file = lab.cases(*cases, split={"seed": 3})
    with lab.open() as workspace:
        split = Split(3)
        parts = {case.id: split.part(case) for case in workspace.datasets.cases("triage").cases}
    held = [name for name in names if parts[name] == HELD_OUT]
    own = f"{held[0]} {ticket(names.index(held[0]))}"
    copied = json.loads(written(40, 41))
    copied["cases"].append({**copied["cases"][0], "id": "copy", "inputs": {"ticket": own}})
    found = generate(lab, json.dumps(copied), written(42), count=3)
    assert (len(found.cases), found.alike) == (3, 1)
    for text in sent(lab):
        shown = {name for name in names if f"{name} " in text}
        assert shown == {name for name in names if parts[name] == TRAIN}
        assert own not in text
        assert "answer-" not in text
    with lab.open() as workspace:
        workspace.write(found.proposal)
        after = {case.id: split.part(case) for case in workspace.datasets.cases("triage").cases}
        assert all(after[id_] != HELD_OUT for id_ in ids(found))
        assert {id_: after[id_] for id_ in parts} == parts
        row = workspace.evaluate(EvaluationRequest(refs=["triage"], selection=Selection(part=HELD_OUT)))[0].row
        assert row.spec.cases == len(held)
    assert file.exists()


def test_without_a_split_no_case_reaches_the_model(lab: Lab) -> None:
    lab.cases({"id": "a", "inputs": {"ticket": "a very private ticket"}, "expected": "private answer"})
    generate(lab, written(0, 1, 2))
    assert "private" not in sent(lab)[0]


@pytest.mark.parametrize("said", ["I would be glad to help!", "{}", '{"cases": []}', '{"cases": [{"id": "a"'])
def test_nonsense_ends_with_an_error_and_nothing_is_written(lab: Lab, said: str) -> None:
    lab.server.default = reply(said)
    with lab.open() as workspace, pytest.raises(InvalidOutput):
        workspace.authoring.generate_cases("triage", 3)
    assert not (lab.root / "datasets/triage.yaml").exists()


def test_a_model_that_stops_half_way_leaves_what_it_wrote(lab: Lab) -> None:
    lab.server.default = failure(400, "no more")
    found = generate(lab, written(*range(10)), count=20)
    assert len(found.cases) == 10
    assert found.stopped is not None
    assert "no more" in found.stopped
    with pytest.raises(ModelError):
        generate(lab, count=20)


def test_a_limit_on_the_cost_keeps_what_was_written_and_what_it_cost(lab: Lab) -> None:
    usage = {"prompt_tokens": 4_000, "completion_tokens": 4_000, "total_tokens": 8_000}
    found = generate(lab, reply(written(*range(10)), tokens=usage), count=20, max_cost=0.016)
    assert (len(found.cases), found.cost_nano_usd) == (10, 8_000_000)
    assert found.stopped is not None
    assert found.stopped.startswith("too little is left of the limit on the cost")


def test_a_model_that_repeats_itself_is_not_asked_for_ever(lab: Lab) -> None:
    lab.server.default = reply(written(0, 1))
    found = generate(lab, count=5)
    assert (ids(found), found.alike) == (["case-0", "case-1"], 4)
    assert found.stopped == "2 replies in a row brought no case that could be used and is not there"
    assert len(lab.server.requests) == 3


def test_an_order_that_cannot_be_met_asks_nothing(lab: Lab) -> None:
    lab.write("prompts/plain.prompt.yaml", "model: openai/m\nmessages: [{role: user, content: Hi}]\n")
    lab.write("datasets/a.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: a}, expected: x}]\n")
    with lab.open() as workspace:
        ask = workspace.authoring.generate_cases
        with pytest.raises(UsageError, match="no kind of cases `adversary`"):
            ask("triage", kind="adversary")
        with pytest.raises(UsageError, match="plain has no inputs"):
            ask("plain")
        with pytest.raises(UsageError, match="is a version"):
            ask("triage@v1")
        with pytest.raises(PromptNotFound):
            ask("triag")
        with pytest.raises(UsageError, match="give a number from 1"):
            ask("triage", 0)
        with pytest.raises(UsageError, match="no option `modle`"):
            ask("triage", modle="x")  # type: ignore[call-arg]
        with pytest.raises(ModelConfigurationError, match="only repeats"):
            ask("triage", model="echo/echo")
        with pytest.raises(UsageError, match="tests triage, not plain"):
            ask("plain", dataset="a")
        lab.write("datasets/b.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: a}, expected: x}]\n")
        with pytest.raises(UsageError, match=r"tested by datasets/a\.yaml, datasets/b\.yaml"):
            ask("triage")
        lab.write("datasets/b.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {tikket: a}, expected: x}]\n")
        with pytest.raises(InvalidFiles):
            ask("triage", dataset="b")
        lab.write("datasets/c.csv", "id,ticket,expected\na,a,x\n")
        with pytest.raises(WorkspaceError, match=r"\.yaml and \.jsonl"):
            ask("triage", dataset="c.csv")
        with pytest.raises((UsageError, DatasetNotFound)):
            ask("triage", dataset="../x")
    assert lab.server.requests == []


def test_material_cannot_end_its_tags_and_a_workspace_may_ask_in_its_own_words(lab: Lab) -> None:
    generate(lab, written(0), count=1)
    assert "</prompt-" in sent(lab)[0]
    lab.write(
        "prompts/authoring/cases.prompt.yaml",
        "inputs: {kind: {type: string}}\nmessages: [{role: user, content: 'My own {{ kind }}'}]\n"
        "output: {schema: {type: object}}\n",
    )
    generate(lab, written(0), count=1, kind="injection")
    assert "My own injection" in sent(lab)[-1]
    with pytest.raises(InvalidOutput):
        generate(lab, *['{"cases": [3]}', '{"c": 1}'] * 2, count=1)
