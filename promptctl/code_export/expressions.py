"""Expressions of templates as the renderer for JavaScript evaluates them: nested lists that begin with a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from jinja2 import nodes

# The largest whole number that JavaScript counts to exactly.
MAX_SAFE = 2**53 - 1

# The filters, with their arguments in order: each one's name, and after a colon its kind if it has to be a literal.
FILTERS: dict[str, str] = {
    **dict.fromkeys(("abs", "capitalize", "escape", "first", "items", "last", "length", "list", "lower"), ""),
    **dict.fromkeys(("reverse", "safe", "string", "title", "upper"), ""),
    **dict.fromkeys(("max", "min", "unique"), "case_sensitive:flag attribute:key"),
    "default": "default_value boolean:flag",
    "dictsort": "case_sensitive:flag by:text reverse:flag",
    "indent": "width:margin first:flag blank:flag",
    "join": "d attribute:key",
    "map": "attribute:key default",
    "replace": "old new count:count",
    "sort": "reverse:flag case_sensitive:flag attribute:key",
    "sum": "attribute:key start:count",
    "tojson": "indent:count",
    "trim": "chars",
    "truncate": "length:count killwords:flag end:text leeway:count",
}
_CHOOSING = ("select", "reject", "selectattr", "rejectattr")
_SAME = {"count": "length", "d": "default", "e": "escape"}

# The tests, each with how many arguments it takes.
TESTS: dict[str, int] = {
    **dict.fromkeys(("defined", "undefined", "none", "true", "false", "boolean", "string", "number", "integer"), 0),
    **dict.fromkeys(("mapping", "sequence", "iterable", "odd", "even"), 0),
    **dict.fromkeys(("divisibleby", "eq", "ne", "lt", "lteq", "gt", "gteq", "in"), 1),
}
_SAME_TEST = {
    "==": "eq", "equalto": "eq", "!=": "ne", "<": "lt", "lessthan": "lt", "<=": "lteq", "le": "lteq",
    ">": "gt", "greaterthan": "gt", ">=": "gteq", "ge": "gteq",
}  # fmt: skip

# The methods of texts and mappings, with the fewest and the most arguments.
METHODS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("capitalize", "items", "keys", "lower", "lstrip", "rstrip", "strip", "upper", "values"), (0, 0)),
    **dict.fromkeys(("endswith", "join", "startswith"), (1, 1)),
    "get": (1, 2),
    "replace": (2, 2),
    "split": (0, 1),
}
_OPERATORS: dict[type[nodes.Node], str] = {nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*"}
_KINDS: dict[type[nodes.Node], str] = {
    nodes.Div: "the operator `/`",
    nodes.FloorDiv: "the operator `//`",
    nodes.Mod: "the operator `%`",
    nodes.Pow: "the operator `**`",
    nodes.Pos: "the sign `+`",
}


class Outside(Exception):
    """A part of a template that lies outside of the subset: what it is, and its line."""

    def __init__(self, what: str, node: nodes.Node, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = node.lineno
        self.hint = hint


def target_of(node: nodes.Node) -> Any:
    """Return the name that a loop or an assignment binds, or a list of them."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Tuple):
        return [target_of(each) for each in node.items]
    raise Outside("a namespace", node)


def expression(node: nodes.Node | None) -> list[Any]:
    """Return an expression as a list. Raises `Outside`.

    >>> expression(nodes.Getattr(nodes.Name("user", "load"), "name", "load"))
    ['.', ['name', 'user'], 'name']
    """
    if node is None:  # the text that a filter block or a `set` block holds
        return ["body"]
    visit = _VISITS.get(type(node))
    if visit is None:
        raise Outside(_KINDS.get(type(node), f"this expression ({type(node).__name__})"), node)
    return visit(node)


def _all(items: Sequence[nodes.Node]) -> list[Any]:
    return [expression(each) for each in items]


