"""Checks the files of a workspace, each dataset with the prompts that it tests, in one go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from promptctl.datasets.dataset import Dataset
from promptctl.errors import InvalidFiles, Problem, PromptNotFound, UsageError
from promptctl.files.names import is_dataset
from promptctl.files.tree import Tree
from promptctl.prompts.checking import check_workspace, files_of
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """How many files were checked, and what is wrong with them, in reading order; warnings are among them."""

    files: int
    problems: tuple[Problem, ...]


def validate_workspace(tree: Tree, paths: Sequence[str] = ()) -> ValidationReport:
    """Check every file, or those at or below `paths`; cases are checked to the last row of the last file."""
    files = files_of(tree)
    if paths:
        files = _chosen(files, paths)
    problems = check_workspace(tree, None if not paths else files)
    unsound = {problem.place.path for problem in problems if problem.place and problem.severity == "error"}
    for path in files:
        if is_dataset(path) and path not in unsound:
            problems += _check_cases(tree, path)
    return ValidationReport(len(files), tuple(dict.fromkeys(problems)))


def _chosen(files: Collection[str], paths: Sequence[str]) -> list[str]:
    chosen: list[str] = []
    for path in paths:
        found = [file for file in files if file == path or not path or file.startswith(path.rstrip("/") + "/")]
        if not found:
            raise UsageError(
                f"{path} is no file of the workspace that can be checked",
                hint="those are promptctl.yaml, prompts, schemas and partials below prompts/, and datasets/**/*.yaml",
            )
        chosen += found
    return list(dict.fromkeys(chosen))


def _check_cases(tree: Tree, path: str) -> list[Problem]:
    """What is wrong with the cases of a dataset whose shape is right, for each prompt that it tests."""
    try:
        dataset = Dataset.open(tree, path, code="skip")
        prompts = [load_prompt(tree, id_) for id_ in dataset.header.prompts]
    except InvalidFiles as error:
        # A prompt's own problems are told at the prompt.
        return [problem for problem in error.problems if problem.place and problem.place.path == path]
    except PromptNotFound:
        return []
    against: list[Prompt | None] = [*prompts] or [None]
    return list(dict.fromkeys(problem for prompt in against for problem in dataset.check(prompt)))
