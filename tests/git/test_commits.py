from __future__ import annotations

import pytest

from promptctl.git.commits import CommitInfo, parse_commit, read_commits
from promptctl.git.repository import Git
from tests.repositories import Repo

HEAD = b"tree 0000000000000000000000000000000000000000\n"


def test_a_commit_says_who_made_it_when_and_what_for(repo: Repo) -> None:
    repo.commit("Be kinder\n\nBecause it pays.")
    git = Git.open(repo.path)
    assert git is not None
    info = read_commits(git.objects, [repo.head, "0" * 40])[repo.head]
    assert (info.author, info.subject) == ("Ada Example <ada@example.org>", "Be kinder")
    assert info.date == repo.git("show", "-s", "--format=%aI").replace("Z", "+00:00")


def test_the_authors_zone_is_kept() -> None:
    data = HEAD + b"author A <a@example.org> 1700000000 -0330\ncommitter B <b@example.org> 1 +0000\n\nx\n"
    assert parse_commit("c", data).date == "2023-11-14T18:43:20-03:30"


def test_a_commit_in_another_encoding_is_read_in_it() -> None:
    data = HEAD + "author Zoë <z@example.org> 1 +0000\nencoding ISO-8859-1\n\nGrüße\n".encode("latin-1")
    info = parse_commit("c", data)
    assert (info.author, info.subject) == ("Zoë <z@example.org>", "Grüße")


def test_a_signature_is_no_header() -> None:
    data = HEAD + b"author A <a@example.org> 1 +0000\ngpgsig -----BEGIN-----\n author B <b@example.org> 2 +0000\n\nx\n"
    assert parse_commit("c", data).author == "A <a@example.org>"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", CommitInfo("c", "", "", "")),
        (HEAD + b"author A <a@example.org> soon +0000\n\n", CommitInfo("c", "A <a@example.org>", "", "")),
        (HEAD + b"author A <a@example.org> 99999999999999 +0000\n\nx", CommitInfo("c", "A <a@example.org>", "", "x")),
        (HEAD + b"encoding nonsense\n\n\n\n  late \xff\n", CommitInfo("c", "", "", "late \ufffd")),
    ],
)
def test_whatever_a_commit_holds_it_is_told_as_far_as_it_goes(data: bytes, expected: CommitInfo) -> None:
    assert parse_commit("c", data) == expected


@pytest.mark.parametrize("encoding", ["undefined", "idna", "a\0b", "hex"])
def test_an_encoding_that_reads_nothing_hides_no_commit(encoding: str) -> None:
    data = HEAD + f"author A <a@example.org> 1 +0000\nencoding {encoding}\n\nxn--\n".encode()
    assert parse_commit("c", data).author.startswith("A")


def test_of_a_message_or_an_author_without_an_end_the_beginning_is_read() -> None:
    data = (
        HEAD
        + b"author "
        + b"A" * 2_000_000
        + b" <a@example.org> 1 +0000\ncommitter B <b> "
        + b"9" * 5000
        + b" +0000\n\n"
    )
    info = parse_commit("c", data + b"x" * 2_000_000)
    assert len(info.author + info.subject) < 200_000
    assert info.committed_at == 0
