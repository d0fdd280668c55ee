from __future__ import annotations

import pytest

from promptctl.datasets.validation import validate_workspace
from promptctl.files.look_alikes import normal, unseen_difference
from promptctl.files.names import did_you_mean
from promptctl.files.tree import MemoryTree

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("text", ["", "a b", NFC, "a\u00a0b", "\u200b", "\U0001f600"])
def test_normal_texts_stay_as_they_are_the_second_time(text: str) -> None:
    assert normal(normal(text)) == normal(text)


def test_texts_that_are_equal_or_visibly_different_have_no_unseen_difference() -> None:
    assert unseen_difference(NFC, NFC) is None
    assert unseen_difference(NFC, "cafe") is None


def test_marks_in_a_different_order_are_told_with_their_letter() -> None:
    told = unseen_difference("a\u0323\u0301", "a\u0301\u0323")
    assert told is not None
    assert told.startswith("they differ at character 1, U+0061 U+0323 U+0301 and U+0061 U+0301 U+0323")


def test_a_name_that_looks_the_same_says_what_is_different() -> None:
    assert did_you_mean(NFC, [NFD]) == (
        f"did you mean `{NFD}` (they differ at character 4, U+00E9 and U+0065 U+0301, and are equal after NFC)?"
    )


def test_a_partial_whose_name_has_another_form_is_told_so() -> None:
    text = f"messages:\n- role: user\n  content: '{{% include \"{NFC}.j2\" %}}'\n"
    (problem,) = validate_workspace(MemoryTree({"prompts/p.prompt.yaml": text, f"prompts/{NFD}.j2": "x"})).problems
    assert problem.code == "missing-partial"
    assert "U+00E9 and U+0065 U+0301" in (problem.hint or "")
