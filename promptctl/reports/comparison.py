"""A comparison in words and numbers as people read them, and as Markdown; equal for equal comparisons, to the byte."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED, Comparison, UsageChange
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.outcomes import CaseOutcome, CasePair
from promptctl.files.wording import clip
from promptctl.reports.flips import flipped_assertions, grouped, line_diff, of_fresh_replies
from promptctl.reports.markdown import code, fenced, inline
from promptctl.reports.verdict import MARKS, certainty, headline
from promptctl.reports.wording import (
    corrected_rate,
    count,
    format_cost,
    format_count,
    format_latency,
    format_share,
    judge_name,
    name_some,
    percent,
)
from promptctl.statistics.metric import MetricComparison

MOST_CASES = 20
_MOST_REASONS, _LONGEST_REASON = 5, 400
# A version without a number is a hash alone, which says nothing of its own.
_HASH = re.compile(r"^[0-9a-f]{7,}(\+dirty)?\Z")
_FORMS = {"cost_nano_usd": format_cost, "tokens": format_count, "latency_ms": format_latency}


def about_alone(found: Evaluation) -> str:
    """Return the reason why an evaluation is not compared, and the rule that judges it."""
    return f"there is no {found.row.prompt} at the base: it is judged by itself, {percent(found.min_pass)} must pass"


def comparison_markdown(found: Compared, *, most_cases: int = MOST_CASES) -> Iterator[str]:
    """Yield a comparison for a pull request: the verdict in a sentence, numbers, flipped cases folded, statistics."""
    comparison, verdict, head = found.comparison, found.verdict, found.head.row
    yield f"#### {MARKS[verdict.kind]} {inline(headline(found))}\n\n"
    about = ": ".join(filter(None, [f"{code(head.prompt)} on {code(head.spec.dataset)}", inline(certainty(found))]))
    yield f"{about}. Model {code(head.model)}.\n"
    if besides := beside_the_verdict(found):
        yield f"\n{inline(besides)}\n"
    if found.warning:
        yield f"\n**⚠️ {inline(found.warning)}**\n"
    if found.note:
        yield f"\n*{inline(found.note)}*\n"
    before, after = map(inline, side_names(found))
    yield f"\n| | {before} | {after} | difference |\n"
    yield "|---|--:|--:|--:|\n"
    for name, *cells in (*number_rows(comparison), *judged_rows(found)):
        yield f"| {' | '.join([inline(name), *cells])} |\n"
    # One by one: long ids of some cases cannot push the number of the others out of sight.
    counts = ", ".join(map(inline, _counts(comparison)))
    yield f"\nOf {count(comparison.comparable, 'comparable case')}: {counts}.\n"
    yield from (f"- {inline(why)}\n" for why in islice(reasons_without_result(comparison), most_cases))
    yield from _flips("Regressed", comparison.regressed, found, most_cases)
    yield from _flips("Improved", comparison.improved, found, most_cases)
    yield f"\n<details><summary>Statistics</summary>\n\n{inline(verdict.reason)}\n\n</details>\n"


def side_names(found: Compared) -> tuple[str, str]:
    """Return what the columns of both sides are called: `before v3 (3f2a9c1)`, with prompt and model if they differ."""
    base, head = found.base.row, found.head.row
    names = ["", ""] if base.prompt == head.prompt else [base.prompt, head.prompt]
    models = ["", ""] if base.model == head.model else [base.model, head.model]
    before, after = (
        " ".join(filter(None, [side, name, _HASH.sub(r"(\g<0>)", row.version_display or ""), model]))
        for side, name, row, model in zip(("before", "after"), names, (base, head), models, strict=True)
    )
    return before, after


def beside_the_verdict(found: Compared) -> str | None:
    """Return the reason why the decision is against head, if the verdict's own reason does not name it."""
    if found.decision.is_passed:
        return None
    return found.decision.reason.replace(found.verdict.reason, "").strip() or None


def counts_line(comparison: Comparison) -> str:
    """Say how many cases moved, and which ones are not in the numbers."""
    return f"Of {count(comparison.comparable, 'comparable case')}: {', '.join(_counts(comparison))}."


def reasons_without_result(comparison: Comparison) -> Iterator[str]:
    """Yield the errors of the cases without a result, each with its cases; at most five."""
    cases: dict[str, dict[str, None]] = {}
    for pair in comparison.errors:
        for row in (pair.base.row, pair.head.row):
            if row is not None and row.error_message:
                cases.setdefault(row.error_message, {})[pair.case_id] = None
    for message, ids in islice(cases.items(), _MOST_REASONS):
        yield f"{name_some([*ids])}: {clip(message, _LONGEST_REASON)}"


