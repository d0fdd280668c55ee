"""Nunjucks as Jinja: what the two have in common stays as it is written, and the rest is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.template_languages.nunjucks import jinja_of_nunjucks


@pytest.mark.parametrize(
    ("nunjucks", "jinja"),
    [
        ("Hi {{name}}, {{- a.b[0] -}} {# === #}", "Hi {{name}}, {{- a.b[0] -}} {# === #}"),
        (
            "{% if a === 'x === y' %}1{% elseif b !== null %}2{% endif %}",
            "{% if a == 'x === y' %}1{% elif b != none %}2{% endif %}",
        ),
        (
            "{% verbatim %}{{ === }}{% endverbatim %}{% raw %}{{ x.length }}{% endraw %}",
            "{% raw %}{{ === }}{% endraw %}{% raw %}{{ x.length }}{% endraw %}",
        ),
        (
            "{{ items.length + 1 }} {{ a.toUpperCase() | trim }} {{ xs.join(', ') }}",
            "{{ items | length + 1 }} {{ a | upper | trim }} {{ xs | join(', ') }}",
        ),
        ("{% for k, v in map %}{{ k }}{% endfor %}", "{% for k, v in map | items %}{{ k }}{% endfor %}"),
        ("{{ x | dump(2) | d('y') }}", "{{ x | tojson(2) | default('y') }}"),
        ("{{ '}}' }} {{ \"%}\" }}", "{{ '}}' }} {{ \"%}\" }}"),
        ("{{ loop.length }} {{ loop.index }}", "{{ loop.length }} {{ loop.index }}"),
        ("plain { text } %} }}", "plain { text } %} }}"),
    ],
)
def test_a_template_is_written_in_jinja(nunjucks: str, jinja: str) -> None:
    found = jinja_of_nunjucks(nunjucks)
    assert (found.problems, found.text) == ((), jinja)


@pytest.mark.parametrize(
    ("nunjucks", "message", "line"),
    [
        ("a\n{{ x.map(f) }}", "`.map()` is a method of JavaScript", 2),
        ("{{ a && b }}", "`&` is JavaScript", 1),
        ("{{ a ? b : c }}", "`?` is JavaScript", 1),
        ("{% asyncEach x in y %}{% endeach %}", "`{% asyncEach %}` is JavaScript's", 1),
        ("{% switch x %}{% endswitch %}", "`{% switch %}` is Nunjucks' own: write it with `if` and `elif`", 1),
        ("{{ x | groupby('a') }}", "the filter `groupby` does something else here, or is not there", 1),
        ("{{ env.KEY }}", "`env` reads the environment, which no prompt may", 1),
        ("\n\n{{ x", "`{{` is never closed by `}}`", 3),
        ("{% if x %}", "", 1),
    ],
)
def test_what_is_javascripts_is_a_problem_with_its_line(nunjucks: str, message: str, line: int) -> None:
    found = jinja_of_nunjucks(nunjucks)
    assert found.problems[0].line == line
    assert message in found.problems[0].message
    assert found.text == nunjucks


def test_what_means_something_else_is_told() -> None:
    found = jinja_of_nunjucks("{% if a %}x{% endif %}\n{{ b + 1 }}{% if a == 1 %}{% endif %}")
    assert [(each.line, each.message.replace(";", ",").split(",")[0]) for each in found.changes] == [
        (1, "in conditions an empty list or mapping is false"),
        (2, "`+` adds numbers or joins texts"),
    ]


def test_variables_can_be_called_something_else() -> None:
    text = "{{ want }} {{ x.want }} {{ y | want }}".replace("| want", "| upper")
    assert jinja_of_nunjucks(text, {"want": "expected.want"}).text == "{{ expected.want }} {{ x.want }} {{ y | upper }}"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="{}%#-'\"\\ ab.|=!&(),\n", max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    found = jinja_of_nunjucks(text)
    assert found.problems or isinstance(found.text, str)


@pytest.mark.parametrize(
    "text", ["{{" * 50_000, "{% raw %}" * 20_000, "{{ " + "a." * 50_000 + " }}", "{{ '" + "\\" * 99_999]
)
def test_a_long_template_is_refused_and_soon(text: str) -> None:
    assert jinja_of_nunjucks(text).problems
