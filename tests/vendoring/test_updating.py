"""Prompts of a repository that moves on, with edits that were made here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptctl import AddRequest, UpdateRequest
from promptctl.errors import GitError, InvalidFiles, Place, PromptctlError, PromptNotFound, SourceNotFound, UsageError
from promptctl.workspace import Workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.json_schemas import fits
from tests.repositories import head_of
from tests.vendoring.conftest import REPLY, TRIAGE, files_of

HERE = "prompts/acme-kit/support/triage.prompt.yaml"
THERE = "prompts/support/triage.prompt.yaml"


@pytest.fixture
def vendored(library: Path, workspace: Workspace) -> Workspace:
    """The workspace with `support/triage` of the branch main."""
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/triage@main")).proposal)
    return workspace


def update(workspace: Workspace, *names: str, side: str | None = None) -> dict[str, str]:
    """Update, and give the workspace's files."""
    workspace.write(workspace.vendoring.update(UpdateRequest(names, side)).proposal)  # type: ignore[arg-type]
    return files_of(workspace.root)


def refused(workspace: Workspace, *names: str) -> PromptctlError:
    """The error of updating, after which the files are as they were."""
    before = files_of(workspace.root)
    with pytest.raises(PromptctlError) as caught:
        update(workspace, *names)
    assert files_of(workspace.root) == before
    return caught.value


def edit(folder: Path, path: str, old: str, new: str) -> None:
    """Put a text in the place of another one."""
    text = (folder / path).read_text()
    assert old in text
    (folder / path).write_text(text.replace(old, new))


def move_on(library: Path, path: str = THERE, old: str = "You triage tickets.", new: str = "You sort tickets.") -> str:
    """Change a file of the library in a new commit."""
    edit(library, path, old, new)
    return commit(library, "Move on")


def test_what_did_not_move_is_not_fetched(vendored: Workspace) -> None:
    found = vendored.vendoring.update(UpdateRequest())
    assert found.proposal.is_empty
    assert found.updates[0].is_current


def test_a_branch_moves_on(library: Path, vendored: Workspace) -> None:
    new = move_on(library)
    write(library, "prompts/shared/end.j2", "{% include './deep.j2' %}\n")
    write(library, "prompts/shared/deep.j2", "Deep.\n")
    new = commit(library, "Deepen")
    files = update(vendored)
    assert "You sort tickets." in files[HERE]
    assert files["prompts/acme-kit/shared/deep.j2"] == "Deep.\n"
    assert f"commit: {new}" in files["promptctl.lock.yaml"].replace('"', "")
    assert "Deep." in vendored.prompt("acme-kit/support/triage").render({"ticket": "x"}).messages[0]["content"]
    assert not vendored.vendoring.verify().problems


def test_local_edits_are_merged_and_shown(library: Path, vendored: Workspace) -> None:
    edit(vendored.root, HERE, "name: Support triage", "name: Our triage")
    move_on(library)
    found = vendored.vendoring.update(UpdateRequest())
    assert found.updates[0].edited == (HERE,)
    assert "-name: Support triage\n+name: Our triage\n" in found.updates[0].edits
    files = update(vendored)
    assert "name: Our triage" in files[HERE]
    assert "You sort tickets." in files[HERE]
    problems = vendored.vendoring.verify().problems
    assert [(each.code, each.place and each.place.path) for each in problems] == [("vendored-edited", HERE)]
    move_on(library, old="You sort", new="You now sort")
    files = update(vendored)
    assert "name: Our triage" in files[HERE]
    assert "You now sort tickets." in files[HERE]


def test_a_conflict_is_told_by_line_and_written_nowhere(library: Path, vendored: Workspace) -> None:
    edit(vendored.root, HERE, "You triage tickets.", "You triage OUR tickets.")
    move_on(library)
    error = refused(vendored)
    assert isinstance(error, InvalidFiles)
    line = (
        (vendored.root / HERE)
        .read_text()
        .splitlines()
        .index('      You triage OUR tickets. {% include "acme-kit/support/tone.j2" %}')
    )
    assert [str(each.place) for each in error.problems] == [f"{HERE}:{line + 1}"]
    assert "--ours" in str(error.hint)
    assert "here:  " in str(error.hint)
    assert "You triage OUR tickets." in str(error.hint)
    assert 'there:       You sort tickets. {% include "acme-kit/support/tone.j2" %}' in str(error.hint)
    ours = update(vendored, side="ours")
    assert "OUR" in ours[HERE]
    assert vendored.vendoring.update(UpdateRequest()).updates[0].is_current
    move_on(library, old="You sort", new="You finally sort")
    theirs = update(vendored, side="theirs")
    assert "You finally sort tickets." in theirs[HERE]
    assert not vendored.vendoring.verify().problems


