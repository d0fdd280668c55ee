"""`promptctl log`: which calls it finds, by which names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, git, write
from tests.cli.support import inside_support, support_workspace
from tests.evaluation_lab import Lab
from tests.openai_server import reply

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


@pytest.fixture
def asked(cli: Cli, inside: Path) -> Path:
    """Calls of two users, one of which was refused, and an evaluation."""
    for user, text in (("u17", "Unlock my account"), ("u17", 'a "quoted" word'), ("u2", "unlock it")):
        cli("run", "chat", "-m", "echo/echo", "--user", user, "--meta", f"about={text}")
        cli("run", "support/triage@v2", "-i", f"ticket={text}", "-m", "echo/echo", "--user", user)
    cli("run", "support/triage", "--user", "u2")
    write(inside, "datasets/chat.yaml", "prompts: [chat]\ncases: [{id: a, assert: [{type: contains, value: Hello}]}]\n")
    cli("eval", "chat", "-m", "echo/echo")
    return inside


@pytest.mark.usefixtures("asked")
def test_which_version_answered_a_user_and_what_did_it_cost(cli: Cli) -> None:
    ran = cli("log", "list", "--user", "u17", "--since", "1h", "--prompt", "chat")
    head, *rows = ran.out.splitlines()
    assert head.split("\t") == [
        "time", "prompt", "version", "model", "status", "tokens", "cost", "latency", "id", "reply",
    ]  # fmt: skip
    assert [(row.split("\t")[2][:3], row.split("\t")[6], row.split("\t")[9]) for row in rows] == [
        ("v1 ", "$0", "Hello")
    ] * 2
    earlier = cli("log", "list", "--user", "u17", "--since", "2020-01-31", "--until", "2 days ago")
    assert (earlier.exit_code, earlier.out) == (0, "")
    assert earlier.err == "no execution matches\n"
    assert cli("log", "list", "--since", "yesteday").exit_code == 2


@pytest.mark.usefixtures("asked")
def test_a_text_is_searched_and_contents_come_when_asked_for(cli: Cli) -> None:
    found = cli("log", "list", "--search", 'A "Quoted', "--json", "--content").json
    assert {each["inputs"]["ticket"] for each in found} == {'a "quoted" word'}
    assert all(each["reply"] and each["messages"] for each in found)
    (bare, *_) = cli("log", "list", "--json").json
    assert not bare.keys() & {"inputs", "messages", "reply", "tool_calls", "output"}
    refused = cli("log", "list", "--status", "blocked", "--search", "`ticket` is missing")
    assert refused.out.splitlines()[1].split("\t")[-1].startswith("inputs of support/triage: `ticket` is missing")
    without = cli("log", "list", "--content")
    assert (without.exit_code, "promptctl log show ID" in without.err) == (2, True)


@pytest.mark.usefixtures("asked")
def test_contents_that_are_not_kept_are_left_out(cli: Cli) -> None:
    cli("run", "chat", "-m", "echo/echo", "--log", "metadata")
    (row,) = cli("log", "list", "-n", "1", "--json", "--content").json
    assert (row["content"], "reply" in row) == ("metadata", False)


@pytest.mark.usefixtures("asked")
def test_calls_of_evaluations_are_left_out_unless_asked_for(cli: Cli) -> None:
    sources = {name: {row["source"] for row in cli("log", "list", "--source", name, "--json").json}
               for name in ("app", "run", "eval", "all")}  # fmt: skip
    assert sources == {"app": {"run"}, "run": {"run"}, "eval": {"eval"}, "all": {"run", "eval"}}
    assert {row["source"] for row in cli("log", "list", "--json").json} == {"run"}
    counted = cli("log", "stats")
    assert re.search(r"not counted: 1 call of evaluations, .*; --source all counts them", counted.err)
    assert "not counted" not in cli("log", "stats", "--source", "all").err


@pytest.mark.usefixtures("asked")
def test_totals_are_grouped_as_asked_with_their_sum(cli: Cli) -> None:
    by = ("--by", "user,day,model,label")
    ran = cli("log", "stats", "--prompt", "chat", *by)
    rows = cli("log", "stats", "--prompt", "chat", *by, "--json").json
    days = [row["first_call_at"][:10] for row in rows]
    assert [line.split("\t")[:5] for line in ran.out.splitlines()] == [
        ["user", "day", "model", "label", "calls"],
        ["u17", days[0], "echo/echo", "-", "2"],
        ["u2", days[1], "echo/echo", "-", "1"],
    ]
    assert "total: 3 calls, 0 failed, 6+6 tokens, $0\n" in ran.err
    assert [(row["user"], row["day"], row["calls"]) for row in rows] == [("u17", days[0], 2), ("u2", days[1], 1)]
    wrong = cli("log", "stats", "--by", "usr")
    assert (wrong.exit_code, wrong.err) == (
        2,
        "error: --by cannot be `usr`\n  hint: did you mean `user`?\n",
    )


def test_reasoning_is_shown_before_the_reply_and_kept_by_the_same_rule(
    cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    lab.server.default = reply("It is 42.", reasoning={"reasoning_content": "Let me think."})
    for options in ((), ("--stream",)):
        ran = cli("run", "triage", "-i", "ticket=x", *options)
        assert (ran.exit_code, ran.out) == (0, "It is 42.\n")
        called = cli("log", "list", "--json", "-n", "1").json[0]["execution"]
        assert "── reasoning ──\nLet me think.\n\n── reply ──\nIt is 42.\n" in cli("log", "show", called).out
        assert cli("log", "show", called, "--json").json["reasoning"] == "Let me think."
    cli("run", "triage", "-i", "ticket=x", "--log", "metadata")
    called = cli("log", "list", "--json", "-n", "1").json[0]["execution"]
    assert "Let me think" not in cli("log", "show", called).out
