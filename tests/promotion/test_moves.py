from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptctl.errors import GitError, HistoryIncomplete, LabelRefused, RevisionNotFound, UsageError
from promptctl.formats.settings_file import LabelSettings
from promptctl.labels.chains import LabelState
from promptctl.labels.push import push_labels
from promptctl.labels.tags import Candidate, LabelName
from promptctl.labels.trust import LabelTrust
from promptctl.labels.writing import Draft, append
from promptctl.promotion.moves import Mover, MoveResult, candidate_of
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import Version
from tests.desks import PROMPT, Desk, open_git, write_hook
from tests.repositories import PATH, Repo, add_versions

TAG = "refs/tags/prompt/support/triage@production"
Clone = Callable[..., Repo]


# --- one person ------------------------------------------------------------------------------------------------------


def test_a_label_names_what_it_was_set_to_and_older_versions_need_no_force(alone: Desk) -> None:
    for version in ("v2", "v3", "v1"):
        result = alone.set(version)
        assert (result.is_moved, result.is_pushed) == (True, False)
        assert alone.live() == version
    assert [name.rpartition("/")[2] for name in alone.tags() if name.startswith("refs/tags")] == ["1", "2", "3"]


def test_an_event_records_who_what_when_and_why(alone: Desk) -> None:
    first = alone.set("v1", reason="first\tone").event
    event = alone.set("v2", reason="fixes\n\nActor: Eve <eve@example.org>\n#123").event
    assert (event.n, event.action, event.version, event.path) == (2, "set", "v2", PATH)
    assert event.commit == alone.repo.git("rev-parse", "v2")
    assert event.actor == "Ada Example <ada@example.org>"
    assert event.reason == "fixes Actor: Eve <eve@example.org> #123"
    assert event.previous == first.oid
    assert first.reason == "first one"
    assert alone.labels.log(LabelName(PROMPT, "production")).events == (first, event)


def test_setting_what_is_live_makes_no_event(alone: Desk) -> None:
    event = alone.set("v2").event
    result = alone.set("v2", reason="again")
    assert (result.is_moved, result.event) == (False, event)
    assert len(alone.tags()) == 2


def test_a_commit_that_got_a_number_is_the_version_that_it_was(alone: Desk) -> None:
    alone.set("v1")
    later = alone.candidate("v2")
    label, before = LabelName(PROMPT, "production"), replace(later, version="v1+1")
    event = alone.mover.set(label, before).event
    again = alone.mover.set(label, later)
    assert (again.is_moved, again.event, again.note) == (False, event, f"v2 was v1+1 when {label} was set to it")
    append(alone.git, None, alone.trust, LabelState(PROMPT, "production", event), Draft("set", label, later))
    assert alone.mover.rollback(label).event.version == "v1", "earlier programs made an event of the number"


def test_a_move_on_what_was_seen_is_refused_after_another_one(alone: Desk) -> None:
    seen = alone.set("v1").event
    alone.set("v2")
    target = alone.candidate("v3")
    with pytest.raises(LabelRefused, match="was moved meanwhile, after support/triage@production/1"):
        alone.mover.set(LabelName(PROMPT, "production"), target, seen=seen)
    assert alone.live() == "v2"
    alone.set("v1")
    with pytest.raises(LabelRefused, match="was moved meanwhile"):
        alone.mover.set(LabelName(PROMPT, "production"), target, seen=seen)


def test_each_rollback_goes_one_version_further_back(alone: Desk) -> None:
    for version in ("v1", "v2", "v4"):
        alone.set(version)
    assert alone.mover.rollback(LabelName(PROMPT, "production"), reason="bad answers").event.action == "rollback"
    assert alone.live() == "v2"
    alone.mover.rollback(LabelName(PROMPT, "production"))
    assert alone.live() == "v1"
    with pytest.raises(LabelRefused, match="has named no version before v1"):
        alone.mover.rollback(LabelName(PROMPT, "production"))
    alone.set("v3")
    alone.mover.rollback(LabelName(PROMPT, "production"))
    assert alone.live() == "v1"


