"""What a person sees while a command waits."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl.cli import waiting
from promptctl.cli.waiting import Waiting, loading
from promptctl.counting import counting
from promptctl.models import litellm_library
from tests.cli.conftest import TRIAGE, Cli, write
from tests.openai_server import Answer, Exchange, OpenAIServer, failure, reply

INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "promptctl.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from promptctl.cli.program import main
main()
"""


def test_ctrl_c_while_it_is_loaded_ends_it_without_a_word() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_WHILE_LOADING], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")


class Terminal:
    """A terminal that a program runs on; each text of `seen` has an event that is set once it was shown."""

    program = (sys.executable, "-m", "promptctl")

    def __init__(self) -> None:
        self.seen: dict[str, threading.Event] = {}

    def once_seen(self, awaited: str, answer: Answer) -> Answer:
        """An answer that is sent no earlier than the terminal has shown a text."""
        seen = self.seen.setdefault(awaited, threading.Event())

        async def held(exchange: Exchange) -> None:
            await asyncio.to_thread(seen.wait, 60)
            await answer(exchange)

        return held

    def run(self, *arguments: str, term: str = "xterm") -> str:
        ours, theirs = pty.openpty()
        environ = {**os.environ, "TERM": term, "COLUMNS": "80", "OPENAI_API_KEY": "sk-test"}
        program = subprocess.Popen([*self.program, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
        os.close(theirs)
        sent = ""
        while True:
            try:
                sent += os.read(ours, 65536).decode(errors="replace")
            except OSError:  # the program has ended
                break
            for awaited, seen in self.seen.items():
                if awaited in sent:
                    seen.set()
        os.close(ours)
        program.wait()
        return sent


@pytest.fixture
def warm(warm_command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start `promptctl` warm on each terminal."""
    monkeypatch.setattr(Terminal, "program", (str(warm_command),))


@pytest.fixture
def server(workspace: Path) -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        write(workspace, "promptctl.yaml", f'model: local/m\nmodels:\n  "local/*": {{api_base: "{server.url}"}}\n')
        yield server


@pytest.mark.parametrize("option", ["--stream", "--no-stream"])
@pytest.mark.usefixtures("warm")
def test_something_moves_until_the_reply_comes(server: OpenAIServer, option: str) -> None:
    terminal = Terminal()
    server.script(terminal.once_seen("asking local/m", reply("Hello there")))
    sent = terminal.run("run", "triage", "-i", "ticket=x", option)
    moving, _, rest = sent.rpartition("\r\x1b[2K")
    assert "asking local/m" in moving
    assert rest.startswith("Hello there\r\n")


@pytest.mark.usefixtures("warm")
def test_a_terminal_streams_unless_the_reply_has_to_fit_a_schema(server: OpenAIServer, workspace: Path) -> None:
    schema = "output: {schema: {type: object, required: [a], properties: {a: {const: 1}}}, retries: 1}\n"
    write(workspace, "prompts/strict.prompt.yaml", TRIAGE + schema)
    for prompt, options in (("triage", []), ("triage", ["--no-stream"]), ("triage", ["--json"]), ("strict", [])):
        server.script(reply('{"a": 1}'))
        Terminal().run("run", prompt, "-i", "ticket=x", *options)
    assert [each.body.get("stream", False) for each in server.requests] == [True, False, False, False]


def test_a_retry_is_said_on_a_line_of_its_own(server: OpenAIServer) -> None:
    terminal = Terminal()
    overloaded, hello = failure(500, "overloaded"), reply("Hello")
    server.script(terminal.once_seen("asking", overloaded), terminal.once_seen("attempt 2 of 3", hello))
    sent = terminal.run("run", "triage", "-i", "ticket=x", "--no-stream")
    said = sent.partition("attempt 2 of 3")[2].partition("\r\n")[0]
    assert "overloaded" in said
    assert "\x1b[2Kattempt 2 of 3" in sent
    assert sent.rpartition("\x1b[2K")[2].startswith("Hello\r\n")


def test_a_reply_that_fits_no_schema_is_said_when_it_is_asked_for_again(
    server: OpenAIServer, workspace: Path, cli: Cli
) -> None:
    schema = "output: {schema: {type: object, required: [a], properties: {a: {const: 1}}}, retries: 1}\n"
    write(workspace, "prompts/strict.prompt.yaml", TRIAGE + schema)
    server.script(reply('{"b": 1}'), reply('{"a": 1}'))
    ran = cli("run", "strict", "-i", "ticket=x")
    assert (ran.exit_code, "attempt 2: the reply did not fit the schema: " in ran.err) == (0, True)


@pytest.mark.usefixtures("warm")
def test_an_evaluation_moves_before_its_first_reply(server: OpenAIServer, workspace: Path) -> None:
    write(workspace, "datasets/triage.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: x}, expected: x}]\n")
    terminal = Terminal()
    server.default = terminal.once_seen("evaluating", reply("x"))
    assert "evaluating" in terminal.run("eval", "triage")


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(("term", "ci"), [("dumb", ""), ("xterm", "1")])
def test_a_dumb_terminal_and_that_of_a_ci_see_no_movement(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, term: str, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    server.script(reply("Hello"))
    assert "\x1b" not in Terminal().run("run", "triage", "-i", "ticket=x", term=term)


@pytest.mark.usefixtures("warm")
def test_a_name_commands_no_terminal_and_the_line_fits(server: OpenAIServer) -> None:
    terminal = Terminal()
    server.script(terminal.once_seen("asking local/", reply("Hello")))
    sent = terminal.run("run", "triage", "-i", "ticket=x", "--no-stream", "-m", "local/" + "模" * 60)
    moving = sent.partition("asking local/")[2].partition("\x1b")[0]
    assert 20 < moving.count("模") < 40, "a line of 79 cells"
    assert waiting._cut("模a模", 3) == "模a"


def test_of_one_step_no_number_is_told() -> None:
    with counting("estimating", 1):
        assert Waiting("waiting")._line() == waiting.MovingLine("estimating", ())
    with counting("estimating", 2) as count:
        count.done += 1
        assert Waiting("waiting")._line().parts[0].text == "1 of 2"


def test_without_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "_LINE_S", 0.01)
    asked = threading.Event()
    twice = iter((False, True))

    def words() -> str:
        if next(twice, True):
            asked.set()
        return "triage: 40 of 200 cases"

    line = Waiting(words)
    line.begin()
    try:
        assert asked.wait(60)
    finally:
        line.end()
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "triage: 40 of 200 cases (0 s)")


class _Screen(io.StringIO):
    """A stream that leads to the screen that everybody writes on."""

    def __init__(self, screen: list[str], *, is_terminal: bool) -> None:
        super().__init__()
        self.screen, self.is_terminal = screen, is_terminal
        self.is_drawn = threading.Event()

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        self.screen.append(text)
        if "reading" in text:
            self.is_drawn.set()
        return len(text)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_nothing_of_it_is_left_where_a_pipe_s_reader_prints(
    monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    screen: list[str] = []
    out, err = _Screen(screen, is_terminal=is_terminal), _Screen(screen, is_terminal=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "_FIRST_S", 0.001)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    line = Waiting("reading")
    line.begin()
    try:
        assert err.is_drawn.wait(60)
        sys.stdout.write("prompt calls\n")
    finally:
        line.end()
    assert screen[-2:] == ["\r\x1b[2K", "prompt calls\n"]


@pytest.mark.usefixtures("warm")
def test_a_warning_after_a_streamed_reply_is_on_a_line_of_its_own(server: OpenAIServer, workspace: Path) -> None:
    server.script(reply("One"), reply("Two"))
    Terminal().run("run", "triage", "-i", "ticket=x")
    for side in ("-wal", "-shm"):
        (workspace / f".promptctl/log.db{side}").unlink(missing_ok=True)
    (workspace / ".promptctl/log.db").write_text("no database any more")
    sent = Terminal().run("run", "triage", "-i", "ticket=x")
    assert "Two\r\nwarning: the log was damaged" in sent


def test_it_says_so_while_litellm_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    with litellm_library._import_lock:
        assert loading() == "loading LiteLLM"
    assert loading() is None
    monkeypatch.delitem(sys.modules, litellm_library.__name__)
    assert loading() is None


def test_nothing_moves_over_a_question_if_stdout_is_a_file(workspace: Path, cli: Cli) -> None:
    cli("run", "triage", "-i", "ticket=x", "-m", "echo/echo", "--user", "u1")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "promptctl", "log", "redact", "--user", "u1"]
    with Path("out").open("w") as out:
        program = subprocess.Popen(
            command, stdin=theirs, stdout=out, stderr=theirs, env={**os.environ, "TERM": "xterm"}
        )
    os.close(theirs)
    sent = ""
    while "Erase this for good?" not in sent:
        sent += os.read(ours, 65536).decode(errors="replace")
    after = sent.partition("Erase this for good?")[2]
    while select.select([ours], [], [], 0.5)[0]:
        after += os.read(ours, 65536).decode(errors="replace")
        assert "reading the workspace" not in after
    os.write(ours, b"n\n")
    program.wait()
    os.close(ours)
    assert program.returncode == 130
