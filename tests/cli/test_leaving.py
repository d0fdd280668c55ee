"""The program ends without freeing anything; what it was asked to do is done all the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from promptctl import errors
from promptctl.cli.boundary import leave
from tests.cli.conftest import TRIAGE, write

PROMPTCTL = (sys.executable, "-m", "promptctl")


def workspace(folder: Path) -> Path:
    write(folder, "promptctl.yaml", "model: echo/echo\n")
    write(folder, "prompts/triage.prompt.yaml", TRIAGE)
    return folder


def test_all_output_is_written_to_a_pipe(tmp_path: Path) -> None:
    ticket = "x" * 300_000
    command = (*PROMPTCTL, "run", "triage", "-I", "ticket=-")
    done = subprocess.run(command, cwd=workspace(tmp_path), input=ticket, capture_output=True, text=True)
    assert done.returncode == 0
    assert ticket in done.stdout


def test_the_log_is_closed(tmp_path: Path) -> None:
    subprocess.run(
        (*PROMPTCTL, "run", "triage", "-i", "ticket=x"), cwd=workspace(tmp_path), check=True, capture_output=True
    )
    assert not (tmp_path / ".promptctl/log.db-wal").exists()
    with closing(sqlite3.connect(tmp_path / ".promptctl/log.db")) as log:
        assert log.execute("SELECT count(*) FROM executions").fetchone() == (1,)


def test_the_exit_code_is_kept(tmp_path: Path) -> None:
    done = subprocess.run((*PROMPTCTL, "run", "nothing"), cwd=workspace(tmp_path), capture_output=True)
    assert done.returncode == 3


def test_an_interrupted_command_ends_the_long_way() -> None:
    """A thread may still be saving what was paid for."""
    with pytest.raises(SystemExit) as ended:
        leave(errors.INTERRUPTED)
    assert ended.value.code == errors.INTERRUPTED
