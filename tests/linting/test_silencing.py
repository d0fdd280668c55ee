from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles
from promptctl.formats.schemas import load_schema
from promptctl.linting.rules import RULES
from tests.linting.linted import codes, found, report, system, user

KEY = "sk-proj-" + "a8Fk2Lq9Zx7Wm4Rt6Yv1Bn3C"
TWO = "{a: {type: string}, b: {type: string}}"


class TestComments:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("{a: {type: string}}  # promptctl: ignore=P101", []),
            ("{a: {type: string}}  # promptctl: ignore=P101 (it is for later)", []),
            ("{a: {type: string}}  # promptctl: ignore=P401, P101", ["P001"]),
            ("{a: {type: string}}  # promptctl: ignore=P102", ["P001", "P101"]),
            ("\n  a: {type: string}  # promptctl: ignore=P101\n  b: {type: string}", ["P101"]),
            ("\n  # promptctl: ignore=P101\n  a: {type: string}\n  b: {type: string}", ["P101"]),
            ("  # promptctl: ignore=P101\n  a: {type: string}\n  b: {type: string}", []),
        ],
    )
    def test_on_the_line_above_it_and_on_the_key(self, text: str, left: list[str]) -> None:
        assert codes(user("Hi", inputs=text)) == left

    def test_above_everything_it_is_for_the_file(self) -> None:
        text = "# promptctl: ignore=P101\n" + user("Hi", inputs=TWO)
        assert codes(text) == []
        assert codes("# yaml-language-server: $schema=x\n" + text) == []

    def test_the_text_of_a_message_is_no_comment(self) -> None:
        text = system("Classify it.\n# promptctl: ignore=P103\n{{ ticket }}", inputs="{ticket: {type: string}}")
        assert codes(text) == ["P103"]
        quoted = """
            inputs: {ticket: {type: string}}
            messages:
              - {role: system, content: "Classify {{ ticket }} now please. # promptctl: ignore=P103"}
        """
        assert codes(quoted) == ["P103"]

    @pytest.mark.parametrize(
        "comment", ["{# promptctl: ignore=P103 #}\n{{ t_text }}", "{{ t_text }} {# promptctl: ignore=P103 #}"]
    )
    def test_but_for_jinjas_own(self, comment: str) -> None:
        assert codes(system(f"Classify it.\n{comment}", inputs="{t_text: {type: string}}")) == []

    def test_which_is_text_where_the_template_is_not_jinjas(self) -> None:
        text = system("{# promptctl: ignore=P301 #}\nRespond with JSON.", "template: none")
        assert codes(text) == ["P301"]

    def test_at_the_top_of_a_partial_it_is_for_the_partial(self) -> None:
        text = user('{% include "./a.j2" %}')
        partial = f"{{# promptctl: ignore=P401 #}}\nUse\n{KEY}\n"
        assert codes(text, a_j2=partial) == []
        assert codes(text, a_j2=partial.replace("P401", "P402")) == ["P401"]

    def test_a_message_as_a_whole(self) -> None:
        text = """
            inputs: {ticket: {type: string}}
            messages:
              - role: system  # promptctl: ignore=P103
                content: |
                  Classify it.

                  {{ ticket }}
        """
        assert codes(text) == []

    def test_at_the_sign_of_a_block_and_after_a_byte_order_mark(self) -> None:
        text = """
            inputs: {ticket: {type: string}}
            messages:
              - role: system
                content: |  # promptctl: ignore=P103
                  Classify it.
                  {{ ticket }}
        """
        assert codes(text) == []
        assert codes("\ufeff# promptctl: ignore=P101\n" + user("Hi", inputs=TWO)) == []

    @pytest.mark.parametrize(
        ("code", "hint"), [("P999", "docs/lint.md"), ("P1O3", "did you mean `P103`?"), ("unused-input", "write `P101`")]
    )
    def test_a_rule_that_there_is_not(self, code: str, hint: str) -> None:
        (only,) = found(user("Hi", f"name: x  # promptctl: ignore={code}"))
        assert (only.code, only.message) == ("P001", f"there is no rule `{code}`")
        assert hint in str(only.hint)
        assert report(user("Hi", f"name: x  # promptctl: ignore={code}")).proposal.is_empty


class TestSettings:
    def test_the_last_rule_that_names_it_wins(self) -> None:
        settings = """
            lint:
              - {prompts: "*", off: [P101]}
              - {prompts: "p*", error: [P101]}
              - {prompts: "q", off: [P101]}
        """
        (only,) = found(user("Hi", inputs="{a: {type: string}}"), settings)
        assert only.severity == "error"
        assert codes(user("Hi", inputs="{a: {type: string}}"), "lint: [{prompts: '*', off: [P101]}]") == []

    def test_by_an_earlier_id(self) -> None:
        settings = "lint: [{prompts: old, off: [P101]}]"
        assert codes(user("Hi", "formerly: [old]", inputs="{a: {type: string}}"), settings) == []

    @pytest.mark.parametrize(
        ("rule", "message", "hint"),
        [
            ("{prompts: '*', off: [P1O1]}", "`P1O1`", "P101"),
            ("{prompts: '*', ignore: [P101]}", "`ignore`", "off"),
            ("{off: [P101]}", "prompts", ""),
        ],
    )
    def test_mistakes_are_told_at_their_line(self, rule: str, message: str, hint: str) -> None:
        with pytest.raises(InvalidFiles) as error:
            report(user("Hi"), f"model: echo/echo\nlint:\n  - {rule}\n")
        (problem,) = error.value.problems
        assert problem.place is not None
        assert problem.place.line == 3
        assert message in problem.message
        assert hint in str(problem.hint) + problem.message

    def test_the_schema_knows_each_rule(self) -> None:
        assert load_schema("promptctl")["$defs"]["lintCode"]["enum"] == list(RULES)
