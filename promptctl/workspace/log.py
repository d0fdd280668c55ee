"""The log of a workspace: what ran, what it answered, what it cost."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from promptctl.errors import LogError, UsageError, printable
from promptctl.files.names import LOG_FILE, did_you_mean, did_you_mean_glob
from promptctl.git.repository import Git
from promptctl.log.filter import ExecutionPage, Filter, is_glob
from promptctl.log.stamps import parse_moment, refuse_to_come
from promptctl.workspace.names import known, one_logged_prompt

if TYPE_CHECKING:
    from promptctl.catalogue.log_rules import RuleChange, RuledPrompt
    from promptctl.context import Context
    from promptctl.log.call_totals import CallTotals, Dimension
    from promptctl.log.evidence import Erased, Event, Merged, Note, Verification
    from promptctl.log.records import Execution, Source
    from promptctl.log.retention import Pruned, Retention
    from promptctl.log.search import FoundCall
    from promptctl.models.repricing import Repricing

_HEAD_DIGITS = 64
_MOST_LOOKED_AT = 50_000  # characters, for what a page says of a match
_HEX = frozenset("0123456789abcdef")


class Log:
    """Reads the executions of a workspace, and looks after the file they are in. Prompts are known by all their ids."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def is_new(self) -> bool:
        """True before the first call."""
        return self._context.log.is_new

    @property
    def file(self) -> Path:
        """The SQLite file of the log, which may not be there yet."""
        return self._context.state_folder / LOG_FILE

    def executions(self, wanted: Filter | None = None, *, with_content: bool = False) -> Iterator[Execution]:
        """Yield the executions that the filter means, newest first; their contents are None unless `with_content`.

        Raises `PromptNotFound` for a prompt that is neither in the files nor in the log, and `RevisionNotFound` for
        such a label or version.
        """
        return self._context.log.executions(self._rows(wanted), with_content=with_content)

    def page(
        self, wanted: Filter | None = None, *, words: str | None = None, is_patient: bool = False
    ) -> ExecutionPage:
        """Return the first executions that the filter means, with contents, in little time however large the log is.

        The page says what is next, how many there are if that is soon told, and if not all rows could be looked at;
        with `is_patient` more are, which may take seconds. `words` are as `search` takes them. Raises what `executions`
        and `search` raise.
        """
        from promptctl.log.search import find, parse_query

        query = None if words is None else parse_query(words)
        meant = self._rows(wanted)
        if query is None:
            return self._context.log.page(meant, is_patient=is_patient)
        limit = meant.limit or 50
        searched = self._context.log.search(query, replace(meant, limit=limit + 1), is_bounded=True)
        shown, has_more = searched.executions[:limit], len(searched.executions) > limit or searched.is_cut
        return ExecutionPage(
            shown,
            older=shown[-1].id if shown and has_more else None,
            is_cut=searched.is_cut,
            found=tuple(find(each, query, most=_MOST_LOOKED_AT) for each in shown),
            indexed=searched.indexed,
        )

    def search(self, text: str, wanted: Filter | None = None, *, is_scan: bool = False) -> list[FoundCall]:
        """Return the calls with all these words in their inputs, messages, reply or tool calls, newest first.

        `"…"` is a phrase, `word*` a beginning; case and accents do not count. The first search makes an index, unless
        `is_scan`. If none can be made, a warning says so, and all contents are read, which finds the same. Raises
        `UsageError` for a text without a word, and what `executions` raises.
        """
        from promptctl.log.search import find, parse_query

        query = parse_query(text)
        searched = self._context.log.search(query, self._rows(wanted), is_scan=is_scan)
        if searched.no_index and not is_scan:
            self._context.warn(f"no index could be made, so every kept content was read ({searched.no_index})")
        return [find(each, query) for each in searched.executions]

    def execution(self, wanted: str) -> Execution:
        """Return one execution with its contents, by its id or a unique beginning or end of at least 4 characters.

        Raises `UsageError` for fewer characters, and `LogError` if none or several match.
        """
        return self._context.log.execution(wanted)

    def latest_call(self, ref: str) -> Execution | None:
        """Return the last call of a prompt in full, whatever the log rules keep; None if there was none.

        After @ a version or a label may be named: then it is the last one of the rows, with what the rules kept.
        Raises `PromptNotFound` for a prompt that is neither in the files nor in the log, and `UsageError` for a glob.
        """
        from promptctl.versions.former_ids import former_ids

        prompt, version = one_logged_prompt(self._context, ref, "log list")
        if version:
            wanted = Filter(prompt=prompt, version=version, source="app", limit=1)
            return next(self.executions(wanted, with_content=True), None)
        return self._context.log.latest_call(prompt, former_ids(self._context.fresh().now(), prompt))

    def totals(
        self,
        wanted: Filter | None = None,
        by: Sequence[Dimension] = ("prompt", "version"),
        *,
        costs_only: bool = False,
    ) -> list[CallTotals]:
        """Add up calls, tokens and cost of the executions that the filter means, one row for each group.

        With `costs_only` nothing but calls, attempts, tokens, costs and the last call's time is counted, far faster.
        Raises what `executions` raises, and `UsageError` for an unknown dimension.
        """
        return self._context.log.totals(self.meant(wanted or Filter()), by, costs_only=costs_only)

    def counters(self) -> list[CallTotals]:
        """Add up all calls by prompt and source, each under the id that it was logged with: no sum ever shrinks.

        A cost is as it was last corrected, so it may.
        """
        return [] if self.is_new else self._context.log.totals(Filter(), ("prompt", "source"))

    def hint_for_model(self, model: str) -> str:
        """Return the question that names the models of calls that are nearest to an id or a glob; empty if none is."""
        asked = self._context.log.totals(Filter(source="app"), ("model",), costs_only=True)
        return did_you_mean_glob(model, {row.group["model"] for row in asked} - {model})

    def hint_for_feedback(self, condition: str) -> str:
        """Return what helps with a condition on a name of feedback that no call has; empty if one has it."""
        from promptctl.log.feedback import parse_condition

        name = parse_condition(condition).name
        known = {each for row in self._context.log.totals(Filter(), ()) for each in row.feedback}
        if name in known or (name is None and known):
            return ""
        return did_you_mean(name or "", known) or f"the log has {_listed(known)}"

    def without_row(self, wanted: Filter | None = None, by: Sequence[Dimension] = ()) -> CallTotals | None:
        """Return what `totals` of the same arguments leaves out, as it has no row: calls and costs; None if nothing.

        Of such calls only prompt, version and source are known, so they may be of any time, user, label or model.
        """
        return self._context.log.without_row(self.meant(wanted or Filter()), by)

    def rules(
        self,
        *,
        kept: Literal["full", "metadata", "off"] | None = None,
        rule: str | None = None,
        search: str | None = None,
        source: Source | Literal["app"] | None = "app",
    ) -> list[RuledPrompt]:
        """Return every prompt of the files and of the log, sorted by id, with the log rule that holds and its totals.

        `kept` chooses those of which so much is kept, `rule` those for which the rule of that glob holds, `search`
        those with this in id, name, description or tags. The totals are those of calls from `source`; of all with None.
        Raises `WorkspaceError` for a glob that no rule has.
        """
        from promptctl.catalogue.log_rules import ruled_prompts

        totals = [] if self.is_new else self.totals(Filter(source=source), ("prompt",), costs_only=True)
        return ruled_prompts(self._context.fresh(), totals, kept=kept, rule=rule, search=search)

    def set_rules(self, globs: Sequence[str], given: Mapping[str, str], *, is_dry_run: bool = False) -> RuleChange:
        """Set `content` or `active` in the log rule of each glob, in the text of `promptctl.yaml`.

        Calls go by them from then on, in running processes too. Raises `UsageError` for a key or value
        that no rule has, and `WorkspaceError` if the file cannot be edited in place.
        """
        from promptctl.catalogue.log_rules import set_rules

        prompts = [row.prompt for row in self.rules(source=None)]
        return set_rules(self._context, globs, given, prompts, is_dry_run=is_dry_run)

    def reprice(
        self, wanted: Filter | None = None, *, is_dry_run: bool = False, reason: str | None = None
    ) -> Repricing:
        """Price the executions that the filter means anew, each by the price that held when it began.

        Each cost that differs gets a correction, which totals and lists count from then on; no row is changed. It is on
        record as an event, with the `reason`. Raises what `executions` raises, and `LogFailure` if the log cannot be
        written: then some costs may be corrected, and the next time the others are.
        """
        from promptctl.models.repricing import reprice

        meant = self._rows(wanted)
        note = None if is_dry_run else self._note(reason)
        return reprice(self._context.log, self._context.models.prices, meant, is_dry_run=is_dry_run, note=note)

    def prune(self, retention: Retention, *, is_dry_run: bool = False, reason: str | None = None) -> Pruned:
        """Delete old contents and rows; totals stay. A dry run returns the exact numbers.

        It is on record as an event, with the `reason`. Its moments may be ages such as `180d`. Raises `PromptNotFound`
        for a prompt that neither the files nor the log have.
        """
        content, rows = retention.content_before, retention.rows_before
        meant = self._rows(Filter(prompt=None if retention.prompt == "*" else retention.prompt))
        dated = replace(retention, content_before=_moment(content), rows_before=_moment(rows), renames=meant.renames)
        return self._context.log.prune(dated, is_dry_run=is_dry_run, note=self._note(reason))

    def vacuum(self) -> int:
        """Give unused space back; return how many bytes."""
        return self._context.log.vacuum()

    def check(self) -> list[str]:
        """Return what is wrong with the log, in words; nothing for a sound one. `verify` says more of it."""
        try:
            return [each.message for each in self.verify().problems]
        except LogError as error:
            return [error.message]

    def verify(self, head: str | None = None) -> Verification:
        """Check the file, the chain of its rows, contents and totals; with `head`, that this link is in the chain.

        Raises `UsageError` for a `head` that is not 64 hexadecimal digits.
        """
        if head is not None and (len(head) != _HEAD_DIGITS or set(head) - _HEX):
            raise UsageError(f"`{printable(head)}` is no head of a log", hint="promptctl log verify prints it")
        return self._context.log.verify(head)

    def redact(
        self,
        *,
        text: str | None = None,
        user: str | None = None,
        session: str | None = None,
        execution: str | None = None,
        reason: str | None = None,
        is_dry_run: bool = False,
    ) -> Erased:
        """Erase contents of calls, and the user's or session's name: of all with a text, of a user, a session, or one.

        Totals stay, and the event on record never holds what was erased. A dry run returns the exact numbers. Raises
        `UsageError` unless one thing is given, and `LogError` for an execution that is not in the log.
        """
        from promptctl.log.evidence import Erasure
        from promptctl.workspace.erasing import redact

        meant = Erasure(text=text, user=user, session=session, execution=execution)
        return redact(self._context, meant, self._note(reason), is_dry_run=is_dry_run)

    def merge(self, file: str | os.PathLike[str], *, reason: str | None = None, is_dry_run: bool = False) -> Merged:
        """Add what the log of another machine has and this one does not; doing it again adds nothing.

        Secrets of this workspace are hidden in it. Spending of budgets is not counted again. Raises `LogError` for a
        file that is not a sound log of this version of the program or an older one.
        """
        return self._context.log.merge(Path(file), self._note(reason), is_dry_run=is_dry_run)

    def events(self) -> list[Event]:
        """Return what was pruned, redacted, merged, repriced and copied: when, by whom and why, oldest first."""
        return self._context.log.events()

    def back_up(self, target: str | os.PathLike[str], *, reason: str | None = None) -> None:
        """Copy the log as of now to a new file, and check the copy; it is on record as an event, with the `reason`.

        Raises `LogError` if there is no log yet, or if the file exists or cannot be written.
        """
        if self.is_new:
            raise LogError("there is no log to copy: no call was made yet", hint="promptctl run REF makes one")
        self._context.log.back_up(Path(target), self._note(reason))

    def export(self, file: str | os.PathLike[str], wanted: Filter | None = None, *, with_content: bool = False) -> int:
        """Write executions, newest first, to a file: .jsonl .csv .parquet; return how many.

        They are read as they are written, so that any number of them fits. Raises `UsageError` for another suffix, or
        without pyarrow for a .parquet file, and `WorkspaceError` if it cannot be written; then the old file is as it
        was.
        """
        from promptctl.reports.call_export import write_calls

        return write_calls(Path(file), self.executions(wanted, with_content=with_content), with_content=with_content)

    def _note(self, reason: str | None) -> Note:
        """Return who does something to the log, by Git's name as in labels, and why."""
        from promptctl.log.evidence import Note

        git = Git.open(self._context.root)
        if git is None:
            return Note(reason=reason)
        with closing(git):
            name = git.run(["config", "user.name"], check=False).text.strip()
        return Note(by=name, reason=reason)

    def _rows(self, wanted: Filter | None) -> Filter:
        """Return the filter of single rows, of which renames matter only if it names prompts."""
        wanted = wanted or Filter()
        return self.meant(wanted, follows_renames=bool(wanted.prompt or wanted.prompts))

    def meant(self, wanted: Filter, *, follows_renames: bool = True) -> Filter:
        """Return the filter as the store takes it: with the ids that prompts had before, versions and ages resolved."""
        context = self._context.fresh()
        if any((wanted.prompt, wanted.prompts, wanted.label, wanted.version, wanted.experiment, wanted.arm)):
            wanted = known(context, wanted)
        renames = wanted.renames
        if follows_renames and not renames:
            from promptctl.versions.former_ids import logged_renames

            renames = logged_renames(context.log, context.now())
        if wanted.live_at is not None:
            wanted = _live(context, wanted)
        since, until = _moment(wanted.since), _moment(wanted.until)
        if since is not None and until is not None and since >= until:
            raise UsageError(
                f"the time from {printable(since)} is not before {printable(until)}", hint="`until` is excluded"
            )
        hashes: Mapping[str, str] = {}
        if wanted.user or wanted.session:
            from promptctl.log.keyed_hashes import hashes_of

            hashes = hashes_of(context.state_folder, (wanted.user, wanted.session))
        return replace(wanted, renames=renames, hashes=hashes, since=since, until=until)


def _live(context: Context, wanted: Filter) -> Filter:
    """Return the filter with the versions that labels named at its moment, as far as this clone knows."""
    from promptctl.promotion.labelling import Labelling
    from promptctl.versions.at_time import live_versions

    moment, prompt = context.now(), wanted.prompt
    at = parse_moment(wanted.live_at or "")
    refuse_to_come(at)
    time = datetime.fromisoformat(at)
    one = None if prompt is None or is_glob(prompt) else prompt
    unasked = partial(Labelling(context).unasked, moment)
    return replace(
        wanted, live=tuple(sorted(live_versions(moment, time, prompt=one, label=wanted.label, unasked=unasked)))
    )


def _listed(names: Iterable[str]) -> str:
    found = ", ".join(sorted(names))
    return (
        f"feedback by these names: {found}" if found else "no feedback yet: promptctl feedback EXECUTION --score 0..1"
    )


def _moment(text: str | None) -> str | None:
    """Return a date, a time or an age as a moment, in the form that the log stores."""
    return None if text is None else parse_moment(text)
