"""Partials of Dotprompt: `_name.prompt` files beside a prompt, put in its place or included."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from promptctl.errors import InvalidFiles, printable
from promptctl.exchange.drafts import FileDraft, Source
from promptctl.template_languages.handlebars.nodes import Block, Constant, Node, Partial, PathNode, PlainText, Print
from promptctl.template_languages.handlebars.reading import PieceReader
from promptctl.template_languages.handlebars.scopes import Inputs, NotSaid, TagScope, TagValue, resolve
from promptctl.template_languages.handlebars.syntax import parse
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import IncludePiece, Piece

MARKERS = ("role", "history", "media", "section")
MAX_NESTED = 20
MAX_CALLS = 5_000
# Of each line but an empty last one.
_LINE_START = re.compile(r"^(?!\Z)", re.MULTILINE)


class CalledPartials:
    """The partials that one prompt calls, each read once; `chain` are the names on the way to the one that is read."""

    def __init__(self, source: Source, inputs: Inputs) -> None:
        self._source = source
        self._nodes: dict[tuple[str, str], list[Node]] = {}
        self._paths: dict[str, str] = {}
        self._files: dict[str, FileDraft] = {}
        self._chain: list[str] = []
        self._calls = 0
        self._have_markers: dict[str, bool] = {}
        self.reader = PieceReader(inputs, self.pieces)

    @property
    def files(self) -> tuple[FileDraft, ...]:
        """The partials that are files of their own here."""
        return tuple(self._files.values())

    def has_markers(self, nodes: Iterable[Node]) -> bool:
        """Return True if anything here begins a message or is a part of one, in partials too."""
        for node in nodes:
            if isinstance(node, Print) and marker(node) is not None:
                return True
            if isinstance(node, Block) and (self.has_markers(node.body) or self.has_markers(node.otherwise or [])):
                return True
            if isinstance(node, Partial) and self._has_markers_in(node):
                return True
        return False

    def _has_markers_in(self, node: Partial) -> bool:
        name = _name(node)
        if name not in self._have_markers:
            with self.inside(node) as inner:
                self._have_markers[name] = self.has_markers(inner)
        return self._have_markers[name]

    @contextmanager
    def inside(self, node: Partial) -> Iterator[list[Node]]:
        """Yield the nodes of a partial, to be read within. Raises `NotSaid` if there is none, or if it calls itself."""
        name = _name(node)
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise NotSaid(f"its partials are called more than {MAX_CALLS:,} times")
        if name in self._chain:
            chain = " → ".join(printable(each) for each in [*self._chain[self._chain.index(name) :], name])
            message = f"the partial `{printable(name)}` calls itself: {chain}"
            raise NotSaid(message, "take one of the calls out", node.call.place)
        if len(self._chain) >= MAX_NESTED:
            raise NotSaid(f"partials call one another more than {MAX_NESTED} deep")
        if (name, node.indent) not in self._nodes:
            self._nodes[name, node.indent] = self._read(name, node)
            self.reader.know_names(self._nodes[name, node.indent])
        self._chain.append(name)
        try:
            yield self._nodes[name, node.indent]
        finally:
            self._chain.pop()

    def _read(self, name: str, node: Partial) -> list[Node]:
        """Return a partial from the folder of the prompt, or from the one that is imported; indented as its call is."""
        folder, base = posixpath.split(name)
        up = "../" * self._source.path.count("/")
        for start in dict.fromkeys(("", up)):
            path = posixpath.join(start, folder, f"_{base}.prompt")
            try:
                source = self._source.beside(path, node.call.place.line)
            except InvalidFiles as error:
                failed = error
                continue
            self._paths[name] = posixpath.join(start, folder, f"{base}.j2")
            return parse(_LINE_START.sub(node.indent, source.text), source.place)
        raise NotSaid(f"the partial `{printable(name)}` is not there: {failed.message}", failed.hint, failed.place)

    def scope(self, node: Partial, scope: TagScope) -> TagScope:
        """Return what paths mean within a partial that is called from this scope."""
        inputs = self.reader.inputs
        values = {name: resolve(each, scope, inputs) for name, each in node.call.options.items()}
        this, inherited = scope.this, scope.values
        if node.call.arguments and not _is_this(node.call.arguments[0]):
            given = resolve(node.call.arguments[0], scope, inputs)
            if not isinstance(given, TagValue):
                raise NotSaid(f"`{node.call.text}` gives the partial a constant")
            this, inherited = given, {}
        return replace(scope, this=this, outer=None, names={}, values={**inherited, **values})

    def pieces(self, node: Partial, scope: TagScope) -> tuple[Piece, ...]:
        """Return a partial as an include, or in its place if it is called with arguments or within a loop."""
        with self.inside(node) as nodes:
            is_bare = not (node.call.arguments or node.call.options or node.indent)
            # A file's own includes are not followed when it gets its path.
            if is_bare and scope.this is None and len(self._chain) == 1:
                return (self._include(_name(node), nodes, node),)
            message = "is written in its place: only a file that sees the same variables is included here"
            self.reader.note("changed", node.call, message)
            if node.indent and not all(isinstance(each, PlainText) for each in nodes):
                self.reader.note("changed", node.call, "is indented as a text: lines within a value are not")
            return self.reader.pieces(nodes, self.scope(node, scope))

    def _include(self, name: str, nodes: list[Node], node: Partial) -> Piece:
        path = self._paths[name]
        if name not in self._files:
            text = jinja_text(self.reader.pieces(nodes, TagScope()))
            place = nodes[0].place if nodes and isinstance(nodes[0], PlainText) else None
            self._files[name] = FileDraft(path, text, place)
        self.reader.note("kept", node.call, f"includes {path}")
        return IncludePiece(path, node.call.place.line or 1)


def marker(node: Node) -> str | None:
    """Return the name of the helper that begins a message or is a part of one, if the node calls one."""
    if not isinstance(node, Print) or not isinstance(node.call.head, PathNode):
        return None
    head = node.call.head
    is_call = bool(node.call.arguments or node.call.options) or head.text == "history"
    return head.text if is_call and head.is_bare and head.text in MARKERS else None


def _name(node: Partial) -> str:
    head = node.call.head
    return head.text if isinstance(head, PathNode) else str(head.value)


def _is_this(node: PathNode | Constant) -> bool:
    return isinstance(node, PathNode) and not (node.keys or node.depth or node.is_data)
