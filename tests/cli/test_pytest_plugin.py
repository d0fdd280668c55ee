"""`pytest --promptctl`: a test for each case, run by pytest itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import promptctl
from tests.cli.conftest import TRIAGE, write
from tests.openai_server import OpenAIServer, failure

PLUGIN = "promptctl.cli.pytest_plugin"
Run = Callable[..., tuple[int, str]]
DATASET = """\
prompts: [triage]
cases:
  - {id: right, inputs: {ticket: billing}, expected: billing}
  - {id: wrong, inputs: {ticket: a bug}, expected: billing}
  - {id: known, inputs: {ticket: a bug}, expected: billing, xfail: not yet}
"""


@pytest.fixture
def desk(workspace: Path) -> Path:
    write(workspace, "datasets/triage.yaml", DATASET)
    write(workspace, "datasets/notes.txt", "no dataset")
    return workspace


@pytest.fixture
def run(desk: Path, warm_pytest: Path) -> Run:
    """Run pytest there."""
    return lambda *arguments: run_by((str(warm_pytest),), desk, *arguments)


def run_by(program: tuple[str, ...], folder: Path, *arguments: str) -> tuple[int, str]:
    command = [*program, "-p", PLUGIN, "-p", "no:cacheprovider", "-q", "-rA", *arguments]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take a second to load
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_each_case_is_a_test(desk: Path) -> None:
    code, said = run_by((sys.executable, "-m", "pytest"), desk, "--promptctl")
    assert code == 1, said
    assert "1 failed, 1 passed, 1 xfailed" in said
    assert "PASSED datasets/triage.yaml::right" in said
    assert "expected  billing\n      got       a bug" in said
    assert "Traceback" not in said


def test_cases_are_selected_as_tests_are_and_evaluated_together(desk: Path, run: Run) -> None:
    code, said = run("--promptctl", "datasets/triage.yaml", "-k", "right or known")
    assert (code, "1 passed, 1 deselected, 1 xfailed" in said) == (0, True), said
    with promptctl.open_workspace(desk) as workspace:
        (evaluation,) = workspace.results.evaluations()
        assert [case.outcome.case_id for case in workspace.results.cases(evaluation.id)] == ["right", "known"]


def test_a_dataset_of_several_prompts_names_them(desk: Path, run: Run) -> None:
    write(desk, "prompts/other.prompt.yaml", TRIAGE)
    write(desk, "datasets/triage.yaml", DATASET.replace("[triage]", "[triage, other]"))
    code, said = run("--promptctl", "-k", "right")
    assert (code, "PASSED datasets/triage.yaml::other::right" in said) == (0, True), said


def test_recordings_answer_without_a_model(desk: Path, run: Run) -> None:
    code, said = run("--promptctl", "-k", "right", "--promptctl-model", "local/m", "--promptctl-replies", "replay")
    assert (code, "recording" in said) == (1, True), said


def test_a_dataset_that_is_wrong_is_an_error_of_its_own(desk: Path, run: Run) -> None:
    write(desk, "datasets/broken.yaml", "prompts: [triage]\ncasse: []\n")
    code, said = run("--promptctl")
    assert (code, "did you mean `cases`?" in said, "ERROR datasets/broken.yaml" in said) == (2, True, True), said


def test_what_ends_an_evaluation_fails_its_other_cases_without_asking(
    desk: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = "".join(f"  - {{id: c{number}, inputs: {{ticket: {number}}}, expected: x}}\n" for number in range(60))
    write(desk, "datasets/triage.yaml", f"prompts: [triage]\ncases:\n{cases}")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-refused")
    with OpenAIServer() as server:
        server.default = failure(401, "that key is no key")
        write(desk, "promptctl.yaml", f'model: local/m\nmodels:\n  "local/*": {{api_base: "{server.url}"}}\n')
        code, said = run("--promptctl")
        asked = len(server.requests)
    assert (code, "60 failed" in said, "Traceback" in said, "KeyError" in said) == (1, True, False, False), said
    assert 0 < asked < 60
    assert "not run: stopped when the key, the account or the model was refused: " in said
    with promptctl.open_workspace(desk) as workspace:
        assert len(list(workspace.results.evaluations())) == 1


def test_cases_that_need_code_are_left_out_if_asked(desk: Path, run: Run) -> None:
    write(desk, "datasets/checks.py", "def good(reply, about):\n    return True\n")
    case = "{id: coded, inputs: {ticket: x}, assert: [{type: python, value: 'checks.py:good'}]}"
    write(desk, "datasets/triage.yaml", f"{DATASET}  - {case}\n")
    _, said = run("--promptctl")
    assert "--allow-code runs it" in said
    _, said = run("--promptctl", "--promptctl-leave-out-code")
    assert ("coded" in said, "1 failed" in said) == (False, True), said
    code, said = run("--promptctl", "--promptctl-leave-out-code", "--promptctl-allow-code")
    assert (code, "cannot be given together" in said) == (4, True), said


INTERRUPTED = """\
from types import SimpleNamespace
import promptctl
from promptctl.workspace.results import Results

