from __future__ import annotations

import pytest

from tests.assertions.helpers import faults, graded, passes


class TestEquals:
    def test_text_is_compared_without_the_whitespace_around_it(self) -> None:
        assert passes("equals", "  billing\n", "billing\n")
        assert not passes("equals", "Billing", "billing")

    def test_anything_else_is_compared_as_json(self) -> None:
        assert passes("equals", '{"b": 1.0, "a": [true, null]}', {"a": [True, None], "b": 1})
        assert not passes("equals", '{"a": 1}', {"a": True})
        assert not passes("equals", "[1, 2]", [2, 1])

    def test_a_text_is_not_the_number_that_looks_like_it(self) -> None:
        assert not passes("equals", {"n": 10}, "10", path="$.n")
        assert passes("equals", {"n": 10}, 10, path="$.n")

    def test_the_reason_says_where_two_replies_differ(self) -> None:
        outcome = graded("equals", {"a": {"b": [1, 2]}, "c": 3}, {"a": {"b": [1, 3]}, "c": 3})
        assert outcome.reason == "$.a.b[1]: expected 3, got 2"
        assert outcome.expected == {"a": {"b": [1, 3]}, "c": 3}
        assert outcome.got == {"a": {"b": [1, 2]}, "c": 3}

    def test_a_key_that_only_one_of_them_has_is_a_difference(self) -> None:
        assert graded("equals", {"a": 1}, {"a": 1, "b": 2}).reason == "$.b: expected 2, got nothing"
        assert graded("equals", {"a": 1, "b": None}, {"a": 1}).reason == "$.b: expected nothing, got null"

    def test_the_case_s_expected_stands_in_for_a_value(self) -> None:
        assert graded("equals", "bug", subject={"expected": "bug"}).passed
        assert graded("equals", {"label": "bug"}, subject={"expected": {"label": "bug"}}).passed

    def test_a_reply_that_is_no_json_fails_and_so_does_its_not_form(self) -> None:
        assert passes("equals", "Sure! {", {"a": 1}) is False
        assert passes("not-equals", "Sure! {", {"a": 1}) is False

    @pytest.mark.parametrize("reply", ["NaN", '{"a": Infinity}'])
    def test_what_only_python_takes_for_json_is_not_json(self, reply: str) -> None:
        assert "not JSON" in graded("is-json", reply).reason

    @pytest.mark.parametrize(
        ("reply", "value", "said"),
        [
            ("cafe\u0301", "caf\u00e9", "character 4, U+00E9 and U+0065 U+0301, and are equal after NFC"),
            ("10\u00a0EUR", "10 EUR", "character 3, U+0020 and U+00A0, and are equal after blanks are made plain"),
            ("bil\u200bling", "billing", "character 4, U+006C and U+200B, and are equal after blanks are made plain"),
            ("caf\u00e9\u00a0a", "cafe\u0301 a", "character 4, U+0065 U+0301 and U+00E9, and are equal after both"),
        ],
    )
    def test_texts_that_look_alike_say_how_they_differ(self, reply: str, value: str, said: str) -> None:
        reason = graded("equals", reply, value).reason
        assert reason.startswith("expected ")
        assert said in reason
        assert passes("equals", reply, value, normalize=["nfc", "whitespace"])
        assert passes("equals", {"a": [reply]}, {"a": [value]}, normalize=["nfc", "whitespace"])
        assert not passes("not-equals", reply, value, normalize=["nfc", "whitespace"])

    def test_one_form_is_enough_where_the_other_does_not_matter(self) -> None:
        assert passes("equals", "cafe\u0301", "caf\u00e9", normalize="nfc")
        assert not passes("equals", "cafe\u0301", "caf\u00e9", normalize="whitespace")
        assert not passes("equals", "a  b", "a b", normalize="nfc")
        assert passes("equals", "a \n b", "a b", normalize="whitespace")

    def test_texts_that_differ_visibly_say_nothing_more(self) -> None:
        assert graded("equals", "bug", "billing").reason == 'expected "billing", got "bug"'

    def test_numbers_may_differ_by_the_tolerance(self) -> None:
        assert passes("equals", {"a": [0.3, 5]}, {"a": [0.2, 5]}, tolerance=0.1)
        assert passes("equals", "3.14", 3.1416, tolerance=0.01)
        assert not passes("equals", "3.1", 3.1416, tolerance=0.01)
        assert not passes("equals", {"a": True}, {"a": 1}, tolerance=1)
        assert faults({"type": "contains", "value": "a", "tolerance": 1})

    def test_an_unknown_form_is_refused(self) -> None:
        ((message, *_),) = [faults({"type": "equals", "value": "a", "normalize": "nfd"})]
        assert "nfc or whitespace" in str(message)


