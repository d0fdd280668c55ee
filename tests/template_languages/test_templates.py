from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.template_languages.braces import format_pieces
from promptctl.template_languages.double_braces import InputNames, double_brace_pieces
from promptctl.template_languages.jinja import jinja_text, pieces_of
from promptctl.template_languages.liquid import liquid_to_jinja
from promptctl.template_languages.pieces import (
    CodePiece,
    FilterCall,
    IfBranch,
    IfPiece,
    IfTest,
    IncludePiece,
    LoopPiece,
    Piece,
    TextPiece,
    VariablePiece,
)
from promptctl.templates import BadTemplate
from promptctl.templates.environment import PromptEnvironment
from tests.exchange.conftest import printed

NAMES = st.sampled_from(["a", "user", "items_of", "x1"])
KEYS = st.sampled_from(["name", "unit-price", 0, 7, "items"])
PATHS = st.builds(lambda root, keys: (root, *keys), NAMES, st.lists(KEYS, max_size=2))
CONSTANTS = st.one_of(st.text(max_size=5), st.integers(-5, 5), st.booleans(), st.none())
TEXTS = st.text(st.sampled_from("ab {}%#\n\"'\\-é"), min_size=1, max_size=12).map(TextPiece)
FILTERS = st.sampled_from([FilterCall("upper"), FilterCall("default", ("none",)), FilterCall("join", (", ",))])
VARIABLES = st.builds(lambda path, filters: VariablePiece(path, tuple(filters)), PATHS, st.lists(FILTERS, max_size=2))
TESTS = st.one_of(
    st.builds(IfTest, PATHS, is_negated=st.booleans()),
    st.builds(
        IfTest, PATHS, st.sampled_from(["==", "!=", "<", ">=", "in"]), st.one_of(CONSTANTS, PATHS), st.booleans()
    ),
    st.builds(IfTest, PATHS, st.just("is"), st.just("defined"), st.booleans()),
)
LEAVES = st.one_of(TEXTS, VARIABLES, st.just(IncludePiece("team/tone.j2")))
PIECES: st.SearchStrategy[Piece] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda tests, body, is_any, otherwise: IfPiece(
                (IfBranch(tuple(tests), tuple(body), is_any and len(tests) > 1),), tuple(otherwise)
            ),
            st.lists(TESTS, min_size=1, max_size=2),
            st.lists(inner, max_size=2),
            st.booleans(),
            st.lists(inner, max_size=2),
        ),
        st.builds(
            lambda item, over, body, key: LoopPiece(item, over, tuple(body), key=key),
            NAMES,
            PATHS,
            st.lists(inner, max_size=2),
            st.sampled_from([None, "key"]),
        ),
    ),
    max_leaves=6,
)


@given(st.lists(PIECES, max_size=5))
def test_pieces_written_as_jinja_are_read_again_as_the_same(pieces: list[Piece]) -> None:
    written = jinja_text(pieces)
    assert jinja_text(pieces_of(written)) == jinja_text(pieces_of(jinja_text(pieces_of(written))))
    assert not any(isinstance(piece, CodePiece) for piece in pieces_of(written))


@given(st.text(st.sampled_from("ab {}%#\n\"'\\-é"), max_size=30))
def test_any_text_is_printed_as_it_stands(text: str) -> None:
    assert printed(jinja_text([TextPiece(text)])) == text


@given(st.text(max_size=20), st.text(max_size=5))
def test_a_text_for_format_stands_for_the_same_in_jinja(text: str, value: str) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}") + "{name}"
    jinja = jinja_text(format_pieces(doubled))
    assert printed(jinja, name=value) == doubled.format(name=value)


@pytest.mark.parametrize("text", ["{", "}", "{a", "{0}", "{}", "{a!r}", "{a:>5}", "{a b}", "{a.b!s}"])
def test_what_format_does_beyond_naming_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        format_pieces(text)


@pytest.mark.parametrize(
    ("liquid", "jinja"),
    [
        ("a {# b", "{% raw %}a {# b{% endraw %}"),
        ("{%- for x in a.b -%}{{ forloop.index }}{%- endfor -%}", "{%- for x in a.b -%}{{ loop.index }}{%- endfor -%}"),
        ("{% case a %} {% when 'x', 'y' %}1{% else %}2{% endcase %}",
         '{% if a == "x" or a == "y" %}1{% else %}2{% endif %}'),
        ("{% if a and b or c == nil %}1{% elsif d contains 'e' %}2{% endif %}",
         '{% if a and (b or c == none) %}1{% elif "e" in d %}2{% endif %}'),
        ("{% raw %}{{ x }}{% endraw %}{% comment %}{{ y }}{% endcomment %}{{ z.a-b }}",
         '{% raw %}{{ x }}{% endraw %}{{ z["a-b"] }}'),
        ("{{ a | default: 'x' | upcase }}", '{{ a | default("x") | upper }}'),
    ],
)  # fmt: skip
def test_liquid_as_jinja(liquid: str, jinja: str) -> None:
    assert liquid_to_jinja(liquid) == jinja
    PromptEnvironment().parse_text(jinja)


@pytest.mark.parametrize(
    ("liquid", "line"),
    [
        ("\n{% assign x = 1 %}", 2),
        ("{{ a | money }}", 1),
        ("{% raw %}", 1),
        ("{% for x in (1..3) %}", 1),
        ("{% if %}", 1),
    ],
)
def test_liquid_that_has_no_counterpart_is_refused(liquid: str, line: int) -> None:
    with pytest.raises(BadTemplate) as caught:
        liquid_to_jinja(liquid)
    assert caught.value.line == line


def test_code_that_has_no_piece_is_never_written_as_nothing() -> None:
    pieces = pieces_of("a {{ price * 2 }} b")
    assert [type(piece) for piece in pieces] == [TextPiece, CodePiece, TextPiece]
    with pytest.raises(BadTemplate):
        jinja_text(pieces)


def test_thousands_of_names_without_a_latin_letter_cost_no_more_each_than_one() -> None:
    names = InputNames()
    text = "".join(f"{{{{{chr(0x4E00 + number)}}}}}" for number in range(20_000))
    began = process_time()
    assert sum(isinstance(each, VariablePiece) for each in double_brace_pieces(text, names)) == 20_000
    assert process_time() - began < 5
    assert names.inputs[:2] == ["input", "input_2"]
    assert len(set(names.inputs)) == 20_000
