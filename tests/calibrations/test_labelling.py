"""One person labels the replies of an evaluation."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from promptctl.calibrations.labelling import LabelRequest
from promptctl.datasets.selection import Selection
from promptctl.errors import CaseNotFound, InvalidFiles, LogError, UsageError, WorkspaceError
from promptctl.files.plain import content_digest
from promptctl.workspace import Workspace, open_workspace
from tests.calibrations.conftest import FORGED, SECRET, evaluate

BOB = {"name": "Bob", "formal": False}
ADA = "datasets/human-labels/greet/ada.jsonl"


def request(by: str | None = "ada", **given: Any) -> LabelRequest:
    selection = Selection(**given.pop("selection", {}))
    return LabelRequest("greet", by, selection=selection, **given)


def put_all(workspace: Workspace, by: str, answers: str = "pass") -> None:
    labelling = workspace.judges.label(request(by))
    for item in labelling.left():
        labelling.put(item, answers if answers in item.question.answers else item.question.answers[0])


def lines(root: Path, path: str = ADA) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / path).read_text().splitlines()]


def test_a_person_sees_what_the_judge_would_and_nothing_else(workspace: Workspace) -> None:
    labelling = workspace.judges.label(request())
    found = {(each.question.case.id, each.question.type): each for each in labelling.items}
    assert sorted(found) == [
        ("ann", "llm-rubric"),
        ("bob", "llm-rubric"),
        ("forged", "llm-rubric"),
        ("kind", "classify"),
        ("kind", "llm-rubric"),
    ]
    bob = found["bob", "llm-rubric"]
    assert (bob.question.text, bob.question.reply, bob.inputs) == ("Greets Bob.", "Hello, Bob!", BOB)
    line = labelling.put(bob, "fail", "  no name  ").as_line()
    for hidden in ("echo", "nobody may see this", "passed", "version", workspace.prompt("greet").version.digest):
        assert hidden not in line.replace("dataset_digest", "")
    assert labelling.path == ADA


def test_each_answer_is_written_at_once_and_the_rest_goes_on_later(workspace: Workspace, root: Path) -> None:
    labelling = workspace.judges.label(request())
    first, second, *rest = labelling.left()
    labelling.put(first, first.question.answers[0])
    assert [line["by"] for line in lines(root)] == ["ada"]
    again = workspace.judges.label(request())
    assert [item.key for item in again.left()] == [item.key for item in (second, *rest)]
    assert again.as_dict() | {"evaluations": None} == {
        "dataset": "datasets/greet.yaml",
        "by": "ada",
        "file": ADA,
        "evaluations": None,
        "items": 5,
        "labelled": 1,
        "left": 4,
        "notes": [],
    }
    assert workspace.validate().problems == ()


def test_a_changed_answer_takes_the_place_of_its_line_and_undo_brings_it_back(workspace: Workspace, root: Path) -> None:
    labelling = workspace.judges.label(request())
    first, second = labelling.left()[:2]
    answers = [each.question.answers for each in (first, second)]
    earlier = labelling.put(first, answers[0][0])
    labelling.put(second, answers[1][0])
    labelling.put(first, answers[0][1], "on second thoughts")
    assert [line["answer"] for line in lines(root)] == [answers[0][1], answers[1][0]]
    labelling.put_back(first, earlier)
    labelling.put_back(second, None)
    assert [(line["answer"], line.get("comment")) for line in lines(root)] == [(answers[0][0], None)]
    labelling.put_back(first, None)
    assert not (root / ADA).exists()


def test_everybody_has_an_order_of_their_own_and_the_same_sample(workspace: Workspace) -> None:
    orders = {by: [item.key for item in workspace.judges.label(request(by)).items] for by in ("ada", "bob", "eve")}
    assert len({tuple(order) for order in orders.values()}) > 1
    assert len({frozenset(order) for order in orders.values()}) == 1
    assert orders["ada"] == [item.key for item in workspace.judges.label(request()).items]
    samples = [workspace.judges.label(request(by, selection={"sample": 2})).items for by in ("ada", "bob")]
    cases = [{item.question.case.id for item in items} for items in samples]
    assert cases[0] == cases[1]
    assert len(cases[0]) == 2
    tagged = workspace.judges.label(request(selection={"tags": ("short",)}))
    assert {item.question.case.id for item in tagged.items} == {"ann", "bob"}
    with pytest.raises(CaseNotFound, match="tag"):
        workspace.judges.label(request(selection={"tags": ("shrot",)}))


def test_replies_of_several_versions_are_labelled_together(workspace: Workspace, root: Path) -> None:
    (row,) = workspace.results.evaluations()
    prompt = root / "prompts/greet.prompt.yaml"
    prompt.write_text(prompt.read_text().replace("Hello", "Hi"))
    newest = evaluate(root)
    replies = {item.question.reply for item in workspace.judges.label(request()).items}
    assert "Hi, Ann!" in replies
    assert "Hello, Ann!" not in replies
    both = workspace.judges.label(request(evaluations=(row.id, newest)))
    assert len(both.items) == 10
    assert {"Hi, Ann!", "Hello, Ann!"} <= {item.question.reply for item in both.items}


def test_cases_that_changed_since_are_left_out_and_said(workspace: Workspace, root: Path) -> None:
    put_all(workspace, "ada")
    file = root / "datasets/greet.yaml"
    file.write_text(file.read_text().replace("{name: Ann}", "{name: Anna}"))
    labelling = workspace.judges.label(request())
    assert {item.question.case.id for item in labelling.items} == {"bob", "forged", "kind"}
    assert labelling.notes == [
        "1 case changed since the evaluation (ann): evaluate again to label them",
        "1 label set aside (1: the case has other inputs now)",
    ]
    assert [each.code for each in workspace.validate().problems] == ["outdated-label"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"by": "Ada Lovelace"}, "did you mean `ada-lovelace`"),
        ({"by": "../ada"}, "did you mean `ada`"),
        ({"by": "…"}, "such as ada"),
        ({"by": None}, "--by NAME"),
        ({"evaluations": ("ffffffff",)}, "promptctl results list"),
    ],
)
def test_a_person_or_evaluation_that_cannot_be_is_refused(
    workspace: Workspace, given: dict[str, Any], words: str
) -> None:
    with pytest.raises((UsageError, LogError)) as refused:
        workspace.judges.label(request(**given))
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_the_person_is_by_default_the_one_that_git_knows(workspace: Workspace, root: Path) -> None:
    for command in (["init", "-q"], ["config", "user.name", "Ada  Lovelace"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    with open_workspace(root, {"PROMPTCTL_STATE": ".promptctl"}) as opened:
        assert opened.judges.label(request(None)).by == "ada-lovelace"


def test_without_a_reply_or_a_question_it_says_what_to_do(workspace: Workspace, root: Path) -> None:
    file = root / "datasets/greet.yaml"
    (root / "datasets/other.yaml").write_text(file.read_text())
    with pytest.raises(UsageError, match="has not been evaluated yet") as refused:
        workspace.judges.label(LabelRequest("other", "ada"))
    assert refused.value.hint == "promptctl eval greet"
    file.write_text(
        file.read_text()
        .replace("llm-rubric", "contains")
        .replace("type: classify, choices: [kind, rude]", "type: equals")
    )
    with pytest.raises(UsageError, match="no judge is asked anything") as refused:
        workspace.judges.label(request())
    assert "llm-rubric" in (refused.value.hint or "")


def test_an_answer_must_be_one_and_a_comment_has_no_secrets(workspace: Workspace, root: Path) -> None:
    labelling = workspace.judges.label(request())
    item = labelling.left()[0]
    with pytest.raises(UsageError, match="`maybe` is no answer"):
        labelling.put(item, "maybe")
    with pytest.raises(UsageError, match="10,000 characters"):
        labelling.put(item, item.question.answers[0], "x" * 10_001)
    labelling.put(item, item.question.answers[0], f"key {SECRET}\nsecond line")
    assert lines(root)[0]["comment"] == "key [redacted]\nsecond line"


def test_a_damaged_file_of_labels_stops_labelling_and_is_left_alone(workspace: Workspace, root: Path) -> None:
    put_all(workspace, "ada")
    file = root / ADA
    file.write_text(file.read_text() + "{oops\n")
    with pytest.raises(InvalidFiles) as refused:
        workspace.judges.label(request())
    assert str(refused.value.problems[0].place) == f"{ADA}:6:2"
    assert file.read_text().endswith("{oops\n")


def test_no_case_is_read_for_labels_that_are_not_there(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.calibrations.agreement.open_questions", None)
    assert workspace.judges.labels("greet").counting == ()


def test_labels_are_not_written_through_a_link(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "datasets/human-labels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError):
        put_all(workspace, "ada")
    assert list((tmp_path / "elsewhere").iterdir()) == []


class TestImport:
    def saved(self, workspace: Workspace, root: Path, **change: Any) -> Path:
        """Write what a page saves, with something changed in its first line."""
        put_all(workspace, "bob")
        own = root / "datasets/human-labels/greet/bob.jsonl"
        found = lines(root, "datasets/human-labels/greet/bob.jsonl")
        own.unlink()
        found[0] |= change
        file = root / "saved.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in found))
        return file

    def test_takes_labels_in(self, workspace: Workspace, root: Path) -> None:
        file = self.saved(workspace, root, comment=f"not {SECRET}")
        found = workspace.judges.import_labels("greet", file)
        assert found.as_dict() == {
            "dataset": "datasets/greet.yaml",
            "people": ["bob"],
            "new": 5,
            "changed": 0,
            "same": 0,
            "set_aside": "",
        }
        assert not (root / "datasets/human-labels/greet/bob.jsonl").exists(), "nothing is written yet"
        workspace.write(found.proposal)
        assert workspace.judges.label(request("bob")).left() == []
        assert SECRET not in (root / "datasets/human-labels/greet/bob.jsonl").read_text()
        again = workspace.judges.import_labels("greet", self.saved_again(file, root))
        assert (again.new, again.changed, again.same) == (0, 1, 4)

    def saved_again(self, file: Path, root: Path) -> Path:
        text = (root / "datasets/human-labels/greet/bob.jsonl").read_text()
        file.write_text(text.replace('"answer": "pass"', '"answer": "fail"', 1))
        return file

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"answer": "maybe"}, "`maybe` is no answer"),
            ({"reply": "Forged"}, "is not the one that was labelled"),
            ({"reply": SECRET, "reply_digest": content_digest(SECRET)}, "holds a secret"),
            ({"by": "../../x"}, "by"),
            ({"dataset": "datasets/other.yaml"}, "is of datasets/other.yaml"),
            ({"verdict": "x"}, "verdict"),
        ],
    )
    def test_refuses_what_was_tampered_with(
        self, workspace: Workspace, root: Path, change: dict[str, Any], words: str
    ) -> None:
        file = self.saved(workspace, root, **change)
        with pytest.raises(WorkspaceError) as refused:
            workspace.judges.import_labels("greet", file)
        problems = refused.value.problems if isinstance(refused.value, InvalidFiles) else [refused.value]
        assert words in problems[0].message
        assert problems[0].place is not None
        assert problems[0].place.line == 1

    def test_says_what_the_dataset_does_not_ask_any_more(self, workspace: Workspace, root: Path) -> None:
        file = self.saved(workspace, root)
        dataset = root / "datasets/greet.yaml"
        dataset.write_text(dataset.read_text().replace("{name: Ann}", "{name: Anna}"))
        found = workspace.judges.import_labels("greet", file)
        assert (found.new, found.set_aside) == (4, "1 label set aside (1: the case has other inputs now)")

    def test_a_file_that_is_not_there_is_an_error(self, workspace: Workspace, root: Path) -> None:
        with pytest.raises(WorkspaceError, match="cannot read"):
            workspace.judges.import_labels("greet", root / "none.jsonl")


def test_hostile_replies_are_kept_as_they_are(workspace: Workspace, root: Path) -> None:
    put_all(workspace, "ada")
    replies = [line["reply"] for line in lines(root) if line["case"] == "forged"]
    assert replies == [f"Hello, {FORGED}!"]
    assert (root / ADA).read_text().count("\n") == 5
    assert workspace.validate().problems == ()


def test_values_of_sensitive_inputs_reach_neither_labels_nor_page(workspace: Workspace, root: Path) -> None:
    prompt, value = root / "prompts/greet.prompt.yaml", "Ann of Cleves"
    prompt.write_text(prompt.read_text().replace("{type: string}", "{type: string, sensitive: true}"))
    dataset = root / "datasets/greet.yaml"
    dataset.write_text(dataset.read_text().replace("{name: Ann}", f"{{name: {value}}}"))
    evaluate(root)
    labelling = workspace.judges.label(request(selection={"ids": frozenset({"ann"})}))
    (item,) = labelling.left()
    assert (item.question.reply, item.question.text) == ("Hello, [sensitive: name]!", "Greets [sensitive: name].")
    workspace.judges.write_page(labelling, [item], root / "label.html")
    labelling.put(item, "fail", f"why {value}?")
    for path in ("label.html", ADA):
        assert value not in (root / path).read_text()
    assert lines(root)[0]["comment"] == "why [sensitive: name]?"
