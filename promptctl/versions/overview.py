"""What every prompt of the work tree is called, at a cost that grows with what differs and not with what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import WorkspaceError
from promptctl.files.names import PROMPTS, prompt_id
from promptctl.git.trees import CommitTree, WorkTree, blob_id
from promptctl.prompts.loading import load_prompt
from promptctl.versions.closures import Closures, candidate_paths
from promptctl.versions.numbering import UNKNOWN, Numbering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptctl.git.repository import Git
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.lineage import PromptState


@dataclass(frozen=True, slots=True)
class PromptNumber:
    """What one prompt of the work tree is called.

    `number` is None where the content has no number of its own; `is_dirty` says that it differs from HEAD's, None
    where that was not asked; `note` says why the number is not known.
    """

    number: int | None
    display: str
    is_dirty: bool | None
    note: str | None = None


def number_all(git: Git, store: IndexStore, work_tree: WorkTree) -> dict[str, PromptNumber]:
    """What each prompt of the work tree is called, by id, sorted.

    A prompt whose files all have the bytes they have at the tip of the line has the digest that the index knows;
    only the others are loaded.
    """
    head = git.head
    tip = store.meta()["tip"]
    tip_files = CommitTree(git, tip, git.prefix).blobs(PROMPTS)
    head_files = tip_files if head == tip else CommitTree(git, head, git.prefix).blobs(PROMPTS) if head else {}
    disk_files = _files_on_disk(work_tree, like=tip)
    states = {state.id: state for state in store.states()}
    closures = Closures(git.objects)
    numbering = Numbering(git, store)
    numbers: dict[str, PromptNumber] = {}
    for id_ in sorted({id_ for path in disk_files if (id_ := prompt_id(path)) is not None}):
        formerly: tuple[str, ...] = ()
        if _is_as_indexed(id_, states.get(id_), disk_files, tip_files):
            digest = _digest(states[id_])
        else:
            digest, formerly = _load(work_tree, id_)
        committed = None
        if _is_as_indexed(id_, states.get(id_), head_files, tip_files):
            committed = _digest(states[id_])
        elif any(path in head_files for path in candidate_paths(id_)):
            committed = closures.outcome(id_, head_files).digest
        # Unsound is no digest: two unsound files are the same where no byte of the prompt's own file differs.
        is_dirty = digest != committed or (digest is None and _own(id_, disk_files) != _own(id_, head_files))
        if is_dirty or head is None:
            named = numbering.dirty(id_, head, committed, formerly)
        else:
            named = numbering.at(id_, head, committed, formerly)
        numbers[id_] = PromptNumber(named.number, named.display, is_dirty)
    return numbers


def unknown(work_tree: WorkTree, note: str, *, has_commit: bool) -> dict[str, PromptNumber]:
    """The same where numbers cannot be known."""
    ids = sorted({id_ for path in work_tree.paths(PROMPTS) if (id_ := prompt_id(path)) is not None})
    named = (UNKNOWN, None) if has_commit else ("v0+dirty", True)
    return {id_: PromptNumber(None, named[0], named[1], note) for id_ in ids}


def _files_on_disk(work_tree: WorkTree, like: str) -> dict[str, str]:
    """Path to blob id of the files below `prompts/`; one that cannot be read has an id that no blob has."""
    files: dict[str, str] = {}
    for path in work_tree.paths(PROMPTS):
        try:
            files[path] = blob_id(work_tree.read(path), like)
        except (OSError, WorkspaceError):
            files[path] = ""
    return files


def _is_as_indexed(id_: str, state: PromptState | None, files: Mapping[str, str], tip_files: Mapping[str, str]) -> bool:
    if state is None or state.path is None:
        return False
    return all(files.get(path) == tip_files.get(path) for path in (*candidate_paths(id_), *state.asked))


def _digest(state: PromptState) -> str | None:
    return state.digest if state.is_sound else None


def _own(id_: str, files: Mapping[str, str]) -> list[str | None]:
    return [files.get(path) for path in candidate_paths(id_)]


def _load(work_tree: WorkTree, id_: str) -> tuple[str | None, tuple[str, ...]]:
    try:
        prompt = load_prompt(work_tree, id_)
    except WorkspaceError:
        return None, ()
    return prompt.digest, prompt.formerly
