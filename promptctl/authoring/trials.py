"""Trials: the evaluations of a changed prompt that nobody has written yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptctl.evaluations.plan import Plan
    from promptctl.prompts.prompt import Prompt


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
