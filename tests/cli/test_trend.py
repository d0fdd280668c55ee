"""`promptctl results trend`: a prompt from version to version, by the evaluations of the log."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptctl.cli import results
from promptctl.reports import trend_page
from tests.browser import Browser
from tests.cli.conftest import Cli, commit, git, write

PROMPT = "inputs: {name: {type: string}}\nmessages:\n  - {role: user, content: 'WORD {{ name }}'}\n"
CASES = "prompts: [greet]\ncases:\n" + "".join(
    f"  - {{id: c{n}, inputs: {{name: n{n}}}, assert: [{{type: contains, value: {word}}}]}}\n"
    for n, word in enumerate(("Hello", "Hello", "Welcome", "Dear"))
)


@pytest.fixture
def greet(tmp_path: Path, cli: Cli) -> Path:
    """Three versions, each evaluated: 2, 3 and 4 of 4 cases pass."""
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "datasets/greet.yaml", CASES)
    for word in ("Hello", "Hello, Welcome", "Hello, Welcome, Dear"):
        write(tmp_path, "prompts/greet.prompt.yaml", PROMPT.replace("WORD", word))
        commit(tmp_path, word)
        cli("eval", "greet")
    return tmp_path


def rates(cli: Cli, *arguments: str) -> list[tuple[str, float]]:
    data = cli("results", "trend", *arguments, "--json").json
    return [(row["version_display"], row["pass_rate"]) for row in data["rows"]]


def test_versions_come_in_their_order_with_their_numbers(greet: Path, cli: Cli) -> None:
    assert rates(cli, "greet") == [("v1", 0.5), ("v2", 0.75), ("v3", 1.0)]
    data = cli("results", "trend", "greet", "--json").json
    assert (data["prompt"], data["dataset"], data["model"]) == ("greet", "datasets/greet.yaml", "echo/echo")
    assert {"score", "cost_nano_usd", "p50_latency_ms", "low", "high"} <= data["rows"][0].keys()


def test_a_pipe_gets_a_table_of_plain_numbers(greet: Path, cli: Cli) -> None:
    lines = [line.split("\t") for line in cli("results", "trend", "greet").out.splitlines()]
    assert lines[0] == ["version", "cases", "passed", "95 %", "score", "cost", "latency", "change"]
    assert [line[:3] for line in lines[1:]] == [["v1", "4", "50.0%"], ["v2", "4", "75.0%"], ["v3", "4", "100.0%"]]
    assert [line[-1] for line in lines[1:]] == ["-", "noise", "noise"], "one case of four is no proof"


def test_a_change_beyond_chance_is_said_and_a_branch_stays_beside_the_line(tmp_path: Path, cli: Cli) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    asked = "assert: [{type: contains, value: Hello}]"
    cases = "".join(f"  - {{id: c{n}, inputs: {{name: n{n}}}, {asked}}}\n" for n in range(8))
    write(tmp_path, "datasets/greet.yaml", f"prompts: [greet]\ncases:\n{cases}")
    for word in ("Dear", "Hello", "Dear, dear"):
        if word == "Dear, dear":
            git(tmp_path, "checkout", "--quiet", "-b", "abandoned")
        write(tmp_path, "prompts/greet.prompt.yaml", PROMPT.replace("WORD", word))
        commit(tmp_path, word)
        cli("eval", "greet")
    git(tmp_path, "checkout", "--quiet", "main")

    ran = cli("results", "trend", "greet")
    assert [line.split("\t")[-1] for line in ran.out.splitlines()[1:]] == ["-", "better", "-"]
    assert "not on the default branch: v2+1" in ran.err


def test_a_version_behind_the_at_sign_ends_it(greet: Path, cli: Cli) -> None:
    assert rates(cli, "greet@v2") == [("v1", 0.5), ("v2", 0.75)]


def test_the_newest_evaluation_of_a_version_counts_and_part_of_a_dataset_does_not(greet: Path, cli: Cli) -> None:
    cli("eval", "greet@v1", "--first", "1")
    assert rates(cli, "greet")[0] == ("v1", 0.5)


def test_what_is_not_committed_comes_last(greet: Path, cli: Cli) -> None:
    write(greet, "prompts/greet.prompt.yaml", PROMPT.replace("WORD", "Hi"))
    cli("eval", "greet")
    assert [version for version, _ in rates(cli, "greet")] == ["v1", "v2", "v3", "v3+dirty"]


def test_a_dataset_that_has_changed_since_is_marked(greet: Path, cli: Cli) -> None:
    write(greet, "datasets/greet.yaml", CASES.replace("Dear", "Servus"))
    cli("eval", "greet")
    ran = cli("results", "trend", "greet")
    assert [line.split("\t")[0] for line in ran.out.splitlines()[1:]] == ["v1 *", "v2 *", "v3"]
    assert "other cases" in ran.err


def test_a_renamed_prompt_keeps_its_past(greet: Path, cli: Cli) -> None:
    git(greet, "mv", "prompts/greet.prompt.yaml", "prompts/hail.prompt.yaml")
    write(greet, "datasets/greet.yaml", CASES.replace("[greet]", "[hail]"))
    commit(greet, "Rename")
    assert rates(cli, "hail") == [("v1", 0.5), ("v2", 0.75), ("v3", 1.0)]


def test_shares_are_drawn_from_0_to_1(greet: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "is_terminal", lambda: True)
    out = cli("results", "trend", "greet").out
    assert "passed   ▅▆█  50.0% → 100.0%" in out
    assert "score    ▅▆█  0.500 → 1.000" in out


def test_the_page_has_the_points_of_the_chart_and_each_leads_to_its_cases(
    greet: Path, cli: Cli, browser: Browser
) -> None:
    cli("label", "set", "greet@production", "v2", "--reason", "it says Dear")
    ran = cli("results", "trend", "greet", "-o", "trend.html")
    assert ran.exit_code == 0, ran.err
    data = json.loads((greet / "trend.html").read_text().split('type="application/json">')[1].split("</script>")[0])
    assert [(point["version"], point["pass_rate"]) for point in data["trend"]] == [
        ("v1", 0.5),
        ("v2", 0.75),
        ("v3", 1.0),
    ]
    assert data["sentence"] == "v3 passes 4 of 4 cases, v2 passed 3: chance can explain that."
    (move,) = data["moves"]
    assert (move["label"], move["version"], move["is_now"]) == ("production", "v2", True)
    assert re.fullmatch(r"production moved to v2 on \d{4}-\d\d-\d\d by .*: it says Dear", move["text"])
    with browser.open(greet / "trend.html", width=400) as opened:
        page = opened.page
        assert page.locator(".versions ol > li").all_inner_texts() == ["50%\nv1", "75%\nv2\n▲ production", "100%\nv3"]
        page.click("button.version:has-text('v2')")
        assert page.url.endswith("#in=1")
        assert page.locator(".matrix tbody tr").count() == 4
        assert opened.faults() == []


def test_a_move_stands_at_no_version_that_came_after_it() -> None:
    line = [SimpleNamespace(version=number, evaluation=f"e{number}") for number in (3, 5)]

    def moved(version: str) -> tuple[str, str | None]:
        event = SimpleNamespace(
            label="live", version=version, date=datetime(2026, 1, 1, tzinfo=UTC), actor="A <a@b>", reason=""
        )
        found = trend_page._move(cast(Any, event), cast(Any, line), {"e3": "v3", "e5": "v5"})
        return found["label"], found["version"]

    assert [moved(f"v{number}") for number in (1, 3, 4, 5)] == [
        ("live (v1)", None), ("live", "v3"), ("live (v4)", "v3"), ("live", "v5"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing"], 3, "there is no prompt `nothing`"),
        (["greet", "-m", "openai/gpt-4o"], 2, "it was with echo/echo"),
        (["greet", "-d", "gret"], 3, "did you mean"),
        (["greet", "-o", "trend.pdf"], 2, ".html"),
    ],
)
def test_what_cannot_be_followed_is_said(greet: Path, cli: Cli, arguments: list[str], code: int, words: str) -> None:
    ran = cli("results", "trend", *arguments)
    assert ran.exit_code == code
    assert words in ran.err


def test_a_prompt_that_was_never_evaluated_is_told_how(greet: Path, cli: Cli) -> None:
    write(greet, "prompts/other.prompt.yaml", PROMPT)
    commit(greet, "Other")
    ran = cli("results", "trend", "other")
    assert (ran.exit_code, "promptctl eval other" in ran.err) == (2, True)


def test_a_page_of_an_evaluation_and_the_dashboard_show_the_same_trend(greet: Path, cli: Cli) -> None:
    """Versions by number under each id that the prompt had, whenever they were evaluated, and by whatever command."""
    cli("eval", "greet@v2", "--replies", "ask")
    cli("review", "HEAD~1")
    git(greet, "mv", "prompts/greet.prompt.yaml", "prompts/hello.prompt.yaml")
    write(greet, "datasets/greet.yaml", CASES.replace("[greet]", "[hello]"))
    commit(greet, "Rename")
    cli("eval", "hello", "-o", "page.html")
    (series,) = cli("dashboard", "--json").json["evaluations"]
    page = re.search(r'<script id="data" type="application/json">(.*?)</script>', Path("page.html").read_text(), re.S)
    assert page is not None
    points = [(point["version"], point["pass_rate"]) for point in json.loads(page[1])["trend"]]
    assert points == rates(cli, "hello") == [("v1", 0.5), ("v2", 0.75), ("v3", 1.0)]
    assert [(row["version"], row["version_display"], row["pass_rate"]) for row in series["rows"]] == [
        (number, *point) for number, point in enumerate(points, start=1)
    ]
