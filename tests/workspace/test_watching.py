"""What is evaluated again after files were saved."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from promptctl import EvaluationRequest, EvaluationWatch, InvalidFiles, Limits, open_workspace
from promptctl.workspace import watching
from tests.cli.conftest import commit, git, write
from tests.evaluation_lab import PROMPT as LAB_PROMPT
from tests.evaluation_lab import REPLY_COST, Lab, lab, running_model_server

__all__ = ["lab", "running_model_server"]

PROMPT = "messages: [{role: user, content: 'Hello {% include \"./who.j2\" %}'}]\n"
CASES = "prompts: [NAME]\ncases: [{id: a, assert: [{type: contains, value: Ada}]}]\n"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Two prompts, each with its partial and its dataset."""
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    for name in ("one", "two"):
        write(tmp_path, f"prompts/{name}/greet.prompt.yaml", PROMPT)
        write(tmp_path, f"prompts/{name}/who.j2", "Ada")
        write(tmp_path, f"datasets/{name}.yaml", CASES.replace("NAME", f"{name}/greet"))
    return tmp_path


@pytest.fixture
def watch(desk: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluationWatch:
    monkeypatch.setattr(watching, "_STILL_S", 0.0)
    return EvaluationWatch(lambda: open_workspace(desk, {}, refresh_s=0), EvaluationRequest(refs=None))


def replaced(desk: Path, path: str, text: str) -> None:
    """Save as editors do that write a new file and put it in the place of the old one."""
    write(desk, ".draft", text).replace(desk / path)


def prompts(watch: EvaluationWatch) -> list[str]:
    return [each.row.prompt for each in watch.evaluate()]


def test_only_what_a_saved_file_touches_is_evaluated_again(desk: Path, watch: EvaluationWatch) -> None:
    assert prompts(watch) == ["one/greet", "two/greet"]
    assert prompts(watch) == []
    for path, text, touched in (
        ("prompts/one/greet.prompt.yaml", PROMPT.replace("Hello", "Hi"), ["one/greet"]),
        ("prompts/two/who.j2", "Ada!", ["two/greet"]),
        ("datasets/one.yaml", CASES.replace("NAME", "one/greet").replace("id: a", "id: b"), ["one/greet"]),
        (
            "datasets/two.yaml",
            CASES.replace("NAME", "two/greet").replace("id: a", "must_pass: true, id: a"),
            ["two/greet"],
        ),
        ("prompts/two/greet.prompt.yaml", "description: Greet.\n" + PROMPT, []),
        ("promptctl.yaml", "model: echo/echo\ngate: {rule: strict}\n", []),
        ("datasets/three.yaml", CASES.replace("NAME", "two/greet").replace("id: a", "id: c"), ["two/greet"]),
    ):
        replaced(desk, path, text)
        assert (watch.wait(), prompts(watch)) == ([path], touched), path
    assert [key[1] for key in watch.latest] == ["datasets/one.yaml", "datasets/three.yaml", "datasets/two.yaml"]
    (desk / "datasets/three.yaml").unlink()
    assert (watch.wait(), prompts(watch)) == (["datasets/three.yaml"], [])
    assert len(watch.latest) == 2


def test_recordings_count_for_the_prompts_they_may_answer_for(desk: Path, watch: EvaluationWatch) -> None:
    watch.evaluate(replies="record")
    folder = "datasets/recordings"
    for model, path, asked in (
        ("replay/echo/echo", f"{folder}/one--greet.jsonl", ["one/greet"]),
        ("replay/echo/echo", f"{folder}/all.jsonl", ["one/greet", "two/greet"]),
        ("echo/echo", f"{folder}/two--greet.jsonl", []),
    ):
        watch.evaluate(models=[model], replies="ask")
        text = (desk / path).read_text() if (desk / path).exists() else ""
        write(desk, path, f"{text}\n")
        assert watch.wait() == [path]
        assert [each.row.prompt for each in watch.evaluate(models=[model], replies="ask")] == asked


def test_what_a_round_records_begins_no_other(desk: Path, watch: EvaluationWatch) -> None:
    watch.evaluate(replies="record")
    replaced(desk, "prompts/one/who.j2", "Ada!")
    assert watch.wait() == ["prompts/one/who.j2"]


def test_a_half_written_file_is_waited_out(desk: Path, watch: EvaluationWatch) -> None:
    watch.evaluate()
    path = "prompts/one/greet.prompt.yaml"
    replaced(desk, path, PROMPT + "tags: [x\n")
    assert watch.wait() == [path]
    with pytest.raises(InvalidFiles):
        watch.evaluate()
    replaced(desk, path, PROMPT + "tags: [x]\n")
    assert (watch.wait(), prompts(watch)) == ([path], [])


def test_several_saves_in_a_row_are_one_round(
    desk: Path, watch: EvaluationWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.evaluate()
    now = 0.0
    saves = iter(("one", "one", "two"))

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if (name := next(saves, None)) is not None:
            write(desk, f"prompts/{name}/who.j2", f"Ada {now}")

    monkeypatch.setattr(watching, "_STILL_S", 0.3)
    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now))
    assert watch.wait() == ["prompts/one/who.j2", "prompts/two/who.j2"]
    assert 0.9 < now < 1.5, "it waits until nothing is written, and no longer"


