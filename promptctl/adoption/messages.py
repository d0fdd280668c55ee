"""Messages that a program builds: which of them stand in its code, and which it makes of values."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from promptctl.adoption.expressions import dotted
from promptctl.adoption.found import CLASS_ROLES
from promptctl.adoption.names import Definition, FollowedNames
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
    holes_in,
    wish,
)

ROLES = ("system", "developer", "user", "assistant", "tool")
_CHANGING = frozenset(
    ("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort", "update", "setdefault")
)
_TEXT_TYPES = ("str", "'str'", '"str"')


class CodeMessageReader:
    """Reads the messages of one call. What is `claimed` stands in a prompt of a different call already.

    A variable whose text is all of a message changes where it is made if other code uses it, or if `at_definitions`.
    """

    def __init__(
        self,
        file: SourceFile,
        names: FollowedNames,
        reader: TextReader,
        claimed: Collection[ast.expr] = (),
        *,
        at_definitions: bool = False,
    ) -> None:
        self._claimed = claimed
        self._at_definitions = at_definitions
        self._file = file
        self._names = names
        self._reader = reader

    def read(self, node: ast.expr) -> MessageList:
        """Return the messages that an expression makes. Raises `NotCertain` for one that cannot be followed at all."""
        if isinstance(node, ast.Name | ast.Attribute):
            return self._followed(node)
        entries = list(self._entries(node))
        return MessageList(entries, node if isinstance(node, ast.List | ast.Tuple) else None)

    def content(self, node: ast.expr) -> Any:
        """Return a content: a text, or a list of parts. Raises `NotCertain`."""
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(each) for each in node.elts]
        return self._known(node)

    def _followed(self, node: ast.Name | ast.Attribute) -> MessageList:
        found = self._names.follow_list(self._file, node)
        if found is None or not isinstance(found.values[0], ast.List | ast.BinOp):
            raise NotCertain(_why_not_followed(self._file, self._names, node), node)
        entries = list(self._entries(found.values[0]))
        if found.kind == "constant":
            name = ast.unparse(node)
            if found.file is not self._file:
                raise NotCertain(f"`{name}` is a list of {found.file.path}", node, "adopt it where it stands")
            if any(isinstance(each, KeptMessages) or any(holes_in(each.content)) for each in entries):
                raise NotCertain(f"`{name}` is made once, of values of that time", node)
            if is_changed(found.name, self._file):
                raise NotCertain(f"`{name}` is made once, and changed later", node)
            self._reader.definitions.append((found, node))
            return MessageList([replace(each, site=node) for each in entries if isinstance(each, CodeMessage)], node)
        later = list(self._later(found, node))
        return MessageList([*entries, *later], None if later else found.values[0])

    def _later(self, found: Definition, use: ast.Name | ast.Attribute) -> Iterator[Entry]:
        """Yield what the statements between a list and its use add to it."""
        name = found.name
        for statement in self._file.following(found.statements[0], use):
            added = _added(statement, name)
            if added is not None:
                yield from self._entries(added)
            elif any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(statement)):
                why = "it is added under a condition or in a loop" if has_words_in(statement) else None
                yield KeptMessages(_extended(statement, name), statement, why)

    def _entries(self, node: ast.expr) -> Iterator[Entry]:
        if isinstance(node, ast.List | ast.Tuple):
            for each in node.elts:
                yield self._entry(each)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield from self._entries(node.left)
            yield from self._entries(node.right)
        else:
            is_made = has_words_in(node) or isinstance(node, ast.ListComp | ast.GeneratorExp)
            yield KeptMessages(wish(node), node, "it is made by an expression" if is_made else None)

    def _entry(self, node: ast.expr) -> Entry:
        followed = len(self._reader.definitions)
        try:
            if isinstance(node, ast.Dict) or (isinstance(node, ast.Call) and _is_dict(node)):
                return self._message(node)
            if isinstance(node, ast.Call):
                return self._langchain(node)
            if isinstance(node, ast.Name | ast.Attribute) and (found := self._named(node)) is not None:
                return found
        except NotCertain as error:
            del self._reader.definitions[followed:]
            return KeptMessages(_wish_of(node), node, error.why, error.hint)
        return KeptMessages(wish(node), node, "it is made by an expression" if has_words_in(node) else None)

    def _named(self, node: ast.Name | ast.Attribute) -> CodeMessage | None:
        """Return the message that a name stands for: a constant is copied, a variable changes where it is made."""
        found = self._names.follow(self._file, node)
        if found is None or found.file is not self._file or not isinstance(found.values[0], ast.Dict):
            return None
        message = self._message(found.values[0])
        if found.kind == "local":
            return message if len(found.values) == 1 and found.values[0] not in self._claimed else None
        if any(holes_in(message.content)) or is_changed(found.name, self._file):
            raise NotCertain("it is made once, and may be changed later", node)
        self._reader.definitions.append((found, node))
        return replace(message, site=node, part="")

    def _message(self, node: ast.Dict | ast.Call) -> CodeMessage:
        given: dict[str, ast.expr] = {}
        if isinstance(node, ast.Call):
            given = {each.arg: each.value for each in node.keywords if each.arg is not None}
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str) or key.value in given:
                raise NotCertain("it is a mapping whose keys are values", node)
            given[key.value] = value
        if "role" not in given or "content" not in given:
            raise NotCertain("it has no `role` and `content`", node)
        extra = {key: self._reader.constant(value) for key, value in given.items() if key not in ("role", "content")}
        if other := next((key for key in extra if key not in ("name", "tool_calls", "tool_call_id")), None):
            raise NotCertain(f"it has `{other}`, which a message of a prompt file cannot have", node)
        role = self._role(given["role"])
        return self.said_elsewhere(role, given["content"], extra) or CodeMessage(
            role, self.content(given["content"]), node, extra=extra
        )

    def said_elsewhere(self, role: str, node: ast.expr, extra: dict[str, Any]) -> CodeMessage | None:
        """Return the message whose content is a variable that other code uses, too: it changes where it is made."""
        found = self._names.follow(self._file, node) if isinstance(node, ast.Name) else None
        if found is None or found.kind != "local" or len(found.values) != 1 or found.name in self._reader.left_out:
            return None
        [value] = found.values
        scope = self._file.scope(node)
        is_own = not isinstance(scope, ast.Module | ast.ClassDef)
        is_elsewhere = self._at_definitions or not is_own or self._names.others(found, scope) != {node}
        if isinstance(value, ast.Name) or not is_elsewhere:
            return None
        if value in self._claimed:
            return CodeMessage(role, self._reader.bare(node), node, '["content"]', extra)
        text = self._reader.text(value)
        if len(text) == 1 and isinstance(text[0], Hole) and text[0].is_bare:
            return None
        return CodeMessage(role, text, value, '["content"]', extra)

    def _role(self, node: ast.expr) -> str:
        role = self._reader.constant(node)
        if role not in ROLES:
            raise NotCertain(f"its role is {role!r}", node)
        return str(role)

    def _langchain(self, node: ast.Call) -> CodeMessage:
        name = langchain_class(node)
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "content")]
        if name is None or len(given) != 1 or len(node.keywords) + len(node.args) != 1:
            raise NotCertain("it is made by a call", node)
        return CodeMessage(CLASS_ROLES[name], self.content(given[0]), given[0], '["content"]')

    def _value(self, node: ast.expr) -> Any:
        """Return plain data with texts in it."""
        if isinstance(node, ast.Dict):
            if not all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys):
                raise NotCertain("it is a mapping whose keys are values", node)
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            return {str(key): self._value(value) for key, value in zip(keys, node.values, strict=True)}
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(each) for each in node.elts]
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            return node.value
        return self._known(node)

    def _known(self, node: ast.expr) -> Text:
        """Return a text that is certainly one: a value alone may be anything, unless its program says it is a text."""
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            raise NotCertain("its content is no text", node)
        text = self._reader.text(node)
        if len(text) == 1 and isinstance(text[0], Hole) and text[0].is_bare and not self._is_text(text[0].value):
            code = text[0].code if len(text[0].code) <= 60 else "a value"
            would_do = isinstance(text[0].value, ast.Name) and self._could_be_annotated(text[0].value)
            hint = f"if it is always a text, say so (`{text[0].code}: str`), and ask again" if would_do else None
            raise NotCertain(f"its content is `{code}`, {self._why_bare(text[0].value)}", node, hint)
        return text

    def _why_bare(self, node: ast.expr) -> str:
        """Return why a value is no text of the code, as a clause."""
        owner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
        if isinstance(owner, ast.Subscript):
            made = self._names.follow(self._file, owner.value)
            if made is not None and isinstance(made.values[0], ast.Dict):
                name = ast.unparse(owner.value)
                is_chosen = not isinstance(owner.slice, ast.Constant)
                why = "which is chosen from" if is_chosen else "and more is done than to read texts from"
                return f"{why} `{name}` as the program runs"
        if isinstance(node, ast.Call) and has_words_in(node):
            return "which makes a text of others as the program runs"
        if isinstance(node, ast.Call) and (dotted(node.func) or "").endswith((".format", ".format_map")):
            return f"and what `{ast.unparse(owner)}` is cannot be followed"
        return "which may be more than a text"

    def _could_be_annotated(self, node: ast.Name) -> bool:
        """Return True for what `_is_text` would believe, were it annotated."""
        places = self._names.places(self._file, node)
        is_one = len(places) == 1 and isinstance(self._file.statement(places[0]), ast.Assign)
        return is_one or self._names.parameter(self._file, node) is not None

    def _is_text(self, node: ast.expr) -> bool:
        """Return True for a parameter, or a variable, that is annotated as a text and given no other value."""
        if not isinstance(node, ast.Name):
            return False
        parameter = self._names.parameter(self._file, node)
        if parameter is not None and parameter.annotation is not None:
            function = self._file.function(node)
            starred = function and parameter in (function.args.vararg, function.args.kwarg)
            return not starred and ast.unparse(parameter.annotation) in _TEXT_TYPES
        places = self._names.places(self._file, node)
        statement = self._file.statement(places[0]) if len(places) == 1 else None
        return isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) in _TEXT_TYPES


def langchain_class(node: ast.Call) -> str | None:
    """Return the name of the class of LangChain's messages that a call makes one of."""
    name = (dotted(node.func) or "").rpartition(".")[2]
    return name if name in CLASS_ROLES else None


