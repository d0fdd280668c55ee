"""Questions about the reply to a case, as its judges are asked them and as people can answer them too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from promptctl.assertions.assertion import NOT, Assertion, Subject
from promptctl.assertions.model_graded import DEFAULT_RELEVANCE, FACTUAL_RELATIONS, asked
from promptctl.assertions.outcome import EarlyOutcome
from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.human_labels import ANSWERS, HumanLabel, question_digest, read_labels
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import InvalidFiles, PromptNotFound
from promptctl.files.plain import content_digest
from promptctl.files.wording import count
from promptctl.formats.calibration_file import Calibration
from promptctl.log.masking import Mask
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True)
class Question:
    """One question about one reply. `reply` is the part of it that the judge reads.

    `assertion` is the one that asks it, without its path: it grades `reply` as it is. `type` is its plain type.
    `others` are further assertions of the case that ask the same, such as of a different judge.
    """

    case: Case
    assertion: Assertion
    type: str
    text: str
    choices: tuple[str, ...]
    reply: str
    others: tuple[Assertion, ...] = ()

    @property
    def each(self) -> Iterator[Question]:
        """Yield the question as each of the assertions asks it."""
        for assertion in (self.assertion, *self.others):
            yield replace(self, assertion=assertion, others=())

    @cached_property
    def digest(self) -> str:
        """The digest of what is asked, by which labels find it again."""
        return question_digest(self.type, self.text, self.choices)

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers that there are."""
        return self.choices or ANSWERS[self.type]

    def passes(self, answer: str) -> bool:
        """Return True if the assertion passes with this answer."""
        options = self.assertion.options
        if self.type == "llm-rubric":
            is_met = answer == "pass"
        elif self.type == "classify":
            is_met = answer in self.assertion.wanted(_subject(self.case, self.reply))
        elif self.type == "factuality":
            is_met = answer in options.get("accept", FACTUAL_RELATIONS)
        else:
            is_met = (int(answer) - 1) / 4 >= options.get("threshold", DEFAULT_RELEVANCE)
        return is_met != self.assertion.type.startswith(NOT)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label that counts, with the question that it answers."""

    question: Question
    label: HumanLabel


@dataclass(frozen=True, slots=True)
class LabelledReplies:
    """The labels of a dataset: those that count, and those set aside, by the reason in words."""

    counting: tuple[Labelled, ...]
    set_aside: Mapping[str, Sequence[HumanLabel]]

    @property
    def words(self) -> str:
        """Number of the labels set aside and the reasons, in one line; empty if there are none."""
        reasons = [f"{len(labels):,}: {reason}" for reason, labels in self.set_aside.items()]
        total = sum(map(len, self.set_aside.values()))
        return f"{count(total, 'label')} set aside ({'; '.join(reasons)})" if total else ""


class Questions:
    """The questions that the judges of a dataset are asked; `prompts` are those that it tests.

    Values of sensitive inputs are hidden in everything, as in the log.
    """

    def __init__(self, dataset: Dataset, prompts: Iterable[Prompt] = ()) -> None:
        self._dataset = dataset
        self.prompts = {prompt.id: prompt for prompt in prompts}
        self._sensitive = [prompt for prompt in self.prompts.values() if prompt.sensitive]

    @cached_property
    def cases(self) -> Mapping[str, Case]:
        """The cases by id. Raises `InvalidFiles` for a dataset that is wrong."""
        return {case.id: case for case in self._dataset.cases()}

    def of(self, case: Case, reply: str, *, is_part: bool = False) -> Iterator[Question]:
        """Yield each question that a judge is asked of this reply to the case, in the order of its assertions.

        If it `is_part`, the reply is only what the judge reads of it. Left out are questions that cannot be asked, as
        nothing is at the assertion's path or its template fails, and GitHub's evaluators and embeddings.
        """
        subject, found = _subject(case, reply), dict[tuple[str, str], Question]()
        hidden = self.hidden(case)
        for each in (own for own in case.all_assertions if own.type.removeprefix(NOT) in ANSWERS):
            assertion = replace(each, find=None)
            try:
                text, part = hidden(_text(each, subject)), (assertion if is_part else each).text(subject)
            except EarlyOutcome:
                continue
            choices = tuple(each.options.get("choices", ()))
            question = Question(case, assertion, each.type.removeprefix(NOT), text, choices, part)
            first = found.setdefault((question.digest, part), question)
            if all(_asked_of(assertion) != _asked_of(known.assertion) for known in first.each):
                found[question.digest, part] = replace(first, others=(*first.others, assertion))
        yield from found.values()

    def inputs_digest(self, case: Case) -> str:
        """Return the digest of a case's inputs, without the sensitive ones."""
        hidden = {name for prompt in self._sensitive for name in prompt.sensitive}
        return content_digest({name: value for name, value in case.inputs.items() if name not in hidden})

    def label(self, question: Question, answer: str, **given: Any) -> HumanLabel:
        """Return the label that answers a question; `given` are its other fields."""
        return HumanLabel(
            case=question.case.id,
            inputs_digest=self.inputs_digest(question.case),
            type=question.type,
            question=question.text,
            choices=question.choices,
            question_digest=question.digest,
            reply=question.reply,
            reply_digest=content_digest(question.reply),
            answer=answer,
            **given,
        )

    def labelled(self, labels: Iterable[HumanLabel]) -> LabelledReplies:
        """Return the labels that count, each with its question, and those of what the dataset does not ask any more."""
        counting: list[Labelled] = []
        set_aside: dict[str, list[HumanLabel]] = {}
        for label in labels:
            found = self._answered(label)
            if isinstance(found, Question):
                counting.append(Labelled(found, label))
            else:
                set_aside.setdefault(found, []).append(label)
        return LabelledReplies(tuple(counting), set_aside)

    def _answered(self, label: HumanLabel) -> Question | str:
        """Return the question that a label answers, or why there is none."""
        case = self.cases.get(label.case)
        if case is None:
            return "the case is not there any more"
        if self.inputs_digest(case) != label.inputs_digest:
            return "the case has other inputs now"
        questions = self.of(case, label.reply, is_part=True)
        same = (each for each in questions if each.digest == label.question_digest)
        return next(same, "the case asks something different now")

    def hidden(self, case: Case) -> Callable[[str], str]:
        """Return what hides the values of the case's sensitive inputs in a text."""
        mask: Mask | None = None
        for prompt in self._sensitive:
            mask = Mask.of(Path(), prompt, case.inputs, mask)
        return str if mask is None else mask.text


