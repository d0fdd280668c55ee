"""Mustache: what its tags print once they are Jinja."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.mustache import MustacheNotes, mustache_pieces
from promptctl.templates import BadTemplate
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
    "user": {"name": "Ada", "9" * 5_000: "far"},
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
        (f"{{{{user.{'9' * 5_000}}}}}", "far"),
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
    with pytest.raises(BadTemplate) as caught:
        mustache_pieces(template)
    assert (caught.value.message, caught.value.line) == (message, line)


def test_what_had_to_be_guessed_and_what_mustache_escapes_is_noted() -> None:
    notes = MustacheNotes()
    mustache_pieces("{{a}}\n{{{b}}}\n{{#c}}x{{/c}}{{#d}}{{.}}{{/d}}{{#vip}}y{{/vip}}", SCHEMAS, notes)
    assert notes.escaped == {"a": 1, ".": 3}
    assert notes.guessed == {"c": (3, "condition")}


TEXTS = st.text(st.sampled_from("ab {}#%\n\t"), max_size=8).filter(lambda text: "{{" not in text)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(before=TEXTS, after=TEXTS)
def test_text_around_a_variable_is_printed_as_it_stands(before: str, after: str) -> None:
    before = before.rstrip("{")
    assert (
        printed(jinja_text(mustache_pieces(f"{before}{{{{name}}}}{after}", SCHEMAS)), **VALUES)
        == f"{before}Bo <b>{after}"
    )


def test_many_tags_of_one_long_line_take_time_by_its_length_alone() -> None:
    begun = process_time()
    assert len(mustache_pieces(f"{'x' * 1_000}{{{{!}}}}" * 9_900)) == 9_900
    assert process_time() - begun < 0.8  # three seconds if the line is looked at again at each tag
