"""Functions that print: data on stdout, words on stderr; colour on a terminal only."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

import typer

from promptctl.errors import (
    OK,
    UNSEEN,
    WORKSPACE,
    InputError,
    InvalidFiles,
    Place,
    Problem,
    PromptctlError,
    WorkspaceError,
    escaped,
    printable,
)
from promptctl.reports.wording import without_commit

# What would make a terminal do something, or show text in another order than it is in. Colours as `styled` sets them
# stay, which also lets text from outside be coloured, but not hidden; and the blank without width by which our own
# reports break links and commands.
_CONTROL = re.compile(
    "\x1b(?!\\[(?:[012]|3[0-7]|9[0-7])m)|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
    f"|(?!\u200b)(?:{UNSEEN.pattern})"
)

# Whatever ends a line for `str.splitlines`, so for a terminal or a reader of logs.
_ENDS = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_LINE_END = re.compile(f"\r\n|[{_ENDS}]")
_LONGEST = 4_000

# Variables of the runners that obey lines of what a job prints. A command is `::name::` behind blanks at most, or
# `##[name]`, `##vso[name]`, `##teamcity[name]` anywhere in a line.
_RUNNERS = ("GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "TEAMCITY_VERSION")
_BLANKS = re.compile(f"(?:[^\\S{_ENDS}]|[\u200b\ufeff]|\x1b\\[[0-9;]*m)*")
_COMMAND = re.compile(f"(?<![^{_ENDS}]){_BLANKS.pattern}:(?=:)|##[a-zA-Z]{{0,20}}(?=\\[)")
_STYLE = re.compile("\x1b\\[[0-9;]*m")
_STYLE_ALONE = re.compile(f"(?<!\\S)((?:{_STYLE.pattern})+)\\s+(?=\\S)")
_LONGEST_START = 24
_NAMED = re.compile("`[^`]*`")
_USUAL_COLUMNS = 80
# What an encoder of JSON leaves as it is, and a terminal or a runner does not.
_UNSAFE_JSON = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]|(?<=#)#(?=[a-zA-Z]{0,20}\[)")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def flat(text: str) -> str:
    """Return foreign text on one line: in a CI's log, what begins a line could be a command to it."""
    return _LINE_END.sub("⏎", text)


def brief(text: str) -> str:
    """Return words on one line, without the middle of one that nobody would read: a file chooses how long its keys are."""
    return flat(text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}")


def uses_colour(stream: TextIO) -> bool:
    """True on a terminal, not dumb and not a CI's, unless NO_COLOR is set; FORCE_COLOR stands for one, 0 for none."""
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return shows_escapes(stream)


def shows_escapes(stream: TextIO) -> bool:
    """Return True for a terminal that obeys what moves and colours: none that is dumb, and no CI's."""
    is_in_ci = is_in_runner() or os.environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not is_in_ci


def styled(text: str, stream: TextIO, **style: Any) -> str:
    """Return the text, styled if the stream shows colour."""
    return typer.style(text, **style) if uses_colour(stream) else text


def is_terminal() -> bool:
    """Return True if stdout is a terminal, and so read by a person."""
    return sys.stdout.isatty()


def say(text: str = "") -> None:
    """Print a line of data on stdout."""
    sys.stdout.write(writable(text, sys.stdout) + "\n")


def say_command(line: str) -> None:
    """Print a line that is a command to the CI's runner."""
    stream = sys.stdout.stream if isinstance(sys.stdout, _InRunner) else sys.stdout
    stream.write(_encodable(_harmless(line), stream) + "\n")


def say_wrapped(text: str, indent: str = "", heading: str = "", **style: Any) -> None:
    """Print a sentence on stdout; on a terminal its lines end between words. A heading takes the first indent's place."""
    for line in wrapped(text, indent, sys.stdout):
        say((heading or indent) + styled(line.removeprefix(indent), sys.stdout, **style))
        heading = ""


def wrapped(text: str, indent: str, stream: TextIO) -> list[str]:
    """Return a line with its indent; on a terminal as several, each as wide as it is at most, that end between words."""
    text, width = flat(text), columns(stream)
    if width is None:
        return [indent + text]
    import textwrap
    import unicodedata

    plain, words = _STYLE.sub("", text), iter(_STYLE_ALONE.sub(r"\1", text).split())
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in plain[:1])
    lines = textwrap.wrap(plain, max(20, width - len(indent) - wide), break_long_words=False, break_on_hyphens=False)
    if plain != text:  # styles take no room
        lines = [re.sub(r"\S+", lambda word: next(words, word[0]), line) for line in lines]
        lines[-1:] = [line + "".join(words) for line in lines[-1:]]
    return [indent + line for line in lines or [""]]


