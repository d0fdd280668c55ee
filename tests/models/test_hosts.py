"""Where requests go: LiteLLM's own routes, seen from a proxy that notes each host and lets nothing out."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from promptctl.errors import ModelConfigurationError, ModelError
from promptctl.formats.settings_file import read_settings
from promptctl.models.gateway import Endpoint, Request, embedding_request
from promptctl.models.hosts import _OWN, has_address, reach_of
from promptctl.models.litellm_lane import LiteLLM
from promptctl.models.model_settings import Models
from promptctl.models.prices import Prices
from promptctl.models.router import Router
from tests import openai_server as say
from tests.models.conftest import KEY, LITELLM_WARNINGS
from tests.openai_server import OpenAIServer

pytestmark = LITELLM_WARNINGS
AWS = {"AWS_ACCESS_KEY_ID": "AKIAX", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_REGION_NAME": "us-east-1"}
EVIL = "bedrock/agentcore/arn:aws:bedrock-agentcore:evil.example/x?:123456789012:runtime/r"
# Routes of LiteLLM that need a package, an account or a parameter more.
UNTRIED = {"chatgpt", "github_copilot", "gigachat", "oci", "predibase", "sap", "snowflake", "vertex_ai", "watsonx"}
UNTRIED |= {"cloudflare", "gradient_ai", "v0", "morph", "langflow", "langgraph", "jina_ai", "voyage"}
MODELS = {"bedrock": "anthropic.claude-v2", "clarifai": "u.a.m", "huggingface": "meta-llama/Llama-3.3-70B-Instruct"}
"""Models of providers that take no name but one of this form."""


class RecordingProxy:
    """A proxy on loopback that refuses every request, and keeps the host and port that it was for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                self.asked.append(lines.readline().decode().split(" ")[1])
                while lines.readline().strip():
                    pass
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingProxy]:
    running = RecordingProxy()
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, running.url)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    yield running
    running.close()


def ask(*requests: Request, environ: dict[str, str] | None = None, streamed: bool = False) -> list[ModelError | None]:
    """Return what became of each request."""

    async def one(lane: LiteLLM, request: Request) -> ModelError | None:
        try:
            if streamed:
                [_ async for _ in lane.stream(request)]
            else:
                await lane.complete(request)
        except ModelError as error:
            return error
        return None

    async def whole() -> list[ModelError | None]:
        lane = LiteLLM(Prices(), {**AWS, **(environ or {})})
        try:
            return [await one(lane, request) for request in requests]
        finally:
            await lane.close()

    return asyncio.run(whole())


def chat(model: str, base: str | None = None, **fields: Any) -> Request:
    given: dict[str, Any] = {"messages": ({"role": "user", "content": "hi"},), "timeout_s": 10.0}
    return Request(model, endpoint=Endpoint(base, KEY), **{**given, **fields})


def embed(model: str) -> Request:
    endpoint = Endpoint(None, KEY, leaves_out=frozenset({"encoding_format"}))
    return replace(embedding_request(model, ["one"]), endpoint=endpoint)


@pytest.mark.filterwarnings("ignore:Unclosed c:ResourceWarning")  # LiteLLM leaves some of its clients open
def test_each_provider_of_the_table_is_asked_at_its_own_hosts_alone(proxy: RecordingProxy) -> None:
    rows = [row.partition("=") for row in _OWN.split()]
    providers = sorted({name for name, _, host in rows if "://" not in host} - UNTRIED)
    wrong = {}
    for provider in providers:
        proxy.asked.clear()
        model = f"{provider}/{MODELS.get(provider, 'm')}"
        [error] = ask(chat(model))
        reach = reach_of(model, provider, Endpoint(), AWS)
        hosts = {each.removeprefix("https://").partition(":")[0] for each in proxy.asked}
        # The transport of LiteLLM's own opens a second connection if the first one fails.
        if (
            error is None
            or not 0 < len(proxy.asked) <= 2
            or any(reach.refusal("https", host, None, "/") for host in hosts)
        ):
            wrong[provider] = (hosts, error)
    gc.collect()
    assert wrong == {}


ODD = [
    EVIL,
    "azure_ai/m", "custom_openai/m", "hosted_vllm/m", "litellm_proxy/m",
    "petals/evil/model", "baseten/abcd1234",
]  # fmt: skip


def test_no_odd_route_leads_to_a_host_of_its_own(proxy: RecordingProxy) -> None:
    requests = [make(model) for model in ODD for make in (chat, embed)]
    errors = [*ask(*requests), *ask(*map(chat, ODD), streamed=True)]
    assert all(errors)
    assert proxy.asked == []
    refused = str(errors[0])
    assert "evil.example" in refused
    assert EVIL in refused


