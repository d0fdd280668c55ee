"""Calls without a prompt file: an application's own messages, logged, priced and ruled as those of a prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from promptctl.calls.call import Call, CallOptions, Target, check_schemas, refused
from promptctl.calls.prepare import RunOptions, prepare_all
from promptctl.context import Context
from promptctl.errors import InputError, InvalidFiles, ModelConfigurationError, UsageError
from promptctl.files.names import DEFAULT_PLACES, id_problem
from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.files.tree import MemoryTree, Tree
from promptctl.files.wording import shown
from promptctl.models.gateway import Request
from promptctl.prompts.loading import load_prompt_file
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.prompts.rendering import message_problem
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, RenderedPrompt, Version

UNNAMED = "unnamed"
"""The id that calls without a prompt type count under."""
NO_FILE = "no file"
"""The version of a prompt that has none."""
_EXAMPLE = '[{"role": "user", "content": "Hello"}]'


class PlainOptions(RunOptions, total=False):
    """Options of a call without a prompt file: those of a run, and what else a prompt file would say.

    `prompt_type` is the id that the call is logged, ruled and counted under; without one that is `unnamed`. `output`,
    `response_format`, `tools` are written as in a prompt file, without references to files.
    """

    prompt_type: str | None
    output: Mapping[str, Any] | None
    response_format: Mapping[str, Any] | None
    tools: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True, eq=False, kw_only=True)
class _Plain(PromptAtVersion):
    """Messages as they are given, in the place of a prompt at a version."""

    given: Sequence[Mapping[str, Any]]

    def render(self, inputs: Any = None, *, hide: Any = None) -> RenderedPrompt:  # noqa: ARG002 - there are none
        """Return the messages, once they are known to be messages."""
        given: object = self.given
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise InputError(f"messages are a list, not {type(given).__name__}", hint=_EXAMPLE)
        messages = [dict(message) if isinstance(message, Mapping) else message for message in self.given]
        if not messages:
            raise InputError("a call needs a message", hint=_EXAMPLE)
        for index, message in enumerate(messages):
            if problem := message_problem(message, may_instruct=True):
                raise InputError(f"message {index + 1} cannot be sent: {problem}")
        return RenderedPrompt(self.prompt, self.version, Rendered(tuple(messages), {}), self.model)


def prepare_plain(context: Context, messages: Sequence[Mapping[str, Any]], options: PlainOptions) -> list[Call]:
    """Return the call and its fallbacks, ready to be made. A refusal is handed to the log before it is raised.

    Raises `UsageError` for options that no prompt file could have, and what a run raises.
    """
    given: dict[str, Any] = dict(options)
    id_ = given.pop("prompt_type", None) or UNNAMED
    if not isinstance(id_, str):
        raise UsageError(f"`prompt_type` is the id of a prompt, not {shown(id_)}")
    if problem := id_problem(id_):
        raise UsageError(f"`prompt_type`: {problem}")
    if given.get("experiment") is not None or given.get("key") is not None:
        hint = "put the messages into a prompt file: an experiment compares versions of it"
        raise UsageError("a call without a prompt file takes part in no experiment", hint=hint)
    declared = {name: value for name in ("output", "response_format", "tools") if (value := given.pop(name, None))}
    prompt, tree = _declared(context, id_, declared)
    plain = _Plain(
        ref=Ref(id_),
        prompt=prompt,
        version=Version(prompt.digest, display=NO_FILE),
        tree=tree,
        default_model=context.settings.model,
        given=messages,
    )
    return prepare_all(context, plain, {}, cast(RunOptions, given))


def _declared(context: Context, id_: str, declared: Mapping[str, Any]) -> tuple[Prompt, Tree]:
    """Return a prompt file of these parts as it would be loaded; its digest is of them alone, not of the messages."""
    path = DEFAULT_PLACES.paths_of(id_)[0]
    file = {**declared, "template": "none", "messages": [{"role": "user", "content": ""}]}
    try:
        tree = MemoryTree({path: json.dumps({name: plain(value, Measure()) for name, value in file.items()})})
        prompt = load_prompt_file(tree, path)
        check_schemas(context, prompt)
    except InvalidFiles as error:
        raise UsageError(f"a call without a file: {error.problems[0].message}", hint=error.problems[0].hint) from None
    except NotPlain as error:
        raise UsageError(f"a call without a file: {', '.join(declared)} cannot be sent: {error}") from None
    return prompt, tree


def prepare_sent(context: Context, request: Request, prompt_type: str, options: CallOptions) -> Call:
    """Return the call of a request that is whole: it is sent as it is, and logged and ruled as the named prompt.

    Raises `ModelConfigurationError`, with the refusal in the log.
    """
    prompt, _ = _declared(context, prompt_type, {})
    version = Version(prompt.digest, display=NO_FILE)
    target = Target(prompt, version, request.model, request.model.partition("/")[0], request.parameters)
    try:
        settings = context.models.settings_of(request.model)
    except ModelConfigurationError as error:
        error.execution = refused(target, {}, error, options)
        context.recorder.save_now(error.execution, options.log)
        raise
    context.gateway.preload(request.model)
    sent = replace(request, timeout_s=settings.timeout_s)
    return Call(target.by(settings), Rendered(tuple(dict(each) for each in request.messages), {}), sent, options)
