"""What promptctl adds to a chat service that streams: examples/fastapi-chat under many streams at once.

    python benchmarks/chat.py [--streams 200] [--questions 2] [--rounds 3] [--database URL]

Two services run beside a local model server: the example as it is, and the same one whose function `stream_response`
asks the model server over aiohttp itself. So many readers ask each of them in turns, every reader one question after
the other, spread so that about all streams are open at any time. The overhead is the difference of the p95 of both
services, of the time to the first byte of the answer and of the time to its last.
Each message must be stored with its text and its own right metadata, and be in the log. Exits 1 where a target is
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

import promptctl

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples/fastapi-chat"
sys.path.insert(0, str(EXAMPLE))
LATENCY_MS, PAUSE_MS, WORDS = 500, 400, 20
MOST_MS = 10.0
META = {"prompt": "tutor/video", "experiment": "tone", "output_tokens": 20}.items()
ARMS = {"control": ("production", 1), "kind": ("kinder", 2)}
QUESTION = " ".join(f"word{number}" for number in range(WORDS - 1))


def serve(kind: str) -> None:
    """Run a service on a free port and print it; `plain` is the one without promptctl."""
    import uvicorn
    from app.api.v1 import chat
    from app.main import create_app

    if kind == "plain":
        setattr(chat, "stream_response", _plain_stream)  # noqa: B010 - the module's own name, imported there
    config = uvicorn.Config(create_app(), log_level="warning", timeout_keep_alive=60)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        print(listening.getsockname()[1], flush=True)  # connections wait until it accepts them
        uvicorn.Server(config).run([listening])


_clients: list[aiohttp.ClientSession] = []


async def _plain_stream(
    _: object, session: Any, past: Iterable[Any], question: str, *, model: str
) -> AsyncGenerator[dict[str, Any] | str, None]:
    """What one writes without promptctl."""
    from app.services.lessons import LESSONS

    lesson = LESSONS[session.lesson]
    if not _clients:
        _clients.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    system = f'You tutor a learner who watches the video "{lesson.title}".\n<data>\n{lesson.material}\n</data>'
    history = [{"role": message.role.value, "content": message.content} for message in past]
    messages = [{"role": "system", "content": system}, *history, {"role": "user", "content": question}]
    body = {"model": model, "messages": messages, "stream": True, "temperature": 0.2, "max_tokens": 700}
    body["stream_options"] = {"include_usage": True}
    url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
    is_first = True
    async with _clients[0].post(url, json=body, headers={"Authorization": "Bearer none"}) as response:
        response.raise_for_status()
        async for line in response.content:
            if not line.startswith(b"data: {"):
                continue
            if is_first:
                yield {"prompt_name": "Video Tutor", "model": model}
                is_first = False
            for choice in json.loads(line[6:])["choices"]:
                if text := choice["delta"].get("content"):
                    yield text


@contextlib.contextmanager
def running(arguments: list[str], **environ: str) -> Iterator[tuple[str, int]]:
    """A program that prints its port; its address, and its process."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process.pid
        finally:
            process.terminate()


class Readers:
    """So many readers of one service: seconds to the first and last byte of each answer, and the service's CPU."""

    def __init__(self, address: str, process: int, streams: int, questions: int) -> None:
        self.process = process
        self.cpu_s = 0.0
        self.api = f"{address}/api/v1"
        self.streams, self.questions = streams, questions
        self.first: list[float] = []
        self.last: list[float] = []
        self.answers: dict[int, list[str]] = {}

    async def read(self) -> None:
        begun = _cpu_s(self.process)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            await asyncio.gather(*(self._reader(client, number) for number in range(self.streams)))
        self.cpu_s = _cpu_s(self.process) - begun

    async def _reader(self, client: aiohttp.ClientSession, number: int) -> None:
        async with client.post(f"{self.api}/sessions", json={"user_id": f"u{number}", "lesson": "hash-tables"}) as made:
            session = (await made.json())["id"]
        self.answers[session] = []
        await asyncio.sleep(number / self.streams * (LATENCY_MS + WORDS * PAUSE_MS) / 1000)
        for _ in range(self.questions):
            asked = f"{QUESTION} {random.randrange(10**9)}"
            text, begun, is_first = "", time.perf_counter(), True
            async with client.post(f"{self.api}/sessions/{session}/messages", json={"content": asked}) as response:
                response.raise_for_status()
                async for line in response.content:
                    if is_first:
                        self.first.append(time.perf_counter() - begun)
                        is_first = False
                    if line.startswith(b'data: "'):
                        text += json.loads(line[6:])
            self.last.append(time.perf_counter() - begun)
            assert text == asked
            self.answers[session].append(text)


