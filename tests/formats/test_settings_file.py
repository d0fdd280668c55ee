from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.errors import InvalidFiles
from promptctl.formats.budget_rules import BudgetRule
from promptctl.formats.settings_file import LabelRule, LogRule, ModelRule, Settings, read_settings
from tests.files.conftest import attempt
from tests.formats.conftest import ProblemsOf


def read(text: str) -> Settings:
    return read_settings(text.encode())


def test_an_empty_file_sets_nothing() -> None:
    assert read("") == Settings() == read("# nothing yet\n")
    assert Settings().model_rule("openai/x") == ModelRule("openai/x")
    assert Settings().log_rule("a") == LogRule("*", "metadata", is_active=True)


def test_everything_that_can_be_set() -> None:
    settings = read(
        "model: openai/gpt-4o-mini\nbranch: trunk\n"
        "models: {'openai/*': {timeout_s: 60}, 'local/*':}\n"
        "labels:\n  remote: origin\n  staging:\n"
        "  production: {after: staging, evaluation: passed, dataset: a.yaml, reason: required}\n"
        "log: [{prompts: '*', content: full}, {prompts: 'x/*', active: false}]\n"
        "budgets: [{name: team, limit: {usd: 5}}]\nprices: {'local/*': {input: 0, output: 1.5}}\n"
    )
    assert settings.model == "openai/gpt-4o-mini"
    assert settings.branch == "trunk"
    assert settings.models == (ModelRule("openai/*", timeout_s=60), ModelRule("local/*"))
    assert settings.labels.remote == "origin"
    assert settings.labels.rules == {
        "staging": LabelRule(),
        "production": LabelRule(after="staging", evaluation="passed", reason="required", dataset="a.yaml"),
    }
    assert settings.log == (LogRule("*", "full"), LogRule("x/*", "metadata", is_active=False))
    assert settings.budgets == (BudgetRule("team", "usd", 5_000_000_000),)
    assert settings.prices == {"local/*": {"input": 0, "output": 1.5}}


def test_rules_of_models_are_merged_and_the_last_wins_key_by_key() -> None:
    settings = read(
        "models:\n"
        "  '*': {timeout_s: 10, max_attempts: 2, headers: {A: '1', B: '1'}, parameters: {temperature: 1, seed: 1}}\n"
        "  'openai/*': {timeout_s: 20, lane: litellm, supports_schema: false}\n"
        "  'openai/gpt-4o': {headers: {B: '2'}, parameters: {seed: 2}, api_base: 'http://127.0.0.1:1/v1'}\n"
    )
    assert settings.model_rule("openai/gpt-4o") == ModelRule(
        "openai/gpt-4o",
        api_base="http://127.0.0.1:1/v1",
        headers={"A": "1", "B": "2"},
        timeout_s=20,
        max_attempts=2,
        lane="litellm",
        supports_schema=False,
        parameters={"temperature": 1, "seed": 2},
    )
    assert settings.model_rule("anthropic/x").timeout_s == 10
    assert settings.model_rule("anthropic/x").supports_schema is None


def test_the_last_log_rule_that_matches_wins() -> None:
    settings = read(
        "log:\n- {prompts: '*', content: full}\n- {prompts: 'hr/*'}\n- {prompts: hr/public, content: full}\n"
    )
    assert settings.log_rule("support/triage").content == "full"
    assert settings.log_rule("hr/pay").content == "metadata"
    assert settings.log_rule("hr/public").content == "full"


def test_a_label_that_another_comes_after_is_a_label_as_well() -> None:
    assert read("labels: {production: {after: staging}}").labels.rules["staging"] == LabelRule()


