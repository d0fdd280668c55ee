"""Code of a workspace runs with `--allow-code` alone: looking at datasets, checking and evaluating never import it."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.cli.boundary import run_guarded
from promptctl.cli.main import app
from promptctl.datasets.dataset import Dataset
from promptctl.files.tree import MemoryTree

DATASET = """\
prompts: [a]
defaults: {assert: [{type: python, value: "checks.py:short"}]}
cases:
  - id: one
    assert: [{type: python, value: "checks.py:short"}]
"""
SOURCE = "def short(reply, context):\n    return len(reply) < 10\n"


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose code leaves a mark when it runs; the mark's path."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "datasets").mkdir()
    mark = tmp_path / "it-ran"
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    (tmp_path / "prompts/a.prompt.yaml").write_text("messages: [{role: user, content: hi}]\n")
    (tmp_path / "datasets/a.yaml").write_text(DATASET)
    (tmp_path / "datasets/checks.py").write_text(f"open({str(mark)!r}, 'w').close()\n{SOURCE}")
    monkeypatch.chdir(tmp_path)
    return mark


@pytest.mark.parametrize(
    "command", ["validate", "eval a", "eval --all", "show a", "dataset list", "dataset show datasets/a.yaml"]
)
def test_no_command_runs_it_without_the_flag(marker: Path, command: str) -> None:
    run_guarded(app, command.split())
    assert not marker.exists()


def test_the_flag_runs_it(marker: Path) -> None:
    assert run_guarded(app, ["eval", "a", "--allow-code"]) == 0
    assert marker.exists()


def test_cases_that_are_only_looked_at_have_the_hash_that_those_that_run_have() -> None:
    tree = MemoryTree({"datasets/a.yaml": DATASET, "datasets/checks.py": SOURCE})
    looked_at = [case.content_hash for case in Dataset.open(tree, "datasets/a.yaml", code="skip").cases()]
    run = [case.content_hash for case in Dataset.open(tree, "datasets/a.yaml", code="run").cases()]
    assert looked_at == run
