"""`promptctl improve`: what it says, what it prints, and what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from promptctl import ImprovementRequest
from promptctl.authoring.improving import Improving
from tests.authoring.test_improving import REQUESTS, answering, desk, edit, files, is_kind
from tests.cli.conftest import Cli
from tests.evaluation_lab import Lab, environ_of
from tests.json_schemas import fits
from tests.openai_server import Exchange, failure

__all__ = ["desk"]
KINDER = edit("You greet people. All the same, be kind.\n")


def test_the_words_are_on_stderr_and_the_patch_on_stdout(desk: Lab, cli: Cli) -> None:
    desk.server.default = answering(is_kind, KINDER)
    before = files(desk)
    ran = cli("improve", "greet", "-d", "greet", "-j", "9")
    assert ran.exit_code == 0
    assert ran.out.startswith("diff --git a/prompts/greet.prompt.yaml b/prompts/greet.prompt.yaml\n")
    assert "+      You greet people. All the same, be kind.\n" in ran.out
    lines = ran.err.splitlines()
    assert lines[0] == (
        "greet unversioned · local/gpt-4o-mini · datasets/greet.yaml: 6 cases to learn from, 5 to choose by, "
        "6 held out (split seed 8)"
    )
    assert lines[1:4] == [
        "  candidate 0: 0 of 5 · the prompt as it is",
        "  candidate 1: 5 of 5 · round 1, from 0: message 1 (system) · best",
        "better: of 6 held-out cases 0 passed before and 6 after (+100 points, 93% interval +28 to +100, p 0.023)",
    ]
    assert lines[4].startswith("  case by case: promptctl compare ")
    assert lines[5:] == [
        "  1 of 10 rounds · 33 calls · $0.000495",
        "nothing was written: --yes writes it, and git apply takes what is printed",
    ]
    assert files(desk) == before
    compared = cli(*lines[4].partition("promptctl ")[2].split())
    assert "6 improved" in compared.out + compared.err
    document = cli("improve", "greet", "-d", "greet", "--json").json
    fits("improve", document)
    assert (document["verdict"], document["written"], document["calls"]) == ("better", False, 0)
    assert cli("improve", "greet", "-d", "greet", "--yes").exit_code == 0
    assert "be kind" in files(desk)["prompts/greet.prompt.yaml"]
    assert cli("validate").exit_code == 0


def test_a_verdict_that_is_not_known_writes_nothing_whatever_is_asked_for(desk: Lab, cli: Cli) -> None:
    desk.server.default = answering(is_kind, KINDER)
    before = files(desk)
    ran = cli("improve", "greet", "-d", "greet", "--yes", "--max-cost", "0.000001")
    assert ran.exit_code == 5
    assert "the verdict is not known: the search ended before a better candidate was found" in ran.err
    assert "the same command goes on with more money, and asks for nothing that was answered" in ran.err
    assert files(desk) == before


def test_cases_that_cannot_be_graded_leave_the_verdict_open(desk: Lab, cli: Cli) -> None:
    calm, broken = answering(is_kind, KINDER), failure(400)
    with desk.open() as workspace:
        planned = Improving(workspace.context.fresh(), ImprovementRequest(ref="greet", dataset="greet"))
    one = planned.parts["held_out"][0].inputs["name"]

    async def answer(exchange: Exchange) -> None:
        await (broken if one == exchange.request.body["messages"][-1]["content"] else calm)(exchange)

    desk.server.default = answer
    ran = cli("improve", "greet", "-d", "greet", "--yes")
    assert ran.exit_code == 5
    assert "the verdict is not known: " in ran.err
    assert "  the same command goes on, and asks for nothing that was answered" in ran.err.splitlines()
    desk.server.default = calm
    assert cli("improve", "greet", "-d", "greet").exit_code == 0


def test_the_estimate_asks_nothing(desk: Lab, cli: Cli) -> None:
    ran = cli("improve", "greet", "-d", "greet", "--rounds", "2", "--dry-run")
    assert ran.exit_code == 0
    assert ran.out.splitlines()[1].startswith("greet\tlocal/gpt-4o-mini\tgreet.yaml: train, choose\t37\t")
    assert not desk.server.requests
    fits("improve --dry-run", cli("improve", "greet", "-d", "greet", "--dry-run", "--json").json)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("greet", 2, "missing option `-d` / `--dataset`"),
        ("greet -d gret", 3, "did you mean `greet`?"),
        ("greet -d greet --rounds 0", 2, "--rounds"),
        ("greet -d greet --allow-code --leave-out-code", 2, "cannot be given together"),
    ],
)
def test_wrong_input(desk: Lab, cli: Cli, arguments: str, code: int, said: str) -> None:
    ran = cli("improve", *arguments.split())
    assert (ran.exit_code, ran.out) == (code, "")
    assert said in ran.err
    assert not desk.server.requests


def test_a_killed_search_goes_on_where_it_was(desk: Lab) -> None:
    """Killed while the edit is tried on the cases to choose by: what was answered is not asked again."""
    calm = answering(is_kind, KINDER)
    processes: list[subprocess.Popen[bytes]] = []

    async def deadly(exchange: Exchange) -> None:
        if len(desk.server.requests) == 17:
            os.kill(processes[0].pid, signal.SIGKILL)
        await calm(exchange)

    desk.server.default = deadly
    command = [sys.executable, "-m", "promptctl", "improve", "greet", "-d", "greet", "-j", "1", "--json"]
    for killed in (True, False):
        with subprocess.Popen(
            command, cwd=desk.root, env=environ_of(desk.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            processes.insert(0, process)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if killed else 0)
    assert b'"verdict": "better"' in out
    # Of these requests the one under way is asked for again; the edit and all others are not.
    assert len(desk.server.requests) == REQUESTS + 1