@pytest.mark.parametrize(
    "text",
    [
        "models: {'a/*': {api_key_env: sk-very-secret}}",
        "models: {'a/*': {api_base: 'http://me:very-secret@host/v1'}}",
        "budgets: [{name: a, limit: {usd: 1}, webhook_env: 'https://hooks.example/very-secret'}]",
        "budgets: [{name: a, limit: {usd: 1}, webhook: 'https://hooks.example/very-secret'}]",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidFiles) as caught:
        read_settings(text.encode())

    (problem,) = caught.value.problems
    assert "very-secret" not in f"{problem} {problem.hint}"


@pytest.mark.parametrize(
    ("text", "at", "said", "hint"),
    [
        ("- a\n", "1:1", 'must be a mapping, not `["a"]`', ""),
        ("modle: x\n", "1:1", "unknown key `modle`", "did you mean `model`"),
        ("models: {'a/*': {timeout: 5}}\n", "1:18", "unknown key `timeout`", "use `timeout_s`"),
        ("models: {'a/*': {api_key: sk-1}}\n", "1:18", "unknown key `api_key`", "a key never stands in a file"),
        ("models: {'a/*': {api_base: ftp://x}}\n", "1:28", "does not have the form", "http://127.0.0.1"),
        ("models: {'a/*': {api_base: 'http://me:pw@host/v1'}}\n", "1:28", "does not have the form", ""),
        (
            "models: {'a/*': {headers: {Authorization: x}}}\n",
            "1:28",
            "cannot be a key",
            "name the variable in `api_key_env`",
        ),
        ("models: {'a/*': {headers: {X-A: 'Bearer 1'}}}\n", "1:33", "the header `X-A` holds a key", "`api_key_env`"),
        ("models: {'a/*': {headers: {X-A: 'Basic dTpwdw=='}}}\n", "1:33", "the header `X-A` holds a key", ""),
        ("models: {'a/*': {headers: {X-A: \"a\\nb\"}}}\n", "1:33", "does not have the form", "one line of text"),
        ("models: {'a/*': {max_attempts: 0}}\n", "1:32", "must be at least 1", ""),
        ("models: {'a/*': {parameters: {temprature: 0}}}\n", "1:31", "unknown key `temprature`", "`temperature`"),
        ("labels: {Prod: {}}\n", "1:10", "`labels.Prod` cannot be a key", "small letters"),
        ("labels: {remote: --upload-pack=x}\n", "1:18", "does not have the form", "the Git remote"),
        ("labels: {a: {dataset: x.yaml}}\n", "1:14", "`labels.a.dataset` needs `evaluation`", "add `evaluation`"),
        ("labels: {a: {evaluation: passed, dataset: ../x}}\n", "1:43", "climbs", "datasets/"),
        ("labels: {a: {after: a}}\n", "1:21", "`a after a`: no version could ever get there", "break the circle"),
        ("branch: -x\n", "1:9", "does not have the form", "the branch"),
        ("log: [{content: full}]\n", "1:7", "has no `prompts`", "add `prompts`"),
        ("log: [{prompts: '*', content: all}]\n", "1:31", "must be `full` or `metadata`, not `all`", ""),
        (
            "log: [{prompts: '*', active: no}]\n",
            "1:30",
            "must be true or false, not the text `no`",
            "`true` or `false`",
        ),
        ("prices: {x: {input: 1}}\n", "1:13", "has no `output`", "add `output`"),
        ("prices: {x: {input: 1, output: 1, imput: 2}}\n", "1:35", "unknown key `imput`", "did you mean `input`"),
        ("prices: {x: {input: '1', output: 1}}\n", "1:21", "`prices.x.input` must be a number, not the text", ""),
        ("prices: {x: 3}\n", "1:13", "must be a mapping or a list, not 3", "write a price, such as"),
        ("prices: {x: {input: -1, output: 1}}\n", "1:21", "must be at least 0", ""),
    ],
)
def test_a_mistake_is_told_where_it_is(text: str, at: str, said: str, hint: str, problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(read_settings, text)
    assert str(problem.place) == f"file.yaml:{at}"
    assert said in problem.message
    assert hint in (problem.hint or "")


@pytest.mark.parametrize("title", ["Basic support bot", "Token saver", "Bearer of good news, inc.", "Basic plan."])
def test_a_title_in_a_header_is_no_key(title: str) -> None:
    rule = read_settings(f"models: {{'a/*': {{headers: {{X-Title: '{title}'}}}}}}\n".encode()).model_rule("a/b")
    assert rule.headers == {"X-Title": title}


def test_labels_that_come_after_each_other_can_never_be_set(problems_of: ProblemsOf) -> None:
    found = problems_of(read_settings, "labels: {a: {after: b}, b: {after: c}, c: {after: a}, d: {after: a}}\n")
    assert [problem.message.partition(":")[0] for problem in found] == [
        "`a after b after c after a`",
        "`b after c after a after b`",
        "`c after a after b after c`",
    ]


_keys = st.sampled_from(
    ["model", "models", "labels", "log", "prices", "remote", "a", "after", "headers", "prompts", "*"]
)
_values = st.recursive(
    st.sampled_from([None, True, 0, 1.5, "", "a", "*", "passed"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.binary(max_size=60) | _values.map(lambda data: json.dumps(data).encode()))
def test_any_bytes_are_settings_or_refused(data: bytes) -> None:
    settings, problems = attempt(read_settings, data, "promptctl.yaml")
    assert all(problem.place for problem in problems)
    assert problems or (settings.model_rule("openai/x") and settings.log_rule("a"))


def test_parameters_that_are_left_out_are_marked() -> None:
    settings = read_settings(b"models: {'a/*': {parameters: {top_p: 1}, leave_out: [seed, stream_options]}}")
    assert settings.model_rule("a/b").parameters == {"top_p": 1, "seed": None, "stream_options": None}


def test_a_key_that_could_not_be_left_out_is_an_error() -> None:
    with pytest.raises(InvalidFiles) as caught:
        read_settings(b"models: {'a/*': {leave_out: [seed, temprature]}}")
    assert caught.value.message == "`temprature` is no key that could be left out"
    assert caught.value.hint == "did you mean `temperature`?"


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Proxy-Authorization",
        "X-Goog-Api-Key",
        "api-key",
        "ApiKey",
        "X-API-KEY",
        "COOKIE",
        "X-AuthToken",
        "Private-Token",
        "X-Amz-Security-Token",
        "Ocp-Apim-Subscription-Key",
        "CF-Access-Client-Secret",
        "x-session",
    ],
)
def test_a_header_that_carries_a_key_cannot_stand_in_the_file(name: str) -> None:
    with pytest.raises(InvalidFiles, match="cannot be a key"):
        read_settings(f"models: {{'a/*': {{headers: {{{name}: x}}}}}}\n".encode())


def test_other_headers_can() -> None:
    names = ["X-Team", "HTTP-Referer", "OpenAI-Organization", "anthropic-version", "X-Request-Id", "X-Keyboard"]
    headers = dict.fromkeys(names, "a task-force-of-the-support-team")
    read = read_settings(f"models: {{'a/*': {{headers: {headers}}}}}\n".encode())
    assert read.model_rule("a/b").headers == headers
