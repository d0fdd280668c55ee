"""Prompts renamed, deprecated, deleted, with everything that names them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

import promptctl
from promptctl import LabelRefused, WorkspaceError
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt
from tests.cli.conftest import Cli, commit, git, write
from tests.json_schemas import fits
from tests.repositories import copied

OLD, NEW = "prompts/support/triage.prompt.yaml", "prompts/team/sort.prompt.yaml"
FILES = {
    ".gitignore": ".promptctl/\n",
    "promptctl.yaml": """\
# The settings.
model: echo/echo
log:
  - {prompts: "*", content: full}
  # Its inputs are long.
  - {prompts: support/triage, content: metadata}  # own
  - {prompts: "support/*", content: full}
budgets:
  - name: daily
    prompts: [support/triage, "team/*"]  # both
    limit: {usd: 3}
experiments:
  tone:
    prompt: support/triage
    arms:
      control: {ref: "@production", share: 50}
      short: {ref: "@v2", share: 50}
    primary: {cost: mean}
""",
    OLD: """\
name: Triage  # for people
inputs:
  ticket: {type: string}
messages:
  # The rules come first.
  - {role: system, content: "{% include './tone.j2' %}"}
  - {role: user, content: "one {{ ticket }}"}
output: {schema: {$ref: ./answer.schema.yaml}}
""",
    "prompts/support/tone.j2": "Be kind. {% include 'support/rules.j2' %}",
    "prompts/support/rules.j2": "Be brief.",
    "prompts/support/answer.schema.yaml": "type: object\n",
    "prompts/support/old.prompt.yaml": """\
status: deprecated
successor: support/triage
inputs: {ticket: {type: string}}
messages: [{role: user, content: "{{ ticket }}"}]
""",
    "prompts/judge.prompt.yaml": """\
inputs: {output: {type: string}}
messages: [{role: user, content: "{% include 'support/rules.j2' %} {{ output }}"}]
""",
    "datasets/triage.yaml": """\
prompts:
  - support/triage  # the one
cases:
  - {id: a, inputs: {ticket: x}, assert: [{type: contains, value: x}]}
""",
    "datasets/both.yaml": """\
prompts: [support/old, support/triage]
defaults:
  assert: [{type: assert-set, assert: [{type: llm-rubric, value: nice, prompt: judge}]}]
cases: rows.jsonl
""",
    "datasets/rows.jsonl": '{"id":"r","inputs":{"ticket":"x"},"metadata":{"prompt":"judge"},'
    '"assert":[{"type":"llm-rubric","value":"x","prompt":"judge"}]}\n'
    '{"id":"s","inputs":{"ticket":"y"},"assert":[{"type":"llm-rubric", "value":"y", "prompt" : "judge"}]}\n',
    "datasets/recordings/triage.jsonl": json.dumps(
        {"request": "0" * 64, "model": "echo/echo", "reply": "x", "prompt": "support/triage"}
    )
    + "\n",
}
TWO = FILES[OLD].replace('"one ', '"two ')


@cache
def _made(folder: Path) -> Path:
    root = folder / "work"
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    for path, text in FILES.items():
        write(root, path, text)
    commit(root, "one")
    write(root, OLD, TWO)
    commit(root, "two")
    return folder


@pytest.fixture
def root(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose prompt `support/triage` has two versions, and is named in every way there is."""
    copied(_made(tmp_path_factory.getbasetemp() / "life"), tmp_path)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def text_of(root: Path, path: str) -> str:
    return (root / path).read_text()


