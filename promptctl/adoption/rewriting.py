"""Python files with prompts put in the place of their texts; everything else stays as it is to the last blank.

The one module that knows libcst.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.adoption.found import FoundPrompt, Replacement, Span
from promptctl.adoption.javascript.writing import call_of
from promptctl.adoption.source import SourceFile, dotted
from promptctl.errors import UsageError

if TYPE_CHECKING:
    import libcst as cst

_WIDTH = 100
_WORKSPACES = ("workspace", "prompts", "promptctl_workspace")
_RENDERED = "rendered"


# A file's bytes, its prompts with their ids, and the workspace that its program has.
Job = tuple[bytes, Sequence[tuple[FoundPrompt, str]], str | None]


@dataclass(frozen=True, slots=True)
class CodeOfCall:
    """A file as it would be, None if nothing of it changes; and the code that renders each of its prompts.

    `problem` says why nothing changes although something should.
    """

    data: bytes | None
    calls: tuple[str, ...]
    problem: str = ""


def check_installed() -> None:
    """Raise `UsageError` if the library that rewrites Python is not installed."""
    try:
        import libcst  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "changing Python code needs the library LibCST, which is not installed",
            hint="pip install 'promptctl-git[adopt]'",
        ) from error


def rewrite_each(jobs: Sequence[Job]) -> list[CodeOfCall]:
    """Return each file with its prompts put in the place of their texts."""
    return [_rewrite(*job) for job in jobs]


def _rewrite(data: bytes, adopted: Sequence[tuple[FoundPrompt, str]], workspace: str | None) -> CodeOfCall:
    if adopted[0][0].language != "python":
        return CodeOfCall(None, tuple(call_of(*each) for each in adopted))
    changes = _Changes(SourceFile("", data), workspace)
    calls = tuple(changes.add(*each) for each in adopted)
    if not changes.expressions:
        return CodeOfCall(None, calls)
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider

    try:
        wrapper = MetadataWrapper(cst.parse_module(data), unsafe_skip_copy=True)
    except (cst.ParserSyntaxError, RecursionError, UnicodeError):
        return CodeOfCall(None, calls, "LibCST cannot read the file")
    module = wrapper.module
    wanted = len(changes.expressions) + len(changes.before) + len(changes.gone)
    transformer = _transformer(changes, wrapper.resolve(PositionProvider), module)
    changed = module.visit(transformer).bytes
    if transformer.done != wanted or not _parses(changed):
        return CodeOfCall(None, calls, "its text cannot be found again in the file")
    return CodeOfCall(changed, calls)


def _parses(data: bytes) -> bool:
    try:
        SourceFile("", data)
    except SyntaxError:
        return False
    return True


class _Changes:
    """The code that is put into one file: expressions by their span, statements by the line before which they stand."""

    def __init__(self, file: SourceFile, workspace: str | None) -> None:
        self._file = file
        self._taken = set(file.names)
        self._rendered_in: set[tuple[ast.AST | None, str]] = set()
        self.imports: list[str] = []
        self.opening = ""
        self.workspace = self._workspace(workspace)
        self.expressions: dict[Span, str] = {}
        self.before: dict[tuple[int, int], str] = {}
        self.gone: set[tuple[int, int]] = set()

    def add(self, prompt: FoundPrompt, id_: str) -> str:
        """Put one prompt in, and return the code that renders it."""
        rewrite, call = prompt.rewrite, self._call(prompt, id_)
        if rewrite is None:
            return call
        self.gone |= {(each.line, each.column) for each in rewrite.removed}
        if rewrite.anchor is None:
            [only] = rewrite.replacements
            self.expressions[only.span] = self._fitted(only, prompt, id_)
            return call
        at = rewrite.anchor
        name = self._rendered(at.line)
        is_long = at.column + len(f"{name} = {call}") > _WIDTH
        self.before[at.line, at.column] = f"{name} = {self._call(prompt, id_, '') if is_long else call}"
        for each in rewrite.replacements:
            self.expressions[each.span] = f"{each.before}{name}{each.after}"
        return call

    def _fitted(self, each: Replacement, prompt: FoundPrompt, id_: str) -> str:
        code = f"{each.before}{self._call(prompt, id_)}{each.after}"
        if each.span.column + len(code) <= _WIDTH:
            return code
        return f"{each.before}{self._call(prompt, id_, self._indent(each.span.line))}{each.after}"

    def _call(self, prompt: FoundPrompt, id_: str, indent: str | None = None) -> str:
        """Return the code that renders a prompt; with `indent`, each value on a line of its own."""
        values = [f'"{name}": {code}' for name, code in prompt.values.items()]
        if indent is None or not values:
            given = "{" + ", ".join(values) + "}"
        else:
            given = "{" + "".join(f"\n{indent}    {each}," for each in values) + f"\n{indent}}}"
        return f'{self.workspace}.prompt("{id_}").render({given})'

    def _indent(self, line: int) -> str:
        """Return how much further a line is indented than the statement that it is part of."""
        text = self._file.lines[line - 1]
        around = self._file.statement_at(line)
        return text[getattr(around, "col_offset", 0) : len(text) - len(text.lstrip())]

    def _rendered(self, line: int) -> str:
        """Return a name for a rendered prompt that its function does not have yet."""
        statement = self._file.statement_at(line)
        scope = self._file.function(statement) if statement is not None else None
        number, name = 1, _RENDERED
        while name in self._taken or (scope, name) in self._rendered_in:
            number += 1
            name = f"{_RENDERED}_{number}"
        self._rendered_in.add((scope, name))
        return name

    def _workspace(self, workspace: str | None) -> str:
        """Return the name of the workspace in this file, and keep what has to be put at its top for that."""
        if workspace is not None:
            module, _, name = workspace.partition(":")
            if not any(_imports(each, module, name) for each in self._file.tree.body):
                self.imports.append(f"from {module} import {name}")
            return name
        library = next(
            (
                each.asname or "promptctl"
                for node in self._file.tree.body
                if isinstance(node, ast.Import)
                for each in node.names
                if each.name == "promptctl"
            ),
            None,
        )
        opened = next(
            (
                each.targets[0].id
                for each in self._file.tree.body
                if _opens(each, library) and isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
            ),
            None,
        )
        if opened is not None:
            return opened
        if library is None:
            library = "promptctl" if "promptctl" not in self._taken else "_promptctl"
            self.imports.append("import promptctl" if library == "promptctl" else f"import promptctl as {library}")
        name = next((each for each in _WORKSPACES if each not in self._taken), None) or self._free("workspace")
        self._taken.add(name)
        self.opening = f"{name} = {library}.open_workspace(__file__)"
        return name

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free


def _imports(node: ast.stmt, module: str, name: str) -> bool:
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == module
        and any(each.name == name and not each.asname for each in node.names)
    )


def _opens(node: ast.stmt, library: str | None) -> bool:
    """Return True for `workspace = promptctl.open_workspace(__file__)`."""
    call = node.value if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    is_ours = library is not None and isinstance(call, ast.Call) and dotted(call.func) == f"{library}.open_workspace"
    return is_ours and isinstance(call, ast.Call) and [ast.unparse(each) for each in call.args] == ["__file__"]


def _transformer(changes: _Changes, places: Any, module: cst.Module) -> Any:
    import libcst as cst

    config = module.config_for_parsing

    def lined(code: str) -> str:
        return code.replace("\n", module.default_newline)

    class Transformer(cst.CSTTransformer):
        """Puts the changes in, and counts those that are `done`."""

        done = 0

        def on_leave(self, original_node: Any, updated_node: Any) -> Any:
            updated_node = super().on_leave(original_node, updated_node)
            if isinstance(original_node, cst.BaseExpression):
                at = places[original_node]
                code = changes.expressions.get(Span(at.start.line, at.start.column, at.end.line, at.end.column))
                if code is None:
                    return updated_node
                self.done += 1
                return cst.parse_expression(lined(code), config)
            if isinstance(original_node, cst.IndentedBlock):
                return updated_node.with_changes(**self._body(original_node, updated_node))
            if isinstance(original_node, cst.Module):
                updated_node = updated_node.with_changes(**self._body(original_node, updated_node))
                return _with_top(updated_node, changes, cst)
            return updated_node

        def _body(self, original: Any, updated: Any) -> dict[str, Any]:
            """Return the statements of a block, with new ones before some and others gone; comments stay."""
            body: list[Any] = []
            carried: list[Any] = []
            for old, new in zip(original.body, updated.body, strict=True):
                start = places[old].start
                at = start.line, start.column
                lines = [*carried, *new.leading_lines]
                carried = []
                self.done += (at in changes.before) + (at in changes.gone)
                if at in changes.before:
                    body.append(
                        cst.parse_statement(lined(changes.before[at]), config).with_changes(leading_lines=lines)
                    )
                    lines = []
                if at in changes.gone:
                    carried = _comments(lines, new)
                else:
                    body.append(new.with_changes(leading_lines=lines))
            return {"body": body, "footer": [*carried, *updated.footer]}

    return Transformer()


def _comments(lines: list[Any], gone: Any) -> list[Any]:
    """Return the comments around a statement that goes, as lines of their own; none if there are none."""
    import libcst as cst

    trailing = gone.trailing_whitespace.comment
    kept = [*lines, cst.EmptyLine(comment=trailing)] if trailing is not None else lines
    return kept if any(each.comment is not None for each in kept) else []


def _with_top(module: Any, changes: _Changes, cst: Any) -> Any:
    """Return the module with the import, and the workspace, after the imports at its top."""
    if not changes.imports and not changes.opening:
        return module
    body = list(module.body)
    at = _after_imports(body, cst)
    config = module.config_for_parsing
    new = [cst.parse_statement(each, config) for each in changes.imports]
    blank = cst.EmptyLine(indent=False)
    if changes.opening:
        opening = cst.parse_statement(changes.opening, config)
        new.append(opening.with_changes(leading_lines=[blank] if new or at else []))
    if at and not _is_import(body[at - 1], cst):
        new[0] = new[0].with_changes(leading_lines=[blank])
    if at < len(body) and not body[at].leading_lines:
        body[at] = body[at].with_changes(leading_lines=[blank])
    return module.with_changes(body=[*body[:at], *new, *body[at:]])


def _after_imports(body: list[Any], cst: Any) -> int:
    """Return the place after the docstring and the imports at the top of a module."""
    at = 0
    for number, each in enumerate(body):
        is_docstring = (
            number == 0
            and isinstance(each, cst.SimpleStatementLine)
            and isinstance(each.body[0], cst.Expr)
            and isinstance(each.body[0].value, cst.SimpleString | cst.ConcatenatedString)
        )
        if not is_docstring and not _is_import(each, cst):
            break
        at = number + 1
    return at


def _is_import(node: Any, cst: Any) -> bool:
    if isinstance(node, cst.SimpleStatementLine):
        return all(isinstance(each, cst.Import | cst.ImportFrom) for each in node.body)
    if isinstance(node, cst.Try | cst.If):
        inner = node.body.body
        return all(_is_import(each, cst) for each in inner)
    return False
