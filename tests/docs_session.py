"""The sessions that the documentation shows, run again as on a terminal, and what is shown otherwise than it is.

A page's blocks are one session, in an empty folder and in their order:

- ```console  lines that begin with `$ ` are run by the shell; what follows is their output, standard error included.
  A line `…` stands for any lines, a `…` within a line for any text. Ids, commits, times and durations may differ.
- ```yaml file=PATH  (or another language) is written to that file.
- ```python run       is run there; a ```text output behind it is what it prints.

`python -m tests.docs_session PAGE...` writes the real output into pages wherever they show something else.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = 100
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b1:[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| ?[+-]\d\d:?\d\d)?)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "COMMIT"),
    (re.compile(r"\b[0-9a-f]{7,8}\b"), "ID"),
    (re.compile(r"\b\d+(?:\.\d+)? m?s\b"), "DURATION"),
    (re.compile(r"(?<=_ms )\s*[\d.e-]+|(?<=_ms\": )[\d.e-]+"), "DURATION"),
    (re.compile(r"^(median latency).*"), r"\1"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the `name=value` words behind it, its text, and the line its text begins on."""

    language: str
    options: dict[str, str]
    lines: tuple[str, ...]
    line: int

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a session and the output shown for it; `line` is the command's line in the page."""

    command: str
    shown: tuple[str, ...]
    line: int


@dataclass(slots=True)
class Session:
    """A shell in a folder of its own, on a terminal of 100 columns without colour."""

    folder: Path
    environ: dict[str, str]
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.folder

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run_python(self, source: str) -> list[str]:
        """The lines of what the program writes, to either stream; its traceback where it fails."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", source],
            cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.stdout.splitlines()

    def run(self, command: str) -> list[str]:
        """The lines of what the command writes, to either stream."""
        words = shlex.split(command)
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
            return []
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, stdout=side, stderr=side
        )
        os.close(side)
        written = b"".join(_pieces(main))
        os.close(main)
        process.wait()
        text = written.decode("utf-8").replace("\r\n", "\n").replace(str(self.home), "…")
        return [line.rstrip() for line in text.strip("\n").split("\n")] if text.strip() else []


def environment(command: Path | None = None) -> dict[str, str]:
    """What a session's commands see: that `promptctl`, or this interpreter's, no colour, no wide or narrow surprise."""
    environ = {**os.environ, "TERM": "dumb", "TZ": "UTC", "COLUMNS": str(COLUMNS), "LINES": "50", "GIT_PAGER": "cat"}
    for who in ("AUTHOR", "COMMITTER"):
        environ |= {f"GIT_{who}_NAME": "Ada Example", f"GIT_{who}_EMAIL": "ada@example.com"}
    folders = [command.parent] if command else []
    environ["PATH"] = os.pathsep.join(map(str, [*folders, Path(sys.executable).parent, environ["PATH"]]))
    return environ


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown page."""
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        indent, start = len(opening["indent"]), number
        while number < len(lines) and lines[number].strip() != "```":
            number += 1
        language, *words = opening["info"].split() or [""]
        options = dict(word.partition("=")[::2] for word in words)
        inside = tuple(line[indent:] if line.startswith(" " * indent) else line for line in lines[start:number])
        yield Block(language, options, inside, start + 1)
        number += 1


def steps(block: Block) -> Iterator[Step]:
    """The commands of a console block."""
    command, line = "", 0
    shown: list[str] = []
    for number, text in enumerate(block.lines, block.line):
        if text.startswith("$ "):
            if command:
                yield Step(command, tuple(shown), line)
            command, shown, line = text[2:], [], number
        elif command.endswith("\\") and text.startswith("> "):
            command += "\n" + text[2:]
        else:
            shown.append(text)
    if command:
        yield Step(command, tuple(shown), line)


def differences(page: str, folder: Path, command: Path | None = None) -> list[str]:
    """Where the page's session shows something else than `command` gives, as `line: command` with what came."""
    session = Session(folder, environment(command))
    found = []
    printed: list[str] = []
    for block in blocks(page):
        if "file" in block.options:
            session.write(block.options["file"], block.text)
        if "run" in block.options:
            printed = session.run_python(block.text)
            if any(line.startswith("Traceback") for line in printed):
                found.append(f"line {block.line}: the program fails\n" + "\n".join(printed))
        if "output" in block.options and not matches(block.lines, printed):
            found.append(f"line {block.line}: the program prints\n" + "\n".join(printed))
        if block.language != "console":
            continue
        for step in steps(block):
            got = session.run(step.command)
            if not matches(step.shown, got):
                found.append(f"line {step.line}: $ {step.command}\n" + "\n".join(got))
    return found


def matches(shown: tuple[str, ...], got: list[str]) -> bool:
    """Whether what is shown, with its `…`, is what came."""
    wanted = _without_empty(shown)
    pattern = "".join(r"(?:.*\n)*" if line.strip() == "…" else _line_pattern(line) + r"\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{_normal(line)}\n" for line in _without_empty(got))) is not None


def _line_pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in _normal(line).split("…"))


def _normal(line: str) -> str:
    for pattern, name in _VARYING:
        line = pattern.sub(name, line.strip())
    return line


def _without_empty(lines: tuple[str, ...] | list[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def _pieces(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other side is closed
            return
        if not piece:
            return
        yield piece


def rewritten(page: str, folder: Path) -> str:
    """The page with the real output of each command that it does not show as it is."""
    session = Session(folder, environment())
    lines = page.splitlines()
    made: list[str] = []
    printed: list[str] = []
    copied = 0
    for block in blocks(page):
        if "file" in block.options:
            session.write(block.options["file"], block.text)
        if "run" in block.options:
            printed = session.run_python(block.text)
        if "output" in block.options:
            kept = block.lines if matches(block.lines, printed) else printed
            made += [*lines[copied : block.line - 1], *kept]
            copied = block.line - 1 + len(block.lines)
        if block.language != "console":
            continue
        made += lines[copied : block.line - 1]
        for step in steps(block):
            got = session.run(step.command)
            shown = list(step.shown) if step.shown and matches(step.shown, got) else got
            made += [*f"$ {step.command}".replace("\n", "\n> ").split("\n"), *shown]
        copied = block.line - 1 + len(block.lines)
    return "\n".join([*made, *lines[copied:]]) + "\n"


def _rewrite(path: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "gitconfig").write_text("[init]\n\tdefaultBranch = main\n", encoding="utf-8")
        os.environ["GIT_CONFIG_GLOBAL"] = str(Path(temporary) / "gitconfig")
        work = Path(temporary) / "work"
        work.mkdir()
        path.write_text(rewritten(path.read_text(encoding="utf-8"), work), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        _rewrite(Path(name))