def test_a_template_on_a_model_hub_is_neither_fetched_nor_missed(proxy: RecordingProxy) -> None:
    """LiteLLM would render it outside of our sandbox."""
    ask(chat("replicate/meta/llama"), chat("sagemaker/e"), chat("bedrock/llama/arn:aws:bedrock:us-east-1:1:m/r4c4"))
    hosts = [
        "api.replicate.com",
        "runtime.sagemaker.us-east-1.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com",
    ]
    assert proxy.asked == [f"{host}:443" for host in hosts]


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.0-flash", "ollama/llava"])
@pytest.mark.parametrize("link", ["http://images.example/a.png", "https://images.example/a.png"])
def test_a_link_is_looked_up_by_no_route(proxy: RecordingProxy, server: OpenAIServer, model: str, link: str) -> None:
    image = {"type": "image_url", "image_url": {"url": link}}
    messages = ({"role": "user", "content": [{"type": "text", "text": "x"}, image]},)
    ask(chat(model, server.url.removesuffix("/v1"), messages=messages))
    assert [asked for asked in proxy.asked if "images.example" in asked] == []


def test_what_one_lets_through_the_net_below_refuses() -> None:
    from promptctl.models.litellm_library import load_litellm, our_call
    from promptctl.models.litellm_wire import Wire

    load_litellm()
    request = chat("openai/m")
    with our_call(Wire(request, reach_of("openai/m", "openai", Endpoint(), {"HTTPS_PROXY": "http://localhost:1"}))):
        with pytest.raises(ModelConfigurationError, match=r"evil\.example"):
            socket.create_connection(("evil.example", 443))
        with pytest.raises(OSError, match="refused"):  # the proxy
            socket.create_connection(("localhost", 1))


@pytest.mark.parametrize("status", [302, 307])
def test_a_route_without_asyncio_follows_no_redirect(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    base = server.url.removesuffix("/v1")
    for name in ("NLP_CLOUD_API_BASE", "MARITALK_API_BASE", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, f"{base}/")
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    with OpenAIServer() as elsewhere:
        server.default = say.raw(b"", status=status, headers={"location": f"{elsewhere.url}/x"})
        errors = ask(chat("nlp_cloud/m"), chat("maritalk/m"), embed("sagemaker/e"))
        assert all(errors)
        assert len(server.requests) == len(errors)
        assert elsewhere.requests == []


def test_aiohttp_itself_is_kept_in_too(server: OpenAIServer) -> None:
    from promptctl.models.litellm_library import load_litellm, our_call
    from promptctl.models.litellm_wire import Wire

    async def get(url: str) -> int:
        wire = Wire(chat("openai/m"), reach_of("openai/m", "openai", Endpoint(server.url), {}))
        async with aiohttp.ClientSession() as session:
            with our_call(wire):
                async with session.get(url) as response:
                    return response.status

    load_litellm()
    server.default = say.raw(b"", status=302, headers={"location": "/elsewhere"})
    assert asyncio.run(get(server.url)) == 302
    with pytest.raises(ModelConfigurationError, match=r"evil\.example"):
        asyncio.run(get("http://evil.example/x"))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "model",
    [
        EVIL,
        "bedrock/arn:aws:bedrock:evil.example:1:inference-profile/x",
        "bedrock/converse/arn:aws:bedrock:us-east-1.evil:1:inference-profile/x",
        "bedrock/arn:evil:x",
        "gemini/../../upload",
        "gemini/./x",
        "vertex_ai/x?alt=sse",
        "azure/x#y",
        "azure/x%2f..%2fy",
        "huggingface/https://evil.example",
        "openai/a\\b",
        "openai/a b",
        "openai/a\N{FULLWIDTH SOLIDUS}b",
        "replay/gemini/../x",
    ],
)
def test_what_parts_an_address_has_no_place_in_an_id(model: str) -> None:
    models = Models(read_settings(b"{}"), dict.fromkeys(("GEMINI_API_KEY", "AZURE_API_KEY", "OPENAI_API_KEY"), KEY))
    with pytest.raises(ModelConfigurationError, match="is not a model's id") as caught:
        asyncio.run(Router(models).complete(chat(model)))
    assert "api_base" in str(caught.value) + str(caught.value.hint)


def test_an_id_that_a_server_of_ones_own_gets_as_text_may_hold_anything_shown() -> None:
    text = "models: {'*/*': {api_base: 'http://127.0.0.1:9/v1'}, 'openai/*': {lane: litellm}}"
    models = Models(read_settings(text.encode()), {})
    for model in ("local/Qwen2.5 (7B)", "local/a,b=c", "local/a[b]"):
        assert models.settings_of(model).lane == "direct"
    wrong = ("openai/a b", "local/a\tb", "local/../b", "local/http://x", "lo cal/a", "echo/a b", "replay/local/a b")
    for model in wrong:
        with pytest.raises(ModelConfigurationError, match="is not a model's id"):
            models.settings_of(model)


