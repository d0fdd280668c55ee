"""What a reader of a review must know of the changed files that no prompt and no dataset of it shows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from promptctl.evaluations.reasons import name_some
from promptctl.evaluations.review import PromptReview
from promptctl.formats.names import id_problem, prompt_id, prompt_stem
from promptctl.versions.tree_changes import FileChange

_MOST = 5
_NEARLY_EQUAL = 0.8
_MOST_WORDS = 2_000
_MOST_PROMPTS = 50


def change_notes(changes: Iterable[FileChange], links: Sequence[str], prompts: Sequence[PromptReview]) -> Iterator[str]:
    """Files that nothing reads, for their name or as they are links; and renames that nothing says are any."""
    unnamed = [change.path for change in changes if change.after is not None and _breaks_the_rules(change.path)]
    for path in unnamed[:_MOST]:
        yield f"{path!r} is not reviewed, as no prompt can be called so: {id_problem(prompt_stem(path) or '')}"
    if len(unnamed) > _MOST:
        yield f"{len(unnamed) - _MOST} more files are not reviewed for their names"
    if links:
        yield f"not reviewed, as no link is ever followed: {name_some([repr(link) for link in links], _MOST)}"
    yield from _renames([each for each in prompts if each.kind == "removed"], [e for e in prompts if e.kind == "added"])


def _breaks_the_rules(path: str) -> bool:
    return prompt_stem(path) is not None and prompt_id(path) is None


def _renames(removed: Sequence[PromptReview], added: Sequence[PromptReview]) -> Iterator[str]:
    """Of each new prompt the removed one that it is most like, where it is nearly the same."""
    for new in added[:_MOST_PROMPTS]:
        likeness = [(_likeness(old, new), old.id) for old in removed[:_MOST_PROMPTS]]
        most, id_ = max(likeness, default=(0.0, ""))
        if most >= _NEARLY_EQUAL:
            yield (
                f"{new.id} says nearly what {id_} said, which was removed: with `formerly: [{id_}]` in {new.path} it "
                "would be a rename, and compared"
            )


def _likeness(old: PromptReview, new: PromptReview) -> float:
    """How much of the words of two prompts is the same and in the same order, from 0 to 1."""
    if old.base is None or new.head is None:
        return 0.0
    matcher = difflib.SequenceMatcher(None, _words(old.base.text), _words(new.head.text), autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= _NEARLY_EQUAL else 0.0


def _words(text: str) -> list[str]:
    return text.split()[:_MOST_WORDS]
