"""The past of a registry's prompts as commits and labels, in real repositories."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from promptctl import GitError, ImportReport, ImportRequest, WorkspaceError, WrittenHistory, open_workspace
from tests.repositories import Repo

GREET = "prompts/greet.prompt.yaml"


def version(number: int, text: str, **keys: Any) -> dict[str, Any]:
    return {
        "name": "greet", "version": number, "type": "text", "prompt": text, "config": {}, "tags": [], "labels": [],
        "createdAt": f"2025-03-{number:02d}T10:00:00.000Z", "createdBy": "clx1", "commitMessage": None, **keys,
    }  # fmt: skip


GREETINGS = [
    version(1, "Hello {{name}}"),
    version(2, "Dear {{name}}", labels=["production"], createdBy="ada@example.com", commitMessage="Kinder\n\nMuch."),
    version(4, "Hi {{name}}", labels=["latest", "staging"], createdAt="2025-03-09T10:00:00+02:00"),
    version(1, "Sort {{ticket}}", name="support/triage", createdAt="2025-03-02T12:00:00Z", labels=["team_a"]),
]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.path.mkdir()
    repo.git("init", "--quiet", "--initial-branch=main")
    repo.commit("Begin", {"promptctl.yaml": "model: echo/echo\n", "README": "hello\n", ".gitignore": ".promptctl/\n"})
    return repo


def export_of(repo: Repo, versions: list[dict[str, Any]]) -> Path:
    file = repo.path.parent / "export.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in versions[::-1]))  # the newest first, as they are listed
    return file


def planned(repo: Repo, versions: list[dict[str, Any]], **options: Any) -> ImportReport:
    with open_workspace(repo.path) as workspace:
        return workspace.exchange.import_files(ImportRequest(paths=[export_of(repo, versions)], **options))


def imported(repo: Repo, versions: list[dict[str, Any]], **options: Any) -> WrittenHistory:
    report = planned(repo, versions, **options)
    assert report.refused == ()
    with open_workspace(repo.path) as workspace:
        return workspace.exchange.write_history(report.history)


def state(repo: Repo) -> tuple[str, ...]:
    """Everything that an import may change: branches, index, work tree, what is in progress."""
    refs = repo.git("for-each-ref")
    index = repo.git("ls-files", "--stage")
    files = sorted(str(path.relative_to(repo.path)) for path in repo.path.rglob("*") if ".git" not in path.parts)
    return refs, index, "\n".join(each for each in files if ".promptctl" not in each), repo.git("status", "--porcelain")


def test_versions_become_commits_with_their_dates_and_authors(repo: Repo) -> None:
    written = imported(repo, GREETINGS)
    log = repo.git("log", "--reverse", "--format=%an <%ae>|%aI|%cn|%s", "HEAD~4..").splitlines()
    assert log == [
        "clx1 <no-address@registry.invalid>|2025-03-01T10:00:00+00:00|Test Author|Import version 1 of greet",
        "ada <ada@example.com>|2025-03-02T10:00:00+00:00|Test Author|Kinder",
        "clx1 <no-address@registry.invalid>|2025-03-02T12:00:00+00:00|Test Author|Import version 1 of support/triage",
        "clx1 <no-address@registry.invalid>|2025-03-09T10:00:00+02:00|Test Author|Import version 4 of greet",
    ]
    assert (
        repo.git("log", "-1", "--format=%B", "HEAD~2") == "Kinder\n\nMuch.\n\nImported-From: Langfuse, greet, version 2"
    )
    assert repo.git("status", "--porcelain", "--", "prompts", "README") == ""
    assert repo.git("show", "HEAD~2:prompts/greet.prompt.yaml").endswith('content: "Dear {{ name }}"')
    assert list(written.commits) == repo.git("rev-list", "--reverse", "HEAD~4..").splitlines()
    assert written.labels == ("greet@production", "greet@staging", "support/triage@team-a")
    with open_workspace(repo.path) as workspace:
        assert [entry.display.partition(" ")[0] for entry in workspace.history("greet")] == ["v3", "v2", "v1"]
        assert workspace.prompt("greet@production").prompt.messages == workspace.prompt("greet@v2").prompt.messages
        [event] = workspace.labels.log("greet@production").events
        assert event.reason == "imported from Langfuse, version 2"


def test_a_workspace_below_the_root_and_a_branch_without_a_commit(tmp_path: Path) -> None:
    root = Repo(tmp_path / "repo")
    root.path.mkdir()
    root.git("init", "--quiet", "--initial-branch=trunk")
    app = Repo(root.path / "apps" / "bot")
    app.write("promptctl.yaml", "model: echo/echo\n")
    imported(app, GREETINGS[:2])
    assert root.git("ls-tree", "-r", "--name-only", "trunk") == "apps/bot/prompts/greet.prompt.yaml"
    assert root.git("rev-list", "--count", "trunk") == "2"
    assert root.git("status", "--porcelain", "--", "apps/bot/prompts") == ""


def test_what_came_since_follows_what_is_here(repo: Repo) -> None:
    imported(repo, GREETINGS[:2])
    again = planned(repo, GREETINGS[:2])
    assert (again.history.versions, again.history.there, again.proposal.is_empty) == ((), 2, True)
    written = imported(repo, GREETINGS[:3])
    assert len(written.commits) == 1
    assert repo.git("log", "--format=%s", "-2") == "Import version 4 of greet\nKinder"
    assert repo.git("status", "--porcelain", "--", "prompts") == ""


def test_a_text_that_came_back_is_a_version_of_its_own(repo: Repo) -> None:
    versions = [version(1, "a"), version(2, "b"), version(3, "a"), version(4, "c")]
    imported(repo, versions[:1])
    assert [each.registry.number for each in planned(repo, versions).history.versions] == [2, 3, 4]
    imported(repo, versions[:3])
    assert [each.registry.number for each in planned(repo, versions).history.versions] == [4]


def test_a_prompt_that_was_changed_here_keeps_its_file(repo: Repo) -> None:
    imported(repo, GREETINGS[:2])
    repo.commit("Change", {GREET: (repo.path / GREET).read_text() + "tags: [ours]\n"})
    assert {each.past.path for each in planned(repo, GREETINGS).history.versions} == {
        "prompts/greet-2.prompt.yaml",
        "prompts/support/triage.prompt.yaml",
    }


@pytest.mark.parametrize("is_committed", [True, False])
def test_an_edit_here_makes_no_twin_of_versions_that_are_here(repo: Repo, is_committed: bool) -> None:
    imported(repo, GREETINGS[:2])
    edited = (repo.path / GREET).read_text() + "tags: [ours]\n"
    repo.commit("Change", {GREET: edited}) if is_committed else repo.write(GREET, edited)
    report = planned(repo, GREETINGS[:2])
    assert (report.history.versions, report.proposal.is_empty, report.sources[0].prompts) == ((), True, ("greet",))
    assert "was changed here since it was imported, and stays" in report.sources[0].notes[-1].message
    later = planned(repo, GREETINGS[:3])
    assert [(each.past.path, each.registry.number) for each in later.history.versions] == [
        ("prompts/greet-2.prompt.yaml", 4)
    ]
    if is_committed:
        imported(repo, GREETINGS[:3])
        again = planned(repo, GREETINGS[:3])
        assert (again.history.versions, again.proposal.is_empty) == ((), True)


def test_dates_and_words_that_git_or_a_terminal_would_choke_on(repo: Repo) -> None:
    versions = [
        version(
            1, "a", createdAt="2024-01-01T00:00:00+23:59", createdBy="E\x9b31m\u202eve", commitMessage="Re\x85d\u202e!"
        )
    ]
    imported(repo, versions)
    assert repo.git("log", "-1", "--format=%aI|%an|%s") == "2023-12-31T00:01:00+00:00|E 31m ve|Re d !"


def test_versions_in_several_files_are_one_history(repo: Repo) -> None:
    folder = repo.path.parent / "saved"
    folder.mkdir()
    for number, each in enumerate(GREETINGS[:3]):
        (folder / f"greet.{9 - number}.json").write_text(json.dumps(each, indent=2))
    (folder / "again.json").write_text(json.dumps(GREETINGS[0]))
    with open_workspace(repo.path) as workspace:
        report = workspace.exchange.import_files(ImportRequest(paths=[folder], id="hello"))
        assert [each.registry.number for each in report.history.versions] == [1, 2, 4]
        assert {each.past.path for each in report.history.versions} == {"prompts/hello.prompt.yaml"}
        (folder / "again.json").write_text(json.dumps(version(1, "other")))
        [problem] = workspace.exchange.import_files(ImportRequest(paths=[folder])).refused
    assert "is in" in problem.message
    assert "says something else" in problem.message


def test_the_latest_alone_is_a_file(repo: Repo) -> None:
    report = planned(repo, GREETINGS, latest=True)
    assert report.history.is_nothing
    assert [change.path for change in report.proposal.changes] == [GREET, "prompts/support/triage.prompt.yaml"]
    assert "Hi {{ name }}" in report.proposal.diff()


def test_a_secret_in_any_version_becomes_no_commit(repo: Repo) -> None:
    versions = [
        version(1, "The key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"),
        version(2, "a"),
        GREETINGS[3],
    ]
    report = planned(repo, versions)
    [problem] = report.refused
    assert "version 1 of `greet` holds a secret" in problem.message
    assert [each.past.prompt for each in report.history.versions] == ["support/triage"]
    assert report.proposal.is_empty
    assert planned(repo, versions, latest=True).refused == ()


def with_partial(text: str, *others: dict[str, Any]) -> str:
    part = version(1, text, name="tone", labels=["production"], tags=["partial"])
    user = version(1, "@@@langfusePrompt:name=tone|label=production@@@ Hi", name="main")
    return json.dumps([part, user, *others])


def test_a_file_that_is_refused_leaves_no_partial_in_the_commits_of_others(repo: Repo) -> None:
    bad, good = repo.path.parent / "a.json", repo.path.parent / "b.json"
    bad.write_text(with_partial("Be kind.", version(1, "hey \0 x", name="bad")))
    good.write_text(json.dumps([version(1, "Hello")]))
    with open_workspace(repo.path) as workspace:
        report = workspace.exchange.import_files(ImportRequest(paths=[bad, good]))
    assert [problem.place.path for problem in report.refused if problem.place] == [str(bad)]
    assert report.history.newest.keys() == {GREET}
    assert report.proposal.is_empty


def test_a_secret_in_a_partial_holds_back_the_prompts_of_its_file_alone(repo: Repo) -> None:
    secret, good = repo.path.parent / "a.json", repo.path.parent / "b.json"
    secret.write_text(with_partial("sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"))
    good.write_text(json.dumps([version(1, "Hello")]))
    with open_workspace(repo.path) as workspace:
        report = workspace.exchange.import_files(ImportRequest(paths=[secret, good]))
    [problem] = report.refused
    assert "holds a secret, and Git would keep it for good" in problem.message
    assert report.history.newest.keys() == {GREET}
    assert report.proposal.is_empty


def test_partials_come_with_the_first_commit(repo: Repo) -> None:
    part = version(1, "Be kind.", name="tone", labels=["production"], tags=["partial"])
    imported(repo, [part, version(2, "@@@langfusePrompt:name=tone|label=production@@@ Hi {{name}}")])
    assert repo.git("show", "--format=", "--name-only", "HEAD") == f"{GREET}\nprompts/tone.j2"
    with open_workspace(repo.path) as workspace:
        assert workspace.prompt("greet").render({"name": "Ada"}).messages[0]["content"] == "Be kind. Hi Ada"


def test_dates_that_are_missing_or_run_backwards_keep_the_order(repo: Repo) -> None:
    versions = [
        version(1, "a", createdAt="2025-03-05T10:00:00Z"),
        version(2, "b", createdAt=None),
        version(3, "c", createdAt="2025-03-01T10:00:00Z"),
        version(4, "d", createdAt="no date"),
        version(5, "e", createdAt="0001-01-01T00:00:00Z"),
        version(6, "f", createdAt="9999-12-31T23:59:59-14:00"),
    ]
    imported(repo, versions)
    assert repo.git("log", "--format=%aI", "-6").splitlines() == ["2025-03-05T10:00:00+00:00"] * 6
    assert repo.git("show", f"HEAD:{GREET}").endswith("content: f")


def test_names_and_messages_cannot_forge_a_commit(repo: Repo) -> None:
    author = "Eve <a@b.c>\ncommitter Eve <e@e.e> 1 +0000\n\nfrom refs/heads/x"
    message = "Subject\n\nfrom 0000\ndata 9999\nM 100644 inline README\n\x00deleteall"
    imported(repo, [version(1, "a", createdBy=author, commitMessage=message)])
    assert repo.git("show", "HEAD:README") == "hello"
    assert repo.git("rev-list", "--count", "HEAD") == "2"
    assert "from 0000\ndata 9999" in repo.git("log", "-1", "--format=%B")
    assert repo.git("log", "-1", "--format=%ae") == "no-address@registry.invalid"


def test_no_hook_and_no_signing_of_commits(repo: Repo) -> None:
    hooks = repo.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-index-change", "reference-transaction", "post-commit", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {repo.path.parent}/ran-{name}\nexit 1\n")
        (hooks / name).chmod(0o755)
    repo.git("config", "commit.gpgSign", "true")
    repo.git("config", "gpg.program", "false")
    imported(repo, [version(1, "a")])
    assert list(repo.path.parent.glob("ran-*")) == []
    assert "gpgsig" not in repo.git("cat-file", "commit", "HEAD")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda repo: repo.write(GREET, "mine\n"), "is in the work tree already"),
        (lambda repo: (repo.write(GREET, "mine\n"), repo.git("add", GREET)), "is in the index, and not committed"),
        (lambda repo: repo.git("checkout", "--quiet", "--detach"), "HEAD is on no branch"),
        (lambda repo: repo.write(".git/MERGE_HEAD", repo.head), "a merge is not finished here"),
    ],
)
def test_what_is_in_the_way_stops_everything(repo: Repo, prepare: Any, message: str) -> None:
    report = planned(repo, GREETINGS)
    prepare(repo)
    before = state(repo)
    with open_workspace(repo.path) as workspace, pytest.raises((GitError, WorkspaceError), match=message):
        workspace.exchange.write_history(report.history)
    assert state(repo) == before


def linked(repo: Repo) -> None:
    outside = repo.path.parent / "outside"
    outside.mkdir()
    (repo.path / "prompts").symlink_to(outside)


def nested(repo: Repo) -> None:
    repo.write("prompts/support/x", "")
    repo.git("init", "--quiet", str(repo.path / "prompts/support"))


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (linked, "is reached through a symbolic link"),
        (nested, "lies in a different repository"),
        (lambda repo: repo.write(".git/index.lock", ""), "the index was not changed"),
        (lambda repo: repo.write(".git/refs/heads/main.lock", ""), "main was not moved"),
        (lambda repo: repo.write("prompts/support", "a file"), "cannot write"),
    ],
)
def test_a_place_that_cannot_be_written_stops_everything(repo: Repo, prepare: Any, message: str) -> None:
    report = planned(repo, GREETINGS)
    prepare(repo)
    before = state(repo)
    with open_workspace(repo.path) as workspace, pytest.raises((GitError, WorkspaceError), match=message):
        workspace.exchange.write_history(report.history)
    assert state(repo) == before
    assert list(repo.path.parent.glob("outside/*")) == []


def test_a_linked_work_tree_and_long_object_ids(tmp_path: Path) -> None:
    main = Repo(tmp_path / "main")
    main.path.mkdir()
    main.git("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    main.commit("Begin", {"promptctl.yaml": "model: echo/echo\n", ".gitignore": ".promptctl/\n"})
    main.git("worktree", "add", "--quiet", "-b", "moving", str(tmp_path / "tree"))
    tree, head = Repo(tmp_path / "tree"), main.head
    imported(tree, GREETINGS[:2])
    assert tree.git("log", "--format=%s", "-2") == "Kinder\nImport version 1 of greet"
    assert (main.head, tree.git("status", "--porcelain", "--", "prompts")) == (head, "")
    imported(tree, GREETINGS[:3])
    assert tree.git("status", "--porcelain", "--", "prompts") == ""


def test_line_ends_of_the_checkout_are_no_change(repo: Repo) -> None:
    imported(repo, GREETINGS[:2])
    file = repo.path / GREET
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    repo.git("config", "core.autocrlf", "true")
    repo.git("add", GREET)
    imported(repo, GREETINGS[:3])
    assert repo.git("status", "--porcelain", "--", "prompts") == ""


def test_uncommitted_changes_of_a_file_that_goes_on_stop_everything(repo: Repo) -> None:
    imported(repo, GREETINGS[:2])
    report = planned(repo, GREETINGS)
    repo.write(GREET, "mine\n")
    before = state(repo)
    with open_workspace(repo.path) as workspace, pytest.raises(WorkspaceError, match="has uncommitted changes"):
        workspace.exchange.write_history(report.history)
    assert state(repo) == before
    assert (repo.path / GREET).read_text() == "mine\n"


def test_a_commit_that_comes_first_wins(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from promptctl.git import growth

    report, put = planned(repo, GREETINGS), growth._put_in_index

    def late(*args: Any) -> None:
        put(*args)
        monkeypatch.setattr(growth, "_put_in_index", put)
        tree = repo.git("rev-parse", "HEAD^{tree}")
        repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", tree, "-p", "HEAD", "-m", "First"))

    monkeypatch.setattr(growth, "_put_in_index", late)
    with open_workspace(repo.path) as workspace, pytest.raises(GitError, match="was not moved"):
        workspace.exchange.write_history(report.history)
    assert repo.git("log", "-1", "--format=%s") == "First"
    assert repo.git("status", "--porcelain", "--", "prompts") == ""
    assert not (repo.path / "prompts").exists()


def test_outside_git_there_is_no_history(tmp_path: Path) -> None:
    folder = Repo(tmp_path / "plain")
    folder.write("promptctl.yaml", "model: echo/echo\n")
    with pytest.raises(GitError) as refused:
        planned(folder, GREETINGS)
    assert refused.value.hint == "--latest takes the newest versions alone, as files"
    assert len(planned(folder, GREETINGS, latest=True).proposal.changes) == 2


def test_labels_wait_for_the_remote_that_moves_are_made_at(repo: Repo, tmp_path: Path) -> None:
    repo.git("init", "--quiet", "--bare", str(tmp_path / "origin"))
    repo.git("remote", "add", "origin", str(tmp_path / "origin"))
    repo.commit("Rule", {"promptctl.yaml": "model: echo/echo\nlabels:\n  remote: origin\n"})
    repo.git("push", "--quiet", "origin", "main")
    written = imported(repo, GREETINGS)
    assert written.labels == ()
    assert written.first == "git push origin main"
    commands = [each.command for each in written.later]
    reason = "'imported from Langfuse, version 2'"
    assert commands[0] == f"promptctl label set greet@production {written.commits[1][:12]} --reason {reason}"
    repo.git("push", "--quiet", "origin", "main")
    with open_workspace(repo.path) as workspace:
        workspace.labels.set("greet@production", written.commits[1][:12])


def test_labels_that_a_rule_stops_are_commands_for_later(repo: Repo) -> None:
    rules = "labels:\n  production: {after: staging}\n  staging: {reason: required}\n  team-a: {evaluation: passed}\n"
    repo.commit("Rule", {"promptctl.yaml": f"model: echo/echo\n{rules}"})
    versions = [version(1, "a", labels=["production", "staging", "team_a"])]
    written = imported(repo, versions)
    assert written.labels == ("greet@staging", "greet@production")
    [later] = written.later
    assert later.command.startswith("promptctl label set greet@team-a ")
    assert "evaluation" in later.reason


KILLED = """
import os, signal, sys
from promptctl.git import growth
import promptctl.files.writing
step, count = sys.argv[1], [0]

