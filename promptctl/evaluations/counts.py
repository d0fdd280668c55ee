"""Counts of an evaluation: of cases, by what they came to, and of the verdicts of judges, with their rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from promptctl.formats.calibration_file import cases_of
from promptctl.statistics.agreement import JudgedCases, VerdictCounts, rogan_gladen
from promptctl.statistics.intervals import clustered_rate, independent_cases, wilson, with_single_cases


@dataclass(slots=True)
class Counts:
    """Numbers of cases that passed, failed, or could not be graded.

    `clusters` has the passed and all cases of each group that stands or falls together; other cases are in none.
    """

    passed: int = 0
    failed: int = 0
    errors: int = 0
    clusters: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.errors

    @property
    def rate(self) -> float | None:
        """Passed of all cases: an error is not left out of the share."""
        return self.passed / self.cases if self.cases else None

    def add(self, status: str, cluster: str | None = None) -> None:
        """Count one case."""
        if cluster is not None:
            passed, cases = self.clusters.get(cluster, (0, 0))
            self.clusters[cluster] = passed + (status == "passed"), cases + 1
        if status == "passed":
            self.passed += 1
        elif status == "failed":
            self.failed += 1
        else:
            self.errors += 1

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with the rate and its 95 % interval: Wilson's, wider if cases stand or fall together."""
        low, high = self._interval()
        return {
            "cases": self.cases,
            "passed": self.passed,
            "failed": self.failed,
            "errors": self.errors,
            "pass_rate": rounded(self.rate),
            "low": low,
            "high": high,
        }

    def _interval(self) -> tuple[float | None, float | None]:
        if not self.cases:
            return None, None
        interval = wilson(self.passed, self.cases)
        if self.clusters:
            interval = clustered_rate(with_single_cases(self.passed, self.cases, self.clusters.values()))
        return rounded(interval.low), rounded(interval.high)


@dataclass(slots=True)
class Mean:
    """The mean of numbers that are added one by one; None of none."""

    total: float = 0.0
    count: int = 0

    @property
    def value(self) -> float | None:
        """The mean so far."""
        return self.total / self.count if self.count else None

    def add(self, value: float) -> None:
        """Take one in."""
        self.total += value
        self.count += 1


class Judged(NamedTuple):
    """Assertions that are counted together: of one type, judge and calibration, and why they decide nothing.

    `judge` is the model, `prompt` the one that they name, None for the type's own. A calibration is of one rubric;
    without one all rubrics are counted together.
    """

    type: str
    judge: str
    calibration: str | None = None
    undecided: str | None = None
    prompt: str | None = None


class JudgedRates:
    """Counts the verdicts of judges; `calibrations` are the spec's, by their keys."""

    def __init__(self, calibrations: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._calibrations = calibrations or {}
        self._found: dict[Judged, Counts] = {}

    def add(self, graded: Mapping[str, Any], cluster: str | None) -> None:
        """Count one judged assertion, as results keep it."""
        names = ("calibration", "undecided", "judge_prompt")
        key = Judged(graded["type"], graded["judge"], *(graded.get(name) for name in names))
        passed = graded.get("passed")
        status = "error" if passed is None else "passed" if passed else "failed"
        self._found.setdefault(key, Counts()).add(status, None if passed is None else cluster)

    @property
    def undecided(self) -> str:
        """The reasons why judges decided nothing, as words for people; empty if every one decided."""
        lacking = dict.fromkeys(key.undecided for key in self._found if key.undecided is not None)
        return f"decided nothing: {'; '.join(lacking)}" if lacking else ""

    def as_data(self) -> tuple[dict[str, Any], ...]:
        """Return a JSON object for each: its verdicts, the raw rate of them and the corrected one."""
        ordered = sorted(self._found, key=lambda key: tuple(each or "" for each in key))
        return tuple(self._as_data(key, self._found[key]) for key in ordered)

    def _as_data(self, key: Judged, found: Counts) -> dict[str, Any]:
        n = found.passed + found.failed
        known = self._calibrations.get(key.calibration or "")
        data: dict[str, Any] = {
            "type": key.type,
            "judge": key.judge,
            "judge_prompt": key.prompt,
            "rubric": known["rubric"] if known else None,
            "calibration": key.calibration,
            "undecided": key.undecided,
            "passed": found.passed,
            "failed": found.failed,
            "errors": found.errors,
            "pass_rate": None,
            "low": None,
            "high": None,
            "corrected_rate": None,
            "corrected_low": None,
            "corrected_high": None,
            "kappa": known["kappa"]["value"] if known else None,
            "labels": None,
            "uncorrected": None if key.calibration is None else "its calibration is younger than the evaluation",
        }
        if not n:
            return data
        units = with_single_cases(found.passed, n, found.clusters.values()) if found.clusters else []
        raw = clustered_rate(units) if units else wilson(found.passed, n)
        data |= {"pass_rate": rounded(found.passed / n), "low": rounded(raw.low), "high": rounded(raw.high)}
        if known:
            counts = JudgedCases(VerdictCounts(**known["verdicts"]), cases_of(known.get("by_case", ())))
            data["labels"] = counts.total.n
            independent = independent_cases(units) if units else n
            data["uncorrected"] = _why_uncorrected(counts)
            corrected = rogan_gladen(found.passed / n, independent, counts.sensitivity, counts.specificity)
            if corrected is not None:
                data["uncorrected"] = None
                data["corrected_rate"] = rounded(corrected.rate)
                data["corrected_low"] = rounded(corrected.interval.low)
                data["corrected_high"] = rounded(corrected.interval.high)
        return data


def _why_uncorrected(counts: JudgedCases) -> str:
    """Return the reason for which no rate of a judge can be corrected, where none can."""
    if not counts.specificity.n:
        return "the judge was tried on no reply that people let fail"
    if not counts.sensitivity.n:
        return "the judge was tried on no reply that people let pass"
    return "the judge did no better than chance"


def rounded(value: float | None) -> float | None:
    """Return a number as JSON has it."""
    return None if value is None else round(value, 6)
