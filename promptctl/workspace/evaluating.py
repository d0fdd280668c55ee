"""Evaluations, comparisons and reviews of a workspace; what asks models does so in one session, on its event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from promptctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from promptctl.calls.loop import LoopThread
    from promptctl.comparisons.compared import Against, Compared
    from promptctl.comparisons.rule import GateRule
    from promptctl.context import Context
    from promptctl.evaluations.estimate import Estimate
    from promptctl.evaluations.evaluation import Evaluation
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest, Limits, ResumeRequest
    from promptctl.evaluations.session import OnProgress, Session
    from promptctl.reviews.measuring import Task
    from promptctl.reviews.request import ReviewRequest
    from promptctl.reviews.review import Measurement, Review

T = TypeVar("T")


def evaluate(
    context: Context, loop: LoopThread, request: EvaluationRequest, on_progress: OnProgress | None
) -> list[Evaluation]:
    """Evaluate prompts over their datasets."""
    plans = plan_alone(context, request)
    return in_session(context, loop, request.limits, on_progress, lambda session: session.run(plans))


def estimate(context: Context, request: EvaluationRequest, base: str | None) -> list[Estimate]:
    """Return what an evaluation would ask and cost; with a `base`, `""` for the usual one, that beside it."""
    from promptctl.evaluations.estimate import estimate

    request = replace(request, is_estimate=True)
    if base is None:
        return [estimate(context, each) for each in plan_alone(context, request)]
    from promptctl.comparisons.against import plan_against

    pairs = plan_against(context, request, base or None)
    return [estimate(context, each) for pair in pairs for each in (pair.base, pair.head) if each is not None]


def resume(
    context: Context, loop: LoopThread, request: ResumeRequest | None, on_progress: OnProgress | None
) -> list[Evaluation]:
    """Take up evaluations of the log again: those of the request, or all that the last command left unfinished."""
    from promptctl.evaluations.claims import is_claimed
    from promptctl.evaluations.earlier import unfinished
    from promptctl.evaluations.planning import replan
    from promptctl.evaluations.request import ResumeRequest
    from promptctl.workspace.names import check_logged_prompt

    request = request or ResumeRequest()
    for prompt in request.prompts:
        check_logged_prompt(context, prompt)
    rows = unfinished(context.log, request, partial(is_claimed, context.state_folder))
    plans = [replan(context, row, request) for row in rows]
    return in_session(context, loop, request.limits, on_progress, lambda session: session.run(plans))


def evaluate_against(
    context: Context,
    loop: LoopThread,
    request: EvaluationRequest,
    base: str | None,
    rule: GateRule | Mapping[str, Any],
    on_progress: OnProgress | None,
) -> Against:
    """Evaluate prompts beside an earlier version of them over the same cases, and compare."""
    from promptctl.comparisons.against import evaluate_against, plan_against
    from promptctl.comparisons.rule import rule_of

    pairs = plan_against(context, request, base)
    judged_by = replace(rule_of(context.settings.gate.rule, rule), min_pass=request.min_pass)
    return in_session(
        context,
        loop,
        request.limits,
        on_progress,
        lambda session: evaluate_against(context.log, session, pairs, judged_by),
    )


def compare(context: Context, base_id: str, head_id: str, rule: GateRule | Mapping[str, Any]) -> Compared:
    """Compare two evaluations of the log; nothing is asked of a model."""
    from promptctl.comparisons.compared import compare
    from promptctl.comparisons.rule import rule_of

    return compare(context.log, base_id, head_id, rule_of(context.settings.gate.rule, rule))


def review(context: Context, loop: LoopThread, request: ReviewRequest, on_progress: OnProgress | None) -> Review:
    """Review what HEAD changed against BASE, and what that did to the results."""
    from promptctl.comparisons.rule import rule_of
    from promptctl.reviews.measuring import measure
    from promptctl.reviews.reviewing import review

    def measured(context: Context, tasks: Sequence[Task]) -> list[Measurement]:
        return in_session(
            context,
            loop,
            request.limits,
            on_progress,
            lambda session: measure(context.log, session, tasks, rule_of(context.settings.gate.rule, request.rule)),
        )

    return review(context, request, measured)


def export_review(context: Context, review: Review, file: Path) -> None:
    """Write a review: .md .json .html .xml (JUnit), by the file's suffix."""
    from promptctl.formats.settings_file import Settings
    from promptctl.git.trees import WorkTree
    from promptctl.reports.review_files import write_review

    # Like the review itself, without the work tree's settings, which may be broken.
    tree = WorkTree(context.root)
    with closing(context.at(tree, Settings(), tree)) as reviewed:
        write_review(file, reviewed.log, review, reviewed.redactor)


def plan_alone(context: Context, request: EvaluationRequest) -> list[Plan]:
    """Return the plans of evaluations that are compared with nothing."""
    from promptctl.evaluations.planning import plan

    if request.until == "sequential":
        hint = "--until-decided ends an evaluation by itself"
        raise UsageError("--sequential compares two versions: give it with --against", hint=hint)
    return plan(context, request)


def in_session(
    context: Context,
    loop: LoopThread,
    limits: Limits,
    on_progress: OnProgress | None,
    work: Callable[[Session], Coroutine[Any, Any, T]],
) -> T:
    """Do the work in a session of its own, the only one of a command; the first Ctrl-C stops it gently."""
    from promptctl.evaluations.session import Session

    session = Session(context, limits, on_progress)

    async def run() -> T:
        async with session:
            return await work(session)

    return loop.run(run(), on_interrupt=session.stop)
