"""`label set` under `evaluation: passed`: refused with the command that would satisfy it, moved with its evidence."""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from promptctl import open_workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.evaluation_lab import Lab, answering

PROMPT = "inputs: {name: {type: string}}\nmessages:\n  - {role: user, content: 'Hello {{ name }}'}\n"
CASES = (
    "prompts: [greet]\ncases:\n"
    "  - {id: one, inputs: {name: Ada}, assert: [{type: contains, value: Hello}]}\n"
    "  - {id: two, inputs: {name: Ben}, assert: [{type: contains, value: Hello}]}\n"
)


@pytest.fixture
def greet(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "promptctl.yaml", "model: echo/echo\nlabels:\n  production: {evaluation: passed}\n")
    write(tmp_path, "prompts/greet.prompt.yaml", PROMPT)
    write(tmp_path, "datasets/small/greet.yaml", CASES)
    commit(tmp_path, "Greet")
    return tmp_path


def refused(cli: Cli) -> str:
    """The command that the refusal names."""
    ran = cli("label", "set", "greet@production")
    assert ran.exit_code == 3
    assert "production needs a passing evaluation of v1" in ran.err
    hints = [line.partition("hint: ")[2] for line in ran.err.splitlines() if "hint: " in line]
    return hints[0]


def is_moved(cli: Cli) -> bool:
    return cli("label", "set", "greet@production").exit_code == 0


@pytest.mark.parametrize("rule", ["{evaluation: passed}", "{evaluation: passed, dataset: small/greet.yaml}"])
def test_the_command_that_the_refusal_names_satisfies_it(greet: Path, cli: Cli, rule: str) -> None:
    write(greet, "promptctl.yaml", f"model: echo/echo\nlabels:\n  production: {rule}\n")
    git(greet, "commit", "--quiet", "--allow-empty", "--all", "--message", "Rule")
    command = shlex.split(refused(cli))
    assert command[:2] == ["promptctl", "eval"]
    assert cli(*command[1:]).exit_code == 0
    assert is_moved(cli)
    tag = git(greet, "cat-file", "tag", "refs/tags/prompt/greet@production/1")
    (evidence,) = [line for line in tag.splitlines() if line.startswith("Evaluation: ")]
    assert evidence.endswith("passed 2 of 2 on datasets/small/greet.yaml")
    assert "passed 2 of 2" in cli("label", "log", "greet@production").out


@pytest.mark.parametrize(
    "weaker",
    [
        ["--case", "one"],
        ["--first", "1"],
        ["--repeat", "3", "--at-least", "1"],
        ["--min-pass", "0.1"],
        ["--judge", "echo/echo"],
        ["--judge-param", "temperature=1"],
        ["--model", "echo/echo", "-p", "temperature=1"],
    ],
)
def test_an_evaluation_that_asked_for_less_or_for_something_else_proves_nothing(
    greet: Path, cli: Cli, weaker: list[str]
) -> None:
    assert cli("eval", "greet", *weaker).exit_code == 0
    assert not is_moved(cli)


def test_one_that_was_not_finished_proves_nothing(greet: Path, cli: Cli) -> None:
    assert cli("eval", "greet").exit_code == 0
    with open_workspace(greet, {}) as workspace:
        log = workspace.context.log
        (row,) = log.evaluations()
        log.update_evaluation(row.id, status="interrupted", totals=row.totals)
    ran = cli("label", "set", "greet@production")
    assert (ran.exit_code, "was not finished" in ran.err) == (3, True), ran.err


def test_one_that_failed_proves_nothing_and_undoes_an_earlier_one(greet: Path, cli: Cli) -> None:
    assert cli("eval", "greet").exit_code == 0
    write(
        greet,
        "datasets/small/greet.yaml",
        CASES.replace(
            "two, inputs: {name: Ben}, assert: [{type: contains, value: Hello",
            "two, inputs: {name: Ben}, assert: [{type: contains, value: Bye",
        ),
    )
    assert cli("eval", "greet").exit_code == 1
    commit(greet, "Ask for more")
    ran = cli("label", "set", "greet@production")
    assert ran.exit_code == 3
    assert re.search(
        r"a passing evaluation of v1, and in the last one on datasets/small/greet.yaml \([0-9a-f]{8}\) 1 of 2 cases",
        ran.err,
    )


