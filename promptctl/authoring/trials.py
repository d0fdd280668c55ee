"""Trials: the evaluations of a changed prompt that nobody has written yet, in the one session of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptctl.comparisons.against import compare_pairs
from promptctl.comparisons.compared import Compared
from promptctl.comparisons.rule import GateRule
from promptctl.datasets.drawing import like_others, split_dataset
from promptctl.datasets.index import dataset_index
from promptctl.datasets.splitting import PARTS, Split
from promptctl.errors import WorkspaceError
from promptctl.evaluations.claims import is_claimed
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.plan import Pair, Plan
from promptctl.evaluations.request import EvaluationRequest, EvaluationTerms
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.plain import record_data
from promptctl.files.tree import Overlay, Tree
from promptctl.files.wording import count, name_some
from promptctl.log.results import Totals
from promptctl.prompts.checking import WorkspaceCheck
from promptctl.prompts.loading import load_prompt_file

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.datasets.cases import Case
    from promptctl.datasets.dataset import Dataset
    from promptctl.evaluations.session import Session
    from promptctl.files.proposal import FileEdit
    from promptctl.log.records import Execution
    from promptctl.log.store import Store
    from promptctl.prompts.prompt import Prompt

OnStep = Callable[[str], object]
"""Is told each step of a search that begins."""

_FIRST = GateRule(reruns=0)
"""First answers alone: what is claimed is about inputs like these, so that a case asked again says nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest(EvaluationTerms):
    """A request to change a prompt of the work tree by what a dataset that tests it says of the change.

    `model` runs the prompt instead of its own or the workspace's. `seed` draws the split, if the dataset has none. The
    rest is as for an evaluation.
    """

    ref: str
    dataset: str
    model: str | None = None
    seed: int | None = None
    leaves_out_code: bool = False

    def evaluation(self, *, is_estimate: bool = False) -> EvaluationRequest:
        """Return the request to evaluate the prompt on the whole dataset."""
        return EvaluationRequest(
            refs=(self.ref,),
            datasets=(self.dataset,),
            models=() if self.model is None else (self.model,),
            leaves_out_code=self.leaves_out_code,
            is_estimate=is_estimate,
            **self.terms,
        )


def held_out_data(found: Any) -> dict[str, Any]:
    """Return `Evidence` or `Loss`, what held-out cases say of a change, as a JSON object with stable keys."""
    return record_data(
        found,
        without=("before", "after", "low", "high", "confidence", "clusters"),
        passed_before=found.before,
        passed_after=found.after,
        interval={"low": found.low, "high": found.high, "confidence": found.confidence},
        evaluations=dict(zip(("before", "after"), found.evaluations, strict=True)),
    )


def open_tested(context: Context, asked: EvaluationRequest, name: str, prompt_id: str) -> Dataset:
    """Return the dataset that a user names. Raises `WorkspaceError` if it does not test the prompt."""
    index = dataset_index(context, asked.code)
    dataset = index.open(index.named(name, context.inside))
    path = dataset.header.path
    if prompt_id in dataset.header.prompts:
        return dataset
    hint = f"name the prompt under its `prompts:`, or write a dataset with `prompts: [{prompt_id}]`"
    if not path.endswith(DATASET_SUFFIXES):
        stem, rows = path.rpartition(".")[0], path.rpartition("/")[2]
        hint = f"write {stem}.yaml with `prompts: [{prompt_id}]` and `cases: ./{rows}`"
    raise WorkspaceError(f"{path} does not test {prompt_id}", hint=hint)


@dataclass(frozen=True, slots=True)
class Parts:
    """The cases of a dataset that say something of a prompt, by part: they call it, and are not expected to fail.

    `changes` keep the split in the dataset's file, if it is not there yet.
    """

    split: Split
    changes: tuple[FileEdit, ...]
    cases: Mapping[str, list[Case]]


def draw_parts(context: Context, dataset: Dataset, prompt: Prompt, seed: int | None) -> Parts:
    """Return the parts of a dataset, by the split in its file; if it has none, by one that the seed draws.

    Held-out cases that are like one of another part prove nothing: they are left out, with a warning. A split that is
    drawn now has none. Raises what `split_dataset` raises.
    """
    cases = [case for case in dataset.cases(prompt) if case.output is None and case.xfail is None]
    split, again = dataset.split, list[str]()
    changes: tuple[FileEdit, ...] = ()
    if split is None:
        drawn = split_dataset(context.repository.work_tree, dataset, prompt, seed)
        split, changes = drawn.split, drawn.proposal.changes
    elif again := like_others(cases, split):
        were = "is like a case" if len(again) == 1 else "are like cases"
        context.warn(
            f"{count(len(again), 'held-out case')} {were} to learn from or to choose by, and left out: "
            f"{name_some(again)}; to bring such cases into one part: promptctl dataset split {dataset.header.path}"
        )
    left_out = frozenset(again)
    parts: dict[str, list[Case]] = {part: [] for part in PARTS}
    for case in cases:
        part = split.part(case)
        if part is not None and case.id not in left_out:
            parts[part].append(case)
    return Parts(split, changes, parts)


