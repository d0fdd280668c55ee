"""What a review finds that differs, with nothing evaluated."""

from __future__ import annotations

import pytest

from promptctl.errors import WORKSPACE
from promptctl.reports.prompt_diff import diff_lines
from promptctl.reports.review import told_breaks
from promptctl.workspace import open_workspace
from tests.reviews.conftest import GREET, TRIAGE, Cli, Pull, case, prompt_of


def test_nothing_changed_is_said_and_passes(pull: Pull) -> None:
    data = pull.data()
    assert (data["prompts"], data["datasets"], data["exit_code"]) == ([], [], 0)
    assert "no prompt changed" in pull.markdown()
    assert pull.server.requests == []


def test_a_changed_prompt_is_diffed_by_meaning(pull: Pull) -> None:
    pull.edit(
        "prompts/triage.prompt.yaml", "  ticket: {type: string}", "  ticket: {type: string}\n  area: {type: string}"
    )
    found = prompt_of(pull.data(is_evaluated=False), "triage")
    assert found["kind"] == "changed"
    assert [each["name"] for each in found["diff"]["inputs"]] == ["area"]
    assert found["breaks_callers"][0]["reason"] == "was added without a default: it must be given now"


def test_no_empty_line_and_nothing_twice_stands_in_a_diff(pull: Pull) -> None:
    pull.write("prompts/triage.schema.yaml", "type: object\n")
    text = pull.read("prompts/triage.prompt.yaml").replace("Say one word.", "Say one short word.")
    pull.write("prompts/triage.prompt.yaml", text + "output: {schema: {$ref: triage.schema.yaml}}\n")
    pull.commit()
    diff = pull.review(is_evaluated=False).prompts[0].diff
    assert diff is not None
    lines = list(diff_lines(diff))
    assert "" not in lines
    assert [line for line in lines if "schema" in line] == ["+ output: schema added (prompts/triage.schema.yaml)"]
    assert "schema" in lines[0], "below lines of a message it would seem to be one of them"


def test_the_end_of_a_line_in_a_files_name_ends_no_line(pull: Pull, cli: Cli) -> None:
    pull.write("prompts/two\nlines.prompt.yaml", GREET)
    pull.write("datasets/two\nlines.yaml", "prompts: [triage]\ncases: 3\n")
    pull.commit()
    told = cli("validate").err + cli("review", "--no-eval").out
    assert "two\\nlines.prompt.yaml" in told
    assert "two\\nlines.yaml" in told
    assert "two\nlines" not in told


def test_a_partial_counts_for_each_prompt_that_includes_it(pull: Pull) -> None:
    pull.edit("prompts/shared/tone.j2", "Be kind.", "Be brisk.")
    data = pull.data(is_evaluated=False)
    assert [each["prompt"] for each in data["prompts"]] == ["greet", "triage"]
    assert all(each["through"] == ["prompts/shared/tone.j2"] for each in data["prompts"])
    assert data["files"] == [{"path": "prompts/shared/tone.j2", "prompts": ["greet", "triage"]}]
    assert pull.markdown(is_evaluated=False).count("-Be kind.") == 1  # shown once, not for each prompt


def test_a_partial_named_by_an_escape_counts_too(pull: Pull) -> None:
    pull.write(
        "prompts/sly.prompt.yaml", "messages:\n  - role: user\n    content: \"{% include 'shared/t\\u006fne.j2' %}\"\n"
    )
    pull.git("checkout", "--quiet", "main")
    pull.commit("Be sly")
    pull.git("push", "--quiet", "origin", "main")
    pull.git("checkout", "--quiet", "-B", "feature")
    pull.edit("prompts/shared/tone.j2", "Be kind.", "Be brisk.")
    assert "sly" in [each["prompt"] for each in pull.data(is_evaluated=False)["prompts"]]


def test_a_partial_reached_through_another_counts(pull: Pull) -> None:
    pull.write("prompts/shared/outer.j2", "{% include 'shared/tone.j2' %}\n")
    pull.write("prompts/deep.prompt.yaml", "messages: [{role: user, content: \"{% include 'shared/outer.j2' %}\"}]\n")
    base = pull.commit("Go deep")
    pull.edit("prompts/shared/tone.j2", "Be kind.", "Be brisk.")
    assert "deep" in [each["prompt"] for each in pull.data(base=base, is_evaluated=False)["prompts"]]


