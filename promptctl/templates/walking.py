"""Walk over a template's syntax tree: its statements in reading order, and what each does with the variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from promptctl.templates.environment import PromptEnvironment
from promptctl.templates.events import ITEM, Branch, Condition, Event, Include, Origin, Printed, Text
from promptctl.templates.expressions import Expressions
from promptctl.templates.origins import sources

# Calls of macros that are followed with what they are given; others are read once, by themselves.
_MOST_CALLS = 200
_ALWAYS = Condition("constant", values=(True,))

# The variables at the end of a branch, and under which conditions one gets there.
_End = tuple[dict[str, Origin], tuple[Condition, ...]]


def walk(text: str) -> tuple[Event, ...]:
    """Return the events of a template that needs the parser. Raises `BadTemplate`."""
    tree = PromptEnvironment().parse_text(text)
    walked = _Walk()
    walked.statements(tree.body)
    walked.uncalled()
    return tuple(walked.events)


class _Walk(NodeVisitor):
    """Walk over one template. `scope` holds the variables that it has set so far."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._expressions = Expressions(self.events, self._call_macro)
        self._loops = 0
        self._macros: dict[str, nodes.Macro] = {}
        self._called: set[str] = set()
        self._calling: list[str] = []
        self._calls = 0

    def statements(self, body: Sequence[nodes.Node]) -> None:
        """Add what these statements do."""
        for node in body:
            self.visit(node)

    def uncalled(self) -> None:
        """Add what the macros do that nothing here calls."""
        for name in [name for name in self._macros if name not in self._called]:
            self._run(self._macros[name], {})

    def visit_Output(self, node: nodes.Output) -> None:
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                self._add(Text(text=part.data, line=part.lineno, is_repeated=self._loops > 0))
            else:
                self._print(part)

    def _print(self, node: nodes.Expr) -> None:
        filters: list[str] = []
        inner: nodes.Node | None = node
        while isinstance(inner, nodes.Filter):
            filters.insert(0, inner.name)
            inner = inner.node
        value = self._expressions.value(node)
        self._expressions.use(value, "print", node.lineno)
        repeated = self._loops > 0
        self._add(Printed(sources=value.sources, filters=tuple(filters), line=node.lineno, is_repeated=repeated))

    def _add(self, event: Event) -> None:
        self.events.append(replace(event, holds=self._expressions.holds))

    def visit_If(self, node: nodes.If) -> None:
        with self._expressions.under():
            outer, before = self._expressions.scope, len(self._expressions.holds)
            ends: list[_End] = []
            for number, branch in enumerate((node, *node.elif_)):
                self._expressions.scope = dict(outer)
                condition = self._expressions.condition(branch.test)
                kind: Literal["if", "elif"] = "elif" if number else "if"
                self._add(Branch(condition=condition, kind=kind, line=branch.lineno))
                with self._expressions.under(condition):
                    self.statements(branch.body)
                    ends.append((self._expressions.scope, self._expressions.holds[before:]))
                self._expressions.deny(condition)
            self._expressions.scope = dict(outer)
            if node.else_:
                line = node.else_[0].lineno
                self._add(Branch(condition=_ALWAYS, kind="else", line=line))
                self.statements(node.else_)
            ends.append((self._expressions.scope, self._expressions.holds[before:]))
            self._expressions.scope = outer
            self._expressions.scope = self._merged(ends)

    def _merged(self, ends: Sequence[_End]) -> dict[str, Origin]:
        """Return the variables after branches that end so; of one set differently in each, only the sources are known.

        One that a branch does not set is the input of that name where it went through that branch.
        """
        merged: dict[str, Origin] = {}
        for name in dict.fromkeys(name for scope, _ in ends for name in scope):
            values = [scope[name] for scope, _ in ends if name in scope]
            unset = [holds for scope, holds in ends if name not in scope]
            if unset:
                given = self._expressions.value(nodes.Name(name, "load"))
                if given.path:
                    either = (Condition("or", parts=tuple(Condition("and", parts=each) for each in unset)),)
                    holds = unset[0] if len(unset) == 1 else either
                    merged[name] = Origin(given.path, sources([given, *values]), holds=holds, is_either=True)
            else:
                is_one = all(value == values[0] for value in values)
                merged[name] = values[0] if is_one else Origin(sources=sources(values))
        return merged

    def visit_For(self, node: nodes.For) -> None:
        expressions = self._expressions
        iterated = expressions.value(node.iter)
        expressions.use(iterated, "list", node.lineno)
        with self._scope(), expressions.under(*iterated.holds):
            self._bind(node.target, iterated.at(ITEM))
            expressions.scope["loop"] = Origin()
            conditions = [expressions.condition(node.test)] if node.test is not None else []
            with expressions.under(*conditions):
                self._loops += 1
                self.statements(node.body)
                self._loops -= 1
        with self._scope():
            self.statements(node.else_)

    def visit_Assign(self, node: nodes.Assign) -> None:
        self._set(node.target, node.node)

    def _set(self, target: nodes.Node, expression: nodes.Node) -> None:
        value = self._expressions.value(expression)
        self._expressions.use(value, "value", expression.lineno)
        self._bind(target, value)

    def _bind(self, target: nodes.Node, value: Origin) -> None:
        if isinstance(target, nodes.Name):
            self._expressions.scope[target.name] = value
        elif isinstance(target, nodes.Tuple):
            for number, part in enumerate(target.items):
                is_known = len(value.parts) == len(target.items)
                self._bind(part, value.parts[number] if is_known else value.at(ITEM))
        elif isinstance(target, nodes.NSRef):
            namespace = self._expressions.value(nodes.Name(target.name, "load", lineno=target.lineno))
            self._expressions.use(namespace, "value", target.lineno)

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> None:
        with self._scope():
            self._bind(node.target, Origin())
            self.statements(node.body)
        if node.filter is not None:
            self._expressions.value(node.filter)
        self._bind(node.target, Origin(type="text"))

    def visit_With(self, node: nodes.With) -> None:
        with self._scope():
            for target, value in zip(node.targets, node.values, strict=True):
                self._set(target, value)
            self.statements(node.body)

    def visit_Scope(self, node: nodes.Scope) -> None:
        with self._scope():
            self.statements(node.body)

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> None:
        with self._scope():
            self.statements(node.body)
            self._expressions.value(node.filter)

    def visit_Macro(self, node: nodes.Macro) -> None:
        self._macros[node.name] = node
        self._called.discard(node.name)
        self._expressions.scope[node.name] = Origin(type="macro")

    def visit_CallBlock(self, node: nodes.CallBlock) -> None:
        self._print(node.call)
        with self._scope():
            for name in node.args:
                self._expressions.scope[name.name] = Origin()
            self.statements(node.body)

    def visit_Include(self, node: nodes.Include) -> None:
        assert isinstance(node.template, nodes.Const)
        bindings = dict(self._expressions.scope)
        self._add(
            Include(reference=node.template.value, bindings=bindings, line=node.lineno, is_repeated=self._loops > 0)
        )

    def _call_macro(self, name: str, node: nodes.Call) -> Origin:
        """Follow a call of a macro with what it is given; return what it prints."""
        given = [self._expressions.value(each) for each in node.args]
        named = {each.key: self._expressions.value(each.value) for each in node.kwargs}
        for value in (*given, *named.values()):
            self._expressions.use(value, "value", node.lineno)
        macro = self._macros.get(name)
        if macro is None or name in self._calling or self._calls >= _MOST_CALLS:
            return Origin(type="text")
        names = [arg.name for arg in macro.args]
        self._run(macro, {**dict(zip(names, given, strict=False)), **named})
        return Origin(type="text")

    def _run(self, macro: nodes.Macro, given: dict[str, Origin]) -> None:
        self._calls += 1
        self._called.add(macro.name)
        self._calling.append(macro.name)
        with self._scope():
            names = [arg.name for arg in macro.args]
            for name, default in zip(reversed(names), reversed(macro.defaults), strict=False):
                value = self._expressions.value(default)
                given.setdefault(name, value)
            self._expressions.scope |= {name: given.get(name, Origin()) for name in names}
            self._expressions.scope |= {name: Origin() for name in ("caller", "varargs", "kwargs")}
            self.statements(macro.body)
        self._calling.pop()

    @contextmanager
    def _scope(self) -> Iterator[None]:
        outer = self._expressions.scope
        self._expressions.scope = dict(outer)
        try:
            yield
        finally:
            self._expressions.scope = outer
