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
    for at, (format_, each) in enumerate(contents):
        own = {(format_, draft.wish) for draft in each.prompts if draft.registry is not None}
        moving = [key for key in own if home.get(key, at) != at]
        clash = next(_clashes(format_, each, known), None) if moving else None
        if clash is not None:
            refuse(at, clash)
            found[at] = replace(each, prompts=(), files=())
            continue
        for key in own:
            home.setdefault(key, at)
        for key in moving:
            versions = tuple(
                draft
                for draft in each.prompts
                if (format_, draft.wish) == key and draft.registry and (*key, draft.registry.number) not in known
            )
            first = found[home[key]]
            found[home[key]] = replace(first, prompts=(*first.prompts, *versions))
            found[at] = replace(
                found[at], prompts=tuple(draft for draft in found[at].prompts if (format_, draft.wish) != key)
            )
        for draft in each.prompts:
            if draft.registry is not None:
                known.setdefault((format_, draft.wish, draft.registry.number), draft)
    return found


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
