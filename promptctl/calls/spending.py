"""The cost of a call of an evaluation, also of one that failed."""

from __future__ import annotations

from promptctl.errors import ModelTimeout, PromptctlError, ProviderUnreachable
from promptctl.log.records import Execution


def spent(execution: Execution | None, error: PromptctlError | None) -> int | None:
    """Return the cost of a call in nano-USD: 0 for one that was refused, None if it broke off and nobody can say."""
    if execution is not None and execution.cost_nano_usd is not None:
        return execution.cost_nano_usd
    if isinstance(error, ModelTimeout | ProviderUnreachable):
        return None
    has_reply = execution is not None and execution.reply is not None
    return None if has_reply else 0
