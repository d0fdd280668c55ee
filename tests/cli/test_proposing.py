"""What is proposed, as it is printed: for a person, and for `git apply`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from promptctl.cli.proposing import WriteOptions, offer
from promptctl.cli.text_difference import difference_lines
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.workspace import Workspace
from tests.evaluation_lab import Lab


def test_git_apply_takes_the_printed_patch_of_a_file_that_is_not_utf_8(
    lab: Lab, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    before = b"caf\xe9\nna\xc3\xafve\n"
    with lab.open() as workspace:
        offer(workspace, Proposal((FileEdit("a.txt", before, before + b"\xff\n"),)), WriteOptions())
    patch = capfdbinary.readouterr().out
    (tmp_path / "a.txt").write_bytes(before)
    subprocess.run(["git", "apply"], cwd=tmp_path, input=patch, check=True, capture_output=True)
    assert (tmp_path / "a.txt").read_bytes() == before + b"\xff\n"


def test_a_person_sees_in_a_diff_what_has_no_width(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = Proposal((FileEdit("a.txt", b"a\r\n", "a\u200bb\r\n".encode()),))

    def printed(workspace: Workspace) -> str:
        offer(workspace, proposal, WriteOptions())
        return capsys.readouterr().out

    with lab.open() as workspace:
        assert "+a\u200bb\r\n" in printed(workspace)
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setattr("promptctl.cli.proposing.is_at_terminal", lambda: False)
        assert "+a\\u200bb\\r\n" in printed(workspace)
        assert [*difference_lines("a", "a\u200b")][1] == "got       a\\u200b"
