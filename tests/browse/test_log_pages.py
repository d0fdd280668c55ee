"""Pages about what ran: calls, evaluations, datasets, spending."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import typer

from promptctl import Retention
from promptctl.browse import evaluations, executions
from promptctl.browse.prompts import _own_first
from promptctl.browse.site import ROUTES, Site
from promptctl.cli.main import app
from promptctl.log.records import Entry
from promptctl.log.sqlite import queries
from promptctl.workspace import open_workspace
from tests.browse.logged_workspace import make_workspace
from tests.log.conftest import make

Ids = dict[str, str]


class Reader:
    """Reads the pages of one workspace, without a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids = make_workspace(folder)
        self.site = Site(lambda warn: open_workspace(folder, {}, on_warning=warn, refresh_s=0), "promptctl")

    def read(self, page: str, **query: str) -> Page:
        reply = self.site.reply(page, urlencode(query))
        return Page(reply.status, b"".join(reply.pieces).decode())


class Page:
    """What a page says."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text

    @property
    def words(self) -> str:
        """All that is read, with one space between words."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.text)).split())

    @property
    def tags(self) -> set[str]:
        """The names of all elements."""
        return {name for name, _ in self._elements()}

    @property
    def attributes(self) -> set[str]:
        """The names of all attributes."""
        return {name for _, names in self._elements() for name in names}

    def _elements(self) -> list[tuple[str, list[str]]]:
        found: list[tuple[str, list[str]]] = []

        class Elements(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                found.append((tag, [name for name, _ in attrs]))

        Elements().feed(self.text)
        return found

    @property
    def commands(self) -> list[str]:
        """The commands to copy."""
        return [html.unescape(each) for each in re.findall(r'class="command"><code>(.*?)</code>', self.text)]

    def links(self, page: str) -> list[dict[str, str]]:
        """What the links to a page ask of it, in their order."""
        found = re.findall(rf'href="{page}\?([^"]*)"', self.text)
        return [{name: value[0] for name, value in parse_qs(html.unescape(each)).items()} for each in found]

    def link(self, words: str) -> dict[str, str]:
        """What the link with these words asks."""
        found = re.search(rf'href="[^"?]*\?([^"]*)"[^>]*>{re.escape(words)}</a>', self.text)
        assert found, f"no link says {words}"
        return {name: value[0] for name, value in parse_qs(html.unescape(found[1])).items()}

    @property
    def calls(self) -> list[str]:
        """The ids of the calls in the table, in its order."""
        return [each["id"] for each in self.links("execution")]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    made = Reader(tmp_path_factory.mktemp("logged"))
    yield made
    made.site.close()


@pytest.fixture(scope="module")
def all_pages(reader: Reader) -> dict[str, Page]:
    ids = reader.ids
    asked: list[tuple[str, dict[str, str]]] = [
        *((name, {}) for name in ("executions", "evaluations", "datasets", "costs", "budgets", "rules", "experiments")),
        ("feedback", {}),
        *(("execution", {"id": ids[name]}) for name in ("nasty", "bad", "good", "quiet", "refused", "unpriced")),
        ("execution", {"id": ids["graded"]}),
        ("blame", {"of": ids["nasty"]}),
        ("blame", {"of": "support/triage@v1"}),
        ("evaluation", {"id": ids["head"]}),
        ("evaluation", {"id": ids["head"], "against": ids["base"], "show": "failed"}),
        ("case", {"evaluation": ids["head"], "case": "case-1"}),
        ("dataset", {"path": "datasets/support/triage.yaml"}),
        ("dataset", {"path": "datasets/broken.yaml"}),
        ("costs", {"by": "version", "since": "all"}),
        ("budget", {"name": "people"}),
        ("experiment", {"name": "tone"}),
        ("executions", {"words": "charged", "source": "all"}),
    ]
    return {f"{page}?{urlencode(query)}": reader.read(page, **query) for page, query in asked}


def test_every_page_is_there_and_shows_hostile_text_as_text(all_pages: dict[str, Page]) -> None:
    own = {"executions", "execution", "blame", "evaluations", "evaluation", "case", "datasets", "dataset", "costs"}
    own |= {"budgets", "budget", "rules", "experiments", "experiment", "feedback"}
    assert own <= ROUTES.keys()
    assert {address.partition("?")[0] for address in all_pages} == own
    for address, page in all_pages.items():
        assert page.status == 200, address
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page.text), address
        assert page.tags.isdisjoint({"img", "i", "style", "iframe"}), address
        assert not [name for name in page.attributes if name.startswith("on") or name == "style"], address
        assert page.text.count("<script") == 1, address
    nasty = all_pages[next(address for address in all_pages if address.startswith("execution?"))]
    assert "mallory⟨U+202E⟩gnp.exe" in nasty.words