def test_one_that_ended_once_it_was_decided_counts_as_failed_whatever_it_left_out(greet: Path, cli: Cli) -> None:
    many = "".join(
        f"  - {{id: c{n}, inputs: {{name: Ada}}, assert: [{{type: contains, value: Hello}}]}}\n" for n in range(8)
    )
    write(greet, "datasets/small/greet.yaml", f"prompts: [greet]\nmin_pass: 0.5\ncases:\n{many}")
    commit(greet, "Ask for half")
    assert cli("eval", "greet", "--until-decided", "-j", "1").exit_code == 0
    assert is_moved(cli)
    tag = git(greet, "cat-file", "tag", "refs/tags/prompt/greet@production/1")
    assert "passed 8 of 8 on datasets/small/greet.yaml" in tag
    assert cli("label", "verify").exit_code == 0
    # The newest counts, though an earlier one passed: it failed for sure, whatever it left out.
    write(greet, "prompts/greet.prompt.yaml", PROMPT.replace("Hello", "Hi"))
    commit(greet, "Greet otherwise")
    assert cli("eval", "greet", "--until-decided", "-j", "1").exit_code == 1
    ran = cli("label", "set", "greet@production")
    assert (ran.exit_code, "3 of 8 cases (37.5%) at most could pass" in ran.err) == (3, True), ran.err


def test_every_dataset_of_the_prompt_must_have_passed(greet: Path, cli: Cli) -> None:
    write(greet, "datasets/second.yaml", CASES)
    commit(greet, "Second")
    assert cli("eval", "greet", "-d", "small/greet.yaml").exit_code == 0
    assert not is_moved(cli)
    assert cli("eval", "greet", "-d", "second.yaml").exit_code == 0
    assert is_moved(cli)


def test_the_same_content_evaluated_before_its_commit_counts(greet: Path, cli: Cli) -> None:
    write(greet, "prompts/greet.prompt.yaml", PROMPT.replace("'Hello", "'Hello, Hello"))
    assert cli("eval", "greet").exit_code == 0
    commit(greet, "More hello")
    assert is_moved(cli)


def test_a_prompt_without_a_dataset_cannot_be_proven(greet: Path, cli: Cli) -> None:
    git(greet, "rm", "--quiet", "datasets/small/greet.yaml")
    commit(greet, "Drop it")
    assert "needs a passing evaluation of v1, and no dataset tests it" in cli("label", "set", "greet@production").err


def test_a_dataset_that_is_wrong_proves_nothing_and_is_no_accident(greet: Path, cli: Cli) -> None:
    assert cli("eval", "greet").exit_code == 0
    write(greet, "datasets/small/greet.yaml", "prompts: [greet]\ncases: 3\n")
    commit(greet, "Break it")
    ran = cli("label", "set", "greet@production")
    assert ran.exit_code == 3


def weaken(folder: Path, old: str, new: str, *, begin: str = CASES) -> None:
    write(folder, "datasets/small/greet.yaml", begin.replace(old, new))


@pytest.mark.parametrize(
    ("committed", "old", "new"),
    [
        (CASES.replace("Hello}]}", "Bye}]}"), "Bye", "Hello"),
        (CASES.replace("Hello}]}", "Bye}]}"), "cases:", "min_pass: 0\ncases:"),
        (
            CASES.replace("cases:", "min_pass: 0\ncases:").replace("Hello}]}", "Bye}], must_pass: true}"),
            ", must_pass: true",
            "",
        ),
    ],
    ids=["cases", "min_pass", "must_pass"],
)
def test_a_dataset_that_was_weakened_and_not_committed_proves_nothing(
    greet: Path, cli: Cli, committed: str, old: str, new: str
) -> None:
    write(greet, "datasets/small/greet.yaml", committed)
    commit(greet, "Ask for more")
    weaken(greet, old, new, begin=committed)
    assert cli("eval", "greet").exit_code == 0
    ran = cli("label", "set", "greet@production")
    assert ran.exit_code == 3
    assert "datasets/small/greet.yaml is not here as it is committed" in ran.err
    assert "commit the dataset first: git add datasets/small/greet.yaml && git commit" in ran.err
    commit(greet, "Weaken it in the open")
    assert is_moved(cli)


XFAIL = "Bye}]}".join(CASES.replace("{id: two,", "{id: two, xfail: later,").rsplit("Hello}]}", 1))


@pytest.mark.parametrize(
    ("evaluated", "now"),
    [
        (CASES, CASES.replace("{id: one,", "{id: one, must_pass: true,")),
        (XFAIL, XFAIL.replace("xfail: later", "xfail: {reason: later, strict: true}")),
        (CASES.replace("{id: one,", "{id: one, output: Hello,"), CASES.replace("{id: one,", "{id: one, output: Bye,")),
    ],
    ids=["must_pass", "strict", "output"],
)
def test_an_evaluation_of_cases_that_asked_something_else_proves_nothing(
    greet: Path, cli: Cli, evaluated: str, now: str
) -> None:
    write(greet, "datasets/small/greet.yaml", evaluated)
    assert cli("eval", "greet").exit_code == 0
    write(greet, "datasets/small/greet.yaml", now)
    commit(greet, "Ask something else")
    assert (
        "asked something else of its cases: an `output`, `must_pass` or" in cli("label", "set", "greet@production").err
    )


