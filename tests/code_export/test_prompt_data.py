# ruff: noqa: E501 (a template stands on one line)
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptctl
from promptctl import ExportRequest
from promptctl.code_export.expressions import FILTERS, METHODS, TESTS
from promptctl.errors import InvalidFiles
from promptctl.templates.reading import check_syntax
from tests.code_export.cases import OF_ANY_VALUE
from tests.code_export.hostile import texts
from tests.code_export.node import Renderer, running_renderer
from tests.code_export.prompts import Vectors, problems_of, prompt_of

numbers = st.integers(-3, 12) | st.sampled_from((0.5, -1.25, 1e-7, 2**53 - 1))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.sampled_from(("b", "A", "a b", " x ")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("a", "b", "n")) | texts.filter(lambda key: not key.isdecimal()), inner, max_size=3
        )
    ),
    max_leaves=8,
)
literals = st.sampled_from(("1", "0", "-2", "0.5", "'a'", "''", "' b '", "true", "none", "[1, 'a']", "{'a': 1}", "[]"))
FORMS = (
    "{0} | {f}", "{0} | default({1})", "{0} | join({1})", "{0} | replace({1}, {2})", "{0} | sort(reverse=true)",
    "{0} | map('{f}') | list", "{0} | select('{t}') | list", "{0} is {t}", "{0} is not {t}", "{0}.a", "{0}[{1}]",
    "{0}[{1}:{2}]", "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} ~ {1}", "{0} == {1}", "{0} < {1} <= {2}", "{0} in {1}",
    "{0} and {1}", "{0} or {1}", "not {0}", "{1} if {0} else {2}", "[{0}, {1}]", "{{'k': {0}}}", "{0}.{m}()", "{0} | tojson(2)",
    "{0} | indent(2, true)", "{0} | trim({1})", "{0} | sum(attribute='n')", "{0} | truncate(7)", "{0} | map(attribute='a') | list", "{0} | dictsort", "{0}.get('a')",
)  # fmt: skip
LOOP = (
    "{%- for i in ({0}) %}{{ loop.index }}{{ i }}{% set a = i %}{% if {1} %}{{ a }}{% endif %}{% else %}-{% endfor -%}"
)
STATEMENTS = (
    "{{ {0} }}", "{% if {0} %}a{% elif {1} %}b{% else %}c{% endif %}\n", LOOP, "{% set a = {0} %}[{{ a }}]\n ",
    "{% with a = {0} %}{{ a }}{{ {1} }}{% endwith %}", "{% filter upper %}{{ {0} }}{% endfilter %}", "{% include 'p.j2' %}",
)  # fmt: skip
PARTIALS = {"p.j2": "({{ a }}{% set x = 1 %})\n"}
simple_filters = st.sampled_from([name for name, arguments in FILTERS.items() if name != "map"])
simple_tests = st.sampled_from([name for name, count in TESTS.items() if count == 0])
methods = st.sampled_from([name for name, (fewest, _) in METHODS.items() if fewest == 0])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(("x", "y", "a")) | literals)
    form = draw(st.sampled_from(FORMS))
    inner = [f"({draw(expressions(depth - 1))})" if f"{{{number}}}" in form else "" for number in range(3)]
    names = {"f": draw(simple_filters), "t": draw(simple_tests), "m": draw(methods)}
    return form.format(*inner, **names)


@st.composite
def templates(draw: st.DrawFn) -> str:
    statement = draw(st.sampled_from(STATEMENTS))
    return statement.replace("{0}", draw(expressions())).replace("{1}", draw(expressions(1)))


# The refusals that JavaScript has and Python has not, as the results would not be the same.
ONLY_IN_JAVASCRIPT = re.compile("fractions make a whole number|with whole numbers alone|how this letter begins")


def assert_alike(renderer: Renderer, template: str, inputs: dict[str, Any]) -> None:
    vectors = Vectors(prompt_of(template, {name: {} for name in inputs}, PARTIALS))
    answer = renderer.ask(data=vectors.data, inputs=inputs)
    if not ONLY_IN_JAVASCRIPT.search(answer.get("error", "")):
        assert answer.get("messages") == vectors.messages(inputs), (template, inputs, answer.get("error"))


def test_javascript_renders_any_values_alike() -> None:
    @settings(max_examples=120, deadline=None, derandomize=True)
    @given(st.sampled_from(OF_ANY_VALUE), values)
    def check(template: str, value: Any) -> None:
        assert_alike(renderer, template, {"x": value})

    with running_renderer() as renderer:
        check()