def test_a_rename_takes_everything_that_names_the_prompt_along(cli: Cli, root: Path) -> None:
    cli("label", "set", "support/triage@production", "v1")
    cli("label", "lock")
    assert cli("run", "support/triage", "-i", "ticket=hi").exit_code == 0
    ran = cli("rename", "support/triage", "team/sort")
    assert ran.exit_code == 0
    assert "nothing was written" in ran.err
    assert "`support/*` of a log rule (promptctl.yaml:7:15) does not match `team/sort`; it still holds" in ran.err
    assert "`team/*` of the budget `daily` (promptctl.yaml:9:5) matches it from now on" in ran.err
    assert "its labels follow, also by `support/triage@production`; `support/triage` without" in ran.err
    assert not (root / NEW).exists()
    write(root, "patch.diff", ran.out)
    git(root, "apply", "--check", "patch.diff")
    (root / "patch.diff").unlink()

    done = cli("rename", "support/triage", "team/sort", "--yes", "--json")
    fits("rename", done.json)
    assert {each["kind"] for each in done.json["references"]} == {
        "log", "budget", "experiment", "successor", "dataset", "recording", "lock",
    }  # fmt: skip
    assert not (root / OLD).exists()
    moved = TWO.replace("# for people\n", "# for people\nformerly: [support/triage]\n")
    assert text_of(root, NEW) == moved.replace("'./", "'support/").replace("./answer", "support/answer")
    settings = FILES["promptctl.yaml"].replace("support/triage", "team/sort")
    assert text_of(root, "promptctl.yaml") == settings
    for path in ("datasets/triage.yaml", "datasets/both.yaml", "datasets/recordings/triage.jsonl"):
        assert text_of(root, path) == FILES[path].replace("support/triage", "team/sort")
    assert "successor: team/sort" in text_of(root, "prompts/support/old.prompt.yaml")
    assert cli("validate").exit_code == 0
    assert cli("label", "lock", "--check").exit_code == 0

    git(root, "checkout", "-qb", "branch")
    commit(root, "rename")
    history = cli("history", "team/sort", "--json").json
    assert [each["version_display"].split(" ")[0] for each in history] == ["v2+1", "v2", "v1"]
    assert [each["labels"] for each in history] == [[], [], ["production"]]
    page = cli("show", "team/sort", "--json").json
    assert (page["totals"]["calls"], page["latest_call"]["prompt"]) == (1, "support/triage")


def test_beside_its_files_a_rename_keeps_the_version(cli: Cli, root: Path) -> None:
    before = load_prompt(WorkTree(root), "support/triage").digest
    done = cli("rename", "support/triage", "support/sort", "--yes", "--json").json
    assert done["same_version"]
    assert load_prompt(WorkTree(root), "support/sort").digest == before
    assert cli("list", "--json").json[2]["version_display"] == "v2+dirty"


def test_renamed_again_and_back_the_file_says_every_id(cli: Cli, root: Path) -> None:
    cli("label", "set", "support/triage@production", "v1")
    for old, new in (("support/triage", "a"), ("a", "b"), ("b", "support/triage")):
        assert cli("rename", old, new, "--yes").exit_code == 0
        commit(root, f"to {new}")
    assert "formerly: [a, b]" in text_of(root, OLD)
    assert cli("validate").exit_code == 0
    assert len(cli("history", "support/triage", "--json").json) == 3  # what it names was written differently once


def test_a_judge_is_renamed_in_the_rows_of_datasets_too(cli: Cli, root: Path) -> None:
    write(root, "datasets/recordings/deep.jsonl", f'{{"prompt": "judge", "request": {"[" * 100_000}\n')
    assert cli("rename", "judge", "judges/nice", "--yes").exit_code == 0
    rows = text_of(root, "datasets/rows.jsonl").splitlines()
    assert json.loads(rows[0])["metadata"] == {"prompt": "judge"}
    assert json.loads(rows[0])["assert"][0]["prompt"] == "judges/nice"
    assert rows[1] == FILES["datasets/rows.jsonl"].splitlines()[1].replace('"judge"', '"judges/nice"')
    assert "prompt: judges/nice}" in text_of(root, "datasets/both.yaml")


