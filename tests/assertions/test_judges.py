from __future__ import annotations

import pytest

from promptctl.assertions import github, model_graded
from promptctl.assertions.judges import inputs_for, load_judge
from promptctl.assertions.kinds import KINDS
from promptctl.calls.shipped import shipped_judges
from promptctl.errors import PromptNotFound
from promptctl.files.tree import MemoryTree
from promptctl.prompts.prompt import MISSING

ASKED = [f"judges/{type_}" for type_, kind in KINDS.items() if kind.judged and type_ not in ("similar", "assert-set")]
BUILT_IN = [f"judges/github-{name}" for name in github.BUILT_IN]
FREE = ["judges/github-llm", "judges/github-llm-system"]


def test_every_judge_that_can_be_asked_ships_and_no_other() -> None:
    assert shipped_judges() == sorted((*ASKED, *BUILT_IN, *FREE))


@pytest.mark.parametrize("prompt_id", [*ASKED, *BUILT_IN, *FREE])
def test_each_loads_without_a_warning(prompt_id: str) -> None:
    prompt = load_judge(MemoryTree({}), prompt_id)
    assert prompt.problems == ()
    assert (prompt.output.schema is None) == (prompt_id in FREE)


@pytest.mark.parametrize("type_", [id_.removeprefix("judges/") for id_ in ASKED])
def test_each_asks_for_no_input_that_its_assertion_does_not_offer(type_: str) -> None:
    prompt = load_judge(MemoryTree({}), f"judges/{type_}")
    required = {each.name for each in prompt.inputs.values() if each.is_required and each.default is MISSING}
    assert required <= KINDS[type_].offers
    assert "output" in required


def test_the_menu_of_factuality_is_the_one_that_is_read() -> None:
    schema = load_judge(MemoryTree({}), "judges/factuality").output.schema
    assert schema is not None
    assert tuple(schema["properties"]["relation"]["enum"]) == model_graded.RELATIONS


def test_a_workspace_s_own_prompt_stands_before_the_one_that_ships() -> None:
    own = 'name: Ours\ninputs: {output: {type: string}}\nmessages: [{role: user, content: "{{ output }}"}]\n'
    tree = MemoryTree({"prompts/judges/llm-rubric.prompt.yaml": own})
    prompt = load_judge(tree, "judges/llm-rubric")
    assert prompt.name == "Ours"
    assert inputs_for(prompt, {"output": "x", "rubric": "y"}) == {"output": "x"}
    assert load_judge(tree, "judges/classify").name != "Ours"


def test_an_unknown_judge_is_not_found() -> None:
    with pytest.raises(PromptNotFound):
        load_judge(MemoryTree({}), "judges/nosuch")
