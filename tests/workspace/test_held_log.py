"""Calls in an event loop while a different process holds the log: the loop's other tasks go on meanwhile."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest

from promptctl import Cancelled, InputError, MissingKey, Workspace, open_workspace
from tests.cli.conftest import write
from tests.openai_server import Exchange, OpenAIServer, hang, reply

HELD_S = 1.0
MOST_S = 0.5
MOST_ENDING_S = 20.0
PROMPT = """\
model: near/a
inputs: {name: {type: string}}
messages: [{role: user, content: "Hello {{ name }}"}]
"""


@pytest.fixture
def workspace(running: OpenAIServer, tmp_path: Path) -> Iterator[Workspace]:
    running.reset()
    write(tmp_path, "promptctl.yaml", f'models: {{"near/*": {{api_base: "{running.url}"}}}}\n')
    write(tmp_path, "prompts/greet.prompt.yaml", PROMPT)
    with open_workspace(tmp_path, {}) as opened:
        opened.run("greet", {"name": "Ada"})  # which makes the log
        running.default = hang(5)
        yield opened


def held(workspace: Workspace, *, is_begun: bool = True) -> closing[sqlite3.Connection]:
    """A connection to the log that any thread may use, and that holds its lock."""
    path = workspace.context.state_folder / "log.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    if is_begun:
        other.execute("BEGIN IMMEDIATE")
    return closing(other)


async def left_stream(workspace: Workspace) -> None:
    stream = workspace.astream("greet", {"name": "Ada"})
    while not isinstance(await anext(stream), str):
        pass
    await stream.aclose()


async def thrown_into(workspace: Workspace) -> None:
    stream = workspace.astream("greet", {"name": "Ada"})
    while not isinstance(await anext(stream), str):
        pass
    with pytest.raises(ValueError, match="of the caller"):
        await stream.athrow(ValueError("of the caller"))


async def cancelled(workspace: Workspace) -> None:
    asked = asyncio.create_task(workspace.arun("greet", {"name": "Ada"}))
    await asyncio.sleep(0.2)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def refused(workspace: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        await workspace.arun("greet", {})
    assert caught.value.execution is not None


async def refused_stream(workspace: Workspace) -> None:
    with pytest.raises(InputError):
        await anext(workspace.astream("greet", {}))


@pytest.mark.parametrize("call", [left_stream, thrown_into, cancelled, refused, refused_stream])
def test_the_event_loop_goes_on(
    workspace: Workspace, running: OpenAIServer, call: Callable[[Workspace], Awaitable[None]]
) -> None:
    if call in (left_stream, thrown_into):
        running.default = reply("1", pieces=["1234", "5678"], pause_s=5)

    async def longest_pause_s() -> float:
        pauses = [0.0]

        async def tick() -> None:
            while True:
                begun = time.perf_counter()
                await asyncio.sleep(0.01)
                pauses.append(time.perf_counter() - begun)

        with held(workspace) as other:
            release = threading.Timer(HELD_S, other.execute, ["ROLLBACK"])
            release.start()
            ticking, begun = asyncio.create_task(tick()), time.perf_counter()
            await asyncio.sleep(0.05)
            await call(workspace)
            assert time.perf_counter() - begun > HELD_S / 2  # whoever is told of it finds it in the log
            await asyncio.sleep(0.05)  # so that a pause at once or at the end is counted, too
            ticking.cancel()
            release.join()
        await workspace.context.gateway.close()
        return max(pauses)

    assert asyncio.run(longest_pause_s()) < MOST_S
    assert len(list(workspace.log.executions())) == 2


WRAPPED = {
    "as it is": "pieces = opened.astream('greet', {'name': 'Ada'}, model='echo/echo')",
    "in a generator": "pieces = passed_on()",
    "in a generator that closes it": "pieces = closed_after()",
}


@pytest.mark.parametrize("way", WRAPPED)
def test_a_stream_that_is_open_as_its_event_loop_ends_is_recorded_without_a_word(
    workspace: Workspace, way: str
) -> None:
    code = """
import asyncio, contextlib, promptctl
opened = promptctl.open_workspace(".", {})
class Loop(asyncio.SelectorEventLoop):
    "One that has none of the standard library's private attributes, as uvloop's."
    _asyncgens_shutdown_called = property(lambda self: False, lambda self, value: None)
async def passed_on():
    async for piece in opened.astream("greet", {"name": "Ada"}, model="echo/echo"):
        yield piece
async def closed_after():
    stream = opened.astream("greet", {"name": "Ada"}, model="echo/echo")
    async with contextlib.aclosing(stream) as pieces:
        async for piece in pieces:
            yield piece
