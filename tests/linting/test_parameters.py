from __future__ import annotations

import pytest

from tests.linting.linted import codes, found, report, user

SCHEMA = "{type: object, additionalProperties: false, required: [label], properties: {label: {enum: [billing, bug]}}}"
TOOL = "tools: [{type: function, function: {name: look_up}}]"


def parameters(given: str, *more: str) -> str:
    return user("Hi", f"parameters: {given}", *more)


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        ("{temperature: 0, top_p: 0.9}", (), "`top_p` does nothing at `temperature: 0`"),
        ("{temperature: 0, top_p: 0.9, top_k: 40}", (), "`top_p` and `top_k` do nothing"),
        ("{max_tokens: 10, max_completion_tokens: 20}", (), "two limits"),
        ("{top_logprobs: 3}", (), "without `logprobs: true`"),
        ("{tool_choice: required}", (), "the prompt has no tools"),
        ("{parallel_tool_calls: false}", (), "the prompt has no tools"),
        ("{tool_choice: {type: function, function: {name: look}}}", (TOOL,), "`tool_choice` names `look`"),
        ("{thinking: {type: enabled, budget_tokens: 4000}, max_tokens: 1000}", (), "thinking may take 4,000"),
        ("{thinking: {type: enabled, budget_tokens: 400}, max_tokens: 1000, temperature: 0.5}", (), "no value but 1"),
        ("{extra_body: {best_of: 4}}", (), "pays for 4 replies"),
        ("{stop: '}'}", (f"output: {{schema: {SCHEMA}}}",), "`stop` ends the reply"),
    ],
)
def test_parameters_that_contradict_each_other(given: str, more: tuple[str, ...], words: str) -> None:
    (only,) = found(parameters(given, *more))
    assert only.code == "P201"
    assert words in only.message
    assert only.place is not None
    assert only.place.line == 6


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ("{temperature: 0}", ()),
        ("{temperature: 0, top_p: 1}", ()),
        ("{temperature: 0.7, top_p: 0.9, seed: 1}", ()),
        ("{temperature: 0, seed: 7, frequency_penalty: 0.5}", ()),
        ("{logprobs: true, top_logprobs: 3}", ()),
        ("{tool_choice: required}", (TOOL,)),
        ("{thinking: {type: enabled, budget_tokens: 400}, max_tokens: 1000}", ()),
        ("{stop: ['\\n\\n', '```']}", (f"output: {{schema: {SCHEMA}}}",)),
        ("{max_tokens: 50}", (f"output: {{schema: {SCHEMA}}}",)),
    ],
)
def test_parameters_that_go_together(given: str, more: tuple[str, ...]) -> None:
    assert codes(parameters(given, *more)) == []


def test_those_of_the_settings_count_too_but_are_not_the_prompts_fault() -> None:
    settings = "models: {'*': {parameters: {temperature: 0}}}"
    assert codes(parameters("{top_p: 0.5}", "model: echo/echo"), settings) == ["P201"]
    assert codes(user("Hi", "model: echo/echo"), "models: {'*': {parameters: {temperature: 0, top_p: 0.5}}}") == []
    settings = "models: {'*': {leave_out: [temperature]}}"
    assert codes(parameters("{temperature: 0}", "model: openai/o3-mini"), settings) == []


def test_a_reply_that_cannot_be_long_enough() -> None:
    schema = "{type: object, required: [title, summary, keywords], properties: {title: {}, summary: {}, keywords: {}}}"
    (only,) = found(parameters("{max_tokens: 5}", f"output: {{schema: {schema}}}"))
    assert only.code == "P202"
    assert "cuts every reply" in only.message