def columns(stream: TextIO) -> int | None:
    """Return how many columns the terminal has that a stream is, fewer if COLUMNS says so; None if it is none."""
    if not stream.isatty():
        return None
    named = os.environ.get("COLUMNS", "")
    known = [int(named)] if named.isdecimal() else []
    with suppress(OSError, ValueError):
        known.append(os.get_terminal_size(stream.fileno()).columns)
    return min(filter(None, known), default=_USUAL_COLUMNS)


def say_piece(text: str) -> None:
    """Print a piece of a line on stdout, at once."""
    sys.stdout.write(writable(text, sys.stdout))
    sys.stdout.flush()


def say_json(data: Any) -> None:
    """Print one JSON document on stdout: keys in their documented order, text readable."""
    say_json_text(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def say_json_text(text: str) -> None:
    """Print JSON on stdout: what the stream cannot write, or a terminal or a runner may not see, is an escape of JSON."""
    text = _UNSAFE_JSON.sub(_json_escape, text)
    if not _encoding(sys.stdout).lower().startswith("utf"):
        text = _BEYOND_ASCII.sub(_json_escape, text)
    elif _is_watched(sys.stdout):
        text = _CONTROL.sub(_json_escape, text)
    sys.stdout.write(_encodable(text, sys.stdout) + "\n")


def _json_escape(found: re.Match[str]) -> str:
    return "\\u" + found[0].encode("utf-16-be", "surrogatepass").hex("|", 2).replace("|", "\\u")


def say_exactly(text: str) -> None:
    """Print lines of a file on stdout, byte for byte; to a person, and in a CI's log, as `say` does."""
    if text.isascii() or _is_watched(sys.stdout):
        say(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "surrogateescape"))


def left_to_show(rows: Collection[Any], nothing: str, *, as_json: bool) -> bool:
    """Print rows as one JSON document, or that there are none; return True if they are left to be shown as a table."""
    if as_json:
        say_json([row.as_dict() for row in rows])
    elif not rows:
        tell(nothing)
    return bool(rows) and not as_json


def tell(text: str) -> None:
    """Print a line of words on stderr, below empty ones if it begins with line ends.

    If it cannot be written, the exit code has to do.
    """
    line = text.lstrip("\n")
    with suppress(OSError):
        sys.stderr.write(text[: -len(line) or None] + writable(brief(line), sys.stderr) + "\n")


def tell_wrapped(text: str, indent: str = "") -> None:
    """Print a sentence on stderr; on a terminal its lines end between words."""
    for line in wrapped(text, indent, sys.stderr):
        tell(line)


def conclude(
    say_it: Callable[[], None], paths: Iterable[Path], write: Callable[[Path], None], hint: str, code: int
) -> NoReturn:
    """Print what was paid for, then write it to files, and end with its exit code.

    A file that cannot be written is reported last, and changes the exit code of a success alone. If the output cannot
    be printed, the files are written all the same.
    """
    try:
        say_it()
        sys.stdout.flush()
    finally:
        left = write_each(paths, write, hint)
    raise typer.Exit(code or left)


def write_each(paths: Iterable[Path], write: Callable[[Path], None], hint: str) -> int:
    """Write files, and return the exit code; one that cannot be written is reported, with the hint, and the next follow."""
    code = OK
    for path in paths:
        try:
            write(path)
            tell(f"written  {path}")
        except WorkspaceError as error:
            error.hint = error.hint or hint
            tell_error(error)
            code = WORKSPACE
    return code


def warn(message: str, hint: str | None = None) -> None:
    """Print a warning on stderr, with what to do about it."""
    report("warning", message, hint=hint)


def tell_error(error: PromptctlError) -> None:
    """Print what happened, where, and what to do next; all problems of files, not the first alone."""
    if isinstance(error, InvalidFiles):
        tell_problems(error.problems)
    else:
        report("error", error.message, error.place, hint_of(error))


def hint_of(error: PromptctlError) -> str | None:
    """Return what to do next after an error, in the words of the command line."""
    if isinstance(error, InputError) and error.missing:
        name = error.missing[0]
        return f"give it with -i {name}=…, or -I {name}=FILE; {error.hint}"
    return error.hint


def tell_problems(problems: Iterable[Problem]) -> None:
    """Print problems of files, each as `error: file:line:column: what`, and the next step below it."""
    for problem in problems:
        report(problem.severity, problem.message, problem.place, problem.hint)


def report(kind: str, message: str, place: Place | None = None, hint: str | None = None) -> None:
    """Print an `error`, a `warning` or a `bug` on stderr: what, where, and what to do next."""
    colour = "yellow" if kind == "warning" else "red"
    where = styled(f"{place}: ", sys.stderr, bold=True) if place else ""
    tell(styled(f"{kind}: ", sys.stderr, fg=colour, bold=True) + where + message)
    if hint:
        tell_hint(hint)


def tell_hint(text: str) -> None:
    """Print what to do next on stderr: a line for each command, however many a name in backticks has."""
    first, *rest = _NAMED.sub(lambda found: flat(found[0]), text).splitlines() or [""]
    tell(f"  {styled('hint:', sys.stderr, fg='cyan')} {first}")
    for line in rest:
        tell(f"        {line}")


