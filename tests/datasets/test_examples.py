"""Cases that the prompt itself shows to the model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.evaluation_lab import Lab

TICKET = "I was charged twice for my order on 3 May."
CASE = {"id": "a", "inputs": {"ticket": TICKET}, "expected": "x"}


def warned(lab: Lab, messages: Any, *cases: dict[str, Any], inputs: Any = None, **header: Any) -> list[str]:
    given = {"ticket": {"type": "string"}, **(inputs or {})}
    lab.write("prompts/triage.prompt.yaml", json.dumps({"model": "echo/echo", "inputs": given, "messages": messages}))
    lab.cases(*(cases or (CASE,)), **header)
    with lab.open() as workspace:
        found = workspace.datasets.check("triage").problems
        assert {each.code for each in found} <= {"example-is-case"}
        assert [each for each in workspace.validate().problems if each.code == "example-is-case"] == list(found)
    return [each.message for each in found]


ASK = {"role": "user", "content": "{{ ticket }}"}
WARNING = ["case `a`: triage itself shows its `ticket` to the model"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": TICKET}, {"role": "assistant", "content": "billing"}, ASK],
        [{"role": "system", "content": f"For example:\n  Ticket: “{TICKET.upper()}”\n  Answer: billing\n"}, ASK],
        [{"role": "user", "content": "I was charged\n twice, for my order on 3 May\n\n{{ ticket }}"}],
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": f"Like {TICKET}"}, {"type": "text", "text": "{{ ticket }}"}],
            }
        ],
    ],
)
def test_an_example_that_is_a_case_is_warned_of(lab: Lab, messages: Any) -> None:
    assert warned(lab, messages) == WARNING


def test_so_are_examples_of_a_partial_and_of_a_default(lab: Lab) -> None:
    lab.write("prompts/examples.j2", f"{TICKET} -> billing")
    assert warned(lab, [{"role": "user", "content": '{% include "examples.j2" %} {{ ticket }}'}]) == WARNING
    shots = {"shots": {"type": "array", "default": [{"ticket": TICKET, "label": "billing"}]}}
    assert warned(lab, [{"role": "user", "content": "{{ shots }} {{ ticket }}"}], inputs=shots) == WARNING


@pytest.mark.parametrize(
    ("content", "case"),
    [
        (f"{TICKET} {{{{ ticket }}}}", {**CASE, "inputs": {"ticket": f"{TICKET} Please help."}}),
        ("Be kind and formal, please. {{ ticket }}", {**CASE, "inputs": {"ticket": "Be kind and formal"}}),
        (
            "Classes: billing, technical-support-request. {{ ticket }}",
            {**CASE, "inputs": {"ticket": "technical-support-request"}},
        ),
        (f"{{# {TICKET} #}}{{{{ ticket }}}}", CASE),
        ("I was charged twice {{ ticket }} for my order on 3 May", CASE),
    ],
)
def test_what_only_looks_like_one_is_not(lab: Lab, content: str, case: dict[str, Any]) -> None:
    assert warned(lab, [{"role": "user", "content": content}], case) == []


def test_what_the_defaults_give_to_every_case_is_no_example(lab: Lab) -> None:
    messages = [{"role": "user", "content": f"The house rule is: {TICKET} {{{{ rule }}}} {{{{ ticket }}}}"}]
    cases = [{"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}]
    assert (
        warned(lab, messages, *cases, inputs={"rule": {"type": "string"}}, defaults={"inputs": {"rule": TICKET}}) == []
    )
