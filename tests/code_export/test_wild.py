"""Real prompts of public repositories, imported and exported as typed code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import promptctl
from promptctl import ExportRequest, ImportRequest
from promptctl.errors import RenderError
from promptctl.schemas.minimal import minimal_instance
from tests.code_export.node import ROOT, running_renderer


def given(prompt: Any) -> dict[str, Any]:
    """Values of all inputs: the smallest that fit, and a text where anything does."""
    smallest = {name: minimal_instance(each.schema) for name, each in prompt.inputs.items()}
    return {name: "{{ a }}" if value in (None, "") else value for name, value in smallest.items()}


def test_real_prompts_render_in_javascript_as_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "tests/fixtures/wild", tmp_path / "wild")
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    monkeypatch.chdir(tmp_path)
    compared = 0
    with promptctl.open_workspace(tmp_path) as workspace, running_renderer() as renderer:
        workspace.write(workspace.exchange.import_files(ImportRequest(paths=["wild"])).proposal)
        workspace.exchange.export(ExportRequest(format="ts")).write(tmp_path / "out")
        for summary in workspace.prompts():
            at = workspace.prompt(summary.id)
            inputs = given(at.prompt)
            answer = renderer.ask(module=str(tmp_path / f"out/{summary.id}.js"), inputs=inputs)
            try:
                assert answer.get("messages") == list(at.render(inputs).messages), summary.id
                compared += 1
            except RenderError:
                assert "messages" not in answer, summary.id
    assert compared > 10
