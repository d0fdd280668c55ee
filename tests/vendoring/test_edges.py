"""Rare repositories and rare workspaces: each is taken whole, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl import AddRequest
from promptctl.errors import GitError, InvalidFiles, PromptctlError, UsageError
from promptctl.workspace import Workspace, open_workspace
from tests.cli.conftest import commit, git, write
from tests.vendoring.conftest import files_of

PYTHON = '{"id": "a", "assert": [{"type": "python"}]}\n'
HELLO = "messages: [{role: user, content: Hello}]\n"


def notes(workspace: Workspace, address: str) -> str:
    """The notes on what would be added."""
    return "\n".join(workspace.vendoring.add(AddRequest(address)).notes)


def refused(workspace: Workspace, address: str, name: str | None = None) -> PromptctlError:
    """The error of adding, after which the files are as they were."""
    before = files_of(workspace.root)
    with pytest.raises(PromptctlError) as caught:
        workspace.write(workspace.vendoring.add(AddRequest(address, name)).proposal)
    assert files_of(workspace.root) == before
    return caught.value


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"d.yaml": "cases: d.csv", "d.csv": "id,files.x\na,tickets/b.txt\n"}, "the rows of datasets/d.csv name files"),
        (
            {"d.yaml": "cases: d.jsonl", "d.jsonl": '{"id": "a", "assert": [{"type": "python"}]}\n'},
            "name code or schemas",
        ),
        ({"d.yaml": "cases: d.jsonl"}, "there is no datasets/d.jsonl"),
        ({"d.yaml": "cases: [{id: a, files: {x: lost.png}}]"}, "there is no datasets/lost.png"),
        ({"d.yaml": "cases: [{id: a, files: {x: ../up.png}}]"}, "climbs with `..`"),
        ({"d.yaml": "cases: [{id: a, assert: [{type: llm-rubric, value: a, prompt: lost}]}]"}, "asks `lost` to judge"),
    ],
)
def test_datasets_that_cannot_be_whole_here_are_left_out(
    library: Path, workspace: Workspace, files: dict[str, str], why: str
) -> None:
    for name, text in files.items():
        head = "prompts: [unrelated]\n" if name.endswith(".yaml") else ""
        write(library, f"datasets/{name}", head + text + "\n" * name.endswith(".yaml"))
    commit(library, "Add a dataset")
    assert "datasets/d.yaml is left out: " in (said := notes(workspace, "../acme-kit//unrelated"))
    assert why in said


def test_a_tag_of_something_else_than_a_commit(library: Path, workspace: Workspace) -> None:
    git(library, "tag", "blob", "HEAD:promptctl.yaml")
    assert isinstance(refused(workspace, "../acme-kit//unrelated@blob"), GitError)


def test_a_workspace_whose_prompts_have_no_folder(library: Path, here: Path) -> None:
    write(here, "promptctl.yaml", 'prompt_paths: ["*.prompt.yml"]\n')
    with open_workspace(here) as workspace:
        assert "`prompt_paths` names no folder" in refused(workspace, "../acme-kit//unrelated").message


def test_prompts_of_several_folders_come_into_one(library: Path, workspace: Workspace) -> None:
    write(library, "promptctl.yaml", "prompt_paths: [prompts, .github/prompts]\n")
    write(library, ".github/prompts/greet.prompt.yml", "messages: [{role: user, content: \"{% include 'b.j2' %}\"}]\n")
    write(library, ".github/prompts/b.j2", "B\n")
    write(library, ".github/prompts/shared/end.j2", "A different end.\n")
    write(
        library,
        ".github/prompts/two.prompt.yaml",
        "messages: [{role: user, content: \"{% include 'shared/end.j2' %}\"}]\n",
    )
    commit(library, "Add a place")
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//greet")).proposal)
    assert workspace.prompt("acme-kit/greet").render({}).messages[0]["content"] == "B\n"
    error = refused(workspace, "../acme-kit//*", "all")
    assert "would both be prompts/all/shared/end.j2" in error.message


def test_the_folder_of_prompts_is_the_users_choice_and_only_what_is_below_it_is_judged(
    library: Path, here: Path
) -> None:
    write(library, "prompts/.odd/hidden.j2", "x\n")
    hidden = "messages: [{role: user, content: \"{% include '.odd/hidden.j2' %}\"}]\n"
    write(library, "prompts/odd.prompt.yaml", hidden)
    commit(library, "Hide a partial")
    write(here, "promptctl.yaml", "prompt_paths: [.github/prompts]\n")
    with open_workspace(here) as workspace:
        workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/reply")).proposal)
        assert (here / ".github/prompts/acme-kit/support/tone.j2").is_file()
        message = refused(workspace, "../acme-kit//odd", "odd").message
    assert message == "`.github/prompts/odd/.odd/hidden.j2` is hidden"


def test_a_file_whose_name_is_no_id(library: Path, workspace: Workspace) -> None:
    write(library, "prompts/My prompt.prompt.yaml", HELLO)
    commit(library, "Add")
    error = refused(workspace, "../acme-kit//prompts/My prompt.prompt.yaml")
    assert "`My prompt` cannot be a prompt's id" in error.message


def test_a_reference_that_cannot_be_rewritten(library: Path, workspace: Workspace) -> None:
    """The literal stands on a different line than its tag."""
    text = 'messages:\n  - role: user\n    content: |\n      {% include\n        "shared/end.j2" %}\n'
    write(library, "prompts/odd.prompt.yaml", text)
    commit(library, "Add")
    for _ in range(2):
        error = refused(workspace, "../acme-kit//odd")
        assert "a reference in it cannot be rewritten" in error.message
        assert str(error.place) == "prompts/odd.prompt.yaml"
        write(workspace.root, "prompts/shared/end.j2", "Ours, and never taken for theirs.\n")


def test_nothing_is_written_through_a_link(library: Path, workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "prompts/acme-kit").mkdir()
    (workspace.root / "prompts/acme-kit/shared").symlink_to(tmp_path)
    assert "is reached through a symbolic link" in refused(workspace, "../acme-kit//support/triage").message


def test_both_sides_of_a_dataset_that_more_prompts_join(library: Path, workspace: Workspace, here: Path) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/triage@main")).proposal)
    path = "datasets/acme-kit/triage.yaml"
    text = (here / path).read_text()
    write(here, path, text.replace("[acme-kit/support/triage]", "[mine, acme-kit/support/triage]"))
    error = refused(workspace, "../acme-kit//support/reply@main")
    assert isinstance(error, InvalidFiles)
    assert str(error.place) == f"{path}:2"


def test_two_sources_that_both_claim_a_file(library: Path, workspace: Workspace, here: Path) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//unrelated", "one")).proposal)
    lock = here / "promptctl.lock.yaml"
    lock.write_text(lock.read_text() + lock.read_text().partition("vendored:\n")[2].replace("  one:\n", "  two:\n", 1))
    error = refused(workspace, "../acme-kit//support/reply")
    assert isinstance(error, InvalidFiles)
    assert "is of both one and two" in error.message


def test_names_that_are_taken_by_a_different_repository(library: Path, workspace: Workspace, tmp_path: Path) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//unrelated")).proposal)
    other = tmp_path / "other/acme-kit"
    write(other, "prompts/hello.prompt.yaml", HELLO)
    git(other, "init", "--quiet")
    commit(other, "Begin")
    error = refused(workspace, "../other/acme-kit//hello")
    assert isinstance(error, UsageError)
    assert error.message == "`acme-kit` is the name of prompts of ../acme-kit"
    assert error.hint == "choose a different one: --as acme-kit-2"
    assert "cannot be a name" in refused(workspace, "../other/acme-kit//hello", "a b").message


def test_a_generic_name_is_that_of_the_owner(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "Big Corp/prompts.git"
    write(folder, "prompts/hello.prompt.yaml", HELLO)
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    assert workspace.vendoring.add(AddRequest("../Big Corp/prompts.git//hello")).name == "Big-Corp"


def test_a_prompt_that_the_lock_cannot_load(library: Path, workspace: Workspace, here: Path) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//unrelated")).proposal)
    write(here, "prompts/acme-kit/unrelated.prompt.yml", HELLO)
    assert [each.code for each in workspace.vendoring.verify().problems] == ["vendored-broken"]


def test_labels_and_versions_of_a_library_are_no_refs_here(library: Path, workspace: Workspace) -> None:
    git(library, "tag", "prompt/other@production/1")
    git(library, "commit", "--quiet", "--allow-empty", "--message", "Nothing")
    git(library, "tag", "--annotate", "--message", "Move", "prompt/other@production/2", "HEAD")
    for ref in ("production", "v1"):
        error = refused(workspace, f"../acme-kit//unrelated@{ref}")
        assert (error.hint or "").startswith("labels and versions of another repository cannot be named: take a tag")
        assert "prompt/" not in (error.hint or "")
    at = git(library, "rev-parse", "HEAD")
    assert f"; `production` of other is {at}, unless it was removed" in (
        refused(workspace, "../acme-kit//unrelated@production").hint or ""
    )