def visible(text: str) -> str:
    """Return text from files and commits as a terminal may show it: control characters are escaped."""
    return re.sub("[^\n\t]+", lambda found: printable(found[0]), text) if is_terminal() else text


def format_version(display: str | None) -> str:
    """Return a version as a table shows it: whole in a pipe, on a terminal without its commit."""
    shown = display or "unversioned"
    return without_commit(shown) if is_terminal() else shown


def format_moment(moment: str | None) -> str:
    """Return a time in UTC as a table shows it: whole in a pipe, on a terminal to the minute, in this machine's time."""
    if moment is None:
        return "-"
    return f"{local_time(moment):%Y-%m-%d %H:%M}" if is_terminal() else moment


def told_moment(moment: str) -> str:
    """Return a time in UTC as a sentence says it: whole in a pipe, on a terminal to the minute, with its zone."""
    return f"{local_time(moment):%Y-%m-%d %H:%M %Z}" if is_terminal() else moment


def time_heading(name: str, moments: Iterable[str | None]) -> str:
    """Return the heading of such times, if there are any on a terminal with the zone that they are in."""
    zones = dict.fromkeys(local_time(moment).tzname() or "" for moment in moments if moment)  # summer time too
    return f"{name} ({'/'.join(zones)})" if zones and is_terminal() else name


def local_time(moment: str) -> datetime:
    """Return a moment of the log in this machine's time."""
    return datetime.fromisoformat(moment).astimezone()


def format_id(id_: str) -> str:
    """Return an id as a table shows it: whole in a pipe, on a terminal its end, which is the part that differs."""
    return id_[-8:] if is_terminal() else id_


def writable(text: str, stream: TextIO) -> str:
    """Return the text as the stream can write it: what its encoding lacks is an escape, never an error.

    So is what would command a terminal: messages and replies come from outside. Words are for people also in a pipe,
    and a CI's log is for people. Data stays as it is in a pipe or a file.
    """
    if stream is sys.stderr or _is_watched(stream):
        text = _harmless(text)
    return _encodable(text, stream)


def _is_watched(stream: TextIO) -> bool:
    """Return True if a terminal or the runner of a CI reads the stream, which other wrappers may be around."""
    return stream.isatty() or getattr(stream, "is_for_runner", False)


def _harmless(text: str) -> str:
    """Return the text with escapes in place of what would command a terminal, or is not seen."""
    return _CONTROL.sub(lambda found: escaped(found[0]), text)


def uncommanded(text: str) -> str:
    """Return lines that no CI's runner obeys: a character without width breaks what it would."""
    return _COMMAND.sub("\\g<0>\u200b", text)


def is_in_runner() -> bool:
    """Return True if a runner of CI reads what is printed."""
    return any(os.environ.get(name) for name in _RUNNERS)


@contextmanager
def streams_for_runner() -> Iterator[None]:
    """See to it that nothing printed meanwhile, by a library either, is a command to the CI's runner.

    What goes into a file is data and stays as it is.
    """
    before = sys.stdout, sys.stderr
    if is_in_runner():
        sys.stderr = cast("TextIO", _InRunner(sys.stderr))
        if not is_file(sys.stdout):
            sys.stdout = cast("TextIO", _InRunner(sys.stdout))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def hiding(hide: Callable[[str], str]) -> Iterator[None]:
    """Print what is said meanwhile as `hide` returns it."""
    before = sys.stdout
    sys.stdout = cast("TextIO", _Hiding(before, hide))
    try:
        yield
    finally:
        sys.stdout = before


@contextmanager
def noting_output() -> Iterator[list[str]]:
    """Give a list that is empty as long as nothing is printed on stdout."""
    printed: list[str] = []

    def note(text: str) -> str:
        printed[:] = [text]
        return text

    with hiding(note):
        yield printed


class _Hiding:
    def __init__(self, stream: TextIO, hide: Callable[[str], str]) -> None:
        self.stream = stream
        self._hide = hide

    def write(self, text: str) -> int:
        self.stream.write(self._hide(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _InRunner:
    """A stream that a CI's runner reads line by line. It may be written in pieces of lines."""

    is_for_runner = True

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._start = ""

    def write(self, text: str) -> int:
        """Write the text, its commands broken; what was written of the line before counts."""
        safe = uncommanded(self._start + text)
        self.stream.write(_encodable(safe[len(self._start) :], self.stream))
        line = _LINE_END.split(safe)[-1]
        is_blank = _BLANKS.fullmatch(line.removesuffix(":"))
        self._start = ":" * line.endswith(":") if is_blank else f"x{line[-_LONGEST_START:]}"
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def is_file(stream: TextIO) -> bool:
    """Return True if the stream is written into a file, and so to nothing that somebody looks at now."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _encodable(text: str, stream: TextIO) -> str:
    encoding = _encoding(stream)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
