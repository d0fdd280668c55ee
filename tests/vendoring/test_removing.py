"""Prompts of other repositories taken out again, and the lock compared with what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl import AddRequest, UpdateRequest
from promptctl.errors import InvalidFiles, LabelRefused, PromptctlError, SourceNotFound, UsageError
from promptctl.workspace import Workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.vendoring.conftest import files_of

BOTH = "../acme-kit//support@v1.0"
TRIAGE = "acme-kit/support/triage"
REPLY = "acme-kit/support/reply"


@pytest.fixture
def vendored(library: Path, workspace: Workspace) -> Workspace:
    """The workspace with both prompts of `support`."""
    workspace.write(workspace.vendoring.add(AddRequest(BOTH)).proposal)
    return workspace


def refused(workspace: Workspace, *names: str) -> PromptctlError:
    """The error of removing, after which the files are as they were."""
    before = files_of(workspace.root)
    with pytest.raises(PromptctlError) as caught:
        workspace.write(workspace.vendoring.remove(*names).proposal)
    assert files_of(workspace.root) == before
    return caught.value


def test_all_of_a_repository_goes_without_a_trace(library: Path, workspace: Workspace) -> None:
    before = files_of(workspace.root)
    workspace.write(workspace.vendoring.add(AddRequest(BOTH)).proposal)
    workspace.write(workspace.vendoring.remove("acme-kit").proposal)
    assert files_of(workspace.root) == before


def test_one_prompt_goes_with_what_it_alone_needs(vendored: Workspace) -> None:
    vendored.write(vendored.vendoring.remove(TRIAGE).proposal)
    files = files_of(vendored.root)
    assert f"prompts/{TRIAGE}.prompt.yaml" not in files
    assert "prompts/acme-kit/support/triage.schema.yaml" not in files
    assert "prompts/acme-kit/support/tone.j2" in files
    assert "prompts/acme-kit/LICENSE" in files
    assert f"prompts: [{REPLY}]" in files["datasets/acme-kit/triage.yaml"]
    assert not vendored.vendoring.verify().problems
    assert not vendored.vendoring.verify(asks_remote=True).problems
    vendored.write(vendored.vendoring.remove(REPLY, "acme-kit/judges/own").proposal)
    assert "promptctl.lock.yaml" not in files_of(vendored.root)


def test_edits_that_would_be_lost_are_told(vendored: Workspace, cli: Cli) -> None:
    path = f"prompts/{TRIAGE}.prompt.yaml"
    write(vendored.root, path, "messages: [{role: user, content: Mine}]\n")
    ran = cli("remove", TRIAGE)
    assert f"{path} was edited here: the edits go with it" in ran.err
    assert "-messages: [{role: user, content: Mine}]" in ran.out
    assert "nothing was written" in ran.err
    assert path in files_of(vendored.root)
    assert cli("remove", TRIAGE, "--yes").exit_code == 0
    assert path not in files_of(vendored.root)


def test_what_is_needed_stays(vendored: Workspace) -> None:
    write(
        vendored.root,
        "prompts/mine.prompt.yaml",
        f"status: deprecated\nsuccessor: {TRIAGE}\nmessages: [{{role: user, content: A}}]\n",
    )
    assert "the successor of `mine`" in refused(vendored, TRIAGE).message
    include = "messages: [{role: user, content: \"{% include 'acme-kit/support/tone.j2' %}\"}]\n"
    write(vendored.root, "prompts/mine.prompt.yaml", include)
    error = refused(vendored, "acme-kit")
    assert error.message == "prompts/acme-kit/support/tone.j2 is needed: `mine` pulls it in"
    write(vendored.root, "prompts/mine.prompt.yaml", "messages: [{role: user, content: A}]\n")
    write(vendored.root, "datasets/mine.yaml", f"prompts: [{TRIAGE}]\ncases: [{{id: a, inputs: {{ticket: x}}}}]\n")
    assert "datasets/mine.yaml" in refused(vendored, TRIAGE).message


def test_a_judge_that_tests_still_ask_stays(vendored: Workspace) -> None:
    assert "a judge of a dataset" in refused(vendored, "acme-kit/judges/own").message


def test_a_judge_is_needed_by_a_dataset_that_only_loses_a_prompt(vendored: Workspace) -> None:
    assert "a judge of a dataset" in refused(vendored, TRIAGE, "acme-kit/judges/own").message


def test_files_that_rows_name_stay_with_them(library: Path, workspace: Workspace) -> None:
    write(library, "datasets/rows.yaml", "prompts: [support/triage, support/reply]\ncases: rows.jsonl\n")
    write(library, "datasets/rows.jsonl", '{"id": "a", "files": {"ticket": "./t/one.txt"}}\n')
    write(library, "datasets/t/one.txt", "One\n")
    write(library, "datasets/alone.yaml", "prompts: [support/triage]\ncases: rows.jsonl\n")
    commit(library, "Add rows")
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support@main")).proposal)
    workspace.write(workspace.vendoring.remove(TRIAGE).proposal)
    files = files_of(workspace.root)
    assert {"datasets/acme-kit/rows.jsonl", "datasets/acme-kit/t/one.txt"} <= files.keys()
    assert "datasets/acme-kit/alone.yaml" not in files
    workspace.write(workspace.vendoring.remove("acme-kit").proposal)
    assert not [path for path in files_of(workspace.root) if "acme-kit" in path]


def test_a_label_keeps_a_prompt(vendored: Workspace, cli: Cli) -> None:
    commit(vendored.root, "Add")
    assert cli("label", "set", f"{TRIAGE}@production").exit_code == 0
    error = refused(vendored, TRIAGE)
    assert isinstance(error, LabelRefused)
    assert f"promptctl label remove {TRIAGE}@production" in str(error.hint)


def test_names_that_are_none(vendored: Workspace) -> None:
    error = refused(vendored, "mine")
    assert isinstance(error, UsageError)
    assert error.message == "`mine` is not from another repository"
    assert error.hint == "promptctl delete mine"
    assert isinstance(refused(vendored, "acme-kitt"), SourceNotFound)
    assert refused(vendored, "nothing-like-it").hint == "those that the lock names: acme-kit"
    assert refused(vendored, "acme-kit@v1.0").hint == "promptctl remove ID, without a ref"


def test_the_lock_is_compared_offline(library: Path, vendored: Workspace, cli: Cli) -> None:
    library.rename(library.with_name("elsewhere"))
    ran = cli("add", "--verify")
    assert ran.exit_code == 0
    assert ran.out == "10 files of 1 source compared with the lock: 0 errors, 0 warnings\n"
    (vendored.root / "prompts/acme-kit/support/more.j2").unlink()
    write(vendored.root, "prompts/acme-kit/shared/end.j2", "Edited\n")
    ran = cli("add", "--verify", "--json")
    assert ran.exit_code == 1
    found = {(each["code"], each["path"]) for each in ran.json["problems"]}
    assert found == {
        ("vendored-missing", "prompts/acme-kit/support/more.j2"),
        ("vendored-edited", "prompts/acme-kit/shared/end.j2"),
    }
    assert cli("add", "--verify", "--remote").exit_code == 3


def test_a_lock_that_was_written_by_hand_is_found_out(vendored: Workspace, cli: Cli) -> None:
    lock = vendored.root / "promptctl.lock.yaml"
    text = lock.read_text()
    digest = vendored.prompt(TRIAGE).prompt.digest
    lock.write_text(text.replace(digest, "1:" + "0" * 64))
    assert [each.code for each in vendored.vendoring.verify().problems] == ["lock-differs"]
    blob = git(vendored.root.parent / "acme-kit", "rev-parse", "HEAD:prompts/support/more.j2")
    lock.write_text(text.replace(blob, "0" * 40))
    assert not vendored.vendoring.verify().problems
    assert [each.code for each in vendored.vendoring.verify(asks_remote=True).problems] == ["lock-differs"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    commit: ", "    commit: x", 8),
        ("    url: ../acme-kit\n", "", 4),
        ("      prompts/acme-kit/LICENSE:", "      prompts/../promptctl.yaml:", None),
        ("      prompts/acme-kit/LICENSE:", "      .github/workflows/x.yml:", None),
        ("      prompts/acme-kit/LICENSE:", "      promptctl.yaml:", None),
        ("  acme-kit:\n", "  ../x:\n", 4),
        ("vendored:\n", "vendored:\n<<<<<<< ours\n=======\n>>>>>>> theirs\n", 4),
        ("vendored:\n", "vendored: []\nx:\n", None),
        ("    ref: v1.0\n", "    ref: v1.0\n    other: 1\n", None),
        ("    ref: v1.0\n", "    ref: v1.0\n    folder:\n", 7),
        ("    ref: v1.0\n", "    ref: v1.0\n    datasets:\n", 7),
        ("    name: refs/tags/v1.0\n", "    name: null\n", 7),
    ],
)
def test_a_lock_that_is_wrong_stops_every_command(
    vendored: Workspace, cli: Cli, old: str, new: str, line: int | None
) -> None:
    lock = vendored.root / "promptctl.lock.yaml"
    text = lock.read_text()
    assert old in text
    lock.write_text(text.replace(old, new, 1))
    before = files_of(vendored.root)
    for command in (["add", BOTH], ["remove", "acme-kit"], ["add", "--verify"]):
        ran = cli(*command)
        assert ran.exit_code == 3
        assert f"promptctl.lock.yaml:{line or ''}" in ran.err
        assert ("hint: keep both sides where" if "=====" in new else "hint:") in ran.err
    for ask in (vendored.vendoring.outdated, lambda: vendored.vendoring.update(UpdateRequest())):
        with pytest.raises(InvalidFiles):
            ask()
    assert files_of(vendored.root) == before


@pytest.mark.parametrize("command", [["add", "--verify", "--remote"], ["update"], ["outdated"]])
def test_an_address_of_the_lock_that_is_none_has_its_place(vendored: Workspace, cli: Cli, command: list[str]) -> None:
    lock = vendored.root / "promptctl.lock.yaml"
    lock.write_text(lock.read_text().replace("url: ../acme-kit", "url: rsync://example.com/x"))
    ran = cli(*command)
    assert (ran.exit_code, "promptctl.lock.yaml:4" in ran.err) == (2, True)
    assert "`rsync` is not spoken" in ran.err


def test_a_library_says_what_it_offers(library: Path, here: Path, cli: Cli) -> None:
    write(library, "promptctl.yaml", "share: ['support/*', 'none/*']\n")
    write(library, "datasets/broken.yaml", "prompts: [support/triage\n")
    write(
        library,
        "README.md",
        "![logo](x.png)\n\n# Acme's *prompts*\n\n<img>\n\nFor [support](x.md) teams\nof all sizes.\n",
    )
    commit(library, "Share")
    found = cli("-C", str(library), "library")
    assert found.exit_code == 0
    assert "Acme's prompts\nFor support teams of all sizes.\n" in found.out
    assert "support/triage\tSupport triage\tticket\t1" in found.out
    assert "unrelated" not in found.out
    assert "`none/*` names no prompt" in found.err
    data = cli("-C", str(library), "library", "--json").json
    assert data["share"] == ["support/*", "none/*"]
    assert data["licence_file"] == "LICENSE"
    assert data["prompts"][1]["files"] == [
        "prompts/support/tone.j2",
        "prompts/shared/end.j2",
        "prompts/support/more.j2",
        "prompts/support/triage.schema.yaml",
    ]
    there = cli("library", "../acme-kit@main", "--json").json
    assert [each["prompt"] for each in there["prompts"]] == ["support/reply", "support/triage"]
    assert there["prompts"][1]["datasets"] == ["datasets/triage.yaml"]
    assert there["title"] == "Acme's prompts"
    assert cli("library").out.count("mine") == 2
