from __future__ import annotations

import pytest

from promptctl import Workspace
from tests.experiments.conftest import EXPERIMENT, HEAD, Setting


def problems(workspace: Workspace) -> list[tuple[str, str, str, str]]:
    found = workspace.validate([workspace.root / "promptctl.yaml"]).problems
    return [(str(each.place), each.message, each.hint or "", each.severity) for each in found]


def test_a_sound_experiment_has_no_problem(workspace: Workspace) -> None:
    assert problems(workspace) == []


@pytest.mark.parametrize(
    ("before", "after", "place", "message", "hint", "severity"),
    [
        ("prompt: triage", "prompt: triag", "5:13", "there is no prompt `triag`", "did you mean `triage`?", "error"),
        ("@kinder", "@kindr", "6:66", "`kindr` is no label of `triage`", "kinder", "error"),
        ("@kinder", "@v1", "6:66", "`control` and `kind` are the same version, v1", "no difference", "warning"),
        (
            "    primary",
            "    ends: {when: decided, then: promote}\n    primary",
            "",
            "",
            "",
            "",
        ),
    ],
)
def test_what_an_experiment_names_is_checked(
    workspace: Workspace, settings: Setting, before: str, after: str, place: str, message: str, hint: str, severity: str
) -> None:
    settings(HEAD + EXPERIMENT.replace(before, after))
    if not place:
        assert problems(workspace) == []
        return
    [found] = problems(workspace)
    assert found[0] == f"promptctl.yaml:{place}"
    assert message in found[1]
    assert hint in found[2]
    assert found[3] == severity


def test_what_could_never_be_promoted_or_seen(workspace: Workspace, settings: Setting) -> None:
    text = EXPERIMENT.replace("@production", "@v1") + "    ends: {when: decided, then: promote}\n"
    settings(HEAD.replace("content: full", "active: false") + text)
    by_message = {message: (place, hint) for place, message, hint, _ in problems(workspace)}
    assert by_message == {
        "`@v1` is no label that could be moved": (
            "promptctl.yaml:8:33",
            "write `control`, or let control name a label",
        ),
        "the log rule at promptctl.yaml:2:7 keeps no row of triage: the experiment learns nothing": (
            "promptctl.yaml:5:13",
            "promptctl log rules set triage content=metadata active=true",
        ),
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            "    only: {label: productin}\n",
            [("8:19", "no prompt has a label `productin`", "did you mean `production`?", "warning")],
        ),
        ("    only: {label: staging}\nlabels: {staging: {}}\n", []),
    ],
)
def test_a_label_that_no_prompt_has(
    workspace: Workspace, settings: Setting, more: str, expected: list[tuple[str, str, str, str]]
) -> None:
    settings(HEAD + EXPERIMENT + more)
    assert problems(workspace) == [(f"promptctl.yaml:{place}", *rest) for place, *rest in expected]


def test_the_arms_of_one_that_is_stopped_may_be_gone(workspace: Workspace, settings: Setting) -> None:
    settings(HEAD + EXPERIMENT.replace("@kinder", "@kindr") + "    stopped: true\n")
    assert problems(workspace) == []