def test_wrong_names_change_nothing(cli: Cli, root: Path) -> None:
    for arguments, code, words in (
        ("rename support/triag x", 3, "did you mean `support/triage`?"),
        ("rename support/triage judge", 2, "there is a prompt `judge` already"),
        ("rename support/triage Judge", 2, "there is a prompt `judge` already, and on many file systems"),
        ("rename support/triage support/triage", 2, "is its name already"),
        ("rename support/triage ../x", 2, "cannot be a prompt"),
        ("rename support/triage x.prompt.yaml", 2, "its id is x"),
        ("delete support/triage@v1", 2, "name it `support/triage`"),
        ("deactivate support/triage@production", 2, "names a version, and the whole prompt is meant"),
        ("deprecate judg", 3, "did you mean `judge`?"),
        ("deprecate judge --use judg", 3, "did you mean `judge`?"),
        ("deprecate judge --use judge", 2, "cannot be its own successor"),
        ("deprecate judge --use support/old", 2, "`support/old` is deprecated itself"),
        ("activate nothing", 3, "there is no prompt `nothing`"),
        ("deactivate nothing", 3, "there is no prompt `nothing`"),
        ("delete judg", 3, "did you mean `judge`?"),
        ("delete judge --force", 2, "--force needs a reason"),
        ("show support/ton.j2", 3, "did you mean `support/tone.j2`?"),
    ):
        ran = cli(*arguments.split())
        assert (ran.exit_code, ran.out) == (code, ""), arguments
        assert words in ran.err
    assert git(root, "status", "--porcelain") == ""


def test_rules_by_glob_hold_for_every_version_of_a_renamed_prompt(cli: Cli, root: Path) -> None:
    settings = "model: echo/echo\nlog: [{prompts: 'support/*', active: false}, {prompts: 'x/*', content: full}]\n"
    write(root, "promptctl.yaml", settings + "budgets: [{name: b, prompts: ['support/*'], limit: {calls: 2}}]\n")
    commit(root, "rules")
    cli("label", "set", "support/triage@production", "v1")
    assert cli("rename", "support/triage", "team/sort", "--yes").exit_code == 0
    commit(root, "rename")
    for ref in ("team/sort", "team/sort@production", "team/sort@v1"):
        ran = cli("run", ref, "-i", "ticket=x")
        assert ran.exit_code == (0 if ref != "team/sort@v1" else 5), ran.err
    assert cli("log", "list", "--json").json == []
    assert cli("budget", "list", "--json").json[0]["spent"] == 2


def test_who_asks_for_the_earlier_id_is_told_the_one_of_today(cli: Cli, root: Path) -> None:
    cli("rename", "support/triage", "team/sort", "--yes")
    ran = cli("rename", "support/triage", "x")
    assert ran.exit_code == 3
    assert "hint: it is named `team/sort` now" in ran.err


def test_calibrations_and_files_at_the_top_follow(cli: Cli, root: Path) -> None:
    write(root, "datasets/calibrations/judge.json", '{\n  "judge": "judge",\n  "calibrations": []\n}\n')
    write(root, "datasets/broken.yaml", "prompts: [judge]\ncases: [\n")
    ran = cli("rename", "judge", "judges/nice", "--yes")
    moved = text_of(root, "datasets/calibrations/judges--nice.json")
    assert moved == '{\n  "judge": "judges/nice",\n  "calibrations": []\n}\n'
    assert not (root / "datasets/calibrations/judge.json").exists()
    assert "datasets/broken.yaml cannot be read: what it says of `judge` is left as it is" in ran.err

    write(root, "promptctl.yaml", 'prompt_paths: [prompts, "*.prompt.yml"]\n')
    write(root, "top.prompt.yml", "messages:\r\n- {role: user, content: x}\r\n")
    assert cli("rename", "top", "first", "--yes").exit_code == 0
    assert (root / "first.prompt.yml").read_bytes().startswith(b"formerly: [top]\r\nmessages:\r\n")


@pytest.mark.usefixtures("root")
def test_what_takes_the_place_of_a_built_in_prompt_says_so(cli: Cli) -> None:
    for command in ("copy", "rename"):
        assert "`judges/llm-rubric` is a built-in prompt" in cli(command, "judge", "judges/llm-rubric").err
        assert "built-in" not in cli(command, "judge", "judges/nice").err


