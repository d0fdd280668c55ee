from __future__ import annotations

from collections.abc import Iterator

import pytest

from promptctl.datasets.cases import Case
from promptctl.datasets.selection import Choosing, Selection, choose
from promptctl.errors import CaseNotFound, Place, UsageError
from promptctl.prompts.prompt import MISSING


def cases(count: int = 20, prefix: str = "c") -> Iterator[Case]:
    for n in range(count):
        tags = ("even",) if n % 2 == 0 else ("odd", "smoke") if n % 3 == 0 else ("odd",)
        yield Case(f"{prefix}{n}", {}, MISSING, tags, (), f"{n:032x}", Place("datasets/x.yaml", n + 1))


def ids(selection: Selection, count: int = 20) -> list[str]:
    chosen = choose(lambda: cases(count), selection)
    taken = [case.id for case in chosen.of(cases(count))]
    assert len(taken) == chosen.count
    return taken


def test_nothing_selected_is_everything() -> None:
    assert len(ids(Selection())) == 20


def test_by_id_by_tag_and_the_first_keep_the_dataset_s_order() -> None:
    assert ids(Selection(ids=frozenset({"c7", "c2"}))) == ["c2", "c7"]
    assert ids(Selection(tags=("smoke",))) == ["c3", "c9", "c15"]
    assert ids(Selection(tags=("smoke",), first=2)) == ["c3", "c9"]
    assert ids(Selection(first=99)) == [f"c{n}" for n in range(20)]


def test_a_matrix_case_is_meant_by_the_id_it_was_written_with() -> None:
    unfolded = [Case(f"a[tone={tone}]", {}, MISSING, (), (), "0", Place("x")) for tone in ("kind", "formal")]
    chosen = choose(lambda: unfolded, Selection(ids=frozenset({"a"})))
    assert chosen.count == 2
    assert choose(lambda: unfolded, Selection(ids=frozenset({"a[tone=kind]"}))).count == 1


def test_a_sample_is_the_same_each_time_and_another_for_another_seed() -> None:
    first = ids(Selection(sample=5, seed=1))
    assert first == ids(Selection(sample=5, seed=1))
    assert first != ids(Selection(sample=5, seed=2))
    assert first == sorted(first, key=lambda id_: int(id_[1:]))
    assert len(ids(Selection(sample=50))) == 20


def test_a_case_more_changes_a_sample_by_at_most_one() -> None:
    before, after = set(ids(Selection(sample=10), 200)), set(ids(Selection(sample=10), 201))
    assert len(before - after) <= 1


@pytest.mark.parametrize(
    ("selection", "said", "hint"),
    [
        (Selection(ids=frozenset({"c7", "c77"})), "no case is called `c77`", "did you mean `c17` or `c7`?"),
        (Selection(tags=("smoek",)), "no tag is called `smoek`", "did you mean `smoke`?"),
    ],
)
def test_a_name_of_none_is_an_error_of_the_workspace_with_the_nearest(
    selection: Selection, said: str, hint: str
) -> None:
    with pytest.raises(CaseNotFound, match=said) as caught:
        ids(selection)
    assert (caught.value.hint, caught.value.exit_code) == (hint, 3)


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(ids=frozenset()), "no case is selected"),
        (Selection(ids=frozenset({"c2"}), tags=("odd",)), "no case is selected"),
        (Selection(first=0), "no case is selected"),
    ],
)
def test_what_selects_nothing_is_an_error(selection: Selection, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        ids(selection)
    assert caught.value.hint


def test_a_case_that_is_left_out_is_not_called_unknown() -> None:
    choosing = Choosing(Selection(ids=frozenset({"coded"})))
    choosing.of(list, left_out={"coded", "other"})
    with pytest.raises(CaseNotFound, match="`coded` is left out: an assertion that runs code decides it"):
        choosing.finish()
