from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from promptctl.errors import GitError, HistoryIncomplete
from promptctl.git.commands import Commands
from promptctl.git.repository import Git

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from promptctl.git.objects import Objects
    from tests.repositories import Repo


def objects_of(repo: Repo) -> Objects:
    git = Git.open(repo.path)
    assert git is not None
    return git.objects


def test_objects_come_back_in_the_order_asked_with_none_for_each_unknown(repo: Repo) -> None:
    blob = repo.git("rev-parse", "HEAD:promptctl.yaml")
    found = objects_of(repo).read_all([blob, "0" * 40, "not a name", "HEAD:promptctl.yaml", repo.head])
    assert [item and item.kind for item in found] == ["blob", None, None, "blob", "commit"]
    assert found[0] is not None
    assert (found[0].id, found[0].size, found[0].data) == (blob, 3, b"{}\n")


def test_thousands_of_objects_of_any_size_are_read_in_one_go(repo: Repo) -> None:
    repo.commit("Many", {f"many/{n}.txt": f"{n}\n" * (n % 400) for n in range(1500)})
    names = [f"HEAD:many/{n}.txt" for n in range(1500)]
    found = objects_of(repo).read_all(names)
    assert all(item is not None and item.data == (f"{n}\n" * (n % 400)).encode() for n, item in enumerate(found))


def test_an_object_larger_than_wanted_comes_without_its_bytes(repo: Repo) -> None:
    repo.commit("Large", {"large.bin": b"\0" * 3_000_000, "small.txt": "small\n"})
    large, small = objects_of(repo).read_all(["HEAD:large.bin", "HEAD:small.txt"], max_bytes=1000)
    assert large is not None
    assert (large.size, large.data) == (3_000_000, None)
    assert small is not None
    assert small.data == b"small\n"


def test_objects_that_are_only_looked_for_are_so_by_one_process(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit("Some", {f"some/{n}.txt": f"{n}\n" * n for n in range(300)})
    objects, started = objects_of(repo), []
    start = Commands.start

    def counted(self: Commands, args: Sequence[str], **options: Any) -> Any:
        started.append(args)
        return start(self, args, **options)

    monkeypatch.setattr(Commands, "start", counted)
    found = objects.read_all([f"HEAD:some/{n}.txt" for n in range(301)], max_bytes=0)
    assert [item and (item.size, item.data) for item in found[:2]] == [(0, b""), (2, None)]
    assert [item is None for item in found] == [False] * 300 + [True]
    assert len(started) == 1


def test_a_name_with_a_line_break_is_refused(repo: Repo) -> None:
    with pytest.raises(GitError, match="line break"):
        objects_of(repo).read(f"{repo.head}\n{repo.head}")


def test_reading_goes_on_after_the_process_was_closed(repo: Repo) -> None:
    objects = objects_of(repo)
    assert objects.read("HEAD") is not None
    objects.close()
    assert objects.read("HEAD") is not None
    objects.close()


def test_a_partial_clone_fetches_all_that_is_missing_at_once(
    repo: Repo, remote: Repo, clone: Callable[..., Repo]
) -> None:
    ids = []
    for n in range(3):
        repo.commit("Change", {"promptctl.yaml": f"# {n}\n"})
        ids.append(repo.git("rev-parse", "HEAD:promptctl.yaml"))
    repo.git("push", "--quiet")
    partial = clone(remote, "partial", "--filter=blob:none")
    objects = objects_of(partial)
    lacking = partial.git("rev-list", "--objects", "--missing=print", "HEAD")
    assert [f"?{blob}" in lacking for blob in ids] == [True, True, False]
    assert [item and item.data for item in objects.read_all(ids)] == [b"# 0\n", b"# 1\n", b"# 2\n"]


def test_a_partial_clone_whose_remote_is_gone_says_what_is_lacking(
    repo: Repo, remote: Repo, clone: Callable[..., Repo]
) -> None:
    blob = repo.git("rev-parse", "HEAD:promptctl.yaml")
    repo.commit("Change", {"promptctl.yaml": "# other\n"})
    repo.git("push", "--quiet")
    partial = clone(remote, "partial", "--filter=blob:none")
    remote.path.rename(remote.path.with_name("moved.git"))
    with pytest.raises(HistoryIncomplete, match="lacks file contents") as error:
        objects_of(partial).read(blob)
    assert error.value.hint is not None
    assert "git fetch" in error.value.hint