def test_edits_are_dropped_if_that_is_wanted(library: Path, vendored: Workspace) -> None:
    before = files_of(vendored.root)
    edit(vendored.root, HERE, "name: Support triage", "name: Ours")
    (vendored.root / "prompts/acme-kit/support/more.j2").unlink()
    assert vendored.vendoring.update(UpdateRequest(side="ours")).proposal.is_empty
    assert update(vendored, side="theirs") == before


def test_a_file_that_one_side_deletes(library: Path, vendored: Workspace) -> None:
    more = vendored.root / "prompts/acme-kit/support/more.j2"
    more.write_text("Ours.\n")
    edit(library, THERE, "{% include './more.j2' %}", "Less.")
    (library / "prompts/support/more.j2").unlink()
    commit(library, "Delete")
    error = refused(vendored)
    assert error.message == "it was edited here, and deleted there"
    assert not (update(vendored, side="theirs").keys() & {"prompts/acme-kit/support/more.j2"})


def test_an_edit_follows_a_file_that_moved_there(library: Path, vendored: Workspace, cli: Cli) -> None:
    here = "prompts/acme-kit/support/tone.j2"
    edit(vendored.root, here, "Be kind.", "Be very kind.")
    git(library, "mv", "prompts/support/tone.j2", "prompts/shared/voice.j2")
    move_on(library, old="support/tone.j2", new="shared/voice.j2")
    files = update(vendored)
    assert "Be very kind." in files[here]
    assert "shared/voice.j2" in files["promptctl.lock.yaml"]
    assert '{% include "acme-kit/support/tone.j2" %}' in files[HERE]
    assert "Be very kind." in cli("render", "acme-kit/support/triage", "-i", "ticket=x").out
    assert [each.code for each in vendored.vendoring.verify(asks_remote=True).problems] == ["vendored-edited"]


def test_an_edit_does_not_follow_one_of_several_files_with_the_same_bytes(library: Path, workspace: Workspace) -> None:
    for name in ("one", "two"):
        write(library, f"prompts/parts/{name}.j2", "The same.\n")
        text = f"messages: [{{role: user, content: '{{% include \"parts/{name}.j2\" %}}'}}]\n"
        write(library, f"prompts/twins/{name}.prompt.yaml", text)
    commit(library, "Twins")
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//twins/*@main")).proposal)
    here = "prompts/acme-kit/parts/one.j2"
    edit(workspace.root, here, "The same.", "Ours.")
    git(library, "mv", "prompts/parts", "prompts/pieces")
    for name in ("one", "two"):
        edit(library, f"prompts/twins/{name}.prompt.yaml", "parts/", "pieces/")
    commit(library, "Move")
    error = refused(workspace)
    assert (error.message, error.place) == ("it was edited here, and deleted there", Place(here))


def test_an_edit_that_nothing_uses_any_more_is_told(library: Path, vendored: Workspace, cli: Cli) -> None:
    here = "prompts/acme-kit/support/tone.j2"
    edit(vendored.root, here, "Be kind.", "Be very kind.")
    move_on(library, old='{% include "support/tone.j2" %}', new="Be firm.")
    ran = cli("update", "--ours", "--yes")
    assert f"acme-kit no longer has {here}: its prompts do not use what was edited there" in ran.err
    assert "Be very kind." in files_of(vendored.root)[here]


def test_a_merge_that_cannot_be_loaded_is_refused(library: Path, vendored: Workspace) -> None:
    edit(vendored.root, HERE, "name: Support triage\n", "name: Support triage\ndescription: Ours\n")
    write(library, THERE, TRIAGE + "description: Theirs\n")
    commit(library, "Describe")
    error = refused(vendored)
    assert isinstance(error, InvalidFiles)
    assert "description" in error.message


