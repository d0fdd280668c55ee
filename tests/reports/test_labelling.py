"""The page that a person labels replies in: what it holds, and what a browser makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promptctl.calibrations.labelling import LabelRequest
from promptctl.errors import UsageError, WorkspaceError
from promptctl.reports import html
from promptctl.workspace import Workspace
from tests.browser import Browser
from tests.calibrations.conftest import FORGED, evaluated, root, workspace
from tests.reports.test_html import data_of

__all__ = ["evaluated", "root", "workspace"]


def page_of(workspace: Workspace, by: str = "ada") -> Path:
    labelling = workspace.judges.label(LabelRequest("greet", by))
    workspace.judges.write_page(labelling, labelling.left(), workspace.root / "label.html")
    return workspace.root / "label.html"


def test_it_is_blind_loads_nothing_and_no_reply_ends_its_data(workspace: Workspace) -> None:
    page = page_of(workspace).read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert page.count("</script>") == 2, "the data's own and the script's own"
    data = data_of(page)
    assert len(data["items"]) == 5
    assert [item["label"]["reply"] for item in data["items"] if item["label"]["case"] == "forged"] == [
        f"Hello, {FORGED}!"
    ]
    (row,) = workspace.results.evaluations()
    for hidden in ("echo", "nobody may see this", row.digest, row.id, "llm-rubric judged"):
        assert hidden not in json.dumps(data)


def test_what_is_labelled_is_not_on_it(workspace: Workspace) -> None:
    labelling = workspace.judges.label(LabelRequest("greet", "ada"))
    first = labelling.left()[0]
    labelling.put(first, first.question.answers[0])
    assert len(data_of(page_of(workspace).read_text())["items"]) == 4


@pytest.mark.parametrize("name", ["label.txt", "promptctl.yaml"])
def test_it_is_written_as_html_alone(workspace: Workspace, name: str) -> None:
    labelling = workspace.judges.label(LabelRequest("greet", "ada"))
    with pytest.raises(UsageError, match="html"):
        workspace.judges.write_page(labelling, labelling.left(), workspace.root / name)
    with pytest.raises(WorkspaceError):
        workspace.judges.write_page(labelling, labelling.left(), workspace.root / ".git/label.html")


def test_keys_alone_label_everything_and_what_is_saved_can_be_taken_in(workspace: Workspace, browser: Browser) -> None:
    with browser.open(page_of(workspace), width=400) as opened:
        page, press = opened.page, opened.page.keyboard.press

        def answer(number: int) -> None:
            press(page.evaluate(f"items[at].answers[{number}][0]"))

        press("c")
        assert page.evaluate("document.activeElement.id") == "comment"
        page.keyboard.type("  too <b>short</b>\n")
        press("Escape")
        assert page.evaluate("document.activeElement.id") != "comment"
        assert opened.faults() == []
        answer(1)
        press("s")
        press("b")
        answer(0)
        press("b")
        assert page.locator('[aria-pressed="true"]').count() == 1
        press("s")
        while page.evaluate("Boolean(items[at])"):
            answer(0)
        assert page.inner_text("#end-title") == "All 5 are labelled"
        with page.expect_download() as download:
            press("w")
        assert page.title() == "Label replies", "a reply that was run would have changed it"
        assert page.locator("img").count() == 0
        assert opened.faults() == []
        file = workspace.root / "saved.jsonl"
        file.write_bytes(download.value.path().read_bytes())
    found = workspace.judges.import_labels("greet", file)
    assert (found.new, found.set_aside, found.people) == (5, "", ("ada",))
    workspace.write(found.proposal)
    labels = list(workspace.judges.label(LabelRequest("greet", "ada")).labels.values())
    assert [label.comment for label in labels if label.comment] == ["too <b>short</b>"]
    assert workspace.validate().problems == ()


def test_two_tabs_and_a_reload_lose_nothing_and_a_second_round_is_blind(workspace: Workspace, browser: Browser) -> None:
    file = page_of(workspace)
    with browser.open(file) as first, browser.open(file) as second:
        one, other = first.page, second.page
        key = one.evaluate("items[0].answers[0][0]")
        for _ in range(3):
            one.keyboard.down(key)
        one.keyboard.up(key)
        assert one.evaluate("labelled().length") == 1, "a key that is held down answers once"
        second.until("labelled().length === 1")
        assert other.locator('[aria-pressed="true"]').count() == 1
        other.keyboard.press("s")
        other.keyboard.press(other.evaluate("items[at].answers[0][0]"))
        first.until("labelled().length === 2")
        for press in ("s", "c"):
            one.keyboard.press(press)
        one.keyboard.type("remark")
        for press in ("Escape", "s", "b"):
            one.keyboard.press(press)
        assert one.input_value("#comment") == "remark"
        one.reload()
        if not one.evaluate("localStorage.length"):  # a busy Chromium may give a file none, until it is read once more
            one.reload()
        assert (one.evaluate("labelled().length"), one.input_value("#comment")) == (2, "remark")
        one.keyboard.press("b")
        one.fill("#comment", "later ")
        one.evaluate("document.activeElement.blur()")
        with one.expect_download() as download:
            one.keyboard.press("w")
        saved = [json.loads(line).get("comment") for line in download.value.path().read_text().split("\n")[:-1]]
        assert saved == [None, "later"]
        labelling = workspace.judges.label(LabelRequest("greet", "ada"))
        for item in labelling.items:
            labelling.put(item, item.question.answers[0])
        workspace.judges.write_page(labelling, labelling.items, file)
        one.reload()
        assert one.evaluate("labelled().length") == 0
        assert first.problems == second.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(scheme: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for the borders of what is pressed or written in."""
    css = (Path(html.__file__).parent / "page/look.css").read_text()
    roots = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    names = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", roots[0]))
    if scheme == "dark":
        names |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", roots[1]))
    for ground in ("paper", "ground", "well"):
        for text in ("ink", "soft", "faint"):
            assert _contrast(names[text], names[ground]) >= 4.5, (text, ground)
    assert _contrast(names["paper"], names["accent"]) >= 4.5, "an answer that was given"
    for border in ("edge", "accent"):
        assert _contrast(names[border], names["paper"]) >= 3, border


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
