"""Jinja, as our own templates are written: into pieces that other languages can say too, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jinja2 import nodes

from promptctl.template_languages.pieces import (
    CodePiece,
    FilterCall,
    IfBranch,
    IfPiece,
    IfTest,
    IncludePiece,
    LoopPiece,
    Path,
    Piece,
    TextPiece,
    VariablePiece,
    joined,
)
from promptctl.templates import BadTemplate
from promptctl.templates.environment import PromptEnvironment

_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
# A text with one of these is read as something else than text; a carriage return would become a line end.
_MARKUP = re.compile(r"\{(?=[{%#])|\{\Z|\r")
_OPERATORS = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
}
_KINDS: dict[type[nodes.Node], str] = {
    nodes.Assign: "an assignment",
    nodes.AssignBlock: "an assignment",
    nodes.Macro: "a macro",
    nodes.CallBlock: "a call of a macro",
    nodes.Call: "a call",
    nodes.FilterBlock: "a filter of a block",
    nodes.With: "a `with` block",
    nodes.CondExpr: "an `if` within an expression",
    nodes.Test: "a test within an expression",
    nodes.Concat: "texts put together",
}


class _NotSaid(Exception):
    """An expression that has no piece."""


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Return a Jinja template in pieces; what has none is `CodePiece`, named by its `kind`. Raises `BadTemplate`.

    >>> pieces_of("Hello {{ user.name }}!")
    (TextPiece(text='Hello '), VariablePiece(path=('user', 'name'), filters=(), line=1), TextPiece(text='!'))
    """
    return _body(PromptEnvironment().parse_text(text).body)


def first_comment(text: str) -> int | None:
    """Return the line of a Jinja template's first comment, of which there is no piece. Raises `BadTemplate`.

    >>> first_comment("Hi\\n{# why #}"), first_comment("{% raw %}{#{% endraw %}")
    (2, None)
    """
    if "{#" not in text:
        return None
    environment = PromptEnvironment()
    environment.parse_text(text)
    return next((line for line, kind, _ in environment.lex(text) if kind == "comment_begin"), None)


def jinja_text(pieces: Iterable[Piece]) -> str:
    """Return pieces as a Jinja template. Text that looks like markup is put between `raw` and `endraw`.

    Raises `BadTemplate` for code of `pieces_of`, which knows its kind alone.

    >>> jinja_text((TextPiece("Write {{x}} as "), VariablePiece(("x",), (FilterCall("upper"),))))
    '{% raw %}Write {{x}} as {% endraw %}{{ x | upper }}'
    """
    return "".join(_written(joined(pieces)))


def constant_text(text: str) -> str:
    """Return a text as a Jinja template that prints it as it is.

    >>> constant_text("Write {{x}}")
    '{% raw %}Write {{x}}{% endraw %}'
    """
    return jinja_text((TextPiece(text),))


def jinja_path(path: Path) -> str:
    """Return a variable with its keys as an expression.

    >>> jinja_path(("order", "items", 0, "unit-price"))
    'order.items[0]["unit-price"]'
    """
    root, *keys = path
    return str(root) + "".join(
        f".{key}" if isinstance(key, str) and _NAME.match(key) else f"[{_constant(key)}]" for key in keys
    )


def _body(body: Sequence[nodes.Node]) -> tuple[Piece, ...]:
    return tuple(joined(piece for node in body for piece in _pieces(node)))


def _pieces(node: nodes.Node) -> Iterator[Piece]:
    try:
        if isinstance(node, nodes.Output):
            for each in node.nodes:
                yield _printed(each)
        elif isinstance(node, nodes.If):
            chain = [node, *node.elif_]
            branches = tuple(_branch(each) for each in chain)
            yield IfPiece(branches, _body(node.else_), node.lineno)
        elif isinstance(node, nodes.For):
            yield _loop(node)
        elif isinstance(node, nodes.Include):
            if not isinstance(node.template, nodes.Const) or node.ignore_missing:
                raise _NotSaid
            yield IncludePiece(node.template.value, node.lineno)
        else:
            raise _NotSaid
    except _NotSaid:
        yield CodePiece("", _kind(node), node.lineno)


def _printed(node: nodes.Expr) -> Piece:
    if isinstance(node, nodes.TemplateData):
        return TextPiece(node.data)
    if isinstance(node, nodes.Const) and isinstance(node.value, str | int) and not isinstance(node.value, bool):
        return TextPiece(str(node.value))
    try:
        path, filters = _filtered(node)
    except _NotSaid:
        return CodePiece("", _kind(node), node.lineno)
    return VariablePiece(path, filters, node.lineno)


def _filtered(node: nodes.Node | None) -> tuple[Path, tuple[FilterCall, ...]]:
    if not isinstance(node, nodes.Filter):
        return _path(node), ()
    path, filters = _filtered(node.node)
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise _NotSaid
    return path, (*filters, FilterCall(node.name, tuple(_constant_of(each) for each in node.args)))


def _path(node: nodes.Node | None) -> Path:
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        return (*_path(node.node), node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int):
        return (*_path(node.node), node.arg.value)
    raise _NotSaid


def _constant_of(node: nodes.Node) -> Any:
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.List):
        return [_constant_of(each) for each in node.items]
    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
        return -node.node.value
    raise _NotSaid


