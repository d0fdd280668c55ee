"""Replies to label: the words of each question, and one page that a person labels them in, offline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from promptctl.calibrations.labelling import LabelItem, ReplyLabelling
from promptctl.datasets.human_labels import HumanLabel, labels_folder
from promptctl.datasets.questions import Question
from promptctl.errors import quote
from promptctl.reports.offline_page import check_page, offline_page, write_page
from promptctl.reports.wording import as_text

TASKS = {
    "llm-rubric": ("Rubric", "Does the reply meet the rubric?"),
    "classify": ("Question", "Which class is the reply of?"),
    "factuality": ("Reference", "How does the reply relate to the reference?"),
    "answer-relevance": ("Question", "How far does the reply answer the question?"),
}
"""The heading of a question's text, and what is asked, by type."""

_MEANINGS = {
    "factuality": {
        "same": "all the same facts",
        "subset": "some of its facts, none against it",
        "superset": "all its facts and more, none against it",
        "immaterial": "differs only in what does not matter",
        "disagrees": "contradicts it",
    },
    "answer-relevance": {"1": "not at all", "2": "a little", "3": "in part", "4": "mostly", "5": "in full"},
}


class Answer(NamedTuple):
    """An answer to a question: the key that gives it, and its meaning if its name does not say it."""

    key: str
    name: str
    meaning: str = ""

    @property
    def words(self) -> str:
        """The name with its meaning."""
        return f"{self.name}: {self.meaning}" if self.meaning else self.name


def answers_to(question: Question) -> list[Answer]:
    """Return the answers to a question: `p` and `f` for pass and fail, else numbers."""
    if question.type == "llm-rubric":
        return [Answer(name[0], name) for name in question.answers]
    meanings = _MEANINGS.get(question.type, {})
    return [Answer(str(at), name, meanings.get(name, "")) for at, name in enumerate(question.answers, 1)]


def write_label_page(path: Path, labelling: ReplyLabelling, items: Sequence[LabelItem]) -> None:
    """Write the page. Raises `UsageError` for a suffix other than .html, and `WorkspaceError` on failure."""
    check_page_path(path)
    write_page(path, label_page(labelling, items))


def check_page_path(path: Path) -> None:
    """Raise `UsageError` for a file whose name does not end in .html, and `WorkspaceError` for one of the workspace."""
    check_page(path, "a page to label in is written as .html", "-o page.html")


def label_page(labelling: ReplyLabelling, items: Sequence[LabelItem]) -> Iterator[str]:
    """Yield the page. Replies are put into it as text only, never as HTML; it may load and send nothing.

    It says of no reply which version or model gave it, or what a judge found.
    """
    labels = labelling.labels
    data = {
        "dataset": labelling.dataset,
        "by": labelling.by,
        "file": "-".join(labels_folder(labelling.dataset).split("/")[2:]) + f".{labelling.by}.jsonl",
        "command": f"promptctl judge label {quote(labelling.dataset)} --import FILE",
        "items": [_item(labelling, item, labels.get(item.key)) for item in items],
    }
    yield from offline_page(data, "label.html", ("page.css", "label.css"), ("dom.js", "label.js"))


def _item(labelling: ReplyLabelling, item: LabelItem, earlier: HumanLabel | None) -> dict[str, Any]:
    question = item.question
    heading, asked = TASKS[question.type]
    label = json.loads(replace(labelling.blank(item), comment=None).as_line())
    return {
        "inputs": [(name, as_text(value)) for name, value in item.inputs.items()],
        "heading": heading,
        "asked": asked,
        "answers": [(each.key, each.name, each.meaning) for each in answers_to(question)],
        "labelled_at": earlier.at if earlier else None,
        "label": {name: value for name, value in label.items() if name not in ("answer", "at")},
    }
