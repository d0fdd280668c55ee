"""Versions of one prompt that came in several files: they go on together, as if the first file had them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.exchange.drafts import ForeignContents, PromptDraft

Key = tuple[str, str]


def gathered(
    contents: Sequence[tuple[str, ForeignContents]], refuse: Callable[[int, InvalidFiles], None]
) -> list[ForeignContents]:
    """Return the contents of files, given with the names of their formats, each version with the first of its prompt.

    `refuse` is called with the place of a file that is left out, as it has a version that an earlier one has too, and
    says something else.
    """
    home: dict[Key, int] = {}
    known: dict[tuple[str, str, int], PromptDraft] = {}
    found = [each for _, each in contents]
    prompts: list[list[PromptDraft]] = [[] for _ in contents]
    for at, (format_, each) in enumerate(contents):
        own = {(format_, draft.wish) for draft in each.prompts if draft.registry is not None}
        is_moving = any(home.get(key, at) != at for key in own)
        clash = next(_clashes(format_, each, known), None) if is_moving else None
        if clash is not None:
            refuse(at, clash)
            found[at] = replace(each, files=())
            continue
        for draft in each.prompts:
            if draft.registry is None:
                prompts[at].append(draft)
                continue
            place = home.setdefault((format_, draft.wish), at)
            version = (format_, draft.wish, draft.registry.number)
            if place == at or version not in known:
                prompts[place].append(draft)
            known.setdefault(version, draft)
    return [replace(each, prompts=tuple(own)) for each, own in zip(found, prompts, strict=True)]


def _clashes(
    format_: str, contents: ForeignContents, known: dict[tuple[str, str, int], PromptDraft]
) -> Iterator[InvalidFiles]:
    for draft in contents.prompts:
        number = draft.registry.number if draft.registry is not None else 0
        other = known.get((format_, draft.wish, number))
        if other is not None and other.data != draft.data:
            message = f"version {number} of `{draft.wish}` is in {other.place} too, and says something else"
            hint = "leave one of the two files out"
            yield InvalidFiles([Problem(message, draft.place or Place(""), hint, "not-imported")])
    if contents.files:
        wishes = ", ".join(sorted({draft.wish for draft in contents.prompts}))
        message = f"the versions of {wishes} are in several files, and include partials"
        place = contents.files[0].place
        yield InvalidFiles([Problem(message, place, "put all of them into one file", "not-imported")])
