"""A YAML file as plain data: what its scalars mean in YAML 1.2's core schema, and where in the file each value is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from promptctl.errors import Place

Key = str | int
# The event of a scalar, its value, and the column of the collection that it stands in.
BlockScalar = tuple[Any, Any, int]

_NUMBER = re.compile(r"([-+]?(?:0|[1-9][0-9]*))((?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_NUMBER_STARTS = frozenset("+-.0123456789")
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Beyond this a number is an identifier that happens to be digits: kept as text, as are numbers beyond a float's range.
_MAX_DIGITS = 100


class Document:
    """Plain data (dict, list, str, int, float, bool, None) read from one file, and where each value stands.

    Keys are the way from the root: `document.place("messages", 0, "content")`. Lines and columns count from 1.
    """

    __slots__ = ("_aligned", "_lines", "_root", "_starts", "_text", "data", "path")

    def __init__(self, data: Any, path: str, root: Any = None, text: str = "") -> None:
        self.data = data
        self.path = path
        self._root = root
        self._text = text
        self._lines: list[str] | None = None
        self._aligned: dict[tuple[Key, ...], tuple[int, ...]] = {}
        self._starts: dict[tuple[Key, ...], Place] = {}

    def over(self, data: Any) -> Document:
        """Other data with the places of this document: for the file in another shape."""
        return Document(data, self.path, self._root, self._text)

    def part(self, *keys: Key) -> Document:
        """Return the value at `keys` as a document of its own, with the same places; its data is the same objects."""
        data = self.data
        for key in keys:
            data = data[key]
        return Document(data, self.path, self._find(keys)[0], self._text)

    def place(self, *keys: Key) -> Place:
        """Return the beginning of the value at `keys`, or of its nearest ancestor that is there."""
        node, _ = self._find(keys)
        return self._at(node)

    def key_place(self, *keys: Key) -> Place:
        """Return the beginning of the key of the value at `keys`; for an item of a list, of the item."""
        node, key = self._find(keys)
        return self._at(node if key is None else key)

    def text_place(self, *keys: Key) -> Place:
        """Return the beginning of a scalar's text at `keys`: inside its quote, or on the line after its `|` or `>`."""
        if keys not in self._starts:
            self._starts[keys] = self._text_start(self._find(keys)[0])
        return self._starts[keys]

    def _text_start(self, node: Any) -> Place:
        style = getattr(node, "style", None)
        if not style:
            return self._at(node)
        line, column = node.start_mark.line, node.start_mark.column
        if style in "\"'":
            return Place(self.path, line + 1, column + 2)
        lines = self._lines_of_file()
        last = min(node.end_mark.line + 1, len(lines))
        texts = (lines[number] for number in range(line + 1, last) if lines[number].strip(" "))
        first = next(texts, "")
        return Place(self.path, line + 2, len(first) - len(first.lstrip(" ")) + 1)

    def text_lines(self, *keys: Key) -> tuple[int, ...]:
        """Return the file's line of each line of the scalar's text, if they do not simply follow one another.

        So for folded blocks and for quoted or plain text over several lines; empty for everything else.
        """
        node, _ = self._find(keys)
        style = getattr(node, "style", "|")
        if style == "|" or node.start_mark.line == node.end_mark.line:
            return ()
        if keys not in self._aligned:
            first = node.start_mark.line + (1 if style == ">" else 0)
            sources = self._lines_of_file()[first : node.end_mark.line + 1]
            if style != ">":
                sources[-1] = sources[-1][: node.end_mark.column]
                sources[0] = sources[0][node.start_mark.column :]
            self._aligned[keys] = _align(node.value, sources, first + 1)
        return self._aligned[keys]

    def line_place(self, line: int, *keys: Key) -> Place:
        """Return the place of a line of the scalar's text; `line` counts from 1."""
        start = self.text_place(*keys)
        lines = self.text_lines(*keys)
        if lines:
            return Place(self.path, lines[min(line, len(lines)) - 1])
        return start if line == 1 or start.line is None else Place(self.path, start.line + line - 1)

    def line_placer(self, *keys: Key) -> Callable[[int], Place]:
        """Return the function that places a line of the scalar's text; see `line_place`."""
        return lambda line: self.line_place(line, *keys)

    def value_lines(self, *keys: Key) -> range:
        """Return the file's lines that the value at `keys` is written on; none if it is not there."""
        node, _ = self._find(keys, exact=True)
        spans = sorted(map(_span, _scalars(node)))
        if node is None or not spans:
            return range(0)
        lines = self._lines_of_file()
        first = min(self._at(node).line or 1, spans[0][0][0]) if isinstance(node, tuple) else spans[0][0][0]
        last = max((end[0] - (end[1] == 1 < end[0])) for _, end in spans)
        while last > first and last <= len(lines) and not lines[last - 1].strip():
            last -= 1
        return range(first, min(last, len(lines)) + 1)

    def block_scalars(self) -> Iterator[BlockScalar]:
        """Yield each scalar value outside of brackets and braces, in reading order."""
        yield from _block_scalars(self.data, self._root, 0)

    def bare_questions(self) -> Iterator[Place]:
        """Yield the place of each text with a `?` that is not quoted in brackets or braces: not all parsers take it."""
        yield from (
            self._at(node)
            for node in _flow_scalars(self._root, is_in_flow=False)
            if not node.style and "?" in node.value
        )

    def text_spans(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Return where each scalar's text begins and ends, as (line, column), sorted; what is between is no comment."""
        return sorted(map(_span, _scalars(self._root)))

    def written(self, *keys: Key) -> str | None:
        """Return a plain scalar that is not text as it is written (`1.10` for the number 1.1); None for all others."""
        node, _ = self._find(keys, exact=True)
        if getattr(node, "style", "?") or isinstance(node, tuple):
            return None
        value = node.value
        return value if not isinstance(scalar_value(value), str) else None

    def _lines_of_file(self) -> list[str]:
        if self._lines is None:
            self._lines = self._text.split("\n")
        return self._lines

    def _find(self, keys: tuple[Key, ...], *, exact: bool = False) -> tuple[Any, Any]:
        node, key_node = self._root, None
        for key in keys:
            children = node[1] if isinstance(node, tuple) else None
            if isinstance(children, dict) and key in children:
                key_node, node = children[key]
            elif isinstance(children, list) and isinstance(key, int) and 0 <= key < len(children):
                key_node, node = None, children[key]
            else:
                return (None, None) if exact else (node, key_node)
        return node, key_node

    def _at(self, node: Any) -> Place:
        event = node[0] if isinstance(node, tuple) else node
        if event is None:
            return Place(self.path, 1, 1)
        return Place(self.path, event.start_mark.line + 1, event.start_mark.column + 1)


def _block_scalars(data: Any, node: Any, indent: int) -> Iterator[BlockScalar]:
    if not isinstance(node, tuple):
        yield node, data, indent
        return
    start, children = node
    if start.flow_style:
        return
    for key in data if isinstance(data, dict) else range(len(data)):
        child = children[key][1] if isinstance(data, dict) else children[key]
        yield from _block_scalars(data[key], child, start.start_mark.column)


def _flow_scalars(node: Any, *, is_in_flow: bool) -> Iterator[Any]:
    """Yield the scalars within brackets and braces, the keys among them."""
    if not isinstance(node, tuple):
        if is_in_flow and node is not None:
            yield node
        return
    start, children = node
    for child in children.values() if isinstance(children, dict) else [(None, child) for child in children]:
        for each in child:
            yield from _flow_scalars(each, is_in_flow=is_in_flow or bool(start.flow_style))


def _scalars(root: Any) -> Iterator[Any]:
    """Yield the event of each scalar, those of keys among them."""
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            children = node[1]
            stack += [each for pair in children.values() for each in pair] if isinstance(children, dict) else children
        elif node is not None:
            yield node


def _span(event: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    start = (event.start_mark.line + 1, event.start_mark.column + 1)
    # The line of a block's sign may end in a comment.
    start = (start[0] + 1, 0) if event.style in ("|", ">") else start
    return start, (event.end_mark.line + 1, event.end_mark.column + 1)


def scalar_value(written: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar as it is written; what has leading zeros, or is beyond JSON, stays text.

    >>> [scalar_value(written) for written in ("no", "012", "1e3", "~")]
    ['no', '012', 1000.0, None]
    """
    if written in _WORDS:
        return _WORDS[written]
    if written[0] not in _NUMBER_STARTS:
        return written
    match = _NUMBER.fullmatch(written)
    if match is None:
        if len(written) <= _MAX_DIGITS and _BASED.fullmatch(written):
            return int(written, 0)
        return written
    if match[1] and not match[2]:
        return int(written) if len(written) <= _MAX_DIGITS else written
    number = float(written)
    return written if number in (float("inf"), float("-inf")) else number


def _align(text: str, sources: list[str], first_line: int) -> tuple[int, ...]:
    """Return the source line on which each line of `text` begins, by looking for the sources in the text, in order."""
    found: dict[int, int] = {}
    offset = line = 0
    for number, source in enumerate(sources, first_line):
        content = source.strip(" \t\"'")
        at = text.find(content, offset) if content else -1
        if at >= 0:
            line += text.count("\n", offset, at)
            found.setdefault(line, number)
            offset = at + len(content)
    lines: list[int] = []
    for index in range(text.count("\n") + 1):
        lines.append(found.get(index, lines[-1] if lines else first_line))
    return tuple(lines)