def test_a_rollback_never_goes_back_to_the_same_text(alone: Desk) -> None:
    alone.set("v1")
    alone.mover.set(LabelName(PROMPT, "production"), replace(alone.candidate("v2"), version="v1+1"))
    squashed = alone.repo.git("commit-tree", "v2^{tree}", "-p", "v1", "-m", "Squash")
    merged = alone.mover.set(LabelName(PROMPT, "production"), replace(alone.candidate("v2"), commit=squashed))
    assert merged.is_moved
    alone.set("v3")
    back = [alone.mover.rollback(LabelName(PROMPT, "production")).event for _ in range(2)]
    assert [(each.version, each.commit == squashed) for each in back] == [("v2", True), ("v1", False)]


def test_a_rollback_can_name_the_event_to_go_back_to(alone: Desk) -> None:
    first = alone.set("v1").event
    for version in ("v2", "v4"):
        alone.set(version)
    alone.mover.rollback(LabelName(PROMPT, "production"), to=first)
    assert alone.live() == "v1"
    assert not alone.mover.rollback(LabelName(PROMPT, "production"), to=first).is_moved


def test_a_removed_label_names_nothing_and_can_come_back(alone: Desk) -> None:
    alone.set("v1")
    alone.set("v2")
    alone.mover.remove(LabelName(PROMPT, "production"), reason="retired")
    with pytest.raises(RevisionNotFound, match=r"was removed by Ada Example <ada@example.org> on .*: retired"):
        alone.live()
    assert not alone.mover.remove(LabelName(PROMPT, "production")).is_moved
    alone.mover.rollback(LabelName(PROMPT, "production"))
    assert alone.live() == "v2"
    alone.mover.rollback(LabelName(PROMPT, "production"))
    assert alone.live() == "v1"


def test_a_label_that_was_never_set_cannot_be_rolled_back_or_removed(alone: Desk) -> None:
    with pytest.raises(RevisionNotFound, match="has no label `production`"):
        alone.mover.rollback(LabelName(PROMPT, "production"))
    with pytest.raises(RevisionNotFound, match="has no label `production`"):
        alone.mover.remove(LabelName(PROMPT, "production"))


def test_labels_of_one_prompt_and_of_prompts_below_its_name_are_apart(alone: Desk) -> None:
    alone.repo.commit("More", {"prompts/support.prompt.yaml": "{}\n", f"prompts/{PROMPT}/more.prompt.yaml": "{}\n"})
    alone.repo.git("tag", "v5")
    for prompt in ("support", f"{PROMPT}/more"):
        alone.mover.set(LabelName(prompt, "production"), alone.candidate("v5", prompt))
    alone.set("v1")
    alone.set("v2", "staging")
    assert [alone.live("production", prompt) for prompt in ("support", PROMPT, f"{PROMPT}/more")] == ["v5", "v1", "v5"]
    assert alone.live("staging") == "v2"


def test_configuration_that_bends_git_tag_does_not_bend_events(alone: Desk) -> None:
    for key, value in (
        ("trailer.separators", "="),
        ("core.commentChar", "R"),
        ("i18n.commitEncoding", "latin1"),
        ("core.logAllRefUpdates", "always"),
    ):
        alone.repo.git("config", key, value)
    alone.set("v1", reason="#1 Grüße 漢字")
    assert alone.labels.log(LabelName(PROMPT, "production")).events[0].reason == "#1 Grüße 漢字"
    assert alone.labels.verify().problems == []


def test_without_a_name_git_says_what_is_missing(alone: Desk, isolated_git: Path) -> None:
    isolated_git.write_text("[user]\n useConfigOnly = true\n")
    before = alone.everything()
    with pytest.raises(LabelRefused, match="Git knows none") as caught:
        alone.set("v1")
    assert caught.value.hint is not None
    assert "git config user.name" in caught.value.hint
    assert alone.everything() == before


def test_a_target_must_be_a_commit_that_holds_the_prompt(alone: Desk) -> None:
    target = alone.candidate("v1")
    wrong = Candidate("0" * 40, "v1", target.digest, target.path)
    with pytest.raises(RevisionNotFound, match="is no commit"):
        alone.mover.set(LabelName(PROMPT, "production"), wrong)
    wrong = Candidate(target.commit, "v1", target.digest, "prompts/other.prompt.yaml")
    with pytest.raises(LabelRefused, match=r"has no file prompts/other\.prompt\.yaml"):
        alone.mover.set(LabelName(PROMPT, "production"), wrong)
    assert alone.tags() == {}


