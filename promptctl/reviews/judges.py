"""Judges that HEAD adds, changes or names: what grades a branch is not for the branch to choose."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from promptctl.assertions.assertion import AskedJudge
from promptctl.calls.shipped import shipped_judges
from promptctl.datasets.affected import datasets_reached
from promptctl.files.tree import Tree
from promptctl.formats.settings_file import DatasetLimits
from promptctl.reviews.changes import Changes
from promptctl.reviews.dataset_changes import side_of
from promptctl.reviews.review import PromptReview


def judges_of_head(
    base: Tree, head: Tree, trusted: Tree, changes: Changes, named: Collection[str], limits: DatasetLimits
) -> Iterator[str]:
    """Yield each judge of HEAD's own in a sentence without its full stop.

    `trusted` is what judges were read from. `named` are models that settings or the command name.
    """
    differing = {id_: each for each in changes.prompts for id_ in _ids(each)}
    grading = (
        {each.prompt_id for tree in (base, head) for each in _asked(tree, differing, trusted, limits)}
        if differing
        else set()
    )
    shipped = shipped_judges()
    for prompt in {each.id: each for id_, each in differing.items() if id_ in grading or id_ in shipped}.values():
        if prompt.kind == "added" and prompt.id not in shipped:
            yield f"the judge {prompt.id} is HEAD's own"
        elif prompt.is_other_behaviour or prompt.kind != "changed":
            yield f"the judge {prompt.former_id or prompt.id} was {prompt.kind} (BASE's graded)"
    told: dict[str, str] = {}
    for dataset in changes.datasets:
        for asked in dataset.judges[1] - dataset.judges[0]:
            if asked.model is not None and asked.model not in named:
                told.setdefault(asked.model, dataset.path)
            if asked.prompt_id is not None and asked.prompt_id not in shipped and asked.prompt_id not in differing:
                told.setdefault(asked.prompt_id, dataset.path)
    if told:
        known = {name for each in _asked(base, told, trusted, limits) for name in (each.prompt_id, each.model)}
        yield from (f"{path} names a judge of HEAD's own, {name}" for name, path in told.items() if name not in known)


def _ids(prompt: PromptReview) -> Iterator[str]:
    yield prompt.id
    if prompt.former_id is not None:
        yield prompt.former_id


def _asked(tree: Tree, names: Iterable[str], trusted: Tree, limits: DatasetLimits) -> Iterator[AskedJudge]:
    """Yield the judges of every dataset that may name one of these prompts or models."""
    for path in datasets_reached(tree, names):
        side = side_of(tree, path, trusted, limits)
        if side is not None:
            yield from side.judges
