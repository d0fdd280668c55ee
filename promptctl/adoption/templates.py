"""Templates of LangChain, and prompts that code fetches from a registry."""

from __future__ import annotations

import ast
import string
from collections.abc import Mapping

from promptctl.adoption.expressions import dotted
from promptctl.adoption.found import CLASS_ROLES, PAIR_ROLES, Unadoptable
from promptctl.adoption.messages import langchain_class
from promptctl.adoption.names import FollowedNames
from promptctl.adoption.reading import TextReader
from promptctl.adoption.source import SourceFile
from promptctl.adoption.texts import (
    CodeMessage,
    Entry,
    Hole,
    KeptMessages,
    MessageList,
    NotCertain,
    Text,
    TextPart,
    joined,
    plain_text,
)

_OF_MESSAGES = {f"{name}PromptTemplate": role for name, role in CLASS_ROLES.items()}
_REGISTRIES = {"langfuse": "Langfuse", "mlflow": "MLflow"}


def fetch_of(file: SourceFile, names: FollowedNames, node: ast.Call, imports: Mapping[str, str]) -> Unadoptable | None:
    """Return why a call stays that fetches a prompt which a registry keeps; None for any other call."""
    name = dotted(node.func)
    if name is None or name.rpartition(".")[2] not in ("get_prompt", "load_prompt"):
        return None
    found = _registry(file, names, node.func, imports)
    if found is None:
        return None
    given = {each.arg: each.value for each in node.keywords}
    key = node.args[0] if node.args else given.get("name", given.get("name_or_uri"))
    asked = f" `{key.value}`" if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
    why = f"{_REGISTRIES[found]} keeps its prompt{asked}"
    hint = f"export it from {_REGISTRIES[found]}, and take it in with: promptctl import FILE"
    return Unadoptable(file.place(node), name, why, hint)


def _registry(file: SourceFile, names: FollowedNames, called: ast.expr, imports: Mapping[str, str]) -> str | None:
    """Return the package that a call is of: the one that its name says, or what it is called on was made of."""
    owner = called.value if isinstance(called, ast.Attribute) else called
    made = names.follow(file, owner)
    head = (dotted(owner if made is None else made.values[0]) or "").partition(".")[0]
    packages = {each.partition(".")[0] for each in imports.values()}
    imported = [each for each in _REGISTRIES if each in packages]
    said = next((each for each in _REGISTRIES if each in imports.get(head, head).lower()), None)
    if said is not None or head in imports or not imported:
        return said if imported else None
    is_mlflow = isinstance(called, ast.Attribute) and called.attr == "load_prompt"  # which Langfuse has not
    return imported[-1 if is_mlflow else 0]


def template_of(file: SourceFile, node: ast.Call, imports: Mapping[str, str], reader: TextReader) -> MessageList | None:
    """Return the messages of a template of LangChain; None for any other call. Raises `NotCertain`."""
    name = dotted(node.func) or ""
    head, _, rest = name.partition(".")
    if not imports.get(head, "").startswith("langchain"):
        return None
    kind, _, made_by = f"{imports[head].rpartition('.')[2]}.{rest}".rstrip(".").partition(".")
    given = {each.arg: each.value for each in node.keywords}
    if "template_format" in given or "partial_variables" in given:
        raise NotCertain("its template has a format, or values, of its own", node)
    if kind == "ChatPromptTemplate" and made_by in ("", "from_messages"):
        messages = node.args[0] if node.args else given.get("messages")
        if not isinstance(messages, ast.List | ast.Tuple):
            raise NotCertain("its messages are made elsewhere", node)
        return MessageList([_message(file, each, reader) for each in messages.elts])
    if kind in ("ChatPromptTemplate", "PromptTemplate") and made_by in ("", "from_template"):
        text = node.args[0] if node.args else given.get("template")
        if text is None:
            raise NotCertain("it has no template", node)
        return MessageList([CodeMessage("user", _text(file, text, reader), text)])
    return None


def _message(file: SourceFile, node: ast.expr, reader: TextReader) -> Entry:
    if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 2:
        role = reader.constant(node.elts[0])
        if role == "placeholder":
            return KeptMessages(str(reader.constant(node.elts[1])).strip("{}"), node)
        if role in PAIR_ROLES:
            return CodeMessage(PAIR_ROLES[role], _text(file, node.elts[1], reader), node)
    if isinstance(node, ast.Call):
        name = (dotted(node.func) or "").removesuffix(".from_template").rpartition(".")[2]
        value = node.args[0] if node.args else next((each.value for each in node.keywords), None)
        if name == "MessagesPlaceholder" and value is not None:
            return KeptMessages(str(reader.constant(value)), node)
        if name in _OF_MESSAGES and value is not None:
            return CodeMessage(_OF_MESSAGES[name], _text(file, value, reader), node)
        if (role := langchain_class(node)) is not None and value is not None:
            plain = plain_text(reader.text(value))
            if plain is not None:
                return CodeMessage(CLASS_ROLES[role], (plain,), node)
    raise NotCertain("one of its messages is made by code", node)


def _text(file: SourceFile, node: ast.expr, reader: TextReader) -> Text:
    """Return a template with `{name}` in pieces."""
    plain = plain_text(reader.text(node))
    if plain is None:
        raise NotCertain("its template is made of values", node)
    parts: list[TextPart] = []
    try:
        fields = list(string.Formatter().parse(plain))
    except ValueError as error:
        raise NotCertain(f"its template is no format: {error}", node) from None
    for text, name, spec, conversion in fields:
        parts.append(text)
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            raise NotCertain(f"the field `{name}` of its template is more than a name", node)
        parts.append(Hole(name, ast.Name(name, ast.Load()), file.statement(node)))
    return joined(parts)
