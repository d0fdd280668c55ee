"""The dashboard of a workspace as one document: all that its page shows, and what `--json` prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from promptctl.catalogue.budgets import budget_statuses
from promptctl.context import Context
from promptctl.counting import without_collector
from promptctl.dashboard.answers import Gathered, is_anything_wrong, money, rules, what_changed, what_does_it_cost
from promptctl.dashboard.facts import LIMITS, USER_LIMITS, FactTable, Names, columns, fact_tables
from promptctl.dashboard.marks import marks
from promptctl.dashboard.shifts import Windows, shifts, steps_by_prompt, windows_over
from promptctl.dashboard.time_axis import SECONDS, TimeAxis, moment_text, seconds_of, step_for
from promptctl.errors import PromptctlError, quote
from promptctl.evaluations.trend import Trend, trend_rows
from promptctl.experiments.drawing import experiments_now
from promptctl.experiments.ending import report_of
from promptctl.experiments.growth import growth
from promptctl.experiments.report import ExperimentReport
from promptctl.files.tree import is_there
from promptctl.files.wording import as_text, clip, count, version_keys, without_commit
from promptctl.log.call_cells import CallCells, CellSteps, Step
from promptctl.log.call_totals import GROWTH, CallTotals
from promptctl.log.filter import Filter
from promptctl.log.results import EvaluationRow
from promptctl.log.stamps import utc_now

_MOST_EVALUATIONS, _MOST_SERIES, _MOST_VERSIONS = 2_000, 40, 60
_MOST_ACCOUNTS, _MOST_EXAMPLES = 20, 20
_LONGEST_EXAMPLE = 4_000
_FILTERS = (
    "version", "digest", "label", "model", "user", "session", "search", "feedback", "experiment", "arm", "live_at",
    "source", "since", "until",
)  # fmt: skip
_COST_DAYS = 15  # more than any window holds
_ONLY_OF_ROWS = ("status",)  # of what cells are grouped by, the sums that go on after pruning do not know it


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardRequest:
    """The calls that a dashboard is of, by default all but those of evaluations.

    With `with_content` it has examples of failures: what was sent and answered, as far as the log keeps it.
    """

    wanted: Filter = field(default_factory=lambda: Filter(source="app"))
    with_content: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All that a dashboard shows, as one JSON document. No content of calls is in it unless that was asked for."""

    document: Mapping[str, Any]

    @property
    def answers(self) -> Sequence[tuple[str, str]]:
        """The answers of the first screen, each with its state: is anything wrong, what changed, what does it cost."""
        found = self.document["answers"]
        return [(found[name]["state"], found[name]["sentence"]) for name in ("wrong", "changed", "cost")]

    def as_dict(self) -> dict[str, Any]:
        """Return the document."""
        return dict(self.document)


def dashboard(context: Context, request: DashboardRequest, wanted: Filter) -> Dashboard:
    """Gather the dashboard of a workspace from its log, its labels, its history and its settings.

    `wanted` is the request's filter as the log takes it.
    """
    with without_collector():
        return _gathered(context, request, wanted)


