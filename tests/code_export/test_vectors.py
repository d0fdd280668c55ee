"""The golden vectors: what our renderer makes of each call, and the renderer for JavaScript after it.

`python -m tests.code_export.test_vectors` writes them anew.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

from tests.code_export.cases import cases
from tests.code_export.node import PACKAGE, node
from tests.code_export.prompts import Vectors

VECTORS = PACKAGE / "test/vectors.json"


def made() -> str:
    """The vectors as their file has them: a line for each prompt, with all of its calls."""
    lines: list[str] = []
    for _, each in groupby(cases(), key=lambda case: id(case[1])):
        calls = list(each)
        vectors = Vectors(calls[0][1])
        made = [[name, inputs, vectors.messages(inputs)] for name, _, inputs in calls]
        lines.append(f'{{"data": {json.dumps(vectors.data)}, "calls": {json.dumps(made)}}}')
    return "[\n" + ",\n".join(lines) + "\n]\n"


def test_the_vectors_are_what_our_renderer_makes() -> None:
    assert VECTORS.read_text(encoding="utf-8") == made()


def test_javascript_makes_the_same_of_every_vector() -> None:
    done = node("--test", "--test-reporter=tap", str(PACKAGE / "test/"))
    assert done.returncode == 0, done.stdout[-5000:]


if __name__ == "__main__":
    Path(VECTORS).write_text(made(), encoding="utf-8")
