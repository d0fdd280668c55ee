"""Suggestions: each with its evidence and its money, reckoned by hand; and none without."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from promptctl import Suggestion, Workspace, open_workspace
from promptctl.errors import PromptNotFound
from promptctl.log.records import Entry
from promptctl.log.results import EvaluationRow, EvaluationSpec, ResultRow
from promptctl.log.stamps import utc_text
from tests.cli.conftest import commit, git, write
from tests.log.conftest import make

SETTINGS = """\
model: openai/gpt-4o-mini
models: {cheap: {parameters: {seed: 5}}}
prices:
  dear: {input: 1.0, output: 2.0, cached_input: 0.5}
  cheap: {input: 0.5, output: 1.0}
  dearer: {input: 2.0, output: 3.0}
"""
LONG = "Every ticket has exactly one label, and these are all of them. " * 120
PROMPT = """\
inputs:
  date: {{type: string}}
  ticket: {{type: string}}
messages:
  - role: system
    content: |
      Today is {{{{ date }}}}.

      {long}
  - {{role: user, content: "{{{{ ticket }}}}"}}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Workspace:
    write(tmp_path, "promptctl.yaml", SETTINGS)
    write(tmp_path, "prompts/triage.prompt.yaml", PROMPT.format(long=LONG))
    git(tmp_path, "init", "--quiet", "-b", "main")
    commit(tmp_path, "Add triage")
    return open_workspace(tmp_path, {})


def call(desk: Workspace, *numbers: int, content: Any = "full", **fields: Any) -> None:
    """Log calls that begin five minutes after each other, in one transaction."""
    digest = fields.pop("digest", None) or desk.prompt("triage").version.digest
    usual: dict[str, Any] = {
        "prompt": "triage",
        "digest": digest,
        "source": "api",
        "model": "dear",
        "input_tokens": 2000,
        "output_tokens": 10,
        "cached_tokens": 0,
        "cost_nano_usd": 2_020_000,
        "parameters": {},
    }

    def made(number: int) -> Entry:
        own = {
            "started_at": utc_text(datetime(2026, 5, 4, tzinfo=UTC) + timedelta(minutes=5 * number)),
            "inputs": {"date": str(number), "ticket": f"t{number}"},
            "messages": [{"role": "user", "content": str(number)}],
            "reply": f"r{number}",
        }
        return Entry(make(**{**usual, **own, **fields}), content)

    desk.context.log.append(map(made, numbers))


def kinds(desk: Workspace) -> dict[str, Suggestion]:
    return {each.kind: each for each in desk.costs.suggest("triage").found}


def test_a_prefix_that_an_early_variable_cuts_short(desk: Workspace) -> None:
    call(desk, *range(20))
    found = kinds(desk)["prefix"]

    assert found.what == "move `date` behind the constant text, so that the provider can cache it"
    assert "0% of the tokens sent were cached; 19 calls followed another within 10 minutes" in found.evidence
    constant = int(found.evidence.split(" tokens are constant")[0].split()[-1].replace(",", ""))
    assert constant > 1_024
    # 19 warm calls in a day at least: 30 times as many in a month, each token half a dollar a million cheaper.
    assert found.saving_nano_usd == pytest.approx(constant * 500 * 19 * 30, rel=0.01)
    call(desk, *range(20, 60), cached_tokens=1_500)
    assert "prefix" not in kinds(desk)


def test_a_prompt_whose_constant_text_is_short_has_no_prefix_to_cache(desk: Workspace) -> None:
    write(desk.context.root, "prompts/triage.prompt.yaml", PROMPT.format(long="Be brief."))
    call(desk, *range(20))

    assert desk.costs.suggest("triage").found == ()