def test_what_is_of_a_prompt_or_dataset_with_a_like_name_stays(cli: Cli, root: Path) -> None:
    _unneeded(root)
    shared = "datasets/calibrations/judges--a.json"
    write(root, shared, '{"judge": "judges/a", "calibrations": []}\n')
    for id_ in ("judges/a", "judges--a"):
        write(root, f"prompts/{id_}.prompt.yaml", FILES["prompts/support/old.prompt.yaml"].partition("triage\n")[2])
    with pytest.raises(WorkspaceError, match=r"has the calibrations of `judges/a`, and would have those of"):
        promptctl.open_workspace(root).judges.calibrate(promptctl.CalibrationRequest(judge="judges--a"))
    assert cli("rename", "judges--a", "other", "--yes").exit_code == 0
    assert cli("delete", "other", "--yes").exit_code == 0
    assert (root / shared).exists()
    assert cli("rename", "judges/a", "judges--a", "--yes").exit_code == 0
    assert text_of(root, shared) == '{"judge": "judges--a", "calibrations": []}\n'
    assert cli("delete", "judges--a", "--yes").exit_code == 0
    assert not (root / shared).exists()

    labels = "datasets/human-labels/triage"
    own, other = '{"dataset": "datasets/triage.yaml"}\n', '{"dataset": "datasets/triage.yml", "by": "é"}\n'
    write(root, f"{labels}/ada.jsonl", own + other + own)
    write(root, f"{labels}/bo.jsonl", own + "[\n")
    for rows in ("recordings/triage.jsonl", "human-labels/other/ada.jsonl"):
        write(root, f"datasets/{rows}", "{}\n")
        write(root, f"datasets/by-{rows[0]}.yaml", f"prompts: [support/triage]\ncases: {rows}\n")
    shared_rows = {"dataset": "datasets/c.yaml"}, {"dataset": "datasets/c.yml"}, {"dataset": "datasets/d.yaml"}
    write(root, "datasets/human-labels/c/ada.jsonl", "".join(f"{json.dumps(each)}\n" for each in shared_rows))
    for each, tested, rows in (("c.yaml", "triage", "shared"), ("c.yml", "triage", "shared"),
                               ("e.yaml", "triage", "kept"), ("f.yaml", "old", "kept")):  # fmt: skip
        write(root, f"datasets/{each}", f"prompts: [support/{tested}]\ncases: {rows}.jsonl\n")
        write(root, f"datasets/{rows}.jsonl", "{}\n")
    assert cli("delete", "support/triage", "--yes").exit_code == 0
    assert text_of(root, f"{labels}/ada.jsonl") == other
    assert not (root / f"{labels}/bo.jsonl").exists()
    assert not (root / "datasets/by-r.yaml").exists()
    assert not (root / "datasets/shared.jsonl").exists()
    assert (root / "datasets/kept.jsonl").exists()
    assert text_of(root, "datasets/human-labels/c/ada.jsonl") == '{"dataset": "datasets/d.yaml"}\n'
    assert (root / "datasets/recordings/triage.jsonl").exists()
    assert (root / "datasets/human-labels/other/ada.jsonl").exists()


def test_a_prompt_in_a_repository_of_its_own_is_left_to_that(cli: Cli, root: Path) -> None:
    write(root, "prompts/shared/a.prompt.yaml", "messages: [{role: user, content: x}]\n")
    git(root / "prompts/shared", "init", "-q")
    for given in (("rename", "shared/a", "b"), ("rename", "judge", "shared/b"), ("delete", "shared/a")):
        ran = cli(*given, "--yes")
        assert ran.exit_code == 3
        assert "lies in a repository of its own, prompts/shared" in ran.err
    for given in (("deactivate", "shared/a"), ("new", "shared/b")):
        assert "and commit it there" in cli(*given, "--yes").err
    assert sorted(each.name for each in (root / "prompts/shared").iterdir()) == [".git", "a.prompt.yaml"]


