"""Ids of prompts that JavaScript holds, by the functions and the file that they stand in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from promptctl.adoption.javascript.syntax import FUNCTIONS, bare, field, source_of
from promptctl.adoption.naming import ids, slug

if TYPE_CHECKING:
    from promptctl.adoption.javascript.syntax import Node


def wishes(path: str, node: Node) -> tuple[str, ...]:
    """Return ids for a prompt, the best first: by the function and the file, then with the folders before.

    A variable counts at the top of the file, or if a function is kept in it: others hold what the model replied.
    """
    names: list[str] = []
    replies: list[str] = []
    above = node.parent
    while above is not None:
        named = field(above, "name")
        if above.type in FUNCTIONS:
            replies.clear()
        if named is not None and named.type != "object_pattern":
            value = field(above, "value") if above.type == "variable_declarator" else None
            if above.type in (*FUNCTIONS, "class_declaration") or (value and bare(value).type in FUNCTIONS):
                names.append(source_of(named))
            elif value is not None:
                replies.append(source_of(named))
        above = above.parent
    file = re.sub(r"\.[a-z]+$", "", path)
    slugs = [each for part in file.split("/") if (each := slug(part)) and part != "index"] or ["prompt"]
    words = [each for name in reversed([*names, *replies]) if (each := slug(name)) and each != slugs[-1]]
    return ids(slugs, "-".join(words))
