"""The dashboard's page, opened in a browser: what it says, its filters, its charts by keyboard, its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from promptctl import open_workspace
from promptctl.errors import UsageError
from promptctl.log.feedback import Feedback
from promptctl.log.records import Entry
from promptctl.log.stamps import new_id
from promptctl.reports.dashboard_page import check_dashboard_path, write_dashboard
from tests.browse.logged_workspace import at, make_workspace
from tests.browser import Browser, Opened
from tests.log.conftest import make
from tests.reports.dashboard_documents import HOSTILE, empty, filled, iso

# The document, that remembers which of its keys are read though it has none of that name.
PARSED = 'JSON.parse(document.getElementById("data").textContent)'
WATCHED = f"""((value) => {{
  globalThis.unknown = [];
  const watch = (of) => !of || typeof of !== "object" ? of : Array.isArray(of) ? of.map(watch) : new Proxy(
    Object.fromEntries(Object.entries(of).map(([key, each]) => [key, key === "rests" ? each : watch(each)])),
    {{ get: (has, key) => {{
      if (typeof key === "string" && !Object.hasOwn(has, key)) globalThis.unknown.push(key);
      return has[key];
    }} }});
  return watch(value);
}})({PARSED})"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dashboard(tmp_path_factory.mktemp("dashboard") / "page.html", filled())


@pytest.fixture(scope="module")
def kept(browser: Browser, written: Path) -> Iterator[Opened]:
    with browser.open(written) as opened:
        yield opened


@pytest.fixture
def opened(kept: Opened) -> Opened:
    """The page without a filter; it is opened once for all tests."""
    see(kept)
    return kept


def whole(opened: Opened) -> None:
    """Wait until everything is drawn, further down too."""
    opened.page.wait_for_selector("body[data-drawn]", state="attached")


def see(opened: Opened, **wanted: str) -> None:
    """Show a view as its address does."""
    opened.page.evaluate(
        "hash => { location.hash = hash; fromAddress(); show(); }", "&".join(f"{k}={v}" for k, v in wanted.items())
    )
    whole(opened)


def texts(opened: Opened, selector: str) -> list[str]:
    found: list[str] = opened.page.eval_on_selector_all(selector, "nodes => nodes.map((node) => node.innerText)")
    return found


def heads(opened: Opened) -> dict[str, str]:
    """The charts over time with the number that stands large above each."""
    return dict(zip(texts(opened, "#charts h3"), texts(opened, "#charts .big"), strict=True))


class TestFile:
    def test_a_folder_gets_an_index(self, tmp_path: Path) -> None:
        assert write_dashboard(tmp_path / "site", empty()) == tmp_path / "site/index.html"
        assert check_dashboard_path(tmp_path) == tmp_path / "index.html"

    def test_another_suffix_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"page\.pdf: a dashboard is written as \.html"):
            check_dashboard_path(tmp_path / "page.pdf")

    def test_a_page_with_content_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        page = tmp_path / "a.html"
        for _ in range(2):
            assert write_dashboard(page, empty() | {"with_content": True}).stat().st_mode & 0o777 == 0o600
            page.chmod(0o644)  # as one without content has it

    def test_no_text_ends_the_data_and_nothing_can_be_loaded(self, written: Path) -> None:
        page = written.read_text()
        assert page.count("</script>") == 2
        assert "default-src 'none'" in page
        assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in page


class TestDocument:
    """What the page reads is what `promptctl dashboard --json` has, by its schema."""

    def test_the_documents_made_by_hand_fit_the_schema(self) -> None:
        schema = resources.files("promptctl.reports").joinpath("json/dashboard.schema.json").read_text(encoding="utf-8")
        validator = jsonschema.Draft202012Validator(json.loads(schema))
        for document in (filled(), empty()):
            assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []

    def test_no_key_is_read_that_a_document_does_not_have(
        self, browser: Browser, written: Path, tmp_path: Path
    ) -> None:
        page = written.read_text()
        assert page.count(PARSED) == 1
        watched = tmp_path / "page.html"
        watched.write_text(page.replace(PARSED, WATCHED))
        with browser.open(watched) as opened:
            whole(opened)
            opened.page.eval_on_selector_all("details", "nodes => nodes.forEach((node) => { node.open = true; })")
            opened.page.eval_on_selector_all(".copy", "nodes => nodes.forEach((node) => node.click())")
            see(opened, prompt="support/*")
            assert opened.page.evaluate("[...new Set(unknown)]") == []


