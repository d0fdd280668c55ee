"""Costs of replies: integer nano-USD from the workspace's prices or LiteLLM's bundled ones, None if unknown."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from promptctl.errors import Place
from promptctl.files.names import SETTINGS
from promptctl.models.gateway import Usage, is_count
from promptctl.models.model_map import ModelMap

# Prices are kept as integers of 1e-18 USD for one token, so that no rounding happens before the last step.
_ATTO = 10**18
_ATTO_PER_NANO = 10**9
_PER_MILLION = 1_000_000
_MAP_KEYS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_hour": "cache_creation_input_token_cost_above_1hr",
    "input_audio": "input_cost_per_audio_token",
    "input_image": "input_cost_per_image_token",
    "reasoning": "output_cost_per_reasoning_token",
    "output_audio": "output_cost_per_audio_token",
    "output_image": "output_cost_per_image_token",
}
# The map's suffixes of service tiers that are not the names that providers give them.
_SERVICE_TIERS = {"batch": "batches"}
_DEARER = ("priority", "ultrafast", "performance", "scale", "reserved")
_OFF_PEAK = "off_peak_pricing"
_SEARCH_FEES = "search_context_cost_per_query"
# The fee of a search (1e-9 USD) in a worst case if the list has none.
_DEAREST_SEARCH = 35_000_000
# The list's names of providers whose searches bill no tokens.
_GOOGLE = frozenset({"gemini", "vertex_ai", "vertex_ai-language-models"})
# What a price of the workspace has beside kinds of tokens.
_OTHERS = frozenset({"from", "service_tier", "above"})
# Models whose tokens are not all that is billed: the list has the router's own fee alone, and of some the price of a
# song or a request.
_ROUTER = re.compile(r"azure(?:_ai)?/model[-_]router")
_BY_PIECE = ("output_cost_per_image", "input_cost_per_request")
_THRESHOLD = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one token in 1e-18 USD; a kind of token without a price of its own costs what its kin costs."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_hour: int | None = None
    input_audio: int | None = None
    reasoning: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None

    def worst_nano_usd(self, input_tokens: int, output_tokens: int, *, has_audio: bool, for_hour: bool) -> int:
        """Return the cost of so many tokens if each is of the dearest kind that a request can have."""
        inputs = [self.input, self.cached_input, self.cache_write, self.input_image]
        outputs = [self.output, self.reasoning, self.output_image]
        if for_hour:
            inputs.append(self.cache_write_hour)
        if has_audio:
            inputs.append(self.input_audio)
            outputs.append(self.output_audio)
        dearest = [max(price or 0 for price in kinds) for kinds in (inputs, outputs)]
        return -(-(input_tokens * dearest[0] + output_tokens * dearest[1]) // _ATTO_PER_NANO)

    def cost_nano_usd(self, usage: Usage) -> int | None:
        """Return the cost of these tokens, each counted once; None if it depends on a number that is not known."""
        if usage.input_tokens is None or usage.output_tokens is None:
            return None if any(astuple(self)) else 0
        cached = min(usage.cached_tokens or 0, usage.input_tokens)
        written = min(usage.cache_write_tokens or 0, usage.input_tokens - cached)
        hour = min(usage.cache_write_hour_tokens or 0, written)
        heard = min(usage.input_audio_tokens or 0, usage.input_tokens - cached - written)
        seen = min(usage.input_image_tokens or 0, usage.input_tokens - cached - written - heard)
        reasoned = min(usage.reasoning_tokens or 0, usage.output_tokens)
        spoken = min(usage.output_audio_tokens or 0, usage.output_tokens - reasoned)
        drawn = min(usage.output_image_tokens or 0, usage.output_tokens - reasoned - spoken)
        cache_write = _first(self.cache_write, self.input)
        atto = (
            (usage.input_tokens - cached - written - heard - seen) * self.input
            + cached * _first(self.cached_input, self.input)
            + (written - hour) * cache_write
            + hour * _first(self.cache_write_hour, cache_write)
            + heard * _first(self.input_audio, self.input)
            + seen * _first(self.input_image, self.input)
            + (usage.output_tokens - reasoned - spoken - drawn) * self.output
            + reasoned * _first(self.reasoning, self.output)
            + spoken * _first(self.output_audio, self.output)
            + drawn * _first(self.output_image, self.output)
        )
        return (atto + _ATTO_PER_NANO // 2) // _ATTO_PER_NANO


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """Prices of the models that match a glob from a moment on (seconds since 1970): by service tier, None for none."""

    pattern: str
    begins: float
    source: str
    tiers: Mapping[str | None, list[tuple[int, Price]]]

    def for_tier(self, service_tier: str | None) -> list[tuple[int, Price]]:
        """Return the prices of a tier, or of none if it has none of its own: each for more input tokens than that."""
        return self.tiers.get(service_tier) or self.tiers[None]


class OwnPrices:
    """The prices of a workspace; the last glob that matches wins, and of its prices the one that began last.

    `places` has the place of each price of a glob, for the name of its source.
    """

    def __init__(self, given: Mapping[str, Any], places: Mapping[str, Sequence[Place]]) -> None:
        self._prices = [each for pattern, prices in given.items() for each in _of_glob(pattern, prices, places)]
        self._prices.reverse()
        self._matching: dict[str, list[OwnPrice]] = {}

    def of(self, model: str, at: float) -> OwnPrice | None:
        """Return the price of a call to the model that began at this moment; None if no glob has one."""
        return next((each for each in self._of(model) if each.begins <= at), None)

    def after(self, model: str, at: float) -> OwnPrice | None:
        """Return the price of the model that begins next after a moment; None if none does."""
        return min((each for each in self._of(model) if each.begins > at), key=lambda each: each.begins, default=None)

    def _of(self, model: str) -> list[OwnPrice]:
        if model not in self._matching:
            self._matching[model] = [each for each in self._prices if fnmatchcase(model, each.pattern)]
        return self._matching[model]


# The source of a model's prices, and the price of requests with more than so many input tokens, largest first.
Tiers = tuple[str, list[tuple[int, Price]]]
# The same of LiteLLM's list, and hours with other prices, if there are any.
_Listed = tuple[Tiers | None, tuple[Mapping[str, Any], Tiers | None] | None]


class Prices:
    """Prices of models: the workspace's `prices` by glob (the last match wins), then LiteLLM's bundled map.

    `overrides` are in USD for a million tokens, as `promptctl.yaml` gives them, and `places` says where. `priced_as`
    returns the model whose price another one has, if the settings name one. Moments are seconds since 1970; without
    one, it is now.
    """

    def __init__(
        self,
        overrides: Mapping[str, Any] | None = None,
        models: ModelMap | None = None,
        priced_as: Callable[[str], str | None] = lambda _model: None,
        places: Mapping[str, Sequence[Place]] | None = None,
    ) -> None:
        self._models = models or ModelMap()
        self.take(overrides or {}, places or {}, priced_as)

    def take(
        self,
        overrides: Mapping[str, Any],
        places: Mapping[str, Sequence[Place]],
        priced_as: Callable[[str], str | None],
    ) -> None:
        """Have other prices of the workspace from now on, and other models whose price one has."""
        self._own = OwnPrices(overrides, places) if overrides else None
        self._priced_as = priced_as
        self._listed: dict[tuple[str, str | None], _Listed] = {}

    def cost_nano_usd(
        self,
        model: str,
        usage: Usage,
        *,
        service_tier: str | None = None,
        search_size: str | None = None,
        at: float | None = None,
    ) -> tuple[int | None, str | None]:
        """Return the cost and the source of its price; (None, None) if price or number of tokens is unknown.

        The workspace's price wins over what the provider says, and that over LiteLLM's list, if the provider is known
        to say it. `search_size` is the size of the context that a request with a search of the web asks for, `at` the
        moment at which the call began.
        """
        source, tiers, is_own = self._tiers_of(model, service_tier, at)
        price = next((price for threshold, price in tiers if (usage.input_tokens or 0) > threshold), None)
        cost = None if price is None else price.cost_nano_usd(usage)
        if cost is not None and not is_own:
            cost += self._search_nano_usd(model, usage, search_size)
        told, provider = usage.told_nano_usd, model.partition("/")[0]
        if told is not None and (cost is None or not is_own):
            from promptctl.models.dialects import dialect_of

            if dialect_of(provider).tells_cost or (cost is None and told > 0):
                return told, provider
        return (None, None) if cost is None else (cost, source)

    def later_price(self, model: str, at: float) -> str | None:
        """Return where the workspace gives a price of the model that begins after a moment; None if it gives none."""
        found = self._own.after(model, at) if self._own is not None else None
        return None if found is None else found.source

    def worst_nano_usd(
        self,
        model: str,
        input_tokens: int,
        output_tokens: int,
        *,
        service_tier: str | None,
        has_audio: bool,
        for_hour: bool,
        searches: int,
    ) -> int | None:
        """Return the most that so much can cost, at the dearest price that may be billed; None if unknown.

        `for_hour` says that a cache may be asked to keep them for an hour.
        """
        may_be_dearer = service_tier in {"auto", "priority", "ultrafast"}
        names = (None, service_tier, *(_DEARER if may_be_dearer else ()))
        found = [self._tiers_of(model, name) for name in names]
        costs = [
            price.worst_nano_usd(input_tokens, output_tokens, has_audio=has_audio, for_hour=for_hour)
            for _, tiers, _ in found
            for threshold, price in tiers
            if input_tokens > threshold
        ]
        if not costs:
            return None
        if not searches or found[0][2]:
            return max(costs)
        fees = 1 if self._is_billed_once(model) else searches
        return max(costs) + fees * max(self._search_fees(model).values(), default=_DEAREST_SEARCH)

    def always_searches(self, model: str) -> bool:
        """Return True if each reply of the model is made from a search of the web.

        Perplexity's embeddings, and the models of others that it passes on, search nothing unless they are asked to.
        """
        name = self._priced_as(model) or model
        return name.startswith("perplexity/sonar") or "-search-preview" in name or "-search-api" in name

    def finds_for_free(self, model: str) -> bool:
        """Return True if the tokens that a search of the web brings into the context cost nothing beside its fee."""
        name, entry = self._priced_as(model) or model, self._entry(model) or {}
        is_quick = name.startswith("perplexity/") and "deep-research" not in name
        return is_quick or "-search-preview" in name or entry.get("litellm_provider") in _GOOGLE

    def limits_of(self, model: str) -> tuple[int | None, int | None]:
        """Return the most tokens that the model takes in and gives out, as LiteLLM's list says; None if unknown."""
        entry = self._entry(model) or {}
        window, most = entry.get("max_input_tokens"), entry.get("max_output_tokens") or entry.get("max_tokens")
        return window if is_count(window) else None, most if is_count(most) else None

    def _entry(self, model: str) -> Mapping[str, Any] | None:
        """Return what LiteLLM's list says of the model that this one is priced as."""
        return self._models.entry(self._priced_as(model) or model)

    def _tiers_of(
        self, model: str, service_tier: str | None, at: float | None = None
    ) -> tuple[str | None, list[tuple[int, Price]], bool]:
        """Return the source and the prices by length of a model, and True if they are the workspace's."""
        if self._own is not None:
            alias, moment = self._priced_as(model), time.time() if at is None else at
            for name in (model,) if alias is None else (model, alias):
                if (own := self._own.of(name, moment)) is not None:
                    return own.source, own.for_tier(service_tier), True
        key = (model, _SERVICE_TIERS.get(service_tier or "", service_tier))
        if key not in self._listed:
            self._listed[key] = self._find(*key)
        found, off_peak = self._listed[key]
        if off_peak is not None:
            from promptctl.models.listed_prices import is_off_peak

            hours, cheaper = off_peak
            found = cheaper if is_off_peak(hours, time.time() if at is None else at) else found
        return *(found or (None, [])), False

    def _find(self, model: str, service_tier: str | None) -> _Listed:
        """Return what LiteLLM's list says of a model: its prices, and its hours with others, if it has any."""
        entry = self._entry(model)
        if entry is None or _ROUTER.match(self._priced_as(model) or model):
            return None, None
        if not entry.get("input_cost_per_token") and any(map(entry.get, _BY_PIECE)):
            return None, None
        usual = _bundled(entry, self._models.source, service_tier)
        hours = entry.get(_OFF_PEAK)
        if not isinstance(hours, dict):
            return usual, None
        return usual, (hours, _bundled({**entry, **hours}, self._models.source, service_tier))

    def _search_nano_usd(self, model: str, usage: Usage, size: str | None) -> int:
        """Return the fees for searches of the web: the provider counts them, or there is one if one was asked for."""
        searches = usage.web_searches
        if searches is None:
            searches = 1 if size is not None or self.always_searches(model) else 0
        if not searches:
            return 0
        fees = self._search_fees(model)
        billed = 1 if self._is_billed_once(model) else searches
        return billed * fees.get(f"search_context_size_{size}", fees.get("search_context_size_medium", 0))

    def _is_billed_once(self, model: str) -> bool:
        """Return True if a reply's searches cost one fee, however many they are."""
        is_counted = (self._entry(model) or {}).get("web_search_billing_unit") == "per_query"
        return self.finds_for_free(model) and not is_counted

    def _search_fees(self, model: str) -> dict[str, int]:
        """Return the fee of one search in nano-USD, by the size of its context."""
        entry = self._entry(model) or {}
        fees = entry.get(_SEARCH_FEES)
        if not isinstance(fees, dict):
            return {}
        return {size: (_per_token(usd) or 0) // _ATTO_PER_NANO for size, usd in fees.items()}


def _bundled(entry: Mapping[str, Any], source: str, service_tier: str | None) -> Tiers | None:
    if "tiered_pricing" in entry:
        from promptctl.models.listed_prices import by_ranges

        ranges = [(begins, _price(each, "", None)) for begins, each in by_ranges(entry)]
        return source, [(begins, price) for begins, price in ranges if price is not None]
    base = _price(entry, "", None)
    if base is None:
        return None
    if service_tier is not None:
        base = _price(entry, f"_{service_tier}", base) or base
    thresholds = sorted((int(found[1]) for key in entry if (found := _THRESHOLD.fullmatch(key))), reverse=True)
    above = []
    for thousands in thresholds:
        suffix = f"_above_{thousands}k_tokens"
        price = _price(entry, suffix, base) or base
        if service_tier is not None:
            price = _price(entry, f"{suffix}_{service_tier}", price) or price
        above.append((thousands * 1000, price))
    return source, [*above, (-1, base)]


def _price(entry: Mapping[str, Any], suffix: str, base: Price | None) -> Price | None:
    """Return the entry's price under its keys with this suffix; kinds that it lacks are the base's."""
    found = {kind: _per_token(entry.get(key + suffix)) for kind, key in _MAP_KEYS.items()}
    known = {kind: price for kind, price in found.items() if price is not None}
    if base is not None:
        if base.reasoning == base.output and "output" in known:
            known.setdefault("reasoning", known["output"])
        # The list has no hour's price of its own for batches; it is as much dearer there as elsewhere.
        if base.cache_write and base.cache_write_hour is not None and "cache_write" in known:
            known.setdefault("cache_write_hour", base.cache_write_hour * known["cache_write"] // base.cache_write)
        return replace(base, **known)
    if entry.get("mode") == "embedding":
        known.setdefault("output", 0)
    return Price(**known) if "input" in known and "output" in known else None


def _per_token(usd: Any) -> int | None:
    if isinstance(usd, bool) or not isinstance(usd, int | float):
        return None
    return int(Decimal(repr(usd)) * _ATTO)


def _of_millions(given: Mapping[str, float]) -> Price:
    """Return the price of US dollars for a million tokens of each kind."""
    return Price(**{kind: int(Decimal(str(usd)) * _ATTO) // _PER_MILLION for kind, usd in given.items()})


def _first(price: int | None, otherwise: int) -> int:
    return otherwise if price is None else price


def _of_glob(pattern: str, given: Any, places: Mapping[str, Sequence[Place]]) -> Iterator[OwnPrice]:
    """Yield the prices of a glob, the earliest first."""
    prices = given if isinstance(given, list) else [given]
    lines = [f"{SETTINGS}:{place.line}" for place in places.get(pattern, ())] or [SETTINGS] * len(prices)
    dated = sorted(zip(prices, lines, strict=True), key=lambda each: str(each[0].get("from", "")))
    for price, line in dated:
        day = price.get("from")
        begins = -math.inf if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        source = line if day is None else f"{line} from {day}"
        base = _kinds(price)
        tiers: dict[str | None, list[tuple[int, Price]]] = {None: _by_length(price, base)}
        for name, variant in price.get("service_tier", {}).items():
            tiers[name] = _by_length(variant, {**base, **_kinds(variant)})
        yield OwnPrice(pattern, begins, source, tiers)


def _by_length(given: Mapping[str, Any], base: Mapping[str, float]) -> list[tuple[int, Price]]:
    """Return the prices for requests of more input tokens than a number, the largest first; of any number last."""
    above = [(int(tokens), _of_millions({**base, **_kinds(price)})) for tokens, price in given.get("above", {}).items()]
    return [*sorted(above, key=lambda each: -each[0]), (-1, _of_millions(base))]


def _kinds(given: Mapping[str, Any]) -> dict[str, float]:
    return {kind: usd for kind, usd in given.items() if kind not in _OTHERS}
