"""YAML of other tools: anchors, aliases and merge keys are written out, within bounds."""

from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles
from promptctl.files import foreign_yaml
from promptctl.files.document import Document
from promptctl.files.foreign_yaml import read_foreign_yaml


def read(text: str) -> Document:
    return read_foreign_yaml(text.encode(), "promptfooconfig.yaml")


def refused(text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(InvalidFiles) as raised:
        read(text)
    return [(each.message, each.place.line if each.place else None) for each in raised.value.problems]


def test_an_alias_is_the_value_of_its_anchor_at_the_anchors_place() -> None:
    document = read("base: &base {a: [1, two]}\nother: *base\nlist: [*base, &x 3, *x]\n")
    assert document.data == {"base": {"a": [1, "two"]}, "other": {"a": [1, "two"]}, "list": [{"a": [1, "two"]}, 3, 3]}
    assert document.place("other", "a", 1).line == 1


def test_merge_keys_add_what_the_mapping_does_not_say_itself() -> None:
    text = """\
one: &one {a: 1, b: 1}
two: &two
  b: 2
  c: 2
merged:
  b: own
  <<: [*one, *two]
single:
  <<: *two
  d: 4
"""
    document = read(text)
    assert document.data["merged"] == {"b": "own", "a": 1, "c": 2}
    assert document.data["single"] == {"d": 4, "b": 2, "c": 2}
    assert document.key_place("single", "c").line == 4


def test_an_anchor_is_the_last_one_of_its_name() -> None:
    assert read("- &a 1\n- *a\n- &a 2\n- *a\n").data == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: *b\n", "`*b` names no anchor above it", 1),
        ("a: &a\n  b: *a\n", "`*a` stands within the value that it names", 2),
        ("a: &a 1\nb:\n  <<: *a\n", "what `<<` merges is no mapping", 3),
        ("a: !!python/object:os.system x\n", "tags such as `!!python/object:os.system` are not read", 1),
        ("a: 1\na: 2\n", "`a` is given twice; the first is on line 1", 2),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, message: str, line: int) -> None:
    assert (message, line) in refused(text)


def test_aliases_that_multiply_a_file_are_refused_before_it_is_made() -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    [(message, line)] = refused("\n".join(lines))
    assert "1,000,000 values" in message
    assert line == 6


def test_long_texts_cannot_be_repeated_without_end() -> None:
    text = f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 1000)}]\n"
    assert "values once its aliases are written out" in refused(text)[0][0]


def test_aliases_cannot_nest_deeper_than_files_may() -> None:
    levels = ["l0: &l0 [x]"]
    for n in range(1, 5):
        levels.append(f"l{n}: &l{n} {'[' * 14}*l{n - 1}{']' * 14}")
    assert read("\n".join(levels)).data
    levels.append(f"l5: {'[' * 14}*l4{']' * 14}")
    assert "nested" in refused("\n".join(levels))[0][0]


def test_a_file_of_other_tools_may_be_larger_than_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read("".join(f"- {'x' * 100}\n" for _ in range(15_000))).data) == 15_000
    monkeypatch.setattr(foreign_yaml, "MAX_BYTES", 10)
    assert "bytes" in refused("a: 1234567890\n")[0][0]