def constant_problem(value: Any) -> str | None:
    """Return why a constant cannot be the same in JavaScript; None if it is."""
    if isinstance(value, float) and value.is_integer():
        return f"the number `{value!r}`, which JavaScript prints without its fraction,"
    if isinstance(value, int) and abs(value) > MAX_SAFE:
        return "a whole number beyond 2⁵³, to which JavaScript counts,"
    if isinstance(value, dict):
        return next(filter(None, map(constant_problem, value.values())), None)
    return next(filter(None, map(constant_problem, value)), None) if isinstance(value, list | tuple) else None


def _constant(node: nodes.Const) -> list[Any]:
    if problem := constant_problem(node.value):
        raise Outside(problem, node, "write it as a text, or as a whole number")
    return ["value", node.value]


def _attribute(node: nodes.Getattr) -> list[Any]:
    return [".", expression(node.node), node.attr]


def _item(node: nodes.Getitem) -> list[Any]:
    part = node.arg
    if not isinstance(part, nodes.Slice):
        return ["[]", expression(node.node), expression(part)]
    if part.step is not None:
        raise Outside("a slice with a step", node)
    bounds = [["value", None] if each is None else expression(each) for each in (part.start, part.stop)]
    return ["slice", expression(node.node), *bounds]


def _filter(node: nodes.Filter) -> list[Any]:
    name = _SAME.get(node.name, node.name)
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise Outside(f"the filter `{node.name}` with `*`", node)
    if name in _CHOOSING:
        return ["|", name, expression(node.node), _choice(name, node)]
    if name not in FILTERS:
        raise Outside(f"the filter `{node.name}`", node)
    if name == "map" and node.args:
        return ["|", "each", expression(node.node), _mapped(node)]
    return ["|", name, expression(node.node), _in_order(node, FILTERS[name].split())]


def _mapped(node: nodes.Filter) -> list[Any]:
    """Return the filter that `map` applies to each item, with its arguments."""
    called = node.args[0]
    if not isinstance(called, nodes.Const) or called.value in ("map", *_CHOOSING):
        raise Outside("`map` with a filter that is no plain name", node)
    inner = nodes.Filter(None, called.value, node.args[1:], node.kwargs, None, None, lineno=node.lineno)
    return [["quote", _filter(inner)]]


def _choice(name: str, node: nodes.Filter) -> list[Any]:
    """Return the arguments of `select` and its like: the attribute if it has one, the test's name, its arguments."""
    if node.kwargs:
        raise Outside(f"the filter `{node.name}` with named arguments", node)
    count = 1 if name.endswith("attr") else 0
    attribute, rest = [_argument(each, "attribute:key", node) for each in node.args[:count]], node.args[count:]
    if len(attribute) < count:
        raise Outside(f"the filter `{node.name}` without an attribute", node)
    if not rest:
        return [*attribute]
    if not isinstance(rest[0], nodes.Const):
        raise Outside(f"the filter `{node.name}` with a test that is no plain name", node)
    return [*attribute, ["value", _test_name(str(rest[0].value), len(rest) - 1, node)], *_all(rest[1:])]


def _in_order(node: nodes.Filter, arguments: Sequence[str]) -> list[Any]:
    """Return the arguments in order, those left out as None, and none of them at the end."""
    given: dict[str, nodes.Expr] = {each.key: each.value for each in cast("list[nodes.Keyword]", node.kwargs)}
    names = [each.partition(":")[0] for each in arguments]
    if node.name == "map" and "attribute" not in given:
        raise Outside("`map` without a filter's name or `attribute`", node)
    if len(node.args) > len(names) or given.keys() - set(names[len(node.args) :]):
        raise Outside(f"the filter `{node.name}` with these arguments", node)
    given |= dict(zip(names, node.args, strict=False))
    if node.name == "replace" and not {"old", "new"} <= given.keys():
        raise Outside("the filter `replace` without what it replaces", node)
    made = [
        _argument(given[name], each, node) if name in given else None
        for name, each in zip(names, arguments, strict=True)
    ]
    while made and made[-1] is None:
        made.pop()
    return made


