"""The data of a prompt for JavaScript: its messages as programs, its inputs, and everything else that is sent.

A template is a program: plain data that the renderer for JavaScript runs, made of Jinja's own syntax tree. The subset
is what comes out byte-equal in both languages. What lies outside is refused here, by its name and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from jinja2 import nodes
from jinja2.compiler import find_undeclared

from promptctl.code_export.expressions import Outside, constant_problem, expression, target_of
from promptctl.errors import Place, Problem
from promptctl.files.names import PLACEHOLDER
from promptctl.prompts.prompt import MISSING, Message, Placeholder, Prompt
from promptctl.templates import BadTemplate
from promptctl.templates.environment import PromptEnvironment
from promptctl.templates.reading import has_markup

# A text, or an operation: a list that begins with its name and its line.
Program = list[Any]
PlaceOf = Callable[[int], Place | None]

_KINDS: dict[type[nodes.Node], str] = {
    nodes.Macro: "a macro",
    nodes.CallBlock: "a `call` block",
}


def data_of(prompt: Prompt, version: int | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return the data that `prompt` of the renderer takes, and what of the prompt lies outside of the subset."""
    made = _Data(prompt)
    data = {
        "id": prompt.id,
        "version": version,
        "digest": prompt.digest,
        "model": prompt.model,
        "parameters": dict(prompt.parameters),
        "tools": [dict(tool) for tool in prompt.tools],
        "responseFormat": prompt.declared_response_format,
        "inputs": made.inputs(),
        "messages": [made.message(each) for each in prompt.messages],
    }
    return data, made.programs.problems


class _Data:
    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._own = prompt.path.removeprefix(f"{prompt.base}/")
        self.programs = Programs(prompt.partials, prompt.base)

    def inputs(self) -> list[dict[str, Any]]:
        """Return the inputs in their order; one without a default has no such key."""
        made = []
        for each in self._prompt.inputs.values():
            declared: dict[str, Any] = {"name": each.name, "required": each.is_required}
            if each.default is not MISSING:
                declared["default"] = each.default
                if problem := constant_problem(each.default):
                    message = f"the default of `{each.name}` has {problem} and so cannot be exported"
                    hint = "write it as a text, or as a whole number"
                    self.programs.problems.append(Problem(message, each.place, hint, "outside-subset"))
            made.append(declared)
        return made

    def message(self, message: Message | Placeholder) -> dict[str, Any]:
        """Return a message: its role, its content or parts, and further keys of the protocol."""
        if isinstance(message, Placeholder):
            return {"placeholder": message.input}
        made: dict[str, Any] = {"role": message.role}
        if isinstance(message.content, str):
            made["content"] = self._filled(message.content, message.place_of)
        else:
            made["parts"] = [
                {
                    "when": part.get("when"),
                    "part": self._filled(
                        {key: value for key, value in part.items() if key != "when"},
                        partial(message.place_of, part=number if number < len(message.part_places) else None),
                    ),
                }
                for number, part in enumerate(message.content)
            ]
        return {**made, "extra": dict(message.extra)}

    def _filled(self, value: Any, place_of: PlaceOf) -> list[Any]:
        """Return a value whose texts are templates: by its type, a name that leads a list."""
        if isinstance(value, Mapping):
            return ["mapping", [[key, self._filled(each, place_of)] for key, each in value.items()]]
        if isinstance(value, list | tuple):
            return ["list", [self._filled(each, place_of) for each in value]]
        if not isinstance(value, str):
            return ["value", value]
        if self._prompt.engine == "jinja2":
            return ["text", self.programs.program(value, self._own, place_of)]
        if self._prompt.engine == "simple":
            return ["simple", PLACEHOLDER.split(value)]
        return ["text", lines_of(value)]


def lines_of(text: str) -> Program:
    """Return a text as the program that prints it: a line each, so that a change shows as one."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


class Programs:
    """Programs of one prompt's templates. `problems` holds what lies outside of the subset, with its place."""

    def __init__(self, partials: Mapping[str, str], base: str) -> None:
        self.problems: list[Problem] = []
        self._environment = PromptEnvironment({}, partials)
        self._partials = partials
        self._base = base

    def program(self, text: str, own: str, place_of: PlaceOf) -> Program:
        """Return a template's program. `own` is its file's path below the base."""
        if has_markup(text):
            return self._template(text, own, place_of)
        return lines_of(text.replace("\r\n", "\n").replace("\r", "\n"))  # as Jinja does

    def _template(self, text: str, name: str, place_of: PlaceOf) -> Program:
        try:
            tree = self._environment.parse_text(text, name)
        except BadTemplate as error:
            self.problems.append(Problem(error.message, place_of(error.line), error.hint, "bad-template"))
            return []
        return _Statements(self, name, place_of).scope(tree.body)

    def included(self, reference: str, parent: str) -> tuple[str, Program]:
        """Return the path and the program of a partial that a template includes."""
        path = self._environment.join_path(reference, parent)
        file = f"{self._base}/{path}"
        return path, self._template(self._partials[path], path, lambda line: Place(file, line))


