"""The first screen: is anything wrong, what changed, what does it cost, each in one sentence with what it stands on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.catalogue.budgets import BudgetStatus
from promptctl.dashboard.facts import Fact
from promptctl.dashboard.marks import Mark
from promptctl.dashboard.shifts import (
    ALPHA,
    LEAST_CALLS,
    LEAST_COST,
    LEAST_LATENCY,
    LEAST_RATE,
    PromptSteps,
    Shift,
    Shifts,
    Windows,
)
from promptctl.dashboard.time_axis import moment_text
from promptctl.errors import quote
from promptctl.experiments.report import ExperimentReport
from promptctl.files.plain import record_data
from promptctl.files.wording import count, name_some, percent, without_commit
from promptctl.formats.budget_rules import amount_words
from promptctl.log.results import EvaluationRow

Level = Literal["alarm", "warning", "note"]
_MOST_ITEMS = 50
_BUDGET_WORDS: Mapping[str, tuple[Level, str]] = {
    "disabled": ("alarm", "is disabled"),
    "blocked": ("alarm", "lets no calls through"),
    "exceeded": ("warning", "is over its limit"),
    "warned": ("warning", "nears its limit"),
}
_DEAREST = 5
_TEST = (
    "Failed calls, invalid outputs, and replies that are slower or dearer than the middle one of both times are "
    "compared by Fisher's exact test; where they come in bursts while a version stays, so many count as fewer."
)


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """One thing that an answer stands on; `before` and `after` are its numbers, `command` shows more of it."""

    level: Level
    kind: str
    text: str
    prompt: str | None = None
    at: str | None = None
    before: float | None = None
    after: float | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class DashboardAnswer:
    """The answer to one question: a sentence, and what it stands on, the worst first."""

    state: Literal["ok", "warning", "alarm", "unknown"]
    sentence: str
    items: tuple[AnswerItem, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self, items=self.items[:_MOST_ITEMS], left_out=max(0, len(self.items) - _MOST_ITEMS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All that the answers are read from."""

    windows: Windows
    before: Mapping[str, PromptSteps]
    after: Mapping[str, PromptSteps]
    shifts: Shifts
    marks: Sequence[Mark]
    budgets: Sequence[BudgetStatus]
    experiments: Sequence[ExperimentReport]
    evaluations: Sequence[EvaluationRow]
    unpriced: Mapping[str, int]

    @property
    def told(self) -> tuple[Mapping[str, Fact], str]:
        """The sums of each prompt that are told, and words for their time: those of late, of a young log all."""
        sums: dict[str, Fact] = defaultdict(Fact)
        for side in (self.after, self.before) if self.windows.is_young else (self.after,):
            for prompt, steps in side.items():
                sums[prompt].add(steps.total)
        return sums, self.windows.marks_words


def rules(evidence: Gathered) -> list[str]:
    """Return how the answers were found, a sentence each."""
    recent, earlier, end = map(moment_text, (evidence.windows.recent, evidence.windows.earlier, evidence.windows.end))
    comparisons = count(evidence.shifts.comparisons, "comparison")
    least = (percent(LEAST_RATE), percent(LEAST_LATENCY), percent(LEAST_COST))
    return [
        f"Calls from {recent} to {end} are compared with those from {earlier} on, prompt by prompt.",
        f"A prompt is compared if it had at least {LEAST_CALLS} calls in both; the others are named, not judged.",
        "Where its label moved within these times, the version that it names is also compared with the one before.",
        _TEST,
        f"All {comparisons} share {percent(ALPHA)}: if nothing changed, at most one page in a hundred says it did.",
        "Half of that is for comparisons of versions, if there are any.",
        "And it must matter: {} of calls, {} of the middle latency, {} of the cost of a reply.".format(*least),
        "Replies from a cache or a recording count neither as latency nor as cost.",
    ]


def is_anything_wrong(evidence: Gathered) -> DashboardAnswer:
    """Return what is wrong by the rules."""
    items = sorted(_wrong(evidence), key=lambda item: ("alarm", "warning", "note").index(item.level))
    alarms = [item for item in items if item.level == "alarm"]
    warnings = [item for item in items if item.level == "warning"]
    sums, when = evidence.told
    total = _sum(sums.values())
    asked, failed = total.asked, total.failed
    some = f"{failed:,} of {count(asked, 'call')} failed"
    if alarms or warnings:
        worst = [*alarms, *warnings]
        rest = f" And {count(len(worst) - 1, 'more thing')} below." if len(worst) > 1 else ""
        return DashboardAnswer("alarm" if alarms else "warning", worst[0].text + rest, tuple(items))
    if not asked:
        return DashboardAnswer(
            "unknown", f"There was no call {evidence.windows.words}, so nobody can tell.", tuple(items)
        )
    if len(evidence.shifts.thin) == len(evidence.after):
        sentence = f"Too few calls to tell: {some} {when}."
        return DashboardAnswer("unknown", sentence, tuple(items))
    return DashboardAnswer("ok", f"Nothing is wrong: {some} {evidence.windows.words}.", tuple(items))


