"""Rewrites a file of ours as everybody writes it: literal blocks, stable order of keys, comments where they were.

Texts of several lines become literal blocks, since one inserted word then changes one line; top-level keys stand in the
order of the file kind's JSON Schema, each with the comments above it. Nothing else of the text is touched, and the
result is read back: a file whose data would not be the same to the last character is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.formats.schemas import Kind, load_schema
from promptctl.formats.yaml_reader import read_yaml

_KEY = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s#\"'\[\]{}&*!|>%@`,-][^#\n]*?)[ \t]*:(?:[ \t]|$)")
_NEEDS_INDENT_SIGN = re.compile(r"\n*[ \t]")
_STEP = 2


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A text of several lines as it stands: from its first character to behind its last; counted from 0."""

    value: str
    start_line: int
    start_column: int
    end_line: int
    end_column: int
    indent: int


def format_file(data: bytes, path: str, kind: Kind) -> bytes:
    """The file as it should be written; formatting it again changes nothing.

    A GitHub prompt keeps its own order of keys. Raises `InvalidFiles` for a file that cannot be read, and for one
    that cannot be formatted without changing what it says.
    """
    old = read_yaml(data, path).data
    is_native = kind != "prompt" or read_prompt_file(data, path).dialect == "native"
    text = _with_literals(_clean(data.decode("utf-8-sig")), path)
    if is_native:
        text = _in_order(text, list(load_schema(kind)["properties"]))
    new = text.encode()
    if read_yaml(new, path).data != old:
        raise InvalidFiles(
            [Problem(
                "formatting would change what this file says, so it was left as it is",
                Place(path),
                "write its texts of several lines as literal blocks by hand (|)",
                "unformattable",
            )]
        )  # fmt: skip
    return new


def _clean(text: str) -> str:
    """Line ends as `\\n`, and exactly one at the end."""
    text = text.replace("\r\n", "\n")
    return text.rstrip("\n") + "\n" if text.strip() else text


def _with_literals(text: str, path: str) -> str:
    """Every text of several lines as a literal block, from the last to the first so that places stay true."""
    for scalar in reversed(list(_long_scalars(text))):
        candidate = _replaced(text, scalar)
        # A candidate that says something else is one that no literal block can say: it stays as it was.
        try:
            is_same = read_yaml(candidate.encode(), path).data == read_yaml(text.encode(), path).data
        except InvalidFiles:
            is_same = False
        if is_same:
            text = candidate
    return text


def _long_scalars(text: str) -> Iterator[_Scalar]:
    """The values of several lines that stand in block collections and are not literal blocks already."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # What is open around the value: its kind, its column, and whether a mapping waits for a value.
    open_: list[list[object]] = []
    flow = 0
    events: Iterator[Any] = yaml.parse(text, Loader=loader)
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            _count_value(open_)
            flow += bool(event.flow_style)
            kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
            begin: Any = event.start_mark
            open_.append([kind, begin.column, False])
        elif isinstance(event, yaml.CollectionEndEvent):
            _, _, _ = open_.pop()
            flow -= bool(flow and not _is_block_end(event))
        elif isinstance(event, yaml.ScalarEvent):
            is_value = _count_value(open_)
            if is_value and not flow and "\n" in event.value.rstrip("\n") and event.style != "|":
                start: Any = event.start_mark
                end: Any = event.end_mark
                indent = int(str(open_[-1][1])) if open_ else 0
                yield _Scalar(event.value, start.line, start.column, end.line, end.column, indent)


def _is_block_end(event: Any) -> bool:
    """Block collections end where the next token begins, flow collections behind their bracket."""
    return bool(event.start_mark.index == event.end_mark.index)


def _count_value(open_: list[list[object]]) -> bool:
    """Whether the node that begins is a value (not a mapping's key)."""
    if not open_:
        return True
    top = open_[-1]
    if top[0] == "sequence":
        return True
    top[2] = not top[2]
    return not top[2]


def _replaced(text: str, scalar: _Scalar) -> str:
    lines = text.split("\n")
    before = lines[scalar.start_line][: scalar.start_column].rstrip()
    after = lines[scalar.end_line][scalar.end_column :] if scalar.end_line < len(lines) else ""
    width = scalar.indent + _STEP
    body = scalar.value
    chomp = "-" if not body.endswith("\n") else "+" if body.endswith("\n\n") or not body.strip("\n") else ""
    sign = str(_STEP) if _NEEDS_INDENT_SIGN.match(body) else ""
    content = body[:-1] if body.endswith("\n") else body
    block = [" " * width + line if line else "" for line in content.split("\n")]
    # A folded block ends at the beginning of the line behind it, a quoted text in the middle of its last line.
    rest = [after, *lines[scalar.end_line + 1 :]]
    if not after.strip():
        rest = rest[1:] if scalar.end_column else rest
    head = f"{before} |{sign}{chomp}" + (f" {after.strip()}" if after.strip().startswith("#") else "")
    if after.strip().startswith("#"):
        rest = rest[1:]
    return "\n".join([*lines[: scalar.start_line], head, *block, *rest])


def _in_order(text: str, order: Sequence[str]) -> str:
    """The top-level keys in their order; what stands above the first, parted from it by a blank line, stays."""
    head, blocks = _blocks(text)
    rank = {name: number for number, name in enumerate(order)}
    ranked = sorted(blocks, key=lambda block: rank.get(block[0], len(order)))
    if ranked == blocks:
        return text
    parts = [block if block.endswith("\n") else block + "\n" for _, block in ranked]
    return head + "".join(parts).rstrip("\n") + "\n"


def _blocks(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text before the first key's comments, and each top-level key with its lines and the comments above it."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if _KEY.match(line)]
    firsts = []
    for start in starts:
        first = start
        while first > 0 and lines[first - 1].startswith("#"):
            first -= 1
        firsts.append(first)
    if firsts and firsts[0] == 0 and lines[0].startswith("# yaml-language-server:"):
        firsts[0] = 1  # the modeline is the file's, whichever key comes first
    ends = [*firsts[1:], len(lines)]
    blocks = [
        (_name(lines[start]), "".join(lines[first:end])) for start, first, end in zip(starts, firsts, ends, strict=True)
    ]
    return "".join(lines[: firsts[0]] if firsts else lines), blocks


def _name(line: str) -> str:
    return line.split(":", 1)[0].strip().strip("\"'")