def _argument(given: nodes.Expr, argument: str, node: nodes.Filter) -> list[Any]:
    name, _, kind = argument.partition(":")
    if kind and not (isinstance(given, nodes.Const) and _LITERALS[kind](given.value)):
        hint = "write it as a literal"
        raise Outside(f"the filter `{node.name}` whose `{name}` is no plain {kind}", node, hint)
    return expression(given)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000


_LITERALS: dict[str, Callable[[Any], bool]] = {
    "count": _is_count,
    "flag": lambda value: isinstance(value, bool),
    "key": lambda value: _is_count(value) or (isinstance(value, str) and value.isascii()),
    "margin": lambda value: _is_count(value) or isinstance(value, str),
    "text": lambda value: isinstance(value, str),
}


def _test_name(name: str, count: int, node: nodes.Node) -> str:
    known = _SAME_TEST.get(name, name)
    if TESTS.get(known) != count:
        raise Outside(f"the test `{name}`", node)
    return known


def _test(node: nodes.Test) -> list[Any]:
    if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise Outside(f"the test `{node.name}` with named arguments", node)
    name = _test_name(node.name, len(node.args), node)
    return ["is", name, expression(node.node), _all(node.args)]


def _call(node: nodes.Call) -> list[Any]:
    if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise Outside("a call with named arguments", node)
    called = node.node
    if isinstance(called, nodes.Name) and called.name == "range" and 1 <= len(node.args) <= 3:
        return ["range", _all(node.args)]
    if isinstance(called, nodes.Getattr):
        if called.attr == "cycle" and isinstance(called.node, nodes.Name) and called.node.name == "loop" and node.args:
            return ["cycle", _all(node.args)]
        fewest, most = METHODS.get(called.attr, (1, 0))
        if fewest <= len(node.args) <= most:
            return ["call", expression(called.node), called.attr, _all(node.args)]
        raise Outside(f"a call of `{called.attr}`", node)
    raise Outside(f"a call of `{called.name}`" if isinstance(called, nodes.Name) else "a call", node)


def _compare(node: nodes.Compare) -> list[Any]:
    return ["compare", expression(node.expr), [[each.op, expression(each.expr)] for each in node.ops]]


def _condition(node: nodes.CondExpr) -> list[Any]:
    otherwise = None if node.expr2 is None else expression(node.expr2)
    return ["if", expression(node.test), expression(node.expr1), otherwise]


def _dict(node: nodes.Dict) -> list[Any]:
    for pair in node.items:
        if not isinstance(pair.key, nodes.Const) or not isinstance(pair.key.value, str):
            raise Outside("a mapping whose keys are no plain texts", pair)
    return ["dict", [[pair.key.value, expression(pair.value)] for pair in node.items]]  # type: ignore[attr-defined]


def _operation(node: nodes.BinExpr) -> list[Any]:
    return [_OPERATORS[type(node)], expression(node.left), expression(node.right)]


_VISITS: dict[type[nodes.Node], Callable[[Any], list[Any]]] = {
    nodes.Const: _constant,
    nodes.TemplateData: lambda node: ["value", node.data],
    nodes.Name: lambda node: ["name", node.name],
    nodes.Getattr: _attribute,
    nodes.Getitem: _item,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Call: _call,
    nodes.Compare: _compare,
    nodes.CondExpr: _condition,
    nodes.And: lambda node: ["and", expression(node.left), expression(node.right)],
    nodes.Or: lambda node: ["or", expression(node.left), expression(node.right)],
    nodes.Not: lambda node: ["not", expression(node.node)],
    nodes.Neg: lambda node: ["neg", expression(node.node)],
    nodes.Concat: lambda node: ["~", _all(node.nodes)],
    nodes.List: lambda node: ["list", _all(node.items)],
    nodes.Tuple: lambda node: ["list", _all(node.items)],
    nodes.Dict: _dict,
    **dict.fromkeys(_OPERATORS, _operation),
}
