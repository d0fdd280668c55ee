"""Makes a call ready from a ref and its inputs; a refusal is recorded before it is raised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from promptctl.calls.call import (
    Call,
    CallOptions,
    Target,
    check_schemas,
    formats_for,
    masking,
    merge_parameters,
    refused,
)
from promptctl.context import Context
from promptctl.errors import (
    InputError,
    InvalidFiles,
    ModelConfigurationError,
    Place,
    PromptInactive,
    RenderError,
    UsageError,
)
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.files.wording import shown
from promptctl.formats.schemas import structure_of
from promptctl.log.records import Content, Drawn, Source
from promptctl.prompts.inputs import as_inputs
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import PromptAtVersion

if TYPE_CHECKING:
    from promptctl.log.masking import Mask

# Of a user or a session, whose columns have indexes.
_MOST_OF_A_NAME = 1_000

Asked = str | PromptAtVersion
"""A ref, or the prompt that was resolved of one."""


class RunOptions(TypedDict, total=False):
    """Options of a call beside its ref and inputs.

    `model` and `parameters` override the prompt's own. `user`, `session`, `content_type` and `metadata` are recorded
    with the call. `log` (`full`, `metadata`, `off`) wins over the workspace's log rules. `record` writes each reply
    to `datasets/recordings/`, from which `replay/<model>` answers. `source` is `api` unless the command line calls.
    `on_retry` is told each time that the model is asked again: which attempt that is, and why.

    `timeout` is how long one attempt may take, in seconds, whatever the model's rule says. `fallbacks` are models to
    ask in turn if the provider of the one before failed for good; each is a call of its own in the log.

    With `experiment` the version is that of the arm that `key` is drawn into, by default the user or the session.
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
    on_retry: Callable[[str], object]
    timeout: float | None
    fallbacks: Sequence[str]
    experiment: str | None
    key: str | int | None


def prepare_all(
    context: Context,
    asked: Asked,
    inputs: Mapping[str, Any] | None,
    options: RunOptions,
    *,
    drawn: Drawn | None = None,
    is_dry_run: bool = False,
) -> list[Call]:
    """Return the call and its fallbacks, as `prepare` makes them, so that a wrong one is found before any is made.

    `asked` is a ref, or a prompt that was resolved before; `drawn` is the arm that it is. Of a dry run nothing is
    recorded. Raises `UsageError` for options that no call takes, and what `prepare` raises.
    """
    check_options(options)
    inputs = as_inputs(inputs)
    first = prepare(context, asked, inputs, options, drawn, preloads=not is_dry_run, is_dry_run=is_dry_run)
    others: list[RunOptions] = [{**options, "model": model} for model in options.get("fallbacks") or ()]
    return [first, *(prepare(context, asked, inputs, each, drawn, is_dry_run=is_dry_run) for each in others)]


def prepare(
    context: Context,
    asked: Asked,
    inputs: Mapping[str, Any],
    options: RunOptions,
    drawn: Drawn | None = None,
    *,
    preloads: bool = False,
    is_dry_run: bool = False,
) -> Call:
    """Return the call, ready to be made. A refusal is handed to the log before it is raised, unless it is a dry run.

    Raises `InputError`, `RenderError`, `PromptInactive`, `ModelConfigurationError`, and `InvalidFiles` if a schema is
    none, each with its `execution`.
    """
    at_version = asked if isinstance(asked, PromptAtVersion) else context.prompt(asked)
    prompt = at_version.prompt
    model = options.get("model") or at_version.model or ""
    target = Target(prompt, at_version.version, model, model.partition("/")[0], prompt.parameters)
    recorded = masking(context, prompt, inputs, _call_options(options, drawn))
    if drawn is not None and recorded.mask is not None:
        recorded = replace(recorded, drawn=_without_value(drawn, recorded.mask, options))
    if recorded.log is None:
        recorded = replace(recorded, log=context.settings_now.log_rule(prompt.id, *prompt.formerly).kept)
    try:
        if not model:
            raise ModelConfigurationError(
                f"{prompt.id} names no model, and {SETTINGS} has no default",
                hint=f"add `model: …` to {SETTINGS}, or give --model",
            )
        _check_status(prompt, context)
        check_schemas(context, prompt)
        settings = context.models.settings_of(model)
        if preloads:
            context.gateway.preload(model)
        rendered = at_version.render(inputs, hide=recorded.mask).rendered
    except (InputError, RenderError, PromptInactive, ModelConfigurationError, InvalidFiles) as error:
        if recorded.mask is not None:
            error.hide(recorded.mask.text)
        error.execution = refused(target, inputs, error, recorded)
        if not is_dry_run:
            context.recorder.save_now(error.execution, recorded.log)
        raise
    target = target.by(
        settings,
        parameters=merge_parameters(settings.parameters, prompt, options.get("parameters")),
        timeout_s=options.get("timeout") or settings.timeout_s,
        formats=formats_for(context, prompt, model),
    )
    return Call(target, rendered, target.request(rendered), recorded)


