"""Prompty files, version 1 and 2: Markdown with a header, messages that begin at lines such as `system:`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptctl.exchange.drafts import ForeignContents
    from promptctl.exchange.source import Source
    from promptctl.exchange.written import PromptToWrite, Written

SUFFIX = ".prompty"
# Keys that no other tool's header has; and those of Dotprompt, which has a header too.
_SIGNS = re.compile(
    rb"^(?:(?:authors|sample|outputs|displayName):|inputs:[ \t]*\n[ \t]*-[ \t]*name:"
    rb"|template:[ \t]*\n[ \t]+(?:format|parser):"
    rb"|model:[ \t]*\n(?:[ \t][^\n]*\n)*?[ \t]+(?:api|apiType|configuration|connection|provider):)",
    re.MULTILINE,
)
_DOTPROMPT = re.compile(rb"^(?:input|output|config|ext|variant|toolDefs):|\{\{role ", re.MULTILINE)
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,100}(?:---|\+\+\+)[ \t]*\r?\n")
_MOST_HEADER = 64 << 10


def is_one(source: Source) -> bool:
    """Return True for a file with the keys of Prompty in its header; by its name alone if it has no other's keys."""
    begin = _HEADER.match(source.data)
    if begin is None:
        return source.path.endswith(SUFFIX) and bool(source.data.strip())
    rest = source.data[begin.end() : begin.end() + _MOST_HEADER].replace(b"\r\n", b"\n")
    found = re.search(rb"^[ \t]*(?:---|\+\+\+)[ \t]*$", rest, re.MULTILINE)
    header = rest[: found.start()] if found else rest
    if source.path.endswith(SUFFIX):
        return not _DOTPROMPT.search(header)
    return bool(_SIGNS.search(header)) and not _DOTPROMPT.search(header)


def read(source: Source) -> ForeignContents:
    """Return the prompt of a Prompty file, and its sample as a dataset. Raises `InvalidFiles`."""
    from promptctl.exchange.prompty.reading import read_prompty

    return read_prompty(source)


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return prompts as files of Prompty 2, with all that these do not say."""
    from promptctl.exchange.prompty.writing import write_prompty

    return write_prompty(prompts)
