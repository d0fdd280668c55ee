"""Cases of a dataset that say the same as another: which one stays, and what is not dropped all the same."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.likeness import alike, groups
from promptctl.datasets.row_files import open_rows
from promptctl.datasets.rows import Row
from promptctl.datasets.splitting import GENERATED
from promptctl.errors import Place
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.plain import canonical_json, record_data
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.tree import Tree
from promptctl.files.yaml_editing import RemoveItems, edit_yaml
from promptctl.prompts.prompt import MISSING, Prompt


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A case that is like another one, `like`, by `share` of its characters; 1 for equal inputs.

    `why` says why it is dropped rather than the other one, or why it stays all the same.
    """

    case_id: str
    like: str
    share: float
    is_dropped: bool
    why: str
    place: Place

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {"case": self.case_id, **record_data(self, without=("case_id", "place"), share=round(self.share, 4))}


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The cases of a dataset that are like another one, in its order, and the change that takes the dropped ones out.

    `threshold` is the share from which cases are alike; `cases` is how many there are.
    """

    path: str
    cases: int
    threshold: float
    found: tuple[Duplicate, ...]
    proposal: Proposal

    @property
    def dropped(self) -> tuple[Duplicate, ...]:
        """Cases that are taken out."""
        return tuple(each for each in self.found if each.is_dropped)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self, without=("path", "found", "proposal"), dataset=self.path, duplicates=self.found)


def duplicates_of(tree: Tree, dataset: Dataset, prompt: Prompt | None, threshold: float) -> Duplicates:
    """Return the duplicates of a dataset without problems. Raises what `without_cases` raises."""
    cases = list(dataset.cases(prompt))
    found = tuple(find_duplicates(cases, threshold))
    places = {each.place for each in found if each.is_dropped}
    changes = (without_cases(tree, dataset.header.path, places),) if places else ()
    return Duplicates(dataset.header.path, len(cases), threshold, found, Proposal(changes))


def find_duplicates(cases: Sequence[Case], threshold: float) -> list[Duplicate]:
    """Return the cases whose inputs are equal to, or by `threshold` like, those of one that stays, in order.

    One that must pass stays rather than another, then one that people wrote, then the first. Of two that expect
    different replies, that are graded differently, or that must pass, both stay.
    """
    pairs = alike([case.inputs for case in cases], threshold)
    group_of = {at: ats[0] for ats in groups(pair for pair in pairs if pair.share == 1) for at in ats}
    near: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for pair in pairs:
        one, other = (group_of.setdefault(at, at) for at in (pair.first, pair.second))
        near[one][other] = near[other][one] = pair.share
    of_row = Counter(case.place for case in cases)
    stays: defaultdict[int, dict[object, int]] = defaultdict(dict)
    found: dict[int, Duplicate] = {}
    for at in sorted(group_of, key=lambda at: (not cases[at].must_pass, GENERATED in cases[at].tags, at)):
        case, group, decides = cases[at], group_of[at], _decides(cases[at])
        like = {group: 1.0, **near[group]}
        same = [(other, stays[other][decides]) for other in like if decides in stays[other]]
        any_like = same or [(other, next(iter(stays[other].values()))) for other in like if stays[other]]
        if any_like:
            other, kept = max(any_like, key=lambda each: (like[each[0]], -each[1]))
            why = _kept_back(case, cases[kept], is_matrix=of_row[case.place] > 1, is_same=bool(same))
            found[at] = Duplicate(
                case.id, cases[kept].id, like[other], why is None, why or _preferred(case, cases[kept]), case.place
            )
        if not any_like or not found[at].is_dropped:
            stays[group].setdefault(decides, at)
    return [found[at] for at in sorted(found)]


def _decides(case: Case) -> object:
    """Return what decides if the case passes, apart from its inputs."""
    graded = tuple(each.digest for each in case.assertions)
    return canonical_json(_expected(case)), graded, case.threshold, case.xfail, case.output


def _kept_back(case: Case, kept: Case, *, is_matrix: bool, is_same: bool) -> str | None:
    """Return why a case stays although it is like one that does; None if it can go."""
    if case.must_pass:
        return "it must pass"
    if is_matrix:
        return "it is one of a matrix"
    if is_same:
        return None
    if canonical_json(_expected(case)) != canonical_json(_expected(kept)):
        return "its `expected` is different"
    return "its reply is checked differently"


def _expected(case: Case) -> list[Any]:
    return [] if case.expected is MISSING else [case.expected]


def _preferred(case: Case, kept: Case) -> str:
    """Return why the other one stays."""
    if kept.must_pass:
        why = f"{kept.id} must pass"
    elif GENERATED in case.tags and GENERATED not in kept.tags:
        why = f"people wrote {kept.id}"
    else:
        why = f"{kept.id} comes first"
    lost = [tag for tag in case.tags if tag not in kept.tags and tag != GENERATED]
    return f"{why}; the tag {', '.join(f'`{tag}`' for tag in lost)} goes with it" if lost else why


def without_cases(tree: Tree, path: str, places: Collection[Place]) -> FileEdit:
    """Return the change of the file that holds the cases of the dataset at `path` if those at `places` are taken out.

    Places are those of rows, in a dataset without problems. Raises `WorkspaceError` for a YAML file whose text does not
    allow it.
    """
    file = open_rows(tree, path)
    rows = [row.place for row in file.read() if isinstance(row, Row)]
    data = tree.read(file.path, max_bytes=1 << 30)
    if file.path.endswith(DATASET_SUFFIXES):
        at = tuple(index for index, place in enumerate(rows) if place in places)
        return change_of(tree, file.path, edit_yaml(data, file.path, [RemoveItems(("cases",), at)]))
    lines = io.BytesIO(data).readlines()  # as a file of cases is read: at line feeds alone
    begins = [place.line or 1 for place in rows]
    for place, begin, end in reversed(list(zip(rows, begins, [*begins[1:], len(lines) + 1], strict=True))):
        if place in places:
            del lines[begin - 1 : end - 1]
    return change_of(tree, file.path, b"".join(lines))
