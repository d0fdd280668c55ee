"""The prose of the house: a docstring begins with a verb phrase or a plain noun phrase, never with a clause."""

from __future__ import annotations

import ast
import re

from tests.test_imports import definitions, place

CLAUSES = {"How", "If", "That", "Those", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"}


def test_no_docstring_begins_with_a_clause() -> None:
    offenders = []
    documented: list[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]] = [
        *definitions(ast.Module),
        *definitions(ast.ClassDef),
        *definitions(ast.FunctionDef),
        *definitions(ast.AsyncFunctionDef),
    ]
    for module, node in documented:
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        if first and re.split(r"\W", first, maxsplit=1)[0] in CLAUSES:
            offenders.append(f"{place(module, node)}: {first}")
    assert offenders == []
