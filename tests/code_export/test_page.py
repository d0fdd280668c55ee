"""The sessions of docs/typed.md that need Node: those of the page's `shell-session` blocks.

`python -m tests.code_export.test_page` writes their real output into the page.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.code_export.node import ROOT, typescript
from tests.docs_session import differences, rewritten

PAGE = ROOT / "docs/typed.md"
_PYTHON = "\n## Python"


def of_typescript(page: str) -> str:
    """The page up to Python's part, with the blocks that need Node as part of its session."""
    return page.partition(_PYTHON)[0].replace("```shell-session", "```console node")


def search_path() -> str:
    return os.pathsep.join([str(typescript().parent / ".bin"), os.environ["PATH"]])


def test_the_sessions_that_need_node_show_what_comes(
    tmp_path: Path, warm_command: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", search_path())
    found = differences(of_typescript(PAGE.read_text(encoding="utf-8")), tmp_path, warm_command)
    assert not found, "\n\n".join(found)


def main() -> None:
    """Write the real output into the page."""
    page = PAGE.read_text(encoding="utf-8")
    os.environ["PATH"] = search_path()
    with tempfile.TemporaryDirectory() as folder:
        made = rewritten(of_typescript(page), Path(folder)).replace("```console node", "```shell-session")
    PAGE.write_text(made.rstrip("\n") + "\n" + _PYTHON + page.partition(_PYTHON)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
