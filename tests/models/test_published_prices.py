"""Each kind of token that providers bill, against arithmetic by hand from their published pages.

The pages give US dollars for a million tokens; times 1,000 that is nano-dollars for one token, as it is written here.
LiteLLM's list must say the same, since costs are reckoned by it. genai-prices, a list that others keep, is a second
opinion.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from promptctl.models.gateway import Usage
from promptctl.models.prices import Prices

OPENAI = "https://openai.com/api/pricing and https://platform.openai.com/docs/pricing"
ANTHROPIC = "https://docs.claude.com/en/docs/about-claude/pricing"
GOOGLE = "https://ai.google.dev/gemini-api/docs/pricing"
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
LONG = 300_000

PUBLISHED: list[tuple[str, str, str, Usage, str | None, int]] = [
    # gpt-4o-mini: input $0.15, cached $0.075, output $0.60; batch half of it; priority $0.25, $0.125, $1.00
    (OPENAI, "input, output", "openai/gpt-4o-mini", Usage(1000, 100), None, 1000 * 150 + 100 * 600),
    (OPENAI, "cached", "openai/gpt-4o-mini", Usage(1000, 100, cached_tokens=400), None, 600 * 150 + 400 * 75 + 60_000),
    (OPENAI, "batch", "openai/gpt-4o-mini", Usage(1000, 100), "batch", 1000 * 75 + 100 * 300),
    (OPENAI, "priority", "openai/gpt-4o-mini", Usage(1000, 100, cached_tokens=400), "priority", 200_000 + 100_000),
    # gpt-5: input $1.25, cached $0.125, output $10, reasoning as output; flex half of it; priority twice
    (OPENAI, "reasoning", "openai/gpt-5", Usage(1000, 900, reasoning_tokens=800), None, 1000 * 1250 + 900 * 10_000),
    (OPENAI, "flex", "openai/gpt-5", Usage(1000, 100, cached_tokens=200), "flex", 800 * 625 + 12_500 + 100 * 5000),
    (OPENAI, "priority", "openai/gpt-5", Usage(1000, 100), "priority", 1000 * 2500 + 100 * 20_000),
    # gpt-5.4: input $2.50, cached $0.25, output $15; above 272,000 tokens of input twice that, output $22.50
    (OPENAI, "short", "openai/gpt-5.4", Usage(272_000, 10), None, 272_000 * 2500 + 10 * 15_000),
    (OPENAI, "long", "openai/gpt-5.4", Usage(272_001, 10, cached_tokens=1), None, 272_000 * 5000 + 500 + 10 * 22_500),
    (OPENAI, "long, flex", "openai/gpt-5.4", Usage(LONG, 10), "flex", LONG * 2500 + 10 * 11_250),
    # gpt-audio: text $2.50 and $10, sound $32 and $64
    (OPENAI, "audio in", "openai/gpt-audio", Usage(1000, 0, input_audio_tokens=600), None, 400 * 2500 + 600 * 32_000),
    (OPENAI, "audio out", "openai/gpt-audio", Usage(0, 500, output_audio_tokens=400), None, 100 * 10_000 + 25_600_000),
    # text-embedding-3-small: $0.02
    (OPENAI, "embedding", "openai/text-embedding-3-small", Usage(1000, 0), None, 1000 * 20),
    # Sonnet 4.5: input $3, output $15, cache write of 5 minutes $3.75, of an hour $6, hit $0.30; batch half of it
    (ANTHROPIC, "input, output", "anthropic/claude-sonnet-4-5", Usage(1000, 100), None, 3_000_000 + 1_500_000),
    (ANTHROPIC, "hit", "anthropic/claude-sonnet-4-5", Usage(1000, 0, cached_tokens=900), None, 100 * 3000 + 900 * 300),
    (
        *(ANTHROPIC, "5 minutes", "anthropic/claude-sonnet-4-5"),
        Usage(1000, 0, cached_tokens=200, cache_write_tokens=500),
        *(None, 300 * 3000 + 200 * 300 + 500 * 3750),
    ),
    (
        *(ANTHROPIC, "an hour", "anthropic/claude-sonnet-4-5"),
        Usage(1000, 0, cache_write_tokens=500, cache_write_hour_tokens=200),
        *(None, 500 * 3000 + 300 * 3750 + 200 * 6000),
    ),
    (
        *(ANTHROPIC, "batch", "anthropic/claude-sonnet-4-5"),
        Usage(1000, 100, cache_write_tokens=500, cache_write_hour_tokens=200),
        *("batch", 500 * 1500 + 300 * 1875 + 200 * 3000 + 100 * 7500),
    ),
    # Haiku 4.5: input $1, output $5, cache write $1.25 and $2, hit $0.10. A search of the web is $10 for a thousand
    (ANTHROPIC, "small", "anthropic/claude-haiku-4-5", Usage(1000, 100, cached_tokens=500), None, 550_000 + 500_000),
    (
        ANTHROPIC,
        "searches",
        "anthropic/claude-sonnet-4-5",
        Usage(1000, 0, web_searches=3),
        None,
        3_000_000 + 30_000_000,
    ),
    # 2.5 Pro: input $1.25, output $10 with thinking, cached $0.125; above 200,000 tokens $2.50, $15, $0.25; batch half
    (GOOGLE, "thinking", "gemini/gemini-2.5-pro", Usage(1000, 900, reasoning_tokens=800), None, 1_250_000 + 9_000_000),
    (GOOGLE, "short", "gemini/gemini-2.5-pro", Usage(200_000, 10), None, 200_000 * 1250 + 10 * 10_000),
    (
        GOOGLE,
        "long",
        "gemini/gemini-2.5-pro",
        Usage(LONG, 10, cached_tokens=100),
        None,
        299_900 * 2500 + 25_000 + 150_000,
    ),
    (GOOGLE, "batch", "gemini/gemini-2.5-pro", Usage(1000, 100), "batch", 1000 * 625 + 100 * 5000),
    # 2.5 Flash: text and images $0.30, sound $1.00, output $2.50 with thinking, cached $0.03; batch half
    (GOOGLE, "images in", "gemini/gemini-2.5-flash", Usage(1000, 10, input_image_tokens=258), None, 300_000 + 25_000),
    (
        GOOGLE,
        "audio in",
        "gemini/gemini-2.5-flash",
        Usage(1000, 0, input_audio_tokens=600),
        None,
        400 * 300 + 600 * 1000,
    ),
    (GOOGLE, "thinking", "gemini/gemini-2.5-flash", Usage(0, 100, reasoning_tokens=80), "batch", 100 * 1250),
    # 2.5 Flash Image: $0.039 for an image, which is 1,290 tokens at $30
    (GOOGLE, "image out", "gemini/gemini-2.5-flash-image", Usage(0, 1290, output_image_tokens=1290), None, 38_700_000),
]


@pytest.mark.parametrize(
    ("page", "kind", "model", "usage", "tier", "nano_usd"),
    PUBLISHED,
    ids=[f"{model}: {kind}" for _, kind, model, *_ in PUBLISHED],
)
def test_a_cost_is_what_the_published_page_makes_it(
    page: str, kind: str, model: str, usage: Usage, tier: str | None, nano_usd: int
) -> None:
    cost, _ = Prices().cost_nano_usd(model, usage, service_tier=tier, at=NOON.timestamp())
    assert cost == nano_usd, f"{kind}: {page}"


USAGES = {
    "plain": Usage(1000, 100),
    "cached": Usage(10_000, 500, cached_tokens=4000),
    "written": Usage(10_000, 500, cached_tokens=4000, cache_write_tokens=3000),
    "for an hour": Usage(10_000, 500, cache_write_tokens=3000, cache_write_hour_tokens=3000),
    "long": Usage(LONG, 1000, cached_tokens=100_000),
    "heard": Usage(1000, 500, input_audio_tokens=600),
    "spoken": Usage(1000, 500, output_audio_tokens=400),
}
MODELS = (
    *("openai/gpt-4o", "openai/gpt-4o-mini", "openai/gpt-4.1", "openai/gpt-5", "openai/gpt-5.4", "openai/o3"),
    *("openai/gpt-audio", "openai/text-embedding-3-small", "anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-4-5"),
    *("anthropic/claude-opus-4-5", "gemini/gemini-2.5-pro", "gemini/gemini-2.5-flash", "gemini/gemini-2.5-flash-lite"),
    "gemini/gemini-2.5-flash-image",
)
KNOWN_DIFFERENCES = {
    ("anthropic/claude-sonnet-4-5", "long"): "LiteLLM lists the price above 200,000 tokens for the dated id alone",
    ("gemini/gemini-2.5-flash-image", "cached"): "genai-prices has no price of cached tokens for it",
    ("gemini/gemini-2.5-flash-image", "written"): "the same",
    ("gemini/gemini-2.5-flash-image", "long"): "the same",
    ("gemini/gemini-2.5-flash-image", "heard"): "genai-prices has no price of sound for it",
}
_NAMES = {
    "input_tokens": "input_tokens", "output_tokens": "output_tokens", "cache_read_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens", "cache_write_1h_tokens": "cache_write_hour_tokens",
    "input_audio_tokens": "input_audio_tokens", "output_audio_tokens": "output_audio_tokens",
}  # fmt: skip


def test_another_list_comes_to_the_same_costs() -> None:
    genai_prices: Any = pytest.importorskip("genai_prices")  # its prices come with it: nothing is fetched
    prices = Prices()
    different = set()
    for model in MODELS:
        provider, _, name = model.partition("/")
        for kind, usage in USAGES.items():
            counts = {theirs: value for theirs, ours in _NAMES.items() if (value := getattr(usage, ours)) is not None}
            found = genai_prices.calc_price(
                genai_prices.Usage(**counts),
                name,
                provider_id="google" if provider == "gemini" else provider,
                genai_request_timestamp=NOON,
            )
            cost, _ = prices.cost_nano_usd(model, usage, at=NOON.timestamp())
            if cost != round(found.total_price * 10**9):
                different.add((model, kind))
    assert different == set(KNOWN_DIFFERENCES)
