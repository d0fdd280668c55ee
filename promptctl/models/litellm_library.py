"""LiteLLM itself: imported once, on first use or early on another thread, and kept from doing more than it is asked.

Left to itself its import fetches a price map from the internet and reads a `.env` file; later it fetches header
lists and the images that messages link to, prints advice to stdout, and runs the callbacks of whoever configured it.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from promptctl.models.litellm_wire import Wire

# LiteLLM reads these from the process's environment while it is imported; there is no other way to tell it.
_WHILE_IMPORTING = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    # Any mode but DEV leaves `.env` files alone.
    "LITELLM_MODE": "PRODUCTION",
    # Images are sent as links or as data; fetching them from here would be a call to a host that nobody named.
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",
}
# Their messages quote requests, addresses and headers; what matters of them is in the exceptions.
_LOGGERS = {
    **dict.fromkeys(("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"), logging.CRITICAL + 1),
    **dict.fromkeys(("openai", "httpx", "httpcore"), logging.WARNING),
}
_import_lock = threading.Lock()
_wire: ContextVar[Wire | None] = ContextVar("promptctl_wire", default=None)


def load_litellm() -> Any:
    """Return the module `litellm`, imported if need be: 2 s, 165 MB, no network. Safe to call from several threads."""
    with _import_lock:
        if "litellm" not in sys.modules:
            for name, level in _LOGGERS.items():
                logging.getLogger(name).setLevel(level)
            with environment(_WHILE_IMPORTING):
                _configure(importlib.import_module("litellm"))
        _guard_transports()
    return sys.modules["litellm"]


def is_loaded() -> bool:
    """True once the import is over."""
    return "litellm" in sys.modules and not _import_lock.locked()


def is_loading() -> bool:
    """True while the import goes on."""
    return _import_lock.locked()


def preload() -> None:
    """Begin the import on a thread of its own, so that it overlaps with other work."""
    if not is_loaded():
        threading.Thread(target=load_litellm, name="import-litellm", daemon=True).start()


@contextmanager
def our_call(wire: Wire | None = None) -> Iterator[None]:
    """Make one call without LiteLLM's own logging and pricing, which cost time and may call others.

    `wire` says where its requests may go, learns when they are sent, and mends the response before LiteLLM reads it.
    """
    is_internal = _is_internal_call()
    token = is_internal.set(True) if is_internal is not None else None
    ours = _wire.set(wire)
    try:
        yield
    finally:
        _wire.reset(ours)
        if is_internal is not None and token is not None:
            is_internal.reset(token)


@functools.cache
def tool_arguments() -> dict[str, Any]:
    """Return the arguments to add beside tools, so that LiteLLM does not look among them for MCP servers to call.

    Its code for that needs a package that it does not depend on, and it imports it for any request with tools.
    """
    has_handler = find_spec("litellm.responses.mcp.chat_completions_handler") is not None
    return {"_skip_mcp_handler": True} if has_handler else {}


@functools.cache
def leave_mcp_out() -> None:
    """Let models of OpenAI's responses protocol be asked without the package `mcp`, which LiteLLM imports for each.

    It would look among tools for MCP servers to call: none of ours is one.
    """
    found: Any = importlib.import_module("litellm.responses.main")
    if hasattr(found, "_responses_try_dispatch_mcp_gateway") and find_spec("mcp") is None:
        found._responses_try_dispatch_mcp_gateway = lambda *_, **__: None


@functools.cache
def spread_extra_bodies() -> None:
    """Let the keys of `extra_body` reach Anthropic and Bedrock as keys of the body, as they reach other providers.

    LiteLLM sends them a key `extra_body`. They cannot be arguments of the call: some names are settings of LiteLLM.
    """
    found = importlib.import_module("litellm.llms.anthropic.chat.transformation").AnthropicConfig
    _wrap(found, "transform_request", _body)
    found = importlib.import_module("litellm.llms.bedrock.chat.converse_transformation").AmazonConverseConfig
    _wrap(found, "_transform_request_helper", _body)


def _body(_: Wire, make: Any, *given: Any, **named: Any) -> Any:
    body = make(*given, **named)
    fields = body.get("additionalModelRequestFields", body)
    if isinstance(fields, dict) and isinstance(fields.get("extra_body"), dict):
        fields.update(fields.pop("extra_body"))
    return body


async def close_clients() -> None:
    """Close the connections that LiteLLM has opened in the running event loop, and let it open new ones."""
    litellm = sys.modules.get("litellm")
    if litellm is None:
        return
    cleanup = importlib.import_module("litellm.llms.custom_httpx.async_client_cleanup")
    await cleanup.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
    # Some providers' streams go through a client of LiteLLM's own that is in no cache; it opens anew when used again.
    shared = vars(litellm).get("module_level_aclient")
    if shared is not None:
        await shared.close()


def _configure(litellm: Any) -> None:
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    # Tokens that the provider did not count stay unknown, rather than being guessed.
    litellm.disable_token_counter = True
    # Where it takes `max_retries=0` for not given, it falls back on this.
    litellm.DEFAULT_MAX_RETRIES = 0
    # What LiteLLM imports on its first call is imported now, so that it counts as start-up and not as a reply's time.
    with suppress(Exception), our_call():
        words = [{"role": "user", "content": "hello"}]
        litellm.completion(model="openai/mock", messages=words, mock_response="hello", api_key="none")
    with suppress(ImportError, AttributeError):
        # Read and kept now, while the environment says that the bundled list is to be used.
        importlib.import_module("litellm.anthropic_beta_headers_manager").get_provider_name("anthropic")


def _is_internal_call() -> ContextVar[bool] | None:
    found = getattr(sys.modules.get("litellm._internal_context"), "is_internal_call", None)
    return found if isinstance(found, ContextVar) else None


def surroundings(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables that LiteLLM may read: the given ones, and the process's, in which it looks for the rest."""
    return {**os.environ, **environ}


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables of the process's environment for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _guard_transports() -> None:
    """Wrap everything that LiteLLM sends with, once: each request goes where its model's `Reach` allows, or nowhere.

    LiteLLM has no setting for this: httpx with and without asyncio, its own transport on aiohttp, aiohttp, and urllib3
    for boto3 and requests. Looking up a host's name is the net below them. No request is ever redirected. What is no
    call of ours is left as it is.
    """
    own = importlib.import_module("litellm.llms.custom_httpx.aiohttp_transport").LiteLLMAiohttpTransport
    if hasattr(own.handle_async_request, "__wrapped__"):
        return
    httpx = importlib.import_module("httpx")
    _wrap(httpx.AsyncHTTPTransport, "handle_async_request", _httpx_async)
    _wrap(httpx.HTTPTransport, "handle_request", _httpx)
    _wrap(importlib.import_module("aiohttp").ClientSession, "_request", _aiohttp)
    if find_spec("urllib3") is not None:
        pool = importlib.import_module("urllib3.connectionpool").HTTPConnectionPool
        _wrap(pool, "urlopen", _urllib3)
    _wrap(socket, "getaddrinfo", _look_up)
    _wrap(own, "handle_async_request", _httpx_async)  # last: it says that all are wrapped


