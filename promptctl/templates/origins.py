"""Origins of values in a syntax tree: literals, arguments, and what the readers of expressions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from jinja2 import nodes

from promptctl.templates.events import ITEM, Act, Condition, Origin, Path

TEXT, NUMBER, INTEGER, BOOLEAN = (Origin(type=name) for name in ("text", "number", "integer", "boolean"))


class Reader(Protocol):
    """Reader of expressions: it adds what they do to the uses of the template."""

    def use(self, value: Origin, act: Act, line: int, values: Sequence[Any] = ()) -> None:
        """Add that this is done with a value."""

    def value(self, node: nodes.Node) -> Origin:
        """Return the origin of an expression's value; add what finding it does."""


class _NoLiteral:
    pass


NO_LITERAL = _NoLiteral()


def literal(node: nodes.Node | None) -> Any:
    """Return the value of a literal, lists of them too; `NO_LITERAL` if it is none."""
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.List | nodes.Tuple):
        items = [literal(item) for item in node.items]
        return NO_LITERAL if NO_LITERAL in items else items
    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
        return -node.node.value
    return {} if isinstance(node, nodes.Dict) and not node.items else NO_LITERAL


def argument(node: nodes.Filter, place: int | None, name: str) -> nodes.Expr | None:
    """Return an argument of a filter, given by its name or at its place; None if it is not given."""
    named = next((each.value for each in node.kwargs if each.key == name), None)
    if named is None and place is not None and len(node.args) > place:
        return node.args[place]
    return named


def steps(value: Origin, path: Any) -> Origin:
    """Return the origin of an attribute as filters name it: `address.city`."""
    if not isinstance(path, str):
        return Origin(sources=value.sources)
    for step in path.split("."):
        value = value.at(ITEM if step.isdecimal() else step)
    return value


def sources(values: Sequence[Origin]) -> tuple[Path, ...]:
    """Return the variables that are in any of the values."""
    return tuple(dict.fromkeys(path for value in values for path in value.sources))


def act_beside(other: Origin) -> Act:
    """Return what a value is used as, if it is added to another or compared with it in order."""
    acts: dict[str, Act] = {"integer": "number", "number": "number", "text": "text", "list": "list"}
    return acts.get(other.type, "added")


def under(value: Origin, condition: Condition) -> Origin:
    """Return the origin of a value that is used only where the condition holds."""
    holds = (*value.holds, *condition.all_of())
    return replace(value, holds=holds)


def where_defined(value: Origin) -> Origin:
    """Return the origin of a value for which another stands where it is not defined."""
    return under(value, Condition("defined", value.path)) if value.path else value


def filled(reader: Reader, value: Origin, default: Any, line: int) -> Origin:
    """Return the origin of a value with a default; add that it has one."""
    reader.use(value, "default", line, () if default is NO_LITERAL else (default,))
    return replace(where_defined(value), is_either=True)


def asked(kind: Literal["defined", "true", "equal", "order"], value: Origin, *values: Any, text: str = "") -> Condition:
    """Return the condition that asks this of a value that has a path."""
    return Condition(kind, value.path, values, text=text, is_of_either=value.is_either)


def other_condition(node: nodes.Node) -> Condition:
    """Return the condition that only its text tells."""
    return Condition("other", text=repr(node))
