"""Guard of a template's syntax tree: it refuses what has no place in a prompt, and puts the account's calls in.

After `guard`, nothing of the tree can be worked out ahead (Jinja folds `"a" * 10**9` while it compiles): each value
printed, compared, sliced, joined or looped over goes through a function of the sandbox that knows the render's budget.
"""

from __future__ import annotations

import math
from typing import Any, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from promptctl.files.wording import clip
from promptctl.templates import BadTemplate
from promptctl.templates.filters import FILTERS, REFUSED, TESTS
from promptctl.templates.limits import MAX_INTEGER_BITS
from promptctl.templates.values import meant

MAX_DEPTH = 80
MAX_LOOPS = 12
MAX_INCLUDES = 32

# A branch with more literal text than this is charged by itself, not with the loop around it.
_LONG_TEXT = 200
_STEP = 16
_NODE = 4

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.Assign, nodes.AssignBlock, nodes.For, nodes.If, nodes.Macro, nodes.CallBlock,
    nodes.FilterBlock, nodes.With, nodes.Include, nodes.Scope,
    nodes.Name, nodes.NSRef, nodes.Const, nodes.TemplateData, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair,
    nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice,
    nodes.Concat, nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr,
)  # fmt: skip
_REFUSED: dict[tuple[type[nodes.Node], ...], str] = {
    (nodes.Extends, nodes.Block, nodes.Import, nodes.FromImport): (
        "a prompt's template has no extends, block or import: {% include %} brings in another file"
    ),
    (nodes.EvalContextModifier,): "a prompt's template has no autoescape; the `escape` filter escapes a value",
}


def check(tree: nodes.Template) -> None:
    """Refuse all that a prompt's template may not hold. Raises `BadTemplate`."""
    includes = 0
    stack: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while stack:
        node, depth, loops = stack.pop()
        _check_node(node)
        loops += isinstance(node, (nodes.For, nodes.Macro, nodes.CallBlock))
        includes += isinstance(node, nodes.Include)
        if depth > MAX_DEPTH or loops > MAX_LOOPS:
            raise BadTemplate("the template is nested too deeply; name a part of it with `set` first", node.lineno)
        if includes > MAX_INCLUDES:
            raise BadTemplate(f"one template includes at most {MAX_INCLUDES} others", node.lineno)
        stack.extend((child, depth + 1, loops) for child in node.iter_child_nodes())


def _check_node(node: nodes.Node) -> None:
    if isinstance(node, nodes.Include):
        _check_include(node)
    elif isinstance(node, nodes.Filter):
        _check_name(node, "filter", FILTERS)
    elif isinstance(node, nodes.Test):
        _check_name(node, "test", TESTS)
    elif isinstance(node, nodes.Const):
        if isinstance(node.value, int) and node.value.bit_length() > MAX_INTEGER_BITS:
            raise BadTemplate("a whole number has more than a thousand digits", node.lineno)
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise BadTemplate("a number is too large", node.lineno)
    elif not isinstance(node, _ALLOWED):
        what = next((words for types, words in _REFUSED.items() if isinstance(node, types)), None)
        raise BadTemplate(what or f"a prompt's template cannot hold this ({type(node).__name__})", node.lineno)


def _check_include(node: nodes.Include) -> None:
    if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
        # So that the whole content of a prompt is known without running it.
        message = 'an include names one file, as literal text: {% include "support/tone.j2" %}'
        raise BadTemplate(message, node.lineno)
    if node.ignore_missing or not node.with_context:
        words = "ignore missing" if node.ignore_missing else "without context"
        message = f"an include here has no `{words}`: each file must be there, and sees all variables"
        raise BadTemplate(message, node.lineno)


def _check_name(node: nodes.Filter | nodes.Test, what: str, known: dict[str, Any]) -> None:
    if node.name in known:
        return
    reason = REFUSED.get(node.name) if what == "filter" else None
    if reason:
        raise BadTemplate(f"prompts have no filter `{node.name}`: {reason}", node.lineno)
    raise BadTemplate(f"there is no {what} `{node.name}`{meant(node.name, known)}", node.lineno)


def guard(tree: nodes.Template) -> nodes.Template:
    """Return the same template with the account's calls in it. `tree` has been checked, and is changed in place."""
    return cast("nodes.Template", _Guard().visit(tree))


