"""Two versions on what their calls really cost: the verdict, and what is said beside it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from promptctl import Workspace, open_workspace
from promptctl.costs.compared import _more_calls
from promptctl.errors import PromptNotFound, UsageError
from promptctl.log.records import Entry
from promptctl.statistics.intervals import Interval
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
    assert found.sentence == "v2 costs 11.7% less per call than v1 (95 %: 10.3% to 13.0%)"
    assert found.interval is not None
    assert found.interval.low < found.change < found.interval.high < 0  # type: ignore[operator]


def test_no_difference_is_undecided_with_the_calls_it_would_take(desk: Workspace) -> None:
    for version in (1, 2):
        fill(desk, version, 20, 1_000_000, spread=0)
    equal = desk.costs.compare("triage@v1", "@v2")
    assert (equal.change, equal.calls_needed) == (0, None)
    assert equal.sentence.startswith("undecided: v2 and v1 cost the same per call so far (95 %: ")
    for version in (1, 2):
        fill(desk, version, 40, 1_000_000, spread=0.5)
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

    assert (found.base.calls, found.base.unpriced_calls, found.base.mean_cost_nano_usd) == (3, 1, 45)
    assert row.average_cost_nano_usd == 45
    assert found.notes == ("1 call of unknown cost, and not in the costs",)


def test_a_refusal_does_not_say_that_a_call_was_free(desk: Workspace) -> None:
    usual: dict[str, Any] = {"prompt": "triage", "digest": desk.prompt("triage@v1").version.digest, "source": "run"}
    made = []
    for last in ("error", "blocked", "ok"):
        failed = make(**usual, status="error", cost_nano_usd=None, output_tokens=None)
        tokens = 5 if last == "ok" else None
        again = make(**usual, call_id=failed.call_id, attempt=2, status=last, cost_nano_usd=0, output_tokens=tokens)
        made += [failed, again]
    desk.context.log.append(Entry(each) for each in made)
    side = desk.costs.compare("triage@v1", "@v2").base

    assert (side.calls, side.unpriced_calls, side.costs) == (3, 2, (0,))


def test_what_else_differs_is_said(desk: Workspace) -> None:
    fill(desk, 1, 20, 1_000_000, started_at="2026-05-01T00:00:00.000Z")
    fill(desk, 2, 20, 100_000, model="openai/gpt-4o-nano", started_at="2026-06-01T00:00:00.000Z")
    notes = desk.costs.compare("triage@v1", "@v2").notes

    assert "v1: openai/gpt-4o-mini 100%; v2: openai/gpt-4o-nano 100%" in notes[0]
    assert notes[1].startswith("every call of v1 is older than those of v2")


def test_a_model_that_one_side_alone_asked_is_named_however_seldom(desk: Workspace) -> None:
    fill(desk, 1, 40, 1_000_000)
    fill(desk, 2, 39, 1_000_000)
    fill(desk, 2, 1, 100_000_000, model="openai/gpt-4o")
    note, *_ = desk.costs.compare("triage@v1", "@v2").notes
    assert note.endswith("(v1: openai/gpt-4o-mini 100%; v2: openai/gpt-4o-mini 98%, openai/gpt-4o 2%)")


def test_refs_that_are_not_two_versions_of_a_prompt_are_refused(desk: Workspace) -> None:
    with pytest.raises(UsageError, match="the same version, v2"):
        desk.costs.compare("triage@v2", "triage")
    with pytest.raises(PromptNotFound) as caught:
        desk.costs.compare("triage@v1", "v2")
    assert caught.value.hint == "did you mean `triage@v2`?"
    with pytest.raises(PromptNotFound, match="nothing"):
        desk.costs.compare("triage@v1", "nothing")


def test_nothing_is_said_of_the_models_of_a_side_without_calls(desk: Workspace) -> None:
    fill(desk, 2, 20, 100_000)
    found = desk.costs.compare("triage@v1", "@v2")
    assert (found.notes, found.as_dict()["base"]["mean_cost_nano_usd"]) == ((), None)


@pytest.mark.parametrize(
    ("base", "head", "is_decided"),
    [
        ((475, 25, 20), (20, 0, 20), False),  # 20 of 520 calls miss all 25 dear ones in 36 of 100 draws
        ((46, 4, 50), (50, 0, 50), False),  # all four on one side: in 6 of 100
        ((985, 15, 100), (50, 0, 100), False),  # in 47 of 100
        ((475, 25, 20), (500, 0, 20), True),  # in one of 30 million
    ],
)
def test_a_side_that_has_not_met_its_tail_yet_is_not_called_cheaper(
    base: tuple[int, int, float], head: tuple[int, int, float], is_decided: bool
) -> None:
    """Each side has calls at the usual cost, and a few at many times it; Welch's t decides all of these."""
    before, after = (
        [0.9, 1.1] * (usual // 2) + [1.0] * (usual % 2) + [times] * dear for usual, dear, times in (base, head)
    )
    found = ratio_of_unpaired_means(before, after)
    assert found is not None
    assert (found.high < 1) == is_decided


def test_a_true_difference_is_found_however_small_its_interval() -> None:
    chance = random.Random(3)
    base, head = ([mean * chance.lognormvariate(0, 0.5) for _ in range(500)] for mean in (1.0, 0.8))
    found = ratio_of_unpaired_means(base, head)
    assert found is not None
    assert 0.7 < found.low < 0.8 < found.high < 0.9
    same = ratio_of_unpaired_means([100.0] * 60, [120.0] * 60)
    assert same is not None
    assert [same.low, same.high] == pytest.approx([1.2, 1.2], rel=1e-5)


def test_the_fewer_calls_a_side_has_the_more_it_takes_of_each() -> None:
    """Half the error of 20 and 500 calls takes 69 more of each: 1/89 + 1/569 is a quarter of 1/20 + 1/500."""
    ratio = Interval(1.1 / 1.21, 1.1 * 1.21, 0.95, "by hand")
    assert _more_calls(ratio, 1.1, 20, 500) == 69
    assert _more_calls(ratio, 1.1, 40, 40) == 120


def test_the_ratio_of_unpaired_means_is_welchs_or_wider() -> None:
    """By hand: means 10 and 12, standard errors 0.5 and 0.6, so an error of the logarithm of √(0.05² + 0.05²)."""
    base = [10 + (-1) ** n * 1.5 for n in range(10)]
    head = [12 + (-1) ** n * 1.8 for n in range(10)]
    found = ratio_of_unpaired_means(base, head)

    assert found is not None
    assert found.low == pytest.approx(1.2 / 1.16014, abs=0.005)  # e^(2.10092·0.0707107)
    assert found.high == pytest.approx(1.2 * 1.16014, abs=0.005)
    assert found.low <= 1.2 / 1.1601  # permutations can only widen it
    assert found.high >= 1.2 * 1.1601
    assert ratio_of_unpaired_means(base[:9], head) is None
