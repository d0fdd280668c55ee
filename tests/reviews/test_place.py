"""The workspace under review is the one that BASE has: HEAD cannot move it or put a nearer one in its place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from promptctl.errors import OK, WORKSPACE, WorkspaceError
from promptctl.reviews.request import ReviewRequest
from promptctl.reviews.review import Review
from promptctl.workspace import open_workspace
from tests.reviews.conftest import Cli, Pull


def review(start: Path, base: str = "origin/main", head: str | None = "HEAD") -> Review:
    with open_workspace(start, {}, on_warning=lambda _: None) as workspace:
        return workspace.review(ReviewRequest(base=base, head=head, is_evaluated=False))


def refused(pull: Pull, start: str, why: str, head: str | None = "HEAD") -> None:
    """Commit what is there, expect that it is refused, and go back to where BASE stands."""
    if head is not None:
        pull.git("add", "--all")
        pull.git("commit", "--quiet", "--allow-empty", "--message", "Evade")
    with pytest.raises(WorkspaceError, match=why):
        review(pull.root / start, head=head)
    pull.git("reset", "--quiet", "--hard", "origin/main")
    pull.git("clean", "-fdxq")


def test_head_cannot_move_the_workspace_nor_put_one_nearer(pull: Pull) -> None:
    above = "the workspace of BASE is ., and HEAD puts the one in sub in its place"
    pull.write("sub/promptctl.yaml", "model: echo/echo\n")
    refused(pull, "sub", above)
    pull.write("sub/promptctl.yaml", "model: echo/echo\n")
    pull.write("sub/deeper/x", "")
    refused(pull, "sub/deeper", above, head=None)
    (pull.root / "sub").mkdir()
    for name in ("promptctl.yaml", "prompts", "datasets"):
        pull.git("mv", name, f"sub/{name}")
    refused(pull, "sub", above)
    (pull.root / "promptctl.yaml").rename(pull.root / "elsewhere.yaml")
    (pull.root / "promptctl.yaml").symlink_to("elsewhere.yaml")
    refused(pull, ".", r"HEAD has no file promptctl.yaml in \., where BASE has it")
    pull.git("rm", "--quiet", "promptctl.yaml")
    pull.git("commit", "--quiet", "--message", "No settings")
    pull.git("branch", "gone")
    pull.git("reset", "--quiet", "--hard", "origin/main")
    with pytest.raises(WorkspaceError, match=r"HEAD has no file promptctl\.yaml"):
        review(pull.root, head="gone")


@pytest.mark.parametrize("name", ["prompts", "datasets"])
def test_head_cannot_put_anything_but_a_folder_where_prompts_and_datasets_are(pull: Pull, name: str) -> None:
    why = "HEAD puts a link, a submodule or a file where a folder belongs|is reached through a symbolic link"
    for head in ("HEAD", None):
        (pull.root / name).rename(pull.root / "aside")
        (pull.root / name).symlink_to("aside")
        refused(pull, ".", why, head=head)
    pull.git("rm", "-r", "--quiet", name)
    pull.write(name, "a file")
    refused(pull, ".", why)
    pull.git("rm", "-r", "--quiet", "--cached", name)
    commit = pull.git("rev-parse", "HEAD").strip()
    (pull.root / name).rename(pull.root.parent / f"aside-{name}")
    (pull.root / name).mkdir()
    pull.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
    pull.git("commit", "--quiet", "--message", "A submodule")
    with pytest.raises(WorkspaceError, match=why):
        review(pull.root)
    pull.write(f"{name}/.git", "gitdir: ../.git\n")
    with pytest.raises(WorkspaceError, match=why):
        review(pull.root, head=None)


def test_a_folder_on_the_way_that_is_a_link_is_refused(pull: Pull, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        pull.write(f"apps/{name}/promptctl.yaml", pull.read("promptctl.yaml"))
        pull.write(f"apps/{name}/prompts/a.prompt.yaml", "messages: [{role: user, content: hi}]\n")
    pull.git("rm", "-r", "--quiet", "promptctl.yaml", "prompts", "datasets")
    pull.commit("Two workspaces")
    pull.git("push", "--quiet", "origin", "feature:main")
    pull.git("fetch", "--quiet", "origin")
    review(pull.root / "apps/one")
    shutil.rmtree(pull.root / "apps/one")
    (pull.root / "apps/one").symlink_to("two")
    refused(pull, "apps/one", "the way to the workspace leads through the link")
    shutil.rmtree(pull.root / "apps/one")
    (pull.root / "apps/one").symlink_to("two")
    pull.commit("Put a link in its place")
    assert "leads through the link" in cli("-C", "apps/one", "review", "--no-eval", "origin/main", "HEAD").err
    with monkeypatch.context() as shell:
        shell.chdir("apps/one")
        shell.setenv("PWD", str(pull.root / "apps/one"))
        assert cli("review", "--no-eval", "origin/main", "HEAD").exit_code == WORKSPACE
        shell.setenv("PWD", str(pull.root / "apps/two"))
        assert cli("review", "--no-eval", "origin/main", "HEAD").exit_code == OK
    pull.git("mv", "apps", "real")
    (pull.root / "apps").symlink_to("real")
    refused(pull, "apps/one", "the way to the workspace leads through the link")
    why = "BASE has no workspace in apps/three or above it, and HEAD moves or removes apps/two"
    for head in ("HEAD", None):
        pull.git("mv", "apps/two", "apps/three")
        refused(pull, "apps/three", why, head=head)
    os.symlink(pull.root, pull.root.parent / "outside")
    review(pull.root.parent / "outside/apps/one")


def test_a_workspace_beside_those_of_base_is_new(pull: Pull) -> None:
    for name in ("apps/one", "tests/fixtures"):
        pull.write(f"{name}/promptctl.yaml", "")
    pull.git("rm", "-r", "--quiet", "promptctl.yaml", "prompts", "datasets")
    pull.commit("One workspace and a fixture")
    pull.git("branch", "beside")
    pull.write("apps/late/promptctl.yaml", "")
    pull.commit("Later, beside HEAD")
    pull.git("push", "--quiet", "origin", "feature:main")
    pull.git("fetch", "--quiet", "origin")
    pull.git("checkout", "--quiet", "beside")
    for start in (".", "apps/two"):
        pull.write(f"{start}/promptctl.yaml", "model: openai/gpt-4o-mini\n")
        pull.write(f"{start}/prompts/a.prompt.yaml", "messages: [{role: user, content: hi}]\n")
        for head in (None, "HEAD"):
            found = review(pull.root / start, head=head)
            assert [(each.id, each.kind) for each in found.prompts] == [("a", "added")]
            assert "BASE has no promptctl.yaml: the built-in settings were used" in found.notes
            pull.git("add", "--all")
            pull.git("commit", "--quiet", "--allow-empty", "--message", "A new workspace")
        pull.git("reset", "--quiet", "--hard", "HEAD~2")
    pull.git("mv", "apps/one", "apps/moved")
    pull.commit("BASE moves it")
    pull.git("push", "--quiet", "--force", "origin", "beside:main")
    pull.git("fetch", "--quiet", "origin")
    pull.git("reset", "--quiet", "--hard", "HEAD~1")
    with pytest.raises(WorkspaceError, match="BASE moved or removed the workspace in apps/one"):
        review(pull.root / "apps/one")


def test_the_first_workspace_of_a_repository_is_reviewed(pull: Pull) -> None:
    pull.git("checkout", "--quiet", "--orphan", "bare")
    pull.git("rm", "-r", "--quiet", "--force", ".")
    pull.git("commit", "--quiet", "--allow-empty", "--message", "Nothing yet")
    pull.git("checkout", "--quiet", "-b", "first")
    pull.git("checkout", "origin/main", "--", ".")
    pull.commit("The first workspace")
    review(pull.root, base="bare")
