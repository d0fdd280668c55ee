"""Prompts of a real repository, taken into a workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptctl import AddRequest
from promptctl.errors import (
    GitError,
    InvalidFiles,
    PromptctlError,
    PromptNotFound,
    RevisionNotFound,
    UsageError,
    WorkspaceError,
)
from promptctl.files.yaml_reader import read_yaml
from promptctl.workspace import Workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.repositories import head_of
from tests.vendoring.conftest import files_of

TAKEN = [
    "datasets/acme-kit/tickets/b.txt",
    "datasets/acme-kit/triage.yaml",
    "prompts/acme-kit/LICENSE",
    "prompts/acme-kit/judges/own.prompt.yaml",
    "prompts/acme-kit/shared/end.j2",
    "prompts/acme-kit/support/more.j2",
    "prompts/acme-kit/support/tone.j2",
    "prompts/acme-kit/support/triage.prompt.yaml",
    "prompts/acme-kit/support/triage.schema.yaml",
]
CODED = "prompts: [support/triage]\ncases: [{id: a, assert: [{type: python, value: 'a.py:f'}]}]\n"
ONE = "../acme-kit//support/triage@v1.0"


def add(workspace: Workspace, address: str, name: str | None = None, **options: bool) -> dict[str, str]:
    """Add it and give the workspace's files."""
    workspace.write(workspace.vendoring.add(AddRequest(address, name, **options)).proposal)
    return files_of(workspace.root)


def refused(workspace: Workspace, address: str, name: str | None = None) -> PromptctlError:
    """The error of adding, after which the files are as they were."""
    before = files_of(workspace.root)
    with pytest.raises(PromptctlError) as caught:
        add(workspace, address, name)
    assert files_of(workspace.root) == before
    return caught.value


def test_a_prompt_comes_with_all_that_it_pulls_in(library: Path, workspace: Workspace) -> None:
    before = files_of(workspace.root)
    files = add(workspace, ONE)
    assert files.keys() - before.keys() == {*TAKEN, "promptctl.lock.yaml"}
    prompt = workspace.prompt("acme-kit/support/triage")
    rendered = prompt.render({"ticket": "Charged twice"})
    assert "Be kind. Thank you." in rendered.messages[0]["content"]
    assert "More." in rendered.messages[0]["content"]
    assert prompt.prompt.output.schema is not None
    assert prompt.prompt.formerly == ()
    assert not [each for each in workspace.validate(()).problems if each.severity == "error"]
    lock = read_yaml(files["promptctl.lock.yaml"].encode(), "lock").data["vendored"]["acme-kit"]
    assert lock["commit"] == head_of(library)
    assert lock["ref"] == "v1.0"
    assert lock["name"] == "refs/tags/v1.0"
    assert lock["url"] == "../acme-kit"
    assert lock["licence_file"] == "LICENSE"
    assert "licence" not in lock
    assert lock["prompts"]["acme-kit/support/triage"]["digest"] == prompt.prompt.digest
    assert sorted(lock["files"]) == TAKEN


def test_references_are_to_the_new_paths(library: Path, workspace: Workspace) -> None:
    files = add(workspace, ONE)
    triage = files["prompts/acme-kit/support/triage.prompt.yaml"]
    assert '{% include "acme-kit/support/tone.j2" %}' in triage
    assert "{% include './more.j2' %}" in triage
    assert "$ref: acme-kit/support/triage.schema.yaml" in triage
    assert files["prompts/acme-kit/support/tone.j2"] == 'Be kind. {% include "acme-kit/shared/end.j2" %}\n'
    dataset = files["datasets/acme-kit/triage.yaml"]
    assert dataset.startswith("# Hand-checked.\nprompts: [acme-kit/support/triage]\n")
    assert "prompt: acme-kit/judges/own" in dataset
    assert "ticket: acme-kit/tickets/b.txt" in dataset


