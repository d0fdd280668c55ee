"""Each log rule and override with each way that a call can end: what is kept, and what is nowhere on disk."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from promptctl import Execution, Filter, Workspace, open_workspace
from promptctl.calls import retries
from promptctl.errors import PromptctlError
from promptctl.evaluations.request import EvaluationRequest
from promptctl.log.call_totals import CallTotals
from tests.openai_server import Exchange, OpenAIServer, chunks, failure, hang, reply, tool_call

Kept = Literal["full", "metadata", "off"]
RULES = {
    ("full", True): "full",
    ("metadata", True): "metadata",
    ("full", False): "off",
    ("metadata", False): "off",
}
OVERRIDES: tuple[Kept | None, ...] = (None, "full", "metadata", "off")
SETTINGS = """\
model: near/a
models:
  "near/*": {{api_base: "{url}", max_attempts: 2}}
prices:
  "near/*": {{input: 1, output: 2}}
log:
"""
REPLY_COST = 12 * 1_000 + 3 * 2_000  # 12 and 3 tokens
# What each attempt of a call ends as, in turn; of a stream, if it differs.
ATTEMPTS: Mapping[str, tuple[str, ...]] = {
    "ok": ("ok",),
    "tool": ("ok",),
    "error": ("error",),
    "timeout": ("error", "error"),
    "retried": ("error", "ok"),
    "invalid": ("invalid_output", "invalid_output"),
    "cancelled": ("cancelled",),
}
STREAMED: Mapping[str, tuple[str, ...]] = {**ATTEMPTS, "invalid": ("invalid_output",)}
PRICED = {"ok": 1, "tool": 1, "error": 0, "timeout": 0, "retried": 1, "invalid": 2, "cancelled": 0}
WANTED = {"schema": {"type": "object"}, "retries": 1}
_MARK = re.compile(rb"CNRY(\d+)X([A-Z])")


@dataclass(frozen=True)
class Cell:
    """One call of the matrix; `number` names it in its canaries."""

    number: int
    content: str
    is_active: bool
    override: Kept | None
    outcome: str
    way: str

    @property
    def prompt(self) -> str:
        return f"{self.content}-{self.is_active}/cell{self.number}".lower()

    @property
    def kept(self) -> str:
        return self.override or RULES[self.content, self.is_active]

    @property
    def statuses(self) -> tuple[str, ...]:
        return (STREAMED if self.way == "stream" else ATTEMPTS)[self.outcome]

    @property
    def priced(self) -> int:
        is_short = self.way == "stream" and self.outcome == "invalid"
        return 1 if is_short else PRICED[self.outcome]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"CNRY{self.number}XM {self.outcome}"}]

    @property
    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"prompt_type": self.prompt, "log": self.override}
        if self.outcome == "timeout":
            options["timeout"] = 0.05
        if self.outcome == "invalid":
            options["output"] = WANTED
        return options


def cells() -> Iterator[Cell]:
    """The sync form shares its way with the awaited one: it is tried where it returns and where it raises."""
    numbers = itertools.count()
    for (content, is_active), override, outcome in itertools.product(RULES, OVERRIDES, ATTEMPTS):
        for way in ("async", "stream", *(("sync",) if outcome in ("ok", "error") else ())):
            yield Cell(next(numbers), content, is_active, override, outcome, way)


class Model:
    """Answers by what the message asks for, with canaries of its cell in all that it says."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.arrived: dict[str, Callable[[], object]] = {}

    async def __call__(self, exchange: Exchange) -> None:
        mark, outcome = exchange.request.body["messages"][0]["content"].split()
        mark = mark.removesuffix("M")
        self.asked[mark] += 1
        if outcome == "error" or (outcome == "retried" and self.asked[mark] == 1):
            await failure(400 if outcome == "error" else 500, f"no: {mark}E")(exchange)
        elif outcome == "timeout":
            await hang()(exchange)
        elif outcome == "cancelled":
            if exchange.request.body.get("stream"):
                await exchange.start_stream()
                await exchange.event({"choices": [{"index": 0, "delta": {"content": f"{mark}R"}}]})
            elif tell := self.arrived.get(mark):
                tell()
            await hang()(exchange)
        elif outcome == "tool":
            await tool_call("look", {"at": f"{mark}C"})(exchange)
        else:
            thought = {"reasoning_content": f"{mark}T"}
            if exchange.request.body.get("stream"):
                parts = [thought, {"content": f"{mark}R"}]
                await chunks(*parts)(exchange)
            else:
                await reply(f"{mark}R", reasoning=thought)(exchange)


async def make(workspace: Workspace, cell: Cell, model: Model) -> None:
    with contextlib.suppress(PromptctlError, asyncio.CancelledError):
        if cell.way == "stream":
            async with aclosing(workspace.astream_call(cell.messages, **cell.options)) as items:
                async for item in items:
                    if cell.outcome == "cancelled" and isinstance(item, str):
                        break
        elif cell.outcome == "cancelled":
            loop, arrived = asyncio.get_running_loop(), asyncio.Event()
            model.arrived[f"CNRY{cell.number}X"] = lambda: loop.call_soon_threadsafe(arrived.set)
            task = asyncio.ensure_future(workspace.acall(cell.messages, **cell.options))
            await arrived.wait()
            task.cancel()
            await task
        else:
            await workspace.acall(cell.messages, **cell.options)


