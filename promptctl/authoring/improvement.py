"""The outcome of improving a prompt: the candidates, the verdict on cases that none of them saw, and the change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count as count_from
from typing import Any, Literal, Self

from promptctl.authoring.trials import TrialRequest, held_out_data
from promptctl.comparisons.compared import Compared
from promptctl.errors import INCOMPLETE, OK, UsageError
from promptctl.files.plain import record_data
from promptctl.files.proposal import Proposal
from promptctl.files.wording import count, percent
from promptctl.log.records import Source
from promptctl.log.results import StopReason
from promptctl.statistics.distributions import normal_quantile
from promptctl.statistics.metric import ALPHA, MetricComparison
from promptctl.statistics.multiplicity import spent

ImprovementVerdict = Literal["better", "not-shown", "unknown"]
"""Better, on cases that no candidate was tried on; no improvement that can be shown; or not known yet."""

ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementRequest(TrialRequest):
    """A request to improve a prompt of the work tree on one dataset that tests it.

    `writer` writes the edits, instead of the model that `authoring/improve` or the workspace names. With
    `edits_parameters` the parameters by which replies are drawn are edited too. `seed` draws what is tried, too.
    """

    writer: str | None = None
    rounds: int = ROUNDS
    edits_parameters: bool = False
    source: Source = "api"

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UsageError(f"`rounds` is 1 at least, not {self.rounds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCandidate:
    """A candidate that was kept: `passed` of the cases to choose by pass, and `score` is the mean of their grades.

    Number 0 is the prompt as it is. `parents` are the candidates that it was made from, in `round_number`; `edited`
    names the parts in which it differs from the first of them.
    """

    number: int
    passed: int
    score: float
    round_number: int = 0
    parents: tuple[int, ...] = ()
    edited: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self, without=("round_number", "texts"), round=self.round_number)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The held-out cases on both sides: how many of `cases` pass, and how sure the difference is.

    `looks` is the number of candidates that were judged on these cases up to this one. `p` is one-sided, and corrected
    for further looks as `spent` has it; the interval is that of the same test, so that it has no zero in it where p is
    below 0.05. `clusters` is the number that the cases form, if any are of one cluster. `evaluations` are the ids of
    before and after in the log.
    """

    cases: int
    before: int
    after: int
    improved: int
    regressed: int
    difference: float
    low: float
    high: float
    confidence: float
    p: float
    looks: int
    clusters: int | None
    evaluations: tuple[str, str]

    @classmethod
    def of(cls, metric: MetricComparison, looks: int, evaluations: tuple[str, str]) -> Self:
        """Return the evidence of passing cases, compared at the level that `spent` leaves to this look."""
        return cls(
            cases=metric.n,
            before=round(metric.base_mean * metric.n),
            after=round(metric.head_mean * metric.n),
            improved=metric.improved,
            regressed=metric.regressed,
            difference=metric.difference,
            low=metric.tolerance.low,
            high=metric.tolerance.high,
            confidence=metric.tolerance.confidence,
            p=min(1.0, metric.test.p_better * ALPHA / spent(ALPHA, looks)),
            looks=looks,
            clusters=None if metric.is_binary else metric.units,
            evaluations=evaluations,
        )

    @property
    def is_improvement(self) -> bool:
        """True if so many more pass that chance alone would seldom bring it about, in one of twenty times."""
        return self.low > 0 and self.p < ALPHA

    @property
    def words(self) -> str:
        """The numbers in a sentence."""
        told = (
            f"of {count(self.cases, 'held-out case')} {self.before} passed before and {self.after} after "
            f"({self.difference * 100:+.0f} points, {percent(self.confidence)} interval {self.low * 100:+.0f} to "
            f"{self.high * 100:+.0f}, p {self.p:.2g})"
        )
        if self.looks > 1:
            told += (
                f"; {self.looks} candidates were judged on these cases so far, for which p and interval are corrected"
            )
        if self.clusters is not None:
            told += f"; they are {count(self.clusters, 'cluster')}, and count as these"
        if self.is_improvement or self.clusters is not None:
            return told
        least = _fewest(spent(ALPHA, self.looks))
        told += f"; {least} must improve, and none get worse, for an improvement to show"
        return told if least <= self.cases else f"{told}: hold out more cases"

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return held_out_data(self)


def _fewest(level: float) -> int:
    """Return how many cases must improve, if none get worse, for test and interval to show it at this level."""
    score = normal_quantile(1 - level)
    return next(cases for cases in count_from(1) if 0.5**cases < level and math.sqrt(cases) > score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """The outcome of improving a prompt. `verdict` and `reason` say what is known; `stopped` what ended it early.

    `cases` are those to learn from, to choose by and held out, drawn by `split_seed`. Of `rounds_asked` rounds `rounds`
    were made, and `refused` of their edits could not be used. `candidates` begin with the prompt itself; `best` is the
    number of the one that did best on the cases to choose by. `proposal` holds the change of the prompt, unless the
    verdict is `not-shown`; and the split, where the dataset has none yet. Costs are of this command: what was answered
    before is reused.
    """

    prompt: str
    version_display: str
    model: str
    writer: str
    dataset: str
    cases: tuple[int, int, int]
    split_seed: int
    verdict: ImprovementVerdict
    reason: str
    rounds: int
    rounds_asked: int
    refused: int
    candidates: tuple[PromptCandidate, ...]
    best: int
    evidence: Evidence | None
    cost_nano_usd: int
    unpriced: int
    calls: int
    proposal: Proposal
    stopped: StopReason | None = None
    compared: Compared | None = field(default=None, repr=False)

    @property
    def exit_code(self) -> int:
        """5 if the verdict is not known, else 0."""
        return INCOMPLETE if self.verdict == "unknown" else OK

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(
            self,
            without=("refused", "evidence", "proposal", "compared"),
            cases=dict(zip(("train", "choose", "held_out"), self.cases, strict=True)),
            edits_refused=self.refused,
            held_out=self.evidence,
        )
