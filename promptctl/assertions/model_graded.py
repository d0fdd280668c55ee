"""Assertions that another model grades: llm-rubric, classify, factuality, answer-relevance, similar.

Each asks a judge's prompt (`promptctl.assertions.judges`), whose reply is read strictly: a verdict that is not on the
menu is an error, neither a pass nor a failure.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from promptctl.assertions import verdicts
from promptctl.assertions.assertion import Assertion
from promptctl.assertions.judge import Judge, JudgeReply
from promptctl.assertions.outcome import Outcome, Ungraded, shown
from promptctl.assertions.shapes import SHARE, Shape, read_filled_text, read_text
from promptctl.assertions.subject import Subject
from promptctl.calls.spending import spent
from promptctl.errors import CheckFailed, ModelError, PromptctlError, UsageError, WorkspaceError

_T = TypeVar("_T")

DEFAULT_SIMILARITY = 0.75
DEFAULT_RELEVANCE = 0.75

RELATIONS = ("same", "subset", "superset", "immaterial", "disagrees")
FACTUAL_RELATIONS = ("same", "subset", "superset", "immaterial")

# What fails one judge's call. What must stop the whole evaluation (a budget, Ctrl-C) is not among it.
_FAILURES = (ModelError, CheckFailed, WorkspaceError, UsageError)


async def llm_rubric(subject: Subject, assertion: Assertion, judge: Judge) -> Outcome:
    """The judge finds that the reply meets the value, a rubric; with a `threshold` its score must reach that too."""
    rubric = assertion.wanted(subject)
    reply = await ask(judge, assertion, {"rubric": rubric, **_offered(subject, assertion)})
    verdict = verdicts.read_verdict(reply, ("pass", "score"))
    score = verdicts.read_score(reply, verdict, "score")
    is_met = verdicts.read_flag(reply, verdict, "pass") and score >= assertion.options.get("threshold", 0.0)
    return judged(reply, is_met, score, verdicts.read_reason(verdict), expected=rubric, got=assertion.text(subject))


async def classify(subject: Subject, assertion: Assertion, judge: Judge) -> Outcome:
    """The judge puts the reply into the class that the value names, or one of several, out of `choices`."""
    wanted: tuple[str, ...] = assertion.wanted(subject)
    choices: tuple[str, ...] = assertion.options["choices"]
    problem = check_classes(wanted, assertion.options)
    if problem:
        raise Ungraded(problem)
    offered = {
        "choices": list(choices),
        "question": assertion.options.get("question", ""),
        **_offered(subject, assertion),
    }
    reply = await ask(judge, assertion, offered)
    verdict = verdicts.read_verdict(reply, ("choice",))
    choice = verdicts.read_choice(reply, verdict, "choice", choices)
    reason = f"classified as {choice}: {verdicts.read_reason(verdict)}".rstrip(": ")
    expected = wanted[0] if len(wanted) == 1 else list(wanted)
    return judged(reply, choice in wanted, float(choice in wanted), reason, expected=expected, got=choice)


async def factuality(subject: Subject, assertion: Assertion, judge: Judge) -> Outcome:
    """The judge finds no contradiction between the reply and the value, a reference answer.

    It says how they relate: same, subset, superset, immaterial (they differ in nothing that matters) or disagrees.
    `accept` names the relations that pass; by default all but disagrees.
    """
    reference = assertion.wanted(subject)
    reply = await ask(judge, assertion, {"reference": reference, **_offered(subject, assertion)})
    verdict = verdicts.read_verdict(reply, ("relation",))
    relation = verdicts.read_choice(reply, verdict, "relation", RELATIONS)
    is_met = relation in assertion.options.get("accept", FACTUAL_RELATIONS)
    reason = f"{relation}: {verdicts.read_reason(verdict)}".rstrip(": ")
    return judged(reply, is_met, float(is_met), reason, expected=reference, got=assertion.text(subject))


async def answer_relevance(subject: Subject, assertion: Assertion, judge: Judge) -> Outcome:
    """The judge rates from 1 to 5 how far the reply answers the value, a question; without one, the case's inputs.

    The score is the rating between 0 and 1; it passes from `threshold` on, 0.75 (a rating of 4) by default.
    """
    question = assertion.wanted(subject) or asked(subject)
    reply = await ask(judge, assertion, {"question": question, **_offered(subject, assertion)})
    verdict = verdicts.read_verdict(reply, ("rating",))
    rating = verdicts.read_rating(reply, verdict, "rating")
    score = (rating - 1) / 4
    reason = f"rated {rating} of 5: {verdicts.read_reason(verdict)}".rstrip(": ")
    is_met = score >= assertion.options.get("threshold", DEFAULT_RELEVANCE)
    return judged(reply, is_met, score, reason, expected=question, got=assertion.text(subject))


async def similar(subject: Subject, assertion: Assertion, judge: Judge) -> Outcome:
    """The embeddings of reply and value are at least `threshold` alike: cosine, 0.75 by default."""
    wanted, text = assertion.wanted(subject), assertion.text(subject)
    if not text.strip():
        raise Ungraded("the reply is empty, and an empty text has no embedding", got=text)
    found = await _call(judge.embed([text, wanted], model=assertion.options.get("model")))
    ids = () if found.execution_id is None else (found.execution_id,)
    likeness = _cosine(found.vectors)
    if likeness is None:
        raise Ungraded("the embeddings are no pair of vectors", cost_nano_usd=found.cost_nano_usd, execution_ids=ids)
    limit = assertion.options.get("threshold", DEFAULT_SIMILARITY)
    score = min(1.0, max(0.0, likeness))
    reason = f"similarity {likeness:.3f}, {limit:g} wanted"
    return Outcome(likeness >= limit, score, reason, wanted, text, found.cost_nano_usd, ids)


async def ask(judge: Judge, assertion: Assertion, offered: Mapping[str, Any]) -> JudgeReply:
    """Ask the judge's prompt of this assertion: the one it names, else the one of its type."""
    prompt_id = assertion.judge_prompt
    assert prompt_id is not None, "what judges by embedding is not asked"
    return await _call(judge.ask(prompt_id, offered, model=assertion.options.get("model")))


