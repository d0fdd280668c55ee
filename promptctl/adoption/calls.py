"""Calls that ask a model: which arguments hold the messages, and what else of the call a prompt file can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.adoption.expressions import dotted
from promptctl.adoption.reading import TextReader
from promptctl.adoption.source import SourceFile
from promptctl.adoption.texts import NotCertain
from promptctl.exchange.model_settings import ForeignSettings, parameter_of

MARKERS = re.compile(
    rb"\bmessages[\"']?\s*[=:](?!=)|\bcompletions?\b|\.responses\.|\.messages\.|ChatCompletion|SystemMessage|HumanMessage"
    rb"|Completion\.|PromptTemplate|get_prompt|load_prompt"
)
"""What a file must hold so that any of this can be in it."""
_ADDRESSES = ("base_url", "azure_endpoint", "api_base")
_CLIENTS = {
    "groq": "groq/",
    "mistralai": "mistral/",
    "ollama": "ollama/",
    "together": "together_ai/",
    "anthropic": "anthropic/",
}
_NO_PARAMETER = "is no parameter of a prompt file"
_OF_THE_CALL = frozenset(
    (
        *("model", "messages", "system", "input", "instructions", "tools", "response_format", "stream"),
        *("text_format", "api_key", "base_url", "timeout", "extra_headers", "extra_query", "api_base"),
        "num_retries",
    )
)


@dataclass(frozen=True, slots=True)
class CallShape:
    """A call that asks a model: `messages` is the argument of the list, `first` that of the instructions beside it."""

    name: str
    provider: str | None
    messages: str = "messages"
    first: str | None = None
    is_responses: bool = False


@dataclass(slots=True)
class CallSettings:
    """The keys of a prompt file that a call gives beside its messages, and notes on what it could not say."""

    data: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def shape_of(node: ast.Call, imports: Mapping[str, str]) -> CallShape | None:
    """Return the shape of a call that asks a model; None for any other. `imports` are the file's names, in full."""
    name = dotted(node.func)
    if name is None:
        return None
    full = full_name(name, imports)
    given = {each.arg for each in node.keywords}
    if full.endswith(("chat.completions.create", "chat.completions.parse", "chat.completions.stream")):
        return CallShape(name, _provider(imports, "openai/"))
    if full in ("openai.ChatCompletion.create", "openai.ChatCompletion.acreate"):
        return CallShape(name, "openai/")
    if full.endswith((".responses.create", ".responses.parse", ".responses.stream")) and given & {
        "input",
        "instructions",
    }:
        return CallShape(name, _provider(imports, "openai/"), "input", "instructions", is_responses=True)
    if full.endswith((".messages.create", ".messages.stream", ".messages.parse")) and (
        "messages" in given or (None in given and any(each.startswith("anthropic.") for each in imports.values()))
    ):
        return CallShape(name, "anthropic/", first="system")
    is_litellm = full in ("litellm.completion", "litellm.acompletion", "litellm.batch_completion")
    if is_litellm or (full.rpartition(".")[2] in ("completion", "acompletion") and "messages" in given):
        return CallShape(name, "")
    return CallShape(name, None) if "messages" in given else None


def _provider(imports: Mapping[str, str], usual: str) -> str | None:
    """Return the beginning of a model's id for the client that a file imports; None if it could be any."""
    full = set(imports.values())
    if any(each.endswith(("AzureOpenAI", "AsyncAzureOpenAI")) for each in full):
        return None
    packages = {each.partition(".")[0] for each in full}
    found = [prefix for package, prefix in _CLIENTS.items() if package in packages and package != "anthropic"]
    return found[0] if found and "openai" not in packages else usual


def completed_by(node: ast.Call, imports: Mapping[str, str]) -> str | None:
    """Return the name of a call that completes a text of its own, and has no messages; None for any other call."""
    name = dotted(node.func) or ""
    full = full_name(name, imports)
    is_old = full in ("openai.Completion.create", "openai.Completion.acreate")
    is_new = full.endswith(".completions.create") and not full.endswith(".chat.completions.create")
    return name if (is_old or is_new) and any(each.arg == "prompt" for each in node.keywords) else None


def payload_of(node: ast.Dict) -> tuple[CallShape, ast.Call] | None:
    """Return a mapping that holds `messages`, as what is posted or given by `**`, as a call with such arguments."""
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    if "messages" not in keys:
        return None
    given = [ast.keyword(key, value) for key, value in zip(keys, node.values, strict=True) if isinstance(key, str)]
    call = ast.Call(ast.Name("dict", ast.Load()), [], given)
    return CallShape("a mapping with messages", None, first="system"), call


