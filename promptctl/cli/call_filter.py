"""Options that choose among the calls of the log, and group them, shared by every command that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from promptctl import Filter, parse_moment
from promptctl.cli import options
from promptctl.cli.commands import option
from promptctl.cli.output import format_version, is_terminal, tell, tell_hint
from promptctl.cli.tables import Styled, say_table
from promptctl.errors import UsageError, printable
from promptctl.reports.wording import (
    count,
    did_you_mean,
    format_cost,
    format_count,
    format_latency,
    format_spent,
    format_tokens,
    untold_note,
)

if TYPE_CHECKING:
    from promptctl import CallTotals, Workspace

_NAMES = ("prompt", "version", "label", "model", "provider", "user", "session", "source", "status", "experiment", "arm")
_PERIODS = ("day", "week", "month")
_METADATA = "metadata."
_DIMENSIONS: Mapping[str, str] = {**{name: name for name in _NAMES}, **{name: f"local_{name}" for name in _PERIODS}}
BY_HELP = f"One row for each of: {', '.join(_DIMENSIONS)}, metadata.KEY; joined by commas."
_NUMBERS: Mapping[str, Callable[[CallTotals], str]] = {
    "Calls": lambda row: format_count(row.calls),
    "Failed": lambda row: format_count(row.failed),
    "Tokens": lambda row: format_tokens(row.input_tokens, row.output_tokens),
    "Cost": format_spent,
    "Average": lambda row: format_cost(row.average_cost_nano_usd),
    "p50": lambda row: format_latency(row.p50_latency_ms),
    "p95": lambda row: format_latency(row.p95_latency_ms),
}
_KNOWN_WITHOUT_ROW = frozenset({"prompt", "version", "source"})


Since = Annotated[
    str | None, option("--since", "WHEN", "Only from then on: yesterday, today, 90m, 7d, or 2026-01-31[T12:00].")
]
Until = Annotated[str | None, option("--until", "WHEN", "Only before then; days begin at midnight here.")]


def moments(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    """Return the moments that `--since` and `--until` mean; days begin at midnight of this machine's zone."""
    return since and parse_moment(since, zone=None), until and parse_moment(until, zone=None)


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Options that choose among the executions of the log."""

    heading: ClassVar[str] = "Which calls"
    prompt: options.PromptNames = field(default_factory=list)
    version: Annotated[
        str | None,
        option(
            "--version",
            "VERSION",
            "Only this version's: v7; of one prompt also a label or a revision.",
            completes="version",
        ),
    ] = None
    label: Annotated[
        str | None, option("--label", "LABEL", "Only calls that asked for this label.", completes="label")
    ] = None
    model: Annotated[str | None, options.model_option("Only this model's; * and ? match any text.")] = None
    since: Since = None
    until: Until = None
    user: Annotated[str | None, option("--user", "NAME", "Only calls for this user.")] = None
    session: Annotated[str | None, option("--session", "NAME", "Only calls of this session.")] = None
    search: Annotated[
        str | None, option("--search", "TEXT", "Only with this in an input, a message, the reply or an error.")
    ] = None
    feedback: Annotated[
        str | None,
        option("--feedback", "CONDITION", 'Only calls scored so: "<0.5" by any name, "helpful>=0.8", "helpful".'),
    ] = None
    experiment: Annotated[
        str | None, option("--experiment", "NAME", "Only calls of this experiment.", completes="experiment")
    ] = None
    arm: Annotated[str | None, option("--arm", "NAME", "Only calls of this arm.")] = None
    live_at: Annotated[
        str | None,
        option("--live-at", "WHEN", "Only calls of versions that a label named then; with --label, that one."),
    ] = None
    source: options.CallSource = "app"

    @property
    def filter(self) -> Filter:
        """The options as the log takes them."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        only = self.prompt[0] if len(self.prompt) == 1 else None
        given |= {"prompt": only, "prompts": () if only else tuple(self.prompt)}
        given["since"], given["until"] = moments(self.since, self.until)
        given["live_at"], _ = moments(self.live_at, None)
        return Filter(**{**given, "source": None if self.source == "all" else self.source})

    def tell_left_out(self, evaluations: CallTotals | None, left: CallTotals | None, by: Iterable[str]) -> None:
        """Say what a table by these dimensions does not count: evaluations, and what has no row, if anything."""
        if evaluations is not None and evaluations.calls:
            spent = format_spent(evaluations)
            tell(f"not counted: {count(evaluations.calls, 'call')} of evaluations, {spent}; --source all counts them")
        if left is None:
            return
        names = (
            "label", "model", "since", "until", "user", "session", "search", "feedback", "experiment", "arm", "live_at",
        )  # fmt: skip
        given = ", ".join(f"--{name.replace('_', '-')}" for name in names if getattr(self, name) is not None)
        way = "--by prompt" if set(by) - _KNOWN_WITHOUT_ROW else "the table"
        way += f" without {given}" if given else ""
        words = f"{count(left.calls, 'call')} that kept no row{' and may match' if given else ''}"
        spent = format_spent(left)
        tell(f"not counted: {words}, {spent}; {way} counts them")

    def tell_nothing(self, workspace: Workspace, what: str) -> None:
        """Say that nothing of the kind was found."""
        if workspace.log.is_new:
            tell("no call yet")
            return
        left_out = ""
        evaluations = [Filter(source="eval"), replace(self.filter, source="eval")]  # the first is answered at once
        if self.source == "app" and all(workspace.log.totals(each, ()) for each in evaluations):
            left_out = "; those of evaluations are left out: --source all"
        tell(f"no {what} matches{left_out}")
        if self.model is not None and (hint := workspace.log.hint_for_model(self.model)):
            tell_hint(hint)
        if self.feedback is not None and (hint := workspace.log.hint_for_feedback(self.feedback)):
            tell_hint(hint)


