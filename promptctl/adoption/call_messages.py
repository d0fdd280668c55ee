"""The messages of one call, read together with the place at which a prompt can be rendered for them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from promptctl.adoption.found import Rewrite
from promptctl.adoption.messages import CodeMessageReader
from promptctl.adoption.names import Definition, FollowedNames
from promptctl.adoption.placing import PromptPlacement
from promptctl.adoption.reading import TextReader
from promptctl.adoption.source import SourceFile
from promptctl.adoption.texts import CodeMessage, Entry, KeptMessages, MessageList, NotCertain, holes_in, says_something


@dataclass(frozen=True, slots=True)
class AskedFor:
    """The arguments of a call that hold its messages: those that stand beside the list, as Anthropic's `system`, and
    the list. `is_text` if one text can stand for the list; `claimed` stands in a prompt of a different call."""

    first: Sequence[ast.expr]
    messages: ast.expr | None
    is_text: bool = False
    claimed: Collection[ast.expr] = ()


@dataclass(frozen=True, slots=True)
class CallMessages:
    """The messages of a call in two parts, the reader that followed their texts, and the changes of the code."""

    first: MessageList
    others: MessageList
    reader: TextReader
    rewrite: Rewrite | None = None

    @property
    def definitions(self) -> Sequence[tuple[Definition, ast.expr]]:
        """Definitions that were followed, each with the expression that led there."""
        return self.reader.definitions

    @property
    def entries(self) -> list[Entry]:
        """The messages of a prompt file."""
        return [*(each for each in self.first.entries if isinstance(each, CodeMessage)), *self.others.entries]

    @property
    def kept(self) -> list[KeptMessages]:
        """The messages that stay in the code."""
        return [each for each in (*self.first.entries, *self.others.entries) if isinstance(each, KeptMessages)]

    @property
    def sites(self) -> list[ast.expr]:
        """The expressions of the code in whose place the prompt is rendered."""
        return [each.site for each in (*self.first.of_code, *self.others.of_code)]

    @property
    def says_something(self) -> bool:
        """True if words of a message stand in the code."""
        return any(map(says_something, (*self.first.of_code, *self.others.of_code)))


def read_call(file: SourceFile, names: FollowedNames, asked: AskedFor) -> CallMessages:
    """Return the messages of a call. Raises `NotCertain` if something else might be sent for them.

    Texts of variables are followed to where they are made. If their values may have changed since, they move there, and
    else are values.
    """
    left_out: set[str] = set()
    problem: NotCertain | None = None
    is_again = False
    while True:
        found = _read(file, names, asked, left_out, at_definitions=is_again)
        if not found.says_something:
            if problem is not None:
                raise problem
            return found
        try:
            return _placed(file, names, found)
        except NotCertain as error:
            problem = problem or error
            if not is_again:
                is_again = True
                continue
            more = _names_of(error, found) - left_out
            if not more:
                raise problem from None
            left_out |= more


def _names_of(error: NotCertain, found: CallMessages) -> set[str]:
    """Return the variables whose texts hold the value that cannot be moved; if that is not known, all of them."""
    local = [each for each, _ in found.definitions if each.kind == "local"]
    values = [hole for each in found.entries if isinstance(each, CodeMessage) for hole in holes_in(each.content)]
    origins = [hole.origin for hole in values if hole.value is error.node]
    named = {each.name for each in local for origin in origins if origin in each.statements}
    return named or {each.name for each in local}


def _placed(file: SourceFile, names: FollowedNames, found: CallMessages) -> CallMessages:
    rewrite = PromptPlacement(file, names, found.first, found.others, found.definitions).rewrite()
    return CallMessages(found.first, found.others, found.reader, rewrite)


def _read(
    file: SourceFile, names: FollowedNames, asked: AskedFor, left_out: Collection[str], *, at_definitions: bool
) -> CallMessages:
    reader = TextReader(file, names, left_out)
    parts = CodeMessageReader(file, names, reader, asked.claimed, at_definitions=at_definitions)
    first = MessageList([each for value in asked.first for each in _instructions(parts, value)])
    return CallMessages(first, _others(parts, asked, has_first=bool(first.of_code)), reader)


def _instructions(parts: CodeMessageReader, node: ast.expr) -> Iterator[Entry]:
    try:
        found = parts.said_elsewhere("system", node, {})
        yield found or CodeMessage("system", parts.content(node), node, '["content"]')
    except NotCertain as error:
        yield KeptMessages("system", node, error.why, error.hint)


def _others(parts: CodeMessageReader, asked: AskedFor, *, has_first: bool) -> MessageList:
    """Return the messages of the list; with instructions beside it, one that cannot be followed just stays."""
    node = asked.messages
    if node is None:
        return MessageList([])
    try:
        if asked.is_text and not isinstance(node, ast.List):
            try:
                return MessageList([CodeMessage("user", parts.content(node), node, '["content"]')])
            except NotCertain:
                if not isinstance(node, ast.Name):
                    raise
        return parts.read(node)
    except NotCertain as error:
        if not has_first:
            raise
        return MessageList([KeptMessages("messages", node, error.why, error.hint)])
