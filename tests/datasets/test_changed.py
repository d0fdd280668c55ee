"""The prompts that are evaluated since something of them changed."""

from __future__ import annotations

import pytest

from promptctl.datasets.changed import changed_since
from promptctl.datasets.index import DatasetIndex
from promptctl.files.tree import MemoryTree
from promptctl.formats.settings_file import CalibrationRule, GateSettings, ModelRule, Settings
from tests.datasets.test_index import CASES, FILES, GITHUB, PROMPT

JUDGED = {
    **FILES,
    "datasets/judged.yaml": (
        "prompts: [more/b]\ncases: [{id: one, inputs: {q: x}, assert: [{type: llm-rubric, value: kind}]}]\n"
    ),
}


def test_what_changed_is_a_prompt_or_one_of_its_datasets() -> None:
    earlier = MemoryTree(FILES)
    for path, text, changed in [
        ("datasets/a.yaml", "prompts: [a]\n" + CASES.replace("id: one", "id: two"), ["a"]),
        ("datasets/a.yaml", "prompts: [a]\nmin_pass: 0.5\n" + CASES, ["a"]),
        ("datasets/a.yaml", "prompts: [a]\n" + CASES.replace("id: one", "must_pass: true, id: one"), ["a"]),
        ("datasets/a.yaml", "prompts: [a]\n" + CASES.replace("id: one", "output: no, id: one"), ["a"]),
        ("datasets/a.yaml", "prompts: [a]\njudge: {calibrated: {labels: 9}}\n" + CASES, ["a"]),
        ("datasets/a.yaml", "# the same\nprompts: [a]\n" + CASES, []),
        ("datasets/new.yaml", "prompts: [a]\n" + CASES, ["a"]),
        ("datasets/a.yaml", "prompts: [a]\ncases: ./none.csv\n", ["a"]),
        ("datasets/a.yaml", "prompts: [a]\ncases: ./a.csv\n", ["a"]),
        ("prompts/more/b.prompt.yaml", PROMPT.replace("{{ q }}", "Please: {{ q }}"), ["more/b"]),
        ("prompts/more/b.prompt.yaml", "description: b\n" + PROMPT, []),
        ("prompts/c.prompt.yml", GITHUB.replace("expected: x", "expected: y"), ["c"]),
    ]:
        assert changed_since(DatasetIndex(MemoryTree({**FILES, path: text})), earlier) == changed, text


def test_a_different_judge_changes_what_it_judges() -> None:
    tree = MemoryTree(JUDGED)
    then, now = (Settings(model="x/y", gate=GateSettings(judge=judge)) for judge in ("x/a", "x/b"))
    assert changed_since(DatasetIndex(tree), tree, settings=(then, now)) == ["more/b"]
    assert changed_since(DatasetIndex(tree), tree, settings=(then, then)) == []


def test_a_judge_asked_differently_changes_what_it_judges() -> None:
    tree = MemoryTree(JUDGED)
    then, now = (Settings(model="x/y", models=(ModelRule("x/y", judge_parameters={"seed": seed}),)) for seed in (1, 2))
    assert changed_since(DatasetIndex(tree), tree, settings=(then, now)) == ["more/b"]


def test_a_calibration_changes_what_its_judge_decides_where_one_is_needed() -> None:
    path = "datasets/calibrations/judges--llm-rubric.json"
    before, after = MemoryTree({**JUDGED, path: "{}"}), MemoryTree({**JUDGED, path: "{} "})
    free, ruled = Settings(model="x/y"), Settings(model="x/y", gate=GateSettings(calibrated=CalibrationRule()))
    assert changed_since(DatasetIndex(after), before, settings=(free, free)) == []
    assert changed_since(DatasetIndex(after), before, settings=(ruled, ruled)) == ["more/b"]
    assert changed_since(DatasetIndex(before), before, settings=(free, ruled)) == ["more/b"]
    other = MemoryTree({**JUDGED, path: "{}", "datasets/calibrations/other.json": "{}"})
    assert changed_since(DatasetIndex(other), before, settings=(ruled, ruled)) == []
    asking = {
        **JUDGED,
        "datasets/judged.yaml": f"judge: {{calibrated: {{labels: 9}}}}\n{JUDGED['datasets/judged.yaml']}",
    }
    now = MemoryTree({**asking, path: "{}"})
    assert changed_since(DatasetIndex(now), MemoryTree(asking), settings=(free, free)) == ["more/b"]


@pytest.mark.parametrize(
    ("name", "changed"), [("more--b", ["more/b"]), ("by-hand", ["a", "c", "more/b"]), ("a.yaml", ["a", "c", "more/b"])]
)
def test_recordings_count_where_they_answer(name: str, changed: list[str]) -> None:
    path = f"datasets/recordings/{name}.jsonl"
    before, after = MemoryTree(FILES), MemoryTree({**FILES, path: "{}"})
    assert changed_since(DatasetIndex(after), before) == []
    assert changed_since(DatasetIndex(after), before, is_replayed=True) == changed
    of_recordings = Settings(model="replay/x/y")
    assert changed_since(DatasetIndex(after), before, settings=(of_recordings, of_recordings)) == changed
    of_linux, of_windows = (MemoryTree({**FILES, path: f"{{}}{end}"}) for end in ("\n", "\r\n"))
    assert changed_since(DatasetIndex(of_windows), of_linux, is_replayed=True) == []
    judged = Settings(model="x/y", gate=GateSettings(judge="replay/x/y"))
    now = MemoryTree({**JUDGED, path: "{}"})
    assert changed_since(DatasetIndex(now), MemoryTree(JUDGED), settings=(judged, judged)) == ["more/b"]
