"""Who made what a model saw, and who put it live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from promptctl import Blame, EvaluationRequest, Workspace, open_workspace
from promptctl.errors import LogError, PromptNotFound
from promptctl.log.records import Entry
from tests.repositories import Repo, copied, isolated_git

__all__ = ["isolated_git"]

PATH = "prompts/support/triage.prompt.yaml"
TONE = "prompts/support/tone.j2"
PROMPT = """\
parameters: {temperature: 0}
inputs:
  ticket: {type: string}
  product: {type: string, default: Acme}
  tone: {type: string, required: false}
messages:
  - role: system
    content: |
      You triage tickets for {{ product }}.
      {% include "support/tone.j2" %}
  - {role: user, content: "{{ ticket }}"}
output:
  schema: {$ref: support/triage.schema.yaml}
tools:
  - {type: function, function: {name: look_up, parameters: {type: object}}}
"""
SETTINGS = """\
model: echo/echo
models:
  "echo/*": {parameters: {top_p: 0.5}}
log: [{prompts: "*", content: full}]
"""
SCHEMA = "type: object\n"
FILES: dict[str, str | bytes] = {
    "promptctl.yaml": SETTINGS,
    PATH: PROMPT,
    TONE: "Be kind{% if tone is defined %}, {{ tone }}{% endif %}.\nBe brief.\n",
    "prompts/support/triage.schema.yaml": SCHEMA,
}


@pytest.fixture
def repo(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, isolated_git: Path) -> Repo:
    """A repository whose system message and partial were each changed by a commit of its own."""
    copied(_begun(tmp_path_factory.getbasetemp() / "blamed"), tmp_path / "work")
    return Repo(tmp_path / "work")


@cache
def _begun(folder: Path) -> Path:
    folder.mkdir()
    repo = Repo(folder)
    repo.git("init", "-q")
    repo.commit("Begin triage", FILES)
    repo.commit("Name the team", {PATH: PROMPT.replace("You triage", "We triage")})
    repo.commit("Say it short", {TONE: "Be kind{% if tone is defined %}, {{ tone }}{% endif %}.\nBe short.\n"})
    with open_workspace(folder, {}) as workspace:
        assert workspace.history("support/triage")  # the index of versions comes along with each copy
    return folder


@pytest.fixture
def desk(repo: Repo) -> Iterator[Workspace]:
    with open_workspace(repo.path, {}) as workspace:
        yield workspace


def made(found: Blame, key: str) -> list[str]:
    """The subjects of the commits that made the lines of a part; `-` for a line that no commit has."""
    [part] = [part for part in found.parts if part.key == key]
    unmade = {True: "-", False: "?"}
    return [line.change.commit.subject if line.change else unmade[line.is_uncommitted] for line in part.lines]


def run(workspace: Workspace, ref: str = "support/triage", **options: object) -> str:
    return workspace.run(ref, {"ticket": "{}"}, **options).id  # type: ignore[arg-type]


def test_each_part_has_the_commits_of_its_lines(desk: Workspace) -> None:
    found = desk.blame("support/triage")
    assert [(part.kind, part.key) for part in found.parts] == [
        ("model", "model"),
        ("parameter", "top_p"),
        ("parameter", "temperature"),
        ("message", "system"),
        ("partial", "support/tone.j2"),
        ("message", "user"),
        ("tool", "look_up"),
        ("schema", "support/triage.schema.yaml"),
    ]
    assert made(found, "system") == ["Name the team", "Begin triage"]
    assert made(found, "support/tone.j2") == ["Begin triage", "Say it short"]
    assert made(found, "model") == made(found, "top_p") == made(found, "look_up") == ["Begin triage"]
    assert [(part.path, part.lines[0].number, part.note) for part in found.parts[:3]] == [
        ("promptctl.yaml", 1, "the workspace's default"),
        ("promptctl.yaml", 3, "a rule for the model"),
        (PATH, 1, ""),
    ]
    assert [each.commit.subject for each in found.changes] == ["Say it short", "Name the team", "Begin triage"]
    assert found.notes == ()


@pytest.mark.parametrize("key", ["maxTokens", "max_tokens"])
def test_a_parameter_of_githubs_dialect_has_its_line_in_either_spelling(desk: Workspace, repo: Repo, key: str) -> None:
    text = f"messages:\n  - {{role: user, content: Hello}}\nmodelParameters: {{{key}: 5}}\n"
    repo.commit("Cap the reply", {"prompts/greet.prompt.yml": text})
    [part] = [part for part in desk.blame("greet").parts if part.key == "max_tokens"]
    assert [line.text for line in part.lines] == [f"modelParameters: {{{key}: 5}}"]


def test_inputs_say_what_filled_them(desk: Workspace) -> None:
    of_ref = {each.name: each for each in desk.blame("support/triage").inputs}
    of_call = {each.name: each for each in desk.blame(run(desk)).inputs}
    assert [(each.origin, each.value) for each in of_ref.values()] == [
        ("call", None),
        ("default", "Acme"),
        ("none", None),
    ]
    assert [(each.origin, each.value) for each in of_call.values()] == [
        ("call", "{}"),
        ("default", "Acme"),
        ("none", None),
    ]
    assert of_call["product"].used_in == ("system",)
    assert of_call["tone"].used_in == ("support/tone.j2",)
    default = of_call["product"].default
    assert default is not None
    assert default.change is not None
    assert default.change.commit.subject == "Begin triage"


def test_inputs_that_the_log_does_not_keep_are_names(desk: Workspace) -> None:
    found = desk.blame(run(desk, log="metadata"))
    assert [(each.name, each.origin, each.value, each.is_kept) for each in found.inputs] == [
        ("ticket", "call", None, False),
        ("product", "unknown", None, False),
        ("tone", "unknown", None, False),
    ]


def test_what_the_call_chose_is_said_to_be_its_own(desk: Workspace) -> None:
    found = desk.blame(run(desk, parameters={"temperature": 0.7, "seed": 1}))
    parts = {part.key: part for part in found.parts}
    assert (parts["temperature"].value, parts["temperature"].note) == (0.7, "given with the call")
    assert (parts["seed"].value, parts["top_p"].path) == (1, "promptctl.yaml")


def test_what_the_rule_of_the_model_leaves_out_was_not_sent(desk: Workspace, repo: Repo) -> None:
    repo.write("promptctl.yaml", SETTINGS.replace("log:", '  "echo/echo": {leave_out: [temperature, seed]}\nlog:'))
    with open_workspace(repo.path, {}) as workspace:
        parts = workspace.blame("support/triage").parts
    assert [part.key for part in parts if part.kind == "parameter"] == ["top_p"]


def test_a_model_that_no_settings_name_was_chosen_by_the_call(desk: Workspace, repo: Repo) -> None:
    call = run(desk)
    [model, *_] = desk.blame(call).parts
    assert (model.value, model.note) == ("echo/echo", "the workspace's default")
    repo.write("promptctl.yaml", SETTINGS.replace("echo/echo", "openai/gpt-4o-mini"))
    repo.git(
        "commit", "-q", "--amend", "-am", "Ask a different model", environ={"GIT_COMMITTER_DATE": "1700000000 +0000"}
    )
    with open_workspace(repo.path, {}) as later:
        [model, *_] = later.blame(call).parts
    assert (model.value, model.path, model.note) == ("echo/echo", "", "chosen by the call")


def test_moves_say_who_put_it_live_and_until_when(desk: Workspace, repo: Repo) -> None:
    desk.labels.set("support/triage@production", reason="Fewer wrong labels")
    first = run(desk, "support/triage@production")
    repo.commit("Ask why", {PATH: PROMPT + "# why\n" + "metadata: {a: b}\n", TONE: "Say why.\n"})
    desk.labels.set("support/triage@production", reason="Reasons help")
    now = desk.blame("support/triage@production")
    [move] = now.moves
    assert (move.event.reason, move.is_asked, move.until) == ("Reasons help", True, None)
    then = desk.blame(first)
    [move] = then.moves
    assert (move.event.label, move.event.version, move.event.reason) == ("production", "v3", "Fewer wrong labels")
    assert move.until is not None
    assert move.until.reason == "Reasons help"
    assert then.ref == "support/triage@production"
    assert then.version.label == "production"
    assert made(then, "support/tone.j2") == ["Begin triage", "Say it short"]
    assert desk.blame("support/triage@v2").moves == ()


def test_a_label_that_named_something_else_by_the_clocks_is_told(desk: Workspace, repo: Repo) -> None:
    desk.labels.set("support/triage@production")
    call = desk.log.execution(run(desk, "support/triage@production"))
    late = replace(call, id=(other := "0" * 30 + "ab"), call_id=other, started_at="2100-01-01T00:00:00.000Z")
    desk.context.log.append([Entry(late)])
    repo.commit("Ask why", {TONE: "Say why.\n"})
    desk.labels.set("support/triage@production")
    [note] = desk.blame(late.id).notes
    assert note.startswith("by the clocks production named v4 then, and the call ran v3 (")
    assert note.endswith(" s after it was moved on")
    desk.labels.remove("support/triage@production", reason="Over")
    assert "production named nothing then" in desk.blame(late.id).notes[0]


def test_the_first_move_to_the_same_content_let_it_live(desk: Workspace, repo: Repo) -> None:
    desk.labels.set("support/triage@production", reason="First")
    tag = "prompt/support/triage@production/"
    said = repo.git("for-each-ref", "--format=%(contents)", f"refs/tags/{tag}1")
    repo.git("tag", "-a", f"{tag}2", "-m", said.replace("First", "Again"))  # as two clones that moved it at once
    [move] = desk.blame("support/triage").moves
    assert [each.reason for each in desk.labels.log_here("support/triage@production").events] == ["First", "Again"]
    assert (move.event.reason, move.until) == ("First", None)


def test_evaluations_of_the_content_are_told(desk: Workspace, repo: Repo) -> None:
    case = "{id: a, inputs: {ticket: x}, assert: [{type: contains, value: x}]}"
    repo.write("datasets/triage.yaml", f"prompts: [support/triage]\ncases: [{case}]\n")
    desk.evaluate(EvaluationRequest(refs=["support/triage@v2"]))
    [found] = desk.evaluate(EvaluationRequest(refs=["support/triage"]))
    assert [row.id for row in desk.blame("support/triage").evaluations] == [found.row.id]


def test_uncommitted_lines_are_nobodys(desk: Workspace, repo: Repo) -> None:
    repo.write(TONE, "Be kind{% if tone is defined %}, {{ tone }}{% endif %}.\nBe very short.\nAsk.\n")
    found = desk.blame("support/triage")
    assert found.version.is_dirty
    assert made(found, "support/tone.j2") == ["Begin triage", "-", "-"]


def test_a_new_file_has_no_line_of_the_prompt(desk: Workspace, repo: Repo) -> None:
    repo.write("prompts/support/new.j2", "messages:\nAsk.\n")
    repo.write(PATH, PROMPT.replace("support/tone.j2", "support/new.j2"))
    assert made(desk.blame("support/triage"), "support/new.j2") == ["-", "-"]


def test_a_call_from_a_dirty_tree(desk: Workspace, repo: Repo) -> None:
    base = repo.head[:7]
    repo.write(TONE, "Ask why.\n")
    call = run(desk)
    found = desk.blame(call)
    assert found.notes == (f"the call ran uncommitted changes of {base}, which are in the work tree still",)
    assert made(found, "support/tone.j2") == ["-"]
    commit = repo.commit("Ask why")
    found = desk.blame(call)
    same = f"the call ran uncommitted changes of {base}; v4 ({commit[:7]}) has the same content"
    assert found.notes == (f"{same}, and the lines are those of it",)
    assert made(found, "support/tone.j2") == ["Ask why"]
    repo.write(TONE, "Ask again.\n")
    lost = run(desk)
    repo.git("checkout", "-q", ".")
    found = desk.blame(lost)
    assert found.notes == (
        (
            f"the call ran uncommitted changes of {commit[:7]} that no commit of main has: the lines are those of "
            f"v4 ({commit[:7]}), and the call saw others too"
        ),
    )


def test_a_call_of_a_deleted_prompt(desk: Workspace, repo: Repo) -> None:
    call = run(desk)
    repo.git("rm", "-q", PATH)
    gone = repo.commit("Stop triage")
    found = desk.blame(call)
    assert made(found, "system") == ["Name the team", "Begin triage"]
    [note] = found.notes
    assert note.startswith(f"support/triage is not in the work tree: deleted in {gone[:7]} by Ada Example, ")
    assert note.endswith(": Stop triage")


def test_a_call_of_an_unmerged_branch_and_of_a_commit_that_is_gone(desk: Workspace, repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    commit = repo.commit("Try it", {TONE: "Try.\n"})
    call = run(desk)
    repo.git("checkout", "-q", "main")
    found = desk.blame(call)
    assert made(found, "support/tone.j2") == ["Try it"]
    assert found.notes == (f"commit {commit[:7]} is not on main: it is on side",)
    repo.git("branch", "-q", "-D", "side")
    assert desk.blame(call).notes == (f"commit {commit[:7]} is not on main: no branch has it",)
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    with open_workspace(repo.path, {}) as later:
        found = later.blame(call)
        assert found.parts == ()
        assert found.inputs[0].value == "{}"
        lost = f"Git no longer has commit {commit[:7]}, which the call ran"
        assert found.notes == (f"{lost}, and no version of main has the same content: its lines are not known",)
        merged = repo.commit("Squash it", {TONE: "Try.\n"})
        found = later.blame(call)
    assert made(found, "support/tone.j2") == ["Squash it"]
    assert found.notes == (f"{lost}; v4 ({merged[:7]}) has the same content, and the lines are those of it",)


def test_a_renamed_prompt_keeps_its_lines(desk: Workspace, repo: Repo) -> None:
    call = run(desk)
    repo.git("mv", PATH, "prompts/sort.prompt.yaml")
    many = "".join(f"# A note to whoever edits this, number {number}\n" for number in range(40))
    repo.commit(
        "Rename", {"prompts/sort.prompt.yaml": many + "formerly: [support/triage]\n" + PROMPT.replace("You", "I")}
    )
    found = desk.blame("sort")
    assert made(found, "system") == ["Rename", "Begin triage"]
    assert next(part for part in found.parts if part.key == "system").lines[1].change.path == PATH  # type: ignore[union-attr]
    assert desk.blame(call).notes == ("support/triage is named sort now",)
    assert desk.blame(call).prompt == "sort"


def test_a_call_without_a_prompt_file(desk: Workspace) -> None:
    call = desk.call([{"role": "user", "content": "Hi"}], model="echo/echo")
    found = desk.blame(call.id)
    assert found.parts == ()
    assert found.notes == ("the application gave the messages itself: no prompt file stands behind the call",)


def test_outside_git_nobody_knows(repo: Repo) -> None:
    for path, text in FILES.items():
        repo.write(f"../plain/{path}", text)
    with open_workspace(repo.path.parent / "plain", {}) as workspace:
        for found in (workspace.blame("support/triage"), workspace.blame(run(workspace))):
            assert made(found, "system") == ["?", "?"]
            assert found.notes == ("who made the lines is not known: the workspace is not in a Git repository",)


def test_a_shallow_clone_says_what_it_does_not_know(repo: Repo) -> None:
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.path}", str(repo.path.parent / "shallow"))
    with open_workspace(repo.path.parent / "shallow", {}) as workspace:
        found = workspace.blame("support/triage")
    assert made(found, "system") == ["Say it short", "Say it short"]
    assert all(line.change and line.change.is_cut for part in found.parts for line in part.lines)
    assert (
        found.notes[-1]
        == "this clone is shallow: a line of its oldest commit may be older; git fetch --unshallow tells"
    )


def test_before_the_first_commit_all_is_uncommitted(repo: Repo) -> None:
    for path, text in FILES.items():
        repo.write(f"../new/{path}", text)
    repo.git("init", "-q", str(repo.path.parent / "new"))
    with open_workspace(repo.path.parent / "new", {}) as workspace:
        found = workspace.blame("support/triage")
    assert made(found, "system") == ["-", "-"]


def test_what_there_is_not(desk: Workspace) -> None:
    with pytest.raises(PromptNotFound):
        desk.blame("support/triag")
    run(desk)
    with pytest.raises(LogError):
        desk.blame("0000000000")
