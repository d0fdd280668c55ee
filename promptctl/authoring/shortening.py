"""Shortens a prompt: leaves out one part at a time, and keeps what held-out cases allow.

Parts are chosen by cases of the dataset's other parts, which may well flatter one of many. Each that seems not to be
needed is put to the test at once: the prompt without it, and without all dropped before, against the prompt as it is,
on held-out cases that chose nothing. Tests of one fixed sequence share one level undivided, as long as the first that
fails ends it (Maurer, Hothorn and Lehmacher 1995). So what is proposed loses the margin with a chance of 5 % at most,
however many parts were tried.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.authoring.cuts import Cut, Cuts
from promptctl.authoring.shortened import Loss, Shortened, ShorteningRequest, TriedCut, after_others
from promptctl.authoring.trials import EditedFile, OnStep, TrialRun, draw_parts, look_number, open_tested, trial_plan
from promptctl.comparisons.rule import rule_of
from promptctl.costs.recent_calls import DAYS, recent_calls
from promptctl.datasets.splitting import CHOOSE, HELD_OUT, TRAIN
from promptctl.errors import InvalidFiles, UsageError, WorkspaceError, printable, quote
from promptctl.evaluations.estimate import Estimate, estimates
from promptctl.evaluations.planning import plan
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.wording import as_text, count, name_some
from promptctl.files.yaml_editing import edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.models.tokens import token_counter
from promptctl.prompts.rendering import Renderer
from promptctl.statistics.metric import ALPHA
from promptctl.statistics.multiplicity import spent
from promptctl.statistics.noninferiority import is_loss_ruled_out
from promptctl.statistics.planning import smallest
from promptctl.versions.former_ids import logged_renames

if TYPE_CHECKING:
    from promptctl.comparisons.compared import Compared
    from promptctl.context import Context
    from promptctl.datasets.cases import Case
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.session import Session
    from promptctl.prompts.prompt import Prompt

_MOST_CASES = 10_000


class Shortening:
    """A shortening that is planned: everything is read and checked, nothing is asked yet.

    Raises `UsageError` and `WorkspaceError` for what cannot be shortened, or proven on so few cases, and what planning
    an evaluation raises.
    """

    def __init__(self, context: Context, request: ShorteningRequest, *, is_estimate: bool = False) -> None:
        prompt_id, at, _ = request.ref.partition("@")
        if at:
            hint = f"promptctl shorten {printable(prompt_id)} -d {quote(printable(request.dataset))}"
            raise UsageError("what is shortened is the file of the work tree, so no version is named", hint=hint)
        asked, self._context = request.evaluation(is_estimate=is_estimate), context
        tree, prompt = context.work_tree_for("shortening a prompt"), context.prompt(request.ref).prompt
        if prompt.dialect != "native":
            raise UsageError(f"{prompt.path} is not of promptctl's own format, so it is not edited")
        dataset = open_tested(context, asked, request.dataset, prompt.id)
        (self.plan,) = plan(context, asked)
        self.prompt, self._file = prompt, EditedFile(tree, prompt.path)
        document = read_yaml(self._file.data, prompt.path)
        self.cuts = Cuts(document, is_template=prompt.engine == "jinja2")
        self.margin = rule_of(context.settings.gate.rule, {}).margin if request.margin is None else request.margin
        drawn = draw_parts(context, dataset, prompt, request.seed)
        self._split, self._kept_by = drawn.split, drawn.changes
        self.choosing, self.held_out = drawn.cases[TRAIN] + drawn.cases[CHOOSE], drawn.cases[HELD_OUT]
        self._look = f"shorten {prompt.digest}"
        self.looks = look_number(context.log, self._plan(prompt, self.held_out), self._look)
        self._alpha = spent(ALPHA, self.looks)
        self._check_sizes(dataset.header.path)

    def _check_sizes(self, path: str) -> None:
        needed, has = _needed(self.margin, self._alpha), len(self.held_out)
        if self.choosing and has >= needed:
            return
        share = _provable(has, self._alpha)
        more = f", or allow a larger loss: --margin {share:g}" if share is not None else ""
        raise WorkspaceError(
            f"{path} is too small to shorten {self.prompt.id} on: {count(has, 'case')} of it are held out, and "
            f"{needed} are needed to rule out a loss of {self.margin * 100:g} points even if none is lost"
            f"{after_others(self.looks)}",
            hint=f"add cases{more}",
        )

    async def run(self, session: Session, on_step: OnStep) -> Shortened:
        """Try each part, and put what seems not to be needed to the test; what ends it early keeps what is proven."""
        trials = TrialRun(self._context, session, self.plan)
        tried: list[TriedCut] = []
        on_step("trying it as it is")
        before = await self._passes(trials, session, self.prompt)
        if before is not None and (missing := len(self.choosing) - len(before)):
            note = f"as it is, {_ungraded(missing, 'case to choose by')}"
            tried, before = [TriedCut(cut, "unknown", note=note) for cut in self.cuts.all[:1]], None
        if before is not None:
            self._check_works(before)
        dropped: list[Cut] = []
        loss: Loss | None = None
        for number, cut in enumerate(self.cuts.all if before is not None else ()):
            on_step(f"part {number + 1} of {len(self.cuts.all)}: {cut.about}")
            found = await self._tried(trials, session, cut, dropped, before or {})
            if found is None:
                break
            if found.outcome == "dropped":
                sides = (self.prompt, self.without([*dropped, cut]))
                plain, shorter = (self._plan(each, self.held_out) for each in sides)
                compared = await trials.compared(plain, shorter, self._look)
                if session.stopped:
                    break
                if ungraded := compared.comparison.ungraded:
                    tried.append(replace(found, outcome="unknown", note=_ungraded(ungraded, "held-out case")))
                    break
                if refused := self._refused(compared):
                    tried.append(replace(found, outcome="not-proven", note=refused))
                    break
                loss = self._loss(compared)
                dropped.append(cut)
            tried.append(found)
        return self._shortened(trials, session, tried, dropped, loss)

    def _check_works(self, before: Mapping[str, bool]) -> None:
        """Raise `WorkspaceError` for a prompt that fails as it is: what fails already cannot be lost."""
        passing = sum(before.values())
        if passing < len(self.choosing) / 2:
            told = f"{passing} of {count(len(self.choosing), 'case')} to choose by pass as it is"
            raise WorkspaceError(
                f"{told}: too few to see what a part is for",
                hint=f"make the prompt pass first: promptctl eval {self.prompt.id}",
            )

    def _plan(self, prompt: Prompt, cases: Sequence[Case]) -> Plan:
        return trial_plan(self.plan, prompt, [case.id for case in cases])

    async def _passes(self, trials: TrialRun, session: Session, prompt: Prompt) -> dict[str, bool] | None:
        """Return for each case to choose by that was graded whether it passes; None if that was stopped."""
        found = await trials.evaluated(self._plan(prompt, self.choosing))
        if session.stopped or found.summary.is_unfinished:
            return None
        rows = self._context.log.results(found.row.id, statuses=("passed", "failed"))
        return {row.case_id: row.status == "passed" for row in rows}

    async def _tried(
        self, trials: TrialRun, session: Session, cut: Cut, dropped: Sequence[Cut], before: Mapping[str, bool]
    ) -> TriedCut | None:
        """Return what the cases to choose by say of one part; None if that was stopped."""
        try:
            prompt = self.without([*dropped, cut])
        except (InvalidFiles, WorkspaceError) as error:
            return TriedCut(cut, "unfit", note=error.message)
        if found := self._file.new_problems(self._bytes([*dropped, cut])):
            return TriedCut(cut, "unfit", note=found[0])
        after = await self._passes(trials, session, prompt)
        if after is None:
            return None
        if missing := len(before.keys() | after.keys()) - len(before.keys() & after.keys()):
            return TriedCut(cut, "unknown", note=_ungraded(missing, "case to choose by"))
        lost_ids = {id_ for id_ in before.keys() & after.keys() if before[id_] and not after[id_]}
        lost, must_pass = len(lost_ids), {case.id for case in self.choosing if case.must_pass}
        gained = sum(after[id_] and not before[id_] for id_ in before.keys() & after.keys())
        is_kept = seems_unneeded(lost, gained, len(before), self.margin)
        return TriedCut(cut, "dropped" if is_kept and not must_pass & lost_ids else "needed", lost, gained)

    def estimates(self) -> list[Estimate]:
        """Return what it would ask and cost at most: each part tried, and each put to the test."""
        tries = len(self.cuts.all) + 1
        found = []
        plans = [self._plan(self.prompt, cases) for cases in (self.choosing, self.held_out)]
        for one, name in zip(estimates(self._context, plans), ("train, choose", "held_out"), strict=True):
            found.append(replace(one.scaled(one.calls * tries), dataset=f"{one.dataset}: {name}", is_at_most=True))
        return found

    def without(self, dropped: Collection[Cut]) -> Prompt:
        """Return the prompt without these parts. Raises `InvalidFiles` and `WorkspaceError` if it cannot be read."""
        return self._file.prompt(self._bytes(dropped))

    def _bytes(self, dropped: Collection[Cut]) -> bytes:
        return edit_yaml(self._file.data, self.prompt.path, self.cuts.edits(dropped))

    def _refused(self, compared: Compared) -> str:
        """Return why the held-out cases do not allow what was left out; empty if they do."""
        metric = compared.comparison.passes_at(self._alpha)
        must_pass = {case.id for case in self.held_out if case.must_pass}
        assert metric is not None  # every case is graded on both sides
        if broken := sorted(must_pass & {pair.case_id for pair in compared.comparison.regressed}):
            return f"it breaks what must pass: {name_some(broken)}"
        if metric.rules_out(self.margin):
            return ""
        return f"a loss of {self.margin * 100:g} points cannot be ruled out: {self._loss(compared).words}"

    def _loss(self, compared: Compared) -> Loss:
        metric = compared.comparison.passes_at(self._alpha)
        assert metric is not None
        return Loss.of(metric, self.looks, (compared.base.row.id, compared.head.row.id))

    def _shortened(
        self, trials: TrialRun, session: Session, tried: list[TriedCut], dropped: list[Cut], loss: Loss | None
    ) -> Shortened:
        context = self._context
        change = FileEdit(self.prompt.path, self._file.data, self._bytes(dropped))
        saved = sum(cut.tokens for cut in dropped)
        renames = logged_renames(context.log, context.now())
        recent = recent_calls(context, self.prompt.id, renames)
        less = None if recent is None or not saved else recent.costs_less(saved)
        return Shortened(
            prompt=self.prompt.id,
            version_display=self.plan.target.version.display,
            model=self.plan.target.model,
            dataset=self.plan.spec.dataset,
            choosing=len(self.choosing),
            held_out=len(self.held_out),
            split_seed=self._split.seed,
            margin=self.margin,
            tried=tuple(tried),
            untried=len(self.cuts.all) - len(tried),
            loss=loss,
            tokens=self._request_tokens(),
            saved_tokens=saved,
            recent_calls=0 if recent is None else len(recent.calls),
            recent_days=0.0 if recent is None else recent.months * DAYS,
            saved_of_recent_nano_usd=less,
            saved_nano_usd=None if recent is None or less is None else recent.a_month(less),
            cost_nano_usd=trials.cost_nano_usd,
            unpriced=trials.unpriced,
            calls=trials.calls,
            proposal=Proposal((change, *self._kept_by)),
            stopped=session.stopped,
        )

    def _request_tokens(self) -> int:
        """Return about how many tokens the first held-out case's request has: messages, tools, schema."""
        tokens, prompt = token_counter()[0], self.prompt
        messages = Renderer(prompt).render(self.held_out[0].inputs).messages
        parts = [*(message.get("content") or "" for message in messages), *prompt.tools, prompt.output.schema or ""]
        return sum(tokens(as_text(part)) for part in parts)


def _ungraded(number: int, noun: str) -> str:
    were = f"{noun} was" if number == 1 else f"{noun.replace('case', 'cases')} were"
    return f"{number} {were} not graded"


def seems_unneeded(lost: int, gained: int, cases: int, margin: float) -> bool:
    """Return True if leaving a part out loses so little of the cases to choose by that proving it is worth the cost."""
    return lost - gained <= margin * cases / 2


def _needed(margin: float, alpha: float) -> int:
    """Return how many held-out cases it takes to rule out a loss of the margin, if none is lost."""
    return smallest(lambda cases: is_loss_ruled_out(0, 0, cases, margin, alpha), 0, _MOST_CASES) or _MOST_CASES


def _provable(cases: int, alpha: float) -> float | None:
    """Return the smallest loss, in steps of five points, that so many cases can rule out; None up to a half."""
    shares = (step / 20 for step in range(1, 11))
    return next((share for share in shares if cases and is_loss_ruled_out(0, 0, cases, share, alpha)), None)
