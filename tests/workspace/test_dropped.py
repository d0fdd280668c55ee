"""A workspace that is dropped without being closed leaves nothing behind that anything complains of."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

import promptctl
from promptctl import Cancelled, Execution, UsageError, Workspace
from tests.openai_server import Answer, Exchange, OpenAIServer, hang, reply

BEGIN = """
import asyncio, gc, threading
import promptctl

def opened():
    return promptctl.open_workspace(".", {})

async def asked(workspace):
    print((await workspace.arun("p")).reply)

def closed(work):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work)
    loop.close()

def is_alone():
    gc.collect()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(30)  # those of what was dropped end, if not at once
    return threading.active_count() == 1
"""
WAYS = {
    "at the end of the program": "workspace = opened(); print(workspace.run('p').reply)",
    "in the middle of it": "print(opened().run('p').reply); assert is_alone()",
    "many": "[opened().run('p') for _ in range(3)]; assert is_alone(); print('hello')",
    "after a stream": "[list(opened().stream('p')) for _ in range(3)]; assert is_alone(); print('hello')",
    "with its loop": "asyncio.run(asked(opened()))",
    "with a loop that was only closed": ("workspace = opened(); closed(asked(workspace))"),
    "after a loop that was only closed": ("workspace = opened(); closed(asked(workspace)); workspace.run('p')"),
}

SLOW = reply("one two", pieces=["one", " two"], pause_s=1)
ASKED = [{"role": "user", "content": "Hi"}]
GRACE_S, TIMEOUT_S = 10, 30


@pytest.fixture
def workspace(running: OpenAIServer, tmp_path: Path) -> Iterator[Workspace]:
    running.reset()
    rules = f'log: [{{prompts: "*", content: full}}]\nmodels: {{"local/*": {{api_base: "{running.url}"}}}}\n'
    (tmp_path / "promptctl.yaml").write_text(rules)
    with promptctl.open_workspace(tmp_path, {}) as opened:
        yield opened


def ran(script: str, folder: Path, *answers: Answer) -> subprocess.CompletedProcess[str]:
    (folder / "prompts").mkdir()
    (folder / "prompts/p.prompt.yaml").write_text("model: local/m\nmessages: [{role: user, content: hello}]\n")
    with OpenAIServer() as server:
        server.script(*answers)
        (folder / "promptctl.yaml").write_text(f'models: {{"local/*": {{api_base: "{server.url}"}}}}\n')
        command = [sys.executable, "-c", BEGIN + script]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_complains_of_a_workspace_that_is_dropped(way: str, tmp_path: Path) -> None:
    done = ran(WAYS[way], tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)


def test_a_handler_of_the_programs_end_makes_a_call(tmp_path: Path) -> None:
    handler = "atexit.register(lambda: print(workspace.run('p').reply))"
    done = ran(f"import atexit; workspace = opened(); {handler}; workspace.run('p')", tmp_path)
    assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr


OPEN = {
    "a stream that was begun": "stream = opened().stream('p'); next(stream); next(stream)",
    "a stream in a thread": "begin(lambda: list(opened().stream('p')))",
    "a call in a thread": "begin(lambda: opened().run('p'))",
    "a stream whose loop has ended": "asyncio.run(begun(opened()))",
    "a call in a loop of a thread": "begin(lambda: asyncio.run(asked(opened())))",
    "a stream in a loop of a thread": "begin(lambda: asyncio.run(begun(opened(), 3)))",
    "a stream whose loop was only closed": "closed(begun(opened()))",
    "such a stream that is dropped": "closed(begun(opened())); del stream; gc.collect()",
}


@pytest.mark.parametrize("way", OPEN)
def test_the_log_has_the_calls_that_a_program_ends_with(way: str, tmp_path: Path) -> None:
    begin = """
def begin(work):
    threading.Thread(target=work, daemon=True).start()
    while not os.path.exists("asked"):
        time.sleep(0.05)

async def begun(workspace, pieces=2):
    global stream
    stream = workspace.astream('p')
    for _ in range(pieces):
        await anext(stream)
