"""From what a user asks to evaluate to the evaluations themselves: prompts × models × datasets of one workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judges import find_judge
from promptctl.assertions.judging import chosen_judge
from promptctl.calls.call import Target, merge_parameters
from promptctl.context import Context
from promptctl.datasets.choosing import DatasetChoice
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.selection import Choosing, Selection, choose
from promptctl.errors import (
    ModelConfigurationError,
    PromptInactive,
    PromptNotFound,
    RevisionNotFound,
    UsageError,
    WorkspaceError,
)
from promptctl.evaluations.cache import ReplyCache
from promptctl.evaluations.claims import claimed
from promptctl.evaluations.earlier import Evaluated, failed_cases, last_evaluation
from promptctl.evaluations.evaluation import Bench, Evaluation, Plan, begin, finish
from promptctl.evaluations.evaluator import Limits, Progress
from promptctl.log.ids import new_id
from promptctl.log.results import EvaluationRow
from promptctl.models.gateway import Gateway, Usage
from promptctl.models.replay import Replay
from promptctl.models.retries import RetryPolicy
from promptctl.models.router import Router
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import PromptAtVersion
from promptctl.versions.version import Version

_REFUSALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate and how.

    Every prompt of `refs` is asked of every one of `models` (the prompt's own where there are none) over each of its
    datasets, or over those that `datasets` names by path; a prompt's own path names the tests in its file. With several
    prompts a dataset that names prompts is used for those alone.
    `at_least` of `repeats` must pass for a case to pass. `only_failed` leaves what did not pass the last time, or in
    the evaluation of id `failed_of`. `is_replayed` answers from recordings alone; `is_recorded` writes each reply to
    them. `only_own_datasets` leaves out for each prompt what does not test it. `is_estimate` asks nothing, so that no
    key is needed.
    """

    refs: Sequence[str]
    datasets: Sequence[str] = ()
    models: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    selection: Selection = field(default_factory=Selection)
    only_own_datasets: bool = False
    only_failed: bool = False
    failed_of: str | None = None
    repeats: int = 1
    at_least: int | None = None
    min_pass: float | None = None
    limits: Limits = field(default_factory=Limits)
    is_cached: bool = True
    is_recorded: bool = False
    is_replayed: bool = False
    is_estimate: bool = False
    allows_code: bool = False

    @property
    def needs_keys(self) -> bool:
        """Whether a model is asked."""
        return not self.is_replayed and not self.is_estimate

    def as_begun(self, row: EvaluationRow) -> EvaluationRequest:
        """The request with what an evaluation was begun with: it is taken up again with the same judge and sources."""
        spec = row.spec
        return replace(
            self,
            judge=spec.get("judge"),
            is_cached=spec.get("is_cached", True),
            is_recorded=spec.get("is_recorded", False),
            is_replayed=spec.get("is_replayed", False),
        )