class _Statements:
    """Statements of one template."""

    def __init__(self, programs: Programs, name: str, place_of: PlaceOf) -> None:
        self._programs = programs
        self._name = name
        self._place_of = place_of
        self._visits: dict[type[nodes.Node], Callable[[Any], Iterator[Any]]] = {
            nodes.Output: self._output,
            nodes.If: self._if,
            nodes.For: self._for,
            nodes.Assign: self._assign,
            nodes.AssignBlock: self._assign_block,
            nodes.With: self._with,
            nodes.FilterBlock: self._filter_block,
            nodes.Include: self._include,
        }

    def scope(self, body: Sequence[nodes.Node]) -> Program:
        """Return the program of statements that have variables of their own."""
        for outside in _read_early(body):
            self._refuse(outside)
        return self.body(body)

    def body(self, body: Sequence[nodes.Node]) -> Program:
        """Return the program of statements; what is outside of the subset is left out, and told."""
        made: Program = []
        for node in body:
            visit = self._visits.get(type(node))
            try:
                if visit is None:
                    raise Outside(_KINDS.get(type(node), "this statement"), node)
                made += visit(node)
            except Outside as outside:
                self._refuse(outside)
        return made

    def _refuse(self, outside: Outside) -> None:
        message = f"{outside.what} is outside of the templates that run in JavaScript"
        hint = outside.hint or "write it with what docs/typed.md lists, or leave this prompt to Python"
        place = self._place_of(outside.line)
        self._programs.problems.append(Problem(message, place, hint, "outside-subset"))

    def _output(self, node: nodes.Output) -> Iterator[Any]:
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                yield from lines_of(part.data)
            else:
                try:
                    yield ["print", part.lineno, expression(part)]
                except Outside as outside:
                    self._refuse(outside)

    def _if(self, node: nodes.If) -> Iterator[Any]:
        otherwise = self.body(node.else_)
        for branch in reversed((node, *node.elif_)):
            otherwise = [["if", branch.lineno, expression(branch.test), self.body(branch.body), otherwise]]
        yield from otherwise

    def _for(self, node: nodes.For) -> Iterator[Any]:
        if node.recursive:
            raise Outside("a recursive loop", node)
        test = None if node.test is None else expression(node.test)
        names = target_of(node.target)
        body, otherwise = self.scope(node.body), self.scope(node.else_)
        is_counted = "loop" in find_undeclared(node.body, ("loop",))  # if not, a partial in it finds no `loop`
        yield ["for", node.lineno, names, expression(node.iter), test, body, otherwise, is_counted]

    def _assign(self, node: nodes.Assign) -> Iterator[Any]:
        yield ["set", node.lineno, target_of(node.target), expression(node.node)]

    def _assign_block(self, node: nodes.AssignBlock) -> Iterator[Any]:
        body = ["body"] if node.filter is None else expression(node.filter)
        yield ["block", node.lineno, target_of(node.target), body, self.scope(node.body)]

    def _filter_block(self, node: nodes.FilterBlock) -> Iterator[Any]:
        yield ["block", node.lineno, None, expression(node.filter), self.scope(node.body)]

    def _with(self, node: nodes.With) -> Iterator[Any]:
        pairs = zip(node.targets, node.values, strict=True)
        bound = [[target_of(target), expression(value)] for target, value in pairs]
        yield ["with", node.lineno, bound, self.scope(node.body)]

    def _include(self, node: nodes.Include) -> Iterator[Any]:
        assert isinstance(node.template, nodes.Const)
        path, program = self._programs.included(node.template.value, self._name)
        yield ["include", node.lineno, path, program]


_INNER = (nodes.For, nodes.With, nodes.FilterBlock, nodes.AssignBlock)


def _read_early(body: Sequence[nodes.Node]) -> Iterator[Outside]:
    """Yield the variables that are set after a block has read them: there Jinja takes them as undefined."""
    read: set[str] = set()
    for node in _in_scope(body):
        if isinstance(node, _INNER):
            read |= {each.name for each in node.find_all(nodes.Name) if each.ctx == "load"}
        if isinstance(node, nodes.Assign | nodes.AssignBlock):
            names = {each.name for each in node.target.find_all(nodes.Name)} | {getattr(node.target, "name", "")}
            for name in sorted(names & read):
                hint = f"set `{name}` before the block, or name it differently"
                yield Outside(f"`{name}`, which is set after a block that reads it,", node, hint)


def _in_scope(body: Sequence[nodes.Node]) -> Iterator[nodes.Node]:
    """Yield the statements that share variables: those in the branches of an `if` too."""
    for node in body:
        if isinstance(node, nodes.If):
            for branch in (node.body, *(each.body for each in node.elif_), node.else_):
                yield from _in_scope(branch)
        else:
            yield node
