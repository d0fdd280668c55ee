from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptctl.errors import InvalidFiles
from promptctl.files import yaml_reader
from promptctl.files.document import Document
from promptctl.files.yaml_reader import MAX_BYTES, MAX_DEPTH, read_yaml
from tests.files.conftest import attempt


def read(text: str) -> Document:
    return read_yaml(text.encode(), "f.yaml")


@pytest.fixture(params=["c", "python"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same reader on the C parser and on the pure-Python one that stands in for it."""
    if request.param == "python":
        fallback = (yaml.SafeLoader, yaml.events, (yaml.YAMLError, ValueError, IndexError))
        monkeypatch.setattr(yaml_reader, "_PARSER", [fallback])


either_parser = pytest.mark.usefixtures("_either_parser")


@either_parser
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"), ("nO", "nO"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("tRue", "tRue"),
        ("null", None), ("~", None), ("Null", None), ("nULL", "nULL"),
        ("0", 0), ("12", 12), ("-3", -3), ("+7", 7), ("-0", 0), ("012", "012"), ("00", "00"), ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"), ("0b11", "0b11"), ("12:30:45", "12:30:45"), ("2024-01-02", "2024-01-02"),
        ("1.2.3", "1.2.3"),
        ("1.10", 1.1), ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-.5E-1", -0.05), ("01.5", "01.5"), ("1e", "1e"),
        (".inf", ".inf"), ("-.INF", "-.INF"), (".nan", ".nan"), ("1e999", "1e999"), ("12e45678", "12e45678"),
        ("9" * 30, int("9" * 30)), ("9" * 5000, "9" * 5000), ("=", "="), (".", "."), ("-x", "-x"), ("+", "+"),
        ("<<", "<<"),
        ('"12"', "12"), ("'true'", "true"), ('""', ""), ('"\\u00e9\\t"', "é\t"), ('"\\U0001F600"', "😀"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    (found,) = read(f"- {written}\n").data
    assert found == value
    assert type(found) is type(value)


@either_parser
def test_an_empty_value_is_null_and_keys_are_text_as_written() -> None:
    assert read("a:\n1: x\ntrue: y\n1.10: z\n'': e\n").data == {"a": None, "1": "x", "true": "y", "1.10": "z", "": "e"}


@either_parser
def test_a_file_without_a_document_holds_nothing() -> None:
    assert read("").data is None
    assert read("# only a comment\n").data is None


@either_parser
def test_line_ends_and_a_leading_byte_order_mark_make_no_difference() -> None:
    text = "a: |\n  one\n\n  two\nb: >\n  x\n  y\n"
    wanted = {"a": "one\n\ntwo\n", "b": "x y\n"}
    assert read(text).data == wanted
    assert read(text.replace("\n", "\r\n")).data == wanted
    assert read(text.replace("\n", "\r")).data == wanted
    assert read("\ufeff" + text).data == wanted


@either_parser
@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_what_only_yaml_1_1_took_for_a_line_break_is_a_character(character: str) -> None:
    text = (
        f"{character.join('ab')}: {character.join('xy')}\nb: |\n  x{character}y\nc: 'x{character}y'\n# {character}d: 1"
    )
    assert read(text).data == {
        character.join("ab"): character.join("xy"),
        "b": f"x{character}y\n",
        "c": f"x{character}y",
    }


def test_json_files_are_read_with_their_own_escapes() -> None:
    data = {"smile": "😀", "path": "\\ud83d", "tab": "a\tb", "slash": "/", "n": [1, 1.5, None, True]}
    text = json.dumps(data).replace("/", "\\/")
    assert "\\ud83d\\ude00" in text
    assert read_yaml(text.encode(), "x.schema.json").data == data
    assert read_yaml(json.dumps(data, indent="\t", ensure_ascii=False).encode(), "x.json").data == data


def test_both_parsers_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parent / "everything.yaml").read_text()
    with_c = read(text).data
    fallback = (yaml.SafeLoader, yaml.events, (yaml.YAMLError, ValueError, IndexError))
    monkeypatch.setattr(yaml_reader, "_PARSER", [fallback])
    assert read(text).data == with_c


def test_files_are_read_up_to_a_limit() -> None:
    assert read("a: " + "x" * (MAX_BYTES - 3)).data
    with pytest.raises(InvalidFiles, match="at most 1,048,576 are read"):
        read("a: " + "x" * MAX_BYTES)


@either_parser
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ("- ", "")])
def test_values_are_nested_up_to_a_limit(opening: str, closing: str) -> None:
    assert read(opening * MAX_DEPTH + "1" + closing * MAX_DEPTH).data
    with pytest.raises(InvalidFiles, match="nested more than 64 deep"):
        read(opening * (MAX_DEPTH + 1) + "1" + closing * (MAX_DEPTH + 1))
    with pytest.raises(InvalidFiles):
        read(opening * 100_000)


@pytest.mark.parametrize("piece", ["{{x}}: 1\n", "a: 1\n", "a: *b\n", "- &a b\n", "- - - -\n"])
def test_a_file_of_nothing_but_mistakes_is_given_up_early(piece: str) -> None:
    with pytest.raises(InvalidFiles) as refused:
        read(piece * (MAX_BYTES // len(piece)))
    assert len(refused.value.problems) <= 101


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<-é 1", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_json)
def test_json_is_read_as_json_reads_it(data: Any) -> None:
    text = json.dumps(data)
    found = read_yaml(text.encode(), "x.json").data
    assert found == data
    assert json.dumps(found) == text


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=200)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    document, problems = attempt(read_yaml, data, "f.yaml")
    assert all(problem.place and problem.hint for problem in problems)
    assert problems or json.dumps(document.data, allow_nan=False)
