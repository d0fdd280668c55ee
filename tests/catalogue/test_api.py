"""What the commands of versions and labels do, from Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import promptctl
from promptctl.catalogue.listing import PromptFilter
from promptctl.errors import LabelRefused, PromptNotFound, RevisionNotFound, UsageError
from tests.cli.conftest import commit, git, write
from tests.cli.support import PATH, SETTINGS, support_workspace  # noqa: F401

NAME = "support/triage@production"


@pytest.fixture(name="opened")
def opened_workspace(support: Path) -> Iterator[promptctl.Workspace]:
    warnings: list[str] = []
    with promptctl.open_workspace(support, on_warning=warnings.append) as workspace:
        yield workspace
    assert warnings == []


def test_labels_move_and_tell_their_history(opened: promptctl.Workspace) -> None:
    labels = opened.labels
    assert labels.set(NAME, "v1", reason="first").is_moved
    assert labels.set(NAME, "v3").event.version == "v3"
    assert not labels.set(NAME, "v3").is_moved
    assert labels.rollback(NAME).event.version == "v1"
    assert [event.action for event in labels.log(NAME).events] == ["set", "set", "rollback"]
    assert labels.at(NAME, datetime.now(UTC)).is_live
    assert labels.at(NAME, datetime(2001, 1, 1, tzinfo=UTC)).event is None
    assert labels.verify() == []
    labels.remove(NAME)
    assert not labels.all().states["support/triage", "production"].is_live


def test_a_move_is_seen_by_a_workspace_that_is_open_already(opened: promptctl.Workspace, support: Path) -> None:
    opened.labels.set(NAME, "v1")
    assert opened.prompt(NAME).version.number == 1
    with promptctl.open_workspace(support) as other:
        other.labels.set(NAME, "v2")
    found = opened.prompt(NAME)
    assert (found.version.number, found.version.label) == (2, "production")
    assert opened.run(NAME, {"ticket": "x"}, model="echo/echo", log="metadata").label == "production"


def test_prompts_pages_histories_and_differences_are_plain_records(opened: promptctl.Workspace) -> None:
    opened.labels.set(NAME, "v2")
    (found,) = opened.prompts(PromptFilter(label="production"))
    assert (found.id, found.provider, [state.version for state in found.labels]) == ("support/triage", "echo", ["v2"])
    page = opened.page(NAME)
    assert page.made is not None
    assert (page.made.subject, page.datasets, page.totals) == ("Be honest", ("datasets/triage.yaml",), None)
    rows = opened.history("support/triage")
    assert [(row.number, row.labels) for row in rows] == [(3, ()), (2, ("production",)), (1, ())]
    difference = opened.diff("support/triage@v1", "@v3")
    assert [each.name for each in difference.diff.breaks_callers] == ["urgent"]


def test_a_copy_can_be_run_at_once(opened: promptctl.Workspace, support: Path) -> None:
    copied = opened.copy("chat@v1", "talk")
    assert copied.path == "prompts/talk.prompt.yaml"
    assert (support / copied.path).is_file()
    assert opened.prompt("talk").prompt.digest == copied.source.prompt.digest


def test_errors_are_of_the_one_tree(opened: promptctl.Workspace, support: Path) -> None:
    with pytest.raises(UsageError, match="names no label"):
        opened.labels.set("support/triage", "v1")
    with pytest.raises(PromptNotFound):
        opened.labels.set("nope@production", "v1")
    with pytest.raises(RevisionNotFound):
        opened.labels.log(NAME)
    write(support, "promptctl.yaml", SETTINGS + "labels: {production: {reason: required}}\n")
    commit(support, "Ask for a reason")
    with pytest.raises(LabelRefused, match="needs a reason"):
        opened.labels.set(NAME, "v1")


def test_former_ids_come_from_renames_and_from_what_the_file_says(opened: promptctl.Workspace, support: Path) -> None:
    from promptctl.versions.former_ids import all_former_ids, former_ids, renames

    git(support, "mv", "prompts/chat.prompt.yaml", "prompts/talk.prompt.yaml")
    commit(support, "Rename chat")
    path = write(
        support, "prompts/support/sorting.prompt.yaml", "formerly: [support/triage]\n" + (support / PATH).read_text()
    )
    git(support, "rm", "--quiet", PATH)
    assert path.is_file()
    former = all_former_ids(opened.context.repository.now())
    assert former == {"support/sorting": ("support/triage",), "talk": ("chat",)}
    assert former_ids(opened.context.repository.now(), "talk") == ("chat",)
    assert renames(former) == {"support/triage": "support/sorting", "chat": "talk"}
    write(support, "prompts/chat.prompt.yaml", "messages: [{role: user, content: new}]\n")
    assert former_ids(opened.context.repository.now(), "talk") == ()
