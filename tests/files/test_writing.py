from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl.errors import WorkspaceError
from promptctl.files.writing import replace_file


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("old")
    file.chmod(0o600)
    replace_file(file, [b"ne", b"w"])
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    replace_file(tmp_path / "a/b/c.json", [b"{}"])
    assert (tmp_path / "a/b/c.json").read_text() == "{}"


def test_what_fails_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("old")

    def parts() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replace_file(file, parts())
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot write"):
        replace_file(tmp_path / "file/a.json", [b""])
