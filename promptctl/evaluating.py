"""From what a user asks to evaluate to the evaluations themselves: prompts × models × datasets of one workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.errors import InvalidFiles, ModelConfigurationError, WorkspaceError
from promptctl.evaluations.cache import ReplyCache
from promptctl.evaluations.datasets import Dataset
from promptctl.evaluations.evaluation import Bench, Evaluation, Plan
from promptctl.evaluations.evaluator import Limits, Progress
from promptctl.evaluations.finding import dataset_path, datasets_of
from promptctl.evaluations.selection import Selection, choose
from promptctl.evaluations.target import Target
from promptctl.formats.names import DATASETS
from promptctl.log.ids import new_id
from promptctl.log.results import EvaluationRow
from promptctl.models.gateway import Gateway, Usage
from promptctl.models.replay import Recording, Replay
from promptctl.models.router import Router
from promptctl.parts import Parts
from promptctl.prompt_at_version import PromptAtVersion
from promptctl.prompts.prompt import Prompt
from promptctl.versions.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate and how.

    Every prompt of `refs` is asked of every one of `models` (the prompt's own where there are none) over each of its
    datasets, or those of them that `datasets` names by path; a prompt's own path names the tests in its file.
    `at_least` of `repeats` must pass for a case to pass. `is_replayed` answers from recordings alone; `is_recorded`
    writes each reply to them.
    """

    refs: Sequence[str]
    datasets: Sequence[str] = ()
    models: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    selection: Selection = field(default_factory=Selection)
    repeats: int = 1
    at_least: int | None = None
    min_pass: float | None = None
    limits: Limits = field(default_factory=Limits)
    is_cached: bool = True
    is_recorded: bool = False
    is_replayed: bool = False
    allows_code: bool = False


