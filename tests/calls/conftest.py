"""A gateway that answers from a queue, and a recorder that keeps what it is given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from promptctl.calls.call import Call, CallOptions, Target
from promptctl.calls.runner import Runner
from promptctl.log.records import Content, Execution
from promptctl.models.gateway import Delta, Reply, Request, Usage
from promptctl.models.model_settings import RetryPolicy
from promptctl.prompts.prompt import Message, Output, Prompt, Rendered
from promptctl.versions.prompt_at_version import Version

SCHEMA = {"type": "object", "required": ["label"], "properties": {"label": {"enum": ["billing", "bug"]}}}


class QueuedGateway:
    """Answers with what was queued: a text, a `Reply`, an error to raise, or a list of stream pieces."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        return _reply(self.answers.pop(0))

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        self.requests.append(request)
        pieces = self.answers.pop(0)
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, str):
                yield Delta(piece)
            if isinstance(piece, Reply):
                yield piece
                return
        yield _reply("".join(piece for piece in pieces if isinstance(piece, str)))

    async def close(self) -> None:
        pass


class KeptRecords:
    """Keeps every record, in order."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []

    async def save(self, execution: Execution, content: Content | None) -> None:
        self.executions.append(execution)

    def save_now(self, execution: Execution, content: Content | None) -> None:
        self.executions.append(execution)

    async def written(self) -> None:
        pass


def _reply(answer: Any) -> Reply:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, Reply):
        return answer
    return Reply(answer, "gpt-4o-mini-2024", "openai", usage=Usage(10, 5), cost_nano_usd=100, latency_ms=1.0)


def make_call(*, retries: int = 0, schema: dict[str, Any] | None = None, tools: Any = (), **options: Any) -> Call:
    """A call of a small prompt, with an output schema where one is given."""
    prompt = Prompt(
        id="support/triage",
        path="prompts/support/triage.prompt.yaml",
        digest="1:abc",
        name="Support triage",
        messages=(Message("user", "Hi"),),
        metadata={"content_type": "text", "owner": "support"},
        output=Output(schema=schema, retries=retries),
        tools=tuple(tools),
    )
    rendered = Rendered(({"role": "user", "content": "Hi"},), {})
    target = Target(
        prompt,
        Version("1:abc", "c" * 40),
        "openai/gpt-4o-mini",
        "openai",
        {"temperature": 0},
        retry=RetryPolicy(max_attempts=3),
    )
    return Call(target, rendered, target.request(rendered), CallOptions(**options))


@pytest.fixture
def records() -> KeptRecords:
    return KeptRecords()


@pytest.fixture
def naps() -> list[float]:
    """How long the runner slept between attempts, in seconds; it never really sleeps."""
    return []


@pytest.fixture
def make_runner(records: KeptRecords, naps: list[float]) -> Any:
    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    return lambda gateway, **options: Runner(gateway, records, sleep=sleep, **options)
