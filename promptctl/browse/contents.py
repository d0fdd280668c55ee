"""Contents as pages show them: JSON indented, invisible characters visible, hidden parts marked as such."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from promptctl.errors import HIDDEN, code_point
from promptctl.reports.hidden_parts import ABOUT, pieces
from promptctl.reports.wording import as_text, clip, count

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_SNIPPET = 120
_MARKS = {
    "passed": ("ok", "passed", "finished", "better", "no worse", "running", "promoted", "improved"),
    "failed": ("failed", "error", "invalid_output", "worse", "disabled", "blocked", "broken", "void", "regressed"),
    "error": ("warned", "exceeded", "incomplete", "interrupted", "cancelled", "undecided", "stopped"),
}
_MOST_NESTED = 100
_LONGEST_INDENTED = 50_000
_LONGEST = 100_000
_CLOSING = {"{": "}", "[": "]"}


def visible(value: Any) -> Any:
    """Return a text with a code in the place of each character that nobody sees: `⟨U+202E⟩`; what is markup stays."""
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return HIDDEN.sub(lambda found: f"⟨{code_point(found[0])}⟩", value)


@dataclass(slots=True)
class Room:
    """The characters of contents that a page has room for: what follows is left out, and the page says so."""

    left: int = 3 * _LONGEST


def content(value: Any, room: Room | None = None) -> Markup:
    """Return a text or data of a call for a page: JSON indented, hidden parts marked with what they are.

    What is longer than a page can show is cut, with how much is left out.
    """
    room = room or Room()
    text = indented(as_text(value))
    shown = text[: min(_LONGEST, room.left)]
    room.left -= len(shown)
    left_out = len(text) - len(shown)
    text = visible(shown)
    parts = [
        escape(piece)
        if kind is None
        else Markup('<mark class="hidden-part" title="{}">{}</mark>').format(ABOUT[kind], piece)
        for piece, kind in pieces(text)
    ]
    if left_out:
        parts.append(Markup('<b class="cut">… and {} more</b>').format(count(left_out, "character")))
    return Markup("").join(parts)


def with_code(text: str) -> Markup:
    """Return words in which what stands between backticks is code.

    >>> with_code("`kind` is <b>")
    Markup('<code>kind</code> is &lt;b&gt;')
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(visible(text))
    forms = [Markup("<code>{}</code>") if number % 2 else Markup("{}") for number in range(len(parts))]
    return Markup("").join(form.format(visible(part)) for form, part in zip(forms, parts, strict=True))


def with_breaks(path: str) -> Markup:
    """Return a path or a ref that a narrow page may break after a slash and before an `@`.

    >>> with_breaks("support/triage@v2")
    Markup('support/<wbr>triage<wbr>@v2')
    """
    return Markup(str(escape(visible(path))).replace("/", "/<wbr>").replace("@", "<wbr>@"))  # noqa: S704 - it is escaped


def indented(text: str) -> str:
    """Return JSON objects and lists with a line for each member, every value as it is written; other texts as they are.

    >>> print(indented('{"a":[1.0,{}], "b": "x:y"}'))
    {
      "a": [
        1.0,
        {}
      ],
      "b": "x:y"
    }
    """
    if not is_json(text):
        return text
    lines: list[str] = []
    line, depth, size = "", 0, 0
    parts = _JSON_TOKEN.findall(text)
    for at, each in enumerate(parts):
        size += 2 * depth
        if size > 4 * _LONGEST:  # of lists within lists, indents are far longer than their text
            return text
        if each in _CLOSING:
            if parts[at + 1] == _CLOSING[each]:
                line += each
                continue
            depth += 1
            if depth > _MOST_NESTED:
                return text
            lines.append(line + each)
            line = "  " * depth
        elif each in _CLOSING.values():
            if parts[at - 1] in _CLOSING:
                line += each
                continue
            depth -= 1
            lines.append(line)
            line = "  " * depth + each
        elif each == ",":
            lines.append(line + each)
            line = "  " * depth
        else:
            line += ": " if each == ":" else each
    return "\n".join([*lines, line])


def is_json(text: str) -> bool:
    """Return True for the text of a JSON object or list that is not too long to be indented."""
    if len(text) > _LONGEST_INDENTED or text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def mark_of(status: str) -> str:
    """Return the class of the mark that a status has: what is well, what failed, what needs a look."""
    return next((mark for mark, words in _MARKS.items() if status in words), "plain")


def snippet(text: str) -> str:
    """Return the beginning of a text on one line."""
    return clip(" ".join(text[: 2 * _SNIPPET].split()), _SNIPPET)


def dataset_name(path: str) -> str:
    """Return a dataset's path as people say it: without the folder of all datasets, and without a suffix.

    >>> dataset_name("datasets/support/triage.yaml")
    'support/triage'
    """
    return path.removeprefix("datasets/").removesuffix(".yaml").removesuffix(".yml")


def message_parts(message: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the contents of a message, each with what it is if it is no text: an image, a tool call."""
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, Mapping):
            if part is not None:
                yield "", part
        elif isinstance(part.get("text"), str):
            yield "", part["text"]
        else:
            yield str(part.get("type", "")), part
    for name, value in message.items():
        if name not in ("role", "content") and value is not None:
            yield name.replace("_", " "), value
