"""Each mistake that people make in YAML: where it is told, what is said, and what to do."""

from __future__ import annotations

import pytest
import yaml

from promptctl.errors import InvalidFiles, Problem
from promptctl.files import yaml_reader
from promptctl.files.yaml_reader import read_yaml


def problems_of(data: str | bytes) -> list[Problem]:
    with pytest.raises(InvalidFiles) as refused:
        read_yaml(data.encode() if isinstance(data, str) else data, "f.yaml")
    return list(refused.value.problems)


@pytest.fixture(autouse=True, params=["c", "python"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two parsers word their errors differently; ours are the same."""
    if request.param == "python":
        fallback = (yaml.SafeLoader, yaml.events, (yaml.YAMLError, ValueError, IndexError))
        monkeypatch.setattr(yaml_reader, "_PARSER", [fallback])


@pytest.mark.parametrize(
    ("text", "at", "said", "hint"),
    [
        ("a: {{x}}\n", "1:4", "begins with `{{`", "quote the value"),
        ("a: {{ x }} tail\n", "1:4", "begins with `{{`", "quote the value"),
        ("- {{ x }}\n", "1:3", "begins with `{{`", "quote the value"),
        ("a: {% if x %}\n", "1:4", "begins with `{%`", "quote the value"),
        ("a: {# note #}\n", "1:4", "begins with `{#`", "quote the value"),
        ("a: foo: bar\n", "1:7", "a second `: `", "quote the value"),
        ('a: "x": y\n', "1:7", "a second `: `", "quote the value"),
        ("a: b\n c: d\n", "2:3", "as if it belonged to the value above", "indent it like the keys"),
        ("key:value\nb: 1\n", "1:4", "`key:` needs a space after the colon", "write `key: …`"),
        ("a: @x\n", "1:4", "cannot begin with `@`", "quote the value"),
        ("a: `x`\n", "1:4", "cannot begin with a backtick", "quote the value"),
        ("a: %x\n", "1:4", "cannot begin with `%`", "quote the value"),
        ("a: **bold**\n", "1:4", "cannot begin with `*`", "quote the value"),
        ("a: &\n", "1:4", "cannot begin with `&`", "quote the value"),
        ("a: *b\n", "1:4", "aliases (`*name`) are not read", "if `*b` is text, quote it"),
        ("a: &b 1\n", "1:4", "anchors (`&name`) are not read", "if `&b` is text, quote it"),
        ("a: !include x.md\n", "1:4", "tags such as `!include`", "{% include"),
        ("a: !include x.md\ntestData: []\n", "1:4", "tags such as `!include`", "GitHub's files include nothing"),
        ("{% import 'm.j2' as m %}\na: b\n", "1:1", "the file itself is no template", "in the texts of messages"),
        ("a: b\n{% if x %}\nc: d\n{% endif %}\n", "2:1", "the file itself is no template", "in the texts of messages"),
        ("cases: !include x.yaml\n", "1:8", "tags such as `!include`", "`cases: file.csv`"),
        ("a:\u00a0b\nc: d\n", "1:3", "the character U+00A0 stands here", "type it anew"),
        ("a: |\n  x\n\u00a0 y\n", "3:1", "the character U+00A0 stands here", "type it anew"),
        ("a: b\n  c\uff1a d\n  e: f\n", "2:4", "the character U+FF1A stands here", "type it anew"),
        ("a: !!str 1\n", "1:4", "tags such as `!!str`", "remove the tag"),
        ("!x a: 1\n", "1:1", "tags such as `!x`", "remove the tag"),
        ("%TAG ! tag:x,1:\n---\na: 1\n", "1:1", "%TAG", "remove the line"),
        ("%YAML 2.0\n---\na: 1\n", "1:1", "not 1.2", "remove the `%YAML` line"),
        ("<<: {a: 1}\n", "1:1", "merge keys", "write the keys out"),
        ("a: 1\nb: 2\na: 3\n", "3:1", "`a` is given twice; the first is on line 1", "keep one"),
        ("{a: 1, 'a': 2}\n", "1:8", "`a` is given twice", "keep one"),
        (": 1\n", "1:1", "a key is missing", "quote the value"),
        ("? [a, b]\n: 1\n", "1:3", "a key must be text", "write it as text"),
        ("\ta: 1\n", "1:1", "a tab is used to indent", "indent with spaces"),
        ("a:\n\tb: 1\n", "2:1", "a tab is used to indent", "indent with spaces"),
        ("a:\n  \tb: 1\n", "2:3", "a tab is used to indent", "indent with spaces"),
        ("a: |\n\tx\n", "2:1", "a tab is used to indent", "indent with spaces"),
        ("a: 'x\n\nb: 1\n", "1:4", "this quote is never closed", "close it"),
        ('a: "\\d"\n', "1:5", "no escape", "double the backslash"),
        ('a: "\\0"\n', "1:4", "makes a NUL character", "remove the escape"),
        ("a: [1, 2\n", "1:4", "this `[` is not closed", "close it with `]`"),
        ("a: {b: 1\n", "1:4", "this `{` is not closed", "close it with `}`"),
        ("a: [\n", "1:4", "this `[` is not closed", "close it with `]`"),
        ("a: |\n  {{ x }}\nb: {c: 1\nd: 2\n", "3:4", "this `{` is not closed", "close it with `}`"),
        ("a: {b: [}\n", "1:8", "this `[` is not closed", "close it with `]`"),
        ("a: {b: 1]\n", "1:4", "this `{` is not closed", "close it with `}`"),
        ("a: | text\n  more\n", "1:6", "nothing may follow `|`", "on the next line"),
        ("a: 1\nfoo\nb: 2\n", "2:1", "no `key: value`", "indent it under that text's `|`"),
        ("a: - b\n", "1:4", "a list cannot begin on the line of its key", "on the next line"),
        ("a: 1\n- b\n", "2:1", "a list begins where a key was expected", "indent it under its key"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "the indentation fits nothing above", "line it up"),
        ("a: |\n   x\n  y\n", "3:3", "the indentation fits nothing above", "indent the text under `|`"),
        (" a: 1\nb: 2\n", "2:1", "the indentation fits nothing above", "line it up"),
        ("a: 'x' y\n", "1:8", "text after the end of a value", "quote the value"),
        ("a: [x]y\n", "1:7", "text after the end of a value", "quote the value"),
        ("a: 1\n---\nb: 2\n", "2:1", "a second YAML document", "remove the `---`"),
        ("---\nmodel: x\n---\nbody\n", "3:1", "a second YAML document", "goes under `messages:`"),
        ("a: b\x01c\n", "1:5", "control character U+0001", "remove it"),
        ("a: 1\nb: \0\n", "2:4", "a NUL character", "remove it"),
        ("a: \x7f\n", "1:4", "control character U+007F", "remove it"),
    ],
)
def test_a_mistake_is_told_where_it_is_with_what_to_do(text: str, at: str, said: str, hint: str) -> None:
    (problem,) = problems_of(text)
    assert said in problem.message
    assert hint in (problem.hint or "")
    # The pure-Python scanner points at the character after the backslash.
    assert str(problem.place) in (f"f.yaml:{at}", f"f.yaml:{at[:-1]}6" if "\\d" in text else "")


@pytest.mark.parametrize(
    ("data", "at", "said"),
    [
        (b"a: 1\nb: x\xff\n", "2:5", "byte 0xff is not valid UTF-8"),
        ("é: ".encode() + b"\xe9", "1:4", "byte 0xe9"),
        ("a: 1".encode("utf-16"), "1:1", "the file is UTF-16"),
        (b"\xed\xa0\x80", "1:1", "not valid UTF-8"),
    ],
)
def test_bytes_that_are_no_utf8_are_told_with_their_place(data: bytes, at: str, said: str) -> None:
    (problem,) = problems_of(data)
    assert (str(problem.place), problem.hint) == (f"f.yaml:{at}", problem.hint)
    assert said in problem.message
    assert "UTF-8" in (problem.hint or "")


def test_all_mistakes_are_told_not_only_the_first() -> None:
    found = problems_of("a: &x 1\na: *x\nb: !y 2\n<<: {}\nc: 'open\n")
    assert [problem.code for problem in found] == [
        "anchor",
        "duplicate-key",
        "alias",
        "tag",
        "merge-key",
        "yaml-syntax",
    ]
    assert [problem.place.line for problem in found if problem.place] == [1, 2, 2, 3, 4, 5]
