"""The page: what it holds, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from promptctl.browse.contents import indented, visible
from promptctl.evaluations.counts import Counts
from promptctl.evaluations.evaluation import Evaluation, Summary
from promptctl.evaluations.request import Limits
from promptctl.reports import html
from promptctl.reports.columns import names_of
from promptctl.reports.files import write_report
from promptctl.reports.offline_page import offline_page
from promptctl.reports.sentences import of_evaluations
from promptctl.reports.wording import short_cost
from tests.browser import Browser, Opened
from tests.evaluation_lab import Lab, answering
from tests.openai_server import OpenAIServer, failure, reply
from tests.reports.conftest import FORGED, Write, evaluate_mixed


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


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_pages_and_their_sentences_have_one_rule_for_money() -> None:
    amounts = [None, 0, 1, 60_000, 3_000_000, 3_280_000, 838_383_000, 999_999_999, 1_926_000_000, 5_784_331_700_000]
    dom = (Path(html.__file__).parent / "page/dom.js").read_text()
    script = f'const document = {{ getElementById: () => ({{ textContent: "{{}}" }}) }};\n{dom}\n'
    script += f"console.log(JSON.stringify({json.dumps(amounts)}.map((each) => money(each))));"
    ran = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True)
    shown = json.loads(ran.stdout)
    assert shown[1:] == [short_cost(each) for each in amounts[1:]]
    assert shown[-2:] == ["$1.93", "$5,784.33"]


class TestWhatItHolds:
    def test_everything_is_in_it_and_nothing_can_be_loaded(self, mixed: list[Evaluation], write: Write) -> None:
        page = write(mixed, "r.html").read_text()
        assert "default-src 'none'" in page
        assert "<noscript><style>main, nav { display: none; }" in page, "empty controls, without JavaScript"
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


Pages = dict[str, Path]

_LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, running_model_server: OpenAIServer) -> Pages:
    """Pages of several kinds, made once: they are only looked at."""
    running_model_server.reset()
    lab = Lab(tmp_path_factory.mktemp("pages"), running_model_server)
    made: Pages = {}

    def write(name: str, found: Sequence[Evaluation]) -> None:
        made[name] = lab.root / f"{name}.html"
        with lab.open() as workspace:
            write_report(made[name], workspace.context, found)

    write("mixed", evaluate_mixed(lab))
    lab.cases({"id": "json", "inputs": {"ticket": "x"}, "expected": {"big": 1}, "xfail": "not yet", "tags": ["a"]})
    lab.server.default = answering({"x": '{"big":12345678901234567890,"list":[1.50,{}],"text":"a,b"}'})
    write("json", lab.evaluate())
    flaky = iter(["c0", "wrong", "c0"])
    lab.many(2)
    lab.server.default = answering({"c0": lambda exchange: reply(next(flaky))(exchange), "c1": "wrong"})
    write("repeats", lab.evaluate(repeats=3, at_least=2, limits=Limits(concurrency=1)))
    lab.many(3)
    lab.server.default = answering({"c1": "wrong"})
    write("models", lab.evaluate(models=("local/a", "echo/echo")))
    lab.server.default = answering({})
    lab.cases(
        {"id": _LONG, "tags": [_LONG, "a"], "inputs": {"ticket": "x"}, "expected": _LONG},
        {"id": "b", "tags": ["a"], "inputs": {"ticket": _LONG}, "expected": _LONG},
    )
    write("long", lab.evaluate(models=("local/gpt-4o-mini", f"local/{_LONG}", "echo/echo")))
    lab.cases({"id": "z", "inputs": {"ticket": "z"}, "expected": "z"})
    write("none", lab.evaluate(limits=Limits(max_cost_nano_usd=0)))
    lab.many(3)
    lab.server.default = failure(400)
    write("errors", lab.evaluate(replies="refresh"))
    data = data_of(made["mixed"].read_text())
    good, _, wrong, *_ = data["cases"]
    data["cases"] = [{**(wrong if n < 200 else good), "id": f"case {n}"} for n in range(400)]
    made["many"] = lab.root / "many.html"
    made["many"].write_text("".join(offline_page(data)))
    data["cases"] = [{**each, "dataset": of} for of in ("datasets/a.yaml", "datasets/b.yaml") for each in (good, wrong)]
    data["cases"][3] = {**data["cases"][3], "results": good["results"]}
    for case in data["cases"][2:]:
        case["results"] = [{**each, "e": 1} for each in case["results"]]
    one = data["evaluations"][0] | {"cases": 2, "passed": 1, "failed": 1, "errors": 0, "dataset": "datasets/a.yaml"}
    data["evaluations"] = [one, one | {"passed": 2, "failed": 0, "dataset": "datasets/b.yaml"}]
    data["columns"] = [{"name": "", "evaluations": [0, 1]}]
    made["datasets"] = lab.root / "datasets.html"
    made["datasets"].write_text("".join(offline_page(data)))
    return made


_SCORES = "figure:has-text('How good are the replies?') .bin"


def shown(opened: Opened) -> list[str]:
    """The ids of the cases on the page."""
    found: list[str] = opened.page.locator(".case strong, .opens").all_inner_texts()
    return found


def open_all(opened: Opened) -> None:
    """Open every case on the page."""
    opened.page.evaluate("for (const node of document.querySelectorAll('details')) node.open = true")
    for button in opened.page.locator(".opens").all():
        button.click()


def test_a_page_says_first_what_failed_and_runs_no_reply(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["mixed"]) as opened:
        page = opened.page
        assert page.inner_text("h1") == "3 of 6 cases passed, below the 100% asked for."
        assert shown(opened) == ["wrong", "forged|`x`"]
        assert page.inner_text("#count") == "2 of 6 cases"
        open_all(opened)
        assert page.title() == "triage", "a reply that was run would have changed it"
        assert page.locator("img").count() == 0
        assert "</script><script>" in page.locator("pre.reply").nth(1).inner_text()
        checks = page.locator(".checks dl").first
        assert checks.locator("dd").all_inner_texts() == ["right as it is", "wrong as it is"]
        assert (checks.locator("del").inner_text(), checks.locator("ins").inner_text()) == ("right", "wrong")
        assert page.inner_text(".big") == "50%"
        assert page.locator("figure").count() >= 3
        assert opened.faults() == []


@pytest.mark.parametrize(
    ("fragment", "wanted"),
    [
        ("status=", ["good", "better", "wrong", "forged|`x`", "refused", "scored"]),
        ("status=error", ["refused"]),
        ("status=passed&tag=long", ["better"]),
        ("status=&search=WRONG+as", ["wrong"]),
        ("check=%21equals", ["wrong", "forged|`x`"]),
        ("check=contains", ["scored"]),
        ("range=score:0:0.5", ["wrong", "forged|`x`"]),
        ("case=scored", ["good", "better", "wrong", "forged|`x`", "refused", "scored"]),
        ("in=7&order=nothing&nothing=x&status=error", ["refused"]),
    ],
)
def test_the_address_says_which_cases_are_shown(mixed_page: Opened, fragment: str, wanted: list[str]) -> None:
    change = "addEventListener('hashchange', () => done(), { once: true }); location.hash = hash;"
    mixed_page.page.evaluate(f"(hash) => new Promise((done) => {{ {change} }})", fragment)
    assert (shown(mixed_page), mixed_page.problems) == (wanted, [])


@pytest.fixture(scope="module")
def mixed_page(pages: Pages, browser: Browser) -> Iterator[Opened]:
    with browser.open(pages["mixed"]) as opened:
        yield opened


@pytest.mark.parametrize("width", [1200, 500])
def test_bars_of_one_chart_have_the_same_room(pages: Pages, browser: Browser, width: int) -> None:
    with browser.open(pages["mixed"]) as opened:
        opened.page.set_viewport_size({"width": width, "height": 800})
        value = "document.querySelector('.rows .value')"
        opened.page.evaluate(f"{value}.textContent = '10,000 of 10,000'")
        box = "({ left, right }) => [left, right]"
        tracks = f"{value}.closest('.rows').querySelectorAll('.track')"
        rooms = opened.page.evaluate(f"[...{tracks}].map((each) => each.getBoundingClientRect()).map({box})")
        assert len(rooms) > 1
        assert all(room == rooms[0] for room in rooms)


def test_each_number_leads_to_its_cases(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["mixed"]) as opened:
        page = opened.page

        def after(selector: str) -> tuple[list[str], str]:
            page.locator(selector).first.click()
            return shown(opened), page.url.partition("#")[2]

        assert after(".tile .link >> text='1'") == (["refused"], "status=error")
        assert after("button.row:has-text('long')") == (["wrong"], "status=failed&tag=long")
        assert after("button.row:has-text('equals')") == (["wrong", "forged|`x`"], "check=%21equals")
        assert after(".chip") == (["good", "better", "wrong", "forged|`x`", "refused", "scored"], "status=")
        shown_by_bar, address = after(_SCORES)
        assert address.startswith("range=score%3A0%3A")
        assert shown_by_bar == ["wrong", "forged|`x`"]


def test_the_keyboard_alone_opens_a_case_and_copies_from_it(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["mixed"]) as opened:
        page = opened.page
        page.locator(_SCORES).first.focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("3 replies, ")
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".detail")
        assert page.url.endswith("#status=failed&case=wrong")
        page.evaluate("navigator.clipboard.writeText('nothing yet')")
        copied = ["nothing yet"]
        for _ in range(5):
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            texts = (page.evaluate("navigator.clipboard.readText()") for _ in range(2_000))
            copied.append(next(text for text in texts if text != copied[-1]))
        _, id_, link, show, replied, log = copied
        assert (id_, replied) == ("wrong", "wrong as it is")
        assert link.endswith("mixed.html#case=wrong")
        assert re.fullmatch(r"promptctl results show \w{8} --case wrong", show)
        assert re.fullmatch(r"promptctl log show \w{8}", log)


@pytest.mark.parametrize("name", ["long", "mixed", "none", "json"])
def test_on_a_phone_in_the_dark_nothing_is_wrong(pages: Pages, browser: Browser, name: str) -> None:
    with browser.open(f"{pages[name].as_uri()}#status=", width=390, dark=True) as opened:
        open_all(opened)
        assert [*opened.problems, *opened.too_wide(), *(opened.violations() if name == "long" else ())] == []
        if name == "none":
            assert "No case has been run yet." in opened.page.inner_text("#cases")


def test_nothing_is_said_of_replies_that_nobody_saw(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["errors"]) as opened:
        page = opened.page
        assert (page.inner_text("h1"), page.inner_text(".big")) == ("None of 3 cases could be graded.", "–")
        assert page.locator(".tile dt").all_inner_texts() == ["passed", "failed", "errors"]
        assert (page.locator("figure, .interval").count(), page.locator(".case .why").count()) == (0, 0)
        assert page.locator(".problem").count() == 1, "what they all say is said once"
        assert re.fullmatch(r"promptctl eval resume \w{8} --retry-errors", page.inner_text(".command code"))
        faulty = "{ evaluation: 'e1', prompt: 'triage', errors: 1, error_types: { RenderError: 1 } }"
        anew = page.evaluate(f"askAgain({faulty})[1].querySelector('code').textContent")
        assert anew == "promptctl eval triage", "a mended prompt is a different one, with which nothing goes on"
        # A reply that does not fit the output schema is looked at by no check.
        page.evaluate("results.push({ status: 'failed', assertions: [], output: 'I do' })")
        counts = page.evaluate("fitting({ reply_sources: { model: 3, cache: 4 } })['output schema']")
        assert (counts["passed"], counts["cases"]) == (3, 4)
        assert opened.faults() == []


def test_a_case_is_what_its_repeats_come_to(pages: Pages, browser: Browser) -> None:
    """Two of three are enough: the page's filters and the verdict above them say the same."""
    with browser.open(pages["repeats"]) as opened:
        assert (shown(opened), opened.page.inner_text("#count")) == (["c1"], "1 of 2 cases")
    with browser.open(f"{pages['repeats'].as_uri()}#status=differ") as opened:
        assert (shown(opened), opened.page.inner_text(".tag.differs")) == (["c0"], "2 of 3 passed")


