"""Evaluations, comparisons and reviews of a workspace; what asks models does so in one session, on its event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import finalize

if TYPE_CHECKING:
    import os

    from promptctl.calls.loop import LoopThread
    from promptctl.comparisons.compared import Against, Compared
    from promptctl.comparisons.rule import GateRule
    from promptctl.context import Context
    from promptctl.evaluations.estimate import Estimate
    from promptctl.evaluations.evaluation import Evaluation
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest, Limits, ResumeRequest
    from promptctl.evaluations.session import OnProgress, Session
    from promptctl.reviews.request import ReviewRequest
    from promptctl.reviews.review import Review

T = TypeVar("T")
_AS_SETTINGS_SAY: Mapping[str, Any] = MappingProxyType({})


class Evaluating:
    """The methods of a workspace that evaluate prompts, compare evaluations, and review changes."""

    context: Context

    @cached_property
    def _loop(self) -> LoopThread:
        from promptctl.calls.loop import LoopThread

        loop = LoopThread()
        # A workspace that is dropped without being closed, also at the end of the program, leaves no connection and no
        # thread behind, and the log has its calls.
        finalize(self, loop.let_go, self.context)
        return loop

    def evaluate(self, request: EvaluationRequest, on_progress: OnProgress | None = None) -> list[Evaluation]:
        """Evaluate prompts over their datasets; every result is in the log before the next case is taken.

        Everything is read and checked before anything is sent. Ctrl-C finishes what is under way and saves it; a
        second one stops at once. Raises what `promptctl.evaluations.planning.plan` raises.
        """
        from promptctl.evaluations.planning import plan

        context = self.context.fresh()
        plans = plan(context, request)
        return self._in_session(context, lambda session: session.run(plans), request.limits, on_progress)

    def plan(self, request: EvaluationRequest) -> list[Plan]:
        """Return what `evaluate` would do, as data; everything is read and checked, nothing is asked."""
        from promptctl.evaluations.planning import plan

        return plan(self.context.fresh(), request, is_compared=True)

    def estimate(self, request: EvaluationRequest, base: str | None = None) -> list[Estimate]:
        """Return what `evaluate` would ask and cost, one estimate for each plan; no key is needed.

        With a `base`, `""` for the usual one, what `evaluate_against` would ask at first: flipped cases come on top.
        """
        from promptctl.evaluations.estimate import estimates
        from promptctl.evaluations.planning import plan

        context, request = self.context.fresh(), replace(request, is_estimate=True)
        if base is None:
            return estimates(context, plan(context, request))
        from promptctl.comparisons.pairing import plan_against

        pairs = plan_against(context, request, base or None)
        return estimates(context, [side for pair in pairs for side in pair.sides])

    def resume(self, request: ResumeRequest | None = None, on_progress: OnProgress | None = None) -> list[Evaluation]:
        """Take up evaluations of the log again: only what has no result, or an error, is asked for.

        Without a request, all that the last command left unfinished. Raises `UsageError` if there is nothing to resume,
        and `PromptNotFound` for a prompt that neither the files nor the log know.
        """
        from promptctl.evaluations.request import ResumeRequest
        from promptctl.evaluations.resuming import plan_again
        from promptctl.workspace.names import check_logged_prompt

        context, request = self.context.fresh(), request or ResumeRequest()
        for prompt in request.prompts:
            check_logged_prompt(context, prompt)
        plans, limits = plan_again(context, request)
        return self._in_session(context, lambda session: session.run(plans), limits, on_progress)

    def evaluate_against(
        self,
        request: EvaluationRequest,
        base: str | None = None,
        rule: GateRule | Mapping[str, Any] = _AS_SETTINGS_SAY,
        on_progress: OnProgress | None = None,
    ) -> Against:
        """Evaluate prompts beside an earlier version of them over the same cases, and compare.

        `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref; without one it is
        `gate.base` of the settings, else the label production if each prompt has it, else the default branch. `rule` is
        a rule, or those of its fields that are not as `gate:` in the settings says.
        """
        from promptctl.comparisons.against import compare_pairs
        from promptctl.comparisons.compared import Against
        from promptctl.comparisons.pairing import plan_against
        from promptctl.comparisons.rule import rule_of

        context = self.context.fresh()
        pairs = plan_against(context, request, base)
        judged_by = replace(rule_of(context.settings.gate.rule, rule), min_pass=request.min_pass)
        found, together = self._in_session(
            context, lambda session: compare_pairs(context.log, session, pairs, judged_by), request.limits, on_progress
        )
        return Against.of(found, judged_by, pairs, together)

    def compare(self, base_id: str, head_id: str, rule: GateRule | Mapping[str, Any] = _AS_SETTINGS_SAY) -> Compared:
        """Compare two evaluations of the log; nothing is asked of a model. See `evaluate_against` for `rule`."""
        from promptctl.comparisons.compared import compare
        from promptctl.comparisons.rule import rule_of

        context = self.context.fresh()
        return compare(context.log, base_id, head_id, rule_of(context.settings.gate.rule, rule))

    def review(self, request: ReviewRequest, on_progress: OnProgress | None = None) -> Review:
        """Review what HEAD changed against BASE, and what that did to the results."""
        from promptctl.reviews.reviewing import review

        in_session = partial(self._in_session, limits=request.limits, on_progress=on_progress)
        return review(self.context.fresh(), request, in_session)

    def export_review(self, review: Review, file: str | os.PathLike[str]) -> None:
        """Write a review: .md .json .html .xml (JUnit), by the file's suffix."""
        from promptctl.formats.settings_file import Settings
        from promptctl.git.trees import WorkTree
        from promptctl.reports.review_files import write_review

        # Like the review itself, without the work tree's settings, which may be broken.
        tree = WorkTree(self.context.root)
        with closing(self.context.at(tree, Settings(), tree)) as reviewed:
            write_review(Path(file), reviewed.log, review, reviewed.redactor)

    def _in_session(
        self,
        context: Context,
        work: Callable[[Session], Coroutine[Any, Any, T]],
        limits: Limits,
        on_progress: OnProgress | None,
    ) -> T:
        return in_session(context, work, limits, on_progress, self._loop)


def in_session(
    context: Context,
    work: Callable[[Session], Coroutine[Any, Any, T]],
    limits: Limits,
    on_progress: OnProgress | None,
    loop: LoopThread,
) -> T:
    """Do the work in a session of its own, the only one of a command; the first Ctrl-C stops it gently."""
    from promptctl.evaluations.session import Session

    session = Session(context, limits, on_progress)

    async def run() -> T:
        async with session:
            return await work(session)

    return loop.run(run(), on_interrupt=session.stop)
