"""Replies of evaluations as one person labels them: blind, in an order of their own, each answer written at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.calibrations.agreement import open_questions
from promptctl.datasets.human_labels import HumanLabel, check_labels, labels_path, with_label
from promptctl.datasets.questions import Labelled, Question, Questions
from promptctl.datasets.selection import Selection, choose
from promptctl.errors import InvalidFiles, UsageError, WorkspaceError, in_reading_order, printable, quote
from promptctl.files.plain import canonical_json, content_digest, record_data
from promptctl.files.proposal import Proposal, change_of
from promptctl.files.tree import MemoryTree, read_file
from promptctl.files.wording import count, name_some
from promptctl.git.repository import Git
from promptctl.log.masking import Mask
from promptctl.log.stamps import utc_now
from promptctl.prompts.prompt import MISSING, Prompt

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.datasets.cases import Case
    from promptctl.log.results import EvaluationRow, ResultRow

_PERSON = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MOST_BYTES = 256 << 20
_MOST_COMMENT = 10_000


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """Replies to label, and the person who does.

    Without `by` it is the person whom Git knows; without `evaluations` the replies are those of the newest one of each
    prompt that the dataset tests. `selection` narrows the cases, for everybody alike.
    """

    dataset: str
    by: str | None = None
    evaluations: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True, slots=True)
class LabelItem:
    """One question about one reply, put to one person. `inputs` are those that the log keeps of the case."""

    question: Question
    inputs: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """The case, the question and the reply, by their digests."""
        question = self.question
        return question.case.id, question.digest, content_digest(question.reply)


class ReplyLabelling:
    """One person's labels of a dataset's replies. `items` are all that are put to the person, in the person's order.

    Which version or model gave a reply, what was expected and what a judge found is not among them. `notes` say what
    was left out, and why.
    """

    def __init__(self, context: Context, request: LabelRequest) -> None:
        self._context = context
        self._tree = context.work_tree_for("labelling")
        self.dataset, self._questions, self._digest = open_questions(context, request.dataset)
        self.by = person(context, request.by)
        self.path = labels_path(self.dataset, self.by)
        self.notes: list[str] = []
        rows = self._evaluations(request.evaluations)
        self.evaluations = [row.id for row in rows]
        self.items = self._items(rows, request.selection)
        if words := self._questions.labelled(self.labels.values()).words:
            self.notes.append(words)

    @property
    def labels(self) -> dict[tuple[str, str, str], HumanLabel]:
        """The person's labels as they are in the file now, by what they label."""
        return {label.item: label for label in self._read() if label.dataset == self.dataset}

    def left(self) -> list[LabelItem]:
        """Return the items that the person has not labelled."""
        labelled = self.labels
        return [item for item in self.items if item.key not in labelled]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys; `labelled` and `left` count questions."""
        left = len(self.left())
        return {
            "dataset": self.dataset,
            "by": self.by,
            "file": self.path,
            "evaluations": self.evaluations,
            "items": len(self.items),
            "labelled": len(self.items) - left,
            "left": left,
            "notes": self.notes,
        }

    def put(self, item: LabelItem, answer: str, comment: str | None = None) -> HumanLabel:
        """Write an answer to the person's file, in the place of an earlier one.

        Secrets and values of sensitive inputs are left out of comments.

        Raises `UsageError` for what is no answer, and `WorkspaceError` for a file that cannot be written.
        """
        if answer not in item.question.answers:
            hint = f"answer {', '.join(item.question.answers)}"
            raise UsageError(f"`{printable(answer)}` is no answer to this question", hint=hint)
        comment = (comment or "").strip()
        if len(comment) > _MOST_COMMENT:
            raise UsageError(f"a comment has at most {_MOST_COMMENT:,} characters, and this one has {len(comment):,}")
        comment = self._questions.hidden(item.question.case)(self._context.redactor.redact(comment))
        label = self.blank(item, answer, comment or None)
        self._write(with_label(self._read(), label))
        return label

    def blank(self, item: LabelItem, answer: str = "", comment: str | None = None) -> HumanLabel:
        """Return the label with this answer, written nowhere."""
        return self._questions.label(
            item.question,
            answer,
            comment=comment,
            dataset=self.dataset,
            dataset_digest=self._digest,
            by=self.by,
            at=utc_now(),
        )

    def put_back(self, item: LabelItem, earlier: HumanLabel | None) -> None:
        """Write what was there before an answer: the earlier label, or none."""
        if earlier is not None:
            self._write(with_label(self._read(), earlier))
            return
        self._write(
            [label for label in self._read() if (label.dataset, label.item) != (self.dataset, item.key)],
        )

    def _read(self) -> list[HumanLabel]:
        return _labels_in(self._tree, self.path)

    def _write(self, labels: Sequence[HumanLabel]) -> None:
        _proposed(self._tree, {self.path: labels}).write(self._context.root)

    def _evaluations(self, named: Sequence[str]) -> list[EvaluationRow]:
        log = self._context.log
        if named:
            rows = [log.evaluation(each) for each in dict.fromkeys(named)]
            other = next((row for row in rows if row.spec.dataset != self.dataset), None)
            if other is not None:
                message = f"evaluation {other.id[-8:]} is of {other.spec.dataset}, not of {self.dataset}"
                raise UsageError(message, hint="promptctl results list shows which there are")
            return rows
        prompts: Sequence[str | None] = [*self._questions.prompts] or [None]
        found = [_newest(log.evaluations(prompt=prompt), self.dataset) for prompt in prompts] if not log.is_new else []
        rows = [row for row in found if row is not None]
        if not rows:
            message = f"{self.dataset} has not been evaluated yet, so there is no reply to label"
            raise UsageError(message, hint=f"promptctl eval {name_some([*self._questions.prompts]) or 'PROMPT'}")
        return rows

    def _items(self, rows: Sequence[EvaluationRow], selection: Selection) -> list[LabelItem]:
        cases = self._questions.cases
        chosen = choose(cases.values, selection)
        found: dict[tuple[str, str, str], LabelItem] = {}
        order: dict[tuple[str, str, str], tuple[str, int]] = {}
        changed, without_reply, is_asked, folder = set(), set(), False, self._context.state_folder
        for row in rows:
            for result in self._context.log.results(row.id):
                case = cases.get(result.case_id)
                if result.repeat > 1 or (chosen.ids is not None and result.case_id not in chosen.ids):
                    continue
                if case is None or not _is_of(result, case, self._questions.prompts.get(row.prompt), folder):
                    changed.add(result.case_id)
                elif result.output is None:
                    without_reply.add(case.id)
                else:
                    rank = content_digest([self.by, case.id, result.output])
                    for at, question in enumerate(self._questions.of(case, result.output)):
                        is_asked = True
                        item = LabelItem(question, result.detail.inputs)
                        found.setdefault(item.key, item)
                        order.setdefault(item.key, (rank, at))
        if changed:
            self.notes.append(
                f"{count(len(changed), 'case')} changed since the evaluation ({name_some(sorted(changed))}): "
                "evaluate again to label them"
            )
        if without_reply:
            self.notes.append(
                f"{count(len(without_reply), 'case')} without a reply ({name_some(sorted(without_reply))})"
            )
        if not is_asked:
            message = f"no judge is asked anything about these replies of {self.dataset}"
            hint = (
                "write what people and judges should decide, and label again: "
                "assert: [{type: llm-rubric, value: …, weight: 0}] under `defaults`"
            )
            raise UsageError(f"{message} ({'; '.join(self.notes)})" if self.notes else message, hint=hint)
        return sorted(found.values(), key=lambda item: order[item.key])


@dataclass(frozen=True, slots=True)
class Imported:
    """Labels of a file, and the files of labels as they would be with them.

    `new` and `changed` count labels, `same` those that are there already, `set_aside` those of replies that the dataset
    does not ask about any more, in words.
    """

    dataset: str
    people: tuple[str, ...]
    new: int
    changed: int
    same: int
    set_aside: str
    proposal: Proposal

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys, without the proposal."""
        return record_data(self, without=("proposal",))


