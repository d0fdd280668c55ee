"""Formats the files of a work tree, so that everybody writes them the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptctl.errors import Problem, WorkspaceError
from promptctl.files.names import SETTINGS, is_dataset, is_prompt_file
from promptctl.files.writing import replace_file
from promptctl.formats.formatting import format_file
from promptctl.formats.schemas import Kind
from promptctl.git.trees import WorkTree
from promptctl.prompts.checking import chosen_files, files_of


@dataclass(frozen=True, slots=True)
class FormatReport:
    """The result of formatting: the number of files, those that changed or would, and problems of others."""

    files: int
    changed: tuple[str, ...]
    problems: tuple[Problem, ...]


def format_files(tree: WorkTree, paths: Sequence[str] = (), *, is_check: bool = False) -> FormatReport:
    """Format prompts, datasets and settings, all or those at or below `paths`; with `is_check` nothing is written.

    A file that is wrong stays as it is. Raises `UsageError` for a path that names no such file.
    """
    kinds = {path: kind for path in files_of(tree) if (kind := _kind_of(path)) is not None}
    known = [path for path in kinds if not (tree.root / path).is_symlink()]
    hint = "promptctl list shows all prompts, promptctl dataset list all datasets"
    chosen = chosen_files(known, paths, "prompt, dataset or settings file of the workspace", hint)
    changed: list[str] = []
    problems: list[Problem] = []
    for path in chosen:
        file = tree.root / path
        try:
            old = tree.read(path)
            new = format_file(old, path, kinds[path])
        except WorkspaceError as error:
            problems += error.problems_of(path)
            continue
        if new != old:
            changed.append(path)
            if not is_check:
                replace_file(file, [new])
    return FormatReport(len(chosen), tuple(changed), tuple(problems))


def _kind_of(path: str) -> Kind | None:
    """Return the kind of file that this is by its place; None for one that is not formatted."""
    if path == SETTINGS:
        return "promptctl"
    if is_prompt_file(path):
        return "prompt"
    return "dataset" if is_dataset(path) else None
