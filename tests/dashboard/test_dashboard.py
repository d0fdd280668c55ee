"""The document of a dashboard: every number as the log has it, marks where they belong, and nothing smoothed away."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from promptctl import DashboardRequest, Filter, Workspace, open_workspace
from promptctl.dashboard.facts import NUMBERS
from promptctl.dashboard.marks import marks
from promptctl.errors import BudgetReached
from promptctl.log.records import Entry
from promptctl.log.stamps import utc_text
from tests.cli.conftest import commit, git, write
from tests.json_schemas import fits
from tests.log.conftest import make

NOW = datetime.now(UTC)
PROMPT = "inputs: {ticket: {type: string}}\nmessages: [{role: user, content: '%s {{ ticket }}'}]\n"
HOSTILE = "<script>alert(1)</script>"


def ago(**span: float) -> str:
    return utc_text(NOW - timedelta(**span))


def call(**given: Any) -> Entry:
    return Entry(make(**{"prompt": "triage", "started_at": ago(hours=1), **given}), "full")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("desk")
    write(
        root,
        "promptctl.yaml",
        "model: echo/echo\nbudgets: [{name: all, prompts: ['*'], limit: {usd: 0.001}, per: total}]\n",
    )
    write(root, "prompts/triage.prompt.yaml", PROMPT % "plain")
    git(root, "init", "--quiet")
    commit(root, "plain")
    write(root, "prompts/triage.prompt.yaml", PROMPT % "kind")
    commit(root, "kind")
    with open_workspace(root, {}) as workspace:
        workspace.labels.set("triage@production", "v1")
        workspace.labels.set("triage@production", "v2", reason=HOSTILE)
        workspace.context.log.append(calls())
    return root


def calls() -> list[Entry]:
    failed = make(prompt="triage", status="error", error_type=HOSTILE, started_at=ago(hours=2), reply=HOSTILE)
    retried = make(prompt="triage", call_id=failed.id, attempt=2, started_at=ago(hours=2), cost_nano_usd=None)
    return [
        Entry(failed, "full"),
        Entry(retried, "full"),
        *(call(started_at=ago(days=day), user=HOSTILE, model="a/b", version=1) for day in range(1, 40)),
        call(reply_source="cache", cost_nano_usd=0, latency_ms=0.1),
        call(reply_source="recorded", cost_nano_usd=0, latency_ms=0.1),
        call(source="eval", started_at=ago(days=90)),
        Entry(make(prompt="triage", cost_nano_usd=5_000_000), "off"),
        call(prompt="gone", label=None, user=None, version=None, version_display="unversioned"),
    ]


@pytest.fixture(scope="module")
def workspace(root: Path) -> Iterator[Workspace]:
    with open_workspace(root, {}) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(workspace: Workspace) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(workspace.dashboard().as_dict()))
    return read


def summed(document: dict[str, Any], name: str) -> int:
    return sum(document["calls"][name])


def test_the_document_has_its_schema(document: dict[str, Any]) -> None:
    fits("dashboard", document)


def test_facts_add_up_to_the_totals_of_the_log(workspace: Workspace, document: dict[str, Any]) -> None:
    [row] = workspace.log.totals(Filter(source="app", until=utc_text(NOW + timedelta(1))), ())
    kept = {"calls", "attempts", "ok", "errors", "invalid_outputs", "blocked", "cancelled", "reused", "unpriced"}
    for name in kept | {"input_tokens", "output_tokens", "cached_tokens"}:
        assert summed(document, name) == getattr(row, name), name
    assert summed(document, "cost_nano_usd") == row.known_cost_nano_usd
    replies = [int(n, 36) for counts in document["calls"]["latency"]["counts"] for n in counts]
    assert sum(replies) == row.timed
    assert summed(document, "retries") == 1
    assert summed(document, "cache_hits") == 1
    facts = document["calls"]
    assert all(len(facts[name]) == facts["rows"] for name in (*NUMBERS, "time", "prompt", "version", "model"))


def test_each_bucket_of_time_has_its_calls(document: dict[str, Any]) -> None:
    time, facts = document["time"], document["calls"]
    assert time["step"] == "day"
    by_day: Counter[str] = Counter()
    for index, number in zip(facts["time"], facts["calls"], strict=True):
        by_day[time["starts"][index][:10]] += number
    assert by_day[ago(days=30)[:10]] == 1
    assert time["starts"][0][:10] == ago(days=39)[:10]


def test_what_is_left_out_is_said(document: dict[str, Any]) -> None:
    assert document["not_counted"] == {
        "evaluations": {"calls": 1, "cost_nano_usd": 27_000, "unpriced": 0},
        "without_row": {"calls": 1, "cost_nano_usd": 5_000_000, "unpriced": 0},
    }
    assert document["unpriced_models"] == [{"model": "openai/gpt-4o-mini", "replies": 1}]
    [unpriced] = [item for item in document["answers"]["wrong"]["items"] if item["kind"] == "unpriced"]
    assert unpriced["text"] == "No price is known of 1 reply of openai/gpt-4o-mini: true costs are higher."
    assert document["answers"]["cost"]["sentence"].endswith(" 1 reply more has no known price.")


def test_moves_of_labels_and_new_versions_are_marks(document: dict[str, Any]) -> None:
    marks = [(mark["kind"], mark["version_display"], mark["label"], mark["reason"]) for mark in document["marks"]]
    assert sorted(marks, key=str) == [
        ("label", "v1", "production", None),
        ("label", "v2", "production", HOSTILE),
        ("version", "v1", None, "plain"),
        ("version", "v2", None, "kind"),
    ]
    assert "2 label moves, 2 new versions" in document["answers"]["changed"]["sentence"]


def test_users_errors_and_names_are_told_as_they_are(document: dict[str, Any]) -> None:
    names = document["names"]
    assert names["user"] == [HOSTILE, "ada"]
    assert names["error"] == [HOSTILE]
    assert names["prompt"] == ["gone", "triage"]
    assert names["label"] == ["production", None]
    assert sum(document["users"]["calls"]) == summed(document, "calls") - 1  # one named nobody


def test_no_content_is_in_it_unless_it_is_asked_for(workspace: Workspace, document: dict[str, Any]) -> None:
    assert "charged twice" not in json.dumps(document)
    assert document["examples"] == []

    found = workspace.dashboard(DashboardRequest(with_content=True)).as_dict()

    [example] = found["examples"]
    assert example["input"] == "I was charged twice."
    assert (example["status"], example["error"], example["reply"]) == ("error", HOSTILE, HOSTILE)
    fits("dashboard", json.loads(json.dumps(found)))


def test_a_filter_is_that_of_the_whole_document(workspace: Workspace) -> None:
    found = workspace.dashboard(DashboardRequest(wanted=Filter(model="a/*", since="10d"))).as_dict()

    assert sum(found["calls"]["calls"]) == 9
    assert found["filter"]["model"] == "a/*"
    version = workspace.prompt("triage@production").version
    named = workspace.dashboard(DashboardRequest(wanted=Filter(prompt="triage", version="production"))).as_dict()
    assert (named["filter"]["version"], named["filter"]["digest"]) == (None, version.digest)
    assert found["time"]["step"] == "2 hours"
    assert all(mark["at"] >= found["time"]["starts"][0] for mark in found["marks"])


def test_budgets_have_their_accounts(document: dict[str, Any]) -> None:
    [budget] = document["budgets"]
    assert (budget["budget"], budget["limit"]) == ("all", 1_000_000)


def test_an_empty_log_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    with open_workspace(tmp_path, {}) as workspace:
        found = workspace.dashboard().as_dict()
        assert found["next"] == {"sentence": "There is no prompt yet.", "commands": ["promptctl new support/triage"]}
        write(tmp_path, "prompts/broken.prompt.yaml", "messages: 1\n")
        write(tmp_path, "prompts/triage.prompt.yaml", PROMPT % "plain")
        found = workspace.dashboard().as_dict()

    assert found["next"] == {
        "sentence": "No call yet of 2 prompts.", "commands": ["promptctl run triage -i 'ticket=…'"]
    }  # fmt: skip
    assert found["answers"]["wrong"]["state"] == found["answers"]["cost"]["state"] == "unknown"
    assert found["calls"]["rows"] == 0
    assert found["notes"] == ["label moves and versions are not marked: the workspace is not in a Git repository"]
    fits("dashboard", json.loads(json.dumps(found)))


def test_thirty_calls_are_shown_and_said_to_be_few(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    with open_workspace(tmp_path, {}) as workspace:
        workspace.context.log.append([call(started_at=ago(minutes=number)) for number in range(30)])
        found = workspace.dashboard().as_dict()

    assert found["time"]["step"] == "15 minutes"
    assert found["answers"]["wrong"]["state"] == "unknown"
    assert "Too few calls to tell" in found["answers"]["wrong"]["sentence"]
    assert found["answers"]["cost"]["state"] == "ok"


def test_a_bare_repository_has_a_dashboard(root: Path, tmp_path: Path) -> None:
    bare = tmp_path / "desk.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(root), str(bare))
    with open_workspace(bare, {}) as workspace:
        found = workspace.dashboard().as_dict()

    assert found["next"]["commands"] == ["promptctl run triage -i 'ticket=…'"]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of one call, which two people scored, and of another that a budget refused."""
    root = tmp_path_factory.mktemp("refusing")
    budget = "{name: few, prompts: ['*'], limit: {calls: 1}, per: total}"
    write(root, "promptctl.yaml", f"model: echo/echo\nlog: [{{prompts: '*', content: full}}]\nbudgets: [{budget}]\n")
    write(root, "prompts/triage.prompt.yaml", PROMPT % "plain")
    with open_workspace(root, {}) as workspace:
        answered = workspace.run("triage", {"ticket": "a"})
        with pytest.raises(BudgetReached):
            workspace.run("triage", {"ticket": "b"})
        workspace.feedback(answered.id, score=1, by="ada")
        workspace.feedback(answered.id, score=0.25, by="grace")
        workspace.feedback(answered.id, score=0.5, by="grace")
        workspace.feedback(answered.id, score=0, name="polite", by="ada")
        read: dict[str, Any] = json.loads(json.dumps(workspace.dashboard().as_dict()))
    return read


