"""A log that promptctl wrote before its rooms were rebuilt: it opens, says what it said, and what it began can go on.

`tests/fixtures/old_log` has the workspace as a Git bundle, its log and cache, a record that waited beside the log, and
what the program of then printed as JSON. Keys and prose may have been renamed since; values may not have changed.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, cli, git
from tests.openai_server import Exchange, OpenAIServer, reply, usage

__all__ = ["cli"]

OLD_LOG = Path(__file__).parent.parent / "fixtures" / "old_log"
EXPECTED = json.loads((OLD_LOG / "expected.json").read_text("utf-8"))
OLD_URL = "http://127.0.0.1:18431/v1"

# What is not kept but computed at each reading, since then by better methods.
COMPUTED = frozenset({"interval", "low", "high", "p", "cases_needed", "detectable", "change", "reruns"})
JUDGED = frozenset({"verdict", "exit_code", "passed", "confirmed_regressions", "confirmed_improvements"})
PROSE = frozenset({"reason", "decision", "note", "hint", "tool_version"})
ANEW_EACH_TIME = frozenset(
    {
        "id", "call_id", "execution_id", "evaluation", "started_at", "finished_at", "last_call_at", "latency_ms",
        "average_latency_ms", "p50_latency_ms", "p95_latency_ms", "usage", "actor", "date",
    }
)  # fmt: skip


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A server that answers as the one of then did."""

    async def echo(exchange: Exchange) -> None:
        messages = exchange.request.body["messages"]
        text = f"ECHO: {messages[-1]['content']}"
        length = sum(len(message["content"]) for message in messages)
        await reply(text, tokens=usage(length // 4, len(text) // 4))(exchange)

    with OpenAIServer() as server:
        server.default = echo
        yield server


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OpenAIServer) -> Path:
    """The workspace as it was left then, as the current folder."""
    folder = tmp_path / "desk"
    git(tmp_path, "clone", "--quiet", str(OLD_LOG / "repo.bundle"), str(folder))
    git(folder, "remote", "remove", "origin")
    settings = folder / "promptctl.yaml"
    settings.write_text(settings.read_text().replace(OLD_URL, server.url))
    state = folder / ".promptctl"
    state.mkdir()
    (state / "log.db").write_bytes(gzip.decompress((OLD_LOG / "log.db.gz").read_bytes()))
    shutil.copy(OLD_LOG / "cache.db", state)
    monkeypatch.chdir(folder)
    return folder


# A cost is whole nano-dollars now, an average too.
WHOLE = frozenset({"average_cost_nano_usd"})


def values(document: Any, ignored: frozenset[str]) -> Counter[Any]:
    """Every number and text in a JSON document, wherever it stands."""
    if isinstance(document, dict):
        shown = {key: round(item) if key in WHOLE and item is not None else item for key, item in document.items()}
        return sum((values(item, ignored) for key, item in shown.items() if key not in ignored), Counter())
    if isinstance(document, list):
        return sum((values(item, ignored) for item in document), Counter())
    if isinstance(document, float):
        document = round(document, 9)  # sums of floats were not exact then
    return Counter() if document is None or isinstance(document, bool) else Counter([document])


def assert_says_the_same(now: Any, then: Any, ignored: frozenset[str] = PROSE) -> None:
    """Everything that was said then is said now, row by row."""
    ignored |= COMPUTED
    if isinstance(then, list):
        assert len(now) == len(then)
        for row, old_row in zip(now, then, strict=True):
            assert_says_the_same(row, old_row, ignored)
    else:
        assert values(then, ignored) - values(now, ignored) == Counter()


def named(argv: list[str]) -> str:
    return " ".join(part[-8:] if part.startswith("01a223") else part for part in argv)


@pytest.mark.parametrize("room", ["log", "results", "compare", "show", "history"])
def test_what_is_read_from_it_is_what_was_read_then(desk: Path, cli: Cli, room: str) -> None:
    for then in EXPECTED["reads"]:
        if then["argv"][0] == room:
            now = cli(*then["argv"])
            # A comparison is judged anew, and a flip of the echo model, whose replies cannot differ, decides now.
            codes = {then["exit"], 1} if room == "compare" else {then["exit"]}
            assert now.exit_code in codes, named(then["argv"])
            assert_says_the_same(now.json, then["json"], PROSE | JUDGED if room == "compare" else PROSE)


@pytest.mark.parametrize("change", EXPECTED["changes"], ids=lambda change: change["name"])
def test_what_is_done_with_it_has_the_outcome_that_it_had_then(
    desk: Path, cli: Cli, server: OpenAIServer, change: Any
) -> None:
    if change["name"] == "unsaved":
        shutil.copytree(OLD_LOG / "unsaved", desk / ".promptctl" / "unsaved")
    for then in change["steps"]:
        before = len(server.requests)
        now = cli(*then["argv"])
        assert now.exit_code == then["exit"], now.err
        assert len(server.requests) - before == then.get("requests", 0)
        if "json" in then:
            assert_says_the_same(now.json, then["json"], PROSE | ANEW_EACH_TIME)
