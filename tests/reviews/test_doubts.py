"""What proves nothing of what HEAD's model says: told by every gate, and incomplete for the strict one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from promptctl.calls.recording import recording_file
from promptctl.comparisons.rule import GateRule
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.models.gateway import Reply
from promptctl.models.recordings import Recording
from tests.reviews.conftest import Pull, case, evaluation_of

STRICT = GateRule(gate="strict")
PATH = "prompts/triage.prompt.yaml"
Evade = Callable[[Pull], object]


def first_line(pull: Pull, line: str, path: str = PATH) -> None:
    pull.write(path, f"{line}\n{pull.read(path)}")
    pull.commit(line)


def change(pull: Pull) -> None:
    pull.edit(PATH, "Say one word.", "Say one word only.")


def echo(pull: Pull) -> None:
    """Every case passes by what the prompt itself says."""
    pull.dataset(*({"id": f"case-{n}", "inputs": {"ticket": f"billing {n}"}, "expected": f"billing {n}"} for n in "12"))
    first_line(pull, "model: echo/echo")


def replay(pull: Pull) -> None:
    first_line(pull, "model: replay/local/small")
    record(pull)


def record(pull: Pull) -> None:
    """Record the replies that the author of HEAD wishes for."""
    from promptctl.evaluations.asking import Asker
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.workspace import open_workspace

    with open_workspace(pull.root, pull.environ) as workspace:
        (plan,) = workspace.plan(EvaluationRequest(refs=["triage"], replies="replay"))
        recording = Recording(recording_file(workspace.context, "triage"), "triage")
        for each in plan.cases(workspace.context):
            recording.add(Asker(workspace.context, plan).ask(each)[1], Reply("billing", "local/small", "replay"))
    pull.commit("Recordings")


def without_a_key(pull: Pull) -> None:
    change(pull)
    pull.environ = {}


def without_a_key_and_recorded(pull: Pull) -> None:
    change(pull)
    record(pull)
    pull.environ = {}


def another_provider(pull: Pull) -> None:
    first_line(pull, "model: openai/gpt-4o-mini")


def inactive(pull: Pull) -> None:
    change(pull)
    first_line(pull, "status: inactive")


def pairs_with_nothing(pull: Pull) -> None:
    pull.edit(PATH, "ticket", "message")
    pull.dataset(*(case(n) | {"inputs": {"message": f"billing {n}"}} for n in range(8)))
    pull.commit("Under different names")


DOUBTS: list[tuple[Evade, str]] = [
    (echo, "echo/echo answered for HEAD, and BASE asks local/small"),
    (replay, "replay/local/small answered for HEAD, and BASE asks local/small"),
    (without_a_key, "it was not evaluated: there is no key for `local/small`"),
    (without_a_key_and_recorded, "recorded replies were used: there is no key for `local/small`"),
    (another_provider, "it was not evaluated: there is no key for `openai/gpt-4o-mini`"),
    (inactive, "it was not evaluated: it is inactive"),
    (pairs_with_nothing, "base was not evaluated: it cannot take the inputs of any case"),
]


@pytest.mark.parametrize(("evade", "told"), DOUBTS, ids=lambda each: getattr(each, "__name__", ""))
def test_it_is_told_and_incomplete_for_the_strict_gate(pull: Pull, evade: Evade, told: str) -> None:
    evade(pull)
    data = pull.data()
    found = evaluation_of(data, "triage")
    assert data["exit_code"] == OK, data["decision"]
    assert told.removeprefix("it was not evaluated: ") in " ".join([*found["notes"], found["why_not"] or ""])
    strict = pull.data(rule=STRICT)
    if not strict["taken_away"]:
        assert (strict["exit_code"], f"triage: {told}" in strict["decision"]) == (INCOMPLETE, True), strict["decision"]
    else:
        assert strict["exit_code"] == CHECK_FAILED


@pytest.mark.parametrize("model", ["echo/echo", "replay/local/small"])
def test_a_new_prompt_that_no_model_answers_is_none_that_passed(pull: Pull, model: str) -> None:
    pull.write("prompts/new.prompt.yaml", f"model: {model}\nmessages: [{{role: user, content: billing}}]\n")
    pull.write("datasets/new.yaml", "prompts: [new]\ncases: [{id: a, inputs: {}, expected: billing}]\n")
    pull.write(
        "datasets/recordings/new.yaml",
        json.dumps(
            [{"model": "local/small", "messages": [{"role": "user", "content": "billing"}], "reply": "billing"}]
        ),
    )
    pull.commit("New")
    assert pull.data()["exit_code"] == OK
    data = pull.data(rule=STRICT)
    assert (data["exit_code"], data["decision"]) == (
        INCOMPLETE,
        f"new: {model} answered for HEAD, and BASE asks local/small.",
    )


def test_a_prompt_that_head_makes_active_is_measured(pull: Pull) -> None:
    first_line(pull, "status: inactive")
    base = pull.git("rev-parse", "HEAD").strip()
    pull.edit(PATH, "status: inactive", "status: active")
    (found,) = evaluation_of(pull.data(base=base), "triage")["evaluations"]
    assert found["passed"] == 8
    pull.edit(PATH, "status: active", "status: inactive")
    change(pull)
    data = pull.data(base=base, rule=STRICT)
    assert (data["exit_code"], evaluation_of(data, "triage")["why_not"]) == (OK, "it is inactive")


def test_what_the_reviewer_chooses_is_in_no_doubt(pull: Pull) -> None:
    def code(**request: Any) -> object:
        return pull.data(rule=STRICT, **request)["exit_code"]

    echo(pull)
    pull.dataset(*(case(n) for n in range(8)))
    record(pull)
    assert code(models=["local/small"]) == OK
    change(pull)
    assert code(is_evaluated=False) == OK
    assert code(replies="replay", models=["local/none"]) == INCOMPLETE, "no reply is recorded"
