"""A small workspace whose one prompt, `triage`, is answered by the suite's own server as a test says."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.progress import Progress
from promptctl.evaluations.request import EvaluationRequest, Limits, ResumeRequest
from promptctl.log.results import ResultRow
from promptctl.workspace import Workspace, open_workspace
from tests.openai_server import Answer, Exchange, OpenAIServer, reply

SETTINGS = """\
model: local/gpt-4o-mini
models:
  "local/*": {{api_base: "{url}", timeout_s: 5}}
log:
  - {{prompts: "*", content: full}}
prices:
  local/gpt-4o-mini: {{input: 1, output: 1}}
"""
PROMPT = """\
name: Triage
inputs:
  ticket: {type: string}
messages:
  - {role: user, content: "{{ ticket }}"}
"""
# What one reply costs: 12 and 3 tokens, each 1 dollar for a million.
REPLY_COST = 15_000


def answering(rules: Mapping[str, Answer | str], otherwise: Answer | None = None) -> Answer:
    """Answer by the ticket: with the rule of that very text, else with what it says itself."""

    async def answer(exchange: Exchange) -> None:
        ticket = exchange.request.body["messages"][-1]["content"]
        wanted = rules.get(ticket, otherwise)
        chosen = reply(ticket if wanted is None else wanted) if wanted is None or isinstance(wanted, str) else wanted
        await chosen(exchange)

    return answer


def slowly(seconds: float, answer: Answer | None = None) -> Answer:
    """The same answer, after so long."""

    async def wait(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await (answer or answering({}))(exchange)

    return wait


class Lab:
    """The workspace, its server, and what it was warned of."""

    def __init__(self, root: Path, server: OpenAIServer) -> None:
        self.root = root
        self.server = server
        self.warnings: list[str] = []
        server.default = answering({})
        self.write("promptctl.yaml", SETTINGS.format(url=server.url))
        self.write("prompts/triage.prompt.yaml", PROMPT)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def cases(self, *cases: Mapping[str, Any], name: str = "triage", **header: Any) -> Path:
        """Write the dataset `datasets/<name>.yaml`; JSON is YAML."""
        data = {"prompts": ["triage"], **header, "cases": list(cases)}
        return self.write(f"datasets/{name}.yaml", json.dumps(data))

    def many(self, count: int, **more: Any) -> Path:
        """Cases c0, c1, … whose ticket is their own id, and which pass where the reply says it."""
        return self.cases(
            *({"id": f"c{n}", "inputs": {"ticket": f"c{n}"}, "expected": f"c{n}", **more} for n in range(count))
        )

    def open(self, environ: Mapping[str, str] | None = None) -> Workspace:
        return open_workspace(self.root, environ or {}, on_warning=self.warnings.append)

    def evaluate(
        self,
        *refs: str,
        limits: Limits | None = None,
        on_progress: Callable[[Plan, Progress], None] | None = None,
        **request: Any,
    ) -> list[Evaluation]:
        """Evaluate `triage`, or the prompts named."""
        given = EvaluationRequest(refs=refs or ("triage",), limits=limits or Limits(), **request)
        with self.open() as workspace:
            return workspace.evaluate(given, on_progress)

    def one(self, **request: Any) -> Evaluation:
        (evaluation,) = self.evaluate(**request)
        return evaluation

    def resume(self, evaluation: Evaluation, **request: Any) -> Evaluation:
        with self.open() as workspace:
            (resumed,) = workspace.resume(ResumeRequest(evaluation=evaluation.row.id, **request))
        return resumed

    def plans(self, *refs: str, **request: Any) -> list[Plan]:
        with self.open() as workspace:
            return workspace.plan(EvaluationRequest(refs=refs or ("triage",), **request))

    def rows(self, evaluation: Evaluation) -> list[ResultRow]:
        """Its results, in the dataset's order."""
        with self.open() as workspace:
            return list(workspace.context.log.results(evaluation.row.id))

    def row(self, evaluation: Evaluation, case: str) -> ResultRow:
        (found,) = [row for row in self.rows(evaluation) if row.case_id == case]
        return found

    @property
    def asked(self) -> list[str]:
        """The tickets of all requests so far, in the order of their arrival."""
        return [request.body["messages"][-1]["content"] for request in self.server.requests if request.body]


def environ_of(root: Path) -> dict[str, str]:
    """The environment for a process of its own in the workspace."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "HOME": str(root)}


@pytest.fixture(scope="session")
def running_model_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, running_model_server: OpenAIServer) -> Lab:
    running_model_server.reset()
    return Lab(tmp_path, running_model_server)
