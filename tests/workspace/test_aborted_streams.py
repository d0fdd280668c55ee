"""Streams that end before the provider counted their tokens: priced by what was sent and received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptctl import Execution, Filter, Workspace, open_workspace
from promptctl.errors import ModelError
from promptctl.formats.settings_file import Settings
from promptctl.models.aborted import with_estimate
from promptctl.models.gateway import Reply, Request
from promptctl.models.model_settings import Models
from tests.openai_server import OpenAIServer, cut_stream, reply, usage

RULES = """\
models:
  "near/*": {{api_base: "{url}", max_attempts: 1}}
  "free/*": {{api_base: "{url}", max_attempts: 1}}
prices:
  "near/*": {{input: 1, output: 2}}
"""
# 40 bytes and a message: 10 tokens and 4; 8 bytes received: 2 tokens.
ASKED = [{"role": "user", "content": "123456789012345678901234567890123456"}]
EXPECTED = ((40 // 4 + 4) * 1 + 2 * 2) * 1000


@pytest.fixture
def workspace(running: OpenAIServer, tmp_path: Path) -> Iterator[Workspace]:
    running.reset()
    (tmp_path / "promptctl.yaml").write_text(RULES.format(url=running.url))
    with open_workspace(tmp_path, {}) as opened:
        yield opened


def left_early(workspace: Workspace, messages: Any = ASKED, model: str = "near/a") -> Execution:
    """Read one piece of a stream and leave it; return its row."""
    stream = workspace.stream_call(messages, model=model)
    while not isinstance(next(stream), str):
        pass
    stream.close()  # type: ignore[attr-defined]
    return next(workspace.log.executions(Filter(limit=1)))


@pytest.mark.parametrize("is_cut", [True, False])
def test_what_was_received_is_priced(workspace: Workspace, running: OpenAIServer, is_cut: bool) -> None:
    if is_cut:
        running.script(cut_stream("1234", "5678"))
        with pytest.raises(ModelError):
            list(workspace.stream_call(ASKED, model="near/a"))
        row = next(workspace.log.executions())
    else:
        running.script(reply("1", pieces=["12345678", "more"], pause_s=0.5))
        row = left_early(workspace)
    assert row.status == ("error" if is_cut else "cancelled")
    assert (row.input_tokens, row.output_tokens, row.cost_nano_usd) == (14, 2, EXPECTED)
    assert row.price_source == "promptctl.yaml:5, tokens estimated"
    assert row.usage_details == {"estimated": True}
    [total] = workspace.log.totals(by=())
    assert (total.cost_nano_usd, total.unpriced) == (EXPECTED, 0)


def test_without_a_price_it_is_counted_as_unpriced(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(reply("1", pieces=["12345678", "more"], pause_s=0.5))
    row = left_early(workspace, model="free/a")
    assert (row.output_tokens, row.cost_nano_usd, row.price_source) == (2, None, None)
    [total] = workspace.log.totals(by=())
    assert (total.cost_nano_usd, total.unpriced) == (None, 1)


def test_what_the_provider_counted_so_far_wins(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(reply("whole", tokens=usage(100, 10)))
    *_, last = workspace.stream_call(ASKED, model="near/a")
    assert isinstance(last, Execution)
    assert (last.cost_nano_usd, last.usage_details) == (120_000, {})


def test_nobody_can_tell_what_an_image_takes(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(reply("1", pieces=["12345678", "more"], pause_s=0.5))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    row = left_early(workspace, [{"role": "user", "content": [image]}])
    assert (row.status, row.output_tokens, row.cost_nano_usd) == ("cancelled", None, None)


def test_the_echo_lane_costs_nothing_and_estimates_nothing(workspace: Workspace) -> None:
    row = left_early(workspace, model="echo/echo")
    assert (row.status, row.output_tokens, row.cost_nano_usd) == ("cancelled", None, None)


def test_the_fee_of_a_search_is_in_the_estimate() -> None:
    models = Models(Settings(), {}, needs_keys=False)
    received = Reply("12345678", "gpt-4o-mini", "openai")
    plain = Request("openai/gpt-4o-mini", ASKED)
    costs = [
        with_estimate(models, each, received, "2026-11-01T00:00:00Z").cost_nano_usd or 0
        for each in (plain, replace(plain, parameters={"web_search_options": {}}))
    ]
    assert costs[1] - costs[0] == 25_000_000


def test_an_estimate_is_repriced_as_one(workspace: Workspace, running: OpenAIServer, tmp_path: Path) -> None:
    running.script(reply("1", pieces=["12345678", "more"], pause_s=0.5))
    left_early(workspace, model="free/a")
    with (tmp_path / "promptctl.yaml").open("a") as file:
        file.write('  "free/*": {input: 1, output: 2}\n')
    with open_workspace(tmp_path, {}) as later:
        assert later.log.reprice().total.after_nano_usd == EXPECTED
        assert next(later.log.executions()).price_source == "promptctl.yaml:6, tokens estimated"
