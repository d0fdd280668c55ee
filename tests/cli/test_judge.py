"""`promptctl judge`: people label at the terminal or on a page, and agree or do not."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.calibrations.conftest import evaluated, root
from tests.cli.conftest import Cli
from tests.json_schemas import fits

__all__ = ["evaluated", "root"]
ADA = "datasets/human-labels/greet/ada.jsonl"


@pytest.fixture(autouse=True)
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    return root


def lines(path: str = ADA) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_person_answers_skips_comments_undoes_and_leaves(cli: Cli) -> None:
    # An unknown key, a comment with the answer after it, a skip that is undone, an undone answer, and the way out.
    ran = cli("judge", "label", "greet", "--by", "ada", "--tag", "short", stdin="x\nc\ntoo short\nf\ns\nu\np\nu\nq\n")
    assert ran.exit_code == 0
    assert "`x` is no key here; answer p, f" in ran.err
    assert [(line["answer"], line["comment"]) for line in lines()] == [("fail", "too short")]
    assert f"1 of 2 questions answered by ada in {ADA}" in ran.err
    assert "echo" not in ran.out
    assert ran.out.count("Does the reply meet the rubric?") == 4
    ran = cli("judge", "label", "greet", "--by", "ada", "--tag", "short", stdin="p\n")
    assert ran.out.count("── 1 of 1 ──") == 1
    assert f"2 of 2 questions answered by ada in {ADA}" in ran.err
    ran = cli("judge", "label", "greet", "--by", "ada", "--tag", "short", "--again", stdin="p\np\n")
    assert [line["answer"] for line in lines()] == ["pass", "pass"]


def test_a_class_is_chosen_by_its_number(cli: Cli) -> None:
    ran = cli("judge", "label", "greet", "--by", "ada", stdin="".join(["p\n", "1\n"] * 12))
    assert "  1  kind\n  2  rude\n" in ran.out
    assert sorted(line["answer"] for line in lines()) == ["kind", "pass", "pass", "pass", "pass"]


def test_the_documents_fit(cli: Cli) -> None:
    ran = cli("judge", "label", "greet", "--by", "ada", "--json")
    fits("judge label", ran.json)
    assert (ran.json["items"], ran.json["left"], ran.json["page"]) == (5, 5, None)
    fits("judge label", cli("judge", "label", "greet", "--by", "ada", "-o", "page.html", "--json").json)
    for by, keys in (("ada", "p\n1\n"), ("bob", "f\n1\n"), ("eve", "p\n2\n")):
        cli("judge", "label", "greet", "--by", by, stdin=keys * 12)
        fits("judge agreement", cli("judge", "agreement", "greet", "--json").json)
    saved = Path(ADA).rename("saved.jsonl")
    ran = cli("judge", "label", "greet", "--import", str(saved), "--json")
    fits("judge label --import", ran.json)
    assert (ran.json["new"], ran.json["written"]) == (5, False)


def test_the_judges_are_listed_with_the_labels_that_count(cli: Cli) -> None:
    for by in ("ada", "bob"):
        cli("judge", "label", "greet", "--by", by, stdin="p\n1\n" * 12)
    ran = cli("judge", "list", "--json")
    fits("judge list", ran.json)
    counted = {each["judge"]: (each["labels"], each["datasets"], each["calibration"]) for each in ran.json}
    assert counted["judges/llm-rubric"] == (8, ["datasets/greet.yaml"], None)
    assert counted["judges/classify"] == (2, ["datasets/greet.yaml"], None)


def test_agreement_is_a_table_and_the_replies_to_talk_about(cli: Cli) -> None:
    for by, keys in (("ada", "p\n1\n"), ("bob", "f\n1\n")):
        cli("judge", "label", "greet", "--by", by, stdin=keys * 12)
    ran = cli("judge", "agreement", "greet")
    assert ran.exit_code == 0
    header, rubric, choice = ran.out.splitlines()[:3]
    assert header.split("\t")[:5] == ["question", "people", "replies", "agree", "95 %"]
    assert rubric.split("\t")[:5] == ["llm-rubric: 4 texts", "2", "4", "0.0%", "0%–49%"]
    assert choice.split("\t")[:5] == ["classify", "2", "1", "100.0%", "21%–100%"]
    assert "4 disagreements, to talk about:" in ran.out
    assert "\n  ada    pass\n  bob    fail\n" in ran.out
    assert "labels: ada 5, bob 5" in ran.err
    assert "every label is the same" in ran.err


def test_an_import_is_shown_as_a_patch_and_written_if_that_is_wanted(cli: Cli) -> None:
    cli("judge", "label", "greet", "--by", "ada", stdin="p\n1\n" * 12)
    saved = Path(ADA).rename("saved.jsonl")
    ran = cli("judge", "label", "greet", "--import", str(saved))
    assert f"+++ b/{ADA}" in ran.out
    assert "nothing was written" in ran.err
    assert not Path(ADA).exists()
    ran = cli("judge", "label", "greet", "--import", str(saved), "--yes")
    assert (ran.exit_code, len(lines())) == (0, 5)
    assert "5 new labels, 0 changed, 0 there already, by ada" in ran.err
    saved.write_text("")
    assert cli("judge", "label", "greet", "--import", str(saved)).err.endswith("0 there already\n")
    saved.write_text("[]")
    assert (
        "is no JSON object\n  hint: labels are written by" in cli("judge", "label", "greet", "--import", str(saved)).err
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["label", "gret", "--by", "ada"], 3, "did you mean `greet`?"),
        (["label", "greet", "--by", "Ada L"], 2, "did you mean `ada-l`?"),
        (["label", "greet", "--by", "ada", "-o", "page.txt"], 2, "-o page.html"),
        (["label", "greet", "--by", "ada", "-n", "0"], 2, "0"),
        (["label", "greet", "--by", "ada", "--yes"], 2, "--import"),
        (["label", "greet", "--by", "ada", "--evaluation", "ffffffff"], 3, "promptctl results list"),
        (["label", "greet", "--by", "ada", "--import", "x.jsonl"], 2, "--import takes in"),
        (["label", "greet", "--import", "none.jsonl"], 3, "cannot read none.jsonl"),
        (["agreement", "greet"], 3, "nobody has labelled"),
    ],
)
def test_wrong_use_is_refused(cli: Cli, arguments: list[str], code: int, words: str) -> None:
    ran = cli("judge", *arguments)
    assert (ran.exit_code, ran.out) == (code, "")
    assert words in ran.err
    assert not Path("datasets/human-labels").exists()


def test_keys_are_read_one_by_one_at_a_terminal(here: Path) -> None:
    """No Enter is needed, an arrow answers nothing, and a hostile reply commands no terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "promptctl", "judge", "label", "greet", "--by", "ada", "--tag", "short"],
        cwd=here, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "COLUMNS": "60", "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    shown, keys = b"", [b"\x1b[1~", b"p", b"f", b"q"]
    try:
        while select.select([master], [], [], 60)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if shown.count(b"q quit] ") > 4 - len(keys) and keys:
                os.write(master, keys.pop(0))
        assert process.wait(60) == 0, shown
    finally:
        process.kill()
        os.close(master)
    assert [line["answer"] for line in lines()] == ["pass", "fail"]
    assert b"`?` is no key here" in shown


def test_a_hostile_reply_commands_no_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.cli.output.is_terminal", lambda: True)
    ran = cli("judge", "label", "greet", "--by", "ada", stdin="s\n" * 9)
    assert "\x1b[2J" not in ran.out
    assert "document.title" in ran.out
