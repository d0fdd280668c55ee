"""Shortens a prompt: leaves out one part at a time, and keeps what held-out cases allow.

Parts are chosen by cases of the dataset's other parts, which may well flatter one of many. Each that seems not to be
needed is put to the test at once: the prompt without it, and without all dropped before, against the prompt as it is,
on held-out cases that chose nothing. Tests of one fixed sequence share one level undivided, as long as the first that
fails ends it (Maurer, Hothorn and Lehmacher 1995). So what is proposed loses the margin with a chance of 5 % at most,
however many parts were tried.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.authoring.cuts import Cut, Cuts
from promptctl.authoring.shortened import Loss, Shortened, ShorteningRequest, TriedCut
from promptctl.authoring.trials import trial_plan
from promptctl.comparisons.against import compare_pairs
from promptctl.comparisons.compared import Compared
from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.rule import GateRule, rule_of
from promptctl.costs.recent_calls import recent_calls
from promptctl.datasets.drawing import split_of
from promptctl.datasets.index import dataset_index
from promptctl.datasets.splitting import HELD_OUT
from promptctl.errors import InvalidFiles, UsageError, WorkspaceError, printable
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.estimate import Estimate, estimate
from promptctl.evaluations.evaluation import load
from promptctl.evaluations.plan import comparison_key
from promptctl.evaluations.planning import Pair, plan
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.proposal import Proposal, change_of
from promptctl.files.tree import Overlay
from promptctl.files.wording import as_text, count, name_some
from promptctl.files.yaml_editing import Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.models.tokens import token_counter
from promptctl.prompts.checking import WorkspaceCheck
from promptctl.prompts.loading import load_prompt_file
from promptctl.prompts.rendering import Renderer
from promptctl.statistics.metric import ALPHA
from promptctl.statistics.noninferiority import is_loss_ruled_out
from promptctl.versions.former_ids import logged_renames

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.datasets.cases import Case
    from promptctl.evaluations.session import Session
    from promptctl.log.results import Totals
    from promptctl.prompts.prompt import Prompt

OnStep = Callable[[str], object]
_MOST_CASES = 5_000


class Shortening:
    """A shortening that is planned: everything is read and checked, nothing is asked yet.

    Raises `UsageError` and `WorkspaceError` for what cannot be shortened, or proven on so few cases, and what planning
    an evaluation raises.
    """

    def __init__(self, context: Context, request: ShorteningRequest, *, is_estimate: bool = False) -> None:
        prompt_id, at, _ = request.ref.partition("@")
        if at:
            hint = f"promptctl shorten {printable(prompt_id)} -d {printable(request.dataset)}"
            raise UsageError("what is shortened is the file of the work tree, so no version is named", hint=hint)
        asked, self._context = request.evaluation(is_estimate=is_estimate), context
        tree, prompt = context.work_tree_for("shortening a prompt"), context.prompt(request.ref).prompt
        index = dataset_index(context, asked.code)
        dataset = index.open(index.named(request.dataset, context.inside))
        path = dataset.header.path
        for file, is_ours in ((prompt.path, prompt.dialect == "native"), (path, path.endswith(DATASET_SUFFIXES))):
            if not is_ours:
                raise UsageError(f"{file} is not of promptctl's own format, so it is not edited")
        if prompt.id not in dataset.header.prompts:
            raise WorkspaceError(f"{path} does not test {prompt.id}", hint="name the prompt under its `prompts:`")
        (self.plan,) = plan(context, asked)
        self._tree, self.prompt = tree, prompt
        self._file = tree.read(prompt.path)
        document = read_yaml(self._file, prompt.path)
        self.cuts = Cuts(document, is_template=prompt.engine == "jinja2")
        self._known = frozenset(self._problems_in(self._file))
        self.margin = rule_of(context.settings.gate.rule, {}).margin if request.margin is None else request.margin
        self._has_split = dataset.split is not None
        self._split = split_of(dataset, prompt, request.seed)
        cases = [case for case in dataset.cases(prompt) if case.output is None and case.xfail is None]
        parts = [(case, self._split.part(case)) for case in cases]
        self.choosing = [case for case, part in parts if part not in (HELD_OUT, None)]
        self.held_out = [case for case, part in parts if part == HELD_OUT]
        self._check_sizes(path)

    def _check_sizes(self, path: str) -> None:
        needed, has = _needed(self.margin), len(self.held_out)
        if self.choosing and has >= needed:
            return
        share = _provable(has)
        more = f", or allow a larger loss: --margin {share:g}" if share is not None else ""
        raise WorkspaceError(
            f"{path} is too small to shorten {self.prompt.id} on: {count(has, 'case')} of it are held out, and "
            f"{needed} are needed to rule out a loss of {self.margin * 100:g} points even if none is lost",
            hint=f"add cases{more}",
        )

    async def run(self, session: Session, on_step: OnStep) -> Shortened:
        """Try each part, and put what seems not to be needed to the test; what ends it early keeps what is proven."""
        trial = _Trial(self, self._context, session)
        tried: list[TriedCut] = []
        on_step("trying it as it is")
        before = await trial.passes(self.prompt, self.choosing)
        if before is not None and (missing := len(self.choosing) - len(before)):
            note = f"as it is, {_ungraded(missing, 'case to choose by')}"
            tried, before = [TriedCut(cut, "unknown", note=note) for cut in self.cuts.all[:1]], None
        if before is not None:
            self._check_works(before)
        dropped: list[Cut] = []
        loss: Loss | None = None
        for number, cut in enumerate(self.cuts.all if before is not None else ()):
            on_step(f"part {number + 1} of {len(self.cuts.all)}: {cut.about}")
            found = await self._tried(trial, cut, dropped, before or {})
            if found is None:
                break
            if found.outcome == "dropped":
                compared = await trial.compared(self.without([*dropped, cut]))
                if compared is None:
                    break
                if ungraded := compared.comparison.ungraded:
                    tried.append(replace(found, outcome="unknown", note=_ungraded(ungraded, "held-out case")))
                    break
                if refused := self._refused(compared):
                    tried.append(replace(found, outcome="not-proven", note=refused))
                    break
                loss = _loss(compared)
                dropped.append(cut)
            tried.append(found)
        return self._shortened(trial, session, tried, dropped, loss)

    def _check_works(self, before: Mapping[str, bool]) -> None:
        """Raise `WorkspaceError` for a prompt that fails as it is: what fails already cannot be lost."""
        passing = sum(before.values())
        if passing < len(self.choosing) / 2:
            told = f"{passing} of {count(len(self.choosing), 'case')} to choose by pass as it is"
            raise WorkspaceError(
                f"{told}: too few to see what a part is for",
                hint=f"make the prompt pass first: promptctl eval {self.prompt.id}",
            )

    async def _tried(
        self, trial: _Trial, cut: Cut, dropped: Sequence[Cut], before: Mapping[str, bool]
    ) -> TriedCut | None:
        """Return what the cases to choose by say of one part; None if that was stopped."""
        try:
            prompt = self.without([*dropped, cut])
        except (InvalidFiles, WorkspaceError) as error:
            return TriedCut(cut, "unfit", note=error.message)
        problems = self._problems_in(self._bytes([*dropped, cut]))
        if found := [each for each in problems if each not in self._known]:
            return TriedCut(cut, "unfit", note=found[0])
        after = await trial.passes(prompt, self.choosing)
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
        for cases, name in ((self.choosing, "train, choose"), (self.held_out, "held_out")):
            one = estimate(self._context, trial_plan(self.plan, self.prompt, [case.id for case in cases]))
            found.append(replace(one.scaled(one.calls * tries), dataset=f"{one.dataset}: {name}", is_at_most=True))
        return found

    def without(self, dropped: Collection[Cut]) -> Prompt:
        """Return the prompt without these parts. Raises `InvalidFiles` and `WorkspaceError` if it cannot be read."""
        overlay = Overlay(self._tree, {self.prompt.path: self._bytes(dropped)})
        return load_prompt_file(overlay, self.prompt.path)

    def _bytes(self, dropped: Collection[Cut]) -> bytes:
        return edit_yaml(self._file, self.prompt.path, self.cuts.edits(dropped))

    def _problems_in(self, data: bytes) -> list[str]:
        path = self.prompt.path
        return [problem.message for problem in WorkspaceCheck(Overlay(self._tree, {path: data})).file(path)]

    def _refused(self, compared: Compared) -> str:
        """Return why the held-out cases do not allow what was left out; empty if they do."""
        metric = compared.comparison.metric(PASSED)
        must_pass = {case.id for case in self.held_out if case.must_pass}
        assert metric is not None  # every case is graded on both sides
        if broken := sorted(must_pass & {pair.case_id for pair in compared.comparison.regressed}):
            return f"it breaks what must pass: {name_some(broken)}"
        if metric.rules_out(self.margin):
            return ""
        found = Loss.of(metric, ("", ""))
        return f"on held-out cases a loss of {self.margin * 100:g} points cannot be ruled out: {found.words}"

    def _shortened(
        self, trial: _Trial, session: Session, tried: list[TriedCut], dropped: list[Cut], loss: Loss | None
    ) -> Shortened:
        context, path = self._context, self.plan.spec.dataset
        changes = []
        if dropped:
            changes.append(change_of(self._tree, self.prompt.path, self._bytes(dropped)))
        if not self._has_split:
            header = Set(("split",), self._split.as_header(), ("defaults", "cases"))
            changes.append(change_of(self._tree, path, edit_yaml(self._tree.read(path), path, [header])))
        saved = sum(cut.tokens for cut in dropped)
        renames = logged_renames(context.log, context.now())
        recent = recent_calls(context, self.prompt.id, renames)
        tokens, first = token_counter()[0], Renderer(self.prompt).render(self.held_out[0].inputs)
        return Shortened(
            prompt=self.prompt.id,
            version_display=self.plan.target.version.display,
            model=self.plan.target.model,
            dataset=path,
            choosing=len(self.choosing),
            held_out=len(self.held_out),
            split_seed=self._split.seed,
            margin=self.margin,
            tried=tuple(tried),
            untried=len(self.cuts.all) - len(tried),
            loss=loss,
            tokens=sum(tokens(as_text(message.get("content") or "")) for message in first.messages),
            saved_tokens=saved,
            recent_calls=0 if recent is None else len(recent.calls),
            saved_nano_usd=None if recent is None or not saved else recent.sent_less(saved),
            cost_nano_usd=trial.cost_nano_usd,
            unpriced=trial.unpriced,
            calls=trial.calls,
            proposal=Proposal(tuple(changes)),
            stopped=session.stopped,
        )


class _Trial:
    """Evaluates shorter prompts in the session of the command, and counts what that takes."""

    def __init__(self, planned: Shortening, context: Context, session: Session) -> None:
        self._planned = planned
        self._log = context.log
        self._session = session
        self._counted: set[str] = set()
        self.cost_nano_usd = self.unpriced = self.calls = 0

    async def passes(self, prompt: Prompt, cases: Sequence[Case]) -> dict[str, bool] | None:
        """Return for each graded case whether it passes; None if that was stopped."""
        asked = trial_plan(self._planned.plan, prompt, [case.id for case in cases])
        earlier = same_evaluation(self._log, asked)
        if earlier is not None:
            found = load(self._log, earlier)
        else:
            (found,) = await self._session.run([asked])
            self._count(found.totals)
        if self._session.stopped or found.summary.is_unfinished:
            return None
        rows = self._log.results(found.row.id, statuses=("passed", "failed"))
        return {row.case_id: row.status == "passed" for row in rows}

    async def compared(self, prompt: Prompt) -> Compared | None:
        """Return the comparison of a shorter prompt with the prompt as it is on the held-out cases; None if stopped."""
        ids = [case.id for case in self._planned.held_out]
        after, before = (trial_plan(self._planned.plan, each, ids) for each in (prompt, self._planned.prompt))
        key = comparison_key(after.row(), before.row())
        pair = Pair(
            replace(after, spec=replace(after.spec, side="head", comparison=key)),
            replace(before, spec=replace(before.spec, side="base", comparison=key, drops_unknown_inputs=True)),
        )
        (found,) = await compare_pairs(self._log, self._session, [pair], GateRule(reruns=0))
        assert isinstance(found, Compared)  # it has a base
        for side in (found.base, found.head):
            if side.row.spec.group == self._planned.plan.spec.group and side.row.id not in self._counted:
                self._counted.add(side.row.id)
                self._count(side.totals)
        return None if self._session.stopped else found

    def _count(self, totals: Totals) -> None:
        self.cost_nano_usd += totals.cost_nano_usd
        self.unpriced += totals.unpriced
        self.calls += totals.reply_sources.get("model", 0)


def _ungraded(number: int, noun: str) -> str:
    were = f"{noun} was" if number == 1 else f"{noun.replace('case', 'cases')} were"
    return f"{number} {were} not graded"


def seems_unneeded(lost: int, gained: int, cases: int, margin: float) -> bool:
    """Return True if leaving a part out loses so little of the cases to choose by that proving it is worth the cost."""
    return lost - gained <= margin * cases / 2


def _loss(compared: Compared) -> Loss:
    metric = compared.comparison.metric(PASSED)
    assert metric is not None
    return Loss.of(metric, (compared.base.row.id, compared.head.row.id))


def _needed(margin: float) -> int:
    """Return how many held-out cases it takes to rule out a loss of the margin, if none is lost."""
    few, enough = 0, 1
    while not is_loss_ruled_out(0, 0, enough, margin, ALPHA) and enough < _MOST_CASES:
        few, enough = enough, enough * 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if is_loss_ruled_out(0, 0, middle, margin, ALPHA) else (middle, enough)
    return enough


def _provable(cases: int) -> float | None:
    """Return the smallest loss, in steps of five points, that so many cases can rule out; None up to a half."""
    shares = (step / 20 for step in range(1, 11))
    return next((share for share in shares if cases and is_loss_ruled_out(0, 0, cases, share, ALPHA)), None)
