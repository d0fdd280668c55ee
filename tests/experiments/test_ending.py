"""Experiments with calls and scores: reported, promoted, stopped, stepped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptctl import Workspace, open_workspace
from promptctl.errors import ExperimentNotFound, LabelRefused, UsageError
from promptctl.experiments.drawing import arm_of
from promptctl.log.arm_calls import arm_key
from promptctl.log.feedback import Feedback
from promptctl.log.records import Drawn, Entry, Execution
from promptctl.log.stamps import new_id
from promptctl.reports.experiment import sentences
from tests.cli.conftest import commit, git, write
from tests.experiments.conftest import EXPERIMENT, HEAD

KEYS = 240
ENDS = "    ends: {when: decided, then: %s}\n"


def fill(workspace: Workspace, better: str, keys: int = KEYS, name: str = "tone") -> None:
    """Log a call of each key, scored: of `better` nine in ten are good, of the other arm one in three."""
    context = workspace.context
    experiment = replace(workspace.experiments.experiment("tone").experiment, name=name)
    at = {arm.name: context.fresh().prompt(f"triage{arm.ref}").version for arm in experiment.arms}
    entries, scores = [], []
    for number in range(keys):
        key = f"user-{number}"
        arm = arm_of(experiment, key)
        assert arm is not None
        version = at[arm.name]
        made = Execution(
            id=new_id(),
            call_id=new_id(),
            started_at=f"2026-01-{1 + number // 100:02}T00:00:00.000Z",
            source="api",
            prompt="triage",
            prompt_name="Triage",
            digest=version.digest,
            version=version.number,
            model="echo/echo",
            status="ok",
            cost_nano_usd=1000,
            latency_ms=5.0,
            **Drawn(name, arm.name, arm_key(name, key))._asdict(),
        )
        entries.append(Entry(made))
        scores.append(float(number % 10 != 0) if arm.name == better else float(number % 3 == 0))
    context.log.append(entries)
    for entry, score in zip(entries, scores, strict=True):
        made = entry.execution
        context.log.add_feedback(
            Feedback(id=new_id(), execution_id=made.id, call_id=made.call_id, name="resolved", score=score,
                     created_at="2026-02-01T00:00:00.000Z")
        )  # fmt: skip


@pytest.fixture(scope="module")
def better(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with calls that say that `kind` is better."""
    return filled(root, tmp_path_factory.mktemp("better") / "desk", "kind")