def _parse(command: Any, words: list[str]) -> None:
    """Parse a command line as far as its options; nothing is run."""
    while hasattr(command, "get_command") and (below := command.get_command(None, words[0])) is not None:
        command, words = below, words[1:]
        if not words:
            return
    assert not hasattr(command, "get_command") or words[0].startswith("-"), f"there is no command {words[0]}"
    command.make_context("promptctl", words)


def test_every_command_to_copy_is_one(all_pages: dict[str, Page], reader: Reader) -> None:
    program: Any = typer.main.get_command(app)
    searched = reader.read("executions", words="--output=x", user="\\'; touch it; #")
    commands = {command for page in (*all_pages.values(), searched) for command in page.commands}
    assert "promptctl log search --user \\\\''\"'\"'; touch it; #' -- --output=x" in commands
    assert len(commands) > 30
    for command in sorted(commands):
        first, *words = shlex.split(command)
        assert first == "promptctl"
        _parse(program, words)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "unpriced refused quiet good bad nasty"),
        ({"source": "all"}, "graded unpriced refused quiet good bad nasty"),
        ({"source": "eval"}, "graded"),
        ({"source": "api"}, "quiet"),
        ({"prompt": "quiet"}, "quiet"),
        ({"prompt": "support/*", "version": "v1"}, "refused good bad"),
        ({"prompt": "support/triage", "version": "v2"}, "unpriced nasty"),
        ({"label": "production", "status": "ok"}, "unpriced good nasty"),
        ({"model": "local/*"}, "unpriced"),
        ({"user": "bo"}, "unpriced"),
        ({"session": '"><img src=x onerror=alert(1)>'}, "nasty"),
        ({"status": "invalid_output"}, "bad"),
        ({"status": "blocked", "error": "BudgetReached"}, "refused"),
        ({"since": "2026-05-03T10:02", "until": "2026-05-03T10:04"}, "good bad"),
        ({"feedback": "helpful<0.5"}, "nasty"),
        ({"experiment": "tone", "arm": "kind"}, "nasty"),
        ({"words": "triage alert"}, "nasty"),
        ({"words": "charged", "status": "ok", "source": "all"}, "graded unpriced good"),
    ],
)
def test_calls_are_filtered_and_searched(reader: Reader, query: dict[str, str], found: str) -> None:
    page = reader.read("executions", **query)
    assert page.calls == [reader.ids[name] for name in found.split()]
    assert page.text.count('aria-label="Without ') == len(query)


def test_the_number_of_calls_is_said(reader: Reader) -> None:
    assert "6 attempts, newest first" in reader.read("executions").words
    assert "1 attempt matches, newest first" in reader.read("executions", model="local/*").words


def test_calls_are_read_a_page_at_a_time(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "ROWS", 4)
    first = reader.read("executions", label="production")
    assert len(first.calls) == 4
    query = first.link("Older")
    second = reader.read("executions", **query)
    assert [*first.calls, *second.calls] == [
        reader.ids[name] for name in ["unpriced", "refused", "good", "bad", "nasty"]
    ]
    assert "5 attempts match" in second.words
    assert second.link("Newest") == {"label": "production"}
    assert "Older" not in second.words


@pytest.mark.parametrize("page", ["executions", "evaluations", "feedback"])
def test_a_page_that_went_on_from_what_is_gone_leads_to_the_newest(reader: Reader, page: str) -> None:
    found = reader.read(page, before="garbage")
    assert "is not in the log any more" in found.words
    assert f'<a href="{page}">Newest</a>' in found.text


