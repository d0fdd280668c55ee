"""Our templates as Nunjucks: the words that differ are put in place, and what it cannot say is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from jinja2 import nodes

from promptctl.template_languages.nunjucks import TemplateFinding
from promptctl.templates import BadTemplate
from promptctl.templates.environment import PromptEnvironment

_RENAMED = {"tojson": "dump", "count": "length"}
_FILTERS = frozenset(
    ("abs", "batch", "capitalize", "center", "default", "d", "dictsort", "escape", "e", "first", "float", "indent",
     "int", "join", "last", "length", "list", "lower", "reject", "replace", "reverse", "round", "safe", "select",
     "slice", "sort", "string", "sum", "title", "trim", "upper", "urlencode", "wordcount", *_RENAMED)
)  # fmt: skip
_TESTS = frozenset(
    ("defined", "undefined", "none", "number", "string", "odd", "even", "divisibleby", "lower", "upper", "mapping",
     "iterable", "sameas", "eq", "equalto", "ne", "gt", "greaterthan", "ge", "lt", "lessthan", "le")
)  # fmt: skip
_KINDS: tuple[tuple[type[nodes.Node], str], ...] = (
    (nodes.Slice, "a slice"),
    (nodes.With, "a `with` block"),
    (nodes.Include, "an include"),
    (nodes.Tuple, "a tuple"),
    (nodes.Import, "an import"),
    (nodes.FromImport, "an import"),
    (nodes.Extends, "a template that it extends"),
)


def nunjucks_of_jinja(text: str, lists: Collection[str] = ()) -> tuple[str, list[TemplateFinding]]:
    """Return a template as Nunjucks, and what of it means something else there or cannot be said.

    `lists` names the inputs that may be lists or mappings, which Nunjucks neither prints nor tests as Jinja does.

    >>> nunjucks_of_jinja("{% for k, v in x.items() %}{{ v | tojson }}{% endfor %}")
    ('{% for k, v in x %}{{ v | dump }}{% endfor %}', [])
    """
    try:
        tree = PromptEnvironment().parse_text(text)
    except BadTemplate as error:
        return text, [TemplateFinding(error.message, error.line or 1)]
    return _in_nunjucks(text), list(_losses(tree, lists))


def _in_nunjucks(text: str) -> str:
    """Return a template with the words of its code that Nunjucks calls differently."""
    written: list[str] = []
    tag: list[int] = []
    for _, kind, word in PromptEnvironment().lex(text):
        if kind == "block_end":
            _leave_out_items(written, tag)
        is_filter = kind == "name" and tag and written[tag[-1]] == "|"
        written.append(_RENAMED.get(word, word) if is_filter else word)
        if kind.endswith("_begin"):
            tag = []
        elif kind != "whitespace":
            tag.append(len(written) - 1)
    return "".join(written)


def _leave_out_items(written: list[str], tag: Sequence[int]) -> None:
    """Take `.items()` from a loop over a mapping, of which Nunjucks takes keys and values by itself."""
    words = [written[index] for index in tag]
    if words[:1] == ["for"] and "," in words:
        taken = 4 if words[-4:] == [".", "items", "(", ")"] else 2 if words[-2:] == ["|", "items"] else 0
        for index in tag[len(tag) - taken :]:
            written[index] = ""


def _losses(tree: nodes.Template, lists: Collection[str]) -> Iterator[TemplateFinding]:
    loops = {id(each.iter) for each in tree.find_all(nodes.For) if isinstance(each.target, nodes.Tuple)}
    targets = {id(each.target) for each in tree.find_all(nodes.For)}
    for kind, words in _KINDS:
        for node in tree.find_all(kind):
            if id(node) not in targets:
                yield TemplateFinding(f"has {words}, which Nunjucks does not know", node.lineno)
    yield from _of_filters(tree, loops)
    for call in tree.find_all(nodes.Call):
        if (why := _why_no_call(call, loops)) is not None:
            yield TemplateFinding(why, call.lineno)
    for loop in tree.find_all(nodes.For):
        if loop.test is not None or loop.recursive:
            yield TemplateFinding("has a loop that filters or recurses, which Nunjucks does not know", loop.lineno)
    for compared in tree.find_all(nodes.Compare):
        if len(compared.ops) > 1:
            yield TemplateFinding("compares more than two values at once", compared.lineno)
    yield from _of_lists(tree, lists)


def _of_filters(tree: nodes.Template, loops: Collection[int]) -> Iterator[TemplateFinding]:
    for each in tree.find_all(nodes.Filter):
        is_items = each.name == "items" and id(each) in loops
        if not is_items and each.name not in _FILTERS:
            yield TemplateFinding(f"has the filter `{each.name}`, which Nunjucks does not know", each.lineno)
        if each.kwargs:
            yield TemplateFinding(f"names an argument of the filter `{each.name}`", each.lineno)
    for test in tree.find_all(nodes.Test):
        if test.name not in _TESTS:
            yield TemplateFinding(f"has the test `{test.name}`, which Nunjucks does not know", test.lineno)


def _why_no_call(call: nodes.Call, loops: Collection[int]) -> str | None:
    if isinstance(call.node, nodes.Name):
        is_ours = call.node.name in ("namespace", "dict", "lipsum")
        return f"calls `{call.node.name}()`, which Nunjucks does not know" if is_ours else None
    if id(call) in loops and isinstance(call.node, nodes.Getattr) and call.node.attr == "items":
        return None
    return "calls a method, which JavaScript has under a different name, if at all"


def _of_lists(tree: nodes.Template, lists: Collection[str]) -> Iterator[TemplateFinding]:
    """Yield the places where lists and mappings are printed, or tested for being there; what is looped over is one."""
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.Name) and node.name in lists:
                words = f"prints `{node.name}`, which may be a list or a mapping: Nunjucks prints those differently"
                yield TemplateFinding(words, node.lineno)
    lists = {*lists, *(each.iter.name for each in tree.find_all(nodes.For) if isinstance(each.iter, nodes.Name))}
    conditions: list[nodes.If | nodes.CondExpr] = [*tree.find_all(nodes.If), *tree.find_all(nodes.CondExpr)]
    for condition in conditions:
        for name in _bare_names(condition.test):
            if name in lists:
                words = f"asks if `{name}` is true: an empty list or mapping is true in Nunjucks"
                yield TemplateFinding(words, condition.lineno)


def _bare_names(test: nodes.Node) -> Iterator[str]:
    if isinstance(test, nodes.And | nodes.Or):
        yield from (*_bare_names(test.left), *_bare_names(test.right))
    elif isinstance(test, nodes.Not):
        yield from _bare_names(test.node)
    elif isinstance(test, nodes.Name):
        yield test.name
