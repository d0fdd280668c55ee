"""The labels of people on a dataset's replies: how far they agree, and the replies they should talk about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from promptctl.assertions.assertion import Assertion
from promptctl.context import Context
from promptctl.datasets.cases import Case
from promptctl.datasets.human_labels import HumanLabel, read_labels
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.questions import (
    AnsweredReply,
    Labelled,
    LabelledReplies,
    Question,
    Questions,
    answered_replies,
    questions_of,
)
from promptctl.errors import DatasetNotFound, WorkspaceError, quote
from promptctl.files.names import HUMAN_LABELS, is_human_labels
from promptctl.files.plain import content_digest, record_data
from promptctl.prompts.prompt import MISSING, Prompt
from promptctl.statistics.agreement import cohen_kappa
from promptctl.statistics.intervals import Interval, clustered_rate, wilson
from promptctl.statistics.raters import krippendorff_alpha


@dataclass(frozen=True, slots=True)
class QuestionAgreement:
    """Agreement on one assertion's question. `replies` are those that at least two of the `people` labelled.

    `agreed` is the share of pairs of labels of one reply that are the same. `value` is `measure`: Cohen's κ of two
    people, Krippendorff's α of several; None if every label is the same, or no reply has two.
    """

    type: str
    question: str
    people: tuple[str, ...]
    labels: int
    replies: int
    agreed: float | None
    agreed_interval: Interval | None
    measure: Literal["kappa", "alpha"]
    value: float | None
    interval: Interval | None

    @property
    def unknown(self) -> str | None:
        """The reason why nothing is known beyond chance; None if something is."""
        if self.value is not None:
            return None
        return "no reply has two labels" if not self.replies else "every label is the same, which chance would do too"

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self, unknown=self.unknown)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A reply that people labelled differently: their labels, by person."""

    question: Question
    labels: tuple[HumanLabel, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "case": self.question.case.id,
            "type": self.question.type,
            "question": self.question.text,
            "reply": self.question.reply,
            "answers": [{"by": each.by, "answer": each.answer, "comment": each.comment} for each in self.labels],
        }


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """Agreement of all people who labelled a dataset; `people` have the numbers of their labels that count.

    `set_aside` says which labels do not count, empty if all do.
    """

    dataset: str
    people: Mapping[str, int]
    questions: tuple[QuestionAgreement, ...]
    disagreements: tuple[Disagreement, ...]
    set_aside: str

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self)


def agreement(context: Context, name: str) -> AgreementReport:
    """Return how far people agree about the replies of the dataset that a user names.

    Raises `WorkspaceError` if nobody has labelled it, `DatasetNotFound`, and `InvalidFiles`.
    """
    path, questions, _ = open_questions(context, name)
    found = questions.labelled(read_labels(context.repository.work_tree, path))
    if not found.counting:
        hint = f"promptctl judge label {quote(path)}"
        words = f"no label of {path} counts: {found.words}" if found.set_aside else f"nobody has labelled {path} yet"
        raise WorkspaceError(words, hint=hint)
    groups: dict[str, list[Labelled]] = {}
    for each in found.counting:
        groups.setdefault(each.question.assertion.digest, []).append(each)
    return AgreementReport(
        path,
        dict(sorted(Counter(each.label.by for each in found.counting).items())),
        tuple(_agreement(group, path) for group in groups.values()),
        tuple(_disagreements(found.counting)),
        found.words,
    )


def _agreement(group: Sequence[Labelled], seed: str) -> QuestionAgreement:
    people = tuple(sorted({each.label.by for each in group}))
    replies = {item: labels for item, labels in _by_reply(group).items() if len(labels) > 1}
    units = [[label.answer for label in labels] for labels in replies.values()]
    pairs = [pair for unit in units for pair in combinations(unit, 2)]
    same = sum(one == other for one, other in pairs)
    texts = dict.fromkeys(each.question.text for each in group)
    value, interval, agreed_interval = None, None, None
    if len(people) == 2:
        cases = [case for case, *_ in replies]
        kappa = cohen_kappa(pairs, clusters=cases)
        value, interval = kappa.value, kappa.interval
        if len(set(cases)) < len(pairs):
            agreed = Counter(case for case, (one, other) in zip(cases, pairs, strict=True) if one == other)
            agreed_interval = clustered_rate([(agreed[case], size) for case, size in Counter(cases).items()])
        else:
            agreed_interval = wilson(same, len(pairs)) if pairs else None
    elif units:
        alpha = krippendorff_alpha(units, seed=seed)
        value, interval = alpha.value, alpha.interval
        agreed_interval = clustered_rate(
            [
                (sum(one == other for one, other in combinations(unit, 2)), len(unit) * (len(unit) - 1) // 2)
                for unit in units
            ]
        )
    return QuestionAgreement(
        type=group[0].question.type,
        question=next(iter(texts)) if len(texts) == 1 else f"{len(texts):,} texts",
        people=people,
        labels=len(group),
        replies=len(units),
        agreed=same / len(pairs) if pairs else None,
        agreed_interval=agreed_interval,
        measure="alpha" if len(people) > 2 else "kappa",
        value=value,
        interval=interval,
    )


def _disagreements(counting: Iterable[Labelled]) -> Iterable[Disagreement]:
    questions = {each.label.item: each.question for each in counting}
    for item, labels in _by_reply(counting).items():
        if len({label.answer for label in labels}) > 1:
            yield Disagreement(questions[item], tuple(labels))


def _by_reply(labelled: Iterable[Labelled]) -> dict[tuple[str, str, str], list[HumanLabel]]:
    """Return the labels of each reply and question, by person."""
    found: dict[tuple[str, str, str], list[HumanLabel]] = {}
    for each in labelled:
        found.setdefault(each.label.item, []).append(each.label)
    return {item: sorted(labels, key=lambda label: label.by) for item, labels in found.items()}


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
        assertions=(replace(question.assertion, weight=1.0),),  # it decides here
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
