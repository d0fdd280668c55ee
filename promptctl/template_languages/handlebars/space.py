"""White space control of Handlebars: `~` in a tag, and tags that stand alone on their lines."""

from __future__ import annotations

import re

from promptctl.template_languages.handlebars.nodes import Block, Comment, Node, Partial, PlainText, Print

_BLANK = re.compile(r"\A[ \t]*\n?")


def control(nodes: list[Node], *, is_root: bool = True) -> None:
    """Leave out of the texts what the tags beside them take: their blanks after `~`, their line if they stand alone."""
    for number, node in enumerate(nodes):
        if isinstance(node, PlainText):
            continue
        if isinstance(node, Block):
            open_alone, close_alone = _block(node)
            before, after = node.opened[0], node.closed[1]
        else:
            open_alone = close_alone = not isinstance(node, Print)
            before, after = node.strips
        open_alone = open_alone and is_blank_before(nodes, number, is_root=is_root)
        close_alone = close_alone and is_blank_after(nodes, number, is_root=is_root)
        if after:
            _strip_after(nodes, number, is_all=True)
        if before:
            _strip_before(nodes, number, is_all=True)
        if isinstance(node, Comment | Partial):
            if open_alone and close_alone:
                _strip_after(nodes, number)
                indent = _strip_before(nodes, number)
                if isinstance(node, Partial):
                    node.indent = indent
        elif isinstance(node, Block):
            if open_alone:
                _strip_after(node.body, -1)
                _strip_before(nodes, number)
            if close_alone:
                _strip_after(nodes, number)
                last = node.body if node.otherwise is None else node.otherwise
                _strip_before(last, len(last))


def _block(block: Block) -> tuple[bool, bool]:
    """Control the bodies of a block. Return if its opening and its closing tag stand alone, seen from within."""
    control(block.body, is_root=False)
    inverse = block.otherwise
    if inverse is not None:
        control(inverse, is_root=False)
        if inverse and isinstance(inverse[0], Block) and inverse[0].is_chained:
            inverse = inverse[0].body
    end = block.body if inverse is None else inverse
    alone = is_blank_after(block.body, -1), is_blank_before(end, len(end))
    if block.opened[1]:
        _strip_after(block.body, -1, is_all=True)
    if block.closed[0]:
        _strip_before(end, len(end), is_all=True)
    if inverse is None:
        return alone
    if block.turned[0]:
        _strip_before(block.body, len(block.body), is_all=True)
    if block.turned[1]:
        _strip_after(inverse, -1, is_all=True)
    if is_blank_before(block.body, len(block.body)) and is_blank_after(inverse, -1):
        _strip_before(block.body, len(block.body))
        _strip_after(inverse, -1)
    return alone


def is_blank_before(nodes: list[Node], number: int, *, is_root: bool = False) -> bool:
    """Return True if nothing but blanks is before the node on its line."""
    if number == 0:
        return is_root
    before = nodes[number - 1]
    if not isinstance(before, PlainText):
        return False
    return ends_blank(before.original, is_whole=number == 1 and is_root)


def is_blank_after(nodes: list[Node], number: int, *, is_root: bool = False) -> bool:
    """Return True if nothing but blanks is after the node on its line."""
    if number + 1 >= len(nodes):
        return is_root
    after = nodes[number + 1]
    if not isinstance(after, PlainText):
        return False
    return begins_blank(after.original, is_whole=number + 2 == len(nodes) and is_root)


def ends_blank(text: str, *, is_whole: bool) -> bool:
    """Return True if the last line of a text is blank; with `is_whole`, also if there is no other line."""
    end = text[len(text.rstrip()) :]
    return "\n" in end or (is_whole and end == text)


def begins_blank(text: str, *, is_whole: bool) -> bool:
    """Return True if the first line of a text is blank; with `is_whole`, also if there is no other line."""
    start = text[: len(text) - len(text.lstrip())]
    return "\n" in start or (is_whole and start == text)


def _strip_after(nodes: list[Node], number: int, *, is_all: bool = False) -> None:
    """Take blanks and the end of the line off the text after a node; with `is_all`, all its white space."""
    text = nodes[number + 1] if number + 1 < len(nodes) else None
    if not isinstance(text, PlainText) or (text.is_right_stripped and not is_all):
        return
    left = text.value.lstrip() if is_all else _BLANK.sub("", text.value, count=1)
    text.is_right_stripped = left != text.value
    text.value = left


def _strip_before(nodes: list[Node], number: int, *, is_all: bool = False) -> str:
    """Take blanks off the text before a node, and return them; with `is_all`, all its white space."""
    text = nodes[number - 1] if number > 0 else None
    if not isinstance(text, PlainText) or (text.is_left_stripped and not is_all):
        return ""
    left = text.value.rstrip() if is_all else text.value.rstrip(" \t")
    taken = text.value[len(left) :]
    text.is_left_stripped = bool(taken)
    text.value = left
    return taken
