"""Mistakes in a YAML file in words that help: each one that people make, its place and its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from promptctl.errors import Place, Problem

QUOTE_OR_BLOCK = "quote the value, or put the text on the lines below `|`"

# Compiled when something is wrong, and not by each command that reads a file.
_TEMPLATE_VALUE = r"(?:^|[:,\[]|-)\s*(\{\{|\{%|\{#)"
_NO_SPACE_AFTER_COLON = r"^\s*(?:- +)?([A-Za-z_][\w-]*):[^\s/]"
_UNPRINTABLE = "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_GITHUB_KEY = r"^(?:modelParameters|responseFormat|jsonSchema|testData|evaluators):"
# In an indentation, before or after a colon.
_UNSEEN = "^ *(?:- *)?([\u00a0\u2000-\u200b\u2060\u3000\ufeff])|:([\u00a0\u2000-\u200b\u3000])|^ *[\\w -]+(\uff1a)"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def too_large(path: str, size_bytes: int, limit_bytes: int) -> Problem:
    """A file beyond the limit."""
    return Problem(
        f"the file has {size_bytes:,} bytes; at most {limit_bytes:,} are read",
        Place(path),
        "keep large data beside it: long texts in partials, many cases in a .jsonl or .csv file",
        "too-large",
    )


def not_utf8(path: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    """Bytes that are no UTF-8, with the place of the first."""
    if data.startswith(_UTF16):
        return Problem("the file is UTF-16", Place(path, 1, 1), "save it as UTF-8", "not-utf8")
    line_start = data.rfind(b"\n", 0, error.start) + 1
    line = data.count(b"\n", 0, error.start) + 1
    column = len(data[line_start : error.start].decode("utf-8", "replace")) + 1
    message = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
    return Problem(message, Place(path, line, column), "save the file as UTF-8", "not-utf8")


def too_deep(place: Place, limit: int) -> Problem:
    """Nesting beyond the limit."""
    return Problem(f"values are nested more than {limit} deep", place, "flatten the data", "too-deep")


def too_many(place: Place, limit: int) -> Problem:
    """More lists and mappings than the limit."""
    hint = "keep many cases in a .jsonl or .csv file"
    return Problem(f"the file holds more than {limit:,} lists and mappings", place, hint, "too-large")


def second_document(place: Place, text: str) -> Problem:
    """A `---` after the first document."""
    hint = "keep one document in one file: remove the `---`, or quote it where it is text"
    if text.startswith("---"):
        hint = (
            "keep one document in one file; a `.prompt` or `.prompty` file's text below its header goes under "
            "`messages:`, as the content of a message"
        )
    return Problem("a second YAML document begins here", place, hint, "multi-document")


def alias(place: Place, name: str) -> Problem:
    """`*name`."""
    hint = f"if `*{name}` is text, quote it; otherwise write the value out"
    return Problem("aliases (`*name`) are not read", place, hint, "alias")


def property_of_node(place: Place, event: Any, text: str = "") -> Problem:
    """`&name` or `!tag` before a value."""
    if event.anchor is not None:
        hint = f"if `&{event.anchor}` is text, quote it; otherwise remove it"
        return Problem("anchors (`&name`) are not read", place, hint, "anchor")
    if event.tag == "!include":
        hint = 'write `{% include "path" %}` in the text, or `$ref: path` for a schema or a tool'
        if re.search(_GITHUB_KEY, text, re.MULTILINE):
            hint = "GitHub's files include nothing: write the text out, or the prompt in promptctl's own format"
        elif re.search("^cases:", text, re.MULTILINE):
            hint = "name a file of cases, `cases: file.csv`, or the file of an input under the case's `files`"
        return Problem("tags such as `!include` are not read", place, hint, "tag")
    shown = event.tag.replace("tag:yaml.org,2002:", "!!")
    return Problem(f"tags such as `{shown}` are not read", place, "remove the tag, or quote the text", "tag")


def tag_directive(place: Place) -> Problem:
    """`%TAG` before the document."""
    return Problem("tags are not read, nor `%TAG`", place, "remove the line", "tag")


def key_is_no_text(place: Place, text: str) -> Problem:
    """A mapping or a list as a key; nearly always an unquoted `{{ … }}`."""
    line = _line(text, (place.line or 1) - 1)
    if match := re.search(_TEMPLATE_VALUE, line):
        return _template_in_value(Place(place.path, place.line, match.start(1) + 1), match[1], line)
    return Problem("a key must be text, not a list or a mapping", place, "write it as text", "key-not-text")


def odd_key(place: Place, key: str) -> Problem:
    """An empty key, or YAML 1.1's merge key."""
    if key == "<<":
        return Problem("merge keys (`<<`) are not read", place, "write the keys out", "merge-key")
    return Problem("a key is missing before this `:`", place, QUOTE_OR_BLOCK, "empty-key")