def test_a_name_that_is_a_branch_cannot_become_a_label_but_a_label_survives_a_branch(alone: Desk) -> None:
    alone.set("v1", "staging")
    alone.repo.git("branch", "staging")
    alone.repo.git("branch", "preview")
    alone.set("v2", "staging")
    assert alone.live("staging") == "v2"
    with pytest.raises(LabelRefused, match="is the name of the branch refs/heads/preview"):
        alone.set("v2", "preview")
    with pytest.raises(LabelRefused, match="refs/heads/main"):
        alone.set("v2", "main")


def test_labels_that_differ_by_case_alone_are_refused(alone: Desk) -> None:
    alone.set("v1")
    alone.repo.commit("Shout", {"prompts/Support/triage.prompt.yaml": "{}\n"})
    alone.repo.git("tag", "v5")
    with pytest.raises(LabelRefused, match="upper and lower case alone"):
        alone.mover.set(LabelName("Support/triage", "production"), alone.candidate("v5", "Support/triage"))


def test_a_name_too_long_for_git_is_refused(alone: Desk) -> None:
    with pytest.raises(UsageError, match="too long"):
        alone.set("v1", "x" * 180)


def test_a_tag_that_stands_in_the_way_is_named(alone: Desk) -> None:
    alone.repo.git("tag", "prompt/support", "v1")
    before = alone.everything()
    with pytest.raises(LabelRefused, match="refs/tags/prompt/support"):
        alone.set("v1")
    assert alone.everything() == before


def test_a_repository_locked_by_another_process_refuses_and_stays_as_it_was(alone: Desk) -> None:
    alone.set("v1")
    before = alone.everything()
    lock = alone.repo.path / ".git" / f"{TAG}/2.lock"
    lock.touch()
    with pytest.raises(LabelRefused, match=r"was not moved: .*2\.lock': File exists") as caught:
        alone.set("v2")
    assert "Another git process" in (caught.value.hint or "")
    assert alone.everything() == before
    lock.unlink()
    alone.set("v2")
    assert alone.live() == "v2"


def test_a_workspace_below_the_root_records_paths_from_the_root(tmp_path: Path, alone: Desk) -> None:
    files = {f"apps/{app}/{path}": "{}\n" for app in ("bot", "web") for path in ("promptctl.yaml", PATH)}
    commit = alone.repo.commit("Two workspaces", dict(files))
    label = LabelName(PROMPT, "production")

    def move(app: str, digest: str) -> MoveResult:
        git = open_git(alone.repo.path / "apps" / app)
        prompt = Prompt(PROMPT, PATH, digest, "Triage", ())
        target = candidate_of(prompt, Version(digest, commit, display="v1"), git.prefix)
        return Mover(git, LabelSettings(), LabelTrust()).set(label, target)

    assert move("bot", "1:" + "0" * 64).event.path == f"apps/bot/{PATH}"
    with pytest.raises(LabelRefused, match="belong to the prompt of the same id in the workspace apps/bot/"):
        move("web", "1:" + "1" * 64)


def test_a_label_follows_a_rename_and_its_new_chain_goes_on_from_the_old(alone: Desk) -> None:
    alone.set("v1")
    old = alone.set("v2").event
    alone.repo.git("mv", PATH, "prompts/support/route.prompt.yaml")
    alone.repo.commit("Rename")
    alone.repo.git("tag", "v5")
    formerly = (PROMPT,)
    assert alone.live(prompt="support/route") is None
    assert alone.live(prompt="support/route", formerly=formerly) == "v2"
    target = alone.candidate("v5", "support/route")
    label = LabelName("support/route", "production", formerly)
    event = alone.mover.set(label, target).event
    assert (event.n, event.previous) == (1, old.oid)
    assert alone.live(prompt="support/route", formerly=formerly) == "v5"
    log = alone.labels.log(label)
    assert [(e.prompt, e.n) for e in log.events] == [(PROMPT, 1), (PROMPT, 2), ("support/route", 1)]
    back = alone.mover.rollback(label).event
    assert (back.version, back.path, back.n) == ("v2", PATH, 2)
    assert alone.labels.verify().problems == []


def test_a_number_that_once_named_another_text_is_refused_but_its_commit_is_not(alone: Desk) -> None:
    alone.set("v2", "staging")
    alone.repo.git("tag", "--force", "v2", "v3")
    target = alone.candidate("v2")
    with pytest.raises(LabelRefused, match=rf"v2 of .* is {target.commit[:12]} today, but .*@staging/1 recorded"):
        alone.mover.set(LabelName(PROMPT, "production"), target, is_by_number=True)
    assert alone.mover.set(LabelName(PROMPT, "production"), target).is_moved


