"""A workspace in a process that lives on: refs are kept, changes are seen, and a lost repository ends nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from promptctl import Workspace, open_workspace
from promptctl.errors import (
    GitError,
    HistoryIncomplete,
    InputError,
    LabelRefused,
    PromptNotFound,
    RevisionNotFound,
    UsageError,
)
from promptctl.git import commands, ref_stamps
from tests.cli.conftest import commit, git, write

PROMPT = """\
inputs: {name: {type: string}}
messages: [{role: user, content: 'WORD {{ name }}{% include "end.j2" %}'}]
"""
LABEL = "greet@production"
REFS = (LABEL, "greet", "greet@v1")
INPUTS = {"name": "Ada"}
NEVER = 1e6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a prompt, of which the first is in production."""
    root = tmp_path_factory.mktemp("template")
    write(root, "promptctl.yaml", "model: echo/echo\n")
    write(root, "prompts/end.j2", "!")
    git(root, "init", "-q", "-b", "main")
    for word in ("Hello", "Good day"):
        write(root, "prompts/greet.prompt.yaml", PROMPT.replace("WORD", word))
        commit(root, f"Say {word}")
        if word == "Hello":
            with open_workspace(root, {}, refresh_s=0) as workspace:
                workspace.labels.set(LABEL, "HEAD")
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "desk"))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def opened(root: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose thread never wakes: the tests look after the refs themselves. Files settle at once."""
    monkeypatch.setattr(ref_stamps, "_SETTLED_NS", -1_000_000_000)
    with open_workspace(root, {}, on_warning=said.append, refresh_s=NEVER) as workspace:
        yield workspace


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each process of Git that was started."""
    started: list[Any] = []
    start = commands.Commands.start

    def counted(self: commands.Commands, args: Any, **options: Any) -> Any:
        started.append(args)
        return start(self, args, **options)

    monkeypatch.setattr(commands.Commands, "start", counted)
    return started


def move_elsewhere(root: Path, version: str = "v2") -> None:
    """Move the label as a different process does, so that this one does not know of it."""
    before = commands.changes_made
    with open_workspace(root, {}, refresh_s=0) as other:
        if version:
            other.labels.set(LABEL, version)
        else:
            other.labels.remove(LABEL)
    commands.changes_made = before


def version_of(workspace: Workspace, ref: str = LABEL) -> int | None:
    return workspace.prompt(ref).version.number


def replies(workspace: Workspace) -> list[str | None]:
    return [workspace.run(ref, INPUTS).reply for ref in REFS]


@pytest.mark.parametrize("ref", [*REFS, "greet@main", "greet@main~1"])
def test_a_ref_is_resolved_once_and_kept(opened: Workspace, processes: list[Any], ref: str) -> None:
    first = opened.prompt(ref)
    assert processes
    processes.clear()
    assert opened.prompt(ref) is first
    assert opened.run(ref, INPUTS).version == first.version.number
    assert processes == []


def test_the_move_of_a_label_is_seen_by_the_check(opened: Workspace, root: Path, processes: list[Any]) -> None:
    assert version_of(opened) == 1
    processes.clear()
    opened.context.kept_refs.check()
    assert processes == [], "nothing was changed, and no process is asked"
    move_elsewhere(root)
    processes.clear()
    assert version_of(opened) == 1
    assert processes == [], "whoever asks waits for nothing"
    opened.context.kept_refs.check()
    processes.clear()
    assert opened.run(LABEL, INPUTS).reply == "Good day Ada!"
    assert processes == []
    move_elsewhere(root, "")
    opened.context.kept_refs.check()
    with pytest.raises(RevisionNotFound, match="was removed by"):
        opened.run(LABEL, INPUTS)


def test_a_thread_looks_after_labels(root: Path) -> None:
    with open_workspace(root, {}, refresh_s=0.05) as workspace:
        assert version_of(workspace) == 1
        move_elsewhere(root)
        deadline = time.monotonic() + 60
        while version_of(workspace) == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert version_of(workspace) == 2


def test_a_move_by_this_process_is_seen_at_once(opened: Workspace, root: Path) -> None:
    assert version_of(opened) == 1
    opened.labels.set(LABEL, "v2")
    assert version_of(opened) == 2


def test_with_0_nothing_is_kept(root: Path, processes: list[Any]) -> None:
    with open_workspace(root, {}, refresh_s=0) as workspace:
        assert version_of(workspace) == 1
        move_elsewhere(root)
        assert version_of(workspace) == 2
        assert not workspace.context.has_made("kept_refs")


@pytest.mark.parametrize("wrong", [-1, "30", None, float("nan"), float("inf")])
def test_a_wrong_time_is_refused(root: Path, wrong: Any) -> None:
    with pytest.raises(UsageError, match="`refresh_s` is a number of seconds"):
        open_workspace(root, {}, refresh_s=wrong)


def test_a_change_of_any_file_of_the_work_tree_is_seen_at_once(opened: Workspace, root: Path) -> None:
    assert opened.run("greet", INPUTS).reply == "Good day Ada!"
    end = root / "prompts/end.j2"
    before = end.stat()
    end.write_text("?")
    os.utime(end, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert opened.run("greet", INPUTS).reply == "Good day Ada?"
    assert opened.prompt("greet").version.is_dirty
    commit(root, "Ask")
    assert (opened.prompt("greet").version.is_dirty, version_of(opened, "greet")) == (False, 3)
    write(root, "prompts/greet.prompt.yml", PROMPT)
    with pytest.raises(Exception, match="are both the prompt"):
        opened.prompt("greet")
    (root / "prompts/greet.prompt.yml").unlink()
    (root / "prompts/greet.prompt.yaml").rename(root / "prompts/new.prompt.yaml")
    with pytest.raises(PromptNotFound):
        opened.prompt("greet")


def test_what_was_just_written_is_read_again(root: Path) -> None:
    """Two writes within one tick of the file system's clock have one stamp."""
    with open_workspace(root, {}) as workspace:
        for number in range(10):
            (root / "prompts/end.j2").write_text(f"{number:02}")
            assert workspace.run("greet", INPUTS).reply == f"Good day Ada{number:02}"


def test_a_mark_of_today_holds_for_a_label(opened: Workspace, root: Path) -> None:
    assert not opened.prompt(LABEL).prompt.sensitive
    write(root, "prompts/greet.prompt.yaml", PROMPT.replace("string}", "string, sensitive: true}"))
    opened.context.kept_refs.check()
    assert opened.prompt(LABEL).prompt.sensitive


def _without_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (root / ".git/packed-refs").write_text("")  # so that there is something to ask


LOSSES: dict[str, Callable[[Path, pytest.MonkeyPatch], Any]] = {
    "its .git": lambda root, _: shutil.rmtree(root / ".git"),
    "the folder": lambda root, _: shutil.rmtree(root),
    "HEAD": lambda root, _: (root / ".git/HEAD").write_text("junk"),
    "the program": _without_git,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_without_its_repository_the_last_version_goes_on(
    opened: Workspace, root: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    before = replies(opened)
    assert before == ["Hello Ada!", "Good day Ada!", "Hello Ada!"]
    LOSSES[loss](root, monkeypatch)
    for _ in range(2):
        opened.context.kept_refs.check()
        assert replies(opened) == before
    told = [words for words in said if "calls go on with what was resolved before" in words]
    assert len(told) == 1, said
    assert (root / ".git").exists() == (loss not in ("its .git", "the folder")), "no log is begun in what is gone"
    shutil.rmtree(root, ignore_errors=True)


def test_it_is_told_again_if_it_was_there_meanwhile(opened: Workspace, root: Path, said: list[str]) -> None:
    assert version_of(opened) == 1
    for number in (1, 2):
        (root / ".git").rename(root / ".away")
        opened.context.kept_refs.check()
        assert len(said) == number
        (root / ".away").rename(root / ".git")
        move_elsewhere(root, "v2" if number == 1 else "v1")
        opened.context.kept_refs.check()
        assert version_of(opened) == 3 - number
    assert len(said) == 2


def test_a_label_whose_tags_are_gone_was_not_removed(opened: Workspace, root: Path, said: list[str]) -> None:
    assert version_of(opened) == 1
    git(root, "tag", "-d", *git(root, "tag").split())
    opened.context.kept_refs.check()
    assert version_of(opened) == 1
    assert len(said) == 1


def _renamed(root: Path) -> None:
    git(root, "mv", "prompts/greet.prompt.yaml", "prompts/hello.prompt.yaml")
    commit(root, "Rename")


def _declared(root: Path) -> None:
    text = (root / "prompts/greet.prompt.yaml").read_text()
    write(
        root,
        "prompts/hello.prompt.yaml",
        "formerly: [greet]\n" + text.replace("messages", "model: echo/echo\nmessages"),
    )
    (root / "prompts/greet.prompt.yaml").unlink()
    commit(root, "Write anew")


def _remove(root: Path) -> None:
    move_elsewhere(root, "")


def _remove_and_forget_the_id(root: Path) -> None:
    move_elsewhere(root, "")
    text = (root / "prompts/hello.prompt.yaml").read_text()
    write(root, "prompts/hello.prompt.yaml", text.replace("formerly: [greet]\n", ""))


def _remove_without_settings(root: Path) -> None:
    move_elsewhere(root, "")
    (root / "promptctl.yaml").unlink()


def _remove_and_lose_the_first_tag(root: Path) -> None:
    move_elsewhere(root, "")
    git(root, "tag", "-d", f"prompt/{LABEL}/1")


def _remove_and_add_an_odd_tag(root: Path) -> None:
    move_elsewhere(root, "")
    git(root, "tag", "-a", "-m", "odd", f"prompt/{LABEL}/3")


def _remove_and_add_a_huge_tag(root: Path) -> None:
    move_elsewhere(root, "")
    write(root, ".git/words", "x" * 100_000)
    git(root, "tag", "-a", "-F", ".git/words", f"prompt/{LABEL}/3")


def _ask_for_signatures(root: Path) -> None:
    write(root, "promptctl.yaml", "labels: {signed: required}\n")
    commit(root, "Ask for signatures")


Change = Callable[[Path], None]


@pytest.mark.parametrize(
    ("before", "then", "error"),
    [
        (None, _remove, RevisionNotFound),
        (_renamed, _remove, RevisionNotFound),
        (_declared, _remove, RevisionNotFound),
        (_declared, _remove_and_forget_the_id, RevisionNotFound),
        (None, _remove_without_settings, RevisionNotFound),
        (None, _remove_and_lose_the_first_tag, HistoryIncomplete),
        (None, _remove_and_add_an_odd_tag, LabelRefused),
        (None, _remove_and_add_a_huge_tag, LabelRefused),
        (None, _ask_for_signatures, LabelRefused),
    ],
)
def test_what_the_tags_refuse_fails_as_in_a_fresh_process(
    opened: Workspace, root: Path, said: list[str], before: Change | None, then: Change, error: type[Exception]
) -> None:
    if before is not None:
        before(root)
    ref = LABEL if before is None else "hello@production"
    assert opened.run(ref, INPUTS).reply == "Hello Ada!"
    then(root)
    opened.context.kept_refs.check()
    with pytest.raises(error):
        opened.run(ref, INPUTS)
    assert not [words for words in said if "calls go on" in words]


def test_a_removed_label_fails_though_its_newest_tag_is_lost(opened: Workspace, root: Path) -> None:
    assert version_of(opened) == 1
    _remove_and_add_an_odd_tag(root)
    lost = git(root, "rev-parse", f"prompt/{LABEL}/3").strip()
    (root / ".git/objects" / lost[:2] / lost[2:]).unlink()
    opened.context.kept_refs.check()
    with pytest.raises(GitError):
        opened.prompt(LABEL)


def test_a_live_label_goes_on_without_settings_and_objects(opened: Workspace, root: Path, said: list[str]) -> None:
    assert version_of(opened) == 1
    (root / "promptctl.yaml").unlink()
    lost = git(root, "rev-parse", f"prompt/{LABEL}/1").strip()
    (root / ".git/objects" / lost[:2] / lost[2:]).unlink()
    opened.context.kept_refs.check()
    assert version_of(opened) == 1
    assert len(said) == 1


def test_a_number_that_a_rewritten_line_has_no_more_fails(opened: Workspace, root: Path, said: list[str]) -> None:
    assert version_of(opened, "greet@v2") == 2
    git(root, "reset", "-q", "--hard", "HEAD~1")
    opened.context.kept_refs.check()
    with pytest.raises(RevisionNotFound, match="has no version v2"):
        opened.prompt("greet@v2")
    assert not [words for words in said if "calls go on" in words]


def test_what_was_never_resolved_has_nothing_to_go_on_with(opened: Workspace) -> None:
    for ref, error in (("none", PromptNotFound), ("greet@none", RevisionNotFound), (["greet"], UsageError)):
        for _ in range(2):
            with pytest.raises(error):
                opened.prompt(ref)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        opened.run(LABEL, {})


def test_threads_and_event_loops_share_what_is_kept(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch, processes: list[Any]
) -> None:
    resolved: list[str] = []
    resolve = type(opened.context).resolve

    def counted(self: Any, ref: str) -> Any:
        resolved.append(ref)
        return resolve(self, ref)

    monkeypatch.setattr(type(opened.context), "resolve", counted)
    found: list[str | None] = []

    async def ask() -> None:
        replies = await asyncio.gather(*(opened.arun(ref, INPUTS) for ref in REFS * 3))
        found.extend(each.reply for each in replies)

    def work(number: int) -> None:
        if number % 2:
            asyncio.run(ask())
        else:
            found.extend(replies(opened) * 3)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, found)) == sorted(["Hello Ada!", "Good day Ada!", "Hello Ada!"] * 18)
    assert sorted(resolved) == sorted(REFS)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_children_go_on_with_what_was_opened_before(opened: Workspace, root: Path) -> None:
    before = replies(opened)
    opened.page("greet")
    children = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            with suppress(BaseException):
                same = replies(opened) == before and len(opened.history("greet")) == 2
                is_watched = "promptctl-refs" in {thread.name for thread in threading.enumerate()}
                if number == 1:
                    move_elsewhere(root, "v2")
                    opened.context.kept_refs.check()
                status = 0 if same and is_watched and version_of(opened) == number + 1 else 2
            os._exit(status)
        children.append(child)
        assert len(opened.history("greet")) == 2, "Git's process still answers the parent"
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert replies(opened) == before
    assert len(list(opened.log.executions())) == 12


BLOCKING: dict[str, tuple[Callable[[Workspace], Any], str]] = {
    "run": (lambda opened: opened.run("greet", INPUTS), "arun"),
    "stream": (lambda opened: opened.stream("greet", INPUTS), "astream"),
    "call": (lambda opened: opened.call([]), "acall"),
    "stream_call": (lambda opened: opened.stream_call([]), "astream_call"),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_in_a_running_loop_the_awaited_form_is_named(opened: Workspace, name: str) -> None:
    call, instead = BLOCKING[name]

    async def notebook() -> None:
        with pytest.raises(UsageError, match=f"`{name}` would stop the event loop .*; use `{instead}`") as caught:
            call(opened)
        assert f"workspace.{instead}(" in str(caught.value.hint)
        assert (await asyncio.to_thread(opened.run, "greet", INPUTS)).status == "ok"

    asyncio.run(notebook())


def test_what_calls_need_is_loaded_before_the_first(
    opened: Workspace, processes: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr("promptctl.models.litellm_library.load_litellm", lambda: loaded.append("litellm"))
    monkeypatch.setattr("promptctl.models.openai_lane.load", lambda: loaded.append("aiohttp"))
    opened.preload(*REFS)
    assert loaded == []
    processes.clear()
    replies(opened)
    assert processes == []
    opened.preload()
    opened.context.gateway.load("ollama/llama3")
    assert loaded == ["litellm", "aiohttp"]
    with pytest.raises(RevisionNotFound):
        opened.preload("greet@none")


def test_a_ref_that_was_refused_asks_git_no_more_for_a_while(opened: Workspace, processes: list[Any]) -> None:
    with pytest.raises(RevisionNotFound) as first:
        opened.prompt("greet@gone")
    processes.clear()
    with pytest.raises(RevisionNotFound) as again:
        opened.run("greet@gone", {})
    assert str(again.value) == str(first.value)
    assert again.value.hint == first.value.hint
    assert processes == []
    [(*_, kept)] = opened.context.kept_refs._refused.values()
    assert kept.__traceback__ is None, "it would keep all that the ref was looked for in"
    opened.labels.set("greet@gone", "v2")  # by this process: seen at once
    assert opened.prompt("greet@gone").version.number == 2


def test_after_a_close_what_did_not_change_is_not_resolved_again(
    opened: Workspace, root: Path, processes: list[Any]
) -> None:
    opened.prompt(LABEL)
    opened.close()
    processes.clear()
    assert opened.prompt(LABEL).version.number == 1
    assert processes == []
    opened.close()
    move_elsewhere(root)
    assert opened.prompt(LABEL).version.number == 2


def test_prompts_that_are_elsewhere_by_a_changed_file_are_read_from_there(opened: Workspace, root: Path) -> None:
    opened.prompt("greet")
    shutil.copytree(root / "prompts", root / "texts")
    (root / "texts/greet.prompt.yaml").write_text(PROMPT.replace("WORD", "Welcome"))
    (root / "promptctl.yaml").write_text("model: echo/echo\nprompt_paths: [texts]\n")
    assert opened.prompt("greet").prompt.path == "texts/greet.prompt.yaml"
