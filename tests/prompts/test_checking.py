from __future__ import annotations

import json
import time

import pytest

from promptctl.errors import Problem, in_reading_order
from promptctl.files.tree import MemoryTree
from promptctl.prompts.checking import WorkspaceCheck
from promptctl.schemas.json_schema import Allowance
from tests.prompts.workspaces import one
from tests.schemas.hostile import slow

HI = "messages: [{role: user, content: Hi}]\n"

Told = list[tuple[str, str, str]]


def told(problems: list[Problem]) -> Told:
    return [(str(each.place).removeprefix("prompts/"), each.code, each.message) for each in problems]


def check_prompt(tree: MemoryTree, path: str) -> list[Problem]:
    """The problems of a prompt and of the files it names."""
    found = WorkspaceCheck(tree)
    files = [path, *found.named_by(path)]
    return in_reading_order(dict.fromkeys(problem for file in files for problem in found.file(file)))


def check(text: str, **others: str) -> Told:
    return told(check_prompt(one(text, **others), "prompts/p.prompt.yaml"))


def block(*lines: str, inputs: str = "{}") -> str:
    """A prompt of one message; its first line stands on line 5 of the file."""
    return f"inputs: {inputs}\nmessages:\n- role: user\n  content: |\n" + "".join(f"    {line}\n" for line in lines)


class TestVariables:
    def test_that_are_not_declared_are_errors_where_they_are_used(self) -> None:
        text = block("Hi {{ naem }}", "{% if x %}{{ y.z }}{% endif %}", inputs="{name: {type: string}}")
        assert check(text) == [
            ("p.prompt.yaml:1:10", "unused", "the input `name` is used nowhere"),
            ("p.prompt.yaml:5:5", "undeclared", "`naem` is not declared under `inputs`"),
            ("p.prompt.yaml:6", "undeclared", "`x` is not declared under `inputs`"),
            ("p.prompt.yaml:6", "undeclared", "`y` is not declared under `inputs`"),
        ]

    def test_a_typo_finds_the_input_that_was_meant(self) -> None:
        problems = check_prompt(one(block("{{ naem }}", inputs="{name: {}}")), "prompts/p.prompt.yaml")
        assert [problem.hint for problem in problems if problem.code == "undeclared"] == ["did you mean `name`?"]

    def test_only_the_first_typos_of_a_file_get_a_suggestion(self) -> None:
        text = block(*(f"{{{{ {'x' * 20}{number} }}}}" for number in range(30)), inputs=f"{{{'x' * 21}: {{}}}}")
        hints = [each.hint or "" for each in check_prompt(one(text), "prompts/p.prompt.yaml") if each.code != "unused"]
        assert [hint.startswith("did you mean") for hint in hints] == [True] * 20 + [False] * 10

    def test_that_the_template_sets_itself_need_no_declaration(self) -> None:
        text = block("{% set a = 1 %}{{ a }}", "{% for b in range(3) %}{{ b }}{{ loop.index }}{% endfor %}")
        assert check(text) == []

    def test_in_partials_count_and_see_what_those_that_include_them_set(self) -> None:
        text = block("{% for item in items %}{% include 'row.j2' %}{% endfor %}", inputs="{items: {}, unit: {}}")
        assert check(text, row_j2="{{ item }}\n{{ unit }} {{ other }}") == [
            ("row.j2:2", "undeclared", "`other` is not declared under `inputs`")
        ]

    def test_an_unused_input_is_a_warning(self) -> None:
        (problem,) = check_prompt(one(block("Hi", inputs="{a: {}}")), "prompts/p.prompt.yaml")
        assert (problem.severity, problem.code) == ("warning", "unused")

    def test_placeholders_and_conditions_use_inputs(self) -> None:
        text = (
            "inputs: {history: {type: array}, shot: {type: string, required: false}}\n"
            "messages:\n- placeholder: history\n"
            "- {role: user, content: [{type: text, text: Hi}, {type: text, text: Look, when: shot}]}\n"
        )
        assert check(text) == []

    def test_a_simple_template_leaves_what_is_not_declared_and_warns(self) -> None:
        text = "template: simple\ninputs: {a: {}}\nmessages: [{role: user, content: 'x\n\n  {{a}} {{b}} {{ c }}'}]"
        assert check(text) == [
            (
                "p.prompt.yaml:5",
                "undeclared",
                "`b` is not declared under `inputs`, so `{{b}}` is sent as it stands",
            ),
            ("p.prompt.yaml:5", "not-filled-in", "`{{ c }}` is sent as it stands"),
        ]

    def test_without_a_template_braces_are_text(self) -> None:
        assert check("template: none\nmessages: [{role: user, content: '{{ x }} {% y'}]") == []


