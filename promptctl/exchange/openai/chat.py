"""Conversations of OpenAI's formats: JSON Lines for fine-tuning and for batches, and a single request as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.drafts import (
    LONGEST_CASE_ID,
    NOT_BLANK,
    DatasetDraft,
    Fate,
    ForeignContents,
    ImportNote,
    PromptDraft,
    Source,
)
from promptctl.exchange.model_settings import ForeignSettings
from promptctl.exchange.openai.conversations import (
    Conversation,
    alike,
    conversation_of,
    conversation_rows,
    fault_of,
    late_instruction,
    plain,
    shared_prompt,
    unknown_keys,
)
from promptctl.files.free_names import FreeNames
from promptctl.files.wording import count

_SIGNS = ({"messages"}, {"custom_id", "body"}, {"input", "ideal"})
_OF_A_CALL = ("stream", "stream_options", "user", "n", "store", "metadata", "safety_identifier")
_WORDS: Mapping[str, tuple[Fate, str]] = {"tools": ("kept", "stay"), "output.schema": ("changed", "is `output`")}


def is_one(source: Source) -> bool:
    """Return True for JSON Lines of conversations, and for one request as JSON."""
    if source.path.endswith(".jsonl"):
        line = next((line for line in source.data.split(b"\n", 20) if line.strip()), b"")
        row = _loaded(line)
        return (
            isinstance(row, dict) and any(signs <= row.keys() for signs in _SIGNS) and conversation_of(row) is not None
        )
    if not source.path.endswith(".json") or b'"messages"' not in source.data:
        return False
    data = _loaded(source.data)
    return isinstance(data, dict) and isinstance(data.get("model"), str) and fault_of(data.get("messages")) is None


def _loaded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def read(source: Source) -> ForeignContents:
    """Return one prompt for all conversations, and a case for each. Raises `InvalidFiles` with every bad line."""
    if source.path.endswith(".jsonl"):
        return _read_lines(source)
    body = source.json()
    fault = fault_of(body.get("messages")) if isinstance(body, dict) else "it is no JSON object"
    if fault is not None:
        raise source.refuse(f"this is no request: {fault}", 1)
    data, fates = _keys_of(body)
    place = source.place(1)
    notes = [ImportNote("kept", "messages", "stay as they are: nothing is filled in", place)]
    notes += _body_notes(fates, place)
    notes += [
        ImportNote("dropped", f"messages.{key}", _NO_KEY, place)
        for key in dict.fromkeys(unknown_keys(body["messages"]))
    ]
    draft = {**data, "template": "none", "messages": [plain(message) for message in body["messages"]]}
    return ForeignContents((PromptDraft(source.stem, draft, place),), notes=tuple(notes))


_NO_KEY = "is no key of a message here"


def _read_lines(source: Source) -> ForeignContents:
    rows = conversation_rows(source)
    data, notes = _bodies(source, rows)
    notes += _other_notes(source, rows)
    names, ids = FreeNames(), FreeNames()
    conversations: list[Conversation] = []
    cases: list[dict[str, Any]] = []
    for line, row in rows:
        case, messages = _answer(row, list(conversation_of(row)))
        if late_instruction(messages):
            words = "has an instruction after other messages, which only a prompt's own file may give"
            notes.append(
                ImportNote("dropped", "messages", words, source.place(line), "write it as a prompt of its own")
            )
            continue
        wished = row.get("custom_id") if isinstance(row.get("custom_id"), str) else f"line-{line}"
        cases.append({"id": ids.take(str(wished)[:LONGEST_CASE_ID] or f"line-{line}"), **case})
        conversations.append(Conversation(messages, line))
    if not cases:
        raise source.refuse("no conversation of it can be asked by a prompt", 1, "write them as prompts by hand")
    prompts: list[PromptDraft] = []
    datasets: list[DatasetDraft] = []
    for group in alike(conversations):
        shared = shared_prompt([conversations[index] for index in group])
        place, wish = source.place(conversations[group[0]].line), names.take(source.stem)
        pairs = zip(group, shared.cases, strict=True)
        own = [{**cases[index], **({"inputs": inputs} if inputs else {})} for index, inputs in pairs]
        prompts.append(PromptDraft(wish, {**data, **shared.data}, place))
        datasets.append(DatasetDraft(wish, {"prompts": [wish], "cases": own}, place))
        notes.append(
            ImportNote("changed", "messages", f"the prompt of {count(len(own), 'line')} {shared.words}", place)
        )
    notes += _answer_notes(source, rows, conversations, cases)
    return ForeignContents(tuple(prompts), tuple(datasets), notes=tuple(notes))


def _answer_notes(
    source: Source,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    conversations: Sequence[Conversation],
    cases: Sequence[Mapping[str, Any]],
) -> Iterator[ImportNote]:
    blank = [each.line for each, case in zip(conversations, cases, strict=True) if case.get("assert") == [NOT_BLANK]]
    if blank:
        hint = "write what a good reply is: `expected`, or assertions"
        words = f"{count(len(blank), 'line')} without an answer to compare with: any reply that is not blank passes"
        yield ImportNote("changed", "answers", words, source.place(blank[0]), hint)
    ideal = next((line for line, row in rows if "ideal" in row), None)
    if ideal is not None:
        words = "of samples: a reply must equal it, or contain one of several; which class compares is not in this file"
        yield ImportNote("changed", "ideal", words, source.place(ideal), "import the eval's YAML in its place")
    elif answered := sum("expected" in case for case in cases):
        words = f"{count(answered, 'answer')} of the assistant: `expected`, which a reply must equal"
        hint = "for replies in free words, put an assertion in their place: llm-rubric, factuality, similar"
        yield ImportNote("changed", "answers", words, source.place(rows[0][0]), hint)


def _answer(row: Mapping[str, Any], messages: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the keys of a case that say what is expected, and the messages that come before the answer."""
    if "ideal" in row:
        ideal = row["ideal"]
        is_many = isinstance(ideal, list) and all(isinstance(each, str) and each for each in ideal) and ideal
        return ({"assert": [{"type": "contains-any", "value": ideal}]} if is_many else {"expected": ideal}), messages
    last = messages[-1]
    if last["role"] == "assistant" and len(messages) > 1 and isinstance(last.get("content"), str):
        return {"expected": last["content"]}, messages[:-1]
    return {"assert": [dict(NOT_BLANK)]}, messages