def _wrap(owner: Any, name: str, ours: Callable[..., Any]) -> None:
    """Put a function of ours in a library's place, for calls of ours: it is given their wire, and what it is in for."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def guarded(*given: Any, **options: Any) -> Any:
        wire = _wire.get()
        return inner(*given, **options) if wire is None else ours(wire, inner, *given, **options)

    setattr(owner, name, guarded)


async def _httpx_async(wire: Wire, handle: Any, transport: Any, request: Any) -> Any:
    wire.check(request.url.scheme, request.url.host, request.url.port, request.url.path)
    wire.begin()
    response = _kept_here(await handle(transport, request))
    response.request = request
    # Read by OpenAI's library, which some providers' routes let try again as often as it likes.
    response.headers["x-should-retry"] = "false"
    return await wire.mend(response)


def _httpx(wire: Wire, handle: Any, transport: Any, request: Any) -> Any:
    wire.check(request.url.scheme, request.url.host, request.url.port, request.url.path)
    wire.begin()
    return _kept_here(handle(transport, request))


async def _aiohttp(wire: Wire, request: Any, session: Any, method: str, url: Any, **options: Any) -> Any:
    parts = urlsplit(str(url))
    wire.check(parts.scheme, parts.hostname or "", parts.port, parts.path)
    return await request(session, method, url, **{**options, "allow_redirects": False})


def _urllib3(wire: Wire, urlopen: Any, pool: Any, method: str, url: str, *given: Any, **options: Any) -> Any:
    parts = urlsplit(url)  # whole if it goes to a proxy
    host, port = (parts.hostname, parts.port) if parts.hostname else (pool.host, pool.port)
    wire.check(parts.scheme or pool.scheme, host.strip("[]"), port, parts.path)
    return _kept_here(urlopen(pool, method, url, *given, **{**options, "redirect": False}))


def _look_up(wire: Wire, getaddrinfo: Any, host: Any, *given: Any, **options: Any) -> Any:
    if host:
        wire.check_host(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
    return getaddrinfo(host, *given, **options)


def _kept_here(response: Any) -> Any:
    """Return the response; a redirect without the address that it leads to.

    httpx would take off `Authorization` alone, and other headers with keys would go along.
    """
    if 300 <= getattr(response, "status_code", getattr(response, "status", 0)) < 400:
        response.headers.pop("location", None)
    return response
