"""Python files with prompts put in the place of their texts; everything else stays as it is to the last blank.

The one module that knows LibCST. Reading a large file with it takes a second, so it reads the functions alone that
something changes in.
"""

from __future__ import annotations

import ast
import codecs
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.adoption.expressions import dotted
from promptctl.adoption.found import FoundPrompt, Replacement, Span
from promptctl.adoption.source import SourceFile, parse
from promptctl.errors import UsageError
from promptctl.files.free_names import FreeNames, first_free

if TYPE_CHECKING:
    import libcst as cst


_LINES = re.compile("(?<=\n)|(?<=\r)(?!\n)")


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


def rewritten_file(data: bytes, adopted: Sequence[tuple[FoundPrompt, str]], workspace: str | None) -> CodeOfCall:
    """Return a file with its prompts put in the place of their texts."""
    if adopted[0][0].language != "python":
        return CodeOfCall(None, tuple(javascript_call(*each) for each in adopted))
    file = SourceFile("", data)
    changes = CodeChanges(file, workspace)
    calls = tuple(changes.add(*each) for each in adopted)
    if not changes.expressions:
        return CodeOfCall(None, calls)
    import libcst as cst

    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    lines = [each for each in _LINES.split(data.decode(encoding)) if each]
    newline = next((each[len(each.rstrip("\r\n")) :] for each in lines if each.endswith(("\n", "\r"))), "\n")
    try:
        new = list(_lines(file, lines, changes, newline))
        parse("".join(new))
        changed = "".join(new).encode("utf-8" if encoding == "utf-8-sig" else encoding)
        changed = codecs.BOM_UTF8 + changed if encoding == "utf-8-sig" else changed
    except (cst.ParserSyntaxError, SyntaxError, UnicodeError, RecursionError):
        return CodeOfCall(None, calls, "LibCST cannot read the file")
    if changes.left:
        return CodeOfCall(None, calls, "its text cannot be found again in the file")
    return CodeOfCall(changed, calls)


def _lines(file: SourceFile, lines: Sequence[str], changes: CodeChanges, newline: str) -> Iterator[str]:
    """Yield the text of the new file, in pieces."""
    at = 0
    top = file.end_of_imports()
    for start, end in _ranges(file, changes):
        if at <= top <= start - 1:
            yield from (*lines[at:top], *_top(lines, top, changes, newline))
            at = top
        yield from lines[at : start - 1]
        yield _changed("".join(lines[start - 1 : end]), start - 1, changes, newline)
        at = end
    yield from lines[at:]


def _ranges(file: SourceFile, changes: CodeChanges) -> list[tuple[int, int]]:
    """Return the first and the last line of each stretch of statements of the file that something changes in."""
    wanted = changes.lines()
    found: list[tuple[int, int]] = []
    for each in file.tree.body:
        start = min([each.lineno, *(one.lineno for one in getattr(each, "decorator_list", []))])
        end = each.end_lineno or start
        if not any(start <= line <= end for line in wanted):
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _top(lines: Sequence[str], at: int, changes: CodeChanges, newline: str) -> Iterator[str]:
    """Yield the import and the workspace, as they stand after the imports of a file."""
    if not changes.imports and not changes.opening:
        return
    if at and not lines[at - 1].endswith(("\n", "\r")):
        yield newline
    if at and (not changes.imports or not re.match(r"(import|from)\b|[)]", lines[at - 1])):
        yield newline
    yield from (each + newline for each in changes.imports)
    if changes.opening:
        yield (newline if changes.imports else "") + changes.opening + newline
    if at < len(lines) and lines[at].strip():
        yield newline


def _changed(code: str, before: int, changes: CodeChanges, newline: str) -> str:
    """Return a stretch of whole statements with the changes put in; `before` are the lines before it."""
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider

    wrapper = MetadataWrapper(cst.parse_module(code), unsafe_skip_copy=True)
    module = wrapper.module
    transformer = _transformer(changes, wrapper.resolve(PositionProvider), before, module, newline)
    return str(module.visit(transformer).code)


def _transformer(changes: CodeChanges, places: Any, before: int, module: cst.Module, newline: str) -> Any:
    import libcst as cst

    config = module.config_for_parsing

    class Transformer(cst.CSTTransformer):
        """Puts the changes in."""

        def on_leave(self, original_node: Any, updated_node: Any) -> Any:
            updated_node = super().on_leave(original_node, updated_node)
            if isinstance(original_node, cst.BaseExpression):
                at = places[original_node]
                span = Span(at.start.line + before, at.start.column, at.end.line + before, at.end.column)
                code = changes.take_expression(span)
                return updated_node if code is None else cst.parse_expression(code.replace("\n", newline), config)
            if isinstance(original_node, cst.IndentedBlock | cst.Module):
                return updated_node.with_changes(**self._body(original_node, updated_node))
            return updated_node

        def _body(self, original: Any, updated: Any) -> dict[str, Any]:
            """Return the statements of a block, with new ones before some and others gone; comments stay."""
            body: list[Any] = []
            carried: list[Any] = []
            for old, new in zip(original.body, updated.body, strict=True):
                start = places[old].start
                statement, is_gone = changes.take_statement(start.line + before, start.column)
                lines = [*carried, *new.leading_lines]
                carried = []
                if statement is not None:
                    made = cst.parse_statement(statement.replace("\n", newline), config)
                    body.append(made.with_changes(leading_lines=lines))
                    lines = []
                if is_gone:
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


def javascript_call(found: FoundPrompt, prompt_id: str) -> str:
    """Return the import of a prompt and the statement that renders it, a line each.

    A text of instructions that the call takes beside its messages is the first of them.
    """
    name = re.sub(r"[^A-Za-z0-9]+(\w?)", lambda each: each[1].upper(), prompt_id.rpartition("/")[2])
    name = name if name[:1].isalpha() else f"prompt{name}"
    given = ", ".join(each if each == code else f"{each}: {code}" for each, code in found.values.items())
    left = "[{ content: system }, ...messages]" if found.has_instructions else "messages"
    rendered = f"const {left} = {name}.render({f'{{ {given} }}' if given else ''});"
    return f'import {name} from "./prompts/{prompt_id}.js";\n{rendered}'


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
        return self._rendered_in.setdefault(scope, FreeNames(self._taken, sign="_")).take(_RENDERED)

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
    match node:
        case ast.Assign([ast.Name(id=name)], ast.Call(called, [ast.Name(id="__file__")])):
            return name if library is not None and dotted(called) == f"{library}.open_workspace" else None
    return None
