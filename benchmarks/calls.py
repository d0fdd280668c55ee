"""How dear calls of the Python API are beside the plain `openai` client, and how soon a stream's first text is there.

    python benchmarks/calls.py [--calls 1000] [--at-once 1000] [--rounds 3]

Threads and tasks make all calls, the same calls by the client in turns with them, each in a process of its own, to a
server that answers after 50 ms; then a fifth as many streams, one at a time, of a server that sends the first word
after 5 ms. promptctl renders a prompt at a label, and logs each call in full; the client sends messages that are ready.
Rendering alone is measured beside Jinja2's sandbox. Exits 1 if promptctl takes more CPU for a call than the client.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from model_server import model_server

import promptctl

SYSTEM = "You triage tickets for {{ product }}. Answer in one sentence."
PROMPT = f"""\
inputs: {{ticket: {{type: string}}, product: {{type: string, default: Acme}}}}
messages:
  - {{role: system, content: "{SYSTEM}"}}
  - {{role: user, content: "{{{{ ticket }}}}"}}
"""
SETTINGS = """\
model: local/gpt-4o-mini
models:
  "local/*": {{api_base: "{0}"}}
log:
  - {{prompts: "*", content: full}}
"""
REF = "triage@production"
WAYS = ("threads", "tasks", "streams")
CLIENTS = ("promptctl", "openai")


class OpenAi:
    """Calls by the plain client."""

    def __init__(self, address: str) -> None:
        import openai

        self.client = openai.OpenAI(api_key="x", base_url=address)
        self.awaited = openai.AsyncOpenAI(api_key="x", base_url=address)

    def asked(self, number: int) -> dict[str, Any]:
        system = {"role": "system", "content": SYSTEM.replace("{{ product }}", "Acme")}
        return {"model": "gpt-4o-mini", "messages": [system, {"role": "user", "content": ticket(number)}]}

    def run(self, number: int) -> object:
        return self.client.chat.completions.create(**self.asked(number))

    async def arun(self, number: int) -> object:
        return await self.awaited.chat.completions.create(**self.asked(number))

    async def texts(self, number: int) -> AsyncIterator[str]:
        async for chunk in await self.awaited.chat.completions.create(**self.asked(number), stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


class Promptctl:
    """The same calls by promptctl."""

    def __init__(self, _address: str) -> None:
        self.workspace = promptctl.open_workspace()

    def run(self, number: int) -> object:
        return self.workspace.run(REF, {"ticket": ticket(number)})

    async def arun(self, number: int) -> object:
        return await self.workspace.arun(REF, {"ticket": ticket(number)})

    async def texts(self, number: int) -> AsyncIterator[str]:
        async for item in self.workspace.astream(REF, {"ticket": ticket(number)}):
            if isinstance(item, str):
                yield item


def ticket(number: int) -> str:
    return f"I was charged twice on day {number}."


def make_calls(way: str, client: OpenAi | Promptctl, calls: int, at_once: int) -> None:
    """Make the calls after a first one; print seconds, milliseconds of CPU for a call, MiB, and those of streams."""
    firsts: list[float] = []

    async def all_tasks() -> tuple[float, float]:
        limit = asyncio.Semaphore(1 if way == "streams" else at_once)

        async def one(number: int) -> None:
            async with limit:
                if way != "streams":
                    await client.arun(number)
                    return
                begun = time.perf_counter()
                found = [(time.perf_counter() - begun) * 1000 async for _ in client.texts(number)]
                firsts.append(found[0])

        await one(-1)
        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(one, range(calls)))
        return time.perf_counter() - begun, time.process_time() - cpu

    def all_threads() -> tuple[float, float]:
        client.run(-1)
        begun, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(client.run, range(calls)))
        return time.perf_counter() - begun, time.process_time() - cpu

    wall_s, cpu_s = all_threads() if way == "threads" else asyncio.run(all_tasks())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(wall_s, cpu_s / calls * 1000, peak, statistics.median(firsts or [0]), flush=True)
    os._exit(0)


def make_workspace(root: Path) -> None:
    (root / "prompts").mkdir()
    (root / "prompts/triage.prompt.yaml").write_text(PROMPT)
    git = ["git", "-C", str(root), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-qb", "main"], ["add", "prompts"], ["commit", "-qm", "Triage"]):
        subprocess.run([*git, *command], check=True)
    (root / "promptctl.yaml").write_text("{}\n")
    label = [sys.executable, "-m", "promptctl", "-C", str(root), "label", "set", REF]
    subprocess.run(label, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure_rendering(root: Path) -> None:
    """Print what one rendering takes beside the same texts by Jinja2's sandbox."""
    from jinja2.sandbox import SandboxedEnvironment

    compiled = [SandboxedEnvironment().from_string(text) for text in (SYSTEM, "{{ ticket }}")]

    def microseconds(render: Any) -> float:
        begun = time.process_time()
        for number in range(5_000):
            render(number)
        return (time.process_time() - begun) / 5_000 * 1e6

    with promptctl.open_workspace(root) as workspace:

        def ours(number: int) -> object:
            return workspace.prompt(REF).render({"ticket": ticket(number)})

        def theirs(number: int) -> object:
            return [each.render(ticket=ticket(number), product="Acme") for each in compiled]

        ours(-1)
        turns = [(microseconds(ours), microseconds(theirs)) for _ in range(5)]
    print(f"rendering a label's prompt: {min(ours for ours, _ in turns):.0f} us of CPU", end="")
    print(f", by Jinja2's sandbox {min(theirs for _, theirs in turns):.0f} us")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--at-once", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        way, name, address = given.way
        client = Promptctl(address) if name == "promptctl" else OpenAi(address)
        make_calls(way, client, given.calls, given.at_once)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_workspace(root)
        for way in WAYS:
            with model_server(5 if way == "streams" else 50, pause_ms=2) as address:
                (root / "promptctl.yaml").write_text(SETTINGS.format(address))
                calls = given.calls // 5 if way == "streams" else given.calls
                command = [sys.executable, str(Path(__file__).absolute()), "--calls", str(calls)]
                command += ["--at-once", str(given.at_once), "--way", way]
                found: dict[str, list[list[float]]] = {name: [] for name in CLIENTS}
                for name in CLIENTS * given.rounds:
                    told = subprocess.run(
                        [*command, name, address], cwd=root, check=True, capture_output=True, text=True
                    )
                    found[name].append([float(number) for number in told.stdout.split()])
            medians = {
                name: [statistics.median(each) for each in zip(*turns, strict=True)] for name, turns in found.items()
            }
            for name, (wall_s, cpu_ms, mib, first_ms) in medians.items():
                first = f", first text after {first_ms:.1f} ms" if way == "streams" else ""
                print(
                    f"{way} by {name}: {wall_s:.2f} s, {cpu_ms:.2f} ms of CPU for a call, {mib:.0f} MiB{first}",
                    flush=True,
                )
            missed += medians["promptctl"][1] > medians["openai"][1]
        measure_rendering(root)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
