"""The check of a log from Python: what `verify` finds, in words."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import promptctl


def test_check_says_in_words_what_verify_finds(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\nlog: [{prompts: '*', content: full}]\n")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/greet.prompt.yaml").write_text("messages: [{role: user, content: Hello}]\n")
    with promptctl.open_workspace(tmp_path) as workspace:
        execution = workspace.run("greet")
        assert workspace.log.check() == []

        with closing(sqlite3.connect(workspace.log.file, isolation_level=None)) as raw:
            raw.execute("DELETE FROM payloads WHERE hash = (SELECT reply_hash FROM executions)")
        raw.close()
        [lost] = workspace.log.check()
        assert (execution.id in lost, lost.endswith("is missing")) == (True, True)
        workspace.log.file.write_bytes(b"no database at all" * 400)
        [damaged] = workspace.log.check()
        assert "is damaged" in damaged
