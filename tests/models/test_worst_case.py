"""The most that a request can cost: by hand from the price map that LiteLLM ships."""

from __future__ import annotations

from typing import Any

import pytest

from promptctl.formats.settings_file import read_settings
from promptctl.models.gateway import Request, embedding_request
from promptctl.models.model_map import ModelMap
from promptctl.models.model_settings import Models
from promptctl.models.prices import Prices
from promptctl.models.worst_case import MOST_OUTPUT, WorstCase

SETTINGS = """\
models:
  "local/*": {api_base: "http://127.0.0.1:9/v1"}
prices:
  local/m: {input: 1, output: 2, cache_write: 3, reasoning: 5, input_audio: 50, output_audio: 70}
"""
MODELS = Models(
    read_settings(SETTINGS.encode()), {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x", "GEMINI_API_KEY": "x"}
)
USER = {"role": "user", "content": "hi"}
# The request, its one message and what stands in that.
PLAIN = 16 + 8 + len("user") + len("hi")


def worst(model: str = "local/m", content: Any = "hi", tools: Any = (), **parameters: Any) -> WorstCase:
    request = Request(model, [{"role": "user", "content": content}], parameters, tools)
    return WorstCase.of(request, model, MODELS.prices)


def test_each_token_is_of_the_dearest_kind() -> None:
    found = worst(max_tokens=10)
    assert (found.input_tokens, found.output_tokens) == (PLAIN, 10)
    assert found.nano_usd == PLAIN * 3_000 + 10 * 5_000


def test_a_cache_is_paid_for_an_hour_only_if_it_is_asked_to_keep_so_long() -> None:
    entry = ModelMap().entry("claude-sonnet-4-5")
    assert entry is not None
    for ttl, key in (("5m", "cache_creation_input_token_cost"), ("1h", "cache_creation_input_token_cost_above_1hr")):
        mark = {"cache_control": {"type": "ephemeral", "ttl": ttl}}
        part = [{"type": "text", "text": "hi", **mark}]
        tool = {"type": "function", "function": {"name": "f"}, **mark}
        for found in (worst("anthropic/claude-sonnet-4-5", part), worst("anthropic/claude-sonnet-4-5", tools=(tool,))):
            hand = found.input_tokens * entry[key] + found.output_tokens * entry["output_cost_per_token"]
            assert found.nano_usd == pytest.approx(hand * 1e9, abs=2)


def test_a_token_is_a_byte_at_least() -> None:
    assert worst(content="é").input_tokens == PLAIN
    assert worst(content=[{"type": "text", "text": "é"}]).input_tokens > PLAIN


@pytest.mark.parametrize(
    ("parameters", "output"),
    [
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "n": 3}, 15),
        ({"max_tokens": 5, "extra_body": {"n": 4}}, 20),
        ({"max_tokens": 5, "extra_body": {"max_tokens": 50}}, 50),
        ({"max_tokens": 50, "extra_body": {"max_tokens": 5}}, 50),
        ({"max_tokens": 5, "extra_body": {"num_predict": 50, "best_of": 2}}, 100),
        ({"max_tokens": 5, "thinking": {"type": "enabled", "budget_tokens": 50}}, 55),
        ({"max_tokens": 5, "extra_body": {"thinking": {"budget_tokens": 50}}}, 55),
        ({"extra_body": {"max_tokens": 5}}, MOST_OUTPUT),
        ({"num_predict": 1}, MOST_OUTPUT),
        ({"num_predict": -1}, MOST_OUTPUT),
        ({"max_tokens": True}, MOST_OUTPUT),
        ({}, MOST_OUTPUT),
    ],
)
def test_the_reply_is_as_long_as_the_parameters_allow(parameters: dict[str, Any], output: int) -> None:
    assert worst(**parameters).output_tokens == output