def test_a_json_reply_is_indented_as_it_was_written(pages: Pages, browser: Browser) -> None:
    with browser.open(f"{pages['json'].as_uri()}#case=json") as opened:
        page = opened.page
        assert page.inner_text("pre.reply").split("\n") == [
            *("{", '  "big": 12345678901234567890,', '  "list": [', "    1.50,", "    {}", "  ],"),
            *('  "text": "a,b"', "}"),
        ]
        assert page.locator("#status button").all_inner_texts() == ["All1", "Expected failures1"]
        for text in (
            "",
            "{",
            '{"a": "\\u0000 \\" , {"}',
            "[1, 2",
            "[[[[]]]]",
            '{"a":[[],{}],"b":"x\\\\"}',
            " [1e400 ,-0]",
            "[" * 90 + "1,2" + "]" * 90,
            "[" * 300 + "]" * 300,
            "[" * 9_000 + "]" * 9_000,
            "[" * 90 + "1," * 3_000 + "1" + "]" * 90,
        ):
            assert page.evaluate("indented", text) == indented(text), "as on the pages of browse"


def test_a_number_leads_to_the_cases_of_its_dataset_alone(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["datasets"]) as opened:
        page, found = opened.page, []
        for button in page.locator(".run .link").all():
            button.click()
            found.append((button.inner_text(), page.locator(".case .what").all_inner_texts()))
        assert [(text, [each.split("\n")[:2] for each in cases]) for text, cases in found] == [
            ("1 of 2", [["good", "datasets/a.yaml"]]),
            ("1 failed", [["wrong", "datasets/a.yaml"]]),
            ("2 of 2", [["good", "datasets/b.yaml"], ["wrong", "datasets/b.yaml"]]),
        ]
        page.go_back()
        opened.until("wanted.status === 'failed'")
        assert (shown(opened), page.input_value("#dataset")) == (["wrong"], "datasets/a.yaml")
        page.select_option("#dataset", "datasets/b.yaml")
        page.click("#status button >> nth=0")
        page.click("summary:has-text('wrong')")
        opened.until("wanted.case")
        page.reload()
        assert page.locator(".case[open] .of").all_inner_texts() == ["datasets/b.yaml"]
        assert opened.faults() == []


