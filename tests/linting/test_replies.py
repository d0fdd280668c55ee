from __future__ import annotations

import pytest

from tests.linting.linted import codes, found, system, user

CLOSED = "type: object, additionalProperties: false"
SCHEMA = f"{{{CLOSED}, required: [label], properties: {{label: {{enum: [billing, bug]}}}}}}"


@pytest.mark.parametrize(
    "content",
    [
        "Respond with a JSON object.",
        "Classify it. Return JSON only.",
        "Classify the ticket and return JSON with the key label.",
        "Given a title, output ONLY a JSON object with these fields:",
        "You must respond in valid JSON.",
        "Reply in JSON.",
        "- Always answer as JSON",
        "1. Output valid JSON only, no additional text.",
        "Please provide your answer as a JSON array.",
        "Your response must be valid JSON.",
        "The output should be a single JSON object:",
        "Format the answer in **JSON**.",
        "- Output a valid JSON file with the following fields",
        "Answer with one JSON object with the keys a and b, and nothing else.",
        "Return the result in the following JSON format:\n```json\n```",
    ],
)
def test_json_in_words(content: str) -> None:
    assert codes(system(content)) == ["P301"]


@pytest.mark.parametrize(
    "content",
    [
        "Do not return JSON.",
        "Never answer in JSON; write prose.",
        "Answer in plain text, not JSON.",
        "You explain JSON to beginners.",
        "The user gives you JSON. Say in words what is in it.",
        "Return an error if the JSON is invalid.",
        "Write a function that returns JSON.",
        "The API returns JSON. Document it in Markdown.",
        "Convert the JSON to CSV and answer with the CSV only.",
        "You write JSON Schemas for engineers.",
        "Output JSON Lines, one object a line.",
        "Read the package.json file and list what is old.",
        "Explain what the settings in this JSON mean.",
        "If asked for JSON, refuse.",
    ],
)
def test_words_about_json(content: str) -> None:
    assert codes(system(content)) == []


def test_not_with_a_schema_or_a_format() -> None:
    assert codes(system("Respond with a JSON object.", f"output: {{schema: {SCHEMA}}}")) == []
    assert codes(system("Respond with a JSON object.", "response_format: {type: json_object}")) == []


class TestSchemas:
    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ("{type: array, items: {type: string}}", "its root is no object"),
            (
                "{type: object, properties: {a: {type: string}}, required: [a]}",
                "`additionalProperties: false` is missing",
            ),
            ("{type: object, additionalProperties: false, properties: {a: {type: string}}}", "`a` is not required"),
            (
                f"{{{CLOSED}, required: [a], properties: {{a: {{properties: {{b: {{}}}}, required: [b]}}}}}}",
                "at `properties.a`",
            ),
            (
                f"{{{CLOSED}, required: [a], properties: {{a: {{type: array, uniqueItems: true, items: {{}}}}}}}}",
                "`uniqueItems`",
            ),
        ],
    )
    def test_that_strict_mode_refuses(self, schema: str, words: str) -> None:
        (only,) = found(user("Hi", "model: openai/gpt-4o-mini", f"output: {{strict: true, schema: {schema}}}"))
        assert (only.code, only.severity) == ("P302", "error")
        assert words in only.message

    @pytest.mark.parametrize(
        ("model", "output"),
        [
            ("openai/gpt-4o-mini", f"{{strict: true, schema: {SCHEMA}}}"),
            ("openai/gpt-4o-mini", "{schema: {type: array}}"),
            ("gemini/gemini-2.5-flash", "{strict: true, schema: {type: array}}"),
            ("echo/echo", "{strict: true, schema: {type: array}}"),
        ],
    )
    def test_that_it_takes_or_that_nobody_is_held_to(self, model: str, output: str) -> None:
        assert codes(user("Hi", f"model: {model}", f"output: {output}")) == []

    def test_strict_for_a_model_that_is_asked_in_words(self) -> None:
        (only,) = found(user("Hi", "model: deepseek/deepseek-chat", f"output: {{strict: true, schema: {SCHEMA}}}"))
        assert "is asked in words" in only.message

    def test_of_a_tool(self) -> None:
        arguments = "{type: object, properties: {a: {}}}"
        tool = f"{{type: function, function: {{name: f, strict: true, parameters: {arguments}}}}}"
        (only,) = found(user("Hi", "model: openai/gpt-4o-mini", f"tools: [{tool}]"))
        assert "the tool `f`" in only.message
        both = "- {type: function, function: {name: g}}\n- " + tool
        (only,) = found(user("Hi", "model: openai/gpt-4o-mini", "tools: [$ref: more.schema.yaml]"), more_yaml=both)
        assert str(only.place) == "prompts/more.schema.yaml:2:3"


class TestExamples:
    @pytest.mark.parametrize(
        ("reply", "words"),
        [
            ('{"label": "question"}', "must be `billing` or `bug`"),
            ('{"labels": ["bug"]}', "label"),
            ('{"label": "bug",}', "is no JSON"),
        ],
    )
    def test_that_contradict_the_schema(self, reply: str, words: str) -> None:
        text = f"""
            messages:
              - {{role: user, content: It crashes}}
              - role: assistant
                content: '{reply}'
              - {{role: user, content: I was charged twice}}
            output: {{schema: {SCHEMA}}}
        """
        (only,) = found(text)
        assert (only.code, str(only.place).partition(":")[2]) == ("P303", "5:15")
        assert words in only.message

    @pytest.mark.parametrize("reply", ['{"label": "bug"}', "I have read it. What do you want to know?"])
    def test_that_fit_or_are_no_examples(self, reply: str) -> None:
        text = f"""
            messages:
              - role: assistant
                content: '{reply}'
              - {{role: user, content: I was charged twice}}
            output: {{schema: {SCHEMA}}}
        """
        assert codes(text) == []

    def test_in_the_systems_text(self) -> None:
        text = system('Classify tickets.\nExample output:\n{"label": "question"}', f"output: {{schema: {SCHEMA}}}")
        (only,) = found(text)
        assert (only.code, str(only.place).partition(":")[2]) == ("P303", "7")

    def test_with_a_misspelt_key(self) -> None:
        text = system('Classify.\nFor example:\n```json\n{"lable": "bug"}\n```', f"output: {{schema: {SCHEMA}}}")
        (only,) = found(text)
        assert (only.code, str(only.place).partition(":")[2]) == ("P303", "8")

    @pytest.mark.parametrize(
        "example",
        ['{"label": "<label>"}', '{"label": "billing | bug"}', '{"label": "..."}',
         '{"ticket": "x", "label": 3, "y": 2}', '{"label": "bug"}'],
    )  # fmt: skip
    def test_patterns_and_other_objects_are_no_examples(self, example: str) -> None:
        assert codes(system(f"Answer like this example: {example}", f"output: {{schema: {SCHEMA}}}")) == []