def test_a_schema_that_narrows_breaks_its_readers(pull: Pull) -> None:
    schema = "type: object\nproperties: {label: {enum: [a, b]}}\nrequired: [label]\n"
    pull.write("prompts/shared/out.schema.yaml", schema)
    pull.write("prompts/typed.prompt.yaml", GREET + "output: {schema: {$ref: shared/out.schema.yaml}}\n")
    base = pull.commit("Type it")
    pull.edit("prompts/shared/out.schema.yaml", "[a, b]", "[a, b, c]")
    found = prompt_of(pull.data(base=base, is_evaluated=False), "typed")
    assert found["breaks_consumers"]
    assert found["breaks_callers"] == []


def test_added_and_removed_prompts(pull: Pull) -> None:
    pull.write("prompts/new.prompt.yaml", "messages: [{role: user, content: Something quite new}]\n")
    pull.git("rm", "--quiet", "prompts/other.prompt.yaml")
    pull.commit()
    data = pull.data(is_evaluated=False)
    assert [(each["prompt"], each["kind"]) for each in data["prompts"]] == [("new", "added"), ("other", "removed")]
    assert prompt_of(data, "other")["breaks_callers"][0]["reason"] == "was removed: calling it is an error now"


def test_datasets_of_prompts_that_head_does_not_have_are_named(pull: Pull) -> None:
    pull.git("rm", "--quiet", "prompts/triage.prompt.yaml")
    assert pull.data(is_evaluated=False)["notes"] == [
        "HEAD lacks prompts that its datasets test: triage (datasets/triage.yaml)"
    ]
    pull.dataset(case(1), name="new", prompt="oter")
    (note,) = pull.review(is_evaluated=False).notes
    assert note.endswith(": oter (datasets/new.yaml), triage (datasets/triage.yaml)")


def test_a_renamed_prompt_is_one_prompt(pull: Pull) -> None:
    pull.git("mv", "prompts/other.prompt.yaml", "prompts/another.prompt.yaml")
    pull.commit()
    (found,) = pull.data(is_evaluated=False)["prompts"]
    assert (found["prompt"], found["kind"], found["formerly"]) == ("another", "renamed", "other")
    assert not found["behaviour_changed"]


def test_a_rename_and_an_edit_in_two_commits_are_followed(pull: Pull) -> None:
    pull.git("mv", "prompts/other.prompt.yaml", "prompts/another.prompt.yaml")
    pull.commit()
    pull.edit("prompts/another.prompt.yaml", "Something else", "Something rather different")
    (found,) = pull.data(is_evaluated=False)["prompts"]
    assert (found["prompt"], found["formerly"], found["behaviour_changed"]) == ("another", "other", True)


def test_a_rename_and_an_edit_in_one_commit_are_followed_by_formerly(pull: Pull) -> None:
    text = pull.read("prompts/other.prompt.yaml").replace("Something else", "Something rather different")
    pull.git("rm", "--quiet", "prompts/other.prompt.yaml")
    pull.write("prompts/another.prompt.yaml", "formerly: [other]\n" + text)
    pull.commit()
    (found,) = pull.data(is_evaluated=False)["prompts"]
    assert (found["kind"], found["formerly"]) == ("renamed", "other")


def test_a_rename_with_an_edit_that_nothing_follows_is_hinted_at(pull: Pull) -> None:
    pull.git("rm", "--quiet", "prompts/triage.prompt.yaml")
    pull.write("prompts/sort.prompt.yaml", TRIAGE.replace("Say one word.", "Say one short word."))
    pull.write("prompts/fresh.prompt.yaml", "messages: [{role: user, content: Nothing like any other}]\n")
    pull.commit()
    note, _ = pull.data(is_evaluated=False)["notes"]
    assert note == (
        "sort says nearly what triage said, which was removed: with `formerly: [triage]` in prompts/sort.prompt.yaml "
        "it would be a rename, and compared"
    )
    pull.edit("prompts/sort.prompt.yaml", "name: Triage", "name: Triage\nformerly: [triage]")
    data = pull.data(is_evaluated=False)
    assert (prompt_of(data, "sort")["formerly"], data["notes"]) == ("triage", [])