def test_what_is_open_stays_open_and_a_link_leads_to_its_case(pages: Pages, browser: Browser) -> None:
    with browser.open(f"{pages['many'].as_uri()}#case=case+310") as opened:
        page = opened.page

        def open_cases() -> list[str]:
            return page.locator(".case[open] strong").all_inner_texts()

        assert open_cases() == ["case 310"]
        assert 0 <= page.evaluate("document.querySelector('.case[open]').getBoundingClientRect().top") < 200
        page.click("#status button[value=failed]")
        assert len(shown(opened)) == 150
        page.locator("summary").nth(3).click()
        opened.until("openCases.size === 2")
        page.evaluate("document.querySelectorAll('.case')[3].isSame = true")
        page.focus("#more")
        page.keyboard.press("Enter")
        assert (len(shown(opened)), open_cases()) == (200, ["case 3"])
        assert page.evaluate("document.querySelectorAll('.case')[3].isSame"), "nothing is drawn again"
        assert page.evaluate("document.activeElement.innerText").startswith("case 150")
        page.fill("#search", "case 3")
        assert open_cases() == ["case 3"]
        page.click("#status button >> nth=0")
        page.fill("#search", "")
        assert open_cases() == ["case 3"]
        pushed = "() => { const n = history.length; go({ tag: 'x' }); go({ tag: 'x' }); return history.length - n; }"
        assert page.evaluate(pushed) == 1, "the same number twice is one step back"


