"""Evaluations of the log: the list, one with its cases, beside another one, and one case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl.browse.links import link
from promptctl.browse.views import Pager, PageRequest, View, check_word, tried
from promptctl.reports.asked import message_texts
from promptctl.reports.verdict import certainty, headline
from promptctl.reports.wording import assertion_name

if TYPE_CHECKING:
    from promptctl import CaseResults, Compared, EvaluationRow
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