def test_an_id_is_chosen_with_as(library: Path, workspace: Workspace) -> None:
    files = add(workspace, ONE, "team/sort")
    assert "{% include './sort/support/more.j2' %}" in files["prompts/team/sort.prompt.yaml"]
    assert '{% include "team/sort/support/tone.j2" %}' in files["prompts/team/sort.prompt.yaml"]
    assert "datasets/team/sort/triage.yaml" in files
    assert workspace.prompt("team/sort").render({"ticket": "x"}).messages


def test_datasets_can_be_left_out(library: Path, workspace: Workspace) -> None:
    files = add(workspace, ONE, with_datasets=False)
    assert not [path for path in files if path.startswith("datasets/")]
    assert "prompts/acme-kit/judges/own.prompt.yaml" not in files


def test_a_folder_and_a_glob_are_several_prompts(library: Path, workspace: Workspace) -> None:
    files = add(workspace, "../acme-kit//support@main", with_datasets=False)
    assert {"prompts/acme-kit/support/triage.prompt.yaml", "prompts/acme-kit/support/reply.prompt.yaml"} <= files.keys()
    assert "prompts/acme-kit/unrelated.prompt.yaml" not in files
    files = add(workspace, "../acme-kit//*", "all")
    assert {"prompts/all/unrelated.prompt.yaml", "prompts/all/support/reply.prompt.yaml"} <= files.keys()


def test_more_prompts_of_the_same_repository_join_at_the_same_commit(library: Path, workspace: Workspace) -> None:
    add(workspace, "../acme-kit//support/triage@main")
    write(library, "prompts/support/reply.prompt.yaml", "messages: [{role: user, content: Newer}]\n")
    commit(library, "Change")
    files = add(workspace, "../acme-kit//support/reply@main")
    assert "Newer" not in files["prompts/acme-kit/support/reply.prompt.yaml"]
    assert "prompts: [acme-kit/support/triage, acme-kit/support/reply]" in files["datasets/acme-kit/triage.yaml"]
    git(library, "tag", "v1.1")
    error = refused(workspace, "../acme-kit//unrelated@v1.1")
    assert "is at main" in error.message
    assert "promptctl update acme-kit@v1.1" in str(error.hint)
    assert workspace.vendoring.add(AddRequest("../acme-kit//support/reply@main")).proposal.is_empty


def test_more_prompts_join_where_a_source_is_if_no_ref_says_otherwise(library: Path, workspace: Workspace) -> None:
    add(workspace, "../acme-kit//support/triage@v1.0")
    assert "\n    ref: v1.0\n" in add(workspace, "../acme-kit//judges/own@main")["promptctl.lock.yaml"]
    write(library, "prompts/support/reply.prompt.yaml", "messages: [{role: user, content: Newer}]\n")
    commit(library, "Change")
    files = add(workspace, "../acme-kit//support/reply")
    assert "Newer" not in files["prompts/acme-kit/support/reply.prompt.yaml"]
    assert "is at v1.0" in refused(workspace, "../acme-kit//unrelated@main").message


def test_edits_stay_if_more_prompts_join(library: Path, workspace: Workspace, here: Path) -> None:
    files = add(workspace, "../acme-kit//support/triage@main")
    dataset = "datasets/acme-kit/triage.yaml"
    write(
        here, dataset, files[dataset] + "  - {id: ours, inputs: {ticket: Ours}, assert: [{type: contains, value: O}]}\n"
    )
    files = add(workspace, "../acme-kit//support/reply@main")
    assert "prompts: [acme-kit/support/triage, acme-kit/support/reply]" in files[dataset]
    assert "id: ours" in files[dataset]
    write(here, dataset, files[dataset].replace("acme-kit/support/reply]", "acme-kit/support/reply, mine]"))
    write(library, "promptctl.yaml", "model: echo/other\n")
    commit(library, "Change")
    git(library, "tag", "v1.1")
    assert isinstance(refused(workspace, "../acme-kit//unrelated@v1.1"), UsageError)


