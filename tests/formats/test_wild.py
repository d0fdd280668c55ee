"""Files as they are found in public repositories, from the folder that PROMPTCTL_WILD names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptctl.files.tree import MemoryTree
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.prompts.loading import load_prompt_file
from tests.files.conftest import attempt

WILD = os.environ.get("PROMPTCTL_WILD")
FILES = sorted(path for path in Path(WILD).rglob("*") if path.is_file() and path.suffix != ".md") if WILD else []

pytestmark = pytest.mark.skipif(not FILES, reason="PROMPTCTL_WILD names no folder of files")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_read_or_refused_with_what_to_do(path: Path) -> None:
    file, problems = attempt(read_prompt_file, path.read_bytes(), path.name)
    assert all(problem.message and problem.hint and problem.place for problem in problems)
    assert problems or all(problem.severity == "warning" for problem in file.problems)


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "github"], ids=lambda path: path.name)
def test_a_github_prompt_loads_or_is_foreign(path: Path) -> None:
    tree = MemoryTree({"prompts/wild.prompt.yml": path.read_bytes()})
    prompt, problems = attempt(lambda _, path: load_prompt_file(tree, path), b"", "prompts/wild.prompt.yml")
    if prompt is None:
        assert {problem.code for problem in problems} <= {"foreign-format", "yaml-syntax", "unquoted-template"}
    else:
        assert prompt.messages
