"""The outcome of shortening a prompt: what was left out, what that may lose at most, and what it saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from promptctl.authoring.cuts import Cut
from promptctl.authoring.trials import TrialRequest, held_out_data
from promptctl.errors import INCOMPLETE, OK, UsageError
from promptctl.files.plain import record_data
from promptctl.files.proposal import Proposal
from promptctl.files.wording import count, percent
from promptctl.log.results import StopReason
from promptctl.statistics.metric import MetricComparison

CutOutcome = Literal["dropped", "needed", "not-proven", "unfit", "unknown"]
"""Left out; cases failed without it; the held-out cases do not allow it; the file would be wrong without it; or some
cases could not be graded, so that it is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShorteningRequest(TrialRequest):
    """A request to shorten a prompt of the work tree, on one dataset that tests it.

    A loss of `margin` of the cases that pass, or more, must be ruled out; None takes the gate's.
    """

    margin: float | None = None

    def __post_init__(self) -> None:
        if self.margin is not None and not 0 < self.margin < 1:
            raise UsageError(f"`margin` is a share between 0 and 1, not {self.margin}")


@dataclass(frozen=True, slots=True)
class TriedCut:
    """One part that was tried: what became of it, and how many cases to choose by `lost` and `gained` without it."""

    cut: Cut
    outcome: CutOutcome
    lost: int = 0
    gained: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        cut = self.cut
        named = {"what": cut.about, "line": cut.line, "text": cut.text, "tokens": cut.tokens}
        return {**named, **record_data(self, without=("cut",))}


@dataclass(frozen=True, slots=True)
class Loss:
    """The held-out cases before and after: the share of passing cases that may be lost, with its interval.

    `looks` is the number of prompts that were shortened by most of these cases up to this one; the interval is wider
    for it.
    """

    cases: int
    before: int
    after: int
    lost: int
    gained: int
    loss: float
    low: float
    high: float
    confidence: float
    looks: int
    evaluations: tuple[str, str]

    @classmethod
    def of(cls, metric: MetricComparison, looks: int, evaluations: tuple[str, str]) -> Loss:
        """Return the loss of passing cases, compared at the level that `spent` leaves to this look."""
        return cls(
            cases=metric.n,
            before=round(metric.base_mean * metric.n),
            after=round(metric.head_mean * metric.n),
            lost=metric.regressed,
            gained=metric.improved,
            loss=0.0 - metric.difference,
            low=0.0 - metric.tolerance.high,
            high=0.0 - metric.tolerance.low,
            confidence=metric.tolerance.confidence,
            looks=looks,
            evaluations=evaluations,
        )

    @property
    def words(self) -> str:
        """The numbers in a sentence."""
        low, loss, high = (f"{each * 100:+.1f}" for each in (self.low, self.loss, self.high))
        return (
            f"of {count(self.cases, 'held-out case')} {self.before} passed before and {self.after} after: "
            f"a loss of {loss} points, {percent(self.confidence)} interval {low} to {high}{after_others(self.looks)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return held_out_data(self)


def after_others(looks: int) -> str:
    """Return the words on earlier prompts that were shortened by the same cases; empty without any."""
    return f" ({looks} prompts were shortened by these cases so far, which is corrected for)" if looks > 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """The outcome of shortening a prompt. `tried` are its parts, longest first, each with what became of it.

    `loss` is that of what is proposed; None if that is nothing. `tokens` are those of a whole request before,
    `saved_tokens` the fewer after. `recent_calls` are those in the log of the version that was called last, over
    `recent_days`, 30 at most; `saved_of_recent_nano_usd` is what they would have cost less, `saved_nano_usd` that in a
    month at the same rate. Both are None if there is no call or no price. `proposal` leaves the dropped parts out, and
    keeps the split, where the dataset has none. Costs are of this command. `stopped` says what ended it early.
    """

    prompt: str
    version_display: str
    model: str
    dataset: str
    choosing: int
    held_out: int
    split_seed: int
    margin: float
    tried: tuple[TriedCut, ...]
    untried: int
    loss: Loss | None
    tokens: int
    saved_tokens: int
    recent_calls: int
    recent_days: float
    saved_of_recent_nano_usd: int | None
    saved_nano_usd: int | None
    cost_nano_usd: int
    unpriced: int
    calls: int
    proposal: Proposal
    stopped: StopReason | None = None

    @property
    def dropped(self) -> list[TriedCut]:
        """The parts that are left out."""
        return [each for each in self.tried if each.outcome == "dropped"]

    @property
    def exit_code(self) -> int:
        """5 if it ended before every part was tried, or of one nothing is known yet, else 0."""
        return INCOMPLETE if self.is_unfinished else OK

    @property
    def is_unfinished(self) -> bool:
        """True if the same command would go on."""
        return self.stopped is not None or any(each.outcome == "unknown" for each in self.tried)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(
            self,
            without=("choosing", "held_out", "tried", "saved_nano_usd", "proposal"),
            cases={"choosing": self.choosing, "held_out": self.held_out},
            parts=self.tried,
            saved_nano_usd_a_month=self.saved_nano_usd,
        )
