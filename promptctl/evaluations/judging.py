"""Runs the judges of model-graded assertions through the evaluation's own runner: logged and costed like any call."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from promptctl.errors import ModelConfigurationError, ModelError
from promptctl.evaluations.assertions.judge import JudgeEmbeddings, JudgeReply
from promptctl.evaluations.judges import inputs_for
from promptctl.evaluations.target import Target
from promptctl.executions.call import Call, CallOptions, build_request
from promptctl.executions.runner import Runner
from promptctl.models.gateway import Endpoint, Gateway, Reply, Request
from promptctl.models.replay import embedding_reply, embedding_request
from promptctl.models.retries import RetryPolicy, decide
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.rendering import Renderer
from promptctl.versions.version import Version

# A judge's prompt of an id, and which version of it that is.
LoadJudge = Callable[[str], tuple[Prompt, Version]]
# Asks for what a model needs beyond its id: (prompt, version, model) to a target.
MakeTarget = Callable[[Prompt, Version, str], Target]

_EMBEDDING_TIMEOUT_S = 60.0


class RunnerJudge:
    """Asks judges' prompts, each loaded and compiled once.

    `model` is asked where neither the assertion nor the judge's prompt names one. `on_reply` sees embeddings as they
    are recorded; what a judge's prompt is answered is the runner's to show.
    """

    def __init__(
        self,
        load_judge: LoadJudge,
        runner: Runner,
        gateway: Gateway,
        make_target: MakeTarget,
        *,
        model: str | None,
        evaluation_id: str,
        on_reply: Callable[[Request, Reply], object] | None = None,
    ) -> None:
        self._load_judge = load_judge
        self._runner = runner
        self._gateway = gateway
        self._make_target = make_target
        self._model = model
        self._evaluation_id = evaluation_id
        self._on_reply = on_reply
        self._loaded: dict[str, tuple[Prompt, Version, Renderer]] = {}

    async def ask(self, prompt_id: str, inputs: Mapping[str, Any], *, model: str | None = None) -> JudgeReply:
        """Run a judge's prompt; see `Judge.ask`."""
        prompt, version, renderer = self._load(prompt_id)
        target = self._make_target(prompt, version, self._chosen(model or prompt.model, prompt_id))
        rendered = renderer.render(inputs_for(prompt, inputs))
        request = build_request(prompt, rendered, target.model, target.parameters, timeout_s=target.timeout_s)
        options = CallOptions(source="eval", evaluation_id=self._evaluation_id)
        call = Call(prompt, target.version, rendered, request, target.provider, target.retry, options)
        execution = await self._runner.run(call)
        return JudgeReply(execution.reply or "", execution.cost_nano_usd, execution.id)

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> JudgeEmbeddings:
        """One vector for each text, asked for again where that can help; see `Judge.embed`."""
        chosen = self._chosen(model, "similar")
        waited_s = 0.0
        for attempt in itertools.count(1):
            try:
                found = await self._gateway.embed(chosen, texts, timeout_s=_EMBEDDING_TIMEOUT_S, endpoint=Endpoint())
                break
            except ModelError as error:
                delay_s = decide(error, attempt, RetryPolicy(), waited_s=waited_s).delay_s
                if delay_s is None:
                    raise
                waited_s += delay_s
                await asyncio.sleep(delay_s)
        if self._on_reply is not None:
            self._on_reply(embedding_request(chosen, texts), embedding_reply(found))
        return JudgeEmbeddings(found.vectors, found.cost_nano_usd)

    def _load(self, prompt_id: str) -> tuple[Prompt, Version, Renderer]:
        if prompt_id not in self._loaded:
            prompt, version = self._load_judge(prompt_id)
            self._loaded[prompt_id] = prompt, version, Renderer(prompt)
        return self._loaded[prompt_id]

    def _chosen(self, model: str | None, what: str) -> str:
        return chosen_judge(model or self._model, what)


def chosen_judge(model: str | None, what: str) -> str:
    """The model that judges; raises `ModelConfigurationError` where nothing names one."""
    if model is None:
        raise ModelConfigurationError(
            f"no model is named to judge with ({what})", hint="give --judge MODEL, or `model` in the assertion"
        )
    return model