async def main():
    global pieces
    WAY
    await anext(pieces)
with asyncio.Runner(loop_factory=Loop) as runner:
    runner.run(main())
opened.close()
"""
    command = [sys.executable, "-c", code.replace("WAY", WRAPPED[way])]
    done = subprocess.run(command, cwd=workspace.root, capture_output=True, check=True, timeout=60, text=True)
    assert done.stderr == ""
    assert [row.status for row in workspace.log.executions()] == ["cancelled", "ok"]


def test_a_refused_draft_is_in_the_log_before_it_is_raised(workspace: Workspace) -> None:
    async def refused_draft() -> None:
        with held(workspace) as other:
            release = threading.Timer(HELD_S, other.execute, ["ROLLBACK"])
            release.start()
            with pytest.raises(MissingKey):
                await workspace.agenerate("support/sort", "Sort tickets", model="openai/gpt-4o-mini")
            assert len(list(workspace.log.executions())) == 2
            release.join()

    asyncio.run(refused_draft())


def test_a_call_that_is_cancelled_again_while_its_record_waits_is_recorded(workspace: Workspace) -> None:
    async def cancelled_twice() -> None:
        with held(workspace, is_begun=False) as other:
            asked = asyncio.create_task(workspace.arun("greet", {"name": "Ada"}))
            await asyncio.sleep(0.2)
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                asked.cancel()
                await asyncio.sleep(0.1)
            assert asked.cancelled()
            other.execute("ROLLBACK")
        await workspace.context.gateway.close()

    asyncio.run(cancelled_twice())
    assert [row.status for row in workspace.log.executions()] == ["cancelled", "ok"]


def test_a_call_waits_for_no_thread_of_the_application(workspace: Workspace) -> None:
    async def main() -> str | None:
        ended = threading.Event()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        busy = asyncio.create_task(asyncio.to_thread(ended.wait, 30))
        try:
            async with asyncio.timeout(10):
                return (await workspace.arun("greet", {"name": "Ada"}, model="echo/echo")).reply
        finally:
            ended.set()
            await busy

    assert asyncio.run(main()) == "Hello Ada"


def test_while_the_log_is_held_the_application_has_its_threads(workspace: Workspace) -> None:
    async def main() -> str | None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        with held(workspace):
            calls = [workspace.arun("greet", {"name": "Ada"}, model="echo/echo") for _ in range(3)]
            calling = asyncio.gather(*calls)
            await asyncio.sleep(HELD_S / 4)
            async with asyncio.timeout(10):
                await asyncio.to_thread(int)
            assert not calling.done()
        return (await calling)[0].reply

    assert asyncio.run(main()) == "Hello Ada"


ENDING = """
import asyncio, atexit, glob, threading, time, promptctl
from promptctl.log.sqlite import database
database._LAST_S = 0.2
opened = promptctl.open_workspace(".", {})
atexit.register(opened.close)
asked = "greet", {"name": "Ada"}
for _ in range(3):
    threading.Thread(target=WAY, daemon=True).start()
while len(glob.glob("asked-*")) < 3:
    time.sleep(0.05)
