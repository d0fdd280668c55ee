from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

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

NAME = "support/triage@production"
STAGED = SETTINGS + "labels:\n  production: {after: staging, reason: required}\n"


def refs(folder: Path) -> str:
    """Every reference: what a refused move must leave as it was."""
    return git(folder, "for-each-ref", "--format=%(refname) %(objectname)")


def live(cli: Cli, name: str = NAME) -> str:
    return str(cli("show", name, "--json").json["version_display"]).partition(" ")[0]


def test_a_version_is_shown_as_everywhere_and_the_commit_beside_it(cli: Cli, inside: Path) -> None:
    shown = cli("show", "support/triage@v3", "--json").json["version_display"]
    write(inside, "notes.txt", "Nothing of a prompt.\n")
    commit(inside, "Note")
    head = git(inside, "rev-parse", "--short=7", "HEAD").strip()
    assert shown.startswith("v3 (")
    assert cli("label", "set", NAME).out.rstrip() == f"{NAME}  nothing → {shown} at {head}"
    assert f" was {shown} at {head}: " in cli("label", "at", NAME, "0m").out


@pytest.mark.usefixtures("inside")
def test_a_label_is_set_moved_rolled_back_and_removed(cli: Cli) -> None:
    moved = cli("label", "set", NAME, "v1")
    assert moved.exit_code == 0
    assert re.fullmatch(r"support/triage@production  nothing → v1 \([0-9a-f]{7}\)\n", moved.out)
    assert " v1 → v3 (" in cli("label", "set", NAME).out
    assert cli("label", "set", NAME, "v3").out == "support/triage@production is v3 already\n"
    assert " v3 → v1 (" in cli("label", "rollback", NAME).out
    assert live(cli) == "v1"
    assert " v1 → nothing" in cli("label", "remove", NAME, "--reason", "not used").out
    assert "was removed by Test Author" in cli("show", NAME).err
    assert " nothing → v3 (" in cli("label", "rollback", NAME, "--to", "v3").out
    actions = [(each["action"], each["version_display"]) for each in cli("label", "log", NAME, "--json").json]
    assert actions == [
        ("rollback", "v3"), ("remove", "v1"), ("rollback", "v1"), ("set", "v3"), ("set", "v1"),
    ]  # fmt: skip


@pytest.mark.usefixtures("inside")
def test_a_version_can_be_named_in_every_way(cli: Cli, inside: Path) -> None:
    for wanted, version in (
        ("v2", "v2"),
        ("@v1", "v1"),
        ("support/triage@v2", "v2"),
        ("HEAD~1", "v2"),
        (git(inside, "rev-parse", "HEAD"), "v3"),
    ):
        assert cli("label", "set", NAME, wanted, "--json").json["version_display"] == version
    assert cli("label", "set", "support/triage@staging", "production", "--json").json["version_display"] == "v3"


@pytest.mark.usefixtures("inside")
def test_a_new_label_that_is_written_nearly_as_another_is_asked_about(cli: Cli) -> None:
    assert "new label" not in cli("label", "set", NAME).err
    asked = cli("label", "set", "support/triage@prodution")
    assert (asked.exit_code, "`prodution` is a new label; did you mean `production`?" in asked.err) == (0, True)
    assert "promptctl label remove support/triage@prodution" in asked.err
    assert "new label" not in cli("label", "set", "support/triage@prodution", "v1").err
    assert "new label" not in cli("label", "set", "support/triage@staging").err


@pytest.mark.usefixtures("inside")
def test_json_says_what_moved_and_what_was_before(cli: Cli) -> None:
    cli("label", "set", NAME, "v1")
    moved = cli("label", "set", NAME, "v2", "--reason", "better tone", "--json").json
    assert (moved["event"], moved["version_display"], moved["moved"], moved["pushed"]) == (2, "v2", True, False)
    assert (moved["version"], moved["before"]["version"], moved["reason"]) == (2, 1, "better tone")
    assert moved["actor"] == "Test Author <author@example.com>"
    again = cli("label", "set", NAME, "v2", "--json").json
    assert (again["moved"], again["before"]) == (False, None)


