"""Hosts: where requests to each provider may go, and nowhere else.

A model's id comes from a prompt, and LiteLLM builds some addresses out of it. So an address is compared with what the
settings, the environment or the tables below name, when the request goes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from promptctl.errors import ModelConfigurationError, printable
from promptctl.models.gateway import Endpoint

# `provider=host`, as LiteLLM knows them. `*` is one piece of a name, `{VARIABLE}` the value of a variable.
_OWN = """
ai21=api.ai21.com ai21_chat=api.ai21.com aiml=api.aimlapi.com amazon_nova=api.nova.amazon.com
anthropic=api.anthropic.com anthropic_text=api.anthropic.com baseten=inference.baseten.co
bedrock=aws-external-anthropic.*.api.aws bedrock=bedrock-agent-runtime.*.amazonaws.com
bedrock=bedrock-agentcore.*.amazonaws.com bedrock=bedrock-mantle.*.api.aws bedrock=bedrock-runtime.*.amazonaws.com
bedrock=bedrock-runtime.*.amazonaws.com.cn bedrock_mantle=bedrock-mantle.*.api.aws bytez=api.bytez.com
cerebras=api.cerebras.ai chatgpt=chatgpt.com clarifai=api.clarifai.com clarifai=clarifai.com
cloudflare=api.cloudflare.com codestral=codestral.mistral.ai cohere=api.cohere.ai cohere=api.cohere.com
cohere_chat=api.cohere.ai cohere_chat=api.cohere.com cometapi=api.cometapi.com compactifai=api.compactif.ai
dashscope=dashscope-intl.aliyuncs.com dashscope=dashscope.aliyuncs.com datarobot=app.datarobot.com
deepinfra=api.deepinfra.com deepseek=api.deepseek.com docker_model_runner=http://localhost:22088 edenai=api.edenai.run
empower=app.empower.dev featherless_ai=api.featherless.ai fireworks_ai=api.fireworks.ai friendliai=api.friendli.ai
galadriel=api.galadriel.com gemini=generativelanguage.googleapis.com gigachat=gigachat.devices.sberbank.ru
github=models.github.ai github=models.inference.ai.azure.com github_copilot=api.*.githubcopilot.com
github_copilot=api.githubcopilot.com gradient_ai=inference.do-ai.run groq=api.groq.com
huggingface=router.huggingface.co hyperbolic=api.hyperbolic.xyz inception=api.inceptionlabs.ai jina_ai=api.jina.ai
lambda_ai=api.lambda.ai langflow=http://localhost:7860 langgraph=http://localhost:2024 lemonade=http://localhost:8000
llamafile=http://127.0.0.1:8080 lm_studio=http://localhost:1234 maritalk=chat.maritaca.ai meta_llama=api.llama.com
minimax=api.minimax.io minimax=api.minimaxi.com mistral=api.mistral.ai modelscope=api-inference.modelscope.cn
moonshot=api.moonshot.ai moonshot=api.moonshot.cn morph=api.morphllm.com nebius=api.studio.nebius.ai
nebius=api.tokenfactory.nebius.com nlp_cloud=api.nlpcloud.io novita=api.novita.ai nscale=inference.api.nscale.com
nvidia_nim=integrate.api.nvidia.com oci=inference.generativeai.*.oci.oraclecloud.com ollama=http://localhost:11434
ollama_chat=http://localhost:11434 openai=api.openai.com openrouter=openrouter.ai
ovhcloud=oai.endpoints.kepler.ai.cloud.ovh.net perplexity=api.perplexity.ai predibase=serving.app.predibase.com
qwen_ai_platform=dashscope.aliyuncs.com qwencloud=dashscope-intl.aliyuncs.com replicate=api.replicate.com
sagemaker=runtime.sagemaker.*.amazonaws.com sagemaker=runtime.sagemaker.*.amazonaws.com.cn
sagemaker_chat=runtime.sagemaker.*.amazonaws.com sagemaker_chat=runtime.sagemaker.*.amazonaws.com.cn
sagemaker_nova=runtime.sagemaker.*.amazonaws.com sambanova=api.sambanova.ai sap=api.ai.*.*.*.ml.hana.ondemand.com
snowflake={SNOWFLAKE_ACCOUNT_ID}.snowflakecomputing.com tencent=tokenhub-intl.tencentcloudmaas.com
text-completion-codestral=codestral.mistral.ai text-completion-openai=api.openai.com together_ai=api.together.ai
together_ai=api.together.xyz v0=api.v0.dev vercel_ai_gateway=ai-gateway.vercel.sh vertex_ai=*-aiplatform.googleapis.com
vertex_ai=aiplatform.*.rep.googleapis.com vertex_ai=aiplatform.googleapis.com volcengine=ark.cn-beijing.volces.com
voyage=api.voyageai.com wandb=api.inference.wandb.ai watsonx=*.ml.cloud.ibm.com watsonx_text=*.ml.cloud.ibm.com
xai=api.x.ai xinference=http://127.0.0.1:9997 zai=api.z.ai
"""
# Where LiteLLM, and what it signs in with, fetch what a request is signed with.
_AWS = (
    "sts.amazonaws.com=sts.*.amazonaws.com=oidc.*.amazonaws.com=portal.sso.*.amazonaws.com=http://169.254.169.254:80"
    "=http://169.254.170.2:80=http://169.254.170.23:80"
)
_AZURE = "login.microsoftonline.com=login.microsoftonline.us=http://169.254.169.254:80"
_AT_AWS = ("bedrock", "bedrock_mantle", "sagemaker", "sagemaker_chat", "sagemaker_nova")
_AT_AZURE = ("azure", "azure_ai", "azure_text")
_SIGN_IN = {
    **dict.fromkeys(_AT_AWS, _AWS),
    **dict.fromkeys(_AT_AZURE, _AZURE),
    "vertex_ai": "oauth2.googleapis.com=sts.googleapis.com=iamcredentials.googleapis.com"
    "=http://metadata.google.internal:80=http://169.254.169.254:80",
    **dict.fromkeys(("watsonx", "watsonx_text"), "iam.cloud.ibm.com"),
    "gigachat": "https://ngw.devices.sberbank.ru:9443",
    "sap": "*.authentication.*.hana.ondemand.com=*.authentication.sap.hana.ondemand.com",
    "chatgpt": "auth.openai.com",
    "github_copilot": "github.com=api.github.com",
    "huggingface": "huggingface.co",
}
# How the variables of a provider begin, if not with its name.
_PREFIXES = {
    **dict.fromkeys(_AT_AWS, "AWS|BEDROCK|ANTHROPIC_AWS"),
    **dict.fromkeys(_AT_AZURE, "AZURE|IDENTITY|MSI"),
    **dict.fromkeys(("watsonx", "watsonx_text"), "WATSONX|WX|WML"),
    "vertex_ai": "VERTEX|VERTEXAI|GOOGLE_CLOUD|GCE_METADATA",
    "anthropic_text": "ANTHROPIC",
    "cohere_chat": "COHERE",
    "fireworks_ai": "FIREWORKS",
    "friendliai": "FRIENDLI",
    "github": "GITHUB_API",
    "huggingface": "HUGGINGFACE|HF",
    "lambda_ai": "LAMBDA",
    "meta_llama": "LLAMA",
    "ollama_chat": "OLLAMA",
    "sap": "SAP|AICORE",
    "tensormesh": "TENSORMESH_SERVERLESS",
    "text-completion-openai": "OPENAI",
    "volcengine": "VOLCENGINE|ARK",
}
_PORTS = {"http": 80, "https": 443}
# LiteLLM looks there for templates that it would run, and does without.
HUB = "huggingface.co"
_HUB_MODELS = "/api/models/"


@dataclass(frozen=True, slots=True)
class Reach:
    """The addresses that requests to one model may go to: `scheme://host:port`, those with `*` as an expression."""

    model: str
    addresses: frozenset[str]
    pattern: re.Pattern[str]
    proxies: frozenset[str]

    def refusal(self, scheme: str, host: str, port: int | None, path: str) -> ModelConfigurationError | None:
        """Return the error of a request that may not go there; None if it may."""
        address = f"{scheme}://{host.lower()}:{port or _PORTS.get(scheme)}"
        is_named = address in self.addresses or self.pattern.fullmatch(address) is not None
        if is_named and (address != f"https://{HUB}:443" or path.startswith(_HUB_MODELS)):
            return None
        return self._error(host)

    def refusal_of_host(self, host: str) -> ModelConfigurationError | None:
        """Return the error of looking up a host that neither a request nor a proxy needs; None if one does."""
        ends = (f"http://{host.lower()}:", f"https://{host.lower()}:")
        if host.lower() in self.proxies or any(address.startswith(ends) for address in self.addresses):
            return None
        return None if self.pattern.fullmatch(f"https://{host.lower()}:443") else self._error(host)

    def _error(self, host: str) -> ModelConfigurationError:
        return ModelConfigurationError(
            f"`{printable(self.model)}` would be asked at `{printable(host)}`, which is not its provider's address: "
            "nothing was sent there",
            hint="an address of your own is set as `api_base` under `models:` in promptctl.yaml; images are given as "
            "data: URLs",
        )


def reach_of(model: str, provider: str, endpoint: Endpoint, environ: Mapping[str, str]) -> Reach:
    """Return where requests to a model may go: its endpoint's address, or else its provider's own.

    Addresses that variables of this provider name, and the hosts that it signs in at, are always among them.
    """
    named = [endpoint.api_base] if endpoint.api_base else _own_hosts(provider)
    found = [*named, *_SIGN_IN.get(provider, "").split("="), *_named_in(provider, environ)]
    addresses = [address for each in found if (address := _address(each, environ))]
    patterns = [re.escape(address).replace(r"\*", "[a-z0-9-]+") for address in addresses if "*" in address]
    proxies = [_address(value, environ) for name, value in environ.items() if name.lower().endswith("_proxy")]
    return Reach(
        model,
        frozenset(addresses),
        re.compile("|".join(patterns) or "(?!)"),
        frozenset(urlsplit(proxy).hostname or "" for proxy in proxies),
    )


def has_address(provider: str, environ: Mapping[str, str]) -> bool:
    """Return True if a provider has an address of its own, or one of its variables names one."""
    return any(_address(each, environ) for each in (*_own_hosts(provider), *_named_in(provider, environ)))


def _address(written: str, environ: Mapping[str, str]) -> str:
    """Return an address as `scheme://host:port`; empty if it is none."""
    for variable in re.findall(r"\{(\w+)\}", written):
        value = environ.get(variable, "").strip()
        if not re.fullmatch("[A-Za-z0-9_.-]+", value):
            return ""
        written = written.replace(f"{{{variable}}}", value)
    try:
        parts = urlsplit(written if "://" in written else f"https://{written}")
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}:{port}" if host and port else ""


@cache
def _own_hosts(provider: str) -> tuple[str, ...]:
    named = (each.partition("=") for each in _OWN.split())
    return tuple(host for name, _, host in named if name == provider) or _listed_hosts(provider)


def _listed_hosts(provider: str) -> tuple[str, ...]:
    """Return the address in LiteLLM's list of providers that speak the chat-completions protocol."""
    found = find_spec("litellm")
    if found is None or found.origin is None:
        return ()
    path = Path(found.origin).parent / "llms" / "openai_like" / "providers.json"
    try:
        return (str(json.loads(path.read_bytes())[provider]["base_url"]),)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _named_in(provider: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the addresses that variables of this provider name: `GROQ_API_BASE`, `AZURE_AUTHORITY_HOST`."""
    prefix = _PREFIXES.get(provider) or re.escape(provider.upper().replace("-", "_"))
    name = re.compile(rf"(?:{prefix})_(?:\w+_)?(?:BASE|URL|URI|ENDPOINT|HOST)(?:_\w+)?")
    yield from (value.strip() for variable, value in environ.items() if name.fullmatch(variable))
