"""Everything that gives a value to the names of one function, class or module of Python."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(slots=True)
class NameScope:
    """Everything that gives a value to the names of one function, class or module."""

    parameters: dict[str, ast.arg] = field(default_factory=dict)
    bindings: dict[str, list[ast.AST]] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Return True if the name belongs to this scope."""
        return name in self.parameters or name in self.bindings

    def bind(self, name: str, node: ast.AST) -> None:
        """Keep one more thing that gives the name a value."""
        self.bindings.setdefault(name, []).append(node)


def scope_of(owner: ast.AST) -> NameScope:
    """Return the scope of a function, a class, a lambda or a module."""
    scope = NameScope()
    if isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        given = owner.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        scope.parameters = {each.arg: each for each in every if each is not None}
    body = owner.body if isinstance(owner.body, list) else [owner.body]  # type: ignore[attr-defined]
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.bind(node.name, node)
            _keep_shared(scope, node)
        elif isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            for each in ast.walk(node):
                if isinstance(each, ast.NamedExpr):
                    scope.bind(each.target.id, each)
        else:
            _bind(scope, node)
            stack.extend(reversed(list(ast.iter_child_nodes(node))))
    return scope


def _bind(scope: NameScope, node: ast.AST) -> None:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        scope.bind(node.id, node)
    elif isinstance(node, ast.alias):
        scope.bind(node.asname or node.name.partition(".")[0], node)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        scope.bind(node.name, node)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        scope.bind(node.rest, node)
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        scope.shared.update(node.names)


def _keep_shared(scope: NameScope, inner: ast.AST) -> None:
    """Keep the names to which a function inside this scope may give other values."""
    for each in ast.walk(inner):
        if isinstance(each, (ast.Global, ast.Nonlocal)):
            scope.shared.update(each.names)
