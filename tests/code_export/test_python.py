from __future__ import annotations

import asyncio
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from hypothesis import given, settings

import promptctl
from promptctl.code_export.python import modules
from promptctl.errors import InvalidFiles
from promptctl.prompts.prompt import Prompt
from tests.code_export.changes import BREAKING, COMPATIBLE, exported
from tests.code_export.hostile import at, prompts
from tests.code_export.prompts import prompt_of

CALLER = """\
from typing import Literal

from promptctl import Workspace

from {case}.prompts.support import triage


async def labels(workspace: Workspace) -> list[str]:
    order: triage.InputsOrder = {{"id": "A1"}}
    history = [{{"role": "user", "content": "Hello"}}]
    output = triage.run(workspace, ticket="I was charged twice.", product="Acme", tone="dry", order=order)
    other = await triage.arun(workspace, ticket="Twice.", order=order, history=history)
    label: Literal["billing", "bug"] = output["label"]
    names = [score["name"] for score in other.get("scores", [])]
    return [label, other.get("reply", ""), *names]
"""


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of every module of a folder."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def assert_formatted(folder: Path) -> None:
    command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--no-cache", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_a_breaking_change_fails_the_type_check_of_callers_and_no_other_does(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    for name, changes in {**BREAKING, **COMPATIBLE}.items():
        exported(tmp_path / "workspaces" / name, changes, "py", cases / name / "prompts")
        (cases / name / "__init__.py").touch()
        (cases / name / "caller.py").write_text(CALLER.format(case=name))
    done = checked(cases)
    failed = set(re.findall(r"^(\w+)/caller\.py:\d+: error", done.stdout, re.MULTILINE))
    # mypy lets `output["label"]` pass if `label` may be missing, which Pyright reports.
    assert failed == BREAKING.keys() - {"output_key_made_optional"}, done.stdout
    assert "prompts/support/triage.py" not in done.stdout


def loaded(prompt: Prompt, folder: Path) -> ModuleType:
    """The module of one prompt, imported from a folder."""
    for path, data in modules([at(prompt)]).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        if not path.endswith("__init__.py"):
            file = folder / path
    spec = importlib.util.spec_from_file_location("exported", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_text_of_a_prompt_becomes_code(tmp_path: Path) -> None:
    cases = iter(range(1000))

    @settings(max_examples=80, deadline=None, derandomize=True)
    @given(prompts())
    def check(prompt: Prompt) -> None:
        module = loaded(prompt, tmp_path / f"case{next(cases)}")
        assert (prompt.id, prompt.digest) == (module.REF, module.DIGEST)
        names = getattr(module, "_NAMES", {})
        assert [names.get(name, name) for name in module.Inputs.__annotations__] == list(prompt.inputs)
        functions = {
            name
            for name, value in vars(module).items()
            if isinstance(value, FunctionType) and value.__module__ == "exported"
        }
        assert functions - {"given"} == {"run", "arun", "output_of"}
        assert not hasattr(module, "os")

    check()
    done = checked(tmp_path)
    assert done.returncode == 0, done.stdout[:3000]
    assert_formatted(tmp_path)


PROMPT = """\
model: echo/echo
inputs:
  label: {type: string}
  class: {type: integer, default: 3}
  a.b: {type: string, required: false}
messages: [{role: user, content: '{"label": "{{label}}", "class": {{class}}}'}]
template: simple
"""
SCHEMA = "output: {schema: {type: object, required: [label], properties: {label: {enum: [billing, bug]}}}}\n"


def exported_module(folder: Path, text: str) -> tuple[promptctl.Workspace, ModuleType]:
    (folder / "prompts").mkdir()
    (folder / "promptctl.yaml").write_text("model: echo/echo\n")
    (folder / "prompts/t.prompt.yaml").write_text(text)
    workspace = promptctl.open_workspace(folder)
    return workspace, loaded(workspace.prompt("t").prompt, folder / "exported")


def test_a_function_asks_the_model_and_returns_the_reply_as_data(tmp_path: Path) -> None:
    workspace, module = exported_module(tmp_path, PROMPT + SCHEMA)
    with workspace:
        assert module.run(workspace, label="bug") == {"label": "billing"}  # the smallest that fits, says echo
        assert asyncio.run(module.arun(workspace, label="bug", class_=4)) == {"label": "billing"}
        with pytest.raises(promptctl.InputError):
            module.run(workspace)
        execution = workspace.run(module.REF, module.given({"label": "bug", "class_": 5}), user="ada")
        assert execution.inputs == {"label": "bug", "class": 5}
        assert module.output_of(execution) == {"label": "billing"}
    assert "`a.b` is given as `a_b`." in (tmp_path / "exported/t.py").read_text()


def test_a_reply_without_a_schema_is_its_text(tmp_path: Path) -> None:
    workspace, module = exported_module(tmp_path, PROMPT)
    with workspace:
        assert module.run(workspace, label="x", a_b="y") == '{"label": "x", "class": 3}'


def test_prompts_whose_modules_would_have_one_name_are_refused() -> None:
    for ids in (("a-b", "a_b"), ("a", "a/b"), ("a/b", "a")):
        with pytest.raises(InvalidFiles, match=f"the module of `{ids[1]}` would have the name of"):
            modules([at(prompt_of("x", {}, id=each)) for each in ids])
