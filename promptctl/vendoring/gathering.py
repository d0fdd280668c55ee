"""The files of a library that belong to chosen prompts: all that they pull in, datasets that test them, its licence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from promptctl.calls.shipped import is_shipped
from promptctl.catalogue.shared_files import named_places
from promptctl.datasets.reached import may_name, naming_pattern
from promptctl.datasets.rows import written_assertions
from promptctl.errors import InvalidFiles, Place, WorkspaceError
from promptctl.files.look_alikes import folded_path
from promptctl.files.names import DATASETS, PathRefused, is_dataset, resolve_path
from promptctl.files.strangers import unwelcome
from promptctl.files.tree import MAX_BYTES, Tree
from promptctl.files.wording import name_some
from promptctl.formats.dataset_file import DatasetFile, read_dataset_file
from promptctl.prompts.loading import load_prompt_file, prompt_paths
from promptctl.vendoring.choosing import is_offered
from promptctl.vendoring.library import MAX_ROWS_BYTES, LibraryTree, share_of
from promptctl.vendoring.licences import LibraryLicence, find_licence
from promptctl.vendoring.moving import file_references, judge_references, row_files

MOST_FILES = 2_000
_CODE_IN_CELLS = re.compile(rb"(?i)python\s*[:(]")
_MOST_DATASETS = 2_000
_MOST_DEPTH = 12


@dataclass(frozen=True, slots=True)
class GatheredFiles:
    """Files to take, by path in the tree, and the prompts among them: path by id there. `notes` are for people."""

    tree: LibraryTree
    prompts: Mapping[str, str]
    files: Mapping[str, bytes]
    datasets: tuple[str, ...]
    licence: LibraryLicence | None
    notes: tuple[str, ...] = ()


def gather(tree: LibraryTree, prompts: Mapping[str, str], *, with_datasets: bool = True) -> GatheredFiles:
    """Return what belongs to these prompts, given as path by id; the prompts that judge their tests are added.

    Raises `InvalidFiles` with what is wrong with them there, and `WorkspaceError` for a file that is not to be taken.
    """
    notes: list[str] = []
    taken = dict(prompts)
    share = share_of(tree)
    known = {id_: path for id_, path in prompt_paths(tree).items() if is_offered(id_, share)}
    tested = []
    for dataset in _datasets(tree, prompts, notes) if with_datasets else ():
        judges = dict.fromkeys(judge for _, judge in judge_references(dataset.document.data) if judge not in taken)
        if lost := [judge for judge in judges if judge not in known and not is_shipped(judge)]:
            notes.append(f"{tree.folder}{dataset.path} is left out: it asks `{lost[0]}` to judge, which is not offered")
            continue
        tested.append(dataset)
        for judge in judges:
            if judge in known:
                taken[judge] = known[judge]
                notes.append(f"{judge} comes along: {dataset.path} asks it to judge")
    paths: dict[str, None] = {}
    for path in bring_closures(tree, taken.values()):
        paths[path] = None
    _check(tree, taken.values())
    for dataset in tested:
        paths |= dict.fromkeys((dataset.path, *files_named(tree, dataset)))
    licence = find_licence(tree)
    if len(paths) > MOST_FILES:
        raise WorkspaceError(f"these prompts have {len(paths):,} files; at most {MOST_FILES:,} are taken at once")
    tree.bring(paths)
    files = {path: tree.read(path, max_bytes=_bound(path)) for path in paths}
    _refuse_look_alikes(files)
    return GatheredFiles(tree, taken, files, tuple(each.path for each in tested), licence, tuple(notes))


def _bound(path: str) -> int:
    return MAX_ROWS_BYTES if path.startswith(f"{DATASETS}/") else MAX_BYTES


def bring_closures(tree: LibraryTree, prompts: Iterable[str], most: int = MOST_FILES) -> list[str]:
    """Return the prompts' files and all that they pull in, read level by level: one request for each."""
    found: dict[str, None] = {}
    level = list(prompts)
    for _ in range(_MOST_DEPTH):
        found |= dict.fromkeys(level)
        if len(found) > most:
            raise WorkspaceError(f"these prompts pull in more than {most:,} files", hint="name fewer at once")
        tree.bring(level)
        named = {path: None for holder in level for _, path, _ in named_places(tree, holder)}
        level = [path for path in named if path not in found and (path in tree.blobs or path in tree.refused)]
        if not level:
            break
    for path in found:
        if path in tree.refused:
            raise WorkspaceError(f"the file {tree.refused[path]}", place=tree.place(path), hint="it is not taken")
    return list(found)


def _check(tree: LibraryTree, prompts: Iterable[str]) -> None:
    """Raise `InvalidFiles` with all that is wrong with the prompts, at the places that they have in the repository."""
    problems = []
    for path in prompts:
        try:
            load_prompt_file(tree, path)
        except InvalidFiles as error:
            problems += [each for each in error.problems if each.severity == "error"]
    if problems:
        shown = tree.library.outside.shown
        moved = [
            replace(
                each,
                message=f"{each.message}, at {shown}",
                place=each.place and replace(each.place, path=tree.folder + each.place.path),
            )
            for each in problems
        ]
        raise InvalidFiles(moved)


