"""Who is at the other end of a connection on this machine."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from promptctl.loopback import sockets
from tests.cli.conftest import write


def test_a_connection_of_a_different_user_is_known(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: {}:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 {:>5}        0 4711 1\n"
    tables = {"tcp": head, "tcp6": head}
    peer = ("127.0.0.1", 0xD431)

    def is_other() -> bool:
        paths = [str(write(tmp_path, name, text)) for name, text in tables.items()]
        return sockets._listed(peer, ("127.0.0.1", 0x1F90), paths) not in (None, os.getuid())

    assert not is_other()
    other = os.getuid() + 1
    tables["tcp"] = head + row.format("0100007F", other)
    assert is_other()
    tables["tcp"] = head + row.format("0100007F", os.getuid())
    assert not is_other()
    tables["tcp"], tables["tcp6"] = head, head + row.format("0000000000000000FFFF00000100007F", other)
    assert is_other()
    ended = row.format("0100007F", 0).replace("1F90 01", "1F91 06")
    tables["tcp"], tables["tcp6"] = head + ended + row.format("0100007F", other), head
    assert is_other(), "the first line is of a connection to somewhere else"
    assert sockets._listed(peer, ("127.0.0.1", 0x1F90), [str(tmp_path / "nothing")]) is None


@pytest.mark.parametrize("asks_kernel", [True, False])
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not say whose a socket is")
def test_what_was_closed_before_it_was_let_in_is_of_nobody(asks_kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if asks_kernel and not sockets._is_asked():
        pytest.skip("this kernel does not say whose one socket is")
    monkeypatch.setattr(sockets, "_is_asked", lambda: asks_kernel)
    with sockets.listen(0) as listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        peer = client.getsockname()
        assert not sockets.is_of_other_user(peer, port)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.close()
        while not sockets.is_of_other_user(peer, port):
            time.sleep(0.01)
        time.sleep(0.1)
        assert sockets.is_of_other_user(peer, port)
