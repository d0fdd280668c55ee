"""Evaluations as Markdown, for a pull request's comment or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.outcomes import CaseResults, case_results
from promptctl.files.wording import clip
from promptctl.log.store import Store
from promptctl.reports.asked import AskedMessages, Messages, about_request, message_texts
from promptctl.reports.rows import evaluation_name
from promptctl.reports.wording import as_text, assertion_name, count, format_share, format_spent, judged_rates, percent

MOST_CASES = 50
_WIDTH = 400
_LONGEST_MESSAGES = 4000
_LONGEST_LINE = 500
# What would command a terminal, as a picture of it; and what turns the direction of what is read, so that a text can
# look like another one.
_COMMANDING = {
    **{code: 0x2400 + code for code in range(0x20) if code not in b"\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(
        (*range(0x80, 0xA0), 0x61C, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD
    ),
}
# GitHub makes links of plain text behind these: mentions, addresses, issues. A character of no width prevents it.
_LINKED = re.compile(r"@|:(?=//)|www(?=\.)|#(?=\d)|GH-(?=\d)", re.IGNORECASE)
_MARKS = {"passed": "✅", "failed": "❌", "incomplete": "⚠️"}


def markdown(log: Store, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield the report: a table of evaluations, then each one's cases that did not pass."""
    yield "| | Prompt | Version | Model | Dataset | Passed | Failed | Errors | Rate [95 %] | Cost |\n"
    yield "|---|---|---|---|---|--:|--:|--:|--:|--:|\n"
    for each in evaluations:
        counts = each.summary.counts.as_dict()
        rate = format_share(counts["pass_rate"])
        interval = "" if counts["low"] is None else f" [{percent(counts['low'])}, {percent(counts['high'])}]"
        row = each.row
        cells = [
            _MARKS[each.verdict], code(row.prompt), inline(row.version_display or "unversioned"), code(row.model),
            inline(row.spec.dataset), counts["passed"], counts["failed"], counts["errors"],
            rate + interval, format_spent(each.summary),
        ]  # fmt: skip
        yield f"| {' | '.join(str(cell) for cell in cells)} |\n"
    for each in evaluations:
        yield f"\n**{inline(evaluation_name(each, evaluations))}**: {each.verdict}: {inline(each.reason)}\n"
        for rates in judged_rates(each.totals.judged):
            yield f"\n- {inline(rates)}\n"
        yield from _cases(log, each)


def _cases(log: Store, evaluation: Evaluation) -> Iterator[str]:
    wrong = evaluation.summary.counts.failed + evaluation.summary.counts.errors
    shown, messages = 0, AskedMessages(log)
    for case in case_results(log.results(evaluation.row.id), evaluation.row.spec.at_least):
        if case.outcome.status == "passed":
            continue
        if shown == MOST_CASES:
            yield f"\n… and {wrong - shown} more.\n"
            break
        shown += 1
        yield from case_details(case, messages.of(case.decisive))


def case_details(case: CaseResults, messages: Messages | None) -> Iterator[str]:
    """Yield one case that did not pass, folded: its request, what is wrong with the reply, and the reply."""
    row = case.decisive
    reason = row.detail.reason or row.error_message or ""
    repeats = f" ({case.passes})" if len(case.rows) > 1 else ""
    yield f"\n<details><summary>{html(row.case_id)}: {row.status}{repeats}: {html(reason)}</summary>\n\n"
    for name, text in about_request(row):
        yield f"- {inline(name)}: {_code(_flat(text))}\n"
    for graded in row.detail.failed_assertions:
        yield f"- {code(assertion_name(graded))}: {inline(graded['reason'])}\n"
        if graded.get("expected") is not None:
            expected, got = (_code(_flat(as_text(value))) for value in (graded["expected"], graded.get("got")))
            yield f"  - expected {expected}\n  - got {got}\n"
    if row.output is not None:
        yield f"\n{fenced(as_text(row.output))}\n"
    if messages:
        sent = "\n".join(f"{role}: {text}" for role, text in message_texts(messages))
        yield f"\nMessages sent:\n\n{fenced(sent[:_LONGEST_MESSAGES])}\n"
    yield "\n</details>\n"


def inline(text: str) -> str:
    """Foreign text within a line: none of it is read as Markdown, HTML, math, a mention or a link."""
    return _entities(re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", _flat(text)))


def html(text: str) -> str:
    """Foreign text within a line of HTML, such as a summary: a backslash escapes nothing there."""
    return _entities(_flat(text))


def code(text: str) -> str:
    """Foreign text as code within a table's cell."""
    return _code(_flat(text).replace("|", "\\|"))


def _code(flat: str) -> str:
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def _flat(text: str) -> str:
    return " ".join(clip(text, _WIDTH).split()).translate(_COMMANDING)


def _entities(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    unlinked = _LINKED.sub(lambda found: f"{found[0]}\u200b", escaped)
    # GitHub looks for math after Markdown is read: only an element of its own keeps a dollar from being half of it.
    return unlinked.replace("$", "<span>&#36;</span>")


def fenced(text: str, language: str = "") -> str:
    """Foreign text as a block of code that it cannot close."""
    ticks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    shown = text.replace("\r\n", "\n").rstrip().translate(_COMMANDING)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def folded(title: str, lines: Sequence[str], most: int) -> Iterator[str]:
    """Yield at most so many lines of a diff, folded below their title; the title alone without any."""
    if not lines:
        yield f"\n- {code(title)}\n"
        return
    shown = [clip(line, _LONGEST_LINE) for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"… and {count(len(lines) - most, 'more line')}")
    text = "\n".join("".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line) for line in shown)
    yield f"\n<details><summary>{html(title)}</summary>\n\n{fenced(text, 'diff')}\n\n</details>\n"
