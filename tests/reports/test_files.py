from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import UsageError, WorkspaceError
from promptctl.evaluations.evaluation import Evaluation
from promptctl.reports import rows
from promptctl.reports.files import check_report_path
from tests.reports.conftest import Write


@pytest.mark.parametrize("name", ["r.pdf", "r", "r.htm"])
def test_another_suffix_is_refused_beforehand(name: str) -> None:
    with pytest.raises(UsageError, match="no report has the suffix"):
        check_report_path(Path(name))


def test_folders_on_the_way_are_made(mixed: list[Evaluation], write: Write) -> None:
    assert write(mixed, "a/b/r.md").is_file()


def test_a_report_that_fails_half_way_leaves_the_old_one(
    mixed: list[Evaluation], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(mixed, "r.json")
    before = file.read_bytes()

    def breaks(_: object) -> dict[str, object]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows, "result_as_dict", breaks)
    with pytest.raises(WorkspaceError, match="No space left"):
        write(mixed, "r.json")
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir() if each.name.startswith(".r.json")] == []