def _bodies(source: Source, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> tuple[dict[str, Any], list[ImportNote]]:
    """Return what the requests of all rows ask alike, beside their messages; where they differ the first one holds."""
    found = [(line, _keys_of(_body_of(row))) for line, row in rows]
    first, fates = found[0][1]
    notes = _body_notes(fates, source.place(found[0][0]))
    other = next((line for line, (data, _) in found if data != first), None)
    if other is not None:
        words = "differ between the lines in model or parameters: those of the first hold"
        hint = "import the lines of one kind at a time"
        notes.append(ImportNote("changed", "requests", words, source.place(other), hint))
    return first, notes


def _body_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(row.get("body"), Mapping):
        return dict(row["body"])
    return {"tools": row["tools"]} if isinstance(row.get("tools"), list) and row["tools"] else {}


def _body_notes(fates: Mapping[str, tuple[Fate, str]], place: Place) -> list[ImportNote]:
    return [ImportNote(fate, key, words, place) for key, (fate, words) in fates.items()]


_READ = ("messages", "body", "custom_id", "method", "url", "input", "ideal", "tools")


def _other_notes(source: Source, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[ImportNote]:
    seen: set[str] = set()
    for line, row in rows:
        for key in row:
            if key not in _READ and key not in seen:
                yield ImportNote("dropped", key, "is no part of a prompt or a case", source.place(line))
            seen.add(key)
        for key in unknown_keys(conversation_of(row)):
            if f"messages.{key}" not in seen:
                yield ImportNote("dropped", f"messages.{key}", _NO_KEY, source.place(line))
            seen.add(f"messages.{key}")


def _keys_of(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[Fate, str]]]:
    """Return the keys of a prompt that a body stands for without its messages, and what became of each of its keys."""
    settings, fates = ForeignSettings(), dict[str, tuple[Fate, str]]()
    for key, value in body.items():
        if key == "messages" or value is None or value == [] or value == "":
            continue
        if key in _OF_A_CALL:
            fates[key] = "dropped", "is of one call, no part of a prompt"
            continue
        place, why = settings.take(key, _model_of(value) if key == "model" and isinstance(value, str) else value)
        if place is None:
            fates[key] = "dropped", why
        elif place == "model":
            fates[key] = "changed", f"is `{settings.data['model']}`"
        else:
            fate: Fate = "kept" if place.rpartition(".")[2] == key else "changed"
            fates[key] = _WORDS.get(place, (fate, f"is `{place}`"))
    return settings.data, fates


def _model_of(written: str) -> str:
    """Return LiteLLM's id of a model of OpenAI; one that names a provider stays.

    >>> _model_of("gpt-4o"), _model_of("anthropic/claude-sonnet-4-5")
    ('openai/gpt-4o', 'anthropic/claude-sonnet-4-5')
    """
    return written if "/" in written else f"openai/{written}"
