from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, commit, git, write
from tests.cli.support import PATH, TRIAGE, add_remote, inside_support, support_workspace  # noqa: F401


@pytest.mark.usefixtures("inside")
def test_the_page_says_what_a_person_wants_to_know(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v2")
    cli("run", "support/triage@production", "-i", "ticket=I was charged twice.", "--model", "replay/none")
    page = cli("show", "support/triage@production").out
    for part in (
        "Support triage",
        "Classify an inbound ticket.",
        "asked for as @production",
        "by Test Author",
        ": Be honest",
        "labels     production v2",
        "temperature=0",
        "datasets   datasets/triage.yaml",
        "includes   support/tone.j2",
        "retried 2×",
        "── system ──",
        "── history (messages given as this input) ──",
        "{{ ticket }}",
        "calls      1, 1 failed",
        "Latest call",
    ):
        assert part in page, part
    rows = [line.split() for line in page.splitlines()]
    assert ["ticket", "string", "required", "Raw", "ticket", "text"] in rows
    assert ["product", "string", "=", "Acme"] in rows
    assert ["tone", "kind", "|", "brisk", "optional"] in rows
    assert ["label", "billing", "|", "bug", "required", "What", "it", "is", "about"] in rows


@pytest.mark.usefixtures("inside")
def test_json_has_the_whole_page(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v2", "--reason", "good")
    page = cli("show", "support/triage@v1", "--json").json
    assert (page["version"], page["label"], page["dirty"]) == (1, None, False)
    assert page["made"]["subject"] == "Add triage"
    assert page["made"]["commit"] == page["commit"]
    assert [(each["label"], each["version_display"], each["reason"]) for each in page["labels"]] == [
        ("production", "v2", "good")
    ]
    assert [(each["name"], each["required"]) for each in page["inputs"]][:2] == [("ticket", True), ("product", False)]
    assert page["messages"][1] == {"placeholder": "history"}
    assert page["output"]["path"] == "prompts/support/triage.schema.yaml"
    assert (page["totals"], page["latest_call"]) == (None, None)


def test_who_made_a_version_is_who_changed_it_not_who_committed_last(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/chat.prompt.yaml", "messages: [{role: user, content: Bye}]\n")
    commit(inside, "Change another prompt")
    assert cli("show", "support/triage", "--json").json["made"]["subject"] == "Ask for urgency"
    assert cli("show", "support/triage@HEAD", "--json").json["made"]["subject"] == "Ask for urgency"


def test_uncommitted_changes_are_told_with_what_they_are_based_on(cli: Cli, inside: Path) -> None:
    write(inside, PATH, TRIAGE + "metadata: {owner: me}\n")
    page = cli("show", "support/triage").out
    assert "version    v3+dirty" in page
    assert "since      " in page
    assert "Ask for urgency" in page
    assert "metadata   owner=me" in page


def test_totals_and_labels_follow_a_rename(cli: Cli, inside: Path) -> None:
    cli("label", "set", "chat@production", "HEAD")
    cli("run", "chat@production", "--model", "echo/echo")
    git(inside, "mv", "prompts/chat.prompt.yaml", "prompts/talk.prompt.yaml")
    commit(inside, "Rename chat")
    page = cli("show", "talk", "--json").json
    assert page["totals"]["calls"] == 1
    assert page["latest_call"]["prompt"] == "chat"
    assert [(each["prompt"], each["label"]) for each in page["labels"]] == [("talk", "production")]
    assert [each["prompt"] for each in cli("log", "list", "--prompt", "talk", "--json").json] == ["chat"]
    assert [(each["prompt"], each["calls"]) for each in cli("log", "stats", "--json").json] == [("talk", 1)]
    assert cli("run", "talk@production", "--model", "echo/echo", "--json").json["label"] == "production"
    assert cli("log", "stats", "--prompt", "talk", "--json").json[0]["calls"] == 2


@pytest.mark.usefixtures("inside")
def test_a_version_that_is_named_has_its_own_calls(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v1")
    for at in ("v1", "production", "v2"):
        cli("run", f"support/triage@{at}", "-i", "ticket=x", "--model", "echo/echo")

    counted = {at: cli("show", f"support/triage{at}", "--json").json for at in ("", "@v1", "@production", "@v2", "@v3")}
    assert {at: page["totals"] and page["totals"]["calls"] for at, page in counted.items()} == {
        "": 3, "@v1": 2, "@production": 2, "@v2": 1, "@v3": None
    }  # fmt: skip
    latest = {at: page["latest_call"] and page["latest_call"]["version"] for at, page in counted.items()}
    assert latest == {"": 2, "@v1": 1, "@production": 1, "@v2": 2, "@v3": None}
    assert "; all versions, evaluations too" in cli("show", "support/triage").out
    page = cli("show", "support/triage@v1").out
    assert "; this version, evaluations too" in page
    assert " · v1 " in page.partition("Latest call")[2]
    now = cli("show", "support/triage@production", "--at", "0s", "--json")
    assert now.json["totals"]["calls"] == 3


@pytest.mark.usefixtures("inside")
def test_a_call_records_label_and_number_and_is_found_by_the_label(cli: Cli) -> None:
    cli("label", "set", "support/triage@production", "v2")
    ran = cli("run", "support/triage@production", "-i", "ticket=x", "--model", "echo/echo", "--json").json
    assert (ran["label"], ran["version"]) == ("production", 2)
    assert (ran["metadata"]["prompt_label"], ran["metadata"]["prompt_version"]) == ("production", 2)
    cli("run", "support/triage@v1", "-i", "ticket=x")
    assert {each["version"] for each in cli("log", "list", "--label", "production", "--json").json} == {2}
    assert cli("log", "list", "--label", "staging", "--json").exit_code == 3


def test_a_deprecated_prompt_warns_and_an_inactive_one_refuses(cli: Cli, inside: Path) -> None:
    ran = cli("run", "chat", "--model", "echo/echo")
    assert (ran.exit_code, ran.out) == (0, "Hello\n")
    assert "warning: chat is deprecated" in ran.err
    path = inside / "prompts/chat.prompt.yaml"
    path.write_text(path.read_text().replace("deprecated", "inactive"))
    ran = cli("run", "chat", "--model", "echo/echo")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "inactive and refuses to run" in ran.err
    assert "status     inactive" in cli("show", "chat").out


def test_a_shallow_clone_says_the_command_that_would_tell_the_version(
    cli: Cli, support: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = add_remote(support)
    shallow = support.parent / "shallow"
    git(bare, "clone", "--quiet", "--depth=1", bare.as_uri(), str(shallow))
    monkeypatch.chdir(shallow)
    ran = cli("show", "support/triage")
    assert ran.exit_code == 0
    assert "version    v?" in ran.out
    assert "made " not in ran.out
    assert "git fetch --unshallow origin" in ran.err


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("ref", "code", "words"),
    [
        ("support/triag", 3, "did you mean `support/triage`?"),
        ("support/triage@producton", 3, "did you mean `support/triage@production`?"),
        ("support/triage@v4", 3, "its versions are v1 to v3"),
        ("support/triage@", 2, "no version follows @ in `support/triage@`"),
        ("support/triage@--output=x", 3, "no revision of this repository"),
    ],
)
def test_a_wrong_ref_ends_with_what_to_do(cli: Cli, ref: str, code: int, words: str) -> None:
    cli("label", "set", "support/triage@production", "v2")
    ran = cli("show", ref)
    assert (ran.exit_code, ran.out) == (code, "")
    assert words in ran.err


def test_a_name_of_several_things_is_refused(cli: Cli, inside: Path) -> None:
    git(inside, "branch", "twice")
    git(inside, "tag", "twice", "HEAD~1")
    ran = cli("show", "support/triage@twice")
    assert ran.exit_code == 3
    assert "write it in full: refs/heads/twice or refs/tags/twice" in ran.err


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_colour_and_no_line_is_too_long(inside: Path, warm_command: Path, width: int) -> None:
    long = "A description that goes on and on, as people write them when they want to be exact. " * 2
    write(inside, PATH, TRIAGE.replace("Raw ticket text", long.replace(",", "")))
    model = f"echo/{'long-' * 8}name"  # refused, and so the latest call
    subprocess.run([str(warm_command), "run", "support/triage", "-i", "ticket=x", "--model", model], check=False)
    text = on_terminal(warm_command, ["show", "support/triage"], width)
    assert model in text
    assert "\x1b[36m{{ ticket }}\x1b[0m" in text
    assert '\x1b[35m{% include "./tone.j2" %}\x1b[0m' in text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= width


def test_a_control_character_of_a_commit_does_not_reach_the_terminal(inside: Path, warm_command: Path) -> None:
    write(inside, PATH, TRIAGE)
    commit(inside, "Evil \x1b[2J subject")
    text = on_terminal(warm_command, ["show", "support/triage"], 100)
    assert "\x1b[2J" not in text
    assert r"Evil \x1b[2J subject" in text


def on_terminal(program: Path, arguments: list[str], width: int) -> str:
    """What the command writes to a terminal that is so many columns wide."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen([str(program), *arguments], stdout=theirs, env=environment)
    os.close(theirs)
    written = b""
    try:
        while select.select([ours], [], [], 30)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            written += piece
    finally:
        os.close(ours)
        process.wait()
    assert process.returncode == 0
    return written.decode()
