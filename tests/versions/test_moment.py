"""One moment of a repository: however many refs are resolved, Git is asked a constant number of times."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from promptctl.errors import HistoryIncomplete
from promptctl.git.commands import Commands
from promptctl.git.repository import Git
from promptctl.versions.line import find_line
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text

MANY = 30
Counted = Callable[[Callable[[], object]], list[str]]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """`processes(action)`: the Git commands that an action starts."""
    started: list[str] = []
    start = Commands.start

    def counted(self: Commands, args: Sequence[str], **options: Any) -> Any:
        started.append(args[0])
        return start(self, args, **options)

    def run(action: Callable[[], object]) -> list[str]:
        started.clear()
        action()
        return list(started)

    monkeypatch.setattr(Commands, "start", counted)
    return run


@pytest.fixture
def many(empty_repo: Repo) -> Repo:
    """Prompts on main, and a branch ahead of it that changes some of them."""
    ignored: dict[str, str | bytes] = {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n"}
    prompts: dict[str, str | bytes] = {path(n): prompt_text(f"prompt {n}") for n in range(MANY)}
    empty_repo.commit("all", ignored | prompts)
    empty_repo.git("checkout", "--quiet", "-b", "topic")
    empty_repo.commit("some", {path(n): prompt_text(f"other {n}") for n in range(0, MANY, 3)})
    for n in range(0, MANY, 5):
        empty_repo.write(path(n), prompt_text(f"edited {n}"))
    return empty_repo


def path(n: int) -> str:
    return f"prompts/p{n}.prompt.yaml"


def opened(repo: Repo) -> Repository:
    return Repository(repo.path, cache_dir=repo.path / ".promptctl")


def resolve(repository: Repository, refs: Sequence[str]) -> list[str]:
    moment = repository.now()
    return [repository.resolve(ref, moment=moment).version.display for ref in refs]


@pytest.mark.parametrize("at", ["", "@HEAD", "@main", "@v1"])
def test_many_refs_start_as_many_git_processes_as_one(many: Repo, processes: Counted, at: str) -> None:
    opened(many).numbers()
    one = processes(lambda: resolve(opened(many), ["p0" + at]))
    two = processes(lambda: resolve(opened(many), ["p0" + at, "p1" + at]))
    all_ = processes(lambda: resolve(opened(many), [f"p{n}{at}" for n in range(MANY)]))
    assert len(one) > 1
    assert all_ == two
    assert len(two) <= len(one) + 1  # of a second prompt the labels of all are read


def test_versions_that_began_at_many_commits_start_no_more_processes(empty_repo: Repo, processes: Counted) -> None:
    for n in range(6):
        empty_repo.commit(f"prompt {n}", {"promptctl.yaml": "{}\n", path(n): prompt_text(f"prompt {n}")})
    opened(empty_repo).numbers()
    one = processes(lambda: resolve(opened(empty_repo), ["p0@v1"]))
    assert processes(lambda: resolve(opened(empty_repo), [f"p{n}@v1" for n in range(6)])) == one


def test_one_moment_answers_what_each_ref_is_answered_by_itself(many: Repo) -> None:
    refs = [f"p{n}{at}" for at in ("", "@HEAD", "@v1") for n in range(MANY)]
    shown = resolve(opened(many), refs)
    assert shown == [opened(many).resolve(ref).version.display for ref in refs]
    assert {text.partition(" ")[0] for text in shown} == {"v1", "v1+1", "v1+dirty", "v1+1+dirty"}


def test_numbers_that_cannot_be_known_are_asked_for_once(
    many: Repo, remote: Repo, clone: Callable[..., Repo], processes: Counted
) -> None:
    many.git("push", "--quiet", "origin", "topic:main")
    shallow = clone(remote, "shallow", "--depth=1")
    refs = [f"p{n}" for n in range(MANY)]
    assert set(resolve(opened(shallow), refs)) == {"v?"}
    assert processes(lambda: resolve(opened(shallow), refs)) == processes(lambda: resolve(opened(shallow), refs[:1]))
    repository = opened(shallow)
    moment = repository.now()
    for _ in range(2):
        with pytest.raises(HistoryIncomplete, match="is shallow"):
            repository.resolve("p1@v1", moment=moment)


def test_a_new_moment_sees_what_happened_and_an_old_one_does_not(many: Repo) -> None:
    many.git("checkout", "--quiet", "--force", "main")
    repository = opened(many)
    moment = repository.now()
    assert repository.resolve("p1", moment=moment).version.number == 1
    many.commit("new", {path(1): prompt_text("new")})
    assert repository.resolve("p1").version.number == 2
    assert repository.resolve("p2@HEAD", moment=moment).version.number == 1
    assert repository.resolve("p1@v1", moment=moment).version.number == 1


def test_an_index_that_others_have_grown_meanwhile_is_not_built_again(many: Repo, processes: Counted) -> None:
    many.git("checkout", "--quiet", "--force", "main")
    repository, other = opened(many), opened(many)
    moment = repository.now()
    repository.resolve("p1", moment=moment)
    many.commit("new", {path(1): prompt_text("new")})
    assert other.resolve("p1").version.number == 2
    walked = processes(lambda: repository.resolve("p2", moment=moment))
    assert "rev-list" not in walked
    assert "diff-tree" not in walked


def test_the_line_of_a_repository_without_remotes_takes_one_process(many: Repo, processes: Counted) -> None:
    git = Git.open(many.path)
    assert git is not None
    assert processes(lambda: find_line(git)) == ["for-each-ref"]
    many.git("update-ref", "refs/remotes/origin/other", "HEAD")
    for pack in (False, True):
        if pack:
            many.git("pack-refs", "--all")
            shutil.rmtree(many.path / ".git/refs/remotes", ignore_errors=True)
        with pytest.raises(HistoryIncomplete, match="does not have the branch main of origin"):
            find_line(git)
    git.close()
