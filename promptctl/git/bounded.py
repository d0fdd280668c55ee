"""A Git command that speaks to a stranger: what it prints, stores and holds, and how long it is silent, are bounded."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from promptctl.errors import GitError
from promptctl.git.commands import Commands, GitOutput

# Of what a command prints: names of some hundred thousand branches and tags.
_MOST_PRINTED = 32 << 20
_MOST_WORDS = 64 << 10
_PAUSE_S = 0.05
# A few bytes may unpack to gigabytes. Git itself bounds an object that it holds, on any system: by as much as it
# streams files from on, so that no library is refused for a large one. Linux bounds a whole process.
_MOST_OBJECT = 512 << 20
_MOST_MEMORY = 1 << 30


def run_bounded(
    commands: Commands,
    args: Sequence[str],
    *,
    input: bytes = b"",  # noqa: A002
    most_bytes: int,
    silent_s: float,
) -> GitOutput:
    """Run `git ARGS` in the folder of `commands`, and end it once the folder holds more than `most_bytes`.

    So it is if it stores and prints nothing for `silent_s` seconds, or if it needs too much memory. Raises `GitError`
    then.
    """
    process: Any = commands.start(args, has_input=True, through=_less_memory())
    pipes = _Pipe(process.stdout, _MOST_PRINTED), _Pipe(process.stderr, _MOST_WORDS)
    writer = threading.Thread(target=_write, args=(process.stdin, input), daemon=True)
    writer.start()
    held, changed_at = -1, time.monotonic()
    try:
        while process.poll() is None:
            if pipes[0].is_full:
                raise GitError(f"more than {_MOST_PRINTED >> 20} MiB of names were sent: this is not read")
            now = sum(pipe.size for pipe in pipes) + _size(commands.folder)
            if now > most_bytes:
                raise _too_much(most_bytes)
            if now != held:
                held, changed_at = now, time.monotonic()
            elif time.monotonic() - changed_at > silent_s:
                raise GitError(f"nothing was sent for {silent_s:g} s: the fetch was ended")
            pipes[0].wait(_PAUSE_S)
        if _size(commands.folder) > most_bytes:  # it was all here before it was looked at
            raise _too_much(most_bytes)
        stdout, words = pipes[0].taken(), pipes[1].taken().decode("utf-8", "replace")
        status = process.proc.wait()
        most = {"out of memory": _MOST_MEMORY, "over limit": _MOST_OBJECT}
        if status != 0 and (said := next((each for each in most if each in words.casefold()), None)):
            raise GitError(f"what was sent unpacks to more than {most[said] >> 20} MiB: the fetch was ended")
        return GitOutput(stdout, words, status)
    finally:
        process.proc.kill()  # nothing, once it has ended
        process.proc.wait()
        for pipe in pipes:
            pipe.close()


def _less_memory() -> list[str]:
    """Return the command that bounds the memory of the one which follows it, before that can start others.

    A smaller bound of the user's own stays: only the hard one is set, or both if the soft one is larger.
    """
    if sys.platform != "linux":
        return []
    kib = _MOST_MEMORY >> 10
    return ["sh", "-c", f'{{ ulimit -H -d {kib} || ulimit -d {kib}; }} 2>/dev/null; exec "$@"', "sh"]


def memory_limit() -> dict[str, str]:
    """Return the environment in which Git refuses to hold an object that is too large: all but streamed blobs."""
    return {"GIT_ALLOC_LIMIT": str(_MOST_OBJECT)}


def _too_much(most_bytes: int) -> GitError:
    return GitError(f"more than {most_bytes >> 20} MiB were sent: the fetch was ended")


class _Pipe:
    """Reads a stream in a thread of its own, and keeps no more than so many bytes of it."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self._parts: list[bytes] = []
        self.size = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        return self.size > self._most

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)
        if not self._thread.is_alive():
            time.sleep(0.002)

    def taken(self) -> bytes:
        self._thread.join(1)  # a process that it started may hold its end
        return b"".join(self._parts)

    def close(self) -> None:
        self._thread.join(1)
        if not self._thread.is_alive():
            self._stream.close()

    def _read(self) -> None:
        try:
            while part := self._stream.read1(1 << 16):  # type: ignore[attr-defined]
                self.size += len(part)
                if not self.is_full:
                    self._parts.append(part)
        except (OSError, ValueError):
            return


def _write(stream: IO[bytes], data: bytes) -> None:
    try:
        with stream:
            stream.write(data)
    except (OSError, ValueError):  # it ended without reading
        return


def _size(folder: Path) -> int:
    """Return how many bytes of objects a bare repository holds."""
    found = 0
    for each in (*folder.glob("objects/pack/*"), *folder.glob("objects/tmp_*")):
        try:
            found += each.stat().st_size
        except OSError:
            continue
    return found
