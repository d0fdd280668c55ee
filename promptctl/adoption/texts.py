"""Texts of a program in pieces, with the expressions whose values are put in between; and a call's messages of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from promptctl.adoption.source import SourceFile

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)


class NotCertain(Exception):
    """Something that cannot be followed with certainty; the message says why, as a clause."""

    def __init__(self, why: str, node: ast.AST | None = None, hint: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.node = node
        self.hint = hint


@dataclass(frozen=True, slots=True, eq=False)
class Hole:
    """A value within a text: `code` is the Python expression of the text that it becomes, made of `value`.

    `is_bare` is True for the value itself, which is a text only if its program says so. `origin` is the statement that
    evaluates it now.
    """

    code: str
    value: ast.expr
    origin: ast.stmt
    is_bare: bool = False

    @property
    def key(self) -> object:
        """The same for values that need be given once."""
        return self.code if is_path(self.value) else self


@dataclass(frozen=True, slots=True, eq=False)
class TextChoice:
    """One of two texts, by a value that is true or not."""

    test: Hole
    then: str
    otherwise: str


TextPart = str | Hole | TextChoice
Text = tuple[TextPart, ...]


def joined(parts: Iterable[TextPart]) -> Text:
    """Return the parts with neighbouring texts as one, and without empty ones."""
    found: list[TextPart] = []
    for each in parts:
        if isinstance(each, str) and found and isinstance(found[-1], str):
            found[-1] += each
        elif each != "":
            found.append(each)
    return tuple(found)


def holes(text: Iterable[TextPart]) -> Iterator[Hole]:
    """Yield the values of a text, in their order."""
    for each in text:
        if isinstance(each, Hole):
            yield each
        elif isinstance(each, TextChoice):
            yield each.test


def plain_text(text: Text) -> str | None:
    """Return a text without values; None for any other."""
    return "" if not text else text[0] if len(text) == 1 and isinstance(text[0], str) else None


def has_words(text: Text) -> bool:
    """Return True if something of the text stands in the code."""
    return any(isinstance(each, TextChoice) or (isinstance(each, str) and each.strip()) for each in text)


def is_path(node: ast.expr) -> bool:
    """Return True for a name and what is found below it by constants: `user.name`, `row["id"]`."""
    if isinstance(node, ast.Attribute):
        return is_path(node.value)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and is_path(node.value)
    return isinstance(node, ast.Name)


def wish(node: ast.expr) -> str:
    """Return the name that an expression would have as an input: `user_name` for `user["name"]`, `ticket.strip()`'s
    is `ticket`."""
    if isinstance(node, ast.Name):
        found = node.id
    elif isinstance(node, ast.Attribute):
        owner = "" if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") else wish(node.value)
        found = f"{owner}_{node.attr.strip('_')}" if owner and owner != "value" else node.attr
    elif isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        owner = wish(node.value)
        if isinstance(key, str | int) and owner != "value":
            found = f"{owner}_{key}"
        else:
            found = key if isinstance(key, str) else owner
    elif isinstance(node, ast.Call):
        found = _wish_of_call(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = node.value
    elif isinstance(node, ast.ListComp | ast.GeneratorExp):
        found = wish(node.generators[0].iter)
    elif isinstance(node, ast.Await | ast.FormattedValue | ast.Starred):
        found = wish(node.value)
    else:
        first = next((each for each in ast.walk(node) if isinstance(each, ast.Name)), None)
        found = first.id if first is not None else "value"
    found = found.strip("_") or "value"
    return found if _WORD.match(found) else "value"


def _wish_of_call(node: ast.Call) -> str:
    """Return the name of what a call is about: `", ".join(tags)` is `tags`, `get_name()` is `name`.

    `row.get("id")` is as `row["id"]`, and `getenv("LANG")` is `LANG`.
    """
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value
        if node.func.attr == "get" and node.args and isinstance(node.args[0], ast.Constant):
            return wish(ast.Subscript(owner, node.args[0]))
        if node.func.attr != "join" and not isinstance(owner, ast.Constant | ast.JoinedStr):
            is_module = isinstance(owner, ast.Name) and bool(node.args)
            return wish(node.args[0]) if is_module else wish(owner)
    if node.args:
        return wish(node.args[0])
    name = node.func.id if isinstance(node.func, ast.Name) else "value"
    return re.sub(r"\A(?:get|load|read|fetch|build|make|render|format)_", "", name)


def code_of(node: ast.expr, file: SourceFile) -> str:
    """Return an expression as code on one line, as it is written if that says the same."""
    segment = file.segment(node)
    if segment is not None:
        try:
            if ast.dump(ast.parse(segment, mode="eval").body) == ast.dump(node):
                return segment
        except (SyntaxError, ValueError):
            pass
    return ast.unparse(node)


def formatted(value: ast.expr, conversion: int = -1, spec: str = "") -> str:
    """Return the code of a value as an f-string makes it a text."""
    spec_node = ast.JoinedStr([ast.Constant(spec)]) if spec else None
    node = ast.JoinedStr([ast.FormattedValue(value, conversion, spec_node)])
    try:
        code = ast.unparse(node)
        return code.replace("'", '"', 2) if code.count("'") == 2 and '"' not in code else code
    except ValueError:  # an f-string of Python 3.11 cannot hold every expression
        value_code = ast.unparse(value)
        inner = {115: f"str({value_code})", 114: f"repr({value_code})", 97: f"ascii({value_code})"}.get(
            conversion, value_code
        )
        return f"format({inner}, {spec!r})" if spec else f"format({inner})"


@dataclass(frozen=True, slots=True, eq=False)
class CodeMessage:
    """A message that stands in the code, at `site`. `content` is a text, or plain data with texts in it.

    `part` is what of the rendered message stands at the site: nothing for all of it, `["content"]`.
    """

    role: str
    content: Any
    site: ast.expr
    part: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class KeptMessages:
    """Messages that stay in the code: `name` is a wish for the placeholder, `why` says why if words stand in them."""

    name: str
    node: ast.AST
    why: str | None = None
    hint: str | None = None


Entry = CodeMessage | KeptMessages


@dataclass(slots=True)
class MessageList:
    """The messages of one call in their order. `whole` is the one list that they all stand in, if it is one."""

    entries: list[Entry]
    whole: ast.expr | None = None

    @property
    def of_code(self) -> list[CodeMessage]:
        """The messages that stand in the code."""
        return [each for each in self.entries if isinstance(each, CodeMessage)]

    @property
    def is_whole(self) -> bool:
        """True if nothing else is in it."""
        inside = self.whole.elts if isinstance(self.whole, ast.List | ast.Tuple) else [self.whole]
        return all(isinstance(each, CodeMessage) and not each.part and each.site in inside for each in self.entries)


def texts_of(content: Any) -> Iterator[Text]:
    """Yield the texts of a content, in their order."""
    if isinstance(content, tuple):
        yield content
    elif isinstance(content, list | dict):
        for each in content.values() if isinstance(content, dict) else content:
            yield from texts_of(each)


def holes_in(content: Any) -> Iterator[Hole]:
    """Yield the values within a content, in their order."""
    for text in texts_of(content):
        yield from holes(text)


def says_something(message: CodeMessage) -> bool:
    """Return True if words of the message stand in the code."""
    content = message.content
    texts = (
        [content]
        if isinstance(content, tuple)
        else [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), tuple)]
    )
    return any(map(has_words, texts))
