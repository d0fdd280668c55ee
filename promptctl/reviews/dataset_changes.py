"""The changes between two moments of a dataset, case by case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeVar

from promptctl.assertions.assertion import AskedJudge
from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset, Header
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.tree import Tree
from promptctl.files.wording import as_text
from promptctl.formats.settings_file import DatasetLimits
from promptctl.prompts.prompt import Prompt
from promptctl.reviews.review import ChangeKind, DatasetReview, Judging, ReviewedCase

T = TypeVar("T")
JudgingOf = Callable[[Dataset, Case], Judging]
_HEADER = ("name", "description", "prompts", "tags", "min_pass")


@dataclass(frozen=True, slots=True)
class DatasetSide:
    """A dataset at one moment: its header and its cases by id; or what is wrong with it."""

    header: Header | None = None
    cases: Mapping[str, ReviewedCase] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    defaults: str = ""
    judges: frozenset[AskedJudge] = frozenset()


def side_of(
    tree: Tree, path: str, trusted: Tree, limits: DatasetLimits, judging: JudgingOf | None = None
) -> DatasetSide | None:
    """The dataset at a path of a tree; None if there is no such file. None of its code is run."""
    try:
        tree.read(path)
        return _side(Dataset.open(tree, path, code="skip", trusted=trusted, limits=limits), None, judging)
    except FileNotFoundError:
        return None
    except WorkspaceError as error:
        return DatasetSide(problems=problems_of(error, path))


def inline_side(
    tree: Tree, prompt: Prompt | None, trusted: Tree, limits: DatasetLimits, judging: JudgingOf | None = None
) -> DatasetSide | None:
    """The tests in a prompt's own file; None if it has none."""
    dataset = Dataset.of_prompt(prompt, tree, trusted, limits) if prompt is not None else None
    if dataset is None or prompt is None:
        return None
    try:
        return _side(dataset, prompt, judging)
    except WorkspaceError as error:
        return DatasetSide(dataset.header, problems=problems_of(error, prompt.path))


def compare_sides(
    path: str, base: DatasetSide | None, head: DatasetSide | None, former_path: str | None = None
) -> DatasetReview | None:
    """Return the changes, or None without any. Cases with the same id and content are the same."""
    before, after = base or DatasetSide(), head or DatasetSide()
    kind: ChangeKind = "added" if base is None else "removed" if head is None else "changed"
    problems = (*before.problems, *after.problems)

    def both(read: Callable[[Header], T | None]) -> tuple[T | None, T | None]:
        base, head = (None if side.header is None else read(side.header) for side in (before, after))
        return base, head

    min_pass, calibrated = both(lambda own: own.min_pass), both(lambda own: own.calibrated)
    header: dict[str, tuple[object, object]] = {}
    if before.header is not None and after.header is not None:
        header = {name: both(attrgetter(name)) for name in _HEADER}
        header["defaults"] = (before.defaults, after.defaults)
        header["split"] = both(lambda own: None if own.split is None else as_text(dict(own.split)))
        header["judge"] = both(lambda own: own.calibrated and own.calibrated.words)
        header = {name: values for name, values in header.items() if values[0] != values[1]}
    is_whole = not problems
    found = DatasetReview(
        path=path,
        kind="renamed" if former_path and kind == "changed" else kind,
        former_path=former_path,
        prompts=(after.header or before.header or Header(path)).prompts,
        tested=before.header.prompts if before.header is not None else (),
        added=tuple(id_ for id_ in after.cases if id_ not in before.cases) if is_whole else (),
        removed=tuple(id_ for id_ in before.cases if id_ not in after.cases) if is_whole else (),
        changed=tuple(id_ for id_, own in after.cases.items() if before.cases.get(id_, own) != own) if is_whole else (),
        unchanged=sum(before.cases.get(id_) == own for id_, own in after.cases.items()),
        header=header,
        before=before.cases if is_whole else {},
        after=after.cases if is_whole else {},
        min_pass=min_pass,
        calibrated=calibrated,
        judges=(before.judges, after.judges),
        problems=problems,
    )
    return found if found.kind != "changed" or found.is_other_test or header else None


def problems_of(error: WorkspaceError, path: str) -> tuple[Problem, ...]:
    """Return the problems of a file's error, with their places."""
    if isinstance(error, InvalidFiles):
        return tuple(problem for problem in error.problems if problem.severity == "error")
    return (Problem(error.message, error.place or Place(path), error.hint, "unreadable"),)


def _side(dataset: Dataset, prompt: Prompt | None, judging: JudgingOf | None) -> DatasetSide:
    cases: dict[str, ReviewedCase] = {}
    judges: set[AskedJudge] = set()
    for case in dataset.cases(prompt):
        cases[case.id] = ReviewedCase(
            case.content_hash,
            case.must_pass,
            case.xfail is not None,
            case.output,
            case.cluster,
            frozenset(each.digest for each in case.assertions if each.weight),
            math.inf if case.threshold is None else case.threshold,
            judging=judging(dataset, case) if judging is not None and case.judges else Judging(),
        )
        judges.update(case.judges)
    return DatasetSide(dataset.header, cases, defaults=dataset.defaults, judges=frozenset(judges))
