"""Names of prompts, labels and calls that a program hands in as no text, or as one that no file can hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promptctl import Filter, Workspace, open_workspace
from promptctl.errors import InputError, UsageError
from promptctl.workspace.init import init_workspace

ASKED: dict[str, Callable[[Workspace, Any], object]] = {
    "latest_call": lambda workspace, given: workspace.log.latest_call(given),
    "execution": lambda workspace, given: workspace.log.execution(given),
    "executions": lambda workspace, given: list(workspace.log.executions(Filter(prompt=given))),
    "totals": lambda workspace, given: workspace.log.totals(Filter(prompts=(given,))),
    "label": lambda workspace, given: list(workspace.log.executions(Filter(label=given))),
    "user": lambda workspace, given: list(workspace.log.executions(Filter(user=given))),
    "model": lambda workspace, given: list(workspace.log.executions(Filter(model=given))),
    "evaluations": lambda workspace, given: workspace.results.evaluations(prompt=given),
    "evaluation": lambda workspace, given: workspace.results.evaluation(given),
    "suggest": lambda workspace, given: workspace.costs.suggest(given),
}
LONG = 10**5000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("workspace")
    init_workspace(folder)
    with open_workspace(folder, {}) as opened:
        opened.run("welcome", {"name": "Ada"}, model="echo/echo")
        yield opened


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("given", [5, ["welcome"], b"welcome"], ids=repr)
def test_a_name_that_is_no_text_is_refused(workspace: Workspace, asked: str, given: object) -> None:
    with pytest.raises(UsageError, match="is a text, not"):
        ASKED[asked](workspace, given)


@pytest.mark.parametrize("asked", ASKED)
def test_a_name_with_half_of_a_character_is_refused(workspace: Workspace, asked: str) -> None:
    with pytest.raises(UsageError, match=re.escape(r"holds half of a character, U+D800: `wel\ud800`")):
        ASKED[asked](workspace, "wel\ud800")


@pytest.mark.parametrize("asked", ["latest_call", "suggest"])
def test_a_glob_is_no_prompt_to_look_at(workspace: Workspace, asked: str) -> None:
    with pytest.raises(UsageError, match=r"`wel\*` is a glob, where one prompt is meant"):
        ASKED[asked](workspace, "wel*")


def test_a_new_prompt_has_no_id_with_half_of_a_character(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="cannot be a prompt"):
        workspace.authoring.new("\ud800")


@pytest.mark.parametrize(
    "wanted", [{"version": LONG}, {"limit": LONG}, {"limit": 10**18}], ids=("version", "limit", "19 digits")
)
def test_a_number_that_the_log_cannot_hold_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="at most 18 digits"):
        Filter(**wanted)


@pytest.mark.parametrize("given", [LONG, [LONG], {"a": LONG}], ids=("number", "list", "mapping"))
def test_an_input_of_a_number_that_python_cannot_show_is_refused(workspace: Workspace, given: object) -> None:
    with pytest.raises(InputError, match=r"`name` must be text, not a (very long number|list|mapping)"):
        workspace.run("welcome", {"name": given}, model="echo/echo")


def test_parameters_of_such_numbers_are_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="`seed` must be a whole number, not a list of 1 item"):
        workspace.run("welcome", {"name": "Ada"}, model="echo/echo", parameters={"seed": [LONG]})
