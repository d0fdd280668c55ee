"""Tests and comparisons in a template's expressions, as conditions of the values they ask about."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import nodes

from promptctl.templates.events import Condition, Origin
from promptctl.templates.origins import NO_LITERAL, TEXT, Reader, act_beside, asked, literal

_TYPES = {
    "string": "string", "lower": "string", "upper": "string", "number": "number", "float": "number",
    "integer": "integer", "boolean": "boolean", "mapping": "object", "sequence": "array", "iterable": "array",
}  # fmt: skip
_SAME = {"true": True, "false": False, "none": None}
_COMPARISONS = {
    "eq": "eq", "equalto": "eq", "==": "eq", "ne": "ne", "!=": "ne", "in": "in",
    "gt": "gt", "greaterthan": "gt", ">": "gt", "ge": "gteq", ">=": "gteq",
    "lt": "lt", "lessthan": "lt", "<": "lt", "le": "lteq", "<=": "lteq",
}  # fmt: skip
_FLIPPED = {"lt": "gt", "gt": "lt", "lteq": "gteq", "gteq": "lteq", "eq": "eq", "ne": "ne"}


def tested(reader: Reader, name: str, value: Origin, given: Sequence[nodes.Expr], line: int) -> Condition | None:
    """Add what the test of that name does; return it as a condition, None if only its text says what it is."""
    if name in ("defined", "undefined"):
        reader.use(value, "defined", line)
        defined = asked("defined", value) if value.path else None
        return defined if defined is None or name == "defined" else defined.negated()
    same = literal(given[0]) if name == "sameas" and given else _SAME.get(name, NO_LITERAL)
    if same is None:
        reader.use(value, "null", line)
        return asked("equal", value, None) if value.path else None
    if isinstance(same, bool):
        reader.use(value, "is", line, ["boolean"])
        return asked("equal", value, same, text="is") if value.path else None
    if name in _COMPARISONS:
        return _compared(reader, value, _COMPARISONS[name], given[0], line) if given else None
    if name in ("odd", "even", "divisibleby"):
        reader.use(value, "integer", line)
    elif name in _TYPES:
        reader.use(value, "is", line, [_TYPES[name]])
        if name == "iterable":
            reader.use(value, "needed", line)
    else:
        reader.use(value, "value", line)
    for each in given:
        reader.use(reader.value(each), "integer" if name == "divisibleby" else "value", line)
    return None


def compared(reader: Reader, node: nodes.Compare) -> Condition | None:
    """Add what a comparison does, `1 < x < 5` too; return it as a condition, None if only its text says what it is."""
    first: nodes.Node = node.expr
    conditions: list[Condition | None] = []
    for operand in node.ops:
        if literal(first) is not NO_LITERAL and operand.op in _FLIPPED:
            value, operator, second = reader.value(operand.expr), _FLIPPED[operand.op], first
        else:
            value, operator, second = reader.value(first), operand.op, operand.expr
        conditions.append(_compared(reader, value, operator, second, node.lineno))
        first = operand.expr
    known = tuple(each for each in conditions if each is not None)
    if len(known) < len(conditions):
        return None
    return known[0] if len(known) == 1 else Condition("and", parts=known)


def _compared(reader: Reader, value: Origin, operator: str, other: nodes.Node, line: int) -> Condition | None:
    known = literal(other)
    if operator in ("eq", "ne") and known is not NO_LITERAL and not isinstance(known, list | dict):
        equal = _equal(reader, value, [known], line)
        return equal.negated() if equal and operator == "ne" else equal
    if operator in ("in", "notin") and isinstance(known, list) and not any(isinstance(x, list | dict) for x in known):
        equal = _equal(reader, value, known, line)
        return equal.negated() if equal and operator == "notin" else equal
    beside = reader.value(other)
    if operator in ("in", "notin"):
        reader.use(value, "text" if isinstance(known, str) else "needed", line)
        # A text has parts of text as a list has items.
        reader.use(beside, "needed" if value.type == TEXT.type else "sized", line)
    elif operator in ("eq", "ne"):
        reader.use(value, "list" if isinstance(known, list) else "needed", line)
        reader.use(beside, "needed", line)
    else:
        reader.use(value, act_beside(beside), line)
        reader.use(beside, act_beside(value), line)
        if value.path and type(known) in (int, float):
            return asked("order", value, known, text=operator)
    return None


def _equal(reader: Reader, value: Origin, literals: Sequence[object], line: int) -> Condition | None:
    reader.use(value, "equal", line, literals)
    return asked("equal", value, *literals) if value.path else None
