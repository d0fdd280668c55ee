from __future__ import annotations

from typing import Any

import pytest

from promptctl.formats.prompt_file import PromptFile, read_prompt_file
from tests.formats.conftest import ProblemsOf

MESSAGES = "messages:\n  - {role: system, content: Be brief.}\n  - {role: user, content: 'Sum up {{input}}'}\n"


def read(text: str) -> PromptFile:
    file = read_prompt_file(text.encode(), "p.prompt.yml")
    assert file.dialect == "github"
    return file


def warnings(file: PromptFile) -> list[tuple[str, str]]:
    assert all(problem.severity == "warning" for problem in file.problems)
    return [(str(problem.place), problem.message) for problem in file.problems]


def test_a_file_reads_as_a_native_prompt() -> None:
    file = read("name: Summarizer\ndescription: Sums up.\nmodel: openai/gpt-4o-mini\nmodelParameters: {}\n" + MESSAGES)
    assert file.data == {
        "name": "Summarizer",
        "description": "Sums up.",
        "model": "openai/gpt-4o-mini",
        "template": "simple",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Sum up {{input}}"}],
        "parameters": {},
        "inputs": {"input": {}},
    }
    assert file.problems == ()
    assert file.inline_dataset is None


@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        ("temperature: 0.5, topP: 1, maxTokens: 100", {"temperature": 0.5, "top_p": 1, "max_tokens": 100}),
        ("top_p: 1, max_tokens: 100", {"top_p": 1, "max_tokens": 100}),
        ("maxCompletionTokens: 9, frequencyPenalty: 1", {"max_completion_tokens": 9, "frequency_penalty": 1}),
        ("maxTokens: 5, max_tokens: 5", {"max_tokens": 5}),
        ("temperature: null, seed: 3", {"seed": 3}),
    ],
)
def test_parameters_are_read_in_either_spelling(given: str, parameters: dict[str, Any]) -> None:
    file = read(f"modelParameters: {{{given}}}\n{MESSAGES}")
    assert file.data["parameters"] == parameters
    assert file.problems == ()


def test_parameters_that_github_never_sent_are_not_sent_and_said() -> None:
    file = read(f"modelParameters: {{temprature: 1, api_base: x, maxTokens: 1, max_tokens: 2}}\n{MESSAGES}")
    assert file.data["parameters"] == {"max_tokens": 1}
    assert warnings(file) == [
        ("p.prompt.yml:1:19", "the parameter `temprature` is not sent: GitHub's prompt files have no such key"),
        ("p.prompt.yml:1:34", "the parameter `api_base` is not sent: GitHub's prompt files have no such key"),
        ("p.prompt.yml:1:61", "`max_tokens` is given twice, in two spellings; the first one holds"),
    ]


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("gpt-4o", "gpt-4o"),
        ("''", None),
        ("", None),
        ("azureml://registries/azure-openai/models/gpt-4o/versions/2", "openai/gpt-4o"),
        ("azureml://registries/azureml/models/Phi-4/versions/1", "microsoft/Phi-4"),
        ("azureml://registries/azureml-meta/models/Llama-3", "meta/Llama-3"),
    ],
)
def test_the_model_may_be_missing_or_a_registrys(given: str, model: str | None) -> None:
    assert read(f"model: {given}\ntestData: []\n{MESSAGES}").data.get("model") == model


def test_placeholders_have_no_spaces_and_become_inputs() -> None:
    text = "messages: [{role: user, content: '{{a}} {{b.c-d}} {{ no }} {{a}} ${{ e }} {{f|g}}'}]\ntestData: []"
    assert list(read(text).data["inputs"]) == ["a", "b.c-d"]


def test_an_input_is_required_unless_the_files_own_tests_do_without() -> None:
    text = "messages: [{role: user, content: '{{a}} {{b}}'}]\ntestData: [{a: 1, b: 2}, {a: 3}]"
    assert read(text).data["inputs"] == {"a": {}, "b": {"required": False}}


