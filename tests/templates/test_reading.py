from __future__ import annotations

import re
import subprocess
import sys

import pytest

from promptctl.templates import BadTemplate
from promptctl.templates.reading import check_syntax, includes, split_markup


def test_includes_come_in_reading_order_with_their_lines() -> None:
    text = '{% include "b.j2" %}\n\n{%- if x %}{% include \'./a.j2\' %}{% endif %}\n{% include "b.j2" %}'
    assert includes(text) == [("b.j2", 1), ("./a.j2", 3), ("b.j2", 4)]


def test_an_include_that_is_text_or_a_comment_is_none() -> None:
    assert includes('{% raw %}{% include "a.j2" %}{% endraw %}{# {% include "b.j2" %} #}') == []


@pytest.mark.parametrize(
    "text",
    [
        "{% include name %}",
        '{% include "a" ~ "b" %}',
        '{% include ["a.j2", "b.j2"] %}',
        '{% include "a.j2" ignore missing %}',
        '{% include "a.j2" without context %}',
        '{% extends "a.j2" %}',
        '{% import "a.j2" as a %}',
        '{% from "a.j2" import b %}',
        "{% block a %}{% endblock %}",
    ],
)
def test_what_a_prompt_consists_of_must_be_known_without_running_it(text: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        includes("one\n" + text)
    assert caught.value.line == 2
    found = check_syntax("one\n" + text)
    assert found is not None
    assert found[1] == 2


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a\n{{ name", "unexpected end of template", 2),
        ("a\n\n{% if x %}\n\nb", "`{% if … %}` is never closed", 3),
        ("{% for a in b %}\n{% if a %}{% endif %}\n", "`{% for … %}` is never closed", 1),
        ("{% if a %}\n{% if b %}\n{% endif %}\n", "`{% if … %}` is never closed", 1),
        ("{% set a = 1 %}\n{% set b %}\n", "`{% set … %}` is never closed", 2),
        ("{% endif %}", "`{% endif %}` closes nothing", 1),
        ("{% if a %}{% endfor %}", "`{% endfor %}` stands where `{% endif %}` belongs", 1),
        ("{% else %}", "`{% else %}` belongs to no `if` here", 1),
        ("{% foo %}", "there is no tag `foo`", 1),
        ("{{ x y }}", "`y` is one thing too many here", 1),
        ("{{ }}", "there is nothing between `{{` and `}}`", 1),
        ("{{ 'a }}", "a quote (`'`) is never closed", 1),
        ("{{ x }", "`}` is not expected here", 1),
        ("{{ x | uper }}", "no filter `uper`; did you mean `upper`", 1),
        ("{{ x is defind }}", "no test `defind`; did you mean `defined`", 1),
        ("{{ x | random }}", "must be the same each time", 1),
        ("{% autoescape true %}{% endautoescape %}", "no autoescape", 1),
        ("{{ 1e999 }}", "too large", 1),
        ("\n{{ 0x" + "f" * 5000 + " }}", "more than a thousand digits", 2),
        ("{{ " + "9" * 6000 + " }}", "too long", 1),
        ("{{ dict(a=1, a=2) }}", "keyword argument repeated", 1),
        ('{"a": {{"b": 1}}}', "`:` is one thing too many here", 1),
        ("${#list[@]}", "comment", 1),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, words: str, line: int) -> None:
    found = check_syntax(text)
    assert found is not None
    message, at, hint = found
    assert hint
    assert words.replace("'", "`") in message.replace("'", "`")
    assert at == line


@pytest.mark.parametrize(
    "text", ["", "no template", "{ x }", "{{ x }}", "{% if x is none %}{{ x | tojson(indent=2) }}{% endif %}"]
)
def test_a_sound_template_has_no_fault(text: str) -> None:
    assert check_syntax(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}",
        "{{ " + "+".join(["a"] * 3000) + " }}",
        "{{ a" + "|upper" * 3000 + " }}",
        "{{ a" + ".b" * 3000 + " }}",
        "{% if a %}" * 1000 + "{% endif %}" * 1000,
        "{% for a in b %}" * 30 + "{% endfor %}" * 30,
        "{{ a }}" * 100_000,
        "{% set " + "a" * 5000 + " = 1 %}",
        "{% include 'a.j2' %}" * 1000,
        "".join(f"{{% set v{n} = 1 %}}" for n in range(2000)) + "{% include 'a.j2' %}" * 30,
        "{{ [" * 3000,
        "{% raw %}" + "{% " * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_template_that_would_take_long_to_compile_is_refused(text: str) -> None:
    assert check_syntax(text) is not None


@pytest.mark.parametrize(
    "text",
    ["", "a", "a {{ b }} c", "{{ a }}{% b %}{# c #}", "{{{ a }}}", "{{ a {% b %} }}", "{% a }} %}", "{{ a",
     "{# {{ #} a }}",
     "{{}}{%%}{##}", "{{ a\nb }}\n{", "{{ {{ a }} }} {% {% %}"],
)  # fmt: skip
def test_markup_is_what_stands_between_braces(text: str) -> None:
    assert split_markup(text) == re.split(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", text, flags=re.DOTALL)
    assert split_markup(text, "{") == re.split(r"(\{\{.*?\}\})", text, flags=re.DOTALL)


@pytest.mark.parametrize("opening", ["{{ ", "{% ", "{#", "{", "{{ {% {# "])
def test_markup_that_never_ends_is_looked_for_once(opening: str) -> None:
    assert split_markup(opening * 100_000) == [opening * 100_000]


@pytest.mark.untraced
def test_text_without_templates_loads_no_template_engine() -> None:
    code = """
import sys
from promptctl.prompts import rendering
from promptctl.templates import reading as templates, uses
assert templates.includes("hello {% if x %}") == [] and uses.variables("hello") == set()
assert templates.check_syntax("hello {") is None
print([name for name in ("jinja2", "jsonschema", "re2", "asyncio", "sqlite3") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
