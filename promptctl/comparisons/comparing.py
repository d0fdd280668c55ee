"""Evaluates a prompt beside an earlier version of it, or compares two evaluations of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.comparison import Comparison, compare
from promptctl.comparisons.confirmation import Confirmed, Rerun, confirm
from promptctl.comparisons.gates import Decision, check_passes, decide, strictest
from promptctl.comparisons.verdicts import GateRule, judge
from promptctl.context import Context
from promptctl.datasets.selection import Chosen
from promptctl.errors import INCOMPLETE, InputError, PromptNotFound, RevisionNotFound, UsageError
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.evaluating import Evaluating, EvaluationRequest
from promptctl.evaluations.evaluation import Evaluation, Plan, load
from promptctl.evaluations.evaluator import Progress
from promptctl.evaluations.outcomes import CaseResults, case_results, outcome_of
from promptctl.files.wording import count
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.prompts.prompt import Prompt

RERUNS = 3
MOST_RERUN = 50
_MUST_BE_EQUAL = (
    *("dataset_digest", "ids", "tags", "sample", "seed", "first", "repeats", "at_least", "parameters"),
    *("judge", "is_replayed", "left_out"),
)


class Comparing:
    """Comparisons of one workspace. `spent_nano_usd` is what all of them have cost so far."""

    def __init__(self, parts: Context, rule: GateRule) -> None:
        self.spent_nano_usd = 0
        self._parts = parts
        self._rule = rule
        self._evaluating: Evaluating | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Finish and save what is under way, and begin nothing more."""
        self._is_stopped = True
        if self._evaluating is not None:
            self._evaluating.stop()

    async def against(
        self,
        request: EvaluationRequest,
        base: str,
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> Against:
        """Evaluate the request, and each of its prompts at `base` over the same cases; one comparison for each.

        `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref. A base evaluation
        that the log holds already, of the same digest, model and cases, is not made again. Flipped cases are then
        asked for again, three times on each side. Of prompts that nobody named, those that `base` does not have are
        evaluated alone; one that was named raises `PromptNotFound`, or `RevisionNotFound`, there. So does a label,
        number or revision that no prompt has: it is misspelt.
        """
        sides, alone = [], []
        unknown: RevisionNotFound | None = None
        evaluating = Evaluating(self._parts, request)
        for plan in evaluating.plans():
            try:
                sides.append((plan, self._base_plan(evaluating, plan, base, request)))
            except (PromptNotFound, RevisionNotFound) as error:
                if not (request.only_own_datasets and base.startswith("@")):
                    raise
                alone.append(plan)
                unknown = error if isinstance(error, RevisionNotFound) else unknown
        if unknown is not None and not sides:
            raise unknown
        compared = await self.between(sides, request, on_progress)
        by_itself: list[Evaluation] = []
        if alone and not self._is_stopped:
            by_itself = await self.run(request, [(plan, None) for plan in alone], on_progress)
        is_whole = len(compared) == len(sides) and len(by_itself) == len(alone)
        return Against(tuple(compared), tuple(by_itself), is_whole)

    def beside(self, plans: Sequence[Plan], request: EvaluationRequest, base: str) -> list[tuple[Plan, Plan]]:
        """Each of the request's plans with that of its base.

        The base is asked for those cases alone that give it what it must have, where there are any.
        """
        evaluating = Evaluating(self._parts, request)
        return [(plan, self._base_plan(evaluating, plan, base, request)) for plan in plans]

    async def between(
        self,
        sides: Sequence[tuple[Plan, Plan]],
        request: EvaluationRequest,
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Compared]:
        """Do each head's plan and its base's, and compare them; see `against`."""
        found = []
        if request.limits.fails_fast:
            raise UsageError("--fail-fast would leave too little to compare", hint="leave it out, or --against")
        for head_plan, base_plan in sides:
            if self._is_stopped:
                break
            kept = None if not request.is_cached else _same(self._parts.log, base_plan)
            wanted = [(head_plan, None)] if kept is not None else [(base_plan, None), (head_plan, None)]
            made = await self.run(request, wanted, on_progress)
            if self._evaluating is not None:
                made += self._evaluating.not_run
            base_side = load(self._parts.log, kept.id) if kept is not None else made[0]
            found.append(await self._compared(base_side, made[-1], (base_plan, head_plan), request))
        return found

    async def run(
        self,
        request: EvaluationRequest,
        plans: Sequence[tuple[Plan, EvaluationRow | None]],
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Evaluation]:
        """Do the plans of a request within what is left of its money; fewer come back where it was stopped."""
        limits = request.limits.less(self.spent_nano_usd)
        evaluating = self._evaluating = Evaluating(self._parts, replace(request, limits=limits))
        if self._is_stopped:
            evaluating.stop()
        try:
            return await evaluating.run(plans, on_progress)
        finally:
            self.spent_nano_usd += evaluating.spent_nano_usd

    def of_log(self, base_id: str, head_id: str) -> Compared:
        """Compare two evaluations of the log, as they are."""
        log = self._parts.log
        base, head = load(log, log.evaluation(base_id).id), load(log, log.evaluation(head_id).id)
        comparison, heads = self._pair(base, head)
        return self._judged(base, head, comparison, heads, Confirmed(), note=_difference_of(base.row, head.row))

    async def _compared(
        self, base: Evaluation, head: Evaluation, plans: tuple[Plan, Plan], request: EvaluationRequest
    ) -> Compared:
        comparison, heads = self._pair(base, head)
        flipped = [pair.case_id for pair in (*comparison.regressed, *comparison.improved)]
        notes = []
        if stopped := [side for side, made in (("base", base), ("head", head)) if made.stopped]:
            sides = " and ".join(stopped)
            notes.append(f"{sides} stopped early; the same command goes on, and asks for nothing that was answered")
        if left_out := base.row.spec.get("left_out"):
            notes.append(f"base cannot take the inputs of {left_out} of the cases, which are not compared")
        reruns: tuple[Rerun, ...] = ()
        if flipped and self._is_stopped:
            notes.append("interrupted before the flipped cases were asked for again")
        elif flipped and (request.is_replayed or plans[1].target.model.startswith("replay/")):
            notes.append("replies come from recordings, so flipped cases could not be asked for again")
        elif flipped:
            if len(flipped) > MOST_RERUN:
                notes.append(f"of {len(flipped)} flipped cases the first {MOST_RERUN} were asked for again")
            reruns = await self._rerun(flipped[:MOST_RERUN], plans, request)
            if not _is_whole(reruns):
                notes.append("stopped before every flipped case was asked for again three times")
        confirmed = confirm(comparison, reruns, runs=RERUNS)
        note = "; ".join(notes) or None
        found = self._judged(base, head, comparison, heads, confirmed, note=note, reruns=reruns)
        if request.min_pass is None or head.summary.is_unfinished:
            return found
        asked = check_passes([case.outcome for case in heads], min_pass=request.min_pass)
        return replace(found, decision=strictest([found.decision, asked]))

    async def _rerun(
        self, case_ids: Sequence[str], plans: tuple[Plan, Plan], request: EvaluationRequest
    ) -> tuple[Rerun, ...]:
        """Both sides of each case asked again, fresh: nothing is taken from the cache."""
        chosen = Chosen(len(case_ids), frozenset(case_ids))
        part = {"ids": sorted(case_ids), "rerun_of": "flipped cases"}
        again = [
            replace(plan, chosen=chosen, repeats=RERUNS, at_least=None, spec={**plan.spec, **part}) for plan in plans
        ]
        made = await self.run(replace(request, is_cached=False, is_recorded=False), [(plan, None) for plan in again])
        sides: list[dict[str, tuple[Any, ...]]] = []
        for side in made:
            cases = case_results(self._parts.log.results(side.row.id))
            sides.append({case.outcome.case_id: tuple(outcome_of(row).status for row in case.rows) for case in cases})
        sides += [{}] * (len(again) - len(sides))
        return tuple(Rerun(case_id, sides[0].get(case_id, ()), sides[1].get(case_id, ())) for case_id in case_ids)

    def _pair(self, base: Evaluation, head: Evaluation) -> tuple[Comparison, list[CaseResults]]:
        """Both sides, case by case. What an unfinished side had still to do is an error there, not a removed case."""
        bases, heads = self._cases(base), self._cases(head)
        outcomes = [[case.outcome for case in side] for side in (bases, heads)]
        ids = [{outcome.case_id for outcome in side} for side in outcomes]
        planned, left = set[str](), []
        for own, other, made in ((ids[0], ids[1], base), (ids[1], ids[0], head)):
            missing = other - own if made.summary.is_unfinished else set[str]()
            missing -= {*made.row.spec.get("left_out_ids", ())}
            planned |= missing
            left.append(max(0, made.summary.never_run - len(missing)))
        return compare(*outcomes, planned=planned, never_run=min(left)), heads

    def _cases(self, side: Evaluation) -> list[CaseResults]:
        """The cases that have all their repeats."""
        spec = side.row.spec
        cases = case_results(self._parts.log.results(side.row.id), spec.get("at_least"))
        return [case for case in cases if len(case.rows) >= spec.get("repeats", 1)]

    def _judged(
        self,
        base: Evaluation,
        head: Evaluation,
        comparison: Comparison,
        heads: Sequence[CaseResults],
        confirmed: Confirmed,
        *,
        note: str | None,
        reruns: tuple[Rerun, ...] = (),
    ) -> Compared:
        verdict = judge(comparison, self._rule, confirmed)
        must_pass = [case.outcome.case_id for case in heads if case.must_pass]
        decisions = [decide(verdict, self._rule)]
        if must_pass:
            decisions.append(check_passes([case.outcome for case in heads], must_pass=must_pass))
        if head.summary.is_unfinished:
            # Cases that base cannot take are in no comparison, so the verdict does not tell that head lacks them.
            unrun = head.summary.never_run
            decisions.append(
                Decision(INCOMPLETE, f"head: {count(unrun, 'case')} {'was' if unrun == 1 else 'were'} not run.")
            )
        decision = strictest(decisions)
        return Compared(base, head, comparison, verdict, decision, self._rule, note, reruns)

    def _base_plan(self, evaluating: Evaluating, plan: Plan, base: str, request: EvaluationRequest) -> Plan:
        head: Prompt = plan.target.prompt
        ref = f"{head.id}{base}" if base.startswith("@") else base
        try:
            at_version = self._parts.prompt(ref)
        except PromptNotFound as error:
            hint = f"to evaluate {head.id} by itself: promptctl eval {head.id}"
            raise PromptNotFound(f"nothing to compare with: {error.message}", hint=hint) from error
        model = plan.target.model if request.models else (at_version.model or plan.target.model)
        target = evaluating.target(at_version.prompt, at_version.version, model)
        found = replace(plan, target=target, drops_unknown_inputs=True, spec={**plan.spec, "ref": ref})
        return found if _takes_the_same(at_version.prompt, head) else _without_unfit(found)


def _is_whole(reruns: Sequence[Rerun]) -> bool:
    return all(len(statuses) >= RERUNS for run in reruns for statuses in (run.base, run.head))


def _takes_the_same(base: Prompt, head: Prompt) -> bool:
    """Whether both declare the same inputs, so that whatever one takes the other does."""
    declared = [
        {name: (each.schema, each.default, each.is_required) for name, each in prompt.inputs.items()}
        for prompt in (base, head)
    ]
    return declared[0] == declared[1]


def _without_unfit(plan: Plan) -> Plan:
    """The plan without the cases whose inputs its prompt cannot take, unless those are all of them."""
    asker = Asker(plan.target, drops_unknown_inputs=True)
    fit, unfit = [], []
    for case in plan.chosen.of(plan.dataset.cases(plan.target.prompt)):
        try:
            asker.ask(case)
            fit.append(case.id)
        except InputError:
            unfit.append(case.id)
    if not unfit or not fit:
        return plan
    left_out = {"left_out": len(unfit), "left_out_ids": unfit}
    return replace(plan, chosen=Chosen(len(fit), frozenset(fit)), spec={**plan.spec, **left_out})


def takes_any(plan: Plan) -> bool:
    """Whether the plan's prompt can take the inputs of at least one of its cases."""
    asker = Asker(plan.target, drops_unknown_inputs=plan.drops_unknown_inputs)
    for case in plan.chosen.of(plan.dataset.cases(plan.target.prompt)):
        try:
            asker.ask(case)
        except InputError:
            continue
        return True
    return False


def checked_base(base: str) -> str:
    """What `--against` was given, as it is; raises `UsageError` for what can be no ref."""
    if not base or base == "@":
        raise UsageError("--against names a version: @production, @v7, @origin/main, or another prompt's whole ref")
    return base


def _same(log: Store, plan: Plan) -> EvaluationRow | None:
    """A finished evaluation of the log that this plan would only repeat."""
    wanted = {
        **plan.spec,
        "dataset_digest": plan.dataset.digest,
        "repeats": plan.repeats,
        "at_least": plan.at_least,
        "parameters": dict(plan.target.parameters),
    }
    for row in log.evaluations(digest=plan.target.version.digest, status="finished", limit=50):
        if row.prompt != plan.target.prompt.id:
            continue
        is_equal = all(row.spec.get(key) == wanted.get(key) for key in _MUST_BE_EQUAL)
        if is_equal and row.model == plan.target.model and not row.totals.get("errors") and "rerun_of" not in row.spec:
            return row
    return None


def _difference_of(base: EvaluationRow, head: EvaluationRow) -> str | None:
    """What beside the prompt differs between two evaluations, in a sentence."""
    names = {
        "dataset": (base.spec.get("dataset"), head.spec.get("dataset")),
        "model": (base.model, head.model),
        "repeats": (base.spec.get("repeats"), head.spec.get("repeats")),
        "passes asked of the repeats": (base.spec.get("at_least") or "all", head.spec.get("at_least") or "all"),
        "judge": (base.spec.get("judge") or "the default", head.spec.get("judge") or "the default"),
        "parameters": (base.spec.get("parameters"), head.spec.get("parameters")),
    }
    differing = [f"{name} ({old} and {new})" for name, (old, new) in names.items() if old != new]
    return f"they differ in more than the prompt: {', '.join(differing)}" if differing else None