def test_an_earlier_id_is_taken(cli: Cli, root: Path) -> None:
    cli("rename", "support/triage", "support/sort", "--yes")
    for command in (("rename", "judge", "support/triage"), ("copy", "judge", "support/triage")):
        ran = cli(*command)
        assert ran.exit_code == 2
        assert "`support/triage` is what `support/sort` was named before" in ran.err


def test_githubs_files_are_moved_as_they_are_and_have_no_status(cli: Cli, root: Path) -> None:
    text = (
        "name: Hi\nmodel: openai/gpt-4o\nmessages:\n  - role: user\n    content: Hi {{name}}\ntestData: [{name: Ada}]\n"
    )
    write(root, "prompts/hi.prompt.yml", text)
    commit(root, "hi")
    ran = cli("rename", "hi", "there", "--yes")
    assert "commit the move before its text is changed" in ran.err
    assert text_of(root, "prompts/there.prompt.yml") == text
    assert cli("deprecate", "there").exit_code == 3


def test_a_deprecated_prompt_names_its_successor_wherever_it_is_met(cli: Cli, root: Path) -> None:
    cli("label", "set", "support/triage@production", "v1")
    ran = cli("deprecate", "judge", "--use", "support/triage", "--json")
    fits("deprecate", ran.json)
    assert text_of(root, "prompts/judge.prompt.yaml") == FILES["prompts/judge.prompt.yaml"]
    assert any("a judge of a dataset still names it" in note for note in ran.json["notes"])
    before = load_prompt(WorkTree(root), "judge").digest
    assert cli("deprecate", "judge", "--use", "support/triage", "--yes").exit_code == 0
    assert text_of(root, "prompts/judge.prompt.yaml").startswith("status: deprecated\nsuccessor: support/triage\n")
    assert load_prompt(WorkTree(root), "judge").digest == before

    words = "judge is deprecated: use support/triage"
    assert f"warning: {words}" in cli("run", "judge", "-i", "output=x").err
    assert "status     deprecated: use support/triage" in cli("show", "judge").out
    assert "deprecated, use support/triage" in cli("list").out
    assert cli("list", "--json").json[0]["successor"] == "support/triage"
    validated = cli("validate")
    assert validated.exit_code == 0
    assert "prompts/judge.prompt.yaml:1:9: `judge` is deprecated" in validated.err
    assert "hint: use support/triage" in validated.err
    assert "warning: support/old is deprecated: use support/triage" in cli("eval", "support/old", "--dry-run").err

    fits("deactivate", cli("deactivate", "judge", "--yes", "--json").json)
    ran = cli("run", "judge", "-i", "output=x")
    assert ran.exit_code == 3
    assert "use support/triage; or promptctl activate " in ran.err
    fits("activate", cli("activate", "judge", "--yes", "--json").json)
    assert text_of(root, "prompts/judge.prompt.yaml").startswith("status: active\ninputs:")
    again = cli("activate", "judge")
    assert (again.exit_code, again.out) == (0, "")
    assert "`judge` is active already" in again.err


def test_a_wrong_successor_is_found(cli: Cli, root: Path) -> None:
    wrong = [
        ("successor: judge\n", "an active prompt has no `successor`"),
        ("status: deprecated\nsuccessor: judg\n", "there is no prompt `judg` to use in its place"),
        ("status: deprecated\nsuccessor: support/old\n", "`support/old` is deprecated itself"),
        ("status: deprecated\nsuccessor: x3\n", "`x3` is its own successor"),
    ]
    for number, (keys, _) in enumerate(wrong):
        write(root, f"prompts/x{number}.prompt.yaml", keys + "messages: [{role: user, content: x}]\n")
    told = cli("validate").err
    assert [words for _, words in wrong if words not in told] == []


def test_what_is_needed_is_not_deleted(cli: Cli, root: Path) -> None:
    ran = cli("delete", "support/triage", "--force", "--reason", "x")
    assert ran.exit_code == 3
    assert "the experiment `tone` (promptctl.yaml:14:13)" in ran.err
    assert "the successor of `support/old` (prompts/support/old.prompt.yaml:2:12)" in ran.err
    ran = cli("delete", "judge", "--yes")
    assert ran.exit_code == 3
    assert "a judge of a dataset (datasets/both.yaml:3:" in ran.err
    assert git(root, "status", "--porcelain") == ""


