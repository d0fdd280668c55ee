"""The ids that prompts had before, so that labels, totals and marks of sensitive inputs follow a rename."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, InvalidFiles, RevisionNotFound, WorkspaceError
from promptctl.files.names import DEFAULT_PLACES, LOCK, did_you_mean
from promptctl.files.wording import count, version_number
from promptctl.labels.chains import LabelState, Listing, listing, other_workspace
from promptctl.prompts.loading import declared_ids, path_in, prompt_paths, with_marks_of
from promptctl.versions.prompt_at_version import PromptAtVersion, note

if TYPE_CHECKING:
    from promptctl.files.tree import Tree
    from promptctl.log.store import Store
    from promptctl.versions.index_store import IndexStore, VersionRow
    from promptctl.versions.moment import Moment

Former = Mapping[str, Sequence[str]]
"""Earlier ids by the id of today, latest first. None of them is a prompt of the work tree: those count for themselves.
"""


def earlier_ids(moment: Moment, prompt: str) -> tuple[str, ...]:
    """Return every id that a prompt had before, latest first: by its `formerly`, and by renames on the line or beside.

    The id can be that of a different prompt today.
    """
    rows: list[VersionRow] = []
    if moment.is_versioned:
        with suppress(HistoryIncomplete):
            rows = moment.ask(lambda store: store.versions(moment.id_on_line(store, prompt)))
    return _earlier(moment.work_tree, prompt, rows)


def former_ids(moment: Moment, prompt: str) -> tuple[str, ...]:
    """Return the earlier ids of one prompt that no prompt of the work tree has, latest first."""
    found = earlier_ids(moment, prompt)
    here = prompt_paths(moment.work_tree) if found else {}
    return tuple(id_ for id_ in found if id_ not in here)


def all_former_ids(moment: Moment) -> Former:
    """Return the earlier ids of every prompt of the work tree that had any; few files are parsed for it."""
    here = prompt_paths(moment.work_tree)
    rows: dict[str, list[VersionRow]] = {}
    on_line: dict[str, str] = {}
    if moment.is_versioned:
        with suppress(HistoryIncomplete):
            every, on_line = moment.ask(
                lambda store: (store.all_versions(), {id_: moment.id_on_line(store, id_) for id_ in here})
            )
            for row in every:
                rows.setdefault(row.prompt, []).append(row)
    found = {id_: _earlier(moment.work_tree, id_, rows.get(on_line.get(id_, id_), ())) for id_ in here}
    return {id_: left for id_, ids in found.items() if (left := tuple(former for former in ids if former not in here))}


def renames(former: Former) -> dict[str, str]:
    """Return the id of today by each earlier id, as `promptctl.log.filter.Filter` takes it."""
    return {earlier: today for today, ids in former.items() for earlier in ids}


def id_of_today(moment: Moment, prompt: str) -> str:
    """Return the id that a prompt has in the work tree, by one that it had before; the same if no prompt had it."""
    if path_in(moment.work_tree, prompt) is not None:
        return prompt
    return renames(all_former_ids(moment)).get(prompt, prompt)


def with_todays_marks(found: PromptAtVersion, moment: Moment) -> PromptAtVersion:
    """Return the version with the inputs also sensitive that the prompt's file marks now, whatever its id is today."""
    id_ = id_of_today(moment, found.ref.prompt)
    committed = [moment.tree_at(moment.head)] if moment.head is not None else []
    for tree in (moment.work_tree, *committed):  # a sparse checkout may leave the file out
        with suppress(WorkspaceError):
            return replace(found, prompt=with_marks_of(tree, id_, found.prompt))
    return found


def logged_renames(log: Store, moment: Moment) -> dict[str, str]:
    """Return `renames` of every prompt; empty, and Git is not asked, if no id in the log is a former one."""
    logged = {row.prompt for row in log.totals(by=("prompt",), costs_only=True)}
    if logged <= prompt_paths(moment.work_tree).keys():
        return {}
    return renames(all_former_ids(moment))


