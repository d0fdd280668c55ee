"""A review in words, for whoever prints it; equal for equal reviews, to the byte.

What differs from one run to the next though nothing is another (ids, times, what a kept reply saved) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED, UsageChange
from promptctl.comparisons.together import deciding
from promptctl.errors import Problem, quote
from promptctl.evaluations.evaluation import Evaluation
from promptctl.files.names import SETTINGS
from promptctl.files.wording import clip, name_some
from promptctl.labels.times import LabelMove
from promptctl.prompts.prompt import Prompt
from promptctl.reports.comparison import difference
from promptctl.reports.prompt_diff import hunk_lines, value_lines
from promptctl.reports.rows import evaluation_head
from promptctl.reports.verdict import mark_against, mark_of, shared_level, with_headlines
from promptctl.reports.wording import count, format_cost, format_latency, format_share
from promptctl.reviews.review import CaseEdit, DatasetReview, Measurement, PromptReview, Review

_UNSTABLE = frozenset(
    ("evaluation", "started_at", "cost_nano_usd", "unpriced", "reply_sources", "stopped", "tool_version")
)
_LONGEST_VALUE = 300
_MOST_SETTINGS = 20
_MOST_LINES = 400
OF_TIME = frozenset(("latency_ms", "p50_latency_ms", "p95_latency_ms"))


def to_evaluate(review: Review) -> str:
    """Return the command that evaluates what this review was told not to ask for; empty if it was told no such thing.

    >>> _asking(["main", "--no-eval"]), _asking(["main", "--replies", "replay", "--margin", "0.1"]), _asking(["main"])
    (['main'], ['main', '--margin', '0.1'], [])
    """
    arguments = _asking(review.arguments)
    return " ".join(map(quote, ["promptctl", "review", *arguments])) if arguments else ""


def _asking(arguments: Sequence[str]) -> list[str]:
    kept = [each for each in arguments if each != "--no-eval"]
    if "--replies" in kept:
        at = kept.index("--replies")
        if kept[at + 1] == "replay":
            del kept[at : at + 2]
    return kept if len(kept) < len(arguments) else []


def reproduce(review: Review) -> str:
    """Return the command that makes the same review again."""
    return " ".join(map(quote, ["promptctl", "review", *review.arguments]))


def is_timed(evaluation: Evaluation) -> bool:
    """Return True if latencies mean anything: a model was asked."""
    is_offline = evaluation.row.model.startswith(("echo/", "replay/")) or evaluation.row.spec.replies == "replay"
    return not is_offline


def is_timed_pair(compared: Compared) -> bool:
    """Return True if latencies of both sides mean anything."""
    return is_timed(compared.base) and is_timed(compared.head)


def readable(compared: Compared) -> Compared:
    """Return the comparison without latencies if no model was asked."""
    if is_timed_pair(compared):
        return compared
    usage = tuple(each for each in compared.comparison.usage if each.name != "latency_ms")
    return replace(compared, comparison=replace(compared.comparison, usage=usage))


def stable_head(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation's totals without what differs each time it is made."""
    left_out = _UNSTABLE if is_timed(evaluation) else _UNSTABLE | OF_TIME
    return {key: value for key, value in evaluation_head(evaluation).items() if key not in left_out}


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One row of a review's table. `verdict` is a comparison's, an evaluation's, or `not evaluated` and why."""

    mark: str
    prompt: str
    change: str
    verdict: str
    compared: Compared | None = None
    evaluation: Evaluation | None = None

    @property
    def made(self) -> Evaluation | None:
        """The evaluation of head; None if there is none."""
        return self.compared.head if self.compared else self.evaluation

    @property
    def dataset(self) -> str:
        """The dataset of the row; empty if nothing was evaluated."""
        return self.made.row.spec.dataset if self.made else ""