def test_a_library_without_settings_is_one_too(tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "plain"
    text = "messages:\n  - role: user\n    content: 'Hi {{name}}'\nmodelParameters: {temperature: 0}\n"
    write(folder, "tools/prompts/greet.prompt.yml", text)
    write(folder, "top.prompt.yml", text)
    write(folder, "README.md", "Hello\n")
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    files = add(workspace, "../plain//tools/prompts/greet.prompt.yml")
    assert files["prompts/plain/greet.prompt.yml"] == text
    files = add(workspace, "../plain//top.prompt.yml", "top")
    assert files["prompts/top.prompt.yml"] == text
    assert "licence" not in files["promptctl.lock.yaml"].replace("licence_file: null", "")
    files = add(workspace, "../plain//tools/prompts", "kit")
    assert files["prompts/kit/greet.prompt.yml"] == text


def test_a_folder_that_is_not_named_is_told(tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "plain"
    write(folder, "src/asks/greet.prompt.yml", "messages: [{role: user, content: Hi}]\n")
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    assert refused(workspace, "../plain//*").hint == "it has some in src/asks: name that folder"
    write(folder, "other/bye.prompt.yml", "messages: [{role: user, content: Bye}]\n")
    commit(folder, "Add a folder")
    add(workspace, "../plain//src/asks")
    error = refused(workspace, "../plain//other")
    assert error.message == "`plain` is a different folder of ../plain, with ids of its own"
    assert error.hint == "take this one beside: --as plain-2"
    assert "prompts/plain-2/bye.prompt.yml" in add(workspace, "../plain//other", "plain-2")


def test_prompts_elsewhere_in_a_plain_repository_are_named(tmp_path: Path, here: Path, cli: Cli) -> None:
    for path in ("top.prompt.yml", ".github/prompts/x.prompt.yml"):
        write(tmp_path / "plain", path, "messages: [{role: user, content: Hi}]\n")
    git(tmp_path / "plain", "init", "--quiet")
    commit(tmp_path / "plain", "Begin")
    assert "warning: prompts in .github/prompts are not listed" in cli("library", "../plain").err
    assert "note: prompts in .github/prompts are left out" in cli("add", "../plain//*", "--dry-run").err
    assert "it has others in .github/prompts: name that folder" in cli("add", "../plain//x").err
    assert ".github" not in cli("add", "../plain//top", "--dry-run").err
    assert "not listed" not in cli("library", "../plain//.github/prompts").err


def test_a_workspace_below_the_root_is_found(tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "mono"
    write(folder, "apps/bot/promptctl.yaml", "prompt_paths: [asks]\n")
    write(folder, "apps/bot/asks/greet.prompt.yaml", "messages: [{role: user, content: \"{% include 'a.j2' %}\"}]\n")
    write(folder, "apps/bot/asks/a.j2", "A\n")
    write(folder, "apps/LICENSE.md", "SPDX-License-Identifier: MIT\n")
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    files = add(workspace, "../mono//greet", "one")
    assert files["prompts/one/a.j2"] == "A\n"
    assert "licence: MIT" in files["promptctl.lock.yaml"]
    files = add(workspace, "../mono//apps/bot/greet", "two")
    files = add(workspace, "../mono//apps/bot/asks/greet.prompt.yaml", "three")
    assert files["prompts/three.prompt.yaml"].count("three/a.j2") == 1
    write(folder, "apps/web/promptctl.yaml", "{}\n")
    commit(folder, "Add a workspace")
    assert "several workspaces: apps/bot, apps/web" in refused(workspace, "../mono//greet", "four").message


def test_only_what_is_shared_is_taken(library: Path, workspace: Workspace) -> None:
    write(library, "promptctl.yaml", "share: ['support/*']\n")
    commit(library, "Share")
    error = refused(workspace, "../acme-kit//unrelated")
    assert error.message == "../acme-kit does not offer unrelated to others"
    assert refused(workspace, "../acme-kit//nope").hint == "it offers 2 prompts: support/reply, support/triage"
    assert "support/reply" in str(error.hint)
    added = workspace.vendoring.add(AddRequest("../acme-kit//*"))
    assert set(added.prompts) == {"acme-kit/support/reply", "acme-kit/support/triage"}
    assert any("not offered to others: judges/own, unrelated" in note for note in added.notes)
    assert "datasets/triage.yaml is left out: it asks `judges/own` to judge, which is not offered" in added.notes
    assert not [change.path for change in added.proposal.changes if change.path.startswith("datasets/")]


def test_settings_that_cannot_be_read_offer_nothing(library: Path, workspace: Workspace) -> None:
    write(library, "promptctl.yaml", "share: [a\n")
    commit(library, "Break")
    error = refused(workspace, "../acme-kit//unrelated")
    assert error.message.startswith("what is offered there is not known")
    assert str(error.place) == "promptctl.yaml:1:8"
    write(library, "promptctl.yaml", "model: echo/echo\nshare: support/*\n")
    commit(library, "Write one glob")
    error = refused(workspace, "../acme-kit//unrelated")
    assert error.message == "what is offered there is not known: `share` is not a list"
    assert str(error.place) == "promptctl.yaml:2:8"


def test_what_is_not_there_is_said_with_what_is(library: Path, workspace: Workspace) -> None:
    error = refused(workspace, "../acme-kit//support/triag@v1.0")
    assert isinstance(error, PromptNotFound)
    assert error.hint == "did you mean `support/triage`?"
    path = "prompts/support/triag.prompt.yaml"
    assert refused(workspace, f"../acme-kit//{path}@v1.0").hint == "did you mean `prompts/support/triage.prompt.yaml`?"
    error = refused(workspace, "../acme-kit//support/triage@v1.1")
    assert isinstance(error, RevisionNotFound)
    assert error.hint == "did you mean `v1.0`?"
    error = refused(workspace, f"../acme-kit//support/triage@{head_of(library)[:10]}")
    assert "in full" in str(error.hint)
    error = refused(workspace, f"../acme-kit//support/triage@{'0' * 40}")
    assert isinstance(error, GitError)


def test_a_commit_is_named_by_its_id(library: Path, workspace: Workspace) -> None:
    files = add(workspace, f"../acme-kit//support/triage@{head_of(library)}")
    assert "\n    name:" not in files["promptctl.lock.yaml"]


def test_a_tag_and_a_branch_of_one_name_are_told_apart(library: Path, workspace: Workspace) -> None:
    git(library, "branch", "v1.0")
    error = refused(workspace, ONE)
    assert error.hint == "write one of them in full: @refs/tags/v1.0"
    assert add(workspace, "../acme-kit//unrelated@refs/tags/v1.0")


def test_a_source_has_its_datasets_or_has_none(library: Path, workspace: Workspace) -> None:
    add(workspace, ONE)
    with pytest.raises(UsageError, match="`acme-kit` comes with its datasets"):
        add(workspace, "../acme-kit//unrelated@v1.0", with_datasets=False)
    add(workspace, "../acme-kit//support/*@v1.0", "bare", with_datasets=False)
    added = workspace.vendoring.add(AddRequest("../acme-kit//unrelated@v1.0", "bare"))
    assert "datasets are left out, as with the first prompts of it" in added.notes


def test_a_wrong_prompt_is_told_by_its_place_there(library: Path, workspace: Workspace) -> None:
    write(library, "prompts/bad.prompt.yaml", "messages: [{role: user, content: \"{% include 'no.j2' %}\"}]\n")
    commit(library, "Break")
    error = refused(workspace, "../acme-kit//bad")
    assert isinstance(error, InvalidFiles)
    assert error.message == "there is no partial prompts/no.j2, at ../acme-kit"
    assert str(error.place) == "prompts/bad.prompt.yaml:1:35"


def test_an_id_that_is_taken_is_refused_with_one_that_is_free(library: Path, workspace: Workspace, here: Path) -> None:
    write(here, "prompts/acme-kit/support/triage.prompt.yaml", "messages: [{role: user, content: Mine}]\n")
    error = refused(workspace, ONE)
    assert isinstance(error, UsageError)
    assert error.hint == "choose a name that is free: --as acme-kit-2"
    write(here, "prompts/kit2/support/tone.j2", "Mine\n")
    assert "prompts/kit2/support/tone.j2 already" in refused(workspace, "../acme-kit//support", "kit2").message
    write(here, "prompts/Kit3/support/tone.j2", "Mine\n")
    assert "same file on many file systems" in refused(workspace, "../acme-kit//support", "kit3").message


def test_files_that_an_earlier_try_left_are_taken_over(library: Path, workspace: Workspace, here: Path) -> None:
    proposal = workspace.vendoring.add(AddRequest(ONE)).proposal
    for change in proposal.changes[:4]:
        write(here, change.path, (change.after or b"").decode())
    assert set(TAKEN) <= add(workspace, ONE).keys()


def test_code_is_never_taken(library: Path, workspace: Workspace) -> None:
    write(
        library,
        "datasets/coded.yaml",
        "prompts: [support/triage]\ncases: [{id: a, assert: [{type: python, value: 'a.py:f'}]}]\n",
    )
    write(library, "datasets/a.py", "def f(*_): return True\n")
    commit(library, "Code")
    added = workspace.vendoring.add(AddRequest("../acme-kit//support/triage"))
    assert any("datasets/coded.yaml is left out: it runs code" in note for note in added.notes)
    assert not [
        change.path for change in added.proposal.changes if "coded" in change.path or change.path.endswith(".py")
    ]


def test_rows_of_datasets_come_along(library: Path, workspace: Workspace) -> None:
    write(library, "datasets/rows.yaml", "prompts: [unrelated]\ncases: rows/many.jsonl\n")
    write(
        library, "datasets/rows/many.jsonl", '{"id":"tickets/b.txt","tags":["\u2028"],"files":{"x":"tickets/b.txt"}}\n'
    )
    write(library, "datasets/csv.yaml", "prompts: [unrelated]\ncases: ./rows.csv\n")
    write(library, "datasets/rows.csv", "id,x\na,b\n")
    commit(library, "Rows")
    files = add(workspace, "../acme-kit//unrelated")
    assert "cases: acme-kit/rows/many.jsonl" in files["datasets/acme-kit/rows.yaml"]
    row = json.loads(files["datasets/acme-kit/rows/many.jsonl"])
    assert (row["id"], row["files"]) == ("tickets/b.txt", {"x": "acme-kit/tickets/b.txt"})
    assert "cases: ./rows.csv" in files["datasets/acme-kit/csv.yaml"]
    assert "datasets/acme-kit/tickets/b.txt" in files


def test_each_licence_and_the_notice_come_along(library: Path, here: Path, cli: Cli) -> None:
    (library / "LICENSE").unlink()
    texts = {"LICENSE-MIT": "SPDX-License-Identifier: MIT\n", "LICENSE-COMMERCIAL": "Pay.\n", "NOTICE": "Of Acme.\n"}
    for name, text in {**texts, "license_check.py": "", "LICENSE-OEM.docx": "", "prompts/NOTICE": "No.\n"}.items():
        write(library, name, text)
    for name in ("license-header.txt", "license.py", "license-check.prompt.yaml", "licence-report.csv"):
        write(library, name, "Of no rank.\n")
    commit(library, "Two licences")
    licences = "licence in LICENSE-MIT, LICENSE-COMMERCIAL, LICENSE-OEM.docx"
    assert licences in cli("library", "../acme-kit").err
    assert licences in cli("-C", str(library), "library").err
    assert cli("library", "../acme-kit", "--json").json["licence_file"] == "LICENSE-MIT"
    ran = cli("add", "../acme-kit//support/*@main", "--yes")
    assert f"note: its {licences.replace(' in', ' is in')}: read it" in ran.err
    files = files_of(here)
    assert {name: files[f"prompts/acme-kit/{name}"] for name in texts} == texts
    assert not [path for path in files if path.endswith((".py", ".docx"))]
    assert "licence: " not in files["promptctl.lock.yaml"]
    assert cli("remove", "acme-kit/support/reply", "--yes").exit_code == 0
    assert {f"prompts/acme-kit/{name}" for name in texts} <= files_of(here).keys()
    assert cli("add", "--verify", "--remote").exit_code == 0
    write(library, "NOTICE", "Of Acme and others.\n")
    (library / "LICENSE-COMMERCIAL").unlink()
    (library / "LICENSE-OEM.docx").unlink()
    commit(library, "One licence")
    ran = cli("update", "--yes")
    assert "it was LICENSE-MIT, LICENSE-COMMERCIAL, and is MIT: read it" in ran.err
    files = files_of(here)
    assert "prompts/acme-kit/LICENSE-COMMERCIAL" not in files
    assert files["prompts/acme-kit/NOTICE"] == "Of Acme and others.\n"


def test_the_command_shows_the_diff_and_writes_with_yes(library: Path, here: Path, cli: Cli) -> None:
    before = files_of(here)
    ran = cli("add", ONE, "--dry-run")
    assert ran.exit_code == 0
    assert "+++ b/prompts/acme-kit/support/triage.prompt.yaml" in ran.out
    assert "note: its licence is in LICENSE: read it" in ran.err
    assert files_of(here) == before
    ran = cli("add", ONE, "--json", "--yes")
    assert ran.json["written"] is True
    assert ran.json["name"] == "acme-kit"
    assert ran.json["prompts"][0] == {"prompt": "acme-kit/support/triage", "source": "support/triage"}
    assert cli("list").out.count("acme-kit/support/triage") == 1
    assert cli("add").exit_code == 2
    assert cli("add", "../acme-kit@v1.0").exit_code == 2


def test_list_and_status_say_which_prompts_are_of_others(library: Path, here: Path, cli: Cli) -> None:
    assert cli("add", ONE, "--yes").exit_code == 0
    listed = cli("list", "--json").json
    assert {each["prompt"]: each["vendored_from"] for each in listed} == {
        "acme-kit/judges/own": "acme-kit@v1.0",
        "acme-kit/support/triage": "acme-kit@v1.0",
        "mine": None,
    }
    shown = {name: cli("show", name, "--json").json["vendored_from"] for name in ("acme-kit/support/triage", "mine")}
    assert shown == {"acme-kit/support/triage": "acme-kit@v1.0", "mine": None}
    assert [line.rpartition("\t")[2] for line in cli("list").out.splitlines()] == [
        "from",
        "acme-kit@v1.0",
        "acme-kit@v1.0",
        "-",
    ]
    assert cli("status", "--json").json["vendored"] == 2
    assert "3, 2 of other repositories, 2 changed" in cli("status").out
    (here / "promptctl.lock.yaml").write_text("vendored: 1\n")
    assert cli("list").exit_code == 0


def test_labels_and_prompts_of_others_share_the_lock(library: Path, here: Path, cli: Cli) -> None:
    assert cli("add", ONE, "--yes").exit_code == 0
    assert cli("label", "lock", "--check").exit_code != 0
    commit(here, "Add")
    assert cli("label", "set", "mine@production").exit_code == 0
    assert cli("label", "lock").exit_code == 0
    both = (here / "promptctl.lock.yaml").read_text()
    assert "mine@production" in both
    assert "url: ../acme-kit" in both
    assert cli("label", "lock", "--check").exit_code == 0
    assert cli("add", "../acme-kit//unrelated@v1.0", "--yes").exit_code == 0
    after = (here / "promptctl.lock.yaml").read_text()
    assert "mine@production" in after
    assert "acme-kit/unrelated" in after
    assert cli("label", "lock", "--check").exit_code == 0


@pytest.mark.parametrize("path", ["", "/", "a/../b", "..", "a//b"])
def test_paths_that_are_none(library: Path, workspace: Workspace, path: str) -> None:
    assert isinstance(refused(workspace, f"../acme-kit//{path}"), UsageError | WorkspaceError)
