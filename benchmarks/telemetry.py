"""What telemetry adds to a call: CPU of `arun` without it, with it, and with content, sent to a collector on loopback.

    python benchmarks/telemetry.py [--calls 2000] [--rounds 3]

The ways take turns, each in a process of its own; the collector is another one, which only counts bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import promptctl

SETTINGS = "model: echo/echo\nlog:\n  - {prompts: '*', content: full}\n"
PROMPT = "inputs: {text: {type: string}}\nmessages: [{role: user, content: 'Sum up: {{ text }}'}]\n"
TEXT = " ".join(f"word{number}" for number in range(200))
WAYS = ("off", "on", "content")


class _Counting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def collect() -> None:
    """Take what comes, until the process is ended; print the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    print(server.server_port, flush=True)
    server.serve_forever()


def call(root: str, calls: int) -> None:
    """Make so many calls, and print the CPU of one in milliseconds, and of what comes before and after them."""

    async def make(number: int) -> None:
        for _ in range(number):
            await workspace.arun("sum", {"text": TEXT})

    with promptctl.open_workspace(root) as workspace:
        before = time.process_time()
        asyncio.run(make(1))
        begun = time.process_time()
        asyncio.run(make(calls))
        took_s = time.process_time() - begun
        closing = time.perf_counter()
    ended_s = time.perf_counter() - closing
    print(took_s / calls * 1000, (begun - before) * 1000, ended_s * 1000, threading.active_count())


def measure(calls: int, rounds: int) -> None:
    """Print one line for each way."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "prompts").mkdir()
        (Path(root) / "promptctl.yaml").write_text(SETTINGS)
        (Path(root) / "prompts/sum.prompt.yaml").write_text(PROMPT)
        collector = subprocess.Popen([sys.executable, __file__, "--collect"], stdout=subprocess.PIPE, text=True)
        assert collector.stdout is not None
        address = f"http://127.0.0.1:{collector.stdout.readline().strip()}"
        found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                environ = {**os.environ, "PROMPTCTL_TELEMETRY": way, "OTEL_EXPORTER_OTLP_ENDPOINT": address}
                command = [sys.executable, __file__, "--call", root, "--calls", str(calls)]
                done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
                found[way].append([float(word) for word in done.stdout.split()])
        collector.terminate()
        for way, rows in found.items():
            each_ms, first_ms, end_ms, _ = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"{way:8} {each_ms:.3f} ms CPU a call, the first {first_ms:.0f} ms, closing {end_ms:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--collect", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--call", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.collect:
        collect()
    elif given.call:
        call(given.call, given.calls)
    else:
        measure(given.calls, given.rounds)


if __name__ == "__main__":
    main()
