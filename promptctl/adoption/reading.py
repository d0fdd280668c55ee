"""Expressions of Python read as texts: literals, f-strings, sums, formats, and names that stand for them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from promptctl.adoption.expressions import dotted, is_loud
from promptctl.adoption.fields import braces, dollars, is_plain_environment, jinja, percent
from promptctl.adoption.names import Definition, FollowedNames
from promptctl.adoption.source import SourceFile
from promptctl.adoption.texts import (
    Hole,
    NotCertain,
    Text,
    TextChoice,
    TextPart,
    code_of,
    formatted,
    has_words,
    holes,
    joined,
    plain_text,
)

_MOST_STEPS = 3_000
_MAX_DEPTH = 60
_MOST_TIMES = 10_000
_STRIPS = ("strip", "lstrip", "rstrip")
_PLAIN_METHODS = (*_STRIPS, "upper", "lower", "title", "capitalize", "removeprefix", "removesuffix", "replace")
_DEDENTS: dict[str, Callable[[str], str]] = {
    "textwrap.dedent": textwrap.dedent,
    "dedent": textwrap.dedent,
    "inspect.cleandoc": inspect.cleandoc,
    "cleandoc": inspect.cleandoc,
}
_TEMPLATES = ("Template", "string.Template")
_JINJA = ("jinja2.Template", "Template")


class TextReader:
    """Reads the texts of one file, and keeps which definitions it followed on the way.

    Variables that are `left_out` are not followed.
    """

    def __init__(self, file: SourceFile, names: FollowedNames, left_out: Collection[str] = ()) -> None:
        self._file = file
        self._names = names
        self.left_out = left_out
        self._at: list[tuple[SourceFile, ast.stmt]] = []
        self.definitions: list[tuple[Definition, ast.expr]] = []
        self._steps = 0

    def text(self, node: ast.expr) -> Text:
        """Return what an expression of the file makes, in pieces. Raises `NotCertain` for what makes no text."""
        self._steps = 0
        with self._in(self._file, self._file.statement(node)):
            return self._text(node)

    def bare(self, node: ast.expr) -> Text:
        """Return an expression as the value that it is, followed no further."""
        with self._in(self._file, self._file.statement(node)):
            return self._bare(node)

    def constant(self, node: ast.expr) -> Any:
        """Return the value of a literal, or of a name that stands for one. Raises `NotCertain`."""
        try:
            return ast.literal_eval(self._resolved(node, 0))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise NotCertain("it is no literal", node) from None

    def _resolved(self, node: ast.expr, depth: int) -> ast.expr:
        """Return a literal in which names stand for the literals that they name."""
        if depth > _MAX_DEPTH:
            raise NotCertain("it is nested too deeply", node)
        if isinstance(node, ast.Name | ast.Attribute):
            found = self._names.follow(self._file, node)
            if found is not None and len(found.values) == 1 and found.file is self._file:
                return self._resolved(found.values[0], depth + 1)
            if found is not None and len(found.values) == 1 and isinstance(found.values[0], ast.Constant):
                return found.values[0]
        if isinstance(node, ast.Dict):
            keys = [key and self._resolved(key, depth + 1) for key in node.keys]
            return ast.Dict(keys, [self._resolved(each, depth + 1) for each in node.values])
        if isinstance(node, ast.List | ast.Tuple):
            return ast.List([self._resolved(each, depth + 1) for each in node.elts], ast.Load())
        return node

    @contextmanager
    def _in(self, file: SourceFile, statement: ast.stmt) -> Iterator[None]:
        if len(self._at) > _MAX_DEPTH:
            raise NotCertain("it is nested too deeply")
        self._at.append((file, statement))
        try:
            yield
        finally:
            self._at.pop()

    def _text(self, node: ast.expr) -> Text:
        self._steps += 1  # names that say a text twice, again and again, double it each time
        if self._steps > _MOST_STEPS:
            raise NotCertain("it is put together in too many steps", node)
        followed = len(self.definitions)
        text = self._read(node)
        if len(text) == 1 and isinstance(text[0], Hole) and text[0].value is node:
            del self.definitions[followed:]  # the value itself is given, whatever was seen of it
        return text

    def _read(self, node: ast.expr) -> Text:
        match node:
            case ast.Constant(value=str(value)):
                return (value,) if value else ()
            case ast.JoinedStr():
                return joined(part for each in node.values for part in self._of_f_string(each))
            case ast.BinOp(op=ast.Add()):
                return self._sum(node)
            case ast.BinOp(op=ast.Mod()):
                template = plain_text(self._text(node.left))
                return self._bare(node) if template is None else percent(template, node.right, self._hole)
            case ast.BinOp(op=ast.Mult()):
                return self._times(node)
            case ast.IfExp():
                return self._choice(node)
            case ast.Call():
                return self._call(node)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._followed(node)
        return self._bare(node)

    def _bare(self, node: ast.expr) -> Text:
        file, statement = self._at[-1]
        return (Hole(code_of(node, file), node, statement, is_bare=True),)

    def _hole(self, value: ast.expr, code: str) -> Hole:
        return Hole(code, value, self._at[-1][1])

    def _of_f_string(self, node: ast.expr) -> Text:
        if isinstance(node, ast.Constant):
            return (str(node.value),)
        assert isinstance(node, ast.FormattedValue)
        spec = ""
        if isinstance(node.format_spec, ast.JoinedStr):
            parts = [each.value for each in node.format_spec.values if isinstance(each, ast.Constant)]
            if len(parts) != len(node.format_spec.values):
                return (self._hole(ast.JoinedStr([node]), ast.unparse(ast.JoinedStr([node]))),)
            spec = "".join(map(str, parts))
        value = self._number(node.value)
        if value is not None:
            shown = {115: str(value), 114: repr(value), 97: ascii(value)}.get(node.conversion, value)
            return (format(shown, spec),)
        if node.conversion == -1 and not spec:
            followed = len(self.definitions)
            found = self._text(node.value)
            if not (len(found) == 1 and isinstance(found[0], Hole)):
                return found  # it is a text, which an f-string takes as it is
            del self.definitions[followed:]
        return (self._hole(node.value, formatted(node.value, node.conversion, spec)),)

    def _number(self, node: ast.expr) -> int | float | None:
        """Return the number that a name always stands for; None for anything else."""
        found = self._follow(node)
        made = found.values[0] if found is not None and found.kind == "constant" and len(found.values) == 1 else None
        value = made.value if isinstance(made, ast.Constant) else None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _sum(self, node: ast.BinOp) -> Text:
        terms: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
            terms.append(left.right)
            left = left.left
        found = [self._text(each) for each in (left, *reversed(terms))]
        if not any(_is_text(each) for each in found):
            return self._bare(node)
        return joined(part for each in found for part in each)

    def _times(self, node: ast.BinOp) -> Text:
        left, count = node.left, node.right
        is_number = isinstance(left, ast.Constant) and not isinstance(left.value, str)
        text = None if is_number else plain_text(self._text(left))
        times = count.value if isinstance(count, ast.Constant) else None
        if text is None or type(times) is not int or times * len(text) > _MOST_TIMES:
            return self._bare(node)
        return joined([text * times])

    def _choice(self, node: ast.IfExp) -> Text:
        then, otherwise = plain_text(self._text(node.body)), plain_text(self._text(node.orelse))
        if then is None or otherwise is None:
            return self._bare(node)
        file, statement = self._at[-1]
        return (TextChoice(Hole(f"bool({code_of(node.test, file)})", node.test, statement), then, otherwise),)

    def _followed(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Text:
        found = self._follow(node)
        if found is None or (found.kind == "local" and found.name in self.left_out):
            return self._bare(node)
        parts: list[TextPart] = []
        for value, statement in zip(found.values, found.statements, strict=True):
            if isinstance(value, ast.Constant) and not isinstance(value.value, str):
                return self._bare(node)
            with self._in(found.file, statement):
                parts += self._text(value)
        text = joined(parts)
        if found.kind == "constant" and any(not isinstance(each, str) for each in text):
            return self._bare(node)  # it was made once, of values of that time
        if len(found.values) == 1 and len(text) == 1 and isinstance(text[0], Hole) and text[0].is_bare:
            return self._bare(node)
        self.definitions.append((found, node.value if isinstance(node, ast.Subscript) else node))
        return text

    def _call(self, node: ast.Call) -> Text:
        name = dotted(node.func) or ""
        if name in _DEDENTS and len(node.args) == 1 and not node.keywords:
            text = plain_text(self._text(node.args[0]))
            return self._bare(node) if text is None else joined([_DEDENTS[name](text)])
        if name == "str" and len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.expr):
            return (self._hole(node.args[0], code_of(node, self._at[-1][0])),)
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func.value, node.func.attr)
        return self._bare(node)

    def _method(self, node: ast.Call, owner: ast.expr, name: str) -> Text:
        if name in ("substitute", "safe_substitute", "render"):
            return self._template(node, owner, name)
        if name not in ("format", "format_map", "join", *_PLAIN_METHODS):
            return self._bare(node)
        if isinstance(owner, ast.Constant) and not isinstance(owner.value, str):
            return self._bare(node)
        text = self._text(owner)
        if name in _STRIPS and not node.args and not node.keywords and has_words(text):
            return self._stripped(node, text, name)
        plain = plain_text(text)
        if plain is None:
            return self._bare(node)
        if name in ("format", "format_map"):
            args, values, whole = self._arguments(node, is_map=name == "format_map")
            return braces(plain, args, values, whole, self._hole, node)
        if name == "join":
            return self._joined(node, plain)
        if name == "replace" and len(node.args) == 2 and not node.keywords:
            return self._replaced(node, plain)
        try:
            given = [ast.literal_eval(each) for each in node.args]
            return joined([getattr(plain, name)(*given)]) if not node.keywords else self._bare(node)
        except (ValueError, TypeError):
            return self._bare(node)

    def _replaced(self, node: ast.Call, plain: str) -> Text:
        """Return `text.replace(old, new)` in pieces, of a text without values."""
        old, new = plain_text(self._text(node.args[0])), self._text(node.args[1])
        if not old:
            return self._bare(node)
        first, *rest = plain.split(old)
        again = len(rest) != 1 and any(is_loud(each.value) for each in holes(new))
        return self._bare(node) if again else joined([first, *(part for each in rest for part in (*new, each))])

    def _joined(self, node: ast.Call, glue: str) -> Text:
        items = node.args[0] if len(node.args) == 1 else None
        if not isinstance(items, ast.List | ast.Tuple) or any(isinstance(each, ast.Starred) for each in items.elts):
            return self._bare(node)
        parts: list[TextPart] = []
        for number, each in enumerate(items.elts):
            parts += [glue] if number else []
            parts += self._text(each)
        return joined(parts)

    def _stripped(self, node: ast.Call, text: Text, name: str) -> Text:
        parts = list(text)
        for end, strip, other in ((0, str.lstrip, "rstrip"), (-1, str.rstrip, "lstrip")):
            if name == other:
                continue
            part = parts[end]
            if not isinstance(part, str) or not part.strip():
                raise NotCertain(f"`.{name}()` of a text that begins or ends with a value", node)
            parts[end] = strip(part)
        return joined(parts)

    def _template(self, node: ast.Call, owner: ast.expr, name: str) -> Text:
        """Return what `Template(…).substitute(…)` or `.render(…)` makes, also of a template that a name stands for."""
        found = self._follow(owner) if isinstance(owner, ast.Name | ast.Attribute) else None
        made = found.values[0] if found is not None and len(found.values) == 1 else owner
        if not isinstance(made, ast.Call) or made.keywords or len(made.args) != 1:
            return self._bare(node)
        kind = dotted(made.func) or ""
        is_string = name != "render" and kind in _TEMPLATES
        with self._in(*((found.file, found.statements[0]) if found is not None else self._at[-1])):
            is_jinja = name == "render" and (kind in _JINJA or self._is_of_plain_environment(made.func))
            if not is_string and not is_jinja:
                return self._bare(node)
            template = plain_text(self._text(made.args[0]))
        if template is None:
            return self._bare(node)
        args, values, whole = self._arguments(node, is_map=False)
        if len(args) > 1 or (args and whole is not None):
            raise NotCertain("the values of the template are given in several mappings", node)
        if (args and isinstance(args[0], ast.Dict)) or (is_jinja and (args or whole is not None)):
            raise NotCertain("the values of the template are given as a mapping", node, "give them as name=value")
        if found is not None:
            self.definitions.append((found, owner))
        if is_jinja:
            return jinja(template, values, self._hole, node)
        whole = self._mapping(args[0], node) if args else whole
        return dollars(template, values, whole, self._hole, node, is_safe=name == "safe_substitute")

    def _is_of_plain_environment(self, called: ast.expr) -> bool:
        """Return True for `from_string` of an environment of Jinja that prints values as `jinja2.Template` does."""
        if not isinstance(called, ast.Attribute) or called.attr != "from_string":
            return False
        found = self._follow(called.value)
        return is_plain_environment(found.values[0] if found and len(found.values) == 1 else called.value)

    def _arguments(
        self, node: ast.Call, *, is_map: bool
    ) -> tuple[list[ast.expr], dict[str, ast.expr], ast.expr | None]:
        """Return the arguments of a call by place and by name, and the mapping that it takes apart."""
        if is_map:
            return [], {}, self._mapping(node.args[0] if node.args else None, node)
        if any(isinstance(each, ast.Starred) for each in node.args):
            raise NotCertain("its values are taken from a list by `*`", node)
        wholes = [each.value for each in node.keywords if each.arg is None]
        if len(wholes) > 1:
            raise NotCertain("its values are taken from several mappings by `**`", node)
        whole = self._mapping(wholes[0], node) if wholes else None
        return list(node.args), {each.arg: each.value for each in node.keywords if each.arg is not None}, whole

    def _mapping(self, node: ast.expr | None, call: ast.Call) -> ast.expr:
        is_locals = isinstance(node, ast.Call) and dotted(node.func) == "locals" and not node.args
        if node is None or not (isinstance(node, ast.Name) or is_locals):
            raise NotCertain("its values are taken from a mapping that an expression makes", call)
        return node

    def _follow(self, node: ast.expr) -> Definition | None:
        """Return what a name of the file that is read now stands for; None if that is uncertain, or it is made up."""
        file, _ = self._at[-1]
        return self._names.follow(file, node) if node in file.parents else None


def _is_text(text: Text) -> bool:
    """Return True if this is certainly a text, not a number or a list."""
    return not (len(text) == 1 and isinstance(text[0], Hole) and text[0].is_bare)