def _gathered(context: Context, request: DashboardRequest, wanted: Filter) -> Dashboard:
    log, made_at = context.log, utc_now()
    now = seconds_of(made_at)
    cells = _cells(context, wanted, now)
    first, last = (seconds_of(at) if at else now for at in (cells.first_at, cells.last_at))
    windows = windows_over(first, last, max(now, last), _until(wanted))
    by_version, by_user = fact_tables(cells, _axis(first, windows, cells.step))
    prompts = {key.prompt for key in by_version.facts}
    unpriced: dict[str, int] = defaultdict(int)
    for (_, _, _, _, model, _), fact in by_version.facts.items():
        unpriced[model] += fact["unpriced"]
    by_version = by_version.narrowed(LIMITS)
    by_user = by_user.merged(by_version.rests).narrowed(USER_LIMITS)
    axis = by_version.axis
    evaluated = list(_evaluated(context, wanted))
    series = list(_series(context, evaluated, wanted))
    prompts |= {each["prompt"] for each in series}
    notes: list[str] = []
    found = marks(context, prompts, wanted, moment_text(axis.first), moment_text(axis.end))
    notes += found.notes
    reports = list(_experiments(context, wanted, notes))
    budgets = budget_statuses(context)
    before = steps_by_prompt(cells, windows.earlier, windows.recent)
    after = steps_by_prompt(cells, windows.recent, windows.end + 1)
    evidence = Gathered(
        windows=windows,
        before=before,
        after=after,
        shifts=shifts(windows, before, after, found.named),
        marks=found.marks,
        budgets=budgets,
        experiments=reports,
        evaluations=_newest(context, evaluated),
        unpriced={model: number for model, number in unpriced.items() if number},
    )
    tables = (by_version, by_user)
    names = _names(tables, cells)
    return Dashboard(
        {
            "scheme": 1,
            "made_at": made_at,
            "workspace": context.root.name,
            "filter": _as_given(wanted),
            "with_content": request.with_content,
            "next": None if cells.first_at else _next(context, request.wanted, wanted),
            "answers": _answers(evidence),
            "time": _time(axis, cells),
            "names": {kind: each.words for kind, each in names.items()},
            "rests": {kind: each.rest for kind, each in names.items() if each.rest is not None},
            "calls": columns(by_version, axis, "version", names),
            "users": columns(by_user, axis, "user", names),
            "latency_scale": {"growth": GROWTH, "relative_error": round((GROWTH - 1) / (GROWTH + 1), 4)},
            "merged": list(_merged(tables, cells)),
            "not_counted": _not_counted(context, wanted),
            "unpriced_models": [{"model": model, "replies": n} for model, n in sorted(evidence.unpriced.items())],
            "marks": [mark.as_dict() for mark in found.marks],
            "marks_left_out": found.left_out,
            "evaluations": series,
            "experiments": [{**each.as_dict(), "growth": growth(log, each)} for each in reports],
            "budgets": [_budget(each) for each in budgets],
            "feedback": _feedback(cells, axis, names),
            "examples": list(_examples(context, wanted)) if request.with_content else [],
            "notes": notes,
        }
    )


def _answers(evidence: Gathered) -> dict[str, Any]:
    windows = evidence.windows
    return {
        "recent": {"since": moment_text(windows.recent), "until": moment_text(windows.end)},
        "earlier": {"since": moment_text(windows.earlier), "until": moment_text(windows.recent)},
        "wrong": is_anything_wrong(evidence).as_dict(),
        "changed": what_changed(evidence).as_dict(),
        "cost": what_does_it_cost(evidence).as_dict(),
        "rules": rules(evidence),
    }


def _time(axis: TimeAxis, cells: CallCells) -> dict[str, Any]:
    return {
        "step": axis.words,
        "seconds": axis.width,
        "zone": "UTC",
        "starts": axis.starts() if cells.first_at else [],
        "end": moment_text(axis.end),
        "first_call_at": cells.first_at,
        "last_call_at": cells.last_at,
    }


def _cells(context: Context, wanted: Filter, now: float) -> CallCells:
    if context.log.is_new:
        return CallCells()

    def choose_steps(first_at: str, last_at: str) -> CellSteps:
        first, last = seconds_of(first_at), seconds_of(last_at)
        windows = windows_over(first, last, now, _until(wanted))
        step, costs_from = step_for(first, max(windows.end, last)), windows.end - _COST_DAYS * SECONDS["day"]
        return CellSteps(step, moment_text(costs_from), _axis(first, windows, step).merged(costs_from))

    return context.log.call_cells(wanted, choose_steps)


def _axis(first: float, windows: Windows, step: Step) -> TimeAxis:
    return TimeAxis.over(min(first, windows.marks_from), windows.end, SECONDS[step])


def _until(wanted: Filter) -> float | None:
    return None if wanted.until is None else seconds_of(wanted.until)


def _names(tables: Sequence[FactTable], cells: CallCells) -> dict[str, Names]:
    """Return the names of each kind that facts and scores have."""
    by_version, by_user = tables
    keys = [key for table in tables for key in table.facts]
    rests = {kind: len(by_version.rests.get(kind, ())) for kind in _RESTS}
    found: dict[str, set[str | None]] = {kind: {getattr(key, kind) for key in keys} for kind in _OF_KEYS}
    found["version"] = {key.who for key in by_version.facts}
    found["user"] = {key.who for key in by_user.facts}
    found["error"] = {kind for table in tables for fact in table.facts.values() for kind in fact.failures}
    found["feedback"] = {each.name for each in cells.scores}
    for score in cells.scores:
        found["prompt"].add(score.prompt)
        found["version"].add(score.version)
    words = {kind: count(n, f"other {kind}") for kind, n in rests.items()}
    return {kind: Names(names, words.get(kind, "others")) for kind, names in found.items()}


