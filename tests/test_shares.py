"""How the tests are shared out among processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shares import Shares

KILLED = """
import os

def test_passes(): pass

def test_ends_its_process(): os._exit(9)
"""


@pytest.mark.parametrize(("tests", "count"), [(1, 1), (7, 3), (64, 4)])
def test_each_test_is_taken_once_whoever_is_slow(tests: int, count: int) -> None:
    shares = Shares(tests, count)
    slow = [shares.take(number) for number in range(count)]
    fast = [*iter(lambda: shares.take(0), None)]
    assert sorted([*(each for each in slow if each is not None), *fast]) == [*range(tests)]
    assert [shares.take(number) for number in range(count)] == [None] * count


def test_a_process_that_ends_fails_the_run_and_is_said_with_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_killed.py").write_text(KILLED)
    command = [sys.executable, "-m", "pytest", "-p", "tests.shares", "--processes", "2", "--rootdir", str(tmp_path)]
    folders = [f"--basetemp={tmp_path / 'temporary'}", "-p", "no:cacheprovider", str(tmp_path / "test_killed.py")]
    ran = subprocess.run([*command, *folders], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert (ran.returncode, "test_killed.py::test_ends_its_process: its process ended with 9" in ran.stdout) == (
        1,
        True,
    )
