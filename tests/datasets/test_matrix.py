from __future__ import annotations

import pytest

from promptctl.datasets.matrix import InvalidMatrix, unfold


def test_every_combination_once_the_last_input_fastest() -> None:
    cells = list(unfold({"tone": ["kind", "formal"], "n": [1, 2]}))
    assert [label for label, _ in cells] == [
        "[tone=kind,n=1]",
        "[tone=kind,n=2]",
        "[tone=formal,n=1]",
        "[tone=formal,n=2]",
    ]
    assert cells[3][1] == {"tone": "formal", "n": 2}


def test_values_that_make_no_readable_id_are_named_by_their_place() -> None:
    values = [["a"], {"b": 1}, "", "x" * 50, "two\nlines", "a=b", None, True, 1.5]
    labels = [label for label, _ in unfold({"v": values})]
    assert labels == ["[v=#1]", "[v=#2]", "[v=#3]", "[v=#4]", "[v=#5]", "[v=#6]", "[v=null]", "[v=true]", "[v=1.5]"]


@pytest.mark.parametrize("matrix", [{"v": ["a", "a"]}, {"v": ["1", 1]}, {str(n): list(range(10)) for n in range(9)}])
def test_a_value_twice_and_too_many_cases_are_refused(matrix: dict[str, list[object]]) -> None:
    with pytest.raises(InvalidMatrix) as caught:
        list(unfold(matrix))
    assert caught.value.hint
