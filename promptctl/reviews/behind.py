"""Tests that BASE gained after HEAD left it, which a branch from before them would not be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from promptctl.files.wording import count, name_some
from promptctl.reviews.changes import Changes, changed_datasets
from promptctl.reviews.review import DatasetReview, ReviewedCase
from promptctl.reviews.taken_away import is_weaker, successors

if TYPE_CHECKING:
    from promptctl.formats.settings_file import DatasetLimits
    from promptctl.git.repository import Git
    from promptctl.git.trees import CommitTree


def tests_behind(git: Git, base: CommitTree, tip: CommitTree, changes: Changes, limits: DatasetLimits) -> Iterator[str]:
    """Yield each dataset in which HEAD lacks what the tip of BASE asks, in a sentence without its full stop.

    Only tests of prompts whose behaviour HEAD changes count. A case that HEAD has, or edits as well, is not lacking.
    """
    ids = {id_ for each in changes.prompts if each.is_to_be_measured for id_ in (each.id, each.former_id) if id_}
    ids |= {old for old, new in successors(changes.datasets, changes.prompts).items() if new in ids}
    if not ids or base.commit == tip.commit:
        return
    gained = [each for each in changed_datasets(git, base, tip, sorted(ids), limits) if ids & {*each.prompts}]
    here = {path: each for each in changes.datasets for path in (each.path, each.former_path) if path}
    present: dict[str, list[ReviewedCase]] = {}
    unchanged = [case for each in gained if each.path not in here for case in each.before.values()]
    for case in [*unchanged, *(case for each in changes.datasets for case in each.after.values())]:
        present.setdefault(case.content, []).append(case)
    for dataset in gained:
        yield from _lacks(dataset, here.get(dataset.path), present)


def _lacks(dataset: DatasetReview, own: DatasetReview | None, present: dict[str, list[ReviewedCase]]) -> Iterator[str]:
    """`dataset` is what BASE did to one, `own` what HEAD did; `present` are HEAD's cases by their content."""
    lacking = []
    for id_, case in dataset.after.items():
        before = dataset.before.get(id_)
        if case == before:
            continue
        kept = list(present.get(case.content, ()))
        edited = own.after.get(id_) if own is not None else None
        if before is not None and edited not in (None, before):
            kept.append(edited)
        if all(is_weaker(case, each) for each in kept):
            lacking.append(id_)
    if lacking:
        asked = f"{count(len(lacking), 'case')} ({name_some(lacking)})"
        yield f"HEAD lacks {asked} that {dataset.path} of BASE has now: update the branch"
    was, now = dataset.min_pass
    if was is not None and now is not None and now > was:
        mine = own.min_pass[1] if own is not None else was
        if mine is not None and mine < now:
            yield f"{dataset.path} of BASE has min_pass {now:g} now, HEAD {mine:g}: update the branch"
