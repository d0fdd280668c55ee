"""Assertions that another model grades: llm-rubric, classify, factuality, answer-relevance, similar.

Each asks a judge's prompt (`promptctl.assertions.judges`), whose reply is read strictly: what is not exactly
what was asked for is an error, neither a pass nor a failure.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from promptctl.assertions.assertion import Assertion, Subject
from promptctl.assertions.judge import Judge, JudgeReply
from promptctl.assertions.outcome import Outcome, Ungraded, shown
from promptctl.assertions.shapes import is_number, is_share, listed, read_filled_text
from promptctl.calls.account import spent
from promptctl.errors import CheckFailed, ModelError, PromptctlError, UsageError, WorkspaceError
from promptctl.models.reading import describe_json_error, read_data_and_text, without_reasoning

_T = TypeVar("_T")

DEFAULT_SIMILARITY = 0.75
DEFAULT_RELEVANCE = 0.75

FACTUAL_RELATIONS = ("same", "subset", "superset", "immaterial")
RELATIONS = (*FACTUAL_RELATIONS, "disagrees")

# What fails one judge's call. What must stop the whole evaluation (a budget, Ctrl-C) is not among it.
_FAILURES = (ModelError, CheckFailed, WorkspaceError, UsageError)


async def llm_rubric(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The judge finds that the reply meets the value, a rubric; with a `threshold` its score must reach that too."""
    rubric = assertion.wanted(subject)
    found = await _judgement(subject, assertion, judge, ("pass", "score"), rubric=rubric)
    score = found.score("score")
    is_met = found.flag("pass") and score >= assertion.options.get("threshold", 0.0)
    return found.outcome(is_met, score, found.because(), expected=rubric, got=assertion.text(subject))


