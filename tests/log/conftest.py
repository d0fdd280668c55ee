"""A log in a folder of the test's own, and executions to put into it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptctl.log.records import Execution
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_now

MakeExecution = Callable[..., Execution]


def make(**fields: Any) -> Execution:
    """A whole execution; what is given replaces what stands here."""
    identifier = new_id()
    usual = {
        "id": identifier,
        "call_id": identifier,
        "started_at": utc_now(),
        "source": "run",
        "prompt": "support/triage",
        "prompt_name": "Support triage",
        "digest": "1:" + "ab" * 32,
        "model": "openai/gpt-4o-mini",
        "status": "ok",
        "version": 7,
        "version_display": "v7 (3f2a9c1)",
        "commit": "3f2a9c1" + "0" * 33,
        "label": "production",
        "provider": "openai",
        "model_resolved": "gpt-4o-mini-2024-07-18",
        "parameters": {"temperature": 0, "max_tokens": 400},
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_nano_usd": 27_000,
        "price_source": "bundled",
        "latency_ms": 420.5,
        "finish_reason": "stop",
        "user": "ada",
        "session": "s-1",
        "call_metadata": {"owner": "support"},
        "tool_version": "0.1.0",
        "inputs": {"ticket": "I was charged twice."},
        "messages": [{"role": "user", "content": "I was charged twice."}],
        "reply": '{"label": "billing"}',
    }
    return Execution(**{**usual, **fields})


def make_some(count: int, seed: int = 1) -> list[Execution]:
    """Executions of every kind, the same each time."""
    chance = random.Random(seed)
    made: list[Execution] = []
    for number in range(count):
        status = chance.choice(["ok", "ok", "ok", "error", "invalid_output", "blocked", "cancelled"])
        is_retry = bool(made) and made[-1].status in ("error", "invalid_output") and chance.random() < 0.7
        beginning: dict[str, Any] = {"call_id": made[-1].call_id, "attempt": made[-1].attempt + 1} if is_retry else {}
        version = chance.choice([None, 1, 2])
        made.append(
            make(
                **beginning,
                prompt=chance.choice(["a", "b/c"]),
                version=version,
                version_display="unversioned" if version is None else f"v{version} (abc)",
                source=chance.choice(["run", "api", "eval"]),
                status=status,
                reply_source=chance.choice(["model", "model", "cache", "recorded"]),
                cost_nano_usd=chance.choice([None, 0, 1_000_000]),
                output_tokens=chance.choice([None, 7]),
                latency_ms=chance.choice([None, chance.expovariate(1 / 300)]),
                started_at=f"2026-05-{1 + number % 9:02}T00:00:00.000Z",
            )
        )
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".promptctl" / "log.db"


@pytest.fixture
def log(path: Path, tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path, spare_folder=tmp_path / "spare") as opened:
        yield opened
