"""What is wrong with a YAML file, in words that help: each mistake that people make, its place and its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from promptctl.errors import Place, Problem

QUOTE_OR_BLOCK = "quote the value, or put the text on the lines below `|`"

# What an escape in double quotes can make, and no text of ours may hold.
FORBIDDEN_ESCAPED = re.compile("[\x00\ud800-\udfff]")

# Compiled when something is wrong, and not by each command that reads a file.
_TEMPLATE_VALUE = r"(?:^|[:,\[]|-)\s*(\{\{|\{%|\{#)"
_NO_SPACE_AFTER_COLON = r"^\s*(?:- +)?([A-Za-z_][\w-]*):[^\s/]"
_UNPRINTABLE = "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems as one meets them in the files; those of one place stay as they are."""
    return sorted(problems, key=_reading_position)


def _reading_position(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.path, place.line or 0, place.column or 0) if place else ("", 0, 0)


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


def property_of_node(place: Place, event: Any) -> Problem:
    """`&name` or `!tag` before a value."""
    if event.anchor is not None:
        hint = f"if `&{event.anchor}` is text, quote it; otherwise remove it"
        return Problem("anchors (`&name`) are not read", place, hint, "anchor")
    if event.tag == "!include":
        hint = 'write `{% include "path" %}` in the text, or `$ref: path` for a schema or a tool'
        return Problem("tags such as `!include` are not read", place, hint, "tag")
    shown = event.tag.replace("tag:yaml.org,2002:", "!!")
    return Problem(f"tags such as `{shown}` are not read", place, "remove the tag, or quote the text", "tag")


def tag_directive(place: Place) -> Problem:
    """`%TAG` before the document."""
    return Problem("tags are not read, nor `%TAG`", place, "remove the line", "tag")


