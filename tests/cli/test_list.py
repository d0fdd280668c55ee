from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write
from tests.cli.support import PATH, TRIAGE, inside_support, support_workspace  # noqa: F401


def ids(cli: Cli, *options: str) -> list[str]:
    return [each["prompt"] for each in cli("list", *options, "--json").json]


@pytest.mark.usefixtures("inside")
def test_a_pipe_gets_one_line_for_each_prompt_with_tabs(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v2")
    lines = cli("list").out.splitlines()
    assert lines[0].split("\t") == ["prompt", "version", "labels", "model", "status", "name", "from"]
    chat, triage = (line.split("\t") for line in lines[1:])
    assert (chat[0], chat[2:]) == ("chat", ["-", "openai/gpt-4o-mini", "deprecated", "Chat", "-"])
    assert (triage[0], triage[2:]) == (
        "support/triage",
        ["production=v2", "echo/echo", "active", "Support triage", "-"],
    )
    assert triage[1].startswith("v3 (")


@pytest.mark.usefixtures("inside")
def test_json_has_version_and_labels_of_each(cli: Cli) -> None:
    cli("label", "set", "support/triage@staging", "v1")
    found = cli("list", "--json").json[1]
    assert (found["version"], found["dirty"], found["labels"]) == (
        3,
        False,
        {"staging": {"version": 1, "version_display": "v1"}},
    )
    assert (found["model"], found["provider"], found["tags"]) == ("echo/echo", "echo", ["support", "tickets"])


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tag", "support", "--tag", "tickets"], ["support/triage"]),
        (["--tag", "support", "--tag", "chat"], []),
        (["--search", "INBOUND"], ["support/triage"]),
        (["--search", "chat"], ["chat"]),
        (["--status", "deprecated"], ["chat"]),
        (["--model", "openai/*"], ["chat"]),
        (["--provider", "echo"], ["support/triage"]),
        (["--label", "production"], ["support/triage"]),
        (["--uses", "support/tone.j2"], ["support/triage"]),
        (["--uses", "prompts/support/triage.schema.yaml"], ["support/triage"]),
    ],
)
def test_a_filter_leaves_what_matches(cli: Cli, options: list[str], expected: list[str]) -> None:
    cli("label", "set", "support/triage@production", "v1")
    assert ids(cli, *options) == expected


def test_a_partial_that_is_gone_is_still_found_by_who_needs_it(cli: Cli, inside: Path) -> None:
    (inside / "prompts/support/tone.j2").unlink()
    assert ids(cli, "--uses", "support/tone.j2") == ["support/triage"]


@pytest.mark.usefixtures("inside")
def test_a_file_that_nothing_could_use_is_not_there(cli: Cli) -> None:
    ran = cli("list", "--uses", "support/tome.j2")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "did you mean `support/tone.j2`?" in ran.err


@pytest.mark.usefixtures("inside")
def test_a_filter_that_matches_nothing_says_what_is_near(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v1")
    for option, wrong, near in (("tag", "suport", "support"), ("provider", "ech", "echo")):
        ran = cli("list", f"--{option}", wrong)
        assert (ran.exit_code, ran.out) == (0, "")
        assert f"did you mean `--{option} {near}`?" in ran.err


@pytest.mark.usefixtures("inside")
def test_a_label_that_no_prompt_ever_had_is_an_error(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v1")
    ran = cli("list", "--label", "prodution")
    assert (ran.exit_code, ran.out) == (3, "")
    assert ran.err == "error: no prompt has a label `prodution`\n  hint: did you mean `production`?\n"


@pytest.mark.usefixtures("inside")
def test_a_removed_label_is_not_listed(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v1")
    cli("label", "remove", "support/triage@production")
    assert ids(cli, "--label", "production") == []
    assert cli("list", "--json").json[1]["labels"] == {}


def test_uncommitted_changes_and_broken_files_are_said(cli: Cli, inside: Path) -> None:
    write(inside, PATH, TRIAGE.replace("Classify", "Sort"))  # words only, but the input of v3 is gone again
    write(inside, "prompts/chat.prompt.yaml", "messages: 3\n")
    chat, triage = cli("list", "--json").json
    assert (triage["version"], triage["version_display"], triage["dirty"]) == (None, "v3+dirty", True)
    assert chat["status"] is None
    assert "messages" in chat["error_message"]
    ran = cli("list")
    assert "\tinvalid\t" in ran.out
    assert "triage\tv3" in ran.out
    assert (ran.exit_code, "1 prompt cannot be loaded: chat" in ran.err) == (3, True)


def test_two_files_of_one_id_are_an_error_of_that_prompt(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/chat.prompt.yml", "messages: [{role: user, content: x}]\n")
    assert "are both the prompt" in cli("list", "--json").json[0]["error_message"]


def test_outside_git_prompts_are_listed_without_versions(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "{}\n")
    write(tmp_path, "prompts/chat.prompt.yaml", "messages: [{role: user, content: x}]\n")
    ran = cli("list", "--json")
    assert (ran.exit_code, ran.err) == (0, "")
    assert (ran.json[0]["version_display"], ran.json[0]["model"]) == ("unversioned", None)


def test_an_empty_workspace_says_how_to_begin(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "{}\n")
    assert cli("list").err == "no prompts yet: promptctl new ID begins one, prompts/ID.prompt.yaml\n"
    assert cli("dataset", "list").err == "no datasets yet: promptctl new PROMPT begins one\n"
    assert "hint: promptctl new PROMPT begins one in datasets/" in cli("eval", "--all").err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("arguments", [["list"], ["label", "verify"], ["show", "chat"]])
def test_a_full_disk_under_the_output_is_no_bug(arguments: list[str], warm_command: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(warm_command), *arguments], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.decode() == "error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    "command", [["list"], ["status"], ["eval", "--all", "--dry-run"], ["export", "--to", "json", "-o", "out"]]
)
def test_a_file_whose_name_can_be_no_id_is_told_by_what_looks_at_all(
    cli: Cli, workspace: Path, command: list[str]
) -> None:
    write(workspace, "prompts/grüße/hallo.prompt.yaml", "messages: [{role: user, content: Hi}]\n")
    ran = cli(*command)
    assert "prompts/grüße/hallo.prompt.yaml" in (ran.out if command == ["status"] else ran.err)
    told = cli("validate").err
    assert "an id is made of the letters A to Z and a to z" in told
    assert "hint: rename the file, as to prompts/grusse/hallo.prompt.yaml" in told
