"""Labels that people gave to replies: committed files of JSON Lines, one for each person and dataset.

`datasets/human-labels/support/triage/ada.jsonl` has Ada's labels of `datasets/support/triage.yaml`. A changed label
takes the place of its line; Git has the history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

from promptctl.assertions.model_graded import RELATIONS
from promptctl.datasets.lines import read_objects
from promptctl.errors import InvalidFiles, Place, Problem, in_reading_order, one_of_each_kind, quote
from promptctl.files.names import DATASETS, HUMAN_LABELS, is_human_labels
from promptctl.files.plain import content_digest
from promptctl.files.tree import Tree
from promptctl.formats.schemas import structure_of

# Answers by the type of the assertion whose judge is asked the same; `classify` has the classes of its question.
ANSWERS = {
    "llm-rubric": ("pass", "fail"),
    "classify": (),
    "factuality": RELATIONS,
    "answer-relevance": ("1", "2", "3", "4", "5"),
}
# What ends a line for some readers, or commands a terminal.
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_NO_LABEL = "labels are written by promptctl judge label, and saved by its page"
_AGAIN = "restore the line from Git, or remove it and label again: promptctl judge label {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabel:
    """One person's answer to one question about one reply.

    `type` is that of the assertion whose judge is asked the same, `question` its rubric, reference or question as the
    judge reads it, with the `choices` of a classification. `reply` is what the judge reads: the reply or the part of it
    at the assertion's path. The digests are of the content beside them, and `inputs_digest` is of the case's inputs.
    `dataset_digest` names the version of the dataset that was labelled. `place` is the line.
    """

    dataset: str
    dataset_digest: str
    case: str
    inputs_digest: str
    type: str
    question: str
    choices: tuple[str, ...] = ()
    question_digest: str
    reply: str
    reply_digest: str
    answer: str
    comment: str | None = None
    by: str
    at: str
    place: Place | None = None

    @property
    def item(self) -> tuple[str, str, str]:
        """The case, the question and the reply, by their digests."""
        return self.case, self.question_digest, self.reply_digest

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers that there are to its question."""
        return self.choices or ANSWERS[self.type]

    def as_line(self) -> str:
        """Return the label as a line of its file."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "place"}
        kept = {name: value for name, value in values.items() if value is not None and value != ()}
        text = json.dumps(kept, ensure_ascii=False)
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def question_digest(type_: str, question: str, choices: Iterable[str] = ()) -> str:
    """Return the digest of what people and judge are asked; the judge's prompt and model are no part of it."""
    return content_digest([type_, question, list(choices)])


def labels_folder(dataset: str) -> str:
    """Return the folder with the labels of a dataset.

    >>> labels_folder("datasets/support/triage.yaml")
    'datasets/human-labels/support/triage'
    """
    return f"{HUMAN_LABELS}/{dataset.removeprefix(DATASETS + '/').rpartition('.')[0]}"


def labels_path(dataset: str, by: str) -> str:
    """Return the path of one person's labels of a dataset."""
    return f"{labels_folder(dataset)}/{by}.jsonl"


def read_labels(tree: Tree, dataset: str) -> list[HumanLabel]:
    """Return everybody's labels of a dataset, by person and in the order of the files.

    Raises `InvalidFiles` with every problem of those files.
    """
    folder = labels_folder(dataset)
    paths = [path for path in tree.paths(folder) if is_human_labels(path) and path.rpartition("/")[0] == folder]
    labels: list[HumanLabel] = []
    problems: list[Problem] = []
    for path in paths:
        found, wrong = check_labels(tree, path)
        labels += [label for label in found if label.dataset == dataset]
        problems += wrong
    if problems:
        raise InvalidFiles(in_reading_order(problems))
    return labels


def check_labels(tree: Tree, path: str, *, is_in_place: bool = True) -> tuple[list[HumanLabel], list[Problem]]:
    """Return the labels of a file, and what is wrong with its lines, each by itself and all together.

    A file that `is_in_place` is the one that each of its labels belongs into.
    """
    labels: list[HumanLabel] = []
    problems: list[Problem] = []
    first: dict[object, HumanLabel] = {}
    try:
        for row in read_objects(tree, path):
            if isinstance(row, Problem):
                problems.append(replace(row, hint=_NO_LABEL) if row.code == "not-an-object" else row)
                continue
            if not {"reply", "answer"} <= row.data.keys():
                problems.append(Problem("the line is no label of a reply", row.place, _NO_LABEL, "not-a-label"))
                continue
            wrong = structure_of("human-label").check_data(row.data, row.place)
            if not wrong:
                choices = tuple(row.data.get("choices", ()))
                label = HumanLabel(**{**row.data, "choices": choices}, place=row.place)
                wrong = list(_faults(label, path if is_in_place else None))
                earlier = first.setdefault((label.dataset, label.by, *label.item), label)
                if earlier is not label:
                    line = earlier.place and earlier.place.line
                    message = f"the reply of case `{label.case}` is labelled twice; the first label is on line {line}"
                    wrong.append(Problem(message, row.place, "remove the older line", "duplicate-label"))
                labels.append(label)
            problems += wrong
    except InvalidFiles as invalid:
        problems += invalid.problems
    return labels, one_of_each_kind(problems)


def _faults(label: HumanLabel, path: str | None) -> Iterator[Problem]:
    """Yield what is wrong with a label of sound shape."""
    again = _AGAIN.format(quote(label.dataset))
    if label.answer not in label.answers:
        message = f"`{label.answer}` is no answer to a question of {label.type}"
        yield Problem(message, label.place, f"it has {', '.join(label.answers)}", "unknown-answer")
    if bool(label.choices) != (label.type == "classify"):
        yield Problem("`choices` are for classify, which needs them", label.place, again, "misplaced-key")
    if label.reply_digest != content_digest(label.reply):
        message = f"the reply of case `{label.case}` is not the one that was labelled: its digest differs"
        yield Problem(message, label.place, again, "changed-reply")
    if label.question_digest != question_digest(label.type, label.question, label.choices):
        message = f"the question of case `{label.case}` is not the one that was answered: its digest differs"
        yield Problem(message, label.place, again, "changed-question")
    if path is not None and path != (belongs := labels_path(label.dataset, label.by)):
        yield Problem(f"a label by {label.by} of {label.dataset} is in {belongs}", label.place, "move it", "misplaced")


def with_label(labels: Iterable[HumanLabel], new: HumanLabel) -> list[HumanLabel]:
    """Return a person's labels with a new one: in the place of an earlier one of the same reply, or at the end."""
    kept = list(labels)
    same = [index for index, label in enumerate(kept) if (label.dataset, *label.item) == (new.dataset, *new.item)]
    if same:
        kept[same[0]] = replace(new, place=kept[same[0]].place)
        return kept
    return [*kept, new]
