"""The changes between two moments of a dataset, case by case."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar

from promptctl.assertions.assertion import AskedJudge
from promptctl.datasets.cases import Case, content_hash
from promptctl.datasets.dataset import Dataset, Header
from promptctl.differences.text_diff import compare_lines, lines_of
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.tree import Tree
from promptctl.files.wording import as_text
from promptctl.files.yaml_writing import yaml_text
from promptctl.formats.settings_file import DatasetLimits
from promptctl.prompts.prompt import Prompt
from promptctl.reviews.review import CaseEdit, ChangeKind, DatasetReview, Judging, ReviewedCase

T = TypeVar("T")
JudgingOf = Callable[[Dataset, Case], Judging]
_HEADER = ("name", "description", "prompts", "tags", "min_pass")
_MOST_EDITS = 100
_MOST_LINES = 400


def _no_rows(_: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    return {}


@dataclass(frozen=True, slots=True)
class DatasetSide:
    """A dataset at one moment: its header and its cases by id; or what is wrong with it.

    `rows` returns the rows that the file has for some cases, by their ids.
    """

    header: Header | None = None
    cases: Mapping[str, ReviewedCase] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    defaults: str = ""
    judges: frozenset[AskedJudge] = frozenset()
    rows: Callable[[Collection[str]], Mapping[str, Mapping[str, Any]]] = _no_rows


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
    changed = tuple(id_ for id_, own in after.cases.items() if before.cases.get(id_, own) != own) if is_whole else ()
    found = DatasetReview(
        path=path,
        kind="renamed" if former_path and kind == "changed" else kind,
        former_path=former_path,
        prompts=(after.header or before.header or Header(path)).prompts,
        tested=before.header.prompts if before.header is not None else (),
        added=tuple(id_ for id_ in after.cases if id_ not in before.cases) if is_whole else (),
        removed=tuple(id_ for id_ in before.cases if id_ not in after.cases) if is_whole else (),
        changed=changed,
        unchanged=sum(before.cases.get(id_) == own for id_, own in after.cases.items()),
        edits=tuple(_edits(before, after, changed[:_MOST_EDITS])),
        header=header,
        before=before.cases if is_whole else {},
        after=after.cases if is_whole else {},
        min_pass=min_pass,
        calibrated=calibrated,
        judges=(before.judges, after.judges),
        problems=problems,
    )
    return found if found.kind != "changed" or found.is_other_test or header else None


def _edits(before: DatasetSide, after: DatasetSide, changed: Sequence[str]) -> Iterator[CaseEdit]:
    """Yield each row of these cases that differs, once for all cases that a matrix makes of it."""
    old, new = (side.rows(frozenset(changed)) if changed else {} for side in (before, after))
    texts: dict[tuple[str, str], list[str]] = {}
    for id_ in changed:
        if id_ in old and id_ in new:
            texts.setdefault((yaml_text(old[id_]), yaml_text(new[id_])), []).append(id_)
    for sides, ids in texts.items():
        cut = [lines_of(text)[:_MOST_LINES] for text in sides]
        if hunks := compare_lines(*cut):
            yield CaseEdit(tuple(ids), hunks)


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
            content_hash(case.inputs, case.expected, ()) if case.must_pass else "",
            case.xfail is not None,
            case.output,
            case.cluster,
            frozenset(each.digest for each in case.assertions if each.weight),
            math.inf if case.threshold is None else case.threshold,
            judging=judging(dataset, case) if judging is not None and case.judges else Judging(),
        )
        judges.update(case.judges)
    return DatasetSide(dataset.header, cases, defaults=dataset.defaults, judges=frozenset(judges), rows=dataset.written)
