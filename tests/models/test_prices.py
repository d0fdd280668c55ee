from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from promptctl.formats.settings_file import ModelRule, Settings, read_settings
from promptctl.models.chat_protocol import cost_of
from promptctl.models.gateway import Usage
from promptctl.models.model_map import ModelMap
from promptctl.models.model_settings import Models
from promptctl.models.prices import Prices

LISTED = "litellm 1.2.3 (2026-05-28)"
MILLION = 1_000_000
NANO_PER_USD = 10**9

ENTRIES: dict[str, dict[str, Any]] = {
    "plain": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "litellm_provider": "openai"},
    "cached": {
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "litellm_provider": "anthropic",
    },
    "thinking": {
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 2e-06,
        "output_cost_per_reasoning_token": 5e-06,
        "litellm_provider": "openai",
    },
    "gemini/long": {
        "input_cost_per_token": 1e-06,
        "input_cost_per_token_above_200k_tokens": 2e-06,
        "input_cost_per_token_priority": 3e-06,
        "output_cost_per_token": 1e-05,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
        "output_cost_per_token_priority": 3e-05,
        "cache_read_input_token_cost": 1e-07,
        "cache_read_input_token_cost_above_200k_tokens": 2e-07,
        "litellm_provider": "gemini",
    },
    "gemini/free": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "litellm_provider": "gemini"},
    "embedder": {"input_cost_per_token": 2e-08, "mode": "embedding", "litellm_provider": "openai"},
    "per-image": {"output_cost_per_image": 0.04, "litellm_provider": "openai"},
}


@pytest.fixture
def models(tmp_path: Path) -> ModelMap:
    package = tmp_path / "site-packages" / "litellm"
    package.mkdir(parents=True)
    (package.parent / "litellm-1.2.3.dist-info").mkdir()
    prices = package / "model_prices_and_context_window_backup.json"
    prices.write_text(json.dumps(ENTRIES, indent=4))
    os.utime(prices, (1_780_000_000, 1_780_000_000))
    return ModelMap(package)


@pytest.fixture
def prices(models: ModelMap) -> Prices:
    return Prices({}, models)


def test_input_and_output_have_their_prices(prices: Prices) -> None:
    assert prices.cost_nano_usd("openai/plain", Usage(1000, 100)) == (1000 * 150 + 100 * 600, LISTED)


def test_a_cost_is_exact_to_the_nano(prices: Prices) -> None:
    cost, _ = prices.cost_nano_usd("openai/plain", Usage(123_456_789, 987_654_321))
    assert cost == 123_456_789 * 150 + 987_654_321 * 600


def test_cached_and_written_tokens_are_counted_once(prices: Prices) -> None:
    usage = Usage(1000, 10, cached_tokens=600, cache_write_tokens=300)
    assert prices.cost_nano_usd("anthropic/cached", usage)[0] == 100 * 3000 + 600 * 300 + 300 * 3750 + 10 * 15000


def test_cached_tokens_without_a_price_cost_what_input_costs(prices: Prices) -> None:
    assert prices.cost_nano_usd("openai/plain", Usage(1000, 0, cached_tokens=400))[0] == 1000 * 150


def test_more_cached_tokens_than_input_never_make_a_cost_negative(prices: Prices) -> None:
    usage = Usage(100, 0, cached_tokens=5000, cache_write_tokens=5000)
    assert prices.cost_nano_usd("anthropic/cached", usage)[0] == 100 * 300


def test_reasoning_has_its_own_price_where_there_is_one(prices: Prices) -> None:
    usage = Usage(0, 100, reasoning_tokens=80)
    assert prices.cost_nano_usd("openai/thinking", usage)[0] == 20 * 2000 + 80 * 5000
    assert prices.cost_nano_usd("openai/plain", usage)[0] == 100 * 600


def test_long_inputs_have_a_higher_price_for_all_their_tokens(prices: Prices) -> None:
    assert prices.cost_nano_usd("gemini/long", Usage(200_000, 10))[0] == 200_000 * 1000 + 10 * 10_000
    usage = Usage(200_001, 10, cached_tokens=1)
    assert prices.cost_nano_usd("gemini/long", usage)[0] == 200_000 * 2000 + 200 + 10 * 15_000


def test_a_service_tier_has_its_own_price(prices: Prices) -> None:
    assert prices.cost_nano_usd("gemini/long", Usage(10, 1), service_tier="priority")[0] == 10 * 3000 + 30_000
    assert prices.cost_nano_usd("gemini/long", Usage(10, 1), service_tier="auto")[0] == 10 * 1000 + 10_000