def test_a_page_that_looked_long_enough_says_so_and_offers_more(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "STEPS", 0)
    monkeypatch.setattr(queries, "_HEED_EVERY", 10)
    monkeypatch.setattr(queries, "_PATIENCE", 100_000)
    page = reader.read("executions", model="local/llama")
    assert "older ones were not looked at" in page.words
    monkeypatch.setattr(queries, "STEPS", 1)
    assert reader.read("executions", **page.link("Look at more of them")).calls == [reader.ids["unpriced"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"prompt": "suport/triage"}, "did you mean `support/triage`?"),
        ({"status": "okay"}, "`okay` is no status"),
        ({"source": "cli"}, "`cli` is no source"),
        ({"version": "7"}, "did you mean `v7`?"),
        ({"feedback": "helpful<2"}, "helpful<2"),
        ({"label": "prodution"}, "no prompt has a label `prodution`"),
        ({"since": "yesterdax"}, "yesterdax"),
        ({"words": "§"}, "no word to search for"),
        ({"since": "2026-05-04", "until": "2026-05-03"}, "is not before"),
    ],
)
def test_a_wrong_filter_is_said_above_the_form_as_it_was_filled_in(
    reader: Reader, query: dict[str, str], words: str
) -> None:
    page = reader.read("executions", **query)
    assert page.status == 400
    assert words in page.words
    for name, value in query.items():
        if name not in ("status", "source"):
            assert (
                f'name="{name}" type="{"search" if name == "words" else "text"}" value="{html.escape(value)}"'
                in page.text
            )


def test_one_call_has_all_that_was_sent_and_answered(all_pages: dict[str, Page], reader: Reader) -> None:
    def of(name: str) -> Page:
        return all_pages[f"execution?id={reader.ids[name]}"]

    nasty = of("nasty")
    assert '  "n": 1.10' in html.unescape(nasty.text)
    for words in (
        "a secret was hidden before the call was stored; the value of a sensitive input was masked",
        "temperature 0",
        "lookup",
        "helpful 0.25",
        "No <script>alert(1)</script>",
        "tone , arm kind",
        "price: bundled",
        "420 ms",
    ):
        assert words in nasty.words, words
    assert "2 of 2" in of("good").words
    assert "corrected: was $0.000027" in of("good").words
    assert of("bad").link("2") == {"id": reader.ids["good"]}
    assert "InvalidOutput: $.label: `x` is none of billing, bug" in of("bad").words
    assert "its log rule keeps no contents" in of("quiet").words
    assert "promptctl log rules set quiet content=full" in of("quiet").commands
    assert "nothing was paid" in of("refused").words
    assert "unpriced" in of("unpriced").words
    assert {"evaluation": reader.ids["head"], "case": "case-1"} in of("graded").links("case")


