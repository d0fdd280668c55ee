"""Evaluations that are done again for what was changed since: by a saved prompt, partial, schema, dataset or setting.

The files are looked at a few times a second, by their times and sizes. That works on every file system, also where
nothing tells of changes, and takes 9 ms for a thousand files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from promptctl.comparisons.against import compare_pairs
from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.pairing import plan_against
from promptctl.comparisons.rule import GateRule, rule_of
from promptctl.errors import INCOMPLETE, WorkspaceError
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.plan import Pair, Plan
from promptctl.evaluations.planning import plan
from promptctl.files.names import DATASETS, SETTINGS, is_recording, recording_path
from promptctl.files.tree import FileStamp, file_stamp, prompt_files
from promptctl.prompts.loading import prompt_paths
from promptctl.workspace.evaluating import in_session

if TYPE_CHECKING:
    from pathlib import Path

    from promptctl.context import Context
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import OnProgress, Session
    from promptctl.log.results import StopReason
    from promptctl.workspace import Workspace

_LOOK_S = 0.3
# At most one part in so many of the time is spent on looking.
_SHARE = 25
# Editors write in several steps, and people save several files in a row.
_STILL_S = 0.3
_PATIENCE_S = 3.0
_AS_SETTINGS_SAY: Mapping[str, Any] = MappingProxyType({})
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _WatchedWork:
    """Everything that decides the results of one evaluation, or of one comparison by a rule.

    `recordings` are those that may answer, each with the stamp of its file.
    """

    pair: Pair
    rule: GateRule
    recordings: Mapping[str, FileStamp | None]

    def is_same(self, other: _WatchedWork) -> bool:
        ours, theirs = self.pair.sides, other.pair.sides
        is_same = (self.rule, self.recordings) == (other.rule, other.recordings) and len(ours) == len(theirs)
        return is_same and all(map(_is_same, ours, theirs))


class EvaluationWatch:
    """Evaluates a request, round after round, each time only what differs from what was evaluated before.

    `opens` opens the workspace, anew for each round, since its settings may have changed. All rounds together spend no
    more than the request's bound: once that has stopped one, it `is_spent`. `stopped` is what ended the last round
    early; None if nothing did.
    """

    def __init__(self, opens: Callable[[], Workspace], request: EvaluationRequest) -> None:
        self._opens = opens
        self._request = request
        self._left_nano_usd = request.limits.max_cost_nano_usd
        self._done: dict[_Key, _WatchedWork] = {}
        self._latest: dict[_Key, Compared | Evaluation] = {}
        self._rule = GateRule()
        self._root: Path | None = None
        self._stamps: dict[str, FileStamp | None] = {}
        self.stopped: StopReason | None = None

    @property
    def files(self) -> int:
        """The number of files that are watched."""
        return len(self._stamps)

    @property
    def is_spent(self) -> bool:
        """True if the bound on the cost has stopped the last round."""
        return self.stopped == "max-cost"

    @property
    def latest(self) -> dict[_Key, Evaluation]:
        """The newest evaluation of each prompt, dataset and model, in the order of the request."""
        return {key: each if isinstance(each, Evaluation) else each.head for key, each in self._latest.items()}

    @property
    def latest_against(self) -> Against:
        """The newest comparison of each prompt, dataset and model, and evaluations that have no base."""
        return Against.of(self._latest.values(), self._rule)

    def evaluate(self, on_progress: OnProgress | None = None, **changes: Any) -> list[Evaluation]:
        """Evaluate what is not as it was in an earlier round; `changes` are of the request, for this round alone.

        What was not finished, or had errors, is asked again. Raises what `Workspace.evaluate` raises; a file that is
        repaired later ends the wait.
        """

        def planned(context: Context, request: EvaluationRequest) -> tuple[list[Pair], GateRule]:
            return [*map(Pair, plan(context, request))], GateRule()

        return [each for each in self._round(planned, on_progress, changes)[1] if isinstance(each, Evaluation)]

    def evaluate_against(
        self,
        base: str | None = None,
        rule: GateRule | Mapping[str, Any] = _AS_SETTINGS_SAY,
        on_progress: OnProgress | None = None,
        **changes: Any,
    ) -> Against:
        """Evaluate and compare what is not as it was in an earlier round, on either side.

        The log keeps the evaluation of a base, which is asked once. The level of each comparison is that of one among
        all of the request. See `evaluate`, and `Workspace.evaluate_against` for `base` and `rule`.
        """

        def planned(context: Context, request: EvaluationRequest) -> tuple[list[Pair], GateRule]:
            judged_by = replace(rule_of(context.settings.gate.rule, rule), min_pass=request.min_pass)
            return plan_against(context, request, base), judged_by

        pairs, found = self._round(planned, on_progress, changes)
        return Against.of(found, self._rule, pairs)

    def _round(
        self,
        planned: Callable[[Context, EvaluationRequest], tuple[list[Pair], GateRule]],
        on_progress: OnProgress | None,
        changes: Mapping[str, Any],
    ) -> tuple[list[Pair], list[Compared | Evaluation]]:
        self.stopped = None
        with self._opens() as workspace:
            self._root = workspace.root
            self._stamps = self._look()
            limits = replace(self._request.limits, max_cost_nano_usd=self._left_nano_usd)
            context = workspace.context.fresh()
            request = replace(self._request, limits=limits, **changes)
            planned_pairs, self._rule = planned(context, request)
            own = {recording_path(id_): id_ for id_ in prompt_paths(context.tree)}
            works = {
                _key(pair.head): _WatchedWork(pair, self._rule, self._recordings(pair, own)) for pair in planned_pairs
            }
            self._latest = {key: self._latest[key] for key in works if key in self._latest}
            new = {
                key: work for key, work in works.items() if key not in self._done or not work.is_same(self._done[key])
            }
            if not new:
                return [], []
            pairs = [each.pair for each in new.values()]

            async def work(session: Session) -> list[Compared | Evaluation]:
                try:
                    compared = sum(pair.base is not None for pair in planned_pairs)
                    return (await compare_pairs(context.log, session, pairs, self._rule, among=compared)).found
                finally:
                    self.stopped = session.stopped
                    if self._left_nano_usd is not None:
                        self._left_nano_usd -= session.spent_nano_usd

            loop = workspace._waiting("EvaluationWatch from a thread of its own")
            found = in_session(context, work, limits, on_progress, loop)
        if request.replies in ("record", "refresh"):  # what was written here is no change
            self._stamps |= {path: stamp for path, stamp in self._look().items() if is_recording(path)}
        for (key, each), made in zip(new.items(), found, strict=True):
            self._done.pop(key, None)
            if _is_done(made):
                self._done[key] = each
            self._latest[key] = made
        self._latest = {key: self._latest[key] for key in works if key in self._latest}  # in the order of the request
        return pairs, found

    def wait(self) -> list[str]:
        """Wait until files were changed since the last round began, and then are left alone; return their paths."""
        began = time.monotonic()
        while (now := self._look()) == self._stamps:
            took_s = time.monotonic() - began
            time.sleep(max(_LOOK_S, took_s * _SHARE))
            began = time.monotonic()
        patient_until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < patient_until:
            time.sleep(_STILL_S)
            before, now = now, self._look()
            if now == before:
                break
        return sorted(path for path in {*now, *self._stamps} if now.get(path) != self._stamps.get(path))

    def _recordings(self, pair: Pair, own: Mapping[str, str]) -> dict[str, FileStamp | None]:
        """Return the stamps of the recordings that may answer; `own` are the files of single prompts."""
        id_ = pair.head.target.prompt.id
        paths = [] if all(each.is_asked for each in pair.sides) else filter(is_recording, self._stamps)
        return {path: self._stamps[path] for path in paths if own.get(path, id_) == id_}

    def _look(self) -> dict[str, FileStamp | None]:
        """Return the stamp of each file that an evaluation may read; those of before if nobody can tell."""
        from promptctl.git.trees import WorkTree

        if self._root is None:
            return {}
        with suppress(WorkspaceError, OSError):
            tree = WorkTree(self._root)
            paths = [*prompt_files(tree), *tree.paths(DATASETS), SETTINGS]
            return {path: file_stamp(self._root / path) for path in paths}
        return self._stamps


def _key(plan: Plan) -> _Key:
    return plan.spec.ref, plan.spec.dataset, plan.target.model


def _is_same(ours: Plan, theirs: Plan) -> bool:
    content = [
        (each.target.version.digest, each.target.model, each.spec.min_pass, each.calibrated) for each in (ours, theirs)
    ]
    return content[0] == content[1] and ours.spec.is_same_work(theirs.spec)


def _is_done(made: Compared | Evaluation) -> bool:
    """Return True if nothing would come of doing it again: it is whole, without an error."""
    sides = [made] if isinstance(made, Evaluation) else [made.base, made.head]
    is_open = any(
        (each.summary.is_unfinished and each.stopped != "decided") or each.summary.counts.errors for each in sides
    )
    return not is_open and (isinstance(made, Evaluation) or made.decision.exit_code != INCOMPLETE)
