"""The messages of one call, read together with the place at which a prompt can be rendered for them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from promptctl.adoption.expressions import dotted, is_harmless, is_loud, roots
from promptctl.adoption.found import Replacement, Rewrite
from promptctl.adoption.messages import CodeMessageReader
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
    holes_in,
    says_something,
)


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
    def of_code(self) -> list[CodeMessage]:
        """The messages that stand in the code."""
        return [*self.first.of_code, *self.others.of_code]

    @property
    def sites(self) -> list[ast.expr]:
        """The expressions of the code in whose place the prompt is rendered."""
        return [each.site for each in self.of_code]

    @property
    def says_something(self) -> bool:
        """True if words of a message stand in the code."""
        return any(map(says_something, self.of_code))


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
            return replace(found, rewrite=PromptPlacement(file, names, found).rewrite())
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


_UNCHANGING = ("str", "int", "float", "bool")
_SAYING = ("debug", "info", "warning", "error", "exception", "log", "print")


@dataclass(frozen=True, slots=True)
class PromptPlacement:
    """Everything that decides where one prompt can be rendered: its messages in order, and what was followed."""

    file: SourceFile
    names: FollowedNames
    found: CallMessages

    def rewrite(self) -> Rewrite:
        """Return the changes. Raises `NotCertain` if other values might be sent."""
        replacements = self._replacements()
        sites = [node for node, _ in replacements]
        removed, kept = self._definitions()
        values = [hole for each in self.found.of_code for hole in holes_in(each.content)]
        parts = Counter(part for hole in values for part in ast.walk(hole.value))
        for hole in values:
            is_twice = any(parts[part] > 1 for part in ast.walk(hole.value) if is_loud(part))
            if is_loud(hole.value) and (is_twice or any(hole.origin in each.statements for each in kept)):
                raise NotCertain(f"`{hole.code}` is evaluated for something else, too", hole.value)
        made = tuple(made for _, made in replacements)
        gone = tuple(self.file.span(each) for each in removed)
        if len(sites) == 1:
            statement = self.file.statement(sites[0])
            for hole in values:
                self._check_move(hole, statement, removed)
            return Rewrite(made, None, gone)
        return Rewrite(made, self.file.span(self._anchor(sites, values, removed)), gone)

    def _replacements(self) -> list[tuple[ast.expr, Replacement]]:
        """Return what stands at each site. Sites are in the order in which the code runs."""
        found: list[tuple[ast.expr, Replacement]] = []
        messages, others = self.found.of_code, self.found.others
        before = len(self.found.first.of_code)
        if others.is_whole and others.of_code and not any(each.part for each in others.of_code):
            rest = f".messages[{before}:])" if before else ".messages)"
            assert others.whole is not None
            found.append((others.whole, Replacement(self.file.span(others.whole), "list(", rest)))
            del messages[before:]
        for number, each in enumerate(messages):
            code = f".messages[{number}]{each.part}"
            found.append((each.site, Replacement(self.file.span(each.site), "", code)))
        return sorted(found, key=lambda each: each[1].span)

    def _definitions(self) -> tuple[list[ast.stmt], list[Definition]]:
        """Return the statements that are no longer needed, and the definitions that are kept for other uses."""
        local = [(found, use) for found, use in self.found.definitions if found.kind == "local"]
        uses = {use for _, use in local}
        removed: list[ast.stmt] = []
        kept: list[Definition] = []
        for found, use in local:
            scope = self.file.scope(use)
            others = self.names.others(found, scope) - uses
            is_own = not isinstance(scope, ast.Module | ast.ClassDef)  # of those anybody may read it
            if is_own and not others and self.file.can_go([*removed, *found.statements]):
                removed += [each for each in found.statements if each not in removed]
            else:
                kept.append(found)
        return removed, kept

    def _anchor(self, sites: list[ast.expr], values: list[Hole], removed: list[ast.stmt]) -> ast.stmt:
        """Return the statement before which the prompt can be rendered for all sites."""
        first = self.file.anchor(sites[0])
        if first is None:
            raise NotCertain(
                "its call stands within an expression or beside other statements",
                sites[0],
                "give the call a statement of its own",
            )
        candidates = [first, *(hole.origin for hole in values if hole.origin is not first)]
        problem: NotCertain | None = None
        for each in candidates:
            try:
                self._check_anchor(each, sites, values, removed)
            except NotCertain as error:
                problem = problem or error
            else:
                return each
        assert problem is not None
        raise problem

    def _check_anchor(
        self, anchor: ast.stmt, sites: list[ast.expr], values: list[Hole], removed: list[ast.stmt]
    ) -> None:
        file = self.file
        if not file.is_alone(anchor):
            raise NotCertain("a line holds several statements", anchor)
        for site in sites:
            statement = file.statement(site)
            is_reached = statement is anchor or file.dominates(anchor, site)
            if not is_reached or file.loops(statement) != file.loops(anchor):
                raise NotCertain("a part of it is added under a condition or in a loop", site)
        inside = set(map(id, (each for site in sites for each in ast.walk(site))))
        for hole in values:
            self._check_move(hole, anchor, removed)
            calls = [
                each
                for each in ast.walk(anchor)
                if isinstance(each, ast.Call) and id(each) not in inside and not is_harmless(each)
            ]
            if is_loud(hole.value) and hole.origin is anchor and len(calls) > 1 and anchor not in removed:
                raise NotCertain(f"`{hole.code}` would be evaluated before other calls of its statement", hole.value)

    def _check_move(self, hole: Hole, target: ast.stmt, removed: list[ast.stmt]) -> None:
        """Raise `NotCertain` if a value might be a different one when it is evaluated at a different statement."""
        file, origin = self.file, hole.origin
        if origin is target:
            return
        earlier, later = sorted((origin, target), key=lambda each: each.lineno)
        if file.scope(earlier) is not file.scope(later):
            raise NotCertain(f"`{hole.code}` is a value of a different function", hole.value)
        outer = [each for each in file.loops(later) if each not in file.loops(earlier)]
        for name in roots(hole.value):
            for bound in self.names.places(file, *self._named(hole, name)):
                is_between = earlier.lineno <= getattr(bound, "lineno", 0) < later.lineno
                if is_between or any(loop in file.loops(bound) for loop in outer):
                    raise NotCertain(
                        f"`{name}` is given another value on line {getattr(bound, 'lineno', 0)}", hole.value
                    )
        is_fixed = self._is_unchanging(hole.value)
        inside = (each for loop in outer for each in ast.walk(loop) if isinstance(each, ast.stmt) and each is not loop)
        for each in dict.fromkeys((*file.between(earlier, later), *inside)):
            if each in removed or each is later or self._is_ours(each):
                continue
            head = _head(each)
            is_handed = not is_fixed and _may_change(head, roots(hole.value))
            if is_handed and (isinstance(hole.value, ast.Name) or not is_loud(head)):
                why = f"line {each.lineno} may change `{hole.code}` before it is sent"
                raise NotCertain(why, hole.value, self._hint(hole, each))
            if is_loud(head) and (is_handed or is_loud(hole.value) or not (is_fixed or _is_saying(head))):
                order, other = ("before", "after") if origin is earlier else ("after", "before")
                raise NotCertain(
                    f"`{ast.unparse(hole.value)}` is evaluated {order} line {each.lineno}, and would be {other} it: "
                    "that line calls code which may change it",
                    hole.value,
                    self._hint(hole, each),
                )

    def _hint(self, hole: Hole, between: ast.stmt) -> str:
        hint = f"move line {between.lineno}, or write the text at the call"
        if not isinstance(hole.value, ast.Name) or hole.value not in self.file.parents:
            return hint
        parameter = self.names.parameter(self.file, hole.value)
        if parameter is None or parameter.annotation is not None:
            return hint
        return f"{hint}, or, if it is always a text, say so (`{parameter.arg}: str`)"

    def _named(self, hole: Hole, name: str) -> tuple[ast.Name, ast.AST]:
        """Return a name of a value, and where it stands: one that was made up stands in the value's statement."""
        found = next(each for each in ast.walk(hole.value) if isinstance(each, ast.Name) and each.id == name)
        return found, found if found in self.file.parents else (hole.origin.__dict__.get("value") or hole.origin)

    def _is_ours(self, statement: ast.stmt) -> bool:
        """Return True for a statement that defines, or adds to, what this prompt is made of, and does nothing else."""
        return any(statement in found.statements and not is_loud(statement) for found, _ in self.found.definitions)

    def _is_unchanging(self, value: ast.expr) -> bool:
        """Return True if all that is read is of types whose values cannot change."""
        names = [each for each in ast.walk(value) if isinstance(each, ast.Name)]
        return all(each in self.file.parents and self._is_plain(each) for each in names)

    def _is_plain(self, node: ast.Name) -> bool:
        """Return True for a parameter that is annotated as a text or a number, and for a variable that holds a text."""
        parameter = self.names.parameter(self.file, node)
        if parameter is not None:
            return parameter.annotation is not None and ast.unparse(parameter.annotation) in _UNCHANGING
        found = self.names.follow(self.file, node)
        return found is not None and all(
            isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
            for each in found.values
        )


