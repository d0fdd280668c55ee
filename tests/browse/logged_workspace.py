"""A small workspace of which everything ran: calls of every kind, evaluations, feedback, budgets, an experiment."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from promptctl.log.evidence import Note
from promptctl.log.feedback import Feedback
from promptctl.log.records import CostCorrection, Entry, Execution
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultDetail, ResultRow, Totals
from promptctl.log.sqlite.store import SqliteStore
from promptctl.workspace import open_workspace
from tests.log.conftest import make

SCRIPT = "<script>alert(1)</script>"
BIDI = "mallory\u202egnp.exe"
CONTROL = "\x1b[2J"
SETTINGS = """\
model: echo/echo
log:
  - {prompts: "*", content: full}
  - {prompts: "quiet", content: metadata}
budgets:
  - {name: daily, per: total, limit: {calls: 10}, then: disable}
  - {name: people, each: user, per: total, limit: {calls: 4}}
experiments:
  tone:
    hypothesis: A kinder tone is liked
    prompt: support/triage
    arms:
      control: {ref: "@v1", share: 50}
      kind: {ref: "@v2", share: 50}
    key: user
    primary: {feedback: helpful, direction: higher}
"""
PROMPT = """\
name: Support triage
inputs:
  ticket: {type: string}
tools:
  - {type: function, function: {name: lookup, parameters: {type: object}}}
messages:
  - role: user
    content: "%s {{ ticket }}"