def test_a_refusal_of_a_budget_is_a_mark_and_is_told(refusing: dict[str, Any]) -> None:
    [mark] = refusing["marks"]
    assert (mark["kind"], mark["prompt"]) == ("budget", None)
    assert mark["text"] == "budget `few` lets no more through: 1 of 1 call spent"
    [changed] = refusing["answers"]["changed"]["items"]
    assert (changed["text"], changed["command"]) == (mark["text"], "promptctl budget history")
    assert refusing["answers"]["changed"]["sentence"] == "1 event of budgets so far."
    [wrong] = [item for item in refusing["answers"]["wrong"]["items"] if item["kind"] == "budget"]
    assert (wrong["level"], wrong["command"]) == ("alarm", "promptctl budget show few")
    assert wrong["text"].startswith("The budget few lets no calls through: ")
    [budget] = refusing["budgets"]
    assert (budget["budget"], budget["state"], budget["accounts"][0]["spent"]) == ("few", "blocked", 1)


def test_scores_are_those_that_count_by_name(refusing: dict[str, Any]) -> None:
    names, found = refusing["names"], refusing["feedback"]
    assert names["feedback"] == ["feedback", "polite"]
    by_name = {names["feedback"][name]: n for n, name in enumerate(found["name"])}
    assert found["rows"] == 2
    told = {name: (found["calls"][n], found["total"][n]) for name, n in by_name.items()}
    assert told == {"polite": (1, 0), "feedback": (1, 0.75)}  # the newest of each person, and their mean
    assert {names["prompt"][number] for number in found["prompt"]} == {"triage"}
    assert refusing["time"]["starts"][found["time"][0]] <= refusing["time"]["first_call_at"]
    fits("dashboard", refusing)


def test_what_labels_named_is_known_from_before_the_marks(workspace: Workspace) -> None:
    found = marks(workspace.context, {"triage"}, Filter(), "9000", "9001")

    assert found.marks == ()
    assert [version for _, version in found.named["triage", "production"]] == ["v1", "v2"]


def test_prompts_of_one_commit_are_marked_in_the_order_of_their_ids(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    for id_ in ("ask", "say"):
        write(tmp_path, f"prompts/{id_}.prompt.yaml", PROMPT % id_)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "both")
    with open_workspace(tmp_path, {}) as workspace:
        for prompts in (["ask", "say"], ["say", "ask"]):
            found = marks(workspace.context, prompts, Filter(), "0", "9")
            assert [each.prompt for each in found.marks] == ["ask", "say"]
