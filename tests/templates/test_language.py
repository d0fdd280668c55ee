# ruff: noqa: E501 (a template is easier to read on one line)
"""What templates can do: the same as in Jinja, wherever Jinja does what a prompt needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest

from promptctl.errors import RenderError
from promptctl.templates.filters import FILTERS, REFUSED, TESTS
from tests.prompts.conftest import MakePrompt, render

INPUTS: dict[str, Any] = {
    "name": "ada Lovelace",
    "text": "one two\n  three <four> & 'five'\n",
    "numbers": [3, 1, 2, 3],
    "people": [
        {"name": "Bo", "age": 30, "city": {"id": 2}},
        {"name": "al", "age": 25, "city": {"id": 1}},
        {"name": "Cy", "age": 30, "city": {"id": 2}},
    ],
    "prices": {"tea": 2.5, "Cake": 4, "bun": 1},
    "tree": [{"v": "a", "c": [{"v": "b", "c": []}]}, {"v": "d", "c": []}],
    "empty": [],
}

# Templates that print text and whole numbers alone, in which ours and Jinja's own are to agree to the letter.
SAME = [
    "{{ name | upper }} {{ name | lower }} {{ name | title }} {{ name | capitalize }} {{ 'mc-donald (x)' | title }}",
    "{{ text | trim }}|{{ 'xxaxx' | trim('x') }}|{{ text | length }}|{{ text | wordcount }}",
    "{{ text | replace('o', '0') }}|{{ text | replace('o', '0', 1) }}|{{ 'aa' | replace('', '-') }}",
    "{{ text | indent }}|{{ text | indent(2, first=true) }}|{{ text | indent(2, true, true) }}|{{ text | indent('> ') }}",
    "{{ name | center(20) }}|{{ name.center(21, '*') }}|{{ name.ljust(15) }}|{{ '7'.zfill(3) }}|{{ 'a\\tb'.expandtabs(4) }}",
    "{{ (name * 9) | truncate(30) }}|{{ name | truncate(5) }}|{{ name | truncate(9, true, '…', 0) }}|{{ name | truncate(11) }}",
    "{{ 'a well-known hyphen' | wordwrap(7) }}|{{ 'a well-known hyphen' | wordwrap(7, break_on_hyphens=false) }}|{{ text | wordwrap(5, false, ' / ') }}",
    "{{ 5 | round }}|{{ 1234 | round(-2) }}|{{ -2.5 | abs | round(method='ceil') | int }}|{{ numbers | sum(start=0.5) }}",
    "{% for row in range(6) | slice(3, 'x') %}[{{ row | join(' ') }}]{% endfor %}|{{ range(5) | reverse | join }}|{{ prices | reverse | join }}",
    "{{ people | groupby('x', default='-') | map('first') | join }}|{{ people | groupby('name', case_sensitive=true) | map(attribute='grouper') | join }}",
    "{{ people | min(attribute='name') | length }}|{{ ['b', 'A'] | min }}{{ ['b', 'A'] | max(case_sensitive=true) }}|{{ people | map(attribute='city.id') | join }}",
    "{{ [[3, 1], [2]] | map('sort') | map('join', '-') | join(',') }}|{{ numbers | map('default', 0) | select('ge', 2) | join }}|{{ [[1, 2]] | map('map', 'string') | map('join', '+') | join }}",
    "{{ prices | dictsort(true) | map('first') | join }}|{{ text | indent(2, first=true, blank=true) }}|{{ 'a\\n\\nb' | indent(1, true) }}",
    "{{ 'the quick brown fox jumps' | wordwrap(10) }}|{{ 'abcdefghij' | wordwrap(4) }}|{{ 'a b\\nc d' | wordwrap(3) }}",
    "{{ '%s is %05.1f%% of %d' | format('x', 2.25, 7) }}|{{ '%(a)s-%(b)x' % {'a': 1, 'b': 255} }}|{{ '%-5s|%5s' % ('a', 'b') }}",
    "{{ 'a b/c?d=é&' | urlencode }}|{{ {'q': 'a b', 'r': 'é'} | urlencode }}",
    "{{ text | escape }}|{{ text | e }}",
    "{{ numbers | join(', ') }}|{{ people | join(';', attribute='name') }}|{{ name | join('.') }}",
    "{{ numbers | sort | join }}|{{ numbers | sort(reverse=true) | join }}|{{ ['b', 'A', 'c'] | sort | join }}",
    "{{ ['b', 'A', 'c'] | sort(case_sensitive=true) | join }}",
    "{{ people | sort(attribute='age,name') | map(attribute='name') | join }}",
    "{{ numbers | unique | join }}|{{ ['a', 'A', 'b'] | unique | join }}|{{ people | unique(attribute='age') | map(attribute='name') | join }}",
    "{{ numbers | min }}{{ numbers | max }}{{ numbers | sum }}|{{ people | sum(attribute='age') }}|{{ (people | max(attribute='age')).name }}",
    "{{ numbers | first }}{{ numbers | last }}{{ numbers | count }}|{{ numbers | reverse | join }}|{{ name | reverse }}",
    "{% for row in range(7) | batch(3, 'x') %}[{{ row | join(' ') }}]{% endfor %}",
    "{% for row in range(7) | slice(3, 'x') %}[{{ row | join(' ') }}]{% endfor %}{% for row in range(6) | slice(4) %}[{{ row | join }}]{% endfor %}",
    "{% for age, group in people | groupby('age') %}{{ age }}:{{ group | map(attribute='name') | join(',') }};{% endfor %}",
    "{% for g in people | groupby('city.id') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}",
    "{% for k, v in prices | dictsort %}{{ k }}{% endfor %}|{% for k, v in prices | dictsort(by='value', reverse=true) %}{{ k }}{% endfor %}",
    "{% for k, v in prices | items %}{{ k }}{% endfor %}|{% for k in prices %}{{ k }}{% endfor %}|{{ prices | list | join }}",
    "{{ numbers | select('odd') | join }}|{{ numbers | reject('odd') | join }}|{{ [0, 1, '', 'a'] | select | join }}",
    "{{ people | selectattr('age', 'gt', 26) | map(attribute='name') | join }}|{{ people | rejectattr('age', 'equalto', 30) | map(attribute='name') | join }}",
    "{{ people | map(attribute='x', default='-') | join }}|{{ ['a', 'b'] | map('upper') | join }}|{{ numbers | map('string') | map('center', 3) | join }}",
    "{{ nothing | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ none | d('x', true) }}",
    "{{ '12' | int }}{{ 'x' | int(7) }}{{ '0x1f' | int(base=16) }}{{ 3.9 | int }}|{{ -3 | abs }}|{{ 'x' | int }}",
    "{{ 2.5 | round | int }}|{{ 2.44 | round(1) }}|{{ 2.41 | round(1, 'ceil') }}|{{ 2.49 | round(1, 'floor') }}|{{ '2.5' | float }}",
    "{{ 7 // 2 }}{{ 7 % 4 }}{{ 2 ** 5 }}{{ 7 - 2 }}{{ -3 + 1 }}|{{ 7 / 2 }}|{{ 'ab' * 2 }}{{ 'a' + 'b' }}{{ 'a' ~ 1 }}",
    "{{ ([1] + [2]) | join }}{{ ([1, 2] * 2) | join }}|{{ numbers[0] }}{{ numbers[-1] }}{{ numbers[1:3] | join }}{{ name[:3] }}{{ name[::-1] }}",
    "{{ 'yes' if 1 < 2 <= 2 and not 3 == 4 or 5 in [6] else 'no' }}|{{ 'x' if 'da' in name else 'y' }}|{{ 'x' if 9 not in numbers else 'y' }}",
    "{% for n in numbers if n > 1 %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{{ loop.cycle('a', 'b') }}{% else %}none{% endfor %}",
    "{% for n in empty %}x{% else %}none{% endfor %}|{% for n in numbers %}{% if loop.changed(n) %}c{% endif %}{{ loop.revindex }}{{ loop.previtem | default('-') }}{% endfor %}",
    "{% for node in tree recursive %}{{ node.v }}{{ loop.depth }}({{ loop(node.c) }}){% endfor %}",
    "{% set n = namespace(sum=0) %}{% for i in numbers %}{% set n.sum = n.sum + i %}{% endfor %}{{ n.sum }}",
    "{% set a, b = [1, 2] %}{{ b }}{{ a }}{% set c %}x{{ a }}y{% endset %}{{ c }}{% set d | upper %}up{% endset %}{{ d }}",
    "{% macro m(a, b='x') %}<{{ a }}{{ b }}{{ kwargs.c | default('') }}{{ varargs | join }}>{% endmacro %}{{ m(1) }}{{ m(1, b=2, c=3) }}{{ m(1, 2, 3, 4) }}",
    "{% macro box(t) %}[{{ t }}: {{ caller('in') }}]{% endmacro %}{% call(x) box('T') %}{{ x }}side{% endcall %}",
    "{% filter upper %}abc{{ name }}{% endfilter %}|{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}",
    "{% if numbers | length > 3 %}many{% elif numbers %}some{% else %}none{% endif %}",
    "{%- if true -%}  tight  {%- endif -%}  end",
    "{# comment #}{% raw %}{{ raw }}{% endraw %}",
    "{{ name.split(' ') | join('+') }}|{{ 'a,b,,c'.split(',') | join('|') }}|{{ 'a b c'.rsplit(' ', 1) | join('+') }}|{{ 'x=y=z'.partition('=') | join('/') }}",
    "{{ text.splitlines() | length }}{{ name.startswith('ada') | string | lower }}{{ name.find('L') }}{{ name.count('a') }}{{ ' x '.strip() }}{{ 'ab'.removeprefix('a') }}",
    "{{ '-'.join(['a', 'b']) }}|{{ name.replace('a', 'o') }}|{{ name.upper() }}|{{ prices.get('tea') }}|{{ prices.keys() | join }}|{{ [1, 2, 1].count(1) }}",
    "{{ dict(a=1, b=2).items() | map('join', '=') | join('&') }}|{{ range(5, 0, -2) | join }}",
    "{% for n in [none, 1, 1.5, 'a', true, [], {}] %}{{ 1 if n is none else 0 }}{{ 1 if n is string else 0 }}{{ 1 if n is boolean else 0 }}{{ 1 if n is mapping else 0 }}{{ 1 if n is defined else 0 }}{{ 1 if n is integer else 0 }}{{ 1 if n is float else 0 }};{% endfor %}",
    "{{ 1 if 4 is even else 0 }}{{ 1 if 4 is divisibleby(2) else 0 }}{{ 1 if 'a' is in 'abc' else 0 }}{{ 1 if 'A' is upper else 0 }}{{ 1 if x is undefined else 0 }}",
]  # fmt: skip


@pytest.mark.parametrize("template", SAME)
def test_a_template_prints_what_it_prints_in_jinja(make_prompt: MakePrompt, template: str) -> None:
    stock = jinja2.Environment(keep_trailing_newline=True).from_string(template).render(INPUTS)
    prompt = make_prompt(template, inputs={name: {} for name in INPUTS})
    assert render(prompt, INPUTS).messages[0]["content"] == stock


def test_a_template_prints_the_same_in_each_process() -> None:
    code = (
        "from promptctl.prompts.prompt import Input, Message, Prompt\n"
        "from promptctl.prompts.rendering import Renderer\n"
        "from tests.templates.test_language import INPUTS, SAME\n"
        "messages = tuple(Message('user', template) for template in SAME)\n"
        "prompt = Prompt('a', 'prompts/a', '', 'a', messages, inputs={name: Input(name, {}) for name in INPUTS})\n"
        "print(Renderer(prompt).render(INPUTS).messages)"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1] != b""


def test_each_filter_and_test_of_jinja_is_there_or_refused_with_a_reason() -> None:
    stock = jinja2.Environment()
    assert set(stock.filters) <= set(FILTERS) | set(REFUSED)
    asks_python = {"callable", "escaped", "filter", "test"}
    assert set(stock.tests) == set(TESTS) | asks_python
    page = Path(__file__, "../../../docs/files.md").resolve().read_text(encoding="utf-8")
    left_out = page[page.index("Left out are the filters") :].partition(". ")[0]
    assert set(re.findall(r"`(\w+)`", left_out)) == set(REFUSED) | asks_python


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ 'a' + 1 }}", "`~` joins anything"),
        ("{{ none + 1 }}", "null on one side"),
        ("{{ name.uper() }}", "text has no `uper`"),
        ("{% filter sort %}ba{% endfilter %}{% call dict() %}{% endcall %}", "do not allow"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ numbers.first }}", "a list has no `first`"),
        ("{{ numbers[9] }}", "no item 9: it has 4"),
        ("{{ empty | first }}", "`first`: the list is empty, so it has no first item"),
        ("{% for x in 5 %}{% endfor %}", "this expression` is a number, not a list"),
        ("{% for x in prices.tea %}{% endfor %}", "`prices.tea` is a number, not a list"),
        ("{{ name() }}", "cannot be called: it is text"),
        ("{{ numbers | sum('x') }}", "no `x`"),
        ("{{ ['a'] | sum }}", "`sum` needs numbers, and an item of the list is not a number"),
        ("{{ name | upper(1) }}", "`upper` cannot do this: takes 1 positional argument"),
        ("{{ name | trim(3) }}", "`trim` cannot do this: strip arg must be None or str"),
        ("{{ [1, 'a'] | max }}", "compares items of different kinds"),
        ("{{ empty | min }}", "`max` and `min`: the list is empty, so no item is largest or smallest"),
        ("{{ 3 | length }}", "`length` needs a list, and this is a number"),
        ("{{ 3 | items }}", "`items` needs a mapping, and this is a number"),
        ("{{ numbers | select('nothing') | list }}", "name of a test"),
        ("{{ prices | dictsort(by='x') }}", 'either "key" or "value"'),
        ("{{ 'x' | round }}", "`round` needs a number, and this is text"),
        ("{{ 'x' is odd }}", "`odd` needs a number, and this is text"),
        ("{{ 'x' | truncate(1) }}", "`length` of `truncate` is at least 3, the length of its `end`"),
        ("{{ '%d' | format }}", "more conversions than there are values"),
        ("{{ '%r' | format(1) }}", "no conversion"),
        ("{{ [1, 'a'] | sort }}", "cannot be sorted"),
        ("{{ [1].index(2) }}", "no such item"),
        ("{{ range(3).x }}", "a list has no `x`"),
        ("{{ name | replace('a') }}", "missing 1 required"),
        ("{{ {}['a']['b'] }}", "the mapping has no `a`"),
        ("{{ 1e308 * 10 }}", "infinite"),
        ("{{ (1e308 * 10) | tojson }}", "infinite or not a number has no JSON"),
        ("{{ [nothing] | tojson }}", "`nothing` is not"),
        ("{{ '%d' | format(1, 2) }}", "more values than the text has conversions"),
        ("{{ [1][0][0:1] }}", "only text and lists have slices"),
        ("{{ 'a' | map('nothing') }}", "name of a filter"),
        ("{{ range(1, 2, 0) }}", "must not be zero"),
    ],
)
def test_a_mistake_is_told_in_the_templates_own_words(make_prompt: MakePrompt, template: str, words: str) -> None:
    prompt = make_prompt(template, inputs={name: {} for name in INPUTS})
    with pytest.raises(RenderError) as caught:
        render(prompt, INPUTS)
    assert words in caught.value.message