def test_javascript_renders_any_template_of_the_subset_alike() -> None:
    @settings(max_examples=120, deadline=None, derandomize=True)
    @given(templates(), values, values)
    def check(template: str, x: Any, y: Any) -> None:
        if check_syntax(template) is None and not problems_of(template, PARTIALS):
            assert_alike(renderer, template, {"x": x, "y": y, "a": "A"})

    with running_renderer() as renderer:
        check()


@pytest.mark.parametrize(
    ("template", "line", "what"),
    [
        ("a\n{{ x | wordcount }}", 2, "the filter `wordcount`"),
        ("{{ x | round }}", 1, "the filter `round`"),
        ("{% macro m() %}{% endmacro %}", 1, "a macro"),
        ("\n\n{% set n.x = 1 %}", 3, "a namespace"),
        ("{{ namespace(a=1) }}", 1, "a call with named arguments"),
        ("{{ dict() }}", 1, "a call of `dict`"),
        ("{{ 1 / 2 }}", 1, "the operator `/`"),
        ("{{ 2 ** 3 }}", 1, "the operator `**`"),
        ("{{ '%s' % x }}", 1, "the operator `%`"),
        ("{{ 1.0 }}", 1, "the number `1.0`, which JavaScript prints without its fraction,"),
        ("{{ 9007199254740992 }}", 1, "a whole number beyond 2⁵³, to which JavaScript counts,"),
        ("{% for a in x recursive %}{{ loop(a) }}{% endfor %}", 1, "a recursive loop"),
        ("{{ x is sameas(x) }}", 1, "the test `sameas`"),
        ("{{ x | select('lower') | list }}", 1, "the test `lower`"),
        ("{{ x | map('round') }}", 1, "the filter `round`"),
        ("{{ x | map(y) }}", 1, "`map` with a filter that is no plain name"),
        ("{{ x[::2] }}", 1, "a slice with a step"),
        ("{{ x.splitlines() }}", 1, "a call of `splitlines`"),
        (
            "{% for y in x %}{{ a }}{% endfor %}\n{% if x %}{% set a = 1 %}{% endif %}",
            2,
            "`a`, which is set after a block that reads it,",
        ),
        ("{{ x | replace('a') }}", 1, "the filter `replace` without what it replaces"),
        ("{{ x | sort(reverse=y) }}", 1, "the filter `sort` whose `reverse` is no plain flag"),
        ("{{ x | selectattr(y) }}", 1, "the filter `selectattr` whose `attribute` is no plain key"),
        ("{{ x | indent(-1) }}", 1, "the filter `indent` whose `width` is no plain margin"),
        ("{{ x | tojson(*[1]) }}", 1, "the filter `tojson` with `*`"),
        ("{{ {1: 2} }}", 1, "a mapping whose keys are no plain texts"),
        ("{% if x %}\n{% for y in x %}{{ y | float }}{% endfor %}{% endif %}", 2, "the filter `float`"),
    ],
)
def test_what_is_outside_of_the_subset_is_refused_by_its_name_and_line(template: str, line: int, what: str) -> None:
    found = problems_of(template)
    assert f"{what} is outside of the templates that run in JavaScript" in [each.message for each in found]
    assert found[0].code == "outside-subset"


def test_a_refusal_names_every_place_even_in_partials_and_lossy_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    (tmp_path / "prompts/part.j2").write_text("one\n{{ x | float }}\n")
    text = "inputs: {x: {default: 1.0}}\nmessages:\n  - role: user\n    content: |\n      {% include 'part.j2' %}\n      {{ x // 2 }}\n"
    (tmp_path / "prompts/t.prompt.yaml").write_text(text)
    with promptctl.open_workspace(tmp_path) as workspace:
        request = ExportRequest(refs=["t"], format="ts", allows_losses=True)
        with pytest.raises(InvalidFiles) as caught:
            workspace.exchange.export(request)
    assert [(str(each.place), each.message.split(" is ")[0]) for each in caught.value.problems] == [
        (
            "prompts/t.prompt.yaml:1:10",
            "the default of `x` has the number `1.0`, which JavaScript prints without its fraction, and so cannot be exported",
        ),
        ("prompts/part.j2:2", "the filter `float`"),
        ("prompts/t.prompt.yaml:6", "the operator `//`"),
    ]