def test_without_a_limit_it_is_the_models_own() -> None:
    entry = ModelMap().entry("gpt-4o-mini")
    assert entry is not None
    found = worst("openai/gpt-4o-mini")
    assert (found.output_tokens, found.is_limited) == (entry["max_output_tokens"], True)
    hand = PLAIN * entry["input_cost_per_token"] + entry["max_output_tokens"] * entry["output_cost_per_token"]
    assert found.nano_usd == pytest.approx(hand * 1e9, abs=1)
    assert not worst().is_limited


def test_images_tools_schemas_and_documents_are_counted() -> None:
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}]
    assert worst(content=image).input_tokens == 16 + 8 + 4 + 16_384
    assert worst("openai/gpt-4o-mini", image).input_tokens == 16 + 8 + 4 + 50_000
    assert worst(content=[{"type": "file", "file": {}}]).input_tokens == 16 + 8 + 4 + 200_000
    assert worst(tools=({"type": "function", "function": {"name": "f"}},)).input_tokens > PLAIN + 700
    schema = Request("local/m", [USER], response_format={"type": "json_object"})
    assert WorstCase.of(schema, "local/m", MODELS.prices).input_tokens > PLAIN + 350


@pytest.mark.parametrize(
    ("given", "is_image"),
    [
        ({"url": "https://example.com/cat.JPG?size=9"}, True),
        ({"url": "https://example.com/pictures/17"}, True),
        ({"url": "gs://pictures/cat.png"}, True),
        ({"url": "gs://pictures/17", "format": "image/png"}, True),
        ("https://example.com/cat.webp", True),
        ({"url": "https://example.com/film.mp4"}, False),
        ({"url": "gs://films/17"}, False),
        ({"url": "https://www.youtube.com/watch?v=1"}, False),
        ({"url": "https://example.com/17", "format": "video/mp4"}, False),
        ({"url": "data:application/pdf;base64,AAAA"}, False),
    ],
)
def test_a_film_or_a_document_in_the_place_of_an_image_may_be_all_that_a_model_reads(
    given: object, is_image: bool
) -> None:
    part = [{"type": "image_url", "image_url": given}]
    assert worst(content=part).input_tokens == 16 + 8 + 4 + (16_384 if is_image else 200_000)


def test_sounds_cost_what_sounds_cost() -> None:
    sound = [{"type": "input_audio", "input_audio": {"data": "A" * 1000, "format": "mp3"}}]
    heard = worst(content=sound, max_tokens=1)
    assert heard.nano_usd == heard.input_tokens * 50_000 + 70_000
    assert heard.input_tokens > 1000


@pytest.mark.parametrize(
    ("part", "is_heard"),
    [
        ({"type": "file", "file": {"file_data": "data:audio/mp3;base64,AA"}}, True),
        ({"type": "file", "file": {"file_id": "gs://sounds/17"}}, True),
        ({"type": "file", "file": {"file_id": "https://example.com/17.pdf", "format": "audio/wav"}}, True),
        ({"type": "file", "file": {"file_id": "file-17", "filename": "letter.pdf"}}, True),
        ({"type": "video_url", "video_url": {"url": "https://example.com/film.mp4"}}, True),
        ({"type": "image_url", "image_url": {"url": "gs://films/17"}}, True),
        ({"type": "image_url", "image_url": {"url": "https://example.com/film.mp4", "format": "image/png"}}, True),
        ({"type": "video_url", "video_url": {"url": "https://youtu.be/17", "format": "image/png"}}, True),
        ({"type": "image_url", "image_url": {"url": "gs://pictures/17", "format": "image/png"}}, False),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}}, False),
        ({"type": "file", "file": {"file_id": "gs://letters/17", "format": "application/pdf"}}, False),
        ({"type": "file", "file": {"file_id": "https://example.com/17.pdf?x=1"}}, False),
        ({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}, False),
        ({"type": "text", "text": "data:audio/mp3"}, False),
        ({"type": "file", "file": {"file_data": "data:image/png;base64,AA"}}, False),
        ({"type": "file", "file": {"file_id": "gs://pictures/17", "format": "image/png"}}, False),
        ({"type": "thinking", "thinking": "so", "signature": "s"}, False),
        ({"type": "refusal", "refusal": "no"}, False),
        ({"type": "input_text", "text": "x"}, False),
        ({"type": "unheard_of"}, True),
    ],
)
def test_a_file_or_a_film_may_be_a_sound(part: dict[str, Any], is_heard: bool) -> None:
    found = worst(content=[part], max_tokens=1)
    each = 50_000 if is_heard else 3_000
    assert found.nano_usd == found.input_tokens * each + (70_000 if is_heard else 5_000)


