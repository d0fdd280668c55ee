"""The server over real HTTP: whom it refuses, what it says with each answer, and how it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from promptctl.browse.site import PageReply
from promptctl.errors import UsageError
from promptctl.loopback import connections, sockets
from promptctl.loopback.sockets import listen
from tests.browse.conftest import Pages, Served, serve_pages
from tests.cli.conftest import TRIAGE, write


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    write(folder, "promptctl.yaml", "model: echo/echo\n")
    write(folder, "prompts/triage.prompt.yaml", TRIAGE)
    with serve_pages(Pages(folder).site) as found:
        yield found


def test_the_printed_address_leads_to_the_pages(served: Served) -> None:
    entry = served.ask("/?" + served.gate.address.partition("?")[2], Cookie=None)
    assert entry.status == 200
    cookie = SimpleCookie(entry.headers["Set-Cookie"])
    (name,) = cookie
    kept = cookie[name]
    assert name == f"promptctl_{served.port}"
    assert (kept["httponly"], kept["samesite"], kept["path"]) == (True, "Strict", served.gate.folder)
    assert f"url={served.gate.folder}" in entry.text
    page = served.ask(Cookie=f"{name}={kept.value}")
    assert page.status == 200
    assert "triage" in page.text
    token = served.gate.address.partition("token=")[2]
    assert token not in page.text + entry.text + str(page.headers) + str(entry.headers)


def test_the_address_that_a_browser_is_started_with_is_good_once(served: Served) -> None:
    path = "/?" + served.gate.address_for_once.partition("?")[2]
    asked = [served.ask(path, Cookie=None).status for _ in range(2)]
    assert asked == [200, 403]
    assert served.ask("/?token=", Cookie=None).status == 403


REFUSED: dict[str, tuple[int, dict[str, str | None]]] = {
    "no cookie": (403, {"Cookie": None}),
    "a wrong cookie": (403, {"Cookie": "promptctl_1=x"}),
    "an empty secret": (403, {"Cookie": "promptctl_{port}="}),
    "a cookie that is none": (403, {"Cookie": 'promptctl_{port}="\\x00;;=,'}),
    "a name that was bound anew": (421, {"Host": "evil.example:{port}"}),
    "a name that ends like ours": (421, {"Host": "127.0.0.1:{port}.evil.example"}),
    "a different port": (421, {"Host": "127.0.0.1:1"}),
    "no port": (421, {"Host": "127.0.0.1"}),
    "localhost": (421, {"Host": "localhost:{port}"}),
    "version 6": (421, {"Host": "[::1]:{port}"}),
    "no host": (400, {"Host": None}),
    "a script of a different site": (403, {"Origin": "https://evil.example"}),
    "a page from a file": (403, {"Origin": "null"}),
    "a server on a different port": (403, {"Origin": "http://127.0.0.1:1"}),
    "a different site's link": (403, {"Sec-Fetch-Site": "cross-site"}),
    "a different port's link": (403, {"Sec-Fetch-Site": "same-site"}),
    "a site that no browser knows": (403, {"Sec-Fetch-Site": "none, cross-site"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_of_somebody_else_is_refused(case: str, served: Served) -> None:
    status, headers = REFUSED[case]
    given = {name: value and value.replace("{port}", str(served.port)) for name, value in headers.items()}
    answered = served.ask(None, "GET", **given)
    assert (answered.status, "triage" in answered.text) == (status, False)


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_a_browser_that_is_here_is_answered(site: str, served: Served) -> None:
    assert served.ask(None, Sec_Fetch_Site=site, Origin=f"http://{served.gate.host}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_nothing_but_reading_is_answered(method: str, served: Served) -> None:
    answered = served.ask(None, method, Content_Length="0")
    assert (answered.status, answered.headers.get("Allow")) in ((405, "GET, HEAD"), (400, None))
    assert method == "CONNECT" or answered.status == 405


@pytest.mark.parametrize("path", ["/", "/prompt?ref=triage", "/static/look.css"])
def test_the_cookie_alone_opens_nothing(path: str, served: Served) -> None:
    assert served.ask(path).status == 403


@pytest.mark.parametrize(
    "path",
    ["/", "/prompt", "/etc/passwd", "//evil.example/", "{folder}../", "{folder}/", "/{folder}", "http://evil.example{folder}x",
     "{folder}static/../gate.py", "{folder}static/%2e%2e/gate.py", "{folder}static/browse.css/", "{folder}nothing",
     "{folder}?search=%00&x=%ff%fe", "{folder}?" + "&".join(f"a{n}=1" for n in range(200))],
)  # fmt: skip
def test_an_odd_address_shows_no_file_and_no_bug(path: str, served: Served) -> None:
    answered = served.ask(path.replace("{folder}", served.gate.folder))
    assert answered.status in (200, 400, 403, 404)
    assert "Traceback" not in answered.text
    assert "class Gate" not in answered.text
    assert "this is a bug" not in answered.text


def test_the_address_without_its_last_slash_leads_there(served: Served) -> None:
    answered = served.ask(served.gate.folder[:-1], Cookie=None)
    assert (answered.status, answered.headers["Location"]) == (308, served.gate.folder)


def test_an_address_may_have_so_many_characters(served: Served) -> None:
    assert served.ask(f"{served.gate.folder}?search={'a' * 3900}").status == 200
    assert served.ask(f"{served.gate.folder}?search={'a' * 4100}").status == 414
    assert served.ask(f"{served.gate.folder}?search={'a' * 20_000}").status == 400


@pytest.mark.parametrize("path", ["", "static/look.css", "static/browse.js", "nothing"])
def test_each_answer_says_that_nothing_is_kept_loaded_or_framed(path: str, served: Served) -> None:
    headers = served.ask(served.gate.folder + path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert (headers["Cross-Origin-Resource-Policy"], headers["Server"]) == ("same-origin", "promptctl")
    assert "Access-Control-Allow-Origin" not in headers


def test_head_is_answered_without_content(served: Served) -> None:
    answered = served.ask(None, "HEAD")
    assert (answered.status, answered.text) == (200, "")


def test_only_this_machine_reaches_it(served: Served) -> None:
    with socket.socket(socket.AF_INET6) as other:
        assert other.connect_ex(("::1", served.port)) != 0
    with pytest.raises(UsageError, match=f"cannot listen on port {served.port}"):
        listen(served.port)


def test_beyond_so_many_connections_the_next_is_turned_away(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_FIRST_REQUEST_S", 600.0)  # however busy the machine is
    opened = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(64)]
    try:
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as last:
            assert last.recv(100).startswith(b"HTTP/1.1 503 ")
            assert last.recv(100) == b""
    finally:
        for each in opened:
            each.close()


def test_nothing_is_read_for_a_browser_that_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    site, begun, has_begun, may_end = Pages(tmp_path).site, list[str](), threading.Event(), threading.Event()
    reply = site.reply

    def slow(page: str, query: str) -> PageReply:
        begun.append(query)
        has_begun.set()
        assert may_end.wait(20)
        return reply(page, query)

    monkeypatch.setattr(site, "reply", slow)
    with serve_pages(site) as served:
        leavers = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(5)]
        for each in leavers:
            head = f"Host: {served.gate.host}\r\nCookie: {served.cookie}\r\n\r\n"
            each.sendall(f"GET {served.gate.folder}?search=x HTTP/1.1\r\n{head}".encode())
        for _ in range(3):  # each is answered after what was sent before
            assert served.ask(Cookie=None).status == 403
        assert has_begun.wait(20)
        for each in leavers:
            each.close()
        for _ in range(3):
            assert served.ask(Cookie=None).status == 403
        may_end.set()
        assert served.ask().status == 200
    assert begun == ["search=x", ""]


def test_a_different_user_takes_nobodys_place(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_FIRST_REQUEST_S", 600.0)
    with monkeypatch.context() as patched:
        patched.setattr(connections, "is_of_other_user", lambda _peer, _port: True)
        opened = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(65)]
        assert {each.recv(12) for each in opened} == {b"HTTP/1.1 403"}
    assert served.ask().status == 200
    for each in opened:
        each.close()


@pytest.mark.parametrize("asks_kernel", [True, False])
@pytest.mark.skipif(os.getuid() != 0 or not Path("/proc/net/tcp").exists(), reason="only the superuser can be others")
def test_a_different_user_is_refused_whatever_they_know(
    served: Served, asks_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asks_kernel and not sockets._is_asked():
        pytest.skip("this kernel does not say whose one socket is")
    monkeypatch.setattr(sockets, "_is_asked", lambda: asks_kernel)
    code = (
        "import os, sys, socket; os.setuid(65534); s = socket.socket();"
        "s.connect(('127.0.0.1', int(sys.argv[1])));"
        "s.sendall(sys.argv[2].encode()); print(s.recv(12).decode())"
    )
    request = f"GET {served.gate.folder} HTTP/1.1\r\nHost: {served.gate.host}\r\nCookie: {served.cookie}\r\n\r\n"
    command = [sys.executable, "-c", code, str(served.port), request]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "HTTP/1.1 403\n"