def test_free_is_zero_and_known(prices: Prices) -> None:
    assert prices.cost_nano_usd("gemini/free", Usage(10, 10)) == (0, LISTED)
    assert prices.cost_nano_usd("gemini/free", Usage()) == (0, LISTED)  # whatever their number is


def test_embeddings_put_nothing_out(prices: Prices) -> None:
    assert prices.cost_nano_usd("openai/embedder", Usage(MILLION, 0))[0] == 20_000_000


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("openai/unheard-of", Usage(1, 1)),
        ("openai/per-image", Usage(1, 1)),
        ("mistral/plain", Usage(1, 1)),
        ("openai/plain", Usage(None, 1)),
        ("openai/plain", Usage(1, None)),
        ("openai/litellm_provider", Usage(1, 1)),
    ],
)
def test_what_is_unknown_has_no_cost(prices: Prices, model: str, usage: Usage) -> None:
    assert prices.cost_nano_usd(model, usage) == (None, None)


@pytest.mark.parametrize("asked", [{"service_tier": "priority"}, {"web_search_options": {}}])
def test_what_the_extra_body_asks_for_is_priced(asked: dict[str, Any]) -> None:
    prices, usage = Prices(), Usage(MILLION, MILLION)
    plain, plainly, within = (
        cost_of(prices, "openai/gpt-5", usage, given, 0.0)[0] for given in ({}, asked, {"extra_body": asked})
    )
    assert plain != plainly == within


def test_a_search_that_is_null_costs_nothing() -> None:
    off = {"web_search_options": None}
    costs = {
        cost_of(Prices(), "openai/gpt-5", Usage(MILLION, MILLION), given, 0.0)[0]
        for given in ({}, off, {"extra_body": off}, {"web_search_options": {}, "extra_body": off})
    }
    assert len(costs) == 1


def test_a_tier_has_the_name_that_its_provider_gives_it() -> None:
    prices, model = Prices(), "sail/moonshotai/Kimi-K3"
    entry = ModelMap().entry(model)
    assert entry is not None
    for tier, suffix in (("balanced", "_balanced"), ("standard", ""), (None, "")):
        hand = MILLION * (entry[f"input_cost_per_token{suffix}"] + entry[f"output_cost_per_token{suffix}"])
        cost, _ = prices.cost_nano_usd(model, Usage(MILLION, MILLION), service_tier=tier)
        assert cost == pytest.approx(hand * 1e9)


@pytest.mark.parametrize(
    "model", ["azure/model-router", "azure_ai/model_router", "gemini/lyria-3-pro-preview", "azure/mine"]
)
def test_a_model_of_whose_price_the_list_has_a_part_is_of_unknown_price(model: str) -> None:
    prices = Prices(priced_as=lambda model: "azure/model-router" if model == "azure/mine" else None)
    assert prices.cost_nano_usd(model, Usage(MILLION, MILLION)) == (None, None)
    own = Prices({"*": {"input": 1, "output": 2}})
    assert own.cost_nano_usd(model, Usage(MILLION, 0))[0] == 1_000_000_000


def test_the_rules_of_a_model_are_merged_once_for_all_its_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    merged = Settings.model_rule

    def noted(settings: Settings, model: str) -> ModelRule:
        asked.append(model)
        return merged(settings, model)

    monkeypatch.setattr(Settings, "model_rule", noted)
    rules = b"models: {azure/*: {priced_as: x/dear}}\nprices: {x/dear: {input: 1, output: 5}}"
    prices = Models(read_settings(rules), {}).prices
    costs = {prices.cost_nano_usd(f"azure/{name}", Usage(MILLION, 0))[0] for name in "abababab"}
    assert costs == {NANO_PER_USD}
    assert sorted(asked) == ["azure/a", "azure/b"]


def test_the_workspaces_prices_win(models: ModelMap) -> None:
    prices = Prices({"openai/*": {"input": 1, "output": 2.5}}, models)
    assert prices.cost_nano_usd("openai/plain", Usage(MILLION, MILLION)) == (3_500_000_000, "promptctl.yaml")


def test_the_last_matching_price_wins_whole(models: ModelMap) -> None:
    given: dict[str, dict[str, float]] = {
        "local/*": {"input": 1, "output": 1, "cached_input": 0.1},
        "local/b*": {"input": 2, "output": 2},
    }
    prices = Prices(given, models)
    usage = Usage(MILLION, 0, cached_tokens=MILLION)
    assert prices.cost_nano_usd("local/a", usage)[0] == NANO_PER_USD // 10
    assert prices.cost_nano_usd("local/big", usage)[0] == 2 * NANO_PER_USD