def duplicate_key(place: Place, key: str, first: Place) -> Problem:
    """A key given twice in one mapping."""
    return Problem(
        f"`{key}` is given twice; the first is on line {first.line}", place, "keep one of them", "duplicate-key"
    )


def forbidden_escape(place: Place, character: str) -> Problem:
    """An escape that makes a NUL or half a character."""
    what = "a NUL character" if character == "\0" else "half of a surrogate pair"
    return Problem(f"an escape in this text makes {what}", place, "remove the escape", "forbidden-character")


def syntax(path: str, text: str, error: Exception) -> Problem:
    """Return the problem that the parser met, explained from its message and its line."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return _unreadable(path, text, error)
    context_mark = getattr(error, "context_mark", None) or mark
    message = str(getattr(error, "problem", None) or "this is not YAML")
    site = _Site(path, text, message, str(getattr(error, "context", None) or ""), mark, context_mark)
    for explain in _EXPLANATIONS:
        problem = explain(site)
        if problem is not None:
            return problem
    hint = "check the indentation here and the quotes above; " + QUOTE_OR_BLOCK
    return site.problem(f"this is not YAML: {message}", hint)


@dataclass(frozen=True, slots=True)
class _Site:
    """The place at which a parser gave up: its words, its mark and the mark of what it was reading (both from 0)."""

    path: str
    text: str
    message: str
    context: str
    mark: Any
    context_mark: Any

    def here(self) -> str:
        return _line(self.text, self.mark.line)

    def problem(self, message: str, hint: str, *, is_of_context: bool = False) -> Problem:
        mark = self.context_mark if is_of_context else self.mark
        return Problem(message, Place(self.path, mark.line + 1, mark.column + 1), hint, "yaml-syntax")


def _template_in_value(place: Place, opening: str, line: str) -> Problem:
    if opening == "{%" and not line[: (place.column or 1) - 1].strip(" -"):
        hint = 'templates are in the texts of messages; a text that prompts share is a partial: `{% include "path" %}`'
        return Problem("the file itself is no template", place, hint, "unquoted-template")
    message = f"a value that begins with `{opening}` is a mapping to YAML, not text"
    return Problem(message, place, QUOTE_OR_BLOCK, "unquoted-template")


def _unseen(site: _Site) -> Problem | None:
    for number in (site.mark.line, site.mark.line - 1):
        if found := re.search(_UNSEEN, _line(site.text, number)):
            at = found.start(found.lastindex or 0)
            character = f"U+{ord(found[found.lastindex or 0]):04X}"
            what = f"the character {character} stands here, and only looks like a blank or a colon"
            return Problem(what, Place(site.path, number + 1, at + 1), "type it anew", "unseen-character")
    return None


def _tab(site: _Site) -> Problem | None:
    before = site.here()[: site.mark.column + 1]
    is_of_block = "block scalar" in site.context and "tab" in site.message
    if not is_of_block and ("\t" not in before or before.strip()):
        return None
    return replace(site.problem("a tab is used to indent", "indent with spaces"), code="tab")


def _template(site: _Site) -> Problem | None:
    spots = [(mark.line, mark.column) for mark in (site.mark, site.context_mark)]
    if "flow" in site.context:
        # `{#` begins a comment to YAML, and the parser only misses the `}` lines below.
        above = [(line, _line(site.text, line)) for line in range(site.mark.line - 1, max(-1, site.mark.line - 4), -1)]
        spots += [(number, len(line)) for number, line in above if "{#" in line]
    for number, column in spots:
        line = _line(site.text, number)
        match = re.search(_TEMPLATE_VALUE, line)
        if match is not None and match.start(1) <= column:
            return _template_in_value(Place(site.path, number + 1, match.start(1) + 1), match[1], line)
    return None


def _no_key_at_all(site: _Site) -> Problem | None:
    if not site.here().lstrip().startswith(":"):
        return None
    return odd_key(Place(site.path, site.mark.line + 1, site.mark.column + 1), "")


def _second_colon(site: _Site) -> Problem | None:
    if not site.message.startswith("mapping values are not allowed"):
        return None
    above = _line(site.text, site.mark.line - 1)
    glued = re.match(_NO_SPACE_AFTER_COLON, above)
    if glued and not re.search(r":\s", above):
        problem = site.problem(f"`{glued[1]}:` needs a space after the colon", f"write `{glued[1]}: …`")
        return replace(problem, place=Place(site.path, site.mark.line, glued.end(1) + 1))
    if ":" in site.here()[: site.mark.column]:
        return site.problem("a second `: ` in an unquoted value", QUOTE_OR_BLOCK)
    hint = "indent it like the keys around it, or quote the value above or put it on the lines below `|`"
    return site.problem("this key is indented as if it belonged to the value above", hint)


def _bad_start(site: _Site) -> Problem | None:
    if "cannot start any token" not in site.message:
        return None
    character = site.here()[site.mark.column : site.mark.column + 1]
    shown = "a backtick" if character == "`" else f"`{character}`"
    return site.problem(f"an unquoted value cannot begin with {shown}", QUOTE_OR_BLOCK)


# A sign in what the parser was reading or, after the line break, in its message; the problem and the remedy; and
# if the place is where the parser began to read.
_SIGNS = (
    (
        r"quoted scalar.*\n.*(?:end of stream|document indicator|separator)",
        "this quote is never closed",
        "close it, or use `|` for a long text",
        True,
    ),
    (
        r"\n.*Unicode.*escape",
        "this escape is no character",
        r"write one `\U000…` escape, or the character itself",
        False,
    ),
    (
        r"\n.*(?:escape|hexa?decimal)",
        "this is no escape of double-quoted text",
        r"double the backslash (`\\`), or use single quotes, in which a backslash is only itself",
        False,
    ),
    (
        r"block scalar.*\n",
        "nothing may follow `|` or `>` on its line",
        "begin the text on the next line, indented",
        False,
    ),
    (
        r"while scanning a simple key.*\n|\n.*could not find expected ':'",
        "this line is no `key: value`",
        "if it belongs to a text, indent it under that text's `|`; otherwise write `key: value`",
        True,
    ),
    (r"alias.*\n", "an unquoted value cannot begin with `*`", QUOTE_OR_BLOCK, True),
    (r"anchor.*\n", "an unquoted value cannot begin with `&`", QUOTE_OR_BLOCK, True),
    (r"(?:tag|directive).*\n|\n.*tag", "tags and directives (`!`, `%`) are not read", QUOTE_OR_BLOCK, True),
    (
        r"\n.*sequence entries are not allowed",
        "a list cannot begin on the line of its key",
        "put `- …` on the next line, or quote the text",
        False,
    ),
    (r"\n.*incompatible YAML", "the file asks for a YAML that is not 1.2", "remove the `%YAML` line", False),
)


def _told_by_words(site: _Site) -> Problem | None:
    words = f"{site.context}\n{site.message}"
    for sign, message, hint, is_of_context in _SIGNS:
        if re.search(sign, words):
            return site.problem(message, hint, is_of_context=is_of_context)
    return None


def _open_bracket(site: _Site) -> Problem | None:
    if "flow" not in site.context:
        return None
    mark, here = site.context_mark, _line(site.text, site.context_mark.line)
    at = (mark.line, mark.column, here[mark.column : mark.column + 1])
    if at[2] not in ("[", "{"):  # then the parser is past it
        open_ = [(mark.line, mark.column, "{")]
        for number, line in enumerate([*site.text.split("\n")[: mark.line], here[: mark.column]]):
            for found in re.finditer(r"[\[{\]}]", line):
                if found[0] in "[{":
                    open_.append((number, found.start(), found[0]))
                elif len(open_) > 1:
                    open_.pop()
        at = open_[-1]
    closing = "]" if at[2] == "[" else "}"
    hint = f"close it with `{closing}`, part its values with `,`, or quote it where it is text"
    problem = site.problem(f"this `{at[2]}` is not closed as it should be", hint)
    return replace(problem, place=Place(site.path, at[0] + 1, at[1] + 1))


def _indentation(site: _Site) -> Problem | None:
    if "block" not in site.context and "document start" not in site.message:
        return None
    if site.here()[: site.mark.column].strip():
        return site.problem("text after the end of a value", QUOTE_OR_BLOCK)
    if site.here().lstrip().startswith("- "):
        return site.problem("a list begins where a key was expected", "indent it under its key")
    above = site.context_mark.line
    like = (
        f" with the keys around it, as on line {above + 1}" if above != site.mark.line else " with what it belongs to"
    )
    return site.problem("the indentation fits nothing above", f"line it up{like}, or indent the text under `|`")


# In the order in which they are told from each other: the plainest signs first.
_EXPLANATIONS = (
    _unseen,
    _tab,
    _template,
    _no_key_at_all,
    _second_colon,
    _bad_start,
    _told_by_words,
    _open_bracket,
    _indentation,
)


def _unreadable(path: str, text: str, error: Exception) -> Problem:
    """Characters that no YAML file may hold."""
    match = re.search(_UNPRINTABLE, text)
    if match is None:
        return Problem(f"this is not YAML: {error}", Place(path), QUOTE_OR_BLOCK, "yaml-syntax")
    line = text.count("\n", 0, match.start()) + 1
    column = match.start() - text.rfind("\n", 0, match.start())
    what = {"\0": "a NUL character", "\ufeff": "a byte order mark"}.get(
        match[0], f"control character U+{ord(match[0]):04X}"
    )
    return Problem(f"the file holds {what}", Place(path, line, column), "remove it", "forbidden-character")


def _line(text: str, number: int) -> str:
    """Line `number`, counted from 0; empty beyond the end."""
    lines = text.split("\n")
    return lines[number] if 0 <= number < len(lines) else ""
