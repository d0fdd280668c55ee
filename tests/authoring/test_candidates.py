"""Candidates: the texts of a prompt's file that may be edited, and what an edit may not do."""

from __future__ import annotations

import json

import pytest

from promptctl.authoring.candidates import PARAMETERS, Candidates, components_of
from promptctl.errors import UsageError
from promptctl.evaluations.request import EvaluationRequest
from promptctl.workspace import Workspace
from tests.evaluation_lab import Lab

PROMPT = """\
# Kept.
name: Ask
parameters: {temperature: 0.5, max_tokens: 9}
inputs:
  question: {type: string}
  history: {type: array, default: []}
messages:
  - role: system
    content: |
      Answer briefly. {% include "tone.j2" %}
  - placeholder: history
  - {role: assistant, content: An example of a reply.}
  - role: user
    content:
      - {type: text, text: "Asked: {{ question }}"}
      - {type: text, text: "{{ question }}"}
tools:
  - type: function
    function: {name: look_up, description: Looks things up., parameters: {type: object}}
  - $ref: tools.yaml
"""
QUESTION = "How far is it from Ulm to the sea?"
SYSTEM, USER, TOOL = "message 1 (system)", "message 4 (user), part 1", "tool look_up"


@pytest.fixture
def workspace(lab: Lab) -> Workspace:
    lab.write("prompts/ask.prompt.yaml", PROMPT)
    lab.write("prompts/tone.j2", "Be kind.")
    lab.write("prompts/secret.j2", "Hidden.")
    lab.write("prompts/tools.yaml", json.dumps([{"type": "function", "function": {"name": "other"}}]))
    lab.cases(
        {"id": "far", "inputs": {"question": QUESTION}, "expected": "About six hundred kilometres."},
        {"id": "held", "inputs": {"question": "And from there to the mountains?"}, "expected": "x"},
        name="ask",
        prompts=["ask"],
    )
    return lab.open()


@pytest.fixture
def candidates(workspace: Workspace) -> Candidates:
    (plan,) = workspace.plan(EvaluationRequest(refs=("ask",)))
    context = workspace.context.fresh()
    data = context.repository.work_tree.read(plan.target.prompt.path)
    components = components_of(plan.target.prompt, data, with_parameters=True)
    return Candidates(context, plan, components, list(plan.cases(context)), {"far"})


def test_messages_tools_and_if_asked_parameters_are_edited(candidates: Candidates) -> None:
    assert candidates.texts == {
        SYSTEM: 'Answer briefly. {% include "tone.j2" %}\n',
        USER: "Asked: {{ question }}",
        TOOL: "Looks things up.",
        PARAMETERS: '{"temperature": 0.5}',
    }


def test_a_candidate_is_the_file_with_other_texts(candidates: Candidates) -> None:
    texts = {
        **candidates.texts,
        SYSTEM: 'Answer well.\n{% include "tone.j2" %}\n',
        TOOL: "Finds: all.",
        PARAMETERS: "{}",
    }
    made = candidates.made(texts)
    assert candidates.problems(texts) == []
    changed = PROMPT.replace("Answer briefly. {%", "Answer well.\n      {%").replace(
        "Looks things up.", '"Finds: all."'
    )
    assert made.data.decode() == changed.replace("temperature: 0.5, ", "")
    plan = candidates.plan(made, ["far"])
    assert (plan.spec.side, plan.spec.ids, dict(plan.target.parameters)) == ("trial", ("far",), {"max_tokens": 9})
    assert plan.target.version.digest == made.prompt.digest
    assert plan.target.version.is_dirty
    original = candidates.made(candidates.texts)
    assert candidates.plan(original, ["far"]).target.parameters == {"temperature": 0.5, "max_tokens": 9}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (SYSTEM, "Answer {{ anything }}.", "`anything` is not declared under `inputs`"),
        (SYSTEM, "Answer {% if %}.", "Expected an expression"),
        (SYSTEM, '{% include "secret.j2" %} Answer.', "it includes prompts/secret.j2, which the prompt does not"),
        (SYSTEM, "{% include '../../etc/passwd' %} Hi", "climbs"),
        (SYSTEM, "Answer.\n{{ question.foo() }}", "it cannot be rendered with the inputs of a case"),
        (SYSTEM, f"For example {QUESTION.upper()}", "it repeats the text of a case"),
        (SYSTEM, "Such as: and from  there to the mountains?", "it repeats the text of a case"),
        (SYSTEM, "Such as: about six hundred kilometres.", "it repeats the text of a case"),
        (SYSTEM, "Turn \u202e around.", "marks of direction"),
        (SYSTEM, "Clear \x1b[2J the screen.", "it holds control characters"),
        (SYSTEM, " \n", "it is empty"),
        (SYSTEM, "x" * 20_001, "it has 20,001 characters"),
        (TOOL, "Looks up {{ question }}", "is no template"),
        (PARAMETERS, "hot", "it is no JSON object"),
        (PARAMETERS, "[1]", "it is no JSON object"),
        (PARAMETERS, "[" * 15_000, "it is no JSON object"),
        (PARAMETERS, '{"temperature": "hot"}', "`temperature` is no number"),
        (PARAMETERS, '{"max_tokens": 100000}', "`max_tokens` may not be changed"),
        (PARAMETERS, '{"temprature": 1}', "did you mean `temperature`?"),
        (PARAMETERS, '{"temperature": 1e400}', "`temperature` is no number"),
    ],
)
def test_an_edit_is_refused_for_what_it_may_not_do(candidates: Candidates, name: str, text: str, problem: str) -> None:
    texts = {**candidates.texts, name: text}
    (found, *_) = candidates.problems(texts)
    assert problem in found


def test_an_input_is_used_on_but_what_was_wrong_before_is_no_problem_of_an_edit(lab: Lab) -> None:
    inputs = "inputs: {unused: {type: string}, who: {type: string}}"
    lab.write("prompts/greet.prompt.yaml", inputs + '\nmessages: [{role: user, content: "Hi {{ who }}"}]\n')
    lab.cases({"id": "a", "inputs": {"unused": "x", "who": "y"}, "expected": "x"}, name="greet", prompts=["greet"])
    with lab.open() as workspace:
        (plan,) = workspace.plan(EvaluationRequest(refs=("greet",)))
        context = workspace.context.fresh()
        data = context.repository.work_tree.read(plan.target.prompt.path)
        candidates = Candidates(context, plan, components_of(plan.target.prompt, data), [], set())
        assert candidates.problems({"message 1 (user)": "Hello {{ who }}"}) == []
        assert candidates.problems({"message 1 (user)": "Hello"}) == ["the input `who` is used nowhere"]


def test_a_message_of_variables_is_edited_only_if_there_is_no_other(lab: Lab) -> None:
    with lab.open() as workspace:
        found = workspace.prompt("triage").prompt
        assert list(components_of(found, found.text.encode())) == ["message 1 (user)"]
        lab.write("prompts/none.prompt.yaml", "inputs: {all: {type: array}}\nmessages: [{placeholder: all}]\n")
        found = workspace.prompt("none").prompt
        with pytest.raises(UsageError, match="nothing of none can be edited"):
            components_of(found, found.text.encode())
