"""Which tags count: those that the labels' remote is known to have or that were made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import GitError
from promptctl.labels.chains import recorded_otherwise
from promptctl.labels.times import moves_between
from promptctl.labels.trust import known
from tests.desks import PROMPT, Desk, hand_tag
from tests.labels.test_labels import NAME, TAG, message
from tests.repositories import Repo

HOSTILE_PATHS = [
    "../prompts/support/triage.prompt.yaml",
    "/prompts/support/triage.prompt.yaml",
    "prompts/../../etc/x.prompt.yaml",
    "prompts//x.prompt.yaml",
    "prompts/./x.prompt.yaml",
    "etc/passwd",
    "prompts/a\rb.prompt.yaml",
    "prompts/a\vb.prompt.yaml",
    "prompts/\N{RIGHT-TO-LEFT OVERRIDE}x.prompt.yaml",
    "prompts/" + "x" * 30_000 + ".prompt.yaml",
    "prompts/" + "x/" * 600 + "x.prompt.yaml",
    "prompts/\N{REPLACEMENT CHARACTER}.prompt.yaml",
    "..",
    "prompts/support/triage.prompt.yaml/",
]


def following(desk: Desk, **changes: str | None) -> str:
    """The message of a tag made by hand that follows the first one."""
    return message(Previous=desk.tags()[f"{TAG}/1"], **changes)


def test_a_tag_that_another_fetch_brought_is_no_label(ada: Desk, ben: Desk, remote: Repo, tmp_path: Path) -> None:
    ada.set("v1")
    fork = Repo(tmp_path / "fork.git")
    remote.git("clone", "--quiet", "--bare", str(remote.path), str(fork.path))
    forged = hand_tag(fork, f"{NAME}/2", fork.head, message(Previous=ada.tags()[f"{TAG}/1"]))
    hand_tag(fork, "prompt/support/triage@canary/1", fork.head, message(Label="canary"))
    ben.labels.fetch()
    ben.repo.git("fetch", "--quiet", str(fork.path), "refs/tags/*:refs/tags/*")
    assert ben.tags()[f"{TAG}/2"] == forged
    assert (ben.live(), ben.live("canary")) == ("v1", None)
    assert list(ben.listing().states) == [(PROMPT, "production")]
    assert recorded_otherwise(ben.git, ben.trust, PROMPT, 1, "1:" + "1" * 64) is not None
    assert len(moves_between(ben.git, ben.trust, ben.repo.git("rev-parse", "v1"), None)) == 1
    found = ben.labels.verify().problems
    assert [(each.code, each.severity) for each in found] == [("label-stray", "warning")] * 2
    assert not any("push" in (each.hint or "") for each in found)
    # It stands in nobody's way either, and is published by no push.
    assert ben.set("v2").event.n == 2
    assert ben.live() == "v2"
    assert ada.labels.fetch().added == (f"{TAG}/2",)
    words = [each.message for each in ben.labels.verify().problems]
    assert [f"{NAME}/2 is {forged[:12]} here: " in each for each in words] == [False, True], "a different one counts"
    ben.repo.git("tag", "-d", f"{NAME}/2", "prompt/support/triage@canary/1")
    ben.labels.fetch()
    assert ben.labels.verify().problems == []
    assert ben.tags()[f"{TAG}/2"] != forged


def test_labels_of_an_earlier_version_count_after_the_first_fetch(ada: Desk) -> None:
    ada.set("v1")
    ada.repo.git("update-ref", "-d", known(f"{TAG}/1", "origin"))
    assert ada.live() is None
    assert ada.labels.fetch().added == (f"{TAG}/1",), "it counts from now on"
    assert (ada.live(), ada.labels.fetch().added) == ("v1", ())


def test_moves_made_here_count_until_they_are_pushed_and_after(ada: Desk, ben: Desk) -> None:
    ada.remote = None
    ada.set("v1")
    ada.remote = "origin"
    assert ada.live() == "v1"
    from promptctl.labels.push import push_labels

    push_labels(ada.git, "origin")
    assert ada.live() == "v1"
    assert known(f"{TAG}/1", "origin") in ada.tags()
    ben.labels.fetch()
    assert ben.live() == "v1"


def test_what_a_remote_had_stays_known_whatever_becomes_of_it(ada: Desk, remote: Repo) -> None:
    ada.set("v1")
    ada.set("v2")
    remote.git("update-ref", "-d", f"{TAG}/2")
    ada.repo.git("tag", "-d", f"{NAME}/2")
    ada.labels.fetch()
    assert ada.live() == "v2"


def test_a_remote_is_no_other_whose_name_begins_alike() -> None:
    assert known("refs/tags/prompt/b/x@l/1", "a") != known("refs/tags/prompt/x@l/1", "a/b")
    assert known("refs/tags/prompt/x@l/1", "a/b") != known("refs/tags/prompt/x@l/1", "a%2Fb")


def test_odd_tags_of_a_remote_keep_no_other_from_coming(ada: Desk, ben: Desk, remote: Repo) -> None:
    ada.set("v1")
    for name in ("prompt/x", f"{NAME}/2/3", "prompt/a b".replace(" ", "~x").replace("~", "-"), "prompt/" + "y" * 230):
        remote.git("update-ref", f"refs/tags/{name}", remote.head)
    ben.labels.fetch()
    assert ben.live() == "v1"
    assert {each.code for each in ben.labels.verify().problems} == {"label-name"}
    remote.git("update-ref", "-d", f"refs/tags/{NAME}/2/3")
    assert ben.set("v2").is_moved


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_path_is_one_finding_and_the_others_are_verified(alone: Desk, path: str) -> None:
    alone.set("v1")
    alone.set("v2", "staging")
    hand_tag(alone.repo, f"{NAME}/2", alone.repo.head, following(alone, Path=path))
    hand_tag(alone.repo, "prompt/support/triage@staging/2", alone.repo.head, message(Label="staging"))
    found = {each.code for each in alone.labels.verify().problems if f"{NAME}/2" in each.message}
    others = {each.code for each in alone.labels.verify().problems if "staging/2" in each.message}
    assert found == {"label-path"}
    assert others == {"label-chain", "label-digest"}
    assert list(alone.listing().states) == []
    with pytest.raises(GitError):
        alone.live()


@pytest.mark.parametrize(
    "data",
    [
        b"Set\n\nPath: a\0b\n",
        b"Set\n\nPath: \xff\n",
        b"\xff\xfe\n",
        b"x" * 1_000_000,
        b"",
        b"Set\n\nActor: " + b"a" * 9000,
    ],
)
def test_a_tag_of_odd_bytes_is_one_finding(alone: Desk, data: bytes) -> None:
    alone.set("v1", "staging")
    head = f"object {alone.repo.head}\ntype commit\ntag {NAME}/1\ntagger E <e@x> 1700000000 +0000\n\n".encode()
    oid = alone.git.run(["hash-object", "-t", "tag", "-w", "--stdin", "--literally"], input=head + data).text
    alone.repo.git("update-ref", f"{TAG}/1", oid)
    found = alone.labels.verify().problems
    assert len([each for each in found if f"{NAME}/1" in each.message]) == len(found) == 1
    assert all(each.message.isprintable() for each in found)


def test_verify_finds_an_actor_who_is_not_the_tagger(alone: Desk) -> None:
    event = alone.set("v1").event
    said = message(Previous=event.oid, Digest=event.digest, Actor="Ada Example <ada@example.org>")
    hand_tag(alone.repo, f"{NAME}/2", event.commit, said)
    (problem,) = alone.labels.verify().problems
    assert problem.code == "label-actor"
    assert "its tagger is Eve <eve@example.org>" in problem.message
