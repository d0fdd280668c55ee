"""The tags of a Mustache template, and the text between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_TAGS = 10_000
_DELIMITERS = re.compile(r"=\s*([^\s=]{1,20})\s+([^\s=]{1,20})\s*=")


class BadMustache(Exception):
    """A template that cannot be read, or pieces that Mustache cannot say; `line` counts from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class MustacheTag:
    """A tag by its sign (empty for a variable) and its name, or a text, whose sign is `text`."""

    sign: str
    name: str
    line: int


def tags_of(text: str) -> list[MustacheTag]:
    """Return texts and tags, with the white space of lines that hold nothing but one tag left out."""
    found: list[tuple[MustacheTag, int, int]] = []
    opening, closing, at, line = "{{", "}}", 0, 1
    while (start := text.find(opening, at)) >= 0:
        line += text.count("\n", at, start)
        if len(found) >= _MOST_TAGS:
            raise BadMustache(f"the template has more than {_MOST_TAGS:,} tags", line)
        inner = start + len(opening)
        sign = text[inner : inner + 1]
        end_mark = {"{": "}" + closing, "=": "=" + closing}.get(sign, closing)
        end = text.find(end_mark, inner)
        if end < 0:
            raise BadMustache("a tag has no end", line)
        name = text[inner:end]
        if sign == "=":
            marks = _DELIMITERS.fullmatch(name + "=")
            if marks is None:
                raise BadMustache("a change of delimiters names none", line)
            opening, closing = marks[1], marks[2]
        sign = sign if sign in "#^/!>&{=" else ""
        found.append((MustacheTag(sign, name.removeprefix(sign).strip(), line), start, end + len(end_mark)))
        line += text.count("\n", start, end)
        at = end + len(end_mark)
    return _without_lonely_lines(text, found)


def _without_lonely_lines(text: str, found: Sequence[tuple[MustacheTag, int, int]]) -> list[MustacheTag]:
    tags: list[MustacheTag] = []
    at, line = 0, 1
    for number, (tag, start, end) in enumerate(found):
        if tag.sign and tag.sign in "#^/!>=":
            start, end = _lonely_line(text, found, number) or (start, end)
        if text[at:start]:
            tags.append(MustacheTag("text", text[at:start], line))
        tags.append(tag)
        line += text.count("\n", at, end)
        at = end
    if text[at:]:
        tags.append(MustacheTag("text", text[at:], line))
    return tags


def _lonely_line(text: str, found: Sequence[tuple[MustacheTag, int, int]], number: int) -> tuple[int, int] | None:
    """Return where the line of a tag begins and ends if it holds nothing else."""
    _, start, end = found[number]
    earlier = found[number - 1][2] if number else 0
    later = found[number + 1][1] if number + 1 < len(found) else len(text)
    before = text.rfind("\n", earlier, start) + 1 or (earlier if not number else -1)
    after = text.find("\n", end, later) + 1 or (later if number + 1 == len(found) else -1)
    if before < 0 or after < 0 or text[before:start].strip(" \t") or text[end:after].strip(" \t\r\n"):
        return None
    return before, after
