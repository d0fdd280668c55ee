"""The rule about branches of templates: those that no value of the inputs can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any

from promptctl.linting.prompt import LintedPrompt, is_always_given
from promptctl.linting.rules import Findings, finding
from promptctl.prompts.prompt import Input
from promptctl.schemas.json_schema import Validator, types_of
from promptctl.templates.events import ITEM, VALUE, Branch, Condition

_WORDS = {"if": "this `if` is never true", "elif": "this `elif` is never reached", "else": "`else` is never reached",
          "inline": "this `if` is never true"}  # fmt: skip
_ABSENT = object()
# Of the tests above a branch, those that are looked at: a chain of very many would take long.
_MOST_BRANCHES, _MOST_HOLDS = 1_000, 40


def unreachable(prompt: LintedPrompt) -> Findings:
    """Find P102, once for all that lies within such a branch."""
    if prompt.is_github:
        return
    judge = _Judge(prompt.declared.inputs)
    told: set[Condition] = set()
    branches = ((each.event, each.place) for each in prompt.events if isinstance(each.event, Branch))
    for branch, place in islice(branches, _MOST_BRANCHES):
        assert isinstance(branch, Branch)
        false = _false_in(branch, judge)
        if false is None or false[0] in told:
            continue
        told.add(false[0])
        hint = "mend the test, or remove the branch"
        yield finding("P102", f"{_WORDS[branch.kind]}: {false[1]}", place, hint)


def _false_in(branch: Branch, judge: _Judge) -> tuple[Condition, str] | None:
    """Return the condition of a branch that nothing can meet, with the reason."""
    holds = branch.holds[-_MOST_HOLDS:]
    conditions = [*holds, branch.condition]
    for condition in conditions:
        if judge.is_true(condition) is False:
            return condition, judge.why(condition)
    is_elif = branch.kind == "elif"
    known = {each for each in holds if _is_of_one_value(each) or (is_elif and not _is_of_either(each))}
    for condition in conditions:
        if condition.kind != "constant" and condition.negated() in known:
            return condition, "the same was tested before"
    return _contradicting([*holds, *branch.condition.all_of()], judge)


def _contradicting(conditions: Sequence[Condition], judge: _Judge) -> tuple[Condition, str] | None:
    """Return the condition that leaves a value nothing to be, of all that must hold at once."""
    equal = [each for each in conditions if each.kind == "equal" and _is_of_one_value(each)]
    equal.sort(key=lambda each: each.text != "is")  # 1 and `true` are equal: what is one of them itself says more
    unequal = [
        each for each in conditions if each.kind == "not" and each.parts[0].kind == "equal" and _is_of_one_value(each)
    ]
    for path in dict.fromkeys(each.path or each.parts[0].path for each in (*equal, *unequal)):
        left = judge.values_at(path)
        for each in (*equal, *unequal):
            if each.kind == "equal" and each.path == path:
                left = list(each.values) if left is None else [value for value in left if _is_one_of(value, each)]
            elif each.kind == "not" and each.parts[0].path == path and left is not None:
                left = [value for value in left if not _is_one_of(value, each.parts[0])]
            if left == []:
                return each, f"the tests above leave `{'.'.join(path)}` no value"
    return None


def _is_one_of(value: Any, equal: Condition) -> bool:
    return any(value == each and (equal.text != "is" or type(value) is type(each)) for each in equal.values)


def _is_of_one_value(condition: Condition) -> bool:
    """Return True if a condition tests one value, wherever it stands: not an item of a list, nor one of either."""
    if condition.kind == "other" or condition.is_of_either or not {ITEM, VALUE}.isdisjoint(condition.path):
        return False
    return all(map(_is_of_one_value, condition.parts))


def _is_of_either(condition: Condition) -> bool:
    return condition.is_of_either or any(map(_is_of_either, condition.parts))


class _Judge:
    """Decides conditions by the schemas of the inputs alone; None where they leave it open."""

    def __init__(self, inputs: Mapping[str, Input]) -> None:
        self._inputs = inputs
        self._validators: dict[tuple[str, ...], Validator | None] = {}

    def is_true(self, condition: Condition) -> bool | None:
        if condition.kind == "constant":
            return bool(condition.values[0])
        if condition.kind == "not":
            inner = self.is_true(condition.parts[0])
            return None if inner is None else not inner
        if condition.kind in ("and", "or"):
            parts = [self.is_true(each) for each in condition.parts]
            decisive = condition.kind == "or"
            return decisive if decisive in parts else None if None in parts else not decisive
        if condition.is_of_either:
            return None
        if condition.kind == "equal":
            return False if all(self._can_never_be(condition.path, each) for each in condition.values) else None
        if condition.kind == "order":
            return _ordered(self._schema_at(condition.path) or {}, condition.text, condition.values[0])
        declared = self._inputs.get(condition.path[0]) if len(condition.path) == 1 else None
        if declared is None or not is_always_given(declared):
            return None
        return True if condition.kind == "defined" else _truth(declared.schema) if condition.kind == "true" else None

    def why(self, condition: Condition) -> str:
        """Return why a condition is decided."""
        first = next((each for each in _simple(condition) if self.is_true(each) is not None), condition)
        name = ".".join(first.path)
        if first.kind == "constant":
            return "the test is the same for every value"
        if first.kind == "equal" or (first.kind == "order" and self.is_true(first) is False):
            return f"the schema of `{name}` allows no such value"
        return f"`{name}` always has a value" if first.kind == "defined" else f"the schema of `{name}` decides the test"

    def _can_never_be(self, path: tuple[str, ...], value: Any) -> bool:
        """Return True if no value of the input equals a literal. Numbers are left open: `1` and `true` are equal."""
        declared = self._inputs.get(path[0])
        if not isinstance(value, str | None) or (value is None and declared and declared.default is None):
            return False
        if path not in self._validators:
            schema = self._schema_at(path)
            self._validators[path] = Validator(schema) if schema else None
        validator = self._validators[path]
        return validator is not None and bool(validator.faults(value))

    def values_at(self, path: tuple[str, ...]) -> list[Any] | None:
        """Return all that a value can be, `_ABSENT` among it if it need not be there; None if they are not listed."""
        schema = self._schema_at(path)
        if schema is None:
            return None
        listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if types_of(schema) == ["boolean"] and listed is None:
            listed = [True, False]
        if not isinstance(listed, list):
            return None
        declared = self._inputs[path[0]]
        is_there = len(path) == 1 and is_always_given(declared) and declared.default is not None
        return [*listed, *([] if is_there else [_ABSENT])]

    def _schema_at(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        declared = self._inputs.get(path[0]) if path else None
        schema: Any = declared.schema if declared is not None else None
        for step in path[1:]:
            schema = schema.get("properties", {}).get(step) if isinstance(schema, Mapping) else None
        return schema if isinstance(schema, Mapping) and "$ref" not in str(schema) else None


def _ordered(schema: Mapping[str, Any], operator: str, limit: float) -> bool | None:
    """Return False if no value of a schema of numbers is in that order to the limit; None if one may be."""
    if not types_of(schema) or not set(types_of(schema)) <= {"integer", "number"}:
        return None
    low = max(_number(schema.get(key), -inf) for key in ("minimum", "exclusiveMinimum"))
    high = min(_number(schema.get(key), inf) for key in ("maximum", "exclusiveMaximum"))
    end, is_inside = (low, low < limit) if operator in ("lt", "lteq") else (high, high > limit)
    excluded = schema.get("exclusiveMinimum" if operator in ("lt", "lteq") else "exclusiveMaximum")
    is_at_end = operator in ("lteq", "gteq") and end == limit and excluded != limit
    return None if is_inside or is_at_end else False


def _simple(condition: Condition) -> Iterator[Condition]:
    if condition.parts:
        for part in condition.parts:
            yield from _simple(part)
    elif condition.kind != "other":
        yield condition


def _truth(schema: Mapping[str, Any]) -> bool | None:
    """Return what every value of the schema is as a condition; None if they differ, or that is not known."""
    if "const" in schema:
        return bool(schema["const"])
    if isinstance(schema.get("enum"), list):
        truths = {bool(each) for each in schema["enum"]}
        return truths.pop() if len(truths) == 1 else None
    types = types_of(schema)
    if len(types) != 1:
        return None
    least = {"string": "minLength", "array": "minItems", "object": "minProperties"}.get(types[0])
    if least is not None:
        return True if _number(schema.get(least)) > 0 else None
    if types[0] in ("integer", "number"):
        above = _number(schema.get("minimum")) > 0 or _number(schema.get("exclusiveMinimum"), -1) >= 0
        return True if above else None
    return False if types[0] == "null" else None


def _number(value: Any, otherwise: float = 0) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
