"""Finds what to evaluate: the datasets, the prompts that they test, and those of them that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from promptctl.datasets.dataset import Dataset
from promptctl.errors import GitError, InvalidFiles, PromptNotFound, UsageError, WorkspaceError
from promptctl.files.names import DATASETS, did_you_mean, is_dataset, prompt_stem
from promptctl.files.tree import Tree
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.versions.repository import Repository

# In the order in which a name without a suffix is looked for: the file with a header before the one with its rows.
_SUFFIXES = (".yaml", ".yml", ".jsonl", ".csv")


def datasets_of(tree: Tree) -> list[Dataset]:
    """The datasets of a tree, sorted by path; those inside prompt files are not among them."""
    return [Dataset.open(tree, path, is_read_only=True) for path in tree.paths(DATASETS) if is_dataset(path)]


def dataset_path(tree: Tree, name: str, inside: Callable[[str], str]) -> str:
    """The path of the dataset that a user names: by path, or below `datasets/` with or without its suffix.

    `inside` makes a path of the current folder one of the workspace. Raises `UsageError` with the nearest names.
    """
    known = [path for path in tree.paths(DATASETS) if path.endswith(_SUFFIXES)]
    for path in (name, f"{DATASETS}/{name}", *(f"{DATASETS}/{name}{suffix}" for suffix in _SUFFIXES)):
        if path in known:
            return path
    with suppress(UsageError):
        path = inside(name)
        if path in known:
            return path
    short = [path.removeprefix(DATASETS + "/") for path in known]
    hint = did_you_mean(name, [*(each.rpartition(".")[0] for each in short), *short, *known])
    raise UsageError(f"there is no dataset {name}", hint=hint or "promptctl dataset list shows all")


def is_meant_for(tree: Tree, path: str, prompt: str) -> bool:
    """Whether a dataset may be used for that prompt among several: where it names it, or none. No prompt's file is."""
    if prompt_stem(path) is not None:
        return False
    prompts = Dataset.open(tree, path, is_read_only=True).header.prompts
    return not prompts or prompt in prompts


def tested_prompts(tree: Tree) -> dict[str, list[str]]:
    """Prompt id to the paths of the datasets that test it, sorted by id; a prompt's own tests stand under its path."""
    found: dict[str, list[str]] = {}
    for dataset in datasets_of(tree):
        for prompt in dataset.header.prompts:
            found.setdefault(prompt, []).append(dataset.header.path)
    for id_, path in prompt_paths(tree).items():
        try:
            if load_prompt(tree, id_).inline_dataset is not None:
                found.setdefault(id_, []).append(path)
        except InvalidFiles:
            continue
    return dict(sorted(found.items()))


def tested_by(tree: Tree, prompts: Iterable[str], names: Iterable[str], inside: Callable[[str], str]) -> list[str]:
    """Those of the prompts that one of the datasets tests; these are named as for `dataset_path`, or by prompt files.

    Raises `UsageError` for a dataset that there is not.
    """
    paths = {name if prompt_stem(name) is not None else dataset_path(tree, name, inside) for name in names}
    tested = tested_prompts(tree)
    return [prompt for prompt in prompts if paths.intersection(tested.get(prompt, ()))]


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
        or any(_cases_of(old, path, prompt) != _cases_of(new, path, prompt) for path in datasets)
    ]


def _digest(tree: Tree, prompt: str) -> str | None:
    try:
        return load_prompt(tree, prompt).digest
    except (PromptNotFound, InvalidFiles):
        return None


def _cases_of(tree: Tree, path: str, prompt: str) -> object:
    """Something that is equal where the cases and what is asked of them are; a dataset that is wrong equals none."""
    try:
        dataset = _opened(tree, path, prompt)
    except (FileNotFoundError, WorkspaceError):
        return object()
    if dataset is None or any(problem.severity == "error" for problem in dataset.check()):
        return object()
    return dataset.digest, dataset.header.min_pass, dataset.header.prompts


def _opened(tree: Tree, path: str, prompt: str) -> Dataset | None:
    if prompt_stem(path) is not None:
        return Dataset.of_prompt(load_prompt(tree, prompt), tree)
    return Dataset.open(tree, path, is_read_only=True)
