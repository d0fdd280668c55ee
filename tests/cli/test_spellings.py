"""Earlier spellings of options work until 1.0, and stand in no help."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli, commit, git
from tests.evaluation_lab import PROMPT, Lab, answering


@pytest.fixture(name="begun")
def begun_evaluation(lab: Lab, cli: Cli) -> str:
    """The id of an evaluation of which one case is left."""
    lab.many(2)
    lab.server.default = answering({"c0": "wrong"})
    (found,) = cli("eval", "triage", "-j", "1", "--fail-fast", "--json").json
    assert found["never_run"] == 1
    lab.server.default = answering({})
    return str(found["evaluation"])


@pytest.mark.parametrize(
    "arguments", [["resume"], ["resume", "--retry-errors"], ["--resume"], ["--retry-errors"], ["-j", "1", "--resume"]]
)
@pytest.mark.parametrize("name", ["", "id", "triage"])
def test_an_evaluation_is_resumed(cli: Cli, begun: str, arguments: list[str], name: str) -> None:
    names = [begun if name == "id" else name] if name else []
    (found,) = cli("eval", *arguments, *names, "--json").json
    assert (found["evaluation"], found["never_run"]) == (begun, 0)


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ("--no-cache", "ask"),
        ("--record", "record"),
        ("--no-cache --record", "refresh"),
        ("--record --no-cache", "refresh"),
        ("--replay", "replay"),
        (None, "cache"),
    ],
)
def test_where_replies_come_from(lab: Lab, cli: Cli, earlier: str | None, today: str) -> None:
    lab.many(1)
    cli("eval", "triage", "--record")
    for arguments in ((earlier or "").split(), ["--replies", today], [f"--replies={today}"]):
        (found,) = cli("eval", "triage", *arguments, "--json").json
        with lab.open() as workspace:
            assert workspace.results.evaluation(found["evaluation"]).row.spec.replies == today


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "triage", "--replay", "--no-cache"],
        ["eval", "triage", "--record", "--replay"],
        ["eval", "triage", "--replies", "ask", "--record"],
        ["eval", "triage", "--record", "--replies=ask"],
        ["review", "--replay", "--replies", "cache"],
    ],
    ids=" ".join,
)
def test_two_that_contradict_each_other_are_wrong_usage(lab: Lab, cli: Cli, arguments: list[str]) -> None:
    ran = cli(*arguments)
    assert (ran.exit_code, ran.err.splitlines()[1:]) == (2, ["  hint: give --replies alone"])
    assert "cannot be given together" in ran.err


@pytest.mark.parametrize("option", ["--model=x", "--no-cache", "--against", "--failed", "--min-pass", "--case", "-d"])
def test_what_was_begun_is_not_changed_when_it_is_resumed(cli: Cli, begun: str, option: str) -> None:
    ran = cli("eval", "resume", begun, option, "x")
    assert ran.exit_code == 2
    assert ran.err.startswith(
        f"error: {option.partition('=')[0]} cannot be given with `eval resume`\n  hint: it goes on"
    )


def test_a_value_that_looks_like_an_option_is_none(lab: Lab, cli: Cli) -> None:
    lab.cases(*({"id": id_, "inputs": {"ticket": "a"}, "expected": "a"} for id_ in ("--record", "b")))
    (found,) = cli("eval", "triage", "--case", "--record", "--json").json
    assert (found["cases"], found["passed"]) == (1, 1)
    assert not (lab.root / "datasets/recordings").exists()


@pytest.mark.parametrize("arguments", [["--", "resume"], ["resume@main"], ["--json", "resume"]])
def test_a_prompt_may_be_called_resume(lab: Lab, cli: Cli, arguments: list[str]) -> None:
    lab.write("prompts/resume.prompt.yaml", PROMPT)
    lab.many(1, expected=None)
    git(lab.root, "init", "--quiet", "-b", "main")
    commit(lab.root, "Begin")
    lab.cases({"id": "a", "inputs": {"ticket": "a"}, "expected": "a"}, name="resume", prompts=["resume"])
    ran = cli("eval", *arguments)
    assert ran.exit_code == 0, ran.err
    assert len(lab.asked) == 1


@pytest.mark.parametrize("command", ["eval", "review"])
def test_no_help_shows_them(cli: Cli, command: str) -> None:
    text = cli(command, "--help").out
    assert "--replies" in text
    assert not any(earlier in text for earlier in ("--no-cache", "--record", "--replay", "--resume", "--retry-errors"))
