from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from promptctl.errors import UsageError
from promptctl.files.tree import MemoryTree
from promptctl.formats.settings_file import Settings
from promptctl.git.trees import WorkTree
from promptctl.linting import models as linted_models
from promptctl.linting.linting import lint_prompt, lint_workspace
from promptctl.linting.rules import RULES
from promptctl.models.model_map import ModelMap
from tests.linting.linted import DAY, codes, report, system, user

ROOT = Path(__file__).parents[2]
INCLUDE = '{% include "./a.j2" %}'


@pytest.mark.parametrize(
    "folder",
    ["", "examples/django-ai-service/sandbox", "examples/fastapi-chat/demo/workspace", "promptctl/shipped"],
)
def test_no_prompt_of_this_repository_is_found_fault_with(folder: str) -> None:
    found = lint_workspace(WorkTree(ROOT / folder), Settings(), today=DAY)
    assert found.prompts > 0
    assert [str(each) for each in found.findings] == []


def test_each_rule_has_a_section() -> None:
    page = (ROOT / "docs/lint.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (P\d+)$", page, re.MULTILINE) == list(RULES)


class TestPartials:
    def test_one_that_a_single_place_includes(self) -> None:
        (only,) = report(user(INCLUDE), a_j2="Be kind.\n").findings
        assert (only.code, str(only.place)) == ("P105", "prompts/a.j2")
        assert only.message == "only prompts/p.prompt.yaml:5:7 includes this partial"

    def test_one_that_none_includes(self) -> None:
        (only,) = report(user("Hi"), a_j2="Be kind.\n").findings
        assert only.message == "no prompt includes this partial"

    @pytest.mark.parametrize("content", [f"{INCLUDE}\n{INCLUDE}", INCLUDE])
    def test_not_one_of_two_places_or_a_long_one(self, content: str) -> None:
        partial = (
            "Be kind.\n"
            if content != INCLUDE
            else "".join(f"Mind the case {number} as well.\n" for number in range(99))
        )
        assert list(report(user(content), a_j2=partial).findings) == []

    @pytest.mark.parametrize("of_p", ["error", "warning", "off"])
    def test_what_is_found_in_one_counts_once_at_the_highest_level_of_its_prompts(self, of_p: str) -> None:
        settings = f"lint: [{{prompts: p, {of_p}: [P402]}}, {{prompts: q, warning: [P402]}}]"
        text, partial = user(f"{INCLUDE} {INCLUDE}"), "Ask maria.lopez@lopez-partners.com\n"
        (only,) = report(text, settings, DAY, (), **{"a_j2": partial, "q_prompt.yaml": text}).findings
        assert only.severity == ("error" if of_p == "error" else "warning")

    def test_not_while_a_prompt_cannot_be_read(self) -> None:
        files = {
            "prompts/p.prompt.yaml": user(INCLUDE),
            "prompts/a.j2": "Be kind.\n",
            "prompts/q.prompt.yaml": "messages: 1",
        }
        found = lint_workspace(MemoryTree(files), Settings(), today=DAY).findings
        assert [each.code for each in found] == ["wrong-type"]


class TestPaths:
    def test_of_a_prompt_and_of_a_partial(self) -> None:
        text = user(f"{INCLUDE} {INCLUDE}", inputs="{a: {type: string}}")
        partial = "Ask maria.lopez@lopez-partners.com\n"
        assert [each.code for each in report(text, paths=("prompts/p.prompt.yaml",), a_j2=partial).findings] == [
            "P402",
            "P101",
        ]
        assert [each.code for each in report(text, paths=("prompts/a.j2",), a_j2=partial).findings] == ["P402"]

    def test_that_name_nothing(self) -> None:
        with pytest.raises(UsageError) as error:
            report(user("Hi"), paths=("prompts/q.prompt.yaml",))
        assert "prompts/p.prompt.yaml" in str(error.value.hint)


def test_one_prompt_of_a_tree() -> None:
    tree = MemoryTree({"prompts/p.prompt.yaml": user("Hi", inputs="{a: {type: string}}")})
    assert [each.code for each in lint_prompt(tree, "prompts/p.prompt.yaml", Settings(), DAY)] == ["P101"]


def test_a_prompt_that_cannot_be_read_is_an_error() -> None:
    assert codes("messages: 1") == ["wrong-type"]
    assert codes(user("{% if %}")) == ["bad-template"]


SPACES = " " * 25_000
HOSTILE = {
    "spaces": f"Return{SPACES}x{SPACES}",
    "line ends": "Return\n" + "\n" * 25_000 + "x",
    "tags": "<a>" * 12_000,
    "unclosed examples": "<example" * 8_000 + "Use it only once for each.",
    "fences": "```\n" * 12_000,
    "addresses": "a@b.cc " * 8_000,
    "one long address": "a" * 50_000 + "@" + "b" * 50_000,
    "at signs": "@" * 50_000,
    "json": "Return " + "json " * 10_000,
    "objects": 'example: {"a": ' * 4_000,
    "sentences": "".join(f"Always use the number {number} first. " for number in range(3_000)),
    "commas": "return, " * 10_000 + "json",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long(name: str) -> None:
    """Work is counted in characters looked at: each pattern is bounded, so that none of these takes seconds."""
    codes(system(HOSTILE[name], "output: {schema: {type: object, properties: {a: {}}}}", "template: none"))


WILD = os.environ.get("PROMPTCTL_WILD")
# What is found in files that people wrote with care, and is so.
IN_THE_WILD = {
    "Kitware__vtk-prompt__rag_chat": {"P203", "P101"},
    "TIANLI0__THRM__release-notes": {"P103"},
    "bamr87__it-journey__test": {"P204"},
    "prettier__prettier-vscode__duplicate-comparison": {"P301"},
    "slack-ruby__slack-ruby-client__changelog-entries": {"P301"},
    "strata-game-library__core__triage": {"P204"},
    "tadanobutubutu__screeps__strategy-generator": {"foreign-format"},
}


@pytest.mark.skipif(not WILD, reason="PROMPTCTL_WILD names no folder of files")
def test_files_that_people_wrote_with_care(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linted_models, "ModelMap", ModelMap)
    files = {f"prompts/{path.name}": path.read_bytes() for path in Path(WILD or "").rglob("*.prompt.y*ml")}
    found: dict[str, set[str]] = {}
    for each in lint_workspace(MemoryTree(files), Settings(), today=DAY).findings:
        assert each.place is not None
        found.setdefault(each.place.path.removeprefix("prompts/").partition(".")[0], set()).add(each.code)
    assert found == IN_THE_WILD
