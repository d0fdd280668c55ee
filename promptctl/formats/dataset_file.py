"""A dataset file as plain data: its header, its cases or the file that holds them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem, in_reading_order, one_of_each_kind, printable
from promptctl.files.document import Document, Key
from promptctl.files.names import DATASETS, PathRefused, resolve_path
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.schemas import structure_of

# What decimal shares may be off by as binary numbers.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A dataset file of sound shape.

    `header` is the file without its cases. `cases` are those written in it; None if they are in another file,
    whose path, relative to the workspace, is then `cases_path`.
    """

    path: str
    document: Document
    header: Mapping[str, Any]
    cases: tuple[Mapping[str, Any], ...] | None
    cases_path: str | None = None

    @property
    def prompts(self) -> tuple[str, ...]:
        """The ids of the prompts that the dataset tests."""
        return tuple(self.header.get("prompts", ()))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The values that hold for every case."""
        defaults: Mapping[str, Any] = self.header.get("defaults", {})
        return defaults

    def case_place(self, index: int) -> Place:
        """Return the place of the case in the file."""
        return self.document.place("cases", index)

    def as_written(self, keys: tuple[Key, ...], names: Collection[str]) -> dict[str, Any]:
        """Return the `inputs` or `matrix` at `keys`, with the numbers under `names` as the text they are written as.

        For inputs that are text: `1.10` stays `1.10` if the prompt asks for a string.
        """
        found = dict(self.document.part(*keys).data)
        for name in found.keys() & set(names):
            value = found[name]
            if keys[-1] == "matrix" and isinstance(value, list):
                found[name] = [self._as_text(item, (*keys, name, index)) for index, item in enumerate(value)]
            else:
                found[name] = self._as_text(value, (*keys, name))
        return found

    def _as_text(self, value: Any, keys: tuple[Key, ...]) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return self.document.written(*keys) or value


def read_dataset_file(data: bytes, path: str) -> DatasetFile:
    """Read a dataset file. Raises `InvalidFiles` with every problem of its shape, and of ids given twice."""
    document = read_yaml(data, path)
    if document.data is None:
        hint = "write at least `prompts:` and `cases:`"
        raise InvalidFiles([Problem("the file is empty", document.place(), hint, "empty-file")])
    problems = structure_of("dataset").check(document)
    given = document.data.get("cases") if isinstance(document.data, dict) else None
    cases_path = None
    if isinstance(given, list):
        problems += _repeated_ids(document, given)
    elif isinstance(given, str) and not problems:
        try:
            cases_path = resolve_path(given, path, DATASETS)
        except PathRefused as refused:
            problems.append(Problem(refused.message, document.place("cases"), refused.hint, "path-refused"))
    if given is not None and "delimiter" in document.data and not str(given).endswith(".csv"):
        place = document.key_place("delimiter")
        problems.append(Problem("`delimiter` is for cases in a .csv file", place, "remove it", "misplaced-key"))
    if not problems and "split" in document.data:
        problems += _split_problems(document, document.data["split"])
    if problems:
        raise InvalidFiles(one_of_each_kind(in_reading_order(problems)))
    header = {key: value for key, value in document.data.items() if key != "cases"}
    cases = tuple(given) if isinstance(given, list) else None
    return DatasetFile(path, document, header, cases, cases_path)


def _repeated_ids(document: Document, cases: list[Any]) -> list[Problem]:
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for index, case in enumerate(cases):
        case_id = case.get("id") if isinstance(case, dict) else None
        if not isinstance(case_id, str):
            continue
        if case_id in first:
            line = document.place("cases", first[case_id], "id").line
            message = f"the case id `{case_id}` is given twice; the first is on line {line}"
            hint = "give each case an id of its own: results are compared by it"
            problems.append(Problem(message, document.place("cases", index, "id"), hint, "duplicate-id"))
        first.setdefault(case_id, index)
    return problems


def _split_problems(document: Document, split: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of a split that its schema does not see: shares that are not 1, a name in two groups."""
    shares = split.get("shares", {})
    if shares and abs(math.fsum(shares.values()) - 1) > _ROUNDING:
        message = f"the shares of the split add up to {math.fsum(shares.values()):g}, not to 1"
        yield Problem(message, document.key_place("split", "shares"), "change one of them", "bad-split")
    group_of: dict[str, int] = {}
    for index, names in enumerate(split.get("together", ())):
        for at, name in enumerate(names):
            if group_of.setdefault(name, index) != index:
                place = document.place("split", "together", index, at)
                message = f"`{printable(name)}` is in two groups of `together`"
                yield Problem(message, place, "make the two groups one", "bad-split")
