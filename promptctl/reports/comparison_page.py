"""Comparisons as one page: a row for each with its sentence and a bar, the cases of both sides below, flips marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.comparison import PASSED, Comparison
from promptctl.evaluations.evaluation import Evaluation
from promptctl.log.store import Store
from promptctl.reports.columns import short_version
from promptctl.reports.comparison import about_alone, beside_the_verdict, number_rows, usage_name
from promptctl.reports.evaluated_diffs import EvaluatedDiff
from promptctl.reports.flips import certainty_of, flipped_assertions, of_fresh_replies
from promptctl.reports.html import cases_of, columns_of, head_of
from promptctl.reports.offline_page import offline_page
from promptctl.reports.review import readable, stable_head
from promptctl.reports.rows import evaluation_name
from promptctl.reports.sentences import of_comparisons
from promptctl.reports.verdict import MARKS, certainty, headline, mark_of
from promptctl.reports.wording import short_cost

_NOTHING_ELSE: Mapping[str, Sequence[Any]] = {
    name: [] for name in ("breaks", "warnings", "problems", "files", "datasets", "moves")
}


def comparison_page(log: Store, found: Against, reason: str, diffs: Sequence[EvaluatedDiff]) -> Iterator[str]:
    """Yield the page of comparisons, and of evaluations without a base, with the reason of the decision on all."""
    compared, alone, decided = found.compared, found.alone, found.decision
    rows = [row_of(each) | {"mark": mark_of(each)} for each in compared]
    rows += [
        {"mark": MARKS[each.verdict], "prompt": evaluation_name(each, found.heads), "dataset": each.row.spec.dataset}
        | {"change": about_alone(each), "verdict": each.verdict, "reason": each.reason}
        for each in alone
    ]
    names = list(dict.fromkeys(each.head.row.prompt for each in compared))
    title = names[0] if len(names) == 1 and not alone else f"{len(compared) + len(alone)} comparisons"
    opening = of_comparisons(compared, alone, decided, found.together)
    part = {**_NOTHING_ELSE, "passed": decided.is_passed, "decision": reason, "rows": rows, "reproduce": ""}
    part["diffs"] = [{"title": each.title, "lines": each.lines} for each in diffs if each.lines]
    part["notes"] = [each.why_not for each in diffs if each.why_not]
    about = {"title": title, **opening.as_dict(), "about": " → ".join(names_of_sides(compared))}
    yield from sides_page(log, compared, alone, {**about, "review": part})


def sides_page(
    log: Store,
    compared: Sequence[Compared],
    alone: Sequence[Evaluation],
    about: dict[str, Any],
    *,
    is_stable: bool = False,
) -> Iterator[str]:
    """Yield the page `about` something, with the cases of both sides; with `is_stable` equal for equal results."""
    evaluations = [side for each in compared for side in (each.base, each.head)] + list(alone)
    # Every evaluation stands for itself, also where several models are asked the same.
    cases, left_out = cases_of(log, evaluations, len(compared), [(each.row.id,) for each in evaluations])
    flips: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in compared:
        flips |= {(each.head.row.id, id_): flip for id_, flip in _flips(each)}
    models = {each.row.id: each.row.model for each in (*(pair.head for pair in compared), *alone)}
    for key, case in cases.items():
        case["flip"] = flips.get(key)
        if len(set(models.values())) > 1:
            case["prompt"] += f" · {models[key[0]]}"
        for result in case["results"] if is_stable else ():
            result["source"] = result["execution"] = None
            result["cost_nano_usd"] = result["full_cost_nano_usd"]
    heads = [stable_head(each) if is_stable else head_of(each) for each in evaluations]
    for number, head in enumerate(heads):
        if head["full_cost_nano_usd"] is not None:
            head |= {"cost_nano_usd": head["full_cost_nano_usd"], "unpriced": 0}
        if number < 2 * len(compared):
            head["side"] = "after" if number % 2 else "before"
    before, after = names_of_sides(compared) if not is_stable else ("before", "after")
    columns = columns_of(
        [after if number % 2 else before for number in range(2 * len(compared))] + [after] * len(alone)
    )
    if left_out:
        about["about"] += f" · {left_out:,} results that passed are left out of this page"
    yield from offline_page(
        {**about, "evaluations": heads, "columns": columns, "cases": [*cases.values()], "trend": []}
    )


def names_of_sides(compared: Sequence[Compared]) -> tuple[str, str]:
    """Return what both columns are called: `before, v4` if all have one version there."""
    names = []
    for side, found in (("before", [each.base for each in compared]), ("after", [each.head for each in compared])):
        versions = {short_version(each.row) for each in found}
        names.append(f"{side}, {versions.pop()}" if len(versions) == 1 else side)
    return names[0], names[1]


def row_of(found: Compared) -> dict[str, Any]:
    """Return a comparison as a row: its sentence, how sure it is, and the difference with its interval for a bar."""
    shown, passed, head = readable(found), found.comparison.metric(PASSED), found.head.row
    bar = None
    if passed is not None and not found.comparison.is_decided:
        bar = {"difference": passed.difference, "low": passed.interval.low, "high": passed.interval.high}
    return {
        "prompt": head.prompt,
        "model": head.model,
        "dataset": head.spec.dataset,
        "change": head.model,
        "verdict": found.verdict.kind,
        "reason": headline(shown),
        "certainty": certainty(shown, short_cost),
        "notes": [note for note in (beside_the_verdict(found), found.warning, found.note) if note],
        "statistics": found.verdict.reason,
        "bar": bar,
        "sides": [*page_rows(shown.comparison)],
        "regressed": len(found.comparison.regressed),
        "improved": len(found.comparison.improved),
        "wrong": [(side.totals.failed, side.totals.errors) for side in (found.base, found.head)],
    }


def page_rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """Yield the rows of numbers with amounts as pages give them."""
    costs = {usage_name(each): each.sides for each in comparison.usage if each.name == "cost_nano_usd"}
    for name, *sides, change in number_rows(comparison):
        yield name, *(map(short_cost, costs[name]) if name in costs else sides), change


def _flips(found: Compared) -> Iterator[tuple[str, dict[str, Any]]]:
    for way, pairs in (("regressed", found.comparison.regressed), ("improved", found.comparison.improved)):
        for pair in pairs:
            sure = certainty_of(found, pair.case_id)
            yield (
                pair.case_id,
                {
                    "way": way,
                    "certainty": sure,
                    "fresh": of_fresh_replies(found, pair.case_id),
                    "assertions": [asdict(each) for each in flipped_assertions(pair)],
                },
            )
