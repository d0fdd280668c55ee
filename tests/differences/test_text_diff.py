import pytest

from promptctl.differences.text_diff import BoundedMatcher, compare_texts


def test_texts_that_take_long_to_compare_are_compared_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = "".join(f"{n % 150}\n" for n in range(3000)), "".join(f"{n * 7 % 150}\n" for n in range(3000))
    whole = compare_texts(before, after)
    monkeypatch.setattr(BoundedMatcher, "_left", 250_000)
    hunks = compare_texts(before, after)
    # What was not compared is shown as taken out and put in: nothing is left out.
    for sign, text in ((" -", before), (" +", after)):
        shown = [line[1:] for hunk in hunks for line in hunk.lines if line[0] in sign]
        assert len(shown) >= 2_000
        assert set(shown) <= {*text.splitlines(), ""}
    assert sum(len(hunk.lines) for hunk in hunks) > sum(len(hunk.lines) for hunk in whole)
    monkeypatch.undo()
    assert [hunk.lines for hunk in compare_texts("a\nb\nc", "a\nx\nc")] == [(" a", "-b", "+x", " c")]
