"""How many requests `promptctl serve --replay` answers in a second, in which memory, and how long a miss takes.

    python benchmarks/serve.py [--recordings 10000] [--requests 20000] [--connections 50]

So many recordings, each of a system message of 3 KB, one parameter and a ticket of its own. The clients are one process
over plain sockets that stay open; each request asks for a different recording. `whole` and `streamed` are requests a
second, `p99` is in ms; `miss` is the median time of the answer that names the nearest recording, `first miss` that with
the reading of all recordings. Exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from promptctl.models.gateway import Reply, Request, Usage
from promptctl.models.recordings import Recording

FEWEST_A_SECOND, MOST_MISS_MS, MOST_MEMORY_MB = 1000, 200, 120
MODEL = "gpt-4o-mini"
SYSTEM = "\n".join(f"Rule {number}: answer in the tone of the house, and name no customer." for number in range(45))
MISSES = 20


def messages(number: int, more: str = "") -> list[dict[str, Any]]:
    ticket = f"Ticket {number}: parcel {number * 7919 % 100_003} did not come, and nobody answers.{more}"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ticket}]


def make(root: Path, count: int) -> None:
    (root / "promptctl.yaml").write_text("model: openai/gpt-4o-mini\n")
    recording = Recording(root / "datasets/recordings/served.jsonl", "served")
    for number in range(count):
        request = Request(f"openai/{MODEL}", messages(number), {"temperature": 0})
        recording.add(request, Reply(f"Answer {number}. " * 20, MODEL, "openai", (), "stop", Usage(900, 80)))


def body(number: int, **more: Any) -> bytes:
    sent = {"model": MODEL, "messages": messages(number), "temperature": 0, **more}
    return json.dumps(sent).encode()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, content: bytes
) -> tuple[int, bytes]:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(answer[9:12]), await reader.readexactly(length)


async def measure(port: int, recordings: int, requests: int, connections: int, **more: Any) -> tuple[float, float]:
    """Requests a second, and the slowest of 99 % in ms."""
    times: list[float] = []
    bodies = [body(number, **more) for number in range(min(recordings, requests))]

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, requests, connections):
            begun = time.perf_counter()
            status, _ = await ask(reader, writer, port, bodies[number % len(bodies)])
            times.append(time.perf_counter() - begun)
            assert status == 200
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*map(client, range(connections)))
    return requests / (time.perf_counter() - begun), statistics.quantiles(times, n=100)[-1] * 1000


async def miss(port: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    for number in range(MISSES):
        content = json.dumps({"model": MODEL, "messages": messages(number, " Help!"), "temperature": 0}).encode()
        begun = time.perf_counter()
        status, answer = await ask(reader, writer, port, content)
        times.append((time.perf_counter() - begun) * 1000)
        assert (status, f"served.jsonl:{number + 1}," in answer.decode()) == (404, True), answer
    writer.close()
    return times


def memory_mb(process_id: int, name: str = "VmRSS") -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser()
    for name, default in (("recordings", 10_000), ("requests", 20_000), ("connections", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, given.recordings)
        command, pipe = [sys.executable, "-m", "promptctl", "serve", "--replay", "--json"], subprocess.PIPE
        with subprocess.Popen(command, cwd=root, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout is not None
            begun = time.perf_counter()
            port = json.loads(server.stdout.readline())["port"]
            print(f"ready      {time.perf_counter() - begun:8.2f} s")
            found = {}
            for name, more in (("whole", {}), ("streamed", {"stream": True})):
                found[name], p99 = asyncio.run(
                    measure(port, given.recordings, given.requests, given.connections, **more)
                )
                print(f"{name:10} {found[name]:8,.0f} /s   p99 {p99:.1f} ms")
            memory = memory_mb(server.pid)
            times = asyncio.run(miss(port))
            print(f"miss       {statistics.median(times[1:]):8.1f} ms   first miss {times[0]:,.0f} ms")
            print(f"memory     {memory:8.0f} MB   {memory_mb(server.pid):.0f} MB after misses")
            server.terminate()
    is_met = min(found.values()) >= FEWEST_A_SECOND and statistics.median(times[1:]) <= MOST_MISS_MS
    return int(not (is_met and memory <= MOST_MEMORY_MB))


if __name__ == "__main__":
    sys.exit(main())