"""
    slow = hang() if "a call in a" in way else reply("one two", pieces=["one", " two"], pause_s=60)

    async def answer(exchange: Exchange) -> None:
        (tmp_path / "asked").touch()
        await slow(exchange)

    done = ran(f"import os, time\n{begin}{OPEN[way]}; print('hello')", tmp_path, answer)
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    assert "Unclosed" not in done.stderr
    assert way == "a stream whose loop has ended" or not done.stderr
    with promptctl.open_workspace(tmp_path, {}) as workspace:
        assert [row.status for row in workspace.log.executions()] == ["cancelled"]


@pytest.mark.parametrize(
    ("then", "statuses"),
    [
        ("workspace.run('p', model='echo/echo')", ["ok", "cancelled"]),
        ("workspace.close()", ["cancelled"]),
        ("del stream; gc.collect(); workspace.close()", ["cancelled"]),
    ],
)
def test_the_next_call_or_the_end_of_the_workspace_records_what_closed_loops_have_left(
    then: str, statuses: list[str], tmp_path: Path
) -> None:
    calls = """
async def begun():
    global stream
    stream = workspace.astream('p')
    while await anext(stream) != "one":
        pass

workspace = opened()
closed(begun())
THEN
print([row.status for row in workspace.log.executions()])
"""
    done = ran(calls.replace("THEN", then), tmp_path, reply("one two", pieces=["one", " two"], pause_s=60))
    assert done.stdout == f"{statuses}\n", done.stderr


def test_what_is_recorded_late_has_no_latency(tmp_path: Path) -> None:
    calls = """
async def begun():
    global stream
    stream = workspace.astream('p')
    await anext(stream)

workspace = opened()
closed(begun())
workspace.close()
print([(row.status, row.latency_ms) for row in workspace.log.executions()])
"""
    done = ran(calls, tmp_path, reply("one two", pieces=["one", " two"], pause_s=60))
    assert done.stdout == "[('cancelled', None)]\n", done.stderr


def test_a_stream_that_another_thread_closes_between_two_pieces_says_so(
    workspace: Workspace, running: OpenAIServer
) -> None:
    running.default = reply("one two", pieces=["one", " two"], pause_s=60)
    stream = workspace.stream_call(ASKED, model="local/m")
    while next(stream) != "one":
        pass
    closing = threading.Thread(target=workspace.close)
    closing.start()
    closing.join()
    with pytest.raises(Cancelled, match="the workspace was closed before the call had ended"):
        next(stream)
    assert [row.status for row in workspace.log.executions()] == ["cancelled"]


def test_a_stream_that_has_ended_ends_though_the_workspace_was_closed(workspace: Workspace) -> None:
    stream = workspace.stream_call(ASKED, model="echo/echo")
    while not isinstance(next(stream), Execution):
        pass
    workspace.close()
    assert list(stream) == []


def test_a_handler_of_the_programs_end_makes_the_first_call_or_fails_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    handler = "import atexit; atexit.register(lambda: print(workspace.run('p').reply))"
    done = ran(f"{handler}; workspace = opened(); workspace.run('p', model='echo/echo'); workspace.close()", tmp_path)
    is_refused = "can't create new thread at interpreter shutdown" in done.stderr and sys.version_info >= (3, 12)
    assert is_refused or (done.stdout, done.stderr) == ("hello\n", "")
    assert time.monotonic() - begun < GRACE_S


FORKED = """
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn of forks beside threads

def waits_for_child():
    if (child := os.fork()) == 0:
        sys.exit()
    os.waitpid(child, 0)
"""


def test_the_end_of_a_forked_child_leaves_the_connections_of_its_parent(tmp_path: Path) -> None:
    begun = time.monotonic()
    calls = "workspace = opened(); workspace.run('p'); waits_for_child(); print(workspace.run('p').reply)"
    done = ran(FORKED + calls, tmp_path)
    assert (done.stdout, done.stderr) == ("hello\n", "")
    assert time.monotonic() - begun < TIMEOUT_S
    with promptctl.open_workspace(tmp_path, {}) as workspace:
        assert [row.status for row in workspace.log.executions()] == ["ok", "ok"]


def test_the_end_of_a_forked_child_records_no_call_of_its_parent(tmp_path: Path) -> None:
    calls = """
thread = threading.Thread(target=lambda: asyncio.run(asked(opened())))
thread.start()
while not os.path.exists("asked"):
    time.sleep(0.05)
waits_for_child()
thread.join()
"""

    async def answer(exchange: Exchange) -> None:
        (tmp_path / "asked").touch()
        await asyncio.sleep(1)
        await reply("hello")(exchange)

    done = ran(FORKED + calls, tmp_path, answer)
    assert done.stdout == "hello\n", done.stderr
    with promptctl.open_workspace(tmp_path, {}) as workspace:
        assert [row.status for row in workspace.log.executions()] == ["ok"]


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("sys.exit()", ""),
        ("del stream", ""),
        ("print(next(stream))", "goes on in the process that began it, not in one that was forked from it"),
    ],
)
def test_a_stream_goes_on_in_the_parent_alone(then: str, said: str, tmp_path: Path) -> None:
    calls = f"""
