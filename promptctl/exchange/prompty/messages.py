"""The body of a Prompty file as the messages of a native prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import Fate, ImportNote
from promptctl.exchange.prompty.body import (
    Marker,
    Section,
    image_pieces,
    part_of,
    sections,
    split_markers,
    value_role_lines,
)
from promptctl.exchange.prompty.header import PromptyHeader
from promptctl.exchange.prompty.inputs import InputsReader
from promptctl.files.media import NotReadable, image_in_prompt
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.mustache import MustacheNotes, mustache_pieces
from promptctl.templates import BadTemplate
from promptctl.templates.events import Include, Use
from promptctl.templates.uses import uses

_CUT = "end the block in the message that it begins in: here messages are told apart before anything is printed"


class MessagesReader:
    """Makes messages of a body. `events` are the uses of variables in them, once they are read."""

    def __init__(self, header: PromptyHeader, version: int, inputs: InputsReader, format_: str, api: str) -> None:
        self._header = header
        self._version = version
        self._inputs = inputs
        self._format = format_
        self._api = api
        self._messages: list[dict[str, Any]] = []
        self.events: list[Use] = []

    def read(self) -> list[dict[str, Any]]:
        """Return the messages. Raises `InvalidFiles` for templates that do not parse, or that no prompt may have."""
        header = self._header
        if not header.body.strip():
            raise header.source.refuse(
                "the file has no messages below its header", header.body_line, "write `system:` and a text"
            )
        if self._api.startswith("completion"):
            found = [Section("user", header.body.strip("\n"), header.body_line)]
        else:
            found = list(sections(header.body, header.body_line, self._version))
        for section in found:
            self._section(section)
        self._unplaced_thread()
        if not self._messages:
            raise header.source.refuse(
                "the file has no message with a text", header.body_line, "write one below a role"
            )
        return self._messages

    def _section(self, section: Section) -> None:
        if section.role in ("function", "tools"):
            self._note("dropped", section.role, section.line, "a message of this role has no form in promptctl")
            return
        if section.role == "thread":
            self._place(Marker("thread", "thread", section.line))
            return
        if not section.has_role:
            if not section.text.strip():
                return
            why = f"the text has no role of its own: it is a message of the {section.role}"
            self._note("changed", section.role, section.line, why)
        pieces = split_markers(section, self._inputs.kinds, strips=self._version == 2)
        for number, piece in enumerate(pieces):
            if isinstance(piece, Marker):
                self._place(piece)
            else:
                self._text(piece)
                if number:
                    why = "the text behind is a message of its own, as Prompty makes it"
                    self._note("changed", piece.role, piece.line, why)

    def _text(self, section: Section) -> None:
        text = self._jinja(section)
        for line in value_role_lines(section):
            why = "the line is text here, whatever its value: no value can begin a message"
            self._note("changed", section.role, line, why)
        message: dict[str, Any] = {"role": section.role, "content": text}
        for key, value in section.attributes.items():
            part, line = f"{section.role}[{key}]", section.line - 1
            if key == "name" and value:
                message["name"] = value
                self._note("kept", part, line, "is the message's name")
            elif key != "nonce":
                self._note("dropped", part, line, "is an attribute that no message has here")
        pieces = image_pieces(text) if self._version == 1 else []
        if any(pieces[1::2]):
            message["content"] = [
                self._image(each, section) if number % 2 else {"type": "text", "text": each}
                for number, each in enumerate(pieces)
                if each
            ]
        self._messages.append(message)
        self._note("kept", section.role, section.line, f"is message {len(self._messages)}")
        if text[-2:] in ("%}", "-%") or text[:2] == "{%":
            why = "line ends that a block at its end or beginning prints stay; Prompty strips them"
            self._note("changed", section.role, section.line, why)

    def _jinja(self, section: Section) -> str:
        """Return the text as Jinja, after its uses of variables are noted."""
        text = section.text
        if self._format == "mustache":
            text = self._from_mustache(section)
        try:
            found = uses(text)
        except BadTemplate as error:
            raise self._refused(error, section) from None
        for event in found:
            if isinstance(event, Include):
                message = "the template includes a file, which no runtime of Prompty gives it"
                raise self._header.source.refuse(message, section.line + event.line - 1)
        used = [event for event in found if isinstance(event, Use)]
        self.events += [replace(each, line=section.line + each.line - 1) for each in used]
        return text

    def _refused(self, error: BadTemplate, section: Section) -> InvalidFiles:
        """Return the error of a text that is no template, with what to do if the body as a whole is one."""
        line = section.line + (error.line or 1) - 1
        try:
            uses(self._header.body)
        except BadTemplate:
            return self._header.source.refuse(error.message, line, error.hint)
        return self._header.source.refuse("a block of the template ends in a different message", line, _CUT)

    def _from_mustache(self, section: Section) -> str:
        told = MustacheNotes()
        try:
            pieces = mustache_pieces(section.text, self._inputs.schemas, told)
        except BadTemplate as error:
            raise self._header.source.refuse(error.message, section.line + error.line - 1, _CUT) from None
        for name, line in told.escaped.items():
            why = "is printed as it is; most Mustache writes `<`, `>` and `&` in it as HTML has them"
            self._note("changed", f"{{{{{name}}}}}", section.line + line - 1, why)
        for name, (line, kind) in told.guessed.items():
            why = f"is read as a {kind}: the file does not say what it is"
            hint = f"declare `{name}` with its kind under `inputs`, and import the file again"
            self._note("changed", f"{{{{#{name}}}}}", section.line + line - 1, why, hint)
        return jinja_text(pieces)

    def _place(self, marker: Marker) -> None:
        """Add messages that are given (`thread`), or a part to the message of a user before it."""
        if marker.kind == "thread":
            self._inputs.kinds.setdefault(marker.name, "thread")
            self._messages.append({"placeholder": marker.name})
            self.events.append(Use(path=(marker.name,), act="messages", line=marker.line))
            words = f"is message {len(self._messages)}: messages that are given"
            self._note("kept", marker.part, marker.line, words)
            return
        part = part_of(marker)
        last = self._messages[-1] if self._messages else {}
        prop = self._inputs.is_optional(marker.name)
        if prop:
            part["when"] = marker.name
        if last.get("role") == "user":
            content = last["content"]
            last["content"] = [*([{"type": "text", "text": content}] if isinstance(content, str) else content), part]
        else:
            self._messages.append({"role": "user", "content": [part]})
        self.events.append(Use(path=(marker.name,), act="when" if prop else "print", line=marker.line))
        where = f"is a part of message {len(self._messages)}, of a user as Prompty makes it"
        self._note("kept", marker.part, marker.line, where)
        if marker.kind == "audio":
            why = "is sent as wav: Prompty's files do not say the form of a sound"
            self._note("changed", marker.part, marker.line, why)

    def _unplaced_thread(self) -> None:
        """Put messages that are given, and stand nowhere in the body, at the end, as Prompty does."""
        placed = {event.path[0] for event in self.events}
        for name, kind in self._inputs.kinds.items():
            if kind == "thread" and placed.isdisjoint(self._inputs.kinds):
                self._messages.append({"placeholder": name})
                self.events.append(Use(path=(name,), act="messages", line=1))
                self._header.note(
                    "kept", ("inputs", name), f"is message {len(self._messages)}, at the end: no message names it"
                )

    def _image(self, path: str, section: Section) -> dict[str, Any]:
        """Return the part of an image that version 1 names in a text; a file of it is put in."""
        url = path
        if not path.startswith(("http://", "https://", "data:", "{{")):
            found = self._header.source.beside(path, section.line)
            try:
                url = image_in_prompt(found.data)
            except NotReadable as error:
                hint = "give it as an input: `![image]({{photo}})`"
                raise self._header.source.refuse(f"`{path}` {error}", section.line, hint) from None
        self._note("changed", f"![…]({path[:40]})", section.line, "is a part of the message")
        return {"type": "image_url", "image_url": {"url": url}}

    def _note(self, fate: Fate, part: str, line: int, message: str, hint: str | None = None) -> None:
        self._header.notes.append(ImportNote(fate, part, message, self._header.source.place(line), hint))