_OF_KEYS = ("prompt", "label", "model", "source")
_RESTS = ("prompt", "version", "label", "model")


def _merged(tables: Sequence[FactTable], cells: CallCells) -> Iterator[dict[str, Any]]:
    """Yield what is shown together as it is rare, in words."""
    by_version, by_user = tables
    for kind in _RESTS:
        if names := by_version.rests.get(kind):
            text = f"{count(len(names), kind)} with few calls {'is' if len(names) == 1 else 'are'} shown as one"
            yield {"what": kind, "count": len(names), "text": text}
    named = len({key.who for key in by_user.facts})
    if cells.users > named:
        text = f"the {named} users with most calls are shown by name, {cells.users - named:,} more are not"
        yield {"what": "user", "count": cells.users - named, "text": text}


def _not_counted(context: Context, wanted: Filter) -> dict[str, Any]:
    """Return the calls that are left out: those of evaluations, and those whose rows were never kept or are gone."""
    if context.log.is_new:
        return {"evaluations": None, "without_row": None}
    evaluations = None
    if wanted.source == "app" and not (wanted.label or wanted.user):
        totals = context.log.totals(replace(wanted, source="eval"), (), costs_only=True)
        evaluations = totals[0] if totals else None
    without = context.log.without_row(wanted, _ONLY_OF_ROWS)
    return {"evaluations": _spent(evaluations), "without_row": _spent(without)}


def _spent(totals: CallTotals | None) -> dict[str, Any] | None:
    if totals is None or not totals.calls:
        return None
    return {"calls": totals.calls, "cost_nano_usd": totals.cost_nano_usd, "unpriced": totals.unpriced}


def _evaluated(context: Context, wanted: Filter) -> Iterator[EvaluationRow]:
    """Yield finished evaluations of whole datasets of the prompts that are meant, newest first, by today's ids."""
    if context.log.is_new:
        return
    for row in context.log.evaluations(status="finished", limit=_MOST_EVALUATIONS):
        prompt = wanted.current_id(row.prompt)
        if row.spec.is_whole and _is_meant(prompt, wanted):
            yield replace(row, prompt=prompt)


def _is_meant(prompt: str, wanted: Filter) -> bool:
    globs = (*wanted.prompts, *([wanted.prompt] if wanted.prompt else []))
    return not globs or any(fnmatchcase(prompt, glob) for glob in globs)


def _series(context: Context, rows: Sequence[EvaluationRow], wanted: Filter) -> Iterator[dict[str, Any]]:
    """Yield the evaluations of each prompt on each dataset with each model, as its trend."""
    groups: dict[tuple[str, str, str], list[EvaluationRow]] = defaultdict(list)
    for row in rows:
        if wanted.model is None or fnmatchcase(row.model, wanted.model):
            groups[row.prompt, row.spec.dataset, row.model].append(row)
    for (prompt, dataset, model), of_group in list(groups.items())[:_MOST_SERIES]:
        shown = trend_rows(context, prompt, of_group, most=_MOST_VERSIONS)
        yield Trend(prompt, dataset, model, tuple(shown)).as_dict()


def _newest(context: Context, rows: Sequence[EvaluationRow]) -> list[EvaluationRow]:
    """Return the newest evaluation of each prompt on each dataset that there are; not of uncommitted changes."""
    ids = set(context.prompt_ids())
    newest: dict[tuple[str, str], EvaluationRow] = {}
    for row in rows:
        if not row.is_dirty and row.prompt in ids:
            newest.setdefault((row.prompt, row.spec.dataset), row)
    return [row for row in newest.values() if is_there(context.tree, row.spec.dataset)]


def _experiments(context: Context, wanted: Filter, notes: list[str]) -> Iterator[ExperimentReport]:
    for experiment in experiments_now(context):
        if _is_meant(experiment.prompt, wanted):
            try:
                yield report_of(context, experiment.name)
            except PromptctlError as error:
                notes.append(f"the experiment {experiment.name} has no report: {error.message}")


