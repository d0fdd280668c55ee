"""A dataset's cases in three parts: the draw, how it is kept, and what is evaluated of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from promptctl import EvaluationRequest, InvalidFiles, Limits, ResumeRequest, Selection, UsageError, WorkspaceError
from promptctl.datasets.cases import Case
from promptctl.datasets.drawing import draw
from promptctl.datasets.splitting import CHOOSE, HELD_OUT, PARTS, SHARES, TRAIN, Split
from promptctl.errors import Place
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.log.results import EvaluationRow
from promptctl.prompts.prompt import MISSING
from tests.evaluation_lab import Lab


def case(id_: str, *tags: str, cluster: str | None = None) -> Case:
    return Case(id_, {"n": id_}, MISSING, tags, (), "0", Place("x"), cluster=cluster)


def parts(split: Split, cases: list[Case]) -> dict[str, str | None]:
    return {each.id: split.part(each) for each in cases}


def test_parts_have_their_shares_and_a_case_more_moves_no_other() -> None:
    cases = [case(f"c{n}") for n in range(2000)]
    found = Counter(parts(Split(4), cases).values())
    assert all(abs(found[part] / 2000 - SHARES[part]) < 0.03 for part in PARTS)
    few = parts(Split(4), cases[:50])
    assert few == {id_: part for id_, part in parts(Split(4), cases).items() if id_ in few}
    assert few != parts(Split(5), cases[:50])


def test_cells_of_a_matrix_and_of_a_cluster_and_what_is_alike_are_in_one_part() -> None:
    split = Split(1, together=(("gone", "b", "docs"), ("x", "y")))
    assert len({split.part(case(f"a[tone={each}]")) for each in range(20)}) == 1
    assert split.part(case("b[n=1]")) == split.part(case("gone"))
    assert {split.part(case(f"p{n}", cluster="docs")) for n in range(20)} == {split.part(case("gone"))}
    assert split.part(case("y")) == split.part(case("x"))


def test_a_generated_case_is_never_held_out_and_else_where_it_would_be() -> None:
    split = Split(0)
    for n in range(400):
        plain, generated = split.part(case(f"c{n}")), split.part(case(f"c{n}", "generated"))
        assert generated == plain if plain != HELD_OUT else generated in (TRAIN, CHOOSE)
    held = next(f"c{n}" for n in range(9) if split.part(case(f"c{n}")) == HELD_OUT)
    kept = Split(0, together=((held, "g"),))
    assert kept.part(case("g", "generated")) is None
    assert split.part(case("g", "generated", cluster=held)) is None


def test_a_seed_is_chosen_whose_parts_are_even() -> None:
    for size in (13, 14, 20, 31, 100):
        cases = [case(f"c{n}") for n in range(size)] + [case(f"g{n}", "generated") for n in range(size)]
        found = Counter(parts(draw(cases, "x"), cases[:size]).values())
        assert all(abs(found[part] - size * SHARES[part]) <= max(1, size / 50) for part in PARTS)
        assert draw(cases, "x") == draw(cases, "x")


@pytest.mark.parametrize("size", [0, 1, 12])
def test_too_few_cases_say_how_many_are_needed(size: int) -> None:
    cases = [case(f"c{n}") for n in range(size)] + [case(f"g{n}", "generated") for n in range(40)]
    with pytest.raises(WorkspaceError) as raised:
        draw(cases, "datasets/x.yaml")
    assert f"it has {size} case" in raised.value.message
    assert "and 13 are needed" in raised.value.message
    assert raised.value.hint is not None
    assert f"add {13 - size}:" in raised.value.hint


def test_cases_that_are_alike_count_once_and_a_seed_that_leaves_a_part_short_is_refused() -> None:
    cases = [case(f"c{n}") for n in range(13)]
    with pytest.raises(WorkspaceError, match="it has 12 cases"):
        draw(cases, "x", kept=Split(0, together=(("c1", "c2"),)))
    short = next(seed for seed in range(99) if Counter(map(Split(seed).part, cases))[HELD_OUT] < 5)
    with pytest.raises(WorkspaceError, match=f"seed {short} draws . cases? of x for `held_out`, and 5 are needed"):
        draw(cases, "x", seed=short)
    assert draw([case(f"c{n}") for n in range(100)], "x", seed=3).seed == 3


def test_it_is_read_from_the_file_as_it_is_written() -> None:
    split = Split(7, {TRAIN: 0.5, CHOOSE: 0.2, HELD_OUT: 0.3}, (("a", "b"),))
    assert Split.of_header(split.as_header()) == split
    assert Split(7).as_header() == {"seed": 7}
    assert Split.of_header({"seed": 7}) == Split(7)


@pytest.mark.parametrize(
    ("written", "where", "said", "hint"),
    [
        ("{sed: 1}", 1, "sed", "did you mean `seed`?"),
        ("{}", 1, "seed", None),
        ("{seed: 1, ratios: {}}", 1, "ratios", "`shares`"),
        ("{seed: 1, shares: {train: 0.5, choose: 0.3, test: 0.2}}", 1, "test", "held_out"),
        ("{seed: 1, shares: {train: 0.5, choose: 0.3, held_out: 0.3}}", 1, "add up to 1.1, not to 1", "change"),
        ("{seed: 1, shares: {train: 0.7, choose: 0.3, held_out: 0}}", 1, "held_out", None),
        ("\n  seed: 1\n  together:\n    - [a, b]\n    - [c, a]", 5, "`a` is in two groups", "make the two groups one"),
        ("{seed: -1}", 1, "seed", None),
        ("3", 1, "split", None),
    ],
)
def test_a_wrong_split_says_where_and_what(written: str, where: int, said: str, hint: str | None) -> None:
    with pytest.raises(InvalidFiles) as raised:
        read_dataset_file(f"split: {written}\ncases:\n  - {{id: a}}\n".encode(), "datasets/x.yaml")
    problem = raised.value.problems[0]
    assert said in problem.message
    assert problem.place is not None
    assert (problem.place.path, problem.place.line) == ("datasets/x.yaml", where)
    assert hint is None or hint in (problem.hint or "")


CASES = "".join(f"  - {{id: c{n}, inputs: {{ticket: t{n}}}, expected: x}}\n" for n in range(20))


def test_a_part_is_evaluated_and_is_another_evaluation_than_the_whole(lab: Lab) -> None:
    file = lab.write("datasets/x.yaml", f"prompts: [triage]\nsplit: {{seed: 3}}\ncases:\n{CASES}")

    def run(**given: Any) -> EvaluationRow:
        with lab.open() as workspace:
            return workspace.evaluate(EvaluationRequest(refs=["triage"], **given))[0].row

    row = run(selection=Selection(part=HELD_OUT))
    held = [f"c{n}" for n in range(20) if Split(3).part(case(f"c{n}")) == HELD_OUT]
    with lab.open() as workspace:
        assert [each.case_id for each in workspace.context.log.results(row.id)] == held
    assert not row.spec.is_whole
    assert row.spec.split is not None
    assert row.spec.split["part"] == HELD_OUT
    assert not row.spec.is_same_work(run(selection=Selection(part=TRAIN)).spec)
    assert row.spec.is_same_work(run(selection=Selection(part=HELD_OUT)).spec)

    with lab.open() as workspace, pytest.raises(UsageError) as raised:
        workspace.evaluate(EvaluationRequest(refs=["triage"], selection=Selection(part="heldout")))
    assert "did you mean `held_out`?" in str(raised.value.hint)
    file.write_text(file.read_text().replace("split: {seed: 3}\n", ""))
    with lab.open() as workspace, pytest.raises(UsageError) as raised:
        workspace.evaluate(EvaluationRequest(refs=["triage"], selection=Selection(part=TRAIN)))
    assert (str(raised.value), raised.value.hint) == (
        "datasets/x.yaml has no split, so it has no part `train`",
        "draw one: promptctl dataset split datasets/x.yaml",
    )


def test_an_evaluation_of_a_part_is_not_taken_up_again_after_another_draw(lab: Lab) -> None:
    file = lab.write("datasets/x.yaml", f"prompts: [triage]\nsplit: {{seed: 3}}\ncases:\n{CASES}")
    with lab.open() as workspace:
        request = EvaluationRequest(refs=["triage"], selection=Selection(part=TRAIN), limits=Limits(fails_fast=True))
        row = workspace.evaluate(request)[0].row
        assert workspace.resume(ResumeRequest(evaluation=row.id))[0].row.id == row.id
    file.write_text(file.read_text().replace("seed: 3", "seed: 4"))
    with lab.open() as workspace, pytest.raises(WorkspaceError, match=r"the split of .* has changed since"):
        workspace.resume(ResumeRequest(evaluation=row.id))


def test_a_case_without_an_id_keeps_no_part(lab: Lab) -> None:
    rows = "".join(f"t{n},x\n" for n in range(20))
    lab.write("datasets/x.yaml", "prompts: [triage]\ncases: ./rows.csv\n")
    lab.write("datasets/rows.csv", f"ticket,expected\n{rows}")
    with lab.open() as workspace, pytest.raises(WorkspaceError) as raised:
        workspace.datasets.split("x")
    assert (str(raised.value.place), raised.value.hint) == ("datasets/rows.csv:2", "give each case an `id` that stays")
