"""The program itself, with the streams and terminals that it may be started with."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import TRIAGE, write

PROGRAM = [sys.executable, "-m", "promptctl"]
HOSTILE = r"\e]0;title\a\e[2J\e[8mhidden\u009b2J\u202Edne"


def shell(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a line of Bash in which `p` is promptctl."""
    line = f'set -o pipefail; p() {{ "{sys.executable}" -m promptctl "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env={**os.environ, **environ})


def on_terminal(program: Path, *arguments: str) -> str:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    command = [str(program), *arguments]
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    sent = b""
    while True:
        try:
            sent += os.read(ours, 65536)
        except OSError:  # the program has ended
            break
    os.close(ours)
    running.wait()
    return sent.decode()


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("p list >&-", 0),
        ("p list 2>&-", 0),
        ("p render nope 2>&-", 3),
        ("p render nope 2>/dev/full", 3),
        ("p run triage -I ticket=- <&-", 0),
    ],
)
def test_a_stream_that_is_closed_or_full_changes_no_exit_code(command: str, code: int) -> None:
    ran = shell(command)
    assert (ran.returncode, "Traceback" in ran.stderr, "bug:" in ran.stderr) == (code, False, False)


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["p list", "p run triage -i ticket=Help --stream", "p --help"])
def test_a_pipe_that_nobody_reads_ends_with_141(command: str, unbuffered: str) -> None:
    ran = shell(f"{command} | true", PYTHONUNBUFFERED=unbuffered)
    assert (ran.returncode, "Traceback" in ran.stderr) == (141, False)


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("option", ["", "--stream"])
def test_what_the_terminal_cannot_write_is_written_as_an_escape(option: str) -> None:
    ran = shell(f"p run triage -i 'ticket=Grüße' {option}", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stdout) == (0, "Gr\\xfc\\xdfe\n")


def test_ctrl_c_is_told_in_one_word(workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    command = [*PROGRAM, "render", "triage", "-I", "ticket=pipe"]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with (workspace / "pipe").open("w"):  # opens once the program reads it
        program.send_signal(signal.SIGINT)
    _, said = program.communicate()  # Python sees a signal that comes just before it reads once the pipe is closed
    assert (program.returncode, said.strip()) == (130, "interrupted")


def test_an_argument_that_is_not_text_is_a_usage_error() -> None:
    ran = shell(r"p log list --user $'\xff'")
    assert (ran.returncode, "is not text" in ran.stderr) == (2, True)


@pytest.mark.parametrize("command", ["list", "show triage", "render triage -i ticket=x", "run triage -i ticket=x"])
def test_text_from_files_and_models_commands_no_terminal(workspace: Path, warm_command: Path, command: str) -> None:
    hostile = TRIAGE.replace("Support triage", f'"{HOSTILE}"').replace("{{ ticket }}", "{{ ticket }} {{ 'HOSTILE' }}")
    literal = "\x1b]0;title\x07\x1b[2J\x1b[8mhidden\x9b2J\u202edne".encode("unicode_escape").decode()
    write(workspace, "prompts/triage.prompt.yaml", hostile.replace("HOSTILE", literal))
    sent = on_terminal(warm_command, *command.split())
    assert "hidden" in sent
    assert [bad for bad in ("\x1b]", "\x1b[2J", "\x1b[8m", "\x07", "\x9b", "\u202e") if bad in sent] == []


@pytest.mark.usefixtures("workspace")
def test_a_proposed_diff_is_coloured_on_a_terminal_and_plain_in_a_pipe(
    warm_command: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git apply` takes what a pipe is given, whatever FORCE_COLOR says."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    sent = on_terminal(warm_command, "new", "greet", "--input", "name", "--dry-run")
    assert "\x1b[32m+name: Greet\x1b[0m" in sent
    assert "\\x1b" not in sent
    piped = shell("p new greet --input name | git apply --check", FORCE_COLOR="1")
    assert (piped.returncode, piped.stderr.count("No valid patches")) == (0, 0)
