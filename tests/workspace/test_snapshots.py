"""A snapshot of a workspace's labels: the same prompts byte for byte without Git, and a clear refusal of all else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import promptctl
from promptctl import PromptctlError, PromptNotFound, RevisionNotFound, Snapshot, WorkspaceError, WorkspaceNotFound
from promptctl.versions.snapshot import SnapshotEntry, snapshot_bytes
from promptctl.workspace.snapshots import _TASKS
from tests.cli.conftest import commit, git, write

SETTINGS = """\
model: echo/echo
log:
  - {prompts: "*", content: full}
budgets:
  - {name: all, limit: {calls: 1000}, per: day}
"""
TRIAGE = """\
name: Triage
inputs:
  ticket: {type: string}
  tone: {type: string, default: kind}
messages:
  - role: system
    content: |
      You triage. {% include "support/tone.j2" %}
  - role: user
    content: |
      {{ ticket }}
output:
  schema: {$ref: support/triage.schema.yaml}
tools: [{$ref: support/tools.json}]
metadata: {content_type: text}
"""
TOOLS = '[{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}]'
HELLO = 'inputs: {name: {type: string}}\r\nmessages: [{role: user, content: "WORD {{ name }} ✓"}]\r\n'
REFS = ("hello@production", "hello@staging", "support/triage@production", "renamed@production")
INPUTS = {"hello": {"name": "Ada"}, "support/triage": {"ticket": "Twice"}, "renamed": {"name": "Ada"}}


@pytest.fixture(scope="module", name="desk")
def labelled_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed workspace with four labels: one of an earlier version, one whose prompt was renamed since."""
    root = tmp_path_factory.mktemp("snapshots") / "desk"
    write(root, "promptctl.yaml", SETTINGS)
    write(root, "prompts/support/triage.prompt.yaml", TRIAGE)
    write(root, "prompts/support/tone.j2", "Be {{ tone }}.\r\n{# ✓ #}")
    write(root, "prompts/support/triage.schema.yaml", "type: object\nproperties: {label: {type: string}}\n")
    write(root, "prompts/support/tools.json", TOOLS)
    (root / "prompts/hello.prompt.yaml").write_bytes(HELLO.replace("WORD", "Hello").encode())
    write(root, "prompts/old.prompt.yaml", HELLO.replace("\r", "").replace("WORD", "Good day"))
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "core.autocrlf", "false")
    commit(root, "Begin")
    with promptctl.open_workspace(root) as workspace:
        for name in ("hello", "support/triage", "old"):
            workspace.labels.set(f"{name}@production")
        git(root, "mv", "prompts/old.prompt.yaml", "prompts/renamed.prompt.yaml")
        marked = HELLO.replace("WORD", "Hi").replace("type: string", "type: string, sensitive: true")
        (root / "prompts/hello.prompt.yaml").write_bytes(marked.encode())
        commit(root, "Rename one, mark an input of the other")
        workspace.labels.set("hello@staging", "v1", reason="As before")
    return root


