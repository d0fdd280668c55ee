"""One object's bytes as a stream, for what is larger than memory should hold."""

from __future__ import annotations

import io
from typing import Any

from promptctl.errors import GitError
from promptctl.git.commands import REFETCH
from promptctl.git.repository import Git


def open_blob(git: Git, id_: str) -> io.BufferedReader:
    """Open the blob of this id as a stream. Raises `GitError` if it cannot be read."""
    if git.run(["cat-file", "-e", id_], check=False).status != 0 and git.objects.read(id_, max_bytes=0) is None:
        raise GitError(f"object {id_} is not in the repository", hint=REFETCH)
    return io.BufferedReader(_BlobStream(git.start(["cat-file", "blob", id_])))


class _BlobStream(io.RawIOBase):
    def __init__(self, process: Any) -> None:
        self._process = process

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._process.stdout.read1(len(buffer))
        buffer[: len(data)] = data
        if not data and self._process.proc.wait() != 0:
            raise GitError(
                "Git stopped in the middle of a file",
                hint=self._process.stderr.read().decode("utf-8", "replace") or None,
            )
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._process.stdout.close()
            self._process.stderr.close()
            self._process.proc.wait()
        super().close()