def outcomes(review: Review) -> Iterator[ReviewRow]:
    """Yield every prompt that differs or was evaluated, in order: one row for each dataset and model."""
    reviewed = {prompt.id: prompt for prompt in review.prompts}
    for id_ in sorted({*reviewed, *(found.prompt for found in review.measurements)}):
        prompt, found = reviewed.get(id_), review.measurement(id_)
        change = _change_of(prompt) if prompt is not None else _tests_of(review, id_)
        if found is None:
            verdict = "same behaviour" if prompt is not None and prompt.kind != "removed" else ""
            yield ReviewRow("➖", id_, change, verdict)
            continue
        for compared in found.compared:
            yield ReviewRow(mark_of(compared), id_, change, compared.verdict.kind, compared=compared)
        for evaluation in found.evaluations:
            yield ReviewRow(_mark(found), id_, change, f"{evaluation.verdict}, head alone", evaluation=evaluation)
        if found.why_not is not None:
            yield ReviewRow("❌" if found.problems else _mark(found), id_, change, f"not evaluated: {found.why_not}")


def row_names(rows: Sequence[ReviewRow]) -> list[str]:
    """Return what each row is about: its prompt, with its model if the rows are of several."""
    models = [row.made.row.model if row.made else "" for row in rows]
    has_several = len(set(filter(None, models))) > 1
    named = zip(rows, models, strict=True)
    return [f"{row.prompt} · {model}" if has_several and model else row.prompt for row, model in named]


def is_lost_together(review: Review, compared: Compared | None) -> bool:
    """Return True if cases of a comparison were lost, and several with this one are worse together."""
    joint = deciding(review.together)
    if joint is None or compared is None or not compared.comparison.regressed:
        return False
    return compared.head.row.id in joint.evaluations


def numbers(row: ReviewRow) -> tuple[str, str, str, str]:
    """Return the passed cases, their difference, the cost and the median latency of a row, as people read them."""
    if row.evaluation is not None:
        totals = row.evaluation.totals
        latency = format_latency(totals.p50_latency_ms) if is_timed(row.evaluation) else "-"
        return format_share(totals.pass_rate), "", format_cost(totals.full_cost_nano_usd), latency
    if row.compared is None:
        return "", "", "", ""
    comparison = row.compared.comparison
    passed = comparison.metric(PASSED)
    shares = "-" if passed is None else f"{format_share(passed.base_mean)} → {format_share(passed.head_mean)}"
    usage: dict[str, UsageChange] = {each.name: each for each in comparison.usage}
    tells = comparison.is_timed_together and is_timed_pair(row.compared)
    taken = usage.get("latency_ms") if tells else None
    return (
        shares,
        "-" if passed is None or comparison.is_decided else difference(passed),
        _sides(format_cost, usage.get("cost_nano_usd")),
        _sides(format_latency, taken),
    )


def _sides(form: Callable[[float | None], str], usage: UsageChange | None) -> str:
    if usage is None or None in usage.sides:
        return "-"
    before, after = usage.sides
    return f"{form(before)} → {form(after)}" + (f" ({usage.change:+.1%})" if usage.change is not None else "")


def _tests_of(review: Review, id_: str) -> str:
    """Say why a prompt that is as it was is evaluated, in a few words."""
    return f"{'dataset' if any(id_ in each.prompts for each in review.datasets) else 'recordings'} alone"


def _change_of(prompt: PromptReview) -> str:
    """Say how a prompt differs, in a few words."""
    if prompt.kind == "renamed":
        edited = "" if prompt.diff is not None and prompt.diff.is_same_behaviour else " and changed"
        return f"renamed from {prompt.former_id}{edited}"
    if prompt.kind == "changed" and prompt.diff is not None and prompt.diff.is_same_behaviour:
        if prompt.breaks_callers:  # behaviour is the same, and callers break: it was switched off
            return "switched off"
        return "formatting only" if prompt.diff.is_empty else "description only"
    return prompt.kind


def counts(review: Review) -> str:
    """Say how much differs, in a sentence without its full stop."""
    parts = [_count(review.prompts, "prompt"), _count(review.datasets, "dataset")]
    if review.files:
        parts.append(f"{count(len(review.files), 'shared file')} changed")
    if review.recordings:
        parts.append("recorded replies changed")
    if review.settings_differ:
        parts.append("settings changed")
    return "; ".join(part for part in parts if part) or "no prompt or dataset changed"