class Evaluating:
    """The evaluations of one workspace. Everything is read and checked before the first request is made.

    `spent_nano_usd` is what the evaluations that were run have cost so far; `not_run` are those that were begun in the
    log and then not run, since an earlier one was stopped.
    """

    def __init__(self, parts: Context, request: EvaluationRequest) -> None:
        self._parts = parts
        self._request = request
        self.spent_nano_usd = 0
        self.not_run: list[Evaluation] = []
        self.router = Router(
            parts.settings,
            parts.environ,
            recordings=parts.recordings_folder,
            connections=request.limits.concurrency,
        )
        self._datasets = DatasetChoice(
            tree=parts.tree,
            inside=parts.inside,
            names=request.datasets,
            prompts=frozenset(ref.partition("@")[0] for ref in request.refs),
            is_of_own=request.only_own_datasets,
            allows_code=request.allows_code,
        )
        self._bench: Bench | None = None
        self._judges: dict[str, tuple[Prompt, Version]] = {}
        self._is_stopped = False
        self._unfinished: list[EvaluationRow] = []
        self._never_evaluated: list[UsageError] = []
        self._has_earlier = False

    def plans(self) -> list[Plan]:
        """What will be done, with every dataset checked to its last row.

        Raises `InvalidFiles` with all problems, `UsageError` where nothing is selected, `ModelConfigurationError`
        where a model cannot be asked, `PromptInactive`.
        """
        request = self._request
        group = new_id()
        choosing = Choosing(request.selection)
        plans: list[Plan] = []
        for ref in request.refs:
            at_version = self._parts.prompt(ref)
            if self._is_inactive(at_version.prompt):
                continue
            for dataset in self._datasets.of(at_version.prompt):
                self._check_judges(dataset)
                plans += self._plans_of(at_version, dataset, choosing, {"ref": ref, "group": group} | self._spec())
        choosing.finish()
        if not plans and self._never_evaluated and not self._has_earlier:
            raise self._never_evaluated[0]
        for error in self._never_evaluated:
            self._parts.warn(f"{error.message}, and is left out")
        if not plans:
            raise UsageError("every case passed the last time", hint="leave --failed out to evaluate all")
        return plans

    def resumed(self, row: EvaluationRow) -> Plan:
        """The plan of an evaluation in the log that is to be taken up again.

        Raises `WorkspaceError` where prompt or dataset are not what they were: its results would not belong together.
        """
        spec = row.spec
        if spec.get("drops_unknown_inputs"):
            raise WorkspaceError(
                f"evaluation {row.id[-8:]} is one side of a comparison",
                hint="give the command again, with --against: what was answered comes from the cache",
            )
        at_version = self._version_of(row)
        dataset = self._datasets.open(spec["dataset"], at_version.prompt)
        if at_version.version.digest != row.digest or dataset.digest != spec["dataset_digest"]:
            changed = spec["dataset"] if at_version.version.digest == row.digest else row.prompt
            raise WorkspaceError(
                f"{changed} has changed since evaluation {row.id[-8:]} began",
                hint=f"evaluate it anew: promptctl eval {spec['ref']}",
            )
        selection = Selection(
            ids=frozenset(spec["ids"]) if spec.get("ids") is not None else None,
            tags=tuple(spec.get("tags", ())),
            sample=spec.get("sample"),
            seed=spec.get("seed", 0),
            first=spec.get("first"),
        )
        target = self.target(at_version.prompt, at_version.version, row.model)
        return Plan(
            target=replace(target, parameters=spec["parameters"]),
            dataset=dataset,
            chosen=choose(lambda: dataset.cases(at_version.prompt), selection),
            min_pass=spec["min_pass"],
            repeats=spec["repeats"],
            at_least=spec["at_least"],
            spec=spec,
        )

    async def run(
        self,
        plans: Iterable[tuple[Plan, EvaluationRow | None]],
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Evaluation]:
        """Do the plans one after another, those with a row by taking that evaluation up again.

        All are in the log before the first request, so that a killed process leaves nothing that cannot be resumed.
        What stops one stops those after it. The bound on their cost is one for all of them.
        """
        wanted = list(plans)
        evaluations: list[Evaluation] = []
        with claimed(self._parts.state_folder, [plan.spec["group"] for plan, _ in wanted]):
            begun = [(plan, self._begin(plan, row)) for plan, row in wanted]
            cache = self._cache()
            try:
                self._unfinished = [row for _, row in begun]
                for plan, row in begun:
                    if self._is_stopped:
                        why = evaluations[-1].stopped if evaluations else None
                        self.not_run.append(finish(self._parts.log, row, why or "interrupted", self._parts.warn))
                        continue
                    bench = self._bench = self._make_bench(plan, cache)
                    if on_progress is not None:
                        bench.on_progress = lambda progress, plan=plan: on_progress(plan, progress)
                    evaluations.append(await bench.evaluate(plan, row))
                    self._unfinished.remove(row)
                    self.spent_nano_usd += bench.spent_nano_usd
                    self._is_stopped = self._is_stopped or bench.is_stopped
            finally:
                if cache is not None:
                    cache.close()
                await self.router.close()
        return evaluations

    async def run_all(
        self,
        plans: Iterable[tuple[Plan, EvaluationRow | None]],
        on_progress: Callable[[Plan, Progress], None] | None = None,
    ) -> list[Evaluation]:
        """`run`, with those that were not run at the end: one evaluation for each plan.

        Where it is stopped at once, how to go on is told.
        """
        try:
            return await self.run(plans, on_progress) + self.not_run
        except asyncio.CancelledError:
            if self._unfinished:
                only = f" {self._unfinished[0].id[-8:]}" if len(self._unfinished) == 1 else ""
                self._parts.warn(f"stopped at once; go on with: promptctl eval --resume{only}")
            raise

    def stop(self) -> None:
        """Finish and save what is under way, and begin nothing more. Safe to call from another thread."""
        self._is_stopped = True
        if self._bench is not None:
            self._parts.warn("finishing and saving what is under way; interrupt again to stop at once")
            self._bench.stop()

    def target(self, prompt: Prompt, version: Version, model: str) -> Target:
        """A prompt and everything that a request to the model needs."""
        is_recorded_one = self._request.is_replayed and not model.startswith("replay/")
        is_asked = self._request.needs_keys or model.startswith("replay/")
        settings = self.router.settings_of(model if is_asked else f"replay/{model}")
        parameters = merge_parameters(settings.parameters, prompt, self._request.parameters)
        provider = model.partition("/")[0] if is_recorded_one else settings.provider
        # With many cases at once being told to come back later is no failure yet; what the user set stands.
        retry = replace(settings.retry, max_refusals=_REFUSALS) if settings.retry == RetryPolicy() else settings.retry
        return Target(prompt, version, model, provider, parameters, settings.timeout_s, retry)

    def judge_model(self, asked: AskedJudge) -> str:
        """The model that a judge is asked of. Raises `ModelConfigurationError` where nothing names one."""
        prompt = self._judge(asked.prompt_id)[0] if asked.prompt_id else None
        named = asked.model or (prompt.model if prompt else None) or self._default_judge
        return chosen_judge(named, asked.prompt_id or "similar")

    def is_priced(self, model: str) -> bool:
        """Whether it is known what the model costs."""
        if model.startswith(("echo/", "replay/")) or self._request.is_replayed:
            return True
        return self.router.prices.cost_nano_usd(model, Usage(1, 1))[0] is not None

    def _plans_of(
        self, at_version: PromptAtVersion, dataset: Dataset, choosing: Choosing, spec: Mapping[str, Any]
    ) -> Iterator[Plan]:
        """The plans of one dataset, one for each model; none where nothing of it is selected."""
        request, prompt = self._request, at_version.prompt
        chosen = choosing.of(lambda: dataset.cases(prompt), dataset.count)
        for name in request.models or (at_version.model,):
            model, of_plan, part = name, chosen, spec
            if request.only_failed:
                wanted = Evaluated(prompt.id, dataset.header.path, name if request.models else None)
                row = self._earlier(wanted)
                if row is None:
                    continue
                failed = failed_cases(self._parts.log, row)
                of_plan = Choosing(request.selection.among(failed)).of(lambda: dataset.cases(prompt))
                model, part = row.model, {**spec, "ids": sorted(failed)}
            model = _named(model, prompt)
            self._refuse_unpriced(model)
            if of_plan.count:
                yield Plan(
                    target=self.target(prompt, at_version.version, model),
                    dataset=dataset,
                    chosen=of_plan,
                    min_pass=dataset.header.min_pass if request.min_pass is None else request.min_pass,
                    repeats=request.repeats,
                    at_least=request.at_least,
                    spec=part,
                )

    def _earlier(self, wanted: Evaluated) -> EvaluationRow | None:
        """The evaluation whose failures are wanted; None where that is of something else, or there was none yet."""
        named = self._request.failed_of
        try:
            row = last_evaluation(self._parts.log, wanted, named)
        except UsageError as error:
            if named is not None:
                raise
            self._never_evaluated.append(error)
            return None
        self._has_earlier = True
        return row

    def _is_inactive(self, prompt: Prompt) -> bool:
        """Whether the prompt refuses to run; asked for by itself that is an error, among others it is left out."""
        if prompt.status != "inactive":
            return False
        if len(self._request.refs) == 1:
            raise PromptInactive(
                f"{prompt.id} is inactive and refuses to run", hint=f"set `status: active` in {prompt.path}"
            )
        self._parts.warn(f"{prompt.id} is inactive and left out")
        return True

    def _version_of(self, row: EvaluationRow) -> PromptAtVersion:
        """The prompt that an evaluation was of; a label may have moved since, its commit stays."""
        found = self._parts.prompt(row.spec["ref"])
        if found.version.digest != row.digest and row.commit and not row.is_dirty:
            with suppress(PromptNotFound, RevisionNotFound):
                return self._parts.prompt(f"{row.prompt}@{row.commit}")
        return found

    def _check_judges(self, dataset: Dataset) -> None:
        """Refuse, before anything is sent, a judge that cannot be asked."""
        for asked in dataset.judges:
            model = self.judge_model(asked)
            if self._request.needs_keys:
                self.router.settings_of(model)
            self._refuse_unpriced(model)

    def _judge(self, prompt_id: str) -> tuple[Prompt, Version]:
        """A judge's prompt with its version, looked up once: all of its verdicts are of one version."""
        if prompt_id not in self._judges:
            self._judges[prompt_id] = find_judge(self._parts, prompt_id)
        return self._judges[prompt_id]

    @property
    def _default_judge(self) -> str | None:
        return self._request.judge or self._parts.settings.model

    def _begin(self, plan: Plan, row: EvaluationRow | None) -> EvaluationRow:
        if row is None:
            return begin(self._parts.log, plan)
        self._parts.log.update_evaluation(row.id, status="running", totals=row.totals)
        return row

    def _make_bench(self, plan: Plan, cache: ReplyCache | None) -> Bench:
        parts, request = self._parts, self._request
        gateway: Gateway = Replay(parts.recordings_folder) if request.is_replayed else self.router
        prompt = plan.target.prompt.id
        on_reply = parts.reply_recording(prompt) if request.is_recorded else None
        if not request.is_replayed:
            self.router.preload(plan.target.model)
        return Bench(
            log=parts.log,
            gateway=gateway,
            load_judge=self._judge,
            make_target=self.target,
            on_warning=parts.warn,
            limits=request.limits.less(self.spent_nano_usd),
            content=parts.recorder.content_for(prompt),
            cache=cache,
            judge_model=self._default_judge,
            on_reply=on_reply,
        )

    def _cache(self) -> ReplyCache | None:
        if not self._request.is_cached or self._request.is_replayed:
            return None
        return ReplyCache(self._parts.state_folder / "cache.db", self._parts.warn, self._parts.redactor)

    def _spec(self) -> dict[str, Any]:
        selection = self._request.selection
        return {
            "ids": sorted(selection.ids) if selection.ids is not None else None,
            "tags": list(selection.tags),
            "sample": selection.sample,
            "seed": selection.seed,
            "first": selection.first,
            "judge": self._request.judge,
            "is_cached": self._request.is_cached,
            "is_recorded": self._request.is_recorded,
            "is_replayed": self._request.is_replayed,
        }

    def _refuse_unpriced(self, model: str) -> None:
        if self._request.limits.max_cost_nano_usd is not None and not self.is_priced(model):
            raise ModelConfigurationError(
                f"--max-cost cannot be kept: it is not known what {model} costs",
                hint="give its price under `prices:` in promptctl.yaml",
            )


def _named(model: str | None, prompt: Prompt) -> str:
    if model is None:
        raise ModelConfigurationError(
            f"{prompt.id} names no model, and promptctl.yaml has no default", hint="give --model, or set `model:` there"
        )
    return model
