"""`promptctl schema infer`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write

PROMPT = """\
# Triage, by the support team.
messages:
  - role: user  # who asks
    content: |
      {% for order in orders %}- {{ order.id }}
      {% endfor %}{{ ticket }}
"""


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\nlog: [{prompts: '*', content: full}]\n")
    write(tmp_path, "prompts/triage.prompt.yaml", PROMPT)
    monkeypatch.chdir(tmp_path)


def test_the_diff_is_the_data_and_is_written_on_yes(cli: Cli) -> None:
    shown = cli("schema", "infer", "triage")
    assert shown.exit_code == 0
    assert shown.out.startswith("diff --git a/prompts/triage.prompt.yaml")
    assert "+  ticket: {type: string}\n" in shown.out
    assert "2 inputs, from the templates, 0 calls and 0 cases\nnothing was written" in shown.err
    assert Path("prompts/triage.prompt.yaml").read_text() == PROMPT
    assert cli("schema", "infer", "triage", "--yes", "--dry-run").out == shown.out
    assert Path("prompts/triage.prompt.yaml").read_text() == PROMPT
    assert cli("schema", "infer", "triage", "--yes").err.endswith("written  prompts/triage.prompt.yaml\n")
    text = Path("prompts/triage.prompt.yaml").read_text()
    assert text.startswith("# Triage, by the support team.\n")
    assert "role: user  # who asks" in text
    again = cli("schema", "infer", "triage", "--yes")
    assert (again.exit_code, again.out) == (0, "")
    assert again.err == "nothing to add: every input of triage that is used has its schema\n"


def test_the_document_has_what_is_proposed(cli: Cli) -> None:
    document = cli("schema", "infer", "triage", "--json", "--templates-only").json
    assert document["inputs"]["ticket"] == {"type": "string"}
    assert document["output"] is None
    assert document["changes"] == [{"path": "prompts/triage.prompt.yaml", "action": "changed", "moved_from": None}]
    assert document["written"] is False
    assert cli("schema", "infer", "triage", "--json", "--yes").json["written"] is True
    assert "ticket" in Path("prompts/triage.prompt.yaml").read_text().partition("messages:")[0]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ("triag", 3, "did you mean `triage`?"),
        ("triage@v1", 2, "no version is named"),
        ("prompts/triage.prompt.yaml", 2, "its id is triage"),
        ("", 2, "PROMPT"),
        ("triage --snapshot x", 2, "--snapshot"),
    ],
)
def test_wrong_words_are_refused(cli: Cli, arguments: str, exit_code: int, words: str) -> None:
    ran = cli("schema", "infer", *arguments.split())
    assert ran.exit_code == exit_code
    assert words in ran.err
    assert Path("prompts/triage.prompt.yaml").read_text() == PROMPT
