"""Texts that JavaScript puts together: constants followed to where they are written, and values of the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from promptctl.adoption.javascript.syntax import FUNCTIONS, WRAPPERS, bare, source_of, unescaped, walk
from promptctl.adoption.javascript.syntax import field as part
from promptctl.files.free_names import first_free
from promptctl.template_languages.pieces import IfBranch, IfPiece, IfTest, Piece, TextPiece, VariablePiece

if TYPE_CHECKING:
    from promptctl.adoption.javascript.syntax import Node

_BLOCKS = frozenset(("statement_block", "program", "switch_case", "class_body"))
_NAMING = ("function_declaration", "class_declaration", "import_statement")
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_OTHER = re.compile(r"\W+", re.ASCII)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_MOST_STEPS = 40
_MOST_READ = 3_000
_CHANGING = re.compile(r"\.(?:push|unshift|splice|pop|shift|reverse|sort|fill|copyWithin)\Z")
_READING = re.compile(r"\A(?:console\.|JSON\.stringify\Z)|\.(?:invoke|stream|batch)\Z")


class TooDynamic(Exception):
    """A text that is not known before the program runs; its message says why, as a sentence without its end."""


@dataclass
class Values:
    """Inputs of one prompt, each with its schema and the expression that the program gives for it, once."""

    values: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: int = 0

    def name_for(self, expression: Node, kind: Literal["string", "boolean", "array"] = "string") -> str:
        """Return the input for an expression: named as its last word is, without methods that are called on it."""
        code = source_of(expression)
        given = f"Boolean({code})" if kind == "boolean" else code
        for name, before in self.values.items():
            if before == given and self.inputs[name]["type"] == kind:
                return name
        named = _QUOTED.sub("", source_of(_subject(part(expression, "condition") or expression)))
        words = [each for each in _OTHER.split(named) if _NAME.match(each) and each not in ("this", "await", "new")]
        wished = words[-1] if words and len(words[-1]) < 40 else "value"
        name = first_free(wished, self.values.__contains__, sign="_")
        self.values[name] = given
        self.inputs[name] = {"type": kind, **({"default": []} if kind == "array" else {})}
        return name


def _subject(node: Node) -> Node:
    """Return the expression that methods are called on: `tags` for `tags.map((tag) => tag.name).join()`."""
    while (called := part(node := bare(node), "function")) is not None:
        if (owner := part(called, "object")) is None:
            break
        node = owner
    return node


def pieces(node: Node, values: Values, steps: int = 0) -> Iterator[Piece]:
    """Yield a text's pieces: written texts as they stand, everything else as an input.

    Raises `TooDynamic` for a tagged template, and for texts that are followed in a circle.
    """
    node = bare(node)
    values.read += 1
    if steps > _MOST_STEPS or values.read > _MOST_READ:
        raise TooDynamic("the text is put together in too many steps")
    if node.type == "string":
        yield TextPiece(unescaped(source_of(node)[1:-1]))
    elif node.type == "template_string":
        yield from _template(node, values, steps)
    elif node.type == "binary_expression" and source_of(part(node, "operator") or node) == "+" and _is_text(node):
        for side in ("left", "right"):
            inner = part(node, side)
            if inner is not None:
                yield from pieces(inner, values, steps + 1)
    elif (
        node.type == "call_expression"
        and (found := part(node, "arguments")) is not None
        and found.type == "template_string"
    ):
        raise TooDynamic("a tagged template is a call of a function")
    elif node.type in ("identifier", "shorthand_property_identifier") and (constant := constant_of(node)) is not None:
        yield from pieces(constant, values, steps + 1)
    elif node.type == "ternary_expression" and (chosen := _choice(node, values, steps)) is not None:
        yield chosen
    else:
        yield VariablePiece((values.name_for(node),))


def _choice(node: Node, values: Values, steps: int) -> IfPiece | None:
    """Return one of two texts that are written out, by what is true in the program; None for any other choice."""
    of_texts = Values(read=values.read)
    then, otherwise = (
        tuple(pieces(found, of_texts, steps + 1)) if (found := part(node, name)) is not None else ()
        for name in ("consequence", "alternative")
    )
    values.read = of_texts.read
    condition = part(node, "condition")
    if of_texts.values or condition is None:
        return None
    return IfPiece((IfBranch((IfTest((values.name_for(bare(condition), "boolean"),)),), then),), otherwise)


def _template(node: Node, values: Values, steps: int) -> Iterator[Piece]:
    for is_text, children in groupby(node.children, lambda child: child.type in ("string_fragment", "escape_sequence")):
        if is_text:
            yield TextPiece(unescaped("".join(map(source_of, children)).replace("\r\n", "\n")))
            continue
        for child in children:
            if child.type == "template_substitution" and child.named_children:
                yield from pieces(child.named_children[0], values, steps + 1)


def _is_text(node: Node) -> bool:
    """Return True if a part of a sum is a text, so that the sum is one; each constant is looked at once."""
    waiting, seen = [node], set[int]()
    while waiting:
        each = bare(waiting.pop())
        if each.type in ("string", "template_string"):
            return True
        if each.id in seen:
            continue
        seen.add(each.id)
        if each.type == "binary_expression" and source_of(part(each, "operator") or each) == "+":
            waiting += [side for name in ("right", "left") if (side := part(each, name)) is not None]
        elif each.type == "identifier" and (constant := constant_of(each)) is not None:
            waiting.append(constant)
    return False


def constant_of(identifier: Node) -> Node | None:
    """Return the text or list that a name was declared as, by `const`, in a block around; None if it is any other.

    A parameter or a variable of the same name that is nearer hides the constant. Beyond the nearest function,
    only texts without values are followed: their values may be others by now.
    """
    name = source_of(identifier)
    node, is_inside = identifier.parent, True
    while node is not None:
        if node.type in FUNCTIONS:
            parameters = part(node, "parameters") or part(node, "parameter")
            if parameters is not None and re.search(rf"\b{re.escape(name)}\b", source_of(parameters)):
                return None
        if node.type in _BLOCKS and (found := _declared(node, name)) is not None:
            value = found[1]
            if found[0] != "const" or value is None:
                return None
            kind = bare(value).type
            if kind in ("string", "template_string", "array", "object", "binary_expression", "identifier"):
                return value if is_inside or not _has_values(value) else None
            return None
        if node.type in FUNCTIONS:
            is_inside = False
        node = node.parent
    return None


def _declared(block: Node, name: str) -> tuple[str, Node | None] | None:
    """Return the kind and the value of a declaration of the name right in a block."""
    for statement in block.named_children:
        inner = (part(statement, "declaration") or statement) if statement.type == "export_statement" else statement
        if inner.type in ("lexical_declaration", "variable_declaration"):
            for each in inner.named_children:
                declared = part(each, "name") if each.type == "variable_declarator" else None
                if declared is None:
                    continue
                if source_of(declared) == name:
                    return source_of(inner.children[0]), part(each, "value")
                if declared.type != "identifier" and re.search(rf"\b{re.escape(name)}\b", source_of(declared)):
                    return "pattern", None
        elif inner.type in _NAMING and re.search(rf"\b{re.escape(name)}\b", source_of(part(inner, "name") or inner)):
            return "import", None
    return None


def _has_values(node: Node) -> bool:
    """Return True for a text with values of the program in it, or names that stand for something."""
    kinds = ("identifier", "call_expression", "member_expression", "subscript_expression", "await_expression")
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.type in kinds and not (each.type == "identifier" and constant_of(each) is not None):
            return True
        waiting += each.named_children
    return False


def check_unchanged(value: Node) -> None:
    """Raise `TooDynamic` if a list or an object was declared as a name whose block may change what it holds."""
    declared = value.parent
    while declared is not None and declared.type in WRAPPERS:
        declared = declared.parent
    name = part(declared, "name") if declared is not None and declared.type == "variable_declarator" else None
    block = declared
    while block is not None and block.type not in _BLOCKS:
        block = block.parent
    if name is None or block is None or value.type not in ("array", "object"):
        return
    for each in walk(block):
        if each.type == "identifier" and each.text == name.text and _may_change(each):
            made, changed = value.start_point[0] + 1, each.start_point[0] + 1
            raise TooDynamic(f"`{source_of(name)}` is made in line {made}, and line {changed} may change it")


def _may_change(name: Node) -> bool:
    """Return True if code stores something in what a name stands for, or hands it to a function."""
    node, parent = name, name.parent
    while parent is not None and (
        parent.type in WRAPPERS
        or (parent.type in ("member_expression", "subscript_expression") and part(parent, "object") == node)
    ):
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type == "arguments":
        callee = part(parent.parent, "function") if parent.parent is not None else None
        return bare(node) == name and callee is not None and not _READING.search(source_of(callee))
    if parent.type in ("assignment_expression", "augmented_assignment_expression"):
        return part(parent, "left") == node
    if parent.type == "call_expression":
        return _CHANGING.search(source_of(node)) is not None
    return parent.type == "update_expression" or (parent.type == "unary_expression" and source_of(parent)[:3] == "del")