def _wrong(evidence: Gathered) -> Iterator[AnswerItem]:
    known = {prompt for prompt, _, _ in evidence.shifts.failing}
    for prompt, failed, asked in evidence.shifts.failing:
        text = f"{prompt} fails: {failed:,} of {count(asked, 'call')} {evidence.windows.words}."
        yield AnswerItem("alarm", "failures", text, prompt, after=failed / asked, command=_errors(prompt))
    for shift in evidence.shifts.found:
        if shift.is_worse and not (shift.measure == "failures" and shift.prompt in known):
            yield _item(shift, evidence)
    for budget in evidence.budgets:
        if budget.state in _BUDGET_WORDS:
            level, words = _BUDGET_WORDS[budget.state]
            name = budget.rule.name
            text = f"The budget {name} {words}: {budget.reason}."
            yield AnswerItem(level, "budget", text, command=f"promptctl budget show {quote(name)}")
    yield from map(_evaluation_item, (row for row in evidence.evaluations if row.totals.verdict == "failed"))
    for report in evidence.experiments:
        if report.voided and report.experiment.stopped is None:
            name = report.experiment.name
            text = f"Nothing follows from the experiment {name}: {report.voided[0]}."
            command = f"promptctl experiment report {quote(name)}"
            yield AnswerItem("warning", "experiment", text, report.experiment.prompt, command=command)
    if evidence.unpriced:
        replies = count(sum(evidence.unpriced.values()), "reply")
        text = f"No price is known of {replies} of {name_some(sorted(evidence.unpriced))}: true costs are higher."
        yield AnswerItem("warning", "unpriced", text, command="promptctl cost --by model")
    thin = (*evidence.shifts.thin, *evidence.shifts.too_new)
    if thin and len(evidence.shifts.thin) < len(evidence.after):
        yield AnswerItem("note", "thin", f"Too few calls to compare: {name_some(thin)}.")


def _evaluation_item(row: EvaluationRow) -> AnswerItem:
    version = without_commit(row.version_display or "?")
    passed = f"{row.totals.passed:,} of {count(row.totals.cases, 'case')} passed"
    text = f"{row.prompt} {version} failed its newest evaluation on {row.spec.dataset}: {passed}."
    command = f"promptctl results show {row.id[-8:]}"
    return AnswerItem("warning", "evaluation", text, row.prompt, row.started_at, command=command)


def what_changed(evidence: Gathered) -> DashboardAnswer:
    """Return label moves, new versions and what is different by more than chance, with what may be its cause."""
    begun, when = moment_text(evidence.windows.marks_from), evidence.windows.marks_words
    marks = [mark for mark in evidence.marks if mark.at >= begun]
    items = [_item(shift, evidence) for shift in evidence.shifts.found]
    for mark in reversed(marks):
        what, _, subject = mark.text.partition(": ") if mark.kind == "version" else (mark.text, "", mark.reason)
        text = f"{mark.prompt} {what}" if mark.prompt else mark.text
        text += (f" by {mark.by}" if mark.by else "") + (f": {subject}" if mark.prompt and subject else "")
        command = f"promptctl history {quote(mark.prompt)}" if mark.prompt else "promptctl budget history"
        items.append(AnswerItem("note", mark.kind, text, mark.prompt, mark.at, command=command))
    kinds = [mark.kind for mark in marks]
    parts = [
        count(kinds.count("label"), "label move") if "label" in kinds else "",
        count(kinds.count("version"), "new version") if "version" in kinds else "",
        f"{count(kinds.count('budget'), 'event')} of budgets" if "budget" in kinds else "",
        f"{count(len(evidence.shifts.found), 'number')} moved by more than chance" if evidence.shifts.found else "",
    ]
    said = ", ".join(filter(None, parts))
    sentence = f"{said} {when}." if said else f"Nothing changed {when}."
    return DashboardAnswer("ok", sentence[0].upper() + sentence[1:], tuple(items))


