"""Writes plain data as YAML that people would write, and that YAML 1.1 and 1.2 read alike.

Texts of several lines become literal blocks, short mappings stand in one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.files.document import scalar_value

_WIDTH = 100
STEP = 2
_PLAIN = re.compile(r"[A-Za-z0-9_./$(][^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]*")
_NOT_PLAIN = re.compile(r": |:$| #|[ \t]$|[{}\[\],?]")
# What YAML 1.1, which other tools speak, reads as something else than text.
_WORDS_OF_YAML_1_1 = re.compile(
    r"(?i:y|n|yes|no|on|off|true|false|null)|[-+0-9.][-+0-9_.:,eExXoOa-fA-F]*|\d{4}-\d\d?-\d\d?.*"
)
_NEEDS_INDENT_SIGN = re.compile(r"\n*[ \t]")
# What no literal block can hold, and what YAML 1.1 would take for the end of a line there.
_NOT_LITERAL = re.compile(r"[^\t\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Inline(dict[str, Any]):
    """A mapping that is written in one line, however long it is."""


def yaml_text(data: Mapping[str, Any]) -> str:
    """Return a mapping as the text of a YAML file: strings, numbers, booleans, None, lists and mappings of them."""
    return "".join(f"{line}\n" for line in block_lines(data)) if data else "{}\n"


def block_lines(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    """Yield the lines of a mapping or a list that is not empty, as a block without indent."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _beside(f"{scalar(key)}:", each)
        return
    for each in value:
        if each and isinstance(each, Mapping | list | tuple) and not isinstance(each, Inline):
            first, *rest = block_lines(each)
            yield from (f"- {first}", *(f"{' ' * STEP}{line}" if line else "" for line in rest))
        else:
            yield from _beside("-", each)


def _beside(head: str, value: Any) -> Iterator[str]:
    """Yield the lines of a value behind its key or its dash, which begin the first."""
    if isinstance(value, str) and (block := literal_block(value, takes_one_line=True)) is not None:
        yield f"{head} {block[0]}"
        yield from (f"{' ' * STEP}{line}" if line else "" for line in block[1:])
    elif not isinstance(value, Mapping | list | tuple) or _is_short(head, value):
        yield f"{head} {inline(value)}"
    else:
        yield head
        yield from (f"{' ' * STEP}{line}" if line else "" for line in block_lines(value))


def literal_block(text: str, *, takes_one_line: bool = False) -> list[str] | None:
    """Return a text as a literal block: its head and its lines without indent.

    None for a text that no such block can say, and for one of one line unless it `takes_one_line` that ends.
    """
    stripped = text.rstrip("\n")
    is_one_line = takes_one_line and stripped and text == f"{stripped}\n"
    if not ("\n" in stripped or is_one_line) or _NOT_LITERAL.search(text):
        return None
    chomp = "-" if not text.endswith("\n") else "+" if text.endswith("\n\n") else ""
    sign = str(STEP) if _NEEDS_INDENT_SIGN.match(text) else ""
    return [f"|{sign}{chomp}", *text.removesuffix("\n").split("\n")]


def inline(value: Any) -> str:
    """Return any value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(inline(each) for each in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Return a text, number, boolean or None on one line; a text plainly if that reads as the same text everywhere."""
    if not isinstance(value, str):
        return json.dumps(value, allow_nan=False)
    is_plain = _PLAIN.fullmatch(value) and not _NOT_PLAIN.search(value) and not _WORDS_OF_YAML_1_1.fullmatch(value)
    if is_plain and scalar_value(value) == value:
        return value
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _is_short(head: str, value: Mapping[str, Any] | Sequence[Any]) -> bool:
    """Return True for what reads well in one line: it fits, and no mapping in it holds another one."""
    if not value or isinstance(value, Inline):
        return True
    members = value.values() if isinstance(value, Mapping) else value
    nested = [each for each in members if isinstance(each, Mapping | list | tuple)]
    if any(
        isinstance(each, Mapping) or any(isinstance(deep, Mapping | list | tuple) for deep in each) for each in nested
    ):
        return False
    return len(head) + 1 + len(inline(value)) <= _WIDTH - 2 * STEP