async def _call(call: Awaitable[_T]) -> _T:
    """What the judge's call gives; its failure is this one assertion's error."""
    try:
        return await call
    except _FAILURES as error:
        raise failed_call(error) from error


def failed_call(error: PromptctlError) -> Ungraded:
    """The error for a judge's call that failed, with what it cost where that is known."""
    execution = error.execution
    ids = (execution.id,) if execution is not None else ()
    said = execution.reply if execution is not None else None
    reason = f"ungraded: the judge's call failed: {error.message}"
    return Ungraded(reason, got=said, cost_nano_usd=spent(execution, error), execution_ids=ids)


def judged(reply: JudgeReply, is_met: bool, score: float, reason: str, *, expected: Any, got: Any) -> Outcome:
    """A judge's pass or failure, with its cost and its record in the log."""
    return Outcome(is_met, score, reason, expected, got, reply.cost_nano_usd, (reply.execution_id,))


def asked(subject: Subject) -> str:
    """The case's inputs as one text: the only input's value, or all of them as JSON."""
    values = list(subject.inputs.values())
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return json.dumps(dict(subject.inputs), ensure_ascii=False, indent=2)


def _offered(subject: Subject, assertion: Assertion) -> dict[str, Any]:
    """What every judge's prompt may declare as its inputs besides its own."""
    return {"output": assertion.text(subject), "inputs": dict(subject.inputs), "asked": asked(subject)}


# What each of these judges is given; a prompt of the workspace in its place may ask for no other input.
_OFFERED = frozenset({"output", "inputs", "asked"})
RUBRIC_INPUTS = _OFFERED | {"rubric"}
CLASSIFY_INPUTS = _OFFERED | {"choices", "question"}
FACTUALITY_INPUTS = _OFFERED | {"reference"}
RELEVANCE_INPUTS = _OFFERED | {"question"}


def _cosine(vectors: Sequence[Sequence[float]]) -> float | None:
    if len(vectors) != 2 or len(vectors[0]) != len(vectors[1]):
        return None
    first, second = vectors
    try:
        likeness = _product(first, second) / math.sqrt(_product(first, first) * _product(second, second))
    except (ArithmeticError, ValueError):  # a vector of nothing but zeros, or one with an infinity
        return None
    return likeness if math.isfinite(likeness) else None


def _product(first: Sequence[float], second: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, first, second))


def read_classes(value: Any) -> tuple[str, ...]:
    """One class, or a list of those that pass."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("must name at least one class")
    return tuple(read_filled_text(item) for item in items)


def check_classes(wanted: tuple[str, ...], options: Mapping[str, Any]) -> str | None:
    """Why these classes cannot be had of those choices; None where they can."""
    choices = options.get("choices", ())
    unknown = [name for name in wanted if name not in choices]
    return f"{', '.join(map(shown, unknown))} is none of the choices {', '.join(choices)}" if unknown else None


def read_choices(value: Any) -> tuple[str, ...]:
    """A list of at least two different classes."""
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("must be a list of at least two classes")
    choices = tuple(read_filled_text(item) for item in value)
    if len(set(choices)) < len(choices):
        raise ValueError("names a class twice")
    return choices


def read_relations(value: Any) -> tuple[str, ...]:
    """A list of relations between a reply and a reference."""
    items = value if isinstance(value, list) else [value]
    for item in items:
        if item not in RELATIONS:
            raise ValueError(f"must be of {', '.join(RELATIONS)}, not {shown(item)}")
    return tuple(items)


CLASSES = Shape(read_classes)
CHOICES = Shape(read_choices)
RELATION_LIST = Shape(read_relations)
QUESTION = Shape(read_filled_text, is_text=True, is_required=False)
JUDGE_OPTIONS: Mapping[str, Shape] = {"prompt": Shape(read_filled_text), "model": Shape(read_filled_text)}
SCORED_OPTIONS: Mapping[str, Shape] = {**JUDGE_OPTIONS, "threshold": SHARE}
CLASSIFY_OPTIONS: Mapping[str, Shape] = {**JUDGE_OPTIONS, "choices": CHOICES, "question": Shape(read_text)}
