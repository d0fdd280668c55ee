"""Strict YAML 1.2 with places: bytes to plain data, and where in the file each value stands.

Built on the events of PyYAML's C parser (the pure-Python one if it is not there), with the core schema of YAML
1.2 and a builder of our own: no anchors, aliases, tags, merge keys, duplicate keys or second documents, no key that
is not text, at most 1 MiB and 64 levels. So `no` and `012` are text, `1e3` is a number, and a date is text.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from promptctl.errors import InvalidFiles, Place, Problem, in_reading_order
from promptctl.files.document import Document, scalar_value

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_COLLECTIONS = 100_000
MAX_PROBLEMS = 100

# JSON writes a character beyond U+FFFF as two escapes, YAML as one.
_SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
# What an escape in double quotes can make, and no text of ours may hold.
_FORBIDDEN_ESCAPED = re.compile("[\x00\ud800-\udfff]")
# YAML 1.1, which the parsers speak, ends a line at these; in 1.2 they are characters like any other.
_BREAKS_OF_YAML_1_1 = "\x85\u2028\u2029"


def read_yaml(data: bytes, path: str) -> Document:
    """Read one strict YAML document; `data` is None if the file holds none.

    Raises `InvalidFiles` with every problem that could be told before the file stopped making sense.
    """
    return DocumentBuilder(decoded(data, path), path).document()


def decoded(data: bytes, path: str, max_bytes: int = MAX_BYTES) -> str:
    """Return a YAML file's text, its lines ended by `\\n`. Raises `InvalidFiles`: too large, not UTF-8, a merge."""
    if len(data) > max_bytes:
        raise InvalidFiles([_words().too_large(path, len(data), max_bytes)])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidFiles([_words().not_utf8(path, data, error)]) from None
    if text.startswith("\ufeff"):
        text = text[1:]
    if path.endswith(".json") and "\\u" in text:
        text = _SURROGATE_PAIR.sub(_join_surrogates, text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if ">>>>>>>" in text or "<<<<<<<" in text:
        from promptctl.files.merges import unresolved_merge

        if (merge := unresolved_merge(text, path, is_data=True)) is not None:
            raise InvalidFiles([merge])
    return text


def _words() -> Any:
    """Return the module that words problems, which only a file with a problem needs."""
    from promptctl.files import yaml_problems

    return yaml_problems


def _join_surrogates(match: re.Match[str]) -> str:
    code = 0x10000 + ((int(match[2], 16) - 0xD800) << 10) + (int(match[3], 16) - 0xDC00)
    return f"{match[1]}\\U{code:08x}"


def _hide_breaks(text: str) -> tuple[str, dict[int, str]]:
    """Return the text with what YAML 1.1 alone takes for line breaks replaced by characters that it does not hold.

    Beside it the codes of those characters, each with what it stands for.
    """
    restore: dict[int, str] = {}
    if text.isascii():
        return text, restore
    free = (code for code in range(0xE000, 0xF8FF) if chr(code) not in text)
    for character in _BREAKS_OF_YAML_1_1:
        code = next(free, None) if character in text else None
        if code is not None:
            text = text.replace(character, chr(code))
            restore[code] = character
    return text, restore


class DocumentBuilder:
    """Makes plain data of a parser's events, and beside it a tree of the events for their places.

    A node of that tree is a scalar's event, `(event, {key: (key event, node)})` or `(event, [node])`.
    """

    max_collections = MAX_COLLECTIONS
    max_depth = MAX_DEPTH

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.problems: list[Problem] = []
        self._restore: dict[int, str] = {}
        self._collections = 0
        self._has_escapes = "\\" in text

    def document(self) -> Document:
        """Return the document. Raises `InvalidFiles` with all that could be told before it stopped making sense."""
        parser_class, events, errors = _parser()
        data, root = None, None
        self._events = events
        text, self._restore = _hide_breaks(self.text)
        try:
            parser = parser_class(text)
            self._next = parser.get_event
            data, root = self._only_document()
        except errors as error:
            self._add_syntax_problem(error)
        except StopReading:
            pass
        if self.problems:
            raise InvalidFiles(in_reading_order(self.problems))
        return Document(data, self.path, root, self.text)

    def _report(self, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MAX_PROBLEMS:
            raise StopReading

    def _add_syntax_problem(self, error: Exception) -> None:
        problem = _words().syntax(self.path, self.text, error)
        line = problem.place.line if problem.place else None
        # What made the parser stop has often been told already, by the builder and in better words.
        if not any(told.place and told.place.line == line for told in self.problems):
            self.problems.append(problem)

    def _only_document(self) -> tuple[Any, Any]:
        self._next()
        start = self._next()
        if start.__class__ is self._events.StreamEndEvent:
            return None, None
        self._check_directives(start)
        root = self._value(self._next(), 0)
        self._next()
        after = self._next()
        if after.__class__ is not self._events.StreamEndEvent:
            self._report(_words().second_document(self._place(after), self.text))
        return root

    def _value(self, event: Any, depth: int) -> tuple[Any, Any]:
        kind = event.__class__
        if kind is self._events.AliasEvent:
            self._report(_words().alias(self._place(event), event.anchor))
            return None, event
        if event.anchor is not None or event.tag is not None:
            self._report(_words().property_of_node(self._place(event), event, self.text))
        if kind is self._events.ScalarEvent:
            return self._scalar_value(event), event
        self._collections += 1
        if self._collections > self.max_collections:
            self.problems.append(_words().too_many(self._place(event), self.max_collections))
            raise StopReading
        if depth >= self.max_depth:
            self._stop_too_deep(event)
        if kind is self._events.MappingStartEvent:
            return self._mapping(event, depth + 1)
        return self._sequence(event, depth + 1)

    def _mapping(self, start: Any, depth: int) -> tuple[dict[str, Any], Any]:
        data: dict[str, Any] = {}
        nodes: dict[str, Any] = {}
        next_event, end, scalar = self._next, self._events.MappingEndEvent, self._events.ScalarEvent
        event = next_event()
        while event.__class__ is not end:
            if event.__class__ is scalar:
                key: str | None = self._key(event, nodes)
            else:
                key = None
                self._report(_words().key_is_no_text(self._place(event), self.text))
                self._value(event, depth)
            value, node = self._value(next_event(), depth)
            if key is not None:
                data[key] = value
                nodes[key] = (event, node)
            event = next_event()
        return data, (start, nodes)

    def _sequence(self, start: Any, depth: int) -> tuple[list[Any], Any]:
        data: list[Any] = []
        nodes: list[Any] = []
        next_event, end = self._next, self._events.SequenceEndEvent
        event = next_event()
        while event.__class__ is not end:
            value, node = self._value(event, depth)
            data.append(value)
            nodes.append(node)
            event = next_event()
        return data, (start, nodes)

    def _key(self, event: Any, seen: dict[str, Any]) -> str:
        """Return the key as it is written: `1` and `true` are text as well."""
        if event.anchor is not None or event.tag is not None:
            self._report(_words().property_of_node(self._place(event), event, self.text))
        key: str = event.value
        if event.style:
            key = self._checked_text(event)
        elif key in ("", "<<"):
            self._odd_key(event, key)
        if self._restore:
            key = key.translate(self._restore)
        if key in seen:
            self._report(_words().duplicate_key(self._place(event), key, self._place(seen[key][0])))
        return key

    def _odd_key(self, event: Any, key: str) -> None:
        self._report(_words().odd_key(self._place(event), key))

    def _stop_too_deep(self, event: Any) -> NoReturn:
        self.problems.append(_words().too_deep(self._place(event), self.max_depth))
        raise StopReading

    def _scalar_value(self, event: Any) -> Any:
        if event.style:
            value: Any = self._checked_text(event)
        else:
            value = scalar_value(event.value)
        if self._restore and isinstance(value, str):
            return value.translate(self._restore)
        return value

    def _checked_text(self, event: Any) -> str:
        """Return the text of a quoted scalar, whose escapes could have made what no text of ours may hold."""
        text: str = event.value
        if self._has_escapes and event.style == '"' and (bad := _FORBIDDEN_ESCAPED.search(text)):
            self._report(_words().forbidden_escape(self._place(event), bad[0]))
        return text

    def _check_directives(self, start: Any) -> None:
        if getattr(start, "tags", None):
            self._report(_words().tag_directive(self._place(start)))

    def _place(self, event: Any) -> Place:
        return Place(self.path, event.start_mark.line + 1, event.start_mark.column + 1)


class StopReading(Exception):
    """Reading on would tell nothing more; what is wrong is in `problems`."""


_PARSER: list[Any] = []


def _parser() -> tuple[Any, Any, tuple[type[Exception], ...]]:
    """Return the parser's class, the events' module and the parser's errors, imported on first use."""
    if not _PARSER:
        import yaml
        from yaml import events

        try:
            from yaml.cyaml import CParser  # type: ignore[attr-defined]  # it is there where libyaml is
        except ImportError:
            # The Python parser lets a few mistakes through as plain ValueErrors.
            _PARSER.append((yaml.SafeLoader, events, (yaml.YAMLError, ValueError, IndexError)))
        else:
            _PARSER.append((CParser, events, (yaml.YAMLError,)))
    parser: tuple[Any, Any, tuple[type[Exception], ...]] = _PARSER[0]
    return parser
