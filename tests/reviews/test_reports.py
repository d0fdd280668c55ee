"""A review's report: never too long, and nothing in it is what a stranger wants it to be."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from promptctl.comparisons.gates import Decision
from promptctl.errors import INCOMPLETE
from promptctl.reports.review_markdown import LONGEST, MARKER
from promptctl.reviews.review import Measurement
from promptctl.reviews.reviewing import _on_prompts
from tests.browser import Browser
from tests.reviews.conftest import KEY, Cli, Pull, case

HOSTILE = """\
``` </details><script>alert(1)</script> @everyone
<!-- promptctl-review -->
| a | b | <img src=x onerror=alert(1)> [link](javascript:alert(1)) `` ` ```` \u202e
"""


def prompt_of(text: str) -> str:
    lines = "\n".join(f"      {line}" for line in text.splitlines())
    return f"messages:\n  - role: user\n    content: |\n{lines}\n"


def test_what_is_said_of_many_prompts_is_said_once() -> None:
    same, other = Decision.of(INCOMPLETE, "It stopped."), Decision.of(INCOMPLETE, "All of it stopped.")
    made = [Measurement(prompt=f"p{number}", decision=same.about(f"p{number}")) for number in range(5)]
    made += [Measurement(prompt="p5", decision=other), Measurement(prompt="p6", decision=other)]
    assert list(_on_prompts(made)) == [same.about("p0, p1, p2 and 2 more"), other]


def outside_code(markdown: str) -> str:
    """What of a comment is read as Markdown: neither fenced blocks nor code within a line."""
    kept, fence = [], ""
    for line in markdown.splitlines():
        mark = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif mark:
            fence = mark[0]
        else:
            kept.append(re.sub(r"(`+).+?(?<!`)\1(?!`)", "", line))
    assert not fence
    return "\n".join(kept)


def test_it_begins_with_the_marker_that_the_next_one_is_found_by(pull: Pull) -> None:
    assert pull.markdown().startswith(MARKER + "\n")


def test_what_several_models_answered_is_told_apart(
    pull: Pull, cli: Cli, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*next(iter(KEY.items())))
    pull.edit("prompts/triage.prompt.yaml", "Say one word", "Say one word now")
    pull.write("prompts/fresh.prompt.yaml", pull.read("prompts/triage.prompt.yaml"))
    pull.dataset(case(1), case(2, expected="no"), name="fresh", prompt="fresh")
    pull.commit()
    models = [part for name in ("local/small", "local/large") for part in ("-m", name)]
    ran = cli("review", *models, "-o", "review.md", "-o", "review.html")
    table = (pull.root / "review.md").read_text().partition("\n- ")[0]
    for model in ("local/small", "local/large"):
        assert f"\nfresh · {model}\tadded\tfailed, head alone\t" in ran.out
        assert f"| `fresh · {model}` | added | failed, head alone |" in table
    assert "fresh, which is new, failed." in (pull.root / "review.html").read_text()
    against = cli("eval", "--all", "--against", "@origin/main", *models, "-o", "against.html", "-o", "against.md")
    assert "\nfresh · local/large: failed: 1 of 2 cases" in f"\n{against.out}"
    assert "**fresh · local/large**: failed: 1 of 2 cases" in (pull.root / "against.md").read_text()
    for name in ("review.html", "against.html"):
        with browser.open(pull.root / name) as opened:
            assert opened.page.locator(".row-of h3").filter(has_text="fresh · local/large").count() == 1
            opened.page.locator(".run .wrong button").last.click()
            assert opened.page.locator("#count").inner_text().startswith("1 of ")
            assert opened.faults() == []


def test_nothing_foreign_is_read_as_markdown_or_html(pull: Pull) -> None:
    pull.write("prompts/hostile.prompt.yaml", prompt_of(HOSTILE))
    pull.write("prompts/other.prompt.yaml", prompt_of(HOSTILE))
    pull.dataset(case(1) | {"id": HOSTILE.strip(), "expected": "no"}, name="hostile", prompt="other")
    pull.commit()
    text = outside_code(pull.markdown())
    assert text.count(MARKER) == 1
    assert re.findall(r"<(?!/?(?:details|summary|sub)>|!-- promptctl-review --)[^>]*>", text) == []
    assert "@everyone" not in text
    assert text.count("<details>") == text.count("</details>")


def test_nothing_foreign_is_made_a_link_or_a_mention(pull: Pull) -> None:
    said = "see https://evil.example or WWW.evil.example, @everyone, octo/repo#12, GH-12"
    pull.dataset(case(1, said="x"), name=f"new {said}".replace("/", "-"))
    pull.dataset(case(1) | {said: 1}, name="broken")
    pull.commit()
    text = outside_code(pull.markdown(is_evaluated=False))
    assert "evil" in text
    assert re.findall(r"https?://|www\.|@\w|#\d|GH-\d", text, re.IGNORECASE) == []


def test_a_folded_title_is_html_and_shows_no_backslash(pull: Pull) -> None:
    pull.write("prompts/brand_new.prompt.yaml", prompt_of("Hello"))
    pull.commit()
    assert "<summary>brand_new (new)</summary>" in pull.markdown(is_evaluated=False)


def test_a_page_holds_foreign_text_as_data_alone(pull: Pull, cli: Cli) -> None:
    pull.write("prompts/other.prompt.yaml", prompt_of(HOSTILE))
    pull.commit()
    cli("review", "--no-eval", "-o", "review.html", "-o", "review.xml")
    page = (pull.root / "review.html").read_text()
    assert "<script>alert(1)" not in page
    data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    assert any("<script>alert(1)</script>" in line for line in data["review"]["diffs"][0]["lines"])
    assert ET.fromstring((pull.root / "review.xml").read_bytes()).tag == "testsuites"


def test_a_page_says_what_the_comment_says(pull: Pull, cli: Cli, browser: Browser) -> None:
    pull.dataset(case(1) | {"oops": 1})
    pull.write("prompts/fresh.prompt.yaml", prompt_of("Something fresh"))
    pull.write("datasets/recordings/small.jsonl", "")
    pull.edit("prompts/shared/tone.j2", "kind", "brisk")
    cli("review", "--no-eval", "-o", "review.html", "-o", "review.md")
    page = (pull.root / "review.html").read_text()
    whole = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    told = "Nobody who calls these prompts breaks. Not evaluated: fresh, greet and triage."
    assert (whole["sentence"], whole["more"]) == (told, [])
    with browser.open(pull.root / "review.html") as opened:
        assert opened.page.inner_text("h1") == told
        assert opened.faults() == []
    data = whole["review"]
    assert data["files"] == ["prompts/shared/tone.j2: used by 2 prompts"]
    assert any("datasets/triage.yaml:" in problem and "oops" in problem for problem in data["problems"])
    assert any("whoever wrote HEAD chose" in note for note in data["notes"])
    assert data["datasets"] == ["datasets/triage.yaml changed: it cannot be used"]
    diffs = {diff["title"]: diff["lines"] for diff in data["diffs"]}
    assert "+      Something fresh" in diffs["fresh (new)"]
    assert "`datasets/triage.yaml` changed: it cannot be used" in (pull.root / "review.md").read_text()


def test_a_page_calls_nothing_passed_that_nobody_evaluated(pull: Pull, cli: Cli) -> None:
    pull.edit("prompts/triage.prompt.yaml", "Say one word", "Say one word now")
    cli("review", "--no-eval", "--margin", "0.1", "-o", "review.html", "-o", "review.md")
    whole = json.loads(
        (pull.root / "review.html").read_text().split('type="application/json">')[1].split("</script>")[0]
    )
    told = "triage was not evaluated: --no-eval was given. Nobody who calls these prompts breaks."
    assert (whole["state"], whole["sentence"]) == ("not evaluated", told)
    asked = whole["review"]["reproduce"].replace(" --no-eval", "")
    assert (whole["review"]["evaluate"], "--margin 0.1" in asked) == (asked, True)
    assert "➖ Prompt review: not evaluated" in (pull.root / "review.md").read_text()


def test_long_ids_hide_nothing_of_a_dataset(pull: Pull) -> None:
    pull.dataset(*(case(n) | {"id": f"{n}-" + "x" * 150} for n in range(20)), min_pass=0.1)
    pull.commit()
    text = pull.markdown(is_evaluated=False)
    assert "20 added" in text
    assert "8 removed" in text
    assert "min\\_pass 1.0 → 0.1" in text


def test_many_long_changes_fit_into_one_comment(pull: Pull) -> None:
    for number in range(300):
        pull.write(
            f"prompts/many/p{number}.prompt.yaml", prompt_of("\n".join(f"line {n} of {number}" for n in range(80)))
        )
    base = pull.commit("Many")
    for number in range(300):
        pull.write(
            f"prompts/many/p{number}.prompt.yaml", prompt_of("\n".join(f"Line {n} of {number}" for n in range(80)))
        )
    pull.commit("Change all")
    text = pull.markdown(base=base, is_evaluated=False)
    assert len(text) <= LONGEST
    assert "… and " in text
    outside_code(text)


def test_what_fails_comes_first_and_has_more_room_than_what_passes(pull: Pull) -> None:
    ids = [f"many/p{number:03}" for number in range(60)]
    for words in ("line", "Line"):
        for id_ in ids:
            pull.write(f"prompts/{id_}.prompt.yaml", prompt_of("\n".join(f"{words} {n}" for n in range(80))))
        base = pull.commit(words)
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word. WORSE")
    text = pull.markdown(base=f"{base}~1")
    assert len(text) <= LONGEST
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert [row[1] for row in rows] == [f"`{id_}`" for id_ in ("triage", *ids)]
    assert rows[0][0] == "| ❌"
    assert re.search(r"^\+.*Say one word\. WORSE", text, re.M)
    assert text.index("<summary>triage</summary>") < text.index(f"<summary>{ids[0]}</summary>")


def test_many_flipped_cases_with_long_replies_fit_too(pull: Pull) -> None:
    words = "word-" + "x" * 3000
    pull.dataset(*(case(n, words) for n in range(60)))
    base = pull.commit("Long")
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word. WORSE")
    text = pull.markdown(base=base)
    assert len(text) <= LONGEST
    assert "Regressed, likely: 60" in text


def test_a_file_keeps_what_it_held_where_the_review_cannot_be_made(pull: Pull, cli: Cli) -> None:
    (pull.root / "review.md").write_text("before")
    assert cli("review", "no-such-branch", "-o", "review.md").exit_code == 3
    assert (pull.root / "review.md").read_text() == "before"


def test_on_a_narrow_terminal_lines_end_between_words(pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pull.edit("prompts/triage.prompt.yaml", "Say one word", "WORSE. Say one word")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    lines = cli("review").out.splitlines()
    words = next(number for number, line in enumerate(lines) if line.startswith("failed: "))
    assert len(lines[words:]) > 1, "the reason is longer than a line"
    assert all(len(line) <= 60 for line in (lines[0], *lines[words:]))


def test_no_report_holds_a_secret_of_a_prompt(pull: Pull, cli: Cli) -> None:
    key = "sk-proj-0123456789abcdefghijkl"
    pull.write("prompts/fresh.prompt.yaml", prompt_of(f"Say it with {key}"))
    pull.edit("prompts/shared/tone.j2", "kind", f"kind, by {key}")
    reports = [pull.root.parent / f"review{suffix}" for suffix in (".md", ".html", ".json", ".xml")]
    said = [
        cli("review", "--no-eval", *(f"-o{report}" for report in reports)).out,
        cli("review", "--no-eval", "--json").out,
    ]
    texts = [*said, *(report.read_text() for report in reports)]
    assert not any(key in text for text in texts)
    assert all("[redacted]" in text for text in texts[:5])
