"""A socket on this machine alone, and who is at the other end of its connections."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from promptctl.errors import UsageError

HOST = "127.0.0.1"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_OWN_NUMBER = socket.inet_aton(HOST)[::-1].hex().upper()
# The tables change while they are read, so that a line may be left out once.
_READINGS = 3


class Headers(Protocol):
    """The headers of a request."""

    def getall(self, key: str, default: Sequence[str]) -> Sequence[str]:
        """Return every value of a header."""


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone; with 0 on a port that is free.

    Raises `UsageError` if the port is in use or not ours to take.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen on port {port}: {error.strerror}", hint="without --port a free one is taken"
        ) from error
    return listening


def is_of_other_user(peer: tuple[str, int], port: int, tables: Sequence[str] = _TABLES) -> bool:
    """Return True if the other end of a connection to our port belongs to a different user, as far as the system says.

    Linux does. The superuser may connect, who could read everything anyway.
    """
    # Both ends are compared: an ended connection of that port to somewhere else is listed too, as the superuser's.
    number = socket.inet_aton(peer[0])[::-1].hex().upper()
    theirs, ours = (
        {f"{prefix}{end}" for prefix in ("", "0000000000000000FFFF0000")}
        for end in (f"{number}:{peer[1]:04X}", f"{_OWN_NUMBER}:{port:04X}")
    )
    for _ in range(_READINGS):
        for table in tables:
            with suppress(OSError):
                for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                    fields = line.split()
                    if fields[1] in theirs and fields[2] in ours:
                        return int(fields[7]) not in (0, os.getuid())
    return False
