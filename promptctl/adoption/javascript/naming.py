"""Ids of prompts that JavaScript holds, by the functions and the file that they stand in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from promptctl.adoption.javascript.syntax import FUNCTIONS, field, source_of

if TYPE_CHECKING:
    from promptctl.adoption.javascript.syntax import Node

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def wishes(path: str, node: Node) -> tuple[str, ...]:
    """Return ids for a prompt, the best first: by the function and the file, then with the folders before."""
    above: Node | None = node
    names: list[str] = []
    while (above := above.parent if above is not None else None) is not None:
        named = field(above, "name") if above.type in (*FUNCTIONS, "class_declaration", "variable_declarator") else None
        if named is not None and named.type != "object_pattern":
            names.append(source_of(named))
    file = re.sub(r"\.[a-z]+$", "", path)
    slugs = [each for part in file.split("/") if (each := _slug(part)) and part != "index"] or ["prompt"]
    words = [each for name in reversed(names) if (each := _slug(name)) and each != slugs[-1]]
    tail = ["-".join(words)] if words else []
    return tuple("/".join([*slugs[-count:], *tail]) for count in range(1, len(slugs) + 1))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _CAMEL.sub("-", name).lower()).strip("-")
