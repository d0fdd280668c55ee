"""The same work done by promptfoo, inspect and pydantic-evals, where they are installed.

Set up in a folder of their own (`--peers`), once:

    npm install promptfoo@0.123.1 --omit=optional          # and `npm install node@22` where node is older than 22.22
    python -m venv venv && venv/bin/pip install inspect-ai==0.3.285 pydantic-evals==2.62.0 openai

Each evaluates the same cases against the same server with one check that the reply holds the ticket's id, and writes
what it writes when asked for nothing else. pydantic-evals keeps nothing on disk.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from processes import Work, measured

Case = tuple[str, str]  # a ticket's text, and the id that the reply must hold
SYSTEM = "You are a support bot. Quote the id of the ticket."

PROMPTFOO_OPTIONS = ("-c", "promptfooconfig.json", "-j", "50", "--no-table", "--no-progress-bar", "-o", "report.json")
INSPECT_OPTIONS = ("--display", "none", "--max-connections", "50", "--temperature", "0", "--max-tokens", "200")
INSPECT_TASK = f"""\
from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, system_message


@task
def triage():
    solver = [system_message({SYSTEM!r}), generate()]
    return Task(dataset=json_dataset("cases.jsonl"), solver=solver, scorer=includes())
"""
PYDANTIC_SCRIPT = f"""\
import asyncio
import json
from dataclasses import dataclass

from openai import AsyncOpenAI
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext


@dataclass
class Includes(Evaluator):
    def evaluate(self, context: EvaluatorContext) -> bool:
        return context.expected_output in context.output


async def main():
    client = AsyncOpenAI()

    async def answer(ticket: str) -> str:
        messages = [{{"role": "system", "content": {SYSTEM!r}}}, {{"role": "user", "content": ticket}}]
        reply = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        return reply.choices[0].message.content

    rows = [json.loads(line) for line in open("cases.jsonl")]
    cases = [Case(name=row["id"], inputs=row["input"], expected_output=row["target"]) for row in rows]
    dataset = Dataset(name="triage", cases=cases, evaluators=[Includes()])
    report = await dataset.evaluate(answer, max_concurrency=50, progress=False)
    assert len(report.cases) == len(rows) and report.averages().assertions == 1


asyncio.run(main())
"""


def peer_works(peers: Path, folder: Path, url: str, cases: Callable[[int], Iterable[Case]]) -> Iterator[Work]:
    """The peers that are installed, with 1,000 cases at 50 connections; promptfoo also with 10,000, and cached."""
    promptfoo = peers / "node_modules/.bin/promptfoo"
    inspect, python = peers / "venv/bin/inspect", peers / "venv/bin/python"
    if promptfoo.exists():
        for count in (1_000, 10_000):
            yield _promptfoo(promptfoo, _made(folder / f"promptfoo-{count}"), url, cases(count), f"{count:,} cases, 50")
        yield _cached(_promptfoo(promptfoo, _made(folder / "promptfoo-hits"), url, cases(1_000), "1,000 cache hits"))
    if inspect.exists():
        yield _inspect(inspect, _made(folder / "inspect"), url, cases(1_000))
    if python.exists() and list(peers.glob("venv/lib/python*/site-packages/pydantic_evals")):
        yield _pydantic_evals(python, _made(folder / "pydantic-evals"), url, cases(1_000))


def _promptfoo(command: Path, folder: Path, url: str, cases: Iterable[Case], name: str) -> Work:
    with (folder / "tests.jsonl").open("w") as file:
        for ticket, id_ in cases:
            check = [{"type": "contains", "value": id_}]
            file.write(json.dumps({"vars": {"ticket": ticket}, "assert": check}) + "\n")
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "{{ticket}}"}]
    (folder / "prompt.json").write_text(json.dumps(messages))
    config = {"apiBaseUrl": url, "apiKey": "none", "temperature": 0, "max_tokens": 200}
    settings = {
        "prompts": ["file://prompt.json"],
        "providers": [{"id": "openai:chat:gpt-4o-mini", "config": config}],
        "tests": "file://tests.jsonl",
    }
    (folder / "promptfooconfig.json").write_text(json.dumps(settings))
    environ = {
        **dict.fromkeys(
            (
                "DISABLE_TELEMETRY",
                "DISABLE_UPDATE",
                "DISABLE_REMOTE_GENERATION",
                "DISABLE_SHARING",
                "DISABLE_DEBUG_LOG",
                "DISABLE_ERROR_LOG",
            ),
            "1",
        ),
        "CONFIG_DIR": str(folder / "config"),
        "CACHE_PATH": str(folder / "cache"),
    }
    node = command.parent / "node"
    return Work(
        f"promptfoo: {name}",
        (str(node) if node.exists() else "node", str(command.resolve()), "eval", *PROMPTFOO_OPTIONS, "--no-cache"),
        folder,
        after=lambda: _is_promptfooed(folder),
        environ=tuple((f"PROMPTFOO_{key}", value) for key, value in environ.items()),
    )


def _cached(work: Work) -> Work:
    """The same with its cache, which is filled before."""
    work = replace(work, command=work.command[:-1])

    def answered_once() -> None:
        if not (work.folder / "cache").exists():
            measured(replace(work, before=lambda: None))

    return replace(work, before=answered_once)


def _inspect(command: Path, folder: Path, url: str, cases: Iterable[Case]) -> Work:
    _write_rows(folder, cases)
    (folder / "task.py").write_text(INSPECT_TASK)
    return Work(
        "inspect: 1,000 cases, 50",
        (str(command), "eval", "task.py", "--model", "openai-api/fake/gpt-4o-mini", *INSPECT_OPTIONS),
        folder,
        after=lambda: _is_inspected(command, folder),
        environ=(("FAKE_API_KEY", "none"), ("FAKE_BASE_URL", url)),
    )


def _is_inspected(command: Path, folder: Path) -> bool:
    """Whether every sample of the last log is right: an evaluation that breaks off ends with 0 too."""
    newest = max((folder / "logs").glob("*.eval"))
    dump = [str(command), "log", "dump", "--header-only", str(newest)]
    header = json.loads(subprocess.run(dump, check=True, capture_output=True).stdout)
    accuracy = header["results"]["scores"][0]["metrics"]["accuracy"]["value"]
    return bool(header["status"] == "success" and accuracy == 1)


def _is_promptfooed(folder: Path) -> bool:
    stats = json.loads((folder / "report.json").read_text())["results"]["stats"]
    return bool(stats["failures"] == stats["errors"] == 0)


def _pydantic_evals(python: Path, folder: Path, url: str, cases: Iterable[Case]) -> Work:
    _write_rows(folder, cases)
    (folder / "evaluate.py").write_text(PYDANTIC_SCRIPT)
    return Work(
        "pydantic-evals: 1,000 cases, 50",
        (str(python), "evaluate.py"),
        folder,
        environ=(("OPENAI_API_KEY", "none"), ("OPENAI_BASE_URL", url)),
    )


def _write_rows(folder: Path, cases: Iterable[Case]) -> None:
    with (folder / "cases.jsonl").open("w") as file:
        for ticket, id_ in cases:
            file.write(json.dumps({"id": id_, "input": ticket, "target": id_}) + "\n")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
