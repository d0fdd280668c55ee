"""The messages of a prompt as the body of a Prompty file, in the part of Jinja that every runtime of Prompty has.

Source: spec/jinja-subset.md and spec/jinja-grammar.md of microsoft/prompty.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.prompty.body import ROLES, is_role_line
from promptctl.exchange.written import PromptToWrite, PromptWriter
from promptctl.files.document import Key
from promptctl.prompts.prompt import MISSING, Message, Placeholder
from promptctl.template_languages.jinja import jinja_path, pieces_of
from promptctl.template_languages.ours import Lose, own_pieces, template_line, with_partials
from promptctl.template_languages.pieces import (
    CodePiece,
    IfBranch,
    IfPiece,
    LoopPiece,
    Path,
    Piece,
    TextPiece,
    VariablePiece,
)
from promptctl.templates import BadTemplate

_FILTERS = frozenset(("upper", "lower", "trim", "join", "length", "default"))
_LOOP = frozenset(("index", "index0", "first", "last", "length"))
_OTHER_TEXTS = {"boolean": "true or false", "array": "a list", "object": "an object"}
_RAW = re.compile(r"\{%[-+]?\s*raw\b")
_BRACES = re.compile(r"\{(?=[{%#])|\{\Z")
_OUTSIDE = "is outside of the Jinja that every runtime of Prompty has"


_VALUE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Kind of the input that a part of a message is filled with, and the way to the template in the part.
_KINDS = {"image_url": ("image", "url"), "input_audio": ("audio", "data"), "file": ("file", "file_data")}
# Ends of lines to Prompty's parser, apart from `\n`.
_OTHER_ENDS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNTRUE_NAME = re.compile(r"[\[\]\"\n]")


def rich_inputs(messages: tuple[Message | Placeholder, ...]) -> dict[str, str]:
    """Return the inputs that stand for more than text, with their kinds in Prompty."""
    found: dict[str, str] = {}
    for message in messages:
        if isinstance(message, Placeholder):
            found[message.input] = "thread"
        elif not isinstance(message.content, str):
            for part in message.content:
                if named := _input_of(part):
                    found.setdefault(named[1], named[0])
    return found


def _input_of(part: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the kind and the name of the input that is all of a part of a message."""
    kind = _KINDS.get(str(part.get("type")))
    value = part.get(str(part.get("type")), {}).get(kind[1]) if kind else None
    match = _VALUE.fullmatch(value) if isinstance(value, str) else None
    return (kind[0], match[1]) if kind and match else None


class BodyWriter(PromptWriter):
    """Writes the messages of one prompt."""

    def __init__(self, given: PromptToWrite) -> None:
        super().__init__(given)
        self.rich = rich_inputs(self.prompt.messages)
        self._kinds = {name: each.schema.get("type") for name, each in self.prompt.inputs.items()}
        self._last_role = ""

    def write(self) -> str:
        """Return the body: a line with a role before each message."""
        blocks: list[str] = []
        for number, message in enumerate(self.prompt.messages):
            if isinstance(message, Placeholder):
                blocks.append(f"user:\n{{{{{message.input}}}}}")
                self._last_role = ""
            else:
                blocks += self._message(message, number)
        return "\n\n".join(blocks) + "\n"

    def _message(self, message: Message, number: int) -> Iterator[str]:
        head = message.role
        if head not in ROLES:
            self.lose(f"has the role {head}, which no message of Prompty has", "messages", number, "role")
            return
        for key, value in message.extra.items():
            if key != "name" or _UNTRUE_NAME.search(str(value)):
                self.lose("has no place in Prompty", "messages", number, key)
                continue
            head += f'[name="{value}"]'
            self.lose("is written, but left out by Prompty when it renders strictly", "messages", number, key)
        if isinstance(message.content, str):
            yield f"{head}:\n{self._text(message.content, ('messages', number, 'content'))}"
        else:
            yield from self._parts(message, head, number)
        self._last_role = message.role

    def _parts(self, message: Message, head: str, number: int) -> Iterator[str]:
        at = ("messages", number, "content")
        is_text = [part["type"] == "text" for part in message.content]  # type: ignore[index]
        if is_text[:1] != [True] and self._last_role == "user":
            self.lose("begins with a part that Prompty adds to the message before", *at)
        if any(is_text[1:]):
            self.lose("has texts behind its first part; Prompty makes messages of them", *at)
        for index, part in enumerate(message.content):
            if not isinstance(part, Mapping):
                continue
            if not is_text[index]:
                yield from self._part(part, message, (*at, index))
                continue
            if "cache_control" in part:
                self.lose("has no place in Prompty", *at, index, "cache_control")
            yield f"{head}:\n{self._text(part['text'], (*at, index, 'text'))}"

    def _part(self, part: Mapping[str, Any], message: Message, at: tuple[Key, ...]) -> Iterator[str]:
        named = _input_of(part)
        if named is None:
            self.lose("is no input: Prompty's files hold images and sounds as inputs only", *at)
            return
        if message.role != "user":
            self.lose("is a part of a message of the user in Prompty", *at)
        kind = str(part["type"])
        inner = part[kind].keys() - {_KINDS[kind][1], "format"} | ({"cache_control"} & part.keys())
        for key in sorted(inner):
            self.lose("has no place in Prompty", *at, key)
        if kind == "input_audio" and part[kind]["format"] != "wav":
            self.lose("is not said: Prompty does not know the form of a sound", *at, "format")
        given = self.prompt.inputs.get(named[1])
        is_optional = given is not None and not given.is_required and given.default is MISSING
        if part.get("when") != (named[1] if is_optional else None):
            said = "leaves it out if" if is_optional else "sends it even if"
            self.lose(f"is not said: Prompty {said} `{named[1]}` is not given", *at, "when")
        yield f"user:\n{{{{{named[1]}}}}}"

    def _text(self, text: str, at: tuple[Key, ...]) -> str:
        """Return a text as Prompty's Jinja, without the one line end at its end that Prompty strips."""
        lose = self.lose_in(*at, part=".".join(map(str, at[:3])))
        written = self._jinja(text, lose)
        if text.removesuffix("\n").strip("\n") != text.removesuffix("\n"):
            lose("begins or ends with line ends, which Prompty strips", 1)
        if other := _OTHER_ENDS.search(written):
            lose("has a character at which Prompty ends a line", text.count("\n", 0, other.start()) + 1)
        for line, each in enumerate(written.split("\n"), 1):
            if is_role_line(each):
                lose(f"has the line `{each.strip()[:40]}`, which begins a message in Prompty", line)
        return written.strip("\n")

    def _jinja(self, text: str, lose: Lose) -> str:
        prompt, given = self.prompt, text
        if prompt.engine == "jinja2":
            text = with_partials(prompt, text, lose, "Prompty includes nothing")
        else:
            text = "".join(_literal(each, lose) for each in own_pieces(prompt, text, lose))
        try:
            for line, said in outside(text, self._kinds, self.rich):
                lose(said, template_line(given, prompt, line) if prompt.engine == "jinja2" else line)
        except BadTemplate as error:
            lose(str(error), 1)
        return text


