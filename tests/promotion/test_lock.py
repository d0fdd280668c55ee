"""`promptctl.lock.yaml`: the labels as a committed file, compared with the tags, read in a clone that has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import promptctl
from promptctl import GitError, HistoryIncomplete, InvalidFiles, RevisionNotFound
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


def test_a_label_of_a_branch_is_told_by_the_number_that_merging_gave_its_version(clone: promptctl.Workspace) -> None:
    git(clone.root, "switch", "-q", "--create", "side")
    write(clone.root, "prompts/greet.prompt.yaml", prompt_text("Three"))
    head = commit(clone.root, "Three")
    clone.labels.set("greet@beta")
    clone.labels.lock()

    def shown() -> set[object]:
        state = clone.labels.all("greet").states["greet", "beta"]
        (summary,) = clone.prompts()
        labels = {label.label: label.version for label in summary.labels}
        return {state.version, state.as_dict()["version_display"], labels["beta"]}

    assert shown() == {"v2+1"}
    main = git(clone.root, "rev-parse", "origin/main")
    squashed = git(clone.root, "commit-tree", f"{head}^{{tree}}", "-p", main, "-m", "Three, squashed")
    git(clone.root, "update-ref", "refs/remotes/origin/main", squashed)
    assert shown() == {"v2+1 (= v3)"}
    git(clone.root, "update-ref", "refs/remotes/origin/main", head)
    assert shown() == {"v3"}
    assert clone.labels.log("greet@beta").events[0].version == "v2+1", "as it was when the label was moved"
    assert clone.labels.check_lock() == []


def test_a_clone_without_tags_reads_it(shallow: Path, origin: Path) -> None:
    with promptctl.open_workspace(shallow) as workspace, promptctl.open_workspace(origin) as whole:
        here, there = (each.prompt("greet@staging").version for each in (workspace, whole))
        assert (here.digest, here.label, here.commit) == (there.digest, "staging", workspace.context.now().head)
        assert (here.number, here.display) == (None, "v?"), "the file alone says that it is v2, of a commit not here"
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
        found = workspace.prompt("greet@production").version
        assert (found.digest, found.commit, found.number) == (locked.digest, locked.commit, None)
        for ask in (workspace.labels.verify, workspace.labels.check_lock, workspace.labels.lock):
            with pytest.raises(HistoryIncomplete):
                ask()


def test_a_clone_without_tags_says_that_labels_are_not_known(shallow: Path) -> None:
    words, hint = f"this clone has no tags of labels, and {LOCK} names 2 labels", "promptctl label fetch"
    for asks_for_labels in (False, True):
        told: list[str] = []
        with promptctl.open_workspace(shallow, on_warning=told.append) as workspace:
            assert not workspace.labels.all().states if asks_for_labels else workspace.prompts()
            assert f"{words}; {hint}" in told
            assert f"{words} ({hint})" in workspace.standing().notes
            assert not any("labels are read from" in each for each in workspace.notices)


def pull_request(shallow: Path, text: str, label: str, *, settings: str = "model: echo/echo\n") -> None:
    """Commit a prompt, settings and a lock in which a label names that prompt, by a commit that nobody has."""
    write(shallow, "prompts/greet.prompt.yaml", prompt_text(text))
    write(shallow, "promptctl.yaml", settings)
    with promptctl.open_workspace(shallow, refresh_s=0) as workspace:
        digest = workspace.prompt("greet").version.digest
    write(
        shallow,
        LOCK,
        f"scheme: 1\nlabels:\n  greet@{label}:\n    version: v1\n    commit: {'a' * 40}\n"
        f"    digest: {digest}\n    event: 1\n",
    )
    commit(shallow, "Change what production is")


def _checked_out_by_ci(shallow: Path) -> None:
    """Leave what CI has of a pull request: one commit, by a reference of its own."""
    head = git(shallow, "rev-parse", "HEAD").strip()
    git(shallow, "checkout", "-q", "--detach")
    for ref in git(shallow, "for-each-ref", "--format=%(refname)").split():
        git(shallow, "update-ref", "--no-deref", "-d", ref)
    git(shallow, "update-ref", "refs/remotes/pull/1/merge", head)


def _a_branch_alone(shallow: Path) -> None:
    """Leave what `git clone --branch pr` makes."""
    _checked_out_by_ci(shallow)
    git(shallow, "checkout", "-q", "-b", "pr")
    git(shallow, "update-ref", "-d", "refs/remotes/pull/1/merge")
    git(shallow, "update-ref", "refs/remotes/origin/pr", "HEAD")


def _no_remote(shallow: Path) -> None:
    _a_branch_alone(shallow)
    git(shallow, "update-ref", "-d", "refs/remotes/origin/pr")
    git(shallow, "remote", "remove", "origin")


@pytest.mark.parametrize(
    ("checkout", "is_committed"), [(_checked_out_by_ci, False), (_a_branch_alone, True), (_no_remote, True)]
)
def test_a_pull_request_does_not_say_what_a_label_names(
    shallow: Path, checkout: Callable[[Path], None], *, is_committed: bool
) -> None:
    pull_request(shallow, "Evil", "production")
    if is_committed:  # the prompt's commit is here, and has that digest
        text = (shallow / LOCK).read_text()
        write(shallow, LOCK, text.replace("a" * 40, git(shallow, "rev-parse", "HEAD").strip()))
        commit(shallow, "Name it")
    checkout(shallow)
    with promptctl.open_workspace(shallow) as workspace:
        with pytest.raises(HistoryIncomplete, match="what greet@production names is not known in this clone") as raised:
            workspace.run("greet@production")
        assert raised.value.hint == "promptctl label fetch"
        assert workspace.log.is_new
        if checkout is not _no_remote:
            workspace.labels.fetch()
            assert workspace.run("greet@production").reply == "One\n"


def test_the_default_branch_says_it_to_a_pull_request(shallow: Path) -> None:
    pull_request(shallow, "Evil", "staging")
    with promptctl.open_workspace(shallow) as workspace:
        found = workspace.prompt("greet@staging")
        assert workspace.run("greet@staging").reply == "Two\n"
        tip = git(shallow, "rev-parse", "refs/remotes/origin/main").strip()
        assert (found.version.commit, found.version.number) == (tip, None)


def test_where_moves_are_signed_the_file_is_not_believed(shallow: Path) -> None:
    pull_request(shallow, "Evil", "production", settings="labels: {signed: required}\n")
    git(shallow, "update-ref", "refs/remotes/origin/main", "HEAD")
    with (
        promptctl.open_workspace(shallow) as workspace,
        pytest.raises(HistoryIncomplete, match=r"moves have to be signed by the settings of origin/main"),
    ):
        workspace.prompt("greet@production")


def test_a_running_process_sees_that_the_lock_names_it_no_more(shallow: Path) -> None:
    with promptctl.open_workspace(shallow, refresh_s=1e6) as workspace:
        assert workspace.run("greet@staging").reply == "Two\n"
        (shallow / LOCK).unlink()
        commit(shallow, "No lock")
        git(shallow, "update-ref", "refs/remotes/origin/main", "HEAD")
        workspace.context.kept_refs.check()
        with pytest.raises(RevisionNotFound):
            workspace.run("greet@staging")


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
