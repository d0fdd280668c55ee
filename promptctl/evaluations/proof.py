"""The evaluation in the log that proves a version good enough for a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.evaluations.datasets import Dataset
from promptctl.evaluations.finding import tested_prompts
from promptctl.formats.names import DATASETS, SETTINGS, resolve_path
from promptctl.log.evaluations import evaluations
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Log
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.tree import Tree
from promptctl.versions.rules import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What must have been evaluated: a prompt at a version, with the model and parameters that would run."""

    prompt: Prompt
    model: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def find_proof(log: Log, tree: Tree, subject: Subject, dataset: str | None) -> Proof:
    """What proves the version, or what is missing.

    On `dataset`, or on every dataset of `tree` that tests the prompt, the last evaluation of the version's digest
    must have passed. It counts where it covered all cases as they are in `tree` now, with the version's own model and
    parameters and judge, and asked no less than the dataset's `min_pass`, and of each case to pass at every repeat.
    `dataset` is a path as `promptctl.yaml` names it, below `datasets/`.
    """
    wanted = [resolve_path(dataset, SETTINGS, DATASETS)] if dataset else tested_prompts(tree).get(subject.prompt.id, [])
    rows = evaluations(log, digest=subject.prompt.digest)
    if not wanted:
        return Proof(missing="no dataset tests it")
    lines = []
    for path in wanted:
        on = "" if dataset else f" on {path}"
        opened = _open(tree, path, subject.prompt)
        if opened is None:
            return Proof(missing=f"{path} is missing or wrong: promptctl validate")
        row = _last(rows, opened, subject)
        if row is None:
            return Proof(missing=f"none is known here{on}")
        if row.totals.get("verdict") != "passed":
            return Proof(missing=f"in the last one{on} ({row.id[-8:]}) {row.totals.get('reason')}")
        lines.append(_line(row))
    return Proof("; ".join(lines))


def _open(tree: Tree, path: str, prompt: Prompt) -> Dataset | None:
    """The dataset, counted; None where it is wrong, or there is none: then nothing can have passed on it."""
    try:
        dataset = (
            Dataset.of_prompt(prompt, tree) if path == prompt.path else Dataset.open(tree, path, is_read_only=True)
        )
    except (FileNotFoundError, InvalidFiles):
        return None
    if dataset is None or any(problem.severity == "error" for problem in dataset.check(prompt)):
        return None
    return dataset


def _last(rows: list[EvaluationRow], dataset: Dataset, subject: Subject) -> EvaluationRow | None:
    """The newest whole evaluation on a dataset."""
    return next((row for row in rows if _counts(row, dataset, subject)), None)


def _counts(row: EvaluationRow, dataset: Dataset, subject: Subject) -> bool:
    spec = row.spec
    return (
        row.status == "finished"
        and row.model == subject.model
        and spec.get("dataset") == dataset.header.path
        and spec.get("dataset_digest") == dataset.digest
        and not any(spec.get(part) for part in ("ids", "tags", "sample", "first", "rerun_of", "left_out", "judge"))
        and (spec.get("at_least") or spec.get("repeats", 1)) >= spec.get("repeats", 1)
        and spec.get("min_pass", 1.0) >= dataset.header.min_pass
        and dict(spec.get("parameters", {})) == {**subject.parameters, **subject.prompt.parameters}
    )


def _line(row: EvaluationRow) -> str:
    totals = row.totals
    return f"{row.id} passed {totals.get('passed')} of {totals.get('cases')} on {row.spec.get('dataset')}"
