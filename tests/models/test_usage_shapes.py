"""Usage as providers count it: the tokens that it means, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from promptctl.models.chat_protocol import usage_of
from promptctl.models.gateway import Usage
from promptctl.models.model_map import ModelMap
from promptctl.models.prices import Prices

SHAPES: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai: reasoning within": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 105,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100, "audio_tokens": 0},
        },
        Usage(10, 105, reasoning_tokens=100, output_audio_tokens=0),
    ),
    "xai: reasoning beside": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
            "cost_in_usd_ticks": 42,
        },
        Usage(10, 105, reasoning_tokens=100, told_nano_usd=4),
    ),
    "gemini's own chat completions: only the sum tells": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115},
        Usage(10, 105, reasoning_tokens=100),
    ),
    "a sum that is too small": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 3},
        Usage(10, 5),
    ),
    "openai: audio": (
        {
            "prompt_tokens": 30,
            "completion_tokens": 50,
            "prompt_tokens_details": {"audio_tokens": 20, "cached_tokens": 0},
            "completion_tokens_details": {"audio_tokens": 40},
        },
        Usage(30, 50, cached_tokens=0, input_audio_tokens=20, output_audio_tokens=40),
    ),
    "deepseek: cache hits": (
        {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35, "prompt_cache_hit_tokens": 20},
        Usage(30, 5, cached_tokens=20),
    ),
    "moonshot, together: cached": (
        {"prompt_tokens": 30, "completion_tokens": 5, "cached_tokens": 20},
        Usage(30, 5, cached_tokens=20),
    ),
    "anthropic: written for an hour": (
        {
            "prompt_tokens": 300,
            "completion_tokens": 5,
            "total_tokens": 305,
            "cache_creation_input_tokens": 200,
            "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 150},
        },
        Usage(300, 5, cache_write_tokens=200, cache_write_hour_tokens=150),
    ),
    "openrouter: cost": (
        {
            "prompt_tokens": 30,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cache_write_tokens": 7},
            "cost": 0.00014,
        },
        Usage(30, 5, cache_write_tokens=7, told_nano_usd=140_000),
    ),
    "openrouter: the user's own key": (
        {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}},
        Usage(told_nano_usd=21_000_000),
    ),
    "perplexity: cost": (
        {"prompt_tokens": 3, "completion_tokens": 5, "cost": {"total_cost": 0.005, "request_cost": 0.004}},
        Usage(3, 5, told_nano_usd=5_000_000),
    ),
    "anthropic: searches, in a tier": (
        {
            "prompt_tokens": 3,
            "completion_tokens": 5,
            "server_tool_use": {"web_search_requests": 2},
            "service_tier": "batch",
        },
        Usage(3, 5, web_searches=2),
    ),
    "gemini: images and searches": (
        {
            "prompt_tokens": 300,
            "completion_tokens": 5,
            "prompt_tokens_details": {"image_tokens": 258, "web_search_requests": 3},
        },
        Usage(300, 5, input_image_tokens=258, web_searches=3),
    ),
    "perplexity: searches": (
        {"prompt_tokens": 3, "completion_tokens": 5, "num_search_queries": 4},
        Usage(3, 5, web_searches=4),
    ),
    "a cost that cannot be": ({"cost": -1}, Usage()),
    "no number": ({"cost": "1.5"}, Usage()),
    "not finite": ({"cost": float("nan")}, Usage()),
}


@pytest.mark.parametrize("name", SHAPES)
def test_usage_is_read_as_the_provider_means_it(name: str) -> None:
    given, expected = SHAPES[name]
    assert usage_of(given) == expected


PRICES = {
    "x/*": {"input": 1, "cache_write": 2, "cache_write_hour": 4, "input_audio": 10, "output": 3, "output_audio": 20}
}


@pytest.mark.parametrize(
    ("usage", "micro_usd"),
    [
        (Usage(10, 0), 10),
        (Usage(10, 0, cache_write_tokens=10), 20),
        (Usage(10, 0, cache_write_tokens=10, cache_write_hour_tokens=4), 12 + 16),
        (Usage(10, 0, cache_write_tokens=4, cache_write_hour_tokens=9), 6 + 16),
        (Usage(10, 0, input_audio_tokens=6), 4 + 60),
        (Usage(0, 10, output_audio_tokens=6), 12 + 120),
        (Usage(0, 10, reasoning_tokens=6, output_audio_tokens=6), 18 + 80),
    ],
)
def test_every_kind_of_token_has_its_price(usage: Usage, micro_usd: int) -> None:
    assert Prices(PRICES).cost_nano_usd("x/y", usage)[0] == micro_usd * 1000


@pytest.mark.parametrize(
    ("model", "usage", "nano_usd"),
    [
        # USD for a million: claude-sonnet-4-5 input 3, written 3.75, for an hour 6; gpt-audio input 2.5,
        # output 10, sound 32 and 64.
        ("anthropic/claude-sonnet-4-5", Usage(100, 0, cache_write_tokens=100, cache_write_hour_tokens=60), 510_000),
        ("openai/gpt-audio", Usage(100, 0, input_audio_tokens=100), 3_200_000),
        ("openai/gpt-audio", Usage(0, 100, output_audio_tokens=100), 6_400_000),
    ],
)
def test_prices_of_the_list_are_those_that_are_billed(model: str, usage: Usage, nano_usd: int) -> None:
    assert Prices().cost_nano_usd(model, usage)[0] == nano_usd


@pytest.mark.parametrize(
    ("model", "usage", "size", "nano_usd"),
    [
        # USD: claude-sonnet-4-5 asks 3 and 15 for a million tokens, and 0.01 for each search.
        ("anthropic/claude-sonnet-4-5", Usage(100, 10, web_searches=3), None, 450_000 + 30_000_000),
        ("anthropic/claude-sonnet-4-5", Usage(100, 10), None, 450_000),
        # gemini-2.5-flash 0.30 and 2.50, and 0.035 for a prompt with searches; gemini-3.5-flash 0.014 for each search.
        ("gemini/gemini-2.5-flash", Usage(100, 10, web_searches=3), None, 55_000 + 35_000_000),
        ("gemini/gemini-3.5-flash", Usage(100, 10, web_searches=3), None, 240_000 + 42_000_000),
        # gpt-4o-search-preview 2.50 and 10, and 0.025 for each request, which does not say that it searched.
        ("openai/gpt-4o-search-preview", Usage(100, 10), None, 350_000 + 25_000_000),
        # sonar 1 and 1, and by the size of the context 0.012, 0.008 or 0.005 for each request.
        ("perplexity/sonar", Usage(100, 10), None, 110_000 + 8_000_000),
        ("perplexity/sonar", Usage(100, 10, web_searches=4), "high", 110_000 + 12_000_000),
        ("perplexity/sonar", Usage(100, 10, told_nano_usd=7), "high", 7),
        # sonar-deep-research 2 and 8, and 0.005 for each search.
        ("perplexity/sonar-deep-research", Usage(100, 10, web_searches=4), None, 280_000 + 20_000_000),
        # gemini-embedding-2: text 0.20, an image's tokens 0.45.
        ("gemini/gemini-embedding-2", Usage(300, 0, input_image_tokens=258), None, 42 * 200 + 258 * 450),
    ],
)
def test_searches_and_images_cost_what_the_list_says(model: str, usage: Usage, size: str | None, nano_usd: int) -> None:
    assert Prices().cost_nano_usd(model, usage, search_size=size)[0] == nano_usd


@pytest.mark.parametrize(
    ("model", "tier", "nano_usd"),
    [
        # gpt-5.4 in USD for a million: 2.50 and 15; flex 1.25 and 7.50; priority 5 and 30; a batch as flex.
        ("openai/gpt-5.4", None, 250_000 + 150_000),
        ("openai/gpt-5.4", "default", 250_000 + 150_000),
        ("openai/gpt-5.4", "flex", 125_000 + 75_000),
        ("openai/gpt-5.4", "priority", 500_000 + 300_000),
        ("openai/gpt-5.4", "batch", 125_000 + 75_000),
        ("anthropic/claude-sonnet-4-5", "batch", 150_000 + 75_000),
        ("anthropic/claude-sonnet-4-5", "standard", 300_000 + 150_000),
        # gemini-2.5-flash, whose reasoning costs what its output does: 0.30 and 2.50; priority 0.54 and 4.50.
        ("gemini/gemini-2.5-flash", "priority", 54_000 + 45_000),
        ("gemini/gemini-2.5-flash", "flex", 15_000 + 12_500),
        ("gemini/gemini-2.5-flash", "any other", 30_000 + 25_000),
    ],
)
def test_a_service_tier_has_its_prices(model: str, tier: str | None, nano_usd: int) -> None:
    assert Prices().cost_nano_usd(model, Usage(100, 10, reasoning_tokens=4), service_tier=tier)[0] == nano_usd


@pytest.mark.parametrize(
    ("model", "usage", "cost", "source"),
    [
        ("openrouter/a/b", Usage(1, 1, told_nano_usd=7), 7, "openrouter"),
        ("openrouter/a/b", Usage(told_nano_usd=0), 0, "openrouter"),
        ("openrouter/free/b", Usage(1, 0, told_nano_usd=7), 1000, "promptctl.yaml"),
        ("openrouter/free/b", Usage(told_nano_usd=7), 7, "openrouter"),
        ("openai/gpt-4o-mini", Usage(100, 0, told_nano_usd=7), 15_000, None),
        ("local/any", Usage(1, 1, told_nano_usd=7), 7, "local"),
        ("local/any", Usage(1, 1, told_nano_usd=0), None, None),
    ],
)
def test_what_the_provider_says_is_believed_of_those_that_are_known_to_say_it(
    model: str, usage: Usage, cost: int | None, source: str | None
) -> None:
    found, price_source = Prices({"openrouter/free/*": {"input": 1, "output": 1}}).cost_nano_usd(model, usage)
    assert (found, price_source) == (cost, source or ModelMap().source if cost is not None else None)


def test_a_model_has_the_price_of_the_one_that_it_is() -> None:
    prices = Prices(
        {"x/dear": {"input": 5, "output": 5}}, priced_as={"azure/a": "openai/gpt-4o", "azure/b": "x/dear"}.get
    )
    assert prices.cost_nano_usd("azure/a", Usage(100, 0))[0] == 250_000
    assert prices.cost_nano_usd("azure/b", Usage(1, 0)) == (5000, "promptctl.yaml")
    assert prices.cost_nano_usd("azure/c", Usage(1, 0)) == (None, None)
