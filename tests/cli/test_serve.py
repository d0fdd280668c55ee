"""`promptctl serve` as a process: its address, its end at a signal, and options that do not go together."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.evaluation_lab import slowly
from tests.json_schemas import fits
from tests.openai_server import OpenAIServer, reply

BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "promptctl", "serve", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(base_url: str) -> Any:
    request = urllib.request.Request(
        f"{base_url}/chat/completions", json.dumps(BODY).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as found:
        return json.load(found)["choices"][0]["message"]["content"]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it(workspace: Path, sent: signal.Signals, status: int) -> None:
    process = start(workspace, "--record", "-m", "echo/echo", "--as", "tests/app")
    assert process.stdout is not None
    try:
        name, _, url = process.stdout.readline().strip().partition("=")
        assert name == "OPENAI_BASE_URL"
        assert ask(url) == "Hello"
        process.send_signal(sent)
        rest, words = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, rest) == (status, "")
    assert words.splitlines()[:2] == [
        "0 recorded; any key will do, such as OPENAI_API_KEY=none-is-needed; Ctrl-C ends it",
        "asked echo/echo for $0.000000",
    ]
    (line,) = (workspace / "datasets/recordings/tests--app.jsonl").read_text().splitlines()
    assert json.loads(line)["reply"] == "Hello"


def test_a_call_that_is_paid_for_is_recorded_before_the_end(workspace: Path) -> None:
    settings = 'models:\n  "openai/*": {{api_base: "{}"}}\n'
    with OpenAIServer() as model:
        model.default = slowly(1.0, reply("Paid for"))
        (workspace / "promptctl.yaml").write_text(settings.format(model.url))
        process = start(workspace, "--record")
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip().partition("=")[2]
            with ThreadPoolExecutor() as pool, suppress(OSError, http.client.HTTPException):
                asked = pool.submit(ask, url)
                assert any(model.requests or pause() for _ in range(2000))
                process.send_signal(signal.SIGTERM)
                _, words = process.communicate(timeout=30)
                asked.result()
        finally:
            process.kill()
    assert (process.returncode, words.splitlines()[1]) == (
        0,
        "waiting for 1 call that must be recorded; a second signal ends at once",
    )
    (line,) = (workspace / "datasets/recordings/served.jsonl").read_text().splitlines()
    assert json.loads(line)["reply"] == "Paid for"


def pause() -> bool:
    time.sleep(0.01)
    return False


def test_a_script_reads_the_port(workspace: Path) -> None:
    process = start(workspace, "--echo", "--json")
    assert process.stdout is not None
    try:
        found = json.loads(process.stdout.readline())
        fits("serve", found)
        assert found == {"base_url": f"http://127.0.0.1:{found['port']}/v1", "host": "127.0.0.1", "port": found["port"]}
        assert ask(found["base_url"]) == "Hello"
    finally:
        process.kill()
        process.communicate()


PROGRAM = """
import json, os, sys, urllib.request
assert os.environ["OPENAI_API_KEY"]
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": sys.argv[1]}]}).encode()
url, headers = os.environ["OPENAI_BASE_URL"] + "/chat/completions", {"Content-Type": "application/json"}
request = urllib.request.Request(url, body, headers)
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.usefixtures("workspace")
def test_a_command_is_run_with_the_server(cli: Cli) -> None:
    for mode, status in (("--record", 0), ("--replay", 7)):
        options = ["-m", "echo/echo", "--", sys.executable, "-c", PROGRAM, "Good day", str(status)]
        assert cli("serve", mode, *options).exit_code == status
    ran = cli("serve", "--replay", "--", "no-such-program")
    assert (ran.exit_code, "cannot run no-such-program: No such file or directory" in ran.err) == (2, True)


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give one of --replay, --record and --echo"),
        (["--replay", "--echo"], "give one of --replay, --record and --echo"),
        (["--replay", "--refresh"], "--refresh goes with --record"),
        (["--record", "--as", "../x"], "as of a prompt's id: an id is made of"),
    ],
)
def test_options_that_do_not_go_together_are_refused(cli: Cli, options: list[str], words: str) -> None:
    ran = cli("serve", *options)
    assert (ran.exit_code, ran.out) == (2, "")
    assert words in ran.err