def _budget(status: Any) -> dict[str, Any]:
    data: dict[str, Any] = status.as_dict(is_whole=True)
    return {**data, "accounts": data["accounts"][:_MOST_ACCOUNTS]}


def _feedback(cells: CallCells, axis: TimeAxis, names: Mapping[str, Names]) -> dict[str, Any]:
    """Return the scores of each name of feedback by time, prompt and version, in columns."""
    sums: dict[tuple[int, ...], tuple[int, float]] = {}
    for each in cells.scores:
        key = (
            axis.index(seconds_of(each.at)),
            names["prompt"].numbers[each.prompt],
            names["version"].numbers[each.version],
            names["feedback"].numbers[each.name],
        )
        calls, total = sums.get(key, (0, 0.0))
        sums[key] = calls + each.calls, total + each.total
    rows = sorted(sums.items())
    keys = {name: [key[place] for key, _ in rows] for place, name in enumerate(("time", "prompt", "version", "name"))}
    totals = [round(total, 4) for _, (_, total) in rows]
    return {"rows": len(rows), **keys, "calls": [calls for _, (calls, _) in rows], "total": totals}


def _examples(context: Context, wanted: Filter) -> Iterator[dict[str, Any]]:
    """Yield the newest failures with what was sent and answered, as far as the log keeps it, long texts cut."""
    if context.log.is_new:
        return
    for status in ("error", "invalid_output"):
        failed = replace(wanted, status=status, limit=_MOST_EXAMPLES // 2)
        for each in context.log.executions(failed, with_content=True):
            messages = each.messages or ()
            asked = messages[-1].get("content") if messages else None
            yield {
                "execution": each.id,
                "at": each.started_at,
                "prompt": wanted.current_id(each.prompt),
                **version_keys(without_commit(each.version_display or "") or None),
                "model": each.model,
                "status": status,
                "error": each.error_type,
                "message": _cut(each.error_message),
                "input": _cut(asked),
                "reply": _cut(each.reply),
            }


def _cut(value: Any) -> str | None:
    return None if value is None else clip(as_text(value), _LONGEST_EXAMPLE)


def _as_given(wanted: Filter) -> dict[str, Any]:
    prompts = [*([wanted.prompt] if wanted.prompt else []), *wanted.prompts]
    return {"prompts": prompts, **{name: getattr(wanted, name) for name in _FILTERS}}


def _next(context: Context, asked: Filter, wanted: Filter) -> dict[str, Any]:
    """Return what to do where there is no call to show; `asked` is the filter as it was given."""
    ids = context.prompt_ids()
    if not context.log.is_new and context.log.totals(Filter(), (), costs_only=True):
        if without := context.log.without_row(wanted, _ONLY_OF_ROWS):
            cost = money(without.cost_nano_usd) if without.cost_nano_usd is not None else "of unknown cost"
            said = f"{count(without.calls, 'call')}, {cost}, kept no row"
            return {
                "sentence": f"{said}: a log rule says so, or they were pruned.",
                "commands": ["promptctl cost", "promptctl log rules"],
            }
        if wanted.source == "app" and context.log.totals(replace(wanted, source="eval"), (), costs_only=True):
            given = {"prompt": asked.prompt, **{name: getattr(asked, name) for name in _FILTERS}, "source": "all"}
            options = [(name.replace("_", "-"), value) for name, value in given.items() if value is not None]
            options += [("prompt", each) for each in asked.prompts]
            words = [f"--{name} {quote(str(value))}" for name, value in options]
            return {
                "sentence": "Only evaluations made calls like these, and theirs are left out.",
                "commands": [f"promptctl dashboard {' '.join(words)}"],
            }
        return {"sentence": "No call is like this.", "commands": ["promptctl dashboard", "promptctl log list"]}
    if not ids:
        return {"sentence": "There is no prompt yet.", "commands": ["promptctl new support/triage"]}
    return {"sentence": f"No call yet of {count(len(ids), 'prompt')}.", "commands": [_first_run(context, ids)]}


def _first_run(context: Context, ids: Sequence[str]) -> str:
    """Return the command that makes the first call: of the first prompt that can run, with its inputs to fill in."""
    for prompt_id in ids:
        with suppress(PromptctlError):
            found = context.prompt(prompt_id).prompt
            if found.status == "active":
                return " ".join(["promptctl run", *map(quote, (prompt_id, *found.needed_options))])
    return "promptctl validate"
