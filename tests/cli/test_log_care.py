"""`promptctl log export`, `prune` and `backup`, in a workspace whose log has old and new calls."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.cli.conftest import Cli, commit, write
from tests.log.conftest import make

OLD = "2026-01-01T00:00:00.000Z"
NEW = "2026-05-01T00:00:00.000Z"


@pytest.fixture
def log(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the current workspace: two calls of `triage`, one of `other`, and an evaluation's."""
    monkeypatch.chdir(workspace)
    path = workspace / ".git/promptctl/log.db"
    with SqliteStore(path) as store:
        store.append(
            [
                Entry(make(started_at=OLD, prompt="triage", reply="=canary()", user="u1", cost_nano_usd=7), "full"),
                Entry(make(started_at=OLD, prompt="other", reply="canary"), "metadata"),
                Entry(make(started_at=NEW, prompt="triage", reply="of today"), "full"),
                Entry(make(started_at=NEW, prompt="triage", source="eval", evaluation_id="e"), "metadata"),
            ]
        )
    return path


def test_an_export_has_the_keys_of_the_list(cli: Cli, log: Path) -> None:
    rows = [json.loads(line) for line in cli("log", "export", "-o", "-").out.splitlines()]
    assert rows == cli("log", "list", "--json").json
    ran = cli("log", "export", "-o", "calls.jsonl", "--content", "--source", "all")
    assert (ran.exit_code, ran.out, ran.err) == (0, "", "written  calls.jsonl (4 executions)\n")
    written = [json.loads(line) for line in Path("calls.jsonl").read_text("utf-8").splitlines()]
    assert written == cli("log", "list", "--json", "--content", "--source", "all").json
    assert cli("log", "export", "-o", "-", "--content", "--source", "all").out == Path("calls.jsonl").read_text("utf-8")
    assert stat.S_IMODE(Path("calls.jsonl").stat().st_mode) == 0o600
    chosen = cli("log", "export", "-o", "-", "--user", "u1", "--status", "ok", "--until", "2026-02-01").out
    assert [json.loads(line)["user"] for line in chosen.splitlines()] == ["u1"]


def test_a_table_is_safe_to_open_and_has_its_header_without_a_call(cli: Cli, log: Path) -> None:
    assert cli("log", "export", "-o", "calls.csv", "--content").exit_code == 0
    rows = list(csv.DictReader(io.StringIO(Path("calls.csv").read_text("utf-8"))))
    assert [(row["prompt"], row["reply"], row["dirty"]) for row in rows] == [
        ("triage", "of today", "false"),
        ("other", "", "false"),
        ("triage", "'=canary()", "false"),
    ]
    assert json.loads(rows[0]["metadata"])["prompt"] == "triage"
    assert cli("log", "export", "-o", "none.csv", "--user", "nobody").exit_code == 0
    assert Path("none.csv").read_text("utf-8").count("\n") == 1


