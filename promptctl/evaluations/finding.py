"""Finds what to evaluate by what was evaluated, or changed, before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from promptctl.errors import GitError, InvalidFiles, PromptNotFound, UsageError
from promptctl.evaluations.datasets import Dataset
from promptctl.formats.names import DATASETS, is_dataset, nearest
from promptctl.log.evaluations import evaluation, evaluations, results
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Log
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.prompts.tree import Tree
from promptctl.versions.repository import Repository


def datasets_of(tree: Tree) -> list[Dataset]:
    """The datasets of a tree, sorted by path; those inside prompt files are not among them."""
    return [Dataset.open(tree, path, is_read_only=True) for path in tree.paths(DATASETS) if is_dataset(path)]


def dataset_path(tree: Tree, name: str, inside: Callable[[str], str]) -> str:
    """The path of the dataset that a user names: by path, or below `datasets/` with or without its suffix.

    `inside` makes a path of the current folder one of the workspace. Raises `UsageError` with the nearest names.
    """
    known = [path for path in tree.paths(DATASETS) if path.endswith((".yaml", ".yml", ".jsonl", ".csv"))]
    for path in (name, f"{DATASETS}/{name}", f"{DATASETS}/{name}.yaml"):
        if path in known:
            return path
    with suppress(UsageError):
        path = inside(name)
        if path in known:
            return path
    near = nearest(name, [*known, *(path.removeprefix(DATASETS + "/") for path in known)])
    raise UsageError(
        f"there is no dataset {name}", hint=f"did you mean {near[0]}?" if near else "promptctl dataset list shows all"
    )


def tested_prompts(tree: Tree) -> dict[str, list[str]]:
    """Prompt id to the paths of the datasets that test it, sorted by id; a prompt's own tests stand under its path."""
    found: dict[str, list[str]] = {}
    for dataset in datasets_of(tree):
        for prompt in dataset.header.prompts:
            found.setdefault(prompt, []).append(dataset.header.path)
    for prompt_id, path in prompt_paths(tree).items():
        try:
            if load_prompt(tree, prompt_id).inline_dataset is not None:
                found.setdefault(prompt_id, []).append(path)
        except InvalidFiles:
            continue
    return dict(sorted(found.items()))


def changed_since(repository: Repository, revision: str) -> list[str]:
    """The tested prompts whose digest, or one of whose datasets, is not what it was at a revision."""
    git = repository.git
    if git is None:
        raise GitError("the workspace is not in a Git repository, so nothing can be compared", hint="git init")
    old, new = repository.tree_at(git.commit_of(revision)), repository.work_tree
    return [
        prompt
        for prompt, datasets in tested_prompts(new).items()
        if _digest(old, prompt) != _digest(new, prompt)
        or any(_read(old, path) != _read(new, path) for path in datasets)
    ]


def failed_cases(log: Log, ref: str | None, evaluation_id: str | None) -> frozenset[str]:
    """The ids of the cases that did not pass in an evaluation: the one of that id, else the last of the prompt.

    Raises `UsageError` where there was none, or where every case passed.
    """
    row = _last(log, ref, evaluation_id)
    ids = frozenset(each.case_id for each in results(log, row.id, statuses=("failed", "error")))
    if not ids:
        raise UsageError(f"every case of evaluation {row.id[-8:]} passed", hint="leave --failed out to evaluate all")
    return ids


def unfinished(log: Log, evaluation_id: str | None, *, is_retry: bool) -> list[EvaluationRow]:
    """The evaluations to take up again: the one of that id, else all of the last command that are not finished.

    With `is_retry` also finished ones, of which some results are errors.
    """
    if evaluation_id is not None:
        return [evaluation(log, evaluation_id)]
    recent = evaluations(log, limit=1000)
    waiting = [row for row in recent if row.status != "finished" or (is_retry and row.totals.get("errors"))]
    if not waiting:
        raise UsageError("no evaluation is left unfinished", hint="see them with: promptctl results list")
    group = waiting[0].spec.get("group")
    return [row for row in reversed(waiting) if row.spec.get("group") == group]


def _last(log: Log, ref: str | None, evaluation_id: str | None) -> EvaluationRow:
    if evaluation_id is not None:
        return evaluation(log, evaluation_id)
    prompt = ref.partition("@")[0] if ref else None
    found = evaluations(log, prompt=prompt, limit=1)
    if not found:
        raise UsageError(f"{prompt or 'nothing'} has not been evaluated yet", hint="leave --failed out")
    return found[0]


def _digest(tree: Tree, prompt: str) -> str | None:
    try:
        return load_prompt(tree, prompt).digest
    except (PromptNotFound, InvalidFiles):
        return None


def _read(tree: Tree, path: str) -> bytes | None:
    try:
        return tree.read(path)
    except FileNotFoundError:
        return None