@pytest.fixture(scope="module")
def worse(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(root, tmp_path_factory.mktemp("worse") / "desk", "control")


def filled(root: Path, new: Path, arm: str) -> Path:
    shutil.copytree(root, new, ignore=shutil.ignore_patterns(".promptctl", "promptctl"))
    write(new, "promptctl.yaml", HEAD + EXPERIMENT)
    with open_workspace(new, {}) as workspace:
        fill(workspace, arm)
    return new


Desk = Callable[..., Workspace]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A copy of a repository with further lines in its settings, opened."""
    opened: list[Workspace] = []

    def open_copy(root: Path, more: str = "", experiment: str = EXPERIMENT, **options: Any) -> Workspace:
        new = tmp_path / f"desk{len(opened)}"
        shutil.copytree(root, new)
        write(new, "promptctl.yaml", HEAD + experiment + more)
        opened.append(open_workspace(new, {}, **options))
        return opened[-1]

    yield open_copy
    for each in opened:
        each.close()


def test_a_promotion_moves_the_label_with_the_report_as_evidence(better: Path, desk: Desk) -> None:
    workspace = desk(better, "labels: {production: {reason: required}, kinder: {}}\n")
    assert (workspace.experiments.report("tone").verdict, workspace.experiments.experiment("tone").calls) == (
        "better",
        KEYS,
    )
    ending = workspace.experiments.promote("tone")
    assert (ending.action, ending.arm, ending.verdict, ending.words) == (
        "promoted", "kind", "better", "triage@production names v2",
    )  # fmt: skip
    event = workspace.labels.log("triage@production").events[-1]
    assert event.evaluation.startswith("Experiment: tone kind better, compared with control: resolved +")
    assert (event.version, event.reason) == ("v2", "the experiment tone found kind better")
    assert workspace.labels.verify() == []
    found = workspace.experiments.experiment("tone")
    assert (found.state, found.reason) == ("promoted", "triage@production/2 moved to v2")
    [*_, last] = sentences(workspace.experiments.report("tone"))
    assert last == "promoted: triage@production/2 moved to v2; later calls do not count"
    before = workspace.experiments.report("tone")
    assert {workspace.run("triage", experiment="tone", key=f"k{n}").reply for n in range(8)} == {"kind none"}
    after = workspace.experiments.report("tone")
    assert (after.calls, after.verdict) == (before.calls, "better")
    again = workspace.experiments.promote("tone")
    assert (again.action, again.words) == ("none", "triage@production names v2 already")
    workspace.experiments.stop("tone", "promoted")
    found = workspace.experiments.experiment("tone")
    assert (found.state, found.reason) == ("stopped", "promoted; triage@production/2 moved to v2")
    assert found.as_dict()["stopped"] == "promoted"


def test_a_promotion_that_the_report_does_not_support_is_refused(root: Path, worse: Path, desk: Desk) -> None:
    workspace = desk(worse)
    with pytest.raises(LabelRefused, match="the report says `worse` of kind") as raised:
        workspace.experiments.promote("tone")
    assert "--force --reason" in (raised.value.hint or "")
    with pytest.raises(UsageError, match="a reason is needed"):
        workspace.experiments.promote("tone", is_forced=True)
    ending = workspace.experiments.promote("tone", "kind", reason="The law asks for it", is_forced=True)
    assert ending.event is not None
    assert ending.event.evaluation.startswith("Experiment: tone forced, kind worse")
    assert ending.event.reason == "The law asks for it"
    with pytest.raises(LabelRefused, match="the report says `undecided` of kind"):
        desk(root).experiments.promote("tone")


def test_a_promotion_of_what_is_none(better: Path, desk: Desk) -> None:
    workspace = desk(better)
    with pytest.raises(ExperimentNotFound, match="has no arm `knd`") as raised:
        workspace.experiments.promote("tone", "knd")
    assert raised.value.hint == "did you mean `kind`?"
    with pytest.raises(UsageError, match="`control` is what @production names already"):
        workspace.experiments.promote("tone", "control")
    with pytest.raises(ExperimentNotFound, match="no experiment `tune`"):
        workspace.experiments.promote("tune")
    workspace = desk(better, experiment=EXPERIMENT.replace("@production", "@v1"))
    with pytest.raises(UsageError, match="control is @v1, which is no label"):
        workspace.experiments.promote("tone")
    workspace = desk(better)
    workspace.labels.set("triage@kinder", "v1")
    with pytest.raises(LabelRefused, match="@kinder does not name the version any more that the report is of"):
        workspace.experiments.promote("tone")


def test_the_rules_of_a_label_hold_for_a_promotion(better: Path, desk: Desk) -> None:
    workspace = desk(better, "labels: {production: {evaluation: passed}, kinder: {}}\n")
    commit(workspace.root, "Ask for an evaluation")
    with pytest.raises(LabelRefused, match="production needs a passing evaluation of v2"):
        workspace.experiments.promote("tone")
    [ending] = workspace_step(workspace, "promote")
    assert (ending.action, ending.verdict) == ("refused", "better")
    assert "needs a passing evaluation" in ending.words


def workspace_step(workspace: Workspace, then: str) -> list[Any]:
    file = workspace.root / "promptctl.yaml"
    text = file.read_text()
    lines = text.splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if line.startswith("    primary")) + 1
    file.write_text("".join([*lines[:at], ENDS % then, *lines[at:]]))
    return list(workspace.experiments.step())


def test_a_step_promotes_once(better: Path, desk: Desk) -> None:
    workspace = desk(better, ENDS % "promote")
    [ending] = workspace.experiments.step()
    assert (ending.action, ending.arm) == ("promoted", "kind")
    [ending] = workspace.experiments.step(["tone"])
    assert (ending.action, ending.words) == ("none", "v2 was promoted already")
    workspace.labels.rollback("triage@production")
    [ending] = workspace.experiments.step()
    assert ending.action == "none", "a person's rollback stands"
    found = workspace.experiments.experiment("tone")
    assert (found.state, found.is_rolled_back, found.reason) == (
        "running",
        True,
        "triage@production/2 moved to v2, and names something else since; calls from then on do not count",
    )
    calls = workspace.experiments.report("tone").calls
    assert {workspace.run("triage", experiment="tone", key=f"k{n}").reply for n in range(8)} == {
        "kind none",
        "plain none",
    }
    assert workspace.experiments.report("tone").calls == calls


def test_one_experiment_that_fails_stops_no_other(better: Path, desk: Desk) -> None:
    bad = EXPERIMENT.partition("\n")[2].replace("tone", "bad").replace("@production", "@v1") + ENDS % "promote"
    lost = bad.replace("bad", "lost").replace("@v1", "@production").replace("triage", "nothing")
    text = "experiments:\n" + bad + lost + EXPERIMENT.partition("\n")[2]
    workspace = desk(better, ENDS % "promote", text)
    for name in ("bad", "lost"):
        fill(workspace, "kind", name=name)
    endings = {each.experiment: each for each in workspace.experiments.step()}
    assert {name: each.action for name, each in endings.items()} == {
        "bad": "refused", "lost": "refused", "tone": "promoted",
    }  # fmt: skip
    assert isinstance(endings["bad"].error, UsageError)
    assert "no label that could be moved" in endings["bad"].words
    assert endings["bad"].error.hint == "write the ref of the better arm for control in promptctl.yaml"


@pytest.mark.parametrize("label", ["production", "kinder"])
def test_nothing_is_promoted_once_an_arm_names_another_version(better: Path, desk: Desk, label: str) -> None:
    """The evidence is of the versions that were compared, and a hotfix is none of them."""
    workspace = desk(better, ENDS % "promote")
    commit(workspace.root, "hotfix")
    before = workspace.labels.all().states["triage", label].version
    workspace.labels.set(f"triage@{label}", "v3")
    found = workspace.experiments.report("tone")
    [reason] = found.voided
    assert f"@{label} does not name the version any more that the report is of: v3 (" in reason
    assert f") now, {before} before; " in reason
    [ending] = workspace.experiments.step()
    assert (ending.action, ending.verdict, ending.words) == ("refused", "void", reason)
    with pytest.raises(LabelRefused, match="the report is void"):
        workspace.experiments.promote("tone")
    assert workspace.labels.log("triage@production").events[-1].evaluation == ""
    workspace.labels.rollback(f"triage@{label}")
    assert [each.action for each in workspace.experiments.step()] == ["promoted"]


def test_a_report_is_void_if_an_arm_names_nothing_any_more(better: Path, desk: Desk) -> None:
    workspace = desk(better, ENDS % "promote")
    workspace.labels.remove("triage@kinder")
    [reason] = workspace.experiments.report("tone").voided
    assert "the arm `kind` names no version now: " in reason
    assert [each.action for each in workspace.experiments.step()] == ["refused"]


def test_the_report_of_a_stopped_experiment_stays_and_moves_no_other_version(better: Path, desk: Desk) -> None:
    workspace = desk(better, "    stopped: we know\n")
    commit(workspace.root, "hotfix")
    workspace.labels.set("triage@production", "v3")
    found = workspace.experiments.report("tone")
    assert (found.verdict, found.voided) == ("better", ())
    assert "@production does not name the version any more" in found.notes[-1]
    with pytest.raises(LabelRefused, match="@production does not name the version any more"):
        workspace.experiments.promote("tone")


def test_a_stale_clone_promotes_over_nothing_that_others_did(better: Path, desk: Desk, tmp_path: Path) -> None:
    more = "labels: {remote: origin, production: {}, kinder: {}}\n"
    workspace = desk(better, ENDS % "promote" + more)
    commit(workspace.root, "hotfix")
    git(workspace.root, "init", "--quiet", "--bare", str(tmp_path / "origin"))
    git(workspace.root, "remote", "add", "origin", str(tmp_path / "origin"))
    git(workspace.root, "push", "--quiet", "--tags", "origin", "HEAD")
    workspace.labels.fetch()
    other = desk(workspace.root, ENDS % "promote" + more)
    other.labels.set("triage@production", "v3")
    assert workspace.experiments.report("tone").voided == ()
    [ending] = workspace.experiments.step()
    assert (ending.action, "now, v1 before" in ending.words) == ("refused", True)
    other.labels.rollback("triage@production")
    assert [each.action for each in other.experiments.step()] == ["promoted"]
    other.labels.rollback("triage@production")
    [ending] = workspace.experiments.step()
    assert (ending.action, ending.words) == ("none", "v2 was promoted already")
    assert workspace.labels.all().states["triage", "production"].version == "v1"


def test_a_promotion_is_of_the_experiment_of_that_name_alone(better: Path, desk: Desk) -> None:
    other = EXPERIMENT.partition("\n")[2].replace("tone:", "tone-b:").replace("resolved", "kind")
    workspace = desk(better, other)
    promoted = workspace.experiments.promote("tone-b", "kind", reason="The law asks for it", is_forced=True)
    assert promoted.action == "promoted"
    assert [each.promotion is None for each in workspace.experiments.all()] == [True, False]


@pytest.mark.parametrize(("arm", "then"), [("kind", "control"), ("control", "promote")])
def test_a_step_stops_once(better: Path, worse: Path, desk: Desk, arm: str, then: str) -> None:
    workspace = desk(better if arm == "kind" else worse, "# the end\n" + ENDS % then)
    [ending] = workspace.experiments.step()
    assert ending.action == "stopped"
    text = (workspace.root / "promptctl.yaml").read_text()
    assert '    stopped: "kind ' in text
    assert text.endswith("# the end\n" + ENDS % then)
    assert [each.action for each in workspace.experiments.step()] == ["none"]
    assert workspace.run("triage", experiment="tone").reply == "plain none"
    assert workspace.experiments.experiment("tone").state == "stopped"


def test_a_step_does_nothing_before_it_is_decided(root: Path, desk: Desk) -> None:
    for more, words in (("", "it has no `ends`: a person decides"), (ENDS % "promote", "it is not decided")):
        [ending] = desk(root, more).experiments.step()
        assert (ending.action, ending.words) == ("none", words)


def test_a_report_that_is_void_is_refused(better: Path, desk: Desk) -> None:
    shares = EXPERIMENT.replace("share: 50}, k", "share: 10}, k").replace("share: 50}}", "share: 90}}")
    workspace = desk(better, ENDS % "promote", shares)
    [ending] = workspace.experiments.step()
    assert (ending.action, ending.verdict) == ("refused", "void")
    assert "keys are not split 10:90" in ending.words
    with pytest.raises(LabelRefused, match="the report is void: keys are not split"):
        workspace.experiments.promote("tone")


def test_stopping(root: Path, desk: Desk) -> None:
    workspace = desk(root)
    with pytest.raises(UsageError, match="a reason is needed"):
        workspace.experiments.stop("tone", " \n")
    with pytest.raises(UsageError, match="secret"):
        workspace.experiments.stop("tone", "it costs sk-proj-" + "aB3dE5gH7jK9" * 4)
    for reason in ("x", ""):
        with pytest.raises(ExperimentNotFound):
            workspace.experiments.stop("tune", reason)
    assert workspace.experiments.stop("tone", "too\nlong").words == "too long"
    assert workspace.experiments.stop("tone", "again").words == "it is stopped already: too long"
    assert workspace.experiments.experiment("tone").as_dict()["reason"] == "too long"


def test_the_status_counts_calls_that_fell_back(root: Path, desk: Desk) -> None:
    workspace = desk(root, experiment=EXPERIMENT.replace("@kinder", "@kindr"), on_warning=lambda _: None)
    for number in range(6):
        workspace.run("triage", experiment="tone", key=f"k{number % 3}")
    found = workspace.experiments.experiment("tone")
    assert (found.state, found.reason) == ("broken", found.arms[1].problem)
    assert found.calls + found.fell_back >= 6
    assert (found.arms[1].calls, found.arms[0].calls == 2 * found.arms[0].keys) == (0, True)