def dimensions(by: Sequence[str]) -> dict[str, str]:
    """Return what `--by` names, each with the dimension of the log that it means. Raises `UsageError`.

    Periods are of this machine's time.
    """
    names = [name.strip() for text in by for name in text.split(",")]
    return {name: _dimension(name) for name in names}


def say_totals(
    by: Iterable[str],
    rows: Sequence[CallTotals],
    total: CallTotals,
    numbers: Sequence[str],
    more: Mapping[str, Callable[[CallTotals], str]],
    *,
    texts: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print the totals of groups, and all together: columns of `numbers` by their names, then `more`."""
    names = list(by)
    cells = [*(_NUMBERS[name] for name in numbers), *more.values()]
    table = [[*(_group_cell(row, name) for name in names), *(cell(row) for cell in cells)] for row in rows]
    if is_terminal() and len(rows) > 1:
        table.append([Styled("total", {"bold": True}), *[""] * (len(names) - 1), *(cell(total) for cell in cells)])
    say_table([*map(_heading, names), *numbers, *more], table, right=numbers, texts=texts, spare=spare)
    if not is_terminal() and len(rows) > 1:  # beside the rows, which may be added up
        found = {name: _NUMBERS[name](total) for name in numbers}
        known = [f"{found['Failed']} failed", f"{found['Tokens']} tokens"] if "Failed" in found else []
        tell(f"total: {', '.join((count(total.calls, 'call'), *known, found['Cost']))}")
    if total.untold:
        tell(untold_note(total.untold))


def _heading(name: str) -> str:
    return name if name.startswith(_METADATA) else name.capitalize()


def _group_cell(row: CallTotals, name: str) -> Any:
    return format_version(row.version_display or "-") if name == "version" else row.group[name]


def _dimension(name: str) -> str:
    if name in _DIMENSIONS:
        return _DIMENSIONS[name]
    if name.startswith(_METADATA) and name != _METADATA:
        return name
    known = [*_DIMENSIONS, "metadata.KEY"]
    hint = did_you_mean(name, known) or f"the names are {', '.join(known)}"
    raise UsageError(f"--by cannot be `{printable(name)}`", hint=hint)
