"""Prices that a workspace gives in `promptctl.yaml`: by glob, from a date on, for service tiers and long requests."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from promptctl.errors import Place
from promptctl.files.names import SETTINGS

P = TypeVar("P")
Make = Callable[[Mapping[str, float]], P]
"""Makes a price of the US dollars for a million tokens of each kind."""
# What a price has beside kinds of tokens.
_OTHERS = frozenset({"from", "service_tier", "above"})


@dataclass(frozen=True, slots=True)
class OwnPrice(Generic[P]):
    """Prices of the models that match a glob from a moment on (seconds since 1970): by service tier, None for none."""

    pattern: str
    begins: float
    source: str
    tiers: Mapping[str | None, list[tuple[int, P]]]

    def for_tier(self, service_tier: str | None) -> list[tuple[int, P]]:
        """Return the prices of a tier, or of none if it has none of its own: each for more input tokens than that."""
        return self.tiers.get(service_tier) or self.tiers[None]


class OwnPrices(Generic[P]):
    """The prices of a workspace; the last glob that matches wins, and of its prices the one that began last.

    `places` has the place of each price of a glob, for the name of its source.
    """

    def __init__(self, given: Mapping[str, Any], places: Mapping[str, Sequence[Place]], make: Make[P]) -> None:
        self._prices = [each for pattern, prices in given.items() for each in _of_glob(pattern, prices, places, make)]
        self._prices.reverse()
        self._matching: dict[str, list[OwnPrice[P]]] = {}

    def of(self, model: str, at: float) -> OwnPrice[P] | None:
        """Return the price of a call to the model that began at this moment; None if no glob has one."""
        return next((each for each in self._of(model) if each.begins <= at), None)

    def after(self, model: str, at: float) -> OwnPrice[P] | None:
        """Return the price of the model that begins next after a moment; None if none does."""
        return min((each for each in self._of(model) if each.begins > at), key=lambda each: each.begins, default=None)

    def _of(self, model: str) -> list[OwnPrice[P]]:
        if model not in self._matching:
            self._matching[model] = [each for each in self._prices if fnmatchcase(model, each.pattern)]
        return self._matching[model]


def _of_glob(pattern: str, given: Any, places: Mapping[str, Sequence[Place]], make: Make[P]) -> Iterator[OwnPrice[P]]:
    """Yield the prices of a glob, the earliest first."""
    prices = given if isinstance(given, list) else [given]
    lines = [f"{SETTINGS}:{place.line}" for place in places.get(pattern, ())] or [SETTINGS] * len(prices)
    dated = sorted(zip(prices, lines, strict=True), key=lambda each: str(each[0].get("from", "")))
    for price, line in dated:
        day = price.get("from")
        begins = -math.inf if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        source = line if day is None else f"{line} from {day}"
        base = _kinds(price)
        tiers: dict[str | None, list[tuple[int, P]]] = {None: _by_length(price, base, make)}
        for name, variant in price.get("service_tier", {}).items():
            tiers[name] = _by_length(variant, {**base, **_kinds(variant)}, make)
        yield OwnPrice(pattern, begins, source, tiers)


def _by_length(given: Mapping[str, Any], base: Mapping[str, float], make: Make[P]) -> list[tuple[int, P]]:
    """Return the prices for requests of more input tokens than a number, the largest first; of any number last."""
    above = [(int(tokens), make({**base, **_kinds(price)})) for tokens, price in given.get("above", {}).items()]
    return [*sorted(above, key=lambda each: -each[0]), (-1, make(base))]


def _kinds(given: Mapping[str, Any]) -> dict[str, float]:
    return {kind: usd for kind, usd in given.items() if kind not in _OTHERS}