@pytest.mark.parametrize(
    ("cheap", "is_found"),
    [
        ({}, True),
        ({"server": "s", "rules": {"supports_schema": False}}, True),
        ({"parameters": {"seed": 5}}, True),
        ({"parameters": {"max_tokens": 40}}, False),
        ({"rules": {"judges": "j"}}, False),
        ({"repeats": 3}, False),
    ],
)
def test_a_cheaper_model_that_an_evaluation_shows_to_be_no_worse(
    desk: Workspace, cheap: dict[str, Any], is_found: bool
) -> None:
    call(desk, *range(20))
    log, digest = desk.context.log, desk.prompt("triage").version.digest
    spec = EvaluationSpec(dataset="datasets/t.yaml", dataset_digest="d")
    begun = "2026-05-04T00:00:00.000Z"
    cheaper = replace(spec, **cheap)
    for name, model, of_model in (
        ("dear", "dear", spec), ("first", "cheap", cheaper), ("cheap", "cheap", cheaper), ("more", "dearer", spec),
    ):  # fmt: skip
        row = EvaluationRow(
            id=f"e-{name}", started_at=begun, prompt="triage", digest=digest, model=model, spec=of_model
        )
        log.begin_evaluation(row)
        passed: dict[str, Any] = {"evaluation_id": row.id, "status": "passed", "score": 1.0}
        log.append((), (ResultRow(**passed, case_id=f"c{at}", position=at, case_digest=f"x{at}") for at in range(200)))
        log.update_evaluation(row.id, status="finished", totals=row.totals)
    suggested = [each for each in desk.costs.suggest("triage").found if each.kind == "model"]
    assert len(suggested) == is_found
    if not is_found:
        return
    (found,) = suggested
    assert found.what == "use cheap instead of dear"
    assert "evaluations e-dear and e-cheap over 200 cases" in found.evidence
    assert found.saving_nano_usd == 1_010_000 * 20 * 30


@pytest.mark.parametrize(
    ("fields", "kind", "saving"),
    [
        ({"parameters": {"max_tokens": 400}}, "max_tokens", None),
        ({"parameters": {"max_tokens": 10}, "finish_reason": "length"}, "truncated", 2_020_000 * 20 * 30),
        ({"status": "invalid_output"}, "invalid", 2_020_000 * 20 * 30),
        ({"status": "error"}, "retries", 2_020_000 * 20 * 30),
        ({"messages": [{"role": "user", "content": "same"}]}, "repeats", 2_020_000 * 19 * 30),
    ],
)
def test_what_was_paid_for_in_vain(desk: Workspace, fields: dict[str, Any], kind: str, saving: int | None) -> None:
    call(desk, *range(20), **fields)
    found = kinds(desk)[kind]

    assert found.saving_nano_usd == saving
    assert found.calls in (19, 20)
    assert found.rule


@pytest.mark.parametrize("error_type", ["ReplyCut", "ReplyWithheld"])
def test_no_schema_is_to_blame_for_a_reply_that_was_never_whole(desk: Workspace, error_type: str) -> None:
    call(desk, *range(20), status="invalid_output", error_type=error_type, finish_reason="length")
    assert "invalid" not in kinds(desk)


def test_an_input_that_never_changed_a_reply(desk: Workspace) -> None:
    for number in range(40):
        ticket = f"t{number // 2}"
        call(desk, number, inputs={"date": f"2026-05-{number:02}", "ticket": ticket}, reply=ticket)
    found = kinds(desk)["input"]

    assert (found.what, found.calls) == ("leave out the input `date`, if nothing else needs it", 40)
    call(desk, 41, inputs={"date": "other", "ticket": "t0"}, reply="changed")
    assert "input" not in kinds(desk)


def test_the_dearest_paragraphs_are_named(desk: Workspace) -> None:
    call(desk, *range(20))

    assert "“Every ticket has exactly one label" in kinds(desk)["paragraph"].what


def test_what_calls_without_a_price_cost_is_not_known(desk: Workspace) -> None:
    call(desk, *range(20), model="nobody/knows", cost_nano_usd=None, messages=[{"role": "user", "content": "same"}])
    assert [each["cost_nano_usd"] for each in desk.costs.suggest("triage").looked_at] == [None]
    assert kinds(desk)["repeats"].saving_nano_usd is None


def test_what_cannot_be_checked_is_said(desk: Workspace) -> None:
    assert desk.costs.suggest("triage").looked_at == ()
    call(desk, 0)
    assert desk.costs.suggest().unchecked == ("triage v7 has 1 call in 30 days; suggestions take 20",)
    call(desk, *range(1, 21), content="metadata", digest="1:" + "0" * 64, commit=None, model="nobody/knows")
    found = desk.costs.suggest("triage")

    assert found.found == ()
    assert [text.partition(":")[0] for text in found.unchecked] == [
        "triage v7 is neither in the files nor in Git",
        "the log keeps no contents of triage v7",
        "no price is known for nobody/knows",
    ]
    assert json.loads(json.dumps(found.as_dict()))["suggestions"] == []
    with pytest.raises(PromptNotFound):
        desk.costs.suggest("triagee")
