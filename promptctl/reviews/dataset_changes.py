"""The changes between two moments of a dataset, case by case."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, TypeVar

from promptctl.assertions.assertion import AskedJudge
from promptctl.datasets.cases import Case, content_hash
from promptctl.datasets.dataset import Dataset, Header
from promptctl.differences.text_diff import Hunk, compare_lines, lines_of
from promptctl.errors import Problem, WorkspaceError
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
_MOST_COMPARED_LINES = 50_000  # of a dataset's rows, but for what they begin and end with alike: some seconds at most
_CONTEXT_LINES = 3


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


@dataclass(frozen=True, slots=True)
class DatasetReading:
    """The way in which the datasets of both moments are read; none of their code is run.

    Judges are read from `trusted` on both sides: that HEAD has a different one changes no case. `judging` says who
    decides of a case's judges.
    """

    trusted: Tree
    limits: DatasetLimits
    judging: JudgingOf | None = None

    def at(self, tree: Tree, path: str) -> DatasetSide | None:
        """Return the dataset at a path of a tree; None if there is no such file."""
        try:
            tree.read(path)
            return self._side(Dataset.open(tree, path, code="skip", trusted=self.trusted, limits=self.limits))
        except FileNotFoundError:
            return None
        except WorkspaceError as error:
            return DatasetSide(problems=problems_of(error, path))

    def within(self, tree: Tree, prompt: Prompt | None) -> DatasetSide | None:
        """Return the tests in a prompt's own file; None if it has none."""
        dataset = Dataset.of_prompt(prompt, tree, self.trusted, self.limits) if prompt is not None else None
        if dataset is None or prompt is None:
            return None
        try:
            return self._side(dataset, prompt)
        except WorkspaceError as error:
            return DatasetSide(dataset.header, problems=problems_of(error, prompt.path))

    def _side(self, dataset: Dataset, prompt: Prompt | None = None) -> DatasetSide:
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
                case.is_xfail_strict,
                judging=Judging() if self.judging is None else self.judging(dataset, case),
            )
            judges.update(case.judges)
        return DatasetSide(
            dataset.header, cases, defaults=dataset.defaults, judges=frozenset(judges), rows=dataset.written
        )


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
        edits=tuple(_edits(before, after, changed)),
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
    """Yield each row of these cases that differs, once for all cases that a matrix makes of it.

    Those beyond the first 100, and those that are too long to compare, have no hunks.
    """
    old, new = (side.rows(frozenset(changed)) if changed else {} for side in (before, after))
    cases: dict[tuple[int, int], list[str]] = {}
    for id_ in changed:
        rows = old.get(id_), new.get(id_)
        if None in rows or rows[0] != rows[1] or repr(rows[0]) != repr(rows[1]):  # 1 and true are equal
            cases.setdefault((id(rows[0]), id(rows[1])), []).append(id_)
    shown, left = 0, _MOST_COMPARED_LINES
    for ids in cases.values():
        sides = old.get(ids[0]), new.get(ids[0])
        hunks: tuple[Hunk, ...] = ()
        if sides[0] is not None and sides[1] is not None and shown < _MOST_EDITS:
            before_lines, after_lines = (lines_of(yaml_text(side)) for side in sides if side is not None)
            if before_lines == after_lines:
                continue
            start, ends = _differing(before_lines, after_lines)
            compared = sum(end - start for end in ends)
            if compared <= left:
                left -= compared
                hunks = _hunks(before_lines, after_lines, start, ends)
            shown += 1
        yield CaseEdit(tuple(ids), hunks)


def _differing(before: Sequence[str], after: Sequence[str]) -> tuple[int, tuple[int, int]]:
    """Return the first line in which two different texts differ, and in each of them the end of the last."""
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    same = next((at for at in range(shorter - start) if before[-1 - at] != after[-1 - at]), shorter - start)
    return start, (len(before) - same, len(after) - same)


def _hunks(before: Sequence[str], after: Sequence[str], start: int, ends: tuple[int, int]) -> tuple[Hunk, ...]:
    """Return the hunks of two texts that are alike up to one line, and from one on."""
    start = max(0, start - _CONTEXT_LINES)
    parts = (text[start : end + _CONTEXT_LINES] for text, end in zip((before, after), ends, strict=True))
    return tuple(
        replace(each, before_start=each.before_start + start, after_start=each.after_start + start)
        for each in compare_lines(*parts)
    )


def problems_of(error: WorkspaceError, path: str) -> tuple[Problem, ...]:
    """Return the problems of a file's error, with their places."""
    return tuple(problem for problem in error.problems_of(path) if problem.severity == "error")
