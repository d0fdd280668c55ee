"""Prompts in one file of JavaScript or TypeScript, each as the keys of a prompt file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from promptctl.adoption.found import CLASS_ROLES, PAIR_ROLES, FoundPrompt, SourceFinds, Unadoptable
from promptctl.adoption.javascript.calls import LISTED, POSTED, CallKind, kind_of, may_ask, why_left
from promptctl.adoption.javascript.syntax import (
    FUNCTIONS,
    NotLiteral,
    bare,
    field,
    keys_of,
    literal,
    parse,
    place_of,
    source_of,
    unquoted,
    walk,
)
from promptctl.adoption.javascript.texts import TooDynamic, Values, check_unchanged, constant_of, pieces
from promptctl.adoption.naming import ids, slug
from promptctl.exchange.model_settings import ForeignSettings, parameter_of
from promptctl.files.wording import clip
from promptctl.template_languages.braces import format_pieces
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import VariablePiece
from promptctl.templates import BadTemplate

if TYPE_CHECKING:
    from promptctl.adoption.javascript.syntax import Node


_ROLES = ("system", "developer", "user", "assistant")
_WHY = "promptctl changes no JavaScript itself"
_LONGEST = 2000  # end of what is called: calls of calls hold each other
_KEPT = ("tools", "tool_choice", "response_format", "schema", "text")


def find(path: str, text: str) -> SourceFinds:
    """Return the prompts of a file, and the calls that ask a model in a way that no file can say.

    Raises `UsageError` if tree-sitter is not installed.
    """
    if not may_ask(text.encode()):
        return SourceFinds(path)
    root = parse(path, text)
    found = [_found(path, node, text) for node in walk(root) if node.type in ("array", "call_expression")]
    return SourceFinds(
        path,
        tuple(each for each in found if isinstance(each, FoundPrompt)),
        (*_broken(path, root), *(each for each in found if isinstance(each, Unadoptable))),
    )


def _broken(path: str, root: Node) -> list[Unadoptable]:
    """Return the first place of a file that is no JavaScript or TypeScript, if there is one."""
    if not root.has_error:
        return []
    first = next((each for each in walk(root) if each.is_error or each.is_missing), root)
    return [Unadoptable(place_of(path, first), "the file", "its syntax is broken here: calls around may not be seen")]


def _found(path: str, node: Node, text: str) -> FoundPrompt | Unadoptable | None:
    """Return the prompt that a list of LangChain's messages, or a call, begins; or why it stays."""
    callee, arguments = field(node, "function"), field(node, "arguments")
    name = "a list of messages" if callee is None else re.sub(r"[\s?!]", "", source_of(callee)[-_LONGEST:])
    if (why := why_left(name, text)) is not None:
        return Unadoptable(place_of(path, node), name, *why)
    try:
        if node.type == "array":
            if not any(map(_message_class, node.named_children)):
                return None
            check_unchanged(node)
            return _prompt(path, node, name, {"messages": node}, LISTED)
        if arguments is None:
            return None
        if (kind := kind_of(name)) is not None:
            return _prompt(path, node, name, _options(arguments), kind)
        if name == "JSON.stringify":
            return _posted(path, node, name, arguments)
        if name.endswith(("PromptTemplate.fromMessages", "PromptTemplate.fromTemplate")):
            return _chain(path, node, name, arguments)
    except TooDynamic as error:
        return Unadoptable(place_of(path, node), name, str(error))
    return None


def _posted(path: str, node: Node, name: str, arguments: Node) -> FoundPrompt | None:
    """Return the prompt of a mapping with a list of messages that is written out; None for any other."""
    try:
        keys = _options(arguments)
    except TooDynamic:
        return None
    listed = _listed(keys["messages"]) if "messages" in keys else None
    first = (
        next((bare(each) for each in listed.named_children if bare(each).type == "object"), None) if listed else None
    )
    return None if first is None or "role" not in source_of(first) else _prompt(path, node, name, keys, POSTED)


def _message_class(node: Node) -> str | None:
    """Return the name of the class of LangChain's messages that an expression makes one of."""
    made = field(node, "constructor") if node.type == "new_expression" else None
    name = source_of(made).rpartition(".")[2] if made is not None else ""
    return name if name in CLASS_ROLES else None


def _options(arguments: Node) -> dict[str, Node]:
    """Return what a call is given by its keys. Raises `TooDynamic`."""
    given = next((each for each in arguments.named_children if each.type != "comment"), None)
    options = bare(given) if given is not None else None
    if options is None or options.type != "object":
        raise TooDynamic("what it is given is not written here")
    try:
        return keys_of(options)
    except NotLiteral:
        raise TooDynamic("its options are spread from elsewhere, or have computed keys") from None


