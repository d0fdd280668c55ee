"""`promptctl generate` and `promptctl new`: a diff, which is written once that is wanted, and over no file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.authoring.drafts import DRAFT, text
from tests.cli.conftest import Cli
from tests.evaluation_lab import Lab
from tests.json_schemas import fits
from tests.openai_server import reply

ORDER = ("generate", "support/sort", "--describe", "Sort tickets")
PROMPT, DATASET = "prompts/support/sort.prompt.yaml", "datasets/support/sort.yaml"


@pytest.fixture
def here(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.chdir(lab.root)
    lab.server.default = reply(text())
    return lab


def is_written(lab: Lab) -> bool:
    return (lab.root / PROMPT).exists() or (lab.root / DATASET).exists()


def test_three_bad_drafts_are_repaired_and_the_fourth_is_shown_as_a_patch(here: Lab, cli: Cli) -> None:
    here.server.script(reply("Certainly!"), reply(text(user="{{ tikcet }}")), reply(text(cases=DRAFT["cases"][:1] * 3)))
    ran = cli(*ORDER)
    assert (ran.exit_code, is_written(here)) == (0, False)
    assert ran.out.startswith(f"diff --git a/{PROMPT} b/{PROMPT}\nnew file mode 100644\n")
    assert ran.err.count(": the reply cannot be used: ") == 3
    assert "nothing was written: git apply takes what is printed; --yes asks the model again" in ran.err
    assert "authoring/generate · built-in · local/gpt-4o-mini · attempt 4 · " in ran.err
    subprocess.run(["git", "apply"], input=ran.out, text=True, check=True)
    assert cli("validate").exit_code == 0
    assert cli("eval", "support/sort", "--dry-run").exit_code == 0


def test_yes_writes_both_files_and_a_second_time_nothing(here: Lab, cli: Cli) -> None:
    ran = cli(*ORDER, "--yes", "--json")
    assert ran.exit_code == 0
    fits("generate", ran.json)
    assert (ran.json["written"], ran.json["attempts"], ran.json["cost_nano_usd"]) == (True, 1, 15_000)
    assert [each["path"] for each in ran.json["changes"]] == [PROMPT, DATASET]
    before = (here.root / PROMPT).read_bytes(), len(here.server.requests)
    again = cli(*ORDER, "--yes")
    assert (again.exit_code, again.out) == (2, "")
    assert f"there is a prompt `support/sort` already: {PROMPT}" in again.err
    assert ((here.root / PROMPT).read_bytes(), len(here.server.requests)) == before


def test_a_reply_that_was_recorded_is_written_again_for_free(here: Lab, cli: Cli) -> None:
    ran = cli(*ORDER, "--record", "--json")
    asked = len(here.server.requests)
    line = json.loads((here.root / "datasets/recordings/authoring--generate.jsonl").read_text())
    assert (line["prompt"], line["reply"], asked) == ("authoring/generate", text(), 1)
    again = cli(*ORDER, "--model", "replay/local/gpt-4o-mini", "--json")
    assert (again.json["diff"], again.json["cost_nano_usd"]) == (ran.json["diff"], 0)
    assert len(here.server.requests) == asked
    cases = reply(json.dumps({"cases": [{"id": "a", "about": "b", "inputs": {"ticket": "new"}, "expected": "x"}]}))
    here.server.script(cases)
    assert cli("dataset", "generate", "triage", "-n", "1", "--record").exit_code == 0
    assert (here.root / "datasets/recordings/authoring--cases.jsonl").exists()


def test_a_dry_run_writes_nothing_even_with_yes(here: Lab, cli: Cli) -> None:
    ran = cli("new", "support/sort", "--yes", "--dry-run")
    assert (ran.exit_code, is_written(here)) == (0, False)
    assert ran.out.startswith("diff --git")


def test_a_dry_run_of_what_a_model_writes_asks_nothing_and_says_what_it_would_cost(here: Lab, cli: Cli) -> None:
    ran = cli(*ORDER, "--yes", "--dry-run", "--json")
    fits("generate --dry-run", ran.json)
    assert (ran.json["prompt"], ran.json["calls"], ran.json["retries"]) == ("authoring/generate", 1, 3)
    assert ran.json["cost_nano_usd"] > 15_000
    assert "up to 3 times: that comes on top" in cli(*ORDER, "--dry-run").err
    cases = cli("dataset", "generate", "triage", "-n", "21", "--dry-run", "--json")
    assert cases.exit_code == 0, cases.err
    fits("dataset generate --dry-run", cases.json)
    assert (cases.json["calls"], cases.json["retries"]) == (3, 2)
    assert (here.server.requests, is_written(here)) == ([], False)
    assert cli("generate", "triage", "--describe", "Sort", "--dry-run").exit_code == 2  # it is taken


def test_texts_and_files_are_told_to_the_model(here: Lab, cli: Cli) -> None:
    notes = here.write("notes.md", "\ufeffWe sell tea.")
    here.write("example.txt", "In: a. Out: b.")
    ran = cli(
        *ORDER, "--context", "notes.md", "--context", "Be terse.", "--example", "example.txt", "--input", "ticket"
    )
    assert ran.exit_code == 0
    asked = json.dumps(here.server.requests[-1].body)
    assert all(each in asked for each in ("\\nWe sell tea.", "Be terse.", "In: a. Out: b.", "ticket: string"))
    for given, message in (
        (("--context", "note.md"), "there is no file `note.md`"),
        (("--example", "note.md"), "--example: cannot read `note.md`"),
        (("--input", "ticket:strin"), "did you mean `string`?"),
        (("--input", "a", "--input", "a:integer"), "the input `a` is named twice"),
        (("--from", "triag"), "there is no prompt `triag`"),
    ):
        refused = cli(*ORDER, *given)
        assert message in refused.err
        assert refused.exit_code == (3 if given[0] == "--from" else 2)
    notes.write_bytes(b"\xff\xfe")
    assert "--context: `notes.md` is no text in UTF-8" in cli(*ORDER, "--context", "notes.md").err
    notes.write_text("x" * 300_000)
    assert "--context: `notes.md` is larger than 256 KiB" in cli(*ORDER, "--context", "notes.md").err
    assert len(here.server.requests) == 1


def test_a_reply_that_cannot_be_used_ends_with_1_and_no_money_with_5(here: Lab, cli: Cli) -> None:
    here.server.default = reply("Certainly! \x1b[2J")
    ran = cli(*ORDER, "--yes")
    assert (ran.exit_code, ran.out, is_written(here)) == (1, "", False)
    assert "does not fit" not in ran.err.splitlines()[0]
    assert "hint: describe the task in more detail, or ask a different model; the raw reply is kept: promptctl log" in (
        ran.err
    )
    assert "\x1b" not in ran.err
    ran = cli(*ORDER, "--yes", "--max-cost", "0.000001")
    assert (ran.exit_code, is_written(here)) == (5, False)
    assert "too little is left of the limit on the cost" in ran.err
    settings = (here.root / "promptctl.yaml").read_text()
    here.write("promptctl.yaml", settings + "budgets: [{name: a, prompts: [authoring/*], limit: {calls: 1}}]\n")
    cli(*ORDER)
    ran = cli(*ORDER, "--yes")
    assert (ran.exit_code, is_written(here)) == (5, False)
    assert cli("log", "list", "--json").json[0]["status"] == "blocked"


def test_a_new_prompt_is_valid_formatted_and_named_as_the_next_step(here: Lab, cli: Cli) -> None:
    ran = cli("new", "support/sort", "--input", "ticket", "--input", "urgent:boolean", "--yes")
    assert ran.exit_code == 0
    assert ran.err == (
        f"written  {PROMPT}\nwritten  {DATASET}\nnext: read both files, then promptctl eval support/sort\n"
    )
    assert cli("validate", PROMPT, DATASET).exit_code == 0
    assert cli("fmt", "--check", PROMPT, DATASET).exit_code == 0


def test_a_terminal_is_asked_before_anything_is_written(here: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.cli.proposing.is_at_terminal", lambda: True)
    assert cli("new", "support/sort", stdin="n\n").err.endswith(":nothing was written\n")
    assert not is_written(here)
    assert cli("new", "support/sort", stdin="y\n").exit_code == 0
    assert is_written(here)


def test_no_model_and_no_workspace_are_said_at_once(
    here: Lab, cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ran = cli(*ORDER, "--model", "echo/echo")
    assert (ran.exit_code, ran.err.splitlines()[-1]) == (4, "  hint: give --model, or set `model:` in promptctl.yaml")
    empty: Path = tmp_path_factory.mktemp("empty")
    assert "there is no promptctl.yaml" in cli("-C", str(empty), *ORDER).err
    assert "missing option" in cli("generate", "a").err
