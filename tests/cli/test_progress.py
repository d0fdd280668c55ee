"""How far long work is: what the line says on terminals of any width, and what becomes of it when it is stopped."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.cells import cell_len

from promptctl.calls.account import Account
from promptctl.cli import evaluation_output, waiting
from promptctl.cli.evaluation_output import EvaluationProgress
from promptctl.cli.waiting import MovingLine, Waiting
from promptctl.counting import counted, counting, latest
from promptctl.evaluations.progress import Load, Progress

LONG = "support/客户支持/" + "sehr-langer-name/" * 4 + "cafe\u0301"


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> EvaluationProgress:
    """An evaluation of which 60 of 200 cases have a result after 12 seconds."""
    now = iter((100.0, 112.0, 112.0, 112.0))
    monkeypatch.setattr(evaluation_output, "time", SimpleNamespace(monotonic=lambda: next(now)))
    account = Account(2_000_000_000)
    account.settle(0, 20_000_000)
    shown = EvaluationProgress(cast("Any", None))
    plan = SimpleNamespace(target=SimpleNamespace(prompt=SimpleNamespace(id=LONG)))
    far = Progress(200, passed=57, failed=2, errors=1, load=Load(in_flight=16, held_back=3), account=account)
    shown(cast("Any", plan), far)
    return shown


def drawn(line: MovingLine, columns: int) -> str:
    return "".join(text for text, _ in waiting._fitted("⠋ ", line, columns - 1))


def test_a_wide_line_says_everything(progress: EvaluationProgress) -> None:
    line = cast("MovingLine", progress._line())
    assert drawn(line, 300) == (
        f"⠋ {LONG} ━━━━──────────── · 60 of 200 cases · 57 passed · 2 failed · 1 error · 28 s left · "
        "$0.02 of $2.00 · 3 held back by a rate limit · 5.0/s · 16 in flight"
    )


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
def test_a_narrow_line_says_what_matters_most(progress: EvaluationProgress, columns: int) -> None:
    text = drawn(cast("MovingLine", progress._line()), columns)
    assert cell_len(text) < columns
    assert "\n" not in text
    if columns >= 60:
        assert "cafe\u0301 · 60 of 200 cases" in text, "the name's end tells prompts apart"
        assert "2 failed" in text


def test_a_long_sentence_keeps_its_beginning() -> None:
    assert drawn(MovingLine("asking " + "模" * 60), 40) == "⠋ asking " + "模" * 15
    assert drawn(MovingLine("a\x1b[2Jb\nc"), 40) == "⠋ a\\x1b[2Jb\\nc"


def test_counted_work_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Waiting("reading the workspace")
    assert line._line() == MovingLine("reading the workspace")
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: 100.0))
    for number in counted(range(200), "reading rows", 200):
        with counting("an inner step"):
            assert line._line().name == "an inner step"
        if number == 50 and (count := latest()) is not None:
            count.began = 80.0
            assert drawn(line._line(), 80) == "⠋ reading rows ━━━━──────────── · 50 of 200 · 60 s left"
    assert latest() is None


@pytest.mark.parametrize(("seconds", "words"), [(12, "12 s"), (600, "10 min"), (7300, "2 h 2 min")])
def test_times_are_short(seconds: int, words: str) -> None:
    assert waiting._duration(seconds) == words


PROGRAM = """
import signal, sys
signal.signal(signal.SIGTSTP, signal.SIG_DFL)  # whatever the tests were started by
from promptctl.cli.waiting import Waiting
line = Waiting("working " + "very " * 12 + "hard")
line.begin()
sys.stdin.readline()
print("a warning", file=sys.stderr)
sys.stdin.readline()
line.end()
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A terminal of 100 columns with a program that waits on it, in a job of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environ = {**os.environ, "TERM": "xterm", "TMUX": "x"}
    environ.pop("COLUMNS", None)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd=Path(__file__).parents[2], process_group=0,
    )  # fmt: skip
    os.close(theirs)
    yield ours, program
    program.kill()
    program.wait()
    os.close(ours)


def read_until(terminal: int, awaited: str) -> str:
    sent = ""
    while awaited not in sent:
        sent += os.read(terminal, 65536).decode()
    return sent


def test_the_line_gives_way_to_a_stop_a_warning_and_a_narrower_terminal(
    terminal: tuple[int, subprocess.Popen[bytes]],
) -> None:
    screen, program = terminal
    read_until(screen, "hard · ")
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    assert "\r\x1b[1A\x1b[J" in read_until(screen, "\x1b[J"), "what the terminal wrapped goes too"
    read_until(screen, "working")
    os.kill(program.pid, signal.SIGTSTP)
    os.waitid(os.P_PID, program.pid, os.WSTOPPED)
    os.set_blocking(screen, False)
    stopped = os.read(screen, 65536).decode()
    assert stopped.endswith("\r\x1b[2K"), "the shell finds an empty line"
    os.set_blocking(screen, True)
    os.kill(program.pid, signal.SIGCONT)
    read_until(screen, "working")
    os.write(screen, b"\n")
    assert "\x1b[2Ka warning\r\n" in read_until(screen, "a warning\r\n")
    read_until(screen, "working")
    os.write(screen, b"\n")
    last = ""
    while True:
        try:
            last += os.read(screen, 65536).decode()
        except OSError:
            break
    assert last.endswith("\x1b[2K")
    assert "\x1b[?" not in last, "no mode of the terminal was changed"