def told_notes(review: Review) -> list[str]:
    """Return the notes on how the review was made."""
    notes = list(review.notes)
    values = list(value_lines(review.settings))
    notes += [f"{SETTINGS}, {line}" for line in values[:_MOST_SETTINGS]]
    if (more := len(values) - _MOST_SETTINGS) > 0:
        notes.append(f"{SETTINGS}: {count(more, 'more value')} differ{'s' * (more == 1)}")
    if len(review.compared) > 1:
        notes.append(shared_level(len(review.compared), len(review.together)))
    if review.recordings:
        files = ", ".join(review.recordings[:5]) + (" …" if len(review.recordings) > 5 else "")
        used = "recorded replies were used, and HEAD changes them" if review.uses_recordings else "HEAD changes them"
        notes.append(f"{files}: {used}: whoever wrote HEAD chose what the model is taken to have said")
    elif review.uses_recordings:
        notes.append("replies come from recordings in the repository, not from a model")
    for found in review.measurements:
        notes += [f"{found.prompt}: {note}" for note in found.notes]
    return notes


@dataclass(frozen=True, slots=True)
class Pieces:
    """Text that foreign names are part of: where pieces are cut, each is by itself, so that none hides another."""

    before: str
    pieces: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.before} {'; '.join(self.pieces)}".strip()


def warning_pieces(review: Review) -> list[Pieces]:
    """Return the warnings: regressions that the gate let pass, and what no result shows."""
    found = [Pieces(f"{each.head.row.prompt}:", (each.warning,)) for each in review.compared if each.warning]
    if review.taken_away and review.rule.gate != "strict":
        fails = ("--gate strict would fail",) if review.decision.is_passed else ()
        found.insert(0, Pieces("HEAD takes away what tests its prompts:", (*review.taken_away, *fails)))
    if review.doubts and review.rule.gate != "strict":
        found.insert(0, Pieces("Not evaluated:", review.doubts))
    return list(dict.fromkeys(found))


def warnings(review: Review) -> list[str]:
    """Return the warnings as sentences without their full stop."""
    return [str(each) for each in warning_pieces(review)]


def told_reasons(review: Review) -> list[str]:
    """Return the decision's reasons, a verdict among them as the sentence that people repeat."""
    return [with_headlines(reason, review.compared) for reason in review.decision.reasons]


def sides(review: Review) -> tuple[str, str]:
    """Return what was compared, with names where there are any: `before main (3f2a9c1)`, `after the work tree`."""
    head = review.head
    after = "after the work tree" if head.commit is None else _named("after", head.name, head.short)
    return _named("before", review.tip.name, review.base.short), after


def _named(side: str, name: str | None, short: str) -> str:
    return f"{side} ({short})" if name is None or name.startswith(short) else f"{side} {name} ({short})"


def decision_pieces(review: Review) -> list[Pieces]:
    """Return the decision's reason: what HEAD takes away, if the strict gate fails on it, after everything else."""
    reasons, gone = told_reasons(review), "; ".join(review.taken_away)
    about_gone = [reason for reason in reasons if gone and gone in reason]
    others = " ".join(reason for reason in reasons if reason not in about_gone)
    found = [Pieces("", (others,))] if others else []
    for reason in about_gone:
        before, _, after = reason.rpartition(gone)
        found.append(Pieces(before, (*review.taken_away[:-1], review.taken_away[-1] + after)))
    return found


def told_breaks(review: Review) -> list[str]:
    """Return who breaks, by what and why, each in a line."""
    breaks = [(prompt.id, *each) for prompt in review.breaking for each in prompt.breaks()]
    return [f"{id_}, {whose}: {f'{what}: ' if what else ''}{why}" for id_, whose, what, why in breaks]


