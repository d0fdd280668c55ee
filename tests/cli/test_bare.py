"""Commands in a bare repository: the tip of the default branch stands for the work tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from promptctl.errors import WorkspaceError
from promptctl.workspace import open_workspace
from promptctl.workspace.init import init_workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.cli.support import PATH, SETTINGS, add_remote, inside_support, support_workspace  # noqa: F401

NAME = "support/triage@production"
LABELS = "labels: {remote: origin, production: {reason: required}}\n"


@pytest.fixture(name="bare")
def bare_repository(cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The remote of a workspace whose default branch `trunk` has a label of v1, and which is gone itself."""
    git(inside, "branch", "--move", "main", "trunk")
    git(inside, "branch", "main", "HEAD~1")
    write(inside, "promptctl.yaml", SETTINGS + LABELS)
    commit(inside, "Share labels")
    bare = add_remote(inside)
    git(bare, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(inside, "push", "--quiet", "origin", "trunk")
    git(inside, "remote", "set-head", "origin", "trunk")
    assert cli("label", "set", NAME, "v1", "--reason", "first").exit_code == 0
    monkeypatch.chdir(bare)
    shutil.rmtree(inside)
    return bare


def test_a_bare_repository_reads_the_tip_of_its_default_branch(cli: Cli, bare: Path) -> None:
    assert cli("label", "list", "--json").json[0]["version_display"] == "v1"
    assert cli("label", "log", NAME, "--json").json[0]["reason"] == "first"
    assert cli("label", "at", NAME, "now").out.startswith(f"{NAME} was v1 ")
    assert cli("label", "verify").out == "0 errors, 0 warnings\n"
    assert [row["version"] for row in cli("history", "support/triage", "--json").json] == [3, 2, 1]
    listed = {row["prompt"]: row for row in cli("list", "--json").json}
    assert (listed["support/triage"]["version"], listed["support/triage"]["dirty"]) == (3, False)
    assert listed["support/triage"]["labels"]["production"]["version"] == 1
    assert cli("show", NAME, "--json").json["datasets"] == ["datasets/triage.yaml"]
    for ref, version, more in (
        (NAME, 1, ()),
        ("support/triage@v2", 2, ()),
        ("support/triage", 3, ("-i", "urgent=true")),
    ):
        assert cli("render", ref, "-i", "ticket=x", *more, "--json").json["version"] == version
    assert "urgent" in cli("diff", "support/triage@v1", "@v3").out
    assert [row["prompt"] for row in cli("library", "--json").json["prompts"]] == ["chat", "support/triage"]
    assert cli("validate").out.startswith("6 files checked: ")
    refused = cli("label", "set", NAME, "v2")
    assert "a move of production needs a reason" in refused.err
    assert cli("label", "set", NAME, "--reason", "newest", "--json").json["version_display"] == "v3"
    (bare / "hooks").mkdir(exist_ok=True)
    assert cli("-C", "hooks", "label", "list", "--json").json[0]["version_display"] == "v3"


def test_a_workspace_of_a_bare_repository_sees_a_push_and_keeps_its_log_inside(bare: Path, tmp_path: Path) -> None:
    with open_workspace(bare) as workspace:
        assert workspace.prompt(NAME).version.number == 1
        ran = workspace.run("support/triage@production", {"ticket": "x"})
        assert (ran.version, workspace.log.totals()[0].calls) == (1, 1)
        work = tmp_path / "next"
        git(bare, "clone", "--quiet", str(bare), str(work))
        write(work, PATH, (work / PATH).read_text().replace("You triage", "You sort"))
        commit(work, "Sort")
        git(work, "push", "--quiet")
        assert workspace.prompt("support/triage").version.number == 4
        assert "support/triage" in [each.id for each in workspace.prompts()]
    assert (bare / "promptctl" / "log.db").is_file()
    assert not (bare / ".promptctl").exists()


def test_what_needs_a_work_tree_says_so_and_writes_nothing(cli: Cli, bare: Path) -> None:
    cli("run", NAME, "-i", "ticket=x")
    before = sorted(path.name for path in bare.iterdir())
    for command in (
        ("eval", "support/triage"),
        ("eval", "support/triage", "--against", "@production"),
        ("fmt",),
        ("copy", "support/triage", "other"),
        ("review",),
        ("run", NAME, "-i", "ticket=x", "--record"),
        ("dataset", "add", "triage", "--execution", "last"),
        ("init",),
    ):
        ran = cli(*command)
        assert (ran.exit_code, ran.out) == (3, ""), command
        assert "is a bare repository, and a" in ran.err or "and formatting needs a work tree" in ran.err, command
        assert f"make one with: git -C {bare} worktree add --detach FOLDER" in ran.err
    assert sorted(path.name for path in bare.iterdir()) == before
    with pytest.raises(WorkspaceError, match="a new workspace needs a work tree"):
        init_workspace(bare)


def test_a_mirror_fetches_and_moves_labels_and_knows_when_a_prune_took_them(
    cli: Cli, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = bare.parent / "mirror.git"
    git(bare, "clone", "--quiet", "--mirror", str(bare), str(mirror))
    monkeypatch.chdir(mirror)
    render = ("render", NAME, "-i", "ticket=x", "--json")
    assert "promptctl has never fetched them from there" in cli(*render).err
    assert cli("label", "fetch").exit_code == 0
    assert cli(*render).json["version"] == 1
    assert cli("label", "set", NAME, "v2", "--reason", "here", "--json").json["pushed"] is True
    assert "prompt/support/triage@production/2" in git(bare, "tag")
    git(mirror, "fetch", "--quiet", "--prune")
    assert "git fetch --prune removed what promptctl knew\n  hint: promptctl label fetch" in cli(*render).err
    cli("label", "fetch")
    assert cli(*render).json["version"] == 2


def test_workspaces_below_the_root_are_named(cli: Cli, inside: Path) -> None:
    for name in ("bot", "web"):
        write(inside, f"apps/{name}/promptctl.yaml", SETTINGS)
    git(inside, "rm", "--quiet", "promptctl.yaml")
    commit(inside, "Move")
    ran = cli("-C", str(add_remote(inside)), "list")
    assert (ran.exit_code, ran.out) == (3, "")
    assert "has no promptctl.yaml at its root, but apps/bot/promptctl.yaml, apps/web/promptctl.yaml" in ran.err
    assert "worktree add --detach FOLDER; then promptctl -C FOLDER/apps/bot" in ran.err


def test_a_bare_repository_that_a_work_tree_holds_is_not_opened(
    cli: Cli, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = tmp_path / "holder"
    holder.mkdir()
    git(holder, "init", "--quiet")
    inside = bare.rename(holder / "inside.git")
    monkeypatch.chdir(inside)
    assert "there is no promptctl.yaml" in cli("list").err
    # A file `.git` that names it, beside its work trees, makes it the repository of that folder.
    shutil.rmtree(holder / ".git")
    (holder / ".git").write_text("gitdir: ./inside.git\n")
    for folder in (inside, holder):
        assert cli("-C", str(folder), "history", "support/triage").exit_code == 0
