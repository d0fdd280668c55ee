from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, commit, write
from tests.cli.support import PATH, SCHEMA, TRIAGE, inside_support, support_workspace  # noqa: F401


@pytest.mark.usefixtures("inside")
def test_two_versions_are_compared_part_by_part_with_who_breaks_and_why(cli: Cli) -> None:
    ran = cli("diff", "support/triage@v1", "support/triage@v3")
    assert ran.exit_code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("support/triage  v1 (")
    assert "breaks callers:" in lines
    assert "  input urgent: was added without a default: it must be given now" in lines
    assert "no break for consumers of replies" in lines
    assert "    -Be kind." in lines
    assert "    +Be kind and honest." in lines
    assert "  + urgent added: required" in lines


@pytest.mark.usefixtures("inside")
def test_the_second_version_may_be_given_alone(cli: Cli) -> None:
    whole = cli("diff", "support/triage@v1", "support/triage@v2", "--json").json
    assert cli("diff", "support/triage@v1", "@v2", "--json").json == {
        **whole, "new": {**whole["new"], "ref": "support/triage@v2"}
    }  # fmt: skip


def test_a_bare_prompt_is_what_is_committed_against_the_work_tree(cli: Cli, inside: Path) -> None:
    assert "no difference" in cli("diff", "support/triage").out
    write(inside, "prompts/support/tone.j2", "Be brisk.\n")
    found = cli("diff", "support/triage", "--json").json
    assert (found["old"]["version"], found["new"]["dirty"]) == (3, True)
    assert [each["path"] for each in found["partials"]] == ["support/tone.j2"]


def test_a_variable_that_no_input_declares_is_warned_of(cli: Cli, inside: Path) -> None:
    write(inside, PATH, (inside / PATH).read_text().replace("{{ ticket }}", "{{ tickt }}"))
    ran = cli("diff", "support/triage")
    assert (ran.exit_code, ran.err.count("warning: ")) == (0, 1)
    assert re.search(rf"^warning: {PATH}:\d+:\d+: `tickt` is not declared under `inputs`$", ran.err, re.MULTILINE)
    assert cli("diff", "support/triage@v1", "@v2").err == ""


def test_one_version_is_compared_with_the_work_tree(cli: Cli, inside: Path) -> None:
    write(inside, PATH, TRIAGE)
    found = cli("diff", "support/triage@v1", "--json").json
    assert (found["old"]["version"], found["new"]["ref"]) == (1, "support/triage")
    assert found["inputs"] == []
    cli("label", "set", "support/triage@production", "v1")
    assert cli("diff", "support/triage@production", "--json").json["old"]["label"] == "production"


@pytest.mark.usefixtures("inside")
def test_two_prompts_can_be_compared(cli: Cli) -> None:
    ran = cli("diff", "chat", "support/triage")
    assert ran.exit_code == 0
    assert ran.out.startswith("chat v1 (")
    assert "+ ticket added: required" in ran.out


def test_a_schema_that_promises_less_breaks_who_reads_replies(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/support/triage.schema.yaml", SCHEMA.replace("required: [label]", "required: []"))
    out = cli("diff", "support/triage").out
    assert "no break for callers" in out
    assert "breaks consumers of replies:" in out
    assert "output $.label: need not be there now" in out


def test_words_alone_are_said_to_change_no_behaviour(cli: Cli, inside: Path) -> None:
    path = inside / PATH
    path.write_text(path.read_text().replace("Support triage", "Triage"))
    out = cli("diff", "support/triage").out
    assert "same behaviour" in out
    assert "name: Support triage → Triage" in out


@pytest.mark.usefixtures("inside")
def test_the_exit_code_tells_a_difference_only_when_asked(cli: Cli) -> None:
    assert cli("diff", "support/triage@v1", "@v2").exit_code == 0
    assert cli("diff", "support/triage@v1", "@v2", "--exit-code").exit_code == 1
    assert cli("diff", "support/triage@v1", "@v2", "--exit-code", "--json").exit_code == 1
    assert cli("diff", "support/triage@v2", "@v2", "--exit-code").exit_code == 0


def test_a_prompt_that_was_never_committed_says_so(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/new.prompt.yaml", "messages: [{role: user, content: x}]\n")
    ran = cli("diff", "new")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "not committed yet" in ran.err
    assert "git add prompts/new.prompt.yaml" in ran.err
    commit(inside, "Add new")
    assert "no difference" in cli("diff", "new").out


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("refs", "code", "words"),
    [
        (["supprt/triage"], 3, "did you mean `support/triage`?"),
        (["support/triage@v1", "@v9"], 3, "its versions are v1 to v3"),
        (["support/triage@v1", "chta"], 3, "did you mean `chat`?"),
        ([], 2, "missing argument"),
    ],
)
def test_a_wrong_ref_ends_with_what_to_do(cli: Cli, refs: list[str], code: int, words: str) -> None:
    ran = cli("diff", *refs)
    assert (ran.exit_code, ran.out) == (code, "")
    assert words in ran.err


def test_outside_git_two_prompts_compare_and_versions_do_not(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "{}\n")
    for name in ("a", "b"):
        write(tmp_path, f"prompts/{name}.prompt.yaml", f"messages: [{{role: user, content: {name}}}]\n")
    assert "+b" in cli("diff", "a", "b").out
    assert "not in a Git repository" in cli("diff", "a").err
    assert cli("diff", "a@v1").exit_code == 3


def test_a_schema_that_is_new_is_told_once_with_its_file(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/chat.schema.yaml", "type: object\n")
    text = (inside / "prompts/chat.prompt.yaml").read_text()
    write(inside, "prompts/chat.prompt.yaml", text + "output: {schema: {$ref: chat.schema.yaml}}\n")
    ran = cli("diff", "chat")
    assert "  + schema added (prompts/chat.schema.yaml)\n" in ran.out
    assert "output.schema_path" not in ran.out
