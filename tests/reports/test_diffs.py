from promptctl.reports.flips import line_diff


def test_a_difference_far_behind_in_long_texts_is_shown() -> None:
    first, last = ("".join(f"line {n}\n" for n in range(at, at + 5_000)) for at in (0, 5_000))
    shown = line_diff(f"{first}before\n{last}", f"{first}after\n{last}").splitlines()
    assert {"-before", "+after", "… (cut)"} < {line.strip(" ") for line in shown}
    assert len(shown) < 20
    assert line_diff(first, first).endswith("… (cut)")
