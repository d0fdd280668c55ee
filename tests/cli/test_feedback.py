"""`promptctl feedback`, and feedback in the commands of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.cli.conftest import Cli
from tests.json_schemas import fits
from tests.log.conftest import make


@pytest.fixture
def ids(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The executions of two calls in the log of the current workspace."""
    monkeypatch.chdir(workspace)
    calls = [make(prompt="triage", version=number, version_display=f"v{number}") for number in (1, 2)]
    with SqliteStore(workspace / ".git/promptctl/log.db") as store:
        store.append([Entry(each, "full") for each in calls])
    return [each.id for each in calls]


def test_a_call_is_scored_and_the_log_shows_it(cli: Cli, ids: list[str]) -> None:
    assert cli("log", "list").out.splitlines()[0].endswith("reply")
    ran = cli("feedback", ids[0], "--score", "0.2", "--name", "helpful", "--by", "ada", "--comment", "no")
    assert (ran.exit_code, ran.out, ran.err) == (0, f"helpful 0.2 +comment on {ids[0]}\n", "")
    ran = cli("feedback", ids[0][-8:], "--thumb", "up", "--name", "helpful", "--expected", "Hi", "--json")
    fits("feedback", ran.json)
    assert (ran.json["score"], ran.json["expected"], ran.json["execution"]) == (1.0, "Hi", ids[0])

    shown = cli("log", "show", ids[0])
    assert "── feedback ──" in shown.out
    document = cli("log", "show", ids[0], "--json").json
    fits("log show", document)
    assert document["scores"] == {"helpful": 0.6}
    listed = cli("log", "list")
    assert [line.split("\t")[-1] for line in listed.out.splitlines()] == ["feedback", "", "helpful 0.6"]
    rows = cli("log", "list", "--feedback", "helpful<0.7", "--json").json
    fits("log list", rows)
    assert [row["execution"] for row in rows] == [ids[0]]

    stats = cli("log", "stats")
    assert [line.split("\t")[-1] for line in stats.out.splitlines()] == ["feedback", "helpful 0.60 (1)", ""]
    rows = cli("log", "stats", "--json").json
    fits("log stats", rows)
    assert rows[0]["feedback"] == {"helpful": {"score": 0.6, "calls": 1}}
    assert cli("log", "export", "-o", "calls.csv", "--feedback", "helpful").exit_code == 0
    assert '{""helpful"": 0.6}' in Path("calls.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--score", "1.5"], 2, "from 0 to 1"),
        (["--score", "nan"], 2, "from 0 to 1"),
        (["--score", "good"], 2, "good"),
        (["--score", "1", "--thumb", "up"], 2, "two scores"),
        (["--thumb", "upp"], 2, "upp"),
        (["--score", "1", "--name", "No Name"], 2, "cannot name feedback"),
        ([], 2, "no feedback is given"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(
    cli: Cli, ids: list[str], arguments: list[str], code: int, words: str
) -> None:
    ran = cli("feedback", ids[0], *arguments)
    assert (ran.exit_code, ran.out) == (code, "")
    assert words in ran.err


def test_a_call_that_is_not_in_the_log_exits_3_with_the_next_action(cli: Cli, ids: list[str]) -> None:
    near = ids[0][:-1] + ("0" if ids[0][-1] != "0" else "1")
    for id_, hint in ((near, "did you mean"), ("01a1fcf8-9640-7aa0-892b-811e42fee0d7", "log merge")):
        ran = cli("feedback", id_, "--score", "1")
        assert (ran.exit_code, ran.out) == (3, "")
        assert hint in ran.err


def test_a_condition_that_no_call_meets_says_which_names_there_are(cli: Cli, ids: list[str]) -> None:
    assert "promptctl feedback" in cli("log", "list", "--feedback", "<0.5").err
    assert cli("feedback", ids[0], "--score", "1", "--name", "helpful").exit_code == 0
    assert "did you mean `helpful`?" in cli("log", "list", "--feedback", "helpfull<0.5").err
    ran = cli("log", "list", "--feedback", "helpful<5")
    assert (ran.exit_code, ran.out) == (2, "")


def test_feedback_that_goes_with_its_call_is_counted(cli: Cli, ids: list[str]) -> None:
    assert cli("feedback", ids[0], "--score", "1", "--by", "ada").exit_code == 0
    assert "1 piece of feedback" in cli("log", "redact", "--user", "ada", "--dry-run").out
    assert "1 piece of feedback deleted" in cli("log", "prune", "--rows-older", "0s").out


def test_the_worst_become_cases(cli: Cli, ids: list[str]) -> None:
    assert cli("feedback", ids[1], "--score", "0").exit_code == 0
    assert cli("feedback", ids[0], "--score", "0.1", "--expected", "Hi").exit_code == 0
    ran = cli("dataset", "from-log", "worst", "--feedback", "<0.5", "--prompt", "triage", "--dry-run", "--json")
    fits("dataset from-log", ran.json)
    assert [bool(each["case"]) for each in ran.json["calls"]] in ([False, True], [False, False])
    assert cli("dataset", "from-log", "worst", "--feedback", "<0.5").exit_code == 3
    assert cli("dataset", "from-log", "worst", "--by", "worst", "--prompt", "triage").exit_code == 2
    ran = cli("dataset", "from-log", "sample", "--prompt", "triage", "--expect-reply", "--status", "ok")
    assert ran.exit_code == 0
    assert ran.out.startswith("diff --git")
    assert "add   from-" in ran.err
    assert "nothing was written" in ran.err
    failed = cli("dataset", "from-log", "sample", "--prompt", "triage", "--expect-reply", "--status", "error")
    assert (failed.exit_code, failed.out, failed.err) == (0, "", "no call matches\n")
    assert cli("dataset", "from-log", "sample", "--prompt", "triage", "--expect-reply", "--yes").exit_code == 0
    near = cli("dataset", "from-log", "sampl", "--feedback", "<0.5")
    begin = "to begin one: promptctl dataset from-log"
    assert f"hint: did you mean `sample`? {begin} sampl --prompt ID\n" in near.err
    shown = "promptctl dataset list shows all"
    own = f"error: there is no dataset `triage`\n  hint: {shown}; {begin} triage --prompt triage\n"
    assert cli("dataset", "from-log", "triage").err == own
    assert cli("dataset", "add", "triage", "--execution", ids[0]).err == own
    unknown = cli("dataset", "from-log", "other", "--prompt", "triag")
    assert "error: there is no prompt `triag`\n  hint: did you mean `triage`?" in unknown.err
    assert cli("dataset", "validate", "sample").exit_code == 0
