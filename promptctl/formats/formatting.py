"""Rewrites a file of ours as everybody writes it: literal blocks, stable order of keys, comments where they were.

Texts of several lines become literal blocks, since one inserted word then changes one line; a folded block (`>`) is
readable as it is, and was wrapped by hand for a reason. Top-level keys stand in the order of the file kind's JSON
Schema, each with the comments above it. Nothing else of the text is touched, and each step is read back: one after
which the data would not be the same to the last character is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.files.document import BlockScalar
from promptctl.files.names import STATE_FOLDER
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import STEP, literal_block, yaml_text
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.formats.schemas import Kind, load_schema

_KEY = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s#\"'\[\]{}&*!|>%@`,-][^#\n]*?)[ \t]*:(?:[ \t]|$)")

_Check = Callable[[str], bool]


def format_file(data: bytes, path: str, kind: Kind) -> bytes:
    """Return the file as it should be written; formatting it again changes nothing.

    A GitHub prompt keeps its own order of keys. Raises `InvalidFiles` for a file that cannot be read. A step that
    would change what the file says is left out.
    """
    old = read_yaml(data, path).data
    is_native = kind != "prompt" or read_prompt_file(data, path).dialect == "native"

    def says_the_same(text: str) -> bool:
        try:
            return bool(read_yaml(text.encode(), path).data == old)
        except InvalidFiles:
            return False

    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    text = _with_one_end(_with_literals(_with_one_end(text, says_the_same), says_the_same), says_the_same)
    if is_native:
        ordered = _in_order(text, list(load_schema(kind)["properties"]))
        text = ordered if ordered == text or says_the_same(ordered) else text
    # Line ends are Git's affair: a checkout may have them all as CRLF.
    has_crlf = data.count(b"\r\n") == data.count(b"\n") > 0
    return (text.replace("\n", "\r\n") if has_crlf else text).encode()


def file_of(path: str, data: Mapping[str, Any], kind: Kind) -> bytes:
    """Return data as a new file at `path`, as `fmt` writes it, with the comment by which editors know its schema."""
    schema = f"{'../' * path.count('/')}{STATE_FOLDER}/schemas/{kind}.schema.json"
    return format_file(f"# yaml-language-server: $schema={schema}\n{yaml_text(data)}".encode(), path, kind)


def _with_one_end(text: str, says_the_same: _Check) -> str:
    """Return the text with exactly one line end at its end, unless its last block keeps those that it has."""
    if not text.strip():
        return text
    cleaned = text.rstrip("\n") + "\n"
    return cleaned if cleaned == text or says_the_same(cleaned) else text


def _with_literals(text: str, says_the_same: _Check) -> str:
    """Return every text of several lines as a literal block; one that no literal block can say stays as it was."""
    scalars = [each for each in read_yaml(text.encode(), "").block_scalars() if _is_to_be_literal(*each)]
    # The last first, so that the places of the others stay true. Checked all together: each check reads the whole file.
    groups = [scalars[::-1]] if scalars else []
    while groups:
        group = groups.pop(0)
        candidate = _replaced(text, group)
        if says_the_same(candidate):
            text = candidate
        elif len(group) > 1:
            middle = len(group) // 2
            groups[:0] = [group[:middle], group[middle:]]
    return text


def _is_to_be_literal(event: Any, value: Any, _indent: int) -> bool:
    return isinstance(value, str) and event.style not in ("|", ">") and literal_block(value) is not None


def _replaced(text: str, scalars: Sequence[BlockScalar]) -> str:
    """Return the text with each of these, the last of them first, as a literal block."""
    lines = text.split("\n")
    for scalar in scalars:
        _replace(lines, *scalar)
    return "\n".join(lines)


def _replace(lines: list[str], event: Any, body: str, indent: int) -> None:
    first, end = event.start_mark.line, event.end_mark.line
    before = lines[first][: event.start_mark.column].rstrip()
    comment = lines[end][event.end_mark.column :].partition("#")[2]
    if not before and lines[first - 1].rstrip().endswith((":", "-")):  # the text begins on a line of its own
        first -= 1
        before = lines[first].rstrip()
    head, *content = literal_block(body) or ("|",)
    head = f"{before} {head}" + (f" #{comment}" if comment else "")
    pad = " " * (indent + STEP)
    lines[first : end + 1] = [head, *(pad + line if line else "" for line in content)]


def _in_order(text: str, order: Sequence[str]) -> str:
    """Return the top-level keys in their order; what stands above the first, parted from it by a blank line, stays."""
    head, blocks = _blocks(text)
    rank = {name: number for number, name in enumerate(order)}
    ranked = sorted(blocks, key=lambda block: rank.get(block[0], len(order)))
    if ranked == blocks:
        return text
    parts = [block if block.endswith("\n") else block + "\n" for _, block in ranked]
    return head + "".join(parts).rstrip("\n") + "\n"


def _blocks(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text before the first key's comments, and each top-level key with its comments and lines."""
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
    starts = [number for number, line in enumerate(lines) if _KEY.match(line)]
    if not starts:  # a file that is one flow mapping, as JSON is
        return text, []
    firsts = []
    for start in starts:
        first = start
        while first > 0 and lines[first - 1].startswith("#"):
            first -= 1
        firsts.append(first)
    if firsts[0] == 0 and lines[0].startswith("# yaml-language-server:"):
        firsts[0] = 1  # the modeline is the file's, whichever key comes first
    ends = [*firsts[1:], len(lines)]
    blocks = [
        (_name(lines[start]), "".join(lines[first:end])) for start, first, end in zip(starts, firsts, ends, strict=True)
    ]
    return "".join(lines[: firsts[0]]), blocks


def _name(line: str) -> str:
    return line.split(":", 1)[0].strip().strip("\"'")
