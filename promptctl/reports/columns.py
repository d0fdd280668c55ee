"""Evaluations of the same cases as columns of one table: their names, and how each does beside the best."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.outcomes import CaseOutcome, case_results, ways_between
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.reports.verdict import chance
from promptctl.reports.wording import as_text, without_commit
from promptctl.statistics.multiplicity import holm
from promptctl.statistics.paired import mcnemar

_PARTS: Sequence[Callable[[EvaluationRow], str]] = (
    lambda row: row.prompt,
    lambda row: short_version(row),
    lambda row: row.model,
    lambda row: ", ".join(f"{name}: {as_text(value)}" for name, value in sorted(row.spec.parameters.items())),
    lambda row: f"@{row.label}" if row.label else "",
    lambda row: row.spec.judge or "",
    lambda row: row.started_at[:19].replace("T", " "),
    lambda row: row.id[-8:],
)
# Beyond it a page would be read for minutes.
_MOST_COMPARED = 8


def short_version(row: EvaluationRow) -> str:
    """Return what people call a version: `v7`, `v7+dirty`; without a number the beginning of its digest."""
    return without_commit(row.version_display or row.digest.rpartition(":")[2][:7])


def names_of(rows: Sequence[EvaluationRow], groups: Sequence[Hashable]) -> list[str]:
    """Return the shortest names that tell the evaluations of each group apart; empty if each group has only one."""
    told: list[tuple[str, ...]] = [() for _ in rows]
    for part in _PARTS:
        more = [(*name, part(row)) for name, row in zip(told, rows, strict=True)]
        if len(set(zip(groups, more, strict=True))) > len(set(zip(groups, told, strict=True))):
            told = more
    return [" · ".join(filter(None, name)) for name in told]


@dataclass(frozen=True, slots=True)
class BesideBest:
    """An evaluation beside the one that passes the most of the same cases.

    `worse` cases fail here and pass there, `better` the other way round. `said` is how sure that is.
    """

    best: int
    worse: int
    better: int
    said: str


def beside_best(log: Store, evaluations: Sequence[Evaluation]) -> list[BesideBest | None]:
    """Compare evaluations of the same cases with the one that passes the most; None for itself.

    By McNemar's test on the cases that both graded, corrected by Holm for all pairs, as the best was not named before.
    Empty if there are fewer than two, or more than eight, or if their numbers of cases differ.
    """
    numbers = {each.totals.cases + each.totals.never_run for each in evaluations}
    if not 2 <= len(evaluations) <= _MOST_COMPARED or len(numbers) > 1:
        return []
    sides = [_outcomes(log, each) for each in evaluations]
    pairs = list(combinations(range(len(sides)), 2))
    ways = {(one, other): ways_between(sides[one], sides[other]) for one, other in pairs}
    flips = {pair: (found.count(1), found.count(-1)) for pair, found in ways.items()}
    adjusted = holm([mcnemar(*flips[pair]).p_two_sided for pair in pairs])
    chances = dict(zip(pairs, adjusted, strict=True))
    best = max(range(len(sides)), key=lambda at: evaluations[at].summary.counts.passed)
    clustered = any(outcome.cluster for side in sides for outcome in side.values())
    found: list[BesideBest | None] = []
    for at in range(len(sides)):
        if at == best:
            found.append(None)
            continue
        better, worse = flips[min(at, best), max(at, best)]
        if at < best:
            better, worse = worse, better
        said = chance(chances[min(at, best), max(at, best)]) if better or worse else "the same cases pass"
        found.append(BesideBest(best, worse, better, "cases come in clusters: not tested" if clustered else said))
    return found


def _outcomes(log: Store, evaluation: Evaluation) -> dict[str, CaseOutcome]:
    row = evaluation.row
    return {found.outcome.case_id: found.outcome for found in case_results(log.results(row.id), row.spec.at_least)}
