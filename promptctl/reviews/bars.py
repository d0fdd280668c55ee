"""The share of passing cases that BASE's datasets ask for, asked of the cases that they have in HEAD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from promptctl.comparisons.gates import Decision, check_passes
from promptctl.errors import CHECK_FAILED
from promptctl.evaluations.evaluation import cases_of
from promptctl.evaluations.outcomes import CaseOutcome
from promptctl.log.store import Store
from promptctl.reviews.review import DatasetReview, Review
from promptctl.reviews.taken_away import successors


def below_base(log: Store, review: Review) -> Iterator[Decision]:
    """Yield a failure for each dataset of BASE whose cases pass in HEAD less often than BASE asks.

    It is asked of BASE's own cases: no cases that HEAD adds make up for them. Only evaluations on HEAD alone are looked
    at: what is compared with BASE is compared case by case.
    """
    former = {each.id: {each.former_id or each.id} for each in review.prompts}
    for old, new in successors(review.datasets, review.prompts).items():
        former.setdefault(new, {new}).add(old)
    for measurement in review.measurements:
        ids = former.get(measurement.prompt, {measurement.prompt})
        datasets = [each for each in review.datasets if each.before and ids & {*each.tested}]
        runs = sorted(measurement.evaluations, key=lambda run: run.row.model) if datasets else []
        for _, same in groupby(runs, key=attrgetter("row.model")):
            outcomes: dict[str, CaseOutcome] = {}
            for run in same:
                for case in cases_of(log, run.row):
                    outcome = case.outcome
                    outcomes[f"{run.row.spec.dataset}\0{outcome.case_id}"] = outcome
                    known = outcomes.setdefault(outcome.content_hash, outcome)
                    if known.status == "passed":
                        outcomes[outcome.content_hash] = outcome
            for dataset in datasets:
                yield from _below(measurement.prompt, dataset, outcomes)


def _below(prompt: str, dataset: DatasetReview, outcomes: Mapping[str, CaseOutcome]) -> Iterator[Decision]:
    found = [
        replace(outcome, case_id=id_)
        for id_, case in dataset.before.items()
        if (outcome := outcomes.get(f"{dataset.path}\0{id_}") or outcomes.get(case.content)) is not None
        if not outcome.is_xfail
    ]
    decision = check_passes(found, min_pass=dataset.min_pass[0])
    if found and decision.exit_code == CHECK_FAILED:
        path = dataset.former_path or dataset.path
        yield decision.about(f"{prompt}, by the cases that {path} has in BASE alone")
