"""From calls and thumbs to a verdict: the report over a log that a running application wrote."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from promptctl import Workspace, open_workspace
from promptctl.experiments import report
from promptctl.experiments.growth import growth
from promptctl.experiments.judging import Measured, compare
from promptctl.formats.experiment_rules import OutcomeKind
from promptctl.reports.experiment import sentences
from tests.experiments.conftest import HEAD, Setting

EXPERIMENT = """\
experiments:
  kindness:
    prompt: triage
    arms: {control: {ref: "@production", share: 50}, kind: {ref: "@kinder", share: 50}}
    primary: {feedback: resolved, direction: higher, minimum: 0.5}
    guards: [{errors: rate, at_most: +60pp}]
  nothing:
    prompt: triage
    arms: {control: {ref: "@production", share: 50}, kind: {ref: "@kinder", share: 50}}
    primary: {feedback: resolved, direction: higher, minimum: 0.5}
"""
RATES = {"kindness": {"control": 0.1, "kind": 0.9}, "nothing": {"control": 0.5, "kind": 0.5}}


@pytest.fixture
def workspace(root: Path, settings: Setting) -> Workspace:
    settings(HEAD + EXPERIMENT)
    return open_workspace(root, {})


def use(workspace: Workspace, experiment: str, users: range, *, calls: int = 1) -> None:
    """Let users call, who each think as their arm makes them, and say so after a while."""
    told = []
    for user in users:
        mind = random.Random(f"{experiment} {user}")
        for _ in range(calls):
            done = workspace.run("triage", experiment=experiment, key=f"u{user}")
            assert done.arm is not None
            told.append((done.id, float(mind.random() < RATES[experiment][done.arm])))
    for execution, score in told:
        workspace.feedback(execution, score=score, name="resolved")


def test_an_arm_that_helps_is_found_and_one_that_does_not_is_not(workspace: Workspace) -> None:
    with workspace:
        assert workspace.experiments.report("kindness").verdict == "undecided"
        use(workspace, "kindness", range(20))
        early = workspace.experiments.report("kindness")
        use(workspace, "kindness", range(20, 60))
        late = workspace.experiments.report("kindness")
        use(workspace, "nothing", range(8), calls=5)
        none = workspace.experiments.report("nothing")
        shown = workspace.dashboard().as_dict()["experiments"]
    assert (early.keys, late.keys, none.keys) == (20, 60, 8)
    assert (late.verdict, late.decision, late.voided) == ("better", ("promote", "kind"), ())
    assert [arm.version for arm in late.arms] == [1, 2]
    assert sum(arm.values for arm in late.arms) == 60
    assert [each["experiment"] for each in shown] == ["kindness", "nothing"]
    last, now = shown[0]["growth"][-1], late.best.difference
    assert now is not None
    assert (last["value"], last["low"], last["high"]) == (now.value, now.low, now.high)
    assert [point["values"] for point in shown[0]["growth"]] == sorted(point["values"] for point in shown[0]["growth"])
    # Forty calls, but of eight users.
    assert (none.calls, sum(arm.values for arm in none.arms), none.verdict) == (40, 8, "undecided")
    assert any("decided: `kind` may be promoted" in each for each in sentences(late))


def test_growth_judges_no_guards(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with workspace:
        use(workspace, "kindness", range(20))
        found = workspace.experiments.report("kindness")
        judged: list[str] = []

        def noted(kind: OutcomeKind, *given: Any) -> Measured:
            judged.append(kind)
            return compare(kind, *given)

        monkeypatch.setattr(report, "compare", noted)
        points = growth(workspace.context.log, found)
    assert len(points) > 1
    assert set(judged) == {"feedback"}


def test_a_correction_counts_and_a_label_that_was_moved_voids_it(workspace: Workspace) -> None:
    with workspace:
        done = workspace.run("triage", experiment="nothing", key="corrected")
        workspace.feedback(done.id, thumb="down", name="resolved", by="ada")
        before = [arm.primary.value for arm in workspace.experiments.report("nothing").arms if arm.arm == done.arm]
        workspace.feedback(done.id, thumb="up", name="resolved", by="ada")
        after = [arm.primary.value for arm in workspace.experiments.report("nothing").arms if arm.arm == done.arm]
        assert (before[0] or 0.0) < (after[0] or 0.0)
        workspace.labels.set("triage@kinder", "v1")
        for user in range(100, 108):
            workspace.run("triage", experiment="nothing", key=f"u{user}")
        void = workspace.experiments.report("nothing")
        workspace.labels.set("triage@kinder", "v2")
    assert void.verdict == "void"
    assert any("the arm `kind` was changed on the way: v2 from" in reason for reason in void.voided)