def test_a_tier_that_may_be_billed_is_counted() -> None:
    entry = ModelMap().entry("gpt-5.4")
    assert entry is not None
    plain, dearer, cheaper = (worst("openai/gpt-5.4", service_tier=tier) for tier in (None, "auto", "flex"))
    assert plain.nano_usd == cheaper.nano_usd
    hand = PLAIN * entry["input_cost_per_token_priority"]
    hand += entry["max_output_tokens"] * entry["output_cost_per_token_priority"]
    assert dearer.nano_usd == pytest.approx(hand * 1e9, abs=1)


def test_searches_are_counted() -> None:
    entry = ModelMap().entry("claude-sonnet-4-5")
    assert entry is not None
    plain = worst("anthropic/claude-sonnet-4-5", max_tokens=1)
    searching = worst("anthropic/claude-sonnet-4-5", max_tokens=1, web_search_options={})
    assert plain.nano_usd is not None
    assert searching.nano_usd is not None
    fee = entry["search_context_cost_per_query"]["search_context_size_medium"]
    extra = searching.input_tokens - plain.input_tokens
    assert extra >= entry["max_input_tokens"]  # what was found, which stands in the context
    dearest = entry["cache_creation_input_token_cost"]
    assert searching.nano_usd - plain.nano_usd == pytest.approx((10 * fee + extra * dearest) * 1e9, abs=2)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"])
def test_a_search_that_is_null_is_none(model: str) -> None:
    off: dict[str, Any] = {"web_search_options": None}
    on: dict[str, Any] = {"web_search_options": {}}
    plain, null, within, one_null, searching = (
        worst(model, max_tokens=1, **asked).nano_usd or 0
        for asked in ({}, off, {"extra_body": off}, {**on, "extra_body": off}, on)
    )
    assert plain == null < within < searching <= one_null  # a body counts as input


@pytest.mark.parametrize(
    ("model", "reads", "fees"),
    [
        ("anthropic/claude-sonnet-4-5", True, 10 * 10_000_000),
        ("xai/grok-4.3", True, 10 * 35_000_000),  # the list has no fee of it
        ("gemini/gemini-2.5-flash", False, 35_000_000),
        ("openai/gpt-4o-search-preview", False, 25_000_000),
        ("azure/finder", False, 25_000_000),
        ("perplexity/sonar", False, 12_000_000),
        ("perplexity/sonar-deep-research", True, 10 * 5_000_000),
        ("perplexity/openai/gpt-5", False, 0),
        ("local/in-search-of", False, 0),
    ],
)
def test_what_searches_bring_in_is_counted_where_it_is_billed(model: str, reads: bool, fees: int) -> None:
    settings = SETTINGS.replace("prices:", "  azure/finder: {priced_as: openai/gpt-4o-search-preview}\nprices:")
    settings += "  local/in-search-of: {input: 1, output: 2}\n"
    prices = Models(read_settings(settings.encode()), {}, needs_keys=False).prices
    asks: dict[str, Any] = {} if prices.always_searches(model) or not fees else {"web_search_options": {}}
    found = WorstCase.of(Request(model, [USER], {"max_tokens": 1, **asks}), model, prices)
    assert (found.input_tokens > 100_000) == reads
    of_tokens = prices.worst_nano_usd(
        model, found.input_tokens, 1, service_tier=None, has_audio=False, for_hour=False, searches=0
    )
    assert found.nano_usd is not None
    assert of_tokens is not None
    assert found.nano_usd - of_tokens == fees


