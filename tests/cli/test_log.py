"""`promptctl log`: which calls it finds, by which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, git
from tests.cli.support import inside_support, support_workspace

__all__ = ["inside_support", "support_workspace"]


@pytest.fixture
def called(cli: Cli, inside: Path) -> dict[str, str]:
    """The execution of each version of `support/triage` that was run, by its number, and of `chat`."""
    cli("label", "set", "support/triage@production", "v2")
    made = {}
    for ref in ("support/triage@v1", "support/triage@production", "support/triage@v3"):
        made[ref.partition("@")[2]] = cli("run", ref, "-i", "ticket=x", "--json").json["execution"]
    made["chat"] = cli("run", "chat", "--model", "echo/echo", "--json").json["execution"]
    return made


def listed(cli: Cli, *options: str) -> list[str]:
    ran = cli("log", "list", *options, "--json")
    assert ran.exit_code == 0, ran.err
    return [each["execution"] for each in ran.json]


def test_a_version_is_named_as_in_a_ref(cli: Cli, called: dict[str, str], inside: Path) -> None:
    prompt = ("--prompt", "support/triage")
    assert listed(cli, *prompt, "--version", "v1") == [called["v1"]]
    assert listed(cli, *prompt, "--version", "production") == [called["production"]]
    assert listed(cli, *prompt, "--version", "main~1") == [called["production"]]
    assert listed(cli, *prompt, "--version", git(inside, "rev-parse", "HEAD")) == [called["v3"]]
    assert listed(cli, "--version", "v1") == [called["chat"], called["v1"]], "a number is any prompt's"
    (row,) = cli("log", "stats", *prompt, "--version", "production", "--json").json
    assert (row["version"], row["calls"]) == (2, 1)


@pytest.mark.usefixtures("called")
def test_a_version_that_is_none_says_what_to_write(cli: Cli) -> None:
    plain = cli("log", "list", "--version", "2")
    assert (plain.exit_code, plain.err) == (2, "error: `2` is no version\n  hint: did you mean `v2`?\n")
    alone = cli("log", "list", "--version", "production")
    assert alone.exit_code == 2
    assert "error: `production` names a version of one prompt\n  hint: name that prompt too" in alone.err
    unknown = cli("log", "list", "--prompt", "support/triage", "--version", "prodution")
    assert unknown.exit_code == 3
    assert "did you mean `support/triage@production`?" in unknown.err


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("command", ["log list", "log stats", "results list"])
def test_an_unknown_prompt_is_told_with_the_nearest(cli: Cli, command: str) -> None:
    ran = cli(*command.split(), "--prompt", "support/triag")
    assert (ran.exit_code, ran.err) == (
        3,
        "error: there is no prompt `support/triag`\n  hint: did you mean `support/triage`?\n",
    )
    unlike = cli(*command.split(), "--prompt", "nix").err
    assert (
        unlike
        == cli("show", "nix").err
        == "error: there is no prompt `nix`\n  hint: promptctl list shows all prompts\n"
    )
    assert cli(*command.split(), "--prompt", "support/x*").exit_code == 0, "a glob may match nothing"


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("command", ["log list", "log stats"])
def test_an_unknown_label_is_told_with_the_nearest(cli: Cli, command: str, inside: Path) -> None:
    ran = cli(*command.split(), "--label", "prodution")
    assert (ran.exit_code, ran.err) == (
        3,
        "error: no prompt has a label `prodution`\n  hint: did you mean `production`?\n",
    )
    with (inside / "promptctl.yaml").open("a") as file:
        file.write("labels: {staging: {}}\n")
    assert cli(*command.split(), "--label", "staging").exit_code == 0, "its rules allow it"


@pytest.mark.usefixtures("called")
def test_a_prompt_of_the_log_alone_is_known(cli: Cli, inside: Path) -> None:
    (inside / "prompts/chat.prompt.yaml").unlink()
    assert len(listed(cli, "--prompt", "chat")) == 1
    assert cli("results", "list", "--prompt", "chat").exit_code == 0


def test_an_id_with_one_character_wrong_is_told_with_the_one_meant(cli: Cli, called: dict[str, str]) -> None:
    end = called["v1"][-8:]
    wrong = end[:3] + ("0" if end[3] != "0" else "1") + end[4:]
    ran = cli("log", "show", wrong)
    assert (ran.exit_code, ran.err) == (
        3,
        f"error: no execution `{wrong}` in the log\n  hint: did you mean `{end}`?\n",
    )
    whole = "1" + called["v1"][1:]
    assert f"did you mean `{called['v1']}`?" in cli("log", "show", whole).err
    assert "see the ids with: promptctl log list" in cli("log", "show", "zzzzzzzz").err