class TestResponse:
    schema = (
        "responseFormat: json_schema\njsonSchema: |\n"
        '  {"name": "animal", "strict": true, "schema": {"type": "object"}}\n'
    )

    def test_a_schema_is_read_from_its_text(self) -> None:
        data = read(self.schema + MESSAGES).data
        assert data["output"] == {"schema": {"type": "object"}, "name": "animal", "strict": True}

    def test_json_without_a_schema_and_plain_text(self) -> None:
        assert read("responseFormat: json_object\n" + MESSAGES).data["response_format"] == {"type": "json_object"}
        assert not {"output", "response_format"} & set(read("responseFormat: text\n" + MESSAGES).data)

    def test_a_schema_that_is_not_asked_for_is_not_sent_and_said(self) -> None:
        file = read(self.schema.removeprefix("responseFormat: json_schema\n") + MESSAGES)
        assert "output" not in file.data
        assert warnings(file) == [("p.prompt.yml:1:1", "`jsonSchema` is not sent")]

    @pytest.mark.parametrize(
        ("text", "at", "said"),
        [
            ("responseFormat: json_schema\n", "1:17", "needs `jsonSchema` beside it"),
            (
                "responseFormat: json_schema\njsonSchema: |\n  {\n    'name': 1\n  }\n",
                "4:5",
                "`jsonSchema` is not JSON",
            ),
            ('responseFormat: json_schema\njsonSchema: \'{"name": "a"}\'\n', "2:13", "`jsonSchema` has no `schema`"),
            ("responseFormat: json_schema\njsonSchema: '{\"schema\": {}}'\n", "2:13", "`jsonSchema` has no `name`"),
            ("responseFormat: json_schema\njsonSchema: '[]'\n", "2:13", "`jsonSchema` must be a mapping"),
            (
                "responseFormat: yaml\n",
                "1:17",
                "`responseFormat` must be `text`, `json_object`, `json_schema` or null, not `yaml`",
            ),
        ],
    )
    def test_a_schema_that_cannot_be_read_is_an_error(
        self, text: str, at: str, said: str, problems_of: ProblemsOf
    ) -> None:
        (problem,) = problems_of(read_prompt_file, text + MESSAGES)
        assert str(problem.place) == f"file.yaml:{at}"
        assert said in problem.message
        assert problem.hint


class TestTests:
    def test_rows_and_evaluators_are_kept_apart_from_the_prompt(self) -> None:
        file = read(
            "testData:\n  - {input: a, expected: 1}\nevaluators:\n  - {name: n, string: {startsWith: 5}}\n"
            "  - {name: s, uses: github/similarity}\n" + MESSAGES
        )
        assert file.inline_dataset == {
            "testData": [{"input": "a", "expected": 1}],
            "evaluators": [{"name": "n", "string": {"startsWith": "5"}}, {"name": "s", "uses": "github/similarity"}],
        }
        assert file.problems == ()

    def test_evaluators_that_github_would_not_have_understood_are_left_out_and_said(self) -> None:
        file = read(
            "evaluators:\n- {type: accuracy}\n- {name: a, string: {isJSON: true}}\n- {name: b, uses: github/similar}\n"
            "- {name: c, string: {contains: x}}\ntestData:\n- just text\n- {input: a}\n" + MESSAGES
        )
        assert file.inline_dataset == {
            "testData": [{"input": "a"}],
            "evaluators": [{"name": "c", "string": {"contains": "x"}}],
        }
        assert [at for at, _ in warnings(file)] == [
            "p.prompt.yml:2:3", "p.prompt.yml:3:21", "p.prompt.yml:4:19", "p.prompt.yml:7:3",
        ]  # fmt: skip

    def test_tests_of_another_shape_do_not_keep_the_prompt_from_running(self) -> None:
        assert warnings(read("testData: {a: 1}\n" + MESSAGES)) == [
            ("p.prompt.yml:1:11", "`testData` is not read: it is no list")
        ]