class TestPage:
    def test_nothing_is_wrong_with_it_at_any_width_in_either_scheme(
        self, browser: Browser, opened: Opened, tmp_path: Path
    ) -> None:
        assert opened.faults() == []
        few = write_dashboard(tmp_path / "few.html", filled(6, ("support/triage", HOSTILE, "w" * 120)))
        with browser.open(few, width=400, dark=True) as narrow:
            whole(narrow)
            assert narrow.faults() == []
            narrow.page.eval_on_selector_all("details", "nodes => nodes.forEach((node) => { node.open = true; })")
            narrow.page.wait_for_selector("#ranks .scroll")
            assert narrow.too_wide() == []

    def test_hostile_names_are_text(self, opened: Opened) -> None:
        page = opened.page
        assert page.title() == f"{HOSTILE}: dashboard"
        assert page.query_selector_all("img") == []
        assert texts(opened, "#title") == [HOSTILE]
        assert HOSTILE in texts(opened, "#multiples h3")

    def test_the_first_screen_answers_three_questions(self, opened: Opened) -> None:
        assert texts(opened, "#answers h2") == ["Is anything wrong?", "What changed?", "What does it cost?"]
        assert texts(opened, "#wrong .mark") == ["Wrong"]
        assert opened.page.evaluate("byId('answers').getBoundingClientRect().bottom") < 900

    def test_the_headline_is_said_once_with_its_command(self, opened: Opened) -> None:
        assert texts(opened, "#wrong .sentence") == ["support/triage fails more"]
        assert texts(opened, "#wrong .first code") == ["promptctl log list --failed"]
        assert opened.page.locator("#wrong .items li").count() == 4

    def test_failures_that_are_invalid_outputs_are_one_finding(self, opened: Opened) -> None:
        one = "{ prompt: 'a', at: '2026-11-25', kind: %r, text: %r, after: %s }"
        items = ", ".join(
            one % each for each in (("failures", "F.", 0.07), ("invalid", "I.", 0.066), ("cost", "C.", 1))
        )
        assert opened.page.evaluate(f"folded([{items}]).map((item) => item.text)") == [
            "F. Nearly all of these failures are invalid outputs.",
            "C.",
        ]
        apart = "folded([{ kind: 'failures', after: 0.07 }, { kind: 'invalid', after: 0.03 }]).length"
        assert opened.page.evaluate(apart) == 2

    def test_days_are_written_as_on_the_axes_but_not_in_what_people_wrote(self, opened: Opened) -> None:
        said = opened.page.evaluate(
            """[{ kind: "failures", text: "2% since 2026-11-25, 1% from 2025-01-02 07:30 UTC on" },
                { kind: "version", text: "v2 by Ana: As of 2026-11-25" },
                { kind: "cost", text: "a/gpt-4o-2024-08-06, b/2024-08-06 and x:2024-08-06.q since 2026-11-25." },
               ].map((item) => textOf(item))"""
        )
        assert said == [
            "2% since 25\xa0Nov, 1% from 2\xa0Jan\xa02025 07:30 UTC on",
            "v2 by Ana: As of 2026-11-25",
            "a/gpt-4o-2024-08-06, b/2024-08-06 and x:2024-08-06.q since 25\xa0Nov.",
        ]

    def test_numbers_are_the_sums(self, opened: Opened) -> None:
        found = heads(opened)
        assert found["Success"].split("\n") == ["99%", "of 12,000 calls; 95% interval 98.8% to 99.2%"]
        assert found["Errors by kind"].split("\n") == ["120", "failed attempts; 120 calls failed in the end"]
        assert found["Cost"].split("\n") == ["$3.60", "$0.00040 per call; 3,000 calls without a price"]
        assert found["Tokens"].startswith("7,200,000")
        assert found["Replies from the cache"].startswith("2%")
        # Bucket 94 has the 11,172nd of the replies: 2 * 1.08 ** 94 / 2.08 ms.
        assert found["Latency"].startswith("1.33 s")

    def test_a_cost_is_unknown_where_no_reply_has_a_price(self, opened: Opened) -> None:
        see(opened, prompt="__proto__", by="prompt", measure="per_call")
        assert heads(opened)["Cost"].split("\n") == ["–", "3,000 calls without a price"]
        assert texts(opened, "#cost .sentence") == ["3,000 calls without a price in this view."]
        assert texts(opened, "#cost dd") == ["unknown", "unknown"]
        assert texts(opened, "#multiples .big") == ["–\n3,000 calls, 3,000 without a price"]

    def test_a_repaired_call_counts_once_beside_one_that_never_told_its_cost(self, opened: Opened) -> None:
        numbers = {"calls": 2, "attempts": 3, "ok": 1, "invalid_outputs": 1, "blocked": 0, "priced": 2, "unpriced": 0}
        sums = {name: [number] for name, number in {**numbers, "cost_nano_usd": 88}.items()}
        assert opened.page.evaluate("(sums) => MEASURES.per_call.value(sums, 0)", sums) == 88

    def test_a_refusal_does_not_make_those_free_that_never_told_their_cost(self, opened: Opened) -> None:
        numbers = {"calls": 1, "attempts": 2, "ok": 0, "invalid_outputs": 0, "blocked": 0, "priced": 1, "unpriced": 0}
        sums = {name: [number] for name, number in {**numbers, "cost_nano_usd": 0}.items()}
        values = "(sums) => [MEASURES.cost.value(sums, 0), MEASURES.per_call.value(sums, 0)]"
        assert opened.page.evaluate(values, sums) == [None, None]

    def test_filters_hold_together_and_stand_in_the_address(self, opened: Opened) -> None:
        page = opened.page
        page.fill("#prompt", "support/*")
        page.select_option("#label", "production")
        page.select_option("#source", "api")
        whole(opened)
        assert page.evaluate("location.hash") == "#prompt=support%2F*&label=production&source=api"
        assert heads(opened)["Calls"].startswith("600") or heads(opened)["Calls"].startswith("400")
        assert "of 12,000 calls" in texts(opened, "#count")[0]
        see(opened, prompt="support/*", time="7d", model="openai/gpt-4o-mini")
        assert heads(opened)["Calls"].startswith("700")
        page.click("#clear")
        whole(opened)
        assert page.evaluate("location.hash") == ""
        assert heads(opened)["Calls"].startswith("12,000")

    def test_a_name_without_wildcard_is_that_prompt_or_what_holds_it(self, opened: Opened) -> None:
        for pattern, calls in (
            ("support/reply", "3,000"),
            ("REPLY", "3,000"),
            ("support/[!r]*", "3,000"),
            ('="f', "3,000"),
        ):
            see(opened, prompt=pattern)
            assert heads(opened)["Calls"].startswith(calls), pattern
        see(opened, prompt="(")
        assert texts(opened, "#answers .sentence") == ["No call is like that."]

    def test_tab_goes_from_the_filters_to_the_charts(self, opened: Opened) -> None:
        page = opened.page
        page.focus("#prompt")
        seen = ["prompt"]
        while "Success over time" not in seen and len(seen) < 60:
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
        assert seen[:5] == ["prompt", "label", "model", "source", "time"]
        assert "Copy command for: support/triage fails more" in seen
        assert seen[-1] == "Success over time"
        assert page.is_visible("#reading")

    def test_a_chart_is_read_by_keyboard_and_its_marks_explain_themselves(self, opened: Opened) -> None:
        page = opened.page
        page.focus("[aria-label='Success over time']")
        page.keyboard.press("Home")
        slider = page.locator("[aria-label='Success over time']")
        assert slider.get_attribute("aria-valuetext") == "30 Oct; Success 99%; of 400 calls"
        page.keyboard.press("PageDown")
        assert "v2 by Ana" in (slider.get_attribute("aria-valuetext") or "")
        assert HOSTILE in texts(opened, "#reading")[0]
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        whole(opened)
        assert page.evaluate("wanted.from.slice(0, 10) + ' ' + wanted.to.slice(0, 10)") == "2026-11-23 2026-11-25"
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Success over time"
        page.keyboard.press("Escape")
        assert page.is_hidden("#reading")

    def test_marks_stand_on_every_time_axis_and_can_be_left_out(self, opened: Opened) -> None:
        page = opened.page
        charts = page.locator("#charts .plot").count()
        assert page.locator("#charts .plot:has(.glyph.label):has(.glyph.budget)").count() == charts >= 8
        # What happened is told as it is, also if it begins as the prompt's id does.
        assert "support/triage-production → v2 by Ana" in texts(opened, "#more tbody td")
        # The move that a finding is of has its text everywhere, whatever stands beside it.
        assert page.locator("#charts .mark-at.found text").all_text_contents() == ["production → v2"] * charts
        see(opened, marks="version")
        assert page.locator("#charts .plot:has(.glyph.label)").count() == 0

    def test_a_table_is_copied_as_csv_that_no_spreadsheet_runs(self, opened: Opened) -> None:
        page = opened.page
        page.click("[aria-label='Copy Cost as CSV']")
        lines = page.evaluate("navigator.clipboard.readText()").splitlines()
        assert lines[0] == '"time (UTC)","cost (USD)","unpriced calls","calls"'
        assert lines[1] == '"2026-10-30T00:00:00.000Z","0.12","100","400"'
        assert page.evaluate("csvOf([{ name: 'a', raw: () => '=1+1' }], 1)") == '"a"\n"\'=1+1"\n'

    def test_parts_stand_side_by_side(self, opened: Opened) -> None:
        page = opened.page
        page.click("#by button[value=version]")
        page.select_option("#measure", "calls")
        assert texts(opened, "#multiples h3")[0] == "support/triage v1"
        assert len(texts(opened, "#multiples .plot")) == 8
        assert texts(opened, "#groups tbody tr td:nth-child(2)")[0] == "2,500"
        page.click("#groups th:first-child button")
        assert page.get_attribute("#groups th:first-child", "aria-sort") == "descending"
        page.click("[aria-label='Show support/reply alone'] >> nth=0")
        whole(opened)
        assert page.input_value("#prompt") == "support/reply"
        page.go_back()
        opened.until("byId('prompt').value === ''")
        assert page.evaluate("[wanted.by, wanted.measure]") == ["version", "calls"]
        whole(opened)

    def test_evaluations_with_other_cases_are_marked_and_a_fall_is_said_of_the_same_cases_alone(
        self, opened: Opened
    ) -> None:
        risen, fallen = (card.split("\n") for card in texts(opened, "figure:has(.ordinal)"))
        assert "* had different cases" in risen
        assert "An earlier version was better beyond chance." not in risen
        assert "* had different cases" not in fallen
        assert "An earlier version was better beyond chance." in fallen
        assert opened.page.locator("figure:has(.ordinal) .dot.thin").count() == 1

    def test_side_by_side_all_charts_have_one_scale_and_no_line_lies_on_the_axis(self, opened: Opened) -> None:
        page = opened.page
        scales = page.eval_on_selector_all(
            "#multiples svg", "all => all.map((one) => one.textContent.match(/[\\d.]+%/g).join())"
        )
        assert len(set(scales)) == 1
        places = page.eval_on_selector_all(
            "#multiples svg",
            """all => all.map((one) => [one.querySelector(".line").getBBox(), one.querySelector(".base").getBBox()])
                 .map(([line, axis]) => axis.y - line.y - line.height)""",
        )
        assert min(places) > 5

    def test_a_kind_of_error_has_one_colour(self, opened: Opened) -> None:
        page = opened.page
        assert page.evaluate("KINDS.shown.map(([kind, colour]) => [names.error[kind], colour])") == [
            ["rate_limit", "c3"],
            [HOSTILE, "c1"],
        ]

    def test_no_bar_is_drawn_of_an_unknown_cost(self, opened: Opened) -> None:
        assert opened.page.locator("#ranks .rank:first-child li").count() == 4
        assert opened.page.locator("#ranks .rank:first-child li .track i").count() == 3

    def test_one_version_alone_is_a_row_and_errors_are_no_pass_rate(self, opened: Opened) -> None:
        row = texts(opened, "[aria-label='Table: Evaluations of one version'] tbody tr")
        assert row == ["support/reply\tv1\tdatasets/a.yaml\tm\t–\t–\t0 of 50, 50 errors\t30\xa0Oct\xa02026"]
        opened.page.click("[aria-label='Copy Evaluations of one version as CSV']")
        head, line = opened.page.evaluate("navigator.clipboard.readText()").splitlines()
        assert head.endswith(
            '"pass rate (share)","low (share)","high (share)","passed","failed","errors","cases","evaluated"'
        )
        assert line.endswith('"","","","0","0","50","50","2026-10-30T00:00:00Z"')

    def test_links_lead_to_the_sections_and_keep_the_view(self, opened: Opened) -> None:
        page = opened.page
        see(opened, prompt="support/*")
        page.click("#sections a:has-text('All changes')")
        assert page.evaluate("[location.hash, document.activeElement.textContent]") == [
            "#prompt=support/*",
            "All changes",
        ]
        page.focus("#skip")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "time-title"

    def test_what_can_be_pressed_is_large_enough(self, opened: Opened) -> None:
        small = "nodes => nodes.map((node) => node.getBoundingClientRect().height).filter((high) => high && high < 24)"
        assert opened.page.eval_on_selector_all("button:not(.link), summary, #sections a", small) == []

    def test_what_is_open_stays_open(self, opened: Opened) -> None:
        page, both = opened.page, "details.rules, details.example"
        page.eval_on_selector_all(both, "nodes => nodes.forEach((node) => { node.open = true; })")
        opened.until("openParts.size === 2")
        page.click("#marks button >> nth=0")
        whole(opened)
        assert page.locator(both).count() == page.locator("details[open]").count() == 2
        page.eval_on_selector_all(both, "nodes => nodes.forEach((node) => { node.open = false; })")
        opened.until("openParts.size === 0")

    def test_on_paper_the_filters_are_words(self, opened: Opened) -> None:
        page = opened.page
        see(opened, prompt="support/*", time="7d")
        page.emulate_media(media="print")
        assert texts(opened, "#filtered") == ["Only prompt support/*, last 7 days"]
        assert page.is_hidden("#filters")
        assert page.is_hidden("#wrong .copy >> nth=0")
        page.emulate_media(media="screen")
        assert page.is_hidden("#filtered")

    def test_what_is_not_counted_is_said(self, opened: Opened) -> None:
        notes = " ".join(texts(opened, ".notes li"))
        assert "7 calls of evaluations are not in these charts" in notes
        assert "80 users are one here." in notes
        assert "(3,000 replies): `promptctl cost` says how to give one" in notes