class Evaluating:
    """The evaluations of one workspace. Everything is read and checked before the first request is made.

    `spent_nano_usd` is what the evaluations that were run have cost so far.
    """

    def __init__(self, parts: Parts, request: EvaluationRequest) -> None:
        self._parts = parts
        self._request = request
        self.spent_nano_usd = 0
        self.router = Router(
            parts.settings,
            parts.environ,
            recordings=parts.recordings_folder,
            connections=request.limits.concurrency,
        )
        self._bench: Bench | None = None
        self._is_stopped = False

    def plans(self) -> list[Plan]:
        """What will be done, with every dataset checked to its last row.

        Raises `InvalidFiles` with all problems, `UsageError` where nothing is selected, `ModelConfigurationError`
        where a model cannot be asked.
        """
        request = self._request
        group = new_id()
        plans = []
        for ref in request.refs:
            at_version = self._parts.prompt(ref)
            for dataset in self._datasets_of(at_version):
                chosen = choose(lambda d=dataset, p=at_version.prompt: d.cases(p), request.selection)  # type: ignore[misc]
                for model in request.models or (at_version.model,):
                    target = self.target(at_version.prompt, at_version.version, _named(model, at_version.prompt))
                    plans.append(
                        Plan(
                            target=target,
                            dataset=dataset,
                            chosen=chosen,
                            min_pass=dataset.header.min_pass if request.min_pass is None else request.min_pass,
                            repeats=request.repeats,
                            at_least=request.at_least,
                            spec={"ref": ref, "group": group} | self._spec(),
                        )
                    )
        if request.limits.max_cost_nano_usd is not None:
            self._refuse_unpriced(plans)
        return plans

    def resumed(self, row: EvaluationRow) -> Plan:
        """The plan of an evaluation in the log that is to be taken up again.

        Raises `WorkspaceError` where prompt or dataset are not what they were: its results would not belong together.
        """
        spec = row.spec
        at_version = self._parts.prompt(spec["ref"])
        if at_version.version.digest != row.digest:
            raise WorkspaceError(
                f"{row.prompt} has changed since evaluation {row.id[-8:]} began",
                hint=f"evaluate it anew: promptctl eval {spec['ref']}",
            )
        dataset = self._open(spec["dataset"], at_version)
        if dataset.digest != spec["dataset_digest"]:
            raise WorkspaceError(
                f"{spec['dataset']} has changed since evaluation {row.id[-8:]} began",
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
        """Do the plans one after another; each is in the log, whatever happens to those after it.

        The bound on their cost is one for all of them.
        """
        cache = self._cache()
        evaluations = []
        try:
            for plan, row in plans:
                bench = self._bench = self._make_bench(plan, cache)
                if on_progress is not None:
                    bench.on_progress = lambda progress, plan=plan: on_progress(plan, progress)
                if self._is_stopped:
                    break
                evaluation = await bench.evaluate(plan, row)
                before = row.totals.get("cost_nano_usd", 0) if row is not None else 0
                self.spent_nano_usd += max(0, evaluation.summary.cost_nano_usd - before)
                evaluations.append(evaluation)
        finally:
            if cache is not None:
                cache.close()
            await self.router.close()
        return evaluations

    def stop(self) -> None:
        """Finish and save what is under way, and begin nothing more. Safe to call from another thread."""
        self._is_stopped = True
        if self._bench is not None:
            self._bench.stop()

    def target(self, prompt: Prompt, version: Version, model: str) -> Target:
        """A prompt and everything that a request to the model needs."""
        if self._request.is_replayed:
            settings = self.router.settings_of(model if model.startswith("replay/") else f"replay/{model}")
        else:
            settings = self.router.settings_of(model)
        parameters = {**settings.parameters, **prompt.parameters, **self._request.parameters}
        provider = model.partition("/")[0]
        return Target(prompt, version, model, provider, parameters, settings.timeout_s, settings.retry)

    def is_priced(self, model: str) -> bool:
        """Whether it is known what the model costs."""
        if model.startswith(("echo/", "replay/")) or self._request.is_replayed:
            return True
        return self.router.prices.cost_nano_usd(model, Usage(1, 1))[0] is not None

    def _make_bench(self, plan: Plan, cache: ReplyCache | None) -> Bench:
        parts, request = self._parts, self._request
        gateway: Gateway = Replay(parts.recordings_folder) if request.is_replayed else self.router
        prompt = plan.target.prompt.id
        on_reply = Recording(parts.recording_file(prompt), prompt).add if request.is_recorded else None
        if not request.is_replayed:
            self.router.preload(plan.target.model)
        return Bench(
            log=parts.log,
            gateway=gateway,
            tree=parts.tree,
            make_target=self.target,
            on_warning=parts.warn,
            limits=request.limits.less(self.spent_nano_usd),
            content=parts.recorder.content_for(prompt),
            cache=cache,
            judge_model=request.judge or parts.settings.model,
            on_reply=on_reply,
        )

    def _cache(self) -> ReplyCache | None:
        if not self._request.is_cached or self._request.is_replayed:
            return None
        return ReplyCache(self._parts.state_folder / "cache.db", self._parts.warn)

    def _spec(self) -> dict[str, Any]:
        selection = self._request.selection
        return {
            "ids": sorted(selection.ids) if selection.ids is not None else None,
            "tags": list(selection.tags),
            "sample": selection.sample,
            "seed": selection.seed,
            "first": selection.first,
            "judge": self._request.judge,
            "is_replayed": self._request.is_replayed,
        }

    def _datasets_of(self, at_version: PromptAtVersion) -> list[Dataset]:
        """The prompt's datasets, checked; of the workspace's own tree whatever the version."""
        tree = self._parts.tree
        own = at_version.prompt.path if at_version.prompt.inline_dataset is not None else None
        wanted = [
            name if name == own else dataset_path(tree, name, self._parts.inside) for name in self._request.datasets
        ]
        paths = wanted or [
            dataset.header.path for dataset in datasets_of(tree) if at_version.prompt.id in dataset.header.prompts
        ]
        datasets = [self._open(path, at_version) for path in paths]
        inline = Dataset.of_prompt(at_version.prompt, tree) if not wanted else None
        if inline is not None:
            datasets.append(_checked(inline, at_version))
        if not datasets:
            raise WorkspaceError(
                f"no dataset tests {at_version.prompt.id}",
                hint=f"write one to {DATASETS}/ with `prompts: [{at_version.prompt.id}]`, or name one: --dataset FILE",
            )
        return datasets

    def _open(self, path: str, at_version: PromptAtVersion) -> Dataset:
        tree = self._parts.tree
        if path == at_version.prompt.path:
            inline = Dataset.of_prompt(at_version.prompt, tree)
            assert inline is not None
            return _checked(inline, at_version)
        return _checked(Dataset.open(tree, path, allow_code=self._request.allows_code), at_version)

    def _refuse_unpriced(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            if not self.is_priced(plan.target.model):
                raise ModelConfigurationError(
                    f"--max-cost cannot be kept: it is not known what {plan.target.model} costs",
                    hint="give its price under `prices:` in promptctl.yaml",
                )


def _checked(dataset: Dataset, at_version: PromptAtVersion) -> Dataset:
    problems = dataset.check(at_version.prompt)
    if any(problem.severity == "error" for problem in problems):
        raise InvalidFiles(problems)
    return dataset


def _named(model: str | None, prompt: Prompt) -> str:
    if model is None:
        raise ModelConfigurationError(
            f"{prompt.id} names no model, and promptctl.yaml has no default", hint="give --model, or set `model:` there"
        )
    return model
