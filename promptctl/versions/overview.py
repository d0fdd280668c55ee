"""The numbers of all prompts of the work tree, at a cost that grows with what differs, not with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promptctl.errors import WorkspaceError
from promptctl.files.names import PromptPlaces
from promptctl.files.tree import prompt_files
from promptctl.git.tree_changes import prompt_blobs_of
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.prompts.loading import load_prompt
from promptctl.versions.closures import Closures
from promptctl.versions.index_store import IndexStore, PromptState
from promptctl.versions.moment import Moment
from promptctl.versions.numbering import UNKNOWN, Content
from promptctl.versions.resolving import in_submodule


@dataclass(frozen=True, slots=True)
class PromptNumber:
    """The number of one prompt of the work tree.

    `number` is None if the content has no number of its own. `is_dirty` says that it differs from HEAD's, None if that
    was not asked. `note` says why the number is not known. `is_sound` says that the prompt can be loaded, None if
    that was not looked at.
    """

    number: int | None
    display: str
    is_dirty: bool | None
    note: str | None = None
    is_sound: bool | None = None


def number_all(moment: Moment, store: IndexStore) -> dict[str, PromptNumber]:
    """Return the number of each prompt of the work tree by id, sorted.

    A prompt whose files all have the bytes they have at the tip of the line has the digest that the index knows;
    only the others are loaded.
    """
    head, tip = moment.head, store.meta()["tip"]
    tip_tree, head_tree = moment.tree_at(tip), moment.tree_at(head) if head else None
    tip_files, head_files = tip_tree.prompt_blobs(), head_tree.prompt_blobs() if head_tree else {}
    disk_files = moment.blobs_here if head else prompt_blobs_of(moment.work_tree, tip_tree)
    places, committed_places = moment.work_tree.places, head_tree.places if head_tree else tip_tree.places
    states = {state.id: state for state in store.states()}
    closures = Closures(moment.git.objects)
    numbers: dict[str, PromptNumber] = {}
    for id_ in _ids(disk_files, places):
        paths = places.paths_of(id_)
        path = next(path for path in paths if path in disk_files)
        if path not in head_files and (inside := moment.work_tree.repository_inside(path)):
            numbers[id_] = PromptNumber(None, UNKNOWN, None, in_submodule(inside))
            continue
        state = states.get(id_)
        formerly: tuple[str, ...] = ()
        if state is not None and places == tip_tree.places and _is_as_indexed(state, paths, disk_files, tip_files):
            digest = state.digest if state.is_sound else None
        else:
            digest, formerly = _load(moment.work_tree, id_)
        committed = None
        there = committed_places.paths_of(id_)
        is_of_tip = committed_places == tip_tree.places
        if state is not None and is_of_tip and _is_as_indexed(state, there, head_files, tip_files):
            committed = state.digest if state.is_sound else None
        else:
            at_head = (each for each in (id_, *formerly[::-1]) if head_files.keys() & committed_places.paths_of(each))
            if (name := next(at_head, None)) is not None:
                committed = closures.digested(name, head_files, committed_places).digest
        # Unsound is no digest: two unsound files are the same if no byte of the prompt's own file differs.
        is_dirty = (
            digest != committed
            or not any(path in head_files for path in there)
            or (digest is None and any(disk_files.get(path) != head_files.get(path) for path in {*paths, *there}))
        )
        on_line = moment.id_on_line(store, id_)
        ids = dict.fromkeys((id_, *formerly[::-1], on_line))
        content = Content(tuple(ids), on_line, head, committed, is_dirty or head is None)
        named = moment.numbering.name(store, content)
        numbers[id_] = PromptNumber(named.number, named.display, is_dirty, is_sound=digest is not None)
    return numbers


def unknown(moment: Moment, note: str) -> dict[str, PromptNumber]:
    """Return the same if numbers cannot be known."""
    named = (UNKNOWN, None) if moment.head is not None else ("v0+dirty", True)
    ids = _ids(prompt_files(moment.work_tree), moment.work_tree.places)
    return {id_: PromptNumber(None, named[0], named[1], note) for id_ in ids}


def _ids(paths: Iterable[str], places: PromptPlaces) -> list[str]:
    return sorted({id_ for path in paths if (id_ := places.id(path)) is not None})


def _is_as_indexed(
    state: PromptState, paths: Iterable[str], files: Mapping[str, str], tip_files: Mapping[str, str]
) -> bool:
    asked = (*paths, *state.asked)
    return state.path is not None and all(files.get(path) == tip_files.get(path) for path in asked)


def _load(work_tree: CommitTree | WorkTree, id_: str) -> tuple[str | None, tuple[str, ...]]:
    try:
        prompt = load_prompt(work_tree, id_)
    except WorkspaceError:
        return None, ()
    return prompt.digest, prompt.formerly
