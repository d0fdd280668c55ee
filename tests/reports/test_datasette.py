"""The log in the real Datasette: each view and each question, over HTTP, while the log is written."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from promptctl.reports.datasette import datasette_metadata, write_datasette_metadata
from tests.log.conftest import make
from tests.log.sqlite.test_views import CONTRACT, fill

LOG = datasette_metadata()["databases"]["log"]
QUERIES: dict[str, Any] = LOG["queries"]
GIVEN = {"days": "7", "prompt": "support/triage", "score": "0.5", "text": "billing"}

Get = Callable[..., str]


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Ask a Datasette that shows a log which a writer has open in WAL mode, and an immutable copy of it."""
    pytest.importorskip("datasette")
    folder = tmp_path_factory.mktemp("datasette")
    with SqliteStore(folder / "log.db") as log:
        fill(log)
        log.back_up(folder / "copy.db")
        write_datasette_metadata(folder / "metadata.json")
        log.append([Entry(make(prompt="<b>late</b>"), "full")])
        assert (folder / "log.db-wal").stat().st_size
        (folder / "copy.db").chmod(0o400)
        command = [sys.executable, "-m", "datasette", "log.db", "-i", "copy.db", "-m", "metadata.json", "-p", "0"]
        command += ["--setting", "sql_time_limit_ms", "60000"]
        with subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                lines = iter(process.stderr.readline, "")
                started = (re.search(r"running on (http://127\.0\.0\.1:\d+)", line) for line in lines)
                address = next(found[1] for found in started if found)

                def ask(path: str, **parameters: str) -> str:
                    with urlopen(f"{address}/{path}?{urlencode(parameters)}") as response:
                        return str(response.read().decode())

                yield ask
            finally:
                process.terminate()


@pytest.mark.parametrize("view", CONTRACT)
def test_each_view_is_shown(get: Get, view: str) -> None:
    asked = json.loads(get(f"log/{view}.json", _shape="objects"))
    assert asked["rows"]
    names = [each.split(" ")[0] for each in CONTRACT[view].split(", ")]
    assert asked["columns"] == names
    copied = json.loads(get(f"copy/{view}.json", _shape="objects"))
    assert copied["columns"] == names
    assert copied["rows"]


@pytest.mark.parametrize("name", QUERIES)
def test_each_question_is_answered(get: Get, name: str) -> None:
    asked = set(re.findall(r":(\w+)", QUERIES[name]["sql"]))
    assert asked <= GIVEN.keys()
    for given in (
        {key: GIVEN[key] for key in asked},
        dict.fromkeys(asked - {"prompt"}, "") | {"prompt": "support/triage"},
    ):
        found = json.loads(get(f"log/{name}.json", _shape="array", **given))
        assert found


def test_pages_describe_themselves_and_show_text_as_text(get: Get) -> None:
    page = get("log/calls")
    assert LOG["tables"]["calls"]["columns"]["cost_usd"] in page
    assert "&lt;b&gt;late&lt;/b&gt;" in page
    assert "<b>late</b>" not in page
    home = get("log")
    for query in QUERIES.values():
        assert query["title"].replace("'", "&#39;") in home


def test_the_metadata_knows_every_table_and_column(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    with closing(sqlite3.connect(path)) as raw:
        names = {name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}
        assert {name for name in names if not name.startswith("sqlite_")} == LOG["tables"].keys()
        assert {name for name, about in LOG["tables"].items() if "hidden" not in about} == CONTRACT.keys()
        for view, about in LOG["tables"].items():
            if "columns" in about:
                assert [*about["columns"]] == [row[1] for row in raw.execute(f"PRAGMA table_info({view})")], view


def test_a_copy_is_described_by_its_own_name() -> None:
    assert [*datasette_metadata("copy")["databases"]] == ["copy"]
    assert shutil.which("datasette") is None or datasette_metadata("copy")["databases"]["copy"] == LOG