def test_every_kind_of_token_can_be_given_a_price() -> None:
    given = {"m/x": {"input": 1, "output": 10, "cached_input": 0.25, "cache_write": 1.25, "reasoning": 20}}
    usage = Usage(3 * MILLION, 2 * MILLION, MILLION, MILLION, MILLION)
    assert Prices(given).cost_nano_usd("m/x", usage) == (int(32.5 * NANO_PER_USD), "promptctl.yaml")


def test_a_map_that_is_not_there_leaves_costs_unknown(tmp_path: Path) -> None:
    assert Prices({}, ModelMap(tmp_path)).cost_nano_usd("openai/plain", Usage(1, 1)) == (None, None)


def test_a_map_on_one_line_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "model_prices_and_context_window_backup.json").write_text(json.dumps(ENTRIES, separators=(",", ":")))
    assert Prices({}, ModelMap(tmp_path)).cost_nano_usd("openai/plain", Usage(1, 0))[0] == 150


ORACLE_MODELS = [
    "openai/gpt-4o-mini",
    "openai/gpt-4o",
    "openai/o3",
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-haiku-5-5",
    "gemini/gemini-2.5-pro",
    "mistral/mistral-large-latest",
    "deepseek/deepseek-chat",
]


@pytest.mark.parametrize("model", ORACLE_MODELS)
@pytest.mark.parametrize("usage", [Usage(1234, 567), Usage(250_000, 1000, cached_tokens=1000), Usage(5000, 10, 5000)])
def test_costs_agree_with_litellms_own(model: str, usage: Usage) -> None:
    """The installed map, read in two ways: by us and by LiteLLM, whose floats may differ in the last nano."""
    from promptctl.models.litellm_library import load_litellm

    litellm = load_litellm()
    cost, source = Prices().cost_nano_usd(model, usage)
    counted = litellm.Usage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=(usage.input_tokens or 0) + (usage.output_tokens or 0),
        prompt_tokens_details={"cached_tokens": usage.cached_tokens} if usage.cached_tokens else None,
    )
    provider, _, name = model.partition("/")
    asked, put_out = litellm.cost_per_token(model=name, custom_llm_provider=provider, usage_object=counted)
    assert cost == pytest.approx((asked + put_out) * NANO_PER_USD, abs=1)
    assert source is not None
    assert source.startswith("litellm 1.")


