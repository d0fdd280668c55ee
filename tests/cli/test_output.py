from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from promptctl.cli import output
from promptctl.cli.output import say, say_command, say_json, say_piece, streams_for_runner, tell
from promptctl.cli.page_layout import template
from promptctl.reports.wording import format_cost
from tests.cli.conftest import Cli, write

# As GitHub's runner, Azure's agent and TeamCity read a line; `str.splitlines` knows more ends of lines than they do.
OBEYED = re.compile(r"[\s\ufeff]*::|.*##[a-z]*\[", re.IGNORECASE)
COMMANDS = [
    ("::error::x",), ("  \t::error::x",), ("\u00a0\u2003::error::x",), ("\ufeff::error::x",), ("\x1b[31m::error::x",),
    (":", ":error::x"), (" ", ":", ":error::x"), ("a\n", "::error::x"), ("a\n:", ":error::x"), ("a\r::error::x",),
    ("a\u2028::error::x\x85::error::y",), ("a ##[error]x",), ("#", "#", "[error]x"), ("##vso[task.x]",),
    ("##v", "so[task.x]",), ("##teamcity[x]",), ("#" * 40 + "[error]x",), (" " * 2000, ":", ":error::x"),
    ("long " * 400 + "#", "#[error]x"),
]  # fmt: skip


def obeyed(text: str) -> list[str]:
    """The lines that a runner would take for commands."""
    return [line for line in text.splitlines() if OBEYED.match(line)]


@pytest.mark.parametrize(
    ("cost_nano_usd", "shown"),
    [
        (None, "-"),
        (0, "$0"),
        (150, "$0.00000015"),
        (15_000, "$0.000015"),
        (2_000_000, "$0.002"),
        (200_000_000, "$0.20"),
        (1_234_567_890_000, "$1,234.57"),
        (-2_000_000_000, "-$2.00"),
        (-15_000, "-$0.000015"),
    ],
)
def test_a_cost_is_shown_with_the_digits_that_matter(cost_nano_usd: int | None, shown: str) -> None:
    assert format_cost(cost_nano_usd) == shown