class TestTemplates:
    def test_that_do_not_parse_are_told_at_their_line(self) -> None:
        ((at, code, _),) = check(block("fine", "{% if x %}", "fine"))
        assert (at.split(":")[1], code) == ("6", "bad-template")

    def test_in_folded_text_the_line_is_the_files(self) -> None:
        text = "inputs: {}\nmessages:\n- role: user\n  content: >\n    one\n    two\n\n    {{ x y }}\n"
        ((at, code, _),) = check(text)
        assert (at, code) == ("p.prompt.yaml:8", "bad-template")

    def test_of_partials_are_checked_as_well(self) -> None:
        ((at, code, _),) = check(block("{% include 'a.j2' %}"), a_j2="one\n{{ x y }}\n")
        assert (at, code) == ("a.j2:2", "bad-template")

    def test_a_block_that_is_never_closed_is_told_where_it_begins_and_nothing_else(self) -> None:
        text = block("a", "{% if a %}", "{{ b }}", "c", inputs="{a: {}, b: {}}")
        (problem,) = check_prompt(one(text), "prompts/p.prompt.yaml")
        assert (str(problem), problem.hint) == (
            "prompts/p.prompt.yaml:6: `{% if … %}` is never closed",
            "add `{% endif %}` where it ends",
        )

    def test_a_character_that_nobody_sees_is_named(self) -> None:
        (problem,) = check_prompt(one(block("{{ a\u200b }}", inputs="{a: {}}")), "prompts/p.prompt.yaml")
        assert problem.message == r"`\u200b`, a character that nobody sees, is in this expression"

    def test_a_key_with_a_character_that_nobody_sees_is_named(self) -> None:
        (problem,) = check_prompt(one("na\u200bme: P\n" + HI), "prompts/p.prompt.yaml")
        assert problem.message == r"unknown key `na\u200bme`"
        assert (problem.hint or "").startswith("it holds characters that nobody sees")
        assert "did you mean `name`" in (problem.hint or "")

    def test_what_only_another_engine_would_read_has_a_way_out(self) -> None:
        (problem,) = check_prompt(one(block("{{#if x}}")), "prompts/p.prompt.yaml")
        assert "template: simple" in (problem.hint or "")


class TestVariablesThatAreNotFilledIn:
    @pytest.mark.parametrize("written", ["{a}", "${a}", "$a", "%(a)s", "[[a]]"])
    def test_in_a_jinja_prompt_are_warnings(self, written: str) -> None:
        (problem,) = check_prompt(one(block("Hi", f"about {written} now", inputs="{a: {}}")), "prompts/p.prompt.yaml")
        assert (problem.severity, problem.code) == ("warning", "not-filled-in")
        assert str(problem) == f"prompts/p.prompt.yaml:6: `{written}` is sent as it stands"
        assert problem.hint == "write `{{ a }}`"

    def test_count_where_the_prompt_has_no_variable_at_all(self) -> None:
        (problem,) = check_prompt(one(block("about {product}")), "prompts/p.prompt.yaml")
        assert problem.hint == "write `{{ product }}`, and declare it: `inputs: {product: {type: string}}`"

    def test_are_found_in_partials(self) -> None:
        assert check(block("{% include 'a.j2' %}", inputs="{a: {}}"), a_j2="Hi\n{a}") == [
            ("a.j2:2", "not-filled-in", "`{a}` is sent as it stands")
        ]

    @pytest.mark.parametrize("text", ["{{ {'k': a} }}{# {a} #}", "{{ a }} {b} $5 {'a'}", "{{ a }} \\frac{a}"])
    def test_are_no_other_braces(self, text: str) -> None:
        assert check(block(text, inputs="{a: {}}")) == []

    @pytest.mark.parametrize(
        ("template", "text", "hint"),
        [
            ("simple", "{{ a }}", "write `{{a}}`: no blanks and no filters between the braces"),
            ("simple", "{{a | upper}}", "write `{{a}}`: no blanks and no filters between the braces"),
            ("simple", "{a}", "write `{{a}}`"),
            ("none", "{{ a }}", "remove `template: none`: without it messages are Jinja templates"),
            ("none", "{{a}}", "remove `template: none`: without it messages are Jinja templates"),
        ],
    )
    def test_with_another_engine_say_what_works(self, template: str, text: str, hint: str) -> None:
        found = check_prompt(one(f"template: {template}\n" + block(text, inputs="{a: {}}")), "prompts/p.prompt.yaml")
        assert [(each.code, each.hint) for each in found] == [("not-filled-in", hint)]

    def test_logic_is_told_once(self) -> None:
        text = "template: simple\n" + block("{{a}}{% if a %}x", "{% endif %}", inputs="{a: {}}")
        assert check(text) == [("p.prompt.yaml:6:5", "not-filled-in", "`{% if a %}` is sent as it stands")]

    def test_in_a_file_of_github_have_its_spelling(self) -> None:
        head = "modelParameters: {}\ntestData: [{b: c}]\n"
        text = head + block("{{ a }}", "{b}", "{% if a %}").removeprefix("inputs: {}\n")
        found = check_prompt(one(text), "prompts/p.prompt.yaml")
        assert [(each.message, (each.hint or "")[:20]) for each in found if each.code == "not-filled-in"] == [
            ("`{{ a }}` is sent as it stands", "write `{{a}}`: no bl"),
            ("`{b}` is sent as it stands", "write `{{b}}`"),
            ("`{% if a %}` is sent as it stands", "GitHub's files have "),
        ]


