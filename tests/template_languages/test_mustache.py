"""Mustache: what its tags print once they are Jinja, and pieces of templates that come back from it as they were."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.template_languages.jinja import jinja_text, pieces_of
from promptctl.template_languages.mustache import MustacheNotes, mustache_pieces, mustache_text
from promptctl.template_languages.mustache_tags import BadMustache
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
from tests.exchange.conftest import printed

SCHEMAS: dict[str, Any] = {
    "tags": {"type": "array", "items": {"type": "string"}},
    "orders": {"type": "array", "items": {"type": "object", "properties": {"name": {}, "lines": {"type": "array"}}}},
    "user": {"type": "object", "properties": {"name": {"type": "string"}}},
    "vip": {"type": "boolean"},
    "name": {"type": "string"},
}
VALUES: dict[str, Any] = {
    "tags": ["a", "b"],
    "orders": [{"name": "x", "lines": [1, 2]}, {"name": "y", "lines": []}],
    "user": {"name": "Ada"},
    "vip": True,
    "name": "Bo <b>",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hi {{name}}, {{{name}}}, {{&name}}!", "Hi Bo <b>, Bo <b>, Bo <b>!"),
        ("{{#vip}}VIP{{/vip}}{{^vip}}no{{/vip}}", "VIP"),
        ("{{#tags}}<{{.}}>{{/tags}}", "<a><b>"),
        ("{{#tags}}{{name}} {{/tags}}", "Bo <b> Bo <b> "),
        ("{{#orders}}{{name}}:{{#lines}}{{.}}{{/lines}};{{/orders}}", "x:12;y:;"),
        ("{{#user}}{{name}}{{/user}} {{user.name}}", "Ada Ada"),
        ("a{{! left out }}b", "ab"),
        ("| {{=<% %>=}}<% name %> {{name}}", "| Bo <b> {{name}}"),
        ("a\n{{#vip}}\nb\n{{/vip}}\nc", "a\nb\nc"),
        ("a\n  {{! alone }}  \nb", "a\nb"),
        ("a\n{{#vip}} b\n{{/vip}} c", "a\n b\n c"),
        ("{{^vip}}x{{/vip}}\n{{#vip}}y{{/vip}}\n", "\ny\n"),
        ("{ } {% raw %} {# x #}", "{ } {% raw %} {# x #}"),
    ],
)
def test_a_template_prints_what_mustache_prints(template: str, text: str) -> None:
    assert printed(jinja_text(mustache_pieces(template, SCHEMAS)), **VALUES) == text


@pytest.mark.parametrize(
    ("template", "message", "line"),
    [
        ("a\n{{#x}}b", "the section `x` has no end", 2),
        ("{{/x}}", "`{{/x}}` ends a section that was not begun", 1),
        ("{{#x}}{{/y}}", "`{{/y}}` ends a section that was not begun", 1),
        ("\n\n{{x", "a tag has no end", 3),
        ("{{.}}", "`{{.}}` stands outside of any section", 1),
        ("{{a b}}", "`a b` is no name that a variable of promptctl can have", 1),
        ("{{=|=}}", "a change of delimiters names none", 1),
        ("{{#x}}" * 40 + "{{/x}}" * 40, "sections stand in one another more than 30 deep", 1),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(template: str, message: str, line: int) -> None:
    with pytest.raises(BadMustache) as caught:
        mustache_pieces(template)
    assert (caught.value.message, caught.value.line) == (message, line)


def test_what_had_to_be_guessed_and_what_mustache_escapes_is_noted() -> None:
    notes = MustacheNotes()
    mustache_pieces("{{a}}\n{{{b}}}\n{{#c}}x{{/c}}{{#d}}{{.}}{{/d}}{{#vip}}y{{/vip}}", SCHEMAS, notes)
    assert notes.escaped == {"a": 1, ".": 3}
    assert notes.guessed == {"c": (3, "condition")}


@pytest.mark.parametrize(
    "piece",
    [
        VariablePiece(("x",), (FilterCall("upper"),)),
        IfPiece((IfBranch((IfTest(("x",), "==", 1),), ()),)),
        IfPiece((IfBranch((IfTest(("x",)), IfTest(("y",))), ()),)),
        LoopPiece("v", ("x",), (), (), "k"),
        LoopPiece("v", ("x",), (LoopPiece("w", ("y",), (VariablePiece(("v",)),)),)),
        LoopPiece("v", ("x",), (VariablePiece(("loop", "index")),)),
        VariablePiece(("x", "unit-price")),
        CodePiece("{% set x = 1 %}", "an assignment"),
    ],
)
def test_what_mustache_cannot_say_is_refused(piece: Piece) -> None:
    with pytest.raises(BadMustache):
        mustache_text((piece,))


TEXTS = st.text(st.sampled_from("ab {}#\n\t<%=>"), min_size=1, max_size=8).map(TextPiece)
NAMES = st.sampled_from((("name",), ("user", "name"), ("a", "b", 0)))
VARIABLES = st.builds(VariablePiece, NAMES)


def _if(is_negated: bool, path: Any, body: list[Piece]) -> IfPiece:
    return IfPiece((IfBranch((IfTest(path, is_negated=is_negated),), tuple(body)),))


BODIES: st.SearchStrategy[list[Piece]] = st.recursive(
    st.lists(st.one_of(TEXTS, VARIABLES, st.just(IncludePiece("part"))), max_size=4),
    lambda inner: st.lists(
        st.one_of(
            TEXTS,
            VARIABLES,
            st.builds(_if, st.booleans(), st.sampled_from((("vip",), ("name",))), inner),
        ),
        max_size=3,
    ),
    max_leaves=6,
)


def _same(pieces: Any) -> tuple[Piece, ...]:
    """Pieces with neighbouring texts as one, and without their lines."""
    found: list[Any] = []
    for piece in pieces:
        if isinstance(piece, TextPiece) and found and isinstance(found[-1], TextPiece):
            found[-1] = TextPiece(found[-1].text + piece.text)
            continue
        changes: dict[str, Any] = {"line": 1} if any(each.name == "line" for each in fields(piece)) else {}
        if isinstance(piece, IfPiece):
            changes["branches"] = tuple(replace(each, body=_same(each.body)) for each in piece.branches)
        if isinstance(piece, LoopPiece):
            changes["body"] = _same(piece.body)
        found.append(replace(piece, **changes))
    return tuple(found)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(body=BODIES)
def test_what_mustache_can_say_comes_back(body: list[Piece]) -> None:
    assert _same(mustache_pieces(mustache_text(body), SCHEMAS)) == _same(body)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(body=BODIES)
def test_a_loop_comes_back(body: list[Piece]) -> None:
    inner: tuple[Piece, ...] = (VariablePiece(("item",)), *(each for each in body if isinstance(each, TextPiece)))
    loop = LoopPiece("item", ("tags",), inner)
    assert _same(mustache_pieces(mustache_text((TextPiece("a\n"), loop)), SCHEMAS)) == _same((TextPiece("a\n"), loop))


def test_jinja_that_mustache_can_say_goes_through_it() -> None:
    pieces = pieces_of("{% for item in tags %}{{ item }},\n{% endfor %}{% if not vip %}no{% endif %}")
    assert _same(mustache_pieces(mustache_text(pieces), SCHEMAS)) == _same(pieces)