def killing(owner, name, after):
    found = getattr(owner, name)
    def dying(*args, **options):
        count[0] += 1
        done = found(*args, **options)
        if count[0] >= after: os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(owner, name, dying)

killing(growth, *{
    "first file": ("replace_file", 1), "second file": ("replace_file", 2),
    "index": ("_put_in_index", 1), "branch": ("_move", 1),
}[step])
from promptctl.__main__ import main
sys.argv = ["promptctl", "import", "../export.jsonl", "--yes"]
main()
"""


@pytest.mark.parametrize("step", ["first file", "second file", "index", "branch"])
def test_a_kill_leaves_all_or_nothing(repo: Repo, step: str) -> None:
    """Between the first file and the branch's move, new files may lie about: the same import goes on from there."""
    export_of(repo, GREETINGS)
    head = repo.head
    run = subprocess.run([sys.executable, "-c", KILLED, step], cwd=repo.path, capture_output=True, check=False)
    assert run.returncode == -signal.SIGKILL
    assert not list((repo.path / ".git").rglob("*.lock"))
    if step == "branch":
        assert repo.git("rev-list", "--count", f"{head}..HEAD") == "4"
        assert repo.git("status", "--porcelain", "--", "prompts") == ""
        return
    assert repo.head == head
    assert len(imported(repo, GREETINGS).commits) == 4
    assert repo.git("status", "--porcelain", "--", "prompts") == ""


def test_a_kill_at_any_time_leaves_all_or_nothing(repo: Repo) -> None:
    versions = [version(n, f"Hello {n} {{{{name}}}}", name=f"p{n % 40}", createdAt=None) for n in range(1, 401)]
    export_of(repo, versions)
    head = repo.head
    command = [sys.executable, "-m", "promptctl", "import", "../export.jsonl", "--yes"]
    for delay_s in (0.6, 0.9, 1.2):
        process = subprocess.Popen(command, cwd=repo.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert repo.git("rev-list", "--count", f"{head}..HEAD") in ("0", "400")
    history = planned(repo, versions).history
    assert len(history.versions) in (0, 400)
    if history.versions:
        imported(repo, versions)
    assert repo.git("rev-list", "--count", f"{head}..HEAD") == "400"
    assert repo.git("status", "--porcelain", "--", "prompts") == ""
    assert os.listdir(repo.path / "prompts") != []