class TestSchemas:
    def test_of_inputs_are_schemas(self) -> None:
        text = block("{{ a }}{{ b }}", inputs="{a: {type: string, multipleOf: x}, b: {propertis: {}}}")
        found = check(text)
        assert [code for _, code, _ in found] == ["invalid-schema", "unknown-key"]
        assert "multipleOf" in found[0][2]
        assert "propertis" in found[1][2]

    @pytest.mark.parametrize(
        ("schema", "said"),
        [
            ("{type: string, defualt: Acme}", "unknown key `defualt` in `inputs.a`: did you mean `default`?"),
            ("{tpye: string}", "unknown key `tpye` in `inputs.a`: did you mean `type`?"),
            ("{enmu: [a]}", "unknown key `enmu` in `inputs.a`: did you mean `enum`?"),
            ("{pattren: a}", "unknown key `pattren` in `inputs.a`: did you mean `pattern`?"),
            ("{optional: true}", "unknown key `optional` in `inputs.a`: write `required: false`, or give a `default`"),
            ("{note: a}", "unknown key `note` in `inputs.a`: remove it, or begin its name with `x-`"),
            (
                "{properties: {b: {descripton: a}}}",
                "unknown key `descripton` in `inputs.a.properties.b`: did you mean `description`?",
            ),
        ],
    )
    def test_of_inputs_have_no_unknown_keys(self, schema: str, said: str) -> None:
        tree = one(block("{{ a }}", inputs=f"{{a: {schema}}}"))
        (problem,) = check_prompt(tree, "prompts/p.prompt.yaml")
        assert (problem.code, f"{problem.message}: {problem.hint}") == ("unknown-key", said)

    def test_of_inputs_may_have_keys_of_other_tools_behind_x(self) -> None:
        schema = "{type: [string, 'null'], title: A, examples: [b], x-widget: area, $comment: c}"
        assert check(block("{{ a }}", inputs=f"{{a: {schema}}}")) == []

    def test_of_outputs_and_tools_are_schemas(self) -> None:
        text = (
            "output: {schema: {type: object, required: x}}\n"
            "tools: [{type: function, function: {name: f, parameters: {type: nothing}}}]\n" + HI
        )
        assert [(at, code) for at, code, _ in check(text)] == [
            ("p.prompt.yaml:1:43", "invalid-schema"),
            ("p.prompt.yaml:2:58", "invalid-schema"),
        ]

    def test_in_files_are_told_in_the_file(self) -> None:
        found = check(
            "output: {schema: {$ref: a.schema.yaml}}\n" + HI, a_schema_yaml="type: object\nminProperties: x\n"
        )
        assert [(at, code) for at, code, _ in found] == [("a.schema.yaml:2:16", "invalid-schema")]

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("output: {schema: {$ref: a.yaml}}", "p.prompt.yaml:1:18"),
            ("tools: [$ref: b.yaml]", "b.yaml:2:52"),
            ("tools: [$ref: 'b.yaml#/1']", "b.yaml:2:52"),
        ],
    )
    def test_in_files_that_are_not_named_as_schemas_are_told_as_well(self, text: str, at: str) -> None:
        tools = [
            f"- {{type: function, function: {{name: {name}, parameters: {{type: {name}}}}}}}"
            for name in ("object", "x")
        ]
        files = {"prompts/a.yaml": "type: x\n", "prompts/b.yaml": "\n".join(tools)}
        found = told(
            check_prompt(MemoryTree({"prompts/p.prompt.yaml": f"{text}\n{HI}"} | files), "prompts/p.prompt.yaml")
        )
        assert [(at, code) for at, code, _ in found] == [(at, "invalid-schema")]

    def of_schema(self, text: str) -> Told:
        path = "prompts/a.schema.yaml"
        return told(list(WorkspaceCheck(MemoryTree({path: text})).file(path)))

    @pytest.mark.parametrize(
        ("text", "code"),
        [("", "invalid-schema"), ("- a\n", "invalid-schema"), ("a: &x 1\n", "anchor"),
         ("$ref: no.schema.yaml\n", "missing-schema"), ("$ref: https://x/y\n", "path-refused"),
         ("$schema: http://json-schema.org/draft-07/schema#\n", "other-draft")],
    )  # fmt: skip
    def test_that_no_prompt_names_are_checked_as_well(self, text: str, code: str) -> None:
        assert [each for _, each, _ in self.of_schema(text)] == [code]

    def test_true_is_a_schema(self) -> None:
        assert self.of_schema("true\n") == []

    def test_defaults_fit(self) -> None:
        text = block("{{ a }}{{ b }}", inputs="{a: {type: integer, default: x}, b: {enum: [1], default: 1}}")
        ((at, code, message),) = check(text)
        assert (at, code) == ("p.prompt.yaml:1:38", "wrong-default")
        assert "`a`" in message

    def test_a_placeholders_input_can_be_a_list(self) -> None:
        text = "inputs: {h: {type: string}}\nmessages: [{placeholder: h}]\n"
        assert check(text) == [("p.prompt.yaml:2:26", "wrong-placeholder", "the placeholder `h` is declared as string")]