def _datasets(tree: LibraryTree, prompts: Mapping[str, str], notes: list[str]) -> Iterator[DatasetFile]:
    """Yield the datasets that test a prompt; one that cannot be taken whole is left out, with a note."""
    candidates = datasets_in(tree)
    if len(candidates) > _MOST_DATASETS:
        notes.append(f"it has {len(candidates):,} datasets: only the first {_MOST_DATASETS:,} were looked at")
        candidates = candidates[:_MOST_DATASETS]
    tree.bring(candidates)
    pattern = naming_pattern(prompts)
    for path in candidates:
        try:
            data = tree.read(path)
            if not may_name(data, pattern):
                continue
            dataset = read_dataset_file(data, path)
        except (InvalidFiles, WorkspaceError):
            continue
        if set(dataset.header.get("prompts", ())) & prompts.keys():
            why = _not_taken(tree, dataset)
            if why is None:
                yield dataset
            else:
                notes.append(f"{tree.folder}{path} is left out: {why}")


def datasets_in(tree: LibraryTree) -> list[str]:
    """Return the paths of the datasets of a library, by their names alone."""
    return list(filter(is_dataset, tree.paths(DATASETS)))


def _not_taken(tree: LibraryTree, dataset: DatasetFile) -> str | None:
    """Return why a dataset cannot be taken, as the end of a sentence; None if it can."""
    types = (str(each.get("type")) for _, each in written_assertions(dataset.document.data))
    if any(type_.removeprefix("not-") == "python" for type_ in types):
        return "it runs code of that repository, which is not taken"
    try:
        why = None if dataset.cases_path is None else _rows_not_taken(tree, dataset.cases_path)
        named = files_named(tree, dataset)
    except (WorkspaceError, PathRefused) as error:
        return str(error)
    except FileNotFoundError:
        return f"there is no {dataset.cases_path}"
    except (ValueError, RecursionError):
        return f"the rows of {dataset.cases_path} cannot be read"
    unwanted = (f"{path} {words}" for path in (dataset.path, *named) if (words := unwelcome(path)) is not None)
    if (why := why or next(unwanted, None)) is not None:
        return why
    missing = [path for path in named if path not in tree.blobs]
    if missing:
        refused = [f"{path} {tree.refused[path]}" for path in missing if path in tree.refused]
        return refused[0] if refused else f"there is no {name_some(missing)}"
    return None


def _rows_not_taken(tree: LibraryTree, rows: str) -> str | None:
    """Return why rows cannot be taken, as the end of a sentence; None if they can."""
    tree.bring([rows])
    text = tree.read(rows, max_bytes=MAX_ROWS_BYTES)
    if rows.endswith((".csv", ".tsv")) and b"files." in text.split(b"\n", 1)[0]:
        return f"the rows of {rows} name files"
    return f"the rows of {rows} name code or schemas" if _names_code(rows, text) else None


def _names_code(path: str, text: bytes) -> bool:
    """Return True for rows with assertions that run code, or with references to schemas: by what they say, read."""
    if path.endswith((".csv", ".tsv")):
        return _CODE_IN_CELLS.search(text) is not None
    if b"\\u" in text:  # an escape could spell anything
        text = json.dumps([json.loads(line) for line in text.splitlines() if line.strip()], ensure_ascii=False).encode()
    return any(sign in text for sign in (b'"python', b'"not-python', b'"$ref"'))


def files_named(tree: Tree, dataset: DatasetFile) -> list[str]:
    """Return the paths of the files that a dataset names, and those of its rows. Raises `PathRefused`."""
    named = [reference for _, reference in file_references(dataset.document.data) if not reference.startswith("#")]
    found = [resolve_path(each.partition("#")[0], dataset.path, DATASETS) for each in named]
    rows = dataset.cases_path
    if rows is not None and rows.endswith(".jsonl"):
        text = tree.read(rows, max_bytes=MAX_ROWS_BYTES).decode("utf-8", "surrogateescape")
        if '"files"' in text or "\\u" in text:
            found += [
                resolve_path(each, rows, DATASETS) for line in text.split("\n") for each in row_files(line).values()
            ]
    return list(dict.fromkeys(found))


def _refuse_look_alikes(files: Mapping[str, bytes]) -> None:
    """Raise `WorkspaceError` for two paths that are one file on some file systems."""
    seen: dict[str, str] = {}
    for path in files:
        other = seen.setdefault(folded_path(path), path)
        if other != path:
            message = f"{other} and {path} are the same file on many file systems"
            raise WorkspaceError(message, place=Place(path), hint="its owners can rename one of them")
