from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptctl.templates import BadTemplate
from promptctl.templates.reading import parsed_includes, quick_includes

_pieces = st.lists(
    st.sampled_from(
        ["{%", "%}", "{{", "}}", "{#", "#}", "{", "}", '"', "'", "\\", "-", " ", "\n", "include ",
         "{% include 'a.j2' %}",
         '{%- include "b/c.j2" -%}', "{% include './a.j2' ignore missing %}", "{% raw %}", "{% endraw %}", "{{ x }}",
         "{{ {'a': 1} }}", "{% set x = '}}' %}", "{% if x %}", "{% endif %}", "{# no #}", "text", "%", "#", "+"]
    ),
    max_size=14,
)  # fmt: skip


@given(_pieces)
def test_includes_told_without_the_parser_are_those_that_the_parser_tells(pieces: list[str]) -> None:
    text = "".join(pieces)
    quick = quick_includes(text)
    try:
        parsed = parsed_includes(text)
    except BadTemplate:
        return
    assert quick is None or quick == parsed


def test_plain_templates_need_no_parser() -> None:
    text = (
        "Hi {{ n | default('you') }}.\n{% if x %}\n{%- include 'a.j2' -%}\n{% endif %}{# why #}{% include \"b.j2\" %}"
    )
    assert quick_includes(text) == [("a.j2", 3), ("b.j2", 4)]


def test_hostile_templates_cost_no_more_than_their_length() -> None:
    for piece in ("{{ '", '{% "', "{#", "{{ {", "{% include '", "{{}}{%"):
        text = piece * (1_000_000 // len(piece))
        quick_includes(text)
