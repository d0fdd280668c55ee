"""Expressions of a template's syntax tree: where their values come from, and what they do with the variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from promptctl.templates.conditions import compared, tested
from promptctl.templates.events import ITEM, VALUE, Act, Branch, Condition, Event, Origin, Use
from promptctl.templates.filter_uses import filtered
from promptctl.templates.operations import FUNCTIONS, METHODS
from promptctl.templates.origins import (
    BOOLEAN,
    INTEGER,
    NO_LITERAL,
    NUMBER,
    TEXT,
    act_beside,
    asked,
    filled,
    literal,
    other_condition,
    sources,
    under,
)

CallMacro = Callable[[str, nodes.Call], Origin]

_METHODS_OF_TEXT = METHODS[str].keys()
_MADE_BY_METHOD = {
    "count": INTEGER, "find": INTEGER, "index": INTEGER, "rfind": INTEGER, "rindex": INTEGER,
    "endswith": BOOLEAN, "startswith": BOOLEAN,
    "rsplit": Origin(items=TEXT), "split": Origin(items=TEXT), "splitlines": Origin(items=TEXT),
}  # fmt: skip


class Expressions(NodeVisitor):
    """Reader of expressions: adds what they do to `events`.

    `scope` holds the variables that the template has set; `holds` the conditions under which it gets here.
    """

    def __init__(self, events: list[Event], call_macro: CallMacro) -> None:
        self.scope: dict[str, Origin] = {}
        self.holds: tuple[Condition, ...] = ()
        self._events = events
        self._call_macro = call_macro

    @contextmanager
    def under(self, *conditions: Condition) -> Iterator[None]:
        """Within it, the conditions hold."""
        outer = self.holds
        for condition in conditions:
            self.holds = (*self.holds, *condition.all_of())
        try:
            yield
        finally:
            self.holds = outer

    def deny(self, condition: Condition) -> None:
        """From here on, until the end of `under`, the condition does not hold."""
        self.holds = (*self.holds, *condition.negated().all_of())

    def use(self, value: Origin, act: Act, line: int, values: Sequence[Any] = ()) -> None:
        """Add that this is done with a value."""
        if value.path:
            holds = (*self.holds, *value.holds)
            self._events.append(Use(path=value.path, act=act, values=tuple(values), line=line, holds=holds))

    def value(self, node: nodes.Node) -> Origin:
        """Return the origin of an expression's value; add what finding it does."""
        found: Origin = self.visit(node)
        return found

    def generic_visit(self, node: nodes.Node, *_: Any, **__: Any) -> Origin:
        """Read an expression that has no method of its own."""
        if isinstance(node, nodes.BinExpr):
            return self._calculated(node)
        if isinstance(node, nodes.UnaryExpr):
            self.use(self.value(node.node), "number", node.lineno)
            return NUMBER
        return self._passed(*node.iter_child_nodes())

    def condition(self, node: nodes.Node) -> Condition:
        """Return an expression as a condition; add what testing it does."""
        if isinstance(node, nodes.Not):
            return self.condition(node.node).negated()
        if isinstance(node, nodes.And | nodes.Or):
            left = self.condition(node.left)
            with self.under(left if isinstance(node, nodes.And) else left.negated()):
                right = self.condition(node.right)
            return Condition("and" if isinstance(node, nodes.And) else "or", parts=(left, right))
        if isinstance(node, nodes.Test):
            value = self.value(node.node)
            return tested(self, node.name, value, node.args, node.lineno) or other_condition(node)
        if isinstance(node, nodes.Compare):
            return compared(self, node) or other_condition(node)
        if isinstance(node, nodes.Const):
            return Condition("constant", values=(bool(node.value),))
        value = self.value(node)
        self.use(value, "truth", node.lineno)
        return asked("true", value) if value.path else other_condition(node)

    def _passed(self, *given: nodes.Node) -> Origin:
        """Return the origin of something made of these values."""
        values = [self.value(each) for each in given]
        for value, each in zip(values, given, strict=True):
            self.use(value, "value", each.lineno)
        return Origin(sources=sources(values))

    def visit_Name(self, node: nodes.Name) -> Origin:
        if node.name in self.scope:
            return self.scope[node.name]
        if node.name in FUNCTIONS or node.name == "self":
            return Origin()
        return Origin((node.name,), ((node.name,),))

    def visit_Getattr(self, node: nodes.Getattr) -> Origin:
        return self.value(node.node).at(node.attr)

    def visit_Getitem(self, node: nodes.Getitem) -> Origin:
        value, given = self.value(node.node), node.arg
        if isinstance(given, nodes.Slice):
            self.use(value, "sized", node.lineno)
            for bound in filter(None, (given.start, given.stop, given.step)):
                self.use(self.value(bound), "integer", node.lineno)
            return value
        key = literal(given)
        if isinstance(key, str):
            return value.at(key)
        if isinstance(key, int):
            self.use(value, "sized", node.lineno)
            return value.at(ITEM)
        place = self.value(given)
        # A loop over a mapping gives its keys.
        if place.type == "text" or (value.path and place.path == (*value.path, ITEM)):
            self.use(value, "mapping", node.lineno)
            return value.at(VALUE)
        if place.type == "integer":
            self.use(value, "sized", node.lineno)
            return value.at(ITEM)
        self.use(value, "needed", node.lineno)
        self.use(place, "needed", node.lineno)
        return Origin(sources=value.sources)

    def visit_Const(self, node: nodes.Const) -> Origin:
        if isinstance(node.value, bool):
            return BOOLEAN
        return {str: TEXT, int: INTEGER, float: NUMBER}.get(type(node.value), Origin())

    def visit_List(self, node: nodes.List | nodes.Tuple) -> Origin:
        values = [self.value(item) for item in node.items]
        for value in values:
            self.use(value, "value", node.lineno)
        return Origin(sources=sources(values), type="list", items=values[0] if len(values) == 1 else None)

    visit_Tuple = visit_List

    def visit_Concat(self, node: nodes.Concat) -> Origin:
        values = [self.value(part) for part in node.nodes]
        for value in values:
            self.use(value, "print", node.lineno)
        return Origin(sources=sources(values), type="text")

    def _calculated(self, node: nodes.BinExpr) -> Origin:
        left, right = self.value(node.left), self.value(node.right)
        sides = ((left, right), (right, left))
        if isinstance(node, nodes.Mod) and left.type == "text":
            self.use(right, "print", node.lineno)
            return Origin(sources=right.sources, type="text")
        if isinstance(node, nodes.Add):
            for side, other in sides:
                self.use(side, act_beside(other), node.lineno)
            known = left.type or right.type
            return Origin(sources=sources((left, right)), type=known)
        for side, other in sides:
            is_count = isinstance(node, nodes.Mul) and other.type in ("text", "list")
            self.use(side, "integer" if is_count else "number", node.lineno)
        return Origin(sources=sources((left, right)), type="number")

    def visit_And(self, node: nodes.And | nodes.Or) -> Origin:
        """`a or b` is one of both; it is tested, and used as the value that it is."""
        left = self.value(node.left)
        self.use(left, "truth", node.lineno)
        test = asked("true", left) if left.path else other_condition(node.left)
        with self.under(test if isinstance(node, nodes.And) else test.negated()):
            right = self.value(node.right)
        return self._either(left, right, node.lineno)

    visit_Or = visit_And

    def visit_Test(self, node: nodes.Not | nodes.Test | nodes.Compare) -> Origin:
        self.condition(node)
        return BOOLEAN

    visit_Not = visit_Compare = visit_Test

    def visit_CondExpr(self, node: nodes.CondExpr) -> Origin:
        condition = self.condition(node.test)
        self._events.append(Branch(condition=condition, kind="inline", line=node.lineno, holds=self.holds))
        with self.under(condition):
            value = under(self.value(node.expr1), condition)
        if node.expr2 is None:
            return replace(value, is_either=True)
        with self.under(condition.negated()):
            other = under(self.value(node.expr2), condition.negated())
        return self._either(value, other, node.lineno)

    def _either(self, value: Origin, other: Origin, line: int) -> Origin:
        """Return the origin of a value that is one of two."""
        origins = sources((value, other))
        for each, beside in ((value, other), (other, value)):
            if each.path and not beside.sources:
                return Origin(each.path, origins, holds=each.holds, is_either=True)
        self.use(value, "value", line)
        self.use(other, "value", line)
        return Origin(sources=origins, type=value.type if value.type == other.type else "")

    def visit_Call(self, node: nodes.Call) -> Origin:
        called = node.node
        if isinstance(called, nodes.Getattr):
            return self._method(called, node)
        if isinstance(called, nodes.Name):
            known = self.scope.get(called.name)
            if known is not None and known.type == "macro":
                return self._call_macro(called.name, node)
            if known is None and called.name == "range":
                for bound in node.args:
                    self.use(self.value(bound), "integer", node.lineno)
                return Origin(items=INTEGER)
        self.use(self.value(called), "value", node.lineno)
        return self._passed(*node.args, *(each.value for each in node.kwargs))

    def _method(self, called: nodes.Getattr, node: nodes.Call) -> Origin:
        value, name = self.value(called.node), called.attr
        given = self._passed(*node.args)
        if name in ("items", "keys", "values"):
            self.use(value, "mapping", node.lineno)
            entry = value.at(VALUE)
            return Origin(items={"keys": TEXT, "values": entry}.get(name, Origin(parts=(TEXT, entry))))
        key = literal(node.args[0]) if node.args else NO_LITERAL
        if name == "get":
            self.use(value, "mapping", node.lineno)
            entry = value.at(key if isinstance(key, str) else VALUE)
            default = literal(node.args[1]) if len(node.args) > 1 else NO_LITERAL
            return filled(self, entry, default, node.lineno)
        if name in ("count", "index"):
            self.use(value, "sized", node.lineno)
        elif name in _METHODS_OF_TEXT:
            self.use(value, "text", node.lineno)
        else:
            self.use(value, "value", node.lineno)  # data has no such method
        made = _MADE_BY_METHOD.get(name, TEXT)
        return Origin(sources=(*value.sources, *given.sources), type=made.type, items=made.items)

    def visit_Filter(self, node: nodes.Filter) -> Origin:
        value = self.value(node.node) if node.node is not None else TEXT
        for given in (*node.args, *(each.value for each in node.kwargs)):
            if literal(given) is NO_LITERAL:
                self.use(self.value(given), "value", node.lineno)
        return filtered(self, node, node.name, value)