def test_line_ends_of_the_checkout_are_no_edit(library: Path, vendored: Workspace) -> None:
    file = vendored.root / HERE
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert not vendored.vendoring.verify().problems
    file.write_bytes(file.read_bytes().replace(b"Support triage", b"Ours"))
    move_on(library)
    update(vendored)
    data = file.read_bytes()
    assert b"name: Ours\r\n" in data
    assert b"You sort tickets." in data
    assert data.count(b"\r\n") == data.count(b"\n")


def test_a_rewritten_tag_is_an_error_with_both_commits(library: Path, workspace: Workspace) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/triage@v1.0")).proposal)
    old = head_of(library)
    new = move_on(library)
    git(library, "tag", "--force", "-a", "-m", "Again", "v1.0")
    error = refused(workspace)
    assert isinstance(error, GitError)
    assert old in error.message
    assert new in error.message
    assert workspace.vendoring.outdated()[0].standing == "rewritten"
    with pytest.raises(GitError, match="was rewritten"):
        workspace.vendoring.add(AddRequest("../acme-kit//support/*@v1.0"))
    (problem,) = workspace.vendoring.verify(asks_remote=True).problems
    assert (problem.code, problem.message) == ("tag-rewritten", error.message)
    files = update(workspace, f"acme-kit@{new}")
    assert "You sort tickets." in files[HERE]
    assert workspace.vendoring.outdated()[0].standing == "pinned"


def test_a_tag_that_became_a_branch(library: Path, workspace: Workspace) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/triage@v1.0")).proposal)
    git(library, "tag", "--delete", "v1.0")
    git(library, "branch", "v1.0")
    assert "refs/tags/v1.0, and is refs/heads/v1.0 now" in refused(workspace).message
    assert workspace.vendoring.outdated()[0].standing == "gone"


def test_newer_tags_are_told_and_taken(library: Path, workspace: Workspace, cli: Cli) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/triage@v1.0")).proposal)
    ran = cli("outdated")
    assert ran.exit_code == 0
    move_on(library)
    for tag in ("v1.1", "v1.10", "v2.0-rc1", "other-v3"):
        git(library, "tag", tag)
    assert workspace.vendoring.outdated()[0].newer == ("v1.10", "v1.1")
    ran = cli("outdated", "--json")
    assert ran.exit_code == 1
    assert ran.json[0]["newer"] == ["v1.10", "v1.1"]
    assert "promptctl update acme-kit@v1.10" in cli("outdated").out
    assert "already; v1.10 is newer: promptctl update acme-kit@v1.10" in cli("update").err
    ran = cli("update", "acme-kit/support/triage@v1.10", "--yes")
    assert ran.exit_code == 0
    assert "You sort tickets." in (workspace.root / HERE).read_text()
    assert "acme-kit: v1.0" in ran.err
    assert cli("update", "acme-kit", "--json").json["sources"][0]["changed"] == []


def test_a_branch_that_moved_is_behind(library: Path, vendored: Workspace, cli: Cli) -> None:
    assert vendored.vendoring.outdated()[0].standing == "current"
    move_on(library)
    assert vendored.vendoring.outdated()[0].standing == "behind"
    assert cli("outdated").exit_code == 1


def test_what_can_be_asked_is_told_beside_what_cannot(library: Path, vendored: Workspace, cli: Cli) -> None:
    library.with_name("other").symlink_to(library)
    vendored.write(vendored.vendoring.add(AddRequest("../other//unrelated@main")).proposal)
    library.with_name("other").unlink()
    ran = cli("outdated", "--json")
    assert ran.exit_code == 3
    fits("outdated", ran.json)
    assert [each["standing"] for each in ran.json] == ["current", "unreachable"]
    line = (vendored.root / "promptctl.lock.yaml").read_text().splitlines().index("  other:") + 1
    assert f"promptctl.lock.yaml:{line}:3: there is no repository at ../other" in ran.err
    move_on(library)
    ran = cli("update", "--yes")
    assert ran.exit_code == 3
    assert f"promptctl.lock.yaml:{line}:3: there is no repository at ../other" in ran.err
    assert "You sort tickets." in (vendored.root / HERE).read_text()
    ran = cli("update", "--json")
    assert (ran.exit_code, [each["name"] for each in ran.json["sources"]]) == (3, ["acme-kit"])
    fits("update", ran.json)
    assert [(each["line"], each["message"][:22]) for each in ran.json["failed"]] == [(line, "there is no repository")]
    edit(vendored.root, HERE, "You sort tickets.", "You count tickets.")
    move_on(library, old="You sort tickets.", new="You rank tickets.")
    told = cli("update", "--yes").err
    assert "both sides changed this" in told
    assert f"promptctl.lock.yaml:{line}:3: there is no repository at ../other" in told
    assert f"promptctl.lock.yaml:{line}:3: there is no repository at ../other" in cli("update", "other").err
    assert "acme-kit" in cli("outdated").out


