"""From a `.prompt` file of Dotprompt, or of LiteLLM's dialect, to a prompt of ours with a note on each part."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.dotprompt.inputs import history_name, inputs_of, written_inputs
from promptctl.exchange.dotprompt.litellm import is_litellm, read_litellm
from promptctl.exchange.dotprompt.messages import (
    Drafts,
    HistoryMark,
    TemplateMessage,
    TemplateReader,
    has_markup,
    native_messages,
    str_of,
)
from promptctl.exchange.dotprompt.partials import CalledPartials
from promptctl.exchange.dotprompt.settings import HISTORY_KEY, settings
from promptctl.exchange.drafts import ForeignContents, ImportNote, PromptDraft, Source
from promptctl.exchange.front_matter import PromptText, fences, keys_of, prompt_text
from promptctl.template_languages.handlebars.nodes import TagNote
from promptctl.template_languages.handlebars.reading import PieceReader
from promptctl.template_languages.handlebars.syntax import parse

_ENDING = ".prompt"
_SIGNS = re.compile(
    r"\{\{~?(?:role\s+[\"']|media\s+[a-zA-Z]+=|history\s*~?\}\}|>\s*[\w/.-][^{}]*\}\}|#(?:ifEquals|unlessEquals)\s)"
)
# The first line of YAML or JSON, and keys that only a file of a different format has there.
_DATA = re.compile(r"(?:#.*\n|[ \t]*\n)*(?:[{\[]\s*[\"\n]|[A-Za-z_]+:(?:\s|\Z))")
_DATA_KEYS = re.compile(r"^(?:messages|template|prompts?|_type):", re.MULTILINE)
_KEYS = frozenset(("model", "config", "input", "output", "tools", "toolDefs", "variant"))


def is_one(source: Source) -> bool:
    """Return True for a template below front matter of Dotprompt's keys, or with a helper of it, or named `.prompt`."""
    try:
        text = source.text
    except InvalidFiles:
        return False
    if source.path.endswith(_ENDING):
        return not (_DATA.match(text) and (text.lstrip()[:1] in "{[" or _DATA_KEYS.search(text)))
    if source.path.endswith((".yaml", ".yml", ".json", ".jsonl", ".md", ".markdown", ".prompty")):
        return False
    if fences(text) is not None:
        return bool(_KEYS & keys_of(source))
    return _SIGNS.search(text) is not None


def read(source: Source) -> ForeignContents:
    """Return the prompt, its partials, and a note for each part. Raises `InvalidFiles` with all that is refused."""
    text = prompt_text(source)
    wish = source.path.removesuffix(_ENDING)
    wish = posixpath.basename(wish)
    if posixpath.basename(source.path).startswith("_") and source.path.endswith(_ENDING):
        message = "is a partial, which is imported with the prompts that call it"
        return ForeignContents(notes=(ImportNote("dropped", source.path, message, source.place(1)),))
    if is_litellm(text.body):
        return read_litellm(text, wish)
    return _read(text, wish)


def _read(text: PromptText, wish: str) -> ForeignContents:
    result = settings(text)
    inputs = inputs_of(text, result)
    partials = CalledPartials(text.source, inputs)
    drafts = TemplateReader(partials).read(parse(text.body, text.place_of))
    problems = partials.reader.problems
    if not any(isinstance(each, TemplateMessage) for each in drafts) and not problems:
        problems.append(
            Problem("there is no message", text.place_of(1), "write the template below `---`", "no-message")
        )
    if problems:
        raise InvalidFiles(problems)
    history = _with_history(drafts, text, partials.reader)
    name = history_name(inputs)
    written = written_inputs(inputs, result, history=name if history else None)
    data = _data(result.data, written, drafts, name)
    count = len(data["messages"])
    words = f"is written as {count} message{'s' if count > 1 else ''}"
    result.notes.append(ImportNote("kept", "template", words, text.place_of(1)))
    notes = (*result.notes, *(ImportNote(*each) for each in partials.reader.notes))
    return ForeignContents((PromptDraft(wish, data, text.source.place(1)),), files=partials.files, notes=notes)


def _with_history(drafts: Drafts, text: PromptText, reader: PieceReader) -> bool:
    """Return True if the prompt takes the conversation so far; add its place where Dotprompt puts it by itself."""
    if any(isinstance(each, HistoryMark) for each in drafts):
        return True
    last = drafts[-1]
    if (isinstance(last, TemplateMessage) and last.role == "user") or text.data.get(HISTORY_KEY) is False:
        return False
    drafts.append(HistoryMark())
    message = "is a placeholder at the end: no message of the user is last, so Dotprompt puts the conversation there"
    reader.add(TagNote("changed", "history", message, text.place_of(1)))
    return True


def _data(data: dict[str, Any], inputs: dict[str, Any], drafts: Drafts, history: str) -> dict[str, Any]:
    written = {**data, **({"inputs": inputs} if inputs else {})}
    messages = native_messages(drafts, history)
    if not has_markup(drafts):
        plain = native_messages(drafts, history, str_of)
        if plain != messages:
            return {**written, "template": "none", "messages": plain}
    return {**written, "messages": messages}
