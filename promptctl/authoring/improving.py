"""Improves a prompt: plans it, searches for better texts, judges the best of them on cases that none was tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl.authoring.author import Author, AuthorOptions
from promptctl.authoring.candidates import Candidates, EditedPrompt, components_of
from promptctl.authoring.evolution import BATCH, Grade, Ground, check_installed, evolve
from promptctl.authoring.improvement import Evidence, Improvement, ImprovementRequest, ImprovementVerdict
from promptctl.authoring.trials import OnStep, TrialRun, draw_parts, look_number, open_tested
from promptctl.authoring.trying import WRITER, Hands, SearchBounds
from promptctl.comparisons.compared import Compared
from promptctl.datasets.splitting import CHOOSE, HELD_OUT, LEAST, TRAIN
from promptctl.errors import UsageError, WorkspaceError, quote
from promptctl.evaluations.estimate import Estimate, cost_of_call, estimates
from promptctl.evaluations.planning import check_models, plan
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.wording import as_text, count, name_some
from promptctl.models.gateway import Usage
from promptctl.models.tokens import token_counter
from promptctl.models.worst_case import WorstCase
from promptctl.statistics.metric import ALPHA
from promptctl.statistics.multiplicity import spent

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.datasets.cases import Case
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.session import Session


class Improving:
    """An improvement that is planned: everything is read and checked, nothing is asked yet.

    Raises `UsageError` and `WorkspaceError` for what cannot be improved, `DatasetNotFound`, and what planning an
    evaluation raises.
    """

    def __init__(self, context: Context, request: ImprovementRequest, *, is_estimate: bool = False) -> None:
        check_installed()
        asked = request.evaluation(is_estimate=is_estimate)
        prompt = context.prompt(request.ref).prompt
        dataset = open_tested(context, asked, request.dataset, prompt.id)
        (self.plan,) = plan(context, asked)
        _check_work_tree(context, self.plan, request.ref)
        self._context = context
        self.request = request
        drawn = draw_parts(context, dataset, prompt, request.seed)
        self.split, self._kept_by, self.parts = drawn.split, drawn.changes, drawn.cases
        _check_sizes(dataset.header.path, self.parts)
        writing = AuthorOptions(command="improve", model=request.writer, option="--writer", source=request.source)
        self.author = Author(context, writing)
        self.writer = self.author.prompt(WRITER)
        if not is_estimate:
            context.models.settings_of(self.writer.model or "")
        check_models(context, asked, {self.writer.model or ""}, set())
        data = context.repository.work_tree.read(prompt.path)
        components = components_of(prompt, data, with_parameters=request.edits_parameters)
        shown = {case.id for part in (TRAIN, CHOOSE) for case in self.parts[part]}
        self.candidates = Candidates(context, self.plan, components, list(dataset.cases(prompt)), shown)

    def ids(self, part: str) -> list[str]:
        """Return the ids of the cases of a part."""
        return [case.id for case in self.parts[part]]

    async def run(self, session: Session, on_step: OnStep) -> Improvement:
        """Search, and judge the best candidate.

        What ends it early is the session's: what was done is kept, and doing it again goes on from there.
        """
        runs = TrialRun(self._context, session, self.plan)
        hands = Hands(self._context, session, runs, self.candidates, self.author, self._bounds(), on_step)
        on_step("as it is")
        texts, as_it_is = self.candidates.texts, await hands.graded(self.candidates.texts, self.ids(TRAIN))
        failing = [each.case_id for each in as_it_is or () if not (each.has_passed or each.is_error)]
        if failing:
            ground = Ground(self.ids(TRAIN), failing, self.ids(CHOOSE))
            await hands.search(lambda: evolve(hands, texts, ground, seed=self.request.seed or 0))
        return await self._judged(hands, runs, session, on_step, as_it_is or ())

    def estimates(self) -> list[Estimate]:
        """Return what it would ask and cost at most: the search, judging the best candidate, and writing the edits."""
        rounds, original = self.request.rounds, self.candidates.made(self.candidates.texts)
        plans = [self.candidates.plan(original, self.ids(part)) for part in (CHOOSE, HELD_OUT)]
        chosen, held_out = estimates(self._context, plans)
        tries = len(self.parts[TRAIN]) + chosen.calls + rounds * (2 * BATCH + chosen.calls)
        path = chosen.dataset
        return [
            replace(chosen.scaled(tries), dataset=f"{path}: {TRAIN}, {CHOOSE}", is_at_most=True),
            replace(held_out.scaled(2 * held_out.calls), dataset=f"{path}: {HELD_OUT}"),
            self._estimate_of_edits(),
        ]

    def _estimate_of_edits(self) -> Estimate:
        """Return what writing an edit in each round takes, by the size of what the writer is shown."""
        context, rounds, model = self._context, self.request.rounds, self.writer.model or ""
        declared = self.writer.prompt.inputs
        rendered = self.writer.render({name: value for name, value in self._shown().items() if name in declared})
        tokens, words = token_counter()
        each = sum(tokens(as_text(message["content"])) for message in rendered.messages)
        most = self.writer.prompt.parameters.get("max_tokens")
        cost = cost_of_call(context, model, "cache", Usage(input_tokens=each, output_tokens=most or 0))
        return Estimate(
            prompt=WRITER,
            model=model,
            dataset=self.plan.spec.dataset,
            calls=rounds,
            judge_calls=0,
            input_tokens=rounds * each,
            output_tokens=None if most is None else rounds * most,
            cost_nano_usd=None if cost is None or most is None else rounds * cost,
            is_priced=cost is not None,
            source=f"its texts without replies, {words}{', and max_tokens' if most else ''}",
            worst_nano_usd=cost,
            plan_worst_nano_usd=None,
            is_at_most=True,
        )

    def _shown(self) -> dict[str, Any]:
        """Return what the writer is shown in one round, but for the replies."""
        cases = [
            {"passed": False, "inputs": dict(case.inputs), "reply": "", "problem": ""}
            for case in islice(self.parts[TRAIN], BATCH)
        ]
        prompt = [{"name": name, "text": text} for name, text in self.candidates.texts.items()]
        return {"part": prompt[0]["name"], "text": prompt[0]["text"], "prompt": prompt, "cases": cases}

    def _bounds(self) -> SearchBounds:
        most, worst = self.request.limits.max_cost_nano_usd, 0
        if most is not None:
            plan = self.candidates.plan(self.candidates.made(self.candidates.texts), self.ids(HELD_OUT))
            edit, models = self.author.call(WRITER, self._shown()).request, self._context.models
            of_edit = WorstCase.of(edit, models.settings_of(edit.model).model, models.prices).nano_usd
            worst = max(estimates(self._context, [plan])[0].worst_nano_usd or 0, of_edit or 0)
        return SearchBounds(
            rounds=self.request.rounds,
            choose=self.ids(CHOOSE),
            held_out=len(self.parts[HELD_OUT]),
            max_nano_usd=most,
            worst_nano_usd=worst,
        )

    async def _judged(
        self, hands: Hands, runs: TrialRun, session: Session, on_step: OnStep, as_it_is: Sequence[Grade]
    ) -> Improvement:
        best, compared, evidence = hands.best, None, None
        verdict: ImprovementVerdict
        if as_it_is and all(each.has_passed for each in as_it_is):
            learn = count(len(self.parts[TRAIN]), "case")
            verdict, reason = (
                "not-shown",
                f"the prompt passes all of its {learn} to learn from: there is nothing to learn",
            )
        elif best is None and not session.stopped:
            ungraded = [each.about["problem"] for each in as_it_is if each.is_error]
            told = f"{count(len(ungraded), 'case')} to learn from could not be graded: {ungraded[0]}"
            verdict, reason = "unknown", told.rstrip(".")
        elif best is None or (best.number == 0 and hands.stopped):
            verdict, reason = "unknown", "the search ended before a better candidate was found"
        elif best.number == 0 and best.passed == len(self.parts[CHOOSE]):
            choose = count(best.passed, "case")
            verdict, reason = "not-shown", f"the prompt passes all of its {choose} to choose by: none can do better"
        elif best.number == 0:
            verdict, reason = "not-shown", "no candidate did better on the cases to choose by than the prompt as it is"
        elif session.stopped:
            verdict, reason = "unknown", "the best candidate so far was not tried on the held-out cases"
        else:
            on_step("judging")
            sides = (self.candidates.made(each) for each in (self.candidates.texts, best.texts))
            before, after = (self.candidates.plan(each, self.ids(HELD_OUT)) for each in sides)
            look = f"improve {after.target.version.digest}"
            looks = look_number(self._context.log, after, look)
            compared = await runs.compared(before, after, look)
            if (metric := compared.comparison.passes_at(spent(ALPHA, looks))) is not None:
                evidence = Evidence.of(metric, looks, (compared.base.row.id, compared.head.row.id))
            verdict, reason = self._verdict(compared, evidence, hands)
        candidate = self.candidates.made(best.texts) if best is not None and verdict != "not-shown" else None
        version = self.plan.target.version
        return Improvement(
            prompt=self.plan.target.prompt.id,
            version_display=version.display,
            model=self.plan.target.model,
            writer=self.writer.model or "",
            dataset=self.plan.spec.dataset,
            cases=(len(self.parts[TRAIN]), len(self.parts[CHOOSE]), len(self.parts[HELD_OUT])),
            split_seed=self.split.seed,
            verdict=verdict,
            reason=reason,
            rounds=hands.rounds,
            rounds_asked=self.request.rounds,
            refused=hands.refused,
            candidates=tuple(hands.kept),
            best=0 if best is None else best.number,
            evidence=evidence,
            cost_nano_usd=runs.cost_nano_usd,
            unpriced=runs.unpriced,
            calls=runs.calls,
            proposal=Proposal(tuple(self._changes(candidate))),
            stopped=hands.stopped or (compared.head.stopped or compared.base.stopped if compared else None),
            compared=compared,
        )

    def _verdict(self, compared: Compared, evidence: Evidence | None, hands: Hands) -> tuple[ImprovementVerdict, str]:
        if evidence is None or compared.verdict.kind == "incomplete":
            return "unknown", compared.verdict.reason.rstrip(".")
        must_pass = {case.id for part in (CHOOSE, HELD_OUT) for case in self.parts[part] if case.must_pass}
        lost = {pair.case_id for pair in compared.comparison.regressed} | hands.lost_of_best
        if broken := sorted(must_pass & lost):
            return "not-shown", f"the best candidate breaks what must pass: {name_some(broken)}"
        return ("better" if evidence.is_improvement else "not-shown"), evidence.words

    def _changes(self, candidate: EditedPrompt | None) -> list[FileEdit]:
        if candidate is None:
            return [*self._kept_by]
        return [FileEdit(candidate.prompt.path, self.candidates.original, candidate.data), *self._kept_by]


def _check_work_tree(context: Context, planned: Plan, ref: str) -> None:
    """Raise `UsageError` for a version that the work tree does not have: it is its file that would be changed."""
    id_ = planned.target.prompt.id
    if ref != id_ and context.prompt(id_).version.digest != planned.target.version.digest:
        raise UsageError(
            f"{ref} is not what the work tree has, and it is the work tree's file that an improvement changes",
            hint=f"bring it back first (git restore --source=COMMIT -- {planned.target.prompt.path}), or improve {id_}",
        )


def _check_sizes(path: str, parts: Mapping[str, list[Case]]) -> None:
    for part, cases in parts.items():
        if len(cases) < LEAST[part]:
            raise WorkspaceError(
                f"{path} is too small to improve on: the part `{part}` has {count(len(cases), 'case')} that can tell, "
                f"and {LEAST[part]} are needed",
                hint=f"add cases, or draw the parts anew: promptctl dataset split {quote(path)}",
            )