def full_name(name: str, imports: Mapping[str, str]) -> str:
    """Return a dotted name with what its first part was imported as."""
    head, dot, rest = name.partition(".")
    return f"{imports.get(head, head)}{dot}{rest}"


def imports_of(file: SourceFile) -> dict[str, str]:
    """Return the full name of each name that a file imports."""
    found: dict[str, str] = {}
    for node in file.imports:
        for each in node.names:
            first = each.name.partition(".")[0]
            if isinstance(node, ast.ImportFrom):
                found[each.asname or each.name] = f"{node.module or ''}.{each.name}"
            else:
                found[each.asname or first] = each.name if each.asname else first
    return found


def has_own_address(file: SourceFile) -> bool:
    """Return True if a client of the file is given an address: its models may be anybody's."""
    given = (each for node in file.calls for each in node.keywords if each.arg in _ADDRESSES)
    return any(not (isinstance(each.value, ast.Constant) and each.value.value is None) for each in given)


def settings_of(shape: CallShape, node: ast.Call, reader: TextReader, *, has_address: bool) -> CallSettings:
    """Return what a call says beside its messages, as far as it is literal."""
    found = CallSettings()
    given = {each.arg: each.value for each in node.keywords if each.arg is not None}
    if shape.provider == "" and "model" not in given and node.args:
        given["model"] = node.args[0]
    _add_model(found, shape, given.get("model"), reader, has_address=has_address)
    settings = ForeignSettings()
    for name, value in given.items():
        if name in _OF_THE_CALL:
            continue
        try:
            constant = reader.constant(value)
        except NotCertain:
            if parameter_of(name):
                found.notes.append(f"`{name}` is a value: the call alone has it")
            continue
        written, why = settings.take(name, constant) if parameter_of(name) else (None, _NO_PARAMETER)
        if written is None and constant is not None and (parameter_of(name) or shape.provider is not None):
            found.notes.append(f"`{name}` {why}: the call alone has it")
    found.data |= settings.data
    _add_format(found, given.get("response_format"), reader)
    _add_tools(found, given.get("tools"), reader)
    return found


def _literal(found: CallSettings, node: ast.expr | None, reader: TextReader, why: str) -> Any:
    """Return the value of a literal; None for none, and for anything else, which is noted."""
    try:
        return None if node is None else reader.constant(node)
    except NotCertain:
        found.notes += [why] if why else []
        return None


def _add_model(
    found: CallSettings, shape: CallShape, node: ast.expr | None, reader: TextReader, *, has_address: bool
) -> None:
    why = "its model is a value: the file names none" if shape.provider is not None else ""
    model = _literal(found, node, reader, why)
    if not isinstance(model, str):
        return
    if shape.provider is None or (has_address and shape.provider == "openai/"):
        found.notes.append(f"the file names no model, as nothing says whose `{model}` is")
    else:
        found.data["model"] = model if model.startswith(shape.provider) else f"{shape.provider}{model}"


def _add_format(found: CallSettings, node: ast.expr | None, reader: TextReader) -> None:
    form = _literal(found, node, reader, "`response_format` is no literal: the call alone has it")
    schema = form.get("json_schema") if isinstance(form, dict) and form.get("type") == "json_schema" else None
    if isinstance(schema, dict) and isinstance(schema.get("schema"), dict):
        extra = {key: schema[key] for key in ("name", "strict") if schema.get(key) is not None}
        found.data["output"] = {"schema": schema["schema"], **extra}
    elif isinstance(form, dict) and form.get("type") != "text":
        found.data["response_format"] = form


def _add_tools(found: CallSettings, node: ast.expr | None, reader: TextReader) -> None:
    why = "`tools` are no literals: the call alone has them"
    tools = _literal(found, node, reader, why)
    try:
        found.data |= {} if tools is None else {"tools": [_tool(each) for each in tools]}
    except (KeyError, TypeError, AttributeError):
        found.notes.append(why)


def _tool(tool: Any) -> dict[str, Any]:
    """Return a tool as the chat-completions protocol has it: Anthropic and the Responses API write it flat."""
    if "function" in tool:
        return dict(tool)
    function = {key: tool[key] for key in ("name", "description", "strict") if tool.get(key) is not None}
    parameters = tool["input_schema"] if "input_schema" in tool else tool["parameters"]
    return {"type": "function", "function": {**function, "parameters": parameters}}