def _unneeded(root: Path) -> None:
    settings = FILES["promptctl.yaml"].partition("experiments:")[0]
    write(root, "promptctl.yaml", settings)
    write(root, "prompts/support/old.prompt.yaml", FILES["prompts/support/old.prompt.yaml"].partition("triage\n")[2])
    commit(root, "free")


def test_a_deletion_takes_its_tests_and_rules_along(cli: Cli, root: Path) -> None:
    _unneeded(root)
    settings = text_of(root, "promptctl.yaml")
    write(root, "promptctl.yaml", f"{settings}labels: {{production: {{evaluation: passed, dataset: triage.yaml}}}}\n")
    assert "the label `production` asks for an evaluation on it" in cli("delete", "support/triage").err
    write(root, "promptctl.yaml", settings)
    ran = cli("delete", "support/triage")
    assert "nothing keeps" not in ran.err
    assert "warning: datasets/triage.yaml tests it alone, and goes with it" in ran.err
    assert "deleted file mode" in ran.out
    assert "note: prompts/support/tone.j2 is used by no other prompt; it stays" in ran.err
    assert "rules.j2" not in ran.err
    assert (root / OLD).exists()
    done = cli("delete", "support/triage", "--yes", "--json").json
    fits("delete", done)
    assert done["datasets"] == ["datasets/triage.yaml"]
    assert not (root / OLD).exists()
    assert not (root / "datasets/triage.yaml").exists()
    assert text_of(root, "datasets/both.yaml").startswith("prompts: [support/old]\n")
    settings = text_of(root, "promptctl.yaml")
    assert 'prompts: ["team/*"]  # both' in settings
    assert "support/triage" not in settings
    assert "# Its inputs are long." not in settings
    assert cli("validate").exit_code == 0
    assert [each["version"] for each in cli("history", "support/triage", "--json").json] == [2, 1]


def test_a_deletion_leaves_recordings_of_any_size(cli: Cli, root: Path) -> None:
    _unneeded(root)
    long = json.dumps({"prompt": "support/triage", "request": "0" * 64, "model": "echo/echo", "reply": "x" * (2 << 20)})
    write(root, "datasets/recordings/long.jsonl", long)
    assert cli("delete", "support/triage", "--yes").exit_code == 0
    assert not (root / OLD).exists()
    assert text_of(root, "datasets/recordings/long.jsonl") == long


def test_a_label_keeps_its_prompt_until_it_is_removed_for_a_reason(cli: Cli, root: Path) -> None:
    _unneeded(root)
    cli("label", "set", "support/triage@production", "v1")
    cli("rename", "support/triage", "support/sort", "--yes")
    commit(root, "rename")
    ran = cli("delete", "support/sort", "--yes")
    assert ran.exit_code == 3
    assert "support/sort@production (v1) still names a version of it" in ran.err
    assert "--force --reason" in ran.err
    assert (root / "prompts/support/sort.prompt.yaml").exists()
    shown = cli("delete", "support/sort", "--force", "--reason", "Replaced")
    assert "support/sort@production is removed first, for everybody" in shown.err
    assert cli("label", "list", "--json").json[0]["live"]
    done = cli("delete", "support/sort", "--force", "--reason", "Replaced", "--yes")
    assert done.exit_code == 0, done.err
    assert not (root / "prompts/support/sort.prompt.yaml").exists()
    commit(root, "delete")
    last = cli("label", "log", "support/sort@production", "--json").json[0]
    assert (last["action"], last["reason"]) == ("remove", "Replaced")
    # Nothing says any more that the earlier id was its own.
    assert not any(each["live"] for each in cli("label", "list", "--json").json)
    ran = cli("run", "support/triage@production", "-i", "ticket=x")
    assert ran.exit_code == 3
    assert "was removed by" in ran.err