def _prompt(path: str, node: Node, name: str, keys: dict[str, Node], kind: CallKind) -> FoundPrompt:
    """Return the prompt of a call, by what it is given."""
    values = Values()
    messages = list(_messages(keys, kind, values))
    if not messages or all("placeholder" in each for each in messages):
        raise TooDynamic("its messages are made elsewhere")
    if not any(_has_words(each.get("content", "")) for each in messages):
        raise TooDynamic("no words of its messages stand here")
    data: dict[str, Any] = {}
    notes: list[str] = []
    if "model" in keys and (model := _model(keys["model"], kind)) is not None:
        data["model"] = model
    elif "model" in keys and kind.provider is None:
        notes.append(f"the file names no model, as nothing says whose `{_short(keys['model'])}` is")
    settings = ForeignSettings()
    for key, value in keys.items():
        if key in _KEPT:
            notes.append(f"`{key}` stays in the call")
        elif parameter_of(key):
            try:
                written, why = settings.take(key, literal(value))
                notes += [] if written else [f"`{key}` {why}, and stays in the call"]
            except NotLiteral:
                notes.append(f"`{key}` is no literal, and stays in the call")
    data = {**data, **settings.data, **({"inputs": values.inputs} if values.inputs else {}), "messages": messages}
    return FoundPrompt(
        place=place_of(path, node), what=name, names=wishes(path, node), data=data, values=values.values, why=_WHY,
        notes=tuple(notes), has_instructions=kind.system in keys,
        language=_language(path),
    )  # fmt: skip


def _language(path: str) -> str:
    return "typescript" if path.endswith((".ts", ".tsx", ".mts", ".cts")) else "javascript"


def _has_words(content: str | list[dict[str, Any]]) -> bool:
    """Return True for a content with text of its own, beside the values of the program."""
    if not isinstance(content, str):
        return any(_has_words(part.get("text", "")) for part in content)
    return bool(re.sub(r'\{\{(?! ").*?\}\}', "", content).strip())  # a text with a return is `{{ "text" }}`


def _model(node: Node, kind: CallKind) -> str | None:
    """Return the id of a model that is written out: `"gpt-4o"`, `openai("gpt-4o")`."""
    node = bare(node)
    try:
        if node.type == "call_expression":
            callee, arguments = field(node, "function"), field(node, "arguments")
            if callee is None or arguments is None or not arguments.named_children:
                return None
            return f"{re.split(r'[.(]', source_of(callee))[0]}/{unquoted(arguments.named_children[0])}"
        model = unquoted(node)
    except NotLiteral:
        return None
    if kind.provider is None:
        return None
    return model if "/" in model or not kind.provider else f"{kind.provider}/{model}"


def _messages(keys: dict[str, Node], kind: CallKind, values: Values) -> Iterator[dict[str, Any]]:
    if kind.system is not None and kind.system in keys:
        yield {"role": "system", "content": _content(keys[kind.system], values)}
    given = keys.get(kind.messages)
    listed = _listed(given) if given is not None else None
    if listed is not None:
        for each in listed.named_children:
            if each.type == "spread_element":
                yield _placeholder(each.named_children[0], values)
            elif each.type != "comment":
                yield _message(each, values)
    elif kind.prompt is not None and kind.prompt in keys:
        yield {"role": "user", "content": _content(keys[kind.prompt], values)}
    elif given is not None:
        yield _placeholder(given, values)


def _listed(node: Node) -> Node | None:
    """Return the list that is written here, or that a constant was declared as; None for anything else."""
    node = bare(node)
    if node.type in ("identifier", "shorthand_property_identifier"):
        node = _declared(node)
    return node if node.type == "array" else None


def _declared(name: Node) -> Node:
    """Return the list or object that a name always stands for, or the name. Raises `TooDynamic` if it is changed."""
    node = bare(constant_of(name) or name)
    check_unchanged(node)
    return node


def _placeholder(node: Node, values: Values) -> dict[str, Any]:
    return {"placeholder": values.name_for(bare(node), "array")}