stopped = SimpleNamespace(row=SimpleNamespace(id="1"), stopped="interrupted")
promptctl.Workspace.evaluate = lambda *_: [stopped]
Results.cases = lambda *_: []
"""


def test_ctrl_c_ends_pytest_and_fails_no_case(desk: Path, run: Run) -> None:
    write(desk, "conftest.py", INTERRUPTED)
    code, said = run("--promptctl")
    assert (code, "KeyboardInterrupt" in said, "failed" in said) == (2, True, False), said


def test_a_workspace_in_another_has_cases_of_its_own(desk: Path, run: Run) -> None:
    write(desk, "promptctl.yaml", "model: echo/echo\n")
    write(desk, "tools/bot/promptctl.yaml", "model: echo/echo\n")
    write(desk, "tools/bot/prompts/triage.prompt.yaml", TRIAGE)
    write(desk, "tools/bot/datasets/triage.yaml", DATASET)
    code, said = run("--promptctl", "-k", "right")
    assert (code, "PASSED tools/bot/datasets/triage.yaml::right" in said) == (0, True), said
    assert "PASSED datasets/triage.yaml::right" in said


def test_settings_that_are_wrong_are_an_error_in_words(desk: Path, run: Run) -> None:
    write(desk, "promptctl.yaml", "modle: echo/echo\n")
    code, said = run("--promptctl")
    assert (code, "promptctl.yaml:1:1" in said, "did you mean `model`?" in said) == (2, True, True), said
    assert "Traceback" not in said


def test_a_reply_commands_no_terminal(desk: Path, run: Run) -> None:
    write(
        desk,
        "datasets/triage.yaml",
        'prompts: [triage]\ncases: [{id: a, inputs: {ticket: "\\e]0;owned\\a\\e[2J"}, expected: x}]\n',
    )
    code, said = run("--promptctl", "--color=yes")
    assert (code, "owned" in said, "\x1b]0;" in said, "\x1b[2J" in said) == (1, True, False, False), said


def test_without_the_option_nothing_is_collected(desk: Path, run: Run) -> None:
    assert run()[0] == 5, "no tests"


def test_the_package_declares_the_plugin_by_the_name_of_its_module() -> None:
    project = tomllib.loads((Path(promptctl.__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
    assert import_module(PLUGIN)


ASKING = """\
import json
import os
import urllib.request


def test_it(promptctl_server):
    assert os.environ["OPENAI_BASE_URL"] == promptctl_server
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{promptctl_server}/chat/completions", body, headers)
    with urllib.request.urlopen(request) as found:
        assert json.load(found)["choices"][0]["message"]["content"] == "Hello"
"""


def test_a_program_is_tested_against_recordings(desk: Path, run: Run) -> None:
    write(desk, "test_program.py", ASKING)
    code, said = run("test_program.py", "--promptctl-model", "echo/echo")
    assert (code, "HTTP Error 404" in said) == (1, True), said
    code, said = run("test_program.py", "--promptctl-model", "echo/echo", "--promptctl-replies", "record")
    assert code == 0, said
    code, said = run("test_program.py", "--promptctl-model", "echo/echo", "--promptctl-replies", "replay")
    assert code == 0, said