def test_a_new_id_that_differs_from_another_in_case_alone_is_told(pull: Pull) -> None:
    pull.write("prompts/Greet.prompt.yaml", GREET)
    head = pull.commit("Nearly the same")
    told = "prompts/greet.prompt.yaml: `greet` and `Greet` differ only in case: on some file systems they are one file"
    data = pull.data(is_evaluated=False)
    assert (data["notes"], data["decision"], data["exit_code"]) == ([told], f"{told}.", WORKSPACE)
    assert pull.data(base=head, head=pull.edit("prompts/other.prompt.yaml", "Some", "Any"))["notes"] == []


@pytest.mark.parametrize("is_committed", [True, False])
def test_files_that_are_not_reviewed_are_named(pull: Pull, is_committed: bool) -> None:
    pull.edit("prompts/other.prompt.yaml", "Something", "Anything")
    pull.write("prompts/My triage.prompt.yaml", GREET)
    (pull.root / "prompts/alias.prompt.yaml").symlink_to("greet.prompt.yaml")
    (pull.root / "datasets/more").symlink_to("../prompts")
    pull.write("apps/bot/promptctl.yaml", "")
    pull.write("prompts/inside/promptctl.yaml", "")
    pull.git("add", "apps")
    if is_committed:
        pull.commit("Links")
    found = pull.data(is_evaluated=False)
    inside = "prompts/inside/promptctl.yaml: a workspace cannot lie among the prompts of another one."
    assert (found["exit_code"], found["decision"]) == (WORKSPACE, inside)
    named, links, workspaces = found["notes"]
    assert named.startswith("`prompts/My triage.prompt.yaml` is not reviewed, as no prompt can be called so: an id is")
    assert links == "not reviewed, as no link is ever followed: 'datasets/more', 'prompts/alias.prompt.yaml'"
    assert workspaces == "not reviewed, as each is a workspace of its own: 'apps/bot'; promptctl -C FOLDER review"
    if is_committed:
        assert pull.data(base="HEAD", head="HEAD", is_evaluated=False)["notes"] == []


def test_the_cases_of_a_dataset_are_told_apart(pull: Pull) -> None:
    pull.dataset(*(case(n) for n in range(1, 7)), case(7, "refund"), case(9))
    pull.commit()
    (found,) = pull.data(is_evaluated=False)["datasets"]
    assert (found["added"], found["removed"], found["changed"]) == (["case-9"], ["case-0"], ["case-7"])
    assert found["unchanged"] == 6


def test_cases_in_a_file_beside_the_dataset_count_for_it(pull: Pull) -> None:
    pull.write("datasets/rows.jsonl", '{"id": "a", "inputs": {"ticket": "x"}}\n')
    pull.write("datasets/big.yaml", "prompts: [triage]\ncases: rows.jsonl\n")
    base = pull.commit()
    pull.edit("datasets/rows.jsonl", "}\n", '}\n{"id": "b", "inputs": {"ticket": "y"}}\n')
    (found,) = pull.data(base=base, is_evaluated=False)["datasets"]
    assert (found["dataset"], found["added"]) == ("datasets/big.yaml", ["b"])


def test_words_for_people_are_no_other_behaviour(pull: Pull) -> None:
    pull.edit("prompts/triage.prompt.yaml", "name: Triage", "name: Triage of tickets")
    data = pull.data()
    assert not prompt_of(data, "triage")["behaviour_changed"]
    assert data["evaluations"] == []
    assert "description only" in pull.markdown()


