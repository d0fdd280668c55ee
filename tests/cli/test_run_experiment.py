"""`promptctl run --experiment`: the call of an arm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.experiments.conftest import EXPERIMENT, HEAD, Setting, root, settings
from tests.experiments.test_drawing import KIND, PLAIN

__all__ = ["root", "settings"]


@pytest.fixture(autouse=True)
def _there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def test_a_key_gets_its_arm(cli: Cli) -> None:
    ran = cli("run", "triage", "--experiment", "tone", "--key", KIND, "-i", "ticket=x")
    assert (ran.exit_code, ran.out, "· tone: kind ·" in ran.err) == (0, "kind x\n", True)
    found = cli("run", "triage", "--experiment", "tone", "--user", PLAIN, "--json").json
    assert (found["experiment"], found["arm"], len(found["arm_key"])) == ("tone", "control", 32)
    assert list(found["metadata"])[-2:] == ["experiment", "arm"]


def test_each_call_is_drawn_alone_with_the_key_of_the_call(cli: Cli, settings: Setting) -> None:
    settings(HEAD + EXPERIMENT + "    key: call\n")
    for _ in range(6):
        found = cli("run", "triage", "--experiment", "tone", "--json").json
        assert found["reply"].split()[0] == ("plain" if found["arm"] == "control" else "kind")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("    stopped: too long\n", "it is stopped: too long"),
        ("    only: {metadata: {plan: pro}}\n", "the call is not among those of `only:`"),
        ("    only: {label: other}\n", "the call is not among those of `only:`"),
    ],
)
def test_a_call_that_takes_no_part_says_why(cli: Cli, settings: Setting, more: str, words: str) -> None:
    settings(HEAD + EXPERIMENT + more)
    ran = cli("run", "triage", "--experiment", "tone", "--key", KIND)
    assert (ran.exit_code, ran.out, ran.err.splitlines()[0]) == (0, "plain none\n", f"no part in tone: {words}")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--experiment", "tone"], 2, "key_missing: control"),
        (["--experiment", "tune", "--key", "a"], 3, "did you mean `tone`?"),
        (["--key", "a"], 2, "give it with --experiment"),
    ],
)
def test_what_cannot_be_drawn(cli: Cli, arguments: list[str], exit_code: int, words: str) -> None:
    ran = cli("run", "triage", *arguments)
    assert (ran.exit_code, ran.out) == (exit_code, "")
    assert words in ran.err


def test_a_dry_run_is_of_the_arm(cli: Cli) -> None:
    assert "v2 (" in cli("run", "triage", "--experiment", "tone", "--key", KIND, "--dry-run").out
