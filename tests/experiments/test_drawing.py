from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from promptctl import Execution, Workspace, open_workspace
from promptctl.errors import (
    BudgetReached,
    ExperimentKeyMissing,
    ExperimentNotFound,
    InputError,
    RevisionNotFound,
    UsageError,
)
from promptctl.experiments.drawing import bucket
from promptctl.log.arm_calls import arm_key
from promptctl.log.filter import Filter
from tests.cli.conftest import commit, write
from tests.experiments.conftest import EXPERIMENT, HEAD, PROMPT, Setting

PLAIN, KIND = "u2", "u1"  # bucket by bucket: control has 0 to 4999, kind 5000 to 9999


def drawn(execution: Execution) -> tuple[str | None, ...]:
    return execution.experiment, execution.arm, execution.arm_key


def run(workspace: Workspace, ref: str = "triage", **options: Any) -> Execution:
    return workspace.run(ref, experiment="tone", **options)


def test_the_keys_of_these_tests() -> None:
    assert bucket("tone", PLAIN) < 5000 <= bucket("tone", KIND)


def test_each_kind_of_call_gets_the_arm_of_its_key(workspace: Workspace) -> None:
    async def both(key: str) -> tuple[Execution, Execution]:
        *_, last = [each async for each in workspace.astream("triage", experiment="tone", key=key)]
        assert isinstance(last, Execution)
        return await workspace.arun("triage", experiment="tone", key=key), last

    for key, arm, words, label in (
        (PLAIN, "control", "plain none", "production"),
        (KIND, "kind", "kind none", "kinder"),
    ):
        first, *_, last = workspace.stream("triage", experiment="tone", key=key)
        assert isinstance(first, dict)
        assert isinstance(last, Execution)
        for each in (run(workspace, key=key), *asyncio.run(both(key)), last):
            assert drawn(each) == ("tone", arm, arm_key("tone", key))
            assert (each.reply, each.label, each.status) == (words, label, "ok")
        assert list(first)[-2:] == ["experiment", "arm"]
        assert (first["experiment"], first["arm"]) == ("tone", arm)
        assert first == last.metadata
        kept = workspace.log.execution(last.id)
        assert drawn(kept) == drawn(last)
        assert kept.metadata == last.metadata


def test_the_key_is_the_user_or_the_session_unless_one_is_given(workspace: Workspace, settings: Setting) -> None:
    assert run(workspace, user=KIND).arm_key == arm_key("tone", KIND)
    assert run(workspace, user=KIND, key=PLAIN).arm_key == arm_key("tone", PLAIN)
    assert run(workspace, key=17).arm_key == arm_key("tone", "17")
    settings(HEAD + EXPERIMENT + "    key: session\n")
    assert run(workspace, user=KIND, session=PLAIN).arm_key == arm_key("tone", PLAIN)
    settings(HEAD + EXPERIMENT + "    key: call\n")
    keys = {run(workspace, user=KIND).arm_key for _ in range(3)}
    assert len(keys) == 3
    assert run(workspace, key="m1").arm_key == arm_key("tone", "m1")


def test_the_key_itself_is_nowhere_in_the_log(workspace: Workspace) -> None:
    key = "ada-lovelace-1815"
    assert run(workspace, key=key).arm_key == arm_key("tone", key)
    files = [each for each in workspace.context.state_folder.rglob("*") if each.is_file()]
    assert not any(key.encode() in each.read_bytes() for each in files)


def test_without_a_key_a_call_is_refused_or_gets_control_uncompared(workspace: Workspace, settings: Setting) -> None:
    for options in ({}, {"user": ""}, {"session": KIND}, {"key": ""}):
        with pytest.raises(ExperimentKeyMissing, match="`tone` needs a key") as raised:
            run(workspace, **options)
        assert (raised.value.exit_code, "key_missing: control" in (raised.value.hint or "")) == (2, True)
    settings(HEAD + EXPERIMENT + "    key_missing: control\n")
    found = run(workspace)
    assert (found.reply, *drawn(found)) == ("plain none", "tone", None, None)
    assert found.metadata["arm"] is None