def test_all_rounds_share_one_bound(lab: Lab) -> None:
    lab.many(3)
    limits = Limits(concurrency=1, max_cost_nano_usd=6 * REPLY_COST)
    watch = EvaluationWatch(lab.open, EvaluationRequest(refs=["triage"], limits=limits, parameters={"max_tokens": 3}))
    [first] = watch.evaluate()
    assert (first.stopped, watch.is_spent) == (None, False)
    lab.write("prompts/triage.prompt.yaml", LAB_PROMPT.replace("{{ ticket }}", "Dear {{ ticket }}"))
    [second] = watch.evaluate()
    assert (second.stopped, watch.is_spent, len(lab.asked)) == ("max-cost", True, 4)


def test_the_base_of_comparisons_is_asked_once(lab: Lab) -> None:
    lab.many(3)
    git(lab.root, "init", "--quiet", "--initial-branch", "main")
    commit(lab.root, "Begin")
    watch = EvaluationWatch(lab.open, EvaluationRequest(refs=["triage"], replies="cache"))
    for greeting, new in (("Dear", 6), ("Hello", 3), ("Hello", 0), ("Dear", 0)):
        lab.server.requests.clear()
        lab.write("prompts/triage.prompt.yaml", LAB_PROMPT.replace("{{ ticket }}", f"{greeting} {{{{ ticket }}}}"))
        found = watch.evaluate_against("@main", {"reruns": 0})
        assert (len(lab.asked), found.base) == (new, "triage@main" if found.heads else None), greeting
        assert sum(each.startswith(greeting) for each in lab.asked) == min(new, 3)
    assert [each.head for each in watch.latest_against.compared] == list(watch.latest.values())


def test_a_rule_or_a_base_that_moved_is_compared_anew(lab: Lab) -> None:
    lab.many(3)
    git(lab.root, "init", "--quiet", "--initial-branch", "main")
    commit(lab.root, "Begin")
    watch = EvaluationWatch(lab.open, EvaluationRequest(refs=["triage"]))
    assert [len(watch.evaluate_against("@main").compared) for _ in range(2)] == [1, 0]
    settings = (lab.root / "promptctl.yaml").read_text()
    lab.write("promptctl.yaml", settings + "gate: {rule: strict}\n")
    assert [len(watch.evaluate_against("@main").compared) for _ in range(2)] == [1, 0]
    lab.write("prompts/triage.prompt.yaml", LAB_PROMPT.replace("{{ ticket }}", "Dear {{ ticket }}"))
    [first] = watch.evaluate_against("@main").compared
    commit(lab.root, "Greet")
    [second] = watch.evaluate_against("@main").compared
    assert first.base.row.digest != second.base.row.digest == second.head.row.digest


def test_each_comparison_is_one_of_all_that_are_watched(lab: Lab) -> None:
    lab.many(3)
    write(lab.root, "prompts/other.prompt.yaml", LAB_PROMPT)
    lab.cases({"id": "a", "inputs": {"ticket": "a"}, "expected": "a"}, name="other", prompts=["other"])
    git(lab.root, "init", "--quiet", "--initial-branch", "main")
    commit(lab.root, "Begin")
    watch = EvaluationWatch(lab.open, EvaluationRequest(refs=None))
    assert len(watch.evaluate_against("@main").compared) == 2
    lab.write("prompts/triage.prompt.yaml", LAB_PROMPT.replace("{{ ticket }}", "Dear {{ ticket }}"))
    [alone] = watch.evaluate_against("@main").compared
    assert alone.comparison.procedure.comparisons == 2
    assert [each.head.row.prompt for each in watch.latest_against.compared] == ["other", "triage"]