def is_changed(name: str, file: SourceFile) -> bool:
    """Return True if something of a file may change the list or the mapping of that name, or a part of it."""
    last = name.rpartition(".")[2]
    found = (each for each in ast.walk(file.tree) if isinstance(each, ast.Attribute | ast.Subscript))
    changing = (each for each in found if not isinstance(each.ctx, ast.Load) or getattr(each, "attr", "") in _CHANGING)
    return any(last in roots_and_attributes(each.value) for each in changing)


def roots_and_attributes(node: ast.AST) -> set[str]:
    """Return the names, and the names of attributes, in an expression."""
    return {
        each.id if isinstance(each, ast.Name) else each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute)
    }


def _is_dict(node: ast.Call) -> bool:
    """Return True for `dict(role="user", content=…)`."""
    return dotted(node.func) == "dict" and not node.args and all(each.arg for each in node.keywords)


def _added(statement: ast.stmt, name: str) -> ast.expr | None:
    """Return the list that a statement adds to the list of that name; None for any other statement."""
    match statement:
        case ast.AugAssign(op=ast.Add(), target=ast.Name(id=found), value=ast.List() as value) if found == name:
            return value
        case ast.Expr(value=ast.Call(ast.Attribute(ast.Name(id=found), method), [given], [])) if found == name:
            if method == "append":
                return ast.List([given], ast.Load())
            return given if method == "extend" and isinstance(given, ast.List) else None
    return None


