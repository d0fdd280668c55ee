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


MIXED = """\
prompts: [a]
cases:
  - {id: both, assert: [{type: python, value: "checks.py:short"}, {type: contains, value: hi}]}
  - {id: expects, expected: hi, assert: [{type: python, value: "checks.py:short"}, {type: equals}]}
  - {id: only, assert: [{type: python, value: "checks.py:short"}]}
  - {id: share, threshold: 0.5, assert: [{type: python, value: "checks.py:short"}, {type: contains, value: hi}]}
  - {id: known, xfail: slow, assert: [{type: python, value: "checks.py:short"}, {type: contains, value: hi}]}
  - id: set
    assert: [{type: assert-set, assert: [{type: python, value: "checks.py:short"}]}, {type: contains, value: hi}]
  - {id: free, assert: [{type: contains, value: hi}]}
"""


class TestLeftOut:
    TREE = MemoryTree({"datasets/a.yaml": MIXED, "datasets/checks.py": SOURCE})

    def test_the_rest_of_a_case_is_kept_unless_code_decides_it(self) -> None:
        dataset = Dataset.open(self.TREE, "datasets/a.yaml", code="leave-out")
        assert dataset.check() == []
        kept = {case.id: [each.type for each in case.assertions] for case in dataset.cases()}
        assert kept == {"both": ["contains"], "expects": ["equals"], "set": ["contains"], "free": ["contains"]}
        assert (dataset.count, dataset.code_left_out.assertions, dataset.code_left_out.cases) == (4, 6, 3)
        assert dataset.code_left_out.words == (
            "6 assertions that run code were not checked (first at datasets/a.yaml:3:5), "
            "and 3 cases that need them left out"
        )

    def test_what_was_graded_without_code_never_stands_for_what_was_graded_with_it(self) -> None:
        whole, rest = (Dataset.open(self.TREE, "datasets/a.yaml", code=code) for code in ("skip", "leave-out"))
        assert whole.check() == rest.check() == []
        assert whole.digest != rest.digest
        hashes = {case.id: case.content_hash for case in whole.cases()}
        same = {case.id for case in rest.cases() if case.content_hash == hashes[case.id]}
        assert same == {"free"}

    def test_expected_is_compared_only_if_it_is_with_code(self) -> None:
        text = "prompts: [a]\ncases:\n  - {id: x, expected: hi, assert: [{type: python, value: 'checks.py:short'}]}\n"
        tree = MemoryTree({"datasets/a.yaml": text, "datasets/checks.py": SOURCE})
        (whole,) = Dataset.open(tree, "datasets/a.yaml", code="skip").cases()
        rest = list(Dataset.open(tree, "datasets/a.yaml", code="leave-out").cases())
        without = [each.type for each in whole.assertions if not each.runs_code]
        assert [each.type for case in rest for each in case.assertions] == without

    def test_a_dataset_that_is_code_alone_is_an_error(self) -> None:
        tree = MemoryTree({"datasets/a.yaml": DATASET, "datasets/checks.py": SOURCE})
        dataset = Dataset.open(tree, "datasets/a.yaml", code="leave-out")
        (problem,) = dataset.check()
        assert (problem.code, problem.severity) == ("code-not-allowed", "error")
        assert dataset.digest is None

    def test_eval_checks_the_rest_says_so_and_goes_on_without_code(
        self, marker: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (marker.parent / "datasets/a.yaml").write_text(MIXED)
        told = "6 assertions that run code were not checked (first at datasets/a.yaml:3:5)"
        assert run_guarded(app, ["eval", "a", "--leave-out-code", "--dry-run"]) == 0
        assert told in capsys.readouterr().err
        assert run_guarded(app, ["eval", "a", "--leave-out-code"]) == 0
        assert f"a: passed: 4 of 4 cases (100.0%) passed; {told}" in capsys.readouterr().err
        assert not marker.exists()
        assert run_guarded(app, ["eval", "a"]) == 3
        assert run_guarded(app, ["eval", "a", "--leave-out-code", "--allow-code"]) == 2
        assert not marker.exists()
