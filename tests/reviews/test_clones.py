"""A review in the clones that CI makes: shallow, of one branch, of a merge, after a force-push."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from promptctl import context
from promptctl.errors import WORKSPACE, GitError, HistoryIncomplete, RevisionNotFound
from promptctl.reviews.request import ReviewRequest
from promptctl.workspace import open_workspace
from tests.cli.conftest import commit, git
from tests.reviews.conftest import Cli, Pull

PATH = "prompts/other.prompt.yaml"


@pytest.fixture
def pushed(pull: Pull) -> Pull:
    """The branch changed one prompt and is pushed; `main` has gone on and changed another."""
    pull.edit(PATH, "Something else", "Something rather different")
    pull.git("push", "--quiet", "origin", "feature")
    pull.git("checkout", "--quiet", "main")
    pull.edit("prompts/greet.prompt.yaml", "Hello", "Hello you")
    pull.git("push", "--quiet", "origin", "main")
    pull.git("checkout", "--quiet", "feature")
    return pull


def cloned(pull: Pull, *options: str, name: str = "clone") -> Pull:
    folder = pull.root.parent / name
    git(pull.root.parent, "clone", "--quiet", *options, f"file://{pull.bare}", str(folder))
    return Pull(folder, pull.bare, pull.server)


def changed(pull: Pull, base: str | None = None, head: str | None = None) -> list[str]:
    return [each["prompt"] for each in pull.data(base=base, head=head, is_evaluated=False)["prompts"]]


def test_what_the_default_branch_changed_meanwhile_is_not_reviewed(pushed: Pull) -> None:
    assert changed(pushed) == ["other"]
    assert changed(pushed, base="origin/main") == ["other"]


def test_the_merge_that_ci_checks_out_is_compared_with_what_it_merges_into(pushed: Pull) -> None:
    pushed.git("checkout", "--quiet", "--detach", "origin/main")
    pushed.git("merge", "--quiet", "--no-ff", "--no-edit", "feature")
    assert changed(pushed) == ["other"]
    assert changed(pushed, base="HEAD^1") == ["other"]


def test_what_is_being_merged_is_not_reviewed_either(pushed: Pull) -> None:
    pushed.git("merge", "--quiet", "--no-commit", "--no-ff", "origin/main")
    assert changed(pushed) == ["other"]
    with open_workspace(pushed.root, {}) as workspace:
        assert workspace.datasets.left_at("origin/main") == pushed.git("rev-parse", "origin/main").strip()


def test_a_shallow_clone_says_what_would_make_it_whole(pushed: Pull) -> None:
    clone = cloned(pushed, "--depth=1", "--branch=feature", "--no-single-branch")
    with pytest.raises(HistoryIncomplete) as error:
        clone.review()
    assert "shallow" in error.value.message
    assert error.value.hint == "git fetch --unshallow origin"
    git(clone.root, *error.value.hint.split()[1:])
    assert changed(clone) == ["other"]


def test_a_clone_of_one_branch_says_how_to_bring_the_default_one(pushed: Pull) -> None:
    clone = cloned(pushed, "--single-branch", "--branch=feature")
    git(clone.root, "update-ref", "-d", "refs/remotes/origin/HEAD")
    with pytest.raises(HistoryIncomplete) as error:
        clone.review()
    hint = (error.value.hint or "").split("   ")[0].replace("'", "")
    assert hint == "git fetch origin +refs/heads/main:refs/remotes/origin/main"
    git(clone.root, *hint.split()[1:])
    assert changed(clone) == ["other"]


def test_a_base_that_is_not_here_is_named_with_the_command_that_brings_it(pushed: Pull) -> None:
    base = git(pushed.bare, "rev-parse", "main")
    clone = cloned(pushed, "--depth=1", "--branch=feature")
    with pytest.raises(RevisionNotFound) as error:
        clone.review(base=base)
    assert error.value.hint == f"bring it here: git fetch --depth=1 origin {base}"
    for name in ("HEAD~1", "HEAD^", "@~1", base[:7]):
        with pytest.raises(RevisionNotFound) as error:
            clone.review(base=name)
        assert error.value.hint == "bring the history here: git fetch --unshallow origin"
    git(clone.root, "fetch", "--quiet", "--unshallow", "origin")
    assert clone.review(base="HEAD~1")


@pytest.mark.parametrize("name", ["HEAD~99", "HEAD:x", "x..y", ":/none"])
def test_no_command_brings_what_is_nowhere(pushed: Pull, name: str) -> None:
    with pytest.raises(RevisionNotFound) as error:
        pushed.review(base=name)
    assert error.value.hint == "the commits that are here: git log --oneline"


def test_a_shallow_clone_with_the_base_says_the_same_unless_it_is_asked_for_as_it_is(pushed: Pull, cli: Cli) -> None:
    base = git(pushed.bare, "rev-parse", "main")
    clone = cloned(pushed, "--depth=1", "--branch=feature", "--no-single-branch")
    for name in (base, "origin/main"):
        ran = cli("-C", str(clone.root), "review", name, "HEAD", "--no-eval")
        assert ran.exit_code == WORKSPACE
        assert f"does not reach to where HEAD left {name}" in ran.err
        assert "git fetch --unshallow origin   (or" in ran.err
    as_it_is = clone.data(base=base, is_evaluated=False, is_base_as_it_is=True)
    assert [each["prompt"] for each in as_it_is["prompts"]] == ["greet", "other"]
    ran = cli("-C", str(clone.root), "review", "origin/main", "HEAD", "--no-eval", "--base-as-is", "--json")
    assert (ran.exit_code, "--base-as-is" in ran.json["reproduce"]) == (0, True)
    git(clone.root, "fetch", "--quiet", "--unshallow", "origin")
    assert changed(clone, base="origin/main") == ["other"]


def test_a_shallow_clone_with_its_own_parent_has_nothing_to_say(pushed: Pull) -> None:
    base = git(pushed.bare, "rev-parse", "main~1")
    clone = cloned(pushed, "--depth=1", "--branch=feature")
    git(clone.root, "fetch", "--quiet", "--depth=1", "origin", base)
    data = clone.data(base=base, is_evaluated=False)
    assert [each["prompt"] for each in data["prompts"]] == ["other"]
    assert not any("compared as it is" in note for note in data["notes"])


def test_a_branch_that_is_new_has_no_commit_before(pushed: Pull) -> None:
    with pytest.raises(RevisionNotFound, match="the branch is new"):
        pushed.review(base="0" * 40)


def test_a_branch_that_was_forced_is_reviewed_as_it_is_now(pushed: Pull) -> None:
    clone = cloned(pushed, "--branch=feature")
    pushed.git("reset", "--quiet", "--hard", "main")
    pushed.edit("prompts/greet.prompt.yaml", "Hello you", "Hello there")
    pushed.git("push", "--quiet", "--force", "origin", "feature")
    git(clone.root, "fetch", "--quiet", "origin")
    assert changed(clone, head="origin/feature") == ["greet"]


def test_histories_that_share_nothing_are_compared_as_they_are(pull: Pull) -> None:
    pull.git("checkout", "--quiet", "--orphan", "island")
    pull.write(PATH, "messages: [{role: user, content: On an island}]\n")
    commit(pull.root, "Begin anew")
    data = pull.data(base="main", is_evaluated=False)
    assert [each["prompt"] for each in data["prompts"]] == ["other"]
    assert any("share no history" in note for note in data["notes"])


def test_a_commit_checked_out_by_itself_says_which_branch_is_missing(pushed: Pull) -> None:
    pushed.git("checkout", "--quiet", "--detach")
    pushed.git("branch", "--quiet", "-D", "main", "feature")
    for ref in pushed.git("for-each-ref", "--format=%(refname)", "refs/remotes").split():
        pushed.git("update-ref", "--no-deref", "-d", ref)
    with pytest.raises(HistoryIncomplete, match="does not have the branch main of origin") as raised:
        pushed.review()
    assert raised.value.hint is not None
    command = raised.value.hint.partition("   ")[0]
    pushed.git(*shlex.split(command)[1:])
    assert pushed.review(is_evaluated=False).tip.commit == pushed.git("rev-parse", "origin/main")
    pushed.git("update-ref", "-d", "refs/remotes/origin/main")
    pushed.git("remote", "remove", "origin")
    with pytest.raises(HistoryIncomplete, match="has no branch"):
        pushed.review()


@pytest.mark.parametrize("ref", ["refs/remotes/pull/7/merge", "refs/remotes/origin/pull/7/merge", "refs/heads/pr"])
def test_head_does_not_say_what_it_is_compared_with(pushed: Pull, cli: Cli, ref: str) -> None:
    folder = pushed.root.parent / "ci"
    git(pushed.root.parent, "init", "--quiet", str(folder))
    git(folder, "remote", "add", "origin", f"file://{pushed.bare}")
    name = ref.split("/", 2)[2] if "/remotes/" not in ref else ref.split("/", 3)[3]
    pushed.edit("promptctl.yaml", "log:", f"branch: {name}\nlabels: {{remote: {ref.split('/')[2]}}}\nlog:")
    pushed.git("push", "--quiet", "origin", "HEAD:refs/pull/7/merge")
    git(folder, "fetch", "--quiet", "--depth=1", "origin", f"+refs/pull/7/merge:{ref}")
    git(folder, "checkout", "--quiet", *(["pr"] if name == "pr" else ["--detach", ref]))
    for own in ("", "branch: main\n", f"branch: {name}\n"):
        (folder / "promptctl.yaml").write_text(own)
        ran = cli("-C", str(folder), "review", "--no-eval")
        assert (ran.exit_code, "promptctl review BASE HEAD" in ran.err) == (WORKSPACE, True), ran.err
    git(folder, "fetch", "--quiet", "--unshallow", "origin", "main")
    assert Pull(folder, pushed.bare, pushed.server).review(is_evaluated=False).tip.name == "origin/main"


def test_outside_git_there_is_nothing_to_compare(tmp_path: Path) -> None:

    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "promptctl.yaml").write_text("{}\n")
    with open_workspace(folder, {}) as workspace, pytest.raises(GitError, match="not in a Git repository"):
        workspace.review(ReviewRequest())


def test_what_changed_is_counted_and_compared_from_where_head_left_the_branch(
    pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
    for name in ("other", "greet"):
        pull.write(f"datasets/{name}.yaml", f"prompts: [{name}]\ncases: [{{id: a, inputs: {{}}, expected: Hello}}]\n")
    pull.commit("Test them")
    pull.git("branch", "--quiet", "--force", "main")
    left = pull.git("rev-parse", "HEAD").strip()
    pull.edit(PATH, "Something else", "Something rather different")
    pull.git("checkout", "--quiet", "main")
    pull.edit("prompts/greet.prompt.yaml", "Hello", "Hello you")
    pull.edit(PATH, "Something else", "Something that main made of it")
    pull.git("checkout", "--quiet", "feature")
    ran = cli("eval", "--changed-since", "main", "--against", "@main", "--json")
    (found,) = ran.json
    assert (found["head"]["prompt"], found["base"]["commit"]) == ("other", left)
    (found,) = cli("eval", "other", "--against", "@main", "--json").json
    assert found["base"]["commit"] == pull.git("rev-parse", "main").strip()


def test_a_clone_that_does_not_know_where_head_left_the_branch_warns_and_takes_its_tip(pushed: Pull, cli: Cli) -> None:
    clone = cloned(pushed, "--depth=1", "--branch=feature", "--no-single-branch")
    ran = cli("-C", str(clone.root), "eval", "--changed-since", "origin/main", "--dry-run")
    assert ran.err.count("does not reach to where HEAD left origin/main") == 1
    assert "git fetch --unshallow origin" in ran.err


@pytest.fixture
def edited(pushed: Pull) -> Pull:
    """The branch changed the prompt that a dataset tests, too, and is pushed."""
    pushed.edit("prompts/triage.prompt.yaml", "{{ ticket }}", "Ticket: {{ ticket }}")
    pushed.git("push", "--quiet", "origin", "feature")
    return pushed


def versions(pull: Pull, **request: Any) -> list[tuple[int | None, str]]:
    """The versions that a review compares."""
    ((compared,),) = (
        each.compared for each in pull.review("origin/main", "HEAD", **request).measurements if each.compared
    )
    return [(side.row.version, side.row.version_display or "") for side in (compared.base, compared.head)]


def test_a_version_has_one_name_in_a_review_and_in_an_evaluation(edited: Pull) -> None:
    with open_workspace(edited.root, edited.environ) as workspace:
        named = [workspace.prompt(ref).version for ref in ("triage@origin/main", "triage@HEAD")]
    assert versions(edited) == [(each.number, each.display) for each in named]
    assert [each.display.partition(" ")[0] for each in named] == ["v1", "v1+1"]
    clone = cloned(edited, "--depth=1", "--branch=feature", "--no-single-branch")
    assert versions(clone, is_base_as_it_is=True) == [(None, "v?"), (None, "v?")]


def test_no_long_branch_of_a_stranger_is_walked_for_a_number(edited: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_MOST_BEYOND", 0)
    assert [display.partition(" ")[0] for _, display in versions(edited)] == ["v1", "v?"]