def test_uncommitted_changes_cannot_get_a_label(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/support/tone.j2", "Be brisk.\n")
    before = refs(inside)
    ran = cli("label", "set", NAME)
    assert (ran.exit_code, ran.out) == (3, "")
    assert "is in no commit" in ran.err
    assert refs(inside) == before
    assert cli("label", "set", NAME, "HEAD").exit_code == 0


def test_in_a_merge_that_is_not_resolved_the_error_names_what_can_be_labelled(cli: Cli, inside: Path) -> None:
    path = f"prompts/{NAME.partition('@')[0]}.prompt.yaml"
    write(inside, path, f"<<<<<<< HEAD\n{(inside / path).read_text()}=======\n>>>>>>> other\n")
    ran = cli("label", "set", NAME)
    assert (ran.exit_code, f"promptctl label set {NAME} HEAD" in ran.err) == (3, True)
    assert cli("label", "set", NAME, "HEAD").exit_code == 0


@pytest.mark.usefixtures("inside")
def test_list_says_where_each_label_stands(cli: Cli) -> None:
    assert "no label is known here" in cli("label", "list").err
    cli("label", "set", NAME, "v1", "--reason", "first")
    cli("label", "set", "chat@staging", "HEAD")
    cli("label", "remove", "chat@staging")
    header, line = (row.split("\t") for row in cli("label", "list").out.splitlines())
    assert header == ["label", "version", "commit", "date", "by", "reason"]
    assert (line[0], line[1], line[5]) == (NAME, "v1", "first")
    everything = cli("label", "list", "--all", "--json").json
    assert [(each["prompt"], each["live"]) for each in everything] == [("chat", False), ("support/triage", True)]
    assert cli("label", "list", "chat", "--json").json == []
    assert cli("label", "list", "chat").err == "no label names a version; --all shows more\n"
    assert "did you mean `chat`?" in cli("label", "list", "chta").err


@pytest.mark.usefixtures("inside")
def test_at_says_what_was_live_then(cli: Cli) -> None:
    cli("label", "set", NAME, "v1", "--reason", "first")
    assert cli("label", "at", NAME, "2001-01-01").out == f"{NAME} did not exist yet\n"
    assert cli("label", "at", NAME, "2001-01-01", "--json").json["event"] is None
    now = cli("label", "at", NAME, "0s")
    assert now.out.startswith(f"{NAME} was v1 (")
    assert now.out.endswith(": first\n")
    cli("label", "remove", NAME)
    assert f"{NAME} was removed (" in cli("label", "at", NAME, "0s").out
    assert cli("label", "at", NAME, "tomorrow").exit_code == 2


def test_a_rule_refuses_with_the_commands_that_would_satisfy_it(cli: Cli, inside: Path) -> None:
    write(inside, "promptctl.yaml", STAGED)
    commit(inside, "Ask for staging first")
    before = refs(inside)
    ran = cli("label", "set", NAME, "v2")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "needs a reason" in ran.err
    assert "production comes after staging" in ran.err
    assert "promptctl label set support/triage@staging" in ran.err
    assert refs(inside) == before
    assert cli("label", "set", "support/triage@staging", "v2").exit_code == 0
    assert cli("label", "set", NAME, "v2", "--reason", "looked good on staging").exit_code == 0
    assert "needs a reason" in cli("label", "remove", NAME).err
    ran = cli("label", "set", "support/triage@stagin", "v2")
    assert ran.exit_code == 3
    assert "did you mean `staging`?" in ran.err


def test_the_rules_are_those_of_the_default_branch(cli: Cli, inside: Path) -> None:
    write(inside, "promptctl.yaml", STAGED)
    commit(inside, "Ask for staging first")
    git(inside, "checkout", "--quiet", "-b", "shortcut")
    write(inside, "promptctl.yaml", SETTINGS)
    commit(inside, "Ask for nothing")
    assert "production comes after staging" in cli("label", "set", NAME, "v2").err
    git(inside, "checkout", "--quiet", "main")
    write(inside, "promptctl.yaml", "labels: {production: {affter: staging}}\n")
    broken = commit(inside, "Mistype")
    git(inside, "checkout", "--quiet", "shortcut")
    ran = cli("label", "set", NAME, "v2")
    assert ran.exit_code == 3
    assert "main:promptctl.yaml:1:" in ran.err, broken


def test_an_evaluation_must_have_passed_with_all_cases_and_the_own_model(cli: Cli, inside: Path) -> None:
    settings = SETTINGS + "labels:\n  production: {evaluation: passed}\n"
    write(inside, "promptctl.yaml", settings)
    cases = (
        "prompts: [chat]\ncases:\n"
        "  - {id: a, assert: [{type: contains, value: Hello}]}\n  - {id: b, assert: [{type: contains, value: Hello}]}\n"
    )
    write(inside, "datasets/chat.yaml", cases)
    write(inside, "prompts/chat.prompt.yaml", "messages: [{role: user, content: Hello}]\n")
    commit(inside, "Ask for an evaluation")

    def refusal() -> str:
        ran = cli("label", "set", "chat@production", "HEAD")
        assert ran.exit_code == 3
        return ran.err

    assert "promptctl eval chat@" in refusal()
    assert cli("eval", "chat", "--first", "1").exit_code == 0
    assert "was not of the whole dataset: 1 case (--first 1)" in refusal()
    assert cli("eval", "chat", "-p", "temperature=1").exit_code == 0
    assert "asked with other parameters (temperature)" in refusal()
    assert cli("eval", "chat").exit_code == 0
    moved = cli("label", "set", "chat@production", "HEAD", "--json").json
    assert moved["evaluation"].endswith("passed 2 of 2 on datasets/chat.yaml")
    assert moved["evaluation"] in cli("label", "log", "chat@production").out
    cli("label", "remove", "chat@production")
    write(inside, "promptctl.yaml", settings.replace("echo/echo", "openai/other"))
    commit(inside, "Ask a different model")
    assert "asked echo/echo, where openai/other would run" in refusal()
    write(inside, "promptctl.yaml", settings)
    write(inside, "datasets/chat.yaml", cases + "  - {id: c, assert: [{type: contains, value: Bye}]}\n")
    commit(inside, "Ask for more")
    assert "was of other cases: the dataset has changed since" in refusal()
    assert cli("eval", "chat", "--min-pass", "0.1").exit_code == 0
    assert "asked less of the cases than the dataset does: 10.0%, not 100.0%" in refusal()


WRONG: tuple[tuple[list[str], int, str], ...] = (
    (["set", "support/triage"], 2, "names no label"),
    (["set", "support/triage@v7"], 2, "would be taken for a version number"),
    (["set", "support/triage@beef"], 2, "would be taken for a commit"),
    (["set", "support/triage@Production"], 2, "lower-case letters"),
    (["set", "support/triage@--force", "v1"], 2, "lower-case letters"),
    (["set", "support/triage@main", "v1"], 3, "is the name of the branch refs/heads/main"),
    (["set", "supprt/triage@production", "v1"], 3, "did you mean `support/triage`?"),
    (["set", NAME, "v9"], 3, "its versions are v1 to v3"),
    (["set", NAME, "nope"], 3, "no revision of this repository"),
    (["log", "support/triage@prodution"], 3, "did you mean `support/triage@production`?"),
    (["log", "supprt/triage@production"], 3, "did you mean `support/triage`?"),
    (["at", "support/triage@prodution", "1d"], 3, "did you mean `support/triage@production`?"),
    (["remove", "support/triage@prodution"], 3, "did you mean `support/triage@production`?"),
    (["rollback", "support/triage@prodution"], 3, "did you mean `support/triage@production`?"),
    (["rollback", NAME], 3, "has named no version before v1"),
    (["rollback", NAME, "--to", "v2"], 3, "never named v2; it named v1"),
    (["rollback", NAME, "--to", "v9"], 3, "its versions are v1 to v3"),
    (["fetch"], 3, "this repository has no remote for labels"),
    (["push"], 3, "this repository has no remote for labels"),
    (["fetch", "--remote", "nowhere"], 3, "no remote is named `nowhere`"),
    (["push", "--remote", "--upload-pack=x"], 3, "no remote is named"),
)


def test_a_wrong_argument_ends_with_what_to_do(cli: Cli, inside: Path) -> None:
    cli("label", "set", NAME, "v1")
    before = refs(inside)
    for arguments, code, words in WRONG:
        ran = cli("label", *arguments)
        assert (arguments, ran.exit_code, ran.out) == (arguments, code, "")
        assert words in ran.err
        assert refs(inside) == before


@pytest.mark.parametrize(
    "arguments",
    [["set", "chat@production"], ["list"], ["log", "chat@production"], ["verify"], ["fetch"], ["push"],
     ["rollback", "chat@production"], ["remove", "chat@production"], ["at", "chat@production", "1d"]],
)  # fmt: skip
def test_outside_git_there_are_no_labels(cli: Cli, tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path, "promptctl.yaml", "{}\n")
    write(tmp_path, "prompts/chat.prompt.yaml", "messages: [{role: user, content: x}]\n")
    ran = cli("label", *arguments)
    assert (ran.exit_code, ran.out) == (3, "")
    assert "not in a Git repository" in ran.err
    assert "hint: git init" in ran.err


def test_a_move_without_a_named_remote_stays_here_until_it_is_pushed(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = add_remote(inside)
    ran = cli("label", "set", NAME, "v2")
    assert "promptctl label push" in ran.err
    assert git(bare, "tag") == ""
    assert cli("label", "push").out == "pushed  support/triage@production/1  set v2\n", "the only remote is meant"
    assert "nothing to push" in cli("label", "push", "--remote", "origin").err
    git(inside, "remote", "add", "fork", str(bare))
    several = cli("label", "push")
    assert (several.exit_code, "there are several: fork, origin" in several.err) == (3, True)
    monkeypatch.chdir(clone(bare, "ben"))
    assert cli("label", "fetch", "--json").json["conflicts"] == []
    assert live(cli) == "v2"


def test_a_named_remote_gets_each_move_at_once_and_other_clones_see_it(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Share labels")
    bare = add_remote(inside)
    ben = clone(bare, "ben")
    assert cli("label", "set", NAME, "v2", "--json").json["pushed"] is True
    assert "prompt/support/triage@production/1" in git(bare, "tag")
    monkeypatch.chdir(ben)
    assert cli("label", "log", NAME, "--json").json[0]["version_display"] == "v2"
    assert cli("label", "set", NAME, "v1").exit_code == 0
    monkeypatch.chdir(inside)
    assert live(cli) == "v2"
    assert cli("label", "fetch").out == "support/triage@production/2\n"
    assert live(cli) == "v1"


def test_what_is_moved_is_looked_up_after_the_remote_was_asked(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Share labels")
    ben = clone(add_remote(inside), "ben")
    cli("label", "set", "support/triage@staging", "v1")
    monkeypatch.chdir(ben)
    cli("label", "fetch")
    monkeypatch.chdir(inside)
    cli("label", "set", "support/triage@staging", "v2")
    cli("label", "set", NAME, "v1")
    cli("label", "set", NAME, "v3")
    monkeypatch.chdir(ben)
    ran = cli("label", "rollback", NAME, "--to", "v1", "--json")
    assert (ran.exit_code, ran.json["version_display"]) == (0, "v1")
    assert cli("label", "set", NAME, "staging", "--json").json["version_display"] == "v2"


@pytest.mark.parametrize("arguments", [["log", "late@live"], ["remove", "late@live"], ["list", "late"]])
def test_a_prompt_that_only_the_labels_of_the_remote_know_is_known(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Share labels")
    ben = clone(add_remote(inside), "ben")
    write(inside, "prompts/late.prompt.yaml", "messages: [{role: user, content: x}]\n")
    commit(inside, "Add a prompt")
    git(inside, "push", "--quiet")
    cli("label", "set", "late@live", "v1")
    monkeypatch.chdir(ben)
    assert cli("label", *arguments).exit_code == 0


def test_a_move_that_came_too_late_is_undone_and_said(cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = add_remote(inside)
    monkeypatch.chdir(clone(bare, "ben"))
    cli("label", "set", NAME, "v1", "--reason", "mine")
    monkeypatch.chdir(inside)
    cli("label", "set", NAME, "v2")
    cli("label", "push", "--remote", "origin")
    monkeypatch.chdir(inside.parent / "ben")
    ran = cli("label", "push", "--remote", "origin")
    assert ran.exit_code == 3
    assert "support/triage@production/1 (set v1) came too late and was undone: set v2 by Test Author" in ran.err
    assert live(cli) == "v2"


def test_a_rule_added_at_the_remote_holds_here_before_it_is_fetched(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Share labels")
    ben = clone(add_remote(inside), "ben")
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin, production: {reason: required}}\n")
    commit(inside, "Ask for a reason")
    git(inside, "push", "--quiet")
    monkeypatch.chdir(ben)
    before = refs(ben)
    ran = cli("label", "set", NAME, "v1")
    assert ran.exit_code == 3
    assert "needs a reason" in ran.err
    assert [line for line in refs(ben).splitlines() if "tags" in line] == [
        line for line in before.splitlines() if "tags" in line
    ]


def test_a_remote_that_cannot_be_reached_refuses_moves_and_warns_readers(cli: Cli, inside: Path) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Share labels")
    bare = add_remote(inside)
    cli("label", "set", NAME, "v2")
    bare.rename(bare.with_name("away.git"))
    before = refs(inside)
    ran = cli("label", "set", NAME, "v1")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "no label was moved: origin cannot be asked" in ran.err
    assert refs(inside) == before
    ran = cli("label", "log", NAME)
    assert ran.exit_code == 0
    assert "labels are as of" in ran.err
    assert live(cli) == "v2"


def test_a_clone_that_never_fetched_labels_cannot_know(cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(inside, "promptctl.yaml", SETTINGS + "labels: {remote: origin}\n")
    commit(inside, "Share labels")
    bare = add_remote(inside)
    monkeypatch.chdir(clone(bare, "ben"))
    bare.rename(bare.with_name("away.git"))
    ran = cli("label", "list")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "hint: promptctl label fetch" in ran.err


def test_verify_finds_a_tag_written_by_hand(cli: Cli, inside: Path) -> None:
    cli("label", "set", NAME, "v1")
    assert cli("label", "verify").out == "0 errors, 0 warnings\n"
    git(inside, "tag", "prompt/support/triage@production/2", "HEAD")
    ran = cli("label", "verify")
    assert (ran.exit_code, ran.out) == (1, "1 error, 0 warnings\n")
    assert "it is a lightweight tag" in ran.err
    assert "git tag -d prompt/support/triage@production/2" in ran.err
    problem = cli("label", "verify", "--json").json["problems"][0]
    assert problem["code"] == "label-lightweight"
    refused = cli("label", "set", NAME, "v2")
    assert refused.exit_code == 3
    assert "was not moved" in refused.err


def test_verify_finds_a_label_on_another_text(cli: Cli, inside: Path) -> None:
    cli("label", "set", NAME, "v1")
    body = git(inside, "cat-file", "tag", "prompt/support/triage@production/1")
    forged = re.sub(r"(?m)^object .*$", f"object {git(inside, 'rev-parse', 'HEAD')}", body)
    file = inside.parent / "forged"
    file.write_text(forged + "\n")
    oid = git(inside, "hash-object", "-t", "tag", "-w", str(file))
    git(inside, "update-ref", "refs/tags/prompt/support/triage@production/1", oid)
    ran = cli("label", "verify")
    assert ran.exit_code == 1
    assert "recorded a different text" in ran.err
    assert "promptctl label verify" in cli("run", NAME, "-i", "ticket=x").err


def test_a_prompt_that_was_deleted_keeps_its_labels(cli: Cli, inside: Path) -> None:
    cli("label", "set", NAME, "v2")
    git(inside, "rm", "--quiet", PATH)
    commit(inside, "Drop triage")
    assert cli("label", "log", NAME, "--json").json[0]["version_display"] == "v2"
    assert cli("run", NAME, "-i", "ticket=x", "--model", "echo/echo").exit_code in (0, 1)
    assert " v2 → nothing" in cli("label", "remove", NAME).out


def test_labels_of_a_workspace_below_the_root(cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(inside, "apps/bot/promptctl.yaml", SETTINGS + "labels: {production: {reason: required}}\n")
    write(inside, "apps/bot/prompts/hi.prompt.yaml", "messages: [{role: user, content: x}]\n")
    commit(inside, "Add a bot")
    monkeypatch.chdir(inside / "apps/bot")
    assert "needs a reason" in cli("label", "set", "hi@production").err
    moved = cli("label", "set", "hi@production", "--reason", "go", "--json").json
    assert moved["path"] == "apps/bot/prompts/hi.prompt.yaml"
    assert cli("label", "verify").out == "0 errors, 0 warnings\n"
    monkeypatch.chdir(inside)
    assert cli("label", "verify").out == "0 errors, 0 warnings\n"


def label_one_of_two_workspaces(cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        write(inside, f"{name}/promptctl.yaml", SETTINGS)
        write(inside, f"{name}/prompts/hi.prompt.yaml", f"messages: [{{role: user, content: {name}}}]\n")
    commit(inside, "Add two workspaces")
    monkeypatch.chdir(inside / "one")
    cli("label", "set", "hi@production")


def test_a_label_belongs_to_its_workspace_alone_and_moves_with_it(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_one_of_two_workspaces(cli, inside, monkeypatch)

    monkeypatch.chdir(inside / "two")
    assert cli("label", "list", "--json").json == []
    assert cli("list", "--json").json[0]["labels"] == {}
    for command in (
        ("render", "hi@production"),
        ("label", "log", "hi@production"),
        ("label", "at", "hi@production", "now"),
        ("label", "set", "hi@production"),
        ("label", "remove", "hi@production"),
    ):
        refused = cli(*command)
        assert (refused.exit_code, "of the same id in the workspace one/" in refused.err) == (3, True), command

    monkeypatch.chdir(inside)
    git(inside, "mv", "one", "three")
    commit(inside, "Move a workspace")
    monkeypatch.chdir(inside / "three")
    assert cli("label", "list", "--json").json[0]["label"] == "production"
    assert "one" in cli("render", "hi@production").out


def test_labels_of_a_removed_workspace_keep_no_other_from_the_id(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_one_of_two_workspaces(cli, inside, monkeypatch)
    monkeypatch.chdir(inside)
    git(inside, "rm", "-rq", "one")
    commit(inside, "Remove a workspace")

    monkeypatch.chdir(inside / "two")
    refused = cli("render", "hi@production")
    assert (refused.exit_code, "was removed; move the label" in refused.err) == (3, True), "never the other's text"
    moved = cli("label", "set", "hi@production")
    assert moved.exit_code == 0, moved.err
    assert "two" in cli("render", "hi@production").out
    assert cli("label", "verify").exit_code == 0


def test_numbers_that_changed_are_said(cli: Cli, inside: Path) -> None:
    cli("history", "support/triage")
    git(inside, "reset", "--quiet", "--hard", "HEAD~2")
    write(inside, PATH, TRIAGE.replace("You triage", "You sort"))
    commit(inside, "Sort")
    ran = cli("history", "support/triage")
    assert ran.exit_code == 0
    assert "warning: " in ran.err
    assert "rewritten" in ran.err


def test_a_clone_with_a_part_of_a_label_says_so_rather_than_give_an_old_version(cli: Cli, workspace: Path) -> None:
    cli("label", "set", "triage@production")
    write(workspace, "prompts/triage.prompt.yaml", TRIAGE.replace("Be {{", "Stay {{"))
    commit(workspace, "Change the tone")
    cli("label", "set", "triage@production")
    git(workspace, "tag", "--delete", "prompt/triage@production/1")
    git(workspace, "remote", "add", "origin", "../elsewhere.git")
    git(workspace, "update-ref", "refs/remotes/origin/main", "main")
    ran = cli("run", "triage@production", "-i", "ticket=x")
    assert ran.exit_code == 3
    assert "promptctl label fetch" in ran.err


def test_a_branch_that_a_clone_of_one_branch_lacks_is_fetched_by_its_name(
    cli: Cli, inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(inside, "branch", "other")
    git(tmp_path, "clone", "--quiet", "--single-branch", "--branch", "other", f"file://{inside}", "one")
    monkeypatch.chdir(tmp_path / "one")
    command = cli("eval", "--changed-since", "origin/main").err.partition("bring it here: ")[2]
    git(tmp_path / "one", *shlex.split(command)[1:])
    assert "no commit is named" not in cli("eval", "--changed-since", "origin/main").err
