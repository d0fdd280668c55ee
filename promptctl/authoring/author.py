"""Asks models to write, by the prompts that ship for that or a workspace's own in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from secrets import token_hex
from typing import Any

from promptctl.calls.account import Account
from promptctl.calls.call import Call
from promptctl.calls.prepare import RunOptions, prepare
from promptctl.calls.runner import Runner, prepared, runner_of
from promptctl.calls.shipped import shipped_prompt
from promptctl.calls.spending import SpendingGateway
from promptctl.context import Context
from promptctl.errors import ModelConfigurationError
from promptctl.files.names import SETTINGS
from promptctl.log.records import Execution, Source
from promptctl.models.gateway import recorded_model
from promptctl.prompts.loading import path_in
from promptctl.versions.prompt_at_version import PromptAtVersion

Check = Callable[[Any], Sequence[str]]
"""Returns what is wrong with the data of a reply, in words for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorOptions:
    """Options of the calls of one command: `command` is its name, which the log keeps in their metadata.

    `model` is asked instead of the prompt's or the workspace's, with `parameters` over the prompt's own. What all calls
    cost together is paid from `account`, if there is one. If it `is_recorded`, each reply is added to the recordings.
    `on_retry` is told each time that the model is asked again: which attempt that is, and why. The command's option for
    the model is `option`.
    """

    command: str
    model: str | None = None
    option: str = "--model"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    account: Account | None = None
    is_recorded: bool = False
    source: Source = "api"
    on_retry: Callable[[str], object] | None = None


class Author:
    """Asks models by the prompts for that. Each call is logged, and paid by the budgets, as any other."""

    def __init__(self, context: Context, options: AuthorOptions) -> None:
        self._context = context
        self._options = options
        self._runners: dict[str, Runner] = {}

    def prompt(self, prompt_id: str) -> PromptAtVersion:
        """Return the prompt of that id, with the model that is asked. Raises `ModelConfigurationError` if none can be.

        It is the workspace's own if that has one, else the one that ships. So a command without a model ends before it
        does anything else. Raises what `Context.prompt` raises, too.
        """
        context, hint = self._context, f"give {self._options.option}, or set `model:` in {SETTINGS}"
        is_own = path_in(context.repository.work_tree, prompt_id) is not None
        found = context.prompt(prompt_id) if is_own else shipped_prompt(prompt_id, context.settings.model)
        model = self._options.model or found.model
        if model is None:
            raise ModelConfigurationError(f"no model is named to ask by {prompt_id}", hint=hint)
        if recorded_model(model).startswith("echo/"):
            raise ModelConfigurationError(f"{model} cannot write: it only repeats what it is sent", hint=hint)
        return replace(found, default_model=model)

    async def ask(self, prompt_id: str, inputs: Mapping[str, Any], check: Check | None = None) -> Execution:
        """Ask by the prompt of that id; what the reply says, as data of its schema, is the execution's `output`.

        Raises what `call` and `Runner.run` raise: `InvalidOutput` if no reply could be used, `BudgetReached` and
        `CostLimitReached` for one that was not asked for.
        """
        call = await prepared(self._context, lambda _: self.call(prompt_id, inputs, check))
        if prompt_id not in self._runners:
            self._runners[prompt_id] = self._runner(prompt_id)
        return await self._runners[prompt_id].run(call)

    def call(
        self, prompt_id: str, inputs: Mapping[str, Any], check: Check | None = None, *, is_dry_run: bool = False
    ) -> Call:
        """Return the call that asks so, ready to be made.

        Inputs that the prompt does not declare are left out. `mark` is drawn anew for each call, so that no material
        can end the tags around it. A reply that does not fit the schema, or in which `check` finds something wrong, is
        asked for again with the problems, as often as the prompt's `output.retries` says. Raises what `prepare` raises.
        """
        options, found = self._options, self.prompt(prompt_id)
        mark = f"-{token_hex(8)}"
        given = {name: value for name, value in {**inputs, "mark": mark}.items() if name in found.prompt.inputs}
        wanted: RunOptions = {
            "model": options.model,
            "parameters": options.parameters,
            "source": options.source,
            "metadata": {"command": options.command},
        }
        if options.on_retry is not None:
            wanted["on_retry"] = options.on_retry
        call = prepare(self._context, found, given, wanted, is_dry_run=is_dry_run)
        request, with_check = replace(call.request, mark=mark), replace(call.options, check=check)
        return replace(call, request=request, options=with_check)

    @cached_property
    def _paying(self) -> SpendingGateway:
        """Made when something is asked: who only estimates, or asks by a session, needs no router."""
        return SpendingGateway(self._context, self._context.gateway, self._options.account)

    def _runner(self, prompt_id: str) -> Runner:
        context, on_reply = self._context, None
        if self._options.is_recorded:
            from promptctl.calls.recording import reply_recording

            on_reply = reply_recording(context, prompt_id)
        return runner_of(context, self._paying, on_reply)