"""
WAYS = ["lambda: opened.run(*asked)", "lambda: asyncio.run(opened.arun(*asked))"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_held", [True, False])
def test_calls_that_are_under_way_as_the_program_ends_are_recorded(
    workspace: Workspace, running: OpenAIServer, way: str, is_held: bool
) -> None:
    asked = count(1)

    async def answer(exchange: Exchange) -> None:
        (workspace.root / f"asked-{next(asked)}").touch()
        await hang()(exchange)

    running.default = answer
    begun = time.monotonic()
    with held(workspace, is_begun=is_held):
        command = [sys.executable, "-c", ENDING.replace("WAY", way)]
        done = subprocess.run(command, cwd=workspace.root, capture_output=True, check=True, timeout=60, text=True)
        assert time.monotonic() - begun < MOST_ENDING_S
    assert done.stderr.count("the record is kept in") == (3 if is_held else 0)
    assert [row.status for row in workspace.log.executions()] == ["cancelled"] * 3 + ["ok"]


def test_a_thread_whose_record_waits_is_told_that_the_workspace_was_closed(
    workspace: Workspace, running: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptctl.calls.loop._GRACE_S", 0.2)
    asked, ends = threading.Event(), list[str]()

    async def answer(exchange: Exchange) -> None:
        asked.set()
        await hang()(exchange)

    def run() -> None:
        try:
            workspace.run("greet", {"name": "Ada"})
        except Cancelled as error:
            ends.append(error.message)

    running.default = answer
    thread = threading.Thread(target=run, daemon=True)
    with held(workspace) as other:
        release = threading.Timer(HELD_S, other.execute, ["ROLLBACK"])
        release.start()
        thread.start()
        asked.wait(10)
        workspace.close()
        thread.join(10)
        release.join()
    assert ends == ["the workspace was closed before the call had ended"]
    assert [row.status for row in workspace.log.executions()] == ["cancelled", "ok"]


def test_records_that_wait_beside_each_other_lose_patience_together(workspace: Workspace) -> None:
    database = workspace.context.log.database  # type: ignore[attr-defined]
    database.busy_timeout_s = database.patience_s = 0.5

    async def main() -> None:
        await asyncio.gather(*[workspace.arun("greet", {"name": "Ada"}, model="echo/echo") for _ in range(10)])

    with held(workspace):
        begun = time.monotonic()
        asyncio.run(main())
        assert time.monotonic() - begun < 10 * 0.5 / 2
    assert len(list(workspace.log.executions())) == 11


def test_cancelled_calls_take_one_thread_of_the_application(workspace: Workspace) -> None:
    async def main() -> list[str]:
        others = set(threading.enumerate())
        with held(workspace):
            asked = [asyncio.create_task(workspace.arun("greet", {"name": "Ada"})) for _ in range(5)]
            await asyncio.sleep(0.3)
            for each in asked:
                each.cancel()
            await asyncio.sleep(0.1)
            names = [each.name for each in threading.enumerate() if each not in others]
        await asyncio.gather(*asked, return_exceptions=True)
        await workspace.context.gateway.close()
        return [name for name in names if name.startswith("asyncio_")]  # those of its executor

    assert len(asyncio.run(main())) == 1
    assert [row.status for row in workspace.log.executions()] == ["cancelled"] * 5 + ["ok"]


def test_a_loop_goes_on_while_a_record_of_a_workspace_that_was_dropped_waits(workspace: Workspace) -> None:
    async def cancelled_call() -> None:
        dropped = open_workspace(workspace.root, {})
        await dropped.arun("greet", {"name": "Ada"}, model="echo/echo")

    def writing() -> int:
        return sum(each.name.startswith("promptctl-log") for each in threading.enumerate())

    async def main() -> float:
        with held(workspace) as other:
            before = writing()
            asked = asyncio.create_task(cancelled_call())
            while writing() == before:  # noqa: ASYNC110 - a thread begins
                await asyncio.sleep(0.01)
            asked.cancel()
            begun = time.monotonic()
            with suppress(asyncio.CancelledError):
                await asked
            del asked
            await asyncio.sleep(0)  # what is left of the task goes
            gc.collect()
            took = time.monotonic() - begun
            other.execute("ROLLBACK")
        return took

    assert asyncio.run(main()) < MOST_ENDING_S  # the record itself would wait for 30 s
    for _ in range(500):
        if len(list(workspace.log.executions())) == 2:
            break
        time.sleep(0.01)
    assert [row.status for row in workspace.log.executions()] == ["ok", "ok"]


ENDING_BESIDE_A_REPLY = """
import asyncio, atexit, threading, time, promptctl
from pathlib import Path
opened = promptctl.open_workspace(".", {})
asked = "greet", {"name": "Ada"}
opened.run(*asked, model="echo/echo")
@atexit.register
def end():
    Path("ending").touch()
    while not Path("replied").exists():
        time.sleep(0.05)
    time.sleep(0.2)
threading.Thread(target=lambda: asyncio.run(opened.arun(*asked)), daemon=True).start()
while not Path("asked").exists():
    time.sleep(0.05)
"""


def test_the_end_of_the_program_waits_for_a_record_that_a_thread_of_its_own_writes(
    workspace: Workspace, running: OpenAIServer
) -> None:
    with held(workspace, is_begun=False) as other:

        async def answer(exchange: Exchange) -> None:
            (workspace.root / "asked").touch()
            while not (workspace.root / "ending").exists():  # noqa: ASYNC110 - by a different process
                await asyncio.sleep(0.05)
            other.execute("BEGIN IMMEDIATE")
            await reply("hello")(exchange)
            (workspace.root / "replied").touch()
            await asyncio.sleep(HELD_S)
            other.execute("ROLLBACK")

        running.default = answer
        command = [sys.executable, "-c", ENDING_BESIDE_A_REPLY]
        done = subprocess.run(command, cwd=workspace.root, capture_output=True, check=False, timeout=60, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row.status for row in workspace.log.executions()] == ["ok"] * 3