@pytest.mark.parametrize(
    "model",
    [
        "cloudflare/@cf/meta/llama-3.1-8b", "openai/ft:gpt-4o-mini:acme::abc", "bedrock/us.anthropic.claude-v1:0",
        "fireworks_ai/accounts/a/models/m#accounts/a/deployments/d", "huggingface/together/deepseek-ai/DeepSeek-R1",
        "bedrock/agentcore/arn:aws:bedrock-agentcore:us-west-2:888602223428:runtime/agent_r9-3y",
        "bedrock/arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us.x", "openrouter/~x/y:free",
    ],
)  # fmt: skip
def test_ids_that_are_in_use_stay_ids(model: str) -> None:
    keys = ("CLOUDFLARE_API_KEY", "OPENAI_API_KEY", "FIREWORKS_API_KEY", "HF_TOKEN", "OPENROUTER_API_KEY")
    assert Models(read_settings(b"{}"), dict.fromkeys(keys, KEY)).settings_of(model).model == model


NOWHERE = ["hosted_vllm", "litellm_proxy", "azure", "databricks", "triton", "heroku", "vllm", "oobabooga"]


@pytest.mark.parametrize("provider", NOWHERE)
def test_a_provider_without_an_address_of_its_own_needs_one(provider: str) -> None:
    keys = {f"{provider.upper()}_API_KEY": KEY}
    with pytest.raises(ModelConfigurationError, match="has no address") as caught:
        Models(read_settings(b"{}"), keys).settings_of(f"{provider}/m")
    assert "promptctl.yaml" in str(caught.value.hint)
    assert f"{provider.upper()}_API_BASE" in str(caught.value.hint)
    named = keys | {f"{provider.upper()}_API_BASE": "http://127.0.0.1:1/v1"}
    assert Models(read_settings(b"{}"), named).settings_of(f"{provider}/m").lane == "litellm"


ALLOWED: list[tuple[str, str | None, dict[str, str], str, bool]] = [
    ("openai", None, {}, "https://api.openai.com", True),
    ("openai", None, {}, "https://api.openai.com:8443", False),
    ("openai", None, {}, "http://api.openai.com", False),
    ("openai", None, {}, "https://api.openai.com.evil.example", False),
    ("openai", "http://127.0.0.1:1/v1", {}, "http://127.0.0.1:1", True),
    ("openai", "http://127.0.0.1:1/v1", {}, "http://127.0.0.1:2", False),
    ("openai", "http://127.0.0.1:1/v1", {}, "https://api.openai.com", False),
    ("openai", None, {"OPENAI_BASE_URL": "https://gate.example/v1"}, "https://gate.example", True),
    ("groq", None, {"OPENAI_BASE_URL": "https://gate.example/v1"}, "https://gate.example", False),
    ("bedrock", None, {}, "https://bedrock-runtime.eu-west-1.amazonaws.com", True),
    ("bedrock", None, {}, "https://bedrock-runtime.x.s3.amazonaws.com", False),
    ("bedrock", None, {}, "https://sts.eu-west-1.amazonaws.com", True),
    ("bedrock", None, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://vpce.example"}, "https://vpce.example", True),
    ("vertex_ai", None, {}, "https://us-central1-aiplatform.googleapis.com", True),
    ("vertex_ai", None, {}, "https://evil.example-aiplatform.googleapis.com", False),
    ("vertex_ai", None, {}, "https://storage.googleapis.com", False),
    ("azure", "https://a.openai.azure.com", {}, "https://login.microsoftonline.com", True),
    ("azure", "https://a.openai.azure.com", {}, "https://b.openai.azure.com", False),
    ("snowflake", None, {"SNOWFLAKE_ACCOUNT_ID": "acme"}, "https://acme.snowflakecomputing.com", True),
    ("snowflake", None, {"SNOWFLAKE_ACCOUNT_ID": "acme"}, "https://evil.snowflakecomputing.com", False),
    ("snowflake", None, {}, "https://.snowflakecomputing.com", False),
    ("poe", None, {}, "https://api.poe.com", True),
    ("a2a", None, {}, "https://api.openai.com", False),
]


@pytest.mark.parametrize(("provider", "base", "environ", "address", "may"), ALLOWED)
def test_a_request_goes_where_settings_environment_or_table_say(
    provider: str, base: str | None, environ: dict[str, str], address: str, may: bool
) -> None:
    scheme, _, rest = address.partition("://")
    host, _, port = rest.partition(":")
    reach = reach_of(f"{provider}/m", provider, Endpoint(base), environ)
    assert (reach.refusal(scheme, host, int(port) if port else None, "/") is None) is may
    if not port and scheme == "https":
        assert (reach.refusal_of_host(host) is None) is may


def test_every_row_of_the_table_is_an_address() -> None:
    assert all(
        has_address(name, {"SNOWFLAKE_ACCOUNT_ID": "a"}) for name, _, _ in (r.partition("=") for r in _OWN.split())
    )
