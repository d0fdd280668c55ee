"""One recorded reply: its shape in a file, its possible mistakes, and the reply that is made of it.

A JSONL file of recordings holds one on each line, as `--record` writes it:

    {"request": digest, "model": …, "reply": text, "finish_reason": …, "usage": {…}, "recorded_at": …}

with `tool_calls`, `cost_nano_usd` (what it cost then), `prompt` (its id) and `note` if there are any, and what was
asked: `messages`, and if the request has them `parameters`, `tools`, `response_format` and `repeat`. A YAML file is a
list of the same, written by hand. There `request` may be left out if the parts are there that it is the digest of.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.plain import canonical_json, with_texts
from promptctl.formats.schemas import structure_of
from promptctl.models.gateway import Reply, Request, cost_of_kept, recorded_model, usage_of_kept

Entry = Mapping[str, Any]
Redact = Callable[[Any], Any]
"""Takes secrets out of data."""

_REQUEST_KEYS = ("messages", "parameters", "tools", "response_format", "repeat")
# A longer text of one word is an image, a sound or a document.
_LONGEST_WORD = 4096
_WORD = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Located:
    """A recording: its file and line, as they are named to people, and a function that reads it again."""

    path: str
    line: int | None
    read: Callable[[], Entry | None]


def as_it_is(data: Any) -> Any:
    """Return data as it is: a `Redact` for data without secrets."""
    return data


def digest_for(request: Request) -> str:
    """Return the digest under which the reply to a request is recorded: of the whole request to the recorded model.

    It is that of the request as the prompt declares it, so that another form of asking finds the same recording. Marks
    stand in it for sensitive values, which could be guessed from a digest of them.
    """
    return _as_kept(request).digest()


def _as_kept(request: Request) -> Request:
    """Return the request as the prompt declares it, to the recorded model, with marks for sensitive values."""
    messages, response_format = request.declared or (request.messages, request.response_format)
    parameters, mask = request.parameters, request.mask
    if mask is not None:
        messages = mask.conversation(messages) if mask.messages is None else mask.messages
        parameters = mask.data(parameters, numbers=True)
    model = recorded_model(request.model)
    return replace(request, model=model, messages=messages, response_format=response_format, parameters=parameters)


def asked_of(request: Request) -> dict[str, Any]:
    """Return what a request asks as recordings keep it: model, messages, and the other parts that it has.

    An image or a sound is its digest. Of embeddings only the model is kept: their texts are many.
    """
    kept = _as_kept(request)
    asked: dict[str, Any] = {"model": kept.model}
    if not kept.messages or kept.is_embedding:
        return asked
    for key in _REQUEST_KEYS:
        if value := getattr(kept, key):
            asked[key] = with_texts(value, partial(_without_media, mark=request.mark))
    return asked


def _without_media(text: str, mark: str) -> str:
    if len(text) > _LONGEST_WORD and _WORD.fullmatch(text):
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{text[:20]}… ({len(text):,} characters, sha256 {digest})"
    return text.replace(mark, "") if mark else text


def earlier_digests_for(request: Request) -> Iterator[str]:
    """Yield the digests that recordings were once kept under: with sensitive values, and of the request as sent."""
    if request.mask is not None:
        yield digest_for(replace(request, mask=None))
    if request.declared is not None:
        yield replace(request, model=recorded_model(request.model)).digest()


def entry_of(
    request: Request, reply: Reply, recorded_at: str, prompt: str | None, note: str | None, redact: Redact
) -> Entry:
    """Return the recording of a reply, ready to be written: of vectors as JSON text.

    `redact` takes secrets out of what was asked.
    """
    usage = {key: value for key, value in asdict(replace(reply.usage, told_nano_usd=None)).items() if value is not None}
    optional = {
        "tool_calls": list(reply.tool_calls) or None,
        "cost_nano_usd": reply.cost_nano_usd if reply.full_cost_nano_usd is None else reply.full_cost_nano_usd,
        "prompt": prompt,
        "note": note,
    }
    return {
        "request": digest_for(request),
        "model": recorded_model(request.model),
        "reply": json.dumps(reply.vectors, separators=(",", ":")) if reply.vectors else reply.text,
        "finish_reason": reply.finish_reason,
        "usage": usage,
        "recorded_at": recorded_at,
        **{key: value for key, value in optional.items() if value is not None},
        **redact({key: value for key, value in asked_of(request).items() if key != "model"}),
    }


def reply_of(entry: Entry) -> Reply:
    """Return the reply that was recorded; it costs nothing to give again."""
    return Reply(
        text=entry.get("reply") or "",
        model=entry["model"],
        provider="replay",
        tool_calls=tuple(entry.get("tool_calls") or ()),
        finish_reason=entry.get("finish_reason"),
        usage=usage_of_kept(entry.get("usage") or {}),
        cost_nano_usd=0,
        price_source="free",
        source="replay",
        full_cost_nano_usd=cost_of_kept(entry.get("cost_nano_usd")),
        made_on=_day(entry.get("recorded_at")),
    )


def _day(moment: Any) -> str | None:
    """Return the day of a moment as recordings keep it; None for anything else."""
    found = re.match(r"\d{4}-\d{2}-\d{2}(?=T)", moment) if isinstance(moment, str) else None
    return found[0] if found else None


def said(entry: Entry) -> str:
    """Return the answer of a recording as text to compare: two that say the same need not both be kept."""
    return canonical_json([entry.get("reply"), entry.get("tool_calls"), entry.get("finish_reason")])


def read_line(line: bytes, place: Place) -> tuple[Entry | None, list[Problem]]:
    """Return the recording on one line of a JSONL file, or its problems."""
    try:
        data = json.loads(line)
    except RecursionError:
        return None, [Problem("this line is nested too deeply", place, code="bad-json")]
    except ValueError as error:
        return None, [Problem(f"this line is not JSON: {_why(error)}", place, code="bad-json")]
    problems = structure_of("recording").check_data(data, place)
    return (None, problems) if problems else (data, [])


def read_handwritten(data: bytes, path: str) -> tuple[list[Entry], list[Problem]]:
    """Return the recordings of a YAML file, each with its `request` filled in, or its problems."""
    from promptctl.files.yaml_reader import read_yaml

    try:
        document = read_yaml(data, path)
    except InvalidFiles as error:
        return [], list(error.problems)
    problems = structure_of("recording", "byHand").check(document)
    if problems:
        return [], problems
    entries: list[Entry] = []
    for position, item in enumerate(document.data):
        if ("request" in item) == ("messages" in item):
            message = "a recording has either `request` or `messages`"
            problems.append(Problem(message, document.place(position), code="invalid"))
        else:
            entries.append(item if "request" in item else {**item, "request": _digest_of(item)})
    return entries, problems


def _digest_of(item: Entry) -> str:
    parts = {key: item[key] for key in _REQUEST_KEYS if key in item}
    return Request(model=item["model"], **parts).digest()


def _why(error: ValueError) -> str:
    return f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "not UTF-8"
