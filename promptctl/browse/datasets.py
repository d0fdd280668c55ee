"""Datasets: the list, and one with its cases and the last results over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from promptctl.browse.evaluations import verdict_of
from promptctl.browse.views import PageRequest, View
from promptctl.errors import InvalidFiles, Problem, PromptctlError
from promptctl.reports.wording import as_text

if TYPE_CHECKING:
    from promptctl import Case, EvaluationRow, HumanLabel

ROWS = 50
_NEWEST = 500
_RESULTS = 200


def datasets(request: PageRequest) -> View:
    """Return the list of datasets, each with its last evaluation. No file is read for it, however many there are."""
    results, search = request.workspace.results, request.one("search")
    last: dict[str, EvaluationRow] = {}
    for row in results.evaluations(limit=_NEWEST):
        last.setdefault(row.spec.dataset, row)
    paths = [path for path in request.workspace.datasets.paths() if not search or search.casefold() in path.casefold()]
    shown, pages = request.part_of(paths, ROWS, "datasets", {"search": search})
    values = {
        "rows": [(path, row, row and verdict_of(request.workspace, row)) for path in shown for row in [last.get(path)]],
        "given": {"search": search} if search else {},
        "number": len(paths),
        "pages": pages,
    }
    return View("datasets.html", "Datasets", values)


def dataset(request: PageRequest) -> View:
    """Return one dataset: its cases, and the last results of each prompt and model.

    Raises `DatasetNotFound`. A file that is wrong is there with its problems, and with its results.
    """
    path = request.needed("path")
    found, problems = None, tuple[Problem, ...]()
    try:
        found = request.workspace.datasets.cases(path)
        path = found.header.path
    except InvalidFiles as error:
        problems = error.problems
    cases = found.cases if found else ()
    shown, pages = request.part_of(cases, ROWS, "dataset", {"path": path})
    values = {
        "path": path,
        "header": found and found.header,
        "cases": [(each, as_expected(each)) for each in shown],
        "number": len(cases),
        "problems": problems,
        "rows": _last_results(request, path),
        "parts": found.parts if found else {},
        "sizes": Counter(part or "no part" for part in found.parts.values()) if found else {},
        "labels": _labels(request, path),
        "pages": pages,
    }
    return View("dataset.html", path, values)


def _last_results(request: PageRequest, path: str) -> Sequence[tuple[EvaluationRow, str]]:
    """Return the newest evaluation of each prompt and model over a dataset, with how it ended."""
    results = request.workspace.results
    last: dict[tuple[str, str], EvaluationRow] = {}
    for row in results.evaluations(dataset=path, limit=_RESULTS):
        if not row.spec.is_part_of_comparison:
            last.setdefault((row.prompt, row.model), row)
    return [(row, verdict_of(request.workspace, row)) for _, row in sorted(last.items())]


def as_expected(case: Case) -> str | None:
    """Return what is expected of a case as text; None if nothing is."""
    return None if isinstance(case.expected, Enum) else as_text(case.expected)


def _labels(request: PageRequest, path: str) -> Mapping[str, Sequence[HumanLabel]]:
    """Return the labels of people that count, by case; none if the files of labels or the dataset are wrong."""
    found: dict[str, list[HumanLabel]] = {}
    with suppress(PromptctlError):
        for each in request.workspace.judges.labels(path).counting:
            found.setdefault(each.label.case, []).append(each.label)
    return found