def test_on_paper_it_says_which_cases_are_there(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["many"]) as opened:
        page = opened.page
        page.emulate_media(media="print")
        assert page.inner_text("#printed") == "Only failed: 200 of 400 cases, the first 150 of them"
        page.evaluate("choose({ status: '', search: 'case 39' })")
        assert page.inner_text("#printed") == "Only with “case 39”: 11 of 400 cases"
        page.evaluate("choose({ search: '' })")
        assert page.inner_text("#printed") == "400 cases, the first 150 of them"


def test_a_page_writes_out_what_nobody_sees_and_a_model_reads(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["json"]) as opened:
        for text in (
            "a",
            "é \U0001f469‍\U0001f4bb می‌خواهم\r\n\t",
            *"\r\x1b\x9f\u00ad\u200b\u200d\u202e\u2028\ufe0f\U000e0069",
            "x\ud800",
        ):
            drawn = opened.page.evaluate("(text) => el('p', {}, text, [text]).textContent", text)
            assert drawn == visible(text) * 2


def test_models_stand_side_by_side(pages: Pages, browser: Browser) -> None:
    with browser.open(pages["models"]) as opened:
        page = opened.page
        assert page.inner_text("h1") == "echo/echo passes most: 3 of 3 cases; local/a passes 2."
        assert page.locator(".run h2").all_inner_texts() == ["local/a", "echo/echo"]
        assert page.inner_text(".beside") == "beside echo/echo: 1 worse and 0 better\nmay be chance (p = 1.00)"
        page.click(".beside button")
        assert (shown(opened), page.url.partition("#")[2]) == (["c1"], "status=failed&in=0&but=1")
        page.click("#status button[value=differ]")
        page.click(".chip >> nth=0")
        page.click(".chip >> nth=0")
        assert shown(opened) == ["c1"]
        assert page.locator(".matrix thead b").all_inner_texts() == ["local/a", "echo/echo"]
        assert [cell.get_attribute("class") for cell in page.locator(".matrix td").all()] == ["failed", "passed"]
        page.click(".opens")
        assert page.locator(".opened .side h3").all_inner_texts() == ["local/a", "echo/echo"]
        assert opened.faults() == []
        page.click("#view button[value=marks]")
        names = [mark.get_attribute("aria-label") for mark in page.locator(".square").all()]
        assert (names, page.url.partition("#")[2]) == (["failed", "passed"], "status=differ&view=marks")


