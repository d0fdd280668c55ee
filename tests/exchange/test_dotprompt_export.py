from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptctl.exchange.dotprompt import read, write
from promptctl.exchange.templates.jinja import jinja_text
from promptctl.exchange.templates.pieces import (
    FilterCall,
    IfBranch,
    IfPiece,
    IfTest,
    LoopPiece,
    Path,
    Piece,
    TextPiece,
    VariablePiece,
)
from promptctl.exchange.written import Written
from promptctl.files.yaml_writing import yaml_text
from tests.exchange.conftest import source
from tests.exchange.drafted import to_write

INPUTS: dict[str, Any] = {
    "name": {"type": "string", "description": "of whom, exactly"},
    "tone": {"type": "string", "required": False},
    "count": {"type": "integer"},
    "flag": {"type": "boolean", "default": False},
    "tags": {"type": "array", "items": {"type": "string"}},
    "kind": {"enum": ["a", "b"]},
    "json": {},
    "user": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "note": {"type": "string"}, "list": {"type": "array"}},
        "required": ["name", "list"],
    },
    "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
HISTORY = {"history": {"type": "array", "default": []}}
TEXTS = st.text("ab{}\\ \n\t~%#!\"'é.", min_size=1, max_size=8)
TESTS: list[tuple[tuple[IfTest, ...], bool]] = [
    ((IfTest(("flag",)),), False),
    ((IfTest(("flag",), is_negated=True),), False),
    ((IfTest(("tone",), "is", "defined"), IfTest(("tone",))), False),
    ((IfTest(("tone",), "is", "defined", is_negated=True), IfTest(("tone",), is_negated=True)), True),
    ((IfTest(("count",), "==", 3),), False),
    ((IfTest(("kind",), "!=", 'b"c'),), False),
    ((IfTest(("name",), "==", ("kind",)),), False),
]


def printed(item: str | None) -> st.SearchStrategy[Piece]:
    """Values as they are printed: outside of loops, or in one over lists of texts or mappings."""
    choices: list[Piece] = [
        VariablePiece(("name",)),
        VariablePiece(("json",)),
        VariablePiece(("user", "name")),
        VariablePiece(("user", "note"), (FilterCall("default", ("",)),)),
        VariablePiece(("tone",), (FilterCall("default", ("",)),)),
        VariablePiece(("tags",), (FilterCall("join", (",",)),)),
        VariablePiece(("tags",), (FilterCall("length"),)),
        VariablePiece(("user",), (FilterCall("tojson", (2,)),)),
    ]
    if item is not None:
        inner: list[Path] = [(item,), (item, "name"), ("loop", "index0")]
        choices += [VariablePiece(path) for path in inner]
    return st.sampled_from(choices)


def templates(depth: int, item: str | None = None) -> st.SearchStrategy[tuple[Piece, ...]]:
    """Templates of which Handlebars says everything."""
    single: list[st.SearchStrategy[Piece]] = [TEXTS.map(TextPiece), printed(item)]
    if depth:
        body, empty = templates(depth - 1, item), st.just(())
        branch = st.builds(
            lambda test, pieces: IfBranch(test[0], pieces, test[1]), st.sampled_from(TESTS), body.filter(bool)
        )
        single.append(st.builds(IfPiece, st.lists(branch, min_size=1, max_size=2).map(tuple), body | empty))
        if item is None:
            over = st.sampled_from([("tags",), ("user", "list")])
            names = st.sampled_from(["item", "each_one"])
            loops = names.flatmap(lambda name: st.tuples(st.just(name), templates(depth - 1, name).filter(bool)))
            single.append(
                st.builds(lambda loop, over, rest: LoopPiece(loop[0], over, loop[1], rest), loops, over, body | empty)
            )
    return st.lists(st.one_of(single), min_size=1, max_size=5).map(tuple)


TEMPLATES = templates(2)


def _sure(pieces: tuple[Piece, ...], *, is_given: bool) -> tuple[Piece, ...]:
    """The pieces with `tone` printed without a default wherever a condition has found it."""
    return tuple(_sure_piece(each, is_given=is_given) for each in pieces)


def _sure_piece(piece: Piece, *, is_given: bool) -> Piece:
    if isinstance(piece, VariablePiece) and piece.path == ("tone",) and is_given:
        return VariablePiece(piece.path)
    if isinstance(piece, LoopPiece):
        body = _sure(piece.body, is_given=is_given)
        return replace(piece, body=body, otherwise=_sure(piece.otherwise, is_given=is_given))
    if not isinstance(piece, IfPiece):
        return piece
    branches = []
    for branch in piece.branches:
        is_tone = branch.tests[0].path == ("tone",)
        if is_tone and is_given:
            branch = replace(branch, tests=branch.tests[-1:], is_any=False)
        body = _sure(branch.body, is_given=is_given or (is_tone and not branch.is_any))
        branches.append(replace(branch, body=body))
        is_given = is_given or (is_tone and branch.is_any)
    return IfPiece(tuple(branches), _sure(piece.otherwise, is_given=is_given))


@st.composite
def prompts(draw: st.DrawFn) -> dict[str, Any]:
    """Prompts of which Dotprompt says everything, as an import writes them."""
    roles = [*draw(st.lists(st.sampled_from(["system", "user", "assistant", "history"]), max_size=2)), "user"]
    assume(roles.count("history") <= 1)
    drawn = [(role, _sure(draw(TEMPLATES), is_given=False)) for role in roles if role != "history"]
    assume(all(any(not isinstance(each, TextPiece) or each.text.strip() for each in pieces) for _, pieces in drawn))
    is_plain = all(isinstance(each, TextPiece) for _, pieces in drawn for each in pieces)
    texts = [_plain(pieces) if is_plain else jinja_text(pieces) for _, pieces in drawn]
    messages: list[dict[str, Any]] = [
        {"role": role, "content": text} for (role, _), text in zip(drawn, texts, strict=True)
    ]
    if "history" in roles:
        messages.insert(roles.index("history"), {"placeholder": "history"})
    data: dict[str, Any] = {"inputs": INPUTS | HISTORY if "history" in roles else INPUTS, "messages": messages}
    if is_plain and any(_plain(pieces) != jinja_text(pieces) for _, pieces in drawn):
        data["template"] = "none"
    optional: dict[str, Any] = {
        "name": "A title",
        "description": "What it is for: people.",
        "tags": ["a", "b"],
        "model": "gemini/gemini-2.5-flash",
        "parameters": {"temperature": 0.5, "max_tokens": 10, "stop": ["END"]},
        "output": {"schema": {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "additionalProperties": False}},
        "metadata": {"owner": "support", "a.b": {"c": [1]}},
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    }
    return data | {key: optional[key] for key in draw(st.sets(st.sampled_from(sorted(optional))))}


def _plain(pieces: tuple[Piece, ...]) -> str:
    return "".join(each.text for each in pieces if isinstance(each, TextPiece))


def exported(data: dict[str, Any], **beside: str) -> Written:
    """The prompt as an export writes it, with files beside it."""
    files = {f"prompts/{name.replace('_dot_', '.')}": text for name, text in beside.items()}
    return write([to_write("it", {**files, "prompts/it.prompt.yaml": yaml_text(data)})])


@settings(max_examples=80)
@given(prompts())
def test_what_dotprompt_can_say_comes_back_as_it_was(data: dict[str, Any]) -> None:
    written = exported(data)
    assert written.losses == ()
    back = read(source("it.prompt", written.files["it.prompt"]))
    assert back.prompts[0].data == data
