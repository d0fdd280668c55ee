"""Evaluations that are done again for what was changed since: by a saved prompt, partial, schema, dataset or setting.

The files are looked at a few times a second, by their times and sizes. That works on every file system, also where
nothing tells of changes, and takes 9 ms for a thousand files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptctl.files.names import DATASETS, SETTINGS
from promptctl.files.tree import FileStamp, file_stamp, prompt_files

if TYPE_CHECKING:
    from pathlib import Path

    from promptctl.evaluations.evaluation import Evaluation
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import OnProgress, Session
    from promptctl.workspace import Workspace

_LOOK_S = 0.3
# At most one part in so many of the time is spent on looking.
_SHARE = 25
# Editors write in several steps, and people save several files in a row.
_STILL_S = 0.3
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class _WatchedWork:
    """Everything that decides the results of one evaluation."""

    digest: str
    plan: Plan

    def is_same(self, other: _WatchedWork) -> bool:
        ours, theirs = self.plan.spec, other.plan.spec
        return (self.digest, ours.min_pass) == (other.digest, theirs.min_pass) and ours.is_same_work(theirs)


class EvaluationWatch:
    """Evaluates a request, round after round, each time only what differs from what was evaluated before.

    `opens` opens the workspace, anew for each round, since its settings may have changed. All rounds together spend no
    more than the request's bound: once that has stopped one, it `is_spent`. `latest` has the newest evaluation of each
    prompt, dataset and model.
    """

    def __init__(self, opens: Callable[[], Workspace], request: EvaluationRequest) -> None:
        self._opens = opens
        self._request = request
        self._left_nano_usd = request.limits.max_cost_nano_usd
        self._done: dict[tuple[str, str, str], _WatchedWork] = {}
        self._root: Path | None = None
        self._stamps: dict[str, FileStamp | None] = {}
        self.latest: dict[tuple[str, str, str], Evaluation] = {}
        self.is_spent = False

    @property
    def files(self) -> int:
        """The number of files that are watched."""
        return len(self._stamps)

    def evaluate(self, on_progress: OnProgress | None = None, **changes: Any) -> list[Evaluation]:
        """Evaluate what is not as it was in an earlier round; `changes` are of the request, for this round alone.

        What was not finished, or had errors, is asked again. Raises what `Workspace.evaluate` raises; a file that is
        repaired later ends the wait.
        """
        from promptctl.workspace.evaluating import in_session, plan_alone

        with self._opens() as workspace:
            self._root = workspace.root
            self._stamps = self._look()
            limits = replace(self._request.limits, max_cost_nano_usd=self._left_nano_usd)
            context = workspace.context.fresh()
            plans = plan_alone(context, replace(self._request, limits=limits, **changes))
            works = {_key(plan): _WatchedWork(plan.target.version.digest, plan) for plan in plans}
            self.latest = {key: self.latest[key] for key in works if key in self.latest}
            new = {
                key: work for key, work in works.items() if key not in self._done or not work.is_same(self._done[key])
            }
            if not new:
                return []
            spent: list[int] = []

            async def work(session: Session) -> list[Evaluation]:
                try:
                    return await session.run([each.plan for each in new.values()])
                finally:
                    spent.append(session.spent_nano_usd)

            try:
                loop = workspace._waiting("EvaluationWatch from a thread of its own")
                found = in_session(context, loop, limits, on_progress, work)
            finally:
                if self._left_nano_usd is not None:
                    self._left_nano_usd -= sum(spent)
        for (key, each), evaluation in zip(new.items(), found, strict=True):
            self._done.pop(key, None)
            self.is_spent |= evaluation.stopped == "max-cost"
            if not evaluation.summary.is_unfinished and not evaluation.summary.counts.errors:
                self._done[key] = each
            self.latest[key] = evaluation
        self.latest = {key: self.latest[key] for key in works if key in self.latest}  # in the order of the request
        return found

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

    def _look(self) -> dict[str, FileStamp | None]:
        """Return the stamp of each file that an evaluation may read; those of before if nobody can tell."""
        from promptctl.errors import WorkspaceError
        from promptctl.git.trees import WorkTree

        if self._root is None:
            return {}
        with suppress(WorkspaceError, OSError):
            tree = WorkTree(self._root)
            paths = [*prompt_files(tree), *tree.paths(DATASETS), SETTINGS]
            return {path: file_stamp(self._root / path) for path in paths}
        return self._stamps


def _key(plan: Plan) -> tuple[str, str, str]:
    return plan.spec.ref, plan.spec.dataset, plan.target.model