def test_prices_are_read_without_importing_litellm(tmp_path: Path) -> None:
    code = (
        "import sys; from promptctl.models.prices import Prices; from promptctl.models.gateway import Usage; "
        "print(Prices().cost_nano_usd('openai/gpt-4o-mini', Usage(1000, 0))[0], 'litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == ["150000", "False"]


FLEX = {"flex": {"output": 3, "above": {"100": {"input": 9}}}}
LONG = {"1000": {"input": 5}, "100": {"input": 3, "output": 6}}
DATED = {
    "x/*": [
        {"from": "2026-06-01", "input": 2, "output": 4, "service_tier": FLEX},
        {"input": 1, "output": 2, "cached_input": 0.5, "above": LONG},
    ],
    "x/late": {"from": "2026-07-01", "input": 100, "output": 100},
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("began", "model", "usage", "tier", "micro_usd"),
    [
        ("2026-05-31T23:59:59+00:00", "x/m", Usage(10, 10), None, 10 * 1 + 10 * 2),
        ("2026-06-01T01:59:59+02:00", "x/m", Usage(10, 10), None, 10 * 1 + 10 * 2),
        ("2026-06-01T00:00:00+00:00", "x/m", Usage(10, 10), None, 10 * 2 + 10 * 4),
        ("2026-05-01T00:00:00+00:00", "x/m", Usage(100, 10), None, 100 * 1 + 10 * 2),
        ("2026-05-01T00:00:00+00:00", "x/m", Usage(101, 10), None, 101 * 3 + 10 * 6),
        ("2026-05-01T00:00:00+00:00", "x/m", Usage(1001, 10), None, 1001 * 5 + 10 * 2),
        ("2026-05-01T00:00:00+00:00", "x/m", Usage(200, 10, cached_tokens=200), None, 200 // 2 + 10 * 6),
        ("2026-05-01T00:00:00+00:00", "x/m", Usage(10, 10), "flex", 10 * 1 + 10 * 2),
        ("2026-06-02T00:00:00+00:00", "x/m", Usage(10, 10), "flex", 10 * 2 + 10 * 3),
        ("2026-06-02T00:00:00+00:00", "x/m", Usage(101, 10), "flex", 101 * 9 + 10 * 3),
        ("2026-06-02T00:00:00+00:00", "x/m", Usage(10, 10), "default", 10 * 2 + 10 * 4),
        ("2026-06-30T00:00:00+00:00", "x/late", Usage(10, 10), None, 10 * 2 + 10 * 4),
        ("2026-07-01T00:00:00+00:00", "x/late", Usage(10, 10), None, 10 * 100 + 10 * 100),
    ],
)
def test_a_price_has_its_days_its_tiers_and_its_lengths(
    began: str, model: str, usage: Usage, tier: str | None, micro_usd: int
) -> None:
    cost, _ = Prices(DATED).cost_nano_usd(model, usage, service_tier=tier, at=at(began))
    assert cost == micro_usd * 1000


def test_a_price_is_named_by_its_line_and_its_day() -> None:
    dated = '"x/*":\n    - {input: 1, output: 1}\n    - {from: 2026-06-01, input: 2, output: 2}'
    settings = read_settings(f'prices:\n  {dated}\n  "y/*": {{input: 1, output: 1}}\n'.encode())
    prices = Prices(settings.prices, places=settings.price_places)
    days = [("x/m", "2026-05-31T00:00Z"), ("x/m", "2026-06-01T00:00Z"), ("y/m", "2026-06-01T00:00Z")]
    named = [prices.cost_nano_usd(model, Usage(1, 1), at=at(day))[1] for model, day in days]
    assert named == ["promptctl.yaml:3", "promptctl.yaml:4 from 2026-06-01", "promptctl.yaml:5"]


def test_before_its_first_day_a_glob_has_no_price(models: ModelMap) -> None:
    prices = Prices({"openai/*": {"from": "2026-06-01", "input": 9, "output": 9}}, models)
    assert prices.cost_nano_usd("openai/plain", Usage(10, 0), at=at("2026-05-01T00:00Z")) == (1500, LISTED)
    assert prices.cost_nano_usd("openai/plain", Usage(10, 0))[0] == 90_000


def test_a_tier_without_words_for_it_has_the_price_of_none(models: ModelMap) -> None:
    assert Prices({"x/*": {"input": 1, "output": 1}}).cost_nano_usd("x/y", Usage(1, 1), service_tier="odd")[0] == 2000


OFF_PEAK = {
    "input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06, "litellm_provider": "x",
    "off_peak_pricing": {
        "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
        "windows": [
            {"hours_utc": ["00:00-01:00", "22:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
            {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
        ],
    },
}  # fmt: skip
RANGES = {
    "litellm_provider": "x",
    "tiered_pricing": [
        {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "range": [0, 100.0]},
        {"input_cost_per_token": 3e-06, "output_cost_per_token": 4e-06, "range": [100.0, 1000.0]},
    ],
}


@pytest.mark.parametrize(
    ("model", "began", "usage", "micro_usd"),
    [
        ("x/hours", "2026-11-27T12:00Z", Usage(1, 1), 6),  # a Friday
        ("x/hours", "2026-11-27T00:59Z", Usage(1, 1), 3),
        ("x/hours", "2026-11-27T01:00Z", Usage(1, 1), 6),
        ("x/hours", "2026-11-27T22:00Z", Usage(1, 1), 3),
        ("x/hours", "2026-11-28T12:00Z", Usage(1, 1), 3),  # a Saturday
        ("x/ranges", "2026-11-27T12:00Z", Usage(100, 1), 102),
        ("x/ranges", "2026-11-27T12:00Z", Usage(101, 1), 307),
        ("x/ranges", "2026-11-27T12:00Z", Usage(5000, 1), 15004),
    ],
)
def test_the_list_has_cheaper_hours_and_ranges(
    tmp_path: Path, model: str, began: str, usage: Usage, micro_usd: int
) -> None:
    entries = {"hours": OFF_PEAK, "ranges": RANGES}
    (tmp_path / "model_prices_and_context_window_backup.json").write_text(json.dumps(entries, indent=4))
    cost, _ = Prices({}, ModelMap(tmp_path)).cost_nano_usd(model, usage, at=at(began))
    assert cost == micro_usd * 1000