def test_a_label_moved_and_removed_after_a_rename_does_not_come_back(cli: Cli, root: Path) -> None:
    _unneeded(root)
    cli("label", "set", "support/triage@production", "v1")
    cli("rename", "support/triage", "support/sort", "--yes")
    commit(root, "rename")
    cli("label", "set", "support/sort@production", "v2")
    removed = cli("label", "remove", "support/triage@production", "--reason", "Replaced", "--json").json
    assert (removed["prompt"], removed["action"]) == ("support/sort", "remove")
    assert cli("label", "verify").exit_code == 0
    history = cli("label", "log", "support/sort@production", "--json").json
    assert [each["action"] for each in history] == ["remove", "set", "set"]
    git(root, "checkout", "-q", "HEAD~1")  # before the rename
    assert cli("run", "support/triage@production", "-i", "ticket=x").exit_code == 3
    git(root, "checkout", "-q", "main")
    assert cli("label", "rollback", "support/sort@production").exit_code == 0
    assert cli("run", "support/triage@production", "-i", "ticket=x").exit_code == 0


def test_a_deletion_of_files_that_changed_meanwhile_removes_no_label(cli: Cli, root: Path) -> None:
    _unneeded(root)
    cli("label", "set", "support/triage@production", "v1")
    with promptctl.open_workspace(root) as workspace:
        deleted = workspace.life.delete("support/triage", reason="gone", is_forced=True)
        write(root, OLD, text_of(root, OLD) + "# Not yet.\n")
        with pytest.raises(WorkspaceError, match="was changed meanwhile"):
            workspace.life.write(deleted)
    assert cli("label", "list", "--json").json[0]["live"]


def test_a_deletion_of_what_was_labelled_meanwhile_removes_no_label_and_no_file(cli: Cli, root: Path) -> None:
    _unneeded(root)
    cli("label", "set", "support/triage@production", "v1")
    with promptctl.open_workspace(root) as workspace:
        deleted = workspace.life.delete("support/triage", reason="gone", is_forced=True)
        cli("label", "set", "support/triage@staging", "v1")
        with pytest.raises(LabelRefused, match=r"support/triage@staging .* still names a version of it"):
            workspace.life.write(deleted)
        cli("label", "remove", "support/triage@staging", "--reason", "no")
        cli("label", "remove", "support/triage@production", "--reason", "gone, too")
        workspace.life.write(deleted)
    assert not (root / OLD).exists()


def test_a_copy_knows_its_parent_and_the_parent_its_copies(cli: Cli, root: Path) -> None:
    first = git(root, "rev-parse", "HEAD~1")
    assert cli("copy", "support/triage@v1", "support/copy", "--yes").exit_code == 0
    parent = f"support/triage@{first[:12]}"
    assert f"\ncopied_from: {parent}\n" in text_of(root, "prompts/support/copy.prompt.yaml")
    tree = WorkTree(root)
    write(root, OLD, FILES[OLD])
    assert "is not as HEAD has it: nothing keeps what is in it now" in cli("delete", "support/copy").err
    assert load_prompt(tree, "support/copy").digest == load_prompt(tree, "support/triage").digest
    assert f"copied     from {parent}" in cli("show", "support/copy").out
    commit(root, "copy")
    assert f"copied from {parent}" in cli("history", "support/copy").err
    history = cli("history", "support/copy", "--json").json
    fits("history", history)
    assert history[-1]["copied_from"] == parent
    cli("rename", "support/triage", "support/sort", "--yes")
    page = cli("show", "support/sort", "--json").json
    fits("show", page)
    assert page["copies"] == ["support/copy"]
    write(root, "prompts/support/sort.prompt.yaml", text_of(root, "prompts/support/sort.prompt.yaml") + "tags: [x]\n")
    cli("copy", "support/sort", "second", "--yes")
    assert "copied_from: support/sort\n" in text_of(root, "prompts/second.prompt.yaml")


