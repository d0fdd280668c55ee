from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from contextlib import closing

import pytest

from promptctl.evaluations.evaluation import Evaluation
from promptctl.reports.wording import as_text
from tests.evaluation_lab import REPLY_COST, Lab
from tests.openai_server import reply
from tests.reports.conftest import FORGED, Write, by_case


class TestJSON:
    def test_it_has_the_totals_and_every_result(self, mixed: list[Evaluation], write: Write) -> None:
        (found,) = json.loads(write(mixed, "r.json").read_text())["evaluations"]
        assert (found["verdict"], found["passed"], found["failed"], found["errors"]) == ("failed", 3, 2, 1)
        rows = by_case(found["results"])
        assert list(rows) == ["good", "better", "wrong", "forged|`x`", "refused", "scored"], "in the dataset's order"
        wrong = rows["wrong"]
        assert (wrong["output"], wrong["cost_nano_usd"], wrong["tags"]) == ("wrong as it is", REPLY_COST, ["long"])
        assert wrong["assertions"][0]["expected"] == "right as it is"
        assert (wrong["inputs"], wrong["expected"]) == ({"ticket": "wrong"}, "right as it is")
        assert wrong["messages"] == [{"role": "user", "content": "wrong"}]
        assert rows["forged|`x`"]["output"] == FORGED
        assert (rows["refused"]["error_type"], rows["refused"]["output"]) == ("RequestRejected", None)
        assert rows["scored"]["metrics"] == {"sum": 1.0}

    def test_the_same_evaluation_is_the_same_report_to_the_byte(self, mixed: list[Evaluation], write: Write) -> None:
        for name in ("r.json", "r.md", "r.xml", "r.html"):
            assert write(mixed, name).read_bytes() == write(mixed, f"again-{name}").read_bytes()

    def test_lines_are_one_result_each(self, mixed: list[Evaluation], write: Write) -> None:
        lines = write(mixed, "r.jsonl").read_bytes().split(b"\n")
        rows = [json.loads(line) for line in lines if line]
        assert [row["case"] for row in rows] == ["good", "better", "wrong", "forged|`x`", "refused", "scored"]
        assert {row["evaluation"] for row in rows} == {mixed[0].row.id}
        assert (rows[0]["parameters"], rows[0]["inputs"]) == ({}, {"ticket": "good"})

    def test_several_evaluations_stand_in_one_document(self, lab: Lab, write: Write) -> None:
        lab.many(2)
        found = lab.evaluate(models=("local/a", "local/b"))
        document = json.loads(write(found, "r.json").read_text())
        assert [(each["model"], len(each["results"])) for each in document["evaluations"]] == [
            ("local/a", 2),
            ("local/b", 2),
        ]


def test_a_table_opens_in_a_spreadsheet_and_runs_no_formula(mixed: list[Evaluation], write: Write) -> None:
    with write(mixed, "r.csv").open(newline="") as file:
        rows = by_case(list(csv.DictReader(file)))
    assert rows["scored"]["output"] == "'=1+1"
    wrong = rows["wrong"]
    assert (wrong["output"], wrong["input.ticket"], wrong["expected"]) == ("wrong as it is", "wrong", "right as it is")
    assert json.loads(wrong["messages"]) == [{"role": "user", "content": "wrong"}]
    assert (wrong["parameters"], len(wrong["execution"])) == ("{}", 36)
    assert (rows["scored"]["input.ticket"], rows["scored"]["expected"]) == ("'=1+1", "")
    assert (rows["good"]["cost_usd"], rows["refused"]["cost_usd"]) == ("0.000015000", "0.000000000")
    assert (rows["better"]["tags"], rows["good"]["status"]) == ("smoke long", "passed")
    assert rows["forged|`x`"]["output"] == FORGED


def test_columns_are_of_the_inputs_of_all_prompts(lab: Lab, write: Write) -> None:
    lab.many(1)
    lab.write("prompts/sort.prompt.yaml", "inputs: {a: {type: object}}\nmessages: [{role: user, content: x}]\n")
    lab.cases({"id": "s", "inputs": {"a": {"b": [1]}}, "expected": {"c": None}}, name="sort", prompts=["sort"])
    with write(lab.evaluate("triage", "sort"), "r.csv").open(newline="") as file:
        triage, sort = csv.DictReader(file)
    assert (triage["input.ticket"], triage["input.a"]) == ("c0", "")
    assert (sort["input.ticket"], sort["input.a"], sort["expected"]) == ("", '{"b": [1]}', '{"c": null}')


