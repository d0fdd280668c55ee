"""`promptctl cost reprice`: past calls by the prices of now, and how prices that are written wrong are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptctl import open_workspace
from promptctl.log.records import Entry
from tests.cli.conftest import Cli, write
from tests.log.conftest import make

PRICES = """\
model: echo/echo
prices:
  "local/*":
    - {input: 2, output: 10}
    - {from: 2026-06-01, input: 1, output: 5}
"""
MAY, JUNE = "2026-05-20T10:00:00.000Z", "2026-06-20T10:00:00.000Z"


@pytest.fixture
def desk(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Calls of `triage` on local/a in May and June, without a price, and one more that has no row; one on other/b."""
    monkeypatch.chdir(workspace)
    usual: dict[str, Any] = {
        "prompt": "triage",
        "provider": "local",
        "model": "local/a",
        "cost_nano_usd": None,
        "price_source": None,
    }
    usual |= {"usage_details": {}, "input_tokens": 100, "output_tokens": 20}
    other = {**usual, "provider": "other", "model": "other/b"}
    rows = [
        make(**usual, started_at=MAY),
        make(**usual, started_at=JUNE, source="eval"),
        make(**other, started_at=JUNE),
    ]
    with open_workspace(workspace, {}) as opened:
        opened.context.log.append([*(Entry(row, "full") for row in rows), Entry(make(**usual, started_at=MAY), "off")])
    write(workspace, "promptctl.yaml", PRICES)
    return workspace


@pytest.mark.usefixtures("desk")
def test_costs_are_told_by_model_before_and_after_and_each_view_counts_them(cli: Cli) -> None:
    assert cli("log", "stats", "--json").json[0]["unpriced"] == 3
    dry = cli("cost", "reprice", "--dry-run")
    assert dry.out.splitlines() == [
        "model\tattempts\tcorrected\tbefore\tafter",
        "local/a\t2\t2\tunpriced\t$0.0006",
        "other/b\t1\t0\tunpriced\tunpriced",
        "total\t3\t2\tunpriced\t$0.0006 + 1 unpriced",
    ]
    assert dry.err.splitlines() == [
        "1 attempt of models without a price at that time: give `prices:` in promptctl.yaml",
        "1 attempt without a row (rule `off`, or pruned): only their totals are kept",
        "2 costs would be corrected",
    ]
    done = cli("cost", "reprice")
    assert done.out == dry.out
    assert done.err.splitlines()[-1] == "2 costs corrected; no row was changed"
    again = cli("cost", "reprice")
    assert again.err.splitlines()[-1] == "nothing to correct"
    rows = cli("log", "list", "--source", "all", "--json").json
    assert sorted(row["cost_nano_usd"] or 0 for row in rows) == [0, 200_000, 400_000]
    [stats] = cli("log", "stats", "--json").json
    assert (stats["cost_nano_usd"], stats["unpriced"]) == (400_000, 2)
    [cost] = cli("cost", "--source", "all", "--by", "model", "--model", "local/*", "--json").json["rows"]
    assert cost["cost_nano_usd"] == 600_000
    shown = cli("log", "show", next(row["execution"] for row in rows if row["cost_nano_usd"] == 400_000))
    assert "price_source       promptctl.yaml:4\n" in shown.out
    assert '"old_nano_usd": null, "new_nano_usd": 400000' in shown.out


@pytest.mark.usefixtures("desk")
def test_choices_and_words_for_none(cli: Cli) -> None:
    found = cli(
        "cost", "reprice", "--since", "2026-06-01", "--until", "2026-07-01", "--model", "local/?", "--json"
    ).json
    assert (found["attempts"], found["after_nano_usd"], found["dry_run"]) == (1, 200_000, False)
    assert cli("cost", "reprice", "--prompt", "tri*", "--json").json["attempts"] == 3
    assert "no call of a model matches" in cli("cost", "reprice", "--since", "2027-01-01").err
    unknown = cli("cost", "reprice", "--prompt", "triag")
    assert (unknown.exit_code, "did you mean `triage`?" in unknown.err) == (3, True)
    assert cli("cost", "reprice", "--since", "soon").exit_code == 2


@pytest.mark.parametrize(
    ("price", "place", "words"),
    [
        ("{inptu: 1, output: 1}", "1:18", "did you mean `input`?"),
        ("{input: 1, output: 1, cached: 1}", "1:39", "use `cached_input`"),
        ("{input: 1, output: 1, service_tier: {flx: {}}}", "1:54", "did you mean `flex`?"),
        ("{input: 1, output: 1, service_tier: {flex: {from: 2026-01-01}}}", "1:61", "`from` beside `service_tier`"),
        ("{input: 1, output: 1, from: 2026-02-30}", "1:45", "no day of the calendar"),
        ("{input: 1, output: 1, from: June}", "1:45", "such as 2026-06-01"),
        ("[{input: 1, output: 1}, {input: 2, output: 2}]", "1:41", "give each a day of its own"),
        ("{input: -1, output: 1}", "1:25", "at least 0"),
        ("{input: .nan, output: 1}", "1:25", "must be a number"),
        ("{input: 9000000, output: 1}", "1:25", "at most 1000000"),
        ("{input: 1, output: 1, above: {200k: {input: 2}}}", "1:47", "such as 200000"),
        ("{input: 1}", "1:17", "add `output`"),
    ],
)
def test_a_price_that_is_written_wrong_is_told_at_its_place(
    workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, price: str, place: str, words: str
) -> None:
    monkeypatch.chdir(workspace)
    write(workspace, "promptctl.yaml", f'prices: {{"x/*": {price}}}\n')
    found = cli("cost", "reprice")
    assert found.exit_code == 3
    assert f"promptctl.yaml:{place}: " in found.err
    assert words in found.err
