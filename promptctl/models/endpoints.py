"""An endpoint made ready for requests: its address and headers checked, and the proxy in front of it, if any."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
class Address:
    """Where the requests of one endpoint go. Nothing of it shows in a repr."""

    endpoint: Endpoint
    chat: URL
    embeddings: URL
    headers: CIMultiDict[str]
    proxy: str | None

    def __repr__(self) -> str:
        return "Address(…)"


def address_of(model: str, endpoint: Endpoint, default_base: str, environ: Mapping[str, str]) -> Address:
    """The endpoint, ready for use. Raises `ModelConfigurationError` where its address or headers cannot be used."""
    from yarl import URL

    base = checked_base(model, endpoint.api_base or default_base)
    path = base.path.rstrip("/").removesuffix(_CHAT)
    chat, embeddings = (URL(urlunsplit(base._replace(path=path + end))) for end in (_CHAT, _EMBEDDINGS))
    return Address(endpoint, chat, embeddings, _headers(model, endpoint), proxy_for(model, base, environ))


def checked_base(model: str, api_base: str) -> SplitResult:
    """The address of an endpoint, in parts. Raises `ModelConfigurationError` where it cannot be one."""
    try:
        parts = urlsplit(api_base)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or re.search(r"[\s\x00-\x1f]", api_base):
        raise ModelConfigurationError(
            f"the address set for {model} cannot be used",
            hint="an `api_base` is written http://host:port/v1 or https://host/v1",
        )
    if parts.username is not None or parts.password is not None:
        raise ModelConfigurationError(
            f"the address set for {model} holds a user name or password",
            hint="take it out, and name the variable that holds the key with `api_key_env`",
        )
    return parts._replace(fragment="")


def proxy_for(model: str, base: SplitResult, environ: Mapping[str, str]) -> str | None:
    """The proxy that the environment names for an address; never one for this machine itself."""
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