def labels_here(moment: Moment) -> Listing:
    """Return the state of every label of this workspace as far as this clone knows; by the prompts' ids of today.

    Raises `GitError` outside Git.
    """
    check_has_labels(moment)
    found = listing(moment.git, moment.label_tags)
    known = prompt_paths(moment.work_tree)
    if not all(prompt in known for prompt, _ in found.states):
        found = listing(moment.git, moment.label_tags, all_former_ids(moment))
    own = {key: state for key, state in found.states.items() if other_workspace(moment.git, state.event) is None}
    return replace(found, states=own | _numbered_since(moment, own.values()))


def _numbered_since(moment: Moment, states: Iterable[LabelState]) -> dict[tuple[str, str], LabelState]:
    """Return the states whose versions had no number when labels were moved, and that the line has by now.

    It may have the same content at a different commit, as after a squash: `v1+2 (= v2)`.
    """
    early = [state for state in states if state.is_live and version_number(state.version) is None]

    def numbered(store: IndexStore) -> Iterator[tuple[tuple[str, str], LabelState]]:
        for state in early:
            position = store.position_of(state.commit)
            same = [
                row.number
                for row in store.versions(moment.id_on_line(store, state.prompt))
                if row.digest == state.digest and (position is None or row.position <= position)
            ]
            if same:
                today = f"{state.version} (= v{same[-1]})" if position is None else f"v{same[-1]}"
                yield (state.prompt, state.label), replace(state, today=today)

    with suppress(HistoryIncomplete):
        return moment.ask(lambda store: dict(numbered(store))) if early else {}
    return {}


def labels_elsewhere(moment: Moment) -> HistoryIncomplete | None:
    """Return the reason why labels that there are cannot be known in this clone; None if none seems to be missing."""
    if moment.label_tags.strays:
        return moment.unknown_labels()
    with suppress(InvalidFiles):  # `validate` says what is wrong with the lock
        if (lock := moment.lock) is not None and lock.labels:
            words = f"this clone has no tags of labels, and {LOCK} names {count(len(lock.labels), 'label')}"
            return HistoryIncomplete(words, hint="promptctl label fetch")
    return None


def live_labels(moment: Moment, warn: Callable[[str], None]) -> dict[str, list[LabelState]]:
    """Return the labels that name a version, by prompt; none outside Git. Warns of labels that cannot be known here."""
    found: dict[str, list[LabelState]] = {}
    if not moment.is_versioned:
        return found
    listing = labels_here(moment)
    for state in listing.states.values():
        if state.is_live:
            found.setdefault(state.prompt, []).append(state)
    if error := labels_elsewhere(moment):
        warn(note(error))
    if problems := listing.problems:
        also = f" (and {len(problems) - 1} more: promptctl label verify)" if len(problems) > 1 else ""
        warn(f"a label does not count: {problems[0].message}{also}")
    return found


def check_label(moment: Moment, label: str, others: Iterable[str] = ()) -> None:
    """Raise `RevisionNotFound` if no prompt ever had the label, and it is none of the `others` that are known."""
    known = set(others)
    if moment.is_versioned:
        known.update(state.label for state in labels_here(moment).states.values())
    if label not in known:
        hint = did_you_mean(label, sorted(known)) or "promptctl label list shows all"
        raise RevisionNotFound(f"no prompt has a label `{label}`", hint=hint)


def check_has_labels(moment: Moment) -> None:
    """Raise `GitError` outside Git."""
    if moment.refusal is not None:
        raise moment.refusal
    if not moment.is_versioned:
        raise GitError(
            "labels are Git tags, and the workspace is not in a Git repository",
            hint="git init && git add . && git commit -m 'Add prompts'",
        )


def _earlier(tree: Tree, prompt: str, rows: Iterable[VersionRow]) -> tuple[str, ...]:
    then = [tree.places.id(row.path) or DEFAULT_PLACES.id(row.path) or "" for row in rows]
    return tuple(
        id_ for id_ in dict.fromkeys([*declared_ids(tree, prompt)[::-1], *then[::-1]]) if id_ not in ("", prompt)
    )
