"""Experiments: the list, and one with its arms, their intervals, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptctl.browse.views import PageRequest, View
from promptctl.reports import experiment as words

if TYPE_CHECKING:
    from promptctl import ExperimentReport


def experiments(request: PageRequest) -> View:
    """Return the experiments as they stand now."""
    return View("experiments.html", "Experiments", {"experiments": request.workspace.experiments.all()})


def experiment(request: PageRequest) -> View:
    """Return one experiment with what its calls say so far. Raises `ExperimentNotFound`."""
    name = request.needed("name")
    status, report = request.workspace.experiments.experiment(name), request.workspace.experiments.report(name)
    values = {
        "experiment": status.experiment,
        "status": status,
        "report": report,
        "arms": list(zip(words.arm_rows(report), _intervals(report), report.arms, strict=True)),
        "arm_columns": words.ARM_COLUMNS,
        "counts": ("Share", "Keys", "Known"),
        "guards": list(words.guard_rows(report)),
        "guard_columns": words.GUARD_COLUMNS,
        "sentences": list(words.sentences(report)),
    }
    return View("experiment.html", name, values)


def _intervals(report: ExperimentReport) -> list[dict[str, Any] | None]:
    """Return the interval of each arm's outcome on one scale for all, from 0 to 1000; None of what is not known."""
    known = [
        each
        for arm in report.arms
        for each in (arm.primary.low, arm.primary.value, arm.primary.high)
        if each is not None
    ]
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = (high - low) or 1.0

    def at(value: float | None, instead: float) -> float:
        return round(1000 * ((instead if value is None else value) - low) / room, 1)

    return [
        None
        if arm.primary.value is None
        else {"value": at(arm.primary.value, low), "low": at(arm.primary.low, low), "high": at(arm.primary.high, high)}
        for arm in report.arms
    ]
