"""The file that holds a dataset's rows: a YAML file with its header, or JSONL or CSV beside it or by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from promptctl.datasets.csv_rows import read_csv
from promptctl.datasets.lines import read_jsonl
from promptctl.datasets.rows import Row
from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError
from promptctl.files.media import MAX_MEDIA_BYTES, NotReadable, as_input
from promptctl.files.names import (
    DATASET_SUFFIXES,
    DATASETS,
    PathRefused,
    did_you_mean,
    is_human_labels,
    is_recording,
    resolve_path,
)
from promptctl.files.tree import Tree
from promptctl.formats.dataset_file import DatasetFile, read_dataset_file

Read = Callable[[], Iterator[Row | Problem]]


@dataclass(frozen=True, slots=True)
class RowFile:
    """The file that a dataset's rows come from. `read` starts anew each time, with a problem in place of a bad row.

    `path` is the file that holds them, `size` how many bytes were parsed to open it.
    """

    read: Read
    path: str
    header: Mapping[str, Any]
    defaults: Row
    size: int = 0


def open_rows(tree: Tree, path: str) -> RowFile:
    """Return the rows of the dataset at `path`. Raises `InvalidFiles`."""
    suffix = _suffix(path)
    if is_recording(path):
        message = f"{path} holds recorded replies, which are no cases"
        raise InvalidFiles([Problem(message, Place(path), "name a dataset below datasets/", "not-a-dataset")])
    if is_human_labels(path):
        message = f"{path} holds labels that a person gave to replies, which are no cases"
        raise InvalidFiles([Problem(message, Place(path), "name a dataset below datasets/", "not-a-dataset")])
    if suffix in _READERS:
        return RowFile(lambda: _with_files(tree, _READERS[suffix](tree, path)), path, {}, Row({}, Place(path)))
    if suffix not in DATASET_SUFFIXES:
        hint = f"datasets are {', '.join((*DATASET_SUFFIXES, *_READERS))} files"
        raise InvalidFiles([Problem(f"{path} is no dataset by its name", Place(path), hint, "not-a-dataset")])
    try:
        data = tree.read(path)
    except FileNotFoundError:
        raise InvalidFiles([_missing(tree, path, Place(path))]) from None
    file = read_dataset_file(data, path)
    read = _inline(file, len(data)) if file.cases_path is None else _beside(tree, file, file.cases_path)
    defaults = Row(file.defaults, Place(path), file, ("defaults",))
    return RowFile(lambda: _with_files(tree, read()), file.cases_path or path, file.header, defaults, len(data))


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[name.rfind(".") :].lower() if "." in name else ""


def _inline(file: DatasetFile, size: int) -> Read:
    def read() -> Iterator[Row]:
        cases = file.cases or ()
        for index, data in enumerate(cases):
            yield Row(data, file.case_place(index), file, ("cases", index), size=size // len(cases))

    return read


def _beside(tree: Tree, file: DatasetFile, path: str) -> Read:
    def read() -> Iterator[Row | Problem]:
        try:
            if "delimiter" in file.header:
                yield from read_csv(tree, path, file.header["delimiter"])
            else:
                yield from _READERS[_suffix(path)](tree, path)
        except FileNotFoundError:
            raise InvalidFiles([_missing(tree, path, file.document.place("cases"), "file of cases")]) from None

    return read


def _with_files(tree: Tree, rows: Iterable[Row | Problem]) -> Iterator[Row | Problem]:
    """Yield the rows with the files that they name as inputs; in place of a row whose file is wrong, the problem."""
    for row in rows:
        yield _with_its_files(tree, row) if isinstance(row, Row) and row.data.get("files") else row


def _with_its_files(tree: Tree, row: Row) -> Row | Problem:
    inputs = dict(row.data.get("inputs") or {})
    size = row.size
    for name, reference in row.data["files"].items():
        place = row.locate("files", name)
        if name in inputs:
            message = f"the input `{name}` is given both in `inputs` and in `files`"
            return Problem(message, place, "remove one of them", "given-twice")
        try:
            path = resolve_path(reference, row.place.path, DATASETS)
            inputs[name] = value = as_input(tree.read(path, max_bytes=MAX_MEDIA_BYTES))
        except PathRefused as refused:
            return Problem(refused.message, place, refused.hint, "path-refused")
        except FileNotFoundError:
            return _missing(tree, path, place)
        except WorkspaceError as error:
            return Problem(error.message, place, error.hint, "unreadable")
        except NotReadable as error:
            return Problem(f"{path} {error}", place, "name a text, an image, a sound or a PDF", "not-readable")
        size += len(value)
    return replace(row, data={**row.data, "inputs": inputs}, size=size)


def _missing(tree: Tree, path: str, place: Place, noun: str = "file") -> Problem:
    known = [each.removeprefix(DATASETS + "/") for each in tree.paths(DATASETS)]
    hint = did_you_mean(path.removeprefix(DATASETS + "/"), known) or "write it, or mend the name"
    return Problem(f"there is no {noun} {path}", place, hint, "missing-cases" if noun != "file" else "missing-file")


_READERS: Mapping[str, Callable[[Tree, str], Iterator[Row | Problem]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
}