def test_versions_are_named_by_what_tells_them_apart(lab: Lab) -> None:
    lab.many(2)
    by_models = lab.evaluate(models=("local/a", "echo/echo"))
    rows = [each.row for each in by_models]
    assert names_of(rows, ["x", "x"]) == ["local/a", "echo/echo"]
    assert names_of(rows, ["x", "y"]) == ["", ""], "each stands alone"
    again = lab.one(models=("local/a",)).row
    assert names_of([rows[0], replace(again, started_at=rows[0].started_at)], ["x", "x"]) == [
        rows[0].id[-8:],
        again.id[-8:],
    ]
    hotter = replace(again, spec=replace(again.spec, parameters={"temperature": 1}))
    assert names_of([rows[0], hotter], ["x", "x"]) == ["", "temperature: 1"]


def test_the_first_sentence_says_how_all_of_them_did(lab: Lab) -> None:
    assert of_evaluations([]) == ("incomplete", "Nothing was evaluated.", ())
    lab.many(4)
    lab.server.default = answering({"c1": "no", "c2": "no"})
    (found,) = lab.evaluate(min_pass=0.5)
    assert of_evaluations([found]) == ("passed", "2 of 4 cases passed; 50% were asked for.", ())
    many = replace(found, totals=replace(found.totals, passed=9_805, cases=10_400))
    assert of_evaluations([many, many]).sentence == "2 evaluations: 19,610 of 20,800 cases passed."
    reason = Summary(10_400, counts=Counts(9_805, 595)).verdict(0.5)[1]
    alone = replace(many, reason=reason)
    assert of_evaluations([alone]).sentence == "9,805 of 10,400 cases passed; 50% were asked for."
    assert found.verdict == "passed"
    lab.server.default = answering({"c1": failure(400), "c2": failure(400)})
    (found,) = lab.evaluate(replies="refresh")
    assert of_evaluations([found]) == ("incomplete", "2 of 4 cases passed; 2 could not be graded.", ())
    lab.server.default = answering({})
    made = lab.evaluate(models=tuple(f"local/{name}" for name in "abcd"))
    names = list("abcd")
    assert of_evaluations(made[:2], names[:2]).sentence == "a and b pass 4 of 4 cases each."
    assert of_evaluations(made, names).sentence == "All 4 pass 4 of 4 cases each."
    lab.server.default = failure(400)
    (found,) = lab.evaluate(replies="refresh")
    assert of_evaluations([found]) == ("incomplete", "None of 4 cases could be graded.", ())


def test_the_first_sentence_on_several_prompts_says_how_each_model_did(lab: Lab) -> None:
    lab.many(3)

    def made(prompt: str, passed: int, cost: int | None) -> Evaluation:
        totals = replace(one.totals, passed=passed, full_cost_nano_usd=cost, unpriced=int(cost is None))
        return replace(one, row=replace(one.row, prompt=prompt), totals=totals)

    def said(names: str, *found: Evaluation) -> str:
        return of_evaluations(found, list(names)).sentence

    one = lab.one()
    best, other = (made("a", 3, 700), made("b", 3, 800)), (made("a", 3, 60), made("b", 1, 40))
    assert said("xyxy", best[0], other[0], best[1], other[1]) == (
        "x passed 6 of 6 cases, y 4 of 6 at 1/15 of the cost."
    )
    assert said("xyxy", best[0], other[0], best[1], made("b", 1, None)) == "x passed 6 of 6 cases, y 4 of 6."
    assert said("xxy", *best, other[0]).startswith("2 prompts"), "y was not asked of both"


def test_evaluations_of_other_cases_are_not_ranked(lab: Lab, write: Write) -> None:
    lab.many(3)
    lab.server.default = answering({"c0": "no"})
    many = lab.one()
    lab.cases({"id": "c0", "inputs": {"ticket": "other"}, "expected": "other"})
    data = data_of(write([many, lab.one(), many], "r.html").read_text())
    names = [column["name"] for column in data["columns"]]
    assert len(names) == 2, "each evaluation once"
    assert data["sentence"] == f"Their cases differ: {names[0]} passes 2 of 3, {names[1]} passes 1 of 1."
    assert [result.get("is_other_case") for result in data["cases"][0]["results"]] == [None, True]
    assert all("beside" not in each for each in data["evaluations"])
