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
from tests.calibrations.conftest import FORGED, evaluated, root, workspace
from tests.reports.test_html import Browse, browse, browser, data_of, probe

__all__ = ["browse", "browser", "evaluated", "root", "workspace"]

# Presses keys as a person would, and keeps what the page would download in its own text.
_PERSON = """
<script>
localStorage.clear();
const saved = [];
URL.createObjectURL = (blob) => {
  blob.text().then((text) => { saved.push(text); document.body.dataset.saved = JSON.stringify(saved); });
  return "#";
};
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const first = () => items[at].answers[0][0];
const second = () => items[at].answers[1][0];
const seen = [];
press("c");
seen.push(document.activeElement.id);
byId("comment").value = "  too <b>short</b>\\n";
byId("comment").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }));
seen.push(document.activeElement.id);
press(second());
press("s");
press("b");
press(first());
press("b");
seen.push(document.querySelector('[aria-pressed="true"]').textContent);
press("s");
while (items[at]) press(first());
seen.push(byId("end-title").textContent);
press("w");
document.body.dataset.seen = JSON.stringify(seen);
</script>
"""


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


def test_keys_alone_label_everything_and_what_is_saved_can_be_taken_in(workspace: Workspace, browse: Browse) -> None:
    page = page_of(workspace)
    page.write_text(page.read_text().replace("</body>", f"{_PERSON}</body>"))
    dom, console = browse(page, width=400)
    assert console == ""
    assert "<title>Label replies</title>" in dom, "a reply that was run would have changed it"
    assert "<img" not in dom
    sized = probe(dom)
    assert (sized["content"], sized["wide"]) == (sized["width"], []), sized
    seen, saved = (json.loads(_attribute(dom, name)) for name in ("seen", "saved"))
    assert seen[0] == "comment"
    assert seen[1] != "comment"
    assert seen[3] == "All 5 are labelled"
    file = workspace.root / "saved.jsonl"
    file.write_text(saved[0])
    found = workspace.judges.import_labels("greet", file)
    assert (found.new, found.set_aside, found.people) == (5, "", ("ada",))
    workspace.write(found.proposal)
    labels = list(workspace.judges.label(LabelRequest("greet", "ada")).labels.values())
    assert [label.comment for label in labels if label.comment] == ["too <b>short</b>"]
    assert workspace.validate().problems == ()


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


def _attribute(dom: str, name: str) -> str:
    found = re.search(rf'data-{name}="([^"]*)"', dom)
    assert found is not None, dom[-2000:]
    return found[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