def _message(node: Node, values: Values) -> dict[str, Any]:
    node = bare(node)
    if node.type == "identifier":
        node = _declared(node)
    if (made := _message_class(node)) is not None:
        arguments = field(node, "arguments")
        given = [bare(each) for each in arguments.named_children] if arguments is not None else []
        if len(given) != 1 or given[0].type in ("object", "array", "spread_element", "comment"):
            raise TooDynamic(f"the message `{_short(node)}` is made of more than a text")
        return {"role": CLASS_ROLES[made], "content": _content(given[0], values)}
    if node.type != "object":
        raise TooDynamic(f"the message `{_short(node)}` is made elsewhere")
    try:
        keys = keys_of(node)
        role = unquoted(keys["role"])
    except (NotLiteral, KeyError):
        raise TooDynamic(f"the role of the message `{_short(node)}` is not written out") from None
    if role not in _ROLES or keys.keys() - {"role", "content", "name"}:
        raise TooDynamic(f"a message of the role `{role}` with {', '.join(keys)} has no place in a prompt file")
    content = bare(keys["content"]) if "content" in keys else None
    if content is None:
        raise TooDynamic("a message has no content")
    if content.type == "array":
        return {
            "role": role,
            "content": [_part(each, values) for each in content.named_children if each.type != "comment"],
        }
    return {"role": role, "content": _content(content, values)}


def _part(node: Node, values: Values) -> dict[str, Any]:
    """Return a text or an image of a message of several parts."""
    try:
        keys = keys_of(bare(node))
        kind = unquoted(keys["type"])
        if kind == "text":
            return {"type": "text", "text": _content(keys["text"], values)}
        if kind == "image_url":
            return {
                "type": "image_url",
                "image_url": {"url": _content(keys_of(bare(keys["image_url"]))["url"], values)},
            }
    except (NotLiteral, KeyError):
        pass
    raise TooDynamic(f"the part `{_short(node)}` is neither a text nor an image by its address")


def _content(node: Node, values: Values) -> str:
    return jinja_text(pieces(node, values))


def _chain(path: str, node: Node, name: str, arguments: Node) -> FoundPrompt | None:
    """Return a prompt of LangChain, whose texts have `{name}` for variables."""
    given = arguments.named_children[0] if arguments.named_children else None
    try:
        if given is None:
            raise NotLiteral
        told = literal(_declared(bare(given)) if bare(given).type == "identifier" else given)
    except NotLiteral:
        raise TooDynamic("its texts are not written here") from None
    pairs = [("user", told)] if isinstance(told, str) else told
    messages, inputs = [], dict[str, dict[str, Any]]()
    for pair in pairs if isinstance(pairs, list) else []:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(each, str) for each in pair)):
            raise TooDynamic("a message is not written as a role and a text")
        if pair[0] == "placeholder":
            listed = pair[1].strip("{}")
            inputs[listed] = {"type": "array", "default": []}
            messages.append({"placeholder": listed})
            continue
        if pair[0] not in PAIR_ROLES:
            raise TooDynamic(f"a message has the role `{pair[0]}`")
        try:
            found = format_pieces(pair[1])
        except BadTemplate as error:
            raise TooDynamic(error.message) from None
        inputs |= {str(each.path[0]): {"type": "string"} for each in found if isinstance(each, VariablePiece)}
        messages.append({"role": PAIR_ROLES[pair[0]], "content": jinja_text(found)})
    data = {**({"inputs": inputs} if inputs else {}), "messages": messages}
    values = {each: each for each in inputs}
    return FoundPrompt(
        place=place_of(path, node), what=name, names=wishes(path, node), data=data, values=values, why=_WHY,
        language=_language(path),
    )  # fmt: skip


def _short(node: Node) -> str:
    return clip(" ".join(source_of(node).split()), 40)


def wishes(path: str, node: Node) -> tuple[str, ...]:
    """Return ids for a prompt, the best first: by the function and the file, then with the folders before.

    A variable counts at the top of the file, or if a function is kept in it: others hold what the model replied.
    """
    names: list[str] = []
    replies: list[str] = []
    above = node.parent
    while above is not None:
        named = field(above, "name")
        if above.type in FUNCTIONS:
            replies.clear()
        if named is not None and named.type != "object_pattern":
            value = field(above, "value") if above.type == "variable_declarator" else None
            if above.type in (*FUNCTIONS, "class_declaration") or (value and bare(value).type in FUNCTIONS):
                names.append(source_of(named))
            elif value is not None:
                replies.append(source_of(named))
        above = above.parent
    file = re.sub(r"\.[a-z]+$", "", path)
    slugs = [each for part in file.split("/") if (each := slug(part)) and part != "index"] or ["prompt"]
    words = [each for name in reversed([*names, *replies]) if (each := slug(name)) and each != slugs[-1]]
    return ids(slugs, "-".join(words))
