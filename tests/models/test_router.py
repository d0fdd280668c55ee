from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import AuthenticationFailed, ModelConfigurationError, ReplyNotRecorded
from promptctl.formats.settings_file import read_settings
from promptctl.models.gateway import Delta, Reply, Request, embedding_request
from promptctl.models.model_settings import Models
from promptctl.models.recordings import Recording
from promptctl.models.router import Router
from tests import openai_server as say
from tests.models.conftest import KEY, LITELLM_WARNINGS
from tests.openai_server import OpenAIServer

pytestmark = LITELLM_WARNINGS

Make = Callable[..., Router]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A router of the settings in a `promptctl.yaml`, with these environment variables."""

    def build(settings: str = "", **environ: str) -> Router:
        return Router(Models(read_settings(settings.encode()), environ), tmp_path / "recordings")

    return build


def ask(model: str, text: str = "hello", **fields: Any) -> Request:
    return Request(model, ({"role": "user", "content": text},), **fields)


def complete(router: Router, request: Request) -> Reply:
    async def whole() -> Reply:
        try:
            return await router.complete(request)
        finally:
            await router.close()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("model", "lane"),
    [
        ("echo/echo", "echo"),
        ("replay/openai/gpt-4o-mini", "replay"),
        ("openai/gpt-4o-mini", "direct"),
        ("gpt-4o-mini", "direct"),
        ("anthropic/claude-sonnet-4-5", "litellm"),
        ("claude-sonnet-4-5", "litellm"),
        ("local/llama-3.1", "direct"),
        ("openai/forced", "litellm"),
        ("local/forced", "litellm"),
        ("replay/openai/forced", "replay"),
    ],
)
def test_the_lane_is_chosen_by_the_id_and_the_rules(make: Make, model: str, lane: str) -> None:
    router = make(
        'models:\n  "local/*": {api_base: "http://127.0.0.1:1/v1"}\n  "*/forced": {lane: litellm}\n',
        OPENAI_API_KEY=KEY,
        ANTHROPIC_API_KEY=KEY,
    )
    assert router.settings_of(model).lane == lane


def test_the_direct_lane_can_be_forced_where_an_address_is_given(make: Make) -> None:
    rules = 'models:\n  "gemini/*": {lane: direct, api_key_env: K}\n  "gemini/near": {api_base: "http://h/v1"}\n'
    router = make(rules, K=KEY)
    assert router.settings_of("gemini/near").lane == "direct"
    with pytest.raises(ModelConfigurationError) as caught:
        router.settings_of("gemini/far")
    assert caught.value.hint is not None
    assert "give it an `api_base`" in caught.value.hint


def test_an_openai_model_needs_its_key_before_anything_is_sent(make: Make) -> None:
    with pytest.raises(ModelConfigurationError) as caught:
        complete(make(), ask("openai/gpt-4o-mini"))
    assert "the variable OPENAI_API_KEY is not set" in caught.value.message
    assert caught.value.hint is not None
    assert "export OPENAI_API_KEY=…" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-pro", "GEMINI_API_KEY or GOOGLE_API_KEY"),
        ("groq/llama", "GROQ_API_KEY"),
    ],
)
def test_a_missing_key_is_named_without_importing_litellm(make: Make, model: str, variable: str) -> None:
    with pytest.raises(ModelConfigurationError, match=variable):
        make().settings_of(model)


def test_a_key_of_blanks_is_no_key(make: Make) -> None:
    with pytest.raises(ModelConfigurationError, match="OPENAI_API_KEY is not set"):
        make(OPENAI_API_KEY="  \n").settings_of("openai/gpt-4o-mini")


def test_a_key_is_read_from_the_given_environment_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelConfigurationError, match="OPENAI_API_KEY is not set"):
        make().settings_of("openai/gpt-4o-mini")


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_the_environment_may_name_another_address(make: Make, server: OpenAIServer, name: str) -> None:
    reply = complete(make(**{name: server.url, "OPENAI_API_KEY": KEY + "\n"}), ask("openai/gpt-4o-mini"))
    assert reply.text == "hello"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_address_of_the_environment_needs_no_key(make: Make, server: OpenAIServer) -> None:
    complete(make(OPENAI_BASE_URL=server.url), ask("openai/llama"))
    assert "authorization" not in server.requests[0].headers


def test_a_local_providers_address_needs_no_key_through_litellm_either(make: Make, server: OpenAIServer) -> None:
    router = make(HOSTED_VLLM_API_BASE=server.url)
    assert complete(router, ask("hosted_vllm/llama")).text == "hello"
    assert server.requests[0].body["model"] == "llama"


@pytest.mark.parametrize("lane", ["direct", "litellm"])
def test_a_key_goes_to_an_address_out_of_a_file_only_if_the_file_names_it(
    make: Make, server: OpenAIServer, lane: str
) -> None:
    rules = (
        f'models:\n  "openai/*": {{api_base: "{server.url}", lane: {lane}}}\n'
        f'  "local/*": {{api_base: "{server.url}", lane: {lane}, api_key_env: LOCAL_KEY, headers: {{X-Team: a}}}}\n'
    )
    router = make(rules, OPENAI_API_KEY="sk-never-sent-0123456789", LOCAL_KEY=KEY, OPENAI_ORG_ID="org-never")
    complete(router, ask("openai/gpt-4o-mini"))
    complete(router, ask("local/llama"))
    without, with_key = server.requests
    assert "never" not in str(without.headers)
    assert with_key.headers["authorization"] == f"Bearer {KEY}"
    assert with_key.headers["x-team"] == "a"


@pytest.mark.parametrize("provider", ["databricks", "gigachat", "watsonx", "vertex_ai", "bedrock"])
def test_a_sign_in_of_litellms_own_goes_to_no_address_out_of_a_file(
    make: Make, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    secrets = ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "GIGACHAT_ACCESS_TOKEN", "WATSONX_TOKEN")
    for name in (*secrets, "WATSONX_PROJECT_ID", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"never-sent-{name.lower()}")
    router = make(f'models:\n  "{provider}/*": {{api_base: "{server.url}", lane: litellm, api_key_env: K}}\n', K=KEY)
    with pytest.raises(ModelConfigurationError, match="signs in with what LiteLLM finds in the environment"):
        complete(router, ask(f"{provider}/model"))
    assert not server.requests


def test_a_key_that_a_rule_names_must_be_there(make: Make) -> None:
    router = make('models:\n  "local/*": {api_base: "http://h/v1", api_key_env: LOCAL_KEY}\n', OPENAI_API_KEY=KEY)
    with pytest.raises(ModelConfigurationError, match="LOCAL_KEY is not set"):
        router.settings_of("local/llama")


def test_the_account_is_told_to_openai(make: Make, server: OpenAIServer) -> None:
    environ = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "o1", "OPENAI_PROJECT_ID": "p1"}
    complete(make(**environ), ask("openai/gpt-4o-mini"))
    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("o1", "p1")


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("antropic/claude", "did you mean `anthropic/…`?"),
        ("mistral-ai/mistral-small", "did you mean `mistral/…`?"),
        ("nobody/nothing", "ids are written provider/model"),
        ("nothing-known", "ids are written provider/model"),
        ("openai/", "ids are written provider/model"),
        ("/gpt-4o", "ids are written provider/model"),
        ("", "ids are written provider/model"),
        ("echo/loud", "the only model of echo is echo/echo"),
    ],
)
def test_an_unknown_provider_says_how_ids_are_written(make: Make, model: str, hint: str) -> None:
    with pytest.raises(ModelConfigurationError) as caught:
        make().settings_of(model)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


@pytest.mark.parametrize("provider", ["oobabooga", "huggingface", "openai"])
def test_an_address_in_a_models_id_is_asked_nothing(make: Make, server: OpenAIServer, provider: str) -> None:
    router = make(HUGGINGFACE_API_KEY=KEY, OPENAI_API_KEY=KEY)
    with pytest.raises(ModelConfigurationError, match="names an address"):
        complete(router, ask(f"{provider}/{server.url}"))
    assert server.requests == []


def test_a_provider_of_litellms_that_we_do_not_know_is_let_through(make: Make) -> None:
    assert make().settings_of("watsonx/ibm/granite").lane == "litellm"


def test_an_id_without_its_provider_is_looked_up(make: Make, server: OpenAIServer) -> None:
    router = make(OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)
    reply = complete(router, ask("gpt-4o-mini"))
    assert router.settings_of("gpt-4o-mini").provider == reply.provider == "openai"
    assert server.requests[0].body["model"] == "gpt-4o-mini"
    assert reply.cost_nano_usd is not None


def test_rules_give_timeout_attempts_and_parameters(make: Make) -> None:
    rules = (
        'models:\n  "*": {timeout_s: 30, parameters: {temperature: 0, seed: 1}}\n'
        '  "openai/*": {timeout_s: 5, max_attempts: 7, parameters: {seed: 2}}\n'
    )
    router = make(rules, OPENAI_API_KEY=KEY)
    settings = router.settings_of("openai/gpt-4o-mini")
    assert (settings.timeout_s, settings.retry.max_attempts) == (5, 7)
    assert settings.parameters == {"temperature": 0, "seed": 2}
    assert settings.endpoint.api_key == KEY


def test_without_rules_there_are_defaults(make: Make) -> None:
    settings = make().settings_of("echo/echo")
    assert (settings.timeout_s, settings.retry.max_attempts, settings.parameters) == (60, 3, {})


def test_a_replayed_model_has_the_rules_of_the_recorded_one(make: Make) -> None:
    router = make('models:\n  "openai/*": {parameters: {seed: 2}}\n')
    assert router.settings_of("replay/openai/gpt-4o-mini").parameters == {"seed": 2}


def test_a_refused_key_says_which_variable_it_came_from(make: Make, server: OpenAIServer) -> None:
    server.default = say.failure(401, "no such key")
    router = make(OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)
    with pytest.raises(AuthenticationFailed) as caught:
        complete(router, ask("openai/gpt-4o-mini"))
    assert caught.value.hint == "check the key in the variable OPENAI_API_KEY"
    with pytest.raises(AuthenticationFailed) as caught:
        asyncio.run(router.complete(embedding_request("openai/text-embedding-3-small", ["a"])))
    assert caught.value.hint == "check the key in the variable OPENAI_API_KEY"
    router = make(f'models:\n  "local/*": {{api_base: "{server.url}"}}\n')
    with pytest.raises(AuthenticationFailed) as caught:
        complete(router, ask("local/llama"))
    assert caught.value.hint is not None
    assert "no key was sent" in caught.value.hint


def test_streams_and_embeddings_take_the_same_way(make: Make, server: OpenAIServer) -> None:
    router = make(OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)

    async def both() -> tuple[list[Delta | Reply], int]:
        pieces = [piece async for piece in router.stream(ask("openai/gpt-4o-mini", "one two"))]
        found = await router.complete(embedding_request("openai/text-embedding-3-small", ["a"]))
        await router.close()
        return pieces, len(found.vectors)

    pieces, count = asyncio.run(both())
    assert isinstance(pieces[-1], Reply)
    assert (pieces[-1].text, count) == ("one two", 1)
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)


def test_echo_and_replay_answer(make: Make, tmp_path: Path) -> None:
    router = make()
    request = ask("replay/openai/gpt-4o-mini")
    with pytest.raises(ReplyNotRecorded):
        complete(router, request)
    Recording(tmp_path / "recordings" / "x.jsonl").add(request, Reply("recorded", "m", "openai"))
    assert complete(router, request).text == "recorded"
    assert complete(router, ask("echo/echo")).text == "hello"


def test_nothing_secret_shows_in_a_repr(make: Make, server: OpenAIServer) -> None:
    rules = f'models:\n  "local/*": {{api_base: "{server.url}", api_key_env: K, headers: {{X-T: header-canary}}}}\n'
    router = make(rules, K=KEY)
    shown = repr([router, router.settings_of("local/x"), router.settings_of("local/x").endpoint, router._models.prices])
    for secret in (KEY, "header-canary", server.url):
        assert secret not in shown


def modules_after(code: str) -> list[str]:
    """Which heavy modules a fresh interpreter has imported after some code."""
    heavy = ("litellm", "aiohttp", "openai", "httpx", "asyncio", "jsonschema", "email", "urllib.request")
    script = f"{code}\nimport json, sys\nprint(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def test_making_a_router_imports_nothing_heavy() -> None:
    code = (
        "from promptctl.models.router import Models, Router; from promptctl.formats.settings_file import Settings\n"
        "router = Router(Models(Settings(), {'OPENAI_API_KEY': 'x'})); router.settings_of('openai/gpt-4o-mini')"
    )
    assert modules_after(code) == []


def test_preloading_imports_what_the_lane_needs() -> None:
    code = (
        "import threading; from promptctl.models.router import Models, Router\n"
        "from promptctl.formats.settings_file import Settings\n"
        "router = Router(Models(Settings(), {'OPENAI_API_KEY': 'x'})); router.preload('echo/echo')\n"
        "router.preload('no-such-model')\n"
        "router.preload('openai/gpt-4o-mini'); [t.join() for t in threading.enumerate() if t.daemon]"
    )
    found = modules_after(code)
    assert "aiohttp" in found
    assert "litellm" not in found


@pytest.mark.parametrize(
    ("settings", "environ", "place"),
    [
        ("", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h/v1"}, "http://h/v1 (OPENAI_BASE_URL)"),
        ("models: {'openai/*': {api_base: 'http://h/v1?k=1'}}", {}, "http://h/v1 (promptctl.yaml)"),
        ("", {"OPENAI_API_KEY": "k"}, "its endpoint"),
    ],
)
def test_an_address_is_said_with_where_it_was_set(
    settings: str, environ: dict[str, str], place: str, tmp_path: Path
) -> None:
    router = Router(Models(read_settings(settings.encode()), environ), tmp_path)
    assert router.settings_of("openai/gpt-4o-mini").endpoint.place == place


def test_two_hundred_streams_are_open_at_once(make: Make, server: OpenAIServer) -> None:
    under_way: list[say.Exchange] = []
    are_all_here: list[asyncio.Event] = []

    async def held_until_all_are_here(exchange: say.Exchange) -> None:
        if not under_way:
            are_all_here.append(asyncio.Event())
        under_way.append(exchange)
        if len(under_way) == 200:
            are_all_here[0].set()
        async with asyncio.timeout(30):
            await are_all_here[0].wait()
        await say.echo(exchange)

    async def read(router: Router) -> None:
        async for _ in router.stream(ask("openai/m")):
            pass

    async def all_of_them() -> None:
        router = make(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
        await asyncio.gather(*(read(router) for _ in range(200)))
        await router.close()

    server.script(*[held_until_all_are_here] * 200)
    asyncio.run(all_of_them())
    assert len(under_way) == 200
