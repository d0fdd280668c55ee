"""How far people agree who labelled the same replies."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.calibrations.labelling import LabelRequest
from promptctl.errors import WorkspaceError
from promptctl.workspace import Workspace


def answer(workspace: Workspace, by: str, **answers: str) -> None:
    """Give one person's answers to the rubric, by case."""
    labelling = workspace.judges.label(LabelRequest("greet", by))
    for item in labelling.items:
        if item.question.type == "llm-rubric" and item.question.case.id in answers:
            said, _, comment = answers[item.question.case.id].partition(": ")
            labelling.put(item, said, comment)


def test_nobody_has_labelled_yet(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="nobody has labelled") as refused:
        workspace.judges.agreement("greet")
    assert refused.value.hint == "promptctl judge label datasets/greet.yaml"


def test_one_person_agrees_with_nobody(workspace: Workspace) -> None:
    answer(workspace, "ada", ann="pass")
    (found,) = workspace.judges.agreement("greet").questions
    assert (found.people, found.labels, found.replies) == (("ada",), 1, 0)
    assert (found.agreed, found.value, found.unknown) == (None, None, "no reply has two labels")


def test_two_people_have_a_kappa_and_replies_to_talk_about(workspace: Workspace) -> None:
    answer(workspace, "ada", ann="pass", bob="pass", forged="fail", kind="pass")
    answer(workspace, "bob", ann="pass", bob="fail: no comma", forged="fail")
    found = workspace.judges.agreement("greet")
    assert found.people == {"ada": 4, "bob": 3}
    (rubric,) = found.questions
    assert (rubric.type, rubric.question, rubric.replies, rubric.measure) == ("llm-rubric", "4 texts", 3, "kappa")
    assert rubric.agreed == pytest.approx(2 / 3)
    assert rubric.value == pytest.approx(0.4)
    assert rubric.interval is not None
    assert rubric.agreed_interval is not None
    (talk,) = found.disagreements
    assert talk.question.case.id == "bob"
    assert [(each.by, each.answer, each.comment) for each in talk.labels] == [
        ("ada", "pass", None),
        ("bob", "fail", "no comma"),
    ]


def test_several_people_need_not_label_everything(workspace: Workspace) -> None:
    answer(workspace, "ada", ann="pass", bob="pass", forged="fail")
    answer(workspace, "bob", ann="pass", bob="fail", forged="fail")
    answer(workspace, "eve", ann="pass", kind="pass")
    (found,) = workspace.judges.agreement("greet").questions
    assert (found.people, found.replies, found.labels, found.measure) == (("ada", "bob", "eve"), 3, 8, "alpha")
    assert found.agreed == pytest.approx(4 / 5)
    # By hand: pairs that differ, Dₒ = (2·1·1/1)/7; of all pairs of 4 pass and 3 fail, Dₑ = 2·4·3/(7·6).
    assert found.value == pytest.approx(1 - (2 / 7) / (24 / 42))


def test_one_answer_throughout_says_nothing_beyond_chance(workspace: Workspace) -> None:
    for by in ("ada", "bob"):
        answer(workspace, by, ann="pass", bob="pass", forged="pass")
    (found,) = workspace.judges.agreement("greet").questions
    assert (found.agreed, found.value) == (1.0, None)
    assert found.unknown == "every label is the same, which chance would do too"


def test_labels_of_another_version_of_a_case_are_set_aside(workspace: Workspace, root: Path) -> None:
    for by in ("ada", "bob"):
        answer(workspace, by, ann="pass", bob="fail")
    dataset = root / "datasets/greet.yaml"
    dataset.write_text(dataset.read_text().replace("{name: Ann}", "{name: Anna}"))
    found = workspace.judges.agreement("greet")
    assert found.people == {"ada": 1, "bob": 1}
    assert found.set_aside == "2 labels set aside (2: the case has other inputs now)"
    dataset.write_text(dataset.read_text().replace("{name: Bob}", "{name: Bobby}"))
    with pytest.raises(WorkspaceError, match=r"no label of datasets/greet\.yaml counts: 4 labels set aside"):
        workspace.judges.agreement("greet")
