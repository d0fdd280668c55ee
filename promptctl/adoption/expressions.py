"""Expressions of Python by what evaluating them does, and the names in them."""

from __future__ import annotations

import ast

_LOUD = (
    *(ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


# Calls that make a text or numbers of what they are given, and use nothing up.
_HARMLESS = frozenset(("str", "len", "repr", "int", "float", "bool", "round", "abs", "format", "range", "json.dumps"))


_OF_TEXTS = frozenset(
    (
        *("format", "format_map", "strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize", "isoformat"),
        *("removeprefix", "removesuffix", "strftime", "substitute", "safe_substitute", "dedent"),
    )
)


def is_loud(node: ast.AST) -> bool:
    """Return True if evaluating this may do something, or return something else the next time."""
    return any(isinstance(each, _LOUD) and not is_harmless(each) for each in ast.walk(node))


def is_harmless(node: ast.AST) -> bool:
    """Return True for a call that only makes a text or numbers of what it is given."""
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func) or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
    return name in _HARMLESS or (isinstance(node.func, ast.Attribute) and node.func.attr in _OF_TEXTS)


def roots(node: ast.AST) -> frozenset[str]:
    """Return the names that an expression reads."""
    return frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def dotted(node: ast.AST) -> str | None:
    """Return `a.b.c` for such an expression; None for any other. A call within it is left out: `OpenAI().chat`."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Await):
            node = node.value
        else:
            return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else None
