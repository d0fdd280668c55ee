"""The messages of one call: those that stand in the code, and those that stay there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from promptctl.adoption.texts import Hole, Text, has_words, holes


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
