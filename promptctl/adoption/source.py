"""One Python file as a tree of syntax: parsed, with the parent, the block and the place of each node."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

from promptctl.adoption.found import Span
from promptctl.errors import Place

N = TypeVar("N", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Module)
_LINE_ENDS = re.compile("\r\n|\r|\n")
# What is evaluated exactly once, whenever the statement around it is.
_ONCE = (
    *(ast.Await, ast.Attribute, ast.Subscript, ast.Call, ast.keyword, ast.Starred, ast.Tuple, ast.List, ast.Dict),
    *(ast.FormattedValue, ast.JoinedStr, ast.withitem, ast.BinOp, ast.UnaryOp, ast.Yield, ast.YieldFrom),
)
_STATEMENTS = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr),
    *(ast.With, ast.AsyncWith, ast.For, ast.AsyncFor),
)


_LEAVES = frozenset((ast.Constant, ast.Name, ast.Load, ast.Store, ast.Add, ast.Pass, type(None), str))


class SourceFile:
    """A Python file. Raises `SyntaxError`, `ValueError`, `RecursionError` or `MemoryError` if it cannot be parsed."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.text = importlib.util.decode_source(data)
        self.tree = parse(self.text)
        self.calls: list[ast.Call] = []
        self.lists: list[ast.List] = []
        self.dicts: list[ast.Dict] = []
        self.classes: list[ast.ClassDef] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self._look_through()

    def _look_through(self) -> None:
        """Keep the nodes of the kinds that prompts begin at, in a fraction of the time of `ast.walk`."""
        kept: dict[type, list[Any]] = {
            ast.Call: self.calls, ast.List: self.lists, ast.Dict: self.dicts, ast.ClassDef: self.classes,
            ast.Import: self.imports, ast.ImportFrom: self.imports,
        }  # fmt: skip
        stack: list[Any] = [self.tree]
        while stack:
            node = stack.pop()
            kind = node.__class__
            if kind in _LEAVES:
                continue
            if (found := kept.get(kind)) is not None:
                found.append(node)
            for value in node.__dict__.values():
                if value.__class__ is list:
                    stack += value
                elif isinstance(value, ast.AST):
                    stack.append(value)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node that each node stands in."""
        found: dict[ast.AST, ast.AST] = {}
        stack: list[ast.AST] = [self.tree]
        while stack:
            node = stack.pop()
            for value in node.__dict__.values():
                if value.__class__ is list:
                    for each in value:
                        if isinstance(each, ast.AST):
                            found[each] = node
                            stack.append(each)
                elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                    found[value] = node
                    stack.append(value)
        return found

    @cached_property
    def _blocks(self) -> dict[ast.stmt, tuple[list[ast.stmt], int]]:
        """The list of statements that each statement is in, and its place there."""
        found: dict[ast.stmt, tuple[list[ast.stmt], int]] = {}
        blocks = [self.tree.body]
        while blocks:
            block = blocks.pop()
            for number, each in enumerate(block):
                found[each] = block, number
                inner = [getattr(each, name, None) for name in ("body", "orelse", "finalbody")]
                handlers = [one.body for one in (*getattr(each, "handlers", ()), *getattr(each, "cases", ()))]
                blocks += [one for one in (*inner, *handlers) if isinstance(one, list) and one]
        return found

    @cached_property
    def bases(self) -> frozenset[str]:
        """The names of the classes that those of the file inherit from."""
        return frozenset(last_name(base) for each in self.classes for base in each.bases)

    @cached_property
    def set_attributes(self) -> frozenset[str]:
        """The names of all attributes that the file gives a value, or deletes."""
        found = (each for each in ast.walk(self.tree) if isinstance(each, ast.Attribute))
        return frozenset(each.attr for each in found if not isinstance(each.ctx, ast.Load))

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return _LINE_ENDS.split(self.text)

    @cached_property
    def comments(self) -> frozenset[int]:
        """The lines on which a comment stands."""
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(self.text).readline))
        except (tokenize.TokenError, SyntaxError):
            return frozenset()
        return frozenset(each.start[0] for each in tokens if each.type == tokenize.COMMENT)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that the file uses for anything, so that a new one is none of them."""
        return frozenset(re.findall(r"[^\W\d]\w*", self.text))

    def place(self, node: ast.AST) -> Place:
        """Return the line of a node."""
        return Place(self.path, getattr(node, "lineno", 1))

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Return where a node stands."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return Span(
            node.lineno,
            self._column(node.lineno, node.col_offset),
            node.end_lineno,
            self._column(node.end_lineno, node.end_col_offset),
        )

    def _column(self, line: int, offset: int) -> int:
        text = self.lines[line - 1]
        return offset if text.isascii() else len(text.encode()[:offset].decode("utf-8", "replace"))

    def segment(self, node: ast.expr) -> str | None:
        """Return the source of an expression; None if it is not on one line of the file."""
        if node not in self.parents or node.lineno != node.end_lineno:
            return None
        span = self.span(node)
        return self.lines[span.line - 1][span.column : span.end_column]

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node stands in, the innermost first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def statement(self, node: ast.AST) -> ast.stmt:
        """Return the statement that a node is, or stands in."""
        return next(each for each in chain((node,), self.above(node)) if isinstance(each, ast.stmt))

    def scope(self, node: ast.AST) -> ast.AST:
        """Return the function, class, lambda or module that a node stands in."""
        return next(each for each in self.above(node) if isinstance(each, _SCOPES))

    def function(self, node: ast.AST) -> Function | None:
        """Return the function that a node stands in, if it stands in one."""
        return next((each for each in self.above(node) if isinstance(each, _FUNCTIONS)), None)

    def statement_at(self, line: int) -> ast.stmt | None:
        """Return the innermost statement that a line is part of."""
        found = [each for each in self._blocks if each.lineno <= line <= (each.end_lineno or 0)]
        return max(found, key=lambda each: each.lineno, default=None)

    def end_of_imports(self) -> int:
        """Return the last line of the docstring and the imports at the top of the file; 0 if it begins with neither."""
        end = 0
        for number, each in enumerate(self.tree.body):
            is_docstring = number == 0 and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            if not is_docstring and not _is_import(each):
                break
            end = each.end_lineno or end
        return end or self._start()

    def _start(self) -> int:
        """Return the line before the first statement and the comments above it; a file's own comments stay above."""
        if not self.tree.body:
            return len(self.lines)
        first = self.tree.body[0]
        decorators: list[ast.expr] = getattr(first, "decorator_list", [])
        start = min([first.lineno, *(each.lineno for each in decorators)]) - 1
        line = start
        while line and self.lines[line - 1].startswith("#"):
            line -= 1
        return line or start

    def owner(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class that a node's method belongs to, or that it stands in itself."""
        return next((each for each in self.above(node) if isinstance(each, ast.ClassDef)), None)

    def dominates(self, statement: ast.stmt, node: ast.AST) -> bool:
        """Return True if the statement has always been run when the node is reached, within one run of its block."""
        block, number = self._blocks[statement]
        for each in (node, *self.above(node)):
            if isinstance(each, ast.stmt) and each is not statement and self._blocks.get(each, (None, 0))[0] is block:
                return self._blocks[each][1] > number
            if isinstance(each, _SCOPES) and each is not node and self.scope(statement) is each:
                return False
        return False

    def loops(self, node: ast.AST) -> list[ast.AST]:
        """Return the loops of its own function that a node stands in."""
        found: list[ast.AST] = []
        for each in self.above(node):
            if isinstance(each, _SCOPES):
                break
            if isinstance(each, (*_LOOPS, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                found.append(each)
        return found

    def is_alone(self, statement: ast.stmt) -> bool:
        """Return True if a statement has its lines to itself, so that one can be put before it, or it can go."""
        block, number = self._blocks[statement]
        lines = self.lines[statement.lineno - 1 : statement.end_lineno]
        before = lines[0][: self.span(statement).column]
        after = lines[-1][self.span(statement).end_column :].strip()
        is_followed = (
            not isinstance(statement, _STATEMENTS[-4:]) and after not in ("", ";") and not after.startswith("#")
        )
        follows = number > 0 and block[number - 1].end_lineno == statement.lineno
        return not before.strip() and not is_followed and not follows

    def can_go(self, statements: Iterable[ast.stmt]) -> bool:
        """Return True if the statements can be removed: each block keeps another one."""
        gone = set(statements)
        blocks = {id(block): block for block, _ in map(self._blocks.__getitem__, gone)}
        return all(map(self.is_alone, gone)) and not any(gone.issuperset(each) for each in blocks.values())

    def anchor(self, node: ast.expr) -> ast.stmt | None:
        """Return the statement that evaluates an expression exactly once and can have one before it; None if none."""
        for each in self.above(node):
            if isinstance(each, ast.stmt):
                is_fit = isinstance(each, _STATEMENTS) and self.is_alone(each)
                return each if is_fit and not self._is_in_body(each, node) else None
            if not isinstance(each, _ONCE):
                return None
        return None

    def _is_in_body(self, statement: ast.stmt, node: ast.AST) -> bool:
        """Return True for a part of a compound statement that is not evaluated at once when it begins."""
        match statement:
            case ast.With([first, *_]) | ast.AsyncWith([first, *_]):
                return all(node is not each for each in ast.walk(first.context_expr))
            case ast.For(iter=begun) | ast.AsyncFor(iter=begun):
                return all(node is not each for each in ast.walk(begun))
        return False

    def following(self, statement: ast.stmt, node: ast.AST) -> list[ast.stmt]:
        """Return the statements of the same block after this one and before the one that the node stands in."""
        block, number = self._blocks[statement]
        for each in (node, *self.above(node)):
            if isinstance(each, ast.stmt) and self._blocks.get(each, (None, 0))[0] is block:
                return block[number + 1 : self._blocks[each][1]]
        return []

    def between(self, first: ast.stmt, last: ast.stmt) -> list[ast.stmt]:
        """Return the statements of a function that are run after the first and before the last, by their lines."""
        scope = self.scope(first)
        ends = first.end_lineno or first.lineno
        return [
            each
            for each in self._blocks
            if ends <= each.lineno < last.lineno
            and each is not first
            and self.scope(each) is scope
            and each is not last
        ]


def _is_import(node: ast.stmt) -> bool:
    """Return True for an import, or a block of imports."""
    if isinstance(node, ast.If | ast.Try):
        return all(_is_import(each) for each in node.body)
    return isinstance(node, ast.Import | ast.ImportFrom)


def last_name(node: ast.AST) -> str:
    """Return the last part of a dotted name: `b` of `a.b`; empty for any other expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def parse(text: str) -> ast.Module:
    """Return the tree of a module; an escape that Python will refuse one day is its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)