def test_without_a_call_it_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with browser.open(write_dashboard(tmp_path / "a.html", empty())) as opened:
        assert texts(opened, "#answers .sentence, #answers code") == [
            "No call is in the log yet.",
            "promptctl run triage -i ticket=x",
        ]
        assert opened.page.is_hidden("#filters")
        assert opened.faults() == []


@pytest.mark.parametrize(("zone", "midnight"), [("Asia/Kolkata", "T18:30"), ("America/New_York", "T05:00")])
def test_a_chosen_day_is_one_of_the_pages_zone(browser: Browser, tmp_path: Path, zone: str, midnight: str) -> None:
    document: Any = filled(6, ("triage", "a", "b"))
    # In Kolkata a day begins on the evening before, in UTC.
    first, last = (23, 25) if midnight > "T12" else (24, 26)
    document["time"] |= {"zone": zone, "starts": [f"2026-11-{first - 1 + day}{midnight}:00Z" for day in range(6)]}
    document["answers"]["earlier"] = {"since": iso(7), "until": iso(7)}
    with browser.open(write_dashboard(tmp_path / "a.html", document)) as opened:
        page = opened.page
        page.select_option("#time", "custom")
        page.focus("#from")
        page.keyboard.type("11242026")  # as one types, the year is 2, then 20, for a moment
        page.fill("#to", "2026-11-25")
        whole(opened)
        assert [page.input_value(field) for field in ("#from", "#to")] == ["2026-11-24", "2026-11-25"]
        assert page.evaluate("[wanted.from, wanted.to]") == [
            f"2026-11-{day}{midnight}:00.000Z" for day in (first, last)
        ]
        assert heads(opened)["Calls"].startswith("600")
        assert "compared with" not in texts(opened, "#wrong .below")[0]
        assert opened.problems == []


