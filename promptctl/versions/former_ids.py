"""Which ids the prompts of a workspace had before, so that labels and totals follow a rename."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, WorkspaceError
from promptctl.files.names import prompt_id
from promptctl.labels.reading import Labels
from promptctl.prompts.loading import load_prompt, prompt_paths

if TYPE_CHECKING:
    from promptctl.files.tree import Tree
    from promptctl.labels.reading import Listing
    from promptctl.log.store import Store
    from promptctl.versions.repository import Repository

Former = Mapping[str, Sequence[str]]
"""Earlier ids by the id of today, latest first. None of them is a prompt of the work tree: those count for themselves.
"""


def former_ids(repository: Repository, prompt: str) -> tuple[str, ...]:
    """The earlier ids of one prompt, latest first."""
    found = repository.former_ids(prompt)
    if not found:
        return ()
    here = prompt_paths(repository.work_tree)
    return tuple(id_ for id_ in found if id_ not in here)


def all_former_ids(repository: Repository) -> Former:
    """The earlier ids of every prompt of the work tree that had any, at the cost of one query and of no parsing."""
    here = prompt_paths(repository.work_tree)
    found: dict[str, dict[str, None]] = {}
    for id_, path in here.items():
        for former in reversed(_declared(repository.work_tree, id_, path)):
            found.setdefault(id_, {})[former] = None
    if repository.git is not None:
        with suppress(HistoryIncomplete):
            for row in reversed(repository.ask(lambda store: store.all_versions())):
                then = prompt_id(row.path)
                if then is not None and then != row.prompt and row.prompt in here:
                    found.setdefault(row.prompt, {})[then] = None
    former_of = {id_: tuple(former for former in ids if former not in here) for id_, ids in found.items()}
    return {id_: ids for id_, ids in former_of.items() if ids}


def renames(former: Former) -> dict[str, str]:
    """Earlier id to the id of today, as `promptctl.log.filter.Filter` takes it."""
    return {earlier: today for today, ids in former.items() for earlier in ids}


def logged_renames(log: Store, repository: Repository) -> dict[str, str]:
    """As `renames`, of every prompt; empty, and Git not asked, where no id in the log is a former one."""

    logged = {row.prompt for row in log.totals(by=("prompt",))}
    if logged <= prompt_paths(repository.work_tree).keys():
        return {}
    return renames(all_former_ids(repository))


def labels_here(repository: Repository) -> Listing:
    """Return where every label stands as far as this clone knows; a renamed prompt's under its id of today.

    Raises `GitError` outside Git.
    """
    if repository.git is None:
        raise GitError(
            "labels are Git tags, and the workspace is not in a Git repository",
            hint="git init && git add . && git commit -m 'Add prompts'",
        )
    labels = Labels(repository.git)
    found = labels.all()
    known = prompt_paths(repository.work_tree)
    if all(prompt in known for prompt, _ in found.states):
        return found
    return labels.all(all_former_ids(repository))


def _declared(tree: Tree, id_: str, path: str) -> tuple[str, ...]:
    """What the file says under `formerly`; most files do not have the word, and are not parsed for it."""
    with suppress(WorkspaceError, OSError):
        if b"formerly" in tree.read(path):
            return load_prompt(tree, id_).formerly
    return ()
