"""From a ref and its inputs to a call that is ready to be made; what is refused is on record before it is raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from promptctl.calls.attempts import refused
from promptctl.calls.call import Call, CallOptions, build_request
from promptctl.calls.runner import Runner
from promptctl.context import Context
from promptctl.errors import InputError, ModelConfigurationError, PromptInactive, RenderError
from promptctl.files.names import SETTINGS
from promptctl.log.records import Content, Source
from promptctl.prompts.prompt import Prompt


class RunOptions(TypedDict, total=False):
    """What a call may be given beside its ref and inputs.

    `model` and `parameters` override the prompt's own. `user`, `session`, `content_type` and `metadata` are recorded
    with the call. `log` (`full`, `metadata`, `off`) wins over the workspace's log rules. `record` writes each reply
    to `datasets/recordings/`, from where `replay/<model>` answers. `source` is `api` unless the command line calls.
    """

    model: str | None
    parameters: Mapping[str, Any] | None
    user: str | None
    session: str | None
    content_type: str | None
    metadata: Mapping[str, Any] | None
    log: Content | None
    record: bool
    source: Source


class Calling:
    """The calls of one workspace."""

    def __init__(self, parts: Context) -> None:
        self._parts = parts
        self._runner = Runner(parts.gateway, parts.recorder)

    def prepare(self, ref: str, inputs: Mapping[str, Any], options: RunOptions) -> Call:
        """The call, ready to be made; a refusal is recorded before it is raised."""
        at_version = self._parts.prompt(ref)
        prompt, version = at_version.prompt, at_version.version
        model = options.get("model") or at_version.model
        recorded = _call_options(options)
        try:
            if model is None:
                raise ModelConfigurationError(
                    f"{prompt.id} names no model, and {SETTINGS} has no default",
                    hint=f"add `model: …` to {SETTINGS}, or give --model",
                )
            self._check_status(prompt)
            settings = self._parts.gateway.settings_of(model)
            self._parts.gateway.preload(model)
            rendered = at_version.render(inputs).rendered
        except (InputError, RenderError, PromptInactive, ModelConfigurationError) as error:
            error.execution = refused(prompt, version, model or "", inputs, error, recorded)
            self._parts.recorder.save_now(error.execution, recorded.log)
            raise
        parameters = {**settings.parameters, **prompt.parameters, **(options.get("parameters") or {})}
        request = build_request(prompt, rendered, model, parameters, timeout_s=settings.timeout_s)
        return Call(prompt, version, rendered, request, settings.provider, settings.retry, recorded)

    def _check_status(self, prompt: Prompt) -> None:
        if prompt.status == "inactive":
            raise PromptInactive(
                f"{prompt.id} is inactive and refuses to run",
                hint=f"set `status: active` in {prompt.path}, or run an older version: {prompt.id}@<revision>",
            )
        if prompt.status == "deprecated":
            self._parts.warn(f"{prompt.id} is deprecated")

    def runner_for(self, call: Call, *, is_recording: bool) -> Runner:
        """What makes the call; one that also records its replies where that is asked for."""
        if not is_recording:
            return self._runner
        on_reply = self._parts.reply_recording(call.prompt.id)
        return Runner(self._parts.gateway, self._parts.recorder, on_reply=on_reply)


def _call_options(options: RunOptions) -> CallOptions:
    return CallOptions(
        source=options.get("source", "api"),
        user=options.get("user"),
        session=options.get("session"),
        content_type=options.get("content_type"),
        metadata=options.get("metadata") or {},
        log=options.get("log"),
    )