def _branch(node: nodes.If) -> IfBranch:
    return IfBranch(_tests(node.test), _body(node.body), is_any=isinstance(node.test, nodes.Or))


def _tests(node: nodes.Node) -> tuple[IfTest, ...]:
    if isinstance(node, nodes.And | nodes.Or):
        parts: list[nodes.Node] = [node.left, node.right]
        while isinstance(parts[0], type(node)):
            parts[:1] = [parts[0].left, parts[0].right]
        return tuple(map(_test, parts))
    return (_test(node),)


def _test(node: nodes.Node, *, is_negated: bool = False) -> IfTest:
    if isinstance(node, nodes.Not):
        return _test(node.node, is_negated=not is_negated)
    if isinstance(node, nodes.Test) and not (node.args or node.kwargs):
        return IfTest(_path(node.node), "is", node.name, is_negated)
    if not isinstance(node, nodes.Compare):
        return IfTest(_path(node), is_negated=is_negated)
    [operand] = node.ops if len(node.ops) == 1 else [None]
    if operand is None:
        raise _NotSaid
    if operand.op == "notin":
        return IfTest(_path(node.expr), "in", _operand(operand.expr), not is_negated)
    return IfTest(_path(node.expr), _OPERATORS[operand.op], _operand(operand.expr), is_negated)


def _operand(node: nodes.Node) -> Any:
    try:
        return _path(node)
    except _NotSaid:
        return _constant_of(node)


def _loop(node: nodes.For) -> LoopPiece:
    if node.test is not None or node.recursive:
        raise _NotSaid
    body, otherwise = _body(node.body), _body(node.else_)
    if isinstance(node.target, nodes.Name):
        return LoopPiece(node.target.name, _path(node.iter), body, otherwise, line=node.lineno)
    names = [each.name for each in getattr(node.target, "items", ()) if isinstance(each, nodes.Name)]
    over = node.iter
    is_items = isinstance(over, nodes.Call) and isinstance(over.node, nodes.Getattr) and over.node.attr == "items"
    if len(names) != len(getattr(node.target, "items", ())) or len(names) != 2 or not is_items or over.args:  # type: ignore[attr-defined]
        raise _NotSaid
    return LoopPiece(names[1], _path(over.node.node), body, otherwise, names[0], node.lineno)  # type: ignore[attr-defined]


def _kind(node: nodes.Node) -> str:
    if isinstance(node, nodes.Filter):
        return f"the filter `{node.name}`"
    if isinstance(node, nodes.For):
        return "a loop that filters, recurses or goes over an expression"
    if isinstance(node, nodes.If):
        return "a condition that is an expression"
    return _KINDS.get(type(node), "an expression")


def _written(pieces: Iterable[Piece]) -> Iterator[str]:
    for piece in pieces:
        match piece:
            case TextPiece(text):
                yield _plain(text)
            case VariablePiece(path, filters):
                yield "{{ " + " | ".join([jinja_path(path), *map(_filter, filters)]) + " }}"
            case IfPiece(branches, otherwise):
                for number, branch in enumerate(branches):
                    yield f"{{% {'elif' if number else 'if'} {_condition(branch)} %}}{jinja_text(branch.body)}"
                yield from (f"{{% else %}}{jinja_text(otherwise)}" if otherwise else "", "{% endif %}")
            case LoopPiece(item, over, body, otherwise, key):
                names, listed = (
                    (item, jinja_path(over)) if key is None else (f"{key}, {item}", f"{jinja_path(over)}.items()")
                )
                yield f"{{% for {names} in {listed} %}}{jinja_text(body)}"
                yield from (f"{{% else %}}{jinja_text(otherwise)}" if otherwise else "", "{% endfor %}")
            case IncludePiece(path):
                yield f"{{% include {json.dumps(path, ensure_ascii=False)} %}}"
            case CodePiece(text, kind, line):
                if not text:
                    raise BadTemplate(f"{kind} cannot be written", line)
                yield text


def _plain(text: str) -> str:
    """Return text so that Jinja prints it as it stands: each line that looks like markup is marked as text."""
    if not _MARKUP.search(text):
        return text
    *lines, last = text.split("\n")
    return "".join(f"{_raw(line)}\n" for line in lines) + _raw(last)


def _raw(line: str) -> str:
    if not _MARKUP.search(line):
        return line
    return f"{{{{ {_constant(line)} }}}}" if "endraw" in line or "\r" in line else f"{{% raw %}}{line}{{% endraw %}}"


def _filter(each: FilterCall) -> str:
    return each.name + (f"({', '.join(map(_constant, each.arguments))})" if each.arguments else "")


def _condition(branch: IfBranch) -> str:
    return (" or " if branch.is_any else " and ").join(map(_written_test, branch.tests))


def _written_test(test: IfTest) -> str:
    path, no = jinja_path(test.path), "not " if test.is_negated else ""
    if not test.operator:
        return no + path
    if test.operator == "is":
        return f"{path} is {no}{test.operand}"
    operand = jinja_path(test.operand) if isinstance(test.operand, tuple) else _constant(test.operand)
    if test.operator == "in":
        return f"{path} {no}in {operand}"
    return f"{no}{path} {test.operator} {operand}"


def _constant(value: Any) -> str:
    """Return a constant as Jinja reads it; its words are those of JSON, apart from `none`."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_constant, value))}]"
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
