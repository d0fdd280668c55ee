"""A log in a folder of the test's own, and executions to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptctl.log.ids import new_id, utc_now
from promptctl.log.records import Execution
from promptctl.log.sqlite.store import SqliteStore

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".promptctl" / "log.db"


@pytest.fixture
def log(path: Path, tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path, spare_folder=tmp_path / "spare") as opened:
        yield opened