@pytest.fixture(scope="module", name="file")
def written_file(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with promptctl.open_workspace(desk) as workspace:
        return workspace.snapshots.write(tmp_path_factory.mktemp("written")).file


@pytest.fixture(name="opened")
def opened_snapshot(file: Path, tmp_path: Path) -> Iterator[promptctl.Workspace]:
    with promptctl.open_workspace(snapshot=file, environ={"PROMPTCTL_STATE": str(tmp_path / "state")}) as workspace:
        yield workspace


@pytest.mark.parametrize("ref", [*REFS, "hello@v1"])
def test_a_prompt_is_what_the_label_in_the_repository_names(desk: Path, opened: promptctl.Workspace, ref: str) -> None:
    with promptctl.open_workspace(desk) as workspace:
        there, here = workspace.prompt(ref), opened.prompt(ref)
    inputs = INPUTS[there.prompt.id]
    assert here.version == there.version
    assert here.render(inputs).as_dict() == there.render(inputs).as_dict()
    assert (here.prompt.closure, here.prompt.sensitive, here.model, here.prompt.metadata) == (
        *(there.prompt.closure, there.prompt.sensitive, there.model, there.prompt.metadata),
    )


def test_the_bytes_depend_on_the_labels_alone(desk: Path, file: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(desk, "clone", "-q", str(desk), str(clone))
    with promptctl.open_workspace(clone) as workspace:
        done = workspace.snapshots.write(tmp_path / "new" / "prompts-{digest}.json")
        again = workspace.snapshots.write(done.file)
    assert done.file.read_bytes() == file.read_bytes()
    assert (done.is_new, again.is_new) == (True, False)
    assert done.file.name == f"prompts-{done.snapshot.digest[:16]}.json"
    assert file.name == f"prompts-{done.snapshot.digest[:16]}.snapshot.json"
    first, body = file.read_bytes().split(b"\n", 1)
    assert json.loads(first + body)["digest"] == f"sha256:{sha256(body).hexdigest()}"


def test_calls_are_logged_with_version_and_label(opened: promptctl.Workspace, tmp_path: Path) -> None:
    execution = opened.run("hello@production", {"name": "Ada"})
    assert execution.reply == "Hello Ada ✓"
    assert [execution.metadata[key] for key in ("prompt_version", "prompt_label")] == [1, "production"]
    assert [(row.prompt, row.version, row.label) for row in opened.log.executions()] == [("hello", 1, "production")]
    assert opened.budgets.all()[0].accounts[0].spent == 1
    inputs = opened.log.execution(execution.id).inputs or {}
    assert inputs["name"].startswith("hmac-sha256:"), "marked today"
    assert (tmp_path / "state/log.db").exists()


NEEDS_NO_GIT = """
import sys, promptctl
with promptctl.open_workspace(snapshot=sys.argv[1]) as workspace:
    print(workspace.run("hello@production", {"name": "Ada"}).reply)
assert "git" not in sys.modules, "GitPython"
"""


def test_neither_git_nor_gitpython_is_needed(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "prompts.json"
    moved.write_bytes(file.read_bytes())
    write(tmp_path, "hidden/git/__init__.py", "raise ImportError('there is no GitPython here')\n")
    environ = {"PATH": "", "PYTHONPATH": str(tmp_path / "hidden"), "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", NEEDS_NO_GIT, str(moved)], env=environ, cwd="/", capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("Hello Ada ✓\n", "")
    assert (tmp_path / ".promptctl/snapshot/log.db").exists()


@pytest.mark.parametrize(
    ("ref", "error", "words", "hint"),
    [
        ("hello", RevisionNotFound, "names the files of a work tree", "hello@production or hello@staging"),
        ("hello@prodution", RevisionNotFound, "holds no `hello@prodution`", "did you mean `hello@production`?"),
        ("hello@main", RevisionNotFound, "holds no `hello@main`", "it holds hello@production or hello@staging"),
        ("hello@v2", RevisionNotFound, "holds no `hello@v2`", "it holds"),
        ("helo@production", PromptNotFound, "holds no prompt `helo`", "did you mean `hello`?"),
    ],
)
def test_a_ref_that_it_does_not_hold(
    opened: promptctl.Workspace, ref: str, error: type[PromptctlError], words: str, hint: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        opened.prompt(ref)
    assert hint in str(raised.value.hint)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda each: each.evaluate(promptctl.EvaluationRequest(refs=["hello"])), "an evaluation"),
        (lambda each: each.validate(), "a check of files"),
        (lambda each: each.labels.set("hello@production"), "a label"),
        (lambda each: each.history("hello"), "a history"),
        (lambda each: each.prompts(), "a list of prompts"),
        (lambda each: each.datasets.all(), "a dataset"),
        (lambda each: each.run("hello@production", {"name": "Ada"}, record=True), "a recording"),
        (lambda each: each.log.set_rules(["hello"], {"content": "metadata"}), "a change of the settings"),
    ],
)
def test_what_needs_the_repository_says_so(
    opened: promptctl.Workspace, ask: Callable[[promptctl.Workspace], object], words: str
) -> None:
    with pytest.raises(WorkspaceError, match=f"is a snapshot, and {words} needs the repository"):
        ask(opened)


def test_all_that_is_refused_is_there_to_be_refused() -> None:
    assert all(hasattr(promptctl.Workspace, name) for name in _TASKS)


def test_the_log_and_what_is_counted_from_it_can_be_read(opened: promptctl.Workspace) -> None:
    execution = opened.run("hello@production", {"name": "Ada"})
    assert opened.log.execution(execution.id).id == execution.id
    latest = opened.log.latest_call("hello")
    assert latest is not None
    assert (latest.id, opened.log.latest_call("support/triage")) == (execution.id, None)
    assert [row.calls for row in opened.log.totals(promptctl.Filter(prompt="hello", label="production"))] == [1]
    assert len(opened.log.rules()) == 3
    assert opened.results.evaluations() == []
    with pytest.raises(PromptctlError):
        opened.results.trend("hello")
    with pytest.raises(PromptNotFound):
        opened.log.latest_call("helo")


def test_a_file_with_any_bit_changed_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(WorkspaceError):
            Snapshot(bytes(changed))
    for length in (*range(0, len(data), 97), len(data) - 1):
        with pytest.raises(WorkspaceError):
            Snapshot(data[:length])
    with pytest.raises(WorkspaceError, match="was changed or cut"):
        Snapshot(data + b"\n")


def test_a_file_that_is_none(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    for content, words in (
        (b"", "is empty"),
        (b"model: echo/echo\n", "is no snapshot of promptctl"),
        (file.read_bytes().replace(b'"snapshot": 1,', b'"snapshot": 2,'), "of scheme 2, and this promptctl reads"),
    ):
        other.write_bytes(content)
        with pytest.raises(WorkspaceError, match=f"other.json is.* {words}|other.json {words}"):
            promptctl.open_workspace(snapshot=other)
    renamed = tmp_path / "prompts-0123456789abcdef.snapshot.json"
    renamed.write_bytes(file.read_bytes())
    with pytest.raises(WorkspaceError, match="is named after a different snapshot"):
        promptctl.open_workspace(snapshot=renamed)
    with pytest.raises(WorkspaceNotFound, match="there is no snapshot"):
        promptctl.open_workspace(snapshot=tmp_path / "missing.json")
    with pytest.raises(WorkspaceError, match=r"it is a folder|[Ii]s a directory"):
        promptctl.open_workspace(snapshot=tmp_path)


ENTRY: dict[str, Any] = {
    "prompt": "hello",
    "at": "production",
    "label": "production",
    "version": 1,
    "version_display": "v1 (1234567)",
    "commit": "1" * 40,
    "digest": "1:" + "2" * 64,
    "path": "prompts/hello.prompt.yaml",
    "files": {"prompts/hello.prompt.yaml": sha256(b"x").hexdigest()},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "../../etc/passwd"},
        {"files": {"/etc/passwd": sha256(b"x").hexdigest()}},
        {"files": {"prompts/../../x": sha256(b"x").hexdigest()}},
        {"files": {"prompts/hello.prompt.yaml": "0" * 64}},
        {"prompt": "../hello"},
        {"files": {"prompts/hello.prompt.yaml": "\x1b"}},
        {"at": "pro\x1b[31m", "label": None},
        {"label": "staging"},
        {"commit": "main"},
        {"version": -1},
        {"version": True},
        {"digest": "2:x"},
        {"sensitive": [1]},
        {"event": {"actor": "\x1b]0;x"}},
        {"event": {"actor": ["x"]}},
    ],
)
def test_a_file_that_was_made_by_somebody_else(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Its digest is right: what it holds is still checked, and no path of it is ever looked for on the disk."""
    data = snapshot_bytes([], [], "", [SnapshotEntry(**{**ENTRY, **changes})], {sha256(b"x").hexdigest(): "x"})
    with pytest.raises(WorkspaceError):
        Snapshot(data).resolve("hello@production")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"label": ', b'"prompt": "other", "label": '),
        (b'"label": ', b'"at": "staging", "label": '),
        (b'"settings": ""', b'"settings": "\\ud800"'),
    ],
)
def test_a_line_that_says_two_things_and_half_a_character_are_refused(old: bytes, new: bytes) -> None:
    whole = snapshot_bytes([], [], "", [SnapshotEntry(**ENTRY)], {sha256(b"x").hexdigest(): "x"})
    body = whole.split(b"\n", 1)[1].replace(old, new)
    head = b'{"snapshot": 1, "digest": "sha256:%s",\n' % sha256(body).hexdigest().encode()
    with pytest.raises(WorkspaceError, match="was not written by promptctl"):
        _ = Snapshot(head + body).entries


def test_a_file_that_is_made_to_exhaust_memory_is_refused() -> None:
    whole = snapshot_bytes([], [], "", [SnapshotEntry(**ENTRY)], {sha256(b"x").hexdigest(): "x"})
    body = whole.split(b"\n", 1)[1]
    for more in (b'"sensitive": ' + b"[" * 30_000 + b"]" * 30_000, b'"sensitive": [' + b"[]," * 40_000 + b"[]]"):
        deep = body.replace(b'"sensitive": []', more)
        head = b'{"snapshot": 1, "digest": "sha256:%s",\n' % sha256(deep).hexdigest().encode()
        with pytest.raises(WorkspaceError, match="was not written by promptctl"):
            _ = Snapshot(head + deep).entries


def test_a_secret_is_never_written(desk: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "SHOP_API_KEY": "Hello {{ name }}"}
    with (
        promptctl.open_workspace(desk, environ) as workspace,
        pytest.raises(WorkspaceError, match=r"hello.prompt.yaml of hello@production holds a secret"),
    ):
        workspace.snapshots.write(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_secret_in_the_reason_of_a_move_is_written_nowhere(desk: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(desk, "clone", "-q", str(desk), str(clone))
    said = "rotated by sofia-4242"
    with promptctl.open_workspace(clone) as workspace:
        workspace.labels.set("hello@canary", "v1", reason=said)
    with promptctl.open_workspace(clone, {**os.environ, "SHOP_API_KEY": "sofia-4242"}) as workspace:
        with pytest.raises(WorkspaceError, match="the reason of hello@canary holds a secret") as raised:
            workspace.snapshots.write(tmp_path / "new")
        assert "promptctl label remove hello@canary" in (raised.value.hint or "")
        with pytest.raises(promptctl.UsageError, match="the reason holds a secret: nothing was done"):
            workspace.labels.set("hello@canary", "v2", reason=said)
        with pytest.raises(promptctl.UsageError, match="the reason holds a secret: nothing was done"):
            workspace.experiments.stop("tone", said)
        workspace.labels.remove("hello@canary", reason="revoked")
        workspace.snapshots.write(tmp_path / "new")


def test_labels_and_globs_that_mean_nothing(desk: Path, tmp_path: Path) -> None:
    with promptctl.open_workspace(desk) as workspace:
        done = workspace.snapshots.write(tmp_path, ["production"], ["support/*", "hello"])
        assert [f"{entry.prompt}@{entry.at}" for entry in done.snapshot.entries] == [
            *("hello@production", "support/triage@production"),
        ]
        with pytest.raises(RevisionNotFound, match="no prompt has a label `stagin`") as raised:
            workspace.snapshots.write(tmp_path, ["stagin"])
        assert raised.value.hint == "did you mean `staging`?"
        with pytest.raises(PromptNotFound, match="no prompt with the label staging matches `support/"):
            workspace.snapshots.write(tmp_path, ["staging"], ["support/*"])


def test_only_a_file_is_written_over(desk: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with promptctl.open_workspace(desk) as workspace, pytest.raises(WorkspaceError, match="it is no file"):
        workspace.snapshots.write(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("prompts/hello.prompt.yaml", "the file that is there is no snapshot"),
        ("promptctl.yaml", "the file that is there is no snapshot"),
        (".git/config", "the file that is there is no snapshot"),
        (".git/new.json", "it is in a folder of Git's own"),
        ("prompts/{digest}.json", "the file that is there is no snapshot"),
    ],
)
def test_nothing_but_a_snapshot_is_written_over(desk: Path, file: Path, tmp_path: Path, path: str, words: str) -> None:
    clone = tmp_path / "clone"
    git(desk, "clone", "-q", str(desk), str(clone))
    target = clone / path.replace("{digest}", Snapshot.read(file).digest[:16])
    if "{digest}" in path:
        target.write_text("{}")
    before = target.read_bytes() if target.exists() else None
    with promptctl.open_workspace(clone) as workspace, pytest.raises(WorkspaceError, match=words) as raised:
        workspace.snapshots.write(clone / path)
    assert raised.value.hint is not None
    assert (target.read_bytes() if target.exists() else None) == before


def test_a_snapshot_that_was_cut_or_is_an_old_one_is_written_over(desk: Path, file: Path, tmp_path: Path) -> None:
    with promptctl.open_workspace(desk) as workspace:
        for old in (file.read_bytes()[:-1], file.read_bytes().replace(b'"snapshot": 1', b'"snapshot": 2')):
            (tmp_path / "s.json").write_bytes(old)
            assert workspace.snapshots.write(tmp_path / "s.json").is_new
    assert (tmp_path / "s.json").read_bytes() == file.read_bytes()


def test_verify_and_diff_say_what_moved(desk: Path, file: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(desk, "clone", "-q", str(desk), str(clone))
    with promptctl.open_workspace(clone) as workspace:
        assert workspace.snapshots.verify(file) == []
        assert workspace.snapshots.diff(file).changes == ()
        workspace.labels.set("hello@staging", "v2")
        workspace.labels.remove("renamed@production")
        found = {problem.code: problem.message for problem in workspace.snapshots.verify(file)}
        changes = workspace.snapshots.diff(file).changes
    assert found.keys() == {"label-moved"}
    assert [(each.ref, each.parts) for each in changes] == [
        ("hello@staging", ("messages",)),
        ("renamed@production", ()),
    ]
    write(clone, "promptctl.yaml", "model: echo/other\n")
    with promptctl.open_workspace(clone) as workspace:
        assert "settings-changed" in [problem.code for problem in workspace.snapshots.verify(file)]
        both = workspace.snapshots.write(tmp_path / "both.json", ["production", "staging"]).file
        workspace.labels.remove("hello@staging")
        (gone,) = workspace.snapshots.verify(both)
    assert gone.message.startswith(f"hello@staging names nothing now, and {both} holds v2 ")


def test_a_snapshot_of_a_different_repository_is_told_from_labels_that_moved(file: Path, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", SETTINGS)
    write(tmp_path, "prompts/hello.prompt.yaml", HELLO.replace("\r", "").replace("WORD", "Another"))
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "Begin")
    with promptctl.open_workspace(tmp_path) as workspace:
        workspace.labels.set("hello@production")
        found = {each.code: each.message for each in workspace.snapshots.verify(file)}
    assert found.keys() == {"not-in-repository"}


EXPERIMENTS = """\
experiments:
  tone:
    prompt: hello
    arms: {control: {ref: "@production", share: 50}, kind: {ref: "@v1", share: 30}, lost: {ref: "@gone", share: 20}}
    primary: {feedback: helpful, direction: higher}
"""


def test_the_arms_of_experiments_are_in_it(desk: Path, tmp_path: Path) -> None:
    write(tmp_path, "clone/x", "")
    git(tmp_path / "clone", "clone", "-q", str(desk), "desk")
    root = tmp_path / "clone/desk"
    write(root, "promptctl.yaml", SETTINGS + EXPERIMENTS)
    said: list[str] = []
    with promptctl.open_workspace(root, on_warning=said.append) as workspace:
        done = workspace.snapshots.write(tmp_path, ["production"], ["hello"])
        assert [(entry.at, entry.label) for entry in done.snapshot.entries] == [
            *(("production", "production"), ("v1", None)),
        ]
        assert len(said) == 1
        assert said[0].startswith("the arm lost of tone is not in the snapshot: `gone` is no label of `hello`")
    with promptctl.open_workspace(snapshot=done.file) as workspace:
        execution = workspace.run("hello", {"name": "Ada"}, experiment="tone", key="u1")
    assert execution.experiment == "tone"
