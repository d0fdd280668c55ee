"""Runs the judges of model-graded assertions, and asks for embeddings, through a runner: logged as any call is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judge import JudgeEmbeddings, JudgeReply, Licence
from promptctl.assertions.judges import find_judge, inputs_for
from promptctl.calls.call import Call, CallOptions, Target, make_target, masking
from promptctl.calls.runner import Runner
from promptctl.errors import InvalidOutput, ModelConfigurationError
from promptctl.formats.settings_file import sent_parameters
from promptctl.models.gateway import Reply, Request, embedding_request, recorded_model
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.prompt_at_version import Version

if TYPE_CHECKING:
    from promptctl.context import Context

# What embeddings are called in the log. They have no prompt's file, and so no digest.
EMBEDDER = Prompt(id="judges/similar", path="", digest="", name="Similarity", messages=())
EMBEDDER_VERSION = Version(EMBEDDER.digest, display="built-in")


@dataclass(frozen=True, slots=True)
class JudgeTerms:
    """The terms on which judges are asked.

    `default_model` is asked if neither the assertion nor the judge's prompt names one. `parameters` win over the
    judge's own and its model's; null leaves one out. Without `needs_key` replies come from recordings.
    """

    context: Context
    default_model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs_key: bool = True
    _targets: dict[AskedJudge, Target] = field(default_factory=dict, compare=False, repr=False)

    def model_of(self, asked: AskedJudge) -> str:
        """Return the model to judge with: the assertion's, the judge's own, the default one, or the settings'.

        Raises `ModelConfigurationError` if nothing names one, and for echo, which understands nothing.
        """
        own = find_judge(self.context, asked.prompt_id).prompt.model if asked.prompt_id else None
        model = asked.model or own or self.default_model or self.context.settings.judging_model
        judge = asked.prompt_id or "similar"
        if model is None:
            message = f"no model is named to judge with ({judge})"
        elif recorded_model(model).startswith("echo/"):
            message = f"{model} cannot judge ({judge}): it only repeats what it is sent"
        else:
            return model
        hint = "name a model that judges: --judge MODEL, `gate.judge` in promptctl.yaml, or `model` in the assertion"
        raise ModelConfigurationError(message, hint=hint)

    def target_of(self, asked: AskedJudge) -> Target:
        """Return the target of a judge's calls: its model may have parameters for judging alone.

        Raises what `model_of` and `make_target` raise.
        """
        if asked not in self._targets:
            self._targets[asked] = self._target_of(asked)
        return self._targets[asked]

    def _target_of(self, asked: AskedJudge) -> Target:
        context, model = self.context, self.model_of(asked)
        if asked.prompt_id is None:
            return make_target(context, EMBEDDER, EMBEDDER_VERSION, model, needs_key=self.needs_key)
        judge = find_judge(context, asked.prompt_id)
        target = make_target(context, judge.prompt, judge.version, model, needs_key=self.needs_key)
        rule = context.settings.model_rule(recorded_model(model))
        merged = sent_parameters(rule.parameters, target.parameters, rule.judge_parameters, self.parameters)
        left_out = {name for name in (*rule.judge_parameters, *self.parameters) if merged.get(name) is None}
        return replace(target, parameters={name: value for name, value in merged.items() if name not in left_out})


@dataclass(frozen=True, slots=True)
class RunnerJudge:
    """Asks judges' prompts, and for embeddings, on these terms.

    `licences` says what is known of a judge's agreement with people; see `Judge.licence`. Repeats of a case whose reply
    is equal have one verdict, unless it `is_repeated` itself. A cache should `forget` the replies to requests if
    they bring no verdict. Its calls are recorded with the `options`.
    """

    terms: JudgeTerms
    runner: Runner
    licences: Callable[[AskedJudge, str], Licence] | None = None
    is_repeated: bool = False
    forget: Callable[[Request], object] | None = None
    options: CallOptions = field(default_factory=CallOptions)

    def model_for(self, prompt_id: str | None, model: str | None) -> str:
        """Return the model that is asked; see `Judge.model_for`."""
        return self.terms.model_of(AskedJudge(prompt_id, model))

    def licence(self, prompt_id: str | None, model: str | None, rubric: str) -> Licence:
        """Return what is known of the judge's agreement with people; see `Judge.licence`."""
        return Licence() if self.licences is None else self.licences(AskedJudge(prompt_id, model), rubric)

    async def ask(self, prompt_id: str, inputs: Mapping[str, Any], *, model: str | None = None) -> JudgeReply:
        """Run a judge's prompt; see `Judge.ask`."""
        context = self.terms.context
        judge = find_judge(context, prompt_id)
        target = self.terms.target_of(AskedJudge(prompt_id, model))
        # No reply can end the marks around it: it was given before they were drawn.
        mark = f"-{token_hex(8)}"
        given = inputs_for(judge.prompt, {**inputs, "mark": mark})
        sent: list[Request] = []
        options = replace(self.options, on_reply=lambda request, _: sent.append(request))
        options = masking(context, judge.prompt, given, options)
        rendered = judge.render(given, hide=options.mask).rendered
        repeat = (options.repeat or 1) - 1 if self.is_repeated else 0
        call = Call(target, rendered, replace(target.request(rendered, repeat=repeat), mark=mark), options)

        def forget() -> None:
            if self.forget is not None:
                for request in sent:
                    self.forget(request)

        try:
            execution = await self.runner.run(call)
        except InvalidOutput:
            forget()
            raise
        return JudgeReply(execution.reply or "", execution.cost_nano_usd, execution.id, execution.error_message, forget)

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> JudgeEmbeddings:
        """One vector for each text; see `Judge.embed`."""
        target, found = self.terms.target_of(AskedJudge(None, model)), list[Reply]()
        request = embedding_request(target.model, texts, timeout_s=target.timeout_s)
        rendered = Rendered(tuple(dict(message) for message in request.messages), {})
        options = replace(self.options, on_reply=lambda _, reply: found.append(reply))
        execution = await self.runner.run(Call(target, rendered, request, options))
        return JudgeEmbeddings(found[-1].vectors, execution.cost_nano_usd, execution.id)
