"""Commits that are made of what a stranger says: odd dates, names that a terminal would obey."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from promptctl.git.commit_stream import NewCommit, Person, make_commits
from promptctl.git.repository import Git
from tests.repositories import Repo


def test_an_offset_that_git_refuses_is_left_out(repo: Repo) -> None:
    repo.commit("Begin")
    git = Git.open(repo.path)
    assert git is not None
    zones = [timedelta(hours=23, minutes=59), -timedelta(hours=23), timedelta(hours=14)]
    dates = [datetime(2024, 1, 1, tzinfo=timezone(offset)) for offset in zones]
    made = make_commits(git, [NewCommit({"a.txt": b"%d" % at.hour}, at, "x") for at in dates], repo.head)
    shown = [repo.git("show", "-s", "--format=%ad", "--date=iso-strict", each) for each in made]
    assert [datetime.fromisoformat(each) for each in shown] == dates
    assert [datetime.fromisoformat(each).utcoffset() for each in shown] == [timedelta(0), timedelta(0), zones[2]]
    assert not list((repo.path / ".git").glob("fast_import_crash*"))


def test_a_name_holds_nothing_that_a_terminal_obeys(repo: Repo) -> None:
    repo.commit("Begin")
    git = Git.open(repo.path)
    assert git is not None
    author = Person("A\x9b31m\u202eda <x>\x00", "a\u202e@\x85example.org")
    date = datetime(2024, 1, 1, tzinfo=UTC)
    (made,) = make_commits(git, [NewCommit({"a.txt": b"x"}, date, "x", author)], repo.head)
    assert repo.git("show", "-s", "--format=%an <%ae>", made) == "A 31m da  x <a@example.org>"
