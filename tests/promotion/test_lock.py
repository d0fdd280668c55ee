"""`promptctl.lock.yaml`: the labels as a committed file, compared with the tags, read in a clone that has none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import promptctl
from promptctl import GitError, HistoryIncomplete, InvalidFiles
from promptctl.files.names import LOCK
from promptctl.labels.lock import read_lock
from tests.cli.conftest import commit, git, write
from tests.repositories import prompt_text


@pytest.fixture(scope="module", name="origin")
def labelled_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two labels in its lock: one of HEAD's content, one of an earlier version."""
    root = tmp_path_factory.mktemp("lock") / "origin"
    write(root, "promptctl.yaml", "model: echo/echo\n")
    write(root, "prompts/greet.prompt.yaml", prompt_text("One"))
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit(root, "One")
    with promptctl.open_workspace(root) as workspace:
        workspace.labels.set("greet@production")
        write(root, "prompts/greet.prompt.yaml", prompt_text("Two"))
        commit(root, "Two")
        workspace.labels.set("greet@staging")
        assert workspace.labels.lock().is_new
        assert not workspace.labels.lock().is_new
    commit(root, "Lock the labels")
    return root


@pytest.fixture(name="shallow")
def shallow_clone(origin: Path, tmp_path: Path) -> Path:
    git(origin, "clone", "-q", "--depth", "1", "--no-tags", origin.as_uri(), str(tmp_path / "shallow"))
    return tmp_path / "shallow"


@pytest.fixture(name="clone")
def opened_clone(origin: Path, tmp_path: Path) -> Iterator[promptctl.Workspace]:
    git(origin, "clone", "-q", str(origin), str(tmp_path / "clone"))
    with promptctl.open_workspace(tmp_path / "clone") as workspace:
        yield workspace


def test_the_lock_says_where_each_label_is(origin: Path) -> None:
    found = read_lock((origin / LOCK).read_bytes())
    assert {name: (label.version, label.event) for name, label in found.items()} == {
        "greet@production": ("v1", 1),
        "greet@staging": ("v2", 1),
    }
    assert (origin / LOCK).read_text().splitlines()[2:5] == [
        "labels:",
        "  greet@production:",
        "    version: v1",
    ]


def test_verify_says_where_it_differs(clone: promptctl.Workspace) -> None:
    assert clone.labels.verify() == []
    clone.labels.set("greet@production", "v2")
    clone.labels.remove("greet@staging")
    clone.labels.set("greet@beta", "v1")
    problems = {str(each.place): each.message for each in clone.labels.verify() if each.code == "lock-differs"}
    commits = [label.commit[:7] for label in read_lock((clone.root / LOCK).read_bytes()).values()]
    assert problems == {
        LOCK: f"greet@beta is v1 ({commits[0]}) by its tag, and missing here",
        f"{LOCK}:4:3": f"greet@production is v2 ({commits[1]}), event 2, by its tag, "
        f"and v1 ({commits[0]}), event 1, here",
        f"{LOCK}:9:3": f"greet@staging names nothing by its tag, and v2 ({commits[1]}), event 1, here",
    }
    assert len(clone.labels.check_lock()) == 3
    clone.labels.lock()
    assert clone.labels.check_lock() == []
    (clone.root / LOCK).unlink()
    assert clone.labels.verify() == []
    assert [each.code for each in clone.labels.check_lock()] == ["lock-missing"]


def test_a_clone_without_tags_reads_it(shallow: Path, origin: Path) -> None:
    with promptctl.open_workspace(shallow) as workspace, promptctl.open_workspace(origin) as whole:
        assert workspace.prompt("greet@staging").version == whole.prompt("greet@staging").version
        assert workspace.run("greet@staging").reply == "Two\n"
        assert any(notice.startswith(f"labels are read from {LOCK} of commit ") for notice in workspace.notices)
        locked = whole.prompt("greet@production").version
        with pytest.raises(
            HistoryIncomplete, match=r"greet@production is v1 \(.......\) by promptctl.lock.yaml"
        ) as raised:
            workspace.prompt("greet@production")
        assert raised.value.hint == f"git fetch --depth 1 origin {locked.commit}"
    git(shallow, *str(raised.value.hint).split()[1:], "-q")
    with promptctl.open_workspace(shallow) as workspace:
        assert workspace.prompt("greet@production").version == locked
        for ask in (workspace.labels.verify, workspace.labels.check_lock, workspace.labels.lock):
            with pytest.raises(HistoryIncomplete):
                ask()


def test_tags_are_the_truth(shallow: Path, origin: Path) -> None:
    text = (shallow / LOCK).read_text()
    two = read_lock(text.encode())["greet@staging"]
    head = git(shallow, "rev-parse", "HEAD").strip()
    write(shallow, LOCK, text.replace(two.digest, "1:" + "0" * 64).replace(two.commit, head))
    commit(shallow, "Say something else")
    with promptctl.open_workspace(shallow) as workspace:
        git(shallow, "update-ref", "refs/remotes/origin/main", "HEAD")
        with pytest.raises(GitError, match="says that greet@staging has digest 1:000000000000"):
            workspace.prompt("greet@staging")
        workspace.labels.fetch("origin")
        assert workspace.prompt("greet@staging").version.digest == two.digest
        assert [each.code for each in workspace.labels.verify() if each.severity == "error"] == ["lock-differs"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("scheme: 2\nlabels: {}\n", f"{LOCK}:1:9"),
        ("scheme: 1\nlabels:\n  greet@production: {version: v1}\n", f"{LOCK}:3:3"),
        ("scheme: 1\nlabels:\n  ../x@production: {}\n", f"{LOCK}:3:3"),
        ("scheme: 1\nlabels: [\n", None),
    ],
)
def test_a_lock_that_is_none(text: str, place: str | None) -> None:
    with pytest.raises(InvalidFiles) as raised:
        read_lock(text.encode())
    assert place is None or str(raised.value.problems[0].place) == place