def test_embedding_searches_nothing() -> None:
    model = "perplexity/pplx-embed-v1-0.6b"
    found = WorstCase.of(embedding_request(model, ["hello"]), model, Prices())
    assert found.nano_usd is not None
    assert found.nano_usd < 1000


def test_a_tool_may_bound_its_searches() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search"}
    three, open_, no_number = (
        worst("anthropic/claude-sonnet-4-5", max_tokens=1, tools=({**tool, **more},)).nano_usd
        for more in ({"max_uses": 3}, {}, {"max_uses": "3"})
    )
    assert three is not None
    assert open_ is not None
    assert open_ - three == pytest.approx(7 * 10_000_000, abs=100_000)
    assert no_number is None


def test_what_is_predicted_may_all_be_rejected_and_billed_as_output() -> None:
    prediction = {"type": "content", "content": "x" * 1000}
    assert worst(max_tokens=10, prediction=prediction).output_tokens > 1010


def test_embeddings_have_no_reply() -> None:
    model = "openai/text-embedding-3-small"
    found = WorstCase.of(embedding_request(model, ["hi"]), model, MODELS.prices)
    assert found.output_tokens == 0
    assert found.nano_usd == pytest.approx(found.input_tokens * 20)


def test_a_message_of_a_role_that_no_chat_has_makes_no_embedding_of_a_call() -> None:
    called = Request("local/m", [{"role": "embed", "content": "hi"}], {"max_tokens": 10})
    assert WorstCase.of(called, "local/m", MODELS.prices).output_tokens == 10


def test_what_has_no_price_has_no_worst_case() -> None:
    found = worst("local/other")
    assert (found.nano_usd, found.unbounded) == (None, None)
    assert worst("openrouter/openai/o1-pro", max_tokens=1).nano_usd is None
    assert worst("echo/echo").nano_usd == 0


@pytest.mark.parametrize(
    "extra",
    [
        {"generationConfig": {"maxOutputTokens": 65536, "candidateCount": 8}},
        {"maxTokens": 9},
        {"max_gen_len": 9},
        {"thinking_budget": 9},
        {"thinking": {"type": "enabled", "budgetTokens": 9}},
        {"thinking": {"budget_tokens": "9"}},
        {"reasoning": {"max_tokens": 9}},
        {"models": ["openai/o1-pro"], "route": "fallback"},
        {"plugins": [{"id": "web"}]},
        {"modalities": ["text", "image"]},
        {"serviceTier": "priority"},
        {"n": "8"},
        {"n": 8.0},
        {"max_tokens": None},
        {"num_predict": -1},
        {"tools": [{"google_search": {}}]},
        {"extra_body": {"n": 8}},
    ],
    ids=str,
)
def test_nobody_can_tell_what_an_unknown_key_of_the_body_costs(extra: dict[str, Any]) -> None:
    found = worst(max_tokens=1, extra_body=extra)
    assert (found.nano_usd, found.unbounded) == (None, f"extra_body.{next(iter(extra))}")
    # On top, None is left out of the request.
    if extra != {"max_tokens": None} and extra.keys().isdisjoint(("extra_body", "tools")):
        assert worst(**{"max_tokens": 1, **extra}).unbounded == next(iter(extra))


def test_what_the_body_may_hold_costs_what_is_counted() -> None:
    found = worst(max_tokens=10, extra_body={"top_k": 3, "n": 2, "guided_json": {}, "user": "u1"})
    assert found.unbounded is None
    assert found.nano_usd == found.input_tokens * 3_000 + 20 * 5_000


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "code_interpreter"},
        {"type": "custom", "googleSearch": {}},
        {"type": "function", "function": {"name": "f"}, "urlContext": {}},
        {"type": "web_search_20250305", "name": "web_search", "proxy": "x"},
    ],
    ids=str,
)
def test_nobody_can_tell_what_a_tool_of_the_provider_costs(tool: dict[str, Any]) -> None:
    assert worst(max_tokens=1, tools=(tool,)).nano_usd is None
    assert worst(max_tokens=1, tools=({"type": "web_search", "name": "web_search"},)).nano_usd is not None
