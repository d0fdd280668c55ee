"""Who decides about labels: the default branch as the remote has it, whatever a branch, a fork or a hand brings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promptctl.git.commands import Commands
from promptctl.log.results import EvaluationRow, EvaluationSpec, Totals
from promptctl.workspace import open_workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.cli.support import (  # noqa: F401
    PATH,
    SETTINGS,
    TRIAGE,
    add_remote,
    clone,
    inside_support,
    support_workspace,
)
from tests.desks import hand_tag
from tests.evaluation_lab import Lab
from tests.repositories import Repo

NAME = "support/triage@production"
RULED = SETTINGS + "labels:\n  remote: origin\n  staging:\n  production: {after: staging, reason: required}\n"


ASK_FOR_HEAD = "git fetch origin '+refs/heads/*:refs/remotes/origin/*' && git remote set-head origin --auto"


@pytest.fixture(name="ruled")
def workspace_with_rules(inside: Path) -> Path:
    """The workspace with rules at its remote, and the bare remote itself."""
    write(inside, "promptctl.yaml", RULED)
    commit(inside, "Rule")
    return add_remote(inside)


@pytest.mark.parametrize("is_head_known", [True, False])
def test_a_branch_does_not_choose_whose_rules_hold(cli: Cli, inside: Path, ruled: Path, is_head_known: bool) -> None:
    if is_head_known:
        git(inside, "remote", "set-head", "origin", "main")
    git(inside, "remote", "add", "fork", str(clone(ruled, "fork")))
    git(inside, "checkout", "--quiet", "-b", "evil")
    for settings in ("branch: evil\n", "branch: evil\nlabels: {remote: fork}\n", "labels: {remote: nowhere}\n", "{}\n"):
        write(inside, "promptctl.yaml", settings + "model: echo/echo\n" if settings != "{}\n" else settings)
        git(inside, "commit", "--quiet", "--allow-empty", "--all", "--message", "Evil")
        git(inside, "push", "--quiet", "--force", "origin", "evil")
        git(inside, "push", "--quiet", "--force", "fork", "evil")
        git(inside, "fetch", "--quiet", "fork")
        refused = cli("label", "set", NAME, "v2")
        assert refused.exit_code == 3
        assert "needs a reason; production comes after staging" in refused.err, settings
        assert cli("label", "fetch", "--json").json["remote"] == "origin"
        assert cli("label", "push", "--json").json["remote"] == "origin"
        assert cli("label", "verify").out == "0 errors, 0 warnings\n"
    assert cli("label", "set", "support/triage@staging", "v2", "--json").json["version_display"] == "v2"
    assert "prompt/support/triage@staging/1" in git(ruled, "tag")


def test_a_branch_that_moves_the_workspace_has_no_rules_of_its_own(cli: Cli, inside: Path, ruled: Path) -> None:
    git(inside, "checkout", "--quiet", "-b", "evil")
    write(inside, "promptctl.yaml", SETTINGS)
    (inside / "new").mkdir()
    git(inside, "mv", "promptctl.yaml", "prompts", "new/")
    commit(inside, "Move")
    git(inside, "push", "--quiet", "origin", "evil")
    refused = cli("-C", "new", "label", "set", NAME)
    assert refused.exit_code == 3
    assert "whose label rules hold is not known: origin/main has no new/promptctl.yaml" in refused.err


def test_no_branch_makes_itself_the_default_branch(cli: Cli, inside: Path) -> None:
    git(inside, "branch", "--move", "main", "trunk")
    write(inside, "promptctl.yaml", RULED)
    commit(inside, "Rule")
    git(inside, "init", "--quiet", "--bare", "--initial-branch=trunk", "../origin.git")
    git(inside, "remote", "add", "origin", "../origin.git")
    git(inside, "push", "--quiet", "origin", "trunk")
    git(inside, "checkout", "--quiet", "-b", "evil")
    write(inside, "promptctl.yaml", SETTINGS + "branch: evil\nlabels: {production: {}}\n")
    commit(inside, "Name itself")
    git(inside, "push", "--quiet", "origin", "evil")
    hand_tag(Repo(inside), f"prompt/{NAME}/1", git(inside, "rev-parse", "trunk"), message(inside, "production"))
    git(inside, "push", "--quiet", "origin", f"prompt/{NAME}/1")
    assert cli("label", "fetch").exit_code == 0
    for branch in ("evil", "trunk"):
        git(inside, "checkout", "--quiet", branch)
        for command in (("set", NAME), ("rollback", NAME), ("remove", NAME), ("verify",)):
            refused = cli("label", *command)
            assert refused.exit_code == 3, command
            assert "whose label rules hold is not known, as no branch names itself: this clone" in refused.err
            assert f"hint: {ASK_FOR_HEAD}" in refused.err
    listed = cli("label", "list")
    assert (listed.exit_code, "labels are read as those of origin: whose label rules hold" in listed.err) == (0, True)
    assert "git remote set-head origin --auto" in listed.err
    git(inside, "remote", "set-head", "origin", "--auto")
    assert "needs a reason" in cli("label", "set", NAME, "v2").err
    assert "it has no reason" in broken(cli, "label-rules")[0]
    git(inside, "remote", "remove", "origin")
    refused = cli("label", "verify")
    assert (refused.exit_code, "hint: git branch --move BRANCH main" in refused.err) == (3, True)


def test_the_hint_leads_out_of_a_clone_of_one_branch(
    cli: Cli, inside: Path, ruled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(inside, "push", "--quiet", "origin", "HEAD:refs/heads/feature")
    git(tmp_path, "clone", "--quiet", "--single-branch", "--branch", "feature", str(ruled), "one")
    monkeypatch.chdir(tmp_path / "one")
    assert f"hint: {ASK_FOR_HEAD}" in cli("label", "set", NAME, "v2").err
    subprocess.run(["sh", "-c", ASK_FOR_HEAD], check=True, capture_output=True)
    assert "needs a reason" in cli("label", "set", NAME, "v2").err


@pytest.mark.usefixtures("ruled")
def test_a_clone_that_never_fetched_labels_says_so_and_takes_no_tag_for_one(
    cli: Cli, ruled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("label", "set", "support/triage@staging", "v2")
    monkeypatch.chdir(clone(ruled, "fresh"))
    for command in (("render", "support/triage@staging", "-i", "ticket=x"), ("show", "support/triage@staging")):
        ran = cli(*command)
        assert (ran.exit_code, ran.out) == (3, "")
        assert "promptctl has never fetched them from there" in ran.err
        assert "hint: promptctl label fetch" in ran.err
    listed = cli("list", "--json")
    assert (listed.exit_code, listed.json[0]["labels"]) == (0, {})
    assert "never fetched" in listed.err
    assert cli("label", "fetch").exit_code == 0
    assert cli("render", "support/triage@staging", "-i", "ticket=x").exit_code == 0
    assert "never fetched" not in cli("list").err


def message(repo: Path, label: str, **changes: str) -> str:
    """The message of a tag made by hand on the newest version."""
    with open_workspace(repo) as workspace:
        version = workspace.prompt("support/triage@HEAD").version
    said = {
        "Prompt": "support/triage",
        "Label": label,
        "Action": "set",
        "Version": "v3",
        "Digest": version.digest,
        "Path": PATH,
        "Previous": "none",
        "Actor": "Eve <eve@example.org>",
        **changes,
    }
    return "Set\n\n" + "".join(f"{key}: {value}\n" for key, value in said.items())


def broken(cli: Cli, code: str) -> list[str]:
    """What verify has against moves, by code."""
    ran = cli("label", "verify", "--json")
    assert ran.exit_code == 1
    return [each["message"] for each in ran.json["problems"] if each["code"] == code]


def unsigned(cli: Cli) -> list[tuple[int, str]]:
    """The moves of production that verify finds unsigned, and how severe that is."""
    found = [each for each in cli("label", "verify", "--json").json["problems"] if each["code"] == "label-unsigned"]
    return [(int(each["message"].split(" does")[0][-1]), each["severity"]) for each in found]


def test_verify_asks_of_each_move_what_the_rules_of_its_time_asked(cli: Cli, inside: Path) -> None:
    for command in (
        ("set", "support/triage@old"),
        ("set", "support/triage@old", "v1"),
        ("rollback", "support/triage@old"),
    ):
        assert cli("label", *command).exit_code == 0
    assert cli("label", "verify").exit_code == 0
    rules = "labels:\n  staging:\n  production: {after: staging, evaluation: passed, reason: required}\n"
    write(inside, "promptctl.yaml", SETTINGS + rules)
    commit(inside, "Rule")
    assert cli("label", "verify").exit_code == 0, "what was moved before is as it was asked then"
    repo = Repo(inside)
    hand_tag(repo, "prompt/support/triage@production/1", repo.head, message(inside, "production"))
    assert "support/triage@staging did not name that content" in broken(cli, "label-rules")[0], "staging never was"
    never = {"Action": "rollback", "Digest": "1:" + "0" * 64}
    previous = git(inside, "rev-parse", "prompt/support/triage@old/3")
    for name, said in (
        ("canary/1", message(inside, "canary")),
        ("old/4", message(inside, "old", Previous=previous, **never)),
        ("staging/1", message(inside, "staging", **never)),
    ):
        hand_tag(repo, f"prompt/support/triage@{name}", repo.head, said)
        found = broken(cli, "label-rules")  # at first, without a move of the label that production comes after
    assert len(found) == 4
    assert "it has no reason; it names no evaluation; support/triage@staging did not name that content" in found[2]
    assert "canary is not among the labels that it allows" in found[0]
    assert all("it rolls back to what the label never named" in found[at] for at in (1, 3))
    write(inside, "promptctl.yaml", SETTINGS)
    commit(inside, "Ask for nothing")
    assert len(broken(cli, "label-rules")) == 4


def test_verify_asks_that_the_label_before_named_the_content_at_that_time(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels:\n  staging:\n  production: {after: staging}\n")
    commit(inside, "Rule")
    for year, version in (("2097", "HEAD"), ("2098", "v1")):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{year}-01-01T00:00:00Z")
        assert cli("label", "set", "support/triage@staging", version).exit_code == 0
    repo, previous = Repo(inside), "none"
    for n, then in enumerate((2096, 2097, 2098), 1):
        at = int(datetime(then, 6, 1, tzinfo=UTC).timestamp())
        said = message(inside, "production", Previous=previous)
        previous = hand_tag(repo, f"prompt/{NAME}/{n}", repo.head, said, at=at)
    found = broken(cli, "label-rules")
    assert ["@production/1" in found[0], "@production/3" in found[1], len(found)] == [True, True, 2]


def test_a_rule_that_was_pushed_after_a_move_accuses_nobody(
    cli: Cli, inside: Path, ruled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Ask for nothing")
    git(inside, "push", "--quiet", "origin", "main")
    ben = clone(ruled, "ben")
    write(inside, "promptctl.yaml", SETTINGS + "labels:\n  remote: origin\n  production: {reason: required}\n")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
    commit(inside, "Ask for a reason")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2099-01-01T00:00:00Z")  # a later second than that of any commit
    assert cli("-C", str(ben), "label", "set", NAME, "v2").exit_code == 0
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    git(inside, "push", "--quiet", "origin", "main")
    ran = cli("label", "verify", "--json")
    (found,) = ran.json["problems"]
    assert (ran.exit_code, found["code"], found["severity"]) == (0, "label-rules", "warning")
    assert "it has no reason (or that commit was pushed after the move)" in found["message"]
    # A move that is built on the commit with the rule knew it, whichever version it names.
    for version in ("HEAD", "v1"):
        assert cli("label", "set", NAME, version, "--reason", "x").exit_code == 0
    previous = git(inside, "rev-parse", "prompt/support/triage@production/3")
    said = message(inside, "production", Previous=previous, Version="v2")
    hand_tag(Repo(inside), "prompt/support/triage@production/4", git(inside, "rev-parse", "HEAD~2"), said)
    git(inside, "push", "--quiet", "origin", "prompt/support/triage@production/4")
    assert cli("label", "fetch").exit_code == 0
    ran = cli("label", "verify", "--json")
    found = [each for each in ran.json["problems"] if each["code"] == "label-rules"]
    assert [(each["severity"], each["hint"] is None) for each in found] == [("warning", True), ("error", False)]


def test_verify_looks_at_what_is_behind_the_evidence(cli: Cli, inside: Path) -> None:
    with open_workspace(inside) as workspace:
        digest, log = workspace.prompt("support/triage@HEAD").version.digest, workspace.context.log
        asked: list[dict[str, Any]] = [{}, {"judge": "x/kind"}, {"judge_parameters": {"n": 1}}, {"judge_model": "x/y"}]
        asked += [{"first": 1}, {}, {}]
        for n, spec in enumerate(asked, 1):
            made = EvaluationRow(
                id=f"01a1fcf1-32d5-7fef-8a7f-28440e63333{n}",
                started_at="2026-05-03T00:00:00+00:00",
                prompt="support/triage",
                digest="1:" + "0" * 64 if n == 7 else digest,
                model="echo/echo",
                spec=EvaluationSpec.from_json({"dataset": "datasets/triage.yaml", **spec}),
            )
            log.begin_evaluation(made)
            log.update_evaluation(made.id, status="finished", totals=Totals(verdict="failed" if n == 6 else "passed"))
    repo, previous = Repo(inside), "none"
    for n in range(1, 9):  # the last is not in this log
        evidence = f"01a1fcf1-32d5-7fef-8a7f-28440e63333{n} passed 1 of 1 on datasets/triage.yaml"
        said = message(inside, "production", Evaluation=evidence, Previous=previous)
        previous = hand_tag(repo, f"prompt/support/triage@production/{n}", repo.head, said)
    found = broken(cli, "label-evidence")
    assert [each.partition(f"its evidence 0e63333{n} ")[2] for n, each in enumerate(found, 2)] == [
        "was judged by x/kind of its own command, not as the settings say",
        "was judged by parameters of its own command, not as the settings say",
        "was judged by x/y, and the settings named echo/echo",
        "did not pass on the whole dataset",
        "did not pass on the whole dataset",
        "is of a different version",
    ]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_signed_moves_are_asked_for_and_verified_by_the_default_branch(cli: Cli, inside: Path, ruled: Path) -> None:
    key = inside / ".git" / "key"
    git(inside, "-c", f"alias.key=!ssh-keygen -q -t ed25519 -N '' -f {key}", "key")
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin, signed: required}\n")
    write(inside, ".promptctl.signers", f"{git(inside, 'config', 'user.email')} {key.with_suffix('.pub').read_text()}")
    commit(inside, "Sign")
    git(inside, "push", "--quiet", "origin", "main")
    refused = cli("label", "set", NAME, "v2")
    assert (refused.exit_code, "could not be signed" in refused.err, git(ruled, "tag")) == (3, True, "")
    git(inside, "config", "gpg.format", "ssh")
    git(inside, "config", "user.signingKey", str(key.with_suffix(".pub")))
    assert cli("label", "set", NAME, "v2").exit_code == 0
    assert cli("render", NAME, "-i", "ticket=x").exit_code == 0
    # What a branch brings makes nobody a signer, and takes nothing back.
    git(inside, "checkout", "--quiet", "-b", "evil")
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    write(inside, ".promptctl.signers", "")
    commit(inside, "Sign nothing")
    assert cli("render", NAME, "-i", "ticket=x").exit_code == 0
    previous = git(inside, "rev-parse", "prompt/support/triage@production/1")
    hand_tag(Repo(inside), "prompt/support/triage@production/2", git(inside, "rev-parse", "main"),
             message(inside, "production", Previous=previous, Evaluation="made up"))  # fmt: skip
    git(inside, "push", "--quiet", "origin", "prompt/support/triage@production/2")
    cli("label", "fetch")
    for command in (("render", NAME, "-i", "ticket=x"), ("label", "rollback", NAME)):
        assert "production/2 does not hold: it has no SSH signature" in cli(*command).err or command[0] == "label"
    listed = cli("list").err
    assert "warning: a label does not count: " in listed
    assert "production/2 does not hold" in listed
    assert "it has no SSH signature" in broken(cli, "label-unsigned")[0]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_moves_of_before_signatures_were_asked_for_are_a_labels_past(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2024-12-01T00:00:00Z")
    git(inside, "rebase", "--quiet", "--root", "--force-rebase")  # no version is younger than the rules below
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-01-01T00:00:00Z")
    for version in ("v1", "v2"):
        assert cli("label", "set", NAME, version).exit_code == 0
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-02-01T00:00:00Z")
    key = inside / ".git" / "key"
    git(inside, "-c", f"alias.key=!ssh-keygen -q -t ed25519 -N '' -f {key}", "key")
    write(inside, "promptctl.yaml", SETTINGS + "labels: {signed: required}\n")
    write(inside, ".promptctl.signers", f"{git(inside, 'config', 'user.email')} {key.with_suffix('.pub').read_text()}")
    commit(inside, "Sign")
    ran = cli("label", "log", NAME, "--json")
    assert ([each["event"] for each in ran.json], ran.err.count("does not hold")) == ([2, 1], 1), "the last alone"
    assert unsigned(cli) == [(2, "error")]
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-03-01T00:00:00Z")
    git(inside, "config", "gpg.format", "ssh")
    git(inside, "config", "user.signingKey", str(key.with_suffix(".pub")))
    assert cli("label", "set", NAME, "v3").exit_code == 0
    previous = git(inside, "rev-parse", "prompt/support/triage@production/3")
    repo = Repo(inside)
    hand_tag(repo, "prompt/support/triage@production/4", repo.head, message(inside, "production", Previous=previous))
    assert cli("label", "set", NAME, "v2").exit_code == 0
    ran = cli("label", "log", NAME, "--json")
    assert [each["event"] for each in ran.json] == [5, 3, 2, 1], "4 was forged when signatures were asked for"
    assert "production/4 does not hold: it has no SSH signature" in ran.err
    write(inside, "promptctl.yaml", SETTINGS + "labels: {signed: required, canary: {}, production: {}}\n")
    commit(inside, "Name labels")
    assert unsigned(cli) == [(4, "error")], "who made it knew that signatures were asked for"
    assert cli("label", "at", NAME, "2025-01-15", "--json").json["event"]["event"] == 2
    assert cli("label", "rollback", NAME, "--to", "v1").exit_code == 0

    # What was verified once is not verified again, unless the signers are others.
    asked: list[Sequence[str]] = []
    run = Commands.run

    def watched(self: Commands, args: Sequence[str], **options: Any) -> Any:
        asked.append(args)
        return run(self, args, **options)

    monkeypatch.setattr(Commands, "run", watched)
    for signers, code, times in (("", 0, 0), ("# nobody\n", 0, 0), ("eve@example.org ssh-ed25519 AAAA\n", 3, 0)):
        write(inside, ".promptctl.signers", signers + ("" if code else (inside / ".promptctl.signers").read_text()))
        if signers:
            commit(inside, "Sign otherwise")
        cli("render", NAME, "-i", "ticket=x")
        asked.clear()
        assert cli("render", NAME, "-i", "ticket=x").exit_code == code
        assert sum("verify-tag" in args for args in asked) == times


def test_evidence_is_of_the_server_and_the_judge_that_the_default_branch_names(cli: Cli, lab: Lab) -> None:
    lab.many(1)
    settings = (lab.root / "promptctl.yaml").read_text() + "labels: {production: {evaluation: passed}}\n"
    repo = Repo(lab.root)
    repo.git("init", "--quiet")
    repo.commit(
        "Ask a server of our own", {"promptctl.yaml": settings.replace(lab.server.url, "http://127.0.0.1:9/v1")}
    )
    repo.git("checkout", "--quiet", "-b", "evil")
    repo.commit("Ask one that says what we like", {"promptctl.yaml": settings})
    assert lab.one().row.totals.verdict == "passed"
    refused = cli("-C", str(lab.root), "label", "set", "triage@production")
    assert "was made with other settings than main's" in refused.err
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "evil")
    assert cli("-C", str(lab.root), "label", "set", "triage@production").exit_code == 0

    lab.cases({"id": "a", "inputs": {"ticket": "a"}, "assert": [{"type": "llm-rubric", "value": "kind"}]})
    rules = []
    for text in ("", " Be kind."):
        inputs = "inputs: {output: {type: string}}"
        judge = f"{inputs}\nmessages: [{{role: user, content: 'Judge {{{{ output }}}}.{text}'}}]\n"
        lab.write("prompts/judges/llm-rubric.prompt.yaml", judge)
        rules.append(dict(lab.plans()[0].spec.rules))
    assert rules[0] != rules[1], "a different judge's verdict is different evidence"


@pytest.mark.usefixtures("ruled")
def test_settings_of_the_default_branch_that_cannot_be_read_stop_moves_alone(cli: Cli, inside: Path) -> None:
    assert cli("label", "set", "support/triage@staging", "v2").exit_code == 0
    hand_tag(Repo(inside), "prompt/support/triage@canary/1", Repo(inside).head, message(inside, "canary"))
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\nnewer: 1\n")
    commit(inside, "Set what a newer program knows")
    git(inside, "push", "--quiet", "origin", "main")
    git(inside, "checkout", "--quiet", "-b", "mend")
    write(inside, "promptctl.yaml", SETTINGS)
    commit(inside, "Mend")
    reads = [("list",), ("show", "support/triage"), ("history", "support/triage"), ("diff", "support/triage", "@main")]
    for command in (*reads, ("render", "support/triage@staging", "-i", "ticket=x"), ("label", "list")):
        ran = cli(*command)
        assert ran.exit_code == 0, (command, ran.err)
        assert "labels are read as those of origin: origin/main:promptctl.yaml:" in ran.err
    assert "staging" in cli("list").out
    assert cli("render", "support/triage@canary", "-i", "ticket=x").exit_code == 3, "known to no remote"
    refused = cli("label", "set", "support/triage@staging", "v3")
    assert (refused.exit_code, "origin/main:promptctl.yaml:" in refused.err) == (3, True)
    assert cli("label", "verify").exit_code == 3
