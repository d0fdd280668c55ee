"""The release notes: the changelog's section for a tag, and no release without one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/release_notes.py"
CHANGELOG = """\
# Changelog

## Unreleased

### Added

- Something to come.

## 0.2.0 - 2026-12-01

### Fixed

- A label that `## looked like a heading`.

### Added

- Snapshots.

## [0.1.0] - 2026-11-30

First release.

## 0.0.2 - 2026-11-29

## 0.0.1

Undated.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "promptctl").mkdir()
    return tmp_path


def notes(root: Path, tag: str, version: str | None = None) -> tuple[int, str, str]:
    """Run the script for `tag` with the package at `version`; return its exit code, output and messages."""
    source = f'"""The version."""\n\n__version__ = "{version or tag[1:]}"\n'
    (root / "promptctl/__init__.py").write_text(source)
    command = [sys.executable, str(root / "scripts/release_notes.py"), tag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_section_is_cut_out_whole_and_without_its_heading(root: Path) -> None:
    expected = "### Fixed\n\n- A label that `## looked like a heading`.\n\n### Added\n\n- Snapshots.\n"
    assert notes(root, "v0.2.0") == (0, expected, "")
    assert notes(root, "v0.1.0") == (0, "First release.\n", "")


@pytest.mark.parametrize(
    ("tag", "version", "message"),
    [
        ("v0.2.0", "0.1.0", "promptctl/__init__.py: the version is 0.1.0, the tag is v0.2.0; make them agree"),
        ("0.2.0", "0.2.0", "promptctl/__init__.py: the version is 0.2.0, the tag is 0.2.0; make them agree"),
        ("v0.3.0", "0.3.0", "CHANGELOG.md: no section for 0.3.0; rename `## Unreleased` to `## 0.3.0 - YYYY-MM-DD`"),
        ("v0.0.2", "0.0.2", "CHANGELOG.md:23: 0.0.2 has no text; write what users see"),
        ("v0.0.1", "0.0.1", "CHANGELOG.md:25: 0.0.1 has no date; write `## 0.0.1 - YYYY-MM-DD`"),
    ],
)
def test_a_release_without_notes_is_refused(root: Path, tag: str, version: str, message: str) -> None:
    assert notes(root, tag, version) == (1, "", f"error: {message}\n")


def test_the_repositorys_own_version_and_changelog_are_read() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    done = subprocess.run([sys.executable, str(SCRIPT), "v0"], capture_output=True, text=True, check=False)
    assert "promptctl/__init__.py: the version is" in done.stderr