def test_a_prompt_that_is_gone_there(library: Path, vendored: Workspace) -> None:
    git(library, "mv", THERE, "prompts/support/sort.prompt.yaml")
    commit(library, "Rename")
    error = refused(vendored)
    assert isinstance(error, PromptNotFound)
    assert (
        error.hint == "promptctl remove acme-kit/support/triage, or stay where it is; git revert takes back an update"
    )
    assert str(error.place).startswith("promptctl.lock.yaml:")


def test_a_prompt_that_is_renamed_there_stays_what_it_is_here(library: Path, vendored: Workspace, cli: Cli) -> None:
    edit(vendored.root, HERE, "name: Support triage", "name: Ours")
    assert cli("-C", str(library), "rename", "support/triage", "desk/sort", "--yes").exit_code == 0
    edit(library, "prompts/desk/sort.prompt.yaml", "You triage tickets.", "You sort tickets.")
    commit(library, "Rename")
    ran = cli("update", "--yes")
    assert ran.exit_code == 0
    assert "support/triage is desk/sort there now, and stays acme-kit/support/triage here" in ran.err
    files = files_of(vendored.root)
    assert "You sort tickets." in files[HERE]
    assert "name: Ours" in files[HERE]
    assert "formerly" not in files[HERE]
    assert "acme-kit/support/triage" in files["datasets/acme-kit/triage.yaml"]
    assert not [path for path in files if "sort" in path]
    assert not vendored.vendoring.verify(asks_remote=True).problems[1:]
    assert cli("update", "--yes").exit_code == 0


def test_a_rename_that_leaves_doubt_is_not_followed(library: Path, vendored: Workspace) -> None:
    git(library, "rm", "--quiet", THERE)
    for name in ("one", "two"):
        write(library, f"prompts/support/{name}.prompt.yaml", TRIAGE.replace("[triage]", "[support/triage]"))
    commit(library, "Split")
    assert isinstance(refused(vendored), PromptNotFound)


def test_two_prompts_that_became_one_are_not_followed(library: Path, workspace: Workspace) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//support/*@main")).proposal)
    git(library, "rm", "--quiet", THERE, "prompts/support/reply.prompt.yaml")
    write(library, "prompts/support/one.prompt.yaml", TRIAGE.replace("[triage]", "[support/triage, support/reply]"))
    commit(library, "Join")
    assert isinstance(refused(workspace), PromptNotFound)


def test_a_new_file_does_not_overwrite_one_of_the_workspace(library: Path, vendored: Workspace) -> None:
    write(vendored.root, "prompts/acme-kit/support/new.j2", "Mine\n")
    write(library, "prompts/support/new.j2", "Theirs\n")
    move_on(library, new='{% include "support/new.j2" %}')
    error = refused(vendored)
    assert "prompts/acme-kit/support/new.j2 already" in error.message
    assert error.hint == "move yours aside with git mv, a prompt with promptctl rename, and update again"


def test_commits_that_are_gone_leave_edits_alone(library: Path, vendored: Workspace) -> None:
    edit(vendored.root, HERE, "name: Support triage", "name: Ours")
    edit(library, THERE, "You triage tickets.", "You sort tickets.")
    git(library, "tag", "--delete", "v1.0")
    git(library, "add", "--all")
    git(library, "commit", "--quiet", "--amend", "-m", "Rewritten")
    git(library, "reflog", "expire", "--expire=now", "--all")
    git(library, "gc", "--quiet", "--prune=now")
    error = refused(vendored)
    assert "any more, which the edits here began from" in error.message
    with pytest.raises(GitError, match=r"\.\./acme-kit does not give commit [0-9a-f]{12}") as caught:
        vendored.vendoring.verify(asks_remote=True)
    assert str(caught.value.place).startswith("promptctl.lock.yaml:")
    assert "name: Ours" in update(vendored, side="ours")[HERE]