def test_a_call_of_a_prompt_that_no_file_has_leads_to_no_page_of_it(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    own = make(prompt="authoring/cases", version=None, version_display="built-in", commit=None)
    with closing(reader.site), open_workspace(tmp_path, {}) as workspace:
        workspace.context.log.append([Entry(own, "full")])
        page = reader.read("execution", id=own.id)
        assert (page.status, page.links("prompt"), page.links("blame")) == (200, [], [])
        assert "built-in" in page.words
        kept = reader.read("execution", id=reader.ids["good"])
        assert {reader.read("prompt", **each).status for each in kept.links("prompt")} == {200}
        assert kept.links("blame")


def test_pruned_contents_are_said_to_be(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    with closing(reader.site), open_workspace(tmp_path, {}) as workspace:
        workspace.log.prune(Retention(content_before="2026-06-01"))
        page = reader.read("execution", id=reader.ids["nasty"])
        assert "Its contents were pruned: numbers alone are left." in page.words
        assert "pruned" in reader.read("executions").words


@pytest.mark.parametrize(
    ("page", "query", "words"),
    [
        ("execution", {"id": "0000-nothing"}, "no execution `0000-nothing` in the log"),
        ("execution", {}, "the address lacks `id`"),
        ("evaluation", {"id": "0000-nothing"}, "no evaluation `0000-nothing` in the log"),
        ("case", {"evaluation": "head", "case": "nothing"}, "has no case `nothing`"),
        ("dataset", {"path": "datasets/nothing.yaml"}, "nothing.yaml"),
        ("budget", {"name": "dayly"}, "did you mean `daily`?"),
        ("experiment", {"name": "tune"}, "did you mean `tone`?"),
        ("costs", {"by": "colour"}, "costs are not added up by `colour`"),
        ("rules", {"rule": "quit"}, "did you mean `quiet`?"),
        ("rules", {"first": "-1"}, "not `-1`"),
        ("blame", {"of": "support/triage@v9"}, "v9"),
    ],
)
def test_what_is_not_there_is_said(reader: Reader, page: str, query: dict[str, str], words: str) -> None:
    found = reader.read(page, **{name: reader.ids.get(value, value) for name, value in query.items()})
    assert found.status in (400, 404)
    assert words in found.words


def test_evaluations_are_listed_and_one_has_its_cases(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = reader.ids
    listed = reader.read("evaluations")
    assert [each["id"] for each in listed.links("evaluation")] == [ids["head"], ids["base"]]
    assert "10 of 12" in listed.words
    assert ("failed" in listed.words, "interrupted" in listed.words) == (True, False)
    assert reader.read("evaluations", prompt="quiet").links("evaluation") == []

    def cases(**query: str) -> list[str]:
        return [each["case"] for each in reader.read("evaluation", id=ids["head"], **query).links("case")]

    assert len(cases()) == 12
    assert cases(show="failed") == ["case-1"]
    assert cases(show="error") == ["case-2"]
    assert len(cases(show="passed")) == 10
    monkeypatch.setattr(evaluations, "ROWS", 8)
    page = reader.read("evaluation", id=ids["head"])
    assert [each["case"] for each in page.links("case")][-1] == "case-7"
    assert cases(first=page.link("Next")["first"])[0] == "case-8"
    assert "Next" not in reader.read("evaluation", **page.link("Next")).words
    asked = {"id": ids["head"], "show": "passed", "against": ids["base"]}
    assert reader.read("evaluation", **asked).link("Next").items() > asked.items()
    assert reader.read("evaluation", id=ids["head"], show="odd").status == 400
    first = reader.read("evaluations", dataset="datasets/support/triage.yaml")
    monkeypatch.setattr(evaluations, "ROWS", 1)
    older = reader.read("evaluations", **reader.read("evaluations").link("Older"))
    assert [each["id"] for each in older.links("evaluation")] == [ids["base"]]
    assert len(first.links("evaluation")) == 2


def test_a_prompt_has_its_calls_without_those_of_evaluations(reader: Reader) -> None:
    page = reader.read("prompt", ref="support/triage")
    assert "4 calls, 1 of them failed." in page.words
    assert "without those of evaluations" in page.words


def test_a_version_has_its_own_calls(reader: Reader) -> None:
    page = reader.read("prompt", ref="support/triage@v1")
    assert "2 calls of this version, 1 of them failed." in page.words
    assert "All calls of this version" in page.words


def test_the_result_of_a_prompts_own_model_is_first_and_none_hides_another() -> None:
    rows: Any = [SimpleNamespace(model=f"openai/{name}") for name in "abcdefg"]
    assert [each and each.model[-1] for each in _own_first(rows, "openai/c")] == list("cabde")
    assert list(_own_first([], "openai/c")) == [None]


def test_an_evaluation_beside_another_says_what_moved(all_pages: dict[str, Page], reader: Reader) -> None:
    page = reader.read("evaluation", id=reader.ids["head"], against=reader.ids["base"])
    assert "case-1 regressed passed failed" in page.words
    assert "case-3 improved failed passed" in page.words
    assert f"promptctl compare {reader.ids['base']} {reader.ids['head']}" in page.commands


def test_a_case_has_input_expectation_reply_and_reason(all_pages: dict[str, Page], reader: Reader) -> None:
    page = all_pages[f"case?evaluation={reader.ids['head']}&case=case-1"]
    for words in ("<script>alert(1)</script> 1", '"label": "billing"', "got <script>alert(1)</script>", "equals"):
        assert words in page.words
    assert page.links("execution") == [{"id": reader.ids["graded"]}]


def test_datasets_have_their_last_results(all_pages: dict[str, Page], reader: Reader) -> None:
    listed = reader.read("datasets")
    assert listed.links("dataset") == [{"path": "datasets/broken.yaml"}, {"path": "datasets/support/triage.yaml"}]
    assert reader.read("datasets", search="TRIAGE").links("dataset") == [{"path": "datasets/support/triage.yaml"}]
    page = all_pages[f"dataset?{urlencode({'path': 'datasets/support/triage.yaml'})}"]
    assert [each["id"] for each in page.links("evaluation")] == [reader.ids["head"]]
    for words in ("12 cases", "held out", "Hand-checked tickets", "echo/echo"):
        assert words in page.words
    broken = all_pages[f"dataset?{urlencode({'path': 'datasets/broken.yaml'})}"]
    assert "did you mean `cases`?" in broken.words


def test_costs_are_added_up(reader: Reader) -> None:
    page = reader.read("costs", since="all")
    assert "5 calls of all time" in page.words
    assert "1 attempt unpriced" in page.words
    by_model = reader.read("costs", since="all", by="model")
    assert {"model": "local/llama"} in by_model.links("executions")
    by_version = reader.read("costs", since="all", by="version")
    assert {"prompt": "support/triage", "version": "v2"} in by_version.links("executions")
    assert "promptctl cost --by prompt,version" in by_version.commands
    assert reader.read("costs", since="2027-01-01").status == 200


def test_log_rules_say_what_is_kept_and_how_to_change_it(reader: Reader) -> None:
    page = reader.read("rules", kept="metadata")
    assert "quiet numbers quiet promptctl.yaml:4" in page.words
    assert "promptctl log rules set quiet content=full" in page.commands
    assert "support/triage" not in page.words.partition("Log rules")[2].partition("To keep")[0]


def test_budgets_have_bars_and_history(reader: Reader) -> None:
    listed = reader.read("budgets")
    assert {"name": "daily"} in listed.links("budget")
    one = reader.read("budget", name="people")
    assert "4 calls in total for each user" in one.words
    refused = one.links("executions")[0]
    assert reader.read("executions", **{**refused, "since": "2026-01-01"}).calls == [reader.ids["refused"]]


def test_a_budget_of_each_call_adds_nothing_up(tmp_path: Path) -> None:
    rules = "budgets:\n  - {name: one, per: call, limit: {calls: 1}}\n  - {name: day, per: day, limit: {usd: 2}}\n"
    (tmp_path / "promptctl.yaml").write_text(f"model: echo/echo\n{rules}")
    site = Site(lambda warn: open_workspace(tmp_path, {}, on_warning=warn), "promptctl")
    listed, one, day = (
        Page(200, b"".join(site.reply(page, query).pieces).decode())
        for page, query in (("budgets", ""), ("budget", "name=one"), ("budget", "name=day"))
    )
    assert "1 call for one call then block promptctl.yaml:3:6" in listed.words
    assert "Limit 1 call for one call At the limit it refuses requests that would exceed it Covers" in one.words
    for absent in ("Window", "in this window", "cost nobody knows"):
        assert absent not in one.words
    assert one.links("executions")[0] == {"status": "blocked", "error": "BudgetReached"}
    assert "it refuses calls until the window ends; requests whose cost nobody knows are refused" in day.words


def test_an_experiment_has_its_report(all_pages: dict[str, Page]) -> None:
    page = all_pages["experiment?name=tone"]
    assert "A kinder tone is liked" in page.words
    assert {"experiment": "tone", "arm": "kind"} in page.links("executions")


def test_feedback_is_listed_with_its_words(reader: Reader) -> None:
    page = reader.read("feedback")
    assert page.calls == [reader.ids["nasty"]]
    assert "No <script>alert(1)</script>" in page.words
    assert reader.read("feedback", feedback="helpful>0.5").calls == []


def test_blame_says_who_made_each_line(reader: Reader) -> None:
    page = reader.read("blame", of=reader.ids["nasty"])
    assert "Ask kindly" in page.words
    assert "Ada" in page.words


def test_a_workspace_without_calls_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    site = Site(lambda warn: open_workspace(tmp_path, {}, on_warning=warn), "promptctl")

    def words(page: str) -> str:
        reply = site.reply(page, "")
        assert reply.status == 200
        return Page(reply.status, b"".join(reply.pieces).decode()).words

    told: dict[str, Any] = {
        "executions": "No call was made yet",
        "evaluations": "promptctl eval --all",
        "datasets": "There is no dataset yet",
        "costs": "No call was made yet",
        "budgets": "There is no budget yet",
        "experiments": "There is no experiment yet",
        "rules": "promptctl init",
        "feedback": "Nobody gave feedback yet",
    }
    for page, said in told.items():
        assert said in words(page), page