def test_only_committed_versions_can_be_labelled() -> None:
    prompt = Prompt(PROMPT, PATH, "1:" + "0" * 64, "Triage", ())
    for version in (Version("", None), Version("", "a" * 40, is_dirty=True)):
        with pytest.raises(LabelRefused, match="is in no commit"):
            candidate_of(prompt, version)
    found = candidate_of(prompt, Version("", "a" * 40, display="v9 (= v7)"))
    assert found == Candidate("a" * 40, "v9", prompt.digest, PATH)


def test_worktrees_share_labels(alone: Desk, tmp_path: Path) -> None:
    alone.set("v1")
    alone.repo.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    linked = Desk(Repo(tmp_path / "linked"), remote=None)
    linked.set("v2")
    assert (alone.live(), linked.live()) == ("v2", "v2")


def test_labels_work_where_objects_have_longer_names(tmp_path: Path) -> None:
    (tmp_path / "sha256").mkdir()
    repo = Repo(tmp_path / "sha256")
    repo.git("init", "--quiet", "--object-format=sha256")
    add_versions(repo, 2)
    desk = Desk(repo, remote=None)
    desk.set("v1")
    desk.set("v2")
    desk.mover.rollback(LabelName(PROMPT, "production"))
    assert desk.live() == "v1"
    assert desk.labels.verify().problems == []


# --- two people, one remote ------------------------------------------------------------------------------------------


def test_a_move_reaches_the_other_clone_by_label_fetch(ada: Desk, ben: Desk, remote: Repo) -> None:
    result = ada.set("v2", reason="ready")
    assert (result.is_pushed, result.note) == (True, None)
    assert remote.git("rev-parse", f"{TAG}/1") == result.event.oid
    assert ben.live() is None
    assert ben.labels.fetch().added == (f"{TAG}/1",)
    assert ben.live() == "v2"
    assert ben.labels.log(LabelName(PROMPT, "production")).events == (result.event,)


def test_a_move_builds_on_what_the_remote_has_not_on_what_is_here(ada: Desk, ben: Desk) -> None:
    ada.set("v1")
    ben.set("v2")
    event = ada.set("v3").event
    assert event.n == 3
    assert [e.version for e in ada.labels.log(LabelName(PROMPT, "production")).events] == ["v1", "v2", "v3"]