class _Guard(NodeTransformer):
    def visit_Template(self, node: nodes.Node) -> nodes.Node:  # noqa: N802 (names of the visitor's protocol)
        """Put a charge for one run of these statements before them; for the branches of an `if` if they are long."""
        weights = {field: _weight(getattr(node, field)) for field in node.fields if field in ("body", "else_")}
        self.generic_visit(node)
        for field, (text, size) in weights.items():
            body: list[nodes.Node] = getattr(node, field)
            is_repeated = field == "body" and not isinstance(node, nodes.If)
            if is_repeated or text > _LONG_TEXT:
                cost = nodes.Const(_STEP + _NODE * size + 4 * text, lineno=node.lineno)
                body.insert(0, _statement(_call("charge", cost)))
        return node

    visit_If = visit_Macro = visit_CallBlock = visit_Template  # noqa: N815

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        label = describe(node.iter)
        self.visit_Template(node)
        node.iter = _call("iterate", node.iter, nodes.Const(label))
        if node.test is not None:
            node.test = nodes.And(_call("charge", nodes.Const(_STEP)), node.test, lineno=node.lineno)
        return node

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:  # noqa: N802
        label = f"filter {node.filter.name}"
        self.generic_visit(node)
        node.filter = _call("print", node.filter, nodes.Const(label))
        return node

    def visit_Include(self, node: nodes.Include) -> list[nodes.Node]:  # noqa: N802
        nothing = nodes.Const(None, lineno=node.lineno)
        return [_statement(_call("enter", nothing)), node, _statement(_call("leave", nothing))]

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        node.nodes = [child if isinstance(child, nodes.TemplateData) else self._printed(child) for child in node.nodes]
        return node

    def _printed(self, node: nodes.Expr) -> nodes.Expr:
        label = describe(node)
        return _call("print", self.visit(node), nodes.Const(label))

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _call("join", node.nodes[0], *node.nodes[1:])

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        is_instant = _is_instant(node)
        self.generic_visit(node)
        return node if is_instant else _call("time", node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        part = node.arg
        if not isinstance(part, nodes.Slice):
            return node
        return _call("slice", node.node, *(bound or nodes.Const(None) for bound in (part.start, part.stop, part.step)))

    def visit_List(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> nodes.Node:  # noqa: N802
        is_literal = all(isinstance(part, (nodes.Const, nodes.Pair)) for part in node.find_all(nodes.Node))
        is_target = isinstance(node, nodes.Tuple) and node.ctx != "load"
        self.generic_visit(node)
        return node if is_literal or is_target else _call("weigh", node)

    visit_Tuple = visit_Dict = visit_List  # noqa: N815


def _weight(body: list[nodes.Node]) -> tuple[int, int]:
    """Return how much literal text one run of these statements may print, and how many nodes it may pass."""
    text = size = 0
    stack = list(body)
    while stack:
        node = stack.pop()
        size += 1
        if isinstance(node, nodes.TemplateData):
            text += len(node.data)
        elif isinstance(node, nodes.If):
            for branch in (node.body, node.else_):
                inner, passed = _weight(branch)
                text += inner if inner <= _LONG_TEXT else 0
                size += passed
            stack.extend([node.test, *node.elif_])
        elif not isinstance(node, (nodes.Macro, nodes.CallBlock)):
            stack.extend(node.iter_child_nodes(exclude=("body",) if isinstance(node, nodes.For) else None))
    return text, size


def _is_instant(node: nodes.Compare) -> bool:
    """Return true if a literal bounds the time of the comparison."""
    first = node.ops[0]
    is_bound = any(isinstance(each, nodes.Const) for each in (node.expr, first.expr))
    return is_bound and len(node.ops) == 1 and first.op not in ("in", "notin")


def _call(name: str, value: Any, *args: nodes.Expr) -> nodes.Filter:
    """Return a call of the account, a filter whose name no template can write."""
    return nodes.Filter(value, f" {name}", list(args), [], None, None, lineno=getattr(value, "lineno", 1))


def _statement(call: nodes.Filter) -> nodes.ExprStmt:
    return nodes.ExprStmt(call, lineno=call.lineno)


def describe(node: nodes.Node) -> str:
    """Return an expression as its author wrote it, or nearly, and short."""
    return clip(_describe(node), 60)


def _describe(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_describe(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{_describe(node.node)}[{repr(node.arg.value) if isinstance(node.arg, nodes.Const) else '…'}]"
    if isinstance(node, nodes.Call):
        return f"{_describe(node.node)}(…)" if node.args or node.kwargs else f"{_describe(node.node)}()"
    if isinstance(node, nodes.Filter) and node.node is not None:
        return f"{_describe(node.node)} | {node.name}"
    return "this expression"