def test_an_export_that_cannot_be_written_says_so(
    cli: Cli, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = cli("log", "export", "-o", "calls.xls")
    assert (unknown.exit_code, unknown.err) == (
        2,
        "error: cannot tell what to write to calls.xls\n  hint: name a file that ends in .jsonl, .csv, .parquet\n",
    )
    (tmp_path / "calls.csv").mkdir()
    assert cli("log", "export", "-o", "calls.csv").exit_code == 2
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    without = cli("log", "export", "-o", "calls.parquet")
    assert (without.exit_code, "pip install 'promptctl-git[parquet]'" in without.err) == (2, True)
    assert not (tmp_path / "calls.parquet").exists()
    assert cli("log", "export", "-o", "calls.jsonl", "--prompt", "triag").exit_code == 3


def test_parquet_has_typed_columns(cli: Cli, log: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert cli("log", "export", "-o", "calls.parquet", "--content").exit_code == 0
    table = parquet.read_table("calls.parquet")
    assert table.num_rows == 3
    assert str(table.schema.field("cost_nano_usd").type) == "int64"
    assert table.column("reply").to_pylist() == ["of today", None, "=canary()"]


def test_pruning_says_exactly_what_goes_before_it_does(cli: Cli, log: Path) -> None:
    ages = ("--content-older", "2026-03-01", "--prompt", "tri*")
    would = cli("log", "prune", *ages, "--dry-run", "--json").json
    assert (would["contents"], would["latest_calls"], would["rows"], would["freed_bytes"]) == (1, 0, 0, None)
    assert b"canary()" in log.read_bytes()
    did = cli("log", "prune", *ages, "--json").json
    assert did | {"dry_run": True, "freed_bytes": None} == would
    assert b"canary()" not in b"".join(each.read_bytes() for each in log.parent.glob("log.db*"))
    assert cli("log", "prune", "--rows-older", "2026-03-01").out.splitlines() == [
        "2 rows of calls before 2026-03-01T00:00:00.000Z deleted; totals stay",
        "0 stored texts deleted with them: 0 B",
    ]
    assert [row["calls"] for row in cli("log", "stats", "--json").json] == [1, 2], "totals stay"
    shown = cli("log", "prune", "--content-older", "2026-06-01", "--dry-run").out
    assert "contents of 1 call and of 2 latest calls before 2026-06-01T00:00:00.000Z would be deleted\n" in shown


def test_pruning_follows_a_rename(cli: Cli, log: Path) -> None:
    write(Path(), "prompts/new.prompt.yaml", Path("prompts/triage.prompt.yaml").read_text() + "formerly: [triage]\n")
    Path("prompts/triage.prompt.yaml").unlink()
    commit(Path(), "Rename triage")
    assert cli("log", "prune", "--rows-older", "2026-06-01", "--prompt", "new", "--json").json["rows"] == 3


def test_pruning_needs_to_know_what(cli: Cli, log: Path) -> None:
    assert "nothing to prune: give --content-older" in cli("log", "prune", "--prompt", "triage").err
    assert cli("log", "prune", "--rows-older", "7").exit_code == 2
    unknown = cli("log", "prune", "--rows-older", "7d", "--prompt", "triag")
    assert (unknown.exit_code, "did you mean `triage`?" in unknown.err) == (3, True)


def test_a_backup_is_told_and_never_replaces_a_file(cli: Cli, log: Path) -> None:
    assert cli("log", "backup", "copy.db").err.startswith("written  copy.db (")
    with closing(sqlite3.connect("copy.db")) as copy, copy:
        assert copy.execute("SELECT count(*) FROM executions").fetchone() == (4,)
    again = cli("log", "backup", "copy.db")
    assert (again.exit_code, "name a file that is not there yet" in again.err) == (3, True)
    missing = cli("log", "backup", "no/folder.db")
    assert (missing.exit_code, "cannot be created (No such file or directory)" in missing.err) == (3, True)


def test_a_log_that_is_not_there_is_not_copied(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    ran = cli("log", "backup", "copy.db")
    assert (ran.exit_code, "no call was made yet" in ran.err) == (3, True)
    assert not Path("copy.db").exists()
    assert cli("log", "export", "-o", "-").out == ""
    assert cli("log", "prune", "--rows-older", "1d", "--json").json["rows"] == 0


def test_a_search_shows_where_the_words_are(cli: Cli, log: Path) -> None:
    ran = cli("log", "search", "TODAY", "of*")
    _, prompt, _, found_in, text, id_ = ran.out.splitlines()[1].split("\t")
    assert (prompt, found_in, text, ran.err) == ("triage@production", "reply", "of «today»", "")
    (row,) = cli("log", "search", "canary", "--user", "u1", "--json").json
    assert (row["found_in"], row["before"], row["match"], row["after"]) == ("reply", "=", "canary", "()")
    assert cli("log", "search", "today", "--scan").out.splitlines()[1].endswith(id_)
    assert cli("log", "search", "today canary").err == (
        "no kept content matches; those of evaluations are left out: --source all\n"
        "  hint: words are whole: `canary*` finds longer ones too\n"
    )
    nothing = cli("log", "search", '"*"')
    assert (nothing.exit_code, "log list --search TEXT finds any characters" in nothing.err) == (2, True)
    assert cli("log", "search", "today", "--prompt", "triag").exit_code == 3


def test_a_search_without_an_index_says_so(cli: Cli, log: Path) -> None:
    log.with_name("search.db").mkdir()
    ran = cli("log", "search", "today")
    assert "«today»" in ran.out
    assert "warning: no index could be made, so every kept content was read (unable to open" in ran.err


def test_a_search_before_the_first_call_warns_of_nothing(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    assert "index" not in cli("log", "search", "today").err


def test_a_search_of_several_prompts_follows_each_one_s_renames(cli: Cli, log: Path) -> None:
    write(Path(), "prompts/new.prompt.yaml", Path("prompts/triage.prompt.yaml").read_text() + "formerly: [triage]\n")
    Path("prompts/triage.prompt.yaml").unlink()
    one = cli("log", "search", "twice", "--prompt", "new", "--json").json
    assert one
    assert cli("log", "search", "twice", "--prompt", "new", "--prompt", "other*", "--json").json == one