def key_is_no_text(place: Place, text: str) -> Problem:
    """A mapping or a list where a key should be; nearly always an unquoted `{{ … }}`."""
    match = re.search(_TEMPLATE_VALUE, _line(text, (place.line or 1) - 1))
    if match:
        return _template_in_value(Place(place.path, place.line, match.start(1) + 1), match[1])
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
    """What the parser could not read, explained from its message and the line it stands on."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return _unreadable(path, text, error)
    context = getattr(error, "context_mark", None) or mark
    message = str(getattr(error, "problem", None) or "this is not YAML")
    site = _Site(path, text, message, str(getattr(error, "context", None) or ""), _spot(mark), _spot(context))
    for explain in _EXPLANATIONS:
        problem = explain(site)
        if problem is not None:
            return problem
    hint = "check the indentation here and the quotes above; " + QUOTE_OR_BLOCK
    return Problem(f"this is not YAML: {message}", site.place(), hint, "yaml-syntax")


class _Site:
    """Where a parser gave up: its words, its mark and the mark of what it was reading (line, column from 0)."""

    def __init__(
        self, path: str, text: str, message: str, context: str, mark: tuple[int, int], context_mark: tuple[int, int]
    ) -> None:
        self.path = path
        self.text = text
        self.message = message
        self.context = context
        self.line, self.column = mark
        self.context_line, self.context_column = context_mark

    def place(self) -> Place:
        return Place(self.path, self.line + 1, self.column + 1)

    def context_place(self) -> Place:
        return Place(self.path, self.context_line + 1, self.context_column + 1)

    def here(self) -> str:
        return _line(self.text, self.line)

    def problem(self, message: str, hint: str, place: Place | None = None) -> Problem:
        return Problem(message, place or self.place(), hint, "yaml-syntax")


def _template_in_value(place: Place, opening: str) -> Problem:
    message = f"a value that begins with `{opening}` is a mapping to YAML, not text"
    return Problem(message, place, QUOTE_OR_BLOCK, "unquoted-template")


def _tab(site: _Site) -> Problem | None:
    here = site.here()
    before = here[: site.column + 1]
    if "\t" not in before or before.strip():
        return None
    return Problem("a tab is used to indent", site.place(), "indent with spaces", "tab")


def _template(site: _Site) -> Problem | None:
    spots = [(site.line, site.column), (site.context_line, site.context_column)]
    if "flow" in site.context:
        # `{#` begins a comment to YAML, and the parser only misses the `}` lines below.
        spots += [(line, len(_line(site.text, line))) for line in range(site.line - 1, max(-1, site.line - 4), -1)]
    for line, column in spots:
        match = re.search(_TEMPLATE_VALUE, _line(site.text, line))
        if match is not None and match.start(1) <= column:
            return _template_in_value(Place(site.path, line + 1, match.start(1) + 1), match[1])
    return None


def _no_key_at_all(site: _Site) -> Problem | None:
    if not site.here().lstrip().startswith(":"):
        return None
    return odd_key(site.place(), "")


def _second_colon(site: _Site) -> Problem | None:
    if not site.message.startswith("mapping values are not allowed"):
        return None
    above = _line(site.text, site.line - 1) if site.line else ""
    glued = re.match(_NO_SPACE_AFTER_COLON, above)
    if glued and not re.search(r":\s", above):
        place = Place(site.path, site.line, glued.end(1) + 1)
        return site.problem(f"`{glued[1]}:` needs a space after the colon", f"write `{glued[1]}: …`", place)
    if ":" in site.here()[: site.column]:
        return site.problem("a second `: ` in an unquoted value", QUOTE_OR_BLOCK)
    hint = "indent it like the keys around it, or quote the value above or put it on the lines below `|`"
    return site.problem("this key is indented as if it belonged to the value above", hint)


def _bad_start(site: _Site) -> Problem | None:
    if "cannot start any token" not in site.message:
        return None
    character = site.here()[site.column : site.column + 1]
    shown = "a backtick" if character == "`" else f"`{character}`"
    return site.problem(f"an unquoted value cannot begin with {shown}", QUOTE_OR_BLOCK)


def _open_quote(site: _Site) -> Problem | None:
    if "quoted scalar" not in site.context or not (
        "end of stream" in site.message or "document indicator" in site.message or "separator" in site.message
    ):
        return None
    return site.problem("this quote is never closed", "close it, or use `|` for a long text", site.context_place())


def _escape(site: _Site) -> Problem | None:
    if "escape" not in site.message and "hexdecimal" not in site.message and "hexadecimal" not in site.message:
        return None
    if "Unicode" in site.message:
        return site.problem("this escape is no character", r"write one `\U000…` escape, or the character itself")
    hint = r"double the backslash (`\\`), or use single quotes, in which a backslash is only itself"
    return site.problem("this is no escape of double-quoted text", hint)


def _no_key(site: _Site) -> Problem | None:
    if "could not find expected ':'" not in site.message and "while scanning a simple key" not in site.context:
        return None
    hint = "if it belongs to a text, indent it under that text's `|`; otherwise write `key: value`"
    return site.problem("this line is no `key: value`", hint, site.context_place())


def _star(site: _Site) -> Problem | None:
    kind = "*" if "alias" in site.context else "&" if "anchor" in site.context else ""
    if not kind:
        return None
    return site.problem(f"an unquoted value cannot begin with `{kind}`", QUOTE_OR_BLOCK, site.context_place())


def _bad_tag(site: _Site) -> Problem | None:
    if "tag" not in site.context and "tag" not in site.message and "directive" not in site.context:
        return None
    return site.problem("tags and directives (`!`, `%`) are not read", QUOTE_OR_BLOCK, site.context_place())


def _block_header(site: _Site) -> Problem | None:
    if "block scalar" not in site.context:
        return None
    if "tab" in site.message:
        return Problem("a tab is used to indent", site.place(), "indent with spaces", "tab")
    return site.problem("nothing may follow `|` or `>` on its line", "begin the text on the next line, indented")


def _open_bracket(site: _Site) -> Problem | None:
    if "flow" not in site.context:
        return None
    opening = _line(site.text, site.context_line)[site.context_column : site.context_column + 1] or "{"
    closing = "]" if opening == "[" else "}"
    hint = f"close it with `{closing}`, part its values with `,`, or quote it where it is text"
    return site.problem(f"this `{opening}` is not closed as it should be", hint, site.context_place())


def _version(site: _Site) -> Problem | None:
    if "incompatible YAML" not in site.message:
        return None
    return site.problem("the file asks for a YAML that is not 1.2", "remove the `%YAML` line")


def _dash(site: _Site) -> Problem | None:
    if "sequence entries are not allowed" not in site.message:
        return None
    return site.problem("a list cannot begin on the line of its key", "put `- …` on the next line, or quote the text")


def _indentation(site: _Site) -> Problem | None:
    if "block" not in site.context and "document start" not in site.message:
        return None
    before = site.here()[: site.column]
    if before.strip():
        return site.problem("text after the end of a value", QUOTE_OR_BLOCK)
    if site.here().lstrip().startswith("- "):
        return site.problem("a list begins where a key was expected", "indent it under its key")
    hint = "line it up with what it belongs to, or indent the text under `|`"
    if site.context_line != site.line:
        hint = f"line it up with the keys around it, as on line {site.context_line + 1}, or indent the text under `|`"
    return site.problem("the indentation fits nothing above", hint)


# In the order in which they are told apart: the plainest signs first.
_EXPLANATIONS = (
    _tab,
    _template,
    _no_key_at_all,
    _second_colon,
    _bad_start,
    _open_quote,
    _escape,
    _block_header,
    _no_key,
    _star,
    _bad_tag,
    _dash,
    _version,
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


def _spot(mark: Any) -> tuple[int, int]:
    return mark.line, mark.column


def _line(text: str, number: int) -> str:
    """Line `number`, counted from 0; empty beyond the end."""
    lines = text.split("\n")
    return lines[number] if 0 <= number < len(lines) else ""