def look_number(log: Store, plan: Plan, look: str) -> int:
    """Return which look this is at the held-out cases of a plan, counted from 1.

    `look` begins with its kind. Earlier ones are those of its kind at more than half of these cases, each once.
    """
    kind, wanted = look.partition(" ")[0], frozenset(plan.spec.ids or ())
    names = dict[str, None]()
    for row in reversed(log.evaluations(prompt=plan.target.prompt.id)):
        is_alike = row.spec.look.partition(" ")[0] == kind and row.spec.dataset == plan.spec.dataset
        if is_alike and 2 * len(wanted.intersection(row.spec.ids or ())) > len(wanted):
            names[row.spec.look] = None
    return [*names, look].index(look) + 1


class EditedFile:
    """A prompt's file in the work tree, `data`, and what it would be with other bytes in it."""

    def __init__(self, tree: Tree, path: str) -> None:
        self._tree = tree
        self.path = path
        self.data = tree.read(path)

    def prompt(self, data: bytes) -> Prompt:
        """Return the prompt of other bytes. Raises `InvalidFiles` and `WorkspaceError` if they cannot be read."""
        return load_prompt_file(Overlay(self._tree, {self.path: data}), self.path)

    def new_problems(self, data: bytes) -> list[str]:
        """Return the problems that the file would have and has not, such as an input that is not used any more."""
        return [problem for problem in self._problems_in(data) if problem not in self._known]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._problems_in(self.data))

    def _problems_in(self, data: bytes) -> list[str]:
        check = WorkspaceCheck(Overlay(self._tree, {self.path: data}))
        return [problem.message for problem in check.file(self.path)]


def trial_plan(planned: Plan, prompt: Prompt, ids: Iterable[str], parameters: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan that evaluates a changed prompt, as the work tree would have it, on these cases.

    `parameters` are those that are sent, by default those of the plan.
    """
    target, base = replace(planned.target, prompt=prompt), planned.target.version
    if parameters is not None:
        target = replace(target, parameters=parameters)
    if prompt.digest != base.digest:
        display = base.display if base.display.endswith("+dirty") else f"{base.display.partition(' ')[0]}+dirty"
        version = replace(base, digest=prompt.digest, is_dirty=True, number=None, label=None, display=display)
        target = replace(target, version=version)
    wanted = tuple(sorted(ids))
    spec = replace(planned.spec, ids=wanted, cases=len(wanted), parameters=target.parameters, side="trial")
    chosen = replace(planned.chosen, count=len(wanted), ids=frozenset(wanted))
    return replace(planned, target=target, spec=spec, chosen=chosen)


class TrialRun:
    """Evaluates changed prompts in the session of a command whose plan is given, and counts what that takes."""

    def __init__(self, context: Context, session: Session, plan: Plan) -> None:
        self._context = context
        self._session = session
        self._group = plan.spec.group
        self._counted: set[str] = set()
        self.cost_nano_usd = self.unpriced = self.calls = 0

    async def evaluated(self, plan: Plan) -> Evaluation:
        """Return the evaluation of a plan, from the log if it has it; what a killed process left behind goes on."""
        log = self._context.log
        if (earlier := same_evaluation(log, plan)) is not None:
            return load(log, earlier)
        for row in log.evaluations(digest=plan.target.version.digest, has_gaps=True):
            is_same = (row.prompt, row.model, row.spec.side) == (plan.target.prompt.id, plan.target.model, "trial")
            if is_same and row.spec.is_same_work(plan.spec) and not is_claimed(self._context.state_folder, row.group):
                plan = replace(plan, spec=row.spec, resumes=row)
                break
        before = plan.resumes.totals if plan.resumes else Totals()
        (found,) = await self._session.run([plan])
        self._count(found.totals, before)
        return found

    async def compared(self, before: Plan, after: Plan, look: str) -> Compared:
        """Return the comparison of two plans over the same cases; a side that is in the log is not asked again.

        `look` is kept with it, see `look_number`.
        """
        pair = Pair.of(replace(after, spec=replace(after.spec, look=look)), before)
        ((found,), _) = await compare_pairs(self._context.log, self._session, [pair], _FIRST)
        assert isinstance(found, Compared)  # it has a base
        for side in (found.base, found.head):
            if side.row.spec.group == self._group and side.row.id not in self._counted:
                self._counted.add(side.row.id)
                self._count(side.totals, Totals())
        return found

    def count(self, execution: Execution) -> None:
        """Count a call beside the evaluations."""
        self.calls += execution.reply_source == "model"
        self.cost_nano_usd += execution.cost_nano_usd or 0
        self.unpriced += execution.cost_nano_usd is None

    def _count(self, totals: Totals, before: Totals) -> None:
        self.cost_nano_usd += totals.cost_nano_usd - before.cost_nano_usd
        self.unpriced += totals.unpriced - before.unpriced
        self.calls += totals.reply_sources.get("model", 0) - before.reply_sources.get("model", 0)
