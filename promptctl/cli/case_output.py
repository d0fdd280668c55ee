"""Shows one case of an evaluation as a whole sheet: what was asked, what came, and how each check graded it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from promptctl import CaseResults, Evaluation, ResultRow
from promptctl.cli.output import flat, say, say_wrapped, styled
from promptctl.cli.text_difference import difference_lines
from promptctl.reports.asked import Messages, message_texts
from promptctl.reports.wording import as_text, assertion_name, format_cost, format_latency, format_tokens

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("!", "yellow")}
_COLOURS = {"passed": "green", "failed": "red", "error": "yellow"}


def say_case(evaluation: Evaluation, case: CaseResults, messages: Messages | None) -> None:
    """Print the sheet on stdout. `messages` are the rendered ones of the first repeat, None if they are not kept."""
    first, about = case.rows[0], evaluation.row
    status = styled(case.outcome.status, sys.stdout, fg=_COLOURS[case.outcome.status], bold=True)
    repeats = f"  {case.passes}" if len(case.rows) > 1 else ""
    say(f"{styled(flat(first.case_id), sys.stdout, bold=True)}  {status}{repeats}")
    version = about.version_display or "unversioned"
    say_wrapped(f"evaluation  {about.id}: {about.prompt} {version} · {about.model} · {about.spec.dataset}")
    if case.tags:
        say_wrapped(f"tags        {', '.join(case.tags)}")
    if about.spec.parameters:
        say_wrapped(f"parameters  {as_text(dict(about.spec.parameters))}")
    for name, value in first.detail.inputs.items():
        _say_block(f"input {name}", as_text(value))
    if first.detail.expected is not None:
        _say_block("expected", as_text(first.detail.expected))
    for role, text in message_texts(messages):
        _say_block(f"message {role}", text)
    if messages is None and first.execution_id is not None:
        say("\nmessages    not kept: the log keeps the content of this prompt's calls with `content: full`")
    for row in case.rows:
        _say_result(row, is_one_of_many=len(case.rows) > 1)


def _say_result(row: ResultRow, *, is_one_of_many: bool) -> None:
    if is_one_of_many:
        status = styled(row.status, sys.stdout, fg=_COLOURS[row.status])
        say(f"\n{styled(f'── repeat {row.repeat}', sys.stdout, bold=True)}  {status}")
    if row.output is not None:
        _say_block("reply", as_text(row.output))
    if row.error_message:
        say(f"\nerror       {flat(row.error_message)}")
    elif row.detail.reason and not row.detail.assertions:
        say(f"\nreason      {flat(row.detail.reason)}")
    if row.detail.assertions:
        say(f"\n{styled('checks', sys.stdout, bold=True)}")
    for graded in row.detail.assertions:
        for line in _check_lines(graded):
            told = line.lstrip(" ")
            say_wrapped(told, indent="  " + " " * (len(line) - len(told)))
    facts = [row.reply_source, format_latency(row.latency_ms), f"{format_tokens(*row.detail.tokens)} tokens"]
    facts.append(format_cost(row.cost_nano_usd) if row.cost_nano_usd is not None else "cost unknown")
    say(f"\nreply       {' · '.join(fact for fact in facts if fact)}")
    if row.execution_id is not None:
        say_wrapped(f"call        {row.execution_id}: promptctl log show {row.execution_id[-8:]}")


def _check_lines(graded: Mapping[str, Any]) -> Iterator[str]:
    mark, colour = _MARKS[graded.get("passed")]
    reason = f": {flat(graded['reason'])}" if graded.get("reason") else ""
    yield f"{styled(mark, sys.stdout, fg=colour)} {flat(assertion_name(graded))}{reason}"
    if graded.get("expected") is not None:
        yield from (f"    {line}" for line in difference_lines(graded["expected"], graded.get("got")))
    for part in graded.get("parts", ()):
        yield from (f"  {line}" for line in _check_lines(part))


def _say_block(title: str, text: str) -> None:
    say(f"\n{styled(flat(title), sys.stdout, bold=True)}")
    # No line begins with what a reply says: in a CI's log it could be a command to it, such as `::error::`.
    for line in text.splitlines() or [""]:
        say_wrapped(line, indent="  │ ")
