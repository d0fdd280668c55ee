"""What an assertion is once it has been read: its kind, the value it wants, and the part of the reply it looks at."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.assertions.judge import Judge
from promptctl.assertions.outcome import Graded, Outcome, Ungraded, Unmet
from promptctl.assertions.shapes import Shape
from promptctl.assertions.subject import Subject
from promptctl.assertions.values import Value
from promptctl.prompts.prompt import MISSING

Grade = Callable[[Subject, "Assertion"], Outcome]
Check = Callable[[Any, Mapping[str, Any]], str | None]
GradeJudged = Callable[[Subject, "Assertion", Judge], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of assertion: how it is graded, and what may be written beside its `type`.

    Exactly one of `grade` and `judged` is set, both for a set, which needs a judge when one of its own does. `value` is
    None where the type takes none. `options` are the keys beyond those of every assertion, `required` those of them
    that must be there. `check` says what is wrong between a ready value and the options. `offers` are the inputs that
    a judge's prompt may declare; one that judges by embedding has no prompt.
    """

    grade: Grade | None = None
    judged: GradeJudged | None = None
    value: Shape | None = None
    options: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    offers: frozenset[str] = frozenset()
    is_by_embedding: bool = False
    takes_path: bool = True
    takes_assertions: bool = False
    takes_code: bool = False
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class AskedJudge:
    """Who grades: the judge's prompt (None for embeddings, which have none), and the model that the assertion names."""

    prompt_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Assertion:
    """One check of a reply, ready to grade any number of them.

    `type` is as written, `not-` included. `ready` is the value in the form its kind grades with (None where it has
    none), MISSING where it depends on the case: then `value` gives it, or the case's `expected` where there is no
    value. A weight of 0 records a score and decides nothing. `names` are the variables that its templates cannot do
    without. `digest` names what it checks: equal ones grade alike.
    """

    type: str
    kind: Kind
    ready: Any = MISSING
    value: Value | None = None
    find: Callable[[Any], Any] | None = None
    weight: float = 1.0
    metric: str | None = None
    is_negated: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    assertions: tuple[Assertion, ...] = ()
    needs_judge: bool = False
    reads_expected: bool = False
    names: frozenset[str] = frozenset()
    digest: str = ""

    @property
    def judge_prompt(self) -> str | None:
        """The prompt of the judge that it asks: the one it names, else the one of its type; None where it has none."""
        if self.kind.is_by_embedding:
            return None
        named: str | None = self.options.get("prompt")
        return named or f"judges/{self.type.removeprefix('not-')}"

    @property
    def judges(self) -> Iterator[AskedJudge]:
        """Every judge that it asks, by itself or by an assertion of its set."""
        if self.kind.judged is not None and self.kind.grade is None:
            yield AskedJudge(self.judge_prompt, self.options.get("model"))
        for own in self.assertions:
            yield from own.judges

    def part(self, subject: Subject) -> Any:
        """The reply's text, or the value at `path` in the parsed reply. Raises `Unmet` where there is none."""
        return subject.text if self.find is None else self.find(subject.parsed)

    def text(self, subject: Subject) -> str:
        """The part as text: a text as it is, anything else as JSON."""
        if self.find is None:
            return subject.text
        part = self.find(subject.parsed)
        return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)

    def wanted(self, subject: Subject) -> Any:
        """The value in the form its kind grades with, for this case. Raises `Ungraded` where it cannot be had."""
        if self.ready is not MISSING:
            return self.ready
        shape = self.kind.value
        assert shape is not None, "a kind without a value is ready from the start"
        if self.value is not None:
            given, where = self.value.for_case(subject.context(), as_text=shape.is_text), "value"
        elif subject.expected is not MISSING:
            given, where = subject.expected, "expected"
        else:
            raise Ungraded("there is neither a `value` nor an `expected` to compare with")
        try:
            return shape.read(given)
        except ValueError as error:
            raise Ungraded(f"`{where}` {error}") from error


_TOO_DEEP = Ungraded("the reply is nested too deeply to be compared")


def grade(assertion: Assertion, subject: Subject) -> Graded:
    """Grade a reply with an assertion that needs no judge."""
    if assertion.kind.grade is None:
        raise ValueError(f"{assertion.type} needs a judge")
    try:
        outcome = _turned(assertion, assertion.kind.grade(subject, assertion))
    except (Ungraded, Unmet) as stopped:
        outcome = stopped.outcome()
    except RecursionError:
        outcome = _TOO_DEEP.outcome()
    return Graded(assertion.type, outcome, assertion.weight, assertion.metric)


async def grade_judged(assertion: Assertion, subject: Subject, judge: Judge) -> Graded:
    """Grade a reply with any assertion. Errors of the judge's calls that would stop the evaluation pass through."""
    if not assertion.needs_judge or assertion.kind.judged is None:
        return grade(assertion, subject)
    try:
        outcome = _turned(assertion, await assertion.kind.judged(subject, assertion, judge))
    except (Ungraded, Unmet) as stopped:
        outcome = stopped.outcome()
    except RecursionError:
        outcome = _TOO_DEEP.outcome()
    return Graded(assertion.type, outcome, assertion.weight, assertion.metric)


def _turned(assertion: Assertion, outcome: Outcome) -> Outcome:
    """The outcome, or for a `not-` assertion its opposite; an error has none."""
    if not assertion.is_negated or outcome.passed is None or outcome.score is None:
        return outcome
    return Outcome(
        not outcome.passed,
        1.0 - outcome.score,
        outcome.reason,
        _not(outcome.expected),
        outcome.got,
        outcome.cost_nano_usd,
        outcome.execution_ids,
        outcome.parts,
    )


def _not(expected: Any) -> Any:
    return None if expected is None else {"not": expected}
