"""Notes on skipped files (bad name, symlink) and on likely renames without `formerly:`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from promptctl.errors import printable
from promptctl.files.names import PromptPlaces, id_problem
from promptctl.files.wording import name_some
from promptctl.git.walk import FileChange
from promptctl.reviews.review import PromptReview

_MOST = 5
_NEARLY_EQUAL = 0.8
_MOST_WORDS = 500
_MOST_PROMPTS = 20
_LIKELIEST = 2


def change_notes(
    changes: Iterable[FileChange],
    places: PromptPlaces,
    links: Sequence[str],
    workspaces: Sequence[str],
    prompts: Sequence[PromptReview],
) -> Iterator[str]:
    """Yield notes on files that nothing reads, for their name or as they are links, and on renames that nothing names.

    `workspaces` are new ones in folders below.
    """
    stems = {change.path: places.stem(change.path) for change in changes if change.after is not None}
    unnamed = {path: why for path, stem in stems.items() if stem is not None and (why := id_problem(stem))}
    for path, why in list(unnamed.items())[:_MOST]:
        yield f"`{printable(path)}` is not reviewed, as no prompt can be called so: {why}"
    if len(unnamed) > _MOST:
        yield f"{len(unnamed) - _MOST} more files are not reviewed for their names"
    if links:
        yield f"not reviewed, as no link is ever followed: {name_some([repr(link) for link in links], _MOST)}"
    if workspaces:
        named = name_some([repr(each) for each in workspaces], _MOST)
        yield f"not reviewed, as each is a workspace of its own: {named}; promptctl -C FOLDER review"
    yield from _renames(prompts)


def likely_renames(prompts: Sequence[PromptReview]) -> dict[str, PromptReview]:
    """Return by the id of a removed prompt the new one that says nearly the same."""
    removed = [each for each in prompts if each.kind == "removed" and each.base is not None]
    left = {old.id: _words(old.base.text) for old in removed[:_MOST_PROMPTS] if old.base is not None}
    found: dict[str, PromptReview] = {}
    for new in [each for each in prompts if each.kind == "added"][:_MOST_PROMPTS]:
        former = _nearest(_words(new.head.text), left) if new.head is not None else None
        if former is not None:
            del left[former]
            found[former] = new
    return found


def _renames(prompts: Sequence[PromptReview]) -> Iterator[str]:
    found = likely_renames(prompts)
    for former, new in list(found.items())[:_MOST]:
        yield (
            f"{new.id} says nearly what {former} said, which was removed: "
            f"with `formerly: [{former}]` in {new.path} it would be a rename, and compared"
        )
    if len(found) > _MOST:
        yield f"so do at least {len(found) - _MOST} more new prompts"


def _nearest(words: list[str], among: Mapping[str, list[str]]) -> str | None:
    """The id of what has nearly the same words in nearly the same order; what is likeliest is looked at first."""
    matchers = {id_: difflib.SequenceMatcher(None, old, words, autojunk=False) for id_, old in among.items()}
    likely = sorted(matchers, key=lambda id_: matchers[id_].quick_ratio(), reverse=True)[:_LIKELIEST]
    near = {id_: ratio for id_ in likely if (ratio := matchers[id_].ratio()) >= _NEARLY_EQUAL}
    return max(near, key=near.__getitem__, default=None)


def _words(text: str) -> list[str]:
    return text.split()[:_MOST_WORDS]
