"""The page: what it holds, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.request import Limits
from promptctl.reports import html
from tests.evaluation_lab import Lab, answering
from tests.openai_server import reply
from tests.reports.conftest import FORGED, Write

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell")
_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --enable-logging=stderr"
)
# What the page looks like from within, once it is drawn: put in by the test, behind the page's own script.
_PROBE = """
<script>
for (const node of document.querySelectorAll("details")) node.open = true;
setTimeout(() => {
  const root = document.documentElement;
  const isWide = (node) => node.getBoundingClientRect().right > root.clientWidth + 1 && !node.closest("label > span");
  const wide = [...document.querySelectorAll("body *")].filter(isWide).slice(0, 5);
  const names = wide.map((node) => `${node.tagName}.${node.className}`);
  const seen = { width: root.clientWidth, content: root.scrollWidth, wide: names };
  document.body.dataset.probe = JSON.stringify(seen);
}, 50);
</script>
"""


def data_of(page: str) -> Any:
    """The JSON in the page, found as a browser finds it."""

    class Finder(HTMLParser):
        text = ""
        is_inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.is_inside = tag == "script" and dict(attrs).get("id") == "data"

        def handle_data(self, data: str) -> None:
            if self.is_inside:
                self.text += data

        def handle_endtag(self, tag: str) -> None:
            self.is_inside = False

    finder = Finder()
    finder.feed(page)
    return json.loads(finder.text)


# The charts with nodes of a list each, as no browser is needed to see how wide a bar is.
_BARS = """
const el = (name, attributes, ...children) => [attributes?.style, ...children.flat(9)], svg = el;
const isKnown = (value) => value !== null && value !== undefined;
CHARTS
const items = [{ value: 0.4, name: "a" }, { value: 0.8, name: "b" }];
const widths = (full) => bars("Title", items, String, full).flat(9).filter((each) => String(each).startsWith("width"));
console.log(JSON.stringify([widths(1), widths()]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_half_a_share_fills_half_a_bar() -> None:
    charts = (Path(html.__file__).parent / "page/charts.js").read_text()
    script = _BARS.replace("CHARTS", charts)
    ran = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [["width: 40%", "width: 80%"], ["width: 50%", "width: 100%"]]


class TestWhatItHolds:
    def test_everything_is_in_it_and_nothing_can_be_loaded(self, mixed: list[Evaluation], write: Write) -> None:
        page = write(mixed, "r.html").read_text()
        assert "default-src 'none'" in page
        assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
        assert "@import" not in page
        data = data_of(page)
        assert [case["id"] for case in data["cases"]] == ["good", "better", "wrong", "forged|`x`", "refused", "scored"]
        assert data["cases"][3]["results"][0]["output"] == FORGED

    def test_no_reply_ends_the_data(self, mixed: list[Evaluation], write: Write) -> None:
        page = write(mixed, "r.html").read_text()
        assert page.count("</script>") == 2, "the data's own and the script's own"

    def test_what_passed_makes_way_for_what_did_not(
        self, lab: Lab, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lab.many(12)
        lab.server.default = answering({"c9": "wrong", "c11": "wrong"})
        found = lab.evaluate()
        for most, kept, left in [(5, 5, 7), (1, 1, 11)]:
            monkeypatch.setattr(html, "MOST_RESULTS", most)
            data = data_of(write(found, "r.html").read_text())
            assert len(data["cases"]) == kept
            assert {"c9"} <= {case["id"] for case in data["cases"]}
            assert f"{left} results are left out" in data["about"]

    def test_very_long_replies_are_cut(self, lab: Lab, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        lab.many(2)
        lab.server.default = answering({"c0": "x" * 30_000, "c1": "y" * 30_000})
        found = lab.evaluate()
        monkeypatch.setattr(html, "_MOST_OUTPUT", 20_000)
        first, second = (case["results"][0]["output"] for case in data_of(write(found, "r.html").read_text())["cases"])
        assert (len(first), len(second)) == (20_008, 508)

    def test_earlier_versions_on_the_same_cases_are_a_trend(self, lab: Lab, write: Write) -> None:
        lab.many(4)
        text = (lab.root / "prompts/triage.prompt.yaml").read_text()
        for words in ("One. ", "Two. ", ""):
            lab.write("prompts/triage.prompt.yaml", text.replace("{{ ticket }}", words + "{{ ticket }}"))
            found = lab.evaluate()
        trend = data_of(write(found, "r.html").read_text())["trend"]
        assert [point["pass_rate"] for point in trend] == [0.0, 0.0, 1.0]


Browse = Callable[..., tuple[str, str]]


@pytest.fixture(scope="session")
def browser() -> str:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(_BROWSERS)}): the page is not drawn")
    return found


@pytest.fixture
def browse(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Browse:
    """Draw a page in a headless browser; its DOM then, and the browser's console."""

    def drawn(page: Path, fragment: str = "", width: int = 1200) -> tuple[str, str]:
        probed = page.with_name(f"probed-{page.name}")
        probed.write_text(page.read_text().replace("</body>", f"{_PROBE}</body>"))
        folder = tmp_path_factory.mktemp("browser")
        done = subprocess.run(
            [browser, *_OPTIONS.split(), f"--user-data-dir={folder}", f"--window-size={width},900",
             "--virtual-time-budget=2000", "--dump-dom", f"file://{probed}{fragment}"],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout, "\n".join(console)

    return drawn


def shown(dom: str) -> list[str]:
    """The ids of the cases on the page."""
    return re.findall(r'<details class="case[^>]*>.*?<strong>(.*?)</strong>', dom)


def probe(dom: str) -> Any:
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found is not None, dom[-2000:]
    return json.loads(found[1].replace("&quot;", '"'))


class TestInABrowser:
    def test_it_shows_what_failed_first_runs_no_reply_and_complains_of_nothing(
        self, mixed: list[Evaluation], write: Write, browse: Browse
    ) -> None:
        dom, console = browse(write(mixed, "r.html"))
        assert console == ""
        assert "<title>triage</title>" in dom, "a reply that was run would have changed it"
        assert "<img" not in dom
        assert shown(dom) == ["wrong", "forged|`x`"]
        assert "2 of 6 cases" in dom
        assert "&lt;/script&gt;&lt;script&gt;" in dom
        assert re.search(r"<dd><del>right</del> as it is</dd>.*<dd><ins>wrong</ins> as it is</dd>", dom)
        assert "50%" in dom
        assert dom.count("<figure>") >= 3

    @pytest.mark.parametrize(
        ("fragment", "wanted"),
        [
            ("#status=", ["good", "better", "wrong", "forged|`x`", "refused", "scored"]),
            ("#status=error", ["refused"]),
            ("#status=passed&tag=long", ["better"]),
            ("#status=&search=WRONG+as", ["wrong"]),
        ],
    )
    def test_filters_leave_what_is_asked_for(
        self, mixed: list[Evaluation], write: Write, browse: Browse, fragment: str, wanted: list[str]
    ) -> None:
        dom, console = browse(write(mixed, "r.html"), fragment)
        assert (shown(dom), console) == (wanted, "")

    def test_on_a_phone_nothing_is_wider_than_the_screen(self, lab: Lab, write: Write, browse: Browse) -> None:
        long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
        lab.cases(
            {"id": long, "tags": [long, "a"], "inputs": {"ticket": "x"}, "expected": long},
            {"id": "b", "tags": ["a"], "inputs": {"ticket": long}, "expected": long},
        )
        found = lab.evaluate(models=("local/gpt-4o-mini", f"local/{long}", "echo/echo"))
        for evaluations in (found, found[:1]):
            dom, console = browse(write(evaluations, "r.html"), "#status=", width=390)
            seen = probe(dom)
            assert (seen["content"], seen["wide"], console) == (seen["width"], [], ""), seen

    def test_a_case_is_what_its_repeats_come_to(self, lab: Lab, write: Write, browse: Browse) -> None:
        """Two of three are enough: the page's filters and the verdict above them say the same."""
        flaky = iter(["c0", "wrong", "c0"])
        lab.many(2)
        lab.server.default = answering({"c0": lambda exchange: reply(next(flaky))(exchange), "c1": "wrong"})
        page = write(lab.evaluate(repeats=3, at_least=2, limits=Limits(concurrency=1)), "r.html")
        dom, _ = browse(page)
        assert (shown(dom), "1 of 2 cases" in dom) == (["c1"], True)
        dom, _ = browse(page, "#status=differ")
        assert (shown(dom), "2 of 3 passed" in dom) == (["c0"], True)

    def test_no_case_is_said(self, lab: Lab, write: Write, browse: Browse) -> None:
        lab.many(1)
        assert (
            "No case has been run yet." in browse(write(lab.evaluate(limits=Limits(max_cost_nano_usd=0)), "r.html"))[0]
        )

    def test_versions_stand_side_by_side(self, lab: Lab, write: Write, browse: Browse) -> None:
        lab.many(3)
        lab.server.default = answering({"c1": "wrong"})
        found = lab.evaluate(models=("local/a", "echo/echo"))
        dom, _ = browse(write(found, "r.html"), "#status=differ")
        assert shown(dom) == ["c1"]
        assert dom.count('<div class="side">') == 2
        assert dom.count('<article class="run') == 2
