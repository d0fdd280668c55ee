"""Tags and texts as a Handlebars template: escaped, with blocks on lines of their own where that prints the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from promptctl.errors import InvalidFiles, Place
from promptctl.template_languages.handlebars.nodes import Block, Comment, Node, Partial, PlainText, Print
from promptctl.template_languages.handlebars.space import begins_blank, ends_blank
from promptctl.template_languages.handlebars.syntax import parse

# Comments that hold white space where it is: beside a tag, and at the end of a file.
GUARD = "{{!}}"
END = "{{! end }}"
_BRACES = re.compile(r"(?<!\\)(\\*)(\{{2,})")


@dataclass(frozen=True, slots=True)
class WrittenTag:
    """A tag that prints, or calls a partial."""

    text: str
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class WrittenBlock:
    """A block: each tag but the last opens a body."""

    tags: tuple[str, ...]
    bodies: tuple[tuple[WrittenNode, ...], ...]


WrittenNode = str | WrittenTag | WrittenBlock
_Token = str | WrittenTag


def template_text(nodes: Sequence[WrittenNode]) -> str:
    """Return a template that prints these texts exactly; what Handlebars would take of a line is kept by a comment.

    >>> template_text(["Hi\\n", WrittenBlock(("{{#if x}}", "{{/if}}"), (("there\\n",),))])
    'Hi\\n{{#if x}}\\nthere\\n{{/if}}\\n'
    """
    nodes = _merged(nodes)
    pretty = _joined(_laid(nodes, starts_line=True))
    return pretty if _reads_as(pretty, nodes) else _joined(_laid(nodes, starts_line=False, has_lines=False))


def _merged(nodes: Iterable[WrittenNode]) -> tuple[WrittenNode, ...]:
    merged: list[WrittenNode] = []
    for node in nodes:
        if isinstance(node, str) and merged and isinstance(merged[-1], str):
            merged[-1] += node
        elif isinstance(node, WrittenBlock):
            merged.append(WrittenBlock(node.tags, tuple(map(_merged, node.bodies))))
        elif node:
            merged.append(node)
    return tuple(merged)


def _laid(nodes: Sequence[WrittenNode], *, starts_line: bool, has_lines: bool = True) -> Iterator[_Token]:
    """Yield the tokens, with a comment wherever a tag would take white space with it.

    With `has_lines` a tag that begins a line gets one of its own, if the texts within and after it allow that.
    """
    for number, node in enumerate(nodes):
        following = nodes[number + 1] if number + 1 < len(nodes) else ""
        if isinstance(node, WrittenBlock):
            is_on_lines = has_lines and starts_line and all(map(_ends_line, node.bodies))
            yield from _lines(node) if is_on_lines else _inline(node, following, has_lines=has_lines)
            starts_line = is_on_lines
            continue
        yield node
        before = nodes[number - 1] if number else ""
        is_alone = isinstance(following, str) and begins_blank(following, is_whole=True)
        is_alone = is_alone and (isinstance(before, WrittenBlock) or _ends_blank(before))
        if isinstance(node, WrittenTag) and node.is_partial and is_alone:
            yield "\n" if has_lines and starts_line else WrittenTag(GUARD)
        starts_line = isinstance(node, str) and node.endswith("\n")


def _lines(block: WrittenBlock) -> Iterator[_Token]:
    for tag, body in zip(block.tags, (*block.bodies, ()), strict=True):
        yield from (WrittenTag(tag), "\n", *_laid(body, starts_line=True))


def _inline(block: WrittenBlock, following: WrittenNode, *, has_lines: bool) -> Iterator[_Token]:
    for at, tag in enumerate(block.tags):
        before = block.bodies[at - 1] if at else ()
        after = block.bodies[at] if at < len(block.bodies) else ()
        is_taking = (at < len(block.bodies) or isinstance(following, str)) and before
        if is_taking and _ends_blank(before[-1]):
            yield WrittenTag(GUARD)
        yield WrittenTag(tag)
        if after and isinstance(after[0], str) and begins_blank(after[0], is_whole=True):
            yield WrittenTag(GUARD)
        yield from _laid(after, starts_line=False, has_lines=has_lines)


def _ends_blank(node: WrittenNode) -> bool:
    return isinstance(node, str) and ends_blank(node, is_whole=True)


def _ends_line(body: Sequence[WrittenNode]) -> bool:
    last = body[-1] if body else None
    if isinstance(last, WrittenBlock):
        return all(map(_ends_line, last.bodies)) and (len(body) == 1 or _ends_line(body[:-1]))
    return isinstance(last, str) and last.endswith("\n")


def _joined(tokens: Iterable[_Token]) -> str:
    """Return tokens as text; a brace beside a tag is kept apart from it by a blank that the tag strips."""
    merged = _merged(tokens)
    written: list[str] = []
    strips_left = False
    for number, token in enumerate(merged):
        following = merged[number + 1] if number + 1 < len(merged) else None
        if isinstance(token, WrittenTag):
            strips_right = isinstance(following, str) and following.startswith("}")
            inner = token.text.removeprefix("{{").removesuffix("}}")
            written += ["{{~" if strips_left else "{{", inner, "~}} " if strips_right else "}}"]
            strips_left = False
            continue
        assert isinstance(token, str)
        text = _BRACES.sub(_escaped, token)
        if isinstance(following, WrittenTag):
            strips_left = text.endswith("{")
            text += " " if strips_left else "\\" if text.endswith("\\") else ""
        written.append(text)
    return "".join(written)


def _escaped(found: re.Match[str]) -> str:
    slashes, braces = found[1], found[2]
    if len(braces) % 2:
        return f"{slashes}{{" + r"\{{" * (len(braces) // 2)
    before = f"{slashes}\\{GUARD}" if slashes else ""
    return before + r"\{{" * (len(braces) // 2)


def _reads_as(text: str, nodes: Sequence[WrittenNode]) -> bool:
    try:
        return _shape(parse(text, lambda line: Place("", line))) == _shape_of(nodes)
    except InvalidFiles:
        return False


def _shape(nodes: Iterable[Node]) -> list[object]:
    """Return texts and tags as they are read, without comments."""
    shape: list[object] = []
    for node in nodes:
        if isinstance(node, Comment) or (isinstance(node, PlainText) and not node.value):
            continue
        if isinstance(node, PlainText):
            if shape and isinstance(shape[-1], str):
                shape[-1] += node.value
            else:
                shape.append(node.value)
        elif isinstance(node, Block):
            shape.append((_shape(node.body), *_chain(node.otherwise)))
        elif isinstance(node, Print | Partial):
            shape.append((node.indent,) if isinstance(node, Partial) else ())
    return shape


def _chain(nodes: list[Node] | None) -> Iterator[list[object]]:
    if nodes is None:
        return
    if nodes and isinstance(nodes[0], Block) and nodes[0].is_chained:
        yield _shape(nodes[0].body)
        yield from _chain(nodes[0].otherwise)
    else:
        yield _shape(nodes)


def _shape_of(nodes: Iterable[WrittenNode]) -> list[object]:
    return [
        node
        if isinstance(node, str)
        else tuple(map(_shape_of, node.bodies))
        if isinstance(node, WrittenBlock)
        else ("",)
        if node.is_partial
        else ()
        for node in nodes
    ]
