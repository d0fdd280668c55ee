"""The labels of a dataset, with the questions that they answer; and the labelled replies, as cases for a judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.datasets.cases import Case
from promptctl.datasets.human_labels import read_labels
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.questions import AnsweredReply, LabelledReplies, Questions, answered_replies, questions_of
from promptctl.errors import DatasetNotFound
from promptctl.files.names import HUMAN_LABELS, is_human_labels
from promptctl.files.plain import content_digest
from promptctl.prompts.prompt import MISSING, Prompt

if TYPE_CHECKING:
    from promptctl.assertions.assertion import Assertion
    from promptctl.context import Context


def open_questions(context: Context, name: str) -> tuple[str, Questions, str]:
    """Return the path of the dataset that a user names, its questions and its digest.

    Raises `DatasetNotFound`, and `InvalidFiles` for a dataset that is wrong.
    """
    index = DatasetIndex(context.repository.work_tree, limits=context.settings.limits)
    path = index.named(name, context.inside)
    return path, *questions_of(index, path)


def labelled_replies(context: Context, name: str) -> LabelledReplies:
    """Return everybody's labels of the dataset that a user names; its cases are read only if there are any.

    Raises what `open_questions` and `read_labels` do.
    """
    tree = context.repository.work_tree
    path = DatasetIndex(tree).named(name, context.inside)
    labels = read_labels(tree, path)
    return open_questions(context, path)[1].labelled(labels) if labels else LabelledReplies((), {})


@dataclass(frozen=True, slots=True)
class LabelledReply(AnsweredReply):
    """One reply that people labelled, as a case that the judge grades."""

    case: Case
    dataset: str

    @property
    def assertion(self) -> Assertion:
        """The assertion that the judge is asked for."""
        return self.case.assertions[0]


def labelled_by_people(context: Context, named: Sequence[str], judge: str, notes: list[str]) -> Iterator[LabelledReply]:
    """Yield each labelled reply that the judge grades; labels of several people on one are one, by the majority.

    `named` are datasets, or files of labels; all if there are none. What is set aside is added to `notes`.
    """
    for dataset, files in _label_files(context, named, notes).items():
        _, questions, _ = open_questions(context, dataset)
        labels = [label for label in read_labels(context.repository.work_tree, dataset) if _is_of(label.place, files)]
        found = questions.labelled(labels)
        if found.words:
            notes.append(f"{dataset}: {found.words}")
        prompts = [context.prompt(id_).prompt for id_ in questions.prompts if id_ in context.prompt_ids()]
        for each in answered_replies(found.counting, judge):
            yield _labelled_reply(dataset, each, prompts)


def _labelled_reply(dataset: str, answered: AnsweredReply, prompts: Sequence[Prompt]) -> LabelledReply:
    question = answered.question
    digest = content_digest([dataset, *answered.labels[0].item])
    declared = [each for prompt in prompts[:1] for each in prompt.inputs.values()]
    defaults = {each.name: each.default for each in declared if each.default is not MISSING}
    case = Case(
        id=f"{question.case.id}#{digest[:8]}",
        inputs={**defaults, **question.case.inputs},
        expected=question.case.expected,
        tags=(),
        assertions=(question.assertion,),
        content_hash=digest,
        place=question.case.place,
        output=question.reply,
        cluster=f"{dataset}#{question.case.cluster or question.case.id}",
        variables=question.case.variables,
    )
    return LabelledReply(question, answered.labels, case, dataset)


def _label_files(context: Context, named: Sequence[str], notes: list[str]) -> dict[str, set[str] | None]:
    """Return the datasets whose labels count, each with the files of labels that do; None for all of them."""
    tree = context.repository.work_tree
    known = [path for path in tree.paths(HUMAN_LABELS) if is_human_labels(path)]
    index, found = DatasetIndex(tree), dict[str, set[str] | None]()
    for name in named:
        path = name if name in known or not name.endswith(".jsonl") else context.inside(name)
        if path in known:
            files = found.setdefault(_dataset_of(index, path), set())
            if files is not None:
                files.add(path)
        else:
            found[index.named(name, context.inside)] = None
    for path in known if not named else ():
        try:
            found[_dataset_of(index, path)] = None
        except DatasetNotFound:
            notes.append(f"{path} is of a dataset that is not there any more")
    return found


def _dataset_of(index: DatasetIndex, labels: str) -> str:
    """Return the dataset that a file of labels is of."""
    return index.named(labels.removeprefix(HUMAN_LABELS + "/").rpartition("/")[0], str)


def _is_of(place: Any, files: Iterable[str] | None) -> bool:
    return files is None or (place is not None and place.path in files)
