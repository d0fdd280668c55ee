"""How the tests of assertions write an assertion, a reply and a judge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.assertions.assertion import Assertion, Subject, grade
from promptctl.assertions.judge import Judge, JudgeEmbeddings, JudgeReply, Licence
from promptctl.assertions.outcome import Outcome
from promptctl.assertions.preparing import CodeUse, Preparer
from promptctl.errors import Place, Problem
from promptctl.files.tree import MemoryTree

DATASET = "datasets/cases.yaml"


def locate(*keys: str | int) -> Place:
    return Place("/".join(map(str, keys)))


def faults(
    spec: Mapping[str, Any], *, files: Mapping[str, str] | None = None, code: CodeUse = "refuse"
) -> list[Problem]:
    """What is wrong with one assertion; places are the keys that lead there."""
    problems: list[Problem] = []
    Preparer(MemoryTree(files or {}), code=code).prepare(DATASET, [spec], locate, problems)
    return problems


def prepared(spec: Mapping[str, Any], *, files: Mapping[str, str] | None = None, code: CodeUse = "refuse") -> Assertion:
    problems: list[Problem] = []
    made = Preparer(MemoryTree(files or {}), code=code).prepare(DATASET, [spec], locate, problems)
    assert problems == []
    return made[0]


def outcome_of(assertion: Assertion, subject: Subject, judge: Judge | None = None) -> Outcome:
    return asyncio.run(grade(assertion, subject, judge)).outcome


def graded(
    type_: str, reply: Any, value: Any = None, *, subject: Mapping[str, Any] | None = None, **keys: Any
) -> Outcome:
    """The outcome of one assertion on one reply; a reply that is not text is given as JSON."""
    spec = {"type": type_, **keys} if value is None else {"type": type_, "value": value, **keys}
    text = reply if isinstance(reply, str) else json.dumps(reply)
    return outcome_of(prepared(spec), Subject(text, **(subject or {})))


def passes(type_: str, reply: Any, value: Any = None, **keys: Any) -> bool | None:
    return graded(type_, reply, value, **keys).passed


class FakeJudge:
    """A judge that says what it was told to, and remembers what it was asked."""

    def __init__(
        self,
        *replies: str | JudgeReply | Exception,
        vectors: Sequence[Sequence[float]] = (),
        cost_nano_usd: int | None = 1_000,
    ) -> None:
        self.replies = list(replies)
        self.vectors = vectors
        self.cost_nano_usd = cost_nano_usd
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self.embedded: list[str] = []

    async def ask(self, prompt_id: str, inputs: Mapping[str, Any], *, model: str | None = None) -> JudgeReply:
        self.asked.append((prompt_id, dict(inputs), model))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, JudgeReply):
            return reply
        return JudgeReply(reply, self.cost_nano_usd, f"execution-{len(self.asked)}")

    def model_for(self, prompt_id: str | None, model: str | None) -> str:
        return model or "openai/judge"

    def licence(self, prompt_id: str | None, model: str | None, rubric: str) -> Licence:
        return Licence()

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> JudgeEmbeddings:
        self.embedded += texts
        return JudgeEmbeddings(self.vectors, self.cost_nano_usd, "execution-embed")


def judged(
    spec: Mapping[str, Any],
    reply: str,
    judge: FakeJudge,
    *,
    subject: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> Outcome:
    """The outcome of one model-graded assertion."""
    return outcome_of(prepared(spec, files=files), Subject(reply, **(subject or {})), judge)


def verdict(**keys: Any) -> str:
    return json.dumps(keys)
