"""Names of Python code, followed to what they stand for: only where that is certain."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from promptctl.adoption.expressions import roots
from promptctl.adoption.scopes import NameScope, scope_of
from promptctl.adoption.source import SourceFile, last_name

_MAX_IMPORTS = 4
_LOOKING = ("locals", "vars", "eval", "exec", "dir")
_CLASS_VARIABLES = ("ClassVar", "Final")
_READING = ("get", "items", "keys", "values", "copy")
_FIELDS = ("BaseModel", "Enum", "StrEnum", "IntEnum", "NamedTuple", "TypedDict")


@dataclass(frozen=True, slots=True)
class Definition:
    """The one value that a name has: the expression, with what is added to it by `+=`, and the statements that do so.

    `kind` says where it is: in the same run of the code (`local`), or made once before (`constant`), perhaps in another
    file; then `name` is how people find it.
    """

    kind: Literal["local", "constant"]
    name: str
    file: SourceFile
    values: tuple[ast.expr, ...]
    statements: tuple[ast.stmt, ...]


# Returns the file that `import` finds by a module's dotted name and level, seen from a file.
FindModule = Callable[[SourceFile, str, int], SourceFile | None]


class FollowedNames:
    """The names of files, followed. `bases` are the names of classes that those of any file inherit from."""

    def __init__(self, find_module: FindModule, bases: Collection[str] = ()) -> None:
        self._find_module = find_module
        self._inherited = bases
        self._scopes: dict[ast.AST, NameScope] = {}

    def follow(self, file: SourceFile, node: ast.expr) -> Definition | None:
        """Return what a name, an attribute or `NAME["key"]` stands for; None if that is uncertain or made elsewhere."""
        if isinstance(node, ast.Name):
            return self._name(file, node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self._attribute(file, node, node.value)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
            return self._item(file, node, node.value)
        return None

    def follow_list(self, file: SourceFile, node: ast.expr) -> Definition | None:
        """Return what `follow` does, also for a list to which `+=` adds something in between, anywhere."""
        found = self.follow(file, node)
        scope = self._scope_of(file, node) if found is None and isinstance(node, ast.Name) else None
        if scope is None or not isinstance(node, ast.Name) or scope[0] is not file.scope(node):
            return found
        nodes = sorted((each for each in scope[1].bindings.get(node.id, ())), key=_position)
        statements = [file.statement(each) for each in nodes if _position(each) < _position(node)]
        first = next((each for each in statements if (_value(each)) is not None), None)
        others = [file.statement(each) for each in nodes if file.statement(each) is not first]
        if (
            first is None
            or not all(isinstance(each, ast.AugAssign) for each in others)
            or not file.dominates(first, node)
        ):
            return None
        value = _value(first)
        return Definition("local", node.id, file, (value,), (first,)) if value is not None else None

    def parameter(self, file: SourceFile, node: ast.Name) -> ast.arg | None:
        """Return the parameter that a name is, if nothing else gives it a value."""
        found = self._scope_of(file, node)
        if found is None or node.id in found[1].bindings:
            return None
        return found[1].parameters.get(node.id)

    def places(self, file: SourceFile, node: ast.Name, at: ast.AST | None = None) -> list[ast.AST]:
        """Return everything that gives a name its value, in the scope that it belongs to; `at` is where it stands."""
        found = self._scope_of(file, node, at)
        return [] if found is None else found[1].bindings.get(node.id, [])

    def uses(self, name: str, scope: ast.AST) -> list[ast.Name]:
        """Return each place of a scope, and of the functions in it, that reads the name."""
        return [
            each
            for each in ast.walk(scope)
            if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Load)
        ]

    def others(self, found: Definition, scope: ast.AST) -> set[ast.expr]:
        """Return each place of a scope that needs a variable to be there, but for the statements that define it.

        That is every one if the scope asks for its variables by `locals()` or the like.
        """
        own = {id(each) for statement in found.statements for each in ast.walk(statement)}
        needing: set[ast.expr] = set()
        for each in ast.walk(scope):
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in _LOOKING:
                needing.add(each)
            is_named = isinstance(each, ast.Name) and each.id == found.name
            if isinstance(each, ast.Name) and is_named and (not isinstance(each.ctx, ast.Store) or id(each) not in own):
                is_sum = isinstance(found.file.parents.get(each), ast.AugAssign)
                needing |= {each} if is_sum or not isinstance(each.ctx, ast.Store) else set()
        return needing

    def _name(self, file: SourceFile, node: ast.Name) -> Definition | None:
        found = self._scope_of(file, node)
        if found is None:
            return None
        owner, scope = found
        if owner is file.scope(node):
            local = self._local(file, scope, node)
            if local is not None or not isinstance(owner, ast.Module):
                return local
        return self._constant(file, scope, node.id)

    def _scope_of(
        self, file: SourceFile, node: ast.Name, at: ast.AST | None = None
    ) -> tuple[ast.AST, NameScope] | None:
        is_first = True
        for each in file.above(at or node):
            if any(node.id in roots(loop.target) for loop in getattr(each, "generators", ())):
                return None
            if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)):
                continue
            scope = self._scope(each)
            if scope.has(node.id) and (is_first or not isinstance(each, ast.ClassDef)):
                return (each, scope) if node.id not in scope.shared or isinstance(each, ast.Module) else None
            is_first = False
        return None

    def _local(self, file: SourceFile, scope: NameScope, use: ast.Name) -> Definition | None:
        """Return what a name stands for where it is used, if one statement after the other gave it that value."""
        if use.id in scope.shared:
            return None
        nodes = sorted(scope.bindings.get(use.id, ()), key=_position)
        statements = [file.statement(each) for each in nodes]
        earlier = [each for each in statements if _position(each) < _position(use) and file.statement(use) is not each]
        given = (i for i in reversed(range(len(earlier))) if _value(earlier[i]) and file.dominates(earlier[i], use))
        first = next(given, None)
        if first is None:
            return None
        chain = earlier[first:]
        loops = file.loops(chain[0])
        for each in chain[1:]:
            is_sum = isinstance(each, ast.AugAssign) and isinstance(each.op, ast.Add) and file.dominates(each, use)
            if not is_sum or file.loops(each) != loops:
                return None
        outer = [loop for loop in file.loops(use) if loop not in loops]
        if any(loop in file.loops(each) for each in statements for loop in outer):
            return None
        values = [value for each in chain if (value := _value(each) or getattr(each, "value", None)) is not None]
        return Definition("local", use.id, file, tuple(values), tuple(chain))

    def _constant(self, file: SourceFile, scope: NameScope, name: str, depth: int = 0) -> Definition | None:
        """Return what a name stands for whenever it is read: exactly one statement gives it a value."""
        nodes = scope.bindings.get(name, [])
        if len(nodes) != 1 or name in scope.shared or name in scope.parameters:
            return None
        if isinstance(nodes[0], ast.alias):
            return self._imported(file, nodes[0], depth)
        statement = file.statement(nodes[0])
        value = _value(statement)
        is_plain = value is not None and isinstance(
            file.parents[statement], (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)
        )
        return Definition("constant", name, file, (value,), (statement,)) if is_plain and value is not None else None

    def _imported(self, file: SourceFile, alias: ast.alias, depth: int) -> Definition | None:
        statement = file.parents[alias]
        if not isinstance(statement, ast.ImportFrom) or depth >= _MAX_IMPORTS:
            return None
        module = self._find_module(file, statement.module or "", statement.level)
        if module is None:
            return None
        return self._constant(module, self._scope(module.tree), alias.name, depth + 1)

    def _attribute(self, file: SourceFile, node: ast.Attribute, owner: ast.Name) -> Definition | None:
        if owner.id in ("self", "cls"):
            return self._of_class(file, file.owner(node), node.attr, through=True)
        found = self._scope_of(file, owner)
        nodes = [] if found is None else found[1].bindings.get(owner.id, [])
        if len(nodes) != 1:
            return None
        if isinstance(nodes[0], ast.ClassDef):
            return self._of_class(file, nodes[0], node.attr, through=False)
        module = self._module(file, nodes[0]) if isinstance(nodes[0], ast.alias) else None
        return None if module is None else self._constant(module, self._scope(module.tree), node.attr)

    def _item(self, file: SourceFile, node: ast.Subscript, owner: ast.Name | ast.Attribute) -> Definition | None:
        """Return what stands under a key of a mapping, if its file and the one that reads it do nothing but read it."""
        found = self.follow(file, owner)
        made = found.values[0] if found is not None and len(found.values) == 1 else None
        if found is None or not isinstance(made, ast.Dict) or not isinstance(node.slice, ast.Constant):
            return None
        if not all(isinstance(key, ast.Constant) for key in made.keys):
            return None
        key = ast.dump(node.slice)
        values = [value for each, value in zip(made.keys, made.values, strict=True) if each and ast.dump(each) == key]
        places = ((file, last_name(owner)), (found.file, found.name.rpartition(".")[2]))
        if len(values) != 1 or not all(_is_only_read(at, name, found) for at, name in places):
            return None
        return Definition("constant", found.name, found.file, (values[0],), found.statements)

    def _module(self, file: SourceFile, alias: ast.alias) -> SourceFile | None:
        """Return the file that an imported name is the module of."""
        statement = file.parents[alias]
        if isinstance(statement, ast.ImportFrom):
            name = f"{statement.module}.{alias.name}" if statement.module else alias.name
            return self._find_module(file, name, statement.level)
        return self._find_module(file, alias.name, 0) if "." not in alias.name or alias.asname else None

    def _of_class(self, file: SourceFile, owner: ast.ClassDef | None, name: str, *, through: bool) -> Definition | None:
        """Return an attribute of a class that nothing in its file overrides; `through` an instance or a subclass."""
        if owner is None or owner.keywords or any(last_name(base) in _FIELDS for base in owner.bases):
            return None
        if not through and owner.bases:
            return None
        nodes = self._scope(owner).bindings.get(name, [])
        if len(nodes) != 1 or name in file.set_attributes:
            return None
        if through and (owner.decorator_list or owner.name in self._inherited or owner.name in file.bases):
            return None
        statement = file.statement(nodes[0])
        value = _value(statement)
        is_field = isinstance(statement, ast.AnnAssign) and not any(
            last_name(each) in _CLASS_VARIABLES for each in ast.walk(statement.annotation)
        )
        if value is None or is_field or file.parents[statement] is not owner:
            return None
        return Definition("constant", f"{owner.name}.{name}", file, (value,), (statement,))

    def _scope(self, owner: ast.AST) -> NameScope:
        if owner not in self._scopes:
            self._scopes[owner] = scope_of(owner)
        return self._scopes[owner]


def _value(statement: ast.stmt) -> ast.expr | None:
    """Return the expression that a statement gives to one name; None for any other statement."""
    match statement:
        case ast.Assign([ast.Name()], value) | ast.AnnAssign(target=ast.Name(), value=value):
            return value
    return None


def _is_only_read(file: SourceFile, name: str, found: Definition) -> bool:
    """Return True if a file does nothing with what is named so but to look up keys, beside defining it."""
    for each in ast.walk(file.tree):
        if not isinstance(each, ast.Name | ast.Attribute) or last_name(each) != name:
            continue
        match file.parents[each]:
            case ast.Subscript(value=value, ctx=ast.Load()):
                is_read = value is each
            case ast.Attribute(attr=attribute):
                is_read = attribute in _READING
            case parent:
                is_read = isinstance(parent, ast.Compare | ast.For | ast.comprehension) and isinstance(
                    each.ctx, ast.Load
                )
        if not is_read and file.statement(each) not in found.statements:
            return False
    return True


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
