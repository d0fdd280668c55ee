"""Flipped cases: the sentence that names them, how sure each is, and the assertion that flipped."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from promptctl.cli.output import wrapped
from tests.cli.conftest import Cli, cli, commit, git
from tests.evaluation_lab import Lab, lab, running_model_server
from tests.openai_server import Exchange, reply
from tests.reports.test_html import data_of

__all__ = ["cli", "lab", "running_model_server"]

RUBRIC = {"type": "llm-rubric", "value": "is kind"}
LABEL = {"type": "equals", "path": "$.label", "value": "a"}


@pytest.fixture
def changed(lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A repository whose prompt says WORSE since `main`: then c0 and c1 have the wrong label."""
    monkeypatch.chdir(lab.root)
    git(lab.root, "init", "--quiet")
    lab.cases(*({"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "assert": [LABEL]} for n in range(10)))
    commit(lab.root, "Begin")
    git(lab.root, "branch", "-M", "main")
    lab.write("prompts/triage.prompt.yaml", (lab.root / "prompts/triage.prompt.yaml").read_text() + "# WORSE\n")
    prompt = (lab.root / "prompts/triage.prompt.yaml").read_text()
    worse = "  - {role: system, content: WORSE}\n  - {role: user"
    lab.write("prompts/triage.prompt.yaml", prompt.replace("  - {role: user", worse))

    async def answer(exchange: Exchange) -> None:
        said = [str(message["content"]) for message in exchange.request.body["messages"]]
        label = "b" if said[0] == "WORSE" and said[-1] in ("c0", "c1") else "a"
        await reply(json.dumps({"label": label, "at": "length"}))(exchange)

    lab.server.default = answer
    return lab


def test_the_first_line_is_a_sentence_the_second_says_how_sure_it_is(changed: Lab, cli: Cli) -> None:
    ran = cli("eval", "triage", "--against", "@main")
    first, second, *_ = ran.out.splitlines()
    assert first == "❌ Worse: 8 of 10 cases pass, 10 did. 2 now fail every time: c0, c1."
    assert second.startswith("  unlikely to be chance (p ")
    assert "; cost " in second
    assert 'regressed, confirmed: 2\n  c0\n    equals: expected "a", got "b"\n    │-a\n    │+b\n' in ran.out
    assert "triage · datasets/triage.yaml · local/gpt-4o-mini\n\tbefore v1 (" in ran.out
    assert "\nStatistics: Worse: 2 cases (c0, c1), asked 5 times more on both sides, passed before" in ran.out


def test_no_page_gives_a_latency_where_no_model_was_asked(changed: Lab, cli: Cli) -> None:
    cli("eval", "triage", "--against", "@main", "-m", "echo/echo", "-o", "against.html")
    cli("results", "trend", "triage", "-o", "trend.html")
    for name in ("against.html", "trend.html"):
        data = data_of((changed.root / name).read_text())
        assert data["cases"]
        assert {each["p50_latency_ms"] for each in data["evaluations"]} == {None}
        assert {result["latency_ms"] for each in data["cases"] for result in each["results"]} == {None}


def test_data_has_the_sentence_the_certainty_and_the_asserted_part(changed: Lab, cli: Cli) -> None:
    (found,) = cli("eval", "triage", "--against", "@main", "--json").json
    assert found["headline"] == "Worse: 8 of 10 cases pass, 10 did. 2 now fail every time: c0, c1."
    pair = found["regressed"][0]
    assert (pair["certainty"], pair["inputs"], pair["expected"]) == ("confirmed", {"ticket": "c0"}, None)
    assert pair["assertions"] == [
        {"name": "equals", "reason": 'expected "a", got "b"', "before": "a", "after": "b", "note": None}
    ]


def test_a_judge_that_changed_its_mind_is_said(lab: Lab, cli: Cli) -> None:
    lab.cases({"id": "a", "inputs": {"ticket": "Hello"}, "assert": [{"type": "is-json"}, RUBRIC], "threshold": 0.5})
    verdicts: list[dict[str, Any]] = [
        {"pass": True, "score": 1, "reason": "It is kind."},
        {"pass": False, "score": 0, "reason": "It is curt."},
    ]

    async def answer(exchange: Exchange) -> None:
        is_judge = exchange.request.body["model"] == "judge"
        await reply(json.dumps(verdicts.pop(0)) if is_judge else "Hello")(exchange)

    lab.server.default = answer
    ids = [lab.one(judge="local/judge", replies="ask").row.id for _ in range(2)]
    told = cli("compare", *ids).out
    assert "regressed, likely: 1\n  a\n    llm-rubric, judged by local/judge: It is curt.\n" in told
    assert "    the same reply, and the judge changed its mind; before it said: It is kind.\n    │(equal)\n" in told


def test_what_did_not_hold_is_noise(cli: Cli, changed: Lab) -> None:
    answered: list[str] = []

    async def answer(exchange: Exchange) -> None:
        said = [str(message["content"]) for message in exchange.request.body["messages"]]
        is_wrong = said == ["WORSE", "c2"] and said[-1] not in answered
        answered.extend(said[1:])
        await reply(json.dumps({"label": "b" if is_wrong else "a"}))(exchange)

    changed.server.default = answer
    (found,) = cli("eval", "triage", "--against", "@main", "--json").json
    assert [(pair["case"], pair["certainty"]) for pair in found["regressed"]] == [("c2", "noise")]
    assert found["headline"] == "Inconclusive: 9 of 10 cases pass, 10 did."


def test_a_comparison_is_written_by_all_that_compare_and_is_the_same_page(changed: Lab, cli: Cli) -> None:
    names = [f"a.{suffix}" for suffix in ("html", "md", "json", "jsonl", "csv", "xml")]
    ran = cli("eval", "triage", "--against", "@main", *(part for name in names for part in ("-o", name)))
    assert (ran.exit_code, ran.err.count("written  ")) == (1, 6)
    document = json.loads((changed.root / "a.json").read_text())
    assert [len(each["results"]) for each in document["evaluations"]] == [10, 10]
    base, head = (each["evaluation"] for each in document["evaluations"])
    assert document["comparisons"][0]["headline"].startswith("Worse: 8 of 10 cases pass")
    assert (changed.root / "a.md").read_text().startswith("#### ❌ Worse: 8 of 10 cases pass, 10 did.")
    assert len((changed.root / "a.csv").read_text().splitlines()) == 21
    (gates, suite) = ET.parse(changed.root / "a.xml").getroot()
    assert (gates.get("name"), gates.get("failures"), suite.get("failures")) == ("promptctl compare", "1", "2")
    first = data_of((changed.root / "a.html").read_text())
    assert cli("compare", base, head, "-o", "b.html").exit_code == 1
    assert data_of((changed.root / "b.html").read_text()) == first
    git(changed.root, "checkout", "--quiet", "-b", "worse")
    commit(changed.root, "Worse")
    assert cli("review", "main", "-o", "c.html").exit_code == 1
    reviewed = data_of((changed.root / "c.html").read_text())
    for data in (first, reviewed):
        assert data["review"]["rows"][0]["reason"].startswith("Worse: 8 of 10 cases pass, 10 did. 2 now fail every")
        assert data["review"]["rows"][0]["bar"]["low"] < data["review"]["rows"][0]["bar"]["difference"] == -0.2
        assert [each["side"] for each in data["evaluations"]] == ["before", "after"]
        flips = {case["id"]: case["flip"] for case in data["cases"] if case["flip"]}
        assert {id_: (flip["way"], flip["certainty"]) for id_, flip in flips.items()} == {
            "c0": ("regressed", "confirmed"),
            "c1": ("regressed", "confirmed"),
        }
    assert reviewed["review"]["diffs"][0]["title"] == "triage"


def test_a_comparison_that_has_no_such_format_is_refused(changed: Lab, cli: Cli) -> None:
    assert cli("compare", "aaaa", "bbbb", "-o", "x.pdf").exit_code == 2


def test_a_sentence_on_a_terminal_ends_its_lines_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "60")
    said = "❌ Worse: 52 of 60 cases pass, 57 did. 5 now fail every time: bug-0000, bug-0013, bug-0026."
    lines = wrapped(said, "  ", Terminal())
    assert " ".join(line.strip() for line in lines) == said
    assert all(line.startswith("  ") and len(line) < 60 for line in lines)
    assert wrapped(said, "  ", io.StringIO()) == ["  " + said]