async def lost(readers: Readers, executions: set[str]) -> int:
    """How many answers are missing, or stored with another text or wrong metadata. Takes those found from the log's."""
    wrong = 0
    async with aiohttp.ClientSession() as client:
        for session, answers in readers.answers.items():
            async with client.get(f"{readers.api}/sessions/{session}/messages") as response:
                stored = await response.json()
            kept = list(zip(stored[::2], stored[1::2], strict=True))
            wrong += len(answers) - len(kept)
            for answer, (asked, said) in zip(answers, kept, strict=False):
                meta = said["meta"]
                texts = {answer, asked["content"], said["content"]}
                is_right = len(texts) == 1 and asked["meta"] == {} and meta.items() >= META and "status" not in meta
                is_right &= ARMS.get(meta["arm"]) == (meta["prompt_label"], meta["prompt_version"])
                wrong += not (is_right and meta["execution_id"] in executions)
                executions.discard(meta["execution_id"])
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--questions", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", help="such as that of examples/fastapi-chat/demo/postgres.sh; by default SQLite")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return 0
    from demo.make_workspace import make_workspace

    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        make_workspace(folder / "prompts")
        arguments = [str(HERE / "model_server.py"), "--latency-ms", str(LATENCY_MS), "--pause-ms", str(PAUSE_MS)]
        model, _ = stack.enter_context(running(arguments))
        environ = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_API_KEY": "none", "CHAT_MODEL": "openai/demo-tutor"}
        environ["PROMPTS"] = str(folder / "prompts")
        services = {}
        for kind in ("promptctl", "plain"):
            environ["DATABASE_URL"] = given.database or f"sqlite+aiosqlite:///{folder}/{kind}.db"
            services[kind] = stack.enter_context(running([__file__, "--serve", kind], **environ))
            asyncio.run(Readers(*services[kind], 1, 1).read())  # warm
        runs: dict[str, list[Readers]] = {kind: [] for kind in services}
        for _ in range(given.rounds):
            for kind, service in services.items():
                runs[kind].append(Readers(*service, given.streams, given.questions))
                asyncio.run(runs[kind][-1].read())
        with promptctl.open_workspace(folder / "prompts") as workspace:
            executions = {row.id for row in workspace.log.executions() if row.status == "ok"}
        wrong = sum(asyncio.run(lost(readers, executions)) for readers in runs["promptctl"])
    return report(runs, wrong)


def report(runs: dict[str, list[Readers]], wrong: int) -> int:
    """Print the p95 of both services and what promptctl adds; give 1 if a target is missed."""
    missed = wrong > 0
    for what in ("first", "last"):
        p95 = {kind: [_p95_ms(getattr(each, what)) for each in done] for kind, done in runs.items()}
        added = statistics.median(ours - plain for ours, plain in zip(p95["promptctl"], p95["plain"], strict=True))
        missed |= added > MOST_MS
        words = ", ".join(f"{kind} {statistics.median(values):.1f} ms" for kind, values in p95.items())
        print(f"p95 to the {what} byte: {words}; promptctl adds {added:.1f} ms (at most {MOST_MS:g})")
    answers = sum(len(readers.last) for readers in runs["promptctl"])
    for kind, done in runs.items():
        print(
            f"{kind}: {1000 * sum(each.cpu_s for each in done) / answers:.1f} ms of CPU for an answer of {WORDS} words"
        )
    print(f"{answers} answers, {wrong} messages lost or with wrong metadata")
    return int(missed)


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _p95_ms(seconds: list[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=100)[94]


if __name__ == "__main__":
    sys.exit(main())
