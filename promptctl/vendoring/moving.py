"""A library's files as they are written here: at other paths, so every reference in them is to the new ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promptctl.catalogue.copying import reference_to, with_editor_schema, with_references
from promptctl.catalogue.shared_files import named_places
from promptctl.datasets.rows import written_assertions
from promptctl.errors import InvalidFiles, PromptNotFound, WorkspaceError
from promptctl.files.document import Key
from promptctl.files.names import DATASETS, LOCK, PROMPT_SUFFIXES, PathRefused, is_dataset, resolve_path
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.tree import Tree
from promptctl.files.yaml_editing import Edit, Remove, RemoveItems, Set, edit_yaml
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.labels.lock import MAX_LOCK
from promptctl.prompts.loading import load_prompt
from promptctl.vendoring.lock import LockedFile, LockedPrompt, lock_change, read_sources, sha256

if TYPE_CHECKING:
    from promptctl.catalogue.renaming import Renamed
    from promptctl.git.trees import WorkTree


@dataclass(frozen=True, slots=True)
class Moves:
    """The paths here of a library's files, and the ids here of its prompts. `base` is the folder of prompts here."""

    base: str
    files: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)

    def reference(self, written: str, holder: str, named: str) -> str | None:
        """Return a reference as the file at `holder` (there) has it here; None if it stays as it is."""
        target = self.files.get(named)
        if target is None:
            return None
        base = DATASETS if target.startswith(f"{DATASETS}/") else self.base
        wanted = reference_to(target, written, self.files[holder], base)
        return wanted if wanted != written else None


def moved(tree: Tree, path: str, moves: Moves, data: bytes) -> bytes:
    """Return a file of a library as it is written here: `data` with its references rewritten; all else as it was."""
    if is_dataset(path):
        with suppress(InvalidFiles):  # a schema of an assertion is no dataset
            return edit_yaml(data, path, [*_dataset_edits(data, path, moves)])
    if path.startswith(f"{DATASETS}/"):
        return _with_rows(data, path, moves)
    named = dict.fromkeys(named_places(tree, path))
    written = ((reference, moves.reference(reference, path, meant), line) for reference, meant, line in named)
    data = with_references(data, [(old, new, line) for old, new, line in written if new is not None])
    if path.endswith(PROMPT_SUFFIXES):
        data = with_editor_schema(data, moves.files[path])
        data = edit_yaml(data, path, _prompt_edits(data, path, moves))
    return data


def without_former_ids(data: bytes, path: str) -> bytes:
    """Return a prompt as it was taken, without the earlier ids that a rename here wrote; any other file as it is."""
    if path.endswith(PROMPT_SUFFIXES) and b"formerly" in data:
        with suppress(WorkspaceError):
            if "formerly" in read_prompt_file(data, path).data:
                return edit_yaml(data, path, [Remove(("formerly",))])
    return data


def _prompt_edits(data: bytes, path: str, moves: Moves) -> Iterator[Edit]:
    """Yield what a prompt says of others by their ids there, which are none here: earlier ids, its parent."""
    file = read_prompt_file(data, path)
    if file.dialect != "native":
        return
    for key in ("formerly", "copied_from"):
        if key in file.data:
            yield Remove((key,))
    if (successor := file.data.get("successor")) is not None:
        ours = moves.ids.get(successor)
        yield Set(("successor",), ours) if ours is not None else Remove(("successor",))


def _dataset_edits(data: bytes, path: str, moves: Moves) -> Iterator[Edit]:
    file = read_dataset_file(data, path)
    tested = file.header.get("prompts", [])
    for index, id_ in enumerate(tested):
        if id_ in moves.ids:
            yield Set(("prompts", index), moves.ids[id_])
    if others := tuple(index for index, id_ in enumerate(tested) if id_ not in moves.ids):
        yield RemoveItems(("prompts",), others)
    whole = file.document.data
    for keys, reference in file_references(whole):
        with suppress(PathRefused):
            wanted = moves.reference(reference, path, resolve_path(reference.partition("#")[0], path, DATASETS))
            if wanted is not None:
                yield Set(keys, wanted)
    for keys, judge in judge_references(whole):
        if judge in moves.ids:
            yield Set(keys, moves.ids[judge])


