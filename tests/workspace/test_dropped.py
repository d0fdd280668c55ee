"""A workspace that is dropped without being closed leaves nothing behind that anything complains of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import promptctl
from tests.openai_server import Answer, Exchange, OpenAIServer, hang, reply

BEGIN = """
import asyncio, gc, threading
import promptctl

def opened():
    return promptctl.open_workspace(".", {})

async def asked(workspace):
    print((await workspace.arun("p")).reply)

def closed(workspace):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asked(workspace))
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
    "with its loop": "asyncio.run(asked(opened()))",
    "with a loop that was only closed": ("workspace = opened(); closed(workspace)"),
    "after a loop that was only closed": ("workspace = opened(); closed(workspace); workspace.run('p')"),
}


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
}


@pytest.mark.parametrize("way", OPEN)
def test_the_log_has_the_calls_that_a_program_ends_with(way: str, tmp_path: Path) -> None:
    begin = """
def begin(work):
    threading.Thread(target=work, daemon=True).start()
    while not os.path.exists("asked"):
        time.sleep(0.05)

async def begun(workspace):
    global stream
    stream = workspace.astream('p')
    await anext(stream)
    await anext(stream)
"""
    slow = hang() if way == "a call in a thread" else reply("one two", pieces=["one", " two"], pause_s=60)

    async def answer(exchange: Exchange) -> None:
        (tmp_path / "asked").touch()
        await slow(exchange)

    done = ran(f"import os, time\n{begin}{OPEN[way]}; print('hello')", tmp_path, answer)
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    assert "Unclosed" not in done.stderr
    assert way == "a stream whose loop has ended" or not done.stderr
    with promptctl.open_workspace(tmp_path, {}) as workspace:
        assert [row.status for row in workspace.log.executions()] == ["cancelled"]
