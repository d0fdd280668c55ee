"""What is missing for a label that asks for a passed evaluation, and what to do about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from promptctl.datasets.index import DatasetIndex
from promptctl.git.trees import WorkTree
from promptctl.promotion.proof import find_proof
from promptctl.promotion.rules import Proof
from tests.evaluation_lab import Lab

PATH = "datasets/triage.yaml"


@pytest.fixture
def committed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace as it was committed: what a test changes, it changes here alone."""
    lab.many(2)
    folder = tmp_path_factory.mktemp("committed")
    shutil.copytree(lab.root, folder, dirs_exist_ok=True)
    return folder


def proof(lab: Lab, committed: Path) -> Proof:
    with lab.open() as workspace:
        indexes = DatasetIndex(WorkTree(committed)), DatasetIndex(WorkTree(lab.root))
        return find_proof(workspace.context, *indexes, workspace.prompt("triage").prompt, None)


def test_a_committed_dataset_that_is_gone_here_is_brought_back_and_not_committed(lab: Lab, committed: Path) -> None:
    (lab.root / PATH).unlink()
    found = proof(lab, committed)
    assert (found.missing, found.hint) == (
        f"{PATH} is committed and missing here",
        f"git restore --staged --worktree -- {PATH}",
    )


@pytest.mark.parametrize("text", ["prompts: [triage]\ncases: 3\n", "prompts: [triage"])
def test_a_committed_dataset_that_is_wrong_here_is_to_be_validated(lab: Lab, committed: Path, text: str) -> None:
    lab.write(PATH, text)
    found = proof(lab, committed)
    assert (found.missing, found.hint) == (f"{PATH} is wrong here, and not as it is committed", "promptctl validate")


def test_a_dataset_that_is_another_here_is_to_be_committed(lab: Lab, committed: Path) -> None:
    lab.many(3)
    assert f"git add {PATH} && git commit" in (proof(lab, committed).hint or "")
