from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt

from promptctl.evaluations.evaluation import Evaluation
from promptctl.reports.markdown import MOST_CASES, code, fenced, html, inline
from tests.evaluation_lab import Lab, answering
from tests.reports.conftest import Write


def test_a_table_of_totals_and_each_case_that_did_not_pass(mixed: list[Evaluation], write: Write) -> None:
    text = write(mixed, "r.md").read_text()
    row = text.splitlines()[2]
    assert row.startswith("| ❌ | `triage` | unversioned | `local/gpt-4o-mini` |")
    assert "| 3 | 2 | 1 | 50.0% [19%, 81%] |" in row
    assert "**triage**: failed: 3 of 6 cases \\(50.0%\\) passed, below the 100% asked for" in text
    assert text.count("<details>") == text.count("</details>") == 3
    assert "- got `wrong as it is`" in text


def test_no_reply_breaks_out_of_its_place(mixed: list[Evaluation], write: Write) -> None:
    text = write(mixed, "r.md").read_text()
    outside = re.sub(r"(?ms)^(`{3,})\n.*?^\1$", "", text)
    outside = re.sub(r"(`+).+?\1", "", outside)
    assert "<script" not in outside
    assert "<!--" not in outside
    assert "@everyone" not in outside
    assert "](javascript" not in outside


HOSTILE = (
    "a\x1b[2J\x07\x9b31m\u202egnp.exe\r\n$x$ $$y$$ @all ![](http://e.example/t.png) <img src=x> "
    "[l](http://e.example)\r# z"
)


@pytest.mark.parametrize("shown", [inline, html, code, fenced])
def test_foreign_text_commands_nothing(shown: Callable[[str], str]) -> None:
    text = shown(HOSTILE)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert "␛[2J␇" in text.replace("\\", "")
    if shown in (inline, html):
        assert "$" not in text
        assert not re.search(r"<(?!/?span>)|@(?!\u200b)|://", text)
        assert "\n" not in text


def test_a_markdown_reader_makes_plain_text_of_it() -> None:
    made = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(f"- {inline(HOSTILE)}\n")
    assert set(re.findall(r"</?(\w+)", made)) == {"ul", "li", "span"}


def test_a_summary_shows_its_text_as_it_is(mixed: list[Evaluation], write: Write) -> None:
    """Markdown's backslashes would be seen in it: it is read as HTML."""
    summaries = re.findall("<summary>(.*)</summary>", write(mixed, "r.md").read_text())
    assert 'wrong: failed: equals: expected "right as it is", got "wrong as it is"' in summaries
    assert any(each.startswith("forged|`x`: failed: ") for each in summaries)


def test_a_pipe_in_a_reply_is_shown_without_a_backslash(lab: Lab, write: Write) -> None:
    lab.cases({"id": "a", "inputs": {"ticket": "x|y"}, "expected": "x"})
    assert "  - got `x|y`\n" in write(lab.evaluate(), "r.md").read_text()


def test_what_has_no_price_is_not_free(lab: Lab, write: Write) -> None:
    lab.many(2)
    assert write(lab.evaluate(models=("local/unpriced",)), "r.md").read_text().splitlines()[2].endswith("| unpriced |")


def test_repeats_are_counted(lab: Lab, write: Write) -> None:
    lab.many(1)
    lab.server.default = answering({"c0": "wrong"})
    assert "<summary>c0: failed (0 of 3 passed): " in write(lab.evaluate(repeats=3), "r.md").read_text()


def test_very_many_failures_are_counted(lab: Lab, write: Write) -> None:
    lab.many(MOST_CASES + 7)
    lab.server.default = answering({}, otherwise=answering({f"c{n}": "wrong" for n in range(MOST_CASES + 7)}))
    text = write(lab.evaluate(), "r.md").read_text()
    assert text.count("<details>") == MOST_CASES
    assert "… and 7 more." in text


def test_a_case_has_its_inputs_its_messages_and_its_call(lab: Lab, write: Write) -> None:
    lab.cases({"id": "a", "inputs": {"ticket": "@all <b>\n```\n# x"}, "expected": "y"})
    found = lab.evaluate()
    text = write(found, "r.md").read_text()
    assert "- input.ticket: ````@all <b> ``` # x````\n- expected: `y`\n" in text
    assert f"- execution: `{lab.row(found[0], 'a').execution_id}`\n" in text
    assert "\nMessages sent:\n\n````\nuser: @all <b>\n```\n# x\n````\n" in text
