"""The prose of the house: a docstring begins with a verb phrase or a plain noun phrase, never with a clause."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import promptctl

PACKAGE = Path(promptctl.__file__).parent
CLAUSES = {"How", "If", "That", "Those", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"}


def test_no_docstring_begins_with_a_clause() -> None:
    offenders = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if first and re.split(r"\W", first, maxsplit=1)[0] in CLAUSES:
                offenders.append(f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 1)}: {first}")
    assert offenders == []
