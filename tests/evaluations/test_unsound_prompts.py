"""Prompts that `validate` refuses are refused by every command, before anything is sent."""

from __future__ import annotations

import pytest

from promptctl.errors import InputError, InvalidFiles, PromptctlError
from tests.evaluation_lab import Lab

HEAD = "model: local/model\n"
USER = 'messages: [{role: user, content: "{{ ticket }}"}]\ninputs: {ticket: {type: string}}\n'
NOT_A_TYPE = "`OBJECT` is no type of JSON Schema"
UNSOUND = {
    "an output schema": (
        HEAD + "output: {schema: {type: OBJECT}, retries: 2}\n" + USER,
        "p.prompt.yaml:2:18",
        NOT_A_TYPE,
    ),
    "a schema of its own": (HEAD + "output: {schema: {$ref: bad.schema.yaml}}\n" + USER, "bad.schema.yaml", NOT_A_TYPE),
    "a pattern": (
        HEAD + 'output: {schema: {type: object, properties: {a: {type: string, pattern: "("}}}}\n' + USER,
        "p.prompt.yaml:2:49",
        "the pattern ( cannot be used",
    ),
    "a tool": (
        HEAD + "tools: [{type: function, function: {name: f, parameters: {type: OBJECT}}}]\n" + USER,
        "p.prompt.yaml:2:58",
        NOT_A_TYPE,
    ),
}


@pytest.fixture
def asking(lab: Lab) -> Lab:
    lab.write("prompts/bad.schema.yaml", "type: OBJECT\n")
    lab.cases({"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}, prompts=["p"])
    return lab


def ask(lab: Lab, command: str) -> None:
    if command == "evaluate":
        lab.evaluate("p")
    elif command == "plan":
        lab.plans("p")
    else:
        with lab.open() as workspace:
            list(getattr(workspace, command)("p", {"ticket": "x"}))


@pytest.mark.parametrize("name", UNSOUND)
@pytest.mark.parametrize("command", ["run", "stream", "evaluate", "plan"])
def test_a_schema_that_is_none_is_refused_before_anything_is_sent(asking: Lab, name: str, command: str) -> None:
    text, place, words = UNSOUND[name]
    asking.write("prompts/p.prompt.yaml", text)
    with pytest.raises(InvalidFiles, match=f"not a JSON Schema.*{words.replace('(', '[(]')}") as caught:
        ask(asking, command)
    assert str(caught.value.place) == f"prompts/{place}"
    assert asking.asked == []


def test_a_refused_call_is_on_record(asking: Lab) -> None:
    asking.write("prompts/p.prompt.yaml", UNSOUND["a tool"][0])
    with asking.open() as workspace, pytest.raises(PromptctlError) as caught:
        workspace.run("p", {"ticket": "x"})
    assert (caught.value.execution.status, caught.value.execution.error_type) == ("blocked", "InvalidFiles")


def test_a_default_that_does_not_fit_its_schema_is_refused(asking: Lab) -> None:
    asking.write("prompts/p.prompt.yaml", HEAD + USER.replace("{type: string}}", "{type: string, default: 7}}"))
    with asking.open() as workspace, pytest.raises(InputError, match="the default of `ticket` must be text, not 7"):
        workspace.run("p")
    assert asking.asked == []
