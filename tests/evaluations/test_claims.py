from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from promptctl.errors import UsageError
from promptctl.evaluations.claims import claimed, is_claimed


def test_a_claim_holds_the_file_that_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder before ends between this one's opening of the file and its lock."""
    file, flock = tmp_path / "running" / "group", fcntl.flock

    def end_before(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        file.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", end_before)
    with claimed(tmp_path, ["group"]):
        assert is_claimed(tmp_path, "group")
        with pytest.raises(UsageError, match="another process is running"), claimed(tmp_path, ["group"]):
            pass
    assert not is_claimed(tmp_path, "group")
    assert not file.exists()