def test_a_call_without_an_experiment_has_no_arm(workspace: Workspace) -> None:
    found = workspace.run("triage@production")
    assert drawn(found) == (None, None, None)
    assert "experiment" not in found.metadata


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"experiment": "tune"}, "no experiment `tune`", "did you mean `tone`?"),
        ({"experiment": ""}, "no experiment ``", "promptctl experiment list"),
    ],
)
def test_an_unknown_experiment(workspace: Workspace, options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ExperimentNotFound, match=message) as raised:
        workspace.run("triage", key="a", **options)
    assert (raised.value.hint, raised.value.exit_code) == (hint, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "a"}, "the call names none"),
        ({"experiment": 5, "key": "a"}, "`experiment` is a text"),
        ({"experiment": "tone", "key": 1.5}, "`key` is a text or a whole number"),
        ({"experiment": "tone", "key": True}, "`key` is a text or a whole number"),
        ({"experiment": "tone", "kee": "a"}, "no option `kee`"),
    ],
)
def test_options_that_make_no_sense(workspace: Workspace, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        workspace.run("triage", **options)


def test_the_ref_beside_an_experiment(workspace: Workspace, settings: Setting) -> None:
    assert run(workspace, "triage@production", key=KIND).arm == "kind"
    with pytest.raises(UsageError, match="names the version @v1, and the arms of the experiment `tone`"):
        run(workspace, "triage@v1", key=KIND)
    with pytest.raises(UsageError, match="is of triage, not of triag"):
        run(workspace, "triag", key=KIND)
    settings(HEAD + EXPERIMENT + "    only: {label: production}\n")
    assert run(workspace, key=KIND).arm == "kind"
    found = run(workspace, "triage@kinder")
    assert (found.reply, *drawn(found)) == ("kind none", None, None, None)


def test_only_calls_with_the_metadata_take_part(workspace: Workspace, settings: Setting) -> None:
    settings(HEAD + EXPERIMENT + "    only: {metadata: {plan: [pro, team], beta: true, n: 3}}\n")
    assert run(workspace, key=KIND, metadata={"plan": "pro", "beta": True, "n": "3"}).arm == "kind"
    for metadata in ({}, {"plan": "free", "beta": True, "n": 3}, {"plan": "pro", "beta": False, "n": 3}):
        found = run(workspace, metadata=metadata)
        assert (found.reply, *drawn(found)) == ("plain none", None, None, None)


def test_keys_outside_the_shares_take_no_part(workspace: Workspace, settings: Setting) -> None:
    settings(HEAD + EXPERIMENT.replace("share: 50}}", "share: 0.01}}").replace("share: 50", "share: 1"))
    found = run(workspace, key=KIND)
    assert (found.reply, *drawn(found)) == ("plain none", None, None, None)


def test_a_running_process_sees_that_the_experiment_was_stopped(workspace: Workspace, settings: Setting) -> None:
    assert run(workspace, key=KIND).arm == "kind"
    settings(HEAD + EXPERIMENT + "    stopped: The kind one is too long\n")
    found = run(workspace)
    assert (found.reply, *drawn(found)) == ("plain none", None, None, None)


def test_a_file_that_is_wrong_now_changes_nothing_and_is_reported_once(
    workspace: Workspace, settings: Setting, said: list[str]
) -> None:
    assert run(workspace, key=KIND).arm == "kind"
    settings("experimnets: {}\n")
    assert [run(workspace, key=KIND).arm for _ in range(2)] == ["kind", "kind"]
    assert [words.partition(":")[0] for words in said] == [
        "budgets, prices, experiments and log rules hold as before promptctl.yaml was changed"
    ]


def test_an_arm_that_cannot_be_resolved_is_replaced_by_control_and_not_compared(
    workspace: Workspace, settings: Setting, said: list[str]
) -> None:
    settings(HEAD + EXPERIMENT.replace("@kinder", "@kindest"))
    found = run(workspace, key=KIND)
    assert drawn(run(workspace, key=KIND)) == drawn(found)
    assert (found.reply, *drawn(found)) == ("plain none", "tone", None, arm_key("tone", KIND))
    assert run(workspace, key=PLAIN).arm == "control"
    [words] = said
    assert words.startswith("the arm `kind` of the experiment `tone` was replaced by control: ")
    settings(HEAD + EXPERIMENT.replace("@production", "@productoin"))
    with pytest.raises(RevisionNotFound):
        run(workspace, key=PLAIN)


def test_a_refused_call_has_its_arm(workspace: Workspace) -> None:
    with pytest.raises(InputError) as raised:
        workspace.run("triage", {"tickt": "x"}, experiment="tone", key=KIND)
    assert raised.value.execution is not None
    assert drawn(raised.value.execution) == ("tone", "kind", arm_key("tone", KIND))


def test_each_fallback_has_the_arm(workspace: Workspace) -> None:
    found = run(workspace, key=KIND, model="replay/echo/none", fallbacks=["echo/echo"])
    assert (found.reply, found.arm) == ("kind none", "kind")
    last, failed = workspace.log.executions(Filter(limit=2))
    assert (drawn(failed), failed.status, last.status) == (drawn(last), "error", "ok")


def test_the_log_is_asked_by_experiment_and_arm(root: Path, workspace: Workspace, settings: Setting) -> None:
    with pytest.raises(ExperimentNotFound, match="no experiment `tonn` in") as near:
        list(workspace.log.executions(Filter(experiment="tonn")))
    assert near.value.hint == "did you mean `tone`?"
    with pytest.raises(ExperimentNotFound, match="`tone` has no arm `knd`") as near:
        workspace.log.totals(Filter(experiment="tone", arm="knd"))
    assert near.value.hint == "did you mean `kind`?"
    asked = [run(workspace, key=key).id for key in (KIND, PLAIN)]
    settings(HEAD)  # what the log has is known still
    with open_workspace(root, {}) as later:
        for arm, id_ in zip(("kind", "control"), asked, strict=True):
            assert next(later.log.executions(Filter(experiment="tone", arm=arm))).id == id_
        by_arm = {row.group["arm"]: row.calls for row in later.log.totals(Filter(experiment="tone"), ("arm",))}
        assert by_arm["kind"] == later.log.totals(Filter(arm="kind"), ())[0].calls
        with pytest.raises(ExperimentNotFound, match="no experiment has an arm `contrl`"):
            list(later.log.executions(Filter(arm="contrl")))


def test_a_dry_run_is_of_the_arm(workspace: Workspace) -> None:
    found = workspace.dry_run("triage", experiment="tone", key=KIND)
    assert (found.prompt, found.version_display is not None) == ("triage", True)
    assert found.version_display == run(workspace, key=KIND).version_display
    assert (found.as_dict()["experiment"], found.as_dict()["arm"]) == ("tone", "kind")
    assert workspace.dry_run("triage").as_dict()["arm"] is None
    with pytest.raises(ExperimentKeyMissing):
        workspace.dry_run("triage", experiment="tone")


def test_a_budget_of_a_label_holds_for_the_arm_that_has_it(root: Path, settings: Setting) -> None:
    settings(HEAD + EXPERIMENT + "budgets: [{name: kinder, labels: [kinder], limit: {calls: 0}}]\n")
    with open_workspace(root, {}) as workspace:
        assert run(workspace, key=PLAIN).status == "ok"
        with pytest.raises(BudgetReached) as raised:
            run(workspace, key=KIND)
        assert raised.value.execution is not None
        assert (raised.value.execution.arm, raised.value.execution.status) == ("kind", "blocked")


def test_a_snapshot_draws_the_same(workspace: Workspace, tmp_path: Path) -> None:
    commit(workspace.root, "The experiment")
    workspace.snapshots.write(file := tmp_path / "a.json", labels=["production", "kinder"])
    found = run(workspace, key=KIND)
    with open_workspace(snapshot=file, environ={"PROMPTCTL_STATE": str(tmp_path / "state")}) as other:
        assert drawn(run(other, key=KIND)) == drawn(found)
        assert run(other, key=PLAIN).arm == "control"


def test_a_log_rule_that_blinds_an_experiment_is_reported(
    workspace: Workspace, settings: Setting, said: list[str], root: Path
) -> None:
    run(workspace, key=KIND, log="off")
    [words] = said
    assert words.startswith("calls of the experiment `tone` leave no row in the log, so it learns nothing of them: ")
    settings(HEAD.replace("content: full", "active: false") + EXPERIMENT)
    with open_workspace(root, {}, on_warning=said.append) as other:
        assert other.run("triage", experiment="tone", key=KIND).arm == "kind"
    assert len(said) == 2


def test_a_prompt_that_was_renamed_is_the_same(root: Path, settings: Setting, tmp_path: Path) -> None:
    new = tmp_path / "desk"
    shutil.copytree(root, new, ignore=shutil.ignore_patterns(".promptctl"))
    write(new, "prompts/other.prompt.yaml", "messages: [{role: user, content: hi}]\n")
    (new / "prompts/triage.prompt.yaml").rename(new / "prompts/sorting.prompt.yaml")
    write(new, "prompts/sorting.prompt.yaml", "formerly: [triage]\n" + PROMPT % "kind {{ ticket }}")
    commit(new, "renamed")
    with open_workspace(new, {}) as workspace:
        assert [run(workspace, "sorting", key=key).arm for key in (PLAIN, KIND)] == ["control", "kind"]
        with pytest.raises(UsageError, match="`tone` is of triage, not of other"):
            run(workspace, "other", key=KIND)


@pytest.mark.parametrize("is_labelled_since", [False, True])
def test_a_prompt_that_was_renamed_keeps_its_experiment_everywhere(
    root: Path, settings: Setting, tmp_path: Path, is_labelled_since: bool
) -> None:
    new = tmp_path / "desk"
    shutil.copytree(root, new, ignore=shutil.ignore_patterns(".promptctl"))
    (new / "prompts/triage.prompt.yaml").rename(new / "prompts/sorting.prompt.yaml")
    write(new, "prompts/sorting.prompt.yaml", "formerly: [triage]\n" + PROMPT % "kind {{ ticket }}")
    commit(new, "renamed")
    with open_workspace(new, {}) as workspace:
        if is_labelled_since:
            workspace.labels.remove("sorting@kinder")
            workspace.labels.set("sorting@kinder", "v2")
        assert workspace.validate().problems == ()
        [found] = workspace.experiments.all()
        assert (found.state, found.as_dict()["prompt"]) == ("running", "sorting")
        workspace.snapshots.write(tmp_path / "new.snapshot.json", ["production"])
        with open_workspace(snapshot=tmp_path / "new.snapshot.json", environ={}) as other:
            assert [run(other, "sorting", key=key).arm for key in (PLAIN, KIND)] == ["control", "kind"]
            assert other.experiments.experiment("tone").state == "running"
            assert [each.formerly for each in other.context.snapshot.entries] == [("triage",)] * 2  # type: ignore[attr-defined]
        assert workspace.snapshots.verify(tmp_path / "new.snapshot.json") == []
        moved = workspace.experiments.promote("tone", reason="x", is_forced=True)
        assert (moved.action, moved.words) == ("promoted", "sorting@production names v2")


@pytest.mark.parametrize("name", ["experiment", "key"])
def test_plain_calls_take_part_in_no_experiment(workspace: Workspace, name: str) -> None:
    options: dict[str, Any] = {name: "tone"}
    with pytest.raises(UsageError, match="takes part in no experiment"):
        workspace.call([{"role": "user", "content": "hi"}], **options)


@pytest.mark.parametrize(
    ("seed", "key", "number"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 0.124),
        ("90850943850283058242805", "123", 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 0.0128),
    ],
)
def test_growthbooks_vectors(seed: str, key: str, number: float) -> None:
    assert bucket(seed, key) / 10_000 == number


def test_letters_are_hashed_by_utf_16_units() -> None:
    units = [bucket("s", text) for text in ("é", "日本", "😀", "\ud800")]
    assert units == [8605, 984, 2801, 4255]


def test_keys_are_spread_evenly() -> None:
    counts = [0] * 10
    for number in range(20_000):
        counts[bucket("tone", f"user-{number}") // 1000] += 1
    assert sum((count - 2_000) ** 2 / 2_000 for count in counts) < 27.9  # chi-square, 9 degrees, p = 0.001


def test_the_hash_of_a_key_is_of_the_experiment_alone() -> None:
    assert arm_key("tone", "ada") == "ebde536ebd29d266455852ffd88a5fcf"
    assert arm_key("tone", "ada") != arm_key("tune", "ada")
