"""The views for other programs: their columns are a promise, and they say what the commands say."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptctl import open_workspace
from promptctl.log.feedback import Feedback
from promptctl.log.filter import Filter
from promptctl.log.records import CostCorrection, Entry
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultRow, Totals
from promptctl.log.sqlite import schema
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_now
from tests.log.conftest import make, make_some

# What is here stays, in every version to come: a column may be added at the end.
CONTRACT = {
    "calls": (
        "call_id TEXT, started_at TEXT, source TEXT, prompt TEXT, version INTEGER, version_display TEXT, label TEXT, "
        "model TEXT, provider TEXT, status TEXT, error_type TEXT, error_message TEXT, attempts INTEGER, "
        "input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, cost_usd REAL, unpriced INTEGER, "
        "latency_ms REAL, first_token_ms REAL, finish_reason TEXT, user TEXT, session TEXT, experiment TEXT, arm TEXT, "
        "evaluation_id TEXT, case_id TEXT, reply_source TEXT, metadata TEXT, commit_id TEXT, digest TEXT, "
        "execution_id TEXT"
    ),
    "costs_by_day": (
        "day TEXT, prompt TEXT, version INTEGER, version_display TEXT, label TEXT, model TEXT, source TEXT, "
        "calls INTEGER, attempts INTEGER, input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, "
        "cost_usd REAL, unpriced INTEGER"
    ),
    "answers_by_version": (
        "prompt TEXT, version INTEGER, version_display TEXT, label TEXT, model TEXT, started_at TEXT, source TEXT, "
        "status TEXT, inputs TEXT, reply TEXT, tool_calls TEXT, inputs_hash TEXT, score REAL, output_tokens INTEGER, "
        "latency_ms REAL, user TEXT, session TEXT, digest TEXT, call_id TEXT, execution_id TEXT"
    ),
    "feedback_given": (
        "created_at TEXT, name TEXT, score REAL, by TEXT, comment TEXT, expected TEXT, prompt TEXT, version INTEGER, "
        "version_display TEXT, label TEXT, model TEXT, user TEXT, session TEXT, started_at TEXT, call_id TEXT, "
        "execution_id TEXT"
    ),
    "evaluation_totals": (
        "evaluation_id TEXT, started_at TEXT, finished_at TEXT, status TEXT, prompt TEXT, version INTEGER, "
        "version_display TEXT, label TEXT, model TEXT, dataset TEXT, verdict TEXT, cases INTEGER, passed INTEGER, "
        "failed INTEGER, errors INTEGER, pass_rate REAL, low REAL, high REAL, cost_usd REAL, unpriced INTEGER, "
        "commit_id TEXT, digest TEXT"
    ),
    "executions_readable": (
        "id TEXT, call_id TEXT, attempt INTEGER, started_at TEXT, source TEXT, prompt TEXT, version TEXT, label TEXT, "
        "model TEXT, status TEXT, finish_reason TEXT, error_type TEXT, error_message TEXT, user TEXT, session TEXT, "
        "input_tokens INTEGER, output_tokens INTEGER, cost_usd REAL, latency_ms REAL, inputs TEXT, messages TEXT, "
        "reply TEXT, tool_calls TEXT, reply_source TEXT, parameters TEXT, metadata TEXT, evaluation_id TEXT, "
        "case_id TEXT, repeat INTEGER, commit_id TEXT, digest TEXT"
    ),
    "results_readable": (
        "evaluation_id TEXT, started_at TEXT, prompt TEXT, version TEXT, model TEXT, dataset TEXT, case_id TEXT, "
        "repeat INTEGER, status TEXT, score REAL, output TEXT, error_type TEXT, error_message TEXT, cost_usd REAL, "
        "latency_ms REAL, reply_source TEXT, execution_id TEXT"
    ),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with something in every column of every view."""
    path = tmp_path_factory.mktemp("views") / "log.db"
    with SqliteStore(path) as log:
        fill(log)
    return path


def fill(log: SqliteStore) -> None:
    whole = make(
        cached_tokens=3, first_token_ms=10.0, experiment="e", arm="a", tool_calls=[{"id": "1"}], evaluation_id="ev",
        case_id="c", repeat=1, error_type="E", error_message="words", source="eval",
    )  # fmt: skip
    failed = make(status="error", error_type="RateLimited", error_message="slow down", reply=None)
    retried = make(call_id=failed.call_id, attempt=2)
    long = make(prompt="long", reply="x" * 20_000, version=None, is_dirty=True)
    log.append([Entry(each, "full") for each in (whole, failed, retried, long, make(status="blocked", reply=None))])
    given = {"name": "helpful", "by": "ada", "comment": "good", "expected": "better"}
    log.add_feedback(
        Feedback(id=new_id(), execution_id=retried.id, call_id="", score=0.25, created_at=utc_now(), **given)
    )
    row = EvaluationRow(
        id="ev", started_at=utc_now(), prompt="support/triage", digest="d", model="m", version=1, version_display="v1",
        commit="c" * 40, label="production", spec=EvaluationSpec(dataset="datasets/t.yaml"),
    )  # fmt: skip
    log.begin_evaluation(row)
    totals = Totals(cases=1, passed=1, pass_rate=1.0, low=0.2, high=1.0, verdict="passed")
    log.update_evaluation("ev", status="finished", totals=totals)
    log.append(
        [],
        [
            ResultRow(
                evaluation_id="ev", case_id="c", status="passed", score=1.0, output="yes", reply_source="model",
                cost_nano_usd=1, latency_ms=1.0, execution_id=whole.id, error_type="E", error_message="w",
                finished_at=utc_now(),
            ),
            ResultRow(evaluation_id="ev", case_id="d", status="failed", finished_at=utc_now()),
        ],
    )  # fmt: skip


