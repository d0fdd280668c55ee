"""The labels of a dataset, together with the questions that they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptctl.datasets.human_labels import read_labels
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.questions import LabelledReplies, Questions
from promptctl.errors import InvalidFiles, PromptNotFound
from promptctl.prompts.loading import load_prompt

if TYPE_CHECKING:
    from promptctl.context import Context


def open_questions(context: Context, name: str) -> tuple[str, Questions, str]:
    """Return the path of the dataset that a user names, its questions and its digest.

    Raises `DatasetNotFound`, and `InvalidFiles` for a dataset that is wrong.
    """
    index = DatasetIndex(context.repository.work_tree, limits=context.settings.limits)
    path = index.named(name, context.inside)
    dataset = index.open(path)
    problems = [problem for problem in dataset.check() if problem.severity == "error"]
    if problems:
        raise InvalidFiles(problems)
    prompts = []
    for id_ in dataset.header.prompts:
        try:
            prompts.append(load_prompt(index.tree, id_))
        except PromptNotFound:
            continue
    return path, Questions(dataset, prompts), dataset.digest or ""


def labelled_replies(context: Context, name: str) -> LabelledReplies:
    """Return everybody's labels of the dataset that a user names. Raises what `open_questions` and `read_labels` do."""
    path, questions, _ = open_questions(context, name)
    return questions.labelled(read_labels(context.repository.work_tree, path))
