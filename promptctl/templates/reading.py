"""Facts about a template that need no rendering: its includes, its faults of syntax.

Jinja2 is imported by the functions that need it, so that text with no template in it costs nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from promptctl.templates import BadTemplate

if TYPE_CHECKING:
    from promptctl.templates.environment import PromptEnvironment

# Tags that name another template. Text without any of them has no includes, and needs no parser to know it.
_NAMES_A_TEMPLATE = re.compile(r"\{%[-+]?\s*(?:include|extends|import|from|block)\b")

_OPENING = re.compile(r"\{[{%#]")
# Atomic groups, not `*+`: the first releases of Python 3.11 fail to match with it in a group.
_TEXTS = r"\"(?>(?:[^\"\\]|\\.)*)\"|'(?>(?:[^'\\]|\\.)*)'"
_ELEMENTS = {
    "{#": re.compile(r"\{#(?>(?:[^#]|#(?!\}))*)#\}"),
    "{{": re.compile(rf"\{{\{{(?>(?:[^\"'{{}}]|{_TEXTS}|\}}(?!\}}))*)\}}\}}", re.DOTALL),
    "{%": re.compile(rf"\{{%[-+]?\s*(\w+)((?>(?:[^\"'{{}}%]|{_TEXTS}|%(?!\}}))*))%\}}", re.DOTALL),
}
_LITERAL = re.compile(r"\s+(?:\"([^\"\\\n]+)\"|'([^'\\\n]+)')\s*[-+]?")
# Tags after which other rules hold, or that only the parser should judge.
_NOT_QUICK = frozenset(("block", "extends", "from", "import", "raw"))

# The markup of most templates. A text with no other is known without the parser.
_VARIABLE = re.compile(r"(?<!\{)\{\{\s*([A-Za-z_]\w{0,99})\s*\}\}", re.ASCII)
_MOST_PIECES = 2001
# Words that are no variable of the inputs even alone between braces.
_WORDS = frozenset(
    ("True", "False", "None", "true", "false", "none", "and", "or", "not", "is", "in", "if", "else", "self", "super",
     "caller", "loop", "range", "dict", "namespace")
)  # fmt: skip


_Fact = TypeVar("_Fact")
# Facts of texts take about a hundred bytes for each name in them.
_MOST_KEPT = 100_000


def _kept(find: Callable[[str], _Fact]) -> Callable[[str], _Fact]:
    """Return the function with its latest results kept, its errors too: many prompts include the same partials."""
    kept: dict[bytes, _Fact | BadTemplate] = {}
    size = 0

    @wraps(find)
    def found(text: str) -> _Fact:
        nonlocal size
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        fact = kept.get(key)
        if fact is None:
            try:
                fact = find(text)
            except BadTemplate as error:
                fact = copy(error)
            if size > _MOST_KEPT:
                kept.clear()
                size = 0
            kept[key] = fact
            size += 4 + (len(fact) if isinstance(fact, list) else 0)
        if isinstance(fact, BadTemplate):
            raise copy(fact)
        return fact

    return found


def split_markup(text: str, kinds: str = "{%#") -> list[str]:
    """Return the text in parts: by turns plain text and a thing that a template engine acts on, plain ones at the ends.

    `kinds` are the second characters of what opens one. Each kind of end is looked for once beyond the last there is.
    """
    parts, start, at, kinds_left = [], 0, 0, set(kinds)
    while (found := _OPENING.search(text, at)) is not None:
        kind, at = found[0][1], found.start() + 1
        if kind not in kinds_left:
            continue
        end = text.find("}}" if kind == "{" else f"{kind}}}", at + 1)
        if end < 0:
            kinds_left.discard(kind)
            continue
        parts += [text[start : found.start()], text[found.start() : end + 2]]
        start = at = end + 2
    return [*parts, text[start:]]


def has_markup(text: str) -> bool:
    """Return true if the text holds anything for a template engine to do."""
    return "{{" in text or "{%" in text or "{#" in text


def plain_pieces(text: str) -> list[str] | None:
    """Return the text cut at its variables if `{{ name }}` is its only markup: text, name, text, …; else None.

    >>> plain_pieces("Hi {{ who }}!")
    ['Hi ', 'who', '!']
    """
    pieces = _VARIABLE.split(text)
    if len(pieces) > _MOST_PIECES or "\r" in text or not _WORDS.isdisjoint(pieces[1::2]):
        return None
    return None if any(map(has_markup, pieces[::2])) else pieces


def includes(text: str) -> list[tuple[str, int]]:
    """Return the names this template includes, as written, each with its line; in reading order, repeats kept.

    Raises `BadTemplate` if the parser is needed and refuses the text, and if a template is named by anything but a
    literal (or by `extends`, `import`, `from`, `block`): the parts of a prompt must be known without running it.

    >>> includes('Be kind.' + chr(10) + '{% include "support/tone.j2" %}')
    [('support/tone.j2', 2)]
    """
    if not _NAMES_A_TEMPLATE.search(text):
        return []
    found = quick_includes(text)
    return parsed_includes(text) if found is None else found


def quick_includes(text: str) -> list[tuple[str, int]] | None:
    """Return what `includes` returns, without the parser, if the template is plain, as nearly all are; else None.

    Finding the versions of a long history reads tens of thousands of templates, and parsing would take most of it.
    """
    found: list[tuple[str, int]] = []
    line, counted = 1, 0
    opening = _OPENING.search(text)
    while opening:
        element = _ELEMENTS[opening[0]].match(text, opening.start())
        if element is None:
            return None
        if opening[0] == "{%":
            if element[1] in _NOT_QUICK:
                return None
            if element[1] == "include":
                literal = _LITERAL.fullmatch(element[2])
                if literal is None:
                    return None
                line += text.count("\n", counted, element.start())
                counted = element.start()
                found.append((literal[1] or literal[2], line))
        opening = _OPENING.search(text, element.end())
    return found


@_kept
def parsed_includes(text: str) -> list[tuple[str, int]]:
    """Return what `includes` returns, always by the parser."""
    from jinja2 import nodes

    found = [
        (str(node.template.value), node.lineno)
        for node in _environment().parse_text(text).find_all(nodes.Include)
        if isinstance(node.template, nodes.Const)
    ]
    return sorted(found, key=lambda include: include[1])


def check_syntax(text: str) -> tuple[str, int, str] | None:
    """Return the fault of this template, its line and what to do; None if it can be rendered."""
    try:
        if has_markup(text):
            _check(text)
    except BadTemplate as error:
        return error.message, error.line, error.hint
    return None


@_kept
def _check(text: str) -> bool:
    """Return True if a template compiles. Raises `BadTemplate` if not."""
    if plain_pieces(text) is None:
        _environment().compile_text(text)
    return True


def _environment() -> PromptEnvironment:
    from promptctl.templates.environment import PromptEnvironment

    return PromptEnvironment()
