"""The sessions that the documentation shows, run again as on a terminal, and what is shown otherwise than it is.

A page's blocks are one session, in an empty folder and in their order:

- ```console  lines that begin with `$ ` are run by the shell; what follows is their output, standard error included.
  A line `…` stands for any lines, a `…` within a line for any text. Ids, commits, times and durations may differ, but
  what is one id or commit has one name throughout a page.
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
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| ?[+-]\d\d:?\d\d)?)?"), "TIME"),
    (re.compile(r"\b\d+(?:\.\d+)? m?s\b"), "DURATION"),
    (re.compile(r"(?<=_ms )\s*[\d.e-]+|(?<=_ms\": )[\d.e-]+"), "DURATION"),
    (re.compile(r"^(median latency).*"), r"\1"),
    (re.compile(r"\s+"), " "),
)

_NAME = re.compile(
    r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{12}|[0-9a-f]{7,8})\b"
)
_MARK = "\ue000"


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
            ["python", "-W", "error", "-c", source],
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
    """What a session's commands see: those beside `command` first, no colour, no wide or narrow surprise."""
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
    names = Names()
    found = []
    printed: list[str] = []
    for block in blocks(page):
        if "file" in block.options:
            session.write(block.options["file"], block.text)
        if "run" in block.options:
            printed = session.run_python(block.text)
            if any(line.startswith("Traceback") for line in printed):
                found.append(f"line {block.line}: the program fails\n" + "\n".join(printed))
        if "output" in block.options and names.rewrite(block.lines, printed) != list(block.lines):
            found.append(f"line {block.line}: the program prints\n" + "\n".join(printed))
        if block.language != "console":
            continue
        for step in steps(block):
            got = session.run(step.command)
            wanted = names.rewrite(step.shown, got)
            if wanted != list(step.shown):
                found.append(f"line {step.line}: $ {step.command}\n" + "\n".join(wanted))
    return found


class Names:
    """The ids and commits that a page shows, by the real ones: each has one name throughout."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def rewrite(self, shown: tuple[str, ...], got: list[str]) -> list[str]:
        """What the page should show: as it is if that is what came, with the names that the page has for it."""
        pairs = _aligned(shown, got)
        if pairs is None:
            return [_NAME.sub(lambda found: self._name(found[0], found[0]), line) for line in got]
        rest = iter(pairs)
        return [_NAME.sub(lambda found: self._name(next(rest)[1], found[0]), line) for line in shown]

    def _name(self, real: str, wish: str) -> str:
        """The name of a real id, whole or cut to its beginning or end; `wish` if it has none and no other has that."""
        for known, name in self._shown.items():
            if known.startswith(real):
                return name[: len(real)]
            if known.endswith(real):
                return name[-len(real) :]
            if real.startswith(known):
                wish = name + wish[len(known) :]
            if real.endswith(known):
                wish = wish[: -len(known)] + name
        name = real if wish in self._shown.values() else wish
        return self._shown.setdefault(real, name)


def _aligned(shown: tuple[str, ...], got: list[str]) -> list[tuple[str, str]] | None:
    """Each name that is shown, with the real one in its place; None if what is shown is not what came."""
    names: list[str] = []
    reals: list[str] = []

    def mark(found: re.Match[str]) -> str:
        reals.append(found[0])
        return f"{_MARK}{len(reals) - 1}{_MARK}"

    pattern = ""
    for line in _without_empty(shown):
        names += _NAME.findall(line)
        parts = _normal(_NAME.sub(_MARK, line)).split("…")
        line_pattern = ".*".join(map(re.escape, parts)).replace(_MARK, rf"{_MARK}(\d+){_MARK}")
        pattern += r"(?:.*\n)*" if line.strip() == "…" else line_pattern + r"\n"
    text = "".join(f"{_normal(_NAME.sub(mark, line))}\n" for line in _without_empty(got))
    found = re.fullmatch(pattern, text)
    return None if found is None else list(zip(names, (reals[int(number)] for number in found.groups()), strict=True))


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
    names = Names()
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
            made += [*lines[copied : block.line - 1], *names.rewrite(block.lines, printed)]
            copied = block.line - 1 + len(block.lines)
        if block.language != "console":
            continue
        made += lines[copied : block.line - 1]
        for step in steps(block):
            shown = names.rewrite(step.shown, session.run(step.command))
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