def test_a_prompt_that_is_switched_off_breaks_its_callers(pull: Pull) -> None:
    pull.edit("prompts/other.prompt.yaml", "name: Other", "name: Other\nstatus: inactive")
    pull.edit("prompts/triage.prompt.yaml", "messages:", "output: {schema: {type: object}}\nmessages:")
    assert prompt_of(pull.data(), "other")["breaks_callers"]
    told = pull.markdown()
    assert "| `other` | switched off |" in told
    assert "\n- `other`, callers: `status`: an inactive prompt refuses to run\n" in told
    assert "\n- `triage`, consumers: `output schema`: replies were free text and are JSON of a schema now\n" in told
    assert told_breaks(pull.review()) == [
        "other, callers: status: an inactive prompt refuses to run",
        "triage, consumers: output schema: replies were free text and are JSON of a schema now",
    ]


def test_a_dataset_that_is_taken_away_is_named_where_nothing_tests_a_prompt(pull: Pull) -> None:
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word. WORSE")
    pull.git("mv", "datasets/triage.yaml", "datasets/greet.yaml")
    pull.edit("datasets/greet.yaml", '"triage"', '"greet"')
    assert "no dataset tests it any more, since HEAD changed datasets/triage.yaml" in pull.markdown()
    pull.git("rm", "--quiet", "datasets/greet.yaml")
    pull.commit("Away")
    assert "no dataset tests it any more, since HEAD changed datasets/triage.yaml" in pull.markdown()
    pull.edit("prompts/other.prompt.yaml", "Something", "Anything")
    found = next(each for each in pull.data()["evaluations"] if each["prompt"] == "other")
    assert found["why_not"] == "no dataset tests it"


def test_a_dataset_that_is_new_took_no_test_away(pull: Pull) -> None:
    pull.git("mv", "prompts/other.prompt.yaml", "prompts/another.prompt.yaml")
    pull.commit("Rename")
    pull.dataset(case(1), name="new", prompt="other")
    pull.edit("prompts/another.prompt.yaml", "Something", "Anything")
    found = next(each for each in pull.data()["evaluations"] if each["prompt"] == "another")
    assert found["why_not"] == "no dataset tests it"


def test_a_comment_is_no_difference_in_meaning(pull: Pull) -> None:
    pull.write("prompts/triage.prompt.yaml", "# Why: see the handbook.\n" + TRIAGE)
    pull.commit()
    assert "formatting only" in pull.markdown()


def test_a_workspace_below_the_root_of_the_repository_sees_its_own_files_alone(pull: Pull) -> None:
    for name in ("promptctl.yaml", "prompts", "datasets"):
        (pull.root / "apps/bot").mkdir(parents=True, exist_ok=True)
        pull.git("mv", name, f"apps/bot/{name}")
    base = pull.commit("Move")
    pull.write("prompts/elsewhere.prompt.yaml", GREET)
    pull.edit("apps/bot/prompts/other.prompt.yaml", "Something else", "Something rather different")
    pull.root = pull.root / "apps/bot"
    assert [each["prompt"] for each in pull.data(base=base, is_evaluated=False)["prompts"]] == ["other"]


def test_uncommitted_changes_are_reviewed_where_no_head_is_named(pull: Pull) -> None:
    pull.write("prompts/other.prompt.yaml", "messages: [{role: user, content: Not committed}]\n")
    data = pull.data(is_evaluated=False)
    assert data["head"] == {"commit": None, "name": None, "work_tree": True}
    assert [each["prompt"] for each in data["prompts"]] == ["other"]
    assert pull.data(head="HEAD", is_evaluated=False)["prompts"] == []


def test_links_that_are_committed_are_no_changes_of_the_work_tree(pull: Pull) -> None:
    (pull.root / "prompts/alias.prompt.yaml").symlink_to("greet.prompt.yaml")
    (pull.root / "datasets/more").symlink_to("../prompts")
    commit = pull.commit("Links")
    assert pull.data(is_evaluated=False)["head"]["commit"] == commit
    pull.write("prompts/other.prompt.yaml", GREET)
    data = pull.data(is_evaluated=False)
    assert (data["head"]["work_tree"], [each["prompt"] for each in data["prompts"]]) == (True, ["other"])