def test_words_command_no_terminal_behind_a_pipe_and_data_stays(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2J")
    tell("\x1b[2J")
    assert capsys.readouterr() == ("\x1b[2J\n", "\\x1b[2J\n")


@pytest.mark.parametrize("pieces", COMMANDS)
@pytest.mark.parametrize("runner", ["GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "TEAMCITY_VERSION"])
def test_no_line_is_a_command_to_the_runner_of_a_ci(
    pieces: tuple[str, ...], runner: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(runner, "true")
    with streams_for_runner():
        for piece in pieces:
            say_piece(piece)
            sys.stderr.write(piece)
        say()
        tell("".join(pieces))
        say_json({"".join(pieces): ["".join(pieces)]})
        say("section_start:1:x\r\x1b[0K")
    out, err = capsys.readouterr()
    assert obeyed(out + err) == []
    assert "\x1b[0K" not in out
    document = out[out.index("{\n") : out.index("}\n") + 1]
    assert json.loads(document) == {"".join(pieces): ["".join(pieces)]}


def test_elsewhere_and_in_a_file_data_stays_as_it_is(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with streams_for_runner():
        say("::error::x")
    assert capfd.readouterr().out == "::error::x\n"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with (tmp_path / "reply.txt").open("w+") as file, monkeypatch.context() as redirected:
        redirected.setattr(sys, "stdout", file)
        with streams_for_runner():
            say("::error::x")
        file.seek(0)
        assert file.read() == "::error::x\n"


@pytest.mark.parametrize("environ", [{"GITHUB_ACTIONS": "true"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}])
def test_a_printed_document_is_json_wherever_it_goes(workspace: Path, environ: dict[str, str]) -> None:
    said = "soft\u00adhyphen \U0001f3f4\U000e0067 é 😀 \u202e"
    write(workspace, "said.txt", said)
    for command in ("run triage -I ticket=said.txt --json", "log export -o - --content"):
        program = [sys.executable, "-X", "utf8=0", "-m", "promptctl", *command.split()]
        printed = subprocess.run(program, capture_output=True, env={**os.environ, **environ}, check=True)
        assert said == json.loads(printed.stdout)["reply"].strip()


def test_a_review_shows_the_log_of_a_ci_no_escapes_of_its_branch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with streams_for_runner(), output.hiding(str):
        say("Wel\u202ecome \x1b[8mhidden")
    assert capsys.readouterr().out == "Wel\\u202ecome \\x1b[8mhidden\n"


def test_a_message_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell("\nfirst\n::error::second\r\nthird")
    assert capsys.readouterr().err == "\nfirst⏎::error::second⏎third\n"


def test_what_a_file_names_at_length_is_cut_in_its_middle(workspace: Path, cli: Cli) -> None:
    key = "k" * 900_000
    write(workspace, "prompts/long.prompt.yaml", f"messages: [{{placeholder: {key}}}]\n")
    ran = cli("validate")
    assert max(map(len, ran.err.splitlines())) < 4_100
    assert "error: prompts/long.prompt.yaml:1:26: `kkk" in ran.err
    assert "k` is not declared under `inputs`\n" in ran.err
    annotated = cli("validate", "--format", "github")
    assert max(map(len, annotated.out.splitlines())) < 4_100


def test_commands_print_no_command_of_a_strangers(workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    evil = "x\\n::error::owned ##[error]owned"
    write(workspace, "prompts/a\n  ::error::owned.prompt.yaml", "messages: [{role: user, content: x}]\n")
    write(workspace, "prompts/bad.prompt.yaml", f'"{evil}": 1\nmessages: [{{role: user, content: x}}]\n')
    write(workspace, "prompts/loud.prompt.yaml", f'name: "{evil}"\nmessages: [{{role: user, content: "{evil}"}}]\n')
    write(
        workspace,
        "datasets/loud.yaml",
        f'prompts: [loud]\ncases: [{{id: "{evil}", assert: [{{type: equals, value: "{evil}."}}]}}]\n',
    )
    warned = []
    for command in (
        ["validate"], ["validate", "--json"], ["fmt", "--check"], ["list"], ["list", "--json"], ["show", "loud"],
        ["render", "loud"], ["run", "loud"], ["run", "loud", "--stream"], ["run", "loud", "--json"], ["eval", "loud"],
        ["eval", "loud", "--case", evil], ["results", "show", "@1"], ["log", "list"], ["run", "loud", "-i", evil],
    ):  # fmt: skip
        ran = cli(*command)
        assert obeyed(ran.out + ran.err) == [], command
        if ran.out.startswith(("{", "[")):
            json.loads(ran.out)
        warned.append("owned" in ran.out + ran.err)
    assert any(warned)


def test_times_that_there_are_none_of_have_no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    assert output.time_heading("Ends", ()) == "Ends"
    assert output.time_heading("Ends", ("2026-05-03T12:00:00.000Z",)).startswith("Ends (")


def test_a_command_to_the_runner_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_command("::error file=a\x1b[2J\u202eb\U000e0049.yaml::x\x07")
    assert capsys.readouterr().out == "::error file=a\\x1b[2J\\u202eb\\U000e0049.yaml::x\\x07\n"


@pytest.mark.parametrize(
    ("environ", "is_terminal", "is_coloured"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "CI": "true"}, True, False),
        ({"TERM": "xterm", "CI": "1"}, True, False),
        ({"TERM": "xterm", "CI": "false"}, True, True),
        ({"TERM": "xterm", "CI": ""}, True, True),
        ({"TERM": "xterm", "GITHUB_ACTIONS": "true"}, True, False),
        ({"TERM": "xterm", "CI": "true", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "FORCE_COLOR": "0"}, True, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_for_terminals_that_show_it(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, is_terminal: bool, is_coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal, raising=False)
    assert output.uses_colour(sys.stdout) is is_coloured
    assert output.styled("x", sys.stdout, fg="red") == ("\x1b[31mx\x1b[0m" if is_coloured else "x")


def test_each_stream_is_as_wide_as_its_own_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With stdout in a file, words on stderr still end where the terminal does."""
    words = "word " * 60
    monkeypatch.delenv("COLUMNS", raising=False)
    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr("sys.__stdout__", file)
        for width in (50, 150):
            ours, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
            with open(theirs, "w") as terminal:
                longest = max(map(len, output.wrapped(words, "  ", terminal)))
                styled = output.wrapped(f"a: \x1b[31m\x1b[1mpassed\x1b[0m: {words}", "", terminal)
                plain = output.wrapped(f"a: passed: {words}", "", terminal)
                alone = output.wrapped("a: \x1b[32m ok \x1b[0m \x1b[1m and 42 \x1b[0m", "", terminal)
            os.close(ours)
            assert width - 5 <= longest <= width
            assert styled == [plain[0].replace("passed", "\x1b[31m\x1b[1mpassed\x1b[0m"), *plain[1:]], (
                "colours have no width"
            )
            assert alone == ["a:  \x1b[32mok   \x1b[0m\x1b[1mand 42\x1b[0m"], "nor do those between blanks hide a word"
        assert output.columns(file) is None
        assert output.wrapped(words, "  ", file) == [f"  {words}"]


def test_the_marks_of_a_template_are_coloured_in_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert template("a {# {{ #} {{ b\nc }} {% d", "jinja2") == (
        "a \x1b[2m{# {{ #}\x1b[0m \x1b[36m{{ b\x1b[0m\n\x1b[36mc }}\x1b[0m {% d"
    )
    assert template("{% a %}{{ b }}", "simple") == "{% a %}\x1b[36m{{ b }}\x1b[0m"
    began = time.monotonic()
    for text in ("{{ " * 100_000, "{{ {% {# " * 50_000, "{{ a }}{% " * 20_000):
        template(text, "jinja2")
    assert time.monotonic() - began < 5
