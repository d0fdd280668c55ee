"""The rule that a team judges comparisons by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.flips import ROUNDS
from promptctl.errors import UsageError

GateKind = Literal["worse", "noninferior", "strict"]


@dataclass(frozen=True, slots=True)
class GateRule:
    """The rule that a comparison is judged by.

    `gate`: `worse` fails only on a verdict `worse`; `noninferior` also unless a loss of `margin` is ruled out;
    `strict` also on any confirmed regression. `margin` and `min_effect` are in the metric's own unit (0.05 is five
    points of the pass rate); a difference smaller than `min_effect` is neither worse nor better. Up to the share
    `max_errors` of comparable cases may lack a grade, whatever it would have been. `metrics` are those judged; empty
    means the cases that pass, alone.
    `reruns` is the number of fresh pairs that each flipped case is asked for; 0 means first answers alone.
    Of head's cases the share `min_pass` must pass besides; None asks for no share.
    `max_cost_increase` and `max_token_increase` are shares (0.1 is ten per cent) that a reply may cost or hold more.
    """

    gate: GateKind = "worse"
    margin: float = 0.05
    min_effect: float = 0.0
    max_errors: float = 0.0
    metrics: tuple[str, ...] = ()
    power: float = 0.8
    min_pass: float | None = None
    reruns: int = ROUNDS
    max_cost_increase: float | None = None
    max_token_increase: float | None = None

    def __post_init__(self) -> None:
        for name in ("margin", "min_effect", "max_errors", "reruns", "max_cost_increase", "max_token_increase"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"{name} must be a number from 0 on, not {value}")

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the metrics that can decide, each once."""
        return tuple(dict.fromkeys(self.metrics)) or (PASSED,)

    @property
    def is_met_by_better(self) -> bool:
        """True if a version whose passing cases are better meets the rule, whatever else is so."""
        limits = (self.min_pass, self.max_cost_increase, self.max_token_increase)
        return self.gate == "worse" and self.judged == (PASSED,) and all(limit is None for limit in limits)


def rule_of(settings: Mapping[str, Any], asked: GateRule | Mapping[str, Any]) -> GateRule:
    """Return the rule asked for; if only some of its fields are, the rest is as the settings say."""
    return asked if isinstance(asked, GateRule) else GateRule(**{**settings, **asked})
