"""A line on a terminal that moves while a command waits; elsewhere a line of its own every ten seconds."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from promptctl.cli.output import is_file, styled, tell
from promptctl.errors import printable

_FIRST_S = 0.2
_FRAME_S = 0.1
_LINE_S = 10.0
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_CLEAR = "\r\x1b[2K"


class Waiting:
    """Says on standard error what a command waits for, from `begin` to `end` or to its first output.

    On a terminal, whatever is printed meanwhile takes the place of the moving line. With `is_still` it is drawn once, since
    Git may ask for a password on the same line.
    """

    def __init__(self, text: str | Callable[[], str], *, is_still: bool = False) -> None:
        self.text = text
        self._is_still = is_still
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._is_drawn = False
        self._streams: tuple[Any, Any] | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start to wait."""
        is_terminal = sys.stderr.isatty()
        if is_terminal and os.environ.get("TERM") == "dumb":
            return
        if is_terminal:
            self._streams = sys.stdout, sys.stderr
            sys.stderr = _Beside(sys.stderr, self.clear)
            if not is_file(sys.stdout):  # a pipe's reader may print on the same terminal: `promptctl list | cat`
                sys.stdout = _Beside(sys.stdout, self._stop)
        show = self._draw if self._streams else self._say_now_and_then
        self._thread = threading.Thread(target=show, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop waiting, and leave no trace of the moving line."""
        self._stop()
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams
            self._streams = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def clear(self) -> None:
        """Take the moving line away, so that something can be printed."""
        with self._lock:
            if self._is_drawn and self._streams is not None:
                self._streams[1].write(_CLEAR)
                self._streams[1].flush()
                self._is_drawn = False

    def _stop(self) -> None:
        self._over.set()
        self.clear()

    def _draw(self) -> None:
        import shutil  # here, since most commands are over before anything moves

        began = time.monotonic()
        pause_s = _FIRST_S
        number = 0
        while not self._over.wait(pause_s):
            pause_s = _FRAME_S
            seconds = time.monotonic() - began
            moving = f"{_FRAMES[number % len(_FRAMES)]} {self._words()} · {seconds:.1f} s"
            line = f"{self._words()} … " if self._is_still else moving
            line = _cut(printable(line), max(shutil.get_terminal_size().columns - 1, 10))
            number += 1
            with self._lock:
                if self._over.is_set() or self._streams is None:
                    return
                stream = self._streams[1]
                try:
                    stream.write(_CLEAR + styled(line, stream, dim=True))
                    stream.flush()
                except (OSError, ValueError):  # nobody reads, or the encoding has no such characters
                    return
                self._is_drawn = True
            if self._is_still:
                return

    def _say_now_and_then(self) -> None:
        began = time.monotonic()
        while not self._over.wait(_LINE_S):
            tell(f"{self._words()} ({time.monotonic() - began:.0f} s)")

    def _words(self) -> str:
        return self.text if isinstance(self.text, str) else self.text()


def _cut(line: str, cells: int) -> str:
    """Return the start of a line that fits into as many cells of a terminal; a wide character takes two."""
    import unicodedata

    for number, character in enumerate(line):
        cells -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if cells < 0:
            return line[:number]
    return line


class _Beside:
    """A stream whose writer first makes room."""

    def __init__(self, stream: Any, make_room: Callable[[], None]) -> None:
        self._stream = stream
        self._make_room = make_room

    def write(self, text: str) -> int:
        self._make_room()
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def loading() -> str | None:
    """Return what a command waits for while a library is imported that takes seconds; None at any other time."""
    library = sys.modules.get("promptctl.models.litellm_library")  # most commands never import it
    return "loading LiteLLM" if library is not None and library.is_loading() else None
