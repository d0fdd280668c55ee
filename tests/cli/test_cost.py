"""`promptctl cost`: what calls cost, by anything, and what the table leaves out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from promptctl.context import Context
from promptctl.log.records import Entry
from tests.cli.conftest import TRIAGE, Cli, commit, write
from tests.json_schemas import fits
from tests.log.conftest import make

CALLS: list[dict[str, Any]] = [
    {"cost_nano_usd": 6_000_000_000, "user": "u1", "model": "a/x", "call_metadata": {"customer": "acme", "vip": True}},
    {"cost_nano_usd": 3_000_000_000, "user": "u2", "version": 8, "version_display": "v8 (1b2c3d4)"},
    {"cost_nano_usd": 1_000_000_000, "prompt": "support/reply", "started_at": "2026-05-11T10:00:00.000Z"},
    {"cost_nano_usd": None, "prompt": "support/reply", "started_at": "2026-06-01T10:00:00.000Z"},
    {"cost_nano_usd": 500_000_000, "source": "eval"},
]


@pytest.fixture
def inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace)
    return workspace


@pytest.fixture
def desk(inside: Path) -> Path:
    log = Context(inside, {}, lambda _: None).log
    for given in CALLS:
        log.append([Entry(make(**{"started_at": "2026-05-04T10:00:00.000Z", **given}))])
    log.append([Entry(make(prompt="hidden", cost_nano_usd=2_000_000_000), "off")])
    log.close()
    return inside


@pytest.mark.usefixtures("desk")
def test_the_dearest_prompt_comes_first_with_its_share(cli: Cli) -> None:
    ran = cli("cost")

    assert ran.out == (
        "prompt\tcalls\ttokens\tcost\taverage\tshare\n"
        "support/triage\t2\t200+40\t$9.00\t$4.50\t75.0%\n"
        "hidden\t1\t100+20\t$2.00\t$2.00\t16.7%\n"
        "support/reply\t2\t200+40\t$1.00 + 1 unpriced\t$1.00\t8.3%\n"
    )
    assert ran.err == (
        "total: 5 calls, $12.00 + 1 unpriced\n"
        "1 reply unpriced: no price was known for the model (`prices:` can say it), or nobody counted the tokens\n"
        "not counted: 1 call of evaluations, $0.50; --source all counts them\n"
    )


def test_calls_that_never_told_their_cost_are_said_and_in_no_average(cli: Cli, inside: Path) -> None:
    log = Context(inside, {}, lambda _: None).log
    told: dict[str, Any] = {"cost_nano_usd": 2_000_000_000}
    cancelled: dict[str, Any] = {
        "status": "cancelled",
        "cost_nano_usd": None,
        "input_tokens": None,
        "output_tokens": None,
    }
    log.append([Entry(make(**each)) for each in (told, *[cancelled] * 3)])
    log.close()

    words = "3 requests never told their cost: not in it, and in no average\n"
    for command in (["cost"], ["log", "stats"]):
        ran = cli(*command)
        assert words in ran.err
        assert ran.out.splitlines()[1].split("\t").count("$2.00") == 2
    by_status = [line.split("\t") for line in cli("cost", "--by", "status").out.splitlines()[1:]]
    assert [(line[0], line[3], line[4]) for line in by_status] == [("ok", "$2.00", "$2.00"), ("cancelled", "-", "-")]
    assert cli("cost", "--json").json["total"]["untold"] == 3
    assert words in cli("cost", "--by", "user").err


def test_a_refusal_does_not_make_those_free_that_never_told_their_cost(cli: Cli, inside: Path) -> None:
    nothing: dict[str, Any] = {"input_tokens": None, "output_tokens": None}
    late = make(**nothing, status="error", cost_nano_usd=None)
    refused = make(**nothing, status="error", cost_nano_usd=0, call_id=late.call_id, attempt=2)
    log = Context(inside, {}, lambda _: None).log
    log.append([Entry(late), Entry(refused)])
    log.close()

    for command in (["cost"], ["cost", "--by", "user"], ["log", "stats"]):
        ran = cli(*command)
        assert "1 request never told its cost" in ran.err
        assert "$" not in ran.out
    total = cli("cost", "--json").json["total"]
    assert (total["cost_nano_usd"], total["average_cost_nano_usd"], total["untold"]) == (None, None, 1)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("version", ["v7 (3f2a9c1) $9.00 + 1 unpriced", "v8 (1b2c3d4) $3.00"]),
        ("month", ["2026-05 $10.00", "2026-06 unpriced"]),
        ("week", ["2026-05-04 $9.00", "2026-05-11 $1.00", "2026-06-01 unpriced"]),
        ("metadata.customer", ["acme $6.00", "- $4.00 + 1 unpriced"]),
        ("metadata.vip", ["true $6.00", "- $4.00 + 1 unpriced"]),
        ("user,model", ["u1 a/x $6.00", "u2 openai/gpt-4o-mini $3.00", "ada openai/gpt-4o-mini $1.00 + 1 unpriced"]),
    ],
)
def test_costs_are_added_up_by_anything(cli: Cli, by: str, rows: list[str]) -> None:
    lines = [line.split("\t") for line in cli("cost", "--by", by).out.splitlines()[1:]]

    assert [" ".join([*line[:-5], line[-3]]) for line in lines] == rows
    several = [word for name in by.split(",") for word in ("--by", name)]
    assert cli("cost", *several).out == cli("cost", "--by", by).out


@pytest.mark.usefixtures("desk")
def test_what_kept_no_row_is_said_where_it_is_not_counted(cli: Cli) -> None:
    assert "not counted: 1 call that kept no row, $2.00; --by prompt counts them\n" in cli("cost", "--by", "day").err
    for command in ("cost", ("log", "stats")):
        words = [command] if isinstance(command, str) else command
        assert "not counted: 1 call that kept no row, $2.00; --by prompt counts them" in cli(*words, "--by", "user").err
        some = cli(*words, "--by", "prompt", "--since", "2020-01-01").err
        assert (
            "not counted: 1 call that kept no row and may match, $2.00; the table without --since counts them" in some
        )
        assert "no row" not in cli(*words, "--by", "prompt,version").err
        assert "no row" not in cli(*words, "--by", "day", "--prompt", "support/*").err
        assert "no row" not in cli(*words, "--by", "day", "--until", "2020-01-01").err
    document = cli("cost", "--by", "user", "--json").json
    assert document["not_counted"]["without_row"]["cost_nano_usd"] == 2_000_000_000
    assert document["not_counted"]["evaluations"]["calls"] == 1
    assert cli("cost", "--source", "all", "--json").json["not_counted"] == {"evaluations": None, "without_row": None}


@pytest.mark.usefixtures("desk")
def test_several_prompts_and_globs_are_chosen(cli: Cli) -> None:
    def prompts(*given: str) -> list[str]:
        arguments = [word for each in given for word in ("--prompt", each)]
        return [row["prompt"] for row in cli("cost", *arguments, "--json").json["rows"]]

    assert prompts("support/reply", "hid*") == ["hidden", "support/reply"]
    assert prompts("support/*") == ["support/triage", "support/reply"]
    assert cli("cost", "--prompt", "support/triage", "--prompt", "suport/reply").exit_code == 3


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_shows_bars_and_the_total(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = cli("cost", "--by", "month").out.splitlines()

    assert lines[0].split()[:3] == ["Month", "Calls", "Tokens" if columns > 60 else "Cost"]
    assert lines[-1].startswith("total")
    assert all(len(line) <= columns for line in lines)
    if columns > 60:
        assert lines[1].split()[-2:] == ["████████████", "100.0%"]


@pytest.mark.usefixtures("desk")
def test_the_table_is_written_as_csv(cli: Cli, desk: Path) -> None:
    assert cli("cost", "-o", "costs.csv").exit_code == 0
    rows = list(csv.DictReader((desk / "costs.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["prompt"], row["calls"], row["cost_usd"], row["unpriced"]) for row in rows] == [
        ("support/triage", "2", "9", "0"),
        ("hidden", "1", "2", "0"),
        ("support/reply", "2", "1", "1"),
    ]
    wrong = cli("cost", "-o", "costs.txt")
    assert (wrong.exit_code, wrong.err) == (
        2,
        "error: cannot tell what to write to costs.txt\n  hint: name a file that ends in .csv\n",
    )


@pytest.mark.usefixtures("inside")
def test_an_empty_log_and_wrong_names_are_told(cli: Cli) -> None:
    assert cli("cost").err == "no call yet\n"
    near = cli("cost", "--by", "weeks")
    assert (near.exit_code, near.err) == (
        2,
        "error: --by cannot be `weeks`\n  hint: did you mean `week`?\n",
    )
    assert "did you mean `metadata.KEY`?" in cli("log", "stats", "--by", "metadata").err
    assert cli("cost", "--since", "soon").exit_code == 2


def test_two_versions_are_compared(workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    write(workspace, "prompts/triage.prompt.yaml", TRIAGE.replace("content: ", "content: Briefly! ", 1))
    commit(workspace, "Say less")
    context = Context(workspace, {}, lambda _: None)
    for version, cost in ((1, 1000), (2, 880)):
        digest = context.prompt(f"triage@v{version}").version.digest
        context.log.append(
            Entry(make(prompt="triage", digest=digest, cost_nano_usd=cost + number % 9 * 10)) for number in range(60)
        )
    context.close()
    ran = cli("cost", "compare", "triage@v1", "@v2", "-o", "sides.csv")

    assert ran.out.startswith("v2 costs 11.")
    said = {row[0]: row[1:] for row in (line.split("\t") for line in ran.out.splitlines()[2:])}
    assert list(said) == [
        "per call", "calls", "cost", "95 %", "tokens", "cached tokens", "cache hit rate", "retries", "repairs",
        "invalid", "p50", "p95",
    ]  # fmt: skip
    assert (said["calls"], said["cost"]) == (["60", "60"], ["$0.000001039", "$0.000000918"])
    assert len((workspace / "sides.csv").read_text().splitlines()) == 3
    fits("cost compare", cli("cost", "compare", "triage@v1", "@v2", "--json").json)
    assert cli("cost", "compare", "triage@v1", "@v7").exit_code == 3
    assert cli("cost", "compare", "triage@v1").exit_code == 2


def test_suggestions_are_printed_with_evidence(workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    assert cli("cost", "suggest").err == "no call yet\n"
    context = Context(workspace, {}, lambda _: None)
    digest = context.prompt("triage").version.digest
    context.log.append(Entry(make(prompt="triage", digest=digest), "full") for _ in range(30))
    context.close()
    ran = cli("cost", "suggest", "triage", "-o", "ways.csv")

    assert "triage · saves no money: lower `max_tokens` from 400 to about 50\n" in ran.out
    assert "  seen in 29 calls: 29 calls of 30 sent what an earlier one had sent, to the same model\n" in ran.out
    assert "triage v7: 30 calls looked at, $0.0243 a month\n" in ran.err
    assert (workspace / "ways.csv").read_text().splitlines()[1].startswith('"triage","repeats","0.0234')
    fits("cost suggest", cli("cost", "suggest", "--json").json)
    assert cli("cost", "suggest", "triag").exit_code == 3
    context = Context(workspace, {}, lambda _: None)
    context.log.append([Entry(make(prompt="greet", digest=digest, cost_nano_usd=None), "full")])
    context.close()
    assert "greet v7: 1 call looked at, unpriced\n" in cli("cost", "suggest").err


@pytest.mark.usefixtures("desk")
def test_why_nothing_matches_is_said(cli: Cli) -> None:
    assert cli("cost", "-m", "openai/gpt-4o-mni").err == (
        "no call matches\n  hint: did you mean `openai/gpt-4o-mini`?\n"
        "not counted: 1 call that kept no row and may match, $2.00; the table without --model counts them\n"
    )
    assert cli("log", "list", "--prompt", "none*").err == "no execution matches\n"
    assert "evaluations are left out" in cli("log", "list", "--until", "2026-05-05", "--user", "ada").err
    for command in (("cost",), ("log", "list"), ("cost", "compare", "support/triage", "@main"), ("cost", "reprice")):
        ran = cli(*command, "--since", "2026-05-02", "--until", "2026-05-01")
        assert (ran.exit_code, "is not before" in ran.err) == (2, True)