async def classify(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The judge puts the reply into the class that the value names, or one of several, out of `choices`."""
    wanted: tuple[str, ...] = assertion.wanted(subject)
    choices: tuple[str, ...] = assertion.options["choices"]
    problem = check_classes(wanted, assertion.options)
    if problem:
        raise Ungraded(problem)
    question = assertion.options.get("question", "")
    found = await _judgement(subject, assertion, judge, ("choice",), choices=list(choices), question=question)
    choice = found.choice("choice", choices)
    expected = wanted[0] if len(wanted) == 1 else list(wanted)
    is_met = choice in wanted
    reason = found.because(f"classified as {choice}")
    return found.outcome(is_met, float(is_met), reason, expected=expected, got=choice)


async def factuality(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The judge finds no contradiction between the reply and the value, a reference answer.

    It says how they relate: same, subset, superset, immaterial (they differ in nothing that matters) or disagrees.
    `accept` names the relations that pass; by default all but disagrees.
    """
    reference = assertion.wanted(subject)
    found = await _judgement(subject, assertion, judge, ("relation",), reference=reference)
    relation = found.choice("relation", RELATIONS)
    is_met = relation in assertion.options.get("accept", FACTUAL_RELATIONS)
    reason = found.because(relation)
    return found.outcome(is_met, float(is_met), reason, expected=reference, got=assertion.text(subject))


async def answer_relevance(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The judge rates from 1 to 5 how far the reply answers the value, a question; without one, the case's inputs.

    The score is the rating between 0 and 1; it passes from `threshold` on, 0.75 (a rating of 4) by default.
    """
    question = assertion.wanted(subject) or asked(subject)
    found = await _judgement(subject, assertion, judge, ("rating",), question=question)
    score, reason = rated(found)
    is_met = score >= assertion.options.get("threshold", DEFAULT_RELEVANCE)
    return found.outcome(is_met, score, reason, expected=question, got=assertion.text(subject))


async def similar(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The embeddings of reply and value are at least `threshold` alike: cosine, 0.75 by default."""
    wanted, text = assertion.wanted(subject), assertion.text(subject)
    if not text.strip():
        raise Ungraded("the reply is empty, and an empty text has no embedding", got=text)
    found = await _call(_needed(judge, assertion).embed([text, wanted], model=assertion.options.get("model")))
    ids = () if found.execution_id is None else (found.execution_id,)
    likeness = _cosine(found.vectors)
    if likeness is None:
        raise Ungraded("the embeddings are no pair of vectors", cost_nano_usd=found.cost_nano_usd, execution_ids=ids)
    limit = assertion.options.get("threshold", DEFAULT_SIMILARITY)
    score = min(1.0, max(0.0, likeness))
    reason = f"similarity {likeness:.3f}, {limit:g} wanted"
    return Outcome(likeness >= limit, score, reason, wanted, text, found.cost_nano_usd, ids)


async def ask(judge: Judge | None, assertion: Assertion, offered: Mapping[str, Any]) -> JudgeReply:
    """Ask the judge's prompt of this assertion: the one it names, else the one of its type."""
    prompt_id = assertion.judge_prompt
    assert prompt_id is not None, "what judges by embedding is not asked"
    reply = await _call(_needed(judge, assertion).ask(prompt_id, offered, model=assertion.options.get("model")))
    if reply.fault is not None:
        raise off_menu(reply, reply.fault)
    return reply


def asked(subject: Subject) -> str:
    """Return the case's inputs as one text: the only input's value, or all of them as JSON."""
    values = list(subject.inputs.values())
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return json.dumps(dict(subject.inputs), ensure_ascii=False, indent=2)


def rated(found: Judgement) -> tuple[float, str]:
    """Return the score from 0 to 1 of a rating from 1 to 5, and the reason for it."""
    rating = found.rating("rating")
    return (rating - 1) / 4, found.because(f"rated {rating} of 5")


async def _judgement(
    subject: Subject, assertion: Assertion, judge: Judge | None, keys: Sequence[str], **inputs: Any
) -> Judgement:
    """Ask the assertion's judge, who is given these inputs and those that every judge is given."""
    output, given = assertion.text(subject), asked(subject)
    common = {"output": output, "inputs": dict(subject.inputs), "asked": given}
    reply = await ask(judge, assertion, {**inputs, **common})
    return read_judgement(reply, keys, (output, given))


def _needed(judge: Judge | None, assertion: Assertion) -> Judge:
    if judge is None:
        raise ValueError(f"{assertion.type} needs a judge")
    return judge


async def _call(call: Awaitable[_T]) -> _T:
    """Return what the judge's call returns; its failure is this one assertion's error."""
    try:
        return await call
    except _FAILURES as error:
        raise failed_call(error) from error


def failed_call(error: PromptctlError) -> Ungraded:
    """Return the error for a judge's call that failed, with what it cost if that is known."""
    execution = error.execution
    ids = (execution.id,) if execution is not None else ()
    said = execution.reply if execution is not None else None
    reason = with_reply(f"ungraded: the judge's call failed: {error.message}", said)
    return Ungraded(reason, got=said, cost_nano_usd=spent(execution, error), execution_ids=ids)


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
    """Read one class, or a list of those that pass."""
    return tuple(read_filled_text(item) for item in listed(value, "class"))


def check_classes(wanted: tuple[str, ...], options: Mapping[str, Any]) -> str | None:
    """Return why these classes cannot be had of those choices; None if they can."""
    choices = options.get("choices", ())
    unknown = [name for name in wanted if name not in choices]
    return f"{', '.join(map(shown, unknown))} is none of the choices {', '.join(choices)}" if unknown else None


def read_choices(value: Any) -> tuple[str, ...]:
    """Read a list of at least two different classes."""
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("must be a list of at least two classes")
    choices = tuple(read_filled_text(item) for item in value)
    if len(set(choices)) < len(choices):
        raise ValueError("names a class twice")
    return choices


def read_relations(value: Any) -> tuple[str, ...]:
    """Read one relation between a reply and a reference, or a list of some."""
    for item in listed(value, "relation"):
        if item not in RELATIONS:
            raise ValueError(f"must be of {', '.join(RELATIONS)}, not {shown(item)}")
    return tuple(listed(value, "relation"))


# Inputs that every judge is given; a prompt of the workspace in its place may ask for no others than its type's.
COMMON_INPUTS = frozenset({"output", "inputs", "asked", "mark"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """The JSON object that a judge's whole reply is. Each method reads one key, or raises `Ungraded`."""

    reply: JudgeReply
    said: Mapping[str, Any]

    def flag(self, key: str) -> bool:
        """Return true or false; nothing that is merely like it will do."""
        return bool(self._value(key, "not true or false", lambda value: isinstance(value, bool)))

    def score(self, key: str) -> float:
        """Return a number from 0 to 1."""
        return float(self._value(key, "not a number from 0 to 1", is_share))

    def rating(self, key: str) -> int:
        """Return a whole number from 1 to 5."""
        is_rating = range(1, 6).__contains__
        return int(self._value(key, "not a whole number from 1 to 5", lambda each: is_number(each) and is_rating(each)))

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of the choices, spelled as it is."""
        return str(self._value(key, f"none of {', '.join(choices)}", choices.__contains__))

    def because(self, finding: str = "") -> str:
        """Return a finding with the judge's reason for it, which decides nothing, so that anything will do."""
        reason = self.said.get("reason")
        said = reason.strip() if isinstance(reason, str) else ""
        return ": ".join(filter(None, (finding, said))) or "the judge gave no reason"

    def outcome(self, is_met: bool, score: float, reason: str, *, expected: Any, got: Any) -> Outcome:
        """Return the pass or failure that this is."""
        return judged(self.reply, is_met, score, reason, expected=expected, got=got)

    def _value(self, key: str, fault: str, is_sound: Callable[[Any], bool]) -> Any:
        value = self.said[key]
        if not is_sound(value):
            raise off_menu(self.reply, f"the judge's {key} is {shown(value)}, {fault}")
        return value


def read_judgement(reply: JudgeReply, keys: Sequence[str], material: Sequence[str] = ()) -> Judgement:
    """Read a reply that is a JSON object with at least these keys.

    Raises `Ungraded` for anything else, and for an object that the judged `material` holds word for word: a judge that
    quotes it, behind the `</think>` that the material brought along, has said nothing of its own.
    """
    try:
        said, text = read_data_and_text(reply.text, is_strict=True)
    except (ValueError, RecursionError) as error:
        raise off_menu(reply, f"the judge's reply is not JSON: {describe_json_error(error)}") from None
    if any(text in each for each in material):
        raise off_menu(reply, "the judge's verdict stands word for word in what it judged")
    if not isinstance(said, dict):
        raise off_menu(reply, "the judge's reply is not a JSON object")
    missing = [key for key in keys if key not in said]
    if missing:
        raise off_menu(reply, f"the judge's reply lacks {', '.join(missing)}")
    return Judgement(reply, said)


def judged(reply: JudgeReply, is_met: bool, score: float, reason: str, *, expected: Any, got: Any) -> Outcome:
    """Return a judge's pass or failure, with its cost and its record in the log."""
    return Outcome(is_met, score, reason, expected, got, reply.cost_nano_usd, (reply.execution_id,))


def find_choice(reply: JudgeReply, scores: Mapping[str, float]) -> str:
    """Return the choice that a free-form reply names, whatever the case of its letters.

    The whole reply may be the choice. Else choices are found as whole words only, so that 10 never names 1; the first
    of the list wins, unless one with a different score is named too: then nobody can say which was meant.
    """
    text = without_reasoning(reply.text).strip().casefold()
    folded = {choice: choice.strip().casefold() for choice in scores}
    whole = next((choice for choice, word in folded.items() if word == text), None)
    if whole is not None:
        return whole
    named = [choice for choice, word in folded.items() if _is_named(word, text)]
    if not named:
        raise off_menu(reply, f"the judge named none of {', '.join(scores)}")
    # A choice within a longer one that is named too (`good` in `very good`) was not meant by itself.
    named = [
        choice
        for choice in named
        if not any(choice != other and _is_named(folded[choice], folded[other]) for other in named)
    ]
    if len({scores[choice] for choice in named}) > 1:
        raise off_menu(reply, f"the judge named several choices: {', '.join(named)}")
    return named[0]


def off_menu(reply: JudgeReply, why: str) -> Ungraded:
    """Return the error for a reply that is no judgement, with what was said and what it cost."""
    reply.forget()
    reason = with_reply(f"ungraded: {why}", reply.text)
    return Ungraded(reason, got=reply.text, cost_nano_usd=reply.cost_nano_usd, execution_ids=(reply.execution_id,))


def with_reply(reason: str, said: str | None) -> str:
    """Return why a judge's reply is of no use, with the reply, shortened, unless the reason has it."""
    return f"{reason}; it said {shown(said)}" if said and said not in reason else reason


def _is_named(choice: str, text: str) -> bool:
    if not choice:
        return False
    before = r"(?<!\w)(?<!\d[.,])" if choice[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if choice[-1].isalnum() else ""
    return re.search(before + re.escape(choice) + after, text) is not None