def check(cell: Cell, totals: CallTotals, latest: Execution | None, rows: list[Execution]) -> None:
    statuses = Counter(cell.statuses)
    counted = (totals.calls, totals.ok, totals.errors, totals.invalid_outputs, totals.cancelled)
    wanted = (1, *(statuses[status] for status in ("ok", "error", "invalid_output", "cancelled")))
    assert (counted, totals.attempts) == (wanted, len(cell.statuses)), cell
    if not (cell.way == "stream" and cell.outcome in ("ok", "tool", "retried", "invalid", "cancelled")):
        cost = cell.priced * REPLY_COST  # a stream of the test's own chunks tells no usage
        assert (totals.known_cost_nano_usd, totals.average_cost_nano_usd or 0) == (cost, cost), cell
    assert latest is not None
    assert latest.status == cell.statuses[-1], cell
    assert [dict(message) for message in latest.messages or ()][:1] == cell.messages, cell
    if cell.kept == "off":
        assert rows == [], cell
        return
    assert [row.status for row in reversed(rows)] == list(cell.statuses), cell
    assert rows[0].id == latest.id, cell
    assert {row.kept_content for row in rows} == {cell.kept}, cell
    assert all((row.messages is None) == (cell.kept == "metadata") for row in rows), cell


def test_each_cell_counts_and_keeps_what_its_rule_says(
    running: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def at_once(*words: Any, decide: Callable[..., Any] = retries.decide, **more: Any) -> tuple[float | None, str]:
        delay_s, reason = decide(*words, **more)
        return None if delay_s is None else 0.0, reason

    monkeypatch.setattr(retries, "decide", at_once)
    rules = [
        f'{{prompts: "{content}-{is_active}/*", content: {content}, active: {is_active}}}'
        for content, is_active in RULES
    ]
    (tmp_path / "promptctl.yaml").write_text(
        SETTINGS.format(url=running.url) + "".join(f"  - {rule.lower()}\n" for rule in rules)
    )
    running.reset()
    running.default = model = Model()
    table = list(cells())

    async def rest(workspace: Workspace) -> None:
        await asyncio.gather(*(make(workspace, cell, model) for cell in table if cell.way != "sync"))
        await workspace.aclose()

    async def later(workspace: Workspace) -> None:
        hidden = [cell.prompt for cell in table if cell.kept != "full"]
        said: list[dict[str, Any]] = [{"role": "user", "content": "later"}]
        calls = (workspace.acall(said, prompt_type=prompt, model="echo/echo", log="off") for prompt in hidden)
        await asyncio.gather(*calls)

    with open_workspace(tmp_path, {}) as workspace:
        for cell in (each for each in table if each.way == "sync"):
            with contextlib.suppress(PromptctlError):
                assert isinstance(workspace.call(cell.messages, **cell.options), Execution)
    with open_workspace(tmp_path, {}) as workspace:
        asyncio.run(rest(workspace))
        totals = {row.group["prompt"]: row for row in workspace.log.totals(by=("prompt",))}
        rows: dict[str, list[Execution]] = {cell.prompt: [] for cell in table}
        for row in workspace.log.executions(with_content=True):
            rows[row.prompt].append(row)
        for cell in table:
            check(cell, totals[cell.prompt], workspace.context.log.latest_call(cell.prompt), rows[cell.prompt])
        asyncio.run(later(workspace))
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.endswith("-wal") or path.parent.name == "unsaved"]
    found = {int(mark[1]) for path in files for mark in _MARK.finditer(path.read_bytes())}
    assert found == {cell.number for cell in table if cell.kept == "full"}


def test_a_cached_reply_counts_as_reused_and_is_no_latest_call(running: OpenAIServer, tmp_path: Path) -> None:
    lines = [SETTINGS.format(url=running.url)]
    for number, (content, is_active) in enumerate(RULES):
        lines.append(f"  - {{prompts: p{number}, content: {content}, active: {str(is_active).lower()}}}\n")
        for folder in ("prompts", "datasets"):
            (tmp_path / folder).mkdir(exist_ok=True)
        prompt = {"messages": [{"role": "user", "content": f"CNRY{number}XM ok"}]}
        (tmp_path / f"prompts/p{number}.prompt.yaml").write_text(json.dumps(prompt))
    cases = [{"id": "one", "inputs": {}, "assert": [{"type": "contains", "value": "CNRY"}]}]
    (tmp_path / "datasets/all.yaml").write_text(json.dumps({"prompts": ["p0", "p1", "p2", "p3"], "cases": cases}))
    (tmp_path / "promptctl.yaml").write_text("".join(lines))
    running.reset()
    running.default = Model()
    with open_workspace(tmp_path, {}) as workspace:
        for _ in range(2):
            workspace.evaluate(EvaluationRequest(refs=("p0", "p1", "p2", "p3")))
        assert len(running.requests) == 4
        totals = {row.group["prompt"]: row for row in workspace.log.totals(Filter(source="eval"), by=("prompt",))}
        for number, kept in enumerate(RULES.values()):
            row = totals[f"p{number}"]
            assert (row.calls, row.reused, row.known_cost_nano_usd) == (2, 1, REPLY_COST), kept
            assert workspace.log.latest_call(f"p{number}") is None
            rows = list(workspace.log.executions(Filter(prompt=f"p{number}", source="eval"), with_content=True))
            assert [row.reply_source for row in rows] == ([] if kept == "off" else ["cache", "model"])
            assert all((row.messages is not None) == (kept == "full") for row in rows)
