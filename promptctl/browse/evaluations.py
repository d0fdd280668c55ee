"""Evaluations of the log and datasets: the lists, one of each with its cases, beside another one, and one case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl.browse.links import link
from promptctl.browse.views import Pager, PageRequest, View, check_word, tried
from promptctl.errors import InvalidFiles, Problem, PromptctlError
from promptctl.reports.asked import message_texts
from promptctl.reports.verdict import certainty, headline
from promptctl.reports.wording import as_text, assertion_name

if TYPE_CHECKING:
    from promptctl import Case, CaseResults, Compared, EvaluationRow, HumanLabel
    from promptctl.workspace import Workspace


ROWS = 50
_OTHERS = 20
_STATUSES = ("running", "finished", "incomplete")
_SHOWN = ("", "failed", "error", "passed")


def evaluations(request: PageRequest) -> View:
    """Return the list of evaluations, newest first."""
    given, results = request.given("prompt", "dataset", "status"), request.workspace.results
    check_word("status", given.get("status"), _STATUSES)
    none: list[EvaluationRow] = []
    before = request.one("before")
    rows, problem = tried(lambda: results.evaluations(**given, before=before, limit=ROWS + 1), none)
    values = {
        "given": given,
        "problem": problem,
        "statuses": {"": "any"} | {each: each for each in _STATUSES},
        "rows": [(row, verdict_of(request.workspace, row)) for row in rows[:ROWS]],
        "pages": request.pager("evaluations", given, rows[ROWS - 1].id if len(rows) > ROWS else None),
    }
    return View("evaluations.html", "Evaluations", values, status=400 if problem else 200)


def evaluation(request: PageRequest) -> View:
    """Return one evaluation with its cases, all or those that came to one thing, and what it is beside another one.

    Raises `LogError` for an id that is not in the log, and `UsageError` for a position that is no number.
    """
    results, wanted = request.workspace.results, request.needed("id")
    row, shown, first = results.row(wanted), request.one("show") or "", request.number("first")
    check_word("choice of cases", shown, _SHOWN)
    status: Any = shown or None
    cases = list(islice(results.cases(row.id, status=status, first=first), ROWS + 1))
    against = request.one("against")
    compared = request.workspace.compare(against, row.id) if against is not None else None
    next_ = str(cases[ROWS].rows[0].position) if len(cases) > ROWS else None
    same = link("evaluation", id=row.id, show=shown or None, against=against)
    values = {
        "row": row,
        "totals": row.totals,
        "verdict": verdict_of(request.workspace, row),
        "shown": shown,
        "choices": [(each, _choice(row, each)) for each in _SHOWN],
        "cases": [(each, reason_of(each)) for each in cases[:ROWS]],
        "pages": Pager(same if first else None, f"{same}&first={next_}" if next_ else None, ("First", "Next")),
        "against": against,
        "compared": compared,
        "flips": list(_flips(compared)) if compared else [],
        "headline": headline(compared) if compared else None,
        "certainty": certainty(compared) if compared else None,
        "others": [each for each in _others(request, row) if each.id != row.id],
    }
    return View("evaluation.html", f"Evaluation of {row.prompt}", values)


def case(request: PageRequest) -> View:
    """Return everything of one case: what was asked, what came, and how each check graded it.

    Raises `CaseNotFound` if the evaluation has none of that id, and `LogError` for an evaluation there is not.
    """
    results = request.workspace.results
    row = results.row(request.needed("evaluation"))
    found = results.case(row.id, request.needed("case"))
    values = {
        "row": row,
        "case": found,
        "detail": found.rows[0].detail,
        "messages": list(message_texts(results.messages(found.rows[0])["messages"])),
        "checks": [list(_checks(each.detail.assertions)) for each in found.rows],
    }
    return View("case.html", f"Case {found.outcome.case_id}", values)


def verdict_of(workspace: Workspace, row: EvaluationRow) -> str:
    """Return how an evaluation ended, or that it has not."""
    if row.status == "running":
        return "running" if workspace.results.is_running(row) else "interrupted"
    return row.totals.verdict or row.status


def _others(request: PageRequest, row: EvaluationRow) -> list[EvaluationRow]:
    """Return the newest evaluations of the same prompt over the same dataset, to compare with."""
    return request.workspace.results.evaluations(prompt=row.prompt, dataset=row.spec.dataset, limit=_OTHERS)


def _choice(row: EvaluationRow, shown: str) -> str:
    totals = row.totals
    numbers = {"": totals.cases, "failed": totals.failed, "error": totals.errors, "passed": totals.passed}
    words = {"": "all", "failed": "failed", "error": "errors", "passed": "passed"}[shown]
    return f"{words} {numbers[shown]:,}" if totals.cases else words


def _flips(compared: Compared) -> Iterator[tuple[str, str, str, str]]:
    """Yield what became of each case that differs: its id, the kind of change, and its status before and after."""
    comparison = compared.comparison
    for kind, pairs in (("regressed", comparison.regressed), ("improved", comparison.improved)):
        for pair in pairs:
            yield pair.case_id, kind, pair.base.status, pair.head.status
    for kind, outcomes in (("added", comparison.added), ("removed", comparison.removed)):
        for each in outcomes:
            sides = ("-", each.status) if kind == "added" else (each.status, "-")
            yield each.case_id, kind, *sides
    for pair in comparison.changed:
        yield pair.case_id, "changed content", pair.base.status, pair.head.status


def _checks(assertions: Any, depth: int = 0) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Yield each check, with how deep it is within others, and its name."""
    for graded in assertions:
        yield depth, assertion_name(graded), graded
        yield from _checks(graded.get("parts", ()), depth + 1)


def reason_of(found: CaseResults) -> str:
    """Return why a case came to what it did, in a line."""
    row = found.decisive
    failed = [
        f"{assertion_name(each)}: {each.get('reason') or 'did not pass'}" for each in row.detail.failed_assertions
    ]
    told = row.error_message or row.detail.reason or "; ".join(failed)
    return f"{told} ({found.passes})" if len(found.rows) > 1 else told


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
