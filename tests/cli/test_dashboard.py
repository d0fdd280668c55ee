"""`promptctl dashboard`: the three answers on the terminal, the document, the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptctl.cli.dashboard import _say
from promptctl.context import Context
from promptctl.log.records import Entry
from promptctl.log.stamps import utc_now
from tests.cli.conftest import Cli, write
from tests.json_schemas import fits
from tests.log.conftest import make


@pytest.fixture
def inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace)
    return workspace


@pytest.fixture
def desk(inside: Path) -> Path:
    log = Context(inside, {}, lambda _: None).log
    log.append([Entry(make(cost_nano_usd=2_000_000_000, started_at=utc_now(), model="a/x"), "full") for _ in range(3)])
    log.close()
    return inside


@pytest.mark.usefixtures("desk")
def test_the_three_questions_are_answered_on_the_terminal(cli: Cli) -> None:
    ran = cli("dashboard")

    assert ran.exit_code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "Is anything wrong?"
    assert "Too few calls to tell" in lines[1]
    assert "What changed?" in lines
    assert lines[lines.index("What does it cost?") + 1].startswith("$6.00 so far for 3 calls")
    assert "charged twice" not in ran.out + ran.err


def test_a_finding_is_told_once_and_leaves_room_for_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(sentence: str, texts: list[str]) -> dict[str, Any]:
        return {"sentence": sentence, "items": [{"text": text} for text in texts], "left_out": 0}

    findings = [f"finding {number}" for number in range(6)]
    answers = {
        "wrong": answer(f"{findings[0]}; 5 more", findings),
        "changed": answer("1 label move.", [*findings, "the move"]),
        "cost": answer("Nothing.", []),
    }
    _say({"next": None, "answers": answers, "notes": []})
    said = capsys.readouterr().out
    assert [said.count(text) for text in findings] == [1] * 6
    assert said.index("What changed?") < said.index("- the move")
    assert "more on the page" not in said
    answers["wrong"] = answer("Much is wrong.", findings)
    for page, named in ((Path("out/page.html"), "out/page.html"), (None, "promptctl dashboard -o page.html")):
        _say({"next": None, "answers": answers, "notes": []}, page)
        assert f"and 1 more on the page: {named}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words", "commands"),
    [
        (["--model", "nope*"], "No call is like this.", ["promptctl dashboard", "promptctl log list"]),
        (["--until", "2020-01-01"], "No call is like this.", ["promptctl dashboard", "promptctl log list"]),
        (
            ["--model", "e/*", "--since", "2020-01-01T00:00Z"],
            "Only evaluations made calls like these, and theirs are left out.",
            ["promptctl dashboard --model 'e/*' --source all --since 2020-01-01T00:00:00.000Z"],
        ),
    ],
)
def test_where_no_call_is_like_it_the_next_command_finds_some(
    desk: Path, cli: Cli, arguments: list[str], words: str, commands: list[str]
) -> None:
    log = Context(desk, {}, lambda _: None).log
    log.append([Entry(make(started_at=utc_now(), model="e/x", source="eval"), "full")])
    log.close()
    found = cli("dashboard", "--json", *arguments).json["next"]
    assert (found["sentence"], found["commands"]) == (words, commands)


def test_the_next_command_has_the_version_as_it_was_asked_for(desk: Path, cli: Cli) -> None:
    digest = cli("show", "triage@HEAD", "--json").json["digest"]
    log = Context(desk, {}, lambda _: None).log
    log.append([Entry(make(started_at=utc_now(), prompt="triage", digest=digest, source="eval"))])
    log.close()
    found = cli("dashboard", "--json", "--prompt", "triage", "--version", "HEAD").json["next"]
    assert found["commands"] == ["promptctl dashboard --prompt triage --version HEAD --source all"]


@pytest.mark.usefixtures("desk")
def test_the_document_is_printed_and_only_of_the_calls_that_are_meant(cli: Cli) -> None:
    ran = cli("dashboard", "--json", "--model", "a/*", "--since", "1d")

    document = json.loads(ran.out)
    fits("dashboard", document)
    assert sum(document["calls"]["calls"]) == 3
    assert json.loads(cli("dashboard", "--json", "--user", "nobody").out)["calls"]["rows"] == 0


@pytest.mark.usefixtures("desk")
def test_it_is_written_as_a_page_or_into_a_folder(cli: Cli) -> None:
    assert "written  page.html" in cli("dashboard", "-o", "page.html").err
    assert "written  public/index.html" in cli("dashboard", "-o", "public").err
    assert 'class="dashboard"' in Path("public/index.html").read_text()
    refused = cli("dashboard", "-o", "page.pdf")
    assert (refused.exit_code, "written as .html" in refused.err) == (2, True)


@pytest.mark.usefixtures("inside")
def test_without_a_call_it_says_what_to_do(cli: Cli) -> None:
    ran = cli("dashboard")

    assert ran.exit_code == 0
    assert not ran.out
    assert "No call yet" in ran.err
    assert "promptctl run" in ran.err


@pytest.mark.usefixtures("desk")
def test_a_prompt_that_is_nowhere_is_told_with_the_one_meant(cli: Cli) -> None:
    ran = cli("dashboard", "--prompt", "support/triag")

    assert ran.exit_code == 3
    assert "support/triage" in ran.err


def test_calls_whose_rows_were_pruned_are_said_as_cost_counts_them(cli: Cli, desk: Path) -> None:
    assert cli("log", "prune", "--rows-older", "now").exit_code == 0
    gone = cli("dashboard", "--json").json
    assert gone["next"] == {
        "sentence": "3 calls, $6.00, kept no row: a log rule says so, or they were pruned.",
        "commands": ["promptctl cost", "promptctl log rules"],
    }
    log = Context(desk, {}, lambda _: None).log
    log.append([Entry(make(cost_nano_usd=1_000_000_000, started_at=utc_now()), "full")])
    log.close()
    assert cli("cost", "--json").json["total"]["calls"] == 4
    left_out = {"calls": 3, "cost_nano_usd": 6_000_000_000, "unpriced": 0}
    assert cli("dashboard", "--json").json["not_counted"]["without_row"] == left_out
    assert "not counted: 3 calls that kept no row, $6.00; promptctl cost counts them\n" in cli("dashboard").err


def test_calls_that_a_rule_keeps_no_row_of_are_not_said_to_be_of_evaluations(cli: Cli, inside: Path) -> None:
    log = Context(inside, {}, lambda _: None).log
    log.append([Entry(make(cost_nano_usd=2_000_000_000, started_at=utc_now()), "off") for _ in range(3)])
    log.close()
    sentence = "3 calls, $6.00, kept no row: a log rule says so, or they were pruned."
    assert cli("dashboard", "--json").json["next"]["sentence"] == sentence
    assert sentence in cli("dashboard").err


def test_a_failed_evaluation_counts_as_long_as_its_dataset_is_there(cli: Cli, workspace: Path) -> None:
    dataset = workspace / "datasets/strict.yaml"
    write(workspace, "datasets/strict.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: x}, expected: y}]\n")
    assert cli("eval", "triage", "-d", "strict").exit_code == 1
    cli("run", "triage", "-i", "ticket=x")
    words = "triage v1 failed its newest evaluation on datasets/strict.yaml: 0 of 1 case passed."
    assert words in cli("dashboard").out
    dataset.unlink()
    assert "failed its newest evaluation" not in cli("dashboard").out