def test_labels_moved_after_base_are_told(pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    head = pull.edit("prompts/other.prompt.yaml", "Something else", "Something rather different")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-02T11:00:00+00:00")
    with open_workspace(pull.root, {}, on_warning=lambda _: None) as workspace:
        workspace.labels.set("other@staging", head[:12], reason="try it")
    pull.git("tag", "prompt/zzz@staging/1", "prompt/other@staging/1")  # the same tag by a name that is not its own
    pull.write("prompts/other.prompt.yaml", "messages: [{role: user, content: Not committed}]\n")
    (move,) = pull.data(is_evaluated=False)["label_moves"]
    assert (move["prompt"], move["label"], move["action"], move["reason"]) == ("other", "staging", "set", "try it")
    assert pull.data(base=head, head=head, is_evaluated=False)["label_moves"] == []


def test_the_first_move_after_a_rename_says_where_the_label_came_from(
    pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_workspace(pull.root, {}, on_warning=lambda _: None) as workspace:
        workspace.labels.set("other@staging")
    pull.git("mv", "prompts/other.prompt.yaml", "prompts/more.prompt.yaml")
    pull.edit("prompts/more.prompt.yaml", "name: Other", "name: Other\nformerly: [other]")
    head = pull.edit("prompts/more.prompt.yaml", "Something else", "Something different")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-02T11:00:00+00:00")
    with open_workspace(pull.root, {}, on_warning=lambda _: None) as workspace:
        workspace.labels.set("more@staging", head[:12])
    pull.write("prompts/more.prompt.yaml", "messages: [{role: user, content: Not committed}]\n")
    (move,) = pull.data(is_evaluated=False)["label_moves"]
    assert (move["prompt"], move["event"], move["from_version"]) == ("more", 1, 1)


def test_errors_that_only_validating_finds_are_those_of_a_prompt_that_cannot_be_used(pull: Pull) -> None:
    pull.edit("prompts/greet.prompt.yaml", "name: Greet", "name: Greet\nformerly: [greet]")
    pull.git("push", "--quiet", "origin", "HEAD:main")
    pull.edit("prompts/greet.prompt.yaml", "Hello", "Hello there")
    pull.edit("prompts/triage.prompt.yaml", "type: string", "typ: string")
    found = pull.data(is_evaluated=False)
    said = "prompts/triage.prompt.yaml:3:12: unknown key `typ` in `inputs.ticket`"
    assert (found["exit_code"], found["decision"]) == (WORKSPACE, f"triage cannot be used: {said}.")
    assert [each["line"] for each in prompt_of(found, "triage")["head_problems"]] == [3]
    assert prompt_of(found, "greet")["head_problems"] == []
    pull.git("reset", "--quiet", "--hard", "HEAD~1")
    pull.edit("prompts/other.prompt.yaml", "name: Other", "name: Other\nstatus: deprecated\nsuccessor: other")
    assert "`other` is its own successor" in pull.data(is_evaluated=False)["decision"]


def test_labels_of_another_workspace_are_not_told(pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "apps/two/prompts/hi.prompt.yaml"
    pull.write("apps/two/promptctl.yaml", "")
    pull.write(path, "messages: [{role: user, content: Hi}]\n")
    base = pull.commit("A workspace below")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-02T11:00:00+00:00")
    with open_workspace(pull.root, {}, on_warning=lambda _: None) as workspace:
        workspace.labels.set("other@staging")
    pull.write(path, "messages: [{role: user, content: Ho}]\n")
    beside = Pull(pull.root / "apps/two", pull.bare, pull.server)
    assert beside.data(base=base, is_evaluated=False)["label_moves"] == []


def test_a_changed_default_is_one_line_and_not_every_id(pull: Pull, cli: Cli) -> None:
    cases = [case(n) for n in range(8)]
    pull.dataset(*cases, defaults={"tags": ["x"]})
    base = pull.commit("Tag")
    pull.dataset(*cases, defaults={"assert": [{"type": "word-count", "value": 1}]}, split={"seed": 1})
    pull.commit("Assert")
    (dataset,) = pull.data(base=base)["datasets"]
    assert dataset["header"]["defaults"]["before"] == '{"tags": ["x"]}'
    assert dataset["header"]["split"] == {"before": None, "after": '{"seed": 1}'}
    told = cli("review", base, "--no-eval").out
    assert "every case changed with `defaults` (8); defaults {" in told
    assert "case-1" not in told