def import_labels(context: Context, dataset: str, file: Path) -> Imported:
    """Check the labels of a file that a page saved, and propose the files of labels with them.

    Raises `InvalidFiles` for whatever is wrong with a line, and `WorkspaceError` for a file that cannot be read.
    """
    tree = context.work_tree_for("labelling")
    path, questions, _ = open_questions(context, dataset)
    try:
        data = read_file(file, _MOST_BYTES, follows_links=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot read {file}: {error.strerror}", hint="name the file that the page saved"
        ) from error
    labels, problems = check_labels(MemoryTree({str(file): data}), str(file), is_in_place=False)
    if any(problem.severity == "error" for problem in problems):
        raise InvalidFiles(in_reading_order(problems))
    other = next((label for label in labels if label.dataset != path), None)
    if other is not None:
        hint = f"promptctl judge label {quote(other.dataset)} --import {quote(str(file))}"
        raise WorkspaceError(f"the label is of {other.dataset}, not of {path}", place=other.place, hint=hint)
    found = questions.labelled(labels)
    files: dict[str, list[HumanLabel]] = {}
    counts = {"new": 0, "changed": 0, "same": 0}
    for label in (_redacted(context, each, questions) for each in found.counting):
        own = labels_path(path, label.by)
        if own not in files:
            files[own] = _labels_in(tree, own)
        earlier = next((each for each in files[own] if (each.dataset, each.item) == (path, label.item)), None)
        is_same = earlier is not None and (earlier.answer, earlier.comment) == (label.answer, label.comment)
        counts["same" if is_same else "changed" if earlier is not None else "new"] += 1
        if not is_same:
            files[own] = with_label(files[own], label)
    people = tuple(dict.fromkeys(label.by for label in labels))
    return Imported(path, people, **counts, set_aside=found.words, proposal=_proposed(tree, files))


