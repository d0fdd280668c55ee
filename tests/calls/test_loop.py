from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, Iterator

import pytest

from promptctl.calls.loop import LoopThread
from promptctl.errors import Cancelled


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
