"""Evaluations as JUnit XML, which every CI shows: a suite for each, a test for each case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from promptctl.errors import INCOMPLETE, OK
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.outcomes import CaseResults, case_results
from promptctl.log.results import ResultRow
from promptctl.log.store import Store
from promptctl.reports.asked import AskedMessages, about_request, message_texts
from promptctl.reports.wording import as_text, assertion_name, count

_UNSTABLE = frozenset(("evaluation", "cost_usd", "execution"))
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(log: Store, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield the report; what was expected and what came stand inside each failure."""
    yield from document(part for evaluation in evaluations for part in suite(log, evaluation))


def document(suites: Iterable[str]) -> Iterator[str]:
    """Yield a whole document of suites."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    yield from suites
    yield "</testsuites>\n"


def gate_suite(name: str, gates: Sequence[tuple[str, int | None, str]], warnings: Sequence[str] = ()) -> Iterator[str]:
    """Yield a suite with a test for each decision, given as name, exit code and reason; warnings are its output.

    Without an exit code nothing was evaluated.
    """
    failed = sum(code not in (OK, INCOMPLETE, None) for _, code, _ in gates)
    errors = sum(code == INCOMPLETE for _, code, _ in gates)
    skipped = sum(code is None for _, code, _ in gates)
    numbers = _attributes(name=name, tests=len(gates), failures=failed, errors=errors, skipped=skipped)
    yield f"  <testsuite{numbers}>\n"
    for test, code, reason in gates:
        start = f"    <testcase{_attributes(classname=name, name=test)}"
        if code == OK:
            yield start + "/>\n"
            continue
        if code is None:
            yield f"{start}><skipped{_attributes(message=f'not evaluated: {reason}')}/></testcase>\n"
            continue
        element = "error" if code == INCOMPLETE else "failure"
        yield f"{start}><{element}{_attributes(message=reason, type='gate')}/></testcase>\n"
    if warnings:
        yield f"    <system-out>{_text(chr(10).join(warnings))}</system-out>\n"
    yield "  </testsuite>\n"


def suite(log: Store, evaluation: Evaluation, *, is_stable: bool = False) -> Iterator[str]:
    """Yield one evaluation; with `is_stable` without what differs each time it is made: its id, times and costs."""
    row, counts = evaluation.row, evaluation.summary.counts
    name = f"{row.prompt} {row.version_display or ''} {row.model}".replace("  ", " ")
    seconds = sum(evaluation.summary.latencies_ms) / 1000
    is_unfinished = evaluation.summary.is_unfinished
    summary = evaluation.summary
    is_decided = evaluation.stopped == "decided"
    tests = counts.cases + summary.expected_failures + is_unfinished
    errors, skipped = counts.errors + (is_unfinished and not is_decided), len(summary.xfailed) + is_decided
    failures = counts.failed + len(summary.xpassed_strictly)
    numbers = _attributes(name=name, tests=tests, failures=failures, errors=errors, skipped=skipped)
    when = "" if is_stable else _attributes(time=f"{seconds:.3f}", timestamp=row.started_at)
    yield f"  <testsuite{numbers}{when}>\n"
    yield "    <properties>\n"
    properties = {
        "evaluation": row.id,
        "prompt": row.prompt,
        "version": row.version_display,
        "digest": row.digest,
        "commit": row.commit,
        "model": row.model,
        "dataset": row.spec.dataset,
        "parameters": as_text(dict(row.spec.parameters)),
        "verdict": f"{evaluation.verdict}: {evaluation.reason}",
        "cost_usd": None if evaluation.summary.unpriced else f"{evaluation.summary.cost_nano_usd / 1e9:.9f}",
    }
    for key, value in properties.items():
        if value is not None and not (is_stable and key in _UNSTABLE):
            yield f"      <property{_attributes(name=key, value=value)}/>\n"
    yield "    </properties>\n"
    classname, messages = f"{row.prompt}.{row.spec.dataset}", AskedMessages(log)
    for case in case_results(log.results(row.id), row.spec.at_least):
        # A case that lacks some of its repeats is not graded: it is one of those that were not run.
        if len(case.rows) >= evaluation.summary.repeats:
            yield from _test(case, classname, messages, is_stable=is_stable)
    if is_unfinished:
        yield from _not_run(evaluation, classname)
    yield "  </testsuite>\n"


def _not_run(evaluation: Evaluation, classname: str) -> Iterator[str]:
    """Yield a test that stands for the cases that were not run: their absence is not green, unless it was decided."""
    number, of = evaluation.summary.never_run, count(evaluation.summary.expected_cases, "case")
    reason = f"{number} of {of} {'was' if number == 1 else 'were'} not "
    kind = f"error{_attributes(message=reason + 'run', type='incomplete')}"
    if evaluation.stopped == "decided":
        kind = f"skipped{_attributes(message=reason + 'asked: it was decided without them')}"
    yield f"    <testcase{_attributes(classname=classname, name='every case is run')}><{kind}/></testcase>\n"


def _test(case: CaseResults, classname: str, messages: AskedMessages, *, is_stable: bool) -> Iterator[str]:
    row = case.decisive
    seconds = (case.outcome.latency_ms or 0.0) / 1000
    start = f"    <testcase{_attributes(classname=classname, name=row.case_id)}"
    start += "" if is_stable else _attributes(time=f"{seconds:.3f}")
    about = [(name, value) for name, value in about_request(row) if not (is_stable and name in _UNSTABLE)]
    found = _found(case, messages)
    if not (about or found):
        yield f"{start}/>\n"
        return
    yield f"{start}>\n"
    if about:
        yield "      <properties>\n"
        for name, value in about:
            yield f"        <property{_attributes(name=name, value=value)}/>\n"
        yield "      </properties>\n"
    yield f"{found}    </testcase>\n"


def _found(case: CaseResults, messages: AskedMessages) -> str:
    """Return the element that says what is wrong with a case, or why it does not count; empty if it passed."""
    row, status = case.decisive, case.outcome.status
    if case.is_expected:
        return f"      <skipped{_attributes(message=f'expected to fail: {row.detail.xfail}')}/>\n"
    if status == "passed":
        if not (case.outcome.is_xfail and case.is_xfail_strict):
            return ""
        passed = f"passed, and is expected to fail: {row.detail.xfail}"
        return f"      <failure{_attributes(message=passed, type='xfail')}/>\n"
    reason = row.detail.reason or row.error_message or row.status
    if len(case.rows) > 1:
        reason = f"{case.passes}: {reason}"
    element = "failure" if status == "failed" else "error"
    told = _attributes(message=reason, type=row.error_type or "assertion")
    return f"      <{element}{told}>{_text(_explanation(row, messages))}</{element}>\n"


def _explanation(row: ResultRow, messages: AskedMessages) -> str:
    lines = []
    for graded in row.detail.failed_assertions:
        lines.append(f"{assertion_name(graded)}: {graded['reason']}")
        if graded.get("expected") is not None:
            lines += [f"  expected: {as_text(graded['expected'])}", f"  got: {as_text(graded.get('got'))}"]
    if row.error_message:
        lines.append(row.error_message)
    for role, text in message_texts(messages.of(row)):
        lines += [f"{role}:", text]
    if row.output is not None:
        lines += ["reply:", as_text(row.output)]
    return "\n".join(lines)


def _attributes(**values: Any) -> str:
    """Return attributes of an element, each after a blank."""
    blanks = {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
    return "".join(f" {name}={quoteattr(_known(str(value)), blanks)}" for name, value in values.items())


def _text(value: str) -> str:
    return escape(_known(value))


def _known(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
