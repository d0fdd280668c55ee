"""From a `.prompt` file of Dotprompt, or of LiteLLM's dialect, to a prompt of ours with a note on each part."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.dotprompt.messages import (
    HISTORY,
    TemplateMessage,
    TemplateReader,
    has_markup,
    native_messages,
    str_of,
)
from promptctl.exchange.dotprompt.partials import CalledPartials
from promptctl.exchange.dotprompt.picoschema import is_picoschema, name_of
from promptctl.exchange.dotprompt.settings import HISTORY_KEY, Keys, ReadSettings, litellm_settings, settings
from promptctl.exchange.drafts import Fate, ForeignContents, ImportNote, PromptDraft, Source
from promptctl.exchange.front_matter import PromptText, fences, keys_of, prompt_text
from promptctl.template_languages.handlebars.nodes import TagNote
from promptctl.template_languages.handlebars.reading import PieceReader
from promptctl.template_languages.handlebars.scopes import Inputs, TagValue
from promptctl.template_languages.handlebars.syntax import parse
from promptctl.templates import BadTemplate
from promptctl.templates.environment import PromptEnvironment

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
    if all(each.is_history for each in drafts) and not problems:
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


def _with_history(drafts: list[TemplateMessage], text: PromptText, reader: PieceReader) -> bool:
    """Return True if the prompt takes the conversation so far; add its place where Dotprompt puts it by itself."""
    if any(each.is_history for each in drafts):
        return True
    if drafts[-1].role == "user" or text.data.get(HISTORY_KEY) is False:
        return False
    drafts.append(TemplateMessage(HISTORY))
    message = "is a placeholder at the end: no message of the user is last, so Dotprompt puts the conversation there"
    reader.add(TagNote("changed", "history", message, text.place_of(1)))
    return True


def _data(
    data: dict[str, Any], inputs: dict[str, Any], drafts: Sequence[TemplateMessage], history: str
) -> dict[str, Any]:
    written = {**data, **({"inputs": inputs} if inputs else {})}
    messages = native_messages(drafts, history)
    if not has_markup(drafts):
        plain = native_messages(drafts, history, str_of)
        if plain != messages:
            return {**written, "template": "none", "messages": plain}
    return {**written, "messages": messages}


_ROLE = re.compile(r"[ \t]*(System|User|Assistant):")
# Jinja, and nothing that Handlebars has: a statement, a comment, a filter.
_JINJA = re.compile(r"\{%[-+]?\s*[a-z]|\{#[^#]*#\}|\{\{[^{}|]*\|[^{}]*\}\}")
_HANDLEBARS = re.compile(r"\\\{\{|\{\{~?(?:[#/>^&!{]|(?:role|media|section|json|history)\b)")


def is_litellm(body: str) -> bool:
    """Return True for a body of this dialect: Jinja, or a first line that names a role, and no Handlebars."""
    if _HANDLEBARS.search(body):
        return False
    return _JINJA.search(body) is not None or _ROLE.match(body) is not None


def read_litellm(text: PromptText, wish: str) -> ForeignContents:
    """Return the prompt. Raises `InvalidFiles` if its Jinja does not parse."""
    from promptctl.templates.uses import variables

    result = litellm_settings(text)
    result.note("changed", [], "is LiteLLM's: Jinja, with a line such as `System:` before a message", part="dialect")
    inputs = inputs_of(text, result)
    messages = _messages(text, result.notes)
    problems: list[Problem] = []
    for message in messages:
        line = message.pop("line")
        try:
            PromptEnvironment().parse_text(message["content"])
        except BadTemplate as error:
            problems.append(
                Problem(error.message, text.place_of(line + (error.line or 1) - 1), error.hint, "bad-jinja")
            )
    if problems:
        raise InvalidFiles(problems)
    for message in messages:
        for name in sorted(variables(message["content"]), key=message["content"].find):
            value = inputs.value(name, frozenset())
            if value.is_optional or not inputs.is_declared:
                _default_to_nothing(name, value, inputs)
    if inputs.renamed:
        why = "stays as it is: LiteLLM writes `<`, `>`, `&` and quotes in a value as HTML has them"
        result.note("changed", [], why, part="{{…}}")
    written = written_inputs(inputs, result, history=None)
    data = {**result.data, **({"inputs": written} if written else {}), "messages": messages}
    return ForeignContents((PromptDraft(wish, data, text.source.place(1)),), notes=tuple(result.notes))


def _default_to_nothing(name: str, value: TagValue, inputs: Inputs) -> None:
    """Let an input be empty if it is not given, as LiteLLM prints it, if its schema allows a text."""
    if value.types in ((), ("string",)) and not (value.schema or {}).get("enum"):
        inputs.default_to(name, "")


def _messages(text: PromptText, notes: list[ImportNote]) -> list[dict[str, Any]]:
    """Return the messages as LiteLLM splits them: their lines without the blanks around."""
    messages: list[dict[str, Any]] = []
    for number, line in enumerate(text.body.split("\n"), 1):
        found = _ROLE.match(line)
        if found is not None or not messages:
            role = found[1].lower() if found else "user"
            messages.append({"role": role, "content": [], "line": number})
            part = f"{found[1]}:" if found else "text"
            notes.append(ImportNote("kept", part, f"is a message of the role {role}", text.place_of(number)))
        messages[-1]["content"].append(line[found.end() :].strip() if found else line.strip())
    for message in messages:
        message["content"] = "\n".join(message["content"]).strip()
    return [message for message in messages if message["content"]]


# Keywords of the schema of all inputs that say nothing more than our `inputs` do.
_SAID = ("type", "properties", "required", "additionalProperties", "$defs", "$schema", "description", "title")


def inputs_of(text: PromptText, result: ReadSettings) -> Inputs:
    """Return the inputs as they are declared; the template adds what it finds."""
    declared = text.data.get("input")
    if declared is not None and not isinstance(declared, Mapping):
        result.drop(["input"], "is not a mapping with `schema` and `default`")
        declared = None
    declared = declared or {}
    inputs = Inputs(_schema(declared["schema"], result) if declared.get("schema") is not None else None)
    defaults = declared.get("default") or {}
    if isinstance(defaults, Mapping):
        inputs.defaults.update(defaults)
        for name in defaults:
            words = f"is written as inputs.{inputs.name_of(str(name))}.default"
            result.note("kept", ["input", "default", name], words)
    else:
        result.drop(["input", "default"], "is not a mapping of names to values")
    for key in declared:
        if key not in ("schema", "default"):
            result.drop(["input", key], "has no word in a prompt file")
    return inputs


def written_inputs(inputs: Inputs, result: ReadSettings, *, history: str | None) -> dict[str, Any]:
    """Return the `inputs` of the prompt file."""
    schema = inputs.schema
    written: dict[str, Any] = {}
    required = schema.get("required", ())
    places = _places(result.text.data["input"]["schema"]) if inputs.is_declared else {}
    for key, each in schema.get("properties", {}).items():
        name = inputs.name_of(key)
        written[name] = _input(each, key, inputs, is_required=key in required)
        _note_declared(key, places[key], inputs, result, is_required=key in required)
    for key in dict.fromkeys([*inputs.defaults, *inputs.found]):
        name = inputs.name_of(key)
        if name not in written:
            written[name] = _input(inputs.found.get(key, {}), key, inputs, is_required=not inputs.is_declared)
            _note_found(key, name, inputs, result)
    if history:
        written[history] = {"type": "array", "default": []}
    return written


def history_name(inputs: Inputs) -> str:
    """Return the name of the input that holds the conversation so far."""
    taken = {*inputs.renamed.values()}
    return next(name for name in (HISTORY, "conversation", "earlier_messages", "_history") if name not in taken)


def _schema(schema: Any, result: ReadSettings) -> dict[str, Any] | None:
    keys: Keys = ["input", "schema"]
    read = result.json_schema(schema, keys, "write each input's JSON Schema under inputs")
    if read is None:
        return None
    if read.get("type") != "object" or not isinstance(read.get("properties"), Mapping):
        message = "is the schema of one value, and inputs have names here: they are taken from the template"
        result.drop(keys, message, "name the inputs")
        return None
    if read.get("additionalProperties") not in (None, False):
        result.drop(keys, "allows other properties, and inputs have names here", "name them")
    for keyword in read:
        if keyword not in _SAID:
            result.drop([*keys, keyword], "is about all inputs at once")
    if is_picoschema(schema):
        _without_null(read)
    return read


def _without_null(schema: dict[str, Any]) -> None:
    """Take null out of what may be left out: Picoschema adds it, and here an optional input is simply not given."""
    required = schema.get("required", ())
    for name, each in schema["properties"].items():
        if name in required:
            continue
        if isinstance(each.get("type"), list):
            each["type"] = each["type"][0]
        if "enum" in each and each["enum"][-1:] == [None]:
            each["enum"] = each["enum"][:-1]


def _input(schema: Any, key: str, inputs: Inputs, *, is_required: bool) -> dict[str, Any]:
    written: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
    if "$defs" in inputs.schema and "#/$defs/" in repr(written):
        written["$defs"] = inputs.schema["$defs"]
    if key in inputs.defaults:
        written["default"] = inputs.defaults[key]
    elif not is_required and "default" not in written:
        if "required" in written:
            written = {"allOf": [written]}
        written["required"] = False
    return written


def _places(schema: Mapping[str, Any]) -> dict[str, Keys]:
    """Return the way in the front matter to each input that it declares."""
    if is_picoschema(schema):
        return {name_of(key): ["input", "schema", key] for key in schema}
    return {key: ["input", "schema", "properties", key] for key in schema["properties"]}


def _note_declared(key: str, keys: Keys, inputs: Inputs, result: ReadSettings, *, is_required: bool) -> None:
    name = inputs.name_of(key)
    is_renamed = "" if name == key else ", a name that Jinja takes"
    more = ""
    if key not in inputs.defaults and not is_required:
        more = " that is not required; it cannot be null"
    elif key in inputs.added_defaults:
        more = " with an empty default: a missing one is empty there"
        more += ", so nothing in it is required" if key in inputs.loosened else ""
    fate: Fate = "changed" if is_renamed or more else "kept"
    result.note(fate, keys, f"is written as inputs.{name}{is_renamed}{more}", part=f"input.schema.{key}")


def _note_found(key: str, name: str, inputs: Inputs, result: ReadSettings) -> None:
    is_renamed = "" if name == key else ", a name that Jinja takes"
    if key in inputs.defaults:
        message = f"is not declared: it is written as inputs.{name}{is_renamed}, of any type"
    elif inputs.is_declared:
        message = f"is not in input.schema: it is written as inputs.{name}{is_renamed}, which is not required"
    else:
        message = f"is written as inputs.{name}{is_renamed}, of any type; it must be given here"
    result.note("changed", ["input"], message, part=f"{{{{{key}}}}}")