def _without_value(drawn: Drawn, mask: Mask, options: RunOptions) -> Drawn:
    """Return an arm with a key that nobody can compute from a guess, if a sensitive input holds what it is of."""
    from promptctl.log.arm_calls import arm_key

    for key in (options.get("key"), options.get("user"), options.get("session")):
        if key is not None and drawn.arm_key == arm_key(drawn.experiment, str(key)):
            is_held = mask.text(str(key)) != str(key)
            return drawn._replace(arm_key=mask.keyed(drawn.arm_key)[: len(drawn.arm_key)]) if is_held else drawn
    return drawn


def _check_status(prompt: Prompt, context: Context) -> None:
    if prompt.status == "inactive":
        instead = f"use {prompt.successor}; or " if prompt.successor else ""
        raise PromptInactive(
            f"{prompt.id} is inactive and refuses to run",
            hint=f"{instead}promptctl activate {prompt.id}, or run an older version: {prompt.id}@<revision>",
        )
    if prompt.status == "deprecated":
        context.warn(prompt.retirement)


# The types that each option takes, beside None, and what they are called.
_TEXT = str, "a text"
_TABLE = Mapping, "a mapping of names to values"
_TAKEN: dict[str, tuple[Any, str]] = {
    "model": _TEXT,
    "parameters": _TABLE,
    "user": _TEXT,
    "session": _TEXT,
    "content_type": _TEXT,
    "metadata": _TABLE,
    "log": _TEXT,
    "record": (bool, "True or False"),
    "source": _TEXT,
    "on_retry": (Callable, "a function that takes a text"),
    "timeout": (int | float, "a number of seconds above 0"),
    "fallbacks": (Sequence, "a list of models"),
    "experiment": _TEXT,
    "key": (str | int, "a text or a whole number"),
}
_WORDS = {"log": get_args(Content), "source": get_args(Source)}


def check_options(options: RunOptions) -> None:
    """Raise `UsageError` for an option that a call does not have, or a value that the option cannot have."""
    for name, value in options.items():
        if name not in _TAKEN:
            raise UsageError(f"a call has no option `{name}`", hint=_way_of(name))
        if value is None:
            continue
        types, called = _TAKEN[name]
        if words := _WORDS.get(name):
            if value not in words:
                hint = did_you_mean(value, words) if isinstance(value, str) else ""
                raise UsageError(f"`{name}` is one of {', '.join(words)}, not {shown(value)}", hint=hint or None)
        elif not isinstance(value, types) or (isinstance(value, bool) and bool is not types):
            raise UsageError(
                f"`{name}` is {called}, not {shown(value)}",
                hint=f"{name}=str(…)" if isinstance(value, int) and types is str else None,
            )
    if options.get("key") is not None and options.get("experiment") is None:
        raise UsageError(
            "a `key` is what an experiment draws by, and the call names none", hint="give `experiment` too"
        )
    for name, value in (("user", options.get("user")), ("session", options.get("session"))):
        if value is not None and len(value) > _MOST_OF_A_NAME:
            raise UsageError(f"`{name}` is a name of at most {_MOST_OF_A_NAME:,} characters, by which calls are found")
    timeout = options.get("timeout")
    if timeout is not None and not 0 < timeout < math.inf:
        raise UsageError(f"`timeout` is a number of seconds above 0, not {timeout!r}")
    _check_fallbacks(options.get("fallbacks") or ())


def _way_of(name: str) -> str:
    """Return the way to give a value that is no option: in the ref, among the parameters, or as an input."""
    if name in ("version", "label"):
        return "it is part of the ref: support/triage@v7, support/triage@production"
    if _is_parameter(name):
        return f'it is one of the parameters: parameters={{"{name}": …}}'
    if name == "provider":
        return 'it begins the model\'s id: model="openai/gpt-4o-mini"'
    inputs = f'the inputs of a prompt are one mapping, after its ref: {{"{name}": …}}'
    return did_you_mean(name, _TAKEN) or f"{inputs}; the options are {', '.join(_TAKEN)}"


def _is_parameter(name: str) -> bool:
    """Return True if this is the name of a parameter that a prompt may set."""
    found = structure_of("prompt", "parameters").check_data({name: None}, Place("parameters"))
    return all(problem.code != "unknown-key" for problem in found)


def _check_fallbacks(fallbacks: Sequence[str]) -> None:
    if isinstance(fallbacks, str):
        raise UsageError("`fallbacks` is a list of models", hint=f"write [{fallbacks!r}]")
    for each in fallbacks:
        if not isinstance(each, str) or not each:
            raise UsageError(f"`fallbacks` is a list of models, and {shown(each)} is none")


def _call_options(options: RunOptions, drawn: Drawn | None) -> CallOptions:
    return CallOptions(
        source=options.get("source") or "api",
        user=options.get("user"),
        session=options.get("session"),
        content_type=options.get("content_type"),
        metadata=options.get("metadata") or {},
        log=options.get("log"),
        on_retry=options.get("on_retry"),
        drawn=drawn,
    )


def preload(context: Context, refs: Sequence[str]) -> None:
    """Make ready for calls of these refs, or import LiteLLM if there are none; returns when that is done.

    Raises what resolving a ref raises, and `RenderError` for a template that cannot be compiled.
    """
    found = [context.prompt(ref) for ref in refs]
    for each in found:
        each.make_ready()
    for model in {each.model for each in found if each.model is not None} if refs else (None,):
        context.gateway.load(model)
    if context.telemetry is not None:
        context.telemetry.load()