def what_does_it_cost(evidence: Gathered) -> DashboardAnswer:
    """Return the known cost of late beside that before, and the dearest prompts."""
    sums, when = evidence.told
    late, early = _sum(sums.values()), _sum(steps.total for steps in evidence.before.values())
    spent, calls = late["cost_nano_usd"], late.asked
    if not calls:
        return DashboardAnswer("unknown", f"Nothing was called {when}.", ())
    if not late.is_cost_known:
        what = "price" if late["unpriced"] else "cost"
        return DashboardAnswer("unknown", f"No {what} is known of {count(calls, 'call')} {when}.", ())
    sentence = f"{money(spent)} {when} for {count(calls, 'call')}"
    if early["calls"] and evidence.windows.is_even:
        sentence += f"; {money(early['cost_nano_usd'])} for {count(early.asked, 'call')} in the 7 days before"
    sentence += "."
    if unpriced := late["unpriced"]:
        sentence += f" {count(unpriced, 'reply')} more {'has' if unpriced == 1 else 'have'} no known price."
    if late.untold:
        sentence += f" {count(late.untold, 'request')} never told the cost."
    dearest = sorted(sums, key=lambda name: -sums[name]["cost_nano_usd"])[:_DEAREST]
    items = []
    for prompt in dearest:
        total = sums[prompt]
        if total["cost_nano_usd"]:
            share = percent(total["cost_nano_usd"] / spent)
            text = f"{prompt}: {money(total['cost_nano_usd'])}, {share} of all, for {count(total.asked, 'call')}."
            before = evidence.before.get(prompt, PromptSteps()).total["cost_nano_usd"]
            sides = before if evidence.windows.is_even else None, total["cost_nano_usd"]
            command = f"promptctl cost --prompt {quote(prompt)} --by version"
            items.append(AnswerItem("note", "cost", text, prompt, None, *sides, command))
    return DashboardAnswer("ok", sentence, tuple(items))


def money(nano_usd: float) -> str:
    """Return nano-USD as dollars with at most four digits that matter.

    >>> money(1_234_567_890_000), money(12_345_678)
    ('$1,234.57', '$0.01235')
    """
    if abs(nano_usd) >= 1_000_000_000:
        return f"${nano_usd / 1e9:,.2f}"
    return amount_words("usd", round(float(f"{nano_usd:.4g}")))


def _item(shift: Shift, evidence: Gathered) -> AnswerItem:
    move, step = shift.move, "" if shift.at is None else _step_words(shift.at, evidence.windows)
    when, other = evidence.windows.words, "otherwise" if step else "before"
    if move is not None:
        when, other = f"with {move.version}", f"with {move.other}"
    if shift.measure in ("failures", "invalid"):
        what = "failed" if shift.measure == "failures" else "had an invalid output"
        told = f"{percent(shift.after, 1)} of {count(shift.calls_after, 'call')} {what} {step or when}, "
        told += f"{percent(shift.before, 1)} of {shift.calls_before:,} {other}"
    elif shift.measure == "latency":
        way = "slower" if shift.is_worse else "faster"
        told = f"{way}: the middle reply took {_ms(shift.after)} {when}, {_ms(shift.before)} {other}"
    else:
        way = "dearer" if shift.is_worse else "cheaper"
        told = f"{way}: a reply cost {money(shift.after)} {when}, {money(shift.before)} {other}"
    at = shift.at if move is None else move.at
    level: Level = "note" if not shift.is_worse else "alarm" if shift.measure == "failures" else "warning"
    kind = "burst" if shift.at is not None else shift.measure
    text = f"{shift.prompt}: {told}.{_cause(shift, evidence)}"
    moment = None if at is None else moment_text(at)
    return AnswerItem(level, kind, text, shift.prompt, moment, shift.before, shift.after, _command(shift))


def _command(shift: Shift) -> str:
    """Return what shows more: of a version that does worse, how it differs, or how to have the one before again."""
    prompt, move = shift.prompt, shift.move
    if move is None:
        return _errors(prompt) if shift.measure == "failures" else f"promptctl log list --prompt {quote(prompt)}"
    if shift.is_worse and move.is_live and shift.measure in ("failures", "invalid"):
        return f"promptctl label rollback {quote(f'{prompt}@{move.label}')} --to {quote(move.other)}"
    return f"promptctl diff {quote(f'{prompt}@{move.other}')} {quote(f'@{move.version}')}"


def _step_words(at: float, windows: Windows) -> str:
    """Return words for a step of time: a day, or what a younger log is counted in."""
    text = moment_text(at)
    return f"on {text[:10]}" if windows.is_even else f"from {text[:16].replace('T', ' ')} UTC on"


def _cause(shift: Shift, evidence: Gathered) -> str:
    """Return the move that a shift is of, or all moves and versions of late, any of which may be the cause."""
    if (move := shift.move) is not None:
        day = moment_text(move.at)[:10]
        words = f"names {move.version} since {day}" if move.is_live else f"named {move.version} from {day} on"
        return f" {move.label} {words}."
    recent = moment_text(evidence.windows.recent)
    own = [mark for mark in evidence.marks if mark.prompt == shift.prompt and mark.at >= recent]
    moves = [mark for mark in own if mark.kind == "label"] or own
    said = name_some([f"{mark.text} on {mark.at[:10]}" for mark in moves])
    return f" Changed in that time: {said}." if said else ""


def _errors(prompt: str) -> str:
    return f"promptctl log list --prompt {quote(prompt)} --status error"


def _ms(latency_ms: float) -> str:
    return f"{latency_ms / 1000:.3g} s" if latency_ms >= 1000 else f"{latency_ms:.3g} ms"


def _sum(facts: Iterable[Fact]) -> Fact:
    total = Fact()
    for fact in facts:
        total.add(fact)
    return total
