"""Texts merged three ways, with the lines at which both sides changed them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.git.merging import Merge, MergeConflict, merge_texts

LINES = st.lists(st.sampled_from(["a", "b", "=======", "<<<<<<< x", ""]), max_size=6).map(
    lambda lines: "".join(f"{line}\n" for line in lines).encode()
)


def test_changes_of_both_sides_are_kept() -> None:
    base = b"one\ntwo\nthree\nfour\nfive\n"
    ours, theirs = base.replace(b"one", b"ONE"), base.replace(b"five", b"FIVE")
    assert merge_texts(ours, base, theirs) == Merge(b"ONE\ntwo\nthree\nfour\nFIVE\n")


def test_conflicts_have_the_lines_of_our_text() -> None:
    base = "".join(f"{number}\n" for number in range(1, 21)).encode()
    ours = base.replace(b"\n3\n", b"\nx\ny\n3 ours\n").replace(b"\n17\n", b"\n17 ours\n")
    theirs = base.replace(b"\n3\n", b"\n3 theirs\n").replace(b"\n17\n", b"\n17 theirs\nmore\n")
    merge = merge_texts(ours, base, theirs)
    assert merge.data == ours
    lines = ours.decode().splitlines()
    assert [lines[each.line - 1] for each in merge.conflicts] == ["x", "17 ours"]
    assert [(each.ours, each.theirs) for each in merge.conflicts][1] == ([b"17 ours"], [b"17 theirs", b"more"])


@pytest.mark.parametrize("ruler", [b"=" * 60, b"=" * 2000, b"<" * 60 + b" ours", b">" * 99 + b" theirs"])
def test_a_ruler_in_a_text_is_no_mark_of_the_merge(ruler: bytes) -> None:
    base, ours, theirs = (b"Rules\n" + ruler + b"\nBe kind.\nBe %s.\n" % each for each in (b"a", b"b", b"c"))
    assert merge_texts(ours, base, theirs) == Merge(ours, (MergeConflict(4, [b"Be b."], [b"Be c."]),))
    assert merge_texts(base, theirs, theirs).data == base


def test_line_ends_are_ours_and_binaries_are_one_conflict() -> None:
    assert merge_texts(b"a\r\nb\r\nc\r\nd\r\n", b"a\nb\nc\nd\n", b"A\nb\nc\nd\n").data == b"A\r\nb\r\nc\r\nd\r\n"
    assert merge_texts(b"\0a", b"\0b", b"\0c") == Merge(b"\0a", (MergeConflict(1),))


@settings(max_examples=25)
@given(LINES, LINES)
def test_a_side_that_changed_nothing_takes_the_other(base: bytes, other: bytes) -> None:
    """Also in texts that hold marks of merges themselves."""
    assert merge_texts(base, base, other) == Merge(other)
    assert merge_texts(other, base, base) == Merge(other)
    assert merge_texts(other, base, other) == Merge(other)
