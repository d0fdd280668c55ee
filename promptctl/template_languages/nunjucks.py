"""Nunjucks, which is Jinja for JavaScript: read as our own templates, with all that means something else told.

The two share their markup, so a template stays as it is written but for the words in its code that differ. What only
JavaScript has (methods, custom filters, `env`) is refused by name; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from jinja2 import nodes

from promptctl.templates import BadTemplate
from promptctl.templates.environment import PromptEnvironment
from promptctl.templates.filters import FILTERS

_OPENING = re.compile(r"\{[{%#]")
_CODE = r"""(?s)(?:"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|(?!{0})[^"'])*+{0}"""
# What follows an opening up to its end; quotes hold what is in them.
_ENDING = {
    "{{": re.compile(_CODE.replace("{0}", "}}")),
    "{%": re.compile(_CODE.replace("{0}", "%}")),
    "{#": re.compile(r"(?s).*?#\}"),
}
_RAW = re.compile(r"\{%-?\s*(raw|verbatim)\s*-?%\}")
_TOKEN = re.compile(
    r"""\s+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_$][\w$]*|\d[\d.]*|[=!]==?|[<>]=?|//|\*\*|.""", re.S
)
_LOOP = re.compile(r"\bloop\s*\Z")
_NAME = re.compile(r"[A-Za-z_$][\w$]*\Z")
_TAGS = {"elseif": "elif", "verbatim": "raw", "endverbatim": "endraw"}
_KNOWN_TAGS = frozenset(
    ("if", "elif", "elseif", "else", "endif", "for", "endfor", "set", "endset", "macro", "endmacro", "call", "endcall",
     "filter", "endfilter", "raw", "endraw", "verbatim", "endverbatim")
)  # fmt: skip
_FILTERS = {"dump": "tojson", "d": "default", "e": "escape"}
# Methods of JavaScript's texts and lists that a filter of Jinja does the same as.
_METHODS = {"toUpperCase": "upper", "toLowerCase": "lower", "trim": "trim", "join": "join"}
_WITHOUT_ARGUMENTS = ("toUpperCase", "toLowerCase", "trim")
_OTHERWISE = ("groupby", "random", "load", "nl2br", "striptags", "urlize", "forceescape")


@dataclass(frozen=True, slots=True)
class TemplateFinding:
    """Something about a template, and its line in it."""

    message: str
    line: int


@dataclass(frozen=True, slots=True)
class FromNunjucks:
    """A template for Jinja, what was changed in it, and what makes it impossible (then `text` is as it was)."""

    text: str
    changes: tuple[TemplateFinding, ...] = ()
    problems: tuple[TemplateFinding, ...] = ()


def jinja_of_nunjucks(text: str, names: Mapping[str, str] = MappingProxyType({})) -> FromNunjucks:
    """Return a Nunjucks template as one of Jinja; `names` says which variables are called something else there.

    >>> jinja_of_nunjucks("{% if a === null %}{{ b | dump }}{% endif %}").text
    '{% if a == none %}{{ b | tojson }}{% endif %}'
    """
    if not _OPENING.search(text):
        return FromNunjucks(text)
    return _translated(text, tuple(names.items()))


@lru_cache(maxsize=1024)
def _translated(text: str, names: tuple[tuple[str, str], ...]) -> FromNunjucks:
    translation = _Translation(text, dict(names))
    written = translation.written()
    if translation.problems:
        return FromNunjucks(text, (), tuple(translation.problems))
    try:
        tree = PromptEnvironment().parse_text(written)
    except BadTemplate as error:
        return FromNunjucks(text, (), (TemplateFinding(error.message, error.line or 1),))
    changes = [*translation.changes, *_differences(tree)]
    return FromNunjucks(written, tuple(sorted(changes, key=lambda each: each.line)))


class _Translation:
    """Rewrites the code within a template's markup."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._text = text
        self._names = names
        self._line = 1
        self.changes: list[TemplateFinding] = []
        self.problems: list[TemplateFinding] = []

    def written(self) -> str:
        """Return the template with the code within its markup translated."""
        text, pieces, end = self._text, [], 0
        while found := _OPENING.search(text, end):
            start = found.start()
            raw = _RAW.match(text, start)
            if raw:
                closing = re.compile(rf"\{{%-?\s*end{raw[1]}\s*-?%\}}").search(text, raw.end())
            else:
                closing = _ENDING[found[0]].match(text, found.end())
            self._line += text.count("\n", end, start)
            if closing is None:
                self._refuse(f"`{found[0]}` is never closed by `{found[0][1].replace('{', '}')}}}`")
                break
            stop = closing.end()
            pieces.append(text[end:start])
            pieces.append(self._markup(text[start:stop], found[0], is_raw=raw is not None))
            self._line += text.count("\n", start, stop)
            end = stop
        return "".join((*pieces, text[end:]))

    def _markup(self, code: str, opening: str, *, is_raw: bool) -> str:
        if is_raw:
            return code.replace("verbatim", "raw") if _RAW.match(code)[1] == "verbatim" else code  # type: ignore[index]
        if opening == "{#":
            return code
        head = 3 if code[2:3] in ("-", "+") else 2
        tail = 3 if code[-3:-2] == "-" else 2
        inner = code[head : len(code) - tail]
        tokens = _TOKEN.findall(inner)
        return code[:head] + "".join(self._code(tokens, is_tag=opening == "{%")) + code[len(code) - tail :]

    def _refuse(self, message: str) -> None:
        self.problems.append(TemplateFinding(message, self._line))

    def _code(self, tokens: list[str], *, is_tag: bool) -> Iterator[str]:
        """Yield the words of one piece of code in Jinja."""
        words = [index for index, word in enumerate(tokens) if not word.isspace()]
        if is_tag and words:
            tag = tokens[words[0]]
            if tag not in _KNOWN_TAGS:
                self._refuse(f"`{{% {tag} %}}` {_why_no_tag(tag)}")
                return
            if tag == "for":
                self._loop(tokens, words)
        skipped: set[int] = set()
        for position, index in enumerate(words):
            if is_tag and position == 0:
                tokens[index] = _TAGS.get(tokens[index], tokens[index])
                continue
            self._token(tokens, words[max(position - 1, 0) : position + 3], position > 0, skipped)
        yield from (word for index, word in enumerate(tokens) if index not in skipped)

    def _token(self, tokens: list[str], near: Sequence[int], has_before: bool, skipped: set[int]) -> None:
        """Translate one word of code; `near` are the positions of the one before it, its own, and of two behind it."""
        index, rest = near[has_before], near[has_before + 1 :]
        word, before = tokens[index], tokens[near[0]] if has_before else ""
        after = [tokens[each] for each in rest]
        if word in ("===", "!=="):
            tokens[index] = word[:2]
        elif not _NAME.match(word):
            if word in ("&", "`", "$", "?", ";", "=>") or (word == "|" and before == "|"):
                self._refuse(f"`{word}` is JavaScript")
        elif before == ".":
            self._attribute(tokens, near[0], index, rest, skipped)
        elif before == "|":
            self._filter(tokens, index)
        elif word in ("null", "undefined") and before not in ("is", "not"):
            if word == "undefined":
                self._refuse("`undefined` is JavaScript's: test with `is defined`")
            tokens[index] = "none"
        elif word == "env" and after[:1] in (["."], ["["]):
            self._refuse("`env` reads the environment, which no prompt may")
        elif word in ("cycler", "joiner") and after[:1] == ["("]:
            self._refuse(f"`{word}()` is not known here")
        elif word in self._names and before != "is":
            tokens[index] = self._names[word]
        elif "$" in word:
            self._refuse(f"the name `{word}` has a `$`")

    def _attribute(self, tokens: list[str], dot: int, index: int, rest: Sequence[int], skipped: set[int]) -> None:
        name, after = tokens[index], [tokens[each] for each in rest]
        is_call = after[:1] == ["("]
        if _LOOP.search("".join(tokens[max(dot - 2, 0) : dot])):
            return
        if name == "length" and not is_call:
            tokens[dot], tokens[index] = " | ", "length"
            self._change("`.length` is the filter `length`")
        elif is_call and name in _METHODS:
            if name in _WITHOUT_ARGUMENTS:
                if after[1:2] != [")"]:
                    self._refuse(f"`.{name}()` takes nothing")
                    return
                skipped.update(rest[:2])
            tokens[dot], tokens[index] = " | ", _METHODS[name]
            self._change(f"`.{name}()` is the filter `{_METHODS[name]}`")
        elif is_call:
            self._refuse(f"`.{name}()` is a method of JavaScript")

    def _filter(self, tokens: list[str], index: int) -> None:
        name = tokens[index]
        tokens[index] = _FILTERS.get(name, name)
        if name in _OTHERWISE:
            self._refuse(f"the filter `{name}` does something else here, or is not there")
        elif tokens[index] not in FILTERS:
            self._refuse(f"the filter `{name}` is none of Nunjucks' own: it is code of that project")
        elif name == "dump":
            self._change("the filter `dump` is `tojson`, which writes a blank after `:` and `,`")

    def _loop(self, tokens: list[str], words: Sequence[int]) -> None:
        """Make `for key, value in mapping` go over its items."""
        code = [tokens[each] for each in words]
        if "in" in code and "," in code[: code.index("in")]:
            if code[: code.index("in")].count(",") > 1:
                self._refuse("a loop with more than two names")
                return
            tokens[words[-1]] += " | items"
            self._change("the loop goes over a mapping's items, no longer over lists of two")

    def _change(self, message: str) -> None:
        self.changes.append(TemplateFinding(message, self._line))


def _why_no_tag(tag: str) -> str:
    if tag in ("include", "import", "from", "extends", "block", "endblock"):
        return "reads a different template, which promptfoo does not find either"
    if tag in ("switch", "case", "default", "endswitch"):
        return "is Nunjucks' own: write it with `if` and `elif`"
    if tag.lower().startswith(("async", "ifasync")):
        return "is JavaScript's"
    return "is no block of Nunjucks"


def _differences(tree: nodes.Template) -> Iterator[TemplateFinding]:
    """Yield what means something else here although it is written alike, each once."""
    conditions: list[nodes.If | nodes.CondExpr] = [*tree.find_all(nodes.If), *tree.find_all(nodes.CondExpr)]
    bare = [each.lineno for each in conditions if _is_bare(each.test)]
    if bare:
        yield TemplateFinding("in conditions an empty list or mapping is false; in Nunjucks it is true", min(bare))
    sums = [each.lineno for each in tree.find_all(nodes.Add)]
    if sums:
        yield TemplateFinding("`+` adds numbers or joins texts, never one to the other: `~` joins anything", min(sums))


def _is_bare(test: nodes.Node) -> bool:
    """Return True for a condition that asks of a variable only whether it is true."""
    if isinstance(test, nodes.And | nodes.Or):
        return _is_bare(test.left) or _is_bare(test.right)
    return _is_bare(test.node) if isinstance(test, nodes.Not) else isinstance(test, nodes.Name | nodes.Getattr)
