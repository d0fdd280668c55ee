"""Uses of variables: what a template does with each, and what it prints."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.meta import find_undeclared_variables

from promptctl.templates import BadTemplate, reading, uses
from promptctl.templates.environment import PromptEnvironment
from promptctl.templates.events import Branch, Condition, Include, Printed, Text, Use
from promptctl.templates.reading import check_syntax
from promptctl.templates.uses import bound, simple_uses, variables


def _acts(text: str) -> set[tuple[str, str]]:
    return {(".".join(use.path), use.act) for use in uses.uses(text) if isinstance(use, Use)}


def _used(text: str, act: str) -> Use:
    return next(use for use in uses.uses(text) if isinstance(use, Use) and use.act == act)


def test_variables_are_the_roots_that_the_template_does_not_set() -> None:
    text = """
    {% set greeting = hello ~ user.address.city %}{{ greeting }}
    {% for line in lines if line.ok is defined %}{{ loop.index }} {{ line }}{{ outer }}{% endfor %}
    {% macro show(x) %}{{ x }}{{ inner | default("y") }}{% endmacro %}{{ show(range(3)) }}
    {% with a = b %}{{ a }}{% endwith %}{{ history[-1]["content"] }}
    """
    assert variables(text) == {"hello", "user", "lines", "outer", "inner", "b", "history"}


def test_a_variable_that_every_branch_sets_is_set() -> None:
    assert variables("{% if a %}{% set x = 1 %}{% else %}{% set x = b %}{% endif %}{{ x }}") == {"a", "b"}


def test_a_variable_has_the_line_of_its_first_use() -> None:
    text = "one {{ 'b' }}\n{% if a %}\n{{ b\n  ~ c }}{{ a }}{% endif %}\n{% set n.x = 1 %}"
    lines: dict[str, int] = {}
    for event in uses.uses(text):
        if isinstance(event, Use):
            lines.setdefault(event.path[0], event.line)
    assert lines == {"a": 2, "b": 3, "c": 3, "n": 5}


@pytest.mark.parametrize(
    "text",
    [
        "{% if a %}{% set x = 1 %}{% endif %}{{ x }}",
        "{% for a in b %}{% set c = a %}{% endfor %}{{ c }}{{ a }}",
        "{% set x %}{{ x }}{% endset %}{{ x }}",
        "{% macro m(a, b=c) %}{{ a }}{{ b }}{{ d }}{% endmacro %}{% call(e) m(f) %}{{ e }}{{ g }}{% endcall %}",
        "{% macro m(a) %}{{ m(a.b) }}{% endmacro %}",
        "{% set ns = namespace(n=start) %}{% set ns.n = other %}{{ ns.n }}",
        "{{ self.x }}{{ loop.index }}{{ dict(a=b).a }}",
        "{% filter upper %}{{ a }}{% endfilter %}{% for k, v in m.items() recursive %}{{ loop(v) }}{% endfor %}",
        "{{ a if b else c }}{{ d and e or not f }}{{ g[h] }}{{ i[j:k] }}{{ [l, {'m': n}] }}{{ o is divisibleby p }}",
        "{{ 1 < a < b }}{{ c in d }}{{ e | map('default', f) | join(g) }}{{ h | selectattr('x', 'eq', i) | list }}",
    ],
)
def test_the_variables_are_those_that_the_engine_looks_up(text: str) -> None:
    environment = PromptEnvironment()
    assert variables(text) == find_undeclared_variables(environment.guarded(environment.parse_text(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ user.name }}", {("user.name", "print")}),
        ("{{ a | upper }}{{ b.split(',') }}", {("a", "text"), ("b", "text")}),
        ("{{ a - 1 }}{{ b | round(2) }}{{ -c }}", {("a", "number"), ("b", "number"), ("c", "number")}),
        ("{% if age >= 18 %}{% endif %}", {("age", "number")}),
        ("{% if 18 <= age %}{% endif %}", {("age", "number")}),
        ("{{ a + 1 }}{{ b + '!' }}", {("a", "number"), ("b", "text")}),
        ("{% for i in range(n) %}{% endfor %}", {("n", "integer")}),
        ("{% for t in tags %}{{ t.name }}{% endfor %}", {("tags", "list"), ("tags.[].name", "print")}),
        ("{% for k, v in m.items() %}{{ k }}{{ v.x }}{% endfor %}", {("m", "mapping"), ("m.{}.x", "print")}),
        ("{% for k in m %}{{ m[k] }}{% endfor %}", {("m", "list"), ("m", "mapping"), ("m.{}", "print")}),
        ("{{ tags | join(', ') }}", {("tags", "list"), ("tags.[]", "print")}),
        ("{{ tags | map(attribute='a.b') | join }}", {("tags", "list"), ("tags.[].a.b", "print")}),
        ("{{ rows | sum(attribute='n') }}", {("rows", "list"), ("rows.[].n", "number")}),
        ("{{ xs | selectattr('ok') | first }}", {("xs", "list"), ("xs.[].ok", "truth"), ("xs.[]", "print")}),
        ("{{ x | length }}{{ y[0] }}", {("x", "sized"), ("y", "sized"), ("y.[]", "print")}),
        ("{{ x is odd }}{{ y is mapping }}", {("x", "integer"), ("y", "is")}),
        ("{{ x.get('a', 1) }}", {("x", "mapping"), ("x.a", "default"), ("x.a", "print")}),
        ("{% set who = user %}{{ who.name }}", {("user", "value"), ("user.name", "print")}),
        (
            "{% macro row(item) %}{{ item.id }}{% endmacro %}{% for r in rows %}{{ row(r) }}{% endfor %}",
            {("rows", "list"), ("rows.[]", "value"), ("rows.[].id", "print")},
        ),
        (
            "{{ '%d of %s' | format(n, t) }}{{ a ~ b }}",
            {("n", "value"), ("t", "value"), ("a", "print"), ("b", "print")},
        ),
    ],
)
def test_each_use_says_what_is_done(text: str, expected: set[tuple[str, str]]) -> None:
    assert _acts(text) == expected


def test_a_default_and_a_test_for_being_defined_cover_what_stands_under_them() -> None:
    defined = Condition("defined", ("tone",))
    for text in (
        "{{ tone | default('kind') | upper }}",
        "{% if tone is defined %}{{ tone | upper }}{% endif %}",
        "{% if tone is not defined %}none{% else %}{{ tone | upper }}{% endif %}",
        "{% if tone is undefined or x %}none{% elif y %}{{ tone | upper }}{% endif %}",
        "{% if tone is defined and tone | upper == 'A' %}{% endif %}",
        "{{ (tone if tone is defined else 'kind') | upper }}",
        "{% set t = tone | default('kind') %}{{ t | upper }}",
    ):
        assert defined in _used(text, "text").holds, text
    assert _used("{{ tone | d('kind', true) }}", "default").values == ("kind",)
    assert _used("{{ tone | default(other) }}", "default").values == ()
    assert _used("{{ tone | default }}", "default").values == ("",)
    assert _used("{% if tone is defined %}{% endif %}{{ tone | upper }}", "text").holds == ()


def test_branches_have_their_conditions_and_what_is_denied_above_them() -> None:
    text = "{% if level == 'a' %}1{% elif level in ['b', 'c'] %}2{% elif not x %}3{% else %}4{% endif %}"
    branches = [event for event in uses.uses(text) if isinstance(event, Branch)]
    equal = Condition("equal", ("level",), ("a",))
    assert [branch.kind for branch in branches] == ["if", "elif", "elif", "else"]
    assert branches[0].condition == equal
    assert branches[1].condition == Condition("equal", ("level",), ("b", "c"))
    assert branches[1].holds == (equal.negated(),)
    assert branches[3].holds[-1] == Condition("true", ("x",))
    last = [event for event in uses.uses(text) if isinstance(event, Text)][-1]
    assert (last.text, last.holds) == ("4", branches[3].holds)


def test_what_is_printed_comes_in_reading_order_with_its_sources() -> None:
    text = "Be {{ tone }}.\n{% for t in tags %}- {{ t ~ suffix | trim }}\n{% endfor %}"
    printed = [event for event in uses.uses(text) if isinstance(event, Text | Printed)]
    assert [event.text if isinstance(event, Text) else event.sources for event in printed] == [
        "Be ",
        (("tone",),),
        ".\n",
        "- ",
        (("tags", "[]"), ("suffix",)),
        "\n",
    ]
    assert [event.is_repeated for event in printed] == [False, False, False, True, True, True]
    assert [event.line for event in printed] == [1, 1, 1, 2, 2, 2]


def test_a_partial_sees_what_its_includer_has_set() -> None:
    text = (
        "{% set tone = mood.now | default('kind') %}{% for each in rows if each.ok %}{% include 'x.j2' %}{% endfor %}"
    )
    include = next(event for event in uses.uses(text) if isinstance(event, Include))
    partial = "{{ tone }}{{ each.name }}{{ own }}{% if each.a == 'b' %}{% include 'y.j2' %}{% endif %}"
    events = list(bound(uses.uses(partial), include))
    prints = {event.path: event.holds for event in events if isinstance(event, Use) and event.act == "print"}
    is_ok = Condition("true", ("rows", "[]", "ok"))
    assert prints == {
        ("mood", "now"): (is_ok, Condition("defined", ("mood", "now"))),
        ("rows", "[]", "name"): (is_ok,),
        ("own",): (is_ok,),
    }
    below = next(event for event in events if isinstance(event, Include))
    assert below.holds == (is_ok, Condition("equal", ("rows", "[]", "a"), ("b",)))
    assert below.bindings["each"].path == ("rows", "[]")
    assert below.is_repeated


def test_macros_that_call_each_other_again_and_again_are_read_only_so_often() -> None:
    text = "{% macro m0(a) %}{{ a.x }}{% endmacro %}"
    for number in range(1, 40):
        text += f"{{% macro m{number}(a) %}}{{{{ m{number - 1}(a) }}}}{{{{ m{number - 1}(a) }}}}{{% endmacro %}}"
    assert len(uses.uses(text + "{{ m39(b) }}")) < 20_000


def test_simple_templates_have_names_alone() -> None:
    assert [type(event).__name__ for event in simple_uses("a {{b}} {{ c }}")] == ["Text", "Use", "Printed", "Text"]


_PIECES = ["{{ x }}", "{{-y-}}", "{{z_1}}", "{", "}", "{{", "}}", "{#", "#}", "{%", "-", " ", "\n", "x", "_", "1",
           "{{ é }}", "{{\n w\t}}", "{{ x y }}", "{{ None }}"]  # fmt: skip
_NAMES = st.sampled_from([*sorted(reading._WORDS), "block", "class", "_", "__x__", "x" * 99, "x" * 200, "print", "set"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_PIECES) | _NAMES.map(lambda name: f"{{{{ {name} }}}}"), max_size=6).map("".join))
def test_a_template_of_plain_variables_is_known_as_the_parser_knows_it(text: str) -> None:
    def known() -> tuple[object, object]:
        try:
            return check_syntax(text), variables(text)
        except BadTemplate as error:
            return check_syntax(text), error.message

    quick = known()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "plain_pieces", lambda _text: None)
        patch.setattr(uses, "plain_pieces", lambda _text: None)
        uses._uses.cache_clear()
        assert known() == quick
        uses._uses.cache_clear()


def test_a_text_that_many_prompts_include_is_parsed_once_for_each_question(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    parse = PromptEnvironment.parse_text

    def counted(self: PromptEnvironment, text: str, name: str | None = None) -> object:
        nonlocal made
        made += 1
        return parse(self, text, name)

    monkeypatch.setattr(PromptEnvironment, "parse_text", counted)
    for _ in range(3):
        assert check_syntax("{{ kept | upper }}") is None
        assert variables("{{ kept | upper }}") == {"kept"}
        assert check_syntax("kept\n{{ kept | lower }") == check_syntax("kept\n{{ kept | lower }")
        with pytest.raises(BadTemplate) as raised:
            variables("kept\n{{ kept | lower }")
        assert raised.value.line == 2
    assert made == 4
