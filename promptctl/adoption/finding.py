"""The prompts of one Python file: found, read, and each with the change that puts a prompt file in its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from promptctl.adoption.call_messages import AskedFor, CallMessages, read_call
from promptctl.adoption.calls import (
    CallSettings,
    CallShape,
    completed_by,
    has_own_address,
    imports_of,
    payload_of,
    settings_of,
    shape_of,
)
from promptctl.adoption.drafting import CodeDraft
from promptctl.adoption.expressions import dotted
from promptctl.adoption.found import FoundPrompt, SourceFinds, Unadoptable
from promptctl.adoption.messages import has_words_in, langchain_class
from promptctl.adoption.names import Definition, FollowedNames
from promptctl.adoption.naming import wishes
from promptctl.adoption.reading import TextReader
from promptctl.adoption.source import SourceFile
from promptctl.adoption.templates import fetch_of, template_of
from promptctl.adoption.texts import KeptMessages, MessageList, NotCertain, holes_in, says_something

_BY_HAND = "LangChain's templates are objects that other code builds on: change that code by hand"


class FileFinder:
    """Finds the prompts of one file."""

    def __init__(self, file: SourceFile, names: FollowedNames) -> None:
        self._file = file
        self._names = names
        self._imports = imports_of(file)
        self._claimed: set[ast.expr] = set()
        self._found: list[tuple[FoundPrompt, Sequence[tuple[Definition, ast.expr]]]] = []
        self._left: list[Unadoptable] = []

    @cached_property
    def _has_address(self) -> bool:
        return has_own_address(self._file)

    def find(self) -> SourceFinds:
        """Return everything that the file holds, in the order of its lines."""
        nodes: list[ast.Call | ast.List | ast.Dict] = [*self._file.calls, *self._file.lists, *self._file.dicts]
        for node in sorted(nodes, key=lambda each: (each.lineno, each.col_offset)):
            if isinstance(node, ast.Call):
                self._look_at_call(node)
            elif isinstance(node, ast.Dict):
                if (payload := payload_of(node)) is not None:
                    self._look_at_arguments(node, payload[1], payload[0])
            elif any(isinstance(each, ast.Call) and self._is_langchain(each) for each in node.elts):
                self._adopt(node, "messages", [], node)
        for node in nodes:
            if isinstance(node, ast.Call) and self._is_langchain(node) and not self._is_claimed(node):
                self._adopt(node, dotted(node.func) or "", [], ast.List([node], ast.Load()))
        left = sorted(dict.fromkeys(self._left), key=lambda each: each.place.line or 0)
        return SourceFinds(self._file.path, tuple(self._with_leftovers()), tuple(left))

    def _look_at_call(self, node: ast.Call) -> None:
        if (fetch := fetch_of(self._file, self._names, node, self._imports)) is not None:
            self._left.append(fetch)
            return
        if (name := completed_by(node, self._imports)) is not None:
            self._leave(node, name, "it completes one text: a prompt file has messages", "ask by chat.completions")
            return
        shape = shape_of(node, self._imports)
        if shape is None:
            self._look_at_template(node)
        else:
            self._look_at_arguments(node, node, shape)

    def _look_at_arguments(self, node: ast.Call | ast.Dict, call: ast.Call, shape: CallShape) -> None:
        """Adopt what a call is given, or a mapping like it."""
        given = {each.arg: each.value for each in call.keywords}
        messages = given.get(shape.messages)
        if messages is None and shape.provider == "" and len(call.args) > 1:
            messages = call.args[1]
        first = given.get(shape.first) if shape.first else None
        if shape.provider is None and not self._is_list_of_messages(messages):
            return
        if messages is None and first is None:
            if not self._looks_at_mapping(node, shape, given.get(None)):
                why = "its messages are given by `**`" if None in given else "it is given no messages by name"
                self._leave(node, shape.name, why)
            return
        self._adopt(node, shape.name, [first] if first is not None else [], messages, shape, call)

    def _looks_at_mapping(self, node: ast.Call | ast.Dict, shape: CallShape, whole: ast.expr | None) -> bool:
        """Return True for a mapping of this file that holds messages; a list of them is looked at on its own."""
        found = self._names.follow(self._file, whole) if whole is not None else None
        made = whole if found is None else found.values[0]
        call: ast.expr | None = made
        if isinstance(made, ast.Dict):
            call = payload[1] if (payload := payload_of(made)) is not None else None
        if not isinstance(call, ast.Call) or dotted(call.func) != "dict":
            return False
        messages = next((each.value for each in call.keywords if each.arg == "messages"), None)
        is_here = found is None or found.file is self._file
        if is_here and messages is not None and not self._is_list_of_messages(messages):
            self._look_at_arguments(node, call, shape)
        return messages is not None

    def _look_at_template(self, node: ast.Call) -> None:
        reader = TextReader(self._file, self._names)
        try:
            found = template_of(self._file, node, self._imports, reader)
        except NotCertain as error:
            self._leave(node, dotted(node.func) or "", error.why, error.hint)
            return
        if found is not None and any(map(says_something, found.of_code)):
            read = CallMessages(MessageList([]), found, reader)
            self._keep(node, dotted(node.func) or "", read, None, None)

    def _is_list_of_messages(self, node: ast.expr | None) -> bool:
        """Return True for a list whose first mapping has a role: what any library would send as messages."""
        if isinstance(node, ast.Name):
            found = self._names.follow(self._file, node)
            node = found.values[0] if found is not None else None
        items = node.elts if isinstance(node, ast.List) else ()
        first = next((each for each in items if isinstance(each, ast.Dict)), None)
        return first is not None and any(isinstance(key, ast.Constant) and key.value == "role" for key in first.keys)

    def _is_langchain(self, node: ast.Call) -> bool:
        name = langchain_class(node)
        return name is not None and any(
            full.startswith("langchain") and full.rpartition(".")[2] in (name, "schema", "messages")
            for full in self._imports.values()
        )

    def _is_claimed(self, node: ast.AST) -> bool:
        return any(each in self._claimed for each in ast.walk(node)) or any(
            each in self._claimed for each in self._file.above(node)
        )

    def _adopt(
        self,
        node: ast.expr,
        what: str,
        first: list[ast.expr],
        messages: ast.expr | None,
        shape: CallShape | None = None,
        call: ast.Call | None = None,
    ) -> None:
        """Adopt the messages of a call, or say why they stay."""
        given = [*first, *([] if messages is None else [messages])]
        is_adopted = any(is_ours(each, self._file, self._names) for each in given)
        first = [each for each in first if not is_ours(each, self._file, self._names)]
        if messages is not None and is_ours(messages, self._file, self._names):
            self._look_beside(messages, what)
            messages = None
        if not first and (messages is None or self._is_claimed(messages)):
            return
        try:
            asked = AskedFor(first, messages, is_text=shape is not None and shape.is_responses, claimed=self._claimed)
            found = read_call(self._file, self._names, asked)
        except NotCertain as error:
            if not is_adopted:
                self._leave(error.node or node, what, error.why, error.hint)
            return
        if any(site in self._claimed for site in found.sites):
            return
        if found.says_something:
            self._keep(node, what, found, shape, call)
        elif not is_adopted:
            self._leave_silent(node, what, found)

    def _look_beside(self, node: ast.expr, what: str) -> None:
        """Name the messages of the code that stand beside those of a prompt file."""
        for each in node.elts if isinstance(node, ast.List) else []:
            if isinstance(each, ast.Dict) and not is_ours(each, self._file, self._names) and has_words_in(each):
                why = "it stands beside messages of a prompt file"
                self._leave(each, what, why, "write it into that file, or leave it")

    def _keep(
        self, node: ast.expr, what: str, read: CallMessages, shape: CallShape | None, call: ast.Call | None
    ) -> None:
        """Keep a prompt, and what of its messages stays in the code."""
        draft = CodeDraft()
        draft.add(read.entries)
        settings = CallSettings()
        if shape is not None and call is not None:
            settings = settings_of(shape, call, read.reader, has_address=self._has_address)
        sample = draft.sample()
        notes = [f"line {_line(each)} stays in the code: {each.why}" for each in read.kept if each.why]
        notes += self._lost_comments(read)
        found = FoundPrompt(
            place=self._file.place(node),
            what=what,
            names=wishes(self._file, node, [*(each.name for each, _ in read.definitions), self._kept_in(node, shape)]),
            data={**draft.data(), **settings.data},
            values=draft.ordered_values() if read.rewrite else {n: draft.values.get(n, n) for n in draft.inputs},
            sample=sample,
            expected=draft.expected(sample),
            rewrite=read.rewrite,
            why="" if read.rewrite is not None else _BY_HAND,
            notes=(*notes, *settings.notes),
        )
        self._found.append((found, read.definitions))
        self._claimed |= {*read.sites, *([] if read.others.whole is None else [read.others.whole])}
        for each in read.kept:
            if each.why and has_words_in(each.node):
                self._leave(each.node, what, each.why, each.hint)

    def _kept_in(self, node: ast.expr, shape: CallShape | None) -> str:
        """Return the variable that a template is kept in; of a call that asks a model it would be the reply's."""
        match self._file.parents.get(node):
            case ast.Assign([ast.Name(id=name), *_]) if shape is None:
                return name
        return ""

    def _lost_comments(self, read: CallMessages) -> list[str]:
        """Return a note on the comments that stand within what is replaced, and go with it."""
        rewrite = read.rewrite
        spans = [*(each.span for each in rewrite.replacements), *rewrite.removed] if rewrite is not None else []
        lines = {line for span in spans for line in range(span.line, span.end_line)}
        found = sorted(lines & self._file.comments)
        if not found:
            return []
        places = ", ".join(map(str, found))
        return [f"the comment in line {places} goes" if len(found) == 1 else f"the comments in lines {places} go"]

    def _leave(self, node: ast.AST, what: str, why: str, hint: str | None = None) -> None:
        place = self._file.place(node if hasattr(node, "lineno") else self._file.tree)
        self._left.append(Unadoptable(place, what, why, hint))

    def _leave_silent(self, node: ast.expr, what: str, read: CallMessages) -> None:
        """Say why a call without words of its own stays."""
        kept = next((each for each in read.kept if each.why), None)
        if kept is not None:
            self._leave(kept.node, what, str(kept.why), kept.hint)
        else:
            holes = [hole.value for each in read.of_code for hole in holes_in(each.content)]
            named = [each for each in holes if isinstance(each, ast.Name) and self._names.parameter(self._file, each)]
            names = ", ".join(dict.fromkeys(f"`{each.id}`" for each in named))
            why = f"its texts are the parameters {names}" if "," in names else f"its text is the parameter {names}"
            hint = "adopt where they are made" if named else None
            self._leave(node, what, why if named else "no words of its messages stand here", hint)

    def _with_leftovers(self) -> Iterator[FoundPrompt]:
        """Yield the prompts by their lines, with notes on the constants that their texts are copied from."""
        uses = {use for found, definitions in self._found if found.rewrite for _, use in definitions}
        for found, definitions in sorted(self._found, key=lambda each: each[0].place.line or 0):
            followed = {definition.name: definition for definition, _ in definitions} if found.rewrite else {}
            notes = (note for each in followed.values() if (note := self._leftover(each, uses)))
            yield replace(found, notes=(*found.notes, *notes))

    def _leftover(self, found: Definition, uses: set[ast.expr]) -> str:
        place = found.file.place(found.statements[0])
        if found.file is not self._file:
            return f"`{found.name}` stays in {place}: remove it there if nothing else uses it"
        if found.kind == "local":
            return ""
        if "." in found.name:
            return (
                f"`{found.name}` stays in line {place.line}; that no class elsewhere overrides it is taken for granted"
            )
        is_used = any(each not in uses for each in self._names.uses(found.name, self._file.tree))
        rest = "" if is_used else ", and this file uses it no more: remove it if no other does"
        return f"`{found.name}` stays in line {place.line}{rest}"


def is_ours(node: ast.expr, file: SourceFile, names: FollowedNames) -> bool:
    """Return True for messages that a prompt file is rendered to already, or that hold one of its texts."""
    followed = (names.follow(file, each) for each in ast.walk(node) if isinstance(each, ast.Name))
    made = (found.values[0] for found in followed if found is not None and found.file is file)
    return any(
        isinstance(each, ast.Attribute) and each.attr == "messages" and _is_rendered(each.value, file, names)
        for expression in (node, *made)
        for each in ast.walk(expression)
    )


def _is_rendered(node: ast.expr, file: SourceFile, names: FollowedNames) -> bool:
    """Return True for `….render(…)`, or a name that stands for it."""
    found = names.follow(file, node) if isinstance(node, ast.Name) else None
    made = node if found is None else found.values[0]
    return isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr == "render"


def _line(kept: KeptMessages) -> int:
    return int(getattr(kept.node, "lineno", 0))