def _head(statement: ast.stmt) -> ast.AST:
    """Return a statement without the statements in it, which are looked at on their own."""
    for name in ("test", "iter", "subject"):
        if (found := getattr(statement, name, None)) is not None:
            return found  # type: ignore[no-any-return]
    if isinstance(statement, ast.With | ast.AsyncWith):
        return ast.List([each.context_expr for each in statement.items], ast.Load())
    return ast.Pass() if isinstance(getattr(statement, "body", None), list) else statement


def _is_saying(node: ast.AST) -> bool:
    """Return True if all that is called here writes to a log or prints, and nobody else's turn comes."""
    if any(isinstance(each, ast.Await | ast.Yield | ast.YieldFrom) for each in ast.walk(node)):
        return False
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call) and not is_harmless(each)]
    return all((dotted(each.func) or "").rpartition(".")[2] in _SAYING for each in calls)


def _may_change(node: ast.AST, names: frozenset[str]) -> bool:
    """Return True if a statement hands one of the names to a call, or changes a value that one may stand for, too."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and roots(each) & names and not is_harmless(each):
            called = (dotted(each.func) or "").rpartition(".")[2]
            if called not in _SAYING or (isinstance(each.func, ast.Attribute) and roots(each.func) & names):
                return True
        is_stored = isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(each.ctx, ast.Load)
        is_sum = isinstance(each, ast.AugAssign) and not isinstance(each.value, ast.Constant)  # as of two lists
        if is_stored or is_sum:
            return True
    return False
