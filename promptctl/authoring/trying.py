"""The hands of a search: evaluates candidates and has texts edited, all in the one session of the command."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from math import fsum
from typing import TYPE_CHECKING, Any, TypeVar

from promptctl.authoring.candidates import PARAMETERS, Candidates, Component, Texts
from promptctl.authoring.evolution import BATCH, Grade, SearchEnded
from promptctl.authoring.improvement import PromptCandidate
from promptctl.errors import InvalidOutput
from promptctl.files.wording import clip

if TYPE_CHECKING:
    from promptctl.authoring.author import Author
    from promptctl.authoring.trials import OnStep, TrialRun
    from promptctl.context import Context
    from promptctl.evaluations.session import Session
    from promptctl.log.records import Execution
    from promptctl.log.results import ResultRow, StopReason

T = TypeVar("T")
WRITER = "authoring/improve"
_MOST_SHOWN = 4_000
# Of a failed case that its assertions find partly right.
_PARTLY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBounds:
    """The bounds of a search: `rounds`, the cases to `choose` by, and the money that it may take.

    With a limit on the cost, what judging takes is kept back: `held_out` cases on both sides, at what cases have cost,
    and `worst_nano_usd`, without which not one request is sent.
    """

    rounds: int
    choose: Sequence[str]
    held_out: int
    max_nano_usd: int | None = None
    worst_nano_usd: int = 0


class Hands:
    """Does what a search asks for, and keeps what came of it. It is used from the search's thread."""

    def __init__(
        self,
        context: Context,
        session: Session,
        runs: TrialRun,
        candidates: Candidates,
        author: Author,
        bounds: SearchBounds,
        on_step: OnStep,
    ) -> None:
        self._context = context
        self._session = session
        self._runs = runs
        self._candidates = candidates
        self._author = author
        self._bounds = bounds
        self._on_step = on_step
        self._loop = asyncio.get_running_loop()
        self._waiting: Future[Any] | None = None
        self._is_ended = False
        self._failure: Exception | None = None
        self._known: defaultdict[tuple[tuple[str, str], ...], dict[str, Grade]] = defaultdict(dict)
        self._cost_of_case = self._cost_of_edit = 0.0
        self._round = 0
        self.kept: list[PromptCandidate] = []
        self.stopped: StopReason | None = None
        self.rounds = self.refused = 0

    @property
    def best(self) -> PromptCandidate | None:
        """The candidate of which most cases to choose by pass; of equal ones the better graded, then the earlier."""
        return max(self.kept, key=lambda each: (each.passed, each.score, -each.number), default=None)

    @property
    def lost_of_best(self) -> set[str]:
        """The cases to choose by that the prompt as it is passes, and the best candidate does not."""
        if self.best is None:
            return set()
        before, after = (self._grades(each.texts) for each in (self.kept[0], self.best))
        return {
            one.case_id for one, other in zip(before, after, strict=True) if one.has_passed and not other.has_passed
        }

    async def search(self, work: Callable[[], None]) -> None:
        """Do the work in a thread, which asks this for all it needs; a search that ended early is no error."""

        def guarded() -> None:
            try:
                work()
            except SearchEnded:
                self.stopped = self.stopped or self._session.stopped

        try:
            await asyncio.to_thread(guarded)
        except asyncio.CancelledError:
            self._is_ended = True
            if self._waiting is not None:
                self._waiting.cancel()
            raise
        if self._failure is not None:
            raise self._failure

    def grade(self, texts: Texts, ids: Sequence[str]) -> list[Grade]:
        """Return the grades of a candidate on these cases; see `Tries`."""
        return self._wait(self.graded(texts, ids))

    def edit(self, texts: Texts, name: str, graded: Sequence[Grade]) -> str | None:
        """Return a new text for a component, or None; see `Tries`."""
        text = self._wait(self._edited(texts, name, graded))
        if not text:
            self.refused += 1
        return text or None

    def begin_round(self, number: int) -> bool:
        """Return True if one more round is to be made; see `Tries`."""
        best, bounds = self.best, self._bounds
        self.rounds = number - 1
        if self._session.stopped:
            self.stopped = self._session.stopped
            return False
        if number > bounds.rounds or (best is not None and best.passed == len(bounds.choose) and best.score == 1):
            return False
        cases = 2 * BATCH + len(bounds.choose) + 2 * bounds.held_out  # of this round, and for judging
        needed = cases * self._cost_of_case + self._cost_of_edit + bounds.worst_nano_usd
        if bounds.max_nano_usd is not None and self._runs.cost_nano_usd + needed > bounds.max_nano_usd:
            self.stopped = "max-cost"
            return False
        self._round = number
        self._on_step(f"round {number} of {bounds.rounds}")
        return True

    def keep(self, texts: Texts, parents: Sequence[int]) -> None:
        """Keep a candidate; see `Tries`."""
        grades = self._grades(texts)
        before = self.kept[parents[0]].texts if parents else texts
        self.kept.append(
            PromptCandidate(
                number=len(self.kept),
                passed=sum(each.has_passed for each in grades),
                score=fsum(each.score for each in grades) / len(grades),
                round_number=self._round,
                parents=tuple(parents),
                edited=tuple(name for name in texts if texts[name] != before[name]),
                texts=dict(texts),
            )
        )

    async def graded(self, texts: Texts, ids: Sequence[str]) -> list[Grade] | None:
        """Return the grades of a candidate on these cases, from the log if it has them; None if that was stopped."""
        known = self._known[_key(texts)]
        if all(id_ in known and not known[id_].is_error for id_ in ids):
            return [known[id_] for id_ in ids]
        found = await self._runs.evaluated(self._candidates.plan(self._candidates.made(texts), ids))
        rows = list(self._context.log.results(found.row.id))
        grades = {row.case_id: _graded(row) for row in rows}
        if not grades.keys() >= set(ids):
            self.stopped = found.stopped or self._session.stopped
            return None
        self._cost_of_case = max(self._cost_of_case, sum(map(_cost, rows)) / len(rows))
        known.update(grades)
        return [grades[id_] for id_ in ids]

    async def _edited(self, texts: Texts, name: str, graded: Sequence[Grade]) -> str | None:
        """Return the text that the writer gives a component, "" if none can be used; None if that was stopped."""
        component = self._candidates.components[name]

        def problems(reply: dict[str, str]) -> list[str]:
            text = _as_before(component, reply["text"])
            if text == texts[name]:
                return ["`text` is the part as it is; change what makes the cases fail"]
            return [f"`text`: {problem}" for problem in self._candidates.problems({**texts, name: text})]

        given = {
            "part": component.about,
            "text": texts[name],
            "prompt": [{"name": each, "text": text} for each, text in texts.items() if each != PARAMETERS],
            "inputs": list(self._candidates.inputs),
            "cases": [dict(each.about) for each in graded],
            "is_template": component.is_template,
            "is_json": name == PARAMETERS,
        }
        call = self._author.call(WRITER, given, problems)
        # What was asked in an earlier round is asked anew: the reply to it came to nothing.
        call = replace(call, request=replace(call.request, repeat=self._round))
        try:
            execution = await self._session.ask(call)
        except InvalidOutput as refused:
            if refused.execution is not None:
                self._count(refused.execution)
            return ""
        if execution is None:
            return None
        self._count(execution)
        return _as_before(component, execution.output["text"])

    def _count(self, execution: Execution) -> None:
        self._cost_of_edit = max(self._cost_of_edit, execution.cost_nano_usd or 0)
        self._runs.count(execution)

    def _grades(self, texts: Texts) -> list[Grade]:
        return [self._known[_key(texts)][id_] for id_ in self._bounds.choose]

    def _wait(self, coroutine: Coroutine[Any, Any, T | None]) -> T:
        if self._is_ended or self._session.stopped:
            coroutine.close()
            raise SearchEnded
        self._waiting = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            found: T | None = self._waiting.result()
        except CancelledError:
            raise SearchEnded from None
        except Exception as error:  # the library would take it for a mishap of one round, and ask again
            self._failure = error
            raise SearchEnded from error
        if found is None:
            raise SearchEnded
        return found


def _key(texts: Texts) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(texts.items()))


def _graded(row: ResultRow) -> Grade:
    """Return the grade of a result, with what whoever edits is shown: without what is sensitive, as the log has it."""
    has_passed, detail = row.status == "passed", row.detail
    about: dict[str, Any] = {
        "passed": has_passed,
        "inputs": {**detail.inputs},
        "reply": clip(row.output or "", _MOST_SHOWN),
        "problem": "",
    }
    if detail.expected is not None:
        about["expected"] = detail.expected
    if not has_passed:
        about["problem"] = clip(row.error_message or detail.reason or "it did not pass", _MOST_SHOWN)
    score = 1.0 if has_passed else _PARTLY * (row.score or 0.0)
    return Grade(row.case_id, score, has_passed, about, is_error=row.status == "error")


def _cost(row: ResultRow) -> int:
    """Return what a case costs when nothing of it is reused."""
    return (row.detail.full_cost_nano_usd or 0) + (row.detail.judge_cost_nano_usd or 0)


def _as_before(component: Component, text: str) -> str:
    """Return the text with no more blank space around it than what it replaces."""
    end = "\n" if component.text.endswith("\n") else ""
    return text.replace("\r\n", "\n").strip() + end
