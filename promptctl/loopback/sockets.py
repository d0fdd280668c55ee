"""A socket on this machine alone, and who is at the other end of its connections."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from promptctl.errors import UsageError

HOST = "127.0.0.1"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
# Of Linux: netlink(7), sock_diag(7).
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 4, 20, 1
_HEAD, _UID_AT = 16, 80
_NOBODY = -1
_ANY_DEVICE_AND_COOKIE = struct.pack("=I8s", 0, b"\xff" * 8)
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


def is_of_other_user(peer: tuple[str, int], port: int) -> bool:
    """Return True if the other end of a connection to our port belongs to a different user, as far as the system says.

    Linux does. The superuser may connect, who could read everything anyway. Whoever has closed his end is refused: it
    belongs to nobody any more, and the system names the superuser.
    """
    ask = _asked_for if _is_asked() else _listed
    return ask(peer, (HOST, port)) not in (None, 0, os.getuid())


@cache
def _is_asked() -> bool:
    """Return True if the kernel says whose one socket is: by that of a socket which is ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as own:
        own.bind((HOST, 0))
        own.listen(1)
        return _asked_for(own.getsockname(), ("0.0.0.0", 0)) == os.getuid()  # noqa: S104 - of no peer yet


def _asked_for(end: tuple[str, int], peer: tuple[str, int]) -> int | None:
    """Return the user of the socket that has these two ends, as the kernel answers it (`inet_diag`).

    `_NOBODY` if it was closed, None if the kernel does not answer. In time that does not grow with the number of
    sockets.
    """
    addresses = (socket.inet_aton(address).ljust(16, b"\0") for address, _ in (end, peer))
    ends = struct.pack("!HH16s16s", end[1], peer[1], *addresses) + _ANY_DEVICE_AND_COOKIE
    wanted = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ends
    head = struct.pack("=IHHII", _HEAD + len(wanted), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(1)
            kernel.send(head + wanted)
            answer = kernel.recv(4096)
    except (OSError, AttributeError):  # no such socket can be made on this system
        return None
    (kind,) = struct.unpack_from("=H", answer, 4)
    user, inode = struct.unpack_from("=II", answer, _UID_AT) if kind == _SOCK_DIAG_BY_FAMILY else (0, 0)
    return int(user) if inode else _NOBODY


def _listed(end: tuple[str, int], peer: tuple[str, int], tables: Sequence[str] = _TABLES) -> int | None:
    """Return the user of the socket that has these two ends, as the tables of all sockets have it.

    `_NOBODY` if it was closed, None if no table has it.
    """
    # Both ends are compared: an ended connection of that port to somewhere else is listed too, as the superuser's.
    wanted = (f"{socket.inet_aton(address)[::-1].hex().upper()}:{port:04X}" for address, port in (end, peer))
    first, second = ({written, f"0000000000000000FFFF0000{written}"} for written in wanted)
    for _ in range(_READINGS):
        for table in tables:
            with suppress(OSError):
                for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                    fields = line.split()
                    if fields[1] in first and fields[2] in second:
                        return int(fields[7]) if fields[9] != "0" else _NOBODY
    return None
