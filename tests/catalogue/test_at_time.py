"""What was live at a time: pages of then, and the calls of the versions of then."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from promptctl import Filter, Workspace, open_workspace
from promptctl.errors import HistoryIncomplete, RevisionNotFound, UsageError
from tests.repositories import Repo, copied, isolated_git, prompt_text

__all__ = ["isolated_git"]

PATH = "prompts/support/triage.prompt.yaml"
NAME = "support/triage@production"


def at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.fixture
def repo(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, isolated_git: Path) -> Repo:
    """Two versions, each put live 100 s after its commit; then production is removed."""
    copied(_begun(tmp_path_factory.getbasetemp() / "live")[0], tmp_path / "work")
    return Repo(tmp_path / "work")


@pytest.fixture
def times(repo: Repo, tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """The times of the three moves."""
    return _begun(tmp_path_factory.getbasetemp() / "live")[1]


@cache
def _begun(folder: Path) -> tuple[Path, list[int]]:
    folder.mkdir()
    repo, moves = Repo(folder), []
    repo.git("init", "-q")
    repo.commit("Begin", {"promptctl.yaml": "model: echo/echo\n", PATH: prompt_text()})
    for number in (1, 2, 0):
        if number:
            repo.commit(f"Say {number}", {PATH: prompt_text(f"{number} {{{{ ticket }}}}")})
        Repo.clock += 100
        moves.append(Repo.clock)
        with pytest.MonkeyPatch.context() as patch, open_workspace(folder, {}) as workspace:
            patch.setenv("GIT_COMMITTER_DATE", f"{Repo.clock} +0000")
            if number:
                workspace.labels.set(NAME, reason=f"Reason {number}")
                workspace.run(NAME, {})
            else:
                workspace.labels.remove(NAME)
    return folder, moves


def test_what_is_still_to_come_is_refused(repo: Repo) -> None:
    to_come = "9999-01-01"
    with open_workspace(repo.path, {}) as workspace:
        for ask in (
            lambda: workspace.page(NAME, to_come),
            lambda: workspace.page("support/triage", to_come),
            lambda: workspace.labels.at(NAME, datetime.fromisoformat(to_come).replace(tzinfo=UTC)),
            lambda: list(workspace.log.executions(Filter(live_at=to_come))),
        ):
            with pytest.raises(UsageError, match=r"9999-01-01T00:00:00\.000Z is still to come"):
                ask()


def text(workspace: Workspace, ref: str, seconds: int) -> object:
    page = workspace.page(ref, at(seconds))
    return page.prompt.messages[0].content, page.at_version.version.display.partition(" ")[0]  # type: ignore[union-attr]


def test_a_page_is_of_what_the_label_named_then(repo: Repo, times: list[int]) -> None:
    first, second, removed = times
    with open_workspace(repo.path, {}) as workspace:
        assert text(workspace, NAME, first) == text(workspace, NAME, second - 1) == ("1 {{ ticket }}\n", "v2")
        assert text(workspace, NAME, second) == text(workspace, NAME, removed - 1) == ("2 {{ ticket }}\n", "v3")
        page = workspace.page(NAME, at(second)).as_dict()
        assert (page["label"], page["move"]["reason"]) == ("production", "Reason 2")
        assert page["at"] == datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        with pytest.raises(RevisionNotFound, match="its first move came later"):
            workspace.page(NAME, at(first - 1))
        with pytest.raises(RevisionNotFound, match="it was removed before"):
            workspace.page(NAME, at(removed))
        with pytest.raises(RevisionNotFound) as caught:
            workspace.page("support/triage@prod", at(second))
        assert caught.value.hint == "did you mean `support/triage@production`?"


def test_without_a_label_it_is_the_default_branch(repo: Repo, times: list[int]) -> None:
    first, second, _ = times
    with open_workspace(repo.path, {}) as workspace:
        assert text(workspace, "support/triage", first) == ("1 {{ ticket }}\n", "v2")
        assert text(workspace, "support/triage", second) == ("2 {{ ticket }}\n", "v3")
        assert workspace.page("support/triage", at(second)).as_dict()["move"] is None
        with pytest.raises(RevisionNotFound, match="main had no commit by 2001-01-01"):
            workspace.page("support/triage", "2001-01-01")
        with pytest.raises(UsageError, match="has no past"):
            workspace.page("support/triage@v1", at(second))


def test_a_renamed_prompt_has_the_past_of_its_earlier_id(repo: Repo, times: list[int]) -> None:
    first, second, _ = times
    repo.git("mv", PATH, "prompts/sort.prompt.yaml")
    repo.commit("Rename")
    with open_workspace(repo.path, {}) as workspace:
        assert text(workspace, "sort@production", first) == ("1 {{ ticket }}\n", "v2")
        assert text(workspace, "sort", second) == ("2 {{ ticket }}\n", "v3")
        assert len(list(workspace.log.executions(Filter(live_at=at(first))))) == 1


def test_calls_are_those_of_the_versions_that_were_live(repo: Repo, times: list[int]) -> None:
    first, second, removed = times
    with open_workspace(repo.path, {}) as workspace:
        workspace.run("support/triage@v3", {})
        workspace.run("support/triage@v1", {"ticket": "x"})

        def versions(seconds: int, **more: str) -> list[tuple[int | None, str | None]]:
            found = workspace.log.executions(Filter(live_at=at(seconds), **more))  # type: ignore[arg-type]
            return [(each.version, each.label) for each in found]

        assert versions(first) == [(2, "production")]
        assert versions(second) == [(3, None), (3, "production")]
        assert versions(second, label="production") == [(3, "production")]
        assert versions(second, prompt="support/*") == versions(second, prompt="support/triage") == versions(second)
        assert versions(removed) == versions(first - 1) == []
        [row] = workspace.log.totals(Filter(live_at=at(second)), ("version",))
        assert (row.group["version"], row.calls) == (3, 2)
        assert workspace.log.totals(Filter(live_at=at(removed)), ()) == []


def test_a_clone_that_never_fetched_labels_cannot_know(repo: Repo, times: list[int]) -> None:
    repo.commit("Name the remote", {"promptctl.yaml": "model: echo/echo\nlabels: {remote: origin}\n"})
    clone = repo.path.parent / "clone"
    repo.git("clone", "-q", str(repo.path), str(clone))
    with open_workspace(clone, {}) as workspace:
        with pytest.raises(HistoryIncomplete, match="has never fetched"):
            list(workspace.log.executions(Filter(live_at=at(times[0]))))
        with pytest.raises(HistoryIncomplete, match="has never fetched"):
            workspace.page(NAME, at(times[0]))
