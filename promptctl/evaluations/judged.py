"""The rates of judges in one evaluation: raw, and corrected by what is known of their agreement with people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from promptctl.formats.calibration_file import cases_of
from promptctl.statistics.agreement import JudgedCases, VerdictCounts, rogan_gladen
from promptctl.statistics.intervals import clustered_rate, independent_cases, wilson, with_single_cases


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


@dataclass(slots=True)
class _Verdicts:
    passed: int = 0
    failed: int = 0
    errors: int = 0
    clusters: dict[str, tuple[int, int]] = field(default_factory=dict)


class JudgedRates:
    """Counts the verdicts of judges; `calibrations` are the spec's, by their keys."""

    def __init__(self, calibrations: Mapping[str, Mapping[str, Any]]) -> None:
        self._calibrations = calibrations
        self._found: dict[Judged, _Verdicts] = {}

    def add(self, graded: Mapping[str, Any], cluster: str | None) -> None:
        """Count one judged assertion, as results keep it."""
        names = ("calibration", "undecided", "judge_prompt")
        key = Judged(graded["type"], graded["judge"], *(graded.get(name) for name in names))
        found, passed = self._found.setdefault(key, _Verdicts()), graded.get("passed")
        if passed is None:
            found.errors += 1
            return
        found.passed += passed
        found.failed += not passed
        if cluster is not None:
            before, cases = found.clusters.get(cluster, (0, 0))
            found.clusters[cluster] = before + passed, cases + 1

    @property
    def undecided(self) -> str:
        """The reasons why judges decided nothing, as words for people; empty if every one decided."""
        lacking = dict.fromkeys(key.undecided for key in self._found if key.undecided is not None)
        return f"decided nothing: {'; '.join(lacking)}" if lacking else ""

    def as_data(self) -> tuple[dict[str, Any], ...]:
        """Return a JSON object for each: its verdicts, the raw rate of them and the corrected one."""
        ordered = sorted(self._found, key=lambda key: tuple(each or "" for each in key))
        return tuple(self._as_data(key, self._found[key]) for key in ordered)

    def _as_data(self, key: Judged, found: _Verdicts) -> dict[str, Any]:
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
        data |= {"pass_rate": round(found.passed / n, 6), "low": round(raw.low, 6), "high": round(raw.high, 6)}
        if known:
            counts = JudgedCases(VerdictCounts(**known["verdicts"]), cases_of(known.get("by_case", ())))
            data["labels"] = counts.total.n
            independent = independent_cases(units) if units else n
            data["uncorrected"] = _why_uncorrected(counts)
            corrected = rogan_gladen(found.passed / n, independent, counts.sensitivity, counts.specificity)
            if corrected is not None:
                data["uncorrected"] = None
                data["corrected_rate"] = round(corrected.rate, 6)
                data["corrected_low"] = round(corrected.interval.low, 6)
                data["corrected_high"] = round(corrected.interval.high, 6)
        return data


def _why_uncorrected(counts: JudgedCases) -> str:
    """Return the reason for which no rate of a judge can be corrected, where none can."""
    if not counts.specificity.n:
        return "the judge was tried on no reply that people let fail"
    if not counts.sensitivity.n:
        return "the judge was tried on no reply that people let pass"
    return "the judge did no better than chance"