@dataclass(frozen=True, slots=True)
class AnsweredReply:
    """One reply that people answered a question about, in the place of a judge."""

    question: Question
    labels: tuple[HumanLabel, ...]

    @property
    def passes(self) -> bool | None:
        """True if most people let it pass; None if as many did as did not."""
        answers = [self.question.passes(label.answer) for label in self.labels]
        return None if 2 * sum(answers) == len(answers) else 2 * sum(answers) > len(answers)

    @property
    def digest(self) -> str:
        """The digest of what was answered, and of who answered what."""
        return content_digest([*self.labels[0].item, sorted((label.by, label.answer) for label in self.labels)])


def answered_replies(labelled: Iterable[Labelled], judge: str) -> Iterator[AnsweredReply]:
    """Yield each reply that the judge grades and people labelled, once for each assertion that asks the judge."""
    found: dict[tuple[object, ...], tuple[Question, list[HumanLabel]]] = {}
    for each in labelled:
        for question in each.question.each:
            if question.assertion.judge_prompt == judge:
                key = *each.label.item, *_asked_of(question.assertion)
                found.setdefault(key, (question, []))[1].append(each.label)
    for question, labels in found.values():
        yield AnsweredReply(question, tuple(labels))


def questions_of(index: DatasetIndex, path: str) -> tuple[Questions, str]:
    """Return the questions of a dataset and its digest. Raises `InvalidFiles` for one that is wrong."""
    dataset = index.open(path)
    if problems := [problem for problem in dataset.check() if problem.severity == "error"]:
        raise InvalidFiles(problems)
    prompts = []
    for id_ in dataset.header.prompts:
        try:
            prompts.append(load_prompt(index.tree, id_))
        except PromptNotFound:
            continue
    return Questions(dataset, prompts), dataset.digest or ""


def have_labels_changed(index: DatasetIndex, calibration: Calibration) -> bool:
    """Return True if the people of a calibration label differently now from when it was measured.

    What others have labelled since is no change. Raises `WorkspaceError` if the labels cannot be read.
    """
    found: set[str] = set()
    for path in calibration.datasets:
        labels = [label for label in read_labels(index.tree, path) if label.by in calibration.people]
        for each in answered_replies(questions_of(index, path)[0].labelled(labels).counting, calibration.judge):
            rubric, _, model = _asked_of(each.question.assertion)
            if each.passes is not None and rubric == calibration.rubric and model in (None, calibration.model):
                found.add(each.digest)
    return bool(calibration.datasets) and content_digest(sorted(found)) != calibration.labels_digest


def _asked_of(assertion: Assertion) -> tuple[str, str | None, str | None]:
    return assertion.rubric, assertion.judge_prompt, assertion.options.get("model")


def _text(assertion: Assertion, subject: Subject) -> str:
    """Return what the judge reads beside the reply."""
    if assertion.type.removeprefix(NOT) == "classify":
        question: str = assertion.options.get("question", "")
        return question
    text: Any = assertion.wanted(subject)
    return text or asked(subject)


def _subject(case: Case, reply: str) -> Subject:
    return Subject(reply, case.inputs, case.expected, variables=case.variables)