def _literal(piece: Piece, lose: Lose) -> str:
    """Return a piece of a template without logic as Jinja that prints it."""
    if isinstance(piece, TextPiece):
        return literal(piece.text)
    assert isinstance(piece, VariablePiece)
    name = str(piece.path[0])
    if _NAME.fullmatch(name):
        return f"{{{{{name}}}}}"
    lose(f"`{name}` is no name that Jinja can use", piece.line)
    return literal(f"{{{{{name}}}}}")


def literal(text: str) -> str:
    """Return a text as a template that prints it, with nothing but what every runtime has.

    >>> literal("{{x}}")
    '{{ "{" }}{x}}'
    """
    return _BRACES.sub('{{ "{" }}', text)


def outside(text: str, kinds: Mapping[str, Any], rich: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the line and description of each part of a template that Prompty may not print as promptctl does.

    `kinds` are the JSON types of the inputs, `rich` those that stand for more than text.
    """
    for found in _RAW.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, f"`raw` {_OUTSIDE}"
    yield from _pieces(pieces_of(text), kinds, rich, 0)


def _pieces(
    pieces: Sequence[Piece], kinds: Mapping[str, Any], rich: Collection[str], loops: int
) -> Iterator[tuple[int, str]]:
    for piece in pieces:
        match piece:
            case VariablePiece(path, filters, line):
                yield from ((line, each) for each in _variable(path, kinds, rich, loops, is_printed=not filters))
                for each in filters:
                    if each.name not in _FILTERS or len(each.arguments) > 1:
                        yield line, f"the filter `{each.name}` {_OUTSIDE}"
            case IfPiece(branches, otherwise, line):
                for branch in branches:
                    yield from ((line, each) for each in _tests(branch, kinds, rich, loops))
                    yield from _pieces(branch.body, kinds, rich, loops)
                yield from _pieces(otherwise, kinds, rich, loops)
            case LoopPiece(_, over, body, otherwise, key, line):
                yield from ((line, each) for each in _variable(over, kinds, rich, loops))
                if key is not None or otherwise:
                    yield line, f"a loop over keys, or with `else`, {_OUTSIDE}"
                yield from _pieces(body, kinds, rich, loops + 1)
                yield from _pieces(otherwise, kinds, rich, loops)
            case CodePiece(_, kind, line):
                yield line, f"{kind} {_OUTSIDE}"


def _tests(branch: IfBranch, kinds: Mapping[str, Any], rich: Collection[str], loops: int) -> Iterator[str]:
    for test in branch.tests:
        yield from _variable(test.path, kinds, rich, loops)
        if test.operator == "is":
            yield f"the test `is {test.operand}` {_OUTSIDE}"
        elif isinstance(test.operand, tuple):
            yield from _variable(test.operand, kinds, rich, loops)
        elif isinstance(test.operand, list):
            yield f"a list in a test {_OUTSIDE}"
        elif isinstance(test.operand, str) and ("\\" in test.operand or '"' in test.operand):
            yield f"a text with a quote or a backslash in a test {_OUTSIDE}"


def _variable(
    path: Path, kinds: Mapping[str, Any], rich: Collection[str], loops: int, *, is_printed: bool = False
) -> Iterator[str]:
    root, *keys = path
    if root == "loop" and loops and keys[:1] and keys[0] not in _LOOP:
        yield f"`{jinja_path(path)}` {_OUTSIDE}"
    if root in rich:
        yield f"`{root}` stands for more than text in Prompty, and cannot be used as text too"
    kind = kinds.get(str(root)) if is_printed and not keys else None
    if isinstance(kind, str) and kind in _OTHER_TEXTS:
        yield f"`{root}` is {_OTHER_TEXTS[kind]}, which Prompty's runtimes do not all print as JSON"
