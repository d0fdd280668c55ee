"""Filters in a template's expressions: what they do with a value and with the attributes of its items."""

from __future__ import annotations

from jinja2 import nodes

from promptctl.templates.conditions import tested
from promptctl.templates.events import ITEM, VALUE, Act, Origin
from promptctl.templates.origins import NO_LITERAL, TEXT, Reader, argument, filled, literal, steps, where_defined

# What each does with the value, and the type of what it makes of it.
_FILTERS: dict[str, tuple[Act, str]] = {
    **dict.fromkeys(("capitalize", "indent", "lower", "replace", "title", "trim", "truncate"), ("text", "text")),
    **dict.fromkeys(("upper", "urlencode", "wordwrap"), ("text", "text")),
    **dict.fromkeys(("center", "e", "escape", "format", "string"), ("print", "text")),
    "wordcount": ("text", "integer"),
    **dict.fromkeys(("abs", "round"), ("number", "number")),
    "int": ("print", "integer"),
    "float": ("print", "number"),
    **dict.fromkeys(("count", "length"), ("sized", "integer")),
    "tojson": ("needed", "text"),
    "join": ("list", "text"),
    "sum": ("list", "number"),
}
# What each does with the attribute of the items that it is given, and the place of it among the arguments.
_BY_ATTRIBUTE: dict[str, tuple[Act, int]] = {
    "groupby": ("value", 0),
    "join": ("print", 1),
    "max": ("ordered", 1),
    "min": ("ordered", 1),
    "sort": ("value", 2),
    "sum": ("number", 0),
    "unique": ("value", 1),
}


def filtered(reader: Reader, node: nodes.Filter, name: str, value: Origin) -> Origin:
    """Return the origin of what the filter of that name makes of a value; add what it does."""
    line = node.lineno
    if name in ("default", "d"):
        default = argument(node, 0, "default_value")
        if literal(argument(node, 1, "boolean")) is True:
            reader.use(where_defined(value), "truth", line)
        return filled(reader, value, "" if default is None else literal(default), line)
    if name == "safe":
        return value
    if name in ("first", "last"):
        reader.use(value, "sized", line)
        return value.at(ITEM)
    if name == "attr":
        return steps(value, literal(argument(node, 0, "name")))
    if name in ("items", "dictsort"):
        reader.use(value, "mapping", line)
        return Origin(items=Origin(parts=(TEXT, value.at(VALUE))))
    if name in _FILTERS:
        act, made = _FILTERS[name]
        reader.use(value, act, line)
        if act == "list":
            _attribute(reader, node, name, value.at(ITEM))
        return Origin(sources=value.sources if made == "text" else (), type=made, holds=value.holds)
    return _of_list(reader, node, name, value)


def _of_list(reader: Reader, node: nodes.Filter, name: str, value: Origin) -> Origin:
    item = value.at(ITEM)
    reader.use(value, "sized" if name in ("list", "reverse") else "list", node.lineno)
    if name == "map":
        return Origin(items=_mapped(reader, node, item), holds=value.holds)
    if name in ("selectattr", "rejectattr"):
        _chosen(reader, steps(item, literal(argument(node, 0, "attribute"))), node, 1)
    elif name in ("select", "reject"):
        _chosen(reader, item, node, 0)
    elif name in _BY_ATTRIBUTE:
        _attribute(reader, node, name, item)
    if name in ("max", "min"):
        return item
    items = Origin(items=item, sources=value.sources, holds=value.holds)
    if name == "groupby":
        return Origin(items=Origin(parts=(steps(item, literal(argument(node, 0, "attribute"))), items)))
    return Origin(items=items, sources=value.sources) if name in ("batch", "slice") else items


def _attribute(reader: Reader, node: nodes.Filter, name: str, item: Origin) -> None:
    act, place = _BY_ATTRIBUTE[name]
    key = literal(argument(node, place, "attribute"))
    if isinstance(key, str):
        for each in key.split(","):
            reader.use(steps(item, each), act, node.lineno)
    elif act != "value":
        reader.use(item, act, node.lineno)


def _mapped(reader: Reader, node: nodes.Filter, item: Origin) -> Origin:
    key = literal(argument(node, None, "attribute"))
    if isinstance(key, str):
        entry, default = steps(item, key), literal(argument(node, None, "default"))
        return entry if default is NO_LITERAL else filled(reader, entry, default, node.lineno)
    name = literal(argument(node, 0, "name"))
    if not isinstance(name, str):
        return Origin(sources=item.sources)
    inner = nodes.Filter(None, name, node.args[1:], node.kwargs, None, None, lineno=node.lineno)
    return filtered(reader, inner, name, item)


def _chosen(reader: Reader, item: Origin, node: nodes.Filter, place: int) -> None:
    """Add what choosing items by a test does: `selectattr("ok")`, `select("equalto", "a")`."""
    name = literal(node.args[place]) if len(node.args) > place else NO_LITERAL
    if isinstance(name, str):
        tested(reader, name, item, node.args[place + 1 :], node.lineno)
    else:
        reader.use(item, "truth", node.lineno)
