"""`promptctl dashboard`: the three answers on the terminal, the document, the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptctl.context import Context
from promptctl.log.records import Entry
from promptctl.log.stamps import utc_now
from tests.cli.conftest import Cli
from tests.cli.test_json_contract import fits
from tests.log.conftest import make


@pytest.fixture
def inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace)
    return workspace


@pytest.fixture
def desk(inside: Path) -> Path:
    log = Context(inside, {}, lambda _: None).log
    log.append([Entry(make(cost_nano_usd=2_000_000_000, started_at=utc_now(), model="a/x"), "full") for _ in range(3)])
    log.close()
    return inside


@pytest.mark.usefixtures("desk")
def test_the_three_questions_are_answered_on_the_terminal(cli: Cli) -> None:
    ran = cli("dashboard")

    assert ran.exit_code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "Is anything wrong?"
    assert "Too few calls to tell" in lines[1]
    assert "What changed?" in lines
    assert lines[lines.index("What does it cost?") + 1].startswith("$6.00 so far for 3 calls")
    assert "charged twice" not in ran.out + ran.err


@pytest.mark.usefixtures("desk")
def test_the_document_is_printed_and_only_of_the_calls_that_are_meant(cli: Cli) -> None:
    ran = cli("dashboard", "--json", "--model", "a/*", "--since", "1d")

    document = json.loads(ran.out)
    fits("dashboard", document)
    assert sum(document["calls"]["calls"]) == 3
    assert json.loads(cli("dashboard", "--json", "--user", "nobody").out)["calls"]["rows"] == 0


@pytest.mark.usefixtures("desk")
def test_it_is_written_as_a_page_or_into_a_folder(cli: Cli) -> None:
    assert "written  page.html" in cli("dashboard", "-o", "page.html").err
    assert "written  public/index.html" in cli("dashboard", "-o", "public").err
    assert 'class="dashboard"' in Path("public/index.html").read_text()
    refused = cli("dashboard", "-o", "page.pdf")
    assert (refused.exit_code, "written as .html" in refused.err) == (2, True)


@pytest.mark.usefixtures("inside")
def test_without_a_call_it_says_what_to_do(cli: Cli) -> None:
    ran = cli("dashboard")

    assert ran.exit_code == 0
    assert not ran.out
    assert "No call yet" in ran.err
    assert "promptctl run" in ran.err


@pytest.mark.usefixtures("desk")
def test_a_prompt_that_is_nowhere_is_told_with_the_one_meant(cli: Cli) -> None:
    ran = cli("dashboard", "--prompt", "support/triag")

    assert ran.exit_code == 3
    assert "support/triage" in ran.err
