"""Texts that are filled in by a method or an operator: `%`, `.format`, `string.Template` and Jinja, in pieces."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Callable, Iterable, Iterator

from promptctl.adoption.expressions import dotted, is_loud
from promptctl.adoption.texts import Hole, NotCertain, Text, TextPart, formatted, holes, joined
from promptctl.templates import BadTemplate

_PERCENT = re.compile(
    r"%(?:\((?P<key>[^)]*)\))?(?P<flags>[#0\- +]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+))?[hlL]?(?P<kind>.)",
    re.DOTALL,
)
_FIELD = re.compile(r"(?P<first>[^.\[\]]*)(?P<rest>(?:\.[^.\[\]]+|\[[^\]]+\])*)\Z")
_STEP = re.compile(r"\.(?P<attribute>[^.\[\]]+)|\[(?P<key>[^\]]+)\]")
_ENVIRONMENTS = ("Environment", "SandboxedEnvironment", "ImmutableSandboxedEnvironment")
_CONVERSIONS = {None: -1, "s": 115, "r": 114, "a": 97}

# Makes the hole of a value and the code of its text.
MakeHole = Callable[[ast.expr, str], Hole]


def percent(template: str, right: ast.expr, hole: MakeHole) -> Text:
    """Return `template % right` in pieces. Raises `NotCertain`."""
    found = list(_PERCENT.finditer(template))
    fields = [each for each in found if each["kind"] != "%"]
    if any("*" in (each["width"] or "", each["precision"] or "") for each in fields):
        raise NotCertain("the width of a field of `%` is a value", right)
    named = [each for each in fields if each["key"] is not None]
    if named and len(named) != len(fields):
        raise NotCertain("fields of `%` with and without names are mixed", right)
    values = _by_name(named, right) if named else _by_place(fields, right)
    parts: list[TextPart] = []
    at = 0
    for each in found:
        parts.append(template[at : each.start()])
        at = each.end()
        if each["kind"] == "%":
            parts.append("%")
            continue
        value, is_whole = values.pop(0)
        parts.append(hole(value, _percent_code(each, value, is_whole=is_whole)))
    rest = template[at:]
    if "%" in rest:
        raise NotCertain("the text is no format of `%`", right)
    given = right.elts if isinstance(right, ast.Tuple) else right.values if isinstance(right, ast.Dict) else [right]
    return _evaluated_alike([*parts, rest], given, right)


def _by_place(fields: list[re.Match[str]], right: ast.expr) -> list[tuple[ast.expr, bool]]:
    if isinstance(right, ast.Tuple):
        if len(right.elts) != len(fields) or any(isinstance(each, ast.Starred) for each in right.elts):
            raise NotCertain("the values of `%` are not as many as its fields", right)
        return [(each, False) for each in right.elts]
    if len(fields) != 1:
        raise NotCertain("the values of `%` are one value, which is taken apart", right)
    return [(right, not isinstance(right, ast.JoinedStr | ast.Constant))]


def _by_name(fields: list[re.Match[str]], right: ast.expr) -> list[tuple[ast.expr, bool]]:
    if isinstance(right, ast.Dict) and all(isinstance(key, ast.Constant) for key in right.keys):
        names = [key.value for key in right.keys if isinstance(key, ast.Constant)]
        given = dict(zip(names, right.values, strict=True))
        if any(each["key"] not in given for each in fields) or len(given) != len(right.keys):
            raise NotCertain("a field of `%` has no value", right)
        return [(given[each["key"]], False) for each in fields]
    if not isinstance(right, ast.Name):
        raise NotCertain("the values of `%` are made by an expression", right)
    return [(_item(right, each["key"]), False) for each in fields]


def _percent_code(field: re.Match[str], value: ast.expr, *, is_whole: bool) -> str:
    code = ast.unparse(value)
    if is_whole:  # which may be a tuple
        return f"{_quoted(re.sub(r'^%[(][^)]*[)]', '%', field[0]))} % {_bracketed(value, code)}"
    is_simple = not (field["flags"] or field["width"] or field["precision"])
    if is_simple and field["kind"] in "sra":
        return formatted(value, _CONVERSIONS[field["kind"]])
    return f"{_quoted(re.sub(r'^%[(][^)]*[)]', '%', field[0]))} % ({code},)"


def braces(
    template: str,
    args: list[ast.expr],
    values: dict[str, ast.expr],
    whole: ast.expr | None,
    hole: MakeHole,
    node: ast.AST,
) -> Text:
    """Return `template.format(…)` in pieces; `whole` is the mapping of `**`. Raises `NotCertain`."""
    parts: list[TextPart] = []
    counted = 0
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as error:
        raise NotCertain(f"the text is no format: {error}", node) from None
    for text, field, spec, conversion in fields:
        parts.append(text)
        if field is None:
            continue
        if spec and ("{" in spec or "}" in spec):
            raise NotCertain("the form of a field of `format` is a value", node)
        found = _FIELD.match(field)
        if found is None or conversion not in _CONVERSIONS:
            raise NotCertain(f"the field `{field}` cannot be read", node)
        first = found["first"]
        if first == "":
            first, counted = str(counted), counted + 1
        value = _given(first, args, values, whole, node)
        for step in _STEP.finditer(found["rest"]):
            if step["attribute"]:
                if not step["attribute"].isidentifier():
                    raise NotCertain(f"the field `{field}` cannot be read", node)
                value = ast.Attribute(value, step["attribute"], ast.Load())
            else:
                value = _item(value, int(step["key"]) if step["key"].isdecimal() else step["key"])
        parts.append(hole(value, formatted(value, _CONVERSIONS[conversion], spec or "")))
    return _evaluated_alike(parts, [*args, *values.values()], node)


def _given(
    name: str, args: list[ast.expr], values: dict[str, ast.expr], whole: ast.expr | None, node: ast.AST
) -> ast.expr:
    if name.isdecimal():
        if int(name) < len(args):
            return args[int(name)]
        raise NotCertain(f"the field `{{{name}}}` has no value", node)
    if name in values:
        return values[name]
    if whole is None:
        raise NotCertain(f"the field `{{{name}}}` has no value", node, "a brace that is meant as one is written `{{`")
    return _item(whole, name)


def dollars(
    template: str, values: dict[str, ast.expr], whole: ast.expr | None, hole: MakeHole, node: ast.AST, *, is_safe: bool
) -> Text:
    """Return `Template(template).substitute(…)` in pieces. Raises `NotCertain`."""
    parts: list[TextPart] = []
    at = 0
    for found in string.Template.pattern.finditer(template):
        parts.append(template[at : found.start()])
        at = found.end()
        name = found["named"] or found["braced"]
        if found["escaped"] is not None:
            parts.append("$")
        elif name is not None and name in values:
            parts.append(hole(values[name], formatted(values[name], 115)))
        elif name is not None and whole is not None and not is_safe:
            parts.append(hole(_item(whole, name), formatted(_item(whole, name), 115)))
        elif is_safe and whole is None:
            parts.append(found[0])
        else:
            raise NotCertain(f"`{found[0]}` of the template has no value that is known", node)
    return _evaluated_alike([*parts, template[at:]], values.values(), node)


def is_plain_environment(made: ast.expr) -> bool:
    """Return True for an expression that makes an environment of Jinja with settings as `jinja2.Template` has them."""
    if not isinstance(made, ast.Call) or made.args:
        return False
    is_ours = (dotted(made.func) or "").rpartition(".")[2] in _ENVIRONMENTS
    return is_ours and {each.arg for each in made.keywords} <= {"loader", "undefined"}


def jinja(template: str, values: dict[str, ast.expr], hole: MakeHole, node: ast.AST) -> Text:
    """Return a Jinja template of plain variables in pieces, as `jinja2.Template` renders it. Raises `NotCertain`."""
    from promptctl.template_languages.jinja import pieces_of
    from promptctl.template_languages.pieces import TextPiece, VariablePiece

    text = template.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    try:
        pieces = pieces_of(text)
    except BadTemplate as error:
        raise NotCertain(f"its Jinja template cannot be read: {error}", node) from None
    parts: list[TextPart] = []
    for each in pieces:
        if isinstance(each, TextPiece):
            parts.append(each.text)
        elif isinstance(each, VariablePiece) and len(each.path) == 1 and not each.filters and each.path[0] in values:
            value = values[str(each.path[0])]
            parts.append(hole(value, formatted(value, 115)))
        else:
            raise NotCertain(
                "its Jinja template does more than to name what is given",
                node,
                "its text can be a prompt file as it is: promptctl new ID, and paste it",
            )
    return _evaluated_alike(parts, values.values(), node)


def _evaluated_alike(parts: list[TextPart], given: Iterable[ast.expr], node: ast.AST) -> Text:
    """Return the text of the parts. Raises `NotCertain` if its values are not evaluated as what is given was.

    Values that call nothing may stand there in any order, as long as it is between the same calls.
    """
    ordered = dict.fromkeys(each for each in given if not isinstance(each, ast.Name | ast.Constant))
    distinct = {hole.key: hole for hole in holes(parts)}.values()
    found = [part for hole in distinct for part in ast.walk(hole.value) if part in ordered]
    calls = [each for each in ordered if is_loud(each)]
    if [each for each in found if each in calls] != calls or not set(_placed(found)) <= set(_placed(ordered)):
        raise NotCertain("its values call code, and do not stand in the text once each in their order", node)
    return joined(parts)


def _placed(values: Iterable[ast.expr]) -> Iterator[tuple[ast.expr, int]]:
    """Yield each value with the number of those up to it that call code."""
    calls = 0
    for each in values:
        calls += is_loud(each)
        yield each, calls


def _item(value: ast.expr, key: str | int) -> ast.expr:
    is_locals = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "locals"
    if is_locals and isinstance(key, str) and key.isidentifier():
        return ast.Name(key, ast.Load())
    return ast.Subscript(value, ast.Constant(key), ast.Load())


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text and "\\" not in text else repr(text)


def _bracketed(value: ast.expr, code: str) -> str:
    return code if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else f"({code})"
