from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import WORKSPACE
from tests.cli.conftest import Cli, commit, git, write
from tests.cli.support import PATH, TRIAGE, inside_support, support_workspace  # noqa: F401


@pytest.mark.usefixtures("inside")
def test_versions_come_newest_first_with_who_when_why_and_labels(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v1")
    cli("label", "set", "support/triage@staging", "v1")
    found = cli("history", "support/triage", "--json").json
    assert [each["version"] for each in found] == [3, 2, 1]
    assert [each["subject"] for each in found] == ["Ask for urgency", "Be honest", "Add triage"]
    assert found[2]["labels"] == ["production", "staging"]
    assert found[0]["author"].endswith("<author@example.com>")
    assert found[0]["date"].startswith("20")
    lines = cli("history", "support/triage").out.splitlines()
    assert lines[0].split("\t") == ["version", "date", "author", "labels", "subject"]
    assert lines[3].split("\t")[3:] == ["production, staging", "Add triage"]


def test_a_revert_says_what_it_equals_and_labels_stand_where_they_were_put(cli: Cli, inside: Path) -> None:
    cli("label", "set", "support/triage@production", "v2")
    write(inside, PATH, TRIAGE)
    commit(inside, "Take urgency back")
    newest, *_, before, _first = cli("history", "support/triage", "--json").json
    assert (newest["version_display"], newest["same_as"], newest["labels"]) == ("v4 (= v2)", 2, [])
    assert (before["version"], before["labels"]) == (2, ["production"])


def test_uncommitted_changes_stand_first(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/support/tone.j2", "Be brisk.\n")
    first, second = cli("history", "support/triage", "--json").json[:2]
    assert (first["version"], first["version_display"], first["dirty"], first["commit"]) == (
        None,
        "v3+dirty",
        True,
        None,
    )
    assert second["version"] == 3


def test_a_branch_beyond_the_line_stands_first_with_its_commit(cli: Cli, inside: Path) -> None:
    git(inside, "checkout", "--quiet", "-b", "idea")
    write(inside, PATH, TRIAGE)
    mine = commit(inside, "Try without urgency")
    first = cli("history", "support/triage", "--json").json[0]
    assert (first["version"], first["commit"], first["subject"]) == (None, mine, "Try without urgency")
    assert first["version_display"] == f"v3+1 ({mine[:7]})"


def test_a_prompt_that_only_a_branch_has_under_its_id_has_the_history_of_what_it_was(cli: Cli, inside: Path) -> None:
    git(inside, "checkout", "--quiet", "-b", "feature")
    git(inside, "mv", PATH, "prompts/support/sort.prompt.yaml")
    commit(inside, "Rename")
    git(inside, "checkout", "--quiet", "main")
    for ref in ("support/sort@feature", f"support/sort@{git(inside, 'rev-parse', 'feature')}"):
        assert [each["version"] for each in cli("history", ref, "--json").json] == [3, 2, 1]
        assert cli("show", ref, "--json").json["made"]["subject"] == "Ask for urgency"
    assert cli("history", "support/sort").exit_code == WORKSPACE


@pytest.mark.usefixtures("inside")
def test_a_version_shows_the_history_up_to_it(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v2")
    for at in ("v2", "production", "HEAD~1"):
        assert [each["version"] for each in cli("history", f"support/triage@{at}", "--json").json] == [2, 1]


def test_a_deleted_prompt_still_has_its_history(cli: Cli, inside: Path) -> None:
    git(inside, "rm", "--quiet", PATH)
    commit(inside, "Drop triage")
    assert [each["version"] for each in cli("history", "support/triage", "--json").json] == [3, 2, 1]


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("ref", "code", "words"),
    [
        ("supprt/triage", 3, "did you mean `support/triage`?"),
        ("support/triage@v9", 3, "its versions are v1 to v3"),
        ("support/triage@nope", 3, "is no label of `support/triage` and no revision"),
        ("prompts/support/triage.prompt.yaml", 2, "its id is support/triage"),
        ("support/triage@v3+dirty", 2, "names nothing"),
    ],
)
def test_a_wrong_ref_ends_with_what_to_do(cli: Cli, ref: str, code: int, words: str) -> None:
    ran = cli("history", ref)
    assert (ran.exit_code, ran.out) == (code, "")
    assert words in ran.err


@pytest.mark.parametrize("command", [("history", "big"), ("diff", "big@v1"), ("history", "big@v1")])
def test_a_prompt_that_was_only_committed_too_large_names_the_limit(
    cli: Cli, inside: Path, command: tuple[str, str]
) -> None:
    write(inside, "prompts/big.prompt.yaml", f"messages:\n- role: user\n  content: {'x' * (1 << 20)}\n")
    commit(inside, "Add much text")
    ran = cli(*command)
    assert (ran.exit_code, ran.out) == (3, "")
    assert "prompts/big.prompt.yaml: the file has 1,048,6" in ran.err
    assert "at most 1,048,576 are read\n  hint: split it" in ran.err


def test_outside_git_there_is_no_history(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "{}\n")
    write(tmp_path, "prompts/chat.prompt.yaml", "messages: [{role: user, content: x}]\n")
    ran = cli("history", "chat")
    assert ran.exit_code == 3
    assert "hint: git init" in ran.err
    for command in ("history caht", "history caht@v1", "diff caht", "diff caht@v1"):
        ran = cli(*command.split())
        assert (ran.exit_code, "hint: did you mean `chat`?" in ran.err) == (3, True)


def test_a_repository_without_commits_says_the_next_command(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "{}\n")
    write(tmp_path, "prompts/chat.prompt.yaml", "messages: [{role: user, content: x}]\n")
    git(tmp_path, "init", "--quiet")
    ran = cli("history", "chat")
    assert ran.exit_code == 3
    assert "no commit yet" in ran.err
    assert "git commit" in ran.err
