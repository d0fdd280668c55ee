"""What the tests of reports share: an evaluation with one of everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptctl.evaluations.evaluation import Evaluation
from promptctl.reports.files import write_report
from tests.evaluation_lab import Lab, answering, lab, running_model_server
from tests.openai_server import failure

__all__ = ["lab", "running_model_server"]

# What a stranger's reply may hold to break out of any of the formats.
FORGED = (
    "</script><script>document.title='forged'</script><img src=x onerror=\"document.title='forged'\">"
    " ```\n|x|\n\n<!-- ]]> @everyone [a](javascript:1) \u2028\x00\x1b[2J"
)


@pytest.fixture
def mixed(lab: Lab) -> list[Evaluation]:
    """Six cases: three passed, two failed (one of them forged), one error."""
    return evaluate_mixed(lab)


def evaluate_mixed(lab: Lab) -> list[Evaluation]:
    lab.cases(
        {"id": "good", "tags": ["smoke"], "inputs": {"ticket": "good"}, "expected": "good"},
        {"id": "better", "tags": ["smoke", "long"], "inputs": {"ticket": "better"}, "expected": "better"},
        {"id": "wrong", "tags": ["long"], "inputs": {"ticket": "wrong"}, "expected": "right as it is"},
        {"id": "forged|`x`", "inputs": {"ticket": "forged"}, "expected": "harmless <b>&</b>"},
        {"id": "refused", "inputs": {"ticket": "refused"}, "expected": "x"},
        {"id": "scored", "inputs": {"ticket": "=1+1"}, "assert": [{"type": "contains", "value": "1", "metric": "sum"}]},
    )
    lab.server.default = answering({"wrong": "wrong as it is", "forged": FORGED, "refused": failure(400, "<no> & no")})
    return lab.evaluate()


Write = Callable[[Sequence[Evaluation], str], Path]


@pytest.fixture
def write(lab: Lab) -> Write:
    """Write a report of evaluations; its path."""

    def written(evaluations: Sequence[Evaluation], name: str) -> Path:
        with lab.open() as workspace:
            write_report(lab.root / name, workspace.context, evaluations)
        return lab.root / name

    return written


def by_case(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["case"]: row for row in rows}
