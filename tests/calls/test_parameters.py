"""The parameters of a request, from the model's rule, the prompt and the call."""

from __future__ import annotations

from typing import Any

import pytest

from promptctl.calls.call import merge_parameters
from promptctl.prompts.prompt import Prompt


@pytest.mark.parametrize(
    ("rule", "prompt", "call", "sent"),
    [
        ({"seed": 1}, {}, None, {"seed": 1}),
        ({"seed": 1}, {"seed": 2}, None, {"seed": 2}),
        ({"seed": 1}, {"seed": 2}, {"seed": 3}, {"seed": 3}),
        ({"seed": None}, {"seed": 2, "top_p": 1}, {"seed": 3}, {"top_p": 1}),
        ({}, {"seed": 2}, {"seed": None}, {"seed": None}),
    ],
)
def test_the_nearest_wins_unless_the_rule_leaves_it_out(rule: Any, prompt: Any, call: Any, sent: Any) -> None:
    of = Prompt("p", "prompts/p.prompt.yaml", "1:0", "P", (), parameters=prompt)
    assert merge_parameters(rule, of, call) == sent