"""
DATASET = """\
prompts: [support/triage]
description: Hand-checked tickets
split: {seed: 7}
cases:
"""


def at(minute: int) -> str:
    """A moment of a day in May."""
    return f"2026-05-03T10:{minute:02}:00.000Z"


def make_workspace(folder: Path) -> dict[str, str]:
    """Make it in a folder; return the ids of what a test asks for."""
    files = {
        "promptctl.yaml": SETTINGS,
        "prompts/support/triage.prompt.yaml": PROMPT % "Triage:",
        "prompts/quiet.prompt.yaml": "messages:\n  - {role: user, content: Hush}\n",
        "datasets/support/triage.yaml": DATASET
        + "".join(
            f'  - {{id: case-{n}, tags: [smoke], inputs: {{ticket: "{SCRIPT} {n}"}}, expected: {{label: billing}}}}\n'
            for n in range(12)
        ),
        "datasets/broken.yaml": "prompts: [support/triage]\ncasess: []\n",
    }
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    _git(folder, "init", "-q", "-b", "main")
    _commit(folder, "Add the prompts")
    (folder / "prompts/support/triage.prompt.yaml").write_text(PROMPT % "Kindly triage:", "utf-8")
    _commit(folder, "Ask kindly")
    with open_workspace(folder, {}) as workspace:
        versions = [workspace.prompt(f"support/triage@v{number}").version for number in (1, 2)]
        log = workspace.context.log
        assert isinstance(log, SqliteStore)
        return _fill(log, [(each.digest, each.display, each.commit or "") for each in versions])


def _fill(log: SqliteStore, versions: list[tuple[str, str, str]]) -> dict[str, str]:
    (digest, display, commit), (digest2, display2, commit2) = versions
    first: dict[str, Any] = {"version": 1, "digest": digest, "version_display": display, "commit": commit}
    second: dict[str, Any] = {"version": 2, "digest": digest2, "version_display": display2, "commit": commit2}
    messages = [{"role": "user", "content": f"Triage: {SCRIPT} [redacted] {BIDI}"}]
    arm: dict[str, Any] = {"experiment": "tone", "arm": "kind", "arm_key": "k"}
    nasty = make(
        started_at=at(1), user=BIDI, session='"><img src=x onerror=alert(1)>', call_metadata={SCRIPT: CONTROL},
        inputs={"ticket": "[sensitive: ticket]", SCRIPT: "x"}, messages=messages,
        reply=f'{{"label": "{SCRIPT}", "n": 1.10}}', model="openai/gpt-4o-mini", **arm, **second,
    )  # fmt: skip
    bad = make(started_at=at(2), status="invalid_output", error_type="InvalidOutput",
               error_message="$.label: `x` is none of billing, bug", reply='{"label": "x"}', **first)  # fmt: skip
    good = replace(bad, id=make().id, attempt=2, started_at=at(3), status="ok", error_type=None, error_message=None)
    quiet = make(started_at=at(4), prompt="quiet", version=None, version_display="v1", source="api", label=None)
    refused = make(started_at=at(5), status="blocked", error_type="BudgetReached", cost_nano_usd=None,
                   price_source=None, input_tokens=None, output_tokens=None, latency_ms=None,
                   error_message="budget `daily` admits no more", messages=None, reply=None, **first)  # fmt: skip
    unpriced = make(started_at=at(6), model="local/llama", provider="local", cost_nano_usd=None, price_source=None,
                    user="bo", tool_calls=[{"function": {"name": "lookup", "arguments": "{}"}}], **second)  # fmt: skip
    rows = [nasty, bad, good, refused, unpriced]
    log.append([*(Entry(each, "full") for each in rows), Entry(quiet, "metadata")])
    log.correct_costs({good.id: CostCorrection(at(9), 27_000, 30_000, "promptctl.yaml")}, Note(by="ada", reason=None))
    for name, score, comment in (("helpful", 0.25, f"No {SCRIPT}"), ("tone", 1.0, None)):
        log.add_feedback(_feedback(nasty, name, score, comment))
    base, head = (_evaluation(at(10 + number), *version) for number, version in enumerate(versions))
    log.begin_evaluation(base, head)
    graded = make(started_at=at(11), source="eval", evaluation_id=head.id, case_id="case-1", repeat=1, **second)
    log.append([Entry(graded, "full")], [*_results(base.id, {3}), *_results(head.id, {1, 2}, graded.id)])
    totals = Totals(cases=12, passed=10, failed=1, errors=1, pass_rate=0.83, low=0.55, high=0.95, verdict="failed")
    log.update_evaluation(base.id, status="finished", totals=replace(totals, passed=11, errors=0))
    log.update_evaluation(head.id, status="finished", totals=totals)
    return {
        "nasty": nasty.id, "bad": bad.id, "good": good.id, "quiet": quiet.id, "refused": refused.id,
        "unpriced": unpriced.id, "graded": graded.id, "base": base.id, "head": head.id,
    }  # fmt: skip


def _evaluation(started_at: str, digest: str, display: str, commit: str) -> EvaluationRow:
    spec = EvaluationSpec(ref="support/triage", dataset="datasets/support/triage.yaml", dataset_digest="d", cases=12)
    return EvaluationRow(
        id=make().id, started_at=started_at, prompt="support/triage", digest=digest, version_display=display,
        version=int(display[1]), commit=commit, model="echo/echo", spec=spec,
    )  # fmt: skip


def _results(evaluation: str, failing: set[int], execution: str | None = None) -> list[ResultRow]:
    found = []
    for number in range(12):
        is_good = number not in failing
        assertion = {"type": "equals", "passed": is_good, "score": 1.0, "reason": "" if is_good else f"got {SCRIPT}"}
        detail = ResultDetail(
            reason=assertion["reason"],  # type: ignore[arg-type]
            assertions=[assertion],
            tags=["smoke"],
            inputs={"ticket": f"{SCRIPT} {number}"},
            expected={"label": "billing"},
        )
        error = {"status": "error", "error_type": "RateLimited", "error_message": "429"} if number == 2 else {}
        row: dict[str, Any] = {"status": "passed" if is_good else "failed", **({} if is_good else error)}
        found.append(
            ResultRow(
                evaluation_id=evaluation,
                case_id=f"case-{number}",
                position=number,
                case_digest=f"c{number}",
                score=1.0,
                detail=detail,
                output=f'{{"label": "{SCRIPT}"}}',
                cost_nano_usd=1000,
                latency_ms=12.0,
                execution_id=execution if number == 1 else None,
                **row,
            )
        )
    return found


def _feedback(call: Execution, name: str, score: float, comment: str | None) -> Feedback:
    return Feedback(
        id=make().id, execution_id=call.id, call_id=call.call_id, name=name, score=score, comment=comment,
        expected='{"label": "bug"}' if comment else None, by=BIDI, created_at=at(8),
    )  # fmt: skip


def _commit(folder: Path, subject: str) -> None:
    _git(folder, "add", "-A")
    _git(folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qm", subject)


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
