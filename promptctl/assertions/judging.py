"""Runs the judges of model-graded assertions through the evaluation's own runner: logged and costed like any call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

from promptctl.assertions.embedding import EMBEDDER, EMBEDDER_VERSION, Embedder
from promptctl.assertions.judge import JudgeEmbeddings, JudgeReply
from promptctl.assertions.judges import inputs_for
from promptctl.calls.call import Call, CallOptions, Target
from promptctl.calls.runner import Runner
from promptctl.errors import ModelConfigurationError
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.rendering import Renderer
from promptctl.versions.prompt_at_version import Version

# From a judge's id to its prompt, the version of it, and the prompt compiled; the same each time.
LoadJudge = Callable[[str], tuple[Prompt, Version, Renderer]]
# Asks for what a model needs beyond its id: (prompt, version, model) to a target.
MakeTarget = Callable[[Prompt, Version, str], Target]


class RunnerJudge:
    """Asks judges' prompts.

    `model` is asked if neither the assertion nor the judge's prompt names one.
    """

    def __init__(
        self,
        load_judge: LoadJudge,
        runner: Runner,
        embedder: Embedder,
        make_target: MakeTarget,
        *,
        model: str | None,
        options: CallOptions,
    ) -> None:
        self._load_judge = load_judge
        self._runner = runner
        self._embedder = embedder
        self._make_target = make_target
        self._model = model
        self._options = options

    def with_options(self, options: CallOptions) -> RunnerJudge:
        """Return the same judge, whose calls are recorded with these options."""
        judge = copy(self)
        judge._options = options
        return judge

    async def ask(self, prompt_id: str, inputs: Mapping[str, Any], *, model: str | None = None) -> JudgeReply:
        """Run a judge's prompt; see `Judge.ask`."""
        prompt, version, renderer = self._load_judge(prompt_id)
        target = self._make_target(prompt, version, self._chosen(model or prompt.model, prompt_id))
        rendered = renderer.render(inputs_for(prompt, inputs))
        call = Call(target, rendered, target.request(rendered), self._options)
        execution = await self._runner.run(call)
        return JudgeReply(execution.reply or "", execution.cost_nano_usd, execution.id)

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> JudgeEmbeddings:
        """One vector for each text; see `Judge.embed`."""
        target = self._make_target(EMBEDDER, EMBEDDER_VERSION, self._chosen(model, "similar"))
        return await self._embedder.embed(target, texts, self._options)

    def _chosen(self, model: str | None, what: str) -> str:
        return chosen_judge(model or self._model, what)


def chosen_judge(model: str | None, what: str) -> str:
    """The model that judges; raises `ModelConfigurationError` if nothing names one."""
    if model is None:
        raise ModelConfigurationError(
            f"no model is named to judge with ({what})", hint="give --judge MODEL, or `model` in the assertion"
        )
    return model