def file_references(dataset: Mapping[str, Any]) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Yield each path that a dataset names: of its rows, of the inputs of its cases, of schemas."""
    if isinstance(cases := dataset.get("cases"), str):
        yield ("cases",), cases
    for keys, case in _holders(dataset):
        files = case.get("files")
        for name, reference in files.items() if isinstance(files, dict) else ():
            if isinstance(reference, str):
                yield (*keys, "files", name), reference
    for keys, assertion in written_assertions(dataset):
        value = assertion.get("value")
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            yield (*keys, "value", "$ref"), value["$ref"]


def judge_references(dataset: Mapping[str, Any]) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Yield each id of a prompt that a dataset's assertions ask to judge."""
    for keys, assertion in written_assertions(dataset):
        if isinstance(assertion.get("prompt"), str):
            yield (*keys, "prompt"), assertion["prompt"]


def _holders(dataset: Mapping[str, Any]) -> Iterator[tuple[tuple[Key, ...], dict[str, Any]]]:
    cases = dataset.get("cases")
    given: Sequence[tuple[tuple[Key, ...], Any]] = [
        (("defaults",), dataset.get("defaults")),
        *((("cases", index), case) for index, case in enumerate(cases if isinstance(cases, list) else ())),
    ]
    yield from ((keys, each) for keys, each in given if isinstance(each, dict))


def _with_rows(data: bytes, path: str, moves: Moves) -> bytes:
    """Return a file of rows whose `files` are at their new paths; any other file is as it was."""
    if not path.endswith(".jsonl") or b'"files"' not in data:
        return data
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for at, line in enumerate(lines):
        files = row_files(line)
        for name, reference in files.items():
            with suppress(PathRefused):
                wanted = moves.reference(reference, path, resolve_path(reference, path, DATASETS))
                if wanted is not None:
                    files[name] = wanted
                    for form in {json.dumps(reference), json.dumps(reference, ensure_ascii=False)}:
                        lines[at] = lines[at].replace(form, json.dumps(wanted, ensure_ascii=False))
        if lines[at] != line:
            row = json.loads(line)
            row["files"] |= files
            if json.loads(lines[at]) != row:  # the same words stand elsewhere in it
                lines[at] = json.dumps(row, ensure_ascii=False)
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def row_files(line: str) -> dict[str, str]:
    """Return the paths that a line of a `.jsonl` file names as inputs, by their names."""
    with suppress(ValueError, RecursionError):
        row = json.loads(line)
        files = row.get("files") if isinstance(row, dict) else None
        return {name: each for name, each in files.items() if isinstance(each, str)} if isinstance(files, dict) else {}
    return {}


def with_lock(tree: WorkTree, renamed: Renamed) -> Renamed:
    """Return a rename whose lock has the paths and hashes of what it writes. One that was edited before stays so."""
    edits = {each.moved_from or each.path: each for each in renamed.proposal.changes}
    lock = edits.pop(LOCK, None)
    try:
        before = tree.read(LOCK, max_bytes=MAX_LOCK)
    except FileNotFoundError:
        return renamed
    if not any(path.encode() in before for path in edits):
        return renamed
    after = renamed.proposal.over(tree)
    sources = read_sources(tree)
    for name, source in sources.items():
        files = dict(_moved_file(path, file, edits.get(path)) for path, file in source.files.items())
        prompts = source.prompts
        if files != source.files:
            prompts = dict(_moved_prompt(tree, after, id_, each, renamed) for id_, each in prompts.items())
        sources[name] = replace(source, prompts=prompts, files=files)
    change = replace(lock_change(after, sources), before=lock.before if lock is not None else before)
    return replace(renamed, proposal=Proposal((*edits.values(), change)))


def _moved_file(path: str, file: LockedFile, edit: FileEdit | None) -> tuple[str, LockedFile]:
    if edit is None or edit.before is None or edit.after is None:
        return path, file
    before, after = (sha256(without_former_ids(each, edit.path)) for each in (edit.before, edit.after))
    return edit.path, replace(file, sha256=after) if before == file.sha256 else file


def _moved_prompt(
    tree: WorkTree, after: Tree, id_: str, locked: LockedPrompt, renamed: Renamed
) -> tuple[str, LockedPrompt]:
    now = renamed.prompt if id_ == renamed.old else id_
    with suppress(InvalidFiles, PromptNotFound):
        if load_prompt(tree, id_).digest == locked.digest:
            return now, replace(locked, digest=load_prompt(after, now).digest)
    return now, locked
