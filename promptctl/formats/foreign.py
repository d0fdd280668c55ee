"""Prompt files of other tools: told from their name, text or keys, with what they look like and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptctl.errors import Place, Problem, quote
from promptctl.files.document import Document

_AS_MESSAGES = "put its text under `messages:`, as `- role: user` with `content: |`"
_WITH_INPUTS = _AS_MESSAGES + ", and its variables under `inputs:`"
_AS_FILE = "write it as <id>.prompt.yaml: its texts under `messages:`, its variables under `inputs:`"

_AS_HEADER = (
    "what stands below its header goes under `messages:`, as the content of a message; of the header, `model` stays, "
    "its variables go under `inputs:`"
)

# How a file's name ends, and whose it is.
_ENDINGS = {
    ".prompty": "a Prompty file",
    ".prompt": "a Dotprompt file, or a similar one of another tool",
    ".poml": "a POML file",
    ".baml": "a BAML file",
    ".promptl": "a PromptL file",
    ".prompt.md": "a prompt file of an editor",
    "skprompt.txt": "a prompt of Semantic Kernel",
    ".mustache": "a Mustache template",
    ".hbs": "a Handlebars template",
    ".handlebars": "a Handlebars template",
    ".liquid": "a Liquid template",
    ".co": "a Colang file of NeMo Guardrails",
}
# Those that `promptctl import` reads, by how a kind begins.
_IMPORTED = (
    "a Prompty",
    "a Dotprompt",
    "a prompt of Semantic Kernel",
    "a prompt of LangChain",
    "a promptfoo",
    "the header of a Prompty",
)
_JINJA_ENDINGS = (".jinja", ".jinja2", ".j2.txt", ".j2.md", ".tmpl")
# What the text of a file begins with, once its comments are left out.
_BEGINNINGS = (
    (r"<poml\b", "a POML file"),
    (r"<(?:system|user|assistant|step|prompt|message|content-\w+)\b", "a prompt written in tags, such as PromptL"),
    (r"(?:function|client<llm>|class|enum|generator|test|template_string|retry_policy)\b[^\n:]*[{(]", "a BAML file"),
    (r"define (?:user|bot|flow|subflow)\b", "a Colang file of NeMo Guardrails"),
    (r"\{\{[~#]", "a Handlebars or Guidance template"),
)
_HEADERS = (
    (r"^(?:authors|sample):|^model:\s*\n\s+(?:api|configuration|id|provider):", "a Prompty file"),
    (r"^(?:input|output|config|ext|variant):", "a Dotprompt file"),
)
_HEADER = re.compile(r"\ufeff?---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)(?=.*\S)", re.DOTALL | re.MULTILINE)


def foreign_file(path: str) -> Problem | None:
    """Return the warning of a file below `prompts/` that another tool reads, by its name; None for any other."""
    name = path.rpartition("/")[2]
    kind = next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)
    if kind is not None:
        message, hint = f"the file is not read: it is {kind}", _way_in(kind, path) or _AS_FILE
        return Problem(message, Place(path), hint, "foreign-format", "warning")
    if name.endswith(_JINJA_ENDINGS):
        hint = "a text that prompts include ends in .j2, a prompt's file in .prompt.yaml"
        return Problem("the file is not read: it is a template by its name", Place(path), hint, "stray-file", "warning")
    return None


def foreign_text(text: str, path: str) -> Problem | None:
    """Return the problem of a text that is no prompt of ours and no YAML mapping at all; None if it may be one."""
    place = Place(path, 1, 1)
    header = _HEADER.match(text)
    if header is not None and not re.search(r"^messages:", header[1], re.MULTILINE):
        signs = ((sign, kind) for sign, kind in _HEADERS if re.search(sign, header[1], re.MULTILINE))
        return _looks_like(next(signs, ("", "a text below a header, as other tools have it"))[1], place, _AS_HEADER)
    body = re.sub(r"\A(?:\s+|//[^\n]*|#[^\n]*|<!--.*?-->)+", "", text, flags=re.DOTALL)
    kind = next((kind for sign, kind in _BEGINNINGS if re.match(sign, body)), "")
    return _looks_like(kind, place, _WITH_INPUTS) if kind else None


def _looks_like(kind: str, place: Place, hint: str) -> Problem:
    message = f"this looks like {kind}, not like a prompt of promptctl"
    return Problem(message, place, _way_in(kind, place.path) or hint, "foreign-format")


def _way_in(kind: str, path: str) -> str | None:
    """Return what to do with a file of a kind that can be imported; None for any other."""
    is_imported = kind.startswith(_IMPORTED) and path
    return f"promptctl import {quote(path)} writes it as one of promptctl's" if is_imported else None


def foreign_shape(document: Document) -> Problem | None:
    """Return the problem of a file without `messages`, with what it looks like; None if it looks like a prompt."""
    data = document.data
    found: tuple[str, str] | None = None
    if data is None:
        found = "the file is empty", "write at least `messages:` with one message"
    elif isinstance(data, list) and data and all(isinstance(item, dict) and "role" in item for item in data):
        found = "this is a list of messages without a prompt around it", "put it under `messages:`"
    elif not isinstance(data, dict):
        found = f"a prompt is a mapping, this is {'a list' if isinstance(data, list) else 'text'}", _AS_MESSAGES
    elif (shape := _shape(data)) is not None:
        return _looks_like(shape[0], document.place(), shape[1])
    return None if found is None else Problem(found[0], document.place(), found[1], "foreign-format")


def _shape(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the name of a foreign kind of file, and what to do with one."""

    def has(*keys: str) -> bool:
        return any(key in data for key in keys)

    def has_text(*keys: str) -> bool:
        return any(isinstance(data.get(key), str) for key in keys)

    def has_items(key: str, *keys: str) -> bool:
        items = data.get(key)
        return isinstance(items, list) and any(isinstance(each, dict) and each.keys() & set(keys) for each in items)

    # In the order in which they are told from each other.
    signs = (
        (has_items("prompts", "task") or has("rails", "colang_version"), "a configuration of NeMo Guardrails", ""),
        (has("nodes") and has("inputs", "outputs"), "a flow of Prompt flow", ""),
        (_has_agents(data), "the agents or tasks of CrewAI", ""),
        (has_items("prompt", "role"), "a prompt with its messages under `prompt`", "rename `prompt` to `messages`"),
        (
            has_text("template") and has("template_format", "input_variables", "execution_settings"),
            "a prompt of Semantic Kernel or LangChain",
            "",
        ),
        (has("_type") or (has("lc") and has("kwargs")), "a prompt of LangChain", ""),
        (
            has("prompts", "providers") and has("tests", "providers", "defaultTest", "scenarios", "targets"),
            "a promptfoo configuration",
            "write each of its prompts as a file here, and its tests as a dataset below datasets/",
        ),
        (
            has("cases") or (has("prompts") and has("defaults", "min_pass")),
            "a dataset",
            "move it below datasets/, without `.prompt` in its name",
        ),
        (
            has("$schema", "$defs", "properties") or data.get("type") == "object",
            "a JSON Schema",
            "name it <name>.schema.yaml",
        ),
        (
            has("sample", "authors") and isinstance(data.get("model"), dict),
            "the header of a Prompty file",
            _AS_MESSAGES + "; `model.configuration` becomes `model`, `sample` a case of a dataset",
        ),
        (
            has_text("system", "prompt", "user", "template", "text", "instructions", "content"),
            "a template of another tool, with its text under a key of its own",
            _AS_MESSAGES + "; a system prompt as `- role: system`",
        ),
    )
    return next(((kind, hint or _WITH_INPUTS) for is_it, kind, hint in signs if is_it), None)


def _has_agents(data: Mapping[str, Any]) -> bool:
    kinds = ({"goal", "backstory"}, {"description", "expected_output"})
    return any(isinstance(each, dict) and any(keys <= each.keys() for keys in kinds) for each in data.values())
