"""Endpoints: the variables that hold each provider's key and address, and an address made ready for requests.

The names are those that LiteLLM and the providers' own tools use. A provider that is not listed here is LiteLLM's
affair: it then reads the process's environment by its own rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit, urlunsplit

from promptctl.errors import ModelConfigurationError
from promptctl.models.gateway import Endpoint

if TYPE_CHECKING:
    from multidict import CIMultiDict
    from yarl import URL

_CHAT = "/chat/completions"
_EMBEDDINGS = "/embeddings"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")


@dataclass(frozen=True, slots=True)
class Provider:
    """The variables of one provider, the first that is set wins.

    `settings` maps LiteLLM's names of further connection settings to their variables. `other_ways` are variables of
    other kinds of sign-in, which LiteLLM handles: if one is set, no key is missed. A provider without `keys` needs
    none. With `has_own_sign_in` LiteLLM sends those others even if it is given a key.
    """

    keys: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other_ways: tuple[str, ...] = ()
    is_local: bool = False
    has_own_sign_in: bool = False

    @property
    def is_sent_its_key_alone(self) -> bool:
        """True if LiteLLM sends only the key we pass, so that any address may receive it."""
        return (bool(self.keys) or self.is_local) and not self.has_own_sign_in

    def is_missing_key(self, environ: Mapping[str, str]) -> bool:
        """True if the provider needs a key and the environment has neither it nor another way to sign in."""
        return bool(self.keys) and not self.is_local and first_set(environ, (*self.keys, *self.other_ways)) is None


def first_variable(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | tuple[None, None]:
    """Return the first of these variables that is set to something, and its value without blanks around it."""
    return next(((name, value) for name in names if (value := environ.get(name, "").strip())), (None, None))


def first_set(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Return the value of the first of these variables that is set to something."""
    return first_variable(environ, names)[1]


def known_provider(name: str) -> Provider:
    """Return the variables of a provider; none at all if it is not listed here."""
    return _PROVIDERS.get(name) or Provider()


def known_providers() -> frozenset[str]:
    """Return the names of the providers that are listed here."""
    return frozenset(_PROVIDERS)


@dataclass(frozen=True, slots=True)
class Address:
    """The URLs and headers of one endpoint's requests. Nothing of it shows in a repr."""

    endpoint: Endpoint
    chat: URL
    embeddings: URL
    headers: CIMultiDict[str]
    proxy: str | None

    def __repr__(self) -> str:
        return "Address(…)"


def address_of(model: str, endpoint: Endpoint, default_base: str, environ: Mapping[str, str]) -> Address:
    """Return the endpoint, ready for use. Raises `ModelConfigurationError` if its address or headers are wrong."""
    from yarl import URL

    base = checked_base(model, endpoint if endpoint.api_base else replace(endpoint, api_base=default_base))
    path = base.path.rstrip("/").removesuffix(_CHAT)
    chat, embeddings = (URL(urlunsplit(base._replace(path=path + end))) for end in (_CHAT, _EMBEDDINGS))
    return Address(endpoint, chat, embeddings, _headers(model, endpoint), proxy_for(model, base, environ))


def checked_base(model: str, endpoint: Endpoint) -> SplitResult:
    """Return the address of an endpoint, in parts. Raises `ModelConfigurationError` if it cannot be one."""
    api_base = endpoint.api_base or ""
    try:
        parts = urlsplit(api_base)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or re.search(r"[\s\x00-\x1f]", api_base):
        raise ModelConfigurationError(
            f"the address set for {model} cannot be used: {endpoint.place}",
            hint="an address is written http://host:port/v1 or https://host/v1",
        )
    if parts.username is not None or parts.password is not None:
        raise ModelConfigurationError(
            f"the address set for {model} holds a user name or password: {endpoint.place}",
            hint="take it out, and name the variable that holds the key with `api_key_env`",
        )
    return parts._replace(fragment="")