stream = opened().stream("p")
while next(stream) != "one":
    pass
if (child := os.fork()) == 0:
    try:
        {then}
    except Exception as error:
        print(error, flush=True)
    sys.exit()
os.waitpid(child, 0)
print(*[each for each in stream if isinstance(each, str)])
"""
    done = ran(f"import os, sys, warnings\nwarnings.simplefilter('ignore')\n{calls}", tmp_path, SLOW)
    *told, last = done.stdout.splitlines()
    assert ("".join(told).endswith(said), bool(told), last, done.stderr) == (True, bool(said), " two", "")


def test_a_workspace_leaves_nothing_that_a_fork_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/p.prompt.yaml").write_text("messages: [{role: user, content: hello}]\n")
    left: list[object] = []
    for _ in range(2):
        left.clear()  # modules that are imported for the first time have theirs
        monkeypatch.setattr(os, "register_at_fork", lambda **given: left.append(given))
        with promptctl.open_workspace(tmp_path, {}) as workspace:
            workspace.run("p")
    assert left == []


def test_loops_that_nobody_closes_are_not_kept(tmp_path: Path) -> None:
    calls = """
from weakref import WeakSet
workspace, loops = opened(), WeakSet()
for _ in range(5):
    loop = asyncio.new_event_loop()
    loops.add(loop)
    loop.run_until_complete(workspace.arun('p', model='echo/echo'))
del loop
gc.collect()
print(len(loops) <= 1)  # the thread that wrote the last record may hold its loop a little longer
"""
    assert ran(calls, tmp_path).stdout == "True\n"


def test_a_workspace_that_is_dropped_with_a_stream_of_a_closed_loop_is_let_go(tmp_path: Path) -> None:
    calls = """
from weakref import ref

async def begun(workspace):
    stream = workspace.astream('p')
    await anext(stream)
    return stream

def left():
    workspace = opened()
    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(begun(workspace))
    loop.close()
    return ref(workspace.context)

kept = left()
gc.collect()
print(kept(), [row.status for row in opened().log.executions()])
"""
    done = ran(calls, tmp_path, reply("one two", pieces=["one", " two"], pause_s=60))
    assert done.stdout == "None ['cancelled']\n", done.stderr


def test_handlers_of_the_programs_end_run_before_calls_are_cut_off(tmp_path: Path) -> None:
    calls = """
import atexit, os, time
workspace = opened()
works = lambda: print(workspace.run("p").reply), lambda: asyncio.run(asked(workspace))
threads = [threading.Thread(target=work, daemon=True) for work in works]
atexit.register(lambda: [thread.join() for thread in threads])
for thread in threads:
    thread.start()
while not os.path.exists("asked-2"):
    time.sleep(0.05)
"""
    number = count(1)

    async def answer(exchange: Exchange) -> None:
        (tmp_path / f"asked-{next(number)}").touch()
        await asyncio.sleep(1)
        await reply("hello")(exchange)

    done = ran(calls, tmp_path, answer, answer)
    assert (done.stdout.count("hello"), done.stderr) == (2, "")
    with promptctl.open_workspace(tmp_path, {}) as workspace:
        assert [row.status for row in workspace.log.executions()] == ["ok"] * 2


def test_calls_that_are_under_way_as_their_loop_closes_the_workspace_go_on(
    workspace: Workspace, running: OpenAIServer
) -> None:
    async def answer(exchange: Exchange) -> None:
        await asyncio.sleep(0 if exchange.request.body.get("stream") else 1)
        await reply("one two", pieces=["one", " two"], pause_s=1)(exchange)

    async def main() -> list[object]:
        stream = workspace.astream_call(ASKED, model="local/m")
        whole = asyncio.create_task(workspace.acall(ASKED, model="local/m"))
        while await anext(stream) != "one":
            pass
        await workspace.aclose()
        async with asyncio.timeout(GRACE_S):
            return [*[piece async for piece in stream], await whole]

    running.default = answer
    kinds = [type(each) for each in asyncio.run(main())]
    assert (kinds, len(running.requests)) == ([str, Execution, Execution], 2)
    assert [row.status for row in workspace.log.executions()] == ["ok"] * 2


def test_a_call_that_no_loop_of_asyncio_awaits_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="in an event loop of asyncio") as caught:
        workspace.acall(ASKED, model="echo/echo").send(None)
    assert "trio.to_thread" in str(caught.value.hint)
    assert list(workspace.log.executions()) == []