class TestContains:
    @pytest.mark.parametrize("type_", ["contains", "icontains", "contains-all", "contains-any"])
    def test_what_looks_alike_is_said(self, type_: str) -> None:
        value = ["caf\u00e9"] if "-" in type_ else "caf\u00e9"
        assert "but one that looks alike: `normalize:" in graded(type_, "a cafe\u0301 there", value).reason
        assert passes(type_, "a cafe\u0301 there", value, normalize="nfc")
        assert "alike" not in graded(type_, "a tea there", value).reason

    def test_with_and_without_case(self) -> None:
        assert passes("contains", "A refund is due", "refund")
        assert not passes("contains", "A Refund is due", "refund")
        assert passes("icontains", "STRASSE", "straße")

    def test_any_and_all(self) -> None:
        assert passes("contains-any", "red", ["blue", "red"])
        assert not passes("contains-all", "red", ["blue", "red"])
        assert passes("icontains-all", "Red Blue", ["blue", "red"])
        assert not passes("icontains-any", "green", ["blue", "red"])

    def test_all_scores_the_share_that_was_found_and_names_the_rest(self) -> None:
        outcome = graded("contains-all", "a b c", ["a", "b", "x", "y"])
        assert outcome.score == 0.5
        assert outcome.reason == 'does not contain "x", "y"'

    def test_a_list_within_the_reply_is_searched_as_json(self) -> None:
        assert passes("contains", {"tags": ["vip", "late"]}, '"vip"', path="$.tags")

    @pytest.mark.parametrize("value", ["", [], [""], None])
    def test_what_every_reply_would_contain_is_refused(self, value: object) -> None:
        type_ = "contains-any" if isinstance(value, list) else "contains"
        spec = {"type": type_, "value": value}
        assert [problem.code for problem in faults(spec)] == ["bad-value"]

    def test_a_number_that_yaml_may_have_changed_is_refused(self) -> None:
        assert "quotes" in faults({"type": "contains", "value": 1.1})[0].message
        assert passes("contains", "in 2026", 2026)


def test_starts_and_ends_leave_the_whitespace_around_a_reply_aside() -> None:
    assert passes("starts-with", "\n Dear Ann", "Dear")
    assert passes("ends-with", "Yours, Bo\n\n", "Bo")
    assert passes("starts-with", "Dear Ann", "\nDear")
    assert passes("ends-with", "Yours, Bo", "Bo\n")
    assert not passes("starts-with", "Oh dear", "Dear")
    assert faults({"type": "ends-with", "value": " \n"})[0].code == "bad-value"


class TestRegex:
    def test_matches_anywhere_in_re2_s_syntax(self) -> None:
        assert passes("regex", "Order A-123 shipped", r"\b[A-Z]-\d{3}\b")
        assert passes("regex", "HELLO", "(?i)hello")
        assert not passes("regex", "hello", "^ello")

    def test_a_pattern_that_is_slow_elsewhere_is_not_here(self) -> None:
        assert not passes("regex", "a" * 100_000 + "!", "^(a+)+$")

    def test_what_re2_cannot_do_is_told_before_anything_runs(self, capfd: pytest.CaptureFixture[str]) -> None:
        problem = faults({"type": "regex", "value": "(?=a)b"})[0]
        assert problem.code == "bad-value"
        assert "look-around" in problem.message
        assert capfd.readouterr().err == ""


def test_a_reply_cut_within_a_character_is_still_searched() -> None:
    assert passes("regex", "ok \ud83d", "^ok")
    assert passes("contains", "ok \ud83d", "ok")


def test_a_reply_nested_beyond_all_measure_is_an_error_and_no_crash() -> None:
    deep = "[" * 900 + "]" * 900
    assert graded("equals", f'{{"a": {deep}, "b": {deep}}}', "{{ output.a }}", path="$.b").passed in (True, None)


class TestNot:
    @pytest.mark.parametrize(
        ("type_", "reply", "value"),
        [
            ("contains", "all good", "refund"),
            ("icontains-any", "all good", ["refund", "money"]),
            ("starts-with", "all good", "Dear"),
            ("regex", "all good", r"\d"),
            ("equals", "all good", "bad"),
        ],
    )
    def test_each_passes_where_the_plain_one_fails(self, type_: str, reply: str, value: object) -> None:
        plain, negated = graded(type_, reply, value), graded(f"not-{type_}", reply, value)
        assert (plain.passed, plain.score) == (False, 0.0)
        assert (negated.passed, negated.score) == (True, 1.0)
        assert negated.expected == {"not": plain.expected}

    def test_fails_where_there_is_nothing_to_look_at(self) -> None:
        outcome = graded("not-contains", {"reply": "ok"}, "refund", path="$.repl")
        assert outcome.passed is False
        assert "nothing at $.repl" in outcome.reason


@pytest.mark.parametrize(
    ("pattern", "instead"), [("/refund/i", "(?i)refund"), ("/a.b/gi", "(?i)a.b"), ("/a/g", "a"), ("/a/su", "(?s)a")]
)
def test_a_pattern_between_slashes_is_refused_with_what_to_write(pattern: str, instead: str) -> None:
    (fault,) = faults({"type": "regex", "value": pattern})
    assert f'write "{instead}"' in str(fault)


@pytest.mark.parametrize("pattern", ["/api/v1/", "/usr/lib", "a/i", "/see/ss"])
def test_slashes_that_are_text_are_text(pattern: str) -> None:
    assert passes("regex", f"at {pattern}", pattern)