def test_thin_data_is_said(browser: Browser, tmp_path: Path) -> None:
    document: Any = filled(3, ("triage", "a", "b"))
    for facts in (document["calls"], document["users"]):
        facts["calls"] = facts["ok"] = [4] * facts["rows"]
    document["time"] |= {"first_call_at": "2026-11-26T18:00:00Z", "last_call_at": iso(0)}
    with browser.open(write_dashboard(tmp_path / "a.html", document)) as opened:
        whole(opened)
        assert opened.page.locator("#charts .dot.thin").count() >= 3
        value = opened.page.get_attribute("[aria-label='Success over time']", "aria-valuetext")
        assert value == "28 Nov; Success 100%; of only 12 calls: thin"
        assert "of only 12 calls: thin" in texts(opened, "#multiples .big")[0]
        # The first day is known from 18:00 on: its bar is as wide as another and hatched, its dot in the known part.
        bars = opened.page.locator("#charts figure:has([aria-label='Calls over time']) .bar")
        rest, first = bars.evaluate_all("nodes => nodes.map((node) => node.getBBox().width)")
        assert rest > 2 * first > 200
        assert bars.last.evaluate("(node) => getComputedStyle(node).fill").startswith('url("#hatch-c1")')
        first, second, third = opened.page.eval_on_selector_all(
            "#charts figure:first-child .dot", "nodes => nodes.map((node) => node.getAttribute('cx') * 1)"
        )
        assert 0.6 < (second - first) / (third - second) < 0.65
        assert "the log covers a part of the step" in texts(opened, "#steps")[0]
        none = "noneOf({ failures: [0, 0], invalid_outputs: [0], retries: [0], cache_hits: [2] })"
        assert opened.page.evaluate(none) == "Not drawn, as there was none: failed attempt, invalid output, retry."
        assert opened.problems == []


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The page of a workspace with evaluations, an experiment and a model without a price, and its document."""
    folder = tmp_path_factory.mktemp("desk")
    make_workspace(folder)
    with open_workspace(folder, {}) as workspace:
        unpriced: dict[str, Any] = {"prompt": "quiet", "model": "local/llama", "cost_nano_usd": None, "label": None}
        calls = [
            *(make(started_at=at(20 + n), **unpriced) for n in range(3)),
            make(started_at=at(24), status="error", error_type="Timeout", output_tokens=None, **unpriced),
            make(started_at=at(25), reply_source="cache", **unpriced | {"cost_nano_usd": 0}),
            *(
                make(started_at=at(30 + n), experiment="tone", arm=("control", "kind")[n % 2], arm_key=f"user {n}")
                for n in range(12)
            ),
        ]
        workspace.context.log.append([Entry(each, "full") for each in calls])
        for n, each in enumerate(calls[5:]):
            of = {"execution_id": each.id, "call_id": each.call_id, "created_at": at(50)}
            given = Feedback(id=new_id(), name="helpful", score=n % 3 / 2, **of)
            workspace.context.log.add_feedback(given)
        document = workspace.dashboard().as_dict()
    return write_dashboard(folder / "page.html", document), json.loads(json.dumps(document))


def test_the_page_has_the_numbers_of_a_real_document(browser: Browser, real: tuple[Path, dict[str, Any]]) -> None:
    path, document = real
    with browser.open(path) as opened:
        whole(opened)
        # Without a price: of the prompt's three replies, the failed call and the reused reply none is known.
        assert "No price is known of local/llama (4 replies)" in " ".join(texts(opened, ".notes li"))
        [series] = document["evaluations"]
        [card] = texts(opened, "figure:has(.ordinal)")
        assert [row["passed"] for row in series["rows"]] == [11, 10]
        assert "v2: 10 of 12 cases" in card
        assert "different cases" not in card
        [experiment] = document["experiments"]
        grown = [point for point in experiment["growth"] if point["arm"] == "kind"]
        assert grown[-1]["values"] > 0
        table = opened.page.locator("figure", has_text="tone: kind")
        table.locator("details.under > summary").click()
        table.locator("tbody tr").first.wait_for()
        last = table.locator("tbody tr").last.locator("td").all_inner_texts()
        assert last[-1] == str(grown[-1]["values"])

        see(opened, model="local/llama", by="model", measure="cost")
        assert heads(opened)["Cost"] == "–\n4 calls without a price"
        assert texts(opened, "#multiples .big") == ["–\n6 calls, 4 without a price"]
        small = opened.page.locator("#multiples figure")
        small.locator("details.under > summary").click()
        small.locator("tbody tr").first.wait_for()
        assert small.locator("th").all_inner_texts()[:4] == ["Time", "Cost", "Calls", "Unpriced calls"]
        rows = [row.locator("td").all_inner_texts() for row in small.locator("tbody tr").all()]
        assert {row[0] for row in rows} <= {"–", "$0"}
        assert sum(int(row[1]) for row in rows) == 6
        assert sum(int(row[2]) for row in rows) == 4
        assert opened.problems == []
