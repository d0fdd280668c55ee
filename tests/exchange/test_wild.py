"""Files as they are found in public repositories, under MIT or Apache-2.0; `index.json` names each one's origin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import promptctl
from promptctl import ImportReport, ImportRequest

WILD = Path(__file__).parent.parent / "fixtures/wild"
INDEX = {each["file"]: each for each in json.loads((WILD / "index.json").read_text(encoding="utf-8"))}
# Why a file is refused; each of the others is imported.
REFUSED = {
    "dotprompt/duynguyendang__gca__datalog.prompt": "`{{.Predicates}}` does not parse",  # a template of Go
    "github/tadanobutubutu__screeps__strategy-generator.prompt.yml": "a template of another tool",  # `prompt: |`
    # Their tests and prompts are in files that are not here.
    "promptfoo/Azure__AKS-Skills__promptfooconfig.yaml": "there is no file",
    "promptfoo/ScottLogic__InferESG__promptfooconfig.yaml": "there is no file",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    """The import of all of them at once, whose files were written."""
    root = tmp_path_factory.mktemp("wild")
    (root / "promptctl.yaml").write_text("model: echo/echo\n")
    shutil.copytree(WILD, root / "wild")
    (root / "wild/index.json").unlink()
    with promptctl.open_workspace(root) as workspace:
        found = workspace.exchange.import_files(ImportRequest(paths=[root / "wild"]))
        workspace.write(found.proposal)
        assert not [each for each in workspace.validate().problems if each.severity == "error"]
    return found


def test_every_file_is_imported_or_refused_for_its_reason(report: ImportReport) -> None:
    imported = {source.path.partition("/wild/")[2] for source in report.sources}
    refused = {each.place.path.partition("/wild/")[2]: each.message for each in report.refused if each.place}
    assert imported.isdisjoint(refused)
    assert imported | refused.keys() == INDEX.keys()
    assert refused.keys() == REFUSED.keys()
    assert all(REFUSED[path] in message for path, message in refused.items())


def test_every_part_that_is_changed_or_dropped_has_a_line(report: ImportReport) -> None:
    notes = [note for source in report.sources for note in source.notes]
    assert notes
    assert all(note.place is not None and note.place.line for note in notes if note.fate != "kept")


def test_all_of_them_may_be_here() -> None:
    assert {each["licence"] for each in INDEX.values()} <= {"MIT", "Apache-2.0"}
