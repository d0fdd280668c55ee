"""A workspace of four greetings, evaluated on a model that repeats what it is asked, for people to label."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl.evaluations.request import EvaluationRequest
from promptctl.workspace import Workspace, open_workspace

SECRET = "hunter2-hunter2"
FORGED = (
    "</script><script>document.title='forged'</script><img src=x onerror=\"document.title='forged'\"> \u2028\x1b[2J"
)
DATASET = """\
prompts: [greet]
defaults:
  assert: [{type: llm-rubric, value: "Greets {{ name }}.", weight: 0}, {type: contains, value: ","}]
cases:
  - {id: ann, tags: [short], inputs: {name: Ann}}
  - {id: bob, tags: [short], inputs: {name: Bob}, expected: nobody may see this}
  - {id: forged, inputs: {name: %s}}
  - {id: kind, inputs: {name: Kim}, assert: [{type: classify, choices: [kind, rude], value: kind}]}
"""
GREET = """\
inputs: {name: {type: string}, formal: {type: boolean, default: false}}
messages: [{role: user, content: "{{ 'Good morning' if formal else 'Hello' }}, {{ name }}!"}]
"""


def evaluate(root: Path) -> str:
    """Evaluate the dataset without judges; the evaluation's id."""
    written = (root / "datasets/greet.yaml").read_text()
    plain = written.replace('{type: llm-rubric, value: "Greets {{ name }}.", weight: 0}, ', "")
    plain = plain.replace(", assert: [{type: classify, choices: [kind, rude], value: kind}]", "")
    (root / "datasets/greet.yaml").write_text(plain)
    with open_workspace(root, {}) as workspace:
        (found,) = workspace.evaluate(EvaluationRequest(refs=("greet",)))
    (root / "datasets/greet.yaml").write_text(written)
    return found.row.id


@pytest.fixture(scope="package")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluated")
    for path, text in {
        "promptctl.yaml": "model: echo/echo\n",
        "prompts/greet.prompt.yaml": GREET,
        "datasets/greet.yaml": DATASET % json.dumps(FORGED),
    }.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    evaluate(root)
    return root


@pytest.fixture
def root(evaluated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evaluated, tmp_path / "work"))


@pytest.fixture
def workspace(root: Path) -> Iterator[Workspace]:
    with open_workspace(root, {"SOME_API_KEY": SECRET}) as opened:
        yield opened