def _extended(statement: ast.stmt, name: str) -> str:
    """Return the name of the messages that a statement puts into a list, as well as it can be known."""
    for each in ast.walk(statement):
        match each:
            case ast.Call(ast.Attribute(attr="extend"), [given]):
                return wish(given)
            case ast.AugAssign(target=ast.Name(id=found), value=value) if found == name:
                return wish(value)
    return name


def has_words_in(node: ast.AST) -> bool:
    """Return True if a text of several words stands in the code here."""
    return any(
        isinstance(each, ast.Constant) and isinstance(each.value, str) and " " in each.value.strip()
        for each in ast.walk(node)
    )


def _wish_of(node: ast.expr) -> str:
    """Return the name of a placeholder for one message: by its role, if it has one."""
    for item in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
        match item:
            case ast.Constant("role"), ast.Constant(role) if role in ROLES:
                return f"{role}_messages"
    return "messages"


def _why_not_followed(file: SourceFile, names: FollowedNames, node: ast.Name | ast.Attribute) -> str:
    name = ast.unparse(node)
    if isinstance(node, ast.Name) and names.parameter(file, node) is not None:
        return f"its messages are the parameter `{name}`: whoever calls makes them"
    places = names.places(file, node) if isinstance(node, ast.Name) else []
    lines = [str(getattr(each, "lineno", 0)) for each in places]
    if len(lines) > 1:
        return f"`{name}` is given its value in several places (lines {', '.join(lines[:6])})"
    return f"`{name}` is made by code that cannot be followed"