def told_problems(review: Review) -> list[Problem]:
    """Return the problems of HEAD's files, each once."""
    found = [problem for measured in review.measurements for problem in measured.problems]
    found += [problem for dataset in review.datasets if dataset.kind != "removed" for problem in dataset.problems]
    return list(dict.fromkeys(found))


def new_lines(prompt: Prompt) -> list[str]:
    """Return a prompt that is new, as lines of a diff."""
    inputs = ", ".join(prompt.inputs) or "none"
    lines = [f"+ inputs: {inputs}"]
    lines += [f"+ model: {prompt.model}"] if prompt.model else []
    return lines + [f"+{line}" for line in prompt.text.splitlines()]


def about_file(path: str, ids: Sequence[str]) -> str:
    """Return a line about a shared file that differs."""
    users = f"used by {count(len(ids), 'prompt')}" if ids else "used by no prompt that changed"
    return f"{path}: {users}"


def about_moves(move: LabelMove) -> str:
    """Return a line about one move of a label."""
    event = move.event
    where = f"{event.prompt}@{event.label}"
    came_from = f" from {move.from_version}" if move.from_version else ""
    if event.action == "remove":
        return f"{where} was removed{came_from}"
    verb = "rolled back" if event.action == "rollback" else "moved"
    return f"{where} was {verb}{came_from} to {event.version}"


def dataset_parts(dataset: DatasetReview, most_ids: int) -> list[str]:
    """Say what became of a dataset's cases, each part with the ids."""
    named = {"added": dataset.added, "removed": dataset.removed, "changed": dataset.changed}
    parts = []
    for word, ids in named.items():
        if word == "changed" and "defaults" in dataset.header and ids and not dataset.unchanged:
            parts.append(f"every case changed with `defaults` ({len(ids)})")
        elif ids:
            more = f" and {len(ids) - most_ids} more" if len(ids) > most_ids else ""
            shown = f" ({', '.join(ids[:most_ids])}{more})" if most_ids else ""
            parts.append(f"{len(ids)} {word}{shown}")
    if dataset.problems and dataset.kind != "removed":
        parts.append("it cannot be used")
    parts += [f"{name} {_plain(old)} → {_plain(new)}" for name, (old, new) in dataset.header.items()]
    return parts


def about_dataset(dataset: DatasetReview, most_ids: int) -> str:
    """Say in a line what became of a dataset."""
    parts = dataset_parts(dataset, most_ids)
    return f"{dataset.path} {dataset.kind}" + (f": {'; '.join(parts)}" if parts else "")


def edit_title(dataset: DatasetReview, edit: CaseEdit) -> str:
    """Return the title of the diff of a row that HEAD edited."""
    return f"{dataset.path}: {name_some(edit.cases)}{'' if edit.hunks else ' (edited, and too much to show)'}"


def edit_lines(edit: CaseEdit) -> list[str]:
    """Return the lines of the diff of a row that HEAD edited, and how many more there are; none if it has no diff."""
    return cut_lines(list(hunk_lines(edit.hunks)))


def cut_lines(lines: list[str]) -> list[str]:
    """Return the first 400 of some lines, and how many more there are.

    >>> cut_lines(["same"] * 402)[399:]
    ['same', '… 2 more lines']
    """
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"… {count(more, 'more line')}"] if more > 0 else lines


def _plain(value: object) -> str:
    return clip(", ".join(map(str, value)) if isinstance(value, tuple) else str(value), _LONGEST_VALUE)


def _count(found: Sequence[PromptReview] | Sequence[DatasetReview], noun: str) -> str:
    kinds: dict[str, int] = {}
    for each in found:
        kinds[each.kind] = kinds.get(each.kind, 0) + 1
    told = [f"{kinds[kind]} {kind}" for kind in ("changed", "added", "removed", "renamed") if kind in kinds]
    return f"{noun}{'s' if len(found) > 1 else ''}: {', '.join(told)}" if told else ""


def _mark(found: Measurement) -> str:
    return ("✅" if found.evaluations else "➖") if found.decision.is_passed else mark_against(found.decision)
