"""`promptctl results`: evaluations of the past."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from promptctl.cli.text_difference import difference_lines
from promptctl.reports.markdown import folded
from tests.cli.conftest import Cli
from tests.evaluation_lab import Lab, answering, environ_of, slowly
from tests.openai_server import failure


@pytest.fixture
def done(lab: Lab, cli: Cli) -> dict[str, str]:
    """One evaluation of three cases, of which one failed and one is an error; its id by name."""
    lab.many(3)
    lab.server.default = answering({"c1": "wrong", "c2": failure(400, "no such thing")})
    (found,) = cli("eval", "triage", "--json").json
    return {"id": found["evaluation"], "short": found["evaluation"][-8:]}


def test_the_newest_stands_first(cli: Cli, done: dict[str, str]) -> None:
    (second,) = cli("eval", "triage", "-m", "echo/echo", "--json").json
    listed = cli("results", "list", "--json").json
    assert [each["evaluation"] for each in listed] == [second["evaluation"], done["id"]]
    assert [(each["verdict"], each["passed"]) for each in listed] == [("passed", 3), ("failed", 1)]
    assert [each["evaluation"] for each in cli("results", "list", "-n", "1", "--json").json] == [second["evaluation"]]
    assert cli("results", "list", "--prompt", "other*", "--json").json == []
    assert [each["verdict"] for each in cli("results", "list", "--verdict", "failed", "--json").json] == ["failed"]
    header, *rows = (line.split("\t") for line in cli("results", "list").out.splitlines())
    assert [dict(zip(header, row, strict=True))["verdict"] for row in rows] == ["passed", "failed"]


def test_none_of_those_asked_for_is_not_none_at_all(cli: Cli, done: dict[str, str]) -> None:
    assert cli("results", "list", "--prompt", "nobody*").err == "no evaluation matches\n"


def test_it_is_shown_as_it_was_when_it_ended(cli: Cli, done: dict[str, str]) -> None:
    ran = cli("results", "show", done["short"])
    assert ran.exit_code == 0
    assert "✗ failed  c1\n    input     ticket: c1\n" in ran.out
    assert "! error  c2" in ran.out
    assert "no such thing" in ran.out
    assert f"promptctl eval resume {done['short']} --retry-errors" in ran.out
    assert ran.err == ""
    (shown,) = cli("results", "show", done["id"], "--json").json
    assert (shown["passed"], shown["failed"], shown["errors"], shown["verdict"]) == (1, 1, 1, "failed")


def test_everything_of_one_case_is_shown(cli: Cli, done: dict[str, str]) -> None:
    ran = cli("results", "show", done["short"], "--case", "c1")
    (row,) = cli("results", "show", done["short"], "--case", "c1", "--json").json
    assert ran.out == (
        f"c1  failed\nevaluation  {done['id']}: triage unversioned · local/gpt-4o-mini · datasets/triage.yaml\n"
        "\ninput ticket\n  │ c1\n\nexpected\n  │ c1\n\nmessage user\n  │ c1\n\nreply\n  │ wrong\n"
        '\nchecks\n  ✗ equals: expected "c1", got "wrong"\n      expected  c1\n      got       wrong\n'
        f"\nreply       model · {row['latency_ms']:.0f} ms · 12+3 tokens · $0.000015\n"
        f"call        {row['execution']}: promptctl log show {row['execution'][-8:]}\n"
    )
    assert (row["inputs"], row["expected"]) == ({"ticket": "c1"}, "c1")
    assert row["messages"] == [{"role": "user", "content": "c1"}]
    assert (row["case"], row["output"], row["status"], row["repeat"]) == ("c1", "wrong", "failed", 1)
    unknown = cli("results", "show", done["short"], "--case", "nix")
    assert (unknown.exit_code, unknown.err) == (
        3,
        f"error: evaluation `{done['short']}` has no case `nix`\n  hint: its cases are c0, c1, c2\n",
    )


def test_a_long_reply_of_one_line_is_shown_whole(lab: Lab, cli: Cli) -> None:
    lab.many(1)
    words = " ".join(f"word{n}" for n in range(1_000))
    lab.server.default = answering({"c0": words})
    (found,) = cli("eval", "triage", "--json").json
    assert f"\nreply\n  │ {words}\n" in cli("results", "show", found["evaluation"], "--case", "c0").out


def test_show_leaves_no_failure_out_and_eval_names_the_way_there(lab: Lab, cli: Cli) -> None:
    lab.many(15)
    lab.server.default = answering({}, otherwise=failure(400))
    ran = cli("eval", "triage", "--json")
    (found,) = ran.json
    shown = cli("results", "show", found["evaluation"][-8:]).out
    assert shown.count("! error") == 15
    again = cli("eval", "triage").err
    assert again.count("! error") == 10
    assert "… and 5 more: promptctl results show" in again


def test_long_texts_are_shown_where_they_differ(lab: Lab, cli: Cli) -> None:
    same = "word " * 200
    lab.cases(
        {"id": "line", "inputs": {"ticket": "a"}, "expected": f"{same}left"},
        {"id": "lines", "inputs": {"ticket": "b"}, "expected": "one\ntwo\nthree\nfour\nfive"},
    )
    lab.server.default = answering({"a": f"{same}right", "b": "one\ntwo\nTHREE\nfour\nfive"})
    shown = cli("eval", "triage").err
    assert [line.split()[-1] for line in shown.splitlines() if "word" in line and "expected  …" in line] == ["left"]
    assert [line.strip() for line in shown.splitlines() if line.strip().startswith(("│-", "│+"))] == [
        "│-three",
        "│+THREE",
    ]


@pytest.mark.parametrize("name", ["r.json", "r.jsonl", "r.csv", "r.md", "r.xml", "r.html"])
def test_it_can_be_exported_later_as_it_would_have_been_written_then(
    lab: Lab, cli: Cli, done: dict[str, str], name: str
) -> None:
    assert cli("results", "export", done["short"], "-o", name).exit_code == 0
    exported = (lab.root / name).read_text()
    cli("eval", "resume", done["short"], "-o", f"again.{name[2:]}")
    assert "c1" in exported
    assert exported.count("wrong") == (lab.root / f"again.{name[2:]}").read_text().count("wrong")


def test_deleted_is_gone_and_its_executions_stay(cli: Cli, done: dict[str, str]) -> None:
    assert cli("results", "delete", "ffff").exit_code == 3
    ran = cli("results", "delete", done["short"])
    assert (ran.exit_code, "3 results" in ran.err) == (0, True)
    assert cli("results", "list", "--json").json == []
    assert cli("results", "show", done["short"]).exit_code == 3
    assert len(cli("log", "list", "--source", "eval", "--json").json) == 3


def test_one_is_counted_as_one(lab: Lab, cli: Cli) -> None:
    lab.many(1)
    (found,) = cli("eval", "triage", "--json").json
    assert cli("results", "delete", found["evaluation"]).err.endswith(", 1 result)\n")
    before, after = ("\n".join(f"{word} {number}" for number in range(10)) for word in ("old", "new"))
    assert [*difference_lines(before, after)][-1] == "… 1 more line"
    assert "… and 1 more line\n" in "".join(folded("title", ["a", "b", "c"], 2))


def test_one_that_was_killed_is_told_from_one_that_is_running(lab: Lab, cli: Cli) -> None:
    lab.many(30)
    lab.server.default = slowly(0.1)
    process = subprocess.Popen(
        [sys.executable, "-m", "promptctl", "eval", "triage", "-j", "1"],
        cwd=lab.root, env=environ_of(lab.root), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while len(lab.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)

    def verdict() -> str:
        header, row = (line.split("\t") for line in cli("results", "list").out.splitlines())
        return dict(zip(header, row, strict=True))["verdict"]

    (listed,) = cli("results", "list", "--status", "running", "--json").json
    assert verdict() == "running"
    assert re.search(r"^evaluated   triage \S+ running on ", cli("status").out, re.MULTILINE)
    assert cli("results", "delete", listed["evaluation"]).exit_code == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert verdict() == "interrupted"
    standing = cli("status").out
    assert re.search(r"^evaluated   triage \S+ incomplete: \d+ of 30 cases on ", standing, re.MULTILINE)
    assert f"next        promptctl eval resume {listed['evaluation'][-8:]} " in standing
    assert json.dumps(listed)


def test_several_reports_are_written_at_once(cli: Cli, lab: Lab, done: dict[str, str]) -> None:
    ran = cli("results", "export", done["short"], "-o", "a.csv", "-o", "b.md")
    assert (ran.exit_code, ran.err) == (0, "written  a.csv\nwritten  b.md\n")
    assert (lab.root / "a.csv").is_file()
    assert (lab.root / "b.md").is_file()
    assert cli("results", "export", done["short"], "-o", "c.csv", "-o", "c.pdf").exit_code == 2
    assert not (lab.root / "c.csv").exists()


def test_the_content_of_a_file_is_told_by_its_size(lab: Lab, cli: Cli) -> None:
    image = "data:image/png;base64," + "iVBORw0KGgo0" * 1000
    lab.cases({"id": "a", "inputs": {"ticket": image}, "expected": "x"})
    (found,) = cli("eval", "triage", "--json").json
    for ran in (
        cli("results", "show", found["evaluation"]),
        cli("results", "show", found["evaluation"], "--case", "a"),
    ):
        assert "data:image/png;base64,… (9 KB)" in ran.out
        assert "iVBORw0KGgo0" * 100 not in ran.out
