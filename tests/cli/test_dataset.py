"""`promptctl dataset`: the cases that prompts are evaluated on."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Cli
from tests.evaluation_lab import Lab
from tests.json_schemas import fits
from tests.openai_server import reply


@pytest.fixture(autouse=True)
def _datasets(lab: Lab) -> None:
    lab.cases(
        {"id": "one", "inputs": {"ticket": "a"}, "expected": "a", "tags": ["smoke"]},
        {"id": "two", "inputs": {"ticket": "b"}, "assert": [{"type": "contains", "value": "b"}], "must_pass": True},
        description="Two cases.",
        min_pass=0.5,
    )
    lab.write("datasets/more/rows.yaml", "prompts: [triage]\ncases: ./rows.csv\n")
    lab.write("datasets/more/rows.csv", "id,ticket,expected\nx,1,1\ny,2,2\nz,3,3\n")


def test_each_is_listed_with_its_cases_and_prompts(cli: Cli) -> None:
    found = cli("dataset", "list", "--json").json
    assert [(each["dataset"], each["cases"], each["prompts"]) for each in found] == [
        ("datasets/more/rows.yaml", 3, ["triage"]),
        ("datasets/triage.yaml", 2, ["triage"]),
    ]
    lines = cli("dataset", "list").out.splitlines()
    assert lines[2] == "datasets/triage.yaml\t2\ttriage\tTwo cases."


def test_a_broken_one_is_listed_with_its_error(lab: Lab, cli: Cli) -> None:
    lab.write("datasets/head.yaml", "prompts: [triage\n")
    lab.write("datasets/case.yaml", "prompts: [triage]\ncases: ./none.csv\n")
    ran = cli("dataset", "list", "--json")
    case, head, *others = ran.json
    assert ran.exit_code == 0
    assert (case["dataset"], case["prompts"], case["cases"]) == ("datasets/case.yaml", ["triage"], None)
    assert (head["dataset"], head["prompts"], head["cases"]) == ("datasets/head.yaml", [], None)
    assert case["error_message"].startswith("datasets/case.yaml:2:")
    assert head["error_message"].startswith("datasets/head.yaml:")
    assert [each["error_message"] for each in others] == [None, None]
    fits("dataset list", ran.json)
    assert "datasets/head.yaml\tinvalid\t" in cli("dataset", "list").out


@pytest.mark.parametrize("name", ["triage", "triage.yaml", "datasets/triage.yaml"])
def test_a_case_is_shown_with_what_decides_it(cli: Cli, name: str) -> None:
    shown = cli("dataset", "show", name, "--json").json
    assert shown["min_pass"] == 0.5
    assert [(case["case"], case["assertions"], case["must_pass"]) for case in shown["cases"]] == [
        ("one", ["equals"], False),
        ("two", ["contains"], True),
    ]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [("jsonl", '{"id": "a", "inputs": {}, "expected": "x"}\n'), ("csv", "id,ticket,expected\na,t,x\n")],
)
def test_a_file_of_cases_by_itself_is_named_without_its_suffix_too(lab: Lab, cli: Cli, suffix: str, text: str) -> None:
    lab.write(f"datasets/alone.{suffix}", text)
    assert cli("dataset", "validate", "alone").out == f"datasets/alone.{suffix}: 1 case, 0 errors, 0 warnings\n"


def test_an_unknown_name_is_told_with_the_nearest(cli: Cli) -> None:
    ran = cli("dataset", "show", "triaeg")
    assert (ran.exit_code, "did you mean `triage`?" in ran.err) == (3, True)


def test_a_sound_dataset_is_said_to_be_so(cli: Cli) -> None:
    ran = cli("dataset", "validate", "more/rows")
    assert (ran.exit_code, ran.out) == (0, "datasets/more/rows.yaml: 3 cases, 0 errors, 0 warnings\n")


@pytest.mark.parametrize(
    ("file", "text", "place", "words"),
    [
        ("x.yaml", "cases: [{id: a, inputs: {ticket: x}, expected: x}, {id: a, inputs: {ticket: y}, expected: y}]",
         "x.yaml:1:", "given twice"),
        ("x.yaml", "cases:\n  - {id: a, inputs: {}, expected: x}", "x.yaml:2:", "does not give `ticket`"),
        ("x.yaml", "cases:\n  - {id: a, inputs: {ticket: x}, assert: [{type: equal}]}", "x.yaml:2:", "not known"),
        ("x.yaml", "cases:\n  - {id: a, inputs: {ticket: x}, expect: x}", "x.yaml:2:", "expect"),
        ("x.yaml", "", "x.yaml", "the file is empty"),
        ("rows.csv", "id,ticket,expected\na,x\n", "rows.csv:2", "2"),
        ("rows.csv", b"id,ticket,expected\na,\xff\xfe,x\n", "rows.csv:2", "is not UTF-8"),
        ("rows.csv", "", "rows.csv", "holds no case"),
        ("rows.jsonl", '{"id": "a", "inputs": {"ticket": "x"}, "expected": 1}\n{"id"\n', "rows.jsonl:2", "not JSON"),
        ("rows.jsonl", b'{"id": "' + b"a" * (9 << 20), "rows.jsonl:1", "longer than 8 MiB"),
    ],
    ids=["duplicate id", "missing variable", "unknown assertion", "unknown key", "empty", "ragged csv", "not utf-8",
         "empty csv", "not json", "a line of 9 MiB"],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line_and_nothing_is_asked(
    lab: Lab, cli: Cli, file: str, text: str | bytes, place: str, words: str
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    if file == "x.yaml":
        lab.write("datasets/x.yaml", "")
        (lab.root / "datasets/x.yaml").write_bytes(b"prompts: [triage]\n" * bool(data) + data)
        place = place.replace(":2:", ":3:").replace(":1:", ":2:")
    else:
        (lab.root / f"datasets/{file}").write_bytes(data)
        lab.write("datasets/x.yaml", f"prompts: [triage]\ncases: ./{file}\n")
    ran = cli("dataset", "validate", "x")
    assert ran.exit_code == 1
    assert f"error: datasets/{place}" in ran.err
    assert words in ran.err
    ran = cli("eval", "triage", "-d", "x")
    assert (ran.exit_code, lab.asked) == (3, [])


@pytest.mark.parametrize("command", [["dataset", "validate", "b"], ["eval", "--all", "--dry-run"], ["validate"]])
def test_a_prompt_that_is_missing_is_told_with_its_place(lab: Lab, cli: Cli, command: list[str]) -> None:
    lab.write("datasets/b.yaml", "prompts: [bx, triage]\ncases: [{id: a, inputs: {ticket: a}, expected: a}]\n")
    ran = cli(*command)
    assert ran.exit_code in (1, 3)
    assert "error: datasets/b.yaml:1:11: the dataset tests `bx`, and there is no such prompt" in ran.err


def test_a_logged_execution_becomes_a_case(lab: Lab, cli: Cli) -> None:
    lab.write("datasets/triage.yaml", "prompts: [triage]\ncases:\n  - {id: a, inputs: {ticket: a}, expected: a}\n")
    made = cli("run", "triage", "-i", "ticket=Where is it?", "--json").json
    options = ["--id", "asked", "--tag", "logged", "--expect-reply"]
    ran = cli("dataset", "add", "triage", "--execution", made["execution"][-8:], *options)
    assert (ran.exit_code, "asked" in ran.err) == (0, True)
    shown = cli("dataset", "show", "triage", "--json").json["cases"][-1]
    assert (shown["case"], shown["inputs"], shown["expected"]) == ("asked", {"ticket": "Where is it?"}, "Where is it?")
    assert cli("eval", "triage", "--case", "asked").exit_code == 0
    assert json.dumps(shown)


def test_the_file_that_a_case_was_added_to_is_named(lab: Lab, cli: Cli) -> None:
    lab.write("datasets/lines.yaml", "prompts: [triage]\ncases: ./lines.jsonl\n")
    lab.write("datasets/lines.jsonl", '{"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}\n')
    made = cli("run", "triage", "-i", "ticket=Where is it?", "--json").json
    ran = cli("dataset", "add", "lines", "--execution", made["execution"][-8:], "--id", "b", "--expect-reply")
    assert ran.err == "added    b to datasets/lines.jsonl\n"


def test_inputs_are_shown_as_the_prompt_takes_them(lab: Lab, cli: Cli) -> None:
    lab.write("datasets/x.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: 1.10}, expected: x}]\n")
    (shown,) = cli("dataset", "show", "x", "--json").json["cases"]
    assert shown["inputs"] == {"ticket": "1.10"}
    lab.write("datasets/x.yaml", "prompts: [nobody]\ncases: [{id: a, inputs: {ticket: 1.10}, expected: x}]\n")
    assert cli("dataset", "show", "x").exit_code == 0, "also where the prompt is not there"


def test_a_bad_cell_is_told_once(lab: Lab, cli: Cli) -> None:
    lab.write(
        "prompts/count.prompt.yaml", "inputs: {n: {type: integer}}\nmessages: [{role: user, content: '{{ n }}'}]\n"
    )
    lab.write("datasets/n.yaml", "prompts: [count]\ncases: ./n.csv\n")
    lab.write("datasets/n.csv", "id,n,expected\na,x,1\nb,1,1\n")
    found = cli("dataset", "validate", "n", "--json").json["problems"]
    assert [problem["code"] for problem in found] == ["bad-cell"]


def test_a_dataset_or_prompt_that_cannot_be_read_does_not_pass_the_check(lab: Lab, cli: Cli) -> None:
    for path, text in (("datasets/x.yaml", "prompt: [triage]\ncases: []\n"), ("prompts/triage.prompt.yaml", "a: [")):
        lab.cases({"id": "a", "inputs": {"ticket": "a"}, "expected": "a"}, name="x")
        lab.write(path, text)
        ran = cli("dataset", "validate", "x", "--json")
        assert (ran.exit_code, ran.json["dataset"], ran.json["cases"]) == (1, "datasets/x.yaml", None)
        assert ran.json["problems"][0]["path"] == path


SAME = "I was charged twice for my order and nobody has answered me since last week."


def test_duplicates_are_shown_as_a_diff_and_dropped_once_that_is_wanted(lab: Lab, cli: Cli) -> None:
    file = lab.cases(
        {"id": "a", "inputs": {"ticket": SAME}, "expected": "x"},
        {"id": "b", "inputs": {"ticket": SAME + "!"}, "expected": "x"},
        {"id": "c", "inputs": {"ticket": SAME}, "expected": "y"},
    )
    before = file.read_text()
    ran = cli("dataset", "dedupe", "triage")
    assert ran.exit_code == 0
    assert ran.out.startswith("diff --git a/datasets/triage.yaml")
    assert "drop  b: 99% like a; a comes first" in ran.err
    assert "keep  c: equal to a; its `expected` is different" in ran.err
    assert "datasets/triage.yaml: 1 of 3 cases dropped; 1 more alike and kept" in ran.err
    ran = cli("dataset", "dedupe", "triage", "--json", "--dry-run", "--yes")
    fits("dataset dedupe", ran.json)
    assert (ran.json["written"], file.read_text()) == (False, before)
    assert cli("dataset", "dedupe", "triage", "--yes").exit_code == 0
    assert [each["case"] for each in cli("dataset", "show", "triage", "--json").json["cases"]] == ["a", "c"]
    assert cli("dataset", "dedupe", "triage", "--threshold", "0.3").exit_code == 2
    assert cli("dataset", "dedupe", "triages").exit_code == 3


def test_a_split_is_kept_in_the_file_and_grows_with_what_is_alike(lab: Lab, cli: Cli) -> None:
    cases = [{"id": f"c{n}", "inputs": {"ticket": f"ticket {n}"}, "expected": "x"} for n in range(13)]
    file = lab.cases(*cases)
    ran = cli("dataset", "split", "triage", "--yes", "--json")
    fits("dataset split", ran.json)
    assert sum(ran.json["parts"].values()) == 13
    drawn = cli("dataset", "split", "triage")
    assert (drawn.out, "nothing changes" in drawn.err) == ("", True)
    lab.cases(*cases, {**cases[0], "id": "copy"}, split={"seed": ran.json["seed"]})
    assert cli("dataset", "split", "triage", "--yes", "--json").json["together"] == [["c0", "copy"]]
    refused = cli("dataset", "split", "triage", "--seed", "11", "--yes")
    assert (refused.exit_code, "a seed whose parts are even: --seed" in refused.err) == (3, True)
    anew = cli("dataset", "split", "triage", "--seed", "12", "--yes")
    assert "warning: drawn anew" in anew.err
    assert "{seed: 12, together: [[c0, copy]]}" in file.read_text()


def test_a_split_that_cannot_be_is_refused(lab: Lab, cli: Cli) -> None:
    ran = cli("dataset", "split", "triage")
    assert ran.exit_code == 3
    assert "too small to split: it has 2 cases" in ran.err
    assert "and 13 are needed" in ran.err
    lab.write("datasets/rows.csv", "id,ticket,expected\nx,1,1\n")
    ran = cli("dataset", "split", "datasets/rows.csv")
    assert (ran.exit_code, "write datasets/rows.yaml with `prompts:` and `cases: ./rows.csv`" in ran.err) == (3, True)
    assert cli("dataset", "split", "triage", "--seed", "-1").exit_code == 2
    assert cli("eval", "triage", "--split", "heldout").exit_code == 2


def test_a_model_writes_cases_that_are_shown_and_added_once_that_is_wanted(lab: Lab, cli: Cli) -> None:
    case = {"id": "late", "about": "Asks late.", "inputs": {"ticket": "It is late"}, "expected": "x"}
    lab.server.default = reply(json.dumps({"cases": [case]}))
    ran = cli("dataset", "generate", "triage", "-d", "triage", "--n", "2", "--kind", "edge", "--json")
    assert ran.exit_code == 5
    fits("dataset generate", ran.json)
    assert (ran.json["cases"], ran.json["alike"], ran.json["written"]) == (["late"], 2, False)
    assert len(cli("dataset", "show", "triage", "--json").json["cases"]) == 2
    ran = cli("dataset", "generate", "triage", "-d", "triage", "-n", "1", "--yes")
    assert ran.exit_code == 0
    assert '"late"' in ran.out or "{id: late," in ran.out
    assert "1 of 1 case for datasets/triage.yaml" in ran.err
    assert cli("dataset", "show", "triage", "--json").json["cases"][-1]["tags"] == ["generated", "diverse"]
    assert cli("dataset", "generate", "triage", "-d", "triage", "--kind", "egde").exit_code == 2
    assert cli("dataset", "generate", "triag").exit_code == 3
    assert cli("dataset", "generate", "triage", "-d", "triage", "-m", "echo/echo").exit_code == 4
    lab.server.default = reply("No.")
    ran = cli("dataset", "generate", "triage", "-d", "triage")
    assert (ran.exit_code, ran.out) == (1, "")