def test_a_shared_file_says_who_uses_it(cli: Cli, root: Path) -> None:
    found = cli("show", "prompts/support/rules.j2", "--json").json
    fits("show file", found)
    assert found["used_by"] == [
        {"prompt": "judge", "through": []},
        {"prompt": "support/triage", "through": ["prompts/support/tone.j2"]},
    ]
    assert found["text"] == "Be brief."
    assert cli("show", "support/tone.j2", "--json").json["uses"] == ["prompts/support/rules.j2"]
    shown = cli("show", "support/answer.schema.yaml").out
    assert "used by    support/triage\n" in shown
    assert "type: object" in shown
    page = cli("show", "support/triage", "--json").json
    assert page["uses"] == [f"prompts/support/{name}" for name in ("tone.j2", "rules.j2", "answer.schema.yaml")]
    assert [each["kind"] for each in page["named_by"]] == ["log", "budget", "experiment", "successor"]


def test_what_a_prompt_without_a_template_says_is_no_reference(cli: Cli, root: Path) -> None:
    text = "template: none\nmessages: [{role: user, content: \"write {% include 'support/rules.j2' %} so\"}]\n"
    write(root, "prompts/plain.prompt.yaml", text)
    assert "plain" not in json.dumps(cli("show", "support/rules.j2", "--json").json["used_by"])
    moved = cli("rename", "support/rules.j2", "shared/rules.j2", "--yes", "--json").json
    assert text_of(root, "prompts/plain.prompt.yaml") == text
    assert "plain" not in json.dumps(moved)


def test_a_shared_file_is_moved_with_every_reference_to_it(cli: Cli, root: Path) -> None:
    write(root, "prompts/support/tone.j2", "Be kind. {% include './rules.j2' %}")
    write(root, "prompts/support/answer.schema.yaml", "$ref: ./part.schema.yaml#/$defs/a\n")
    write(root, "prompts/support/part.schema.yaml", "$defs: {a: {type: object}}\n")
    done = cli("rename", "support/tone.j2", "shared/kind.j2", "--yes", "--json").json
    fits("rename", done)
    assert (done["path"], done["same_version"]) == ("prompts/shared/kind.j2", False)
    assert done["notes"] == ["it begins a new version of support/triage"]
    assert text_of(root, "prompts/shared/kind.j2") == "Be kind. {% include 'support/rules.j2' %}"
    assert text_of(root, OLD) == TWO.replace("./tone.j2", "shared/kind.j2")

    done = cli("rename", "prompts/support/part.schema.yaml", "support/parts.schema.yaml", "--yes", "--json").json
    assert done["same_version"]
    assert text_of(root, "prompts/support/answer.schema.yaml") == "$ref: ./parts.schema.yaml#/$defs/a\n"
    write(root, "prompts/split.j2", "{% include\n'support/rules.j2' %}")
    write(root, "prompts/split.prompt.yaml", "messages: [{role: user, content: \"{% include 'split.j2' %}\"}]\n")
    for old, new, code, words in (
        ("support/rules.j2", "x.j2", 3, "a reference to it that prompts/split.prompt.yaml reaches cannot be rewritten"),
        ("support/rules.j2", "support/rules.yaml", 2, "let its name end in .j2"),
        ("support/rules.j2", "shared/kind.j2", 2, "there is a file prompts/shared/kind.j2 already"),
        ("support/rules.j2", "../x.j2", 2, "climbs with `..`"),
        ("support/rule.j2", "x.j2", 3, "did you mean `support/rules.j2`?"),
    ):
        ran = cli("rename", old, new)
        assert (ran.exit_code, ran.out) == (code, "")
        assert words in ran.err


def test_a_prompt_that_would_name_a_different_file_stays(cli: Cli, root: Path) -> None:
    text = "messages:\n  - role: user\n    content: |\n      {% include\n      './tone.j2' %}\n"
    write(root, "prompts/support/split.prompt.yaml", text)
    write(root, "prompts/team/tone.j2", "Be brief.")
    for command in ("rename", "copy"):
        ran = cli(command, "support/split", "team/split")
        assert (ran.exit_code, ran.out) == (3, "")
        assert "what it names relative to its folder cannot be rewritten" in ran.err
