from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import WorkspaceError
from promptctl.git.outputs import replace_output
from tests.repositories import Repo


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127])
def test_a_name_may_be_as_long_as_the_system_takes(tmp_path: Path, name: str) -> None:
    replace_output(tmp_path / name, [b"x"])
    assert (tmp_path / name).read_bytes() == b"x"
    with pytest.raises(WorkspaceError, match="File name too long"):
        replace_output(tmp_path / f"{name}ab", [b"x"])


@pytest.mark.parametrize(
    "path",
    [
        *(
            "promptctl.yaml",
            "promptctl.lock.yaml",
            "datasets/cases.csv",
            "prompts/reply.schema.json",
            ".promptctl/log.db",
        ),
        *("ai/tools.json", "top.prompt.yml", "link/reply.schema.json", ".git/new.json", "bare.git/hooks/new.json"),
    ],
)
def test_no_output_takes_the_place_of_a_part_of_the_workspace_or_of_git(tmp_path: Path, path: str) -> None:
    for each in ("promptctl.lock.yaml", "datasets/cases.csv", "prompts/reply.schema.json", ".promptctl/log.db"):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text("ours")
    for each in ("ai/tools.json", "top.prompt.yml", "bare.git/HEAD", "bare.git/objects/x", ".git/HEAD"):
        (tmp_path / each).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / each).write_text("ours")
    (tmp_path / "promptctl.yaml").write_text('prompt_paths: [prompts, ai, "*.prompt.yml"]')
    (tmp_path / "link").symlink_to("prompts")
    before = (tmp_path / path).read_text() if (tmp_path / path).exists() else None
    with pytest.raises(WorkspaceError, match="cannot write") as raised:
        replace_output(tmp_path / path, [b"report"])
    assert raised.value.hint == "name a different file"
    assert ((tmp_path / path).read_text() if (tmp_path / path).exists() else None) == before


@pytest.mark.parametrize("way", ["reports", "sub/reports", "sub/../reports", "reports/../reports", "way", "Reports"])
def test_no_output_leaves_a_repository_through_a_link_that_git_tracks(
    empty_repo: Repo, tmp_path: Path, way: str
) -> None:
    """A stranger's branch can bring the link. On many file systems a name in letters of any case reaches it."""
    outside, repository = tmp_path / "outside", empty_repo
    (outside / "in").mkdir(parents=True)
    repository.write("sub/file", "")
    (repository.path / "reports").symlink_to(outside / "in")
    (repository.path / "sub/reports").symlink_to("../../outside/in")
    repository.commit()
    (repository.path / "way").symlink_to("reports")
    if not (repository.path / "Reports").exists():
        (repository.path / "Reports").symlink_to(outside / "in")
    (outside / "reports").symlink_to(outside / "in")
    with pytest.raises(WorkspaceError, match="leads out of the repository") as raised:
        replace_output(repository.path / way / "new/x.md", [b"report"])
    assert raised.value.hint == f"name the folder itself: {outside}/in/new"
    assert list((outside / "in").iterdir()) == []


def test_an_output_leaves_a_repository_through_a_link_of_the_user_s_own(empty_repo: Repo, tmp_path: Path) -> None:
    (empty_repo.path / "reports").symlink_to(tmp_path)
    replace_output(empty_repo.path / "reports/x.md", [b"report"])
    assert (tmp_path / "x.md").read_bytes() == b"report"


def test_no_output_leaves_a_repository_through_a_link_of_which_git_cannot_tell(tmp_path: Path) -> None:
    (tmp_path / "repository/.git").mkdir(parents=True)
    (tmp_path / "repository/reports").symlink_to(tmp_path)
    with pytest.raises(WorkspaceError, match="leads out of the repository"):
        replace_output(tmp_path / "repository/reports/x.md", [b"report"])


def test_an_output_through_a_link_to_itself_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(WorkspaceError, match="cannot write"):
        replace_output(tmp_path / "loop/x.md", [b"report"])


def test_an_output_goes_through_a_link_within_a_repository_or_to_one(tmp_path: Path) -> None:
    (tmp_path / "repository/.git").mkdir(parents=True)
    (tmp_path / "repository/real").mkdir()
    (tmp_path / "repository/reports").symlink_to("real")
    (tmp_path / "link").symlink_to("repository")
    replace_output(tmp_path / "link/reports/x.md", [b"report"])
    assert (tmp_path / "repository/real/x.md").read_bytes() == b"report"


def test_an_output_replaces_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text("")
    for path in ("reports/new.json", "datasets/new.csv"):
        replace_output(tmp_path / path, [b"one"])
    replace_output(tmp_path / "reports/new.json", [b"two"])
    assert (tmp_path / "reports/new.json").read_bytes() == b"two"
