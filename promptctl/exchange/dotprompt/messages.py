"""Messages of a `.prompt` file: its template is split where it calls `role` and `history`, and parts at `media`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.exchange.dotprompt.partials import CalledPartials, marker
from promptctl.template_languages.handlebars.nodes import (
    Block,
    Constant,
    Node,
    Partial,
    PathNode,
    PlainText,
    Print,
    TagCall,
    TagNote,
)
from promptctl.template_languages.handlebars.reading import PieceReader
from promptctl.template_languages.handlebars.scopes import NotSaid, TagScope, TagValue, resolve
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import Piece, TextPiece, VariablePiece

HISTORY = "history"
ROLES = {"model": "assistant", "assistant": "assistant", "system": "system", "user": "user"}
_SOUNDS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}


@dataclass(slots=True)
class TemplateMessage:
    """A message as it is read: runs of pieces, and parts between them; or the place of the conversation so far."""

    role: str
    parts: list[tuple[Piece, ...] | dict[str, Any]] = field(default_factory=list)

    @property
    def is_history(self) -> bool:
        """True for the place of the conversation so far."""
        return self.role == HISTORY

    @property
    def is_blank(self) -> bool:
        """True if it prints nothing but white space."""
        return not self.is_history and all(not isinstance(part, dict) and _is_blank(part) for part in self.parts)


class TemplateReader:
    """Reads the nodes of a template into messages, as Dotprompt splits its text."""

    def __init__(self, partials: CalledPartials) -> None:
        self._partials = partials
        self._reader: PieceReader = partials.reader
        self._messages = [TemplateMessage("user")]

    def read(self, nodes: list[Node]) -> list[TemplateMessage]:
        """Return the messages that print anything. What has no place in one is a problem of the reader."""
        self._reader.know_names(nodes)
        self._walk(nodes, TagScope())
        return [each for each in self._messages if not each.is_blank]

    @property
    def _message(self) -> TemplateMessage:
        if self._messages[-1].is_history:
            self._messages.append(TemplateMessage("assistant"))
        return self._messages[-1]

    def _walk(self, nodes: list[Node], scope: TagScope) -> None:
        for node in nodes:
            try:
                self._node(node, scope)
            except NotSaid as error:
                place = node.call.place if isinstance(node, Print | Partial | Block) else node.place
                self._reader.refuse(error.message, error.place or place, error.hint)

    def _node(self, node: Node, scope: TagScope) -> None:
        name = marker(node)
        if name is not None and isinstance(node, Print):
            getattr(self, f"_{name}")(node.call, scope)
        elif isinstance(node, Partial) and self._partials.has_markers([node]):
            with self._partials.inside(node) as inner:
                self._reader.note("changed", node.call, "is written in its place")
                self._walk(inner, self._partials.scope(node, scope))
        elif (part := self._conditional_part(node, scope)) is not None:
            self._message.parts.append(part)
        else:
            self._add(self._reader.pieces([node], scope))

    def _add(self, pieces: tuple[Piece, ...]) -> None:
        parts = self._message.parts
        if parts and isinstance(parts[-1], tuple):
            parts[-1] += pieces
        elif pieces:
            parts.append(pieces)

    def _role(self, call: TagCall, _: TagScope) -> None:
        named = call.arguments[0] if call.arguments else None
        if not isinstance(named, Constant):
            raise NotSaid(f"`{call.text}` takes the role from a value: a role here is written in the file")
        if named.value not in ROLES:
            raise NotSaid(f"there is no role `{named.value}` here", "the roles are system, user and model")
        role = ROLES[named.value]
        is_same = role == named.value
        words = "begins a message" if is_same else "is the role `assistant`"
        self._reader.note("kept" if is_same else "changed", call, words)
        if self._messages[-1].is_blank:
            self._messages[-1] = TemplateMessage(role)
        else:
            self._messages.append(TemplateMessage(role))

    def _history(self, call: TagCall, _: TagScope) -> None:
        if any(each.is_history for each in self._messages):
            raise NotSaid("`{{history}}` stands here for the second time", "keep one of them")
        self._reader.note("kept", call, "is a placeholder for the messages so far")
        self._messages.append(TemplateMessage(HISTORY))

    def _section(self, call: TagCall, _: TagScope) -> None:
        words = "marks a place that an application's code fills in: the text before and after it are joined"
        self._reader.note("dropped", call, words)
        parts = self._message.parts
        if parts and isinstance(parts[-1], tuple) and _is_blank(parts[-1]):
            parts.pop()

    def _media(self, call: TagCall, scope: TagScope) -> None:
        self._message.parts.append(self._part(call, scope))

    def _part(self, call: TagCall, scope: TagScope) -> dict[str, Any]:
        url = call.options.get("url")
        if url is None or call.arguments or not set(call.options) <= {"url", "contentType"}:
            raise NotSaid(f"`{call.text}` takes `url=` and `contentType=`")
        value = resolve(url, scope, self._reader.inputs)
        if isinstance(value, TagValue) and value.is_optional:
            raise NotSaid(f"`{call.text}` shows what may not be given", "put it into `{{#if …}}`")
        text = TextPiece(str(value.value)) if isinstance(value, Constant) else VariablePiece(value.path)
        kind = call.options.get("contentType")
        if isinstance(kind, PathNode):
            message = "a part says its kind in the file, and this one is an image"
            self._reader.add(TagNote("dropped", f"contentType={kind.text}", message, call.place))
            resolve(kind, scope, self._reader.inputs)
            kind = None
        return self._of_kind(jinja_text([text]), str(kind.value) if kind else "", call)

    def _of_kind(self, url: str, kind: str, call: TagCall) -> dict[str, Any]:
        if kind in _SOUNDS:
            message = "is a part of sound, whose value is base64 or a `data:` URL, not an address"
            self._reader.note("changed", call, message)
            return {"type": "input_audio", "input_audio": {"data": url, "format": _SOUNDS[kind]}}
        if kind == "application/pdf":
            self._reader.note("changed", call, "is a part with a file, whose value is base64")
            return {"type": "file", "file": {"file_data": url, "format": kind}}
        if kind and not kind.startswith("image/"):
            raise NotSaid(f"`{call.text}`: there is no part of the kind `{kind}`")
        more = f": `contentType` is left out, as the address of an image says it (`{kind}`)" if kind else ""
        self._reader.note("changed" if kind else "kept", call, f"is a part with an image{more}")
        return {"type": "image_url", "image_url": {"url": url}}

    def _conditional_part(self, node: Node, scope: TagScope) -> dict[str, Any] | None:
        """Return the part that `{{#if x}}{{media url=y}}{{/if}}` shows, which depends on the input `x`."""
        if not isinstance(node, Block) or node.otherwise or node.call.head.text != "if":  # type: ignore[union-attr]
            return None
        inner = [each for each in node.body if not (isinstance(each, PlainText) and not each.value.strip())]
        if len(inner) != 1 or not isinstance(inner[0], Print) or marker(inner[0]) != "media" or scope.this is not None:
            return None
        condition = resolve(node.call.arguments[0], scope, self._reader.inputs) if node.call.arguments else None
        if not isinstance(condition, TagValue) or len(condition.path) != 1:
            return None
        given = TagScope(values=scope.values, given=scope.given | {condition.path})
        part = self._part(inner[0].call, given)
        self._reader.note("kept", node.call, "is the `when` of the part within it")
        return {"type": part["type"], "when": condition.path[0], **part}


TextOf = Callable[["tuple[Piece, ...]"], str]


def native_messages(
    drafts: Sequence[TemplateMessage], history: str, text_of: TextOf = jinja_text
) -> list[dict[str, Any]]:
    """Return messages as a prompt file has them; `history` is the input with the conversation so far."""
    return [
        {"placeholder": history} if each.is_history else {"role": each.role, "content": _content(each, text_of)}
        for each in drafts
    ]


def has_markup(drafts: Sequence[TemplateMessage]) -> bool:
    """Return True if any message has a variable, a condition or a loop."""
    parts = [part for each in drafts for part in each.parts]
    return any(
        any("{{" in str(value) for value in part.values())
        if isinstance(part, dict)
        else any(not isinstance(piece, TextPiece) for piece in part)
        for part in parts
    )


def str_of(pieces: tuple[Piece, ...]) -> str:
    """Return the text of pieces that are nothing else."""
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


def _content(message: TemplateMessage, text_of: TextOf) -> Any:
    parts = [part for part in message.parts if isinstance(part, dict) or not _is_blank(part)]
    texts = [part for part in parts if isinstance(part, tuple)]
    if len(texts) == len(parts):
        return "".join(map(text_of, texts))
    return [part if isinstance(part, dict) else {"type": "text", "text": text_of(part)} for part in parts]


def _is_blank(pieces: tuple[Piece, ...]) -> bool:
    return all(isinstance(piece, TextPiece) and not piece.text.strip() for piece in pieces)