def test_whoever_comes_second_is_refused_keeps_no_trace_and_learns_who_won(
    ada: Desk, ben: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.set("v1")
    ben.labels.fetch()
    before = ada.everything()
    race(monkeypatch, lambda: ben.set("v2", reason="urgent"))
    with pytest.raises(
        LabelRefused, match=r"not moved to v3: Ben Example <ben@example.org> moved it to v2 first: urgent"
    ):
        ada.set("v3")
    assert ada.live() == "v2"
    won, key = ben.tags()[f"{TAG}/2"], TAG.replace("refs/tags/prompt", "refs/promptctl/known/origin")
    assert set(ada.everything().splitlines()) - set(before.splitlines()) == {f"{TAG}/2 {won}", f"{key}/2 {won}"}


def test_a_removal_that_comes_second_is_refused_as_one(ada: Desk, ben: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    label = LabelName(PROMPT, "production")
    ada.set("v1")
    race(monkeypatch, lambda: ben.mover.remove(label))
    with pytest.raises(
        LabelRefused, match=r"production was not removed: Ben Example <ben@example.org> removed it first"
    ):
        ada.mover.remove(label)


def test_whoever_comes_second_in_one_clone_is_refused_too(alone: Desk) -> None:
    before = alone.set("v1").event
    late = Draft("set", LabelName(PROMPT, "production"), alone.candidate("v3"))
    alone.set("v2")
    with pytest.raises(LabelRefused, match=r"production was not moved to v3: .* moved it to v2 first"):
        append(alone.git, None, alone.trust, LabelState(PROMPT, "production", before), late)
    assert alone.live() == "v2"


def test_two_processes_at_once_one_wins_every_round(ada: Desk, ben: Desk, tmp_path: Path) -> None:
    script = tmp_path / "move.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from promptctl.errors import LabelRefused\n"
        "from tests.repositories import Repo\n"
        "from tests.desks import Desk\n"
        "for line in sys.stdin:\n"
        "    version, _, reason = line.strip().partition(' ')\n"
        "    try:\n"
        "        Desk(Repo(Path(sys.argv[1]))).set(version, reason=reason)\n"
        "        print('moved', flush=True)\n"
        "    except LabelRefused:\n"
        "        print('refused', flush=True)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ada.set("v4")
    runs = [
        subprocess.Popen(
            [sys.executable, str(script), str(desk.repo.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for desk in (ada, ben)
    ]  # fmt: skip
    for number in range(3):
        for run, version in zip(runs, (f"v{1 + number % 2}", "v3"), strict=True):
            assert run.stdin is not None
            run.stdin.write(f"{version} round {number}\n")
            run.stdin.flush()
        answers = [run.stdout.readline().strip() for run in runs if run.stdout is not None]
        assert set(answers) <= {"moved", "refused"}
        assert "moved" in answers
        ada.labels.fetch()
        ben.labels.fetch()
        assert ada.tags() == ben.tags()
        assert ada.live() == ben.live()
    for run in runs:
        run.communicate()
    assert [run.returncode for run in runs] == [0, 0]
    assert ada.labels.verify().problems == []


def test_processes_in_one_clone_without_a_remote_make_one_chain(alone: Desk, tmp_path: Path) -> None:
    script = tmp_path / "move.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from promptctl.errors import LabelRefused\n"
        "from tests.repositories import Repo\n"
        "from tests.desks import Desk\n"
        "desk = Desk(Repo(Path(sys.argv[1])), remote=None)\n"
        "won = 0\n"
        "for number in range(5):\n"
        "    try:\n"
        "        won += desk.set(f'v{1 + (number + int(sys.argv[2])) % 4}', reason=sys.argv[2]).is_moved\n"
        "    except LabelRefused:\n"
        "        pass\n"
        "print(won)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    runs = [
        subprocess.Popen(
            [sys.executable, str(script), str(alone.repo.path), str(number)], stdout=subprocess.PIPE, env=environment
        )
        for number in range(3)
    ]
    won = sum(int(run.communicate()[0]) for run in runs)
    events = alone.labels.log(LabelName(PROMPT, "production")).events
    assert [event.n for event in events] == list(range(1, won + 1))
    assert alone.labels.verify().problems == []


def test_moves_within_one_second_and_with_a_slow_clock_are_ordered_by_number(
    ada: Desk, ben: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1700000000 +0000")
    ada.set("v3")
    ben.set("v1")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{1700000000 - 365 * 86400} +0000")
    ada.set("v2")
    ben.labels.fetch()
    assert (ada.live(), ben.live()) == ("v2", "v2")


def test_an_answer_that_was_lost_is_found_to_be_a_move_that_was_won(ada: Desk, remote: Repo) -> None:
    break_push(ada, remote, after="git-receive-pack")
    result = ada.set("v2")
    assert result.is_moved
    assert remote.git("rev-parse", f"{TAG}/1") == result.event.oid
    assert ada.live() == "v2"


def test_a_push_that_never_arrived_leaves_no_trace(ada: Desk, remote: Repo) -> None:
    break_push(ada, remote, after="false")
    before = ada.everything()
    with pytest.raises(LabelRefused, match="origin refused") as caught:
        ada.set("v2")
    assert caught.value.hint == "nothing was changed here or there"
    assert ada.everything() == before
    assert remote.git("tag", "--list", "prompt/*") == ""


def test_a_remote_that_refuses_is_quoted_and_nothing_changes(ada: Desk, remote: Repo) -> None:
    ada.set("v1")
    write_hook(remote, "pre-receive", "echo 'production is frozen until Monday' >&2; exit 1")
    before = ada.everything()
    with pytest.raises(LabelRefused, match="origin refused: production is frozen until Monday"):
        ada.set("v2")
    assert ada.everything() == before
    assert ada.live() == "v1"


def test_a_remote_that_cannot_be_reached_refuses_before_anything_is_made(ada: Desk, remote: Repo) -> None:
    remote.path.rename(remote.path.with_name("gone.git"))
    before = ada.everything()
    with pytest.raises(LabelRefused, match="no label was moved: origin cannot be asked"):
        ada.set("v2")
    assert ada.everything() == before


def test_a_remote_lost_in_the_middle_leaves_the_outcome_open_and_says_so(ada: Desk, remote: Repo) -> None:
    break_push(ada, remote, after=f"mv '{remote.path}' '{remote.path}.gone'; false")
    with pytest.raises(LabelRefused, match=r"whether it took .* is not known"):
        ada.set("v2")
    assert ada.tags() == {}


def test_a_remote_is_only_taken_by_its_configured_name(ada: Desk, remote: Repo) -> None:
    for name in (str(remote.path), f"file://{remote.path}", "--upload-pack=touch evil", "upstream"):
        ada.remote = name
        with pytest.raises(GitError, match=r"no remote is named .*; the remotes here are origin"):
            ada.set("v1")
    assert ada.tags() == {}


def test_a_commit_that_is_on_no_branch_of_the_remote_is_refused(ada: Desk, remote: Repo) -> None:
    ada.repo.commit("Not pushed", {PATH: "messages: [{role: user, content: new}]\n"})
    ada.repo.git("tag", "v5")
    before = ada.everything()
    with pytest.raises(LabelRefused, match="is on no branch of origin") as caught:
        ada.set("v5")
    assert caught.value.hint == "git push origin main"
    assert ada.everything() == before
    ada.repo.git("push", "--quiet", "origin", "main")
    ada.set("v5")
    ada.repo.git("checkout", "--quiet", "--detach")
    ada.repo.commit("Detached", {PATH: "messages: [{role: user, content: newer}]\n"})
    ada.repo.git("tag", "v6")
    with pytest.raises(LabelRefused) as caught:
        ada.set("v6")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("git push origin ")
    assert caught.value.hint.endswith(":refs/heads/BRANCH")


def test_a_branch_that_this_clone_does_not_follow_counts(ada: Desk, remote: Repo, clone: Clone) -> None:
    single = Desk(clone(remote, "single", "--single-branch"))
    ada.repo.git("checkout", "--quiet", "-b", "feature")
    ada.repo.commit("On a branch", {PATH: "messages: [{role: user, content: branch}]\n"})
    ada.repo.git("tag", "v5")
    ada.repo.git("push", "--quiet", "origin", "feature", "v5")
    single.repo.git("fetch", "--quiet", "--no-tags", "origin", "refs/tags/v5:refs/tags/v5")
    ada.repo.commit("Further", {PATH: "messages: [{role: user, content: further}]\n"})
    ada.repo.git("push", "--quiet", "origin", "feature")
    single.set("v5", "preview")
    assert single.live("preview") == "v5"


def test_a_push_publishes_nothing_but_the_event(ada: Desk, remote: Repo) -> None:
    ada.repo.git("config", "push.followTags", "true")
    ada.repo.git("config", "remote.origin.push", "refs/heads/*:refs/heads/*")
    ada.repo.git("branch", "private")
    ada.repo.git("tag", "-a", "-m", "mine", "private-tag", "v2")
    before = remote.git("for-each-ref", "--format=%(refname)").splitlines()
    ada.set("v2")
    assert remote.git("for-each-ref", "--format=%(refname)").splitlines() == sorted([*before, f"{TAG}/1"])


def test_a_remote_that_lost_or_replaced_the_event_before_refuses(ada: Desk, remote: Repo) -> None:
    ada.set("v1")
    second = ada.set("v2").event
    remote.git("update-ref", "-d", f"{TAG}/2")
    with pytest.raises(LabelRefused, match=r"origin has lost the tag prompt/support/triage@production/2"):
        ada.set("v3")
    remote.git("update-ref", f"{TAG}/2", remote.git("rev-parse", f"{TAG}/1"))
    with pytest.raises(LabelRefused, match=rf"is [0-9a-f]{{12}} at origin, but {second.oid[:12]} here"):
        ada.set("v3")
    assert ada.live() == "v2"


def test_a_broken_chain_stops_moves(ada: Desk) -> None:
    ada.set("v1")
    ada.repo.git("tag", "prompt/support/triage@production/2", "v2")
    ada.repo.git("push", "--quiet", "origin", f"{TAG}/2")
    with pytest.raises(LabelRefused, match="lightweight") as caught:
        ada.set("v3")
    assert caught.value.hint is not None
    assert "git tag -d prompt/support/triage@production/2" in caught.value.hint


def test_a_squash_merged_label_can_be_rolled_back_to(ada: Desk, ben: Desk) -> None:
    ada.repo.git("checkout", "--quiet", "-b", "feature")
    ada.repo.commit("Try", {PATH: "messages: [{role: user, content: try}]\n"})
    ada.repo.git("tag", "v4+1")
    ada.repo.git("push", "--quiet", "origin", "feature")
    ada.set("v4+1", "preview")
    ada.repo.git("push", "--quiet", "origin", "--delete", "feature")
    ada.set("v4", "preview")
    ben.repo.git("fetch", "--quiet")
    assert ben.labels.fetch().added == tuple(f"refs/tags/prompt/support/triage@preview/{n}" for n in (1, 2))
    ben.mover.rollback(LabelName(PROMPT, "preview"))
    assert ben.live("preview") == "v4+1"


@pytest.mark.parametrize("options", [("--depth=1",), ("--single-branch", "--no-tags"), ("--filter=blob:none",)])
def test_a_clone_that_is_not_whole_fetches_labels_and_moves_them(
    ada: Desk, remote: Repo, clone: Clone, options: tuple[str, ...]
) -> None:
    ada.set("v3")
    ada.set("v1")
    part = Desk(clone(remote, "part", *options))
    part.labels.fetch()
    assert part.live() == "v1"
    part.repo.git("tag", "--force", "v4", "HEAD")
    assert part.set("v4").is_pushed
    part.mover.rollback(LabelName(PROMPT, "production"))
    assert part.live() == "v1"
    ada.labels.fetch()
    assert ada.live() == "v1"
    assert ada.labels.verify().problems == []


def test_a_shallow_clone_that_cannot_tell_says_so(ada: Desk, remote: Repo, clone: Clone) -> None:
    part = Desk(clone(remote, "part", "--depth=1"))
    part.repo.git("fetch", "--quiet", "--depth=1", "origin", "refs/tags/v2:refs/tags/v2")
    with pytest.raises(HistoryIncomplete, match="too shallow") as caught:
        part.set("v2")
    assert caught.value.hint == "git fetch --unshallow origin"


# --- local first, pushed later ---------------------------------------------------------------------------------------


def test_local_moves_are_pushed_as_one_chain(ada: Desk, ben: Desk, remote: Repo) -> None:
    ada.remote = None
    assert not ada.set("v1").is_pushed
    ada.set("v2")
    ada.set("v2", "staging")
    states = ada.listing().states
    assert [state.is_unpushed for state in states.values()] == [True, True]
    pushed = push_labels(ada.git, "origin")
    assert [(event.label, event.n) for event in pushed.events] == [("production", 1), ("production", 2), ("staging", 1)]
    assert (pushed.undone, pushed.refused) == ([], [])
    assert not any(state.is_unpushed for state in ada.listing().states.values())
    ben.labels.fetch()
    assert ben.live() == "v2"
    assert push_labels(ada.git, "origin").events == []


def test_a_chain_that_comes_too_late_is_undone_with_what_won(ada: Desk, ben: Desk) -> None:
    ada.set("v1")
    ben.set("v4", "staging")
    ada.remote = None
    ada.set("v2", reason="mine")
    ada.set("v3", reason="mine too")
    ada.set("v4", "preview")
    won = ben.set("v4", reason="theirs").event
    pushed = push_labels(ada.git, "origin")
    assert [(undone.event.version, undone.won) for undone in pushed.undone] == [("v2", won), ("v3", None)]
    assert [event.label for event in pushed.events] == ["preview"]
    assert ada.live() == "v4"
    ben.labels.fetch()
    assert ada.tags() == ben.tags()


def test_local_moves_that_lost_are_not_mixed_with_what_won(ada: Desk, ben: Desk) -> None:
    ada.remote = None
    ada.set("v2")
    ben.set("v3")
    ben.set("v4")
    assert len(ada.labels.fetch("origin").conflicts) == 1
    with pytest.raises(GitError, match="was moved here and elsewhere") as caught:
        ada.live()
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("promptctl label push")
    assert [problem.code for problem in ada.listing().problems] == ["label-lost-race"]
    ada.remote = "origin"
    assert "label-lost-race" in [problem.code for problem in ada.labels.verify().problems]
    with pytest.raises(LabelRefused, match="support/triage@production has moves that origin does not have"):
        ada.set("v1")
    push_labels(ada.git, "origin")
    assert ada.live() == "v4"


def test_moves_are_not_made_at_the_remote_over_local_ones(ada: Desk) -> None:
    ada.remote = None
    ada.set("v1")
    ada.remote = "origin"
    with pytest.raises(LabelRefused, match="has moves that origin does not have") as caught:
        ada.set("v2")
    assert caught.value.hint == "promptctl label push"


def test_a_local_chain_that_the_remote_refuses_stays(ada: Desk, remote: Repo) -> None:
    write_hook(remote, "pre-receive", "echo 'not allowed' >&2; exit 1")
    ada.remote = None
    ada.set("v1")
    before = ada.everything()
    pushed = push_labels(ada.git, "origin")
    assert pushed.events == []
    assert len(pushed.refused) == 1
    assert pushed.refused[0].message.startswith("support/triage@production was not pushed: origin refused: not allowed")
    assert ada.everything() == before


def test_a_local_move_of_an_unpushed_commit_waits_for_the_commit(ada: Desk) -> None:
    ada.remote = None
    ada.repo.commit("Not pushed", {PATH: "messages: [{role: user, content: new}]\n"})
    ada.repo.git("tag", "v5")
    ada.set("v5")
    pushed = push_labels(ada.git, "origin")
    assert [problem.code for problem in pushed.refused] == ["label-off-branch"]
    ada.repo.git("push", "--quiet", "origin", "main")
    assert len(push_labels(ada.git, "origin").events) == 1


def test_a_chain_that_git_push_published_already_is_only_noted(ada: Desk) -> None:
    ada.remote = None
    ada.set("v1")
    ada.repo.git("push", "--quiet", "origin", "--tags")
    assert [event.n for event in push_labels(ada.git, "origin").events] == [1]
    assert not ada.listing().states[(PROMPT, "production")].is_unpushed


def test_a_lost_answer_to_a_push_of_a_chain_counts_as_won(ada: Desk, remote: Repo) -> None:
    ada.remote = None
    ada.set("v1")
    ada.set("v2")
    break_push(ada, remote, after="git-receive-pack")
    pushed = push_labels(ada.git, "origin")
    assert [event.n for event in pushed.events] == [1, 2]
    assert pushed.refused == []


def test_a_rewritten_remote_does_not_undo_what_it_once_had(ada: Desk, remote: Repo) -> None:
    ada.set("v1")
    ada.set("v2")
    remote.git("update-ref", f"{TAG}/2", remote.git("rev-parse", f"{TAG}/1"))
    ada.remote = None
    ada.set("v3")
    before = ada.tags()
    pushed = push_labels(ada.git, "origin")
    assert [problem.code for problem in pushed.refused] == ["label-not-pushed"]
    assert f"origin refused: it does not have {TAG}/2 as it is here" in pushed.refused[0].message
    assert pushed.refused[0].hint == "promptctl label verify"
    assert ada.tags() == before


def test_a_renamed_chain_is_pushed_after_the_one_it_continues(ada: Desk, ben: Desk) -> None:
    ada.remote = None
    ada.set("v1")
    ada.repo.git("mv", PATH, "prompts/a.prompt.yaml")
    ada.repo.commit("Rename")
    ada.repo.git("tag", "v5")
    ada.repo.git("push", "--quiet", "origin", "main")
    ada.mover.set(LabelName("a", "production", (PROMPT,)), ada.candidate("v5", "a"))
    assert [event.prompt for event in push_labels(ada.git, "origin").events] == [PROMPT, "a"]


# --- how the tests bring it about ------------------------------------------------------------------------------------


def race(monkeypatch: pytest.MonkeyPatch, between: Callable[[], object]) -> None:
    """Let `between` happen once, after the next move has looked at the remote and before it pushes."""
    from promptctl.labels.remote import Remote

    push = Remote.push

    def late(self: Remote, *args: object) -> object:
        monkeypatch.setattr(Remote, "push", push)
        between()
        return push(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Remote, "push", late)


def break_push(desk: Desk, remote: Repo, *, after: str) -> None:
    """Let pushes end as if the line was cut, after the given program has received what was sent."""
    wrapper = desk.repo.path.parent / "cut-line.sh"
    script = f'{after} "$@"' if after.startswith("git-") else after
    wrapper.write_text(f"#!/bin/sh\n{script}\nexit 1\n")
    wrapper.chmod(0o755)
    desk.repo.git("config", "remote.origin.receivepack", str(wrapper))
