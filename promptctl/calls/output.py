"""Checks a reply against the prompt's output schema, and asks the model to correct it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.calls.call import Call
from promptctl.models.gateway import Reply, Request
from promptctl.models.reading import read_data
from promptctl.schemas.json_schema import Validator

_SHOWN_PROBLEMS = 5


def check_output(
    reply: Reply, validator: Validator, tools: Sequence[Mapping[str, Any]] = ()
) -> tuple[Any, tuple[str, ...]]:
    """Return the reply as data and its problems; with problems, the data is None.

    A reply that calls tools needs no data, whatever it says beside them, if it calls those that the prompt declares.
    """
    value, problems = _read(reply.text, validator)
    if not reply.tool_calls:
        return value, problems
    known = {tool.get("function", tool).get("name") for tool in tools}
    called = [str(call.get("function", call).get("name")) for call in reply.tool_calls]
    unknown = tuple(f"calls the tool {name}, which the prompt does not declare" for name in called if name not in known)
    if unknown and reply.text.strip():
        return value, problems
    return value, unknown


def _read(text: str, validator: Validator) -> tuple[Any, tuple[str, ...]]:
    try:
        value = read_data(text)
    except ValueError as error:
        return None, (f"not JSON: {error}",)
    except RecursionError:
        return None, ("not JSON: nested too deeply",)
    problems = tuple(validator.problems(value))
    return (None, problems) if problems else (value, ())


def correction(reply: Reply, problems: tuple[str, ...], *, is_checked: bool = False) -> list[dict[str, str]]:
    """Return the reply and the message that asks the model to correct it; if `is_checked`, not by the schema alone."""
    listed = "\n".join(f"- {problem}" for problem in problems[:_SHOWN_PROBLEMS])
    more = len(problems) - _SHOWN_PROBLEMS
    rest = f"\n- and {more} more" if more > 0 else ""
    asked = (
        f"Your reply {'cannot be used' if is_checked else 'does not fit the required JSON Schema'}:\n{listed}{rest}\n"
        "Reply again with the corrected JSON value only, without any text around it."
    )
    # A call of a tool can only be answered with its result, and some providers refuse an empty message.
    said = reply.text or (json.dumps(list(reply.tool_calls), ensure_ascii=False) if reply.tool_calls else "(nothing)")
    return [{"role": "assistant", "content": said}, {"role": "user", "content": asked}]


def corrected(call: Call, request: Request, reply: Reply, problems: tuple[str, ...]) -> Request:
    """Return the request again, with the reply and the message that asks the model to correct it."""
    added = correction(reply, problems, is_checked=call.options.check is not None)
    declared, mask = request.declared, request.mask
    if declared is not None:
        declared = [*declared[0], *added], declared[1]
    if mask is not None and mask.messages is not None:
        mask = mask.storing([*mask.messages, *mask.conversation(added)])
    return replace(request, messages=[*request.messages, *added], declared=declared, mask=mask)
