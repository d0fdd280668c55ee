from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from promptctl.calls.loop import LoopThread
from promptctl.errors import Cancelled, UsageError
from tests.cli.conftest import write


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.close()


async def say(word: str) -> str:
    await asyncio.sleep(0)
    return word


async def count(closed: list[str]) -> AsyncGenerator[int, None]:
    try:
        for number in range(3):
            yield number
    finally:
        closed.append("closed")


def test_it_runs_again_after_it_was_closed(loop: LoopThread) -> None:
    assert loop.run(say("one")) == "one"
    loop.close()
    loop.close()
    assert loop.run(say("two")) == "two"


def test_an_iterator_that_is_left_early_closes_its_generator(loop: LoopThread) -> None:
    closed: list[str] = []
    for number in loop.iterate(count(closed)):
        if number == 1:
            break
    assert closed == ["closed"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own(loop: LoopThread) -> None:
    loop.run(say("before"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if loop.run(say("child")) == "child" else 1
            loop.close()
        finally:
            os._exit(status)
    deadline = time.monotonic() + 10
    ended, status = 0, 1
    while not ended and time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert (ended, status) == (child, 0)
    assert loop.run(say("after")) == "after"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_a_forked_child_closes_goes_on_in_its_parent(loop: LoopThread) -> None:
    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamWriter]:
        accepted = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        theirs = await accepted
        server.close()
        return reader, writer, theirs

    async def answered() -> bytes:
        theirs.write(b"1")
        answer = await asyncio.wait_for(reader.readexactly(1), 5)
        for each in (writer, theirs):
            each.close()
            await each.wait_closed()
        return answer

    reader, writer, theirs = loop.run(connected())
    child = os.fork()
    if child == 0:
        try:
            writer.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert loop.run(answered()) == b"1"


def test_what_runs_while_another_thread_closes_is_cancelled_and_says_so(loop: LoopThread) -> None:
    begun, ends = threading.Event(), list[str]()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ends.append("recorded")

    def run() -> None:
        try:
            loop.run(wait())
        except Cancelled as error:
            ends.append(error.message)

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait(10)
    loop.close()
    thread.join(10)
    assert ends == ["recorded", "the workspace was closed before the call had ended"]


@pytest.mark.parametrize(
    ("name", "module", "patched"),
    [("gevent", "gevent.monkey", "saved"), ("eventlet", "eventlet.patcher", "already_patched")],
)
def test_greenlets_in_the_place_of_threads_are_refused_at_the_first_call(
    name: str, module: str, patched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A greenlet's loop counts as running in all others: the first call answered, and every later one failed."""
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{patched: {}}))
    LoopThread()
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{patched: {"threading": {}}}))
    with pytest.raises(UsageError, match=f"{name} has patched this process") as caught:
        LoopThread()
    assert "gunicorn -k gthread" in str(caught.value.hint)


def test_patched_by_gevent_itself_a_workspace_refuses_and_django_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    code = """
from gevent import monkey; monkey.patch_all()
import asyncio, promptctl
opened = promptctl.open_workspace()
for _ in range(2):
    try: opened.call([{"role": "user", "content": "Hi"}])
    except promptctl.UsageError as error: print(error.message)
print(asyncio._get_running_loop())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    *refused, running = done.stdout.splitlines()
    assert (len(refused), running) == (2, "None"), done