def test_unknown_keys_are_passed_over_with_a_warning() -> None:
    file = read("evaluators: []\nschemaRef: x\nmodelParameter: {}\nmessages: [{role: user, content: Hi, nam: x}]")
    assert file.data["messages"] == [{"role": "user", "content": "Hi"}]
    assert warnings(file) == [
        ("p.prompt.yml:2:1", "`schemaRef` is not read: GitHub's prompt files have no such key"),
        ("p.prompt.yml:3:1", "`modelParameter` is not read: GitHub's prompt files have no such key"),
        ("p.prompt.yml:4:38", "`nam` is not read: GitHub's prompt files have no such key"),
    ]
    assert file.problems[1].hint == "did you mean `modelParameters`?"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("", "`messages` must be a list, not null"),
        ("[]", "`messages` is empty"),
        ("[{role: user}]", "`messages[0]` has no `content`"),
        ("[{role: user, content: [a]}]", '`messages[0].content` must be text, not `["a"]`'),
        ("[{role: usr, content: a}]", "`messages[0].role` must be"),
    ],
)
def test_messages_that_cannot_be_sent_are_errors(messages: str, said: str, problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(read_prompt_file, f"evaluators: []\nmessages: {messages}\n")
    assert said in problem.message


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("{isJSON: true}", "GitHub's `string` has no `isJSON`", "has the assertion `is-json`"),
        ("{regex: x}", "GitHub's `string` has no `regex`", "has the assertion `regex`"),
        ("{notContains: x}", "GitHub's `string` has no `notContains`", "has the assertion `not-contains`"),
        ("{contians: x}", "`string` has no `contians`", "did you mean `contains`?"),
    ],
)
def test_a_test_that_github_did_not_have_says_the_way_out(written: str, said: str, hint: str) -> None:
    (problem,) = read(f"testData: [{{input: a}}]\nevaluators: [{{name: a, string: {written}}}]\n{MESSAGES}").problems
    assert problem.message == f"evaluator 1 cannot be used: {said}"
    assert hint in (problem.hint or "")


def test_a_test_beside_one_that_is_known_is_not_passed_over_in_silence() -> None:
    text = f"testData: [{{input: a}}]\nevaluators: [{{name: a, string: {{contains: x, notContains: y}}}}]\n{MESSAGES}"
    (problem,) = read(text).problems
    assert problem.message == "`notContains` of evaluator 1 is not checked: GitHub's evaluators have no such key"


def test_many_evaluators_with_one_fault_are_one_problem() -> None:
    text = "testData: [{input: a}]\nevaluators:\n" + "- {name: a}\n" * 30 + MESSAGES
    (problem,) = read(text).problems
    assert problem.message.endswith(
        "it has none of `string`, `llm` and `uses` (and 29 more like this, the last on line 32)"
    )


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("max-tokens: 4000", "it goes under `modelParameters`"),
        ("config: {temperature: 0}", "it goes under `modelParameters`"),
        ("testdata: []", "did you mean `testData`?"),
        ("tests: []", "use `testData`"),
        ("author: me", "remove it, or write the prompt in promptctl's own format"),
    ],
)
@pytest.mark.parametrize("neighbour", ["evaluators: []", "name: x"])
@pytest.mark.parametrize("content", ["Hi", "Hi {{name}}"])
def test_a_key_that_neither_has_warns_whatever_its_neighbours(
    key: str, hint: str, neighbour: str, content: str
) -> None:
    (problem,) = read(f"{neighbour}\n{key}\nmessages: [{{role: user, content: '{content}'}}]").problems
    assert (problem.severity, problem.hint) == ("warning", hint)


def test_metadata_and_parameters_of_other_kinds_have_their_own_hints() -> None:
    file = read(
        f"evaluators: []\nmetadata: {{a: b}}\nmodelParameters: {{response_format: json, max-tokens: 4}}\n{MESSAGES}"
    )
    assert [each.hint for each in file.problems] == [
        "remove it, or write the prompt in promptctl's own format",
        "write `responseFormat: json_object` beside `messages`",
        "did you mean `max_tokens`?",
    ]
