"""Two versions on what their calls really cost: the verdict, and what is said beside it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from promptctl import Workspace, open_workspace
from promptctl.errors import PromptNotFound, UsageError
from promptctl.log.records import Entry
from promptctl.statistics.ratios import ratio_of_unpaired_means
from tests.cli.conftest import TRIAGE, commit, git, write
from tests.log.conftest import make


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A prompt of two versions, without calls."""
    write(tmp_path, "promptctl.yaml", "model: openai/gpt-4o-mini\n")
    write(tmp_path, "prompts/triage.prompt.yaml", TRIAGE)
    git(tmp_path, "init", "--quiet", "-b", "main")
    commit(tmp_path, "Add triage")
    write(tmp_path, "prompts/triage.prompt.yaml", TRIAGE.replace("content: ", "content: Briefly! ", 1))
    commit(tmp_path, "Say less")
    monkeypatch.chdir(tmp_path)
    return open_workspace(tmp_path, {})


def fill(desk: Workspace, version: int, calls: int, mean: int, spread: float = 0.1, **fields: Any) -> None:
    chance = random.Random(version)
    digest = desk.prompt(f"triage@v{version}").version.digest
    costs = [round(mean * chance.lognormvariate(0, spread)) for _ in range(calls)]
    made = [make(prompt="triage", digest=digest, source="api", cost_nano_usd=cost, **fields) for cost in costs]
    desk.context.log.append(Entry(each) for each in made)


def test_the_sentence_names_the_change_and_its_interval(desk: Workspace) -> None:
    fill(desk, 1, 400, 1_000_000)
    fill(desk, 2, 300, 880_000)
    digest = desk.prompt("triage@v2").version.digest
    desk.context.log.append([Entry(make(prompt="triage", digest=digest, source="eval", cost_nano_usd=10**9))])
    found = desk.costs.compare("triage@v1", "@v2")

    assert (found.verdict, found.head.calls) == ("cheaper", 300)
    assert desk.costs.compare("triage@v2", "@v1").verdict == "dearer"
    assert found.sentence.startswith("v2 costs 1")
    assert "per call than v1 (95 %: " in found.sentence
    assert found.interval is not None
    assert found.interval.low < found.change < found.interval.high < 0  # type: ignore[operator]


def test_no_difference_is_undecided_with_the_calls_it_would_take(desk: Workspace) -> None:
    fill(desk, 1, 40, 1_000_000, spread=0.5)
    fill(desk, 2, 40, 1_000_000, spread=0.5)
    found = desk.costs.compare("triage@v1", "@v2")

    assert found.verdict == "undecided"
    assert found.calls_needed
    assert f"{found.calls_needed} more calls of each would decide it" in found.sentence


def test_few_calls_and_heavy_tails_are_undecided(desk: Workspace) -> None:
    fill(desk, 1, 30, 1_000_000, spread=3.0)
    fill(desk, 2, 9, 1_000_000)
    few = desk.costs.compare("triage@v1", "@v2")
    assert few.sentence == "undecided: v2 has 9 calls with a known cost; a comparison takes 10 of each"
    fill(desk, 2, 30, 1_000_000)
    assert "differ too much" in desk.costs.compare("triage@v1", "@v2").sentence


def test_a_call_is_counted_with_its_retries_and_repairs(desk: Workspace) -> None:
    digest = desk.prompt("triage@v1").version.digest
    usual: dict[str, Any] = {"prompt": "triage", "digest": digest, "source": "run", "latency_ms": 100.0}
    first = make(**usual, status="error", cost_nano_usd=None, output_tokens=None, input_tokens=None)
    rest = [
        make(**usual, call_id=first.call_id, attempt=2, status="invalid_output", cost_nano_usd=3),
        make(**usual, call_id=first.call_id, attempt=3, cost_nano_usd=4, cached_tokens=50),
    ]
    bad = make(**usual, status="invalid_output", cost_nano_usd=5)
    unpriced = make(**usual, cost_nano_usd=None)
    desk.context.log.append(Entry(each) for each in (first, *rest, bad, unpriced))
    side = desk.costs.compare("triage@v1", "@v2").base

    assert sorted(side.costs) == [5, 7]
    assert (side.calls, side.unpriced_calls, side.mean_cost_nano_usd) == (3, 1, 6.0)
    assert (side.retries, side.repairs, side.invalid_share) == (1 / 3, 1 / 3, 1 / 3)
    assert side.cache_hit_rate == 50 / 400
    assert side.p95_latency_ms == pytest.approx(280)


def test_averages_are_those_of_cost_whatever_failed_or_was_refused(desk: Workspace) -> None:
    digest = desk.prompt("triage@v1").version.digest
    usual: dict[str, Any] = {"prompt": "triage", "version": 1, "digest": digest, "source": "run"}
    nothing: dict[str, Any] = {**usual, "cost_nano_usd": None, "output_tokens": None}
    failed = make(**nothing, status="error")
    refused = [
        make(**nothing, status="blocked", model="a/other"),
        make(**nothing, status="blocked", call_id=failed.call_id, attempt=2),
    ]
    made = [failed, *refused, make(**usual, cost_nano_usd=30), make(**usual, cost_nano_usd=60)]
    desk.context.log.append(Entry(each) for each in made)
    found = desk.costs.compare("triage@v1", "@v2")
    [row] = desk.costs.table(by=("version",)).rows

    assert (found.base.calls, found.base.unpriced_calls, found.base.mean_cost_nano_usd) == (3, 0, 30)
    assert row.average_cost_nano_usd == 30
    assert found.notes == ()


def test_what_else_differs_is_said(desk: Workspace) -> None:
    fill(desk, 1, 20, 1_000_000, started_at="2026-05-01T00:00:00.000Z")
    fill(desk, 2, 20, 100_000, model="openai/gpt-4o-nano", started_at="2026-06-01T00:00:00.000Z")
    notes = desk.costs.compare("triage@v1", "@v2").notes

    assert "v1: openai/gpt-4o-mini 100%; v2: openai/gpt-4o-nano 100%" in notes[0]
    assert notes[1].startswith("every call of v1 is older than those of v2")


def test_refs_that_are_not_two_versions_of_a_prompt_are_refused(desk: Workspace) -> None:
    with pytest.raises(UsageError, match="the same version, v2"):
        desk.costs.compare("triage@v2", "triage")
    with pytest.raises(PromptNotFound) as caught:
        desk.costs.compare("triage@v1", "v2")
    assert caught.value.hint == "did you mean `triage@v2`?"


def test_nothing_is_said_of_the_models_of_a_side_without_calls(desk: Workspace) -> None:
    fill(desk, 2, 20, 100_000)
    assert desk.costs.compare("triage@v1", "@v2").notes == ()


def test_the_ratio_of_unpaired_means_is_welchs() -> None:
    """By hand: means 10 and 12, standard errors 0.5 and 0.6, so an error of the logarithm of √(0.05² + 0.05²)."""
    base = [10 + (-1) ** n * 1.5 for n in range(10)]
    head = [12 + (-1) ** n * 1.8 for n in range(10)]
    found = ratio_of_unpaired_means(base, head)

    assert found is not None
    assert found.low * found.high == pytest.approx(1.2**2)
    assert found.high / 1.2 == pytest.approx(1.16014, abs=1e-4)  # e^(2.10092·0.0707107)
    assert ratio_of_unpaired_means(base[:9], head) is None