def test_a_github_files_tests_and_variables_should_meet() -> None:
    text = (
        "testData: [{a: 1, c: 2, expected: x}, {b: 1, expected: y}]\nmessages: [{role: user, content: '{{a}} {{b}}'}]\n"
    )
    problems = check_prompt(one(text), "prompts/p.prompt.yaml")
    assert {problem.severity for problem in problems} == {"warning"}
    assert told(problems) == [
        ("p.prompt.yaml:1:11", "unused", "the test rows give `c`, which no message uses"),
        ("p.prompt.yaml:1:12", "missing-input", "test row 1 gives no `b`, so `{{b}}` is sent as it stands"),
        ("p.prompt.yaml:1:39", "missing-input", "test row 2 gives no `a`, so `{{a}}` is sent as it stands"),
    ]


def test_prompts_that_include_one_partial_hold_one_text() -> None:
    text = "messages: [{role: user, content: \"{% include 'x.j2' %}\"}]\n"
    files = {f"prompts/{name}.prompt.yaml": text for name in "ab"}
    found = WorkspaceCheck(MemoryTree({**files, "prompts/x.j2": "{{ 1 }}" * 2000}))
    one, other = found.prompt("a"), found.prompt("b")
    assert one is not None
    assert other is not None
    assert one.partials["x.j2"] is other.partials["x.j2"]


def test_all_defaults_of_a_prompt_are_checked_in_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.prompts.prompt_checks.Allowance", lambda _: Allowance(0.2))
    inputs = {f"i{n}": {"$ref": "./slow.schema.yaml", "default": "x"} for n in range(40)}
    begun = time.process_time()
    files = {
        "prompts/slow.schema.yaml": json.dumps(slow()),
        "prompts/p.prompt.yaml": f"inputs: {json.dumps(inputs)}\n{HI}",
    }
    found = check_prompt(MemoryTree(files), "prompts/p.prompt.yaml")
    assert sum("it takes too long" in each.message for each in found) == 40
    assert time.process_time() - begun < 3
