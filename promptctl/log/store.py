"""The `Store` protocol: the log as the rooms above it see it, whatever database keeps the records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from promptctl.errors import FailureReason, LogFailure

if TYPE_CHECKING:
    from promptctl.log.arm_calls import ArmCall, KeyCalls
    from promptctl.log.attempts import Attempt
    from promptctl.log.budgets import (
        Admission,
        BudgetAccount,
        BudgetEvent,
        Reservation,
        Settlement,
        Unknown,
        WebhookState,
    )
    from promptctl.log.call_cells import CallCells, ChooseSteps
    from promptctl.log.call_totals import CallTotals, Dimension
    from promptctl.log.evidence import Erased, Erasure, Event, Merged, Note, Verification
    from promptctl.log.feedback import Feedback
    from promptctl.log.filter import ExecutionPage, Filter
    from promptctl.log.records import CostCorrection, Entry, Execution
    from promptctl.log.results import EvaluationQuery, EvaluationRow, ResultRow, ResultStatus, Totals
    from promptctl.log.retention import Pruned, Retention
    from promptctl.log.search import Searched, TextQuery


@dataclass(frozen=True, slots=True)
class LogWarning:
    """A report on records that the log did not simply take. `kept_in` is the file that holds them now, if any.

    With `has_new_log` a damaged log was put aside and a new one begun, which has taken them.
    """

    message: str
    reason: FailureReason
    kept_in: Path | None = None
    hint: str | None = None
    has_new_log: bool = False

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class LogState:
    """The log's file as it is found: its size with what is not yet merged into it, its schema and number of rows.

    `failure` is the reason if it cannot be read; `is_checked` is False for one that is too large to be read whole for a
    look. `unsaved` are files of records that wait for it, `rejected` those that it refused, `damaged` earlier logs that
    were put aside.
    `disabled_budgets` are names of budgets; with `unknown`, what was spent before the log began is known of those of
    `known_budgets` alone. `last_backup` is the time of the newest copy that `log backup` made.
    `has_fault` is True of a `database` that can damage a log when several processes write, `has_words` of one that can
    make the index of a search.
    """

    database: str
    has_fault: bool
    has_words: bool
    size: int = 0
    schema: int | None = None
    is_current: bool = True
    executions: int | None = None
    is_checked: bool = False
    failure: LogFailure | None = None
    unsaved: tuple[Path, ...] = ()
    rejected: tuple[Path, ...] = ()
    damaged: tuple[Path, ...] = ()
    disabled_budgets: frozenset[str] = frozenset()
    unknown: Unknown | None = None
    known_budgets: frozenset[str] = frozenset()
    last_backup: str | None = None


class Store(Protocol):
    """The execution log. Nothing is opened or created before the first use.

    Safe to share between threads and processes. Every writing method is one transaction. All but `append` and
    `append_at_once` raise `LogFailure` if the database cannot be read or written.
    """

    @property
    def is_new(self) -> bool:
        """True before the first record."""

    def append(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> LogWarning | None:
        """Add executions, and the results of cases they belong to, and count them. Never raises, never loses one.

        By each entry's content: `full` keeps the row with its contents, `metadata` the row alone, `off` no row; totals
        and latest call are kept in any case. An execution that the log has already is not added or counted again.
        What the database does not take is kept in a file until it does, and the warning says so.
        """

    def append_at_once(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> bool:
        """Append if that takes no waiting, for a thread that has others to serve; False if nothing was written."""

    def executions(self, wanted: Filter | None = None, *, with_content: bool = False) -> Iterator[Execution]:
        """Yield the executions that the filter means, newest first, all of one moment.

        Their contents are None unless `with_content`.
        """

    def page(self, wanted: Filter, *, is_patient: bool = False) -> ExecutionPage:
        """Return the first executions that the filter means, with contents: its `limit`, or 50.

        The work is bounded, so that no filter takes long in a log of any size; the page says so if it ended early.
        With `is_patient` it may take seconds.
        """

    def execution(self, wanted: str, *, with_feedback: bool = True) -> Execution:
        """Return one execution with its contents, by its id or a unique beginning or end of at least 4 characters.

        Without `with_feedback` it has none, however much was given on its call. Raises `UsageError` for fewer
        characters and `LogError` if none or several match.
        """

    def attempts(self, *wanted: Filter) -> list[Attempt]:
        """Return the attempts that each filter means, newest first, in numbers alone: of many calls, and fast."""

    def messages(self, ids: Iterable[str]) -> Iterator[Sequence[Mapping[str, Any]] | None]:
        """Yield the messages of the execution of each id; None if they are not kept.

        An id is taken when its messages are asked for.
        """

    def latest_call(self, prompt: str, formerly: Sequence[str] = ()) -> Execution | None:
        """Return the last call of a prompt in full, whatever the log rules keep; None if there was none.

        `formerly` are the prompt's earlier ids. Evaluations and replies from a cache are not calls in this sense.
        """

    def search(
        self, query: TextQuery, wanted: Filter | None = None, *, is_scan: bool = False, is_bounded: bool = False
    ) -> Searched:
        """Return the executions with all words of the query in their kept contents, newest first, with contents.

        The first search makes an index of all words, in a file of its own, and later ones add what is new. Without one,
        by wish or as none can be made, all contents are read, which finds the same. With `is_bounded` the work is as
        that of `page`: each search adds some calls to the index, and says how far that is.
        """

    def totals(
        self,
        wanted: Filter | None = None,
        by: Sequence[Dimension] = ("prompt", "version"),
        *,
        costs_only: bool = False,
    ) -> list[CallTotals]:
        """Add up the executions that the filter means, one row for each group, in the groups' order.

        Totals by prompt, version, digest and source alone also count calls that have no row and what was pruned.
        With `costs_only` nothing but calls, attempts, tokens, costs and the last call's time is counted: far faster by
        time, user, label or model, and of pruned calls too where running totals hold the answer. Raises `UsageError`
        for a dimension that there is not.
        """

    def without_row(self, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool = False) -> CallTotals | None:
        """Return what the totals of the same arguments leave out, as it has no row: calls and costs; None if nothing.

        Of such calls only prompt, version and source are known, so they may be of any time, user, label or model.
        """

    def call_cells(self, wanted: Filter, choose_steps: ChooseSteps) -> CallCells:
        """Count the calls that the filter means by everything that charts tell apart, in steps of time, at one moment.

        Only calls that have a row: see `without_row`.
        """

    def correct_costs(self, corrections: Mapping[str, CostCorrection], note: Note | None = None) -> int:
        """Append corrections of costs, by the execution's id, and take them into the totals; return how many were.

        No row is changed. One whose old cost does not hold any more is left out. Many are written in several
        transactions, between which others write; an event has them on record.
        """

    def add_feedback(self, given: Feedback) -> Feedback:
        """Append feedback on the execution that has its `execution_id`; return it without secrets.

        It is of that execution's call. Words are kept if the row keeps its contents. Raises `LogError` if there is no
        such execution.
        """

    def outcomes(self, experiment: str, names: Sequence[str] = (), *, until: str | None = None) -> Iterator[ArmCall]:
        """Yield the calls of an experiment, oldest first, with their scores under these names of feedback.

        With `until` only calls and scores from before that time. Replies from a cache or a recording are left out.
        """

    def calls_by_key(self, experiment: str) -> list[KeyCalls]:
        """Count the calls that `outcomes` yields by arm and key, without reading them one by one."""

    def begin_evaluation(self, *evaluations: EvaluationRow) -> None:
        """Add the rows of evaluations before their first result; if this raises, none is there, and none may spend."""

    def update_evaluation(self, evaluation_id: str, *, status: str, totals: Totals) -> None:
        """Set an evaluation's status and totals; any status but `running` also sets when it ended."""

    def delete_evaluation(self, evaluation_id: str) -> int:
        """Delete an evaluation with its results; return how many results there were. Its executions stay."""

    def evaluations(self, **wanted: Unpack[EvaluationQuery]) -> list[EvaluationRow]:
        """Return the evaluations that are meant, newest first."""

    def evaluation(self, wanted: str) -> EvaluationRow:
        """Return one evaluation, by its id or a unique beginning or end of at least 4 characters.

        Raises `UsageError` for fewer characters and `LogError` if none or several match.
        """

    def results(
        self, evaluation_id: str, *, statuses: Collection[ResultStatus] = (), first: int = 0
    ) -> Iterator[ResultRow]:
        """Yield the evaluation's results in the order of its dataset, from a position on, with their outputs."""

    def reserve(self, wanted: Reservation, *, is_dry_run: bool = False) -> Admission:
        """Reserve what a request may spend on the accounts of all its budgets, or on none if one does not admit it.

        It is settled with the row of its execution, by the `settlement` of an `Entry`. A dry run changes nothing.
        """

    def reserve_at_once(self, wanted: Reservation) -> Admission | None:
        """Reserve if that takes no waiting, for a thread that has others to serve; None if nothing was reserved."""

    def settle(self, *settlements: Settlement) -> None:
        """Settle reservations whose executions get no row."""

    def budget_accounts(self, budget: str | None = None, window_start: str | None = None) -> list[BudgetAccount]:
        """Return the accounts of one budget or of all, the newest windows first.

        With `window_start` those of that window alone, and what was disabled in other ones.
        """

    def budget_events(self, budget: str | None = None, *, limit: int | None = None) -> list[BudgetEvent]:
        """Return what happened to one budget or to all, newest first."""

    def enable_budget(self, budget: str, reason: str, key: str | None = None) -> list[BudgetEvent]:
        """Enable what is disabled of a budget, or of one of its keys, with its whole limit; none if nothing was."""

    def claim_webhook(self, now: str, until: str) -> BudgetEvent | None:
        """Return an event whose webhook is due, which no other process gets before `until`; None if there is none."""

    def mark_webhook(self, event_id: int, state: WebhookState, not_before: str) -> None:
        """Set what became of an event's webhook; one that is still due is not due again before that moment."""

    def prune(self, retention: Retention, *, is_dry_run: bool = False, note: Note | None = None) -> Pruned:
        """Delete old contents and rows, and overwrite them; totals stay. A dry run returns the exact numbers.

        The `note` says who did it, and why, in the event on record.
        """

    def vacuum(self) -> int:
        """Give unused space back; return how many bytes. Other writers wait meanwhile."""

    def verify(self, head: str | None = None) -> Verification:
        """Check the file, the chain, the contents and the totals; with `head` also that it is a link of the chain."""

    def redact(self, meant: Erasure, note: Note, *, is_dry_run: bool = False) -> Erased:
        """Erase what the calls that are meant said, and who made them; totals stay, and the chain still holds.

        A dry run returns the exact numbers. Raises `LogError` for an execution that is not in the log.
        """

    def merge(self, file: Path, note: Note, *, is_dry_run: bool = False) -> Merged:
        """Add what another log has and this one does not, by id; totals count the new rows alone.

        Raises `LogError` for a file that is not a sound log of this version of the program or an older one.
        """

    def events(self) -> list[Event]:
        """Return the events of the log's care, oldest first."""

    def back_up(self, target: Path, note: Note | None = None) -> None:
        """Copy the log as of this moment to a new file of mode 0600, while others go on writing.

        A log that can be written then has an event of it, with the `note`. Raises `LogError` if the target exists or
        cannot be written.
        """

    def close(self) -> None:
        """Close every connection; the next use opens them again."""