def person(context: Context, by: str | None) -> str:
    """Return the name of the person who labels: the one given, else the one whom Git knows. Raises `UsageError`."""
    if by is not None:
        if _PERSON.fullmatch(by):
            return by
        near = _as_name(by)
        hint = f"did you mean `{near}`?" if near else "such as ada, or ada.lovelace"
        message = (
            f"`{printable(by)}` cannot name a file of labels: at most 64 lower-case letters, digits, `.`, `_` and `-`"
        )
        raise UsageError(message, hint=hint)
    git = Git.open(context.root)
    known = ""
    if git is not None:
        with closing(git):
            known = _as_name(git.run(["config", "user.name"], check=False).text)
    if not known:
        raise UsageError("say who labels: Git knows no name", hint="--by NAME")
    return known


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.strip().lower()).strip("-._")[:64]


def _newest(rows: Iterable[EvaluationRow], dataset: str) -> EvaluationRow | None:
    """Return the newest evaluation of a dataset, one of all its cases if there is one."""
    of_it = [row for row in rows if row.spec.dataset == dataset and row.spec.side in ("alone", "head")]
    return next((row for row in of_it if row.spec.is_whole), of_it[0] if of_it else None)


def _is_of(result: ResultRow, case: Case, prompt: Prompt | None, folder: Path) -> bool:
    """Return True if a result is a reply to what the case is now; how replies are graded may have changed."""
    if result.case_digest == case.content_hash:
        return True
    declared = prompt.inputs.values() if prompt is not None else ()
    defaults = {each.name: each.default for each in declared if each.default is not MISSING}
    given = [dict(case.inputs), {**defaults, **case.inputs}]
    if prompt is not None and prompt.sensitive:
        given = [Mask.of(folder, prompt, each).inputs(each) for each in given]
    return canonical_json(dict(result.detail.inputs)) in map(canonical_json, given)


def _labels_in(tree: Any, path: str) -> list[HumanLabel]:
    try:
        labels, problems = check_labels(tree, path)
    except FileNotFoundError:
        return []
    if problems:
        raise InvalidFiles(in_reading_order(problems))
    return labels


def _proposed(tree: Any, files: Mapping[str, Sequence[HumanLabel]]) -> Proposal:
    def text(labels: Sequence[HumanLabel]) -> bytes | None:
        return "".join(label.as_line() for label in labels).encode() or None

    return Proposal(tuple(change_of(tree, path, text(labels)) for path, labels in files.items()))


def _redacted(context: Context, labelled: Labelled, questions: Questions) -> HumanLabel:
    """Return a label with nothing secret or sensitive in its comment; `WorkspaceError` if its reply holds a secret."""
    label = labelled.label
    if context.redactor.holds_secret(label.reply + "\n" + label.question):
        hint = "replies out of the log have no secrets: label them again"
        raise WorkspaceError(f"the reply of case `{label.case}` holds a secret", place=label.place, hint=hint)
    hidden = questions.hidden(labelled.question.case)
    return replace(label, comment=hidden(context.redactor.redact(label.comment)) if label.comment else None)
