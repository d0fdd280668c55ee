"""Every type of assertion by its name. Each has a `not-` form too, which passes if the plain one fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from promptctl.assertions import calls, code, model_graded, structure, text
from promptctl.assertions.assertion import NOT, GradeJudged, Kind
from promptctl.assertions.shapes import (
    AMOUNT,
    ANYTHING,
    COMPARING,
    FILLED_TEXT,
    OPTIONAL_TEXT,
    PATTERN,
    RANGE,
    SHARE,
    TEXT,
    TEXTS,
    VISIBLE_TEXT,
    Shape,
    read_filled_text,
    read_text,
)
from promptctl.assertions.weighing import assert_set


def _asking(
    judged: GradeJudged, value: Shape, inputs: Iterable[str], options: Mapping[str, Shape], **more: Any
) -> Kind:
    """Return a kind that asks a judge's prompt, which is given these inputs besides those of every judge."""
    of_all = {"prompt": Shape(read_filled_text), "model": Shape(read_filled_text)}
    offers = model_graded.COMMON_INPUTS.union(inputs)
    return Kind(judged=judged, value=value, options={**of_all, **options}, offers=offers, **more)


KINDS: Mapping[str, Kind] = {
    "equals": Kind(text.equals, value=ANYTHING, options={**COMPARING, "tolerance": AMOUNT}),
    "contains": Kind(text.containing(all, ignores_case=False), value=FILLED_TEXT, options=COMPARING),
    "contains-any": Kind(text.containing(any, ignores_case=False), value=TEXTS, options=COMPARING),
    "contains-all": Kind(text.containing(all, ignores_case=False), value=TEXTS, options=COMPARING),
    "icontains": Kind(text.containing(all, ignores_case=True), value=FILLED_TEXT, options=COMPARING),
    "icontains-any": Kind(text.containing(any, ignores_case=True), value=TEXTS, options=COMPARING),
    "icontains-all": Kind(text.containing(all, ignores_case=True), value=TEXTS, options=COMPARING),
    "starts-with": Kind(text.at_an_end("start"), value=VISIBLE_TEXT, options=COMPARING),
    "ends-with": Kind(text.at_an_end("end"), value=VISIBLE_TEXT, options=COMPARING),
    "regex": Kind(text.regex, value=PATTERN, options=COMPARING),
    "levenshtein": Kind(text.levenshtein, value=TEXT, options={**COMPARING, "threshold": AMOUNT}),
    "word-count": Kind(text.word_count, value=RANGE),
    "is-refusal": Kind(text.is_refusal),
    "is-json": Kind(structure.is_json, value=structure.SCHEMA),
    "json-schema": Kind(structure.json_schema, value=structure.SCHEMA),
    "contains-json": Kind(structure.contains_json, value=structure.SCHEMA),
    "latency": Kind(calls.latency, options={"threshold": AMOUNT}, required=("threshold",), takes_path=False),
    "cost": Kind(calls.cost, options={"threshold": AMOUNT}, required=("threshold",), takes_path=False),
    "finish-reason": Kind(calls.finish_reason, value=FILLED_TEXT, takes_path=False),
    "tool-call": Kind(calls.tool_call, value=calls.TOOL_CALLS, takes_path=False),
    "similar": Kind(
        judged=model_graded.similar,
        is_by_embedding=True,
        value=VISIBLE_TEXT,
        options={"threshold": SHARE, "model": Shape(read_filled_text)},
    ),
    "llm-rubric": _asking(model_graded.llm_rubric, VISIBLE_TEXT, ["rubric"], {"threshold": SHARE}),
    "classify": _asking(
        model_graded.classify,
        Shape(model_graded.read_classes),
        ["choices", "question"],
        {"choices": Shape(model_graded.read_choices), "question": Shape(read_text)},
        required=("choices",),
        check=model_graded.check_classes,
    ),
    "factuality": _asking(
        model_graded.factuality, VISIBLE_TEXT, ["reference"], {"accept": Shape(model_graded.read_relations)}
    ),
    "answer-relevance": _asking(model_graded.answer_relevance, OPTIONAL_TEXT, ["question"], {"threshold": SHARE}),
    "python": Kind(code.python, value=FILLED_TEXT, options={"threshold": SHARE}, takes_code=True),
    "assert-set": Kind(judged=assert_set, options={"threshold": SHARE}, takes_path=False, takes_assertions=True),
}


def kind_of(type_: str) -> Kind | None:
    """Return the kind of a type as written, `not-` or plain; None if there is none of that name."""
    return KINDS.get(type_.removeprefix(NOT))


def known_types() -> list[str]:
    """Return every name that may be written as a type."""
    return [*KINDS, *(NOT + name for name in KINDS)]


# What other tools call these, or what is often written instead: a name alone is too far for a did-you-mean.
OTHER_NAMES: Mapping[str, str] = {
    "exact": "equals",
    "exact-match": "equals",
    "includes": "contains",
    "startsWith": "starts-with",
    "endsWith": "ends-with",
    "matches": "regex",
    "model-graded-factuality": "factuality",
    "model-graded-closedqa": "llm-rubric",
    "g-eval": "llm-rubric",
    "is-valid-openai-tools-call": "tool-call",
    "javascript": "python",
    "all": "assert-set",
}
