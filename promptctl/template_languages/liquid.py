"""Liquid, as far as Jinja can say it: values, `if`, `unless`, `case`, `for`, comments, a few filters.

Two rules differ, and whoever reads a template says so: in Liquid only `nil` and `false` are not true, and a variable
that is not there prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from promptctl.template_languages.jinja import constant_text
from promptctl.templates import BadTemplate

# A tag ends before the next one begins, so that a file of openings alone is read once.
_TOKEN = re.compile(r"\{\{-?((?:(?!\{\{|\{%|-?\}\}).)*)-?\}\}|\{%-?((?:(?!\{%|-?%\}).)*)-?%\}", re.DOTALL)
_PATH = r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[(?:\d+|\"[^\"\n]*\"|'[^'\n]*')\])*"
_CONSTANT = r"\"[^\"\n]*\"|'[^'\n]*'|-?\d+(?:\.\d+)?|true|false|nil|null|empty|blank"
_TEST = re.compile(
    rf"\s*({_PATH}|{_CONSTANT})(?:\s*(==|!=|<>|<=|>=|<|>|contains\b)\s*({_PATH}|{_CONSTANT}))?\s*", re.ASCII
)
_JOIN = re.compile(r"(and|or)\b")
_FOR = re.compile(rf"\s*for\s+([A-Za-z_]\w*)\s+in\s+({_PATH})\s*", re.ASCII)
_PRINTED = re.compile(rf"\s*({_PATH}|{_CONSTANT})\s*((?:\|[^|]*)*)", re.ASCII)
_LOOPS = ("index", "index0", "first", "last", "length")
# Filters of both, by their names here; each may have constants behind its colon.
_FILTERS = {
    "default": "default", "upcase": "upper", "downcase": "lower", "capitalize": "capitalize", "strip": "trim",
    "join": "join", "size": "length", "first": "first", "last": "last", "replace": "replace", "round": "round",
}  # fmt: skip
_OF_TAGS = {"endfor": "endfor", "endif": "endif", "else": "else", "endunless": "endif", "endcase": "endif"}


def liquid_to_jinja(text: str) -> str:
    """Return a Liquid template as Jinja. Raises `BadTemplate` for a tag or filter that has no counterpart.

    >>> liquid_to_jinja("{% unless a.b == 'c' %}{{ x | upcase }}{% endunless %}")
    '{% if not (a.b == "c") %}{{ x | upper }}{% endif %}'
    """
    return "".join(_written(text))


def _written(text: str) -> Iterator[str]:
    at, line, skipped, cases = 0, 1, "", list[tuple[str, bool]]()
    for found in _TOKEN.finditer(text):
        between = text[at : found.start()]
        line += text.count("\n", at, found.start())
        at = found.end()
        if skipped:
            if (found[2] or "").strip() == f"end{skipped}":
                if skipped == "raw":
                    yield between + "{% endraw %}"
                skipped = ""
            elif skipped == "raw":
                yield between + found[0]
            continue
        if cases and not cases[-1][1] and between.strip():
            raise BadTemplate("text stands between `case` and its first `when`", line)
        yield "" if cases and not cases[-1][1] else constant_text(between)
        opening = "-" if found[0][2] == "-" else ""
        closing = "-" if found[0][-3] == "-" else ""
        if found[1] is not None:
            yield f"{{{{{opening} {_printed(found[1], line)} {closing}}}}}"
        else:
            word = found[2].strip()
            skipped = word if word in ("comment", "raw") else ""
            if skipped:
                yield "{% raw %}" if skipped == "raw" else ""
            else:
                tag = _tag(found[2], line, cases)
                yield f"{{%{opening} {tag} {closing}%}}" if tag else ""
        line += found[0].count("\n")
    if skipped:
        raise BadTemplate(f"`{{% {skipped} %}}` is never closed", line, hint=f"add `{{% end{skipped} %}}`")
    yield constant_text(text[at:])


def _tag(tag: str, line: int, cases: list[tuple[str, bool]]) -> str:
    word = (tag.split() or [""])[0]
    rest = tag.strip()[len(word) :]
    if word in ("if", "elsif"):
        return f"{'elif' if word == 'elsif' else 'if'} {_condition(rest, line)}"
    if word == "unless":
        return f"if not ({_condition(rest, line)})"
    if word == "case":
        cases.append((_operand(rest.strip(), line), False))
        return ""
    if word == "when" and cases:
        subject, has_begun = cases[-1]
        cases[-1] = subject, True
        wanted = [_operand(each.strip(), line) for each in re.split(r",|\bor\b", rest)]
        return f"{'elif' if has_begun else 'if'} " + " or ".join(f"{subject} == {each}" for each in wanted)
    if word == "endcase" and cases:
        _, has_begun = cases.pop()
        if not has_begun:
            raise BadTemplate("a `case` without any `when`", line)
        return "endif"
    if found := _FOR.fullmatch(tag):
        return f"for {found[1]} in {_path(found[2])}"
    if word in _OF_TAGS and not rest.strip():
        return _OF_TAGS[word]
    raise BadTemplate(f"`{{% {tag.strip()} %}}` has no counterpart in Jinja", line, hint="write it by hand")


def _condition(text: str, line: int) -> str:
    """Return a condition; Liquid reads `and` and `or` from right to left, which brackets say here."""
    found = _TEST.match(text)
    if found is None or not text.strip():
        raise BadTemplate(f"`{text.strip()}` is no condition of Liquid", line)
    left, operator, right = found.groups()
    test = _operand(left, line)
    if operator == "contains":
        test = f"{_operand(right, line)} in {test}"
    elif operator and right in ("empty", "blank"):
        test = f"{test} | length {'==' if operator == '==' else '!='} 0"
    elif operator:
        test = f"{test} {'!=' if operator == '<>' else operator} {_operand(right, line)}"
    rest = text[found.end() :]
    if not rest:
        return test
    join = _JOIN.match(rest)
    if join is None:
        raise BadTemplate(f"`{text.strip()}` is no condition of Liquid", line)
    after = _condition(rest[join.end() :], line)
    return f"{test} {join[1]} {f'({after})' if ' and ' in after or ' or ' in after else after}"


def _printed(text: str, line: int) -> str:
    found = _PRINTED.fullmatch(text)
    if found is None:
        raise BadTemplate(f"`{{{{{text}}}}}` has no counterpart in Jinja", line, hint="write it by hand")
    parts = [_operand(found[1], line)]
    for each in found[2].split("|")[1:]:
        name, _, arguments = each.strip().partition(":")
        if name.strip() not in _FILTERS:
            raise BadTemplate(f"the filter `{name.strip()}` has no counterpart in Jinja", line, hint="write it by hand")
        given = [_operand(argument.strip(), line) for argument in arguments.split(",") if argument.strip()]
        parts.append(_FILTERS[name.strip()] + (f"({', '.join(given)})" if given else ""))
    return " | ".join(parts)


def _operand(text: str, line: int) -> str:
    if re.fullmatch(_CONSTANT, text):
        if text in ("nil", "null", "empty", "blank"):
            return "none" if text in ("nil", "null") else '""'
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if re.fullmatch(_PATH, text, re.ASCII):
        return _path(text)
    raise BadTemplate(f"`{text}` has no counterpart in Jinja", line, hint="write it by hand")


def _path(text: str) -> str:
    """Return a variable with its keys, those that are no names in brackets; `forloop` is Jinja's `loop`."""
    parts: list[str] = re.findall(r"[\w-]+|\[[^\]]*\]", text)
    root, *keys = parts
    if root == "forloop" and keys and keys[0] in _LOOPS:
        return f"loop.{keys[0]}"
    written = (
        key if key[0] == "[" else f".{key}" if "-" not in key and not key[0].isdigit() else f'["{key}"]' for key in keys
    )
    return root + "".join(written)