def proxy_for(model: str, base: SplitResult, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment names for an address; never one for this machine itself."""
    host = base.hostname or ""
    names = (f"{base.scheme}_proxy", f"{base.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    proxy = next((environ[name] for name in names if environ.get(name)), None)
    if proxy is None or _LOOPBACK.fullmatch(host):
        return None
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    bypassed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if proxy_bypass_environment(base.netloc, {"no": bypassed}):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise ModelConfigurationError(
            f"the proxy that the environment names for {model} is not an HTTP proxy",
            hint="set HTTPS_PROXY to http://host:port, or NO_PROXY to the host that needs none",
        )
    return proxy


def _headers(model: str, endpoint: Endpoint) -> CIMultiDict[str]:
    from multidict import CIMultiDict

    headers = CIMultiDict({"Content-Type": "application/json"})
    if endpoint.api_key is not None:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    for name, value in endpoint.headers.items():
        headers[name] = value
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            what = "the key" if name == "Authorization" else "a header"
            raise ModelConfigurationError(
                f"{what} set for {model} has characters that cannot be sent",
                hint="set it again, in plain letters and on one line",
            )
    return headers


def _usual(name: str, *more_keys: str) -> Provider:
    return Provider(keys=(f"{name}_API_KEY", *more_keys), bases=(f"{name}_API_BASE",))


_AWS = Provider(
    settings={
        "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
        "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "aws_session_token": ("AWS_SESSION_TOKEN",),
        "aws_region_name": ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
    }
)
_TOGETHER = ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN")
_FIREWORKS = ("FIREWORKS_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN")

_USUAL = (
    *("ai21", "cerebras", "codestral", "dashscope", "deepinfra", "deepseek", "github", "groq", "minimax", "mistral"),
    *("moonshot", "nebius", "novita", "nvidia_nim", "sambanova", "voyage", "xai", "zai"),
)
_LOCAL = {"docker_model_runner", "hosted_vllm", "litellm_proxy", "llamafile", "lm_studio", "ollama", "xinference"}

_PROVIDERS: dict[str, Provider] = {
    **{name: _usual(name.upper()) for name in _USUAL},
    **{name: replace(_usual(name.upper()), is_local=True) for name in _LOCAL},
    "openai": Provider(
        keys=("OPENAI_API_KEY",),
        bases=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    ),
    "anthropic": Provider(
        keys=("ANTHROPIC_API_KEY",),
        bases=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        other_ways=("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_FEDERATION_RULE_ID"),
    ),
    "azure": Provider(
        keys=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        bases=("AZURE_API_BASE",),
        settings={"api_version": ("AZURE_API_VERSION",)},
        other_ways=("AZURE_AD_TOKEN", "AZURE_CLIENT_ID", "AZURE_USERNAME"),
    ),
    "azure_ai": Provider(
        keys=("AZURE_AI_API_KEY",), bases=("AZURE_AI_API_BASE",), other_ways=("AZURE_AD_TOKEN", "AZURE_CLIENT_ID")
    ),
    "bedrock": _AWS,
    "sagemaker": _AWS,
    "vertex_ai": Provider(
        settings={"vertex_project": ("VERTEXAI_PROJECT",), "vertex_location": ("VERTEXAI_LOCATION",)}
    ),
    "gemini": Provider(keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"), bases=("GEMINI_API_BASE",)),
    "cohere": _usual("COHERE", "CO_API_KEY"),
    "cohere_chat": _usual("COHERE", "CO_API_KEY"),
    "databricks": Provider(
        keys=("DATABRICKS_API_KEY",),
        bases=("DATABRICKS_API_BASE",),
        other_ways=("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID"),
        has_own_sign_in=True,
    ),
    "fireworks_ai": Provider(keys=("FIREWORKS_AI_API_KEY", *_FIREWORKS), bases=("FIREWORKS_API_BASE",)),
    "huggingface": _usual("HUGGINGFACE", "HF_TOKEN"),
    "openrouter": _usual("OPENROUTER", "OR_API_KEY"),
    "perplexity": Provider(keys=("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"), bases=("PERPLEXITY_API_BASE",)),
    "replicate": _usual("REPLICATE", "REPLICATE_API_TOKEN"),
    "together_ai": Provider(keys=("TOGETHERAI_API_KEY", *_TOGETHER), bases=("TOGETHER_AI_API_BASE",)),
    "ollama_chat": Provider(keys=("OLLAMA_API_KEY",), bases=("OLLAMA_API_BASE",), is_local=True),
}