@pytest.fixture
def raw(filled: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{filled}?mode=ro", uri=True)) as connection:
        yield connection


def test_the_contract_is_of_every_view() -> None:
    assert [*CONTRACT] == schema._VIEW.findall(schema.views_sql())


@pytest.mark.parametrize("view", CONTRACT)
def test_columns_keep_their_names_and_types(raw: sqlite3.Connection, view: str) -> None:
    promised = [tuple(each.split(" ")) for each in CONTRACT[view].split(", ")]
    names = [row[1] for row in raw.execute(f"PRAGMA table_info({view})")]
    assert names == [name for name, _ in promised]
    types = ", ".join(f"group_concat(DISTINCT upper(typeof({name})))" for name in names)
    found = raw.execute(f"SELECT {types} FROM {view}").fetchone()
    for (name, type_), kinds in zip(promised, found, strict=True):
        assert set(kinds.split(",")) - {"NULL"} == {type_}, name


def test_a_call_is_its_last_attempt_with_the_cost_of_all(raw: sqlite3.Connection) -> None:
    rows = raw.execute("SELECT attempts, status, cost_usd, input_tokens FROM calls WHERE attempts > 1").fetchall()
    assert rows == [(2, "ok", 2 * 27_000 / 1e9, 200)]


def test_a_text_that_is_compressed_is_named_and_not_shown(raw: sqlite3.Connection) -> None:
    [(reply, id_, version)] = raw.execute(
        "SELECT reply, execution_id, version FROM answers_by_version WHERE prompt = 'long'"
    ).fetchall()
    assert reply == f"(compressed: promptctl log show {id_})"
    assert version is None
    stored = raw.execute("SELECT content FROM payloads WHERE typeof(content) = 'blob'").fetchone()[0]
    assert zlib.decompress(stored) == b"x" * 20_000


def test_sums_are_those_of_the_commands_also_after_a_correction(path: Path) -> None:
    with SqliteStore(path) as log:
        for count in (1_100, 70):  # some are counted in batches, some are not yet
            log.append([Entry(each) for each in make_some(count, seed=count)])
        unpriced = next(each for each in log.executions() if each.cost_nano_usd is None and each.source == "run")
        log.correct_costs({unpriced.id: CostCorrection(utc_now(), None, 5_000_000, "test")})
        asked = log.totals(Filter(source="app"), ("day", "prompt", "model", "source"), costs_only=True)
        expected = {
            tuple(row.group.values()): (
                row.calls,
                row.attempts,
                row.input_tokens,
                row.known_cost_nano_usd,
                row.unpriced,
            )
            for row in asked
        }
        with log.database.reading() as connection:
            rows = connection.execute(
                "SELECT day, prompt, model, source, sum(calls), sum(attempts), sum(input_tokens), "
                "CAST(round(sum(cost_usd) * 1e9) AS INTEGER), sum(unpriced) FROM costs_by_day GROUP BY 1, 2, 3, 4"
            ).fetchall()
            assert {row[:4]: row[4:] for row in rows} == expected
            calls = connection.execute("SELECT count(*), round(sum(cost_usd), 9) FROM calls").fetchone()
        total = log.totals(Filter(), ())[0]
        assert calls == (len({each.call_id for each in log.executions()}), total.known_cost_nano_usd / 1e9)


def test_views_are_made_anew_at_each_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("DROP VIEW calls; CREATE VIEW calls AS SELECT 1 AS x; DROP VIEW results_readable;")
    known = {number: schema.migration_sql(number) for number in range(1, schema.NEWEST + 1)}
    later = schema.NEWEST + 1
    monkeypatch.setattr(
        schema, "migration_sql", {**known, later: "ALTER TABLE evaluations ADD COLUMN x TEXT;"}.__getitem__
    )
    for module in ("schema", "opening"):
        monkeypatch.setattr(f"promptctl.log.sqlite.{module}.NEWEST", later)
    with SqliteStore(path) as log:
        assert len(list(log.executions())) == 1
    with closing(sqlite3.connect(path)) as raw:
        assert next(row[1] for row in raw.execute("PRAGMA table_info(calls)")) == "call_id"
        assert raw.execute("SELECT count(*) FROM results_readable").fetchone() == (0,)


def test_masked_values_stay_masked(tmp_path: Path) -> None:
    prompt = "inputs: {name: {type: string, sensitive: true}}\nmessages: [{role: user, content: 'Hi {{ name }}'}]\n"
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/greet.prompt.yaml").write_text(prompt)
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\nlog: [{prompts: '*', content: full}]\n")
    with open_workspace(tmp_path, {}) as workspace:
        workspace.run("greet", {"name": "Ada Canary"})
        file = workspace.log.file
    with closing(sqlite3.connect(file)) as raw:
        for view in CONTRACT:
            rows = raw.execute(f"SELECT * FROM {view}").fetchall()
            assert "Canary" not in str(rows)
            if view == "answers_by_version":
                assert "[sensitive" in str(rows)