def _counts(comparison: Comparison) -> list[str]:
    """Return the counts in parts: each begins with its number, and names cases after it."""
    failing = sum(pair.head.status == "failed" for pair in comparison.unchanged)
    parts = [
        f"{len(comparison.regressed)} regressed",
        f"{len(comparison.improved)} improved",
        f"{len(comparison.unchanged)} unchanged{f', {failing} of them failing' if failing else ''}",
    ]
    if comparison.flaky:
        named = name_some([_shares(pair) for pair in comparison.flaky])
        parts.append(f"{len(comparison.flaky)} flaky ({named})")
    if apart := comparison.judged_apart:
        parts.append(f"{len(apart)} judged on one side alone ({name_some([*apart])})")
    others: dict[str, Sequence[CasePair | CaseOutcome]] = {
        "without a result": [pair for pair in comparison.errors if pair.case_id not in apart],
        "changed": comparison.changed,
        "added": comparison.added,
        "removed": comparison.removed,
    }
    for name, cases in others.items():
        if cases:
            parts.append(f"{len(cases)} {name} ({name_some([case.case_id for case in cases])})")
    if expected := comparison.expected_failures:
        passing = [pair.case_id for pair in expected if pair.head.status == "passed"]
        told = f" ({name_some(passing)} {'passes' if len(passing) == 1 else 'pass'})" if passing else ""
        parts.append(f"{len(expected)} expected to fail{told}")
    if comparison.left_out:
        parts.append(f"{comparison.left_out} not asked, as they could change nothing")
    elif comparison.never_run:
        parts.append(f"{comparison.never_run} not run")
    # Where no cost is known, the table says so.
    if unpriced := sum(each.unknown for each in comparison.usage if each.name == "cost_nano_usd" and each.known):
        parts.append(f"{unpriced} unpriced, and not in the cost")
    return parts


def _shares(pair: CasePair) -> str:
    """Name a flaky case with the shares of its replies that passed: `double-charge 3/3 → 1/3`."""
    return f"{pair.case_id} {pair.base.passes}/{pair.base.repeats} → {pair.head.passes}/{pair.head.repeats}"


def difference(metric: MetricComparison) -> str:
    """Return a metric's difference with its interval: in points for shares."""
    low, high = metric.interval.low * 100, metric.interval.high * 100
    return f"{metric.difference * 100:+.1f} pp [{low:+.1f}, {high:+.1f}]"


def number_rows(comparison: Comparison) -> Iterator[tuple[str, str, str, str]]:
    """Yield each number of a comparison as people read it: its name, the base's, the head's, the difference."""
    for metric in comparison.metrics:
        if metric.same_as is None:
            means = format_share(metric.base_mean), format_share(metric.head_mean)
            of = f" of the {metric.n} with a result" if metric.name == PASSED and comparison.ungraded else ""
            yield f"{metric.name}{of}", *means, "-" if comparison.is_decided else difference(metric)
    for usage in comparison.usage:
        before, after = usage.sides
        form = _FORMS[usage.name]
        apart = ", not asked together" if usage.name == "latency_ms" and not comparison.is_timed_together else ""
        yield f"{usage_name(usage)}{apart}", form(before), form(after), usage_change(usage)
        if usage.name == "latency_ms" and usage.known:
            yield "p95 latency", form(usage.base_p95), form(usage.head_p95), "-"


def judged_rows(found: Compared) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rates of judges whose agreement with people is known, raw and corrected for their errors."""
    rates = (side.totals.judged for side in (found.base, found.head))
    base, head = ({(each["calibration"], each["type"]): each for each in side if each["calibration"]} for side in rates)
    for key in dict.fromkeys((*head, *base)):
        sides = [side.get(key) for side in (base, head)]
        known = [side.row.spec.calibrations.get(key[0]) for side in (found.base, found.head)]
        raw = [format_share(None if side is None else side["pass_rate"]) for side in sides]
        corrected = ["-" if side is None else corrected_rate(side).removeprefix("corrected ") for side in sides]
        yield judge_name(next(filter(None, sides))), raw[0], raw[1], "-"
        of = ", as measured for each side" if None not in (*sides, *known) and known[0] != known[1] else ""
        yield f"corrected for its errors{of}", corrected[0], corrected[1], "-"


def usage_change(usage: UsageChange) -> str:
    """A relative change with its interval, `+12.0% [+3.1%, +21.7%]`; `-` if nothing is known of how sure it is."""
    if usage.change is None or usage.interval is None:
        return "-"
    return f"{usage.change:+.1%} [{usage.interval.low:+.1%}, {usage.interval.high:+.1%}]"


def usage_name(usage: UsageChange) -> str:
    """Name a cost, a number of tokens or a latency as a table does."""
    name = {"cost_nano_usd": "cost", "tokens": "tokens", "latency_ms": "median latency"}[usage.name]
    return f"{name}, one reply a case" if usage.is_per_reply else name


def _flips(title: str, pairs: Sequence[CasePair], found: Compared, most: int) -> Iterator[str]:
    for kind, group in grouped(found, pairs):
        yield f"\n<details><summary>{title}, {kind}: {len(group)}</summary>\n\n"
        for pair in group[:most]:
            again = f": {of_fresh_replies(found, pair.case_id)}" if kind in ("partly", "noise") else ""
            yield f"**{inline(pair.case_id)}**{again}\n\n"
            for flipped in flipped_assertions(pair):
                yield f"- {code(flipped.name)}: {inline(flipped.reason)}\n"
                if flipped.note:
                    yield f"- {inline(flipped.note)}\n"
                yield f"\n{fenced(line_diff(flipped.before, flipped.after), 'diff')}\n\n"
        if len(group) > most:
            yield f"… and {len(group) - most} more.\n\n"
        yield "</details>\n"
