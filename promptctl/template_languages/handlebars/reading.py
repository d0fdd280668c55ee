"""Nodes of Handlebars into pieces, by what is declared of the inputs. What has no piece is collected as a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from promptctl.errors import Place, Problem, printable
from promptctl.files.free_names import first_free
from promptctl.template_languages.handlebars.layout import END, GUARD
from promptctl.template_languages.handlebars.nodes import (
    Block,
    Comment,
    Constant,
    Node,
    Partial,
    PathNode,
    PlainText,
    Print,
    TagCall,
    TagFate,
    TagNote,
)
from promptctl.template_languages.handlebars.scopes import (
    Inputs,
    NotSaid,
    TagScope,
    TagValue,
    items_around,
    outer_names,
    paths_in,
    resolve,
    uses_key,
)
from promptctl.template_languages.handlebars.syntax import shortened
from promptctl.template_languages.pieces import (
    FilterCall,
    IfBranch,
    IfPiece,
    IfTest,
    LoopPiece,
    Path,
    Piece,
    TextPiece,
    VariablePiece,
)

MAX_PIECES = 20_000
_CONDITIONS = ("if", "unless", "ifEquals", "unlessEquals")
_HELPERS = {
    "role": "a message is always there: move `{{role}}` out of the block",
    "history": "the conversation so far is always there: move `{{history}}` out of the block",
    "media": "an image is a part of a message, not of its text: use `{{#if x}}{{media url=x}}{{/if}}`, or no block",
    "section": "move it out of the block",
}

# Reads a partial where it is called, as pieces in its place.
ReadPartial = Callable[[Partial, TagScope], "tuple[Piece, ...]"]


class PieceReader:
    """Reads nodes of one prompt's templates."""

    def __init__(self, inputs: Inputs, partial: ReadPartial) -> None:
        self.inputs = inputs
        self._notes: dict[TagNote, None] = {}
        self._problems: dict[Problem, None] = {}
        self._partial = partial
        self._read = 0
        self._names: set[str] = set()

    @property
    def notes(self) -> list[TagNote]:
        """Notes on the parts of the templates."""
        return list(self._notes)

    @property
    def problems(self) -> list[Problem]:
        """Everything for which the file is not imported."""
        return list(self._problems)

    def know_names(self, nodes: list[Node]) -> None:
        """Let no variable of a loop take a name that the template uses."""
        self._names |= {path.keys[0] for path in paths_in(nodes) if path.keys}
        self._names |= {str(name) for name in self.inputs.schema.get("properties", {})}

    def pieces(self, nodes: Iterable[Node], scope: TagScope) -> tuple[Piece, ...]:
        """Return the nodes as pieces."""
        return tuple(piece for node in nodes for piece in self._node(node, scope))

    def note(self, fate: TagFate, call: TagCall, message: str) -> None:
        """Add a note on a tag, once."""
        self.add(TagNote(fate, call.text, message, call.place))

    def add(self, note: TagNote) -> None:
        """Add a note, once."""
        self._notes[note] = None

    def refuse(self, message: str, place: Place | None, hint: str | None = None, code: str = "not-imported") -> None:
        """Add a problem, for which the file is not imported."""
        self._problems[Problem(printable(message), place, hint, code)] = None

    def _node(self, node: Node, scope: TagScope) -> tuple[Piece, ...]:
        self._read += 1
        if self._read > MAX_PIECES:
            if self._read == MAX_PIECES + 1:
                place = node.call.place if isinstance(node, Print | Partial | Block) else node.place
                self.refuse(f"the template has more than {MAX_PIECES:,} pieces with its partials", place)
            return ()
        if isinstance(node, PlainText):
            return (TextPiece(node.value),) if node.value else ()
        if isinstance(node, Comment):
            if node.text not in (GUARD, END):
                self.add(TagNote("dropped", shortened(node.text), "comments of templates are not kept", node.place))
            return ()
        try:
            if isinstance(node, Partial):
                return self._partial(node, scope)
            return self._print(node.call, scope) if isinstance(node, Print) else self._block(node, scope)
        except NotSaid as error:
            self.refuse(error.message, error.place or node.call.place, error.hint)
            return ()

    def _print(self, call: TagCall, scope: TagScope) -> tuple[Piece, ...]:
        head = call.head
        if not isinstance(head, PathNode):
            raise NotSaid(f"`{call.text}` prints a constant", "write it as text")
        if call.arguments or call.options or (head.is_bare and head.keys[0] in ("history", "log")):
            return self._helper(call, head, scope)
        return self._printed(head, call, scope)

    def _printed(self, head: PathNode, call: TagCall, scope: TagScope) -> tuple[Piece, ...]:
        if head.keys[-1:] == ("length",) and (head.keys[1:] or head.is_scoped):
            of = resolve(replace(head, keys=head.keys[:-1]), scope, self.inputs)
            if isinstance(of, TagValue) and "object" not in of.types:
                return (VariablePiece(of.path, (FilterCall("length"),)),)
        value = resolve(head, scope, self.inputs)
        if isinstance(value, Constant):
            return (TextPiece(_constant_text(value)),) if value.value is not None else ()
        return (VariablePiece(value.path, self._filters(value, call)),)

    def _filters(self, value: TagValue, call: TagCall) -> tuple[FilterCall, ...]:
        types = value.types
        if "object" in types:
            self.note("changed", call, "prints JSON here, and `[object Object]` in Dotprompt")
        joined = (FilterCall("join", (",",)),) if types == ("array",) else ()
        if "null" in types:
            self.note("changed", call, "prints nothing if the value is null, false or 0")
            return (FilterCall("default", ("", True)),)
        return ((FilterCall("default", ("",)),) if value.is_optional else ()) + joined

    def _helper(self, call: TagCall, head: PathNode, scope: TagScope) -> tuple[Piece, ...]:
        name = head.text
        if name == "json" and len(call.arguments) == 1 and set(call.options) <= {"indent"}:
            value = resolve(call.arguments[0], scope, self.inputs)
            indent = call.options.get("indent", Constant(0))
            if isinstance(value, Constant) or not isinstance(indent, Constant):
                raise NotSaid(f"`{call.text}` makes JSON of a constant, or with an indent that is none")
            if not indent.value:
                self.note("changed", call, 'is `| tojson`, which writes `{"a": 1}` for `{"a":1}`')
            given = (FilterCall("default", (None,)),) if value.is_optional else ()
            return (VariablePiece(value.path, (*given, FilterCall("tojson", (indent.value,) if indent.value else ()))),)
        if name == "lookup" and len(call.arguments) == 2 and isinstance(call.arguments[1], Constant):
            value = resolve(call.arguments[0], scope, self.inputs)
            if isinstance(value, TagValue):
                item = value.within((str(call.arguments[1].value),))
                return (VariablePiece(item.path, self._filters(item, call)),)
        if name == "log":
            self.note("dropped", call, "prints nothing")
            return ()
        if name in _HELPERS:
            raise NotSaid(f"`{call.text}` stands within a block or a partial that is not simple", _HELPERS[name])
        raise NotSaid(
            f"`{call.text}` calls the helper `{name}`, which is code of an application or takes other arguments",
            "give its result as an input",
        )

    def _block(self, block: Block, scope: TagScope) -> tuple[Piece, ...]:
        head = block.call.head
        name = head.text if isinstance(head, PathNode) else ""
        if name in _CONDITIONS:
            return (self._condition(block, scope),)
        if name == "each" and len(block.call.arguments) == 1:
            return (self._each(block, scope),)
        if name == "with" and len(block.call.arguments) == 1:
            return (self._with(block, scope),)
        raise NotSaid(
            f"`{block.call.text}` is a section of Mustache or a helper of an application",
            "write it as `#if`, `#each` or `#with`",
        )

    def _condition(self, block: Block, scope: TagScope) -> Piece:
        branches: list[IfBranch] = []
        node: Block | None = block
        otherwise: list[Node] = []
        given = scope.given
        while node is not None:
            tests, is_any = self._tests(node.call, replace(scope, given=given))
            found = given | _found(tests) if not is_any else given
            branches.append(IfBranch(tests, self.pieces(node.body, replace(scope, given=found)), is_any=is_any))
            given |= _found(tests, is_negated=True) if is_any or len(tests) == 1 else frozenset()
            otherwise = node.otherwise or []
            chained = otherwise[0] if otherwise and isinstance(otherwise[0], Block) else None
            is_next = chained is not None and chained.is_chained and chained.call.head.text in _CONDITIONS  # type: ignore[union-attr]
            node = chained if is_next else None
        return IfPiece(tuple(branches), self.pieces(otherwise, replace(scope, given=given)), block.call.place.line or 1)

    def _tests(self, call: TagCall, scope: TagScope) -> tuple[tuple[IfTest, ...], bool]:
        """Return the tests of a condition, and if one of them is enough."""
        name = call.head.text if isinstance(call.head, PathNode) else ""
        is_negated = name.startswith("unless")
        wanted = 2 if name.endswith("Equals") else 1
        if len(call.arguments) != wanted or call.options:
            raise NotSaid(f"`{call.text}` takes {wanted} value{'s' if wanted > 1 else ''}, and nothing else")
        first, second = (resolve(each, scope, self.inputs) for each in (call.arguments * 2)[:2])
        if isinstance(first, Constant):
            first, second = second, first
        if isinstance(first, Constant):
            raise NotSaid(f"`{call.text}` compares constants")
        if wanted == 1:
            first = self._truth(first)
            if "object" in first.types:
                self.note("changed", call, "takes an empty mapping for false; Handlebars for true")
            test = IfTest(first.path, is_negated=is_negated)
        else:
            operand = second.value if isinstance(second, Constant) else second.path
            if isinstance(operand, int):
                self.note("changed", call, "compares with `==`, for which true is 1 and false is 0")
            test = IfTest(first.path, "==" if not is_negated else "!=", operand)
        optional = [each for each in (first, second) if isinstance(each, TagValue) and each.is_optional]
        paths = dict.fromkeys(each.path for each in optional)
        return (*(IfTest(path, "is", "defined", is_negated) for path in paths), test), is_negated and bool(paths)

    def _truth(self, value: TagValue) -> TagValue:
        """Return what is true if the value is: the list itself for its length."""
        return TagValue(value.path[:-1]) if len(value.path) > 1 and value.path[-1] == "length" else value

    def _each(self, block: Block, scope: TagScope) -> Piece:
        over = resolve(block.call.arguments[0], scope, self.inputs)
        if isinstance(over, Constant) or block.call.options:
            raise NotSaid(f"`{block.call.text}` does not go over a list")
        is_mapping = "object" in over.types or (over.types == () and uses_key(block.body))
        if over.is_optional:
            self._default_to(over, {} if is_mapping else [], block)
        item = self._name(block.names[0] if block.names else "item", scope, is_chosen=bool(block.names))
        key = self._name(block.names[1] if len(block.names) > 1 else "key", scope) if is_mapping else None
        schema = (over.schema or {}).get("additionalProperties" if is_mapping else "items")
        this = TagValue((item,), schema if isinstance(schema, dict) else None)
        position = TagValue((key,) if key else ("loop", "index0"))
        names = {**outer_names(scope), **dict(zip(block.names, (this, position), strict=False))}
        inner = replace(scope, this=this, outer=scope, names=names, values={}, loops=scope.loops + 1, key=key)
        body = self.pieces(block.body, inner)
        otherwise = self.pieces(block.otherwise or [], scope)
        return LoopPiece(item, over.path, body, otherwise, key, block.call.place.line or 1)

    def _default_to(self, over: TagValue, empty: Any, block: Block) -> None:
        if len(over.path) > 1:
            self.note("changed", block.call, "is an error here if it is not given")
            return
        name = next(key for key, name in self.inputs.renamed.items() if name == over.path[0])
        self.inputs.default_to(name, empty)

    def _name(self, wish: str, scope: TagScope, *, is_chosen: bool = False) -> str:
        taken = {value.path[0] for value in scope.names.values()} | set(items_around(scope))
        taken |= set() if is_chosen else self._names
        return first_free(wish, {*taken, *self.inputs.renamed.values()}.__contains__, sign="_")

    def _with(self, block: Block, scope: TagScope) -> Piece:
        value = resolve(block.call.arguments[0], scope, self.inputs)
        if isinstance(value, Constant) or block.call.options:
            raise NotSaid(f"`{block.call.text}` does not name a variable")
        tests = (*((IfTest(value.path, "is", "defined"),) if value.is_optional else ()), IfTest(value.path))
        names = {**scope.names, **dict.fromkeys(block.names[:1], value)}
        inner = replace(scope, this=value, outer=scope, names=names, values={}, given=scope.given | {value.path})
        branch = IfBranch(tests, self.pieces(block.body, inner))
        return IfPiece((branch,), self.pieces(block.otherwise or [], scope), block.call.place.line or 1)


def _constant_text(constant: Constant) -> str:
    if isinstance(constant.value, bool):
        return "true" if constant.value else "false"
    return str(constant.value)


def _found(tests: Iterable[IfTest], *, is_negated: bool = False) -> frozenset[Path]:
    """Return the variables that are there if all tests hold, or if none of negated ones does."""
    return frozenset(test.path for test in tests if test.is_negated is is_negated and test.operator in ("", "is"))
