"""`promptctl shorten`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write
from tests.json_schemas import fits

PROMPT = """\
inputs: {name: {type: string}}
messages:
  - role: user
    content: |
      You have come to the right place.

      The entrance is on the left. {{ name }}
"""


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/greet.prompt.yaml", PROMPT)
    cases = [{"id": f"c{n}", "inputs": {"name": f"{n}" * 9}} for n in range(30)]
    split = {"seed": 1, "shares": {"train": 0.3, "choose": 0.2, "held_out": 0.5}}
    checks = {"assert": [{"type": "contains", "value": "entrance"}]}
    data = {"prompts": ["greet"], "split": split, "defaults": checks, "cases": cases}
    write(tmp_path, "datasets/greet.yaml", json.dumps(data))
    monkeypatch.chdir(tmp_path)


def test_the_patch_is_the_data(cli: Cli) -> None:
    ran = cli("shorten", "greet", "-d", "greet", "--margin", "0.3")
    assert ran.exit_code == 0, ran.err
    assert ran.out.startswith("diff --git a/prompts/greet.prompt.yaml")
    assert "-      You have come to the right place.\n" in ran.out
    assert "a loss of +0.0 points, 93% interval" in ran.err
    assert "30 points or more are ruled out" in ran.err
    assert Path("prompts/greet.prompt.yaml").read_text() == PROMPT
    document = cli("shorten", "greet", "-d", "greet", "--margin", "0.3", "--json", "--yes").json
    fits("shorten", document)
    assert document["written"] is True
    assert [part["outcome"] for part in document["parts"]] == ["dropped"]
    assert document["saved_nano_usd_a_month"] is None
    assert "right place" not in Path("prompts/greet.prompt.yaml").read_text()
    left = cli("shorten", "greet", "-d", "greet", "--margin", "0.3")
    assert (left.exit_code, left.out) == (0, "")
    assert "nothing that can be left out was found" in left.err


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ("greet -d greet", 3, "67 are needed"),
        ("greet -d gret --margin 0.3", 3, "did you mean"),
        ("gret -d greet --margin 0.3", 3, "did you mean `greet`"),
        ("greet@v1 -d greet", 2, "no version is named"),
        ("greet --margin 0.3", 2, "--dataset"),
        ("greet -d greet --margin 2", 2, "--margin"),
        ("greet -d greet --margin nan", 2, "nan"),
        ("greet -d greet --margin 0.3 --allow-code --leave-out-code", 2, "cannot be given together"),
    ],
)
def test_wrong_words_are_refused(cli: Cli, arguments: str, exit_code: int, words: str) -> None:
    ran = cli("shorten", *arguments.split())
    assert (ran.exit_code, ran.out) == (exit_code, "")
    assert words in ran.err
    assert Path("prompts/greet.prompt.yaml").read_text() == PROMPT


def test_a_dry_run_says_what_it_would_ask(cli: Cli) -> None:
    rows = cli("shorten", "greet", "-d", "greet", "--margin", "0.3", "--dry-run", "--json").json
    assert sum(row["calls"] for row in rows) == 2 * 30