@pytest.mark.parametrize(
    ("evaluated", "now", "lack"),
    [
        (CASES, CASES.replace("{id: one,", "{id: one, output: Hello,"), None),
        (CASES, CASES.replace("{id: one,", "{id: one, must_pass: true,"), "did not ask `must_pass` of every case"),
        (XFAIL, XFAIL.replace("xfail: later", "xfail: {reason: later, strict: true}"), "did not ask a strict `xfail`"),
    ],
    ids=["output", "must_pass", "strict"],
)
def test_an_evaluation_by_an_earlier_program_counts_unless_it_asked_less_of_a_case(
    greet: Path, cli: Cli, evaluated: str, now: str, lack: str | None
) -> None:
    write(greet, "datasets/small/greet.yaml", evaluated)
    assert cli("eval", "greet").exit_code == 0
    write(greet, "datasets/small/greet.yaml", now)
    commit(greet, "Ask more")
    with closing(sqlite3.connect(greet / ".git/promptctl/log.db")) as log, log:
        log.execute("UPDATE evaluations SET spec = json_remove(spec, '$.dataset_beside')")
    if lack is not None:
        assert lack in cli("label", "set", "greet@production").err
        assert cli("eval", "greet").exit_code == 0
    assert is_moved(cli)


def test_a_dataset_that_is_new_and_not_committed_proves_nothing(greet: Path, cli: Cli) -> None:
    git(greet, "rm", "--quiet", "--cached", "datasets/small/greet.yaml")
    git(greet, "commit", "--quiet", "--message", "Drop it")
    assert cli("eval", "greet").exit_code == 0
    ran = cli("label", "set", "greet@production")
    assert "no dataset that tests it is committed" in ran.err
    assert "commit the dataset first: git add datasets/small/greet.yaml" in ran.err
    commit(greet, "Take it back")
    assert is_moved(cli)


def test_evidence_of_recorded_replies_says_so(greet: Path, cli: Cli) -> None:
    assert cli("eval", "greet", "--replies", "record").exit_code == 0
    assert cli("label", "set", "greet@production").exit_code == 0
    assert "recorded replies" not in cli("label", "log", "greet@production").out
    assert cli("label", "remove", "greet@production").exit_code == 0
    assert cli("eval", "greet", "--replies", "replay").exit_code == 0
    assert cli("label", "set", "greet@production").exit_code == 0
    tag = git(greet, "cat-file", "tag", "refs/tags/prompt/greet@production/3")
    assert "on datasets/small/greet.yaml (recorded replies)" in tag
    assert "(recorded replies)" in cli("label", "log", "greet@production").out


def test_replies_that_the_dataset_itself_holds_are_told_as_recorded(greet: Path, cli: Cli) -> None:
    write(greet, "datasets/small/greet.yaml", CASES.replace("{id: one,", "{id: one, output: Hello Ada,"))
    commit(greet, "Bring a reply along")
    assert cli("eval", "greet").exit_code == 0
    assert is_moved(cli)
    assert "(recorded replies)" in cli("label", "log", "greet@production").out


def test_evidence_names_evaluations_of_the_same_that_did_not_pass(
    lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    git(lab.root, "init", "--quiet", "--initial-branch", "main")
    settings = lab.root / "promptctl.yaml"
    settings.write_text(settings.read_text() + "labels:\n  production: {evaluation: passed}\n")
    lab.many(2)
    commit(lab.root, "Triage")
    lab.server.default = answering({"c1": "no"})
    assert cli("eval", "triage", "--replies", "ask").exit_code == 1
    assert cli("label", "set", "triage@production").exit_code == 3
    lab.server.default = answering({})
    assert cli("eval", "triage", "--replies", "ask").exit_code == 0
    assert cli("label", "set", "triage@production").exit_code == 0
    tag = git(lab.root, "cat-file", "tag", "refs/tags/prompt/triage@production/1")
    assert re.search(r"passed 2 of 2 on \S+ \(of 2 evaluations of it 1 did not pass: \w{8} 1 of 2\)", tag)


def test_an_evaluation_by_settings_that_nobody_else_has_is_not_asked_for_again(greet: Path, cli: Cli) -> None:
    settings = (greet / "promptctl.yaml").read_text()
    git(greet, "init", "--quiet", "--bare", "origin.git")
    git(greet, "remote", "add", "origin", "origin.git")
    git(greet, "push", "--quiet", "origin", "main")
    write(greet, "promptctl.yaml", settings + "models: {'echo/*': {parameters: {temperature: 0.5}}}\n")
    git(greet, "commit", "--quiet", "--all", "--message", "Change the settings")
    assert cli(*shlex.split(refused(cli))[1:]).exit_code == 0
    ran = cli("label", "set", "greet@production")
    assert re.search(r"the passing one here \([0-9a-f]{8}\) was made with other settings than origin/main's", ran.err)
    assert "hint: bring promptctl.yaml as here to origin/main (commit and push), or undo the change" in ran.err
    git(greet, "push", "--quiet", "origin", "main")
    assert is_moved(cli)
