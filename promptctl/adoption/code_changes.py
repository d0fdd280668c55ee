"""Code that is put into one Python file: expressions by their span, statements by the place before which they stand."""

from __future__ import annotations

import ast

from promptctl.adoption.expressions import dotted
from promptctl.adoption.found import FoundPrompt, Replacement, Span
from promptctl.adoption.source import SourceFile
from promptctl.files.free_names import FreeNames, first_free

_WIDTH = 100
_LIBRARY = "promptctl"
_WORKSPACES = ("workspace", "prompts", "promptctl_workspace")
_RENDERED = "rendered"


class CodeChanges:
    """The changes of one file. `imports` and `opening` are put after its imports.

    `workspace` is `module:name` of the workspace that the program has; without it the file opens the one around it.
    """

    def __init__(self, file: SourceFile, workspace: str | None) -> None:
        self._file = file
        self._taken = set(file.names)
        self._rendered_in: dict[ast.AST | None, FreeNames] = {}
        self.imports: list[str] = []
        self.opening = ""
        self.expressions: dict[Span, str] = {}
        self._before: dict[tuple[int, int], str] = {}
        self._gone: set[tuple[int, int]] = set()
        self._workspace = self._given(workspace) if workspace is not None else self._opened()

    @property
    def left(self) -> int:
        """Count of the changes that were not taken yet."""
        return len(self.expressions) + len(self._before) + len(self._gone)

    def lines(self) -> set[int]:
        """Return the lines that changes begin on."""
        return {each.line for each in self.expressions} | {line for line, _ in (*self._before, *self._gone)}

    def take_expression(self, span: Span) -> str | None:
        """Return the code that stands in the place of an expression; None if it stays."""
        return self.expressions.pop(span, None)

    def take_statement(self, line: int, column: int) -> tuple[str | None, bool]:
        """Return the code that is put before a statement, if there is any; and True if the statement goes."""
        is_gone = (line, column) in self._gone
        self._gone.discard((line, column))
        return self._before.pop((line, column), None), is_gone

    def add(self, prompt: FoundPrompt, id_: str) -> str:
        """Put one prompt in, and return the code that renders it."""
        rewrite, call = prompt.rewrite, self._call(prompt, id_)
        if rewrite is None:
            return call
        self._gone |= {(each.line, each.column) for each in rewrite.removed}
        if rewrite.anchor is None:
            [only] = rewrite.replacements
            self.expressions[only.span] = self._fitted(only, prompt, id_)
            return call
        at = rewrite.anchor
        name = self._rendered(at.line)
        is_long = at.column + len(f"{name} = {call}") > _WIDTH
        self._before[at.line, at.column] = f"{name} = {self._call(prompt, id_, '') if is_long else call}"
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
        given = "{" + ", ".join(values) + "}" if values else ""
        if indent is not None and values:
            given = "{" + "".join(f"\n{indent}    {each}," for each in values) + f"\n{indent}}}"
        return f'{self._workspace}.prompt("{id_}").render({given})'

    def _indent(self, line: int) -> str:
        """Return how much further a line is indented than the statement that it is part of."""
        text = self._file.lines[line - 1]
        around = self._file.statement_at(line)
        return text[getattr(around, "col_offset", 0) : len(text) - len(text.lstrip())]

    def _rendered(self, line: int) -> str:
        """Return a name for a rendered prompt that its function does not have yet."""
        statement = self._file.statement_at(line)
        scope = self._file.function(statement) if statement is not None else None
        names = self._rendered_in.setdefault(scope, FreeNames(self._taken, sign="_"))
        return names.take(_RENDERED)

    def _given(self, workspace: str) -> str:
        module, _, name = workspace.partition(":")
        if any(_imports(each, module, name) for each in self._file.tree.body) and self._is_bound_once(name):
            return name
        own = name if name not in self._taken else first_free(f"promptctl_{name}", self._taken.__contains__, sign="_")
        self.imports.append(f"from {module} import {name}" + (f" as {own}" if own != name else ""))
        return own

    def _is_bound_once(self, name: str) -> bool:
        """Return True if nothing in the file hides a name of its top."""
        found = 0
        for each in ast.walk(self._file.tree):
            found += isinstance(each, ast.arg) and each.arg == name
            found += isinstance(each, ast.Name) and each.id == name and not isinstance(each.ctx, ast.Load)
            found += isinstance(each, ast.alias) and (each.asname or each.name.partition(".")[0]) == name
        return found == 1

    def _opened(self) -> str:
        """Return the name of the workspace that this file opens, or is to open."""
        body = self._file.tree.body
        aliases = [each for node in body if isinstance(node, ast.Import) for each in node.names]
        library = next((each.asname or each.name for each in aliases if each.name == _LIBRARY), None)
        opened = next((name for each in body if (name := _opened_by(each, library)) is not None), None)
        if opened is not None and self._is_bound_once(opened):
            return opened
        if library is None:
            library = _LIBRARY if _LIBRARY not in self._taken else f"_{_LIBRARY}"
            self.imports.append(f"import {_LIBRARY}" + (f" as {library}" if library != _LIBRARY else ""))
        name = next((each for each in _WORKSPACES if each not in self._taken), None) or first_free(
            _WORKSPACES[0], self._taken.__contains__, sign="_"
        )
        self._taken.add(name)
        self.opening = f"{name} = {library}.open_workspace(__file__)"
        return name


def _imports(node: ast.stmt, module: str, name: str) -> bool:
    is_from = isinstance(node, ast.ImportFrom) and node.module == module and node.level == 0
    return is_from and any(each.name == name and not each.asname for each in node.names)  # type: ignore[attr-defined]


def _opened_by(node: ast.stmt, library: str | None) -> str | None:
    """Return the name in `workspace = promptctl.open_workspace(__file__)`; None for any other statement."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call) or library is None:
        return None
    call, [target, *others] = node.value, node.targets
    is_ours = dotted(call.func) == f"{library}.open_workspace" and [ast.unparse(each) for each in call.args] == [
        "__file__"
    ]
    return target.id if is_ours and not others and isinstance(target, ast.Name) else None