def test_a_file_that_own_prompts_pull_in_is_not_taken_away(library: Path, vendored: Workspace) -> None:
    include = "messages: [{role: user, content: \"{% include 'acme-kit/support/more.j2' %}\"}]\n"
    write(vendored.root, "prompts/mine.prompt.yaml", include)
    edit(library, THERE, "{% include './more.j2' %}", "Less.")
    commit(library, "Need less")
    assert refused(vendored).message == "prompts/acme-kit/support/more.j2 is needed: `mine` pulls it in"


def test_names_that_are_none(vendored: Workspace) -> None:
    assert isinstance(refused(vendored, "acme-kitt"), SourceNotFound)
    assert refused(vendored, "acme-kitt").hint == "did you mean `acme-kit`?"
    assert isinstance(refused(vendored, "mine"), SourceNotFound)
    assert isinstance(refused(vendored, "acme-kit@a", "acme-kit@b"), UsageError)


def test_a_plain_repository_is_updated(tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "plain"
    text = "messages:\n  - role: user\n    content: 'Hi {{name}}'\nmodelParameters: {temperature: 0}\n"
    write(folder, "tools/asks/greet.prompt.yml", text)
    write(folder, "top.prompt.yml", text)
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    workspace.write(workspace.vendoring.add(AddRequest("../plain//tools/asks")).proposal)
    workspace.write(workspace.vendoring.add(AddRequest("../plain//top.prompt.yml", "top")).proposal)
    write(folder, "tools/asks/greet.prompt.yml", text.replace("Hi", "Hello"))
    write(folder, "top.prompt.yml", text.replace("Hi", "Hey"))
    commit(folder, "Change")
    files = update(workspace)
    assert "Hello" in files["prompts/plain/greet.prompt.yml"]
    assert "Hey" in files["prompts/top.prompt.yml"]


def test_a_rule_of_sharing_holds_for_updates_too(library: Path, vendored: Workspace) -> None:
    write(library, "promptctl.yaml", "share: [unrelated, 'judges/*']\n")
    commit(library, "Share less")
    assert "does not offer `support/triage` any more" in refused(vendored).message


def test_prompts_that_share_files_move_together(library: Path, vendored: Workspace) -> None:
    vendored.write(vendored.vendoring.add(AddRequest("../acme-kit//support/reply@main")).proposal)
    write(library, "prompts/support/reply.prompt.yaml", REPLY.replace("Reply.", "Answer."))
    write(library, THERE, TRIAGE.replace("You triage", "You sort"))
    commit(library, "Change both")
    files = update(vendored, "acme-kit/support/reply")
    assert "Answer." in files["prompts/acme-kit/support/reply.prompt.yaml"]
    assert "You sort" in files[HERE]


def test_documents_have_the_shapes_that_are_promised(library: Path, here: Path, cli: Cli) -> None:
    fits("add", cli("add", "../acme-kit//support/triage@main", "--json", "--yes").json)
    fits("add --verify", cli("add", "--verify", "--json").json)
    (here / "prompts/acme-kit/support/more.j2").write_text("Ours.\n")
    fits("add --verify", cli("add", "--verify", "--json").json)
    move_on(library)
    fits("outdated", cli("outdated", "--json").json)
    found = cli("update", "--json", "--yes").json
    fits("update", found)
    assert found["sources"][0]["edited_here"] == ["prompts/acme-kit/support/more.j2"]
    fits("library", cli("library", "--json").json)
    fits("library", cli("library", "../acme-kit", "--json").json)
    fits("remove", cli("remove", "acme-kit", "--json", "--yes").json)


def test_a_licence_that_changes_is_told(library: Path, vendored: Workspace, cli: Cli) -> None:
    write(library, "LICENSE", "SPDX-License-Identifier: MPL-2.0\n")
    move_on(library)
    ran = cli("update", "--yes")
    assert "its licence changed: it was LICENSE, and is MPL-2.0: read it" in ran.err
    (library / "LICENSE").unlink()
    move_on(library, old="You sort", new="You now sort")
    assert "it was MPL-2.0, and is none: ask its owners whether" in cli("update", "--yes").err
    assert "prompts/acme-kit/LICENSE" not in files_of(vendored.root)


def test_a_second_licence_is_told_as_one(library: Path, vendored: Workspace, cli: Cli) -> None:
    write(library, "LICENSE-OEM", "Pay.\n")
    move_on(library)
    assert "a licence came along that was not here: LICENSE-OEM: read it" in cli("update", "--yes").err


def test_a_rename_takes_the_lock_along(library: Path, vendored: Workspace, cli: Cli) -> None:
    assert cli("rename", "acme-kit/support/triage", "desk/sort", "--yes").exit_code == 0
    files = files_of(vendored.root)
    assert "prompts/desk/sort.prompt.yaml" in files
    assert "acme-kit/support/triage.prompt.yaml:" not in files["promptctl.lock.yaml"]
    assert vendored.vendoring.verify(asks_remote=True).problems == ()
    assert vendored.vendoring.update(UpdateRequest()).proposal.is_empty
    before = files["promptctl.lock.yaml"]
    assert cli("rename", "desk/sort", "desk/other", "--yes").exit_code == 0
    assert cli("rename", "desk/other", "desk/sort", "--yes").exit_code == 0
    assert files_of(vendored.root)["promptctl.lock.yaml"] == before
    assert vendored.vendoring.verify(asks_remote=True).problems == ()
    move_on(library)
    files = update(vendored)
    assert "You sort tickets." in files["prompts/desk/sort.prompt.yaml"]
    assert "formerly: [acme-kit/support/triage, desk/other]" in files["prompts/desk/sort.prompt.yaml"]
    assert HERE not in files
    assert vendored.vendoring.verify(asks_remote=True).problems == ()
    vendored.write(vendored.vendoring.remove("acme-kit").proposal)
    assert "prompts/desk/sort.prompt.yaml" not in files_of(vendored.root)


def test_an_edit_before_a_rename_stays_one(vendored: Workspace, cli: Cli) -> None:
    edit(vendored.root, HERE, "name: Support triage", "name: Ours")
    assert cli("rename", "acme-kit/support/triage", "desk/sort", "--yes").exit_code == 0
    (problem,) = vendored.vendoring.verify().problems
    assert (problem.code, str(problem.place)) == ("vendored-edited", "prompts/desk/sort.prompt.yaml")


def test_it_is_removed_not_deleted(vendored: Workspace, cli: Cli) -> None:
    ran = cli("delete", "acme-kit/support/triage", "--yes")
    assert ran.exit_code == 3
    assert "hint: promptctl remove acme-kit/support/triage" in ran.err


def test_a_partial_and_a_schema_that_move_take_the_lock_along(library: Path, vendored: Workspace, cli: Cli) -> None:
    assert cli("rename", "prompts/acme-kit/support/tone.j2", "desk/tone.j2", "--yes").exit_code == 0
    assert cli("rename", "acme-kit/support/triage.schema.yaml", "desk/triage.schema.yaml", "--yes").exit_code == 0
    files = files_of(vendored.root)
    assert "support/tone.j2:" not in files["promptctl.lock.yaml"]
    assert "prompts/desk/triage.schema.yaml:" in files["promptctl.lock.yaml"]
    assert vendored.vendoring.verify().problems == ()
    assert vendored.vendoring.update(UpdateRequest()).proposal.is_empty
    move_on(library)
    files = update(vendored)
    assert "You sort tickets." in files[HERE]
    assert "prompts/acme-kit/support/tone.j2" not in files
    assert "desk/tone.j2" in files[HERE]
    assert vendored.vendoring.verify(asks_remote=True).problems == ()


def test_a_prompt_of_others_is_shown_as_theirs(library: Path, vendored: Workspace, cli: Cli) -> None:
    shown = cli("show", "acme-kit/support/triage").out
    assert re.search(r"from +\.\./acme-kit at main \([0-9a-f]{12}\)", shown)
    assert "acme-kit at" not in cli("show", "mine").out
    said = cli("library")
    assert said.exit_code == 0
    assert "of ../acme-kit would be offered, too: the licence of that is that in LICENSE" in said.err
    write(vendored.root, "promptctl.yaml", "model: echo/echo\nshare: [mine]\n")
    assert "would be offered" not in cli("library").err
