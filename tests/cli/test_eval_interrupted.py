"""`promptctl eval` as a process of its own that is killed, interrupted and taken up again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation_lab import PROMPT, Lab, answering, environ_of, slowly
from tests.openai_server import failure, hang, reply

CASES, AT_ONCE = 60, 6


class Process:
    """A running `promptctl`, in the lab's folder."""

    def __init__(self, root: Path, *command: str) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=root, env=environ_of(root), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> tuple[int, str, str]:
        out, err = self._process.communicate(timeout=60)
        return self._process.returncode, out, err


Eval = Callable[..., Process]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def start(lab: Lab) -> Eval:
    """Start a process that can be sent signals."""
    return lambda *arguments: Process(lab.root, sys.executable, "-m", "promptctl", "eval", *arguments)


@pytest.fixture
def run(lab: Lab, warm_command: Path) -> Run:
    """Run a process to its end: one that starts warm, which no signal reaches."""
    return lambda *arguments: Process(lab.root, str(warm_command), "eval", *arguments).ended()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def comparable(file: Path) -> Any:
    """A JSON report without what differs between any two runs: ids and times."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", file.read_text())
    text = re.sub(r'"((?:p\d+_)?latency_ms|started_at)": [^,}]+', r'"\1": 0', text)
    return json.loads(text)


class TestKilled:
    def test_it_is_resumed_to_the_report_that_it_would_have_made(self, lab: Lab, start: Eval, run: Run) -> None:
        lab.many(CASES)
        lab.server.default = slowly(0.02, answering({"c7": "wrong", "c50": "wrong"}))
        options = ("-j", str(AT_ONCE), "--replies", "ask", "--repeat", "2")
        killed = start("triage", *options)
        wait_for(lambda: len(lab.asked) >= CASES)
        killed.send(signal.SIGKILL)
        killed.ended()
        assert len(lab.asked) < 2 * CASES

        code, _, err = run("resume", "-j", str(AT_ONCE), "-o", "resumed.json")
        assert code == 1, err
        assert len(lab.asked) <= 2 * CASES + AT_ONCE
        report = json.loads((lab.root / "resumed.json").read_text())["evaluations"]
        scored = Counter((each["case"], each["repeat"]) for each in report[0]["results"])
        assert scored == Counter({(f"c{number}", repeat): 1 for number in range(CASES) for repeat in (1, 2)})

        assert run("triage", *options, "-o", "whole.json")[0] == 1
        assert comparable(lab.root / "resumed.json") == comparable(lab.root / "whole.json")

    def test_every_evaluation_of_the_command_is_resumed_begun_or_not(self, lab: Lab, start: Eval, run: Run) -> None:
        lab.many(30)
        lab.server.default = slowly(0.02)
        killed = start("triage", "-m", "local/a", "-m", "local/b", "-j", "2")
        wait_for(lambda: len(lab.asked) >= 10)
        killed.send(signal.SIGKILL)
        killed.ended()
        code, out, err = run("resume", "-j", "8", "--json")
        assert code == 0, err
        found = json.loads(out)
        assert [(each["model"], each["passed"]) for each in found] == [("local/a", 30), ("local/b", 30)]
        code, out, err = run("resume", "--json")
        assert (code, json.loads(out), "no evaluation is left unfinished" in err) == (0, [], True)


class TestInterrupted:
    def test_once_finishes_what_is_under_way_and_saves_it(self, lab: Lab, start: Eval, run: Run) -> None:
        lab.many(CASES)
        lab.server.default = slowly(0.05)
        running = start("triage", "-j", str(AT_ONCE), "--json")
        wait_for(lambda: len(lab.asked) >= 20)
        running.send(signal.SIGINT)
        code, out, err = running.ended()
        asked = len(lab.asked)
        assert code == 5
        assert "Traceback" not in err
        (found,) = json.loads(out)
        assert (found["stopped"], found["verdict"]) == ("interrupted", "incomplete")
        assert found["passed"] == asked, "what was under way was finished, graded and saved"
        assert run("resume")[0] == 0
        assert len(lab.asked) == CASES

    def test_twice_stops_at_once_and_keeps_what_was_done(self, lab: Lab, start: Eval, run: Run) -> None:
        lab.many(20)
        lab.server.default = answering({f"c{number}": hang() for number in range(10, 20)})
        running = start("triage", "-j", "4")
        wait_for(lambda: len(lab.asked) >= 14)
        running.send(signal.SIGINT)
        time.sleep(0.3)
        running.send(signal.SIGINT)
        begun = time.monotonic()
        code, _, err = running.ended()
        assert time.monotonic() - begun < 5
        assert (code, "Traceback" in err) == (130, False)
        with lab.open() as workspace:
            (row,) = workspace.context.log.evaluations()
        assert f"go on with: promptctl eval resume {row.id[-8:]}\n" in err
        lab.server.default = answering({})
        lab.server.requests.clear()
        assert run("resume")[0] == 0
        assert sorted(lab.asked) == [f"c{number}" for number in range(10, 20)]

    def test_a_second_process_does_not_take_up_what_is_running(self, lab: Lab, start: Eval, run: Run) -> None:
        lab.many(600)
        lab.server.default = slowly(0.1)
        running = start("triage", "-j", "2")
        wait_for(lambda: len(lab.asked) >= 4)
        code, _, err = run("resume")
        assert (code, "is being run by another process" in err) == (2, True)
        with lab.open() as workspace:
            (row,) = workspace.context.log.evaluations()
        code, _, err = run("resume", row.id)
        assert (code, "another process is running this evaluation" in err) == (2, True)
        running.send(signal.SIGINT)
        assert running.ended()[0] == 5
        assert len(lab.asked) == len(set(lab.asked)), "no case was asked for twice"


class TestErrors:
    def test_the_command_that_is_named_takes_up_all_that_is_left(self, lab: Lab, run: Run) -> None:
        for name in ("one", "two"):
            lab.write(f"prompts/{name}.prompt.yaml", PROMPT)
            cases = [{"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}"} for n in range(3)]
            lab.cases(*cases, name=name, prompts=[name])
        lab.server.default = answering({"c1": failure(400)})
        code, _, err = run("one", "two")
        assert (code, err.count("ask again with: promptctl eval resume --retry-errors\n")) == (5, 2), err
        lab.server.default = answering({})
        code, out, _ = run("resume", "--retry-errors", "--json")
        assert (code, [each["prompt"] for each in json.loads(out)]) == (0, ["one", "two"])

    def test_what_a_bound_stopped_goes_on_under_another(self, lab: Lab, run: Run) -> None:
        lab.many(3)
        code, _, err = run("triage", "--max-cost", "0")
        again = re.search("go on with: promptctl (eval resume [0-9a-f]{8} --max-cost USD)\n", err)
        assert (code, again is not None) == (5, True), err
        code, _, err = run("resume")
        assert (code, lab.asked) == (2, [])
        assert "hint: say what it may cost: promptctl eval resume --max-cost USD" in err
        code, _, err = run("resume", "--max-cost", "0")
        assert (code, lab.asked) == (5, [])

    def test_a_stale_recording_is_recorded_again(self, lab: Lab, run: Run) -> None:
        lab.many(1)
        code, _, err = run("triage", "--replies", "replay")
        named = "1 ReplyNotRecorded; record what is missing with: promptctl eval triage --replies record"
        assert (code, named in err, "eval resume" in err) == (5, True, False), err
        assert run("triage", "--replies", "record")[0] == 0
        assert run("triage", "--replies", "replay")[0] == 0

    def test_they_are_asked_again_by_id_or_of_the_last_command(self, lab: Lab, start: Eval, run: Run) -> None:
        lab.many(6)
        lab.server.default = answering({"c1": failure(400), "c4": failure(400)})
        code, out, err = run("triage", "--json")
        (found,) = json.loads(out)
        assert (code, found["errors"]) == (5, 2)
        code, _, err = run("resume")
        assert (code, "promptctl eval resume --retry-errors" in err) == (2, True)
        lab.server.requests.clear()
        lab.server.default = answering({"c4": failure(400)})
        assert run("resume", found["evaluation"][-8:], "--retry-errors")[0] == 5
        assert sorted(lab.asked) == ["c1", "c4"]
        lab.server.default = reply("c4")
        assert run("resume", "--retry-errors")[0] == 0
