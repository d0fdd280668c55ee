"""JavaScript and TypeScript as syntax trees. Only here is tree-sitter known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from promptctl.errors import Place, UsageError

if TYPE_CHECKING:
    from tree_sitter import Node as Node
    from tree_sitter import Parser

ENDINGS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
FUNCTIONS = frozenset(
    ("function_declaration", "function_expression", "arrow_function", "method_definition",
     "generator_function_declaration", "generator_function")
)  # fmt: skip
# What wraps an expression without changing its value.
WRAPPERS = ("parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|[\s\S]))")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": "", "\r": ""}
_LITERALS = {"true": True, "false": False, "null": None}


class NotLiteral(Exception):
    """An expression whose value is not written in the source."""


@cache
def _parser(has_tags: bool) -> Parser:
    try:
        import tree_sitter
        import tree_sitter_typescript
    except ImportError:
        hint = "pip install 'promptctl-git[adopt]'"
        raise UsageError("reading JavaScript and TypeScript needs tree-sitter", hint=hint) from None
    language = tree_sitter_typescript.language_tsx() if has_tags else tree_sitter_typescript.language_typescript()
    return tree_sitter.Parser(tree_sitter.Language(language))


def parse(path: str, text: str) -> Node:
    """Return the root of a file's syntax tree; what is wrong in a file is a node of its own. Raises `UsageError`."""
    return _parser(not path.endswith((".ts", ".mts", ".cts"))).parse(text.encode()).root_node


def walk(root: Node) -> Iterator[Node]:
    """Yield a node and everything below it, in the order of the source."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def source_of(node: Node) -> str:
    """Return a node as it is written."""
    return (node.text or b"").decode("utf-8", "replace")


def place_of(path: str, node: Node) -> Place:
    """Return the place where a node begins."""
    return Place(path, node.start_point[0] + 1, node.start_point[1] + 1)


def bare(node: Node) -> Node:
    """Return the expression without brackets and claims of its type around it."""
    while node.type in WRAPPERS and node.named_children:
        node = node.named_children[0]
    return node


def field(node: Node, name: str) -> Node | None:
    """Return a node's part by its name in the grammar."""
    return node.child_by_field_name(name)


def keys_of(node: Node) -> dict[str, Node]:
    """Return the values of an object by their keys. Raises `NotLiteral` if keys are computed or spread."""
    found: dict[str, Node] = {}
    for child in node.named_children:
        if child.type == "comment":
            continue
        if child.type == "shorthand_property_identifier":
            found[source_of(child)] = child
            continue
        key, value = field(child, "key"), field(child, "value")
        if child.type != "pair" or key is None or value is None or key.type == "computed_property_name":
            raise NotLiteral
        found[unquoted(key) if key.type == "string" else source_of(key)] = value
    return found


def unquoted(node: Node) -> str:
    """Return the text of a string, or of a template without values. Raises `NotLiteral` for anything else."""
    node = bare(node)
    if node.type not in ("string", "template_string") or any(
        each.type == "template_substitution" for each in node.children
    ):
        raise NotLiteral
    return unescaped(source_of(node)[1:-1])


def unescaped(written: str) -> str:
    """Return the text that a string's source stands for.

    >>> unescaped(r"a\\tb\\u{1F600}\\'")
    "a\\tb😀'"
    >>> unescaped(r"\\ud83d\\ude00") == "😀"  # as two halves
    True
    """
    return _ESCAPE.sub(_escape, written).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _escape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else found[0]
    return _SIMPLE.get(found[4], found[4])


def literal(node: Node) -> Any:
    """Return the value of a literal: text, number, boolean, null, list, object. Raises `NotLiteral`."""
    node = bare(node)
    if node.type in ("string", "template_string"):
        return unquoted(node)
    if node.type in _LITERALS:
        return _LITERALS[node.type]
    if node.type == "number":
        return _number(source_of(node))
    if node.type == "unary_expression" and source_of(node)[:1] == "-" and len(node.named_children) == 1:
        value = literal(node.named_children[0])
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    if node.type == "array":
        return [literal(each) for each in node.named_children if each.type != "comment"]
    if node.type == "object":
        return {key: literal(value) for key, value in keys_of(node).items()}
    raise NotLiteral


def _number(written: str) -> int | float:
    try:
        plain = written.replace("_", "").lower()
        return int(plain, 0) if plain[:2] in ("0x", "0o", "0b") else int(plain) if plain.isdecimal() else float(plain)
    except ValueError:
        raise NotLiteral from None
