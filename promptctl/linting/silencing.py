"""Comments that silence findings: `# promptctl: ignore=P103`, in a template `{# promptctl: ignore=P103 #}`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from promptctl.errors import Place
from promptctl.files.document import Document
from promptctl.files.names import did_you_mean
from promptctl.linting.rules import DOCS, RULES, LintFinding, finding

_CODES = r"promptctl:\s{0,4}ignore\s{0,4}=\s{0,4}([\w-]{1,40}(?:\s{0,4},\s{0,4}[\w-]{1,40}){0,40})"
_IN_YAML = re.compile(rf"(?:^|(?<=\s))#+\s{{0,4}}{_CODES}[^\n]*$")
_IN_TEMPLATE = re.compile(rf"\{{#-?\s{{0,4}}{_CODES}[^\n]{{0,200}}?#\}}")
_MARK = "promptctl:"
_MOST_COMMENTS = 200


class _Comment(NamedTuple):
    """One comment: the line it is on, the rules it names, and the lines that it is for."""

    line: int
    codes: tuple[str, ...]
    first: int
    last: int


class Silences:
    """The comments of one file that silence findings in it, and which of them were needed.

    A comment is for its own line and, if it is a key's, for all of the key's value. Alone on a line it is for the next
    one; above everything else it is for the whole file. A text of a message is no comment, whatever it looks like,
    but for Jinja's own.
    """

    def __init__(self, text: str, path: str, document: Document | None, *, is_jinja: bool = True) -> None:
        self.path = path
        self._comments: list[_Comment] = []
        self._needed: set[tuple[int, str]] = set()
        if _MARK in text:
            lines = text.split("\n")
            self._comments = list(islice(_read(lines, document, is_jinja=is_jinja), _MOST_COMMENTS))

    def are_for(self, found: LintFinding) -> bool:
        """Return True if a comment silences the finding."""
        places = [place for place in (found.place, *found.also) if place is not None and place.path == self.path]
        is_silenced = False
        for comment in self._comments:
            if found.code in comment.codes and any(
                comment.first <= (each.line or 1) <= comment.last for each in places
            ):
                self._needed.add((comment.line, found.code))
                is_silenced = True
        return is_silenced

    def needless(self) -> Iterator[LintFinding]:
        """Yield P001 for each code of a comment that silenced nothing."""
        for comment in self._comments:
            for code in comment.codes:
                if (comment.line, code) in self._needed:
                    continue
                place = Place(self.path, comment.line)
                if code in RULES:
                    message = f"this comment silences no {code}"
                    yield finding("P001", message, place, "remove it", needless=code)
                else:
                    names = {rule.name: rule.code for rule in RULES.values()}
                    hint = f"write `{names[code]}`" if code in names else did_you_mean(code, RULES)
                    # It is not `needless`: somebody meant a rule by it.
                    yield finding("P001", f"there is no rule `{code}`", place, hint or f"{DOCS} lists them")


def without_needless(text: str, found: Sequence[LintFinding]) -> str:
    """Return a file's text without the codes of its comments that these findings are about."""
    dropped: dict[int, set[str]] = {}
    for each in found:
        if each.needless and each.place is not None and each.place.line:
            dropped.setdefault(each.place.line, set()).add(each.needless)
    lines = text.split("\n")
    for number in sorted(dropped, reverse=True):
        line = lines[number - 1]
        for match in [*_IN_YAML.finditer(line), *_IN_TEMPLATE.finditer(line)]:
            kept = [code for code in _split(match[1]) if code not in dropped[number]]
            if kept:
                lines[number - 1] = line[: match.start(1)] + ", ".join(kept) + line[match.end(1) :]
            elif line.strip() == match[0].strip():
                del lines[number - 1]
            else:
                lines[number - 1] = (line[: match.start()].rstrip() + line[match.end() :]).rstrip()
            break
    return "\n".join(lines)


def _read(lines: list[str], document: Document | None, *, is_jinja: bool) -> Iterator[_Comment]:
    spans = document.text_spans() if document is not None else []
    for number, line in enumerate(lines, 1):
        if _MARK not in line:
            continue
        comment = _IN_YAML.search(line) if document is not None else None
        if comment is not None and not _is_text(spans, (number, comment.start() + 1)):
            is_alone = not line[: comment.start()].strip()
            yield _Comment(number, _split(comment[1]), *_lines_of(lines, number, is_alone=is_alone))
        elif is_jinja:
            for found in _IN_TEMPLATE.finditer(line):
                is_alone = line.strip() == found[0]
                is_head = document is None and is_alone and not any(map(str.strip, lines[: number - 1]))
                last = len(lines) if is_head else number + is_alone
                yield _Comment(number, _split(found[1]), number, last)


def _is_text(spans: Sequence[tuple[tuple[int, int], tuple[int, int]]], at: tuple[int, int]) -> bool:
    """Return True if a character of a file is part of a value's or a key's text."""
    index = bisect_right(spans, (at, at)) - 1
    return index >= 0 and spans[index][0] <= at < spans[index][1]


def _split(codes: str) -> tuple[str, ...]:
    return tuple(code.strip() for code in codes.split(","))


def _lines_of(lines: list[str], number: int, *, is_alone: bool) -> tuple[int, int]:
    """Return the first and last line that a comment on a line of a YAML file is for."""
    if is_alone:
        if all(not line.strip() or line.lstrip().startswith("#") for line in lines[:number]):
            return 1, len(lines)
        after = range(number, len(lines))
        number = next((at + 1 for at in after if lines[at].strip() and not lines[at].lstrip().startswith("#")), number)
    line = lines[number - 1]
    indent = len(line) - len(line.lstrip())
    is_list = re.search(r":\s*(?:#.*)?$", line) is not None and not line.lstrip().startswith("- ")
    last = number
    for at in range(number, len(lines)):
        stripped = lines[at].strip()
        depth = len(lines[at]) - len(lines[at].lstrip())
        if stripped and depth <= indent and not (is_list and depth == indent and stripped.startswith("- ")):
            break
        if stripped:
            last = at + 1
    return number, last
