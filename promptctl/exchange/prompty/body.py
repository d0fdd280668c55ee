"""The body of a Prompty file as messages: lines such as `system:` begin one, some inputs stand for more than text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ROLES = ("system", "user", "assistant", "developer")
_ROLES_OF_1 = ("system", "user", "assistant", "function", "tools")
_ATTRIBUTES = re.compile(r"(\w{1,64})\s*=\s*(?:\"([^\"]*)\"|([^\",\]]*))")
# Atomic groups: blanks between two parts must not be tried in every division.
_LINE = r"#?(?>\s*)({})(?>\s*)(\[[^\[\]]*\])?(?>\s*):"
_ROLE_LINE = {
    1: re.compile(_LINE.format("|".join(_ROLES_OF_1)), re.IGNORECASE),
    2: re.compile(_LINE.format("|".join(ROLES)), re.IGNORECASE),
}
_THREAD_LINE = re.compile(r"\s*!\[thread\]")
# A history written out by version 1: a loop over messages that prints the role of each as a line of its own.
_HISTORY = re.compile(
    r"\{%-?[ \t]*for[ \t]+(\w+)[ \t]+in[ \t]+(\w+)[ \t]*-?%\}(?>\s*)"
    r"#?[ \t]*\{\{-?[ \t]*\1(?:\.role|\[[\"']role[\"']\])[ \t]*-?\}\}[ \t]*:[ \t]*\n\s*"
    r"\{\{-?[ \t]*\1(?:\.content|\[[\"']content[\"']\])[ \t]*-?\}\}\s*\{%-?[ \t]*endfor[ \t]*-?%\}"
)
_VALUE_AS_ROLE = re.compile(r"#?[ \t]*\{\{[^{}\n]*\}\}[ \t]*:", re.ASCII)
# An address ends at a blank, unless that is within a variable.
_ADDRESS = re.compile(r"(?:\{\{[^{}]*\}\}|[^\s{]|\{)*")
_IMAGE = re.compile(r"!\[[^\]\n]{0,500}\]\(([^()\n\"]*)(?:\"[^\"\n]*\")?\)")


@dataclass(frozen=True, slots=True)
class Section:
    """The text below a line with a role, with the line of the file that it begins on."""

    role: str
    text: str
    line: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    has_role: bool = True


@dataclass(frozen=True, slots=True)
class Marker:
    """An input that stands in a message for more than text: messages (`thread`), an image, a sound or a file."""

    kind: str
    name: str
    line: int

    @property
    def part(self) -> str:
        """The marker as people name it."""
        return f"{{{{{self.name}}}}}"


def is_role_line(line: str) -> bool:
    """Return True if Prompty takes a line for the beginning of a message."""
    return _ROLE_LINE[2].fullmatch(line.strip()) is not None


def sections(body: str, first_line: int, version: int) -> Iterator[Section]:
    """Yield the messages of a body as Prompty parses them: what stands before the first role is `system`."""
    section, buffer = Section("system", "", first_line, has_role=False), list[str]()
    lines = (body.removesuffix("\n") if version == 1 else body).split("\n")
    if lines[-1] == "":
        lines.pop()  # what splits the lines leaves out a line end, and in version 1 so does Jinja
    for number, line in enumerate(lines, first_line):
        match = _ROLE_LINE[version].fullmatch(line.strip())
        is_thread = version == 1 and _THREAD_LINE.match(line) is not None
        if match is None and not is_thread:
            buffer.append(line)
            continue
        if buffer:
            yield _with_text(section, buffer, version)
        buffer = []
        if match:
            found = _ATTRIBUTES.findall(match[2] or "")
            attributes = {key: quoted or bare.strip() for key, quoted, bare in found}
            section = Section(match[1].lower(), "", number + 1, attributes)
        else:
            yield Section("thread", "", number)
            section = Section("user", "", number + 1, has_role=False)
    if buffer:
        yield _with_text(section, buffer, version)


def _with_text(section: Section, lines: list[str], version: int) -> Section:
    text = "\n".join(lines)
    if version == 1:
        return replace(section, text=text)
    stripped = text.strip("\n")
    blank = len(text) - len(text.lstrip("\n")) if stripped else 0
    return replace(section, text=stripped, line=section.line + blank)


def split_markers(section: Section, kinds: Mapping[str, str], *, strips: bool) -> list[Section | Marker]:
    """Return a section in pieces: texts, and the inputs within that stand for more, of these kinds by their names.

    With `strips` the texts are without the white space around them, as version 2 has it.
    """
    names = "|".join(map(re.escape, kinds)) or "(?!)"
    inputs = re.finditer(rf"\{{\{{[{{&]?[ \t]*({names})[ \t]*\}}?\}}\}}", section.text)
    marks = [(each.start(), each.end(), kinds[each[1]], each[1]) for each in inputs]
    marks += [(match.start(), match.end(), "thread", match[2]) for match in _HISTORY.finditer(section.text)]
    if not marks:
        return [section]
    found: list[Section | Marker] = []
    at = 0
    for start, end, kind, name in sorted(marks):
        _add_text(found, section, at, start, strips=strips)
        found.append(Marker(kind, name, section.line + section.text.count("\n", 0, start)))
        at = end
    _add_text(found, section, at, len(section.text), strips=strips)
    return found


def _add_text(found: list[Section | Marker], section: Section, start: int, end: int, *, strips: bool) -> None:
    raw = section.text[start:end]
    text = raw.strip() if strips else raw.rstrip("\n") + "\n" * raw.endswith("\n")
    if raw.strip():
        before = start + (len(raw) - len(raw.lstrip()) if strips else 0)
        line = section.line + section.text.count("\n", 0, before)
        found.append(replace(section, text=text, line=line))


def value_role_lines(section: Section) -> Iterator[int]:
    """Yield the lines that would begin a message if the value on them is a role, as only a program can know."""
    for number, line in enumerate(section.text.split("\n"), section.line):
        if _VALUE_AS_ROLE.fullmatch(line.strip()):
            yield number


def image_pieces(text: str) -> list[str]:
    """Return the texts of a message of version 1, with the addresses or paths of its images in between."""
    pieces = [each.strip() for each in _IMAGE.split(text)]
    pieces[1::2] = [_ADDRESS.findall(each)[0] for each in pieces[1::2]]
    return pieces


def part_of(marker: Marker) -> dict[str, Any]:
    """Return the part of a message that an input of this kind stands for."""
    value = f"{{{{ {marker.name} }}}}"
    if marker.kind == "image":
        return {"type": "image_url", "image_url": {"url": value}}
    if marker.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": value, "format": "wav"}}
    return {"type": "file", "file": {"file_data": value}}
