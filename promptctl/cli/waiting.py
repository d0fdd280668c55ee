"""A line on a terminal that moves while a command waits; elsewhere a line of its own every ten seconds."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from promptctl.cli.output import columns, is_file, shows_escapes, styled, tell
from promptctl.errors import printable

_FIRST_S = 0.2
_FRAME_S = 0.1
_LINE_S = 10.0
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_CLEAR = "\r\x1b[2K"
_BETWEEN = " · "
_BAR = 16
_BAR_RANK = 4
_LEAST_NAME = 12
_NARROWEST = 10
# So much work has to be done before it says when the rest will be.
_KNOWN_S = 1.0
# Terminals that wrap again what was drawn when they get narrower, by a variable that each sets.
_WRAPPING = ("TMUX", "VTE_VERSION", "KONSOLE_VERSION", "KITTY_WINDOW_ID", "WT_SESSION", "TERM_PROGRAM")


class Part(NamedTuple):
    """A part of a line. Where there is too little room, parts of the highest rank are left out first."""

    text: str
    rank: int
    colour: str | None = None


class MovingLine(NamedTuple):
    """A wait: the name of what is awaited, which is cut if it must be, the share that is done, and what else to say."""

    name: str
    parts: Sequence[Part] = ()
    share: float | None = None


Words = str | Callable[[], str | MovingLine]
"""What a command waits for, as it is now."""


class Waiting:
    """Says on standard error what a command waits for, from `begin` to `end` or to its first output.

    On a terminal, whatever is printed meanwhile takes the place of the moving line. With `is_still` it is drawn once, since
    Git may ask for a password on the same line. Work that is counted is shown with how far it is.
    """

    def __init__(self, text: Words, *, is_still: bool = False) -> None:
        self.text = text
        self._is_still = is_still
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._drawn_cells = 0
        self._streams: tuple[Any, Any] | None = None
        self._thread: threading.Thread | None = None
        self._handles_stops = False

    def begin(self) -> None:
        """Start to wait."""
        if shows_escapes(sys.stderr):
            self._streams = sys.stdout, sys.stderr
            sys.stderr = _Beside(sys.stderr, self._lock, self.clear)
            if not is_file(sys.stdout):  # a pipe's reader may print on the same terminal: `promptctl list | cat`
                sys.stdout = _Beside(sys.stdout, self._lock, self._stop)
            self._handle_stops()
        show = self._draw if self._streams else self._say_now_and_then
        self._thread = threading.Thread(target=show, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop waiting, and leave no trace of the moving line."""
        self._stop()
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams
            self._streams = None
        if self._handles_stops:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            self._handles_stops = False
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def clear(self) -> None:
        """Take the moving line away, so that something can be printed."""
        with self._lock:
            if self._drawn_cells and self._streams is not None:
                self._streams[1].write(self._clearing(columns(self._streams[1]) or _NARROWEST))
                self._streams[1].flush()
                self._drawn_cells = 0

    def _stop(self) -> None:
        self._over.set()
        self.clear()

    def _handle_stops(self) -> None:
        """See to it that Ctrl-Z leaves no half line for the shell to write behind."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._pause)
            self._handles_stops = True

    def _pause(self, *_: object) -> None:
        with self._lock:  # nothing is drawn until the shell goes on with us
            self.clear()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._pause)

    def _draw(self) -> None:
        began = time.monotonic()
        pause_s = _FIRST_S
        number = 0
        while not self._over.wait(pause_s):
            pause_s = _FRAME_S
            line = self._line()
            if self._is_still:
                head, line = "", line._replace(name=f"{line.name} … ")
            else:
                head = f"{_FRAMES[number % len(_FRAMES)]} "
                line = line._replace(parts=(*line.parts, Part(f"{time.monotonic() - began:.1f} s", 9)))
            number += 1
            with self._lock:
                if self._over.is_set() or self._streams is None:
                    return
                stream = self._streams[1]
                width = columns(stream) or _NARROWEST
                parts = _fitted(head, line, max(width - 1, _NARROWEST))
                shown = "".join(
                    styled(text, stream, **({"fg": colour} if colour else {"dim": True})) for text, colour in parts
                )
                try:
                    stream.write(self._clearing(width) + shown)
                    stream.flush()
                except (OSError, ValueError):  # nobody reads, or the encoding has no such characters
                    return
                self._drawn_cells = sum(_cells(text) for text, _ in parts)
            if self._is_still:
                return

    def _clearing(self, width: int) -> str:
        """Return what clears the line that was drawn, which a terminal that got narrower may have wrapped."""
        wrapped = (self._drawn_cells - 1) // width if any(map(os.environ.get, _WRAPPING)) else 0
        return f"\r\x1b[{wrapped}A\x1b[J" if wrapped > 0 else _CLEAR

    def _say_now_and_then(self) -> None:
        began = time.monotonic()
        while not self._over.wait(_LINE_S):
            line = self._line()
            said = ", ".join(part.text for part in line.parts)
            tell(f"{line.name}{': ' if said else ''}{said} ({_duration(time.monotonic() - began)})")

    def _line(self) -> MovingLine:
        counting = sys.modules.get("promptctl.counting")  # most commands count nothing, and never import it
        count = counting.latest() if counting is not None else None
        if count is not None:
            return _line_of(count)
        words = self.text if isinstance(self.text, str) else self.text()
        return words if isinstance(words, MovingLine) else MovingLine(words)


def _line_of(count: Any) -> MovingLine:
    done, total = min(count.done, count.total or count.done), count.total
    if not total or total == 1:  # of one step nobody needs to know that it is under way
        return MovingLine(count.what, [Part(f"{done:,}", 0)] if done else ())
    left = time_left(done, total, time.monotonic() - count.began)
    return MovingLine(count.what, [Part(f"{done:,} of {total:,}", 1), *left], done / total)


def time_left(done: int, total: int, seconds: float) -> list[Part]:
    """Return when the rest of some work will be done if it goes on as it went; nothing before that is known."""
    if not done or done >= total or seconds < _KNOWN_S:
        return []
    return [Part(f"{_duration((total - done) * seconds / done)} left", 3)]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _fitted(head: str, line: MovingLine, room: int) -> list[tuple[str, str | None]]:
    """Return texts, each with its colour, that together fit into so many cells."""
    parts = [Part(printable(text), rank, colour) for text, rank, colour in line.parts]
    name = printable(line.name)
    bar = [] if line.share is None else _bar(line.share)

    def needed() -> int:
        return _cells(head) + sum(map(_cells, bar)) + sum(_cells(part.text) + len(_BETWEEN) for part in parts)

    # The name's end tells prompts apart. It gets what the parts leave, but never less than a third.
    least = min(_cells(name), max(_LEAST_NAME, room // 3))
    while parts and needed() + least > room:
        last = max(reversed(parts), key=lambda part: part.rank)
        if bar and last.rank <= _BAR_RANK:
            bar = []
        else:
            parts.remove(last)
    found: list[tuple[str, str | None]] = [(head + _cut(name, room - needed(), from_end=line.share is not None), None)]
    found += zip(bar, ("green", None), strict=False)
    for part in parts:
        found += [(_BETWEEN, None), (part.text, part.colour)]
    return found


def _bar(share: float) -> list[str]:
    full = int(share * _BAR)
    return [f" {'━' * full}", f"{'─' * (_BAR - full)}"]


def _cells(text: str) -> int:
    from rich.cells import cell_len  # here, since most commands are over before anything moves

    return cell_len(text)


def _cut(text: str, cells: int, *, from_end: bool = False) -> str:
    """Return as much of a text as so many cells of a terminal hold, from its start or up to its end."""
    if _cells(text) <= cells:
        return text
    from rich.cells import set_cell_size

    if not from_end:
        return set_cell_size(text, cells).rstrip()
    while text and _cells(text) >= cells:
        text = text[1:]
    return f"…{text}"


class _Beside:
    """A stream whose writer first makes room; nothing is drawn before the text is written."""

    def __init__(self, stream: Any, lock: threading.RLock, make_room: Callable[[], None]) -> None:
        self._stream = stream
        self._lock = lock
        self._make_room = make_room

    def write(self, text: str) -> int:
        with self._lock:
            self._make_room()
            return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def loading() -> str | None:
    """Return what a command waits for while a library is imported that takes seconds; None at any other time."""
    library = sys.modules.get("promptctl.models.litellm_library")  # most commands never import it
    return "loading LiteLLM" if library is not None and library.is_loading() else None
