"""The one comment on a pull request: made once, then made anew, and nobody else's ever touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptctl.reports import comments
from promptctl.reports.review_markdown import MARKER
from tests.reviews.conftest import Cli, Ran
from tests.reviews.conftest import cli as cli
from tests.reviews.github_server import GitHub

HEAD = "1" * 40


def event(head: str = HEAD, source: str = "team/bot") -> dict[str, Any]:
    pull = {"number": 7, "head": {"sha": head, "repo": {"full_name": source}}, "base": {"ref": "main"}}
    return {"repository": {"full_name": "team/bot"}, "pull_request": pull}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with GitHub() as github:
        github.heads[7] = HEAD
        monkeypatch.setenv("GITHUB_TOKEN", github.token)
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        monkeypatch.setattr(comments, "_WAITS_S", (0.0, 0.0))
        yield github


@pytest.fixture
def comment(cli: Cli, tmp_path: Path) -> Any:
    """Write an event and a report, and run the command on them."""

    def run(body: str | bytes = "All is well", data: Any = None, name: str | None = None, *more: str) -> Ran:
        (tmp_path / "event.json").write_text(json.dumps(event() if data is None else data))
        said = body if isinstance(body, bytes) else body.encode()
        (tmp_path / "review.md").write_bytes(MARKER.encode() + b"\n" + said + b"\n")
        files = ("--event", str(tmp_path / "event.json"), "--report", str(tmp_path / "review.md"))
        return cli("review-comment", *files, *(("--name", name) if name is not None else ()), *more)

    return run


def test_the_first_run_creates_it_and_the_next_writes_it_anew(github: GitHub, comment: Any) -> None:
    github.say("Nice work", {"login": "ada", "type": "User"})
    assert comment("first").exit_code == 0
    assert comment("second").err.startswith("updated")
    assert [each["body"] for each in github.comments] == ["Nice work", f"{MARKER}\nsecond\n"]


def test_each_workspace_of_a_repository_has_a_comment_of_its_own(github: GitHub, comment: Any) -> None:
    for said in ("first", "second"):
        for name in (".", "apps/a", "apps/b/", "./", "x --> <b>"):
            assert comment(f"{said} of {name}", name=name).exit_code == 0
    bodies = [each["body"] for each in github.comments]
    assert [body.partition("\n")[0] for body in bodies] == [
        MARKER,
        "<!-- promptctl-review: apps/a -->",
        "<!-- promptctl-review: apps/b -->",
        "<!-- promptctl-review: x ___ _b_ -->",
    ]
    assert all("\nsecond of " in body for body in bodies)


def test_a_report_that_was_cut_within_a_character_is_written_all_the_same(github: GitHub, comment: Any) -> None:
    assert comment("cut ü".encode()[:-1]).exit_code == 0
    assert github.comments[0]["body"] == f"{MARKER}\ncut \ufffd\n"


def test_what_it_says_already_is_not_said_again(github: GitHub, comment: Any) -> None:
    comment("same")
    github.comments[0]["body"] = f"{MARKER}\r\nsame"  # as GitHub gives it back
    assert comment("same").err.startswith("unchanged")
    assert not any(method == "PATCH" for method, _ in github.requests)


def test_it_is_found_on_a_later_page(github: GitHub, comment: Any) -> None:
    for number in range(130):
        github.say(f"remark {number}")
    comment("first")
    comment("second")
    assert len(github.comments) == 131


def test_a_person_who_copies_the_marker_keeps_their_comment(github: GitHub, comment: Any) -> None:
    github.say(f"{MARKER}\nmine", {"login": "mallory", "type": "User"})
    assert comment("ours").err.startswith("created")
    assert github.comments[0]["body"] == f"{MARKER}\nmine"


def test_a_comment_of_another_bot_is_not_ours(github: GitHub, comment: Any) -> None:
    github.say(f"{MARKER}\nof a bot that repeats what a stranger wrote", {"login": "echo[bot]", "type": "Bot"})
    assert comment("ours").err.startswith("created")
    assert comment("again").err.startswith("updated")
    assert [each["body"].split()[-1] for each in github.comments] == ["wrote", "again"]


def test_an_app_is_known_by_the_name_it_is_given(github: GitHub, comment: Any) -> None:
    github.say(f"{MARKER}\nearlier", {"login": "prompts[bot]", "type": "Bot"})
    assert comment("ours", None, None, "--author", "prompts[bot]").err.startswith("updated")
    assert len(github.comments) == 1


def test_the_comment_of_the_tokens_own_user_is_found_too(github: GitHub, comment: Any) -> None:
    github.user = {"login": "release-robot", "type": "User"}
    comment("first")
    assert comment("second").err.startswith("updated")
    assert len(github.comments) == 1


def test_a_run_of_an_older_commit_leaves_the_newer_ones_comment(github: GitHub, comment: Any) -> None:
    comment("new")
    ran = comment("old", event(head="2" * 40))
    assert (ran.exit_code, github.comments[0]["body"]) == (0, f"{MARKER}\nnew\n")
    assert "moved on" in ran.err


def test_dependabots_run_may_not_comment_either(github: GitHub, comment: Any) -> None:
    github.is_read_only = True
    data = event()
    data["pull_request"]["user"] = {"login": "dependabot[bot]", "type": "Bot"}
    assert comment(data=data).exit_code == 0
    data["pull_request"]["user"] = {"login": "ada", "type": "User"}
    assert comment(data=data).exit_code == 3


def test_a_fork_that_may_not_comment_passes_and_says_so(github: GitHub, comment: Any) -> None:
    github.is_read_only = True
    ran = comment(data=event(source="stranger/bot"))
    assert ran.exit_code == 0
    assert "from a fork" in ran.err


def test_a_token_without_the_right_is_an_error_with_its_remedy(github: GitHub, comment: Any) -> None:
    github.is_read_only = True
    ran = comment()
    assert ran.exit_code == 3
    assert "pull-requests: write" in ran.err


def test_an_event_of_no_pull_request_asks_for_nothing(github: GitHub, comment: Any) -> None:
    ran = comment(data={"repository": {"full_name": "team/bot"}, "ref": "refs/heads/main"})
    assert (ran.exit_code, github.requests) == (0, [])


def test_a_failing_server_is_asked_again(github: GitHub, comment: Any) -> None:
    github.statuses = [502, 503]
    assert comment().exit_code == 0
    assert len(github.comments) == 1


def test_a_comment_is_not_posted_again_where_the_answer_was_lost(github: GitHub, comment: Any) -> None:
    github.is_lossy = True
    assert comment().exit_code == 3
    assert len(github.comments) == 1


def test_the_token_follows_no_redirect(github: GitHub, comment: Any) -> None:
    with GitHub() as elsewhere:
        github.redirect = elsewhere.url + "/repos/team/bot/pulls/7"
        assert comment().exit_code == 3
        assert elsewhere.requests == []


def test_the_token_is_not_sent_in_the_clear(comment: Any, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://bot:pass-word@github.example/api/v3")
    ran = comment()
    assert (ran.exit_code, github.requests) == (2, [])
    assert "https://" in ran.err
    assert "pass-word" not in ran.err


@pytest.mark.parametrize("data", [[], {}, {"repository": {"full_name": "../x"}, "pull_request": {"number": 1}}])
def test_what_is_no_event_is_refused(github: GitHub, comment: Any, data: Any) -> None:
    assert comment(data=data).exit_code == 2
    assert github.requests == []


def test_without_a_token_nothing_is_asked(github: GitHub, comment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    ran = comment()
    assert (ran.exit_code, github.requests) == (2, [])
    assert "GITHUB_TOKEN is not set" in ran.err