class TestModels:
    @pytest.mark.parametrize(
        ("model", "given", "name"),
        [
            ("openai/o3-mini", "{temperature: 0.2}", "temperature"),
            ("openai/gpt-5", "{top_p: 0.5}", "top_p"),
            ("openai/gpt-4o", "{top_k: 40}", "top_k"),
            ("openai/gpt-4o", "{reasoning_effort: low}", "reasoning_effort"),
            ("anthropic/claude-sonnet-4-5", "{seed: 1}", "seed"),
            ("anthropic/claude-sonnet-4-5", "{temperature: 1.5}", "temperature"),
            ("anthropic/claude-opus-4-7", "{temperature: 0.2}", "temperature"),
            ("ollama/llama3", "{top_k: 40}", "top_k"),
        ],
    )
    def test_parameters_that_a_model_does_not_take(self, model: str, given: str, name: str) -> None:
        problems = [each for each in found(parameters(given, f"model: {model}")) if each.code == "P203"]
        assert [f"`{name}`" in each.message for each in problems] == [True]

    @pytest.mark.parametrize(
        ("model", "given"),
        [
            ("openai/gpt-4o-mini", "{temperature: 0, max_tokens: 400, seed: 1, logprobs: true}"),
            ("openai/gpt-5", "{temperature: 1, max_completion_tokens: 400, reasoning_effort: low}"),
            ("openai/gpt-5.1", "{temperature: 0.2}"),
            ("openai/gpt-5-chat-latest", "{temperature: 0.2}"),
            ("anthropic/claude-sonnet-4-5", "{temperature: 0.3, top_k: 10, max_tokens: 100}"),
            ("gemini/gemini-2.5-flash", "{temperature: 1.5, top_k: 10}"),
            ("azure/our-deployment", "{temperature: 0.2, reasoning_effort: low}"),
            ("nobody/knows", "{top_k: 40, temperature: 1.5}"),
        ],
    )
    def test_parameters_that_it_takes_or_that_nobody_knows_about(self, model: str, given: str) -> None:
        assert "P203" not in codes(parameters(given, f"model: {model}"))

    def test_a_server_of_ones_own_takes_anything(self) -> None:
        settings = "models: {'openai/*': {api_base: 'http://127.0.0.1:8000/v1'}}"
        assert codes(parameters("{top_k: 40}", "model: openai/llama"), settings) == []

    def test_images_and_tools(self) -> None:
        text = """
            model: openai/o3-mini
            messages:
              - role: user
                content: [{type: image_url, image_url: {url: "https://example.com/a.png"}}]
        """
        assert "P203" in codes(text)
        tools = "tools: [{type: function, function: {name: f}}]"
        for model, takes_tools in (("deepseek/deepseek-chat", False), ("openai/o3-mini", True)):
            assert ("P203" in codes(user("Hi", f"model: {model}", tools))) != takes_tools

    @pytest.mark.parametrize(
        ("model", "hint"),
        [("openai/gpt-4o-mnii", "did you mean `openai/gpt-4o-mini`?"), ("gpt4o-mini", "did you mean")],
    )
    def test_unknown(self, model: str, hint: str) -> None:
        (only,) = found(user("Hi", f"model: {model}"))
        assert (only.code, str(only.place)) == ("P204", "prompts/p.prompt.yaml:6:8")
        assert hint in str(only.hint)

    @pytest.mark.parametrize(
        "model",
        ["openai/gpt-4o-mini", "gpt-4o-mini", "azure/our-deployment", "ollama/anything",
         "openai/ft:gpt-4o-mini:us::x",
         "openrouter/some/new", "echo/echo", "replay/openai/gpt-4o-mini",
         "bedrock/us.anthropic.claude-sonnet-4-5-v1:0"],
    )  # fmt: skip
    def test_known_or_named_by_its_owner(self, model: str) -> None:
        assert "P204" not in codes(user("Hi", f"model: {model}"))

    @pytest.mark.parametrize(("model", "words"), [("claude-2", "retired"), ("claude-3", "retires")])
    def test_retired(self, model: str, words: str) -> None:
        (only,) = found(user("Hi", f"model: anthropic/{model}"))
        assert only.code == "P205"
        assert f"anthropic {words} the model" in only.message
        assert codes(user("Hi", "model: anthropic/claude-sonnet-4-5")) == []

    def test_the_default_is_looked_at_where_it_is_named(self) -> None:
        (only,) = report(user("Hi"), "log: []\nmodel: openai/gpt-4o-mnii").findings
        assert (only.code, str(only.place)) == ("P204", "promptctl.yaml:2:8")

    def test_over_the_window(self) -> None:
        (only,) = found(user("word " * 9000, "model: openai/gpt-4"))
        assert (only.code, only.severity) == ("P206", "error")
        assert "more than 9,000 tokens" in only.message
        assert codes(user("word " * 7000, "model: openai/gpt-4")) == []

    def test_more_than_it_writes(self) -> None:
        (only,) = found(user("Hi", "model: openai/gpt-4o-mini", "parameters: {max_tokens: 20000}"))
        assert (only.code, only.severity, str(only.place)) == ("P206", "error", "prompts/p.prompt.yaml:7:14")
        assert codes(user("Hi", "model: openai/gpt-4o-mini", "parameters: {max_tokens: 16384}")) == []


@pytest.mark.parametrize("given", ["top_logprobs: 3", "tool_choice: required", "parallel_tool_calls: true"])
def test_those_that_need_another_are_mended(given: str) -> None:
    (change,) = report(parameters(f"{{seed: 1, {given}}}", "model: echo/echo")).proposal.changes
    assert change.after is not None
    assert b"parameters: {seed: 1}\n" in change.after