def test_messages_that_the_log_does_not_keep_are_missing_and_long_inputs_are_cut(lab: Lab, write: Write) -> None:
    settings = (lab.root / "promptctl.yaml").read_text()
    lab.write("promptctl.yaml", settings.replace("content: full", "content: metadata"))
    lab.cases({"id": "long", "inputs": {"ticket": "x" * 30_000}, "expected": "x"})
    (found,) = json.loads(write(lab.evaluate(), "r.json").read_text())["evaluations"]
    (row,) = found["results"]
    assert row["messages"] is None
    assert row["inputs"]["ticket"] == "x" * 20_000 + "… (cut)"


@pytest.mark.parametrize(
    "gone",
    [
        "DELETE FROM payloads WHERE hash = (SELECT messages_hash FROM executions WHERE id = ?)",
        "UPDATE results SET execution_id = 'a call that was pruned' WHERE execution_id = ?",
    ],
)
def test_messages_that_are_gone_take_no_others_along(lab: Lab, write: Write, gone: str) -> None:
    lab.many(3)
    found = lab.evaluate()
    path = write(found, "r.json")
    execution = json.loads(path.read_text())["evaluations"][0]["results"][0]["execution"]
    with lab.open() as workspace:
        file = workspace.context.log.path  # type: ignore[attr-defined]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(gone, (execution,))
    rows = json.loads(write(found, "r.json").read_text())["evaluations"][0]["results"]
    assert [row["messages"] and row["messages"][0]["content"] for row in rows] == [None, "c1", "c2"]


@pytest.mark.parametrize("name", ["r.csv", "r.md", "r.xml", "r.html"])
def test_the_content_of_a_file_is_told_by_its_size(lab: Lab, write: Write, name: str) -> None:
    image = "data:image/png;base64," + "iVBORw0KGgo0" * 1000
    lab.cases({"id": "a", "inputs": {"ticket": image}, "expected": "x"})
    lab.server.default = reply("y")
    text = write(lab.evaluate(), name).read_text()
    assert "data:image/png;base64,… (9 KB)" in text
    assert "iVBORw0KGgo0" not in text


def test_the_content_of_a_sound_is_told_by_its_size() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklGR" * 1000, "format": "wav"}}
    assert as_text([part]) == ('[{"type": "input_audio", "input_audio": {"data": "… (4 KB)", "format": "wav"}}]')


def test_no_cell_of_a_table_ends_its_row_or_is_a_formula(lab: Lab, write: Write) -> None:
    forms = ["a\r=1+1", " =1+1", "\u00a0@SUM(1)", "\ufeff-1", "a\n=1", 'b",=1', "\r\n=1"]
    forms += ["\u3000=1", "\u2003\u200b+1", "\u2028 @x"]
    lab.cases(*({"id": f"c{number}", "inputs": {"ticket": form}, "expected": "x"} for number, form in enumerate(forms)))
    data = write(lab.evaluate(), "r.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    shown = [row["input.ticket"] for row in rows]
    assert [each.removeprefix("'") for each in shown] == forms
    assert [each.startswith("'") for each in shown] == [False, True, True, True, False, False, *[True] * 4]
    outside = re.sub(r'"(?:[^"]|"")*"', "", data)
    assert set(outside) == {",", "\n"}
    assert outside.count("\n") == len(forms) + 1


@pytest.mark.parametrize("name", ["r.csv", "r.html", "r.md", "r.xml"])
def test_of_an_image_in_a_reply_its_size_is_shown(name: str, lab: Lab, write: Write) -> None:
    lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "contains", "value": "yes"}]})
    lab.server.default = reply("data:image/png;base64," + "A" * 8000)
    text = write(lab.evaluate(), name).read_text()
    assert "A" * 300 not in text
    assert "data:image/png;base64,… (6 KB)" in text
